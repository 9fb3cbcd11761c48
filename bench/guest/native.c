/* SPDX-License-Identifier: MIT */
/* A kernel as a program of the host: native ROUNDS, status 0 if all agreed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "guest.h"

__attribute__((weak)) void guest_prepare(void)
{
}

int main(int argc, char **argv)
{
    const uint64_t expected = EXPECTED;
    const uint64_t rounds = argc == 2 ? strtoull(argv[1], NULL, 0) : 1;

    guest_prepare();
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t result = guest_round();

        if (result != expected) {
            fprintf(stderr, "0x%016llx, not 0x%016llx\n",
                    (unsigned long long)result, (unsigned long long)expected);
            return GUEST_FAIL_RESULT;
        }
    }
    return 0;
}
