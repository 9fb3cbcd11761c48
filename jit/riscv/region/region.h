/* SPDX-License-Identifier: MIT */
/*
 * Regions: loops that are hot, translated as a whole.
 *
 *   find.c       which instructions, in which parts
 *   peel.c       inner loops twice: the first time through, and the rest
 *   flow.c       what is known, and needed, where parts meet
 *   lazy.c       values that need not be computed
 *   homes.c      which registers have homes, at each instruction
 *   entries.c    how parts begin
 *   translate.c  code
 *   budget.c     what each part takes off the budget
 *   count.c      how often it runs, if that is asked
 */
#ifndef XBAR_JIT_RISCV_REGION_REGION_H
#define XBAR_JIT_RISCV_REGION_REGION_H

#include "jit/host_region.h"
#include "jit/riscv/ahead.h"
#include "jit/riscv/groups.h"

#define REGION_INSNS 512

/* Where a part goes on. */
struct region_edge {
    bool leaves;
    uint8_t part;   /* if it does not leave */
    int32_t offset; /* from the head's pc, if it does */
};

/* Instructions that are executed one after the other. */
struct region_part {
    uint16_t first; /* in insns; there may be none */
    uint16_t count;
    uint16_t offset; /* from the head's pc */
    bool branches;   /* the last is a branch: to taken, else to next */
    bool joins;      /* several ways lead here */
    bool checks;     /* one of them from behind */
    uint8_t depth;   /* of loops around it */
    uint8_t head; /* part that the innermost of them begins with; or itself */
    struct region_edge next, taken;
};

/* Parts by ascending pc: the first is the head, where the region is entered. */
struct riscv_region {
    uint64_t pc;   /* of the head */
    unsigned size; /* bytes from there to the end of the last */
    unsigned part_count;
    unsigned insn_count;
    unsigned leaving; /* edges that leave */
    struct region_part parts[JIT_PARTS];
    struct riscv_insn insns[REGION_INSNS];
    uint16_t offsets[REGION_INSNS]; /* from the head's pc */
    uint8_t page[TLB_PAGE_SIZE];    /* the bytes of the page it is in */
};

/* Is there a reason to follow a jump to @pc? */
typedef bool riscv_region_fn(void *opaque, uint64_t pc);

/*
 * Find the loop that the instruction at @pc is in, all of it in one page, of
 * which region->page is a copy. @innermost: the smallest, else the largest that
 * fits. Edges that @wanted does not want leave.
 *
 * Return: false if there is none.
 */
bool riscv__find_region(struct riscv_region *region, uint64_t pc,
                        bool innermost, riscv_region_fn *wanted, void *opaque);

/* Which parts several ways lead to, and which loops there are. */
void riscv__find_joins(struct riscv_region *region);

/* ---- peel.c ------------------------------------------------------------ */

/* The last part with a way back to @head. */
unsigned riscv__last_of_loop(const struct riscv_region *region, unsigned head);

/*
 * Put a copy of each innermost loop behind it, which has all ways back: the
 * loop itself is run through once, and what is left by that is known in the
 * copy. Loops for which there is no room stay as they are.
 */
void riscv__peel_loops(struct riscv_region *region);

/* ---- flow.c ------------------------------------------------------------ */

/* Upper halves of values: a bit for each register. */
struct region_upper {
    uint32_t known;  /* is the sign extension of the lower half */
    uint32_t narrow; /* of those: is not there, on some way at least */
};

#define REGION_FAR UINT16_C(0xf000)

enum region_kind {
    REGION_ANYTHING,
    REGION_COPY,  /* the lower half is that of from */
    REGION_LEFT,  /* that, shifted, and sign-extended */
    REGION_RIGHT, /* zeros come in */
};

/* Of a register: what it is of another. */
struct region_fact {
    uint8_t kind; /* enum region_kind */
    uint8_t from;
    uint8_t by;
};

/* At the beginning of each part. */
struct region_flow {
    bool reached[JIT_PARTS]; /* the others are not executed */
    struct region_upper upper[JIT_PARTS];
    struct region_fact facts[JIT_PARTS][32];
    uint16_t distance[JIT_PARTS][32]; /* instructions until each register is
                                         read; REGION_FAR if it is not */
    struct riscv_note notes[REGION_INSNS]; /* of all, looked at by part */
};

void riscv__find_flow(const struct riscv_region *region,
                      struct region_flow *flow);
/* The same distances from the end of @part. */
void riscv__distances_behind(const struct riscv_region *region,
                             const struct region_flow *flow,
                             const struct region_part *part,
                             uint16_t *distance);

/* The registers of which @insn reads upper halves. @narrow_result: of its
 * result nobody does. */
uint32_t riscv__reads_whole(const struct riscv_insn *insn, uint32_t known,
                            bool narrow_result);
/* @insn is executed, with sources as wide as it needs them. */
void riscv__step_upper(struct region_upper *upper,
                       const struct riscv_insn *insn, bool narrow_result);

/* ---- lazy.c ------------------------------------------------------------ */

/* Does @insn leave the lower halves of all registers as they are? */
bool riscv__keeps_lower(const struct riscv_insn *insn);
/* A register, not in the set @but, with the lower half that @reg has; or 0. */
unsigned riscv__same_lower(const struct region_fact *facts, unsigned reg,
                           uint32_t but);
/* @insn is executed: what it changes is put in terms of others, not in @but. */
void riscv__step_facts(struct region_fact *facts, const struct riscv_insn *insn,
                       uint32_t but);
/* Only what @others say as well. True: some do not. */
bool riscv__meet_facts(struct region_fact *facts,
                       const struct region_fact *others);

/* Of a part. */
struct region_rotations {
    struct riscv_insn *insns;
    unsigned count;
    const uint16_t *distance; /* from its end */
    bool *is_lazy;            /* for each: set if it need not be executed */
};

/* Make one instruction of each that is made of three. */
void riscv__find_rotations(const struct region_rotations *r);

/* ---- homes.c ----------------------------------------------------------- */

#define REGION_NEVER UINT16_C(0xffff)

/* When registers of an instruction are named next: an index in the part,
 * or that of its end and the distance from there, or REGION_NEVER. */
struct region_next {
    uint16_t rd;
    uint16_t rs1;
    uint16_t rs2;
    bool rd_written; /* then it is only written */
    bool rs1_written;
    bool rs2_written;
    bool narrow; /* the upper half of the result is not needed */
};

/* Giving out homes, part by part. */
struct region_homes {
    struct jit_emit *e;
    const struct riscv_region *region;
    const struct region_flow *flow;
    const struct jit_homes *hint; /* homes that registers had better have */
    const struct region_part *part;
    struct riscv_insn insns[REGION_INSNS]; /* of the part, as they are done */
    struct region_next next[REGION_INSNS];
    uint16_t visible[REGION_INSNS + 1]; /* the next that may show registers */
    uint16_t event[32];                 /* of each register, from here */
    uint32_t written;                   /* those of which it is a write */
    uint32_t known; /* values that are the sign extension of their lower half */
    struct region_fact facts[32];
    bool is_lazy[REGION_INSNS];  /* the instruction is not executed */
    uint8_t scale[REGION_INSNS]; /* of a load with an index, which is rs2: of
                                    rs1 + (rs2 << scale) + imm */
    uint32_t gone;   /* registers whose values are lost, as nobody asks */
    uint32_t pinned; /* homes that the instruction at hand needs */
    bool shares;     /* its rd has the home of its rs1 */
};

/* What of that is another at each instruction. */
struct region_moment {
    uint16_t event[32];
    uint32_t written;
    uint32_t known;
    uint32_t gone;
    struct region_fact facts[32];
};

/* The state where paths meet: homes for the registers that are used most. */
void riscv__choose_homes(struct jit_homes *joined,
                         const struct riscv_region *region,
                         const struct jit_stubs *stubs);

/* What is known of part @part before its first instruction. */
void riscv__begin_part(struct region_homes *homes, unsigned part);

/* Have the registers of instruction @i of the part where they are best, and
 * wide if it needs that. */
void riscv__place_sources(struct region_homes *homes, unsigned i);
/* Then rd, of which a load does not have the value yet. */
void riscv__place_result(struct region_homes *homes, unsigned i,
                         bool may_share);
/* It is lazy: all of it. */
void riscv__put_off(struct region_homes *homes, unsigned i);
/* It was executed: what is known behind it. */
void riscv__note_result(struct region_homes *homes, unsigned i);

/* Where in the part one is; and back there, in a part that was begun anew. */
void riscv__note_moment(const struct region_homes *homes,
                        struct region_moment *moment);
void riscv__use_moment(struct region_homes *homes,
                       const struct region_moment *moment);

/* May @insn show the registers to somebody? */
bool riscv__shows(const struct riscv_insn *insn);

/* ---- entries.c --------------------------------------------------------- */

struct region_entries {
    const struct riscv_region *region;
    const struct region_flow *flow;
    struct jit_homes *states;  /* the host's: with what each part begins */
    bool settled[JIT_PARTS];   /* that is said */
    struct jit_homes common;   /* homes for what is used most */
    uint32_t written;          /* registers that the region writes */
    uint32_t named[JIT_PARTS]; /* registers in the loop around each part */
};

/* Says how part 0 begins; the others, with nothing settled, follow as code that
 * leads to them is made. All but @stubs is kept. */
void riscv__plan_entries(struct region_entries *entries,
                         const struct riscv_region *region,
                         const struct region_flow *flow,
                         struct jit_homes *states,
                         const struct jit_stubs *stubs);
/*
 * Part @part begins like @now, from where a way leads there, if no way did yet.
 * Where others do, too, what is true of all of them holds, and may be written
 * meanwhile.
 */
void riscv__settle(struct region_entries *entries, unsigned part,
                   const struct jit_homes *now);
/* How it begins, from now on: all ways yet to come are from behind. */
const struct jit_homes *riscv__entry(struct region_entries *entries,
                                     unsigned part);
/* What the loop around a part will want, as far as is known. */
const struct jit_homes *
riscv__homes_of_loop(const struct region_entries *entries, unsigned part);

/* ---- budget.c ---------------------------------------------------------- */

/* Of each part, in instructions. */
struct region_budget {
    uint16_t charge[JIT_PARTS]; /* what is taken off where it begins: of loops'
                                   heads all that is behind, up to the next */
    uint16_t ahead[JIT_PARTS];  /* what is paid for, of others, where it ends */
    uint16_t ahead_max;
};

void riscv__plan_budget(const struct riscv_region *region,
                        struct region_budget *budget);

/* ---- count.c ----------------------------------------------------------- */

/* Where ways of parts meet: of part i, end i is where it begins and JIT_PARTS +
 * i where it ends. */
struct region_points {
    uint8_t of[2 * JIT_PARTS]; /* a lower one that it meets with, or itself */
};

void riscv__find_points(const struct riscv_region *region,
                        struct region_points *points);
/* The lowest of the ends that @end meets with. */
unsigned riscv__point(const struct region_points *points, unsigned end);

/* Of a part: what its code counts, and what to make of it. */
struct region_part_counts {
    uint16_t insns;
    uint16_t slot;   /* its first of the profile's left and starts, which have
                      insns + 1 of each part */
    uint16_t offset; /* guest bytes from the head's pc */
    uint16_t size;   /* guest bytes */
    uint32_t code;   /* where its code begins, in the block's */
    uint8_t begins;  /* the point that it leads from; see count.c */
    uint8_t ends;    /* and to */
    bool is_counted; /* else the rest says */
    uint64_t count;  /* of the times that it began */
    uint64_t gone;   /* of the times that its end left the region */
};

/* What is the maker's of a region's profile. */
struct region_counts {
    unsigned part_count;
    struct region_part_counts parts[];
};

size_t riscv__counts_size(const struct riscv_region *region);
unsigned riscv__count_slots(const struct riscv_region *region);
/* Which parts have counters. */
void riscv__plan_counts(const struct riscv_region *region,
                        struct region_counts *counts);
/* How often each part began; @left is the profile's. */
void riscv__solve_counts(const struct region_counts *counts,
                         const uint64_t *left, uint64_t runs[JIT_PARTS]);

/* ---- translate.c -------------------------------------------------------- */

/*
 * @block, which is at hart->pc, was at work when a slice ended. Once that has
 * happened often enough, the loop that it is in is translated as a whole: @block
 * may be gone then. Memory being short, or no loop, leaves it as it was.
 */
void riscv__region_heat(struct xbar_riscv_hart *hart,
                        struct xbar_jit_block *block);

#endif
