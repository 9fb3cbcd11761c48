/* SPDX-License-Identifier: MIT */
/*
 * Loads, stores and atomics through the soft-TLB.
 *
 * First the span of the base register (tlb_layout.h says what that is):
 *
 *     lea  rdx, [base + offset]         or mov; base is in rax if homeless
 *     sub  rdx, [rbp + span.start]
 *     cmp  rdx, [rbp + span.count]
 *     jae  cold
 *     mov  rdx, [rbp + span.addend]
 *     mov  value, [rdx + base + offset]
 *
 * The addend does not wait for the address: a chain of loads is as long as the
 * host's own. On the cold path the entry is probed, by a subroutine that all
 * blocks share:
 *
 *     lea  rax, [base + offset]
 *     mov  rdx, value                   of stores
 *     mov  ecx, span                    its offset among the spans
 *     call probe_load or probe_store
 *     mov  home, rax                    of loads
 *     je   back                         nothing wants attention
 *     call exit_attention
 *
 * Regions, which are hot, and code that counts or shows its accesses, probe in
 * place. So do atomics:
 *
 *     rorx ecx, va, 7                   index * 32 = (va >> 7) & 0x7fe0
 *     and  ecx, 0x7fe0
 *     mov  rdx, [rbp + rcx + tag]
 *     xor  rdx, va
 *     cmp  rdx, 4096 - size
 *     ja   miss
 *     mov  rdx, [rbp + rcx + addend]
 *     mov  value, [rdx + va]
 *
 * Hosts without BMI2 take mov and shr for the first. On a miss va is as it
 * was: it is passed to a shared stub, which reaches C.
 */
#include "jit/host_x86_64_internal.h"

/* Offset in the vCPU of the first entry of @context. */
static size_t table_offset(const struct jit_emit *e, unsigned context)
{
    return e->guest->tlb + context * TLB_L1_SIZE * sizeof(TLBEntry);
}

void x86__address(struct jit_emit *e, unsigned base, int32_t offset)
{
    unsigned s = x86__read(e, base, RAX);

    if (s != RAX && offset != 0) {
        x86_rm(e->b, X86_LEA, 8, RAX, x86_mem(s, offset));
    } else if (s != RAX) {
        x86_rr(e->b, X86_MOV_MR, 8, RAX, s);
    } else if (offset != 0) {
        x86_alu_imm(e->b, X86_ALU_ADD, 8, x86_r(RAX), offset);
    }
}

/* ecx = the index of @va's slot, times 32. */
static void slot_index(struct jit_emit *e, unsigned va)
{
    if (x86__has(e, X86_HAS_BMI2)) {
        x86__emit(e->b, X86_RORX,
                  &(struct x86_operands){ .width = 4,
                                          .reg = RCX,
                                          .rm = x86_r(va),
                                          .imm = X86_INDEX_SHIFT });
    } else {
        x86_rr(e->b, X86_MOV_MR, 4, RCX, va);
        x86_mi(e->b, X86_SHR_MI8, 4, x86_r(RCX), X86_INDEX_SHIFT);
    }
    x86_alu_imm(e->b, X86_ALU_AND, 4, x86_r(RCX), X86_INDEX_MASK);
}

uint32_t x86__probe(struct jit_emit *e, unsigned context,
                    enum xbar_tlb_access access, unsigned size, unsigned va)
{
    size_t table = table_offset(e, context);
    size_t tag = table + access * sizeof(uint64_t);
    size_t addend = table + offsetof(TLBEntry, addend);
    uint32_t miss;

    slot_index(e, va);
    x86_rm(e->b, X86_MOV_RM, 8, RDX,
           x86_mem_index(RBP, RCX, 0, x86__disp(e->stubs, tag)));
    x86_rr(e->b, X86_XOR_MR, 8, RDX, va);
    x86_alu_imm(e->b, X86_ALU_CMP, 8, x86_r(RDX),
                (int32_t)(TLB_PAGE_SIZE - size));
    miss = x86_jcc(e->b, CC_A, NULL);
    x86_rm(e->b, X86_MOV_RM, 8, RDX,
           x86_mem_index(RBP, RCX, 0, x86__disp(e->stubs, addend)));
    return miss;
}

/* ---- Moving values ----------------------------------------------------- */

/* Where a load is computed; rax for a wired zero. */
static unsigned load_target(const struct jit_emit *e,
                            const struct jit_access *a)
{
    if (x86__is_zero(e, a->reg)) {
        return RAX;
    }
    return x86__target(e, a->reg, RAX);
}

/* What is at @from becomes the register's value: memory, or rax. */
static void load_fp(struct jit_emit *e, const struct jit_access *a,
                    struct x86_rm from)
{
    unsigned d = x86__ftarget(e, a->reg, XMM0);
    bool is_double = a->size_log2 == 3;

    if (from.is_reg) {
        x86_rm(e->b, is_double ? X86_MOVQ_XR : X86_MOVD_XR, is_double ? 8 : 4,
               d, from);
    } else {
        x86_rm(e->b, is_double ? X86_MOVSD_RM : X86_MOVSS_RM, is_double ? 8 : 4,
               d, from);
    }
    if (!is_double) {
        x86__box(e, d);
    }
    x86__fput(e, a->reg, d);
}

static void load_from(struct jit_emit *e, const struct jit_access *a,
                      struct x86_rm from)
{
    unsigned d;

    if (a->fp) {
        load_fp(e, a, from);
        return;
    }
    d = load_target(e, a);
    x86_extend(e->b, a->size_log2, a->sign_extend && !a->narrow, d, from);
    x86__put(e, a->reg, d);
}

static void store_fp(struct jit_emit *e, const struct jit_access *a,
                     struct x86_rm to)
{
    unsigned source = x86__fread(e, a->reg, XMM0);

    if (a->size_log2 == 3) {
        x86_mr(e->b, X86_MOVSD_MR, 8, to, source);
    } else {
        x86_mr(e->b, X86_MOVSS_MR, 4, to, source);
    }
}

static void store_to(struct jit_emit *e, const struct jit_access *a,
                     struct x86_rm to)
{
    if (a->fp) {
        store_fp(e, a, to);
    } else {
        x86_store(e->b, a->size_log2, to, x86__read(e, a->reg, RCX));
    }
}

/* rdx = the value to be stored. */
static void fetch_stored(struct jit_emit *e, const struct jit_access *a)
{
    if (a->fp) {
        x86_mr(e->b, X86_MOVQ_RX, 8, x86_r(RDX), x86__fread(e, a->reg, XMM0));
    } else {
        x86__get(e, RDX, a->reg);
    }
}

/* ---- Spans ------------------------------------------------------------- */

/* The span that an access asks, by its offset among them: the slot is the base
 * register. */
static size_t span_offset(const struct jit_emit *e, const struct jit_access *a,
                          enum xbar_tlb_access access)
{
    return ((e->data_context * 2 + access) * TLB_SPANS + a->base % TLB_SPANS) *
           sizeof(TLBSpan);
}

/* Where @field of it lies in the vCPU. */
static inline struct x86_rm span_field(const struct jit_emit *e,
                                       const struct jit_access *a,
                                       enum xbar_tlb_access access,
                                       size_t field)
{
    return x86__field(e->stubs, e->guest->tlb + offsetof(SoftTLB, spans) +
                                    span_offset(e, a, access) + field);
}

/*
 * Misses jump to the cold path; on a hit rdx is the addend, and the operand
 * returned is the memory.
 *
 * What is indexed adds the base to the addend, so that the memory is not later
 * than the index is.
 */
static struct x86_rm ask_span(struct jit_emit *e, struct jit_cold *cold,
                              enum xbar_tlb_access access)
{
    const struct jit_access *a = &cold->access;
    unsigned base = x86__read(e, a->base, RAX);
    unsigned index = a->is_indexed ? x86__read(e, a->index, RCX) : 0;

    if (a->is_indexed) {
        x86_rm(e->b, X86_LEA, 8, RDX,
               x86_mem_index(base, index, a->scale, a->offset));
    } else if (a->offset != 0) {
        x86_rm(e->b, X86_LEA, 8, RDX, x86_mem(base, a->offset));
    } else {
        x86_rr(e->b, X86_MOV_MR, 8, RDX, base);
    }
    x86_rm(e->b, X86_SUB_RM, 8, RDX,
           span_field(e, a, access, offsetof(TLBSpan, start)));
    x86_rm(e->b, X86_CMP_RM, 8, RDX,
           span_field(e, a, access, offsetof(TLBSpan, count)));
    cold->jump_at = x86_jcc(e->b, CC_AE, NULL);
    x86_rm(e->b, X86_MOV_RM, 8, RDX,
           span_field(e, a, access, offsetof(TLBSpan, addend)));
    if (a->is_indexed) {
        x86_rr(e->b, X86_ADD_MR, 8, RDX, base);
        return x86_mem_index(RDX, index, a->scale, a->offset);
    }
    return x86_mem_index(RDX, base, 0, a->offset);
}

/*
 * The span missed: the entry may hit. Every miss takes 1 off the span's credit;
 * when that is used up, the way through C lets the span learn.
 */
static void ask_entry(struct jit_emit *e, const struct jit_cold *cold,
                      enum xbar_tlb_access access, uint32_t misses[2])
{
    const struct jit_access *a = &cold->access;
    struct x86_rm credit = span_field(e, a, access, offsetof(TLBSpan, credit));

    x86__address(e, a->is_indexed ? a->reg : a->base, a->offset);
    misses[0] = x86__probe(e, e->data_context, access, 1u << a->size_log2, RAX);
    x86_alu_imm(e->b, X86_ALU_SUB, 4, credit, 1);
    misses[1] = x86_jcc(e->b, CC_S, NULL);
}

/* ---- Plain accesses ---------------------------------------------------- */

void jit_host__load(struct jit_emit *e, const struct jit_access *a)
{
    struct jit_cold *cold = x86__cold(e, COLD_LOAD);
    struct x86_rm at;

    if (cold == NULL) {
        return;
    }
    cold->access = *a;
    at = ask_span(e, cold, TLB_READ);
    if (e->counts_pages && at.index == RCX) { /* which counting changes */
        x86_rm(e->b, X86_LEA, 8, RDX, at);
        at = x86_mem(RDX, 0);
    }
    x86__count_page(e, TLB_READ, at, a->base);
    load_from(e, a, at);
    cold->resume = code_buf__offset(e->b);
}

void jit_host__store(struct jit_emit *e, const struct jit_access *a)
{
    struct jit_cold *cold = x86__cold(e, COLD_STORE);
    struct x86_rm at;

    if (cold == NULL) {
        return;
    }
    cold->access = *a;
    at = ask_span(e, cold, TLB_WRITE);
    x86__count_page(e, TLB_WRITE, at, a->base);
    store_to(e, a, at);
    cold->resume = code_buf__offset(e->b);
}

/* The homes that the stubs leave where they are. */
static void show_homes(struct jit_emit *e)
{
    for (unsigned i = 0; e->shows && i < HOME_SAVED; i++) {
        x86_mr(e->b, X86_MOV_MR, 8,
               x86__field(e->stubs, e->guest->regs + 8 * e->guest->hot[i]),
               x86__homes[i]);
    }
}

static void call_slow(struct jit_emit *e, const struct jit_cold *cold,
                      uint32_t stub)
{
    size_t span = e->guest->state + offsetof(struct jit_state, span);

    x86_mi(e->b, X86_MOV_MI, 4, x86__field(e->stubs, span),
           cold->access.base % TLB_SPANS);
    if (e->region != NULL) {
        x86__region_call(e, cold);
    }
    show_homes(e);
    x86__call_stub(e, stub);
    x86__site(e, cold, false);
    if (e->region != NULL) {
        x86__region_return(e, cold);
    }
}

/* The first of the two instructions that an indexed load is. */
static void put_indexed(struct jit_emit *e, const struct jit_access *a)
{
    unsigned d = x86__target(e, a->reg, RAX);
    unsigned base = x86__read(e, a->base, RAX);
    unsigned index = x86__read(e, a->index, RCX);

    x86_rm(e->b, X86_LEA, 8, d, x86_mem_index(base, index, a->scale, 0));
    x86__put(e, a->reg, d);
    x86__region_wrote(e, a->reg);
}

static void cold_load(struct jit_emit *e, const struct jit_cold *cold)
{
    const struct jit_access *a = &cold->access;
    uint32_t misses[2];

    if (a->is_indexed) {
        put_indexed(e, a);
    }
    ask_entry(e, cold, TLB_READ, misses);
    x86__count_page_slowly(e, TLB_READ, x86_mem_index(RDX, RAX, 0, 0));
    load_from(e, a, x86_mem_index(RDX, RAX, 0, 0));
    x86__go_back(e, cold);
    x86_patch_here(e->b, misses[0]);
    x86_patch_here(e->b, misses[1]);
    call_slow(e, cold, x86__stubs(e)->load[a->size_log2]);
    load_from(e, a, x86_r(RAX));
}

static void cold_store(struct jit_emit *e, const struct jit_cold *cold)
{
    const struct jit_access *a = &cold->access;
    uint32_t misses[2];

    ask_entry(e, cold, TLB_WRITE, misses);
    x86__count_page_slowly(e, TLB_WRITE, x86_mem_index(RDX, RAX, 0, 0));
    store_to(e, a, x86_mem_index(RDX, RAX, 0, 0));
    x86__go_back(e, cold);
    x86_patch_here(e->b, misses[0]);
    x86_patch_here(e->b, misses[1]);
    fetch_stored(e, a);
    call_slow(e, cold, x86__stubs(e)->store[a->size_log2]);
}

/* Equal: go back. Else something wants attention now (the device changed the map,
 * raised an interrupt), and the block ends behind this instruction. */
static void end_access(struct jit_emit *e, const struct jit_cold *cold)
{
    uint32_t back = x86_jcc(e->b, CC_E, NULL);

    x86_patch(e->b, back, e->b->start + cold->resume);
    if (e->region != NULL) {
        x86__region_done(e, cold);
    }
    x86__call_stub(e, x86__stubs(e)->exit_attention);
    x86__site(e, cold, true);
}

static bool shares_probe(const struct jit_emit *e)
{
    return e->region == NULL && !e->counts_pages && !e->shows;
}

/* The subroutine comes back with the loaded value in rax, and the question of
 * attention answered; or not at all. */
static void probe_by_stub(struct jit_emit *e, const struct jit_cold *cold)
{
    const struct jit_access *a = &cold->access;
    const struct x86_stub_set *stubs = x86__stubs(e);

    x86__address(e, a->base, a->offset);
    if (cold->kind == COLD_STORE) {
        fetch_stored(e, a);
        x86_load_imm(e->b, RCX, span_offset(e, a, TLB_WRITE));
        x86__call_stub(e, stubs->probe_store[a->size_log2]);
        x86__site(e, cold, false);
    } else {
        x86_load_imm(e->b, RCX, span_offset(e, a, TLB_READ));
        x86__call_stub(e, stubs->probe_load[a->size_log2]);
        x86__site(e, cold, false);
        load_from(e, a, x86_r(RAX)); /* keeps the flags */
    }
    end_access(e, cold);
}

void x86__cold_access(struct jit_emit *e, const struct jit_cold *cold)
{
    if (shares_probe(e)) {
        probe_by_stub(e, cold);
        return;
    }
    if (cold->kind == COLD_STORE) {
        cold_store(e, cold);
    } else {
        cold_load(e, cold);
    }
    x86_alu_imm(e->b, X86_ALU_CMP, 4, x86__field(e->stubs, e->guest->attention),
                0);
    end_access(e, cold);
}

void jit_host__fence(struct jit_emit *e)
{
    /* A locked operation orders stores before loads, for an eighth of what
     * mfence costs. */
    x86_mi(e->b, X86_LOCK_OR_MI8, 4, x86_mem(RSP, -8), 0);
}

/* ---- Atomics ----------------------------------------------------------- */

/*
 * rax = host address of the 1 << size_log2 bytes at regs[rs1], with @access
 * allowed, both addresses aligned: the embedder's RAM may begin anywhere.
 * Anything else leaves the block before this instruction.
 */
static bool atomic_address(struct jit_emit *e, enum xbar_tlb_access access,
                           unsigned size_log2, unsigned rs1)
{
    struct jit_cold *cold = x86__cold(e, COLD_STEP);

    if (cold == NULL) {
        return false;
    }
    x86__address(e, rs1, 0);
    cold->jump_at =
        x86__probe(e, e->data_context, access, 1u << size_log2, RAX);
    /* Aligned for the guest, and where the host has it. */
    x86_rr(e->b, X86_MOV_MR, 4, RCX, RDX);
    x86_rr(e->b, X86_OR_MR, 4, RCX, RAX);
    x86_mi(e->b, X86_TEST_MI, 4, x86_r(RCX), (1 << size_log2) - 1);
    cold->jump2_at = x86_jcc(e->b, CC_NE, NULL);
    x86_rr(e->b, X86_ADD_MR, 8, RAX, RDX);
    return true;
}

/* rax = the low bytes of @reg, sign-extended. */
static void extend_to_rax(struct jit_emit *e, unsigned size_log2, unsigned reg)
{
    if (size_log2 == 2) {
        x86_rm(e->b, X86_MOVSXD, 8, RAX, x86_r(reg));
    } else if (reg != RAX) {
        x86_rr(e->b, X86_MOV_MR, 8, RAX, reg);
    }
}

/* rdx = new value, from the old in rax and the operand in rcx. */
static void combine(struct jit_emit *e, enum jit_amo op, unsigned width)
{
    static const uint8_t plain[] = { [JIT_AMO_XOR] = X86_XOR_MR,
                                     [JIT_AMO_AND] = X86_AND_MR,
                                     [JIT_AMO_OR] = X86_OR_MR };
    static const uint8_t keep_operand[] = {
        /* the operand is taken where it compares so with the old value */
        [JIT_AMO_MIN] = CC_L,
        [JIT_AMO_MAX] = CC_G,
        [JIT_AMO_MINU] = CC_B,
        [JIT_AMO_MAXU] = CC_A,
    };

    x86_rr(e->b, X86_MOV_MR, 8, RDX, RAX);
    if (op < JIT_AMO_MIN) {
        x86_rr(e->b, (enum x86_op)plain[op], width, RDX, RCX);
        return;
    }
    x86_rr(e->b, X86_CMP_MR, width, RCX, RAX);
    x86__emit(
        e->b, X86_CMOVCC,
        &(struct x86_operands){ .width = width,
                                .reg = RDX,
                                .rm = x86_r(RCX),
                                .cc = (enum x86_condition)keep_operand[op] });
}

/*
 * The general form: compare-and-swap until nobody was faster. It needs four
 * registers beside rs2: the address is kept in a home that is saved on the
 * stack meanwhile.
 */
static void amo_loop(struct jit_emit *e, enum jit_amo op, unsigned size_log2)
{
    unsigned width = 1u << size_log2;
    uint32_t again;
    const uint8_t *loop;

    x86__emit(e->b, X86_PUSH, &(struct x86_operands){ .width = 8, .reg = RBX });
    x86_rr(e->b, X86_MOV_MR, 8, RBX, RAX);
    x86_rm(e->b, X86_MOV_RM, width, RAX, x86_mem(RBX, 0));
    loop = e->b->cur;
    combine(e, op, width);
    x86_mr(e->b, X86_CMPXCHG_MR, width, x86_mem(RBX, 0), RDX);
    again = x86_jcc(e->b, CC_NE, NULL);
    x86_patch(e->b, again, loop);
    x86__emit(e->b, X86_POP, &(struct x86_operands){ .width = 8, .reg = RBX });
}

void jit_host__amo(struct jit_emit *e, enum jit_amo op, unsigned size_log2,
                   unsigned rd, unsigned rs1, unsigned rs2)
{
    unsigned width = 1u << size_log2;

    if (!atomic_address(e, TLB_WRITE, size_log2, rs1)) {
        return;
    }
    x86__count_page(e, TLB_READ, x86_mem(RAX, 0), rs1);
    x86__count_page(e, TLB_WRITE, x86_mem(RAX, 0), rs1);
    x86__get(e, RCX, rs2);
    switch (op) {
    case JIT_AMO_SWAP:
        x86_mr(e->b, X86_XCHG_MR, width, x86_mem(RAX, 0), RCX);
        extend_to_rax(e, size_log2, RCX);
        break;
    case JIT_AMO_ADD:
        x86_mr(e->b, X86_XADD_MR, width, x86_mem(RAX, 0), RCX);
        extend_to_rax(e, size_log2, RCX);
        break;
    default:
        amo_loop(e, op, size_log2);
        extend_to_rax(e, size_log2, RAX);
        break;
    }
    x86__put(e, rd, RAX);
}

/* ---- Reservations ------------------------------------------------------ */

void jit_host__load_reserved(struct jit_emit *e, unsigned size_log2,
                             unsigned rd, unsigned rs1,
                             const struct jit_reservation *r)
{
    const struct jit_stubs *stubs = e->stubs;

    if (!atomic_address(e, TLB_READ, size_log2, rs1)) {
        return;
    }
    x86__count_page(e, TLB_READ, x86_mem(RAX, 0), rs1);
    x86_rm(e->b, size_log2 == 2 ? X86_MOVSXD : X86_MOV_RM, 8, RDX,
           x86_mem(RAX, 0));
    x86_mr(e->b, X86_MOV_MR, 8, x86__field(stubs, r->value), RDX);
    x86__get(e, RCX, rs1);
    x86_mr(e->b, X86_MOV_MR, 8, x86__field(stubs, r->va), RCX);
    x86_load_imm(e->b, RCX, size_log2);
    x86_mr(e->b, X86_MOV8_MR, 1, x86__field(stubs, r->size_log2), RCX);
    x86_load_imm(e->b, RCX, 1);
    x86_mr(e->b, X86_MOV8_MR, 1, x86__field(stubs, r->valid), RCX);
    x86__put(e, rd, RDX);
}

/*
 * The reservation holds if it is valid, of this size and this address; then
 * the store happens if memory still has the value that was reserved.
 */
void jit_host__store_conditional(struct jit_emit *e, unsigned size_log2,
                                 unsigned rd, unsigned rs1, unsigned rs2,
                                 const struct jit_reservation *r)
{
    const struct jit_stubs *stubs = e->stubs;
    unsigned width = 1u << size_log2;
    uint32_t fail[4], done;

    if (!atomic_address(e, TLB_WRITE, size_log2, rs1)) {
        return;
    }
    x86__count_page(e, TLB_WRITE, x86_mem(RAX, 0), rs1);
    x86_rr(e->b, X86_MOV_MR, 8, RDX, RAX);
    x86_rm(e->b, X86_MOVZX8, 4, RAX, x86__field(stubs, r->valid));
    x86_rr(e->b, X86_XOR_MR, 4, RCX, RCX);
    x86_mr(e->b, X86_MOV8_MR, 1, x86__field(stubs, r->valid), RCX);
    x86_rr(e->b, X86_TEST_MR, 4, RAX, RAX);
    fail[0] = x86_jcc(e->b, CC_E, NULL);
    x86_rm(e->b, X86_MOVZX8, 4, RAX, x86__field(stubs, r->size_log2));
    x86_alu_imm(e->b, X86_ALU_CMP, 4, x86_r(RAX), (int32_t)size_log2);
    fail[1] = x86_jcc(e->b, CC_NE, NULL);
    x86__get(e, RAX, rs1);
    x86_rm(e->b, X86_CMP_RM, 8, RAX, x86__field(stubs, r->va));
    fail[2] = x86_jcc(e->b, CC_NE, NULL);
    x86_rm(e->b, X86_MOV_RM, 8, RAX, x86__field(stubs, r->value));
    x86__get(e, RCX, rs2);
    x86_mr(e->b, X86_CMPXCHG_MR, width, x86_mem(RDX, 0), RCX);
    fail[3] = x86_jcc(e->b, CC_NE, NULL);
    x86_load_imm(e->b, RAX, 0);
    done = x86_jmp(e->b, NULL);
    for (unsigned i = 0; i < 4; i++) {
        x86_patch_here(e->b, fail[i]);
    }
    x86_load_imm(e->b, RAX, 1);
    x86_patch_here(e->b, done);
    x86__put(e, rd, RAX);
}
