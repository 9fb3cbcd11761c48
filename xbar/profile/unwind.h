/* SPDX-License-Identifier: MIT */
/*
 * The calls in progress of a hart that stands.
 *
 * Two witnesses say where calls return to, and neither is believed by itself:
 *
 *     frame pointers    s0 leads to the pairs (s0 of the caller, return
 *                       address) of all frames, where code is compiled to keep
 *                       them. Elsewhere s0 is any number: what it leads to
 *                       counts only as far as it lies up the stack and each
 *                       address is behind an instruction that calls.
 *     return stack      of the translator: exact and for any code, but short,
 *                       forgotten as the mode changes, and with what calls left
 *                       behind that never returned (longjmp, switched stacks).
 *                       So an address counts only if it is in ra, or lies on
 *                       the stack, above that of the call it made.
 *
 * Who has no frame yet, or none any more, has its way back in ra: the
 * instructions ahead of pc tell.
 */
#ifndef XBAR_PROFILE_UNWIND_H
#define XBAR_PROFILE_UNWIND_H

#include <xbar/xbar.h>

/*
 * unwind() - where the calls of @hart return to
 * @pcs: gets them, the newest first
 *
 * Return: how many, at most @max.
 */
unsigned unwind(const struct xbar_riscv_hart *hart, uint64_t *pcs,
                unsigned max);

#endif
