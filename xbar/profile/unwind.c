/* SPDX-License-Identifier: MIT */
#include "unwind.h"

#include <string.h>

#define REG_RA 1
#define REG_SP 2
#define REG_S0 8

/* Of the stack, from sp on: what return addresses are looked for in. */
#define STACK_WORDS 1024
#define FRAMES_MAX  64
#define FRAME_BYTES (1 << 20) /* a larger one is none */

/* A return address and where it is kept. */
struct saved {
    uint64_t at;
    uint64_t pc;
};

struct stack {
    const struct xbar_riscv_hart *hart;
    uint64_t sp;
    uint64_t ra;
    unsigned num_words; /* that there are */
    uint64_t words[STACK_WORDS];

    unsigned num_frames; /* as frame pointers have them, the newest first */
    struct saved frames[FRAMES_MAX];
};

static void read_stack(struct stack *stack, const struct xbar_riscv_hart *hart)
{
    stack->hart = hart;
    stack->sp = xbar_riscv_get_x(hart, REG_SP) & ~UINT64_C(7);
    stack->ra = xbar_riscv_get_x(hart, REG_RA);
    stack->num_frames = 0;
    stack->num_words =
        (unsigned)(xbar_riscv_debug_read(hart, stack->sp, stack->words,
                                         sizeof(stack->words)) /
                   sizeof(stack->words[0]));
}

/* ---- Frame pointers ---------------------------------------------------- */

static bool links(uint32_t reg)
{
    return reg == 1 || reg == 5;
}

/* Is @pc behind an instruction that calls? */
static bool is_return_address(const struct stack *stack, uint64_t pc)
{
    uint16_t parcels[2];
    uint32_t bits;

    if ((pc & 1) || pc < 4 ||
        xbar_riscv_debug_read(stack->hart, pc - 4, parcels, sizeof(parcels)) !=
            sizeof(parcels)) {
        return false;
    }
    bits = parcels[0] | (uint32_t)parcels[1] << 16;
    /* jal and jalr that link; c.jalr */
    return ((bits & 0x7f) == 0x6f && links(bits >> 7 & 31)) ||
           ((bits & 0x707f) == 0x67 && links(bits >> 7 & 31)) ||
           ((parcels[1] & 0xf07f) == 0x9002 && parcels[1] != 0x9002);
}

/* The pair below @fp: what its caller had in s0, and the return address. */
static bool read_pair(const struct stack *stack, uint64_t fp, uint64_t pair[2])
{
    uint64_t word = (fp - 16 - stack->sp) / 8;

    if (word + 1 < stack->num_words) {
        memcpy(pair, &stack->words[word], 16);
        return true;
    }
    return xbar_riscv_debug_read(stack->hart, fp - 16, pair, 16) == 16;
}

static bool is_above(uint64_t fp, uint64_t below)
{
    return (fp & 7) == 0 && fp > below && fp - below <= FRAME_BYTES;
}

/* A function that calls nothing saves s0 alone, and returns to ra. */
static bool is_leaf(const struct stack *stack, uint64_t fp,
                    const uint64_t pair[2])
{
    return stack->num_frames == 0 && is_above(pair[1], fp) &&
           is_return_address(stack, stack->ra);
}

static void follow_frames(struct stack *stack)
{
    uint64_t below = stack->sp + 8;
    uint64_t fp = xbar_riscv_get_x(stack->hart, REG_S0);

    while (stack->num_frames < FRAMES_MAX && is_above(fp, below)) {
        uint64_t pair[2];
        struct saved *frame = &stack->frames[stack->num_frames];

        if (!read_pair(stack, fp, pair)) {
            return;
        }
        below = fp;
        if (is_return_address(stack, pair[1])) {
            *frame = (struct saved){ fp - 8, pair[1] };
            fp = pair[0];
        } else if (is_leaf(stack, fp, pair)) {
            *frame = (struct saved){ stack->sp, stack->ra };
            fp = pair[1];
        } else {
            return;
        }
        stack->num_frames++;
    }
}

/* ---- The newest call ---------------------------------------------------- */

/* Is the function at @pc about to take its stack, or to return? Then it returns
 * to ra, whatever frames say. */
static bool returns_to_ra(const struct stack *stack, uint64_t pc)
{
    uint16_t parcels[2] = { 0, 0 };
    uint32_t bits;

    if (xbar_riscv_debug_read(stack->hart, pc, parcels, sizeof(parcels)) <
            sizeof(parcels[0]) ||
        !is_return_address(stack, stack->ra)) {
        return false;
    }
    bits = parcels[0] | (uint32_t)parcels[1] << 16;
    /* c.jr ra, jalr zero, 0(ra); addi sp, sp, -N in three forms */
    return parcels[0] == 0x8082 || bits == 0x00008067 ||
           (parcels[0] & 0xff83) == 0x7101 || (parcels[0] & 0xff83) == 0x1101 ||
           ((bits & 0x000fffff) == 0x00010113 && bits >> 31);
}

/* ---- Both -------------------------------------------------------------- */

/* Where @pc lies from @from on, below @end; UINT64_MAX: nowhere. */
static uint64_t find_word(const struct stack *stack, uint64_t from,
                          uint64_t end, uint64_t pc)
{
    for (uint64_t i = (from - stack->sp) / 8; i < stack->num_words; i++) {
        uint64_t at = stack->sp + 8 * i;

        if (at >= end) {
            break;
        }
        if (stack->words[i] == pc) {
            return at;
        }
    }
    return UINT64_MAX;
}

/* What both witnesses said so far. */
struct merge {
    const struct stack *stack;
    unsigned next; /* of the frames */
    uint64_t from; /* the stack below this is done */
    uint64_t *pcs;
    unsigned count;
    unsigned max;
};

static void add(struct merge *merge, uint64_t pc)
{
    if (merge->count < merge->max) {
        merge->pcs[merge->count++] = pc;
    }
}

/* All frames up to @last. */
static void add_frames(struct merge *merge, unsigned end)
{
    for (; merge->next < end; merge->next++) {
        add(merge, merge->stack->frames[merge->next].pc);
        merge->from = merge->stack->frames[merge->next].at + 8;
    }
}

static unsigned find_frame(const struct merge *merge, uint64_t pc)
{
    unsigned i = merge->next;

    while (i < merge->stack->num_frames && merge->stack->frames[i].pc != pc) {
        i++;
    }
    return i;
}

/* An entry of the return stack: a frame, one that has no frame, or a lie. Who
 * has the way back in ra alone was called last: further down, an entry like ra
 * is of a call that has returned. */
static void add_return(struct merge *merge, uint64_t pc, bool is_newest)
{
    const struct stack *stack = merge->stack;
    unsigned frame = find_frame(merge, pc);
    uint64_t at;

    if (frame < stack->num_frames) {
        add_frames(merge, frame + 1);
        return;
    }
    if (is_newest && pc == stack->ra) {
        add(merge, pc);
        return;
    }
    at = find_word(stack, merge->from,
                   merge->next < stack->num_frames
                       ? stack->frames[merge->next].at
                       : UINT64_MAX,
                   pc);
    if (at != UINT64_MAX) {
        add(merge, pc);
        merge->from = at + 8;
    }
}

unsigned unwind(const struct xbar_riscv_hart *hart, uint64_t *pcs, unsigned max)
{
    uint64_t returns[XBAR_RISCV_RETURNS_MAX];
    unsigned count =
        xbar_riscv_get_returns(hart, returns, XBAR_RISCV_RETURNS_MAX);
    struct stack stack;
    struct merge merge = { .stack = &stack, .pcs = pcs, .max = max };

    read_stack(&stack, hart);
    follow_frames(&stack);
    merge.from = stack.sp;
    if (returns_to_ra(&stack, xbar_riscv_get_pc(hart))) {
        add(&merge, stack.ra);
    }
    for (unsigned i = merge.count && count && returns[0] == stack.ra; i < count;
         i++) {
        add_return(&merge, returns[i], i == 0);
    }
    add_frames(&merge, stack.num_frames);
    return merge.count;
}
