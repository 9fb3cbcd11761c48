/* SPDX-License-Identifier: MIT */
/*
 * Where the time went: the blocks of translated code in which most
 * instructions were retired. They are copied, so that the hart may go.
 */
#ifndef XBAR_HOT_BLOCKS_H
#define XBAR_HOT_BLOCKS_H

#include <xbar/xbar.h>

#define HOT_BLOCKS 10 /* that are named */
#define HOT_LISTED 5  /* of these, with their code */

/* Where a block's code is, for those that jump to it. */
struct block_place {
    const uint8_t *code; /* identity only: the hart may be gone */
    uint64_t pc;
    uint32_t size; /* of the code */
};

struct hot_block {
    /* Pointers lead into `copy`, or are NULL: without it there is no code. */
    struct xbar_riscv_block block;
    const uint8_t *place; /* where the code was */
    void *copy;
};

struct hot_blocks {
    unsigned count;
    struct hot_block items[HOT_BLOCKS]; /* most instructions first */

    /* Of all blocks, those that are gone not included. */
    uint64_t executions;
    uint64_t instructions;
    struct block_place *places; /* ascending */
    size_t num_places;
    size_t max_places;
};

/*
 * hot_blocks_collect() - look at a hart that counted its blocks and stands
 * @hot: zero
 *
 * Return: 0; -ENOMEM with @errp set. Free it in either case.
 */
int hot_blocks_collect(struct hot_blocks *hot,
                       const struct xbar_riscv_hart *hart, Error **errp)
    XBAR_MUST_CHECK;
void hot_blocks_free(struct hot_blocks *hot);

/* hot_blocks_find() - the block that has its code at @code; NULL if none does */
const struct block_place *hot_blocks_find(const struct hot_blocks *hot,
                                          uint64_t code);

#endif
