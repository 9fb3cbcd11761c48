/* SPDX-License-Identifier: MIT */
/*
 * The host contract, regions: a block of several parts that jump among one
 * another, a loop in the main. In it homes are not fixed: the caller gives them
 * to guest registers and takes them away, as values come and go.
 *
 *     home      holds the register's value; without one, its field does
 *     dirty     the field is older than the home
 *     narrow    the upper half is not there: it is the sign of the lower, or
 *               nobody asks before the register is written again
 *     lazy      the value is nowhere: it is another's lower half, shifted, which
 *               is computed where somebody asks
 *
 * What is emitted follows the state at hand, region->homes. Where a region may
 * be left, the state is remembered, and what is out of line brings the fields
 * up to date with it first: so they are whole whenever anybody else looks.
 * Before a region and behind its exits, homes are the usual ones.
 *
 *     entry:     budget -= reserve; exit if part 0 would
 *                usual state --> that of part 0
 *     part 0:    budget -= n; exit if that is negative      jit_host__part
 *                body                                       alu, load, ...
 *     part 1:    budget -= n, if any           nobody jumps back to this one
 *                body
 *                if ... go to part 0                        jit_host__go_if
 *                go to pc                                   jit_host__go
 *     cold:      slow paths: fields, the call, homes again
 *                exits: fields, usual homes, budget += reserve
 *
 * While a region runs, the budget is less by region->reserve: as much as may be
 * executed from one check to the next, so that none is exceeded.
 *
 * Only integer registers move about. Of the other operations, a region takes
 * jit_host__alu, _set, _load and _store.
 */
#ifndef XBAR_JIT_HOST_REGION_H
#define XBAR_JIT_HOST_REGION_H

#include "jit/host.h"

#define JIT_HOMES       16
#define JIT_NO_HOME     0xff
#define JIT_PARTS       64
#define JIT_REGION_CODE 65535 /* bytes: sites tell as many apart */

/* A 32-bit value, sign-extended: that of another register, which is not lazy. */
struct jit_lazy {
    uint8_t from;
    uint8_t by; /* 1 to 31 */
    bool right; /* zeros come in; else left */
};

struct jit_homes {
    uint8_t home[32];       /* of each register: an index, or JIT_NO_HOME */
    uint8_t reg[JIT_HOMES]; /* in each home; 0: none */
    uint32_t dirty;         /* a bit for each register */
    uint32_t narrow;
    uint32_t lazy;             /* those have no homes, and are not narrow */
    struct jit_lazy value[32]; /* of lazy ones */
};

/* Where a jump leads. */
struct jit_way {
    bool leaves; /* to pc, through link; else to part */
    bool same_page;
    uint8_t part;
    uint8_t link;
    uint64_t pc;
    uint64_t *counter; /* of times that it left so; NULL: not counted */
};

/* Where something out of line comes from. */
struct jit_point {
    struct jit_homes homes;
    uint32_t refund; /* of the budget, to be exact at the instruction */
    struct jit_way way;
};

/*
 * A counter in a register of the host's while a region is at work. In memory a
 * counter takes the host seven cycles from one time round to the next, which is
 * more than a small loop has.
 */
struct jit_tally {
    int32_t at; /* the counter, from rbp or its like */
    uint32_t amount;
};

#define JIT_TALLIES 4

struct jit_region {
    struct jit_homes entries[JIT_PARTS]; /* states that parts begin with: of
                                            each before a way leads there */
    uint32_t reserve;
    struct jit_point *points; /* JIT_COLD_MAX of them */
    bool tallies;             /* some part is small */

    /* Kept by the host, and by the caller before each instruction: */
    struct jit_homes homes; /* the state at hand */
    uint32_t ahead; /* what is off the budget for parts behind this one */
    uint32_t
        unexecuted; /* with that: the rest of the part, from the instruction
                            at hand on */
    bool is_small;  /* the part at hand is a loop: what counts in it has tallies
                      as long as there are some */

    /* The host's own: */
    struct jit_tally tally[JIT_TALLIES];
    unsigned tally_count;
    uint32_t at[JIT_PARTS]; /* where the code of each part begins */
    unsigned jump_count;
    struct {
        uint32_t at; /* a displacement */
        uint8_t part;
    } jumps[3 * JIT_PARTS];
};

/* How many homes there are. */
unsigned jit_host__home_count(void);

/* The home of @reg outside regions, or JIT_NO_HOME. */
unsigned jit_host__usual_home(const struct jit_stubs *stubs, unsigned reg);
/* The state outside regions. */
void jit_host__usual_homes(struct jit_homes *homes,
                           const struct jit_guest *guest);

/* The entry, instead of jit_host__prologue(), before part 0, which takes @charge
 * off the budget; what is behind it is in that part's state. Who enters executes
 * something. The epilogue is that of all blocks. */
void jit_host__region_prologue(struct jit_emit *e, unsigned charge);

/* Part @part begins: @charge goes off the budget. @checks: parts behind it jump
 * back to it, so it leaves if the budget is used up. @counter is of the times
 * that it began, those included; NULL: not counted. */
void jit_host__part(struct jit_emit *e, unsigned part, unsigned charge,
                    bool checks, uint64_t *counter);

/* The state is @homes, from now on: no code. */
void jit_host__use_homes(struct jit_emit *e, const struct jit_homes *homes);
/* Make the state @to. What is narrow there is, or is the sign extension of its
 * lower half. */
void jit_host__match_homes(struct jit_emit *e, const struct jit_homes *to);
/* @reg, which has no home, gets @home, which is free. @load: with its value;
 * else the instruction at hand will compute it there. */
void jit_host__give_home(struct jit_emit *e, unsigned reg, unsigned home,
                         bool load);
/* @reg loses its home. @keep: its value is needed. */
void jit_host__take_home(struct jit_emit *e, unsigned reg, bool keep);
/* @to, which has none, gets the home of @from, which the instruction at hand
 * reads and nobody behind it: then comes jit_host__end_sharing(). */
void jit_host__share_home(struct jit_emit *e, unsigned from, unsigned to);
void jit_host__end_sharing(struct jit_emit *e, unsigned from);
/* From here on, @reg is @value: no code. The front end sees to it that nothing
 * happens to value->from meanwhile. */
void jit_host__be_lazy(struct jit_emit *e, unsigned reg, struct jit_lazy value);
/* Put the value of @reg, if it is lazy, into its field. */
void jit_host__compute(struct jit_emit *e, unsigned reg);
/* The upper half of @reg is needed. */
void jit_host__widen(struct jit_emit *e, unsigned reg);

void jit_host__go(struct jit_emit *e, const struct jit_way *way);
/* If the condition holds; of the lower halves alone, if @narrow. */
void jit_host__go_if(struct jit_emit *e, enum jit_condition cc, unsigned rs1,
                     unsigned rs2, bool narrow, const struct jit_way *way);

#endif
