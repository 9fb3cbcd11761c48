/* SPDX-License-Identifier: MIT */
/*
 * The x86-64 host: how its files divide the work, and its conventions.
 *
 *   asm.c         rows to bytes
 *   stubs.c       entering, leaving, calling C: written once
 *   alu.c         register arithmetic
 *   bits.c        the same, of bit manipulation
 *   fp.c          floating point
 *   fp_convert.c  its conversions
 *   fma.c         fused multiply-add where the host has none
 *   clock.c       the time, without asking the kernel
 *   mem.c         loads, stores, the probe
 *   atomic.c      atomics
 *   device.c      what misses there because it is a device
 *   count.c       counters, and accesses that count for their page
 *   flow.c        prologue, links, branches, cold paths
 *   look.c        calls of instrumented code
 *   region.c      blocks of several parts, whose homes change hands
 *
 * Registers while emitted code runs:
 *
 *   rbp            vCPU + anchor, so that all guest registers are at disp8
 *   rsp            16-byte aligned
 *   rax rcx rdx    scratch
 *   rbx r12 - r14  homes that C preserves
 *   rsi rdi r8 - r11  homes that a call to C must save
 *   r15            the budget: in memory it would be the longest chain of
 *                  dependent operations in a short loop
 *
 * and where FP is live:
 *
 *   xmm0 - xmm2    scratch
 *   xmm3 - xmm15   homes; C preserves none of them
 *   mxcsr          the guest's rounding mode, and flags since it was entered
 *
 * and in regions that count, where nothing else needs a scratch one:
 *
 *   xmm0 xmm2      tallies; where FP is not live xmm3 and xmm4, too
 *   xmm1           -1, which is taken off them
 */
#ifndef XBAR_JIT_X86_64_X86_64_INTERNAL_H
#define XBAR_JIT_X86_64_X86_64_INTERNAL_H

#include "jit/host.h"
#include "jit/x86_64/asm.h"
#include "tlb/tlb.h"

#define HOME_COUNT  10
#define HOME_SAVED  4 /* the first that many survive a call */
#define NO_HOME     0xff
#define FIRST_XHOME 3 /* xmm3 and up: homes of FP registers */
#define XHOME_COUNT 13
#define BUDGET      R15
#define ANCHOR_BIAS 128

extern const uint8_t x86__homes[HOME_COUNT];

/* What the host has beyond the baseline. */
enum x86_feature {
    X86_HAS_BMI1 = 1 << 0,
    X86_HAS_BMI2 = 1 << 1,
    X86_HAS_LZCNT = 1 << 2,
    X86_HAS_POPCNT = 1 << 3,
    X86_HAS_FMA = 1 << 4,
};

/* Offsets of shared stubs in code memory: those of blocks where FP is live save
 * and restore more, those of regions no integer registers. */
#define X86_REGION 2

struct x86_stub_set {
    uint32_t enter;
    uint32_t exit_common;
    uint32_t exit_link;
    uint32_t exit_budget;
    uint32_t exit_indirect;
    uint32_t exit_step;
    uint32_t exit_attention;
    uint32_t load[4];
    uint32_t store[4];
    uint32_t probe_load[4]; /* not of regions */
    uint32_t probe_store[4];
    uint32_t execute;
    uint32_t resume;
    uint32_t look;
};

struct jit_stubs {
    uint8_t home[32];  /* host register of each guest register, or NO_HOME */
    uint8_t xhome[32]; /* the same of FP registers */
    int64_t anchor;    /* rbp - vCPU */
    unsigned features; /* enum x86_feature */
    bool counts_devices;
    struct x86_stub_set set[4]; /* [FP is live | X86_REGION] */
    uint32_t fused[2];          /* subroutines, [is_double]: fma.c */
    uint32_t count[2];          /* [access]: count.c */
    const uint8_t *leave;       /* address of the exit that resume may name */
    const uint8_t *unlanded[2]; /* [FP is live]: in place of a landing */
    struct jit_exit (*run[2])(void *anchor, const uint8_t *code);
};

/* A cold path: where the hot one leaves, and what is to be done there. */
enum cold_kind {
    COLD_LOAD,
    COLD_STORE,
    COLD_STEP,
    COLD_LINK,
    COLD_BUDGET,
    COLD_GUARD,
    COLD_FAR_LINK,
    COLD_LANDING,
    COLD_NAN,     /* xmm register `va` becomes the canonical NaN */
    COLD_EXECUTE, /* helpers.execute does it */
    COLD_DIVIDE,  /* by 0 or -1, to `reg` */
    COLD_REGION_ENTRY,
    COLD_REGION_CHECK,
    COLD_REGION_WAY,
};

struct jit_cold {
    uint8_t kind; /* enum cold_kind */
    uint8_t link;
    uint32_t jump_at; /* displacements that lead here; 0: unused */
    uint32_t jump2_at;
    uint8_t reg;     /* xmm register, of FP */
    uint8_t width;   /* of a division */
    uint32_t resume; /* where the hot path goes on */
    struct jit_access access;
    uint64_t pc;   /* of a far link */
    uint32_t bits; /* to be executed, with the registers it touches */
    uint8_t reads;
    uint8_t writes;
    /* The instruction, as in struct jit_emit. */
    uint16_t insn;
    uint16_t pc_offset;
    uint16_t length;
};

/* ---- Slots of the TLB -------------------------------------------------- */

/* An address, shifted and masked, is its slot's offset in a table of entries. */
#define X86_ENTRY_LOG2  5
#define X86_INDEX_SHIFT (TLB_PAGE_BITS - X86_ENTRY_LOG2)
#define X86_INDEX_MASK  ((TLB_L1_SIZE - 1) << X86_ENTRY_LOG2)

_Static_assert(sizeof(TLBEntry) == 1 << X86_ENTRY_LOG2,
               "the index is scaled by 32");

/* A context, shifted, is its table's offset among those of all contexts. */
#define X86_CONTEXT_LOG2 (TLB_L1_BITS + X86_ENTRY_LOG2)

_Static_assert(sizeof(((SoftTLB *)NULL)->l1[0]) == 1 << X86_CONTEXT_LOG2 &&
                   sizeof(((SoftTLB *)NULL)->info[0]) == 1 << X86_CONTEXT_LOG2,
               "contexts are scaled by a shift");

/* Spans are all in one array, those of a context together. */
#define X86_SPAN_LOG2  5
#define X86_SPANS_LOG2 11

_Static_assert(sizeof(TLBSpan) == 1 << X86_SPAN_LOG2, "as its slot is scaled");
_Static_assert(2 * TLB_SPANS * sizeof(TLBSpan) == 1 << X86_SPANS_LOG2,
               "as a context is");

/* ---- Shared by the emitting files -------------------------------------- */

/* The address of vCPU field @offset. */
static inline struct x86_rm x86__field(const struct jit_stubs *stubs,
                                       size_t offset)
{
    return x86_mem(RBP, (int32_t)((int64_t)offset - stubs->anchor));
}

static inline int32_t x86__disp(const struct jit_stubs *stubs, size_t offset)
{
    return (int32_t)((int64_t)offset - stubs->anchor);
}

/* Guest register @reg as an operand: its home, or its place in memory. */
static inline struct x86_rm x86__guest(const struct jit_emit *e, unsigned reg)
{
    if (e->home[reg] != NO_HOME) {
        return x86_r(e->home[reg]);
    }
    return x86__field(e->stubs, e->guest->regs + 8 * reg);
}

static inline bool x86__is_zero(const struct jit_emit *e, unsigned reg)
{
    return reg == 0 && e->guest->reg0_is_zero;
}

/* Where a result for @reg is to be computed: its home, or @scratch. */
static inline unsigned x86__target(const struct jit_emit *e, unsigned reg,
                                   unsigned scratch)
{
    return e->home[reg] != NO_HOME ? e->home[reg] : scratch;
}

/* host register @dst = guest register @reg. */
void x86__get(struct jit_emit *e, unsigned dst, unsigned reg);
/* guest register @reg = host register @src; nothing for a wired zero. */
void x86__put(struct jit_emit *e, unsigned reg, unsigned src);
/* @reg in a host register: its home, or @scratch after a load. */
unsigned x86__read(struct jit_emit *e, unsigned reg, unsigned scratch);

/* Where regs[rs1] op b is to be computed for @rd: its home, or rax if it has
 * none or b is still to be read from there. */
unsigned x86__result(const struct jit_emit *e, unsigned rd, unsigned rs1,
                     struct jit_operand b);

/* A shift or rotation of @width bytes; results of 4 are sign-extended. */
struct x86_shift {
    uint8_t by_imm; /* enum x86_op */
    uint8_t by_cl;
    uint8_t by_reg; /* with BMI2; 0: none */
    uint8_t width;
};
void x86__shift(struct jit_emit *e, const struct x86_shift *shift, unsigned rd,
                unsigned rs1, struct jit_operand b);

void x86__cold_divide(struct jit_emit *e, const struct jit_cold *cold);

/* jit_host__alu() of JIT_ANDN and up (bits.c). */
void x86__bits(struct jit_emit *e, enum jit_alu op, unsigned rd, unsigned rs1,
               struct jit_operand b);

static inline bool x86__has(const struct jit_emit *e, enum x86_feature feature)
{
    return e->stubs->features & feature;
}

/* rax = regs[base] + offset. */
void x86__address(struct jit_emit *e, unsigned base, int32_t offset);

/* Add a cold path for the instruction at hand; NULL: the block failed. */
struct jit_cold *x86__cold(struct jit_emit *e, enum cold_kind kind);
/* Write the cold paths of mem.c. */
void x86__cold_access(struct jit_emit *e, const struct jit_cold *cold);
/* To where the hot path goes on. */
static inline void x86__go_back(struct jit_emit *e, const struct jit_cold *cold)
{
    x86_jmp(e->b, e->b->start + cold->resume);
}

/* ---- Counting (count.c) ------------------------------------------------ */

/* Accesses count for their page, if those are counted. @count that hit the span
 * at offset @span among them: only flags are lost. */
void x86__count_hits(struct jit_emit *e, size_t span, unsigned count);
/* Add @amount to the counter at [rbp + @at], or to its tally: only flags are
 * lost. */
void x86__count(struct jit_emit *e, int32_t at, uint32_t amount);
/* A region begins, or goes on: its tallies are 0. */
void x86__start_tallies(struct jit_emit *e);
/* Whoever looks at the counters finds all that was counted; rcx and flags are
 * lost. */
void x86__settle_tallies(struct jit_emit *e);
/* One at rax that missed it: rdx is the addend. Only rcx and flags are lost. Then
 * CC_E: it was not counted, as the span is to learn. */
void x86__count_entry(struct jit_emit *e, enum xbar_tlb_access access,
                      size_t span);
/* One at host address @reg; rcx and flags are lost. */
void x86__count_at(struct jit_emit *e, enum xbar_tlb_access access,
                   unsigned reg);
/* Write the subroutine of x86__count_entry(). */
void x86__write_count(struct code_buf *b, const struct jit_guest *guest,
                      const struct jit_stubs *stubs,
                      enum xbar_tlb_access access);

/* ---- Floating point (fp.c) --------------------------------------------- */

/* xmm register @dst = FP register @reg, all 64 bits; and back. */
void x86__fget(struct jit_emit *e, unsigned dst, unsigned reg);
void x86__fput(struct jit_emit *e, unsigned reg, unsigned src);
/* @reg in an xmm register: its home, or @scratch after a load. */
unsigned x86__fread(struct jit_emit *e, unsigned reg, unsigned scratch);
/* Where a result for @reg is to be computed: its home, or @scratch. */
unsigned x86__ftarget(const struct jit_emit *e, unsigned reg, unsigned scratch);
/* Box the single in xmm register @reg, whose upper half is 0. */
void x86__box(struct jit_emit *e, unsigned reg);
/* FP register @reg as the operand of a scalar instruction. */
struct x86_rm x86__foperand(const struct jit_emit *e, unsigned reg);
/* A pair of rows: single, double. */
struct x86_scalar {
    uint8_t single;
    uint8_t dbl;
};
void x86__fscalar(struct jit_emit *e, struct x86_scalar op, bool is_double,
                  unsigned reg, struct x86_rm rm);
/* @op of all 128 bits. */
void x86__fbits(struct jit_emit *e, enum x86_op op, unsigned reg,
                struct x86_rm rm);
/* Where the instruction at hand is executed, with the integer registers that
 * it reads and writes. NULL: the block failed. */
struct jit_cold *x86__fcold(struct jit_emit *e, unsigned reads,
                            unsigned writes);
/* The result in @reg, if it is NaN, becomes the canonical one. */
void x86__fcheck_nan(struct jit_emit *e, bool is_double, unsigned reg);
/* Write the cold paths of fp.c. */
void x86__cold_fp(struct jit_emit *e, const struct jit_cold *cold);

/* Operands in memory, 16 bytes each: struct jit_state's fp_constants. */
enum x86_fp_constant {
    X86_FP_SIGN_D,
    X86_FP_REST_D, /* all but the sign */
    X86_FP_SIGN_S,
    X86_FP_REST_S,
    X86_FP_BOX,
    X86_FP_NAN_D,
    X86_FP_NAN_S,
    X86_FP_SPLIT, /* 2^27 + 1 */
};

/* ---- Devices (device.c) ------------------------------------------------ */

#define X86_DEVICE_MISSES 12

/* Jumps to the general path of an access that is not the usual device's. */
struct x86_device_path {
    uint32_t misses[X86_DEVICE_MISSES];
    unsigned miss_count;
};

/*
 * Write the call of a device's callback: rax = va, and rdx = value to be stored;
 * after a load rax is the value. All registers that C may change are free but
 * these; on a miss those two are as they were. @path is for
 * x86__missed_device(), where that goes on.
 */
void x86__write_device_path(struct code_buf *b, const struct jit_guest *guest,
                            const struct jit_stubs *stubs,
                            enum xbar_tlb_access access, unsigned size_log2,
                            struct x86_device_path *path);
void x86__missed_device(struct code_buf *b, const struct x86_device_path *path);

/* Write the subroutines of fma.c. */
void x86__write_fused(struct code_buf *b, const struct jit_guest *guest,
                      struct jit_stubs *stubs);

/* Call helpers.execute in place: at->bits, reads and writes. */
void x86__execute(struct jit_emit *e, const struct jit_cold *at);

/* The stubs that the block at hand uses. */
static inline const struct x86_stub_set *x86__stubs(const struct jit_emit *e)
{
    return &e->stubs->set[e->fp | (e->region != NULL ? X86_REGION : 0)];
}

/* Remember the return address that was just emitted as a site. */
void x86__site(struct jit_emit *e, const struct jit_cold *at, bool after);

/* call/jmp a shared stub at code memory offset @stub. */
void x86__call_stub(struct jit_emit *e, uint32_t stub);
void x86__jump_stub(struct jit_emit *e, uint32_t stub);

/* The probe of the address in register @va: on a hit rdx + @va is the host's.
 * Misses jump to the displacement returned. Uses rcx. */
uint32_t x86__probe(struct jit_emit *e, unsigned context,
                    enum xbar_tlb_access access, unsigned size, unsigned va);

/* ---- Regions (region.c) ------------------------------------------------- */

/* The state and the budget at @cold, from here; and them again. */
void x86__note_point(struct jit_emit *e, const struct jit_cold *cold);
void x86__use_point(struct jit_emit *e, const struct jit_cold *cold);
/* Around a call out of a region: fields for C; homes for the rest. */
void x86__region_call(struct jit_emit *e, const struct jit_cold *cold);
void x86__region_return(struct jit_emit *e, const struct jit_cold *cold);
/* @reg is another value, in its home or else its field, out of line. */
void x86__region_wrote(struct jit_emit *e, unsigned reg);
/* The access at @cold is done, and the region is left. */
void x86__region_done(struct jit_emit *e, const struct jit_cold *cold);
void x86__cold_region(struct jit_emit *e, const struct jit_cold *cold);
/* All parts are there: make jumps lead to them. */
void x86__patch_parts(struct jit_emit *e);

extern const enum x86_condition x86__conditions[]; /* by enum jit_condition */
/* Flags of regs[rs1] - regs[rs2], in @width bytes. */
void x86__compare(struct jit_emit *e, unsigned width, unsigned rs1,
                  unsigned rs2);
/* Pad to a multiple of 16. */
void x86__align_code(struct jit_emit *e);
/* Jump to @pc through cold->link, and what is there while it is not linked. */
void x86__leave(struct jit_emit *e, struct jit_cold *cold, uint64_t pc,
                bool same_page);

#endif
