/* SPDX-License-Identifier: MIT */
/* Regions of code at random, for the tests of what is planned for them. */
#ifndef XBAR_TESTS_UNIT_RISCV_RANDOM_REGIONS_H
#define XBAR_TESTS_UNIT_RISCV_RANDOM_REGIONS_H

#include "loops.h"
#include "rig.h"

#define PAGE         ((uint64_t)0x80001000u)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The loop around instruction @from; NULL if there is none. */
static inline struct riscv_region *look(const uint32_t *code, size_t count,
                                        unsigned from)
{
    struct riscv_region *region = test_calloc(1, sizeof(*region));

    memcpy(region->page, code, 4 * count);
    if (!riscv__find_region(region, PAGE + 4 * from, false, any, NULL)) {
        test_free(region);
        return NULL;
    }
    return region;
}

/* NULL: there is no loop. */
static inline struct riscv_region *random_region(uint64_t *seed)
{
    uint32_t code[120];
    unsigned count = 8 + (unsigned)(rig_random(seed) % 100);

    for (unsigned i = 0; i < count; i++) {
        int to = (int)(rig_random(seed) % (count + 4));

        if (rig_random(seed) %
            2) { /* mostly near by, so that loops are small */
            to = (int)i + (int)(rig_random(seed) % 17) - 8;
        }
        code[i] = rig_random(seed) % 3 == 0 && to >= 0 && to != (int)i
                      ? branch(to - (int)i)
                      : STEP;
    }
    code[count++] = INSN_SELF;
    return look(code, count, (unsigned)(rig_random(seed) % count));
}

#endif
