/* SPDX-License-Identifier: MIT */
/*
 * A hot block as lines, each guest instruction beside its host code:
 *
 *     guest                       host
 *                                 sub qword ptr [rbp + 0x90], 2     entry
 *                                 js +0x2f
 *     80000010  addi a0,a0,-1     dec r12
 *     80000012  bnez a0,0x...     test r12, r12
 *                                 jne block 0x80000010
 *                                 jmp +0x3c                         end
 *
 * A jump leads to another block, to an offset in this one's code, or to one
 * of the stubs that all share. What lies behind the hot part is left out.
 */
#ifndef XBAR_LISTING_H
#define XBAR_LISTING_H

#include "disassembler.h"
#include "hot_blocks.h"

#define GUEST_TEXT 64

/* An instruction's lines follow one another; the first one names it. */
struct listing_line {
    bool is_first; /* of an instruction, of the entry, of the end */
    bool is_guest; /* the first of an instruction: */
    uint64_t address;
    uint64_t executed;      /* how often */
    char guest[GUEST_TEXT]; /* else "" */
    char host[HOST_TEXT];   /* "" if there is no code for it */
};

typedef void listing_fn(void *opaque, const struct listing_line *line);

/*
 * listing_walk() - call @fn for each line of @item, whose code was kept
 *
 * Return: 0; -ENOMEM.
 */
int listing_walk(const struct hot_blocks *hot, const struct hot_block *item,
                 listing_fn *fn, void *opaque) XBAR_MUST_CHECK;

#endif
