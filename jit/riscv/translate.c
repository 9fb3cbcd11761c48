/* SPDX-License-Identifier: MIT */
/*
 * One block: from guest bytes to calls of the host contract.
 *
 *   pc --exec TLB entry--> host bytes --riscv__decode--> struct riscv_insn
 *      --by class--> jit_host__alu, _load, _branch, ...
 *
 * A block ends at a jump or branch, before an instruction that the
 * interpreter does (CSRs, xRET, fences of instructions), at the end of its
 * page, or at MAX_INSNS. An instruction that crosses pages is a block of its
 * own, keyed by both; nothing is chained to such a block, because a chain
 * checks one page only.
 */
#include "jit/riscv/jit.h"

#define MAX_INSNS 96
#define MAX_BYTES (4 * MAX_INSNS)

/* Code that one block may take; a longer one is cut in half and tried again.
 */
#define LEASE_SIZE 16384

/*
 * Where guest code is: both pages of a crossing instruction. Another hart may
 * be writing there, so the bytes are copied once; what is decoded is the copy,
 * and the copy is what fence.i compares with memory.
 */
struct source {
    uint64_t pc;
    const uint8_t *host;  /* of pc */
    const uint8_t *host2; /* of the second page, or NULL */
    struct jit_key key;
    uint64_t home[2]; /* as in struct jit_block */
    unsigned size;    /* bytes that were copied */
    uint8_t bytes[MAX_BYTES];
};

struct translation {
    struct xbar_riscv_hart *hart;
    struct jit_emit e;
    const struct source *source;
    uint64_t pc; /* of the instruction at hand */
    unsigned max_insns;
};

/* ---- Tables ------------------------------------------------------------ */

#define ALU(op, jit) [RISCV_OP_##op] = JIT_##jit

/* For classes ALU, MUL and DIV. auipc and lui are not here. */
static const uint8_t alu_ops[RISCV_OP_COUNT] = {
    ALU(ADDI, ADD),    ALU(SLTI, SLT),    ALU(SLTIU, SLTU), ALU(XORI, XOR),
    ALU(ORI, OR),      ALU(ANDI, AND),    ALU(SLLI, SLL),   ALU(SRLI, SRL),
    ALU(SRAI, SRA),    ALU(ADDIW, ADDW),  ALU(SLLIW, SLLW), ALU(SRLIW, SRLW),
    ALU(SRAIW, SRAW),  ALU(LUI, ADD),     ALU(ADD, ADD),    ALU(SUB, SUB),
    ALU(SLL, SLL),     ALU(SLT, SLT),     ALU(SLTU, SLTU),  ALU(XOR, XOR),
    ALU(SRL, SRL),     ALU(SRA, SRA),     ALU(OR, OR),      ALU(AND, AND),
    ALU(ADDW, ADDW),   ALU(SUBW, SUBW),   ALU(SLLW, SLLW),  ALU(SRLW, SRLW),
    ALU(SRAW, SRAW),   ALU(MUL, MUL),     ALU(MULH, MULH),  ALU(MULHSU, MULHSU),
    ALU(MULHU, MULHU), ALU(MULW, MULW),   ALU(DIV, DIV),    ALU(DIVU, DIVU),
    ALU(REM, REM),     ALU(REMU, REMU),   ALU(DIVW, DIVW),  ALU(DIVUW, DIVUW),
    ALU(REMW, REMW),   ALU(REMUW, REMUW),
};

static const uint8_t branch_conditions[RISCV_OP_COUNT] = {
    [RISCV_OP_BEQ] = JIT_EQ,   [RISCV_OP_BNE] = JIT_NE,
    [RISCV_OP_BLT] = JIT_LT,   [RISCV_OP_BGE] = JIT_GE,
    [RISCV_OP_BLTU] = JIT_LTU, [RISCV_OP_BGEU] = JIT_GEU,
};

#define AMO(op, jit) \
    [RISCV_OP_##op##_W] = JIT_AMO_##jit, [RISCV_OP_##op##_D] = JIT_AMO_##jit

static const uint8_t amo_ops[RISCV_OP_COUNT] = {
    AMO(AMOSWAP, SWAP), AMO(AMOADD, ADD),   AMO(AMOXOR, XOR),
    AMO(AMOAND, AND),   AMO(AMOOR, OR),     AMO(AMOMIN, MIN),
    AMO(AMOMAX, MAX),   AMO(AMOMINU, MINU), AMO(AMOMAXU, MAXU),
};

static const struct jit_reservation reservation = {
    .valid = offsetof(struct xbar_riscv_hart, reservation.valid),
    .size_log2 = offsetof(struct xbar_riscv_hart, reservation.size_log2),
    .va = offsetof(struct xbar_riscv_hart, reservation.va),
    .value = offsetof(struct xbar_riscv_hart, reservation.value),
};

/* ---- Where code comes from --------------------------------------------- */

uint32_t riscv__jit_mode(const struct xbar_riscv_hart *hart)
{
    bool fp = (hart->mstatus & MSTATUS_FS) == MSTATUS_FS;

    return hart->fetch_context |
           (uint32_t)hart->data_context << MODE_DATA_SHIFT | (fp ? MODE_FP : 0);
}

/* The exec entry of @va's page, filled if need be, whole-page RAM only. */
static const TLBInfo *exec_page(struct xbar_riscv_hart *hart, uint64_t va,
                                const uint8_t **host)
{
    void *p;

    *host = tlb_probe(&hart->tlb, hart->fetch_context, va, 2, TLB_EXEC);
    if (*host == NULL) {
        if (tlb_host(&hart->tlb, hart->fetch_context, va, 2, TLB_EXEC, &p)) {
            return NULL;
        }
        *host = tlb_probe(&hart->tlb, hart->fetch_context, va, 2, TLB_EXEC);
    }
    return *host ? &hart->tlb.info[hart->fetch_context][tlb_index(va)] : NULL;
}

static uint32_t parcel(const uint8_t *host)
{
    return (uint32_t)tlb_ram_load(host, 1);
}

/* False: the interpreter finds out why. */
static bool find_source(struct xbar_riscv_hart *hart, struct source *s)
{
    const TLBInfo *info;

    s->pc = hart->pc;
    s->host2 = NULL;
    info = exec_page(hart, s->pc, &s->host);
    if (info == NULL) {
        return false;
    }
    s->key = (struct jit_key){ .pc = s->pc,
                               .page = info->phys,
                               .page2 = JIT_NO_PAGE,
                               .mode = riscv__jit_mode(hart) };
    if ((s->pc & ~TLB_PAGE_MASK) == TLB_PAGE_SIZE - 2 &&
        !riscv__is_compressed(parcel(s->host))) {
        info = exec_page(hart, s->pc + 2, &s->host2);
        if (info == NULL) {
            return false;
        }
        s->key.page2 = info->phys;
    }
    s->home[0] = (uintptr_t)s->host;
    s->home[1] = s->host2 ? (uintptr_t)s->host2 : JIT_NO_PAGE;
    return true;
}

/* The bytes of a block, taken together from its pages. */
static void copy_bytes(const struct source *s, unsigned size, uint8_t *bytes)
{
    for (unsigned i = 0; i < size; i += 2) {
        uint16_t next =
            (uint16_t)(i == 2 && s->host2 != NULL ? parcel(s->host2)
                                                  : parcel(s->host + i));

        memcpy(bytes + i, &next, sizeof(next));
    }
}

/* At most @size bytes, and no more than there are. */
static void copy_source(struct source *s, unsigned size)
{
    unsigned room = (unsigned)(TLB_PAGE_SIZE - (s->pc & ~TLB_PAGE_MASK));

    if (s->host2 != NULL) {
        room = 4;
    }
    s->size = size < room ? size : room;
    copy_bytes(s, s->size, s->bytes);
}

static uint32_t copied_parcel(const struct source *s, unsigned offset)
{
    uint16_t bits;

    memcpy(&bits, s->bytes + offset, sizeof(bits));
    return bits;
}

/* The instruction @offset bytes behind the start; false: not in the copy. */
static bool read_insn(const struct source *s, unsigned offset,
                      struct riscv_insn *insn)
{
    uint32_t bits;

    if (offset + 2 > s->size) {
        return false;
    }
    bits = copied_parcel(s, offset);
    if (!riscv__is_compressed(bits)) {
        if (offset + 4 > s->size) {
            return false;
        }
        bits |= copied_parcel(s, offset + 2) << 16;
    }
    riscv__decode(insn, bits);
    return true;
}

/* ---- Instructions ------------------------------------------------------ */

static bool has_field(const struct riscv_insn *insn, unsigned field)
{
    return riscv__formats[riscv__ops[insn->op].format].fields & field;
}

static bool field_is_fp(const struct riscv_insn *insn, unsigned field)
{
    return riscv__formats[riscv__ops[insn->op].format].fp & field;
}

static bool in_page(const struct translation *t, uint64_t target)
{
    return t->source->key.page2 == JIT_NO_PAGE &&
           ((target ^ t->source->pc) & TLB_PAGE_MASK) == 0;
}

static void translate_alu(struct translation *t, const struct riscv_insn *insn)
{
    struct jit_operand b = { .is_imm = !has_field(insn, RISCV_RS2),
                             .reg = insn->rs2,
                             .imm = insn->imm };

    if (insn->op == RISCV_OP_AUIPC) {
        jit_host__set(&t->e, insn->rd, t->pc + (uint64_t)(int64_t)insn->imm);
        return;
    }
    jit_host__alu(&t->e, (enum jit_alu)alu_ops[insn->op], insn->rd, insn->rs1,
                  b);
}

static unsigned access_log2(const struct riscv_insn *insn)
{
    int access = riscv__ops[insn->op].access;

    return (unsigned)__builtin_ctz((unsigned)(access < 0 ? -access : access));
}

static size_t fp_field(unsigned reg)
{
    return offsetof(struct xbar_riscv_hart, f) + reg * sizeof(uint64_t);
}

static void translate_load(struct translation *t, const struct riscv_insn *insn)
{
    struct jit_access access = {
        .reg = insn->rd,
        .base = insn->rs1,
        .size_log2 = (uint8_t)access_log2(insn),
        .sign_extend = riscv__ops[insn->op].access < 0,
        .offset = insn->imm,
    };

    if (field_is_fp(insn, RISCV_RD)) {
        access.field = fp_field(insn->rd);
        access.box = access.size_log2 == 2;
    }
    jit_host__load(&t->e, &access);
}

static void translate_store(struct translation *t,
                            const struct riscv_insn *insn)
{
    struct jit_access access = {
        .reg = insn->rs2,
        .base = insn->rs1,
        .size_log2 = (uint8_t)access_log2(insn),
        .offset = insn->imm,
    };

    if (field_is_fp(insn, RISCV_RS2)) {
        access.field = fp_field(insn->rs2);
    }
    jit_host__store(&t->e, &access);
}

static void translate_amo(struct translation *t, const struct riscv_insn *insn)
{
    unsigned size_log2 = access_log2(insn);

    switch (insn->op) {
    case RISCV_OP_LR_W:
    case RISCV_OP_LR_D:
        jit_host__load_reserved(&t->e, size_log2, insn->rd, insn->rs1,
                                &reservation);
        break;
    case RISCV_OP_SC_W:
    case RISCV_OP_SC_D:
        jit_host__store_conditional(&t->e, size_log2, insn->rd, insn->rs1,
                                    insn->rs2, &reservation);
        break;
    default:
        jit_host__amo(&t->e, (enum jit_amo)amo_ops[insn->op], size_log2,
                      insn->rd, insn->rs1, insn->rs2);
        break;
    }
}

static void translate_fp(struct translation *t, const struct riscv_insn *insn)
{
    unsigned reads = field_is_fp(insn, RISCV_RS1) ? 0 : insn->rs1;
    unsigned writes = field_is_fp(insn, RISCV_RD) ? 0 : insn->rd;

    jit_host__execute(&t->e, insn->bits, reads, writes);
}

static void go_on(struct translation *t, uint64_t target)
{
    jit_host__goto(&t->e, 0, target, in_page(t, target));
}

static bool is_link(unsigned reg)
{
    return reg == 1 || reg == 5;
}

static void translate_jump(struct translation *t, const struct riscv_insn *insn)
{
    uint64_t next = t->pc + insn->length;

    /* The return-address hints of the ISA: x1 and x5 are link registers. */
    if (is_link(insn->rd)) {
        jit_host__push_return(&t->e, next);
    }
    if (insn->op == RISCV_OP_JALR) {
        bool returns = is_link(insn->rs1) && !is_link(insn->rd);

        if (t->e.block->profile != NULL) {
            jit_host__count(&t->e, &t->hart->jit->stats.jumps);
        }
        jit_host__jump_indirect(&t->e, insn->rs1, insn->imm, insn->rd, next,
                                returns);
        return;
    }
    jit_host__set(&t->e, insn->rd, next);
    go_on(t, t->pc + (uint64_t)(int64_t)insn->imm);
}

static void translate_branch(struct translation *t,
                             const struct riscv_insn *insn)
{
    uint64_t taken = t->pc + (uint64_t)(int64_t)insn->imm;

    jit_host__branch(&t->e, (enum jit_condition)branch_conditions[insn->op],
                     insn->rs1, insn->rs2, taken, in_page(t, taken));
    go_on(t, t->pc + insn->length);
}

/* Is it the interpreter's? */
static bool needs_step(const struct translation *t,
                       const struct riscv_insn *insn)
{
    unsigned fp = riscv__formats[riscv__ops[insn->op].format].fp;

    switch ((enum riscv_class)riscv__ops[insn->op].class) {
    case RISCV_CLASS_ILLEGAL:
    case RISCV_CLASS_CSR:
    case RISCV_CLASS_SYSTEM:
        return true;
    default:
        return fp != 0 && !(t->source->key.mode & MODE_FP);
    }
}

/* Emit one instruction; true if the block ends with it. */
static bool translate_insn(struct translation *t, const struct riscv_insn *insn)
{
    switch ((enum riscv_class)riscv__ops[insn->op].class) {
    case RISCV_CLASS_LOAD:
        translate_load(t, insn);
        return false;
    case RISCV_CLASS_STORE:
        translate_store(t, insn);
        return false;
    case RISCV_CLASS_AMO:
        translate_amo(t, insn);
        return false;
    case RISCV_CLASS_FENCE:
        jit_host__fence(&t->e);
        return false;
    case RISCV_CLASS_FP:
        translate_fp(t, insn);
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
static void note_start(const struct translation *t)
{
    const struct jit_block *block = t->e.block;

    if (block->profile != NULL) {
        block->profile->starts[block->insns] =
            (uint16_t)code_buf__offset(t->e.b);
    }
}

/* False: memory is short. */
static bool start_counting(struct translation *t)
{
    struct jit_block *block = t->e.block;

    if (!t->hart->config.count_blocks) {
        return true;
    }
    if (!jit_cache__add_profile(t->e.cache, block, t->max_insns)) {
        return false;
    }
    jit_host__count(&t->e, &block->profile->executions);
    return true;
}

/* Emit the body. The count of instructions in the block is final then. */
static void translate_body(struct translation *t)
{
    struct jit_block *block = t->e.block;
    unsigned offset = 0;
    struct riscv_insn insn;
    bool ended = false;

    note_start(t);
    while (!ended && !t->e.failed && !t->e.b->full) {
        t->pc = t->source->pc + offset;
        if (block->insns == t->max_insns ||
            !read_insn(t->source, offset, &insn)) {
            go_on(t, t->pc);
            break;
        }
        t->e.insn = block->insns;
        t->e.pc_offset = (uint16_t)offset;
        t->e.length = insn.length;
        if (needs_step(t, &insn)) {
            jit_host__step(&t->e);
            break;
        }
        ended = translate_insn(t, &insn);
        offset += insn.length;
        block->insns++;
        note_start(t);
        if (t->source->host2 != NULL && !ended) {
            go_on(t, t->source->pc + offset);
            break;
        }
    }
    block->guest_size = (uint16_t)offset;
}

static struct jit_block *try_translate(struct xbar_riscv_hart *hart,
                                       const struct source *source,
                                       unsigned max_insns, size_t lease)
{
    struct riscv_jit *jit = hart->jit;
    struct code_buf b;
    struct translation t = {
        .hart = hart,
        .source = source,
        .max_insns = max_insns,
        .e = { .b = &b,
               .cache = jit->cache,
               .guest = &riscv__jit_guest,
               .stubs = jit->stubs,
               .cold = jit->cold,
               .fetch_context = hart->fetch_context,
               .data_context = hart->data_context },
    };
    struct jit_block *block =
        jit_cache__begin(jit->cache, &source->key, lease, &b);

    if (block == NULL) {
        return NULL;
    }
    t.e.block = block;
    block->home[0] = source->home[0];
    block->home[1] = source->home[1];
    jit_host__prologue(&t.e);
    t.e.failed |= !start_counting(&t);
    translate_body(&t);
    block->hot_size = code_buf__offset(&b);
    jit_host__epilogue(&t.e);
    if (b.full || t.e.failed) {
        jit_cache__abort(jit->cache, block);
        return NULL;
    }
    return jit_cache__finish(jit->cache, block, &b, source->bytes) ? block
                                                                   : NULL;
}

static struct jit_block *translate(struct xbar_riscv_hart *hart,
                                   const struct source *source)
{
    size_t lease = jit_cache__lease_size(hart->jit->cache, LEASE_SIZE);
    struct jit_block *block = NULL;

    for (unsigned max = MAX_INSNS; block == NULL && max > 0; max /= 2) {
        block = try_translate(hart, source, max, lease);
    }
    return block;
}

/* A block of no instructions would only leave again. */
static bool starts_with_step(const struct source *source)
{
    const struct translation t = { .source = source };
    struct riscv_insn insn;

    return !read_insn(source, 0, &insn) || needs_step(&t, &insn);
}

/* Host address of guest-physical @page, or NULL if it is not RAM now. */
static const uint8_t *page_host(const struct xbar_riscv_hart *hart, hwaddr page)
{
    const FlatView *view = address_space_to_flatview(hart->config.as);
    const FlatRange *range = flatview_lookup(view, page);

    if (!(range->flags & FLAT_RANGE_RAM) || range->first > page ||
        range->last < page + (TLB_PAGE_SIZE - 1)) {
        return NULL;
    }
    return (const uint8_t *)(uintptr_t)(page + range->host_delta);
}

/* Is it other memory by now? That counts as changed, even if the bytes are
 * the same: it is not the memory that is watched. */
static bool has_moved(const struct jit_block *block, const struct source *s)
{
    return block->home[0] != (uintptr_t)s->host ||
           (s->host2 != NULL && block->home[1] != (uintptr_t)s->host2);
}

bool riscv__block_changed(void *opaque, const struct jit_block *block)
{
    const struct xbar_riscv_hart *hart = opaque;
    uint8_t bytes[MAX_BYTES];
    struct source s;

    s.pc = block->key.pc;
    s.key = block->key;
    s.host2 = NULL;
    s.host = page_host(hart, block->key.page);
    if (s.host == NULL) {
        return true;
    }
    s.host += s.pc & ~TLB_PAGE_MASK;
    if (block->key.page2 != JIT_NO_PAGE) {
        s.host2 = page_host(hart, block->key.page2);
        if (s.host2 == NULL) {
            return true;
        }
    }
    if (has_moved(block, &s)) {
        return true;
    }
    copy_bytes(&s, block->guest_size, bytes);
    return memcmp(bytes, block->bytes, block->guest_size) != 0;
}

/* Watch first, then copy: what is stored in between is told. */
static struct jit_block *make_block(struct xbar_riscv_hart *hart,
                                    struct source *source)
{
    riscv__code_watch(hart, source->pc, source->home);
    copy_source(source, MAX_BYTES);
    return starts_with_step(source) ? NULL : translate(hart, source);
}

struct jit_block *riscv__block(struct xbar_riscv_hart *hart)
{
    struct source source;
    struct jit_block *block;

    if (!find_source(hart, &source)) {
        return NULL;
    }
    block = jit_cache__find(hart->jit->cache, &source.key);
    if (block != NULL && unlikely(has_moved(block, &source))) {
        jit_cache__drop(hart->jit->cache, block);
        block = NULL;
    }
    if (block != NULL) {
        return block;
    }
    copy_source(&source, 4);
    return starts_with_step(&source) ? NULL : make_block(hart, &source);
}
