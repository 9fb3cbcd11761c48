/* SPDX-License-Identifier: MIT */
/*
 * The shared part of an access to a device: from the miss to its callback and
 * back, without a look into C.
 *
 * The address missed inline, as those of devices always do; the entry's other
 * half (struct TLBInfo) has the section, and the section what to call. Asked
 * is, in this order:
 *
 *     does nobody want to be told of accesses?      state.bare
 *     is the entry of this page, valid, and may
 *     it be accessed so?                            info.page, prot, flags
 *     is it a device that is called with nothing
 *     held, and all of the access its own?          section.flags, first, last
 *     does it take this size, aligned like this?    plan
 *     is it the register that is counted there, and
 *     not to be timed?                              state.devices
 *
 * The last is asked only if devices are counted: jit/riscv/device_counts.c.
 *
 * Whatever is not so is left to C, before anything was done. tlb/device.h asks
 * much the same.
 */
#include "engine/plan.h"
#include "jit/x86_64/x86_64_internal.h"

#define CURSOR_LOG2 6

_Static_assert(offsetof(TLBInfo, asid) % 4 == 0 &&
                   offsetof(TLBInfo, prot) == offsetof(TLBInfo, asid) + 2 &&
                   offsetof(TLBInfo, flags) == offsetof(TLBInfo, asid) + 3,
               "prot and flags are looked at as one word");

struct device_writer {
    struct code_buf *b;
    const struct jit_guest *guest;
    const struct jit_stubs *stubs;
    struct x86_device_path *path;
    enum xbar_tlb_access access;
    unsigned size_log2;
};

static void miss_if(struct device_writer *w, enum x86_condition cc)
{
    xbar_assert(w->path->miss_count < X86_DEVICE_MISSES);
    w->path->misses[w->path->miss_count++] = x86_jcc(w->b, cc, NULL);
}

/* A field of the entry's info, once rcx leads there. */
static struct x86_rm info(const struct device_writer *w, size_t field)
{
    return x86_mem_index(
        RBP, RCX, 0,
        x86__disp(w->stubs, w->guest->tlb + offsetof(SoftTLB, info) + field));
}

/* rcx = where the info of va in rax lies, of tlb.info; uses rsi. */
static void find_info(struct device_writer *w)
{
    x86_rm(w->b, X86_MOVZX8, 4, RCX,
           x86__field(w->stubs, w->guest->data_context));
    x86_rr(w->b, X86_MOV_MR, 4, RSI, RAX);
    x86_mi(w->b, X86_SHL_MI8, 4, x86_r(RCX), X86_CONTEXT_LOG2);
    x86_mi(w->b, X86_SHR_MI8, 4, x86_r(RSI), X86_INDEX_SHIFT);
    x86_alu_imm(w->b, X86_ALU_AND, 4, x86_r(RSI), X86_INDEX_MASK);
    x86_rr(w->b, X86_ADD_MR, 4, RCX, RSI);
}

/* rsi = the physical address, rdi = the section; uses r8. */
static void ask_info(struct device_writer *w)
{
    const uint32_t wanted =
        (uint32_t)TLB_INFO_VALID << 24 | UINT32_C(1) << (16 + w->access);
    const uint32_t mask = wanted | (uint32_t)TLB_INFO_SMALL << 24;

    find_info(w);
    x86_rr(w->b, X86_MOV_MR, 8, RSI, RAX);
    x86_rm(w->b, X86_XOR_RM, 8, RSI, info(w, offsetof(TLBInfo, page)));
    x86_alu_imm(w->b, X86_ALU_CMP, 8, x86_r(RSI),
                (int32_t)(TLB_PAGE_SIZE - (1u << w->size_log2)));
    miss_if(w, CC_A);
    x86_rm(w->b, X86_MOV_RM, 4, R8, info(w, offsetof(TLBInfo, asid)));
    x86_alu_imm(w->b, X86_ALU_AND, 4, x86_r(R8), (int32_t)mask);
    x86_alu_imm(w->b, X86_ALU_CMP, 4, x86_r(R8), (int32_t)wanted);
    miss_if(w, CC_NE);
    x86_rm(w->b, X86_MOV_RM, 8, RDI, info(w, offsetof(TLBInfo, section)));
    x86_rr(w->b, X86_TEST_MR, 8, RDI, RDI);
    miss_if(w, CC_E);
    x86_rm(w->b, X86_OR_RM, 8, RSI, info(w, offsetof(TLBInfo, phys)));
}

static struct x86_rm section(size_t field)
{
    return x86_mem(RDI, (int32_t)field);
}

/* Is the access in the section, which is a device's? Uses r8. */
static void ask_section(struct device_writer *w)
{
    const int32_t kinds =
        FLAT_RANGE_BARE | FLAT_RANGE_RAM | FLAT_RANGE_READONLY;

    x86_rm(w->b, X86_MOV_RM, 4, R8, section(offsetof(FlatRange, flags)));
    x86_alu_imm(w->b, X86_ALU_AND, 4, x86_r(R8), kinds);
    x86_alu_imm(w->b, X86_ALU_CMP, 4, x86_r(R8), FLAT_RANGE_BARE);
    miss_if(w, CC_NE);
    x86_rm(w->b, X86_CMP_RM, 8, RSI, section(offsetof(FlatRange, first)));
    miss_if(w, CC_B);
    x86_rm(w->b, X86_LEA, 8, R8, x86_mem(RSI, (1 << w->size_log2) - 1));
    x86_rm(w->b, X86_CMP_RM, 8, R8, section(offsetof(FlatRange, last)));
    miss_if(w, CC_A);
}

/* A field of the register's cursor, once r9 leads there. */
static struct x86_rm cursor(const struct device_writer *w, size_t field)
{
    size_t of_kind = offsetof(struct jit_state, devices) +
                     sizeof(struct jit_device_cursor) * JIT_DEVICES *
                         (4 * (size_t)w->access + w->size_log2);

    return x86_mem_index(
        RBP, R9, 0, x86__disp(w->stubs, w->guest->state + of_kind + field));
}

_Static_assert(sizeof(struct jit_device_cursor) == 1 << CURSOR_LOG2,
               "cursors are scaled by a shift");

/* Is there a cursor for this register? r9 leads there. */
static void ask_cursor(struct device_writer *w)
{
    if (!w->stubs->counts_devices) {
        return;
    }
    x86_rr(w->b, X86_MOV_MR, 4, R9, RSI);
    x86_mi(w->b, X86_SHL_MI8, 4, x86_r(R9), CURSOR_LOG2 - w->size_log2);
    x86_alu_imm(w->b, X86_ALU_AND, 4, x86_r(R9),
                (JIT_DEVICES - 1) << CURSOR_LOG2);
    x86_rm(w->b, X86_CMP_RM, 8, RSI,
           cursor(w, offsetof(struct jit_device_cursor, phys)));
    miss_if(w, CC_NE);
    x86_rm(w->b, X86_CMP_RM, 8, RDI,
           cursor(w, offsetof(struct jit_device_cursor, section)));
    miss_if(w, CC_NE);
}

/* It counts, unless it is to be timed: nothing can be in its way any more. */
static void take_credit(struct device_writer *w)
{
    if (w->stubs->counts_devices) {
        x86_alu_imm(w->b, X86_ALU_SUB, 8,
                    cursor(w, offsetof(struct jit_device_cursor, credit)), 1);
        miss_if(w, CC_S);
    }
}

static size_t step_of(const struct device_writer *w)
{
    return w->access == TLB_READ
               ? offsetof(struct xbar_access_plan, read[w->size_log2])
               : offsetof(struct xbar_access_plan, write[w->size_log2]);
}

_Static_assert(offsetof(struct xbar_read_step, align_mask) ==
                   offsetof(struct xbar_write_step, align_mask),
               "both steps are read in one way");

/* r8 = the callback, rsi = the region's offset, rdi = opaque; uses rcx. */
static void ask_plan(struct device_writer *w)
{
    int32_t step = (int32_t)step_of(w);

    x86_rm(w->b, X86_MOV_RM, 8, RCX, section(offsetof(FlatRange, plan)));
    x86_rm(w->b, X86_ADD_RM, 8, RSI, section(offsetof(FlatRange, mr_delta)));
    x86_rm(w->b, X86_MOV_RM, 8, R8, x86_mem(RCX, step));
    x86_mr(w->b, X86_TEST_MR, 8,
           x86_mem(RCX,
                   step + (int32_t)offsetof(struct xbar_read_step, align_mask)),
           RSI);
    miss_if(w, CC_NE);
    x86_rr(w->b, X86_TEST_MR, 8, R8, R8);
    miss_if(w, CC_E);
    x86_rm(w->b, X86_MOV_RM, 8, RDI, section(offsetof(FlatRange, host_delta)));
}

/* @reg = its low bytes, as many as the access has. */
static void cut(struct device_writer *w, unsigned reg)
{
    if (w->size_log2 < 3) {
        x86_extend(w->b, w->size_log2, false, reg, x86_r(reg));
    }
}

static void count(struct device_writer *w, size_t counter)
{
    x86_alu_imm(w->b, X86_ALU_ADD, 8,
                x86__field(w->stubs, w->guest->tlb + counter), 1);
}

static void call_device(struct device_writer *w)
{
    if (w->access == TLB_WRITE) {
        cut(w, RDX);
    }
    x86_load_imm(w->b, w->access == TLB_READ ? RDX : RCX, 1u << w->size_log2);
    x86_m(w->b, X86_CALL_M, 8, x86_r(R8));
    count(w, offsetof(SoftTLB, stats.slow));
    if (w->access == TLB_READ) {
        count(w, offsetof(SoftTLB, stats.mmio_reads));
        cut(w, RAX);
    } else {
        count(w, offsetof(SoftTLB, stats.mmio_writes));
    }
}

void x86__write_device_path(struct code_buf *b, const struct jit_guest *guest,
                            const struct jit_stubs *stubs,
                            enum xbar_tlb_access access, unsigned size_log2,
                            struct x86_device_path *path)
{
    struct device_writer w = { b, guest, stubs, path, access, size_log2 };

    path->miss_count = 0;
    x86_alu_imm(
        b, X86_ALU_CMP, 4,
        x86__field(stubs, guest->state + offsetof(struct jit_state, bare)), 0);
    miss_if(&w, CC_E);
    ask_info(&w);
    ask_section(&w);
    ask_cursor(&w);
    ask_plan(&w);
    take_credit(&w);
    call_device(&w);
}

void x86__missed_device(struct code_buf *b, const struct x86_device_path *path)
{
    for (unsigned i = 0; i < path->miss_count; i++) {
        x86_patch_here(b, path->misses[i]);
    }
}
