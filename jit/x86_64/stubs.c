/* SPDX-License-Identifier: MIT */
/*
 * The shared stubs, in the fixed part of code memory:
 *
 *     enter        C -> emitted code: save C's registers, load the homes
 *     exit_*       emitted code -> C: store the homes, restore, return
 *     probe_load, probe_store
 *                  what an access does that misses its span: hit the entry, or
 *                  go on as load and store
 *     load, store, execute
 *                  call C in the middle of a block: save the homes that a
 *                  call may change, come back, or leave as a fault
 *     resume       call C at the end of a block: save all homes, and go on
 *                  with the code that C names
 *
 * All of them twice: blocks where FP is live have more to save, and swap mxcsr.
 * Those in the middle of a block once more for regions, which save their homes
 * themselves, and probe in place.
 *
 * Stack while a block runs (rsp is 16-byte aligned there):
 *
 *     | return to C | rbx rbp r12 r13 r14 r15 | pad |  <- rsp
 */
#include <cpuid.h>

#include "engine/alloc.h"
#include "jit/x86_64/x86_64_internal.h"

const uint8_t x86__homes[HOME_COUNT] = { RBX, R12, R13, R14, RSI,
                                         RDI, R8,  R9,  R10, R11 };

static const uint8_t saved_by_c[] = { RBX, RBP, R12, R13, R14, R15 };
#define SAVED_COUNT (sizeof(saved_by_c) / sizeof(saved_by_c[0]))

struct stub_writer {
    struct code_buf b;
    const struct jit_guest *guest;
    struct jit_stubs *stubs;
    struct x86_stub_set *set; /* being written */
    bool fp;                  /* it is the one of live FP */
    bool region;              /* it is one of regions: no homes are usual */
    uint32_t enter_fp;        /* subroutines: enter what is live, and leave */
    uint32_t leave_fp;
    uint32_t leave;
    uint32_t unlanded[2];
};

bool jit_host__supported(void)
{
    return true;
}

/* All four sets, where devices are counted, take a little more than 16 KiB. */
size_t jit_host__stubs_size(void)
{
    return 24576;
}

static struct x86_rm state_field(const struct stub_writer *w, size_t offset)
{
    return x86__field(w->stubs, w->guest->state + offset);
}

static struct x86_rm budget_field(const struct stub_writer *w)
{
    return state_field(w, offsetof(struct jit_state, budget));
}

static struct x86_rm home_field(const struct stub_writer *w, unsigned guest_reg)
{
    return x86__field(w->stubs, w->guest->regs + 8 * guest_reg);
}

/* Move homes [first, HOME_COUNT) to their places in the vCPU, or back. */
static void move_homes(struct stub_writer *w, enum x86_op op, unsigned first)
{
    for (unsigned i = w->region ? HOME_COUNT : first; i < HOME_COUNT; i++) {
        x86_mr(&w->b, op, 8, home_field(w, w->guest->hot[i]), x86__homes[i]);
    }
}

static void store_homes(struct stub_writer *w, unsigned first)
{
    move_homes(w, X86_MOV_MR, first);
}

static void load_homes(struct stub_writer *w, unsigned first)
{
    move_homes(w, X86_MOV_RM, first);
}

static uint32_t start_stub(struct stub_writer *w)
{
    return code_buf__offset(&w->b);
}

static void push_pop(struct stub_writer *w, enum x86_op op, unsigned reg)
{
    x86__emit(&w->b, op, &(struct x86_operands){ .width = 8, .reg = reg });
}

/* ---- Floating point ---------------------------------------------------- */

static void move_xhomes(struct stub_writer *w, enum x86_op op)
{
    for (unsigned i = 0; i < XHOME_COUNT; i++) {
        x86_mr(
            &w->b, op, 8,
            x86__field(w->stubs, w->guest->fp_regs + 8 * w->guest->hot_fp[i]),
            FIRST_XHOME + i);
    }
}

/*
 * From outside to where FP is live: the embedder's mxcsr for the guest's, and
 * the homes; and the way back. Subroutines that keep registers and flags.
 */
static void write_fp_switches(struct stub_writer *w)
{
    struct x86_rm control =
        state_field(w, offsetof(struct jit_state, fp_control));
    struct x86_rm outside =
        state_field(w, offsetof(struct jit_state, fp_outside));

    w->enter_fp = start_stub(w);
    x86_m(&w->b, X86_STMXCSR, 4, outside);
    x86_m(&w->b, X86_LDMXCSR, 4, control);
    move_xhomes(w, X86_MOVSD_RM);
    x86_m(&w->b, X86_RET, 8, x86_r(RAX));
    w->leave_fp = start_stub(w);
    move_xhomes(w, X86_MOVSD_MR);
    x86_m(&w->b, X86_STMXCSR, 4, control);
    x86_m(&w->b, X86_LDMXCSR, 4, outside);
    x86_m(&w->b, X86_RET, 8, x86_r(RAX));
}

static void call_if_live(struct stub_writer *w, uint32_t subroutine)
{
    if (w->fp) {
        x86_call(&w->b, w->b.start + subroutine);
    }
}

/* ---- Entering and leaving ---------------------------------------------- */

static void write_enter(struct stub_writer *w)
{
    w->set->enter = start_stub(w);
    for (unsigned i = 0; i < SAVED_COUNT; i++) {
        push_pop(w, X86_PUSH, saved_by_c[i]);
    }
    x86_alu_imm(&w->b, X86_ALU_SUB, 8, x86_r(RSP), 8);
    x86_rr(&w->b, X86_MOV_MR, 8, RBP, RDI);
    x86_rr(&w->b, X86_MOV_MR, 8, RAX, RSI);
    load_homes(w, 0);
    x86_rm(&w->b, X86_MOV_RM, 8, BUDGET, budget_field(w));
    call_if_live(w, w->enter_fp);
    x86_m(&w->b, X86_JMP_M, 8, x86_r(RAX));
}

/* eax = kind, ecx = data: returned as a struct jit_exit, in rax. */
static void write_exit_common(struct stub_writer *w)
{
    w->set->exit_common = start_stub(w);
    call_if_live(w, w->leave_fp);
    store_homes(w, 0);
    x86_mr(&w->b, X86_MOV_MR, 8, budget_field(w), BUDGET);
    x86_mi(&w->b, X86_SHL_MI8, 8, x86_r(RCX), 32);
    x86_rr(&w->b, X86_OR_MR, 8, RAX, RCX);
    x86_alu_imm(&w->b, X86_ALU_ADD, 8, x86_r(RSP), 8);
    for (unsigned i = SAVED_COUNT; i-- > 0;) {
        push_pop(w, X86_POP, saved_by_c[i]);
    }
    x86_m(&w->b, X86_RET, 8, x86_r(RAX));
}

static void jump_to(struct stub_writer *w, uint32_t stub)
{
    x86_jmp(&w->b, w->b.start + stub);
}

static uint32_t write_exit(struct stub_writer *w, enum jit_exit_kind kind)
{
    uint32_t at = start_stub(w);

    x86_load_imm(&w->b, RAX, kind);
    jump_to(w, w->set->exit_common);
    return at;
}

/* Reached by a call: its return address says which site it was. */
static uint32_t write_site_exit(struct stub_writer *w, enum jit_exit_kind kind)
{
    uint32_t at = start_stub(w);

    push_pop(w, X86_POP, RCX);
    x86_mr(&w->b, X86_MOV_MR, 8,
           state_field(w, offsetof(struct jit_state, site)), RCX);
    x86_load_imm(&w->b, RAX, kind);
    jump_to(w, w->set->exit_common);
    return at;
}

/* ---- Calling C --------------------------------------------------------- */

/* C may change what it may: homes from @first on are in memory meanwhile. */
static void leave_homes(struct stub_writer *w, unsigned first)
{
    x86_alu_imm(&w->b, X86_ALU_SUB, 8, x86_r(RSP), 8);
    call_if_live(w, w->leave_fp);
    store_homes(w, first);
}

/* Flags survive. */
static void return_homes(struct stub_writer *w, unsigned first)
{
    load_homes(w, first);
    call_if_live(w, w->enter_fp);
    x86_rm(&w->b, X86_LEA, 8, RSP, x86_mem(RSP, 8));
}

/* Behind the saved homes: the arguments that all helpers share. */
static void set_arguments(struct stub_writer *w)
{
    x86_mr(&w->b, X86_MOV_MR, 8, budget_field(w), BUDGET);
    x86_rm(&w->b, X86_LEA, 8, RDI, x86_mem(RBP, (int32_t)-w->stubs->anchor));
    x86_rm(&w->b, X86_MOV_RM, 8, RCX, x86_mem(RSP, 8));
}

static void begin_call(struct stub_writer *w, unsigned first)
{
    leave_homes(w, first);
    set_arguments(w);
}

/* Equal unless something wants attention. */
static void return_attention(struct stub_writer *w)
{
    x86_alu_imm(&w->b, X86_ALU_CMP, 4,
                x86__field(w->stubs, w->guest->attention), 0);
    x86_m(&w->b, X86_RET, 8, x86_r(RAX));
}

static void end_call(struct stub_writer *w, unsigned first, size_t helper,
                     uint32_t fault)
{
    uint32_t failed;

    x86_m(&w->b, X86_CALL_M, 8,
          state_field(w, offsetof(struct jit_state, helpers) + helper));
    x86_rr(&w->b, X86_TEST_MR, 4, RAX, RAX);
    return_homes(w, first);
    failed = x86_jcc(&w->b, CC_NE, NULL);
    x86_patch(&w->b, failed, w->b.start + fault);
    x86_rm(&w->b, X86_MOV_RM, 8, RAX,
           state_field(w, offsetof(struct jit_state, value)));
    return_attention(w);
}

/* The homes are saved. A device's callback, and back to the block; else go on
 * with the helper that @access has. */
static void try_device(struct stub_writer *w, enum xbar_tlb_access access,
                       unsigned size_log2)
{
    struct x86_device_path path;

    x86__write_device_path(&w->b, w->guest, w->stubs, access, size_log2, &path);
    return_homes(w, HOME_SAVED);
    return_attention(w);
    x86__missed_device(&w->b, &path);
}

/* In: rax = va. Out: rax = value, equal unless something wants attention. */
static uint32_t write_load(struct stub_writer *w, unsigned size_log2,
                           uint32_t fault)
{
    uint32_t at = start_stub(w);

    leave_homes(w, HOME_SAVED);
    try_device(w, TLB_READ, size_log2);
    set_arguments(w);
    x86_rr(&w->b, X86_MOV_MR, 8, RSI, RAX);
    x86_load_imm(&w->b, RDX, size_log2);
    end_call(w, HOME_SAVED, offsetof(struct jit_helpers, load), fault);
    return at;
}

/* In: rax = va, rdx = value. */
static uint32_t write_store(struct stub_writer *w, unsigned size_log2,
                            uint32_t fault)
{
    uint32_t at = start_stub(w);

    leave_homes(w, HOME_SAVED);
    try_device(w, TLB_WRITE, size_log2);
    set_arguments(w);
    x86_rr(&w->b, X86_MOV_MR, 8, RSI, RAX);
    x86_rr(&w->b, X86_MOV_MR, 8, R8, RDX);
    x86_load_imm(&w->b, RDX, size_log2);
    end_call(w, HOME_SAVED, offsetof(struct jit_helpers, store), fault);
    return at;
}

/* ---- Probing ----------------------------------------------------------- */

/*
 * @index, with the help of @temporary: offset of the slot of the address in rax
 * in the tables of all contexts. ecx is the span's among the spans, so that it
 * says which context.
 */
static void write_slot_offset(struct stub_writer *w, unsigned index,
                              unsigned temporary)
{
    x86_rr(&w->b, X86_MOV_MR, 4, index, RAX);
    x86_mi(&w->b, X86_SHR_MI8, 4, x86_r(index), X86_INDEX_SHIFT);
    x86_alu_imm(&w->b, X86_ALU_AND, 4, x86_r(index), X86_INDEX_MASK);
    x86_rr(&w->b, X86_MOV_MR, 4, temporary, RCX);
    x86_alu_imm(&w->b, X86_ALU_AND, 4, x86_r(temporary),
                -(1 << X86_SPANS_LOG2));
    x86_mi(&w->b, X86_SHL_MI8, 4, x86_r(temporary),
           X86_CONTEXT_LOG2 - X86_SPANS_LOG2);
    x86_rr(&w->b, X86_ADD_MR, 8, index, temporary);
}

static struct x86_rm entry_field(const struct stub_writer *w, unsigned index,
                                 size_t field)
{
    size_t entries = w->guest->tlb + offsetof(SoftTLB, l1);

    return x86_mem_index(RBP, index, 0, x86__disp(w->stubs, entries + field));
}

/*
 * The entry at @index hits, or we are at the displacements returned. Every hit
 * takes 1 off the span's credit; when that is used up it is a miss, too, and the
 * way through C lets the span learn. @temporary is pushed, and popped.
 */
static void write_probe(struct stub_writer *w, enum xbar_tlb_access access,
                        unsigned size, unsigned index, unsigned temporary,
                        uint32_t misses[2])
{
    size_t credit =
        w->guest->tlb + offsetof(SoftTLB, spans) + offsetof(TLBSpan, credit);

    x86_rm(&w->b, X86_MOV_RM, 8, temporary,
           entry_field(w, index, access * sizeof(uint64_t)));
    x86_rr(&w->b, X86_XOR_MR, 8, temporary, RAX);
    x86_alu_imm(&w->b, X86_ALU_CMP, 8, x86_r(temporary),
                (int32_t)(TLB_PAGE_SIZE - size));
    push_pop(w, X86_POP, temporary);
    misses[0] = x86_jcc(&w->b, CC_A, NULL);
    x86_alu_imm(&w->b, X86_ALU_SUB, 4,
                x86_mem_index(RBP, RCX, 0, x86__disp(w->stubs, credit)), 1);
    misses[1] = x86_jcc(&w->b, CC_S, NULL);
    x86_rm(&w->b, X86_MOV_RM, 8, index,
           entry_field(w, index, offsetof(TLBEntry, addend)));
}

/* Equal, as what asks for attention leaves it. */
static void return_calm(struct stub_writer *w)
{
    x86_rr(&w->b, X86_CMP_MR, 4, RAX, RAX);
    x86_m(&w->b, X86_RET, 8, x86_r(RAX));
}

/* Go on in @stub, which knows the span by its slot. */
static void write_probe_miss(struct stub_writer *w, uint32_t stub)
{
    x86_mi(&w->b, X86_SHR_MI8, 4, x86_r(RCX), X86_SPAN_LOG2);
    x86_alu_imm(&w->b, X86_ALU_AND, 4, x86_r(RCX), TLB_SPANS - 1);
    x86_mr(&w->b, X86_MOV_MR, 4,
           state_field(w, offsetof(struct jit_state, span)), RCX);
    jump_to(w, stub);
}

/* In: rax = va, ecx = span. Out: rax = value, equal unless something wants
 * attention. */
static uint32_t write_probe_load(struct stub_writer *w, unsigned size_log2)
{
    uint32_t at = start_stub(w), misses[2];

    push_pop(w, X86_PUSH, RSI);
    write_slot_offset(w, RDX, RSI);
    write_probe(w, TLB_READ, 1u << size_log2, RDX, RSI, misses);
    x86_extend(&w->b, size_log2, false, RAX, x86_mem_index(RDX, RAX, 0, 0));
    return_calm(w);
    x86_patch_here(&w->b, misses[0]);
    x86_patch_here(&w->b, misses[1]);
    write_probe_miss(w, w->set->load[size_log2]);
    return at;
}

/* In: rax = va, rdx = value, ecx = span. */
static uint32_t write_probe_store(struct stub_writer *w, unsigned size_log2)
{
    uint32_t at = start_stub(w), misses[2];

    push_pop(w, X86_PUSH, RSI);
    push_pop(w, X86_PUSH, RDI);
    write_slot_offset(w, RSI, RDI);
    write_probe(w, TLB_WRITE, 1u << size_log2, RSI, RDI, misses);
    x86_store(&w->b, size_log2, x86_mem_index(RSI, RAX, 0, 0), RDX);
    push_pop(w, X86_POP, RSI);
    return_calm(w);
    x86_patch_here(&w->b, misses[0]);
    x86_patch_here(&w->b, misses[1]);
    push_pop(w, X86_POP, RSI);
    write_probe_miss(w, w->set->store[size_log2]);
    return at;
}

/* ---- The others -------------------------------------------------------- */

/* In: eax = bits, rdx = pc. */
static void write_execute(struct stub_writer *w, uint32_t fault)
{
    w->set->execute = start_stub(w);
    begin_call(w, HOME_SAVED);
    x86_rr(&w->b, X86_MOV_MR, 8, RSI, RAX);
    end_call(w, HOME_SAVED, offsetof(struct jit_helpers, execute), fault);
}

/* In: rax = what is looked at. */
static void write_look(struct stub_writer *w, uint32_t fault)
{
    w->set->look = start_stub(w);
    begin_call(w, 0);
    x86_rr(&w->b, X86_MOV_MR, 8, RSI, RAX);
    x86_rr(&w->b, X86_MOV_MR, 8, RDX, RCX);
    end_call(w, 0, offsetof(struct jit_helpers, look), fault);
}

/*
 * In: eax = bits, rdx = pc; reached by a call that is not returned to, because
 * the block may be gone by then. What is gone on with says itself whether FP is
 * live in it.
 */
static void write_resume(struct stub_writer *w)
{
    uint32_t plain;

    w->set->resume = start_stub(w);
    push_pop(w, X86_POP, RCX);
    call_if_live(w, w->leave_fp);
    store_homes(w, 0);
    x86_mr(&w->b, X86_MOV_MR, 8, budget_field(w), BUDGET);
    x86_rm(&w->b, X86_LEA, 8, RDI, x86_mem(RBP, (int32_t)-w->stubs->anchor));
    x86_rr(&w->b, X86_MOV_MR, 8, RSI, RAX);
    x86_m(&w->b, X86_CALL_M, 8,
          state_field(w, offsetof(struct jit_state, helpers) +
                             offsetof(struct jit_helpers, resume)));
    load_homes(w, 0);
    x86_rm(&w->b, X86_MOV_RM, 8, BUDGET, budget_field(w));
    x86_alu_imm(&w->b, X86_ALU_CMP, 4,
                state_field(w, offsetof(struct jit_state, fp_live)), 0);
    plain = x86_jcc(&w->b, CC_E, NULL);
    x86_call(&w->b, w->b.start + w->enter_fp);
    x86_patch_here(&w->b, plain);
    x86_m(&w->b, X86_JMP_M, 8, x86_r(RAX));
}

/* In place of a landing, for a call that was interpreted. In: rcx = offset in
 * the return stack. */
static void write_unlanded(struct stub_writer *w)
{
    size_t pc = w->guest->state + offsetof(struct jit_state, ras) +
                offsetof(struct jit_return, pc);

    w->unlanded[w->fp] = start_stub(w);
    x86_rm(&w->b, X86_MOV_RM, 8, RAX,
           x86_mem_index(RBP, RCX, 0, x86__disp(w->stubs, pc)));
    x86_mr(&w->b, X86_MOV_MR, 8, state_field(w, offsetof(struct jit_state, pc)),
           RAX);
    jump_to(w, w->set->exit_indirect);
}

/* ---- All of them ------------------------------------------------------- */

/* How whole blocks are entered and left: with the usual homes. */
static void write_ends(struct stub_writer *w)
{
    write_enter(w);
    w->set->exit_link = write_exit(w, JIT_EXIT_LINK);
    w->set->exit_budget = write_exit(w, JIT_EXIT_BUDGET);
    w->set->exit_indirect = write_exit(w, JIT_EXIT_INDIRECT);
    write_unlanded(w);
    write_resume(w);
}

static void write_set(struct stub_writer *w, unsigned set)
{
    struct x86_stub_set *s = &w->stubs->set[set];
    uint32_t fault;

    w->set = s;
    w->fp = set & 1;
    w->region = set & X86_REGION;
    write_exit_common(w);
    if (!w->region) {
        write_ends(w);
    }
    s->exit_step = write_site_exit(w, JIT_EXIT_STEP);
    s->exit_attention = write_site_exit(w, JIT_EXIT_ATTENTION);
    fault = write_site_exit(w, JIT_EXIT_FAULT);
    for (unsigned i = 0; i < 4; i++) {
        s->load[i] = write_load(w, i, fault);
        s->store[i] = write_store(w, i, fault);
    }
    for (unsigned i = 0; !w->region && i < 4; i++) {
        s->probe_load[i] = write_probe_load(w, i);
        s->probe_store[i] = write_probe_store(w, i);
    }
    write_execute(w, fault);
    if (!w->region) {
        write_look(w, fault);
    }
    if (set == 0) {
        w->leave = write_exit(w, JIT_EXIT_RESUME);
    }
}

/* clang 14 has no name for it. */
static bool has_lzcnt(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & bit_LZCNT);
}

static unsigned host_features(void)
{
    unsigned features = 0;

    features |= __builtin_cpu_supports("bmi") ? X86_HAS_BMI1 : 0;
    features |= __builtin_cpu_supports("bmi2") ? X86_HAS_BMI2 : 0;
    features |= has_lzcnt() ? X86_HAS_LZCNT : 0;
    features |= __builtin_cpu_supports("popcnt") ? X86_HAS_POPCNT : 0;
    features |= __builtin_cpu_supports("fma") ? X86_HAS_FMA : 0;
    return features;
}

struct jit_stubs *jit_host__make_stubs(struct xbar_engine *engine,
                                       struct xbar_jit_cache *cache,
                                       const struct jit_guest *guest,
                                       bool baseline, bool counts_devices,
                                       bool counts_pages)
{
    struct jit_stubs *stubs = xbar_alloc(engine, sizeof(*stubs));
    struct stub_writer w = { .guest = guest, .stubs = stubs };
    struct xbar_emit_buffer fixed;

    if (stubs == NULL) {
        return NULL;
    }
    stubs->features = baseline ? 0 : host_features();
    stubs->counts_devices = counts_devices;
    stubs->anchor = (int64_t)guest->regs + ANCHOR_BIAS;
    memset(stubs->home, NO_HOME, sizeof(stubs->home));
    for (unsigned i = 0; i < HOME_COUNT; i++) {
        stubs->home[guest->hot[i]] = x86__homes[i];
    }
    memset(stubs->xhome, NO_HOME, sizeof(stubs->xhome));
    for (unsigned i = 0; i < XHOME_COUNT; i++) {
        stubs->xhome[guest->hot_fp[i]] = (uint8_t)(FIRST_XHOME + i);
    }
    xbar_jit_fixed(cache, &fixed);
    code_buf__open(&w.b, &fixed);
    write_fp_switches(&w);
    x86__write_fused(&w.b, guest, stubs);
    for (unsigned set = 0; set < 4; set++) {
        write_set(&w, set);
    }
    for (unsigned access = 0; counts_pages && access < 2; access++) {
        stubs->count[access] = start_stub(&w);
        x86__write_count(&w.b, guest, stubs, (enum xbar_tlb_access)access);
    }
    for (unsigned fp = 0; fp < 2; fp++) {
        const void *enter = xbar_jit_code(cache, stubs->set[fp].enter);

        memcpy(&stubs->run[fp], &enter, sizeof(enter));
        stubs->unlanded[fp] = xbar_jit_code(cache, w.unlanded[fp]);
    }
    xbar_assert(!w.b.full);
    stubs->leave = xbar_jit_code(cache, w.leave);
    return stubs;
}

void jit_host__free_stubs(struct xbar_engine *engine, struct jit_stubs *stubs)
{
    xbar_free(engine, stubs, sizeof(*stubs));
}

const uint8_t *jit_host__leave_code(const struct jit_stubs *stubs)
{
    return stubs->leave;
}

struct jit_exit jit_host__enter(const struct jit_stubs *stubs, void *vcpu,
                                const uint8_t *code, bool fp)
{
    return stubs->run[fp]((uint8_t *)vcpu + stubs->anchor, code);
}
