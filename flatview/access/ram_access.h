/* SPDX-License-Identifier: MIT */
/*
 * Guest memory from C: vCPUs and devices share it, so it is touched by
 * relaxed atomics only. An access that is aligned on the host is one load or
 * store of its size; a misaligned one is as many as its alignment needs.
 * Values are in host order, as if the bytes had been copied.
 */
#ifndef XBAR_FLATVIEW_ACCESS_RAM_ACCESS_H
#define XBAR_FLATVIEW_ACCESS_RAM_ACCESS_H

#include <string.h>

#include "engine/check.h"
#include "engine/types.h"

static inline uint64_t flatview__ram_load(const void *host, unsigned size_log2)
{
    switch (size_log2) {
    case 0:
        return __atomic_load_n((const uint8_t *)host, __ATOMIC_RELAXED);
    case 1:
        return __atomic_load_n((const uint16_t *)host, __ATOMIC_RELAXED);
    case 2:
        return __atomic_load_n((const uint32_t *)host, __ATOMIC_RELAXED);
    default:
        return __atomic_load_n((const uint64_t *)host, __ATOMIC_RELAXED);
    }
}

static inline void flatview__ram_store(void *host, uint64_t value,
                                       unsigned size_log2)
{
    switch (size_log2) {
    case 0:
        __atomic_store_n((uint8_t *)host, (uint8_t)value, __ATOMIC_RELAXED);
        break;
    case 1:
        __atomic_store_n((uint16_t *)host, (uint16_t)value, __ATOMIC_RELAXED);
        break;
    case 2:
        __atomic_store_n((uint32_t *)host, (uint32_t)value, __ATOMIC_RELAXED);
        break;
    default:
        __atomic_store_n((uint64_t *)host, value, __ATOMIC_RELAXED);
    }
}

/* Is an access of this size at @host one that flatview__ram_load() may make? */
static inline bool flatview__ram_is_aligned(const void *host,
                                            unsigned size_log2)
{
    return ((uintptr_t)host & (((uintptr_t)1 << size_log2) - 1)) == 0;
}

/* A value as the bytes it stands for, in the caller's own memory. */
static inline void flatview__ram_unpack(void *bytes, uint64_t value,
                                        unsigned size_log2)
{
    const uint32_t word = (uint32_t)value;
    const uint16_t half = (uint16_t)value;
    const uint8_t byte = (uint8_t)value;

    switch (size_log2) {
    case 0:
        memcpy(bytes, &byte, sizeof(byte));
        break;
    case 1:
        memcpy(bytes, &half, sizeof(half));
        break;
    case 2:
        memcpy(bytes, &word, sizeof(word));
        break;
    default:
        memcpy(bytes, &value, sizeof(value));
    }
}

static inline uint64_t flatview__ram_pack(const void *bytes, unsigned size_log2)
{
    uint64_t value;
    uint32_t word;
    uint16_t half;

    switch (size_log2) {
    case 0:
        return *(const uint8_t *)bytes;
    case 1:
        memcpy(&half, bytes, sizeof(half));
        return half;
    case 2:
        memcpy(&word, bytes, sizeof(word));
        return word;
    default:
        memcpy(&value, bytes, sizeof(value));
        return value;
    }
}

/* Copies to and from guest memory, each aligned unit in one access. */
void flatview__ram_read(void *to, const void *host, size_t length);
void flatview__ram_write(void *host, const void *from, size_t length);
void flatview__ram_fill(void *host, uint8_t byte, size_t length);

#endif
