/* SPDX-License-Identifier: MIT */
/* What ran, by guest function: exactly counted, and as sampled. */
#ifndef XBAR_PROFILE_FUNCTIONS_H
#define XBAR_PROFILE_FUNCTIONS_H

#include <xbar/xbar.h>

#include "code.h"
#include "samples.h"
#include "symbols.h"

struct function_count {
    struct function function;
    uint64_t instructions; /* retired in translated code */
    uint64_t self;         /* what samples count whose pc was in it */
    uint64_t total;        /* the same of those that have it in their chain */
};

struct functions {
    struct function_count *items; /* ascending; see .by_heat */
    size_t count;
    size_t capacity;
    uint32_t *by_heat; /* places, most instructions first, then samples */
};

/*
 * functions_make() - of all that was counted or sampled
 *
 * Return: 0; -ENOMEM with @errp set. End it in either case.
 */
int functions_make(struct functions *functions, const struct symbols *symbols,
                   const struct code *code, const struct samples *samples,
                   Error **errp) XBAR_MUST_CHECK;
void functions_end(struct functions *functions);

/* functions_of_chain() - places of a chain's functions, outermost first.
 * Return: how many, at most SAMPLES_DEPTH. */
unsigned functions_of_chain(const struct functions *functions,
                            const struct symbols *symbols,
                            const struct code *code, const struct chain *chain,
                            uint32_t places[SAMPLES_DEPTH]);

/* functions_place() - of the function that @pc is in */
uint32_t functions_place(const struct functions *functions,
                         const struct symbols *symbols, const struct code *code,
                         uint64_t pc);

#endif
