/* SPDX-License-Identifier: MIT */
/* 8-byte reads of the CLINT's clock, which never goes back. */
#include "board.h"
#include "guest.h"

#define ACCESSES 1000

uint64_t guest_round(void)
{
    uint64_t last = *device64(CLINT_MTIME);
    const uint64_t first = last;
    uint64_t back = 0;

    for (int i = 1; i < ACCESSES; i++) {
        uint64_t now = *device64(CLINT_MTIME);

        back |= now < last;
        last = now;
    }
    return back || last - first > UINT64_C(1) << 40 ? GUEST_BAD : GUEST_GOOD;
}
