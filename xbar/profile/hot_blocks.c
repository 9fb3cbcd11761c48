/* SPDX-License-Identifier: MIT */
#include "hot_blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Choosing ---------------------------------------------------------- */

/* Equally hot ones by address, so that equal runs give equal reports. */
static bool is_hotter(const struct xbar_riscv_block *a,
                      const struct xbar_riscv_block *b)
{
    return a->instructions != b->instructions
               ? a->instructions > b->instructions
               : a->pc < b->pc;
}

/* The coldest falls off the end. */
static void insert(struct hot_blocks *hot, const struct xbar_riscv_block *block)
{
    unsigned at = hot->count;
    unsigned last = hot->count < HOT_BLOCKS ? hot->count : HOT_BLOCKS - 1;

    while (at > 0 && is_hotter(block, &hot->items[at - 1].block)) {
        at--;
    }
    if (at == HOT_BLOCKS) {
        return;
    }
    memmove(&hot->items[at + 1], &hot->items[at],
            (last - at) * sizeof(hot->items[0]));
    hot->items[at] =
        (struct hot_block){ .block = *block, .place = block->code };
    hot->count = last + 1;
}

static bool add_block(void *opaque, const struct xbar_riscv_block *block)
{
    struct hot_blocks *hot = opaque;

    hot->executions += block->executions;
    hot->instructions += block->instructions;
    if (block->code_size && hot->num_places < hot->max_places) {
        hot->places[hot->num_places++] =
            (struct block_place){ block->code, block->pc, block->code_size };
    }
    if (block->executions && block->left) {
        insert(hot, block);
    }
    return true;
}

/* ---- Keeping ----------------------------------------------------------- */

/* Counts and starts first, for their alignment; then host code, then guest bytes. */
static int copy_code(struct hot_block *item)
{
    struct xbar_riscv_block *block = &item->block;
    size_t left_size = block->insns * sizeof(*block->left);
    size_t starts_size = (block->insns + 1) * sizeof(*block->starts);
    uint8_t *to = malloc(left_size + starts_size + block->code_size +
                         (size_t)block->guest_size);

    if (!to) {
        return -ENOMEM;
    }
    item->copy = to;
    block->left = memcpy(to, block->left, left_size);
    to += left_size;
    block->starts = memcpy(to, block->starts, starts_size);
    to += starts_size;
    block->code = memcpy(to, block->code, block->code_size);
    to += block->code_size;
    block->guest = memcpy(to, block->guest, block->guest_size);
    return 0;
}

/* What is not copied must not be looked at later. */
static void forget_code(struct hot_block *item)
{
    item->block.starts = NULL;
    item->block.left = NULL;
    item->block.code = NULL;
    item->block.guest = NULL;
}

static int compare_places(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const struct block_place *)a)->code;
    uintptr_t y = (uintptr_t)((const struct block_place *)b)->code;

    return (x > y) - (x < y);
}

static bool count_place(void *opaque, const struct xbar_riscv_block *block)
{
    (void)block;
    ++*(size_t *)opaque;
    return true;
}

int hot_blocks_collect(struct hot_blocks *hot,
                       const struct xbar_riscv_hart *hart, Error **errp)
{
    int ret = 0;

    xbar_riscv_for_each_block(hart, count_place, &hot->max_places);
    hot->places = calloc(hot->max_places + 1, sizeof(*hot->places));
    if (!hot->places) {
        hot->max_places = 0;
        ret = -ENOMEM;
    }
    xbar_riscv_for_each_block(hart, add_block, hot);
    for (unsigned i = 0; i < hot->count; i++) {
        if (ret || i >= HOT_LISTED || copy_code(&hot->items[i])) {
            ret = i < HOT_LISTED ? -ENOMEM : ret;
            forget_code(&hot->items[i]);
        }
    }
    if (ret) {
        error_setg(errp, "no memory for the hot blocks");
        return ret;
    }
    qsort(hot->places, hot->num_places, sizeof(*hot->places), compare_places);
    return 0;
}

void hot_blocks_free(struct hot_blocks *hot)
{
    for (unsigned i = 0; i < hot->count; i++) {
        free(hot->items[i].copy);
    }
    free(hot->places);
    memset(hot, 0, sizeof(*hot));
}

const struct block_place *hot_blocks_find(const struct hot_blocks *hot,
                                          uint64_t code)
{
    size_t low = 0;
    size_t high = hot->num_places;

    /* The last that begins at or below. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if ((uintptr_t)hot->places[middle].code <= code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low && code - (uintptr_t)hot->places[low - 1].code <
                       hot->places[low - 1].size
               ? &hot->places[low - 1]
               : NULL;
}
