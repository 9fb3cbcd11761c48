/* SPDX-License-Identifier: MIT */
/*
 * Asserts, for our own bugs only: a guest or a caller must not be able to
 * trip one. A failure prints place and cause and aborts.
 *
 *   xbar_assert(e)       O(1); all builds but those with NDEBUG-like
 *                        XBAR_NO_ASSERT, where the expression still compiles
 *   xbar_assert_slow(e)  O(n) validators; XBAR_CHECKED builds only
 */
#ifndef XBAR_ENGINE_CHECK_H
#define XBAR_ENGINE_CHECK_H

#include <assert.h>

#include "engine/types.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

_Noreturn void xbar_assert_failed(const char *expr, const char *file, int line,
                                  const char *function);

#define xbar_assert(e)                                            \
    do {                                                          \
        if (unlikely(!(e))) {                                     \
            xbar_assert_failed(#e, __FILE__, __LINE__, __func__); \
        }                                                         \
    } while (0)

#ifdef XBAR_CHECKED
#define xbar_assert_slow(e) xbar_assert(e)
#else
#define xbar_assert_slow(e) ((void)sizeof(!(e)))
#endif

#define xbar_container_of(ptr, type, member) \
    ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
