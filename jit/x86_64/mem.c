/* SPDX-License-Identifier: MIT */
/*
 * Loads and stores through the soft-TLB.
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
 * host's own. Accesses that are checked together ask for the whole range first,
 *
 *     lea  rdx, [base + high]
 *     sub  rdx, [rbp + span.start]
 *     cmp  rdx, [rbp + span.count]
 *     jae  missed
 *     cmp  rdx, high - low              unless that is 0
 *     jb   missed
 *
 * and then take the addend alone, if it is not in rdx still. Missed, they follow
 * once more, out of line, each by its cold path.
 *
 * There the entry is probed, by a subroutine that all blocks share:
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
#include "jit/x86_64/x86_64_internal.h"

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

/*
 * The slot of spans that accesses by @base ask: the register's. But a span that
 * counts is one page, and a register that is computed anew for each of several
 * arrays is never long in one: so each place that computes it has its own. None
 * has the long one.
 */
static uint8_t choose_slot(const struct jit_emit *e, unsigned base)
{
    uint64_t computed = e->counts_pages ? e->computed[base] : 0;

    if (computed != 0) {
        return TLB_SPANS / 2 + computed / 2 % (TLB_SPANS / 2);
    }
    return e->counts_pages && base == JIT_LONG_SPAN ? 1 : base % TLB_SPANS;
}

/* The same of an access that may have been checked. */
static uint8_t slot_of(const struct jit_emit *e, unsigned base)
{
    return e->trust == JIT_KNOWN ? e->checked[base] : choose_slot(e, base);
}

/* The span in @slot that an access asks, by its offset among all. */
static size_t span_offset(const struct jit_emit *e, unsigned slot,
                          enum xbar_tlb_access access)
{
    return ((e->data_context * 2 + access) * TLB_SPANS + slot) *
           sizeof(TLBSpan);
}

/* Where @field of it lies in the vCPU. */
static inline struct x86_rm span_field(const struct jit_emit *e, unsigned slot,
                                       enum xbar_tlb_access access,
                                       size_t field)
{
    return x86__field(e->stubs, e->guest->tlb + offsetof(SoftTLB, spans) +
                                    span_offset(e, slot, access) + field);
}

/* rdx = @address, less where the span in @slot begins; the displacement of a
 * jump if that is not in it. */
static uint32_t compare_span(struct jit_emit *e, unsigned slot,
                             enum xbar_tlb_access access, struct x86_rm address)
{
    if (address.is_reg) {
        x86_rr(e->b, X86_MOV_MR, 8, RDX, address.base);
    } else {
        x86_rm(e->b, X86_LEA, 8, RDX, address);
    }
    x86_rm(e->b, X86_SUB_RM, 8, RDX,
           span_field(e, slot, access, offsetof(TLBSpan, start)));
    x86_rm(e->b, X86_CMP_RM, 8, RDX,
           span_field(e, slot, access, offsetof(TLBSpan, count)));
    return x86_jcc(e->b, CC_AE, NULL);
}

static void take_addend(struct jit_emit *e, unsigned slot,
                        enum xbar_tlb_access access)
{
    x86_rm(e->b, X86_MOV_RM, 8, RDX,
           span_field(e, slot, access, offsetof(TLBSpan, addend)));
}

static bool leaps(const struct jit_emit *e, unsigned slot,
                  enum xbar_tlb_access access)
{
    return e->leaps[access] >> slot & 1;
}

static struct x86_rm sum_of(unsigned base, int32_t offset)
{
    return offset != 0 ? x86_mem(base, offset) : x86_r(base);
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
    unsigned slot = leaps(e, a->slot, access) ? JIT_LONG_SPAN : a->slot;

    cold->jump_at = compare_span(
        e, slot, access,
        a->is_indexed ? x86_mem_index(base, index, a->scale, a->offset)
                      : sum_of(base, a->offset));
    take_addend(e, slot, access);
    if (a->is_indexed) {
        x86_rr(e->b, X86_ADD_MR, 8, RDX, base);
        return x86_mem_index(RDX, index, a->scale, a->offset);
    }
    return x86_mem_index(RDX, base, 0, a->offset);
}

/* The same, and count; rcx is lost, too. */
static struct x86_rm ask_counting(struct jit_emit *e, struct jit_cold *cold,
                                  enum xbar_tlb_access access)
{
    struct x86_rm at = ask_span(e, cold, access);

    if (leaps(e, cold->access.slot, access)) {
        x86_rm(e->b, X86_LEA, 8, RDX, at);
        x86__count_at(e, access, RDX);
        return x86_mem(RDX, 0);
    }
    x86__count_hits(e, span_offset(e, cold->access.slot, access), 1);
    return at;
}

/* Jumps to the way through C. */
struct misses {
    uint32_t at[3];
    unsigned count;
};

static void add_miss(struct misses *misses, uint32_t at)
{
    misses->at[misses->count++] = at;
}

static void misses_come_here(struct jit_emit *e, const struct misses *misses)
{
    for (unsigned i = 0; i < misses->count; i++) {
        x86_patch_here(e->b, misses->at[i]);
    }
}

/*
 * The entry may hit va, which is in rax. Every miss of the span takes 1 off its
 * credit; when that is used up, the way through C lets the span learn.
 */
static void ask_entry(struct jit_emit *e, const struct jit_cold *cold,
                      enum xbar_tlb_access access, struct misses *misses)
{
    const struct jit_access *a = &cold->access;
    struct x86_rm credit =
        span_field(e, a->slot, access, offsetof(TLBSpan, credit));

    add_miss(misses,
             x86__probe(e, e->data_context, access, 1u << a->size_log2, RAX));
    x86_alu_imm(e->b, X86_ALU_SUB, 4, credit, 1);
    add_miss(misses, x86_jcc(e->b, CC_S, NULL));
}

/* The long span, before the entry; and count. */
static void ask_and_count(struct jit_emit *e, const struct jit_cold *cold,
                          enum xbar_tlb_access access, struct misses *misses)
{
    uint32_t outside = compare_span(e, JIT_LONG_SPAN, access, x86_r(RAX)),
             known;

    take_addend(e, JIT_LONG_SPAN, access);
    known = x86_jmp(e->b, NULL);
    x86_patch_here(e->b, outside);
    ask_entry(e, cold, access, misses);
    x86_patch_here(e->b, known);
    x86__count_entry(e, access, span_offset(e, cold->access.slot, access));
    add_miss(misses, x86_jcc(e->b, CC_E, NULL));
}

/* The span missed: rax = va, rdx = the addend, or go to the way through C. */
static void ask_elsewhere(struct jit_emit *e, const struct jit_cold *cold,
                          enum xbar_tlb_access access, struct misses *misses)
{
    const struct jit_access *a = &cold->access;

    misses->count = 0;
    x86__address(e, a->is_indexed ? a->reg : a->base, a->offset);
    if (e->counts_pages) {
        ask_and_count(e, cold, access, misses);
    } else {
        ask_entry(e, cold, access, misses);
    }
}

/* ---- Checks of several ------------------------------------------------- */

static enum xbar_tlb_access access_of(const struct jit_check *check)
{
    return check->writes ? TLB_WRITE : TLB_READ;
}

static void emit_check(struct jit_emit *e, const struct jit_check *check,
                       struct jit_group *group)
{
    unsigned base = x86__read(e, check->base, RAX);

    e->checked[check->base] = choose_slot(e, check->base);
    group->jumps[group->jump_count++] =
        compare_span(e, e->checked[check->base], access_of(check),
                     sum_of(base, check->high));
    if (check->high != check->low) {
        x86_alu_imm(e->b, X86_ALU_CMP, 8, x86_r(RDX), check->high - check->low);
        group->jumps[group->jump_count++] = x86_jcc(e->b, CC_B, NULL);
    }
}

void jit_host__begin_group(struct jit_emit *e, const struct jit_check *checks,
                           unsigned count, struct jit_group *group)
{
    xbar_assert(count <= JIT_CHECKS);
    group->jump_count = 0;
    if (e->counts_pages) {
        memcpy(group->computed, e->computed, sizeof(group->computed));
    }
    for (unsigned i = 0; i < count; i++) {
        emit_check(e, &checks[i], group);
    }
    /* All of them will be made. */
    for (unsigned i = 0; i < count; i++) {
        x86__count_hits(
            e,
            span_offset(e, e->checked[checks[i].base], access_of(&checks[i])),
            checks[i].count);
    }
    e->trust = JIT_KNOWN;
}

void jit_host__end_group(struct jit_emit *e, struct jit_group *group)
{
    group->resume = code_buf__offset(e->b);
    e->trust = JIT_ASK;
}

void jit_host__begin_missed(struct jit_emit *e, const struct jit_group *group)
{
    for (unsigned i = 0; i < group->jump_count; i++) {
        x86_patch_here(e->b, group->jumps[i]);
    }
    if (e->counts_pages) {
        memcpy(e->computed, group->computed, sizeof(group->computed));
    }
    e->trust = JIT_MISSED;
}

void jit_host__end_missed(struct jit_emit *e, const struct jit_group *group)
{
    x86_jmp(e->b, e->b->start + group->resume);
    e->trust = JIT_ASK;
}

/* The memory of an access that was checked; rdx is the addend, perhaps still
 * that of the access before. */
static struct x86_rm known_memory(struct jit_emit *e,
                                  const struct jit_access *a,
                                  enum xbar_tlb_access access)
{
    unsigned slot = slot_of(e, a->base);
    uint32_t span = (uint32_t)span_offset(e, slot, access);

    if (e->addend_at != code_buf__offset(e->b) || e->addend != span) {
        take_addend(e, slot, access);
        e->addend = span;
    }
    return x86_mem_index(RDX, x86__read(e, a->base, RAX), 0, a->offset);
}

/* ---- Plain accesses ---------------------------------------------------- */

/* Where misses go, or all, of an access that is not known to hit. */
static struct jit_cold *slow_way(struct jit_emit *e, enum cold_kind kind,
                                 const struct jit_access *a)
{
    struct jit_cold *cold = x86__cold(e, kind);

    if (cold != NULL) {
        cold->access = *a;
        cold->access.slot = slot_of(e, a->base);
        if (e->trust == JIT_MISSED) {
            cold->jump_at = x86_jmp(e->b, NULL);
            cold->resume = code_buf__offset(e->b);
        }
    }
    return cold;
}

void jit_host__load(struct jit_emit *e, const struct jit_access *a)
{
    struct jit_cold *cold;

    if (e->trust == JIT_KNOWN) {
        load_from(e, a, known_memory(e, a, TLB_READ));
        e->addend_at = code_buf__offset(e->b);
        return;
    }
    cold = slow_way(e, COLD_LOAD, a);
    if (cold != NULL && e->trust == JIT_ASK) {
        load_from(e, a, ask_counting(e, cold, TLB_READ));
        cold->resume = code_buf__offset(e->b);
    }
}

void jit_host__store(struct jit_emit *e, const struct jit_access *a)
{
    struct jit_cold *cold;

    if (e->trust == JIT_KNOWN) {
        store_to(e, a, known_memory(e, a, TLB_WRITE));
        e->addend_at = code_buf__offset(e->b);
        return;
    }
    cold = slow_way(e, COLD_STORE, a);
    if (cold != NULL && e->trust == JIT_ASK) {
        store_to(e, a, ask_counting(e, cold, TLB_WRITE));
        cold->resume = code_buf__offset(e->b);
    }
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

    x86_mi(e->b, X86_MOV_MI, 4, x86__field(e->stubs, span), cold->access.slot);
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
    struct misses misses;

    if (a->is_indexed) {
        put_indexed(e, a);
    }
    ask_elsewhere(e, cold, TLB_READ, &misses);
    load_from(e, a, x86_mem_index(RDX, RAX, 0, 0));
    x86__go_back(e, cold);
    misses_come_here(e, &misses);
    call_slow(e, cold, x86__stubs(e)->load[a->size_log2]);
    load_from(e, a, x86_r(RAX));
}

static void cold_store(struct jit_emit *e, const struct jit_cold *cold)
{
    const struct jit_access *a = &cold->access;
    struct misses misses;

    ask_elsewhere(e, cold, TLB_WRITE, &misses);
    store_to(e, a, x86_mem_index(RDX, RAX, 0, 0));
    x86__go_back(e, cold);
    misses_come_here(e, &misses);
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
        x86_load_imm(e->b, RCX, span_offset(e, a->slot, TLB_WRITE));
        x86__call_stub(e, stubs->probe_store[a->size_log2]);
        x86__site(e, cold, false);
    } else {
        x86_load_imm(e->b, RCX, span_offset(e, a->slot, TLB_READ));
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
