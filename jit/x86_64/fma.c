/* SPDX-License-Identifier: MIT */
/*
 * Fused multiply-add without FMA3: two subroutines among the shared stubs.
 *
 *     in   xmm0 = c, xmm1 = a, xmm2 = b
 *     out  ZF: xmm0 = a * b + c, rounded once to nearest, and its flags
 *          else nothing is known, and the instruction is to be executed
 *
 * They change xmm0 to xmm2 and rax, rcx, rdx; what else they need lies below
 * the stack pointer meanwhile, where signals leave 128 bytes alone.
 *
 * Singles. The product is exact in a double. The sum is rounded to odd: if it
 * is not exact, the double that was hit or passed and whose last bit is 1. That
 * remembers on which side of every single, and of the middle between two, the
 * exact sum lies; so rounding it to a single is right, flags included.
 *
 * Doubles. The product is the sum of two doubles, p + e (Dekker, the factors
 * cut in halves). p + c is s + t, both by error-free sums (Knuth), and what is
 * to be rounded is s + (t + e): the part in brackets is rounded to odd (Boldo
 * and Melquiond). All of that is exact while nothing overflows or underflows,
 * which exponents in the middle see to, but some steps are inexact on the way:
 * so it is for blocks that run with that flag up.
 */
#include "jit/x86_64/x86_64_internal.h"

#define BIAS 1023

/* Powers of two. |a * b| >= 2^-800, so its last bits stay normal. */
#define FACTOR_RANGE 400
#define ADDEND_RANGE 900

struct writer {
    struct code_buf *b;
    const struct jit_guest *guest;
    const struct jit_stubs *stubs;
    uint32_t slow[4];
    unsigned slow_count;
};

/* dst = dst op src, of xmm registers; movaps moves. */
struct step {
    uint8_t op; /* enum x86_op */
    uint8_t dst;
    uint8_t src;
};

#define FROM_SPLIT 0xff /* a constant in place of a register: 2^27 + 1 */

/* clang-format off */

/* a in 1, b in 2: the product in 3, what it lacks in 6. 4 and 5 change. */
static const struct step exact_product[] = {
    { X86_MOVAPS, 3, 1 }, { X86_MULSD, 3, 2 },          /* p = a * b */
    { X86_MOVAPS, 4, 1 }, { X86_MULSD, 4, FROM_SPLIT },
    { X86_MOVAPS, 5, 4 }, { X86_SUBSD, 5, 1 },
    { X86_SUBSD, 4, 5 },  { X86_SUBSD, 1, 4 },          /* a = [4] + [1] */
    { X86_MOVAPS, 5, 2 }, { X86_MULSD, 5, FROM_SPLIT },
    { X86_MOVAPS, 6, 5 }, { X86_SUBSD, 6, 2 },
    { X86_SUBSD, 5, 6 },  { X86_SUBSD, 2, 5 },          /* b = [5] + [2] */
    { X86_MOVAPS, 6, 4 }, { X86_MULSD, 6, 5 }, { X86_SUBSD, 6, 3 },
    { X86_MULSD, 4, 2 },  { X86_ADDSD, 6, 4 },
    { X86_MULSD, 5, 1 },  { X86_ADDSD, 6, 5 },
    { X86_MULSD, 1, 2 },  { X86_ADDSD, 6, 1 },          /* e */
};

/* p in 3, c in 0: the sum in 1, what it lacks in 3. 0, 2 and 4 change. */
static const struct step first_sum[] = {
    { X86_MOVAPS, 1, 3 }, { X86_ADDSD, 1, 0 },          /* s = p + c */
    { X86_MOVAPS, 2, 1 }, { X86_SUBSD, 2, 3 },
    { X86_MOVAPS, 4, 1 }, { X86_SUBSD, 4, 2 },
    { X86_SUBSD, 3, 4 },  { X86_SUBSD, 0, 2 }, { X86_ADDSD, 3, 0 },
};

/* t in 3, e in 6: the sum in 0, what it lacks in 3. 2, 4 and 6 change. */
static const struct step second_sum[] = {
    { X86_MOVAPS, 0, 3 }, { X86_ADDSD, 0, 6 },
    { X86_MOVAPS, 2, 0 }, { X86_SUBSD, 2, 3 },
    { X86_MOVAPS, 4, 0 }, { X86_SUBSD, 4, 2 },
    { X86_SUBSD, 3, 4 },  { X86_SUBSD, 6, 2 }, { X86_ADDSD, 3, 6 },
};

/* p in 1, c in 2, their sum in 0: what it lacks in 1. 2 to 4 change. */
static const struct step lost_of_sum[] = {
    { X86_MOVAPS, 3, 0 }, { X86_SUBSD, 3, 1 },
    { X86_MOVAPS, 4, 0 }, { X86_SUBSD, 4, 3 },
    { X86_SUBSD, 1, 4 },  { X86_SUBSD, 2, 3 }, { X86_ADDSD, 1, 2 },
};
/* clang-format on */

static struct x86_rm split_constant(const struct writer *w)
{
    size_t at = offsetof(struct jit_state, fp_constants) + 16 * X86_FP_SPLIT;

    return x86__field(w->stubs, w->guest->state + at);
}

#define PUT_STEPS(w, steps) put_steps(w, steps, sizeof(steps) / sizeof(*steps))

static void put_steps(struct writer *w, const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];

        x86_rm(w->b, (enum x86_op)s->op, s->op == X86_MOVAPS ? 16 : 8, s->dst,
               s->src == FROM_SPLIT ? split_constant(w) : x86_r(s->src));
    }
}

/* Homes from xmm3 on: their low halves are all that there is to them. */
static void move_homes(struct writer *w, enum x86_op op, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        x86_mr(w->b, op, 8, x86_mem(RSP, -8 * (int32_t)(i + 1)),
               FIRST_XHOME + i);
    }
}

static void put_bits(struct writer *w, unsigned dst, unsigned xmm)
{
    x86_mr(w->b, X86_MOVQ_RX, 8, x86_r(dst), xmm);
}

static void slow_if(struct writer *w, enum x86_condition cc)
{
    w->slow[w->slow_count++] = x86_jcc(w->b, cc, NULL);
}

/* rax = exponent, biased, of what is in @xmm; ZF if that is 0. */
static void put_exponent(struct writer *w, unsigned xmm)
{
    put_bits(w, RAX, xmm);
    x86_rr(w->b, X86_ADD_MR, 8, RAX, RAX);
}

static void check_range(struct writer *w, int32_t range)
{
    x86_mi(w->b, X86_SHR_MI8, 8, x86_r(RAX), 53);
    x86_alu_imm(w->b, X86_ALU_SUB, 4, x86_r(RAX), BIAS - range);
    x86_alu_imm(w->b, X86_ALU_CMP, 4, x86_r(RAX), 2 * range);
    slow_if(w, CC_A);
}

/*
 * The sum in xmm0 lacks what is in @lost: unless that is 0 or the last bit is
 * set, one step towards it. The sum is not 0 then.
 */
static void round_to_odd(struct writer *w, unsigned lost)
{
    uint32_t exact, odd;

    put_bits(w, RCX, lost);
    put_bits(w, RAX, XMM0);
    x86_rm(w->b, X86_LEA, 8, RDX, x86_mem_index(RCX, RCX, 0, 0));
    x86_rr(w->b, X86_TEST_MR, 8, RDX, RDX);
    exact = x86_jcc(w->b, CC_E, NULL);
    x86_mi(w->b, X86_TEST_MI, 4, x86_r(RAX), 1);
    odd = x86_jcc(w->b, CC_NE, NULL);
    x86_rr(w->b, X86_XOR_MR, 8, RCX, RAX);
    x86_mi(w->b, X86_SAR_MI8, 8, x86_r(RCX), 63); /* 0, or -1: other signs */
    x86_rm(w->b, X86_LEA, 8, RAX, x86_mem_index(RAX, RCX, 1, 1));
    x86_rm(w->b, X86_MOVQ_XR, 8, XMM0, x86_r(RAX));
    x86_patch_here(w->b, exact);
    x86_patch_here(w->b, odd);
}

/* ZF, and back; or not, from where it was slow. */
static void finish(struct writer *w)
{
    x86_rr(w->b, X86_XOR_MR, 4, RAX, RAX);
    x86_m(w->b, X86_RET, 8, x86_r(RAX));
    for (unsigned i = 0; i < w->slow_count; i++) {
        x86_patch_here(w->b, w->slow[i]);
    }
    x86_alu_imm(w->b, X86_ALU_OR, 4, x86_r(RAX), 1);
    x86_m(w->b, X86_RET, 8, x86_r(RAX));
    w->slow_count = 0;
}

static void write_single(struct writer *w)
{
    for (unsigned i = 0; i < 3; i++) {
        x86_rm(w->b, X86_CVTSS2SD, 4, i, x86_r(i));
    }
    x86_rm(w->b, X86_MULSD, 8, XMM1, x86_r(XMM2));
    x86_rm(w->b, X86_MOVAPS, 16, XMM2, x86_r(XMM0));
    x86_rm(w->b, X86_ADDSD, 8, XMM0, x86_r(XMM1));
    put_exponent(w, XMM0);
    x86_load_imm(w->b, RCX, UINT64_C(0xffe0000000000000));
    x86_rr(w->b, X86_CMP_MR, 8, RAX, RCX);
    slow_if(w, CC_AE); /* infinite, or NaN */
    move_homes(w, X86_MOVSD_MR, 2);
    PUT_STEPS(w, lost_of_sum);
    move_homes(w, X86_MOVSD_RM, 2);
    round_to_odd(w, XMM1);
    x86_rm(w->b, X86_PCMPEQD, 16, XMM1, x86_r(XMM1)); /* the box */
    x86_rm(w->b, X86_CVTSD2SS, 8, XMM1, x86_r(XMM0));
    x86_rm(w->b, X86_MOVAPS, 16, XMM0, x86_r(XMM1));
    finish(w);
}

static void write_double(struct writer *w)
{
    uint32_t zero;

    put_exponent(w, XMM1);
    check_range(w, FACTOR_RANGE);
    put_exponent(w, XMM2);
    check_range(w, FACTOR_RANGE);
    put_exponent(w, XMM0);
    zero = x86_jcc(w->b, CC_E, NULL);
    check_range(w, ADDEND_RANGE);
    x86_patch_here(w->b, zero);
    move_homes(w, X86_MOVSD_MR, 4);
    PUT_STEPS(w, exact_product);
    PUT_STEPS(w, first_sum);
    PUT_STEPS(w, second_sum);
    round_to_odd(w, 3);
    move_homes(w, X86_MOVSD_RM, 4);
    x86_rm(w->b, X86_ADDSD, 8, XMM0, x86_r(XMM1));
    finish(w);
}

void x86__write_fused(struct code_buf *b, const struct jit_guest *guest,
                      struct jit_stubs *stubs)
{
    struct writer w = { .b = b, .guest = guest, .stubs = stubs };

    stubs->fused[0] = code_buf__offset(b);
    write_single(&w);
    stubs->fused[1] = code_buf__offset(b);
    write_double(&w);
}
