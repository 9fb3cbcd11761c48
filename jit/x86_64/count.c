/* SPDX-License-Identifier: MIT */
/*
 * Counters in emitted code, and loads, stores and atomics, counted by page.
 *
 * A TLB that counts by page has spans of one page (tlb/span.c). So what hits a
 * span is in the page of the span's cursor, and counts there; what is checked
 * together, when it was:
 *
 *     add  qword [rbp + cursor.count], 1
 *
 * Adding to the page's own counter would take five instructions. What is added to
 * memory can be added to seven cycles later, if something was stored elsewhere
 * meanwhile. So a small loop of a region adds to a register, its tally:
 *
 *     psubq xmm2, xmm1                  xmm1 is -1
 *
 * which goes to the counter before C is called, the span moves, or the region is
 * left.
 *
 * What misses counts by a subroutine that all blocks share: it adds to the page's
 * counter. If that was too often, the span goes there, and what the cursor has
 * is added to the page that it leaves. How often that is doubles as long as the
 * span is not worth its move.
 *
 *     mov  ecx, span                    its offset among the spans
 *     call count                        rax = va, rdx = addend
 *     je   learn                        an empty one
 *
 * Where that is known to happen nearly always, the access asks the long span, and
 * adds to the page's counter.
 */
#include "jit/host_region.h"
#include "jit/x86_64/x86_64_internal.h"

#define PATIENCE_MIN 2
#define PATIENCE_MAX 64
/* Of an empty span, which only the TLB fills; it may have reasons not to. */
#define PATIENCE_EMPTY 1024
/* So many hits are worth a move. */
#define WORTH 16

_Static_assert(sizeof(struct jit_cursor) == 1 << X86_SPAN_LOG2,
               "cursors lie like spans");
_Static_assert(sizeof(((struct jit_state *)NULL)->cursors) ==
                   sizeof(((SoftTLB *)NULL)->spans),
               "there is one for each span");

static size_t pages_of(const struct jit_guest *guest,
                       enum xbar_tlb_access access)
{
    return guest->state + offsetof(struct jit_state, pages) +
           8 * (size_t)access;
}

/* ---- Tallies ----------------------------------------------------------- */

/* xmm1 is -1, twice. No f register has one of the first three as its home, and
 * the others are free where FP is not live. */
#define ONES XMM1

static const uint8_t tally_xmms[JIT_TALLIES] = { XMM0, XMM2, 3, 4 };

/* Of the counter at @at; NULL: there are no more. */
static const uint8_t *find_tally(const struct jit_emit *e, int32_t at,
                                 uint32_t amount)
{
    struct jit_region *region = e->region;
    unsigned max = e->fp ? FIRST_XHOME - 1 : JIT_TALLIES;
    unsigned i = 0;

    while (i < region->tally_count &&
           (region->tally[i].at != at || region->tally[i].amount != amount)) {
        i++;
    }
    if (i == max) {
        return NULL;
    }
    if (i == region->tally_count) {
        region->tally[region->tally_count++] = (struct jit_tally){ at, amount };
    }
    return &tally_xmms[i];
}

void x86__count(struct jit_emit *e, int32_t at, uint32_t amount)
{
    const uint8_t *xmm = NULL;

    if (e->region != NULL && e->region->is_small) {
        xmm = find_tally(e, at, amount);
    }
    if (xmm != NULL) {
        x86_rm(e->b, X86_PSUBQ, 16, *xmm, x86_r(ONES));
    } else {
        x86_alu_imm(e->b, X86_ALU_ADD, 8, x86_mem(RBP, at), (int32_t)amount);
    }
}

/*
 *     add  qword [rbp + counter], amount
 *
 * where memory of one allocator lies near the vCPU, as it does; or
 *
 *     mov  rax, counter
 *     add  qword [rax], amount
 */
void jit_host__count(struct jit_emit *e, uint64_t *counter, int32_t amount)
{
    int64_t offset =
        (int64_t)((uintptr_t)counter - (uintptr_t)e->vcpu) - e->stubs->anchor;

    if (offset == (int32_t)offset) {
        x86__count(e, (int32_t)offset, (uint32_t)amount);
        return;
    }
    x86_load_imm(e->b, RAX, (uintptr_t)counter);
    x86_alu_imm(e->b, X86_ALU_ADD, 8, x86_mem(RAX, 0), amount);
}

static void settle_tally(struct jit_emit *e, unsigned i)
{
    const struct jit_tally *tally = &e->region->tally[i];
    unsigned xmm = tally_xmms[i];

    x86_mr(e->b, X86_MOVQ_RX, 8, x86_r(RCX), xmm);
    if (tally->amount != 1) {
        x86__emit(e->b, X86_IMUL_RMI,
                  &(struct x86_operands){ .width = 8,
                                          .reg = RCX,
                                          .rm = x86_r(RCX),
                                          .imm = tally->amount });
    }
    x86_mr(e->b, X86_ADD_MR, 8, x86_mem(RBP, tally->at), RCX);
    x86_rm(e->b, X86_XORPS, 16, xmm, x86_r(xmm));
}

void x86__settle_tallies(struct jit_emit *e)
{
    for (unsigned i = 0; i < e->region->tally_count; i++) {
        settle_tally(e, i);
    }
}

/* Those of the counter at @at. */
static void settle_tallies_at(struct jit_emit *e, int32_t at)
{
    for (unsigned i = 0; e->region != NULL && i < e->region->tally_count; i++) {
        if (e->region->tally[i].at == at) {
            settle_tally(e, i);
        }
    }
}

void x86__start_tallies(struct jit_emit *e)
{
    if (!e->region->tallies) {
        return;
    }
    for (unsigned i = 0; i < (e->fp ? FIRST_XHOME - 1u : JIT_TALLIES); i++) {
        x86_rm(e->b, X86_XORPS, 16, tally_xmms[i], x86_r(tally_xmms[i]));
    }
    x86_rm(e->b, X86_PCMPEQD, 16, ONES, x86_r(ONES));
}

/* ---- Accesses ---------------------------------------------------------- */

static int32_t counter_of(const struct jit_emit *e, size_t span)
{
    return x86__disp(e->stubs, e->guest->state +
                                   offsetof(struct jit_state, cursors) + span +
                                   offsetof(struct jit_cursor, count));
}

void x86__count_hits(struct jit_emit *e, size_t span, unsigned count)
{
    if (e->counts_pages) {
        x86__count(e, counter_of(e, span), count);
    }
}

void x86__count_entry(struct jit_emit *e, enum xbar_tlb_access access,
                      size_t span)
{
    if (e->counts_pages) {
        settle_tallies_at(e, counter_of(e, span)); /* it may move */
        x86_load_imm(e->b, RCX, span);
        x86__call_stub(e, e->stubs->count[access]);
    }
}

void x86__count_at(struct jit_emit *e, enum xbar_tlb_access access,
                   unsigned reg)
{
    if (e->counts_pages) {
        x86_rr(e->b, X86_MOV_MR, 8, RCX, reg);
        x86_mi(e->b, X86_SHR_MI8, 8, x86_r(RCX), TLB_PAGE_BITS);
        x86_mi(e->b, X86_SHL_MI8, 8, x86_r(RCX), 3);
        x86_rm(e->b, X86_ADD_RM, 8, RCX,
               x86__field(e->stubs, pages_of(e->guest, access)));
        x86_alu_imm(e->b, X86_ALU_ADD, 8, x86_mem(RCX, 0), 1);
    }
}

/* ---- The subroutine ---------------------------------------------------- */

struct count_writer {
    struct code_buf *b;
    const struct jit_guest *guest;
    const struct jit_stubs *stubs;
    enum xbar_tlb_access access;
};

/* Fields of the span at ecx, and of its cursor. */
static struct x86_rm span(const struct count_writer *w, size_t field)
{
    size_t spans = w->guest->tlb + offsetof(SoftTLB, spans);

    return x86_mem_index(RBP, RCX, 0, x86__disp(w->stubs, spans + field));
}

static struct x86_rm cursor(const struct count_writer *w, size_t field)
{
    size_t cursors = w->guest->state + offsetof(struct jit_state, cursors);

    return x86_mem_index(RBP, RCX, 0, x86__disp(w->stubs, cursors + field));
}

static void push_pop(const struct count_writer *w, enum x86_op op, unsigned reg)
{
    x86__emit(w->b, op, &(struct x86_operands){ .width = 8, .reg = reg });
}

/* @reg is a page: now it is where its counter is. */
static void find_counter(const struct count_writer *w, unsigned reg)
{
    x86_mi(w->b, X86_SHL_MI8, 8, x86_r(reg), 3);
    x86_rm(w->b, X86_ADD_RM, 8, reg,
           x86__field(w->stubs, pages_of(w->guest, w->access)));
}

/* Twice as patient after a move that was not worth it. */
static void set_patience(const struct count_writer *w)
{
    struct x86_rm given = cursor(w, offsetof(struct jit_cursor, given));
    uint32_t worth, enough;

    x86_load_imm(w->b, RDI, PATIENCE_MIN);
    x86_alu_imm(w->b, X86_ALU_CMP, 8,
                cursor(w, offsetof(struct jit_cursor, count)), WORTH);
    worth = x86_jcc(w->b, CC_AE, NULL);
    x86_load_imm(w->b, RDI, PATIENCE_MAX);
    x86_alu_imm(w->b, X86_ALU_CMP, 8, given, PATIENCE_MAX / 2);
    enough = x86_jcc(w->b, CC_AE, NULL);
    x86_rm(w->b, X86_MOV_RM, 8, RDI, given);
    x86_rm(w->b, X86_LEA, 8, RDI, x86_mem_index(RDI, RDI, 0, PATIENCE_MIN));
    x86_patch_here(w->b, worth);
    x86_patch_here(w->b, enough);
    x86_mr(w->b, X86_MOV_MR, 8, given, RDI);
    x86_mr(w->b, X86_MOV_MR, 8,
           cursor(w, offsetof(struct jit_cursor, patience)), RDI);
}

/* The span goes to the page in rsi, that of va, and this access with it. */
static void move_span(const struct count_writer *w)
{
    struct x86_rm page = cursor(w, offsetof(struct jit_cursor, page));
    struct x86_rm count = cursor(w, offsetof(struct jit_cursor, count));

    push_pop(w, X86_PUSH, RDI);
    set_patience(w);
    x86_rm(w->b, X86_MOV_RM, 8, RDI, page);
    x86_mr(w->b, X86_MOV_MR, 8, page, RSI);
    x86_rm(w->b, X86_MOV_RM, 8, RSI, count);
    x86_mi(w->b, X86_MOV_MI, 8, count, 1);
    find_counter(w, RDI);
    x86_mr(w->b, X86_ADD_MR, 8, x86_mem(RDI, 0), RSI);
    push_pop(w, X86_POP, RDI);
    x86_rr(w->b, X86_MOV_MR, 8, RSI, RAX);
    x86_alu_imm(w->b, X86_ALU_AND, 8, x86_r(RSI), (int32_t)TLB_PAGE_MASK);
    x86_mr(w->b, X86_MOV_MR, 8, span(w, offsetof(TLBSpan, start)), RSI);
    x86_mr(w->b, X86_MOV_MR, 8, span(w, offsetof(TLBSpan, addend)), RDX);
    x86_rr(w->b, X86_TEST_MR, 8, RSP, RSP); /* not equal */
    push_pop(w, X86_POP, RSI);
    x86_m(w->b, X86_RET, 8, x86_r(RAX));
}

/* Filling it is the TLB's, which knows those that are not empty. */
static void let_learn(const struct count_writer *w)
{
    x86_mi(w->b, X86_MOV_MI, 8,
           cursor(w, offsetof(struct jit_cursor, patience)), PATIENCE_EMPTY);
    x86_mi(w->b, X86_MOV_MI, 4, span(w, offsetof(TLBSpan, credit)), -1);
    x86_rr(w->b, X86_CMP_MR, 4, RAX, RAX); /* equal */
    x86_m(w->b, X86_RET, 8, x86_r(RAX));
}

void x86__write_count(struct code_buf *b, const struct jit_guest *guest,
                      const struct jit_stubs *stubs,
                      enum xbar_tlb_access access)
{
    const struct count_writer w = { b, guest, stubs, access };
    uint32_t moves, is_empty;

    x86_alu_imm(b, X86_ALU_SUB, 8,
                cursor(&w, offsetof(struct jit_cursor, patience)), 1);
    moves = x86_jcc(b, CC_S, NULL);
    x86_rm(b, X86_LEA, 8, RCX, x86_mem_index(RAX, RDX, 0, 0));
    x86_mi(b, X86_SHR_MI8, 8, x86_r(RCX), TLB_PAGE_BITS);
    find_counter(&w, RCX);
    x86_alu_imm(b, X86_ALU_ADD, 8, x86_mem(RCX, 0), 1); /* not equal */
    x86_m(b, X86_RET, 8, x86_r(RAX));
    x86_patch_here(b, moves);
    x86_alu_imm(b, X86_ALU_CMP, 8, span(&w, offsetof(TLBSpan, count)), 0);
    is_empty = x86_jcc(b, CC_E, NULL);
    push_pop(&w, X86_PUSH, RSI);
    x86_rm(b, X86_LEA, 8, RSI, x86_mem_index(RAX, RDX, 0, 0));
    x86_mi(b, X86_SHR_MI8, 8, x86_r(RSI), TLB_PAGE_BITS);
    move_span(&w);
    x86_patch_here(b, is_empty);
    let_learn(&w);
}
