/* SPDX-License-Identifier: MIT */
/*
 * Adapters as clients of dirty logs: a number for each one that is made, with
 * bit 31, which embedders leave to adapters. Two clients of one number would
 * take each other's dirty pages.
 */
#ifndef XBAR_JIT_PLUG_CLIENT_H
#define XBAR_JIT_PLUG_CLIENT_H

#define PLUG_CLIENT_COUNT (1u << 30)

/* Where the numbers of a library's adapters begin. */
enum plug_client {
    PLUG_CLIENT_UNICORN = 2,
    PLUG_CLIENT_DYNARMIC = 3,
};

/* Any thread. Called in one file of each library, as that has the count. */
static inline unsigned plug_client_new(enum plug_client library)
{
    static unsigned made;
    unsigned number = __atomic_fetch_add(&made, 1, __ATOMIC_RELAXED);

    return (unsigned)library * PLUG_CLIENT_COUNT + number % PLUG_CLIENT_COUNT;
}

#endif
