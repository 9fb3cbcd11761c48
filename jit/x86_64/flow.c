/* SPDX-License-Identifier: MIT */
/*
 * Prologue, ends of blocks, and the cold paths behind them.
 */
#include "jit/cache_internal.h"
#include "jit/x86_64/x86_64_internal.h"

/* ---- Cold paths and sites ---------------------------------------------- */

size_t jit_host__cold_size(void)
{
    return JIT_COLD_MAX * sizeof(struct jit_cold);
}

struct jit_cold *x86__cold(struct jit_emit *e, enum cold_kind kind)
{
    struct jit_cold *cold;

    if (e->cold_count == JIT_COLD_MAX) {
        e->failed = true;
        return NULL;
    }
    cold = &e->cold[e->cold_count++];
    *cold = (struct jit_cold){ .kind = (uint8_t)kind,
                               .insn = e->insn,
                               .pc_offset = e->pc_offset,
                               .length = e->length };
    if (e->region != NULL) {
        x86__note_point(e, cold);
    }
    return cold;
}

void x86__site(struct jit_emit *e, const struct jit_cold *at, bool after)
{
    uint32_t offset = code_buf__offset(e->b);
    struct xbar_jit_site site = {
        .return_offset = (uint16_t)offset,
        .insn = (uint16_t)(at->insn + (after ? 1u : 0)),
        .pc_offset = (uint16_t)(at->pc_offset + (after ? at->length : 0)),
        .length = at->length,
    };

    if (offset > UINT16_MAX || !xbar_jit_add_site(e->cache, &site)) {
        e->failed = true;
    }
}

/* Shared stubs lie at fixed offsets in front of all blocks. */
static const uint8_t *stub_address(const struct jit_emit *e, uint32_t stub)
{
    return code_memory__rw(jit_cache__memory(e->cache), stub);
}

void x86__call_stub(struct jit_emit *e, uint32_t stub)
{
    x86_call(e->b, stub_address(e, stub));
}

void x86__jump_stub(struct jit_emit *e, uint32_t stub)
{
    x86_jmp(e->b, stub_address(e, stub));
}

/* ---- Entry ------------------------------------------------------------- */

/*
 *     sub  r15, n
 *     js   cold
 */
void jit_host__prologue(struct jit_emit *e)
{
    struct jit_cold *cold = x86__cold(e, COLD_BUDGET);

    memcpy(e->home, e->stubs->home, sizeof(e->home));
    x86_mi(e->b, X86_SUB_MI8, 8, x86_r(BUDGET), 0);
    cold->resume = code_buf__offset(e->b) - 1; /* n, once it is known */
    cold->jump_at = x86_jcc(e->b, CC_S, NULL);
}

/*
 * Whoever comes here has checked the page that the block begins in. The other
 * one may be mapped anew, or just not be in its slot.
 *
 *     mov  rax, page
 *     cmp  rax, [rbp + exec tag]
 *     jne  cold
 *     mov  rax, addend
 *     cmp  rax, [rbp + exec addend]
 *     jne  cold
 */
void jit_host__guard(struct jit_emit *e, uint64_t page, uint64_t addend)
{
    size_t slot = e->fetch_context * TLB_L1_SIZE + tlb_index(page);
    size_t entry =
        e->guest->tlb + offsetof(SoftTLB, l1) + slot * sizeof(TLBEntry);
    struct jit_cold *cold = x86__cold(e, COLD_GUARD);

    x86_load_imm(e->b, RAX, page);
    x86_rm(e->b, X86_CMP_RM, 8, RAX,
           x86__field(e->stubs, entry + TLB_EXEC * sizeof(uint64_t)));
    cold->jump_at = x86_jcc(e->b, CC_NE, NULL);
    x86_load_imm(e->b, RAX, addend);
    x86_rm(e->b, X86_CMP_RM, 8, RAX,
           x86__field(e->stubs, entry + offsetof(TLBEntry, addend)));
    cold->jump2_at = x86_jcc(e->b, CC_NE, NULL);
}

/* ---- Links ------------------------------------------------------------- */

/*
 * One nop, of as many bytes as it takes until what follows @opcode bytes is
 * aligned to @to, at most 8. Blocks start at multiples of 16, so buffer offsets
 * serve.
 */
static void align_operand(struct jit_emit *e, unsigned opcode, unsigned to)
{
    static const uint8_t nops[8][7] = {
        { 0 },
        { 0x90 },
        { 0x66, 0x90 },
        { 0x0f, 0x1f, 0x00 },
        { 0x0f, 0x1f, 0x40, 0x00 },
        { 0x0f, 0x1f, 0x44, 0x00, 0x00 },
        { 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 },
        { 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00 },
    };
    unsigned size = -(code_buf__offset(e->b) + opcode) % to;

    for (unsigned i = 0; code_buf__reserve(e->b) && i < size; i++) {
        code_buf__put8(e->b, nops[size][i]);
    }
}

/* The same for 16 bytes. */
void x86__align_code(struct jit_emit *e)
{
    static const uint8_t nop8[] = { 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 };

    align_operand(e, 0, 8);
    if (code_buf__offset(e->b) % 16 != 0) {
        for (unsigned i = 0; code_buf__reserve(e->b) && i < 8; i++) {
            code_buf__put8(e->b, nop8[i]);
        }
    }
}

static void align_displacement(struct jit_emit *e, unsigned opcode)
{
    align_operand(e, opcode, 4);
}

/*
 * A jump to another page holds only while that page shows the memory that the
 * target was made from: the exec entry of its slot must have the page as tag
 * and the target's addend. Leaves through the link's stub if not.
 *
 *     mov  rax, page
 *     cmp  rax, [rbp + exec tag]
 *     jne  stub
 *     mov  rax, addend                                patched when linked
 *     cmp  rax, [rbp + exec addend]
 *     je   target                                     patched when linked
 *     jmp  stub
 */
static void far_jump(struct jit_emit *e, struct jit_cold *cold, uint64_t pc)
{
    size_t slot = e->fetch_context * TLB_L1_SIZE + tlb_index(pc);
    size_t entry =
        e->guest->tlb + offsetof(SoftTLB, l1) + slot * sizeof(TLBEntry);
    size_t tag = entry + TLB_EXEC * sizeof(uint64_t);
    size_t addend = entry + offsetof(TLBEntry, addend);
    struct xbar_jit_link *link = &e->block->links[cold->link];

    x86_load_imm(e->b, RAX, pc & TLB_PAGE_MASK);
    x86_rm(e->b, X86_CMP_RM, 8, RAX, x86__field(e->stubs, tag));
    cold->jump_at = x86_jcc(e->b, CC_NE, NULL);
    align_operand(e, 2, 8);
    x86__emit(e->b, X86_MOV_OI,
              &(struct x86_operands){ .width = 8, .reg = RAX });
    link->addend_at = code_buf__offset(e->b) - 8;
    x86_rm(e->b, X86_CMP_RM, 8, RAX, x86__field(e->stubs, addend));
    align_displacement(e, 2);
    link->jump_at = x86_jcc(e->b, CC_E, NULL);
    cold->jump2_at = x86_jmp(e->b, NULL);
}

/* The stub of link @which: names it and leaves. */
static void cold_link(struct jit_emit *e, const struct jit_cold *cold)
{
    struct xbar_jit_link *link = &e->block->links[cold->link];

    link->stub = code_buf__offset(e->b);
    x86_patch_here(e->b, link->jump_at);
    x86_load_imm(e->b, RCX, e->block->id * XBAR_JIT_LINKS + cold->link);
    x86__jump_stub(e, e->stubs->set[e->fp].exit_link);
}

void jit_host__goto(struct jit_emit *e, unsigned which, uint64_t pc,
                    bool same_page)
{
    struct xbar_jit_link *link = &e->block->links[which];
    struct jit_cold *cold = x86__cold(e, COLD_LINK);

    if (cold == NULL) {
        return;
    }
    cold->link = (uint8_t)which;
    link->target_pc = pc;
    if (same_page) {
        align_displacement(e, 1);
        link->jump_at = x86_jmp(e->b, NULL);
    } else {
        far_jump(e, cold, pc);
    }
}

/* A link's jump where nothing else comes, and its stub. */
void x86__leave(struct jit_emit *e, struct jit_cold *cold, uint64_t pc,
                bool same_page)
{
    struct xbar_jit_link *link = &e->block->links[cold->link];

    link->target_pc = pc;
    if (same_page) {
        align_displacement(e, 1);
        link->jump_at = x86_jmp(e->b, NULL);
    } else {
        far_jump(e, cold, pc);
        x86_patch_here(e->b, cold->jump_at);
        x86_patch_here(e->b, cold->jump2_at);
    }
    cold_link(e, cold);
}

void x86__compare(struct jit_emit *e, unsigned width, unsigned rs1,
                  unsigned rs2)
{
    unsigned s = x86__read(e, rs1, RAX);

    if (x86__is_zero(e, rs2)) {
        x86_rr(e->b, X86_TEST_MR, width, s, s);
    } else {
        x86_rm(e->b, X86_CMP_RM, width, s, x86__guest(e, rs2));
    }
}

const enum x86_condition x86__conditions[] = {
    [JIT_EQ] = CC_E,  [JIT_NE] = CC_NE, [JIT_LT] = CC_L,
    [JIT_GE] = CC_GE, [JIT_LTU] = CC_B, [JIT_GEU] = CC_AE,
};

void jit_host__branch(struct jit_emit *e, enum jit_condition cc, unsigned rs1,
                      unsigned rs2, uint64_t pc, bool same_page)
{
    struct xbar_jit_link *link = &e->block->links[1];
    struct jit_cold *cold = x86__cold(e, same_page ? COLD_LINK : COLD_FAR_LINK);

    if (cold == NULL) {
        return;
    }
    cold->link = 1;
    cold->pc = pc;
    link->target_pc = pc;
    x86__compare(e, 8, rs1, rs2);
    align_displacement(e, 2);
    cold->jump_at = x86_jcc(e->b, x86__conditions[cc], NULL);
    if (same_page) {
        link->jump_at = cold->jump_at;
        cold->jump_at = 0;
    }
}

/* A taken branch to another page: its checks are out of line. */
static void cold_far_link(struct jit_emit *e, struct jit_cold *cold)
{
    x86_patch_here(e->b, cold->jump_at);
    far_jump(e, cold, cold->pc);
    x86_patch_here(e->b, cold->jump_at);
    x86_patch_here(e->b, cold->jump2_at);
    cold_link(e, cold);
}

/* ---- The return stack -------------------------------------------------- */

_Static_assert(sizeof(struct jit_return) == 16, "ras_top counts in these");
_Static_assert((JIT_RAS_SIZE & (JIT_RAS_SIZE - 1)) == 0, "a ring by masking");

#define RAS_MASK ((JIT_RAS_SIZE - 1) * sizeof(struct jit_return))

static size_t state_offset(const struct jit_emit *e, size_t offset)
{
    return e->guest->state + offset;
}

static struct x86_rm ras_field(const struct jit_emit *e, unsigned index,
                               size_t field)
{
    size_t ras = state_offset(e, offsetof(struct jit_state, ras));

    return x86_mem_index(RBP, index, 0, x86__disp(e->stubs, ras + field));
}

static struct x86_rm ras_top(const struct jit_emit *e)
{
    return x86__field(e->stubs,
                      state_offset(e, offsetof(struct jit_state, ras_top)));
}

/* The landing's address is known when the cold paths are written. */
void jit_host__push_return(struct jit_emit *e, uint64_t pc)
{
    struct jit_cold *cold = x86__cold(e, COLD_LANDING);

    if (cold == NULL) {
        return;
    }
    cold->link = 1;
    cold->pc = pc;
    e->block->links[1].target_pc = pc;
    x86_rm(e->b, X86_MOV_RM, 4, RCX, ras_top(e));
    x86_alu_imm(e->b, X86_ALU_ADD, 4, x86_r(RCX), sizeof(struct jit_return));
    x86_alu_imm(e->b, X86_ALU_AND, 4, x86_r(RCX), RAS_MASK);
    x86_mr(e->b, X86_MOV_MR, 4, ras_top(e), RCX);
    x86_load_imm(e->b, RDX, pc);
    x86_mr(e->b, X86_MOV_MR, 8,
           ras_field(e, RCX, offsetof(struct jit_return, pc)), RDX);
    x86__emit(e->b, X86_MOV_OI,
              &(struct x86_operands){ .width = 8, .reg = RDX });
    cold->resume = code_buf__offset(e->b) - 8;
    x86_mr(e->b, X86_MOV_MR, 8,
           ras_field(e, RCX, offsetof(struct jit_return, code)), RDX);
}

/* rax = target: leaves through the newest entry if that returns there. */
static void try_return(struct jit_emit *e)
{
    uint32_t miss;

    x86_rm(e->b, X86_MOV_RM, 4, RCX, ras_top(e));
    x86_rm(e->b, X86_CMP_RM, 8, RAX,
           ras_field(e, RCX, offsetof(struct jit_return, pc)));
    miss = x86_jcc(e->b, CC_NE, NULL);
    x86_rm(e->b, X86_LEA, 4, RDX,
           x86_mem(RCX, -(int32_t)sizeof(struct jit_return)));
    x86_alu_imm(e->b, X86_ALU_AND, 4, x86_r(RDX), RAS_MASK);
    x86_mr(e->b, X86_MOV_MR, 4, ras_top(e), RDX);
    if (e->return_hits != NULL) {
        jit_host__count(e, e->return_hits, 1); /* the target is not needed */
    }
    x86_m(e->b, X86_JMP_M, 8,
          ras_field(e, RCX, offsetof(struct jit_return, code)));
    x86_patch_here(e->b, miss);
}

static void cold_landing(struct jit_emit *e, struct jit_cold *cold)
{
    const uint8_t *rx = xbar_jit_to_code(e->cache, e->b->cur);

    if (!e->b->full) {
        memcpy(e->b->start + cold->resume, &rx, sizeof(rx));
    }
    far_jump(e, cold, cold->pc);
    x86_patch_here(e->b, cold->jump_at);
    x86_patch_here(e->b, cold->jump2_at);
    cold_link(e, cold);
}

void jit_host__forget_returns(struct jit_state *state)
{
    for (unsigned i = 0; i < JIT_RAS_SIZE; i++) {
        state->ras[i].pc = 1;
    }
}

void jit_host__add_return(const struct jit_stubs *stubs,
                          struct jit_state *state, uint64_t pc, bool fp)
{
    struct jit_return *call;

    state->ras_top = (state->ras_top + sizeof(*call)) & RAS_MASK;
    call = &state->ras[state->ras_top / sizeof(*call)];
    *call = (struct jit_return){ pc, stubs->unlanded[fp] };
}

void jit_host__take_return(struct jit_state *state, uint64_t pc)
{
    if (state->ras[state->ras_top / sizeof(state->ras[0])].pc == pc) {
        state->ras_top =
            (state->ras_top - sizeof(struct jit_return)) & RAS_MASK;
    }
}

/* Those that stay close up, so that who returns still finds his own on top. */
void jit_host__forget_landings(struct jit_state *state, const uint8_t *code,
                               size_t size)
{
    const size_t top = state->ras_top / sizeof(state->ras[0]);
    unsigned kept = 0;

    for (unsigned i = 0; i < JIT_RAS_SIZE; i++) {
        const struct jit_return *call = &state->ras[(top - i) % JIT_RAS_SIZE];

        if (call->pc != 1 && (uintptr_t)call->code - (uintptr_t)code >= size) {
            state->ras[(top - kept++) % JIT_RAS_SIZE] = *call;
        }
    }
    while (kept < JIT_RAS_SIZE) {
        state->ras[(top - kept++) % JIT_RAS_SIZE].pc = 1;
    }
}

/* ---- Indirect jumps ---------------------------------------------------- */

/*
 * rax = target. The jump cache names a block for it; the exec entry of its
 * page must say that the page shows the memory that it did then.
 *
 *     slot   = jumps[xbar_jit_jump_index(target)]
 *     hit if   slot.pc == target && slot.mode == mode
 *           && exec tag of target's page == its page
 *           && addend of that entry == slot.addend
 */
static void jump_through_cache(struct jit_emit *e)
{
    const struct jit_stubs *stubs = e->stubs;
    size_t jumps = state_offset(e, offsetof(struct jit_state, jumps));
    size_t entries = e->guest->tlb + offsetof(SoftTLB, l1) +
                     e->fetch_context * TLB_L1_SIZE * sizeof(TLBEntry);
    size_t tag = entries + TLB_EXEC * sizeof(uint64_t);
    size_t addend = entries + offsetof(TLBEntry, addend);
    uint32_t miss[4];

    x86_rr(e->b, X86_MOV_MR, 4, RCX, RAX);
    x86_mi(e->b, X86_SHR_MI8, 4, x86_r(RCX), XBAR_JIT_JUMP_BITS);
    x86_rr(e->b, X86_XOR_MR, 4, RCX, RAX);
    x86_mi(e->b, X86_SHL_MI8, 4, x86_r(RCX), 4);
    x86_alu_imm(e->b, X86_ALU_AND, 4, x86_r(RCX),
                ((1 << XBAR_JIT_JUMP_BITS) - 1) << 5);
    x86_rm(e->b, X86_LEA, 8, RCX,
           x86_mem_index(RBP, RCX, 0, x86__disp(stubs, jumps)));
    x86_rm(e->b, X86_CMP_RM, 8, RAX,
           x86_mem(RCX, offsetof(struct xbar_jit_jump, pc)));
    miss[0] = x86_jcc(e->b, CC_NE, NULL);
    x86_alu_imm(e->b, X86_ALU_CMP, 4,
                x86_mem(RCX, offsetof(struct xbar_jit_jump, mode)),
                (int32_t)e->block->key.mode);
    miss[1] = x86_jcc(e->b, CC_NE, NULL);
    x86_rr(e->b, X86_MOV_MR, 4, RDX, RAX);
    x86_mi(e->b, X86_SHR_MI8, 4, x86_r(RDX), TLB_PAGE_BITS - 5);
    x86_alu_imm(e->b, X86_ALU_AND, 4, x86_r(RDX), (TLB_L1_SIZE - 1) << 5);
    x86_rm(e->b, X86_XOR_RM, 8, RAX,
           x86_mem_index(RBP, RDX, 0, x86__disp(stubs, tag)));
    x86_alu_imm(e->b, X86_ALU_CMP, 8, x86_r(RAX), TLB_PAGE_SIZE - 1);
    miss[2] = x86_jcc(e->b, CC_A, NULL);
    x86_rm(e->b, X86_MOV_RM, 8, RDX,
           x86_mem_index(RBP, RDX, 0, x86__disp(stubs, addend)));
    x86_rm(e->b, X86_CMP_RM, 8, RDX,
           x86_mem(RCX, offsetof(struct xbar_jit_jump, addend)));
    miss[3] = x86_jcc(e->b, CC_NE, NULL);
    x86_m(e->b, X86_JMP_M, 8,
          x86_mem(RCX, offsetof(struct xbar_jit_jump, code)));
    for (unsigned i = 0; i < 4; i++) {
        x86_patch_here(e->b, miss[i]);
    }
}

static void set_link_register(struct jit_emit *e, unsigned rd, uint64_t pc)
{
    unsigned d = x86__target(e, rd, RCX);

    if (!x86__is_zero(e, rd)) {
        x86_load_imm(e->b, d, pc);
        x86__put(e, rd, d);
    }
}

void jit_host__jump_indirect(struct jit_emit *e, unsigned base, int32_t offset,
                             unsigned rd, uint64_t link_pc, bool returns)
{
    size_t pc = state_offset(e, offsetof(struct jit_state, pc));

    x86__address(e, base, offset);
    x86_alu_imm(e->b, X86_ALU_AND, 8, x86_r(RAX), -2);
    set_link_register(e, rd, link_pc);
    if (returns) {
        try_return(e);
    }
    x86_mr(e->b, X86_MOV_MR, 8, x86__field(e->stubs, pc), RAX);
    jump_through_cache(e);
    x86__jump_stub(e, x86__stubs(e)->exit_indirect);
}

void jit_host__step(struct jit_emit *e)
{
    struct jit_cold here = { .insn = e->insn,
                             .pc_offset = e->pc_offset,
                             .length = e->length };

    x86__call_stub(e, x86__stubs(e)->exit_step);
    x86__site(e, &here, false);
}

void jit_host__resume(struct jit_emit *e, uint32_t bits)
{
    struct jit_cold here = { .insn = e->insn,
                             .pc_offset = e->pc_offset,
                             .length = e->length };

    x86_load_imm(e->b, RAX, bits);
    x86_load_imm(e->b, RDX, e->block->key.pc + e->pc_offset);
    x86__call_stub(e, x86__stubs(e)->resume);
    x86__site(e, &here, false);
}

/* ---- Out-of-line execution --------------------------------------------- */

void x86__execute(struct jit_emit *e, const struct jit_cold *at)
{
    const uint8_t *home = e->home;

    if (at->reads && home[at->reads] != NO_HOME) {
        x86_mr(e->b, X86_MOV_MR, 8,
               x86__field(e->stubs, e->guest->regs + 8 * at->reads),
               home[at->reads]);
    }
    x86_load_imm(e->b, RAX, at->bits);
    x86_load_imm(e->b, RDX, e->block->key.pc + at->pc_offset);
    x86__call_stub(e, x86__stubs(e)->execute);
    x86__site(e, at, false);
    if (at->writes && home[at->writes] != NO_HOME) {
        x86_rm(e->b, X86_MOV_RM, 8, home[at->writes],
               x86__field(e->stubs, e->guest->regs + 8 * at->writes));
    }
}

void jit_host__execute(struct jit_emit *e, uint32_t bits, unsigned reads,
                       unsigned writes)
{
    struct jit_cold here = { .insn = e->insn,
                             .pc_offset = e->pc_offset,
                             .length = e->length,
                             .bits = bits,
                             .reads = (uint8_t)reads,
                             .writes = (uint8_t)writes };

    x86__execute(e, &here);
}

/* ---- The end ----------------------------------------------------------- */

static void cold_budget(struct jit_emit *e, const struct jit_cold *cold)
{
    uint16_t insns = e->block->insns;

    xbar_assert(insns <= INT8_MAX);
    if (!e->b->full) {
        e->b->start[cold->resume] = (uint8_t)insns;
    }
    x86_patch_here(e->b, cold->jump_at);
    x86_load_imm(e->b, RCX, e->block->id);
    x86__jump_stub(e, x86__stubs(e)->exit_budget);
}

static void cold_guard(struct jit_emit *e, const struct jit_cold *cold)
{
    x86_patch_here(e->b, cold->jump_at);
    x86_patch_here(e->b, cold->jump2_at);
    x86_load_imm(e->b, RCX, e->block->id);
    x86__jump_stub(e, x86__stubs(e)->exit_budget);
}

static void emit_cold(struct jit_emit *e, struct jit_cold *cold)
{
    switch ((enum cold_kind)cold->kind) {
    case COLD_LOAD:
    case COLD_STORE:
        x86_patch_here(e->b, cold->jump_at);
        x86__cold_access(e, cold);
        break;
    case COLD_STEP:
        x86_patch_here(e->b, cold->jump_at);
        if (cold->jump2_at != 0) {
            x86_patch_here(e->b, cold->jump2_at);
        }
        x86__call_stub(e, x86__stubs(e)->exit_step);
        x86__site(e, cold, false);
        break;
    case COLD_LINK:
        if (cold->jump_at != 0) {
            x86_patch_here(e->b, cold->jump_at);
            x86_patch_here(e->b, cold->jump2_at);
        }
        cold_link(e, cold);
        break;
    case COLD_FAR_LINK:
        cold_far_link(e, cold);
        break;
    case COLD_LANDING:
        cold_landing(e, cold);
        break;
    case COLD_BUDGET:
        cold_budget(e, cold);
        break;
    case COLD_GUARD:
        cold_guard(e, cold);
        break;
    case COLD_NAN:
    case COLD_EXECUTE:
        x86__cold_fp(e, cold);
        break;
    case COLD_DIVIDE:
        x86__cold_divide(e, cold);
        break;
    case COLD_REGION_ENTRY:
    case COLD_REGION_CHECK:
    case COLD_REGION_WAY:
        x86__cold_region(e, cold);
        break;
    }
}

void jit_host__epilogue(struct jit_emit *e)
{
    for (unsigned i = 0; i < e->cold_count && !e->b->full; i++) {
        if (e->region != NULL) {
            x86__use_point(e, &e->cold[i]);
        }
        emit_cold(e, &e->cold[i]);
    }
    if (e->region != NULL) {
        x86__patch_parts(e);
    }
}

/* ---- Patching ---------------------------------------------------------- */

void jit_host__patch_jump(uint8_t *rw, uint32_t at, uint32_t target)
{
    xbar_assert((uintptr_t)rw % 4 == 0);
    __atomic_store_n((uint32_t *)(void *)rw, target - (at + 4),
                     __ATOMIC_RELEASE);
}

void jit_host__patch_value(uint8_t *rw, uint64_t value)
{
    xbar_assert((uintptr_t)rw % 8 == 0);
    __atomic_store_n((uint64_t *)(void *)rw, value, __ATOMIC_RELEASE);
}
