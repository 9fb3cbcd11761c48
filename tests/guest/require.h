/* SPDX-License-Identifier: MIT */
/* For what must hold if the tests themselves are right, in every build. */
#ifndef XBAR_TESTS_GUEST_REQUIRE_H
#define XBAR_TESTS_GUEST_REQUIRE_H

#include <stdbool.h>
#include <stdlib.h>

static inline void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

#endif
