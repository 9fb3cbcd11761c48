/* SPDX-License-Identifier: MIT */
/*
 * Memory that the host gets back, replaces, or keeps in some way.
 *
 *     block is                 mapped    what gives it back
 *     anonymous                private   madvise: zeros at the next touch
 *     shared, of any file      shared    a hole in the file: pages go from
 *                                        each mapping of it, ours included
 *     a file's private copy    private   madvise: the file's bytes again
 *     huge pages, not shared   private   madvise: our file was never written
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/engine_internal.h"
#include "engine/ram.h"
#include "engine/ram_block.h"
#include "engine/ram_writes.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* ---- Ranges ------------------------------------------------------------ */

/* Is it whole pages of memory that is ours? */
static bool is_range(const struct xbar_ram_block *block, uint64_t start,
                     uint64_t length)
{
    return block && block->mapping && start % block->page_size == 0 &&
           length % block->page_size == 0 && start <= block->mapped &&
           length <= block->mapped - start;
}

/* What the guest sees of it has changed. */
static void tell_changed(const struct xbar_ram_block *block, uint64_t start,
                         uint64_t length)
{
    xbar_ram_wrote(block->mr->engine, block->host + start, length);
}

/* ---- Discarding -------------------------------------------------------- */

static int give_back(const struct xbar_ram_block *block, uint64_t start,
                     uint64_t length)
{
    int rc =
        ram__is_shared(block)
            ? fallocate(block->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        (off_t)(block->fd_offset + start), (off_t)length)
            : madvise(block->host + start, length, MADV_DONTNEED);

    return rc == 0 ? 0 : -errno;
}

/* Atomic, for who may not take the lock; a snapshot is all there can be. */
static bool is_held(const struct xbar_engine *engine, enum discard_hold hold)
{
    return __atomic_load_n(&engine->discard_holds[hold], __ATOMIC_RELAXED) != 0;
}

int ram_block_discard_range(RAMBlock *block, uint64_t start, size_t length)
{
    int rc;

    if (!is_range(block, start, length)) {
        return -EINVAL;
    }
    if (is_held(block->mr->engine, DISCARD_DISABLED)) {
        return -EBUSY;
    }
    rc = length ? give_back(block, start, length) : 0;
    if (!rc) {
        tell_changed(block, start, length);
    }
    return rc;
}

/* ---- Who may not stand beside whom ------------------------------------- */

/* @rivals: bits of enum discard_hold. */
static int change_hold(enum discard_hold hold, unsigned rivals, bool state)
{
    struct xbar_engine *engine = xbar_engine_current();
    unsigned *count = &engine->discard_holds[hold];
    int rc = 0;

    engine__lock_writer(engine);
    for (unsigned i = 0; state && i < DISCARD_HOLDS; i++) {
        if ((rivals >> i & 1) && is_held(engine, (enum discard_hold)i)) {
            rc = -EBUSY;
        }
    }
    if (!state && *count == 0) {
        rc = -EINVAL;
    }
    if (!rc) {
        __atomic_store_n(count, state ? *count + 1 : *count - 1,
                         __ATOMIC_RELAXED);
    }
    engine__unlock_writer(engine);
    return rc;
}

int ram_block_discard_disable(bool state)
{
    return change_hold(DISCARD_DISABLED,
                       1u << DISCARD_REQUIRED | 1u << DISCARD_COORDINATED,
                       state);
}

int ram_block_uncoordinated_discard_disable(bool state)
{
    return change_hold(DISCARD_ONLY_COORDINATED, 1u << DISCARD_REQUIRED, state);
}

int ram_block_discard_require(bool state)
{
    return change_hold(DISCARD_REQUIRED,
                       1u << DISCARD_DISABLED | 1u << DISCARD_ONLY_COORDINATED,
                       state);
}

int ram_block_coordinated_discard_require(bool state)
{
    return change_hold(DISCARD_COORDINATED, 1u << DISCARD_DISABLED, state);
}

bool ram_block_discard_is_disabled(void)
{
    const struct xbar_engine *engine = xbar_engine_current();

    return is_held(engine, DISCARD_DISABLED) ||
           is_held(engine, DISCARD_ONLY_COORDINATED);
}

bool ram_block_discard_is_required(void)
{
    const struct xbar_engine *engine = xbar_engine_current();

    return is_held(engine, DISCARD_REQUIRED) ||
           is_held(engine, DISCARD_COORDINATED);
}

/* ---- Replacing --------------------------------------------------------- */

/* The block that holds the number @addr; under the writer lock. */
static struct xbar_ram_block *find_numbered(const struct xbar_engine *engine,
                                            ram_addr_t addr)
{
    struct xbar_ram_block *block = engine->ram_blocks;

    while (block && (block->addr == RAM_ADDR_INVALID ||
                     addr - block->addr >= block->mapped)) {
        block = block->next;
    }
    return block;
}

int xbar_ram_remap(ram_addr_t addr, ram_addr_t length)
{
    struct xbar_engine *engine = xbar_engine_current();
    struct xbar_ram_block *block;
    int rc = -EINVAL;

    engine__lock_writer(engine);
    block = find_numbered(engine, addr);
    if (block && is_range(block, addr - block->addr, length)) {
        uint64_t start = addr - block->addr;

        rc = length ? ram__map(block, start, length) : 0;
        if (!rc) {
            tell_changed(block, start, length);
        }
    }
    engine__unlock_writer(engine);
    return rc;
}

/* ---- Advice ------------------------------------------------------------ */

/* A host that cannot do it by itself: touch each page, and change nothing. */
static void touch(const struct xbar_ram_block *block, uint64_t start,
                  uint64_t length)
{
    for (uint64_t at = 0; at < length; at += block->page_size) {
        (void)__atomic_fetch_or(block->host + start + at, 0, __ATOMIC_RELAXED);
    }
}

static int advise(const struct xbar_ram_block *block, uint64_t start,
                  uint64_t length, int how)
{
    if (madvise(block->host + start, length, how) == 0) {
        return 0;
    }
    if (errno == EINVAL && how == MADV_POPULATE_WRITE) {
        touch(block, start, length);
        return 0;
    }
    return -errno;
}

int xbar_ram_block_advise(RAMBlock *block, uint64_t start, uint64_t length,
                          enum xbar_ram_advice advice)
{
    static const int how[] = {
        [XBAR_RAM_PREALLOC] = MADV_POPULATE_WRITE,
        [XBAR_RAM_MERGE] = MADV_MERGEABLE,
        [XBAR_RAM_NO_MERGE] = MADV_UNMERGEABLE,
        [XBAR_RAM_DUMP] = MADV_DODUMP,
        [XBAR_RAM_NO_DUMP] = MADV_DONTDUMP,
    };

    if (!is_range(block, start, length) ||
        (unsigned)advice >= sizeof(how) / sizeof(how[0])) {
        return -EINVAL;
    }
    return length ? advise(block, start, length, how[advice]) : 0;
}

int xbar_ram_block_place(RAMBlock *block, enum xbar_ram_placement placement,
                         const unsigned long *nodes, unsigned long count)
{
    static const int mode[] = {
        [XBAR_RAM_PLACE_DEFAULT] = MPOL_DEFAULT,
        [XBAR_RAM_PLACE_PREFERRED] = MPOL_PREFERRED,
        [XBAR_RAM_PLACE_BIND] = MPOL_BIND,
        [XBAR_RAM_PLACE_INTERLEAVE] = MPOL_INTERLEAVE,
    };
    bool is_default = placement == XBAR_RAM_PLACE_DEFAULT;

    if (!block || !block->mapping ||
        (unsigned)placement >= sizeof(mode) / sizeof(mode[0]) ||
        is_default != (nodes == NULL || count == 0)) {
        return -EINVAL;
    }
    /* The kernel counts one bit more than it reads. */
    return syscall(SYS_mbind, block->mapping, block->mapped, mode[placement],
                   nodes, is_default ? 0 : count + 1,
                   MPOL_MF_STRICT | MPOL_MF_MOVE) == 0
               ? 0
               : -errno;
}
