/* SPDX-License-Identifier: MIT */
#include "unwind.h"

#include <assert.h>
#include <string.h>

#include "step.h"

/* Of the stack, from sp on: what return addresses are looked for in. */
#define STACK_WORDS 1024
#define READ_WORDS  32 /* at first: mostly that is enough */
#define FRAMES_MAX  64
#define FRAME_BYTES (1 << 20) /* a larger one is none */

/* A return address and where it is kept. */
struct saved {
    uint64_t at;
    uint64_t pc;
};

/* Where the function at pc has its way back. */
enum way {
    WAY_UNKNOWN,
    WAY_FRAME,        /* in the frame that s0 leads to */
    WAY_RA,           /* in ra, and s0 leads to the frame of its caller */
    WAY_RA_AND_FRAME, /* in ra, and in a frame if it has one */
    WAY_STACK,        /* below own_end; s0 leads anywhere */
};

struct stack {
    const struct xbar_riscv_hart *hart;
    enum way way;
    uint64_t sp;
    uint64_t ra;
    uint64_t own_end;   /* of the function at pc: its part of the stack */
    unsigned num_words; /* that were read, from sp on; up to there all are */
    bool is_whole;      /* there are no more */
    uint64_t words[STACK_WORDS];

    unsigned num_frames; /* as frame pointers have them, the newest first */
    struct saved frames[FRAMES_MAX];
};

static void start_stack(struct stack *stack, const struct xbar_riscv_hart *hart)
{
    stack->hart = hart;
    stack->sp = xbar_riscv_get_x(hart, REG_SP) & ~UINT64_C(7);
    stack->ra = xbar_riscv_get_x(hart, REG_RA);
    if (stack->ra == xbar_riscv_get_pc(hart)) {
        stack->ra = 0; /* a call to what is behind it, to learn where that is */
    }
    stack->way = WAY_UNKNOWN;
    stack->own_end = stack->sp;
    stack->num_frames = 0;
    stack->num_words = 0;
    stack->is_whole = false;
}

/* As much again as there is. */
static void read_more(struct stack *stack)
{
    unsigned from = stack->num_words;
    unsigned count = from ? from : READ_WORDS;
    uint64_t got =
        xbar_riscv_debug_read(stack->hart, stack->sp + 8 * (uint64_t)from,
                              &stack->words[from], 8 * count) /
        8;

    stack->num_words += (unsigned)got;
    stack->is_whole = got < count || stack->num_words == STACK_WORDS;
}

/* Is there a @word, counted from sp on? It is read now. */
static bool has_word(struct stack *stack, uint64_t word)
{
    while (word >= stack->num_words && word < STACK_WORDS && !stack->is_whole) {
        read_more(stack);
    }
    return word < stack->num_words;
}

static_assert(STACK_WORDS % READ_WORDS == 0 &&
                  !(STACK_WORDS / READ_WORDS & (STACK_WORDS / READ_WORDS - 1)),
              "doubling what was read arrives at all of it");

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
static bool read_pair(struct stack *stack, uint64_t fp, uint64_t pair[2])
{
    uint64_t word = (fp - 16 - stack->sp) / 8;

    if (word < STACK_WORDS && has_word(stack, word + 1)) {
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
    return stack->num_frames == 0 && stack->way != WAY_RA &&
           is_above(pair[1], fp) && is_return_address(stack, stack->ra);
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

/*
 * A function has its way back in ra until it saves it, until it has a frame of
 * its own, and again as it returns. Where it is in that, the instructions ahead
 * tell, up to the first that goes elsewhere. What a conditional branch jumps
 * over does too: ra has the same in it on each way from here.
 */
#define AHEAD_PARCELS 64

/* Up to some instruction ahead. */
struct ahead {
    uint64_t sp;      /* there */
    uint64_t s0_slot; /* where s0 will have been saved; 0 */
    bool sets_frame;
    bool loads_s0;
};

/* Is a frame about to be that is not yet? Its top has ra, or s0 of who calls
 * nothing. */
static bool is_new_frame(struct stack *stack, const struct ahead *ahead,
                         uint64_t fp)
{
    uint64_t word = (fp - 8 - stack->sp) / 8;
    uint64_t s0 = xbar_riscv_get_x(stack->hart, REG_S0);

    return fp - 8 == ahead->s0_slot ||
           (has_word(stack, word) &&
            (stack->words[word] == stack->ra ||
             (stack->words[word] == s0 && is_above(s0, fp))));
}

/* Who returns gives its part of the stack back; what its callees left there is
 * of no call in progress. */
static void set_own_end(struct stack *stack, uint64_t end)
{
    if (end > stack->sp) {
        stack->own_end = end;
    }
}

/* What is about to be saved is where it will be. */
static void save_ra(struct stack *stack, uint64_t slot)
{
    uint64_t word = (slot - stack->sp) / 8;

    set_own_end(stack, slot + 8);
    if (slot + 8 == xbar_riscv_get_x(stack->hart, REG_S0) &&
        has_word(stack, word)) {
        stack->words[word] = stack->ra;
        stack->way = WAY_FRAME;
    } else {
        stack->way = WAY_RA;
    }
}

/* False: no need to look on. */
static bool look_at(struct stack *stack, struct ahead *ahead, struct step step)
{
    uint64_t there = ahead->sp + (uint64_t)(int64_t)step.imm;

    switch (step.kind) {
    case STEP_OTHER:
        return true;
    case STEP_MOVES_SP:
        ahead->sp = there;
        return true;
    case STEP_SETS_FRAME:
        ahead->sets_frame = true;
        stack->way = is_new_frame(stack, ahead, there) ? WAY_RA : WAY_UNKNOWN;
        return stack->way == WAY_UNKNOWN;
    case STEP_SAVES_RA:
        save_ra(stack, there);
        return false;
    case STEP_SAVES_S0:
        ahead->s0_slot = there;
        return true;
    case STEP_LOADS_S0:
        ahead->loads_s0 = true;
        return true;
    case STEP_JUMPS: /* to who returns instead, if the stack is given back */
        if (ahead->sp <= stack->sp) {
            return false;
        }
        break;
    case STEP_RESTORES_RA:
        set_own_end(stack, there + 8);
        stack->way = WAY_STACK;
        return false;
    case STEP_RETURNS:
    case STEP_LOADS_RA:
        break;
    case STEP_ENDS:
        return false;
    }
    set_own_end(stack, ahead->sp);
    stack->way =
        ahead->loads_s0 && !ahead->sets_frame ? WAY_RA_AND_FRAME : WAY_RA;
    return false;
}

static void look_ahead(struct stack *stack)
{
    struct ahead ahead = { .sp = stack->sp };
    uint16_t parcels[AHEAD_PARCELS];
    uint64_t count;

    if (!is_return_address(stack, stack->ra)) {
        return;
    }
    count = xbar_riscv_debug_read(stack->hart, xbar_riscv_get_pc(stack->hart),
                                  parcels, sizeof(parcels)) /
            sizeof(parcels[0]);
    for (uint64_t i = 0; i < count;) {
        bool is_short = (parcels[i] & 3) != 3;
        uint32_t bits = parcels[i];

        if (!is_short && i + 1 == count) {
            return;
        }
        bits |= is_short ? 0 : (uint32_t)parcels[i + 1] << 16;
        if (!look_at(stack, &ahead, step_decode(bits))) {
            return;
        }
        i += is_short ? 1 : 2;
    }
}

/* ---- Both -------------------------------------------------------------- */

/* Where @pc lies from @from on, below @end; UINT64_MAX: nowhere. */
static uint64_t find_word(struct stack *stack, uint64_t from, uint64_t end,
                          uint64_t pc)
{
    for (uint64_t i = (from - stack->sp) / 8; has_word(stack, i); i++) {
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
    struct stack *stack;
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
    struct stack *stack = merge->stack;
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

/* Where the newest call returns to, if the instructions ahead say that, and if
 * no frame does. 0: they do not. */
static uint64_t find_newest(struct stack *stack)
{
    uint64_t word = (stack->own_end - 8 - stack->sp) / 8;

    switch (stack->way) {
    case WAY_RA:
        return stack->ra;
    case WAY_RA_AND_FRAME:
        return stack->num_frames && stack->frames[0].pc == stack->ra
                   ? 0
                   : stack->ra;
    case WAY_STACK:
        return (stack->num_frames && stack->frames[0].at < stack->own_end) ||
                       stack->own_end == stack->sp || !has_word(stack, word) ||
                       !is_return_address(stack, stack->words[word])
                   ? 0
                   : stack->words[word];
    default:
        return 0;
    }
}

unsigned unwind(const struct xbar_riscv_hart *hart, uint64_t *pcs, unsigned max)
{
    uint64_t returns[XBAR_RISCV_RETURNS_MAX];
    unsigned count =
        xbar_riscv_get_returns(hart, returns, XBAR_RISCV_RETURNS_MAX);
    struct stack stack;
    struct merge merge = { .stack = &stack, .pcs = pcs, .max = max };
    uint64_t newest;

    start_stack(&stack, hart);
    look_ahead(&stack);
    follow_frames(&stack);
    merge.from = stack.sp;
    newest = find_newest(&stack);
    if (newest) {
        add(&merge, newest);
        merge.from = stack.own_end;
    }
    for (unsigned i = newest && count && returns[0] == newest; i < count; i++) {
        add_return(&merge, returns[i], i == 0);
    }
    add_frames(&merge, stack.num_frames);
    return merge.count;
}
