/* SPDX-License-Identifier: MIT */
#include "engine/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void xbar_assert_failed(const char *expr, const char *file, int line,
                                  const char *function)
{
    fprintf(stderr, "xbar: internal error: %s:%d: %s: '%s' does not hold\n",
            file, line, function, expr);
    abort();
}
