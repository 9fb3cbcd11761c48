/* SPDX-License-Identifier: MIT */
/*
 * Code that runs for the first time: a round calls the next GROUP of units of
 * generated code, PASSES times over. There are megabytes of it, and no unit is
 * like another. After the last unit it would be warm, so rounds must not be
 * more than units / GROUP.
 */
#include "guest.h"

#define ARGUMENT 0x1234567
#define GROUP    8

struct unit {
    uint64_t (*run)(uint64_t x);
    uint64_t result;
};

extern const struct unit units[];
extern const uint64_t unit_count;

static uint64_t done;

uint64_t guest_round(void)
{
    uint64_t wrong = 0;

    if (done + GROUP > unit_count) {
        return GUEST_BAD;
    }
    for (int pass = 0; pass < PASSES; pass++) {
        for (uint64_t i = done; i < done + GROUP; i++) {
            wrong |= units[i].run(ARGUMENT) ^ units[i].result;
        }
    }
    done += GROUP;
    return wrong ? GUEST_BAD : GUEST_GOOD;
}
