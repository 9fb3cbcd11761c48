/* SPDX-License-Identifier: MIT */
/*
 * One block: from guest bytes to calls of the host contract.
 *
 *   pc --exec TLB entry--> host bytes --riscv__decode--> struct riscv_insn
 *      --by class--> jit_host__alu, _load, _branch, ...
 *
 * A block ends at a jump or branch, with an instruction that may change the
 * mode or what is fetched (system.c), before one that the interpreter
 * does, at the end of its page, or at RISCV_BLOCK_INSNS. An instruction that
 * crosses pages is a block of its own, keyed by both. Whatever leads there has
 * checked the first page only, so that it checks the second one itself.
 */
#include "jit/riscv/translate/translate.h"
#include "jit/riscv/observe.h"

/* Code that one block may take; a longer one is cut in half and tried again.
 */
#define LEASE_SIZE 16384

/* ---- Tables ------------------------------------------------------------ */

#define ALU(op, jit) [RISCV_OP_##op] = JIT_##jit

/* For classes ALU, MUL and DIV. auipc and lui are not here. */
static const uint8_t alu_ops[RISCV_OP_COUNT] = {
    ALU(ADDI, ADD),
    ALU(SLTI, SLT),
    ALU(SLTIU, SLTU),
    ALU(XORI, XOR),
    ALU(ORI, OR),
    ALU(ANDI, AND),
    ALU(SLLI, SLL),
    ALU(SRLI, SRL),
    ALU(SRAI, SRA),
    ALU(ADDIW, ADDW),
    ALU(SLLIW, SLLW),
    ALU(SRLIW, SRLW),
    ALU(SRAIW, SRAW),
    ALU(LUI, ADD),
    ALU(ADD, ADD),
    ALU(SUB, SUB),
    ALU(SLL, SLL),
    ALU(SLT, SLT),
    ALU(SLTU, SLTU),
    ALU(XOR, XOR),
    ALU(SRL, SRL),
    ALU(SRA, SRA),
    ALU(OR, OR),
    ALU(AND, AND),
    ALU(ADDW, ADDW),
    ALU(SUBW, SUBW),
    ALU(SLLW, SLLW),
    ALU(SRLW, SRLW),
    ALU(SRAW, SRAW),
    ALU(MUL, MUL),
    ALU(MULH, MULH),
    ALU(MULHSU, MULHSU),
    ALU(MULHU, MULHU),
    ALU(MULW, MULW),
    ALU(DIV, DIV),
    ALU(DIVU, DIVU),
    ALU(REM, REM),
    ALU(REMU, REMU),
    ALU(DIVW, DIVW),
    ALU(DIVUW, DIVUW),
    ALU(REMW, REMW),
    ALU(REMUW, REMUW),
    ALU(ANDN, ANDN),
    ALU(ORN, ORN),
    ALU(XNOR, XNOR),
    ALU(MIN, MIN),
    ALU(MAX, MAX),
    ALU(MINU, MINU),
    ALU(MAXU, MAXU),
    ALU(ROL, ROL),
    ALU(ROR, ROR),
    ALU(RORI, ROR),
    ALU(ROLW, ROLW),
    ALU(RORW, RORW),
    ALU(RORIW, RORW),
    ALU(SH1ADD, SH1ADD),
    ALU(SH2ADD, SH2ADD),
    ALU(SH3ADD, SH3ADD),
    ALU(ADD_UW, ADD_UW),
    ALU(SH1ADD_UW, SH1ADD_UW),
    ALU(SH2ADD_UW, SH2ADD_UW),
    ALU(SH3ADD_UW, SH3ADD_UW),
    ALU(SLLI_UW, SLL_UW),
    ALU(CLZ, CLZ),
    ALU(CTZ, CTZ),
    ALU(CPOP, CPOP),
    ALU(CLZW, CLZW),
    ALU(CTZW, CTZW),
    ALU(CPOPW, CPOPW),
    ALU(SEXT_B, SEXT_B),
    ALU(SEXT_H, SEXT_H),
    ALU(ZEXT_H, ZEXT_H),
    ALU(ORC_B, ORC_B),
    ALU(REV8, REV8),
    ALU(BCLR, BCLR),
    ALU(BCLRI, BCLR),
    ALU(BEXT, BEXT),
    ALU(BEXTI, BEXT),
    ALU(BINV, BINV),
    ALU(BINVI, BINV),
    ALU(BSET, BSET),
    ALU(BSETI, BSET),
    ALU(CZERO_EQZ, ZERO_IF_0),
    ALU(CZERO_NEZ, ZERO_IF_NOT_0),
};

static const uint8_t branch_conditions[RISCV_OP_COUNT] = {
    [RISCV_OP_BEQ] = JIT_EQ,   [RISCV_OP_BNE] = JIT_NE,
    [RISCV_OP_BLT] = JIT_LT,   [RISCV_OP_BGE] = JIT_GE,
    [RISCV_OP_BLTU] = JIT_LTU, [RISCV_OP_BGEU] = JIT_GEU,
};

/* ---- Instructions ------------------------------------------------------ */

static bool has_field(const struct riscv_insn *insn, unsigned field)
{
    return riscv__formats[riscv__ops[insn->op].format].fields & field;
}

static bool field_is_fp(const struct riscv_insn *insn, unsigned field)
{
    return riscv__formats[riscv__ops[insn->op].format].fp & field;
}

static bool in_page(const struct riscv_translation *t, uint64_t target)
{
    return t->source->key.page2 == XBAR_JIT_NO_PAGE &&
           ((target ^ t->source->pc) & TLB_PAGE_MASK) == 0;
}

/* Is what is done instead a copy of a register to itself? */
static bool is_nothing(const struct riscv_note *note,
                       const struct riscv_insn *insn)
{
    return note->form != RISCV_AS_IT_IS && insn->op == RISCV_OP_ADDI &&
           insn->rs1 == insn->rd;
}

enum jit_alu riscv__alu(const struct riscv_insn *insn, struct jit_operand *b)
{
    *b = (struct jit_operand){ .is_imm = !has_field(insn, RISCV_RS2),
                               .reg = insn->rs2,
                               .imm = insn->imm };
    return (enum jit_alu)alu_ops[insn->op];
}

static void translate_alu(struct riscv_translation *t,
                          const struct riscv_insn *insn)
{
    struct jit_operand b;
    enum jit_alu op = riscv__alu(insn, &b);

    if (is_nothing(&t->note, insn)) {
        return;
    }
    if (insn->op == RISCV_OP_AUIPC) {
        jit_host__set(&t->e, insn->rd, t->pc + (uint64_t)(int64_t)insn->imm);
        return;
    }
    jit_host__alu(&t->e, op, insn->rd, insn->rs1, b);
}

unsigned riscv__access_log2(const struct riscv_insn *insn)
{
    int access = riscv__ops[insn->op].access;

    return (unsigned)__builtin_ctz((unsigned)(access < 0 ? -access : access));
}

struct jit_access riscv__load_of(const struct riscv_insn *insn)
{
    return (struct jit_access){
        .reg = insn->rd,
        .base = insn->rs1,
        .size_log2 = (uint8_t)riscv__access_log2(insn),
        .sign_extend = riscv__ops[insn->op].access < 0,
        .offset = insn->imm,
        .fp = field_is_fp(insn, RISCV_RD),
    };
}

void riscv__translate_store(struct jit_emit *e, const struct riscv_insn *insn)
{
    struct jit_access access = {
        .reg = insn->rs2,
        .base = insn->rs1,
        .size_log2 = (uint8_t)riscv__access_log2(insn),
        .offset = insn->imm,
        .fp = field_is_fp(insn, RISCV_RS2),
    };

    jit_host__store(e, &access);
}

enum jit_condition riscv__condition(const struct riscv_insn *insn)
{
    return (enum jit_condition)branch_conditions[insn->op];
}

static void go_on(struct riscv_translation *t, uint64_t target)
{
    jit_host__goto(&t->e, 0, target, in_page(t, target));
}

static void translate_jump(struct riscv_translation *t,
                           const struct riscv_insn *insn)
{
    uint64_t next = t->pc + insn->length;

    if (riscv__calls(insn)) {
        jit_host__push_return(&t->e, next);
    }
    if (insn->op == RISCV_OP_JALR) {
        if (t->e.block->profile != NULL) {
            jit_host__count(&t->e, &t->hart->jit->stats.jumps, 1);
        }
        jit_host__jump_indirect(&t->e, insn->rs1, insn->imm, insn->rd, next,
                                riscv__returns(insn));
        return;
    }
    jit_host__set(&t->e, insn->rd, next);
    go_on(t, t->pc + (uint64_t)(int64_t)insn->imm);
}

static void translate_branch(struct riscv_translation *t,
                             const struct riscv_insn *insn)
{
    uint64_t taken = t->pc + (uint64_t)(int64_t)insn->imm;

    jit_host__branch(&t->e, riscv__condition(insn), insn->rs1, insn->rs2, taken,
                     in_page(t, taken));
    go_on(t, t->pc + insn->length);
}

/* Most need not be asked. */
static bool may_need_step(const struct riscv_insn *insn)
{
    enum riscv_class class = (enum riscv_class)riscv__ops[insn->op].class;

    return class == RISCV_CLASS_ILLEGAL || class == RISCV_CLASS_CSR ||
           class == RISCV_CLASS_SYSTEM || class == RISCV_CLASS_CBO;
}

/* Is it the interpreter's? */
bool riscv__needs_step(const struct riscv_translation *t,
                       const struct riscv_insn *insn)
{
    if (!may_need_step(insn)) {
        return false;
    }
    if (riscv__ops[insn->op].class != RISCV_CLASS_CBO) {
        return riscv__system_needs_step(t, insn);
    }
    /* It would write memory twice; or show registers when it traps. */
    return t->hart->lockstep != NULL ||
           (t->hart->observer != NULL && t->source->shown == NULL);
}

/* Emit one instruction; true if the block ends with it. */
static bool translate_insn(struct riscv_translation *t,
                           const struct riscv_insn *insn)
{
    struct jit_access access;

    switch ((enum riscv_class)riscv__ops[insn->op].class) {
    case RISCV_CLASS_ILLEGAL:
    case RISCV_CLASS_CSR:
    case RISCV_CLASS_SYSTEM:
        return riscv__translate_system(t, insn);
    case RISCV_CLASS_LOAD:
        access = riscv__load_of(insn);
        jit_host__load(&t->e, &access);
        return false;
    case RISCV_CLASS_STORE:
        riscv__translate_store(&t->e, insn);
        return false;
    case RISCV_CLASS_AMO:
        riscv__translate_amo(t, insn);
        return false;
    case RISCV_CLASS_FENCE:
        jit_host__fence(&t->e);
        return false;
    case RISCV_CLASS_FP:
        riscv__translate_fp(t, insn);
        return false;
    case RISCV_CLASS_CBO:
        jit_host__execute(&t->e, insn->bits, insn->rs1, 0);
        return false;
    case RISCV_CLASS_BRANCH:
        translate_branch(t, insn);
        return true;
    case RISCV_CLASS_JUMP:
        translate_jump(t, insn);
        return true;
    default:
        translate_alu(t, insn);
        return false;
    }
}

/* ---- Blocks ------------------------------------------------------------ */

/* Where the code of the next instruction begins, and that of this one ends. */
static void note_start(const struct riscv_translation *t)
{
    const struct xbar_jit_block *block = t->e.block;

    if (block->profile != NULL) {
        block->profile->starts[block->insns] =
            (uint16_t)code_buf__offset(t->e.b);
    }
}

/* False: memory is short. */
static bool start_counting(struct riscv_translation *t)
{
    struct xbar_jit_block *block = t->e.block;

    if (!t->hart->config.count_blocks) {
        return true;
    }
    if (!xbar_jit_add_profile(t->e.cache, block, t->ahead->count, 0)) {
        return false;
    }
    jit_host__count(&t->e, &block->profile->executions, 1);
    return true;
}

/* Emit one instruction, with what is wanted of it; true: the block ends with
 * it. */
static bool translate_wanted(struct riscv_translation *t,
                             const struct riscv_insn *insn)
{
    if (unlikely(t->source->shown != NULL)) {
        return riscv__translate_observed(t, insn, translate_insn);
    }
    return translate_insn(t, insn);
}

/* Emit the body. The count of instructions in the block is final then. */
static void translate_body(struct riscv_translation *t)
{
    struct xbar_jit_block *block = t->e.block;
    unsigned offset = 0;
    struct riscv_insn other;
    bool ended = false;

    note_start(t);
    while (!ended && !t->e.failed && !t->e.b->full) {
        const struct riscv_insn *insn;

        if (block->insns == t->ahead->count) {
            go_on(t, t->source->pc + offset);
            break;
        }
        insn = riscv__take_insn(t, block->insns, offset, &other);
        if (riscv__needs_step(t, insn)) {
            jit_host__step(&t->e);
            break;
        }
        if (!t->e.fp && riscv__is_fp(insn)) {
            go_on(t, t->pc); /* FP becomes live there, if it is on */
            break;
        }
        if (offset == 0) {
            riscv__translate_fp_guard(t);
        }
        riscv__enter_group(t, offset);
        ended = translate_wanted(t, insn);
        riscv__note_computed(&t->e, insn, t->pc);
        riscv__leave_group(t);
        if (t->e.fp) {
            riscv__translate_fp_note(t, insn);
        }
        offset += insn->length;
        block->insns++;
        note_start(t);
    }
    block->guest_size = (uint16_t)offset;
}

/* Links and jumps to a block check the page that it begins in. */
static void guard_second_page(struct riscv_translation *t)
{
    uint64_t page = (t->source->pc & TLB_PAGE_MASK) + TLB_PAGE_SIZE;

    if (t->source->host2 != NULL) {
        jit_host__guard(&t->e, page, t->source->home[1] - page);
    }
}

static struct xbar_jit_block *try_translate(struct xbar_riscv_hart *hart,
                                            const struct riscv_source *source,
                                            const struct riscv_ahead *ahead,
                                            size_t lease)
{
    struct riscv_jit *jit = hart->jit;
    struct xbar_emit_buffer buffer;
    struct code_buf b;
    struct riscv_grouped grouped;
    struct riscv_translation t = {
        .hart = hart,
        .source = source,
        .ahead = ahead,
        .e = { .b = &b,
               .cache = jit->cache,
               .guest = &riscv__jit_guest,
               .stubs = jit->stubs,
               .vcpu = hart,
               .cold = jit->cold,
               .computed = jit->computed,
               .fetch_context = hart->fetch_context,
               .data_context = hart->data_context,
               .fp = (source->key.mode & MODE_FP) != 0,
               .counts_pages = riscv__counts_pages(hart),
               .shows = source->shown != NULL,
               .return_hits =
                   hart->config.count_blocks ? &jit->stats.return_hits : NULL },
    };
    struct xbar_jit_block *block =
        xbar_jit_begin(jit->cache, &source->key, lease, &buffer);

    if (block == NULL) {
        return NULL;
    }
    code_buf__open(&b, &buffer);
    t.e.block = block;
    block->home[0] = source->home[0];
    block->home[1] = source->home[1];
    block->shown = source->shown;
    riscv__find_leaps(hart, t.e.leaps);
    riscv__translate_fp_begin(&t);
    riscv__begin_groups(&t, source->shown == NULL ? &grouped : NULL);
    riscv__forget_computed(&t.e);
    jit_host__prologue(&t.e);
    guard_second_page(&t);
    t.e.failed |= !start_counting(&t);
    translate_body(&t);
    block->hot_size = code_buf__offset(&b);
    riscv__translate_missed(&t, translate_insn);
    jit_host__epilogue(&t.e);
    if (b.full || t.e.failed ||
        (source->shown != NULL && block->insns != source->shown->count)) {
        xbar_jit_abort(jit->cache, block);
        return NULL;
    }
    code_buf__close(&b, &buffer);
    return xbar_jit_finish(jit->cache, block, &buffer, source->bytes) == 0
               ? block
               : NULL;
}

/* As a whole, or not at all: what is told of it would not be the same. */
static struct xbar_jit_block *translate_shown(struct xbar_riscv_hart *hart,
                                              struct riscv_source *source,
                                              struct riscv_ahead *ahead,
                                              size_t lease)
{
    struct xbar_jit_block *block = NULL;

    source->shown = riscv__observe_find(hart, source);
    if (source->shown != NULL) {
        riscv__look_ahead(ahead, source, source->shown->count);
        block = try_translate(hart, source, ahead, lease);
        source->shown->is_stuck = block == NULL;
    }
    return block;
}

static struct xbar_jit_block *translate(struct xbar_riscv_hart *hart,
                                        struct riscv_source *source)
{
    size_t lease = xbar_jit_lease_size(hart->jit->cache, LEASE_SIZE);
    struct riscv_ahead ahead;
    struct xbar_jit_block *block;

    if (unlikely(hart->shown != NULL)) {
        return translate_shown(hart, source, &ahead, lease);
    }
    riscv__look_ahead(&ahead, source, RISCV_BLOCK_INSNS);
    block = try_translate(hart, source, &ahead, lease);
    for (unsigned i = ahead.count / 2; block == NULL && i > 0; i /= 2) {
        riscv__look_less_ahead(&ahead, source, i);
        block = try_translate(hart, source, &ahead, lease);
    }
    return block;
}

/* A block of no instructions would only leave again. */
static bool starts_with_step(struct xbar_riscv_hart *hart,
                             const struct riscv_source *source)
{
    struct riscv_insn insn;

    if (!riscv__read_insn(source, 0, &insn)) {
        return true;
    }
    if (may_need_step(&insn)) {
        const struct riscv_translation t = { .hart = hart, .source = source };

        return riscv__needs_step(&t, &insn);
    }
    return riscv__is_fp(&insn) && !(source->key.mode & MODE_FP);
}

/* Does FP become live here? */
static bool starts_with_fp(const struct xbar_riscv_hart *hart,
                           const struct riscv_source *source)
{
    struct riscv_insn insn;

    return (hart->mstatus & MSTATUS_FS) == MSTATUS_FS &&
           !(source->key.mode & MODE_FP) &&
           riscv__read_insn(source, 0, &insn) && riscv__is_fp(&insn);
}

/* The block that there is of @source, if it is still of that memory. */
static struct xbar_jit_block *find_block(struct xbar_riscv_hart *hart,
                                         struct riscv_source *source)
{
    struct xbar_jit_block *block = NULL;

    if (riscv__heat_had(hart, source->home[0], source->key.mode)) {
        block = xbar_jit_find(hart->jit->cache, &source->key);
        if (block == NULL) {
            block = riscv__recall_block(hart, source);
        }
    }
    if (block != NULL && unlikely(riscv__source_moved(block, source))) {
        xbar_jit_drop(hart->jit->cache, block);
        block = NULL;
    }
    return block;
}

/* Watch first, then copy: what is stored in between is told. */
static struct xbar_jit_block *make_block(struct xbar_riscv_hart *hart,
                                         struct riscv_source *source)
{
    struct xbar_jit_block *other =
        xbar_jit_find(hart->jit->cache, &source->key);
    unsigned size;

    if (other != NULL) {
        xbar_jit_drop(hart->jit->cache, other); /* of other memory */
    }
    riscv__heat_made(hart, source->home[0], source->key.mode);
    riscv__code_watch(hart, source->pc, source->home);
    size = riscv__clip_to_break(hart, source->pc, RISCV_BLOCK_BYTES);
    if (unlikely(hart->shown != NULL)) {
        riscv__copy_source(source, size); /* to be found by */
    } else {
        riscv__begin_copy(source, size);
    }
    return starts_with_step(hart, source) ? NULL : translate(hart, source);
}

/*
 * The same for who is shown what is executed. The interpreter shows it first,
 * and ends what it has begun; a block is translated as it was shown, so FP is
 * live in all of it, or it is not translated.
 */
static struct xbar_jit_block *observed_block(struct xbar_riscv_hart *hart,
                                             struct riscv_source *source)
{
    struct xbar_jit_block *block = find_block(hart, source);
    const struct instrument_block *shown;

    if (block != NULL ||
        !riscv__heat_meet(hart, source->home[0], source->key.mode)) {
        return block;
    }
    riscv__copy_source(source, RISCV_BLOCK_BYTES);
    shown = riscv__observe_find(hart, source);
    if (shown == NULL || shown->is_stuck) {
        return NULL;
    }
    if (!(source->key.mode & MODE_FP) && riscv__shown_has_fp(source, shown)) {
        if ((hart->mstatus & MSTATUS_FS) != MSTATUS_FS) {
            return NULL;
        }
        hart->jit->fp_contexts = source->key.mode;
        source->key.mode = riscv__jit_mode(hart);
        block = find_block(hart, source);
    }
    return block != NULL ? block : make_block(hart, source);
}

struct xbar_jit_block *riscv__block(struct xbar_riscv_hart *hart)
{
    struct riscv_source source;
    struct xbar_jit_block *block;

    if (unlikely(hart->shown != NULL) && riscv__observe_is_inside(hart)) {
        return NULL;
    }
    if (riscv__is_break(hart, hart->pc)) {
        return NULL; /* the interpreter stops there */
    }
    if (!riscv__find_source(hart, &source)) {
        return NULL;
    }
    if (unlikely(hart->shown != NULL)) {
        return observed_block(hart, &source);
    }
    block = find_block(hart, &source);
    if (block != NULL) {
        return block;
    }
    if (!riscv__heat_meet(hart, source.home[0], source.key.mode)) {
        return NULL;
    }
    riscv__copy_source(&source, 4);
    if (starts_with_fp(hart, &source)) {
        hart->jit->fp_contexts = source.key.mode;
        source.key.mode = riscv__jit_mode(hart);
        block = find_block(hart, &source);
        if (block != NULL) {
            return block;
        }
    }
    return starts_with_step(hart, &source) ? NULL : make_block(hart, &source);
}
