/* SPDX-License-Identifier: MIT */
/*
 * Sv39 or Sv48 under the world of insn_abi.h, made anew for each sequence: code
 * and data lie where they are without it, but for what a seed decides.
 *
 *   root[0] --> root: the level that Sv48 has more
 *   root[1] --> middle[code] --> 4 KiB pages, or one of 2 MiB
 *               middle[data] --> the same; 4 KiB pages are shuffled
 *
 * Some pages are not mapped, not writable, only executable, or the other
 * mode's; some have their accessed and dirty bits set, some have not.
 */
#ifndef XBAR_TESTS_GUEST_INSN_PAGING_H
#define XBAR_TESTS_GUEST_INSN_PAGING_H

#include "tests/guest/insn_abi.h"

/* Four tables, one after the other. */
#define PAGING_TABLES      UINT64_C(0x38000000)
#define PAGING_TABLES_SIZE GUEST_DATA_SIZE /* insn_digest() takes as much */

/* What goes with the tables. */
struct insn_paging {
    uint64_t mstatus; /* MPP, SUM, MXR; S-mode may not touch translation */
    uint64_t satp;
};

/** insn_paging_make() - fill @tables, which are at PAGING_TABLES */
struct insn_paging insn_paging_make(uint64_t *tables, uint64_t seed);

#endif
