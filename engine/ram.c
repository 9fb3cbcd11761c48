/* SPDX-License-Identifier: MIT */
#include "engine/ram.h"

#include <string.h>
#include <sys/mman.h>

#include "engine/alloc.h"
#include "engine/engine_internal.h"

/* Huge pages on x86-64, AArch64 and RISC-V with 4 KiB base pages. */
#define HUGE_PAGE ((size_t)2 << 20)

/* ---- Blocks ------------------------------------------------------------ */

static size_t align_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

/*
 * Blocks of at least a huge page start on a huge page's boundary, or the
 * kernel could not use one for the first part. The slack is address space,
 * not memory: it is never touched.
 */
static bool map_block(struct xbar_ram_block *block)
{
    size_t slack = block->size >= HUGE_PAGE ? HUGE_PAGE : 0;
    uintptr_t start;
    void *mapping;

    if (block->size > SIZE_MAX / 2) {
        return false;
    }
    block->mapped = (size_t)block->size + slack;
    mapping = mmap(NULL, block->mapped, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) {
        return false;
    }
    start =
        slack ? align_up((uintptr_t)mapping, HUGE_PAGE) : (uintptr_t)mapping;
    block->mapping = mapping;
    block->host = (uint8_t *)start;
    if (slack) {
        /* Advice: a kernel without huge pages works, too. */
        (void)madvise(block->host, (size_t)block->size, MADV_HUGEPAGE);
    }
    return true;
}

struct xbar_ram_block *ram__new(struct xbar_engine *engine, uint64_t size)
{
    struct xbar_ram_block *block = xbar_alloc(engine, sizeof(*block));

    if (!block) {
        return NULL;
    }
    block->size = size;
    if (size && !map_block(block)) {
        xbar_free(engine, block, sizeof(*block));
        return NULL;
    }
    return block;
}

struct xbar_ram_block *ram__wrap(struct xbar_engine *engine, void *ptr,
                                 uint64_t size)
{
    struct xbar_ram_block *block = xbar_alloc(engine, sizeof(*block));

    if (block) {
        block->host = ptr;
        block->size = size;
    }
    return block;
}

void ram__free(struct xbar_engine *engine, struct xbar_ram_block *block)
{
    if (block && block->mapping) {
        munmap(block->mapping, block->mapped);
    }
    xbar_free(engine, block, sizeof(*block));
}

uint64_t ram__limit(const MemoryRegion *mr)
{
    return mr->ram_block ? mr->ram_block->size : UINT64_MAX;
}

/* ---- Access ------------------------------------------------------------ */

static bool is_aligned(const void *host, unsigned size_log2)
{
    return !((uintptr_t)host & (((uintptr_t)1 << size_log2) - 1));
}

static uint64_t load_bytes(const uint8_t *host, unsigned size)
{
    uint8_t bytes[8] = { 0 };
    union {
        uint8_t u8;
        uint16_t u16;
        uint32_t u32;
        uint64_t u64;
    } value;

    for (unsigned i = 0; i < size; i++) {
        bytes[i] = __atomic_load_n(host + i, __ATOMIC_RELAXED);
    }
    memcpy(&value, bytes, sizeof(value));
    switch (size) {
    case 2:
        return value.u16;
    case 4:
        return value.u32;
    default:
        return value.u64;
    }
}

uint64_t ram__load(const void *host, unsigned size_log2)
{
    if (!is_aligned(host, size_log2)) {
        return load_bytes(host, 1u << size_log2);
    }
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

static void store_bytes(uint8_t *host, unsigned size, uint64_t value)
{
    uint8_t bytes[8];
    uint16_t u16 = (uint16_t)value;
    uint32_t u32 = (uint32_t)value;

    switch (size) {
    case 2:
        memcpy(bytes, &u16, sizeof(u16));
        break;
    case 4:
        memcpy(bytes, &u32, sizeof(u32));
        break;
    default:
        memcpy(bytes, &value, sizeof(value));
        break;
    }
    for (unsigned i = 0; i < size; i++) {
        __atomic_store_n(host + i, bytes[i], __ATOMIC_RELAXED);
    }
}

void ram__store(void *host, unsigned size_log2, uint64_t value)
{
    if (!is_aligned(host, size_log2)) {
        store_bytes(host, 1u << size_log2, value);
        return;
    }
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
        break;
    }
}
