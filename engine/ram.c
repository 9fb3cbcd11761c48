/* SPDX-License-Identifier: MIT */
#include "engine/ram.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/alloc.h"
#include "engine/engine_internal.h"

/* Huge pages on x86-64, AArch64 and RISC-V with 4 KiB base pages. */
#define HUGE_PAGE ((size_t)2 << 20)

/* ---- Mapping ----------------------------------------------------------- */

/*
 * Blocks of at least a huge page start on a huge page's boundary, or the
 * kernel could not use one for the first part.
 */
static uint64_t choose_align(const struct xbar_ram_block *block)
{
    uint64_t align = block->page_size;

    if (block->align > align) {
        align = block->align;
    }
    return block->max_size >= HUGE_PAGE && align < HUGE_PAGE ? HUGE_PAGE
                                                             : align;
}

/* Address space, aligned and without memory; the slack is given back. */
static void *reserve(size_t length, size_t align)
{
    uint8_t *start, *aligned;
    size_t lead;

    start = mmap(NULL, length + align, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) {
        return NULL;
    }
    aligned = (uint8_t *)ram__align_up((uintptr_t)start, align);
    lead = (size_t)(aligned - start);
    if (lead) {
        munmap(start, lead);
    }
    if (align - lead) {
        munmap(aligned + length, align - lead);
    }
    return aligned;
}

static int choose_map_flags(const struct xbar_ram_block *block)
{
    return MAP_FIXED | (ram__is_shared(block) ? MAP_SHARED : MAP_PRIVATE) |
           (block->fd < 0 ? MAP_ANONYMOUS : 0) |
           (block->flags & RAM_NORESERVE ? MAP_NORESERVE : 0);
}

int ram__map(const struct xbar_ram_block *block, uint64_t start,
             uint64_t length)
{
    void *at = block->host + start;

    if (mmap(at, length, PROT_READ | PROT_WRITE, choose_map_flags(block),
             block->fd, (off_t)(block->fd_offset + start)) == MAP_FAILED) {
        return -errno;
    }
    if (block->max_size >= HUGE_PAGE) {
        /* Advice: a kernel without huge pages works, too. */
        (void)madvise(at, length, MADV_HUGEPAGE);
    }
    return 0;
}

static int map_block(struct xbar_ram_block *block)
{
    uint64_t align = choose_align(block);
    size_t length;
    int rc;

    if (block->max_size > SIZE_MAX / 4 || align > SIZE_MAX / 4) {
        return -ENOMEM;
    }
    length = (size_t)ram__align_up(block->max_size, block->page_size);
    block->host = reserve(length, (size_t)align);
    if (!block->host) {
        return -ENOMEM;
    }
    rc = ram__map(block, 0, length);
    if (rc) {
        munmap(block->host, length);
        block->host = NULL;
        return rc;
    }
    block->mapping = block->host;
    block->mapped = length;
    return 0;
}

/* ---- Blocks ------------------------------------------------------------ */

/* Memory that is shared, or of the host's huge pages, is a file's. */
static int open_backing(struct xbar_ram_block *block)
{
    bool huge = (block->flags & XBAR_RAM_HUGETLB) != 0;

    if (block->fd < 0 && (huge || (block->flags & RAM_SHARED))) {
        block->fd = ram__open_memory(block->max_size, huge);
        if (block->fd < 0) {
            return -errno;
        }
    }
    block->page_size = ram__page_size(block->fd);
    return 0;
}

static int fill_block(struct xbar_ram_block *block, const struct ram_wish *wish)
{
    int rc;

    block->max_size = wish->max_size ? wish->max_size : wish->size;
    block->size = wish->size;
    block->flags = wish->flags;
    block->align = wish->align;
    block->fd = wish->fd;
    block->fd_offset = wish->offset;
    if (block->max_size == 0) {
        return 0;
    }
    rc = open_backing(block);
    if (!rc && wish->offset % block->page_size != 0) {
        rc = -EINVAL;
    }
    return rc ? rc : map_block(block);
}

/* On failure the descriptor stays the caller's. */
int ram__new(struct xbar_engine *engine, const struct ram_wish *wish,
             struct xbar_ram_block **block)
{
    struct xbar_ram_block *new = xbar_alloc(engine, sizeof(*new));
    int rc;

    if (!new) {
        return -ENOMEM;
    }
    rc = fill_block(new, wish);
    if (rc) {
        new->fd = wish->fd >= 0 ? -1 : new->fd;
        ram__free(engine, new);
        return rc;
    }
    *block = new;
    return 0;
}

struct xbar_ram_block *ram__wrap(struct xbar_engine *engine, void *ptr,
                                 uint64_t size)
{
    struct xbar_ram_block *block = xbar_alloc(engine, sizeof(*block));

    if (block) {
        block->host = ptr;
        block->size = size;
        block->max_size = size;
        block->fd = -1;
        block->page_size = ram__page_size(-1);
    }
    return block;
}

void ram__free(struct xbar_engine *engine, struct xbar_ram_block *block)
{
    if (!block) {
        return;
    }
    if (block->mr) {
        ram__tell_removed(block);
        ram__unlist(engine, block);
    }
    if (block->mapping) {
        munmap(block->mapping, block->mapped);
    }
    if (block->fd >= 0) {
        close(block->fd);
    }
    xbar_free(engine, block, sizeof(*block));
}

uint64_t ram__limit(const MemoryRegion *mr)
{
    return mr->ram_block ? ram__size(mr->ram_block) : UINT64_MAX;
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
