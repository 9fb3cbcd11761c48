/* SPDX-License-Identifier: MIT */
/*
 * Regions with memory behind them: making, resizing, switching modes.
 *
 * Each init is the same three steps: the region, the block, and the two put
 * together; what fails gives back what the steps before took.
 */
#include "engine/memory_ram.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine_internal.h"
#include "engine/ops.h"
#include "engine/ram.h"
#include "engine/ram_writes.h"

/* What each kind of memory may be asked for. */
#define ANONYMOUS_FLAGS \
    ((uint32_t)(RAM_SHARED | RAM_NORESERVE | RAM_PROTECTED | XBAR_RAM_HUGETLB))
#define FILE_FLAGS                                                      \
    ((uint32_t)(RAM_SHARED | RAM_PMEM | RAM_NORESERVE | RAM_PROTECTED | \
                RAM_READONLY))

/* ---- The region and its block ------------------------------------------ */

/* @block is taken over, also on failure. @ops: NULL but for ROM devices. */
static int add_block(MemoryRegion *mr, struct xbar_ram_block *block,
                     const MemoryRegionOps *ops, uint32_t flags)
{
    struct xbar_engine *engine = mr->engine;
    int rc;

    engine__lock_writer(engine);
    mr->ram_block = block;
    ram__list(block, mr);
    rc = region__make_leaf(mr, ops);
    if (!rc) {
        rc = dirty_log__born(mr);
    }
    if (!rc) {
        mr->lock = ops ? mr->lock : NULL;
        mr->flags |= flags;
        ram__tell_added(block);
    }
    engine__unlock_writer(engine);
    return rc;
}

static void finish_locked(MemoryRegion *mr)
{
    struct xbar_engine *engine = mr->engine;

    engine__lock_writer(engine);
    region__finish(mr);
    engine__unlock_writer(engine);
}

/* Memory of @wish for @mr, which has been through region__init(). */
static int add_new_block(MemoryRegion *mr, const struct ram_wish *wish,
                         const MemoryRegionOps *ops, uint32_t flags)
{
    struct xbar_ram_block *block = NULL;
    int rc = ram__new(mr->engine, wish, &block);

    if (rc) {
        finish_locked(mr);
        return rc;
    }
    return add_block(mr, block, ops, flags);
}

static int report(int rc, const char *name, uint64_t size, Error **errp)
{
    if (rc) {
        error_setg(errp, "cannot get %llu bytes of memory for %s: %s",
                   (unsigned long long)size, name ? name : "a region",
                   strerror(-rc));
    }
    return rc;
}

static int init_ram(MemoryRegion *mr, Object *owner, const char *name,
                    const struct ram_wish *wish, uint32_t flags)
{
    int rc = region__init(mr, owner, name, wish->size);

    return rc ? rc : add_new_block(mr, wish, NULL, XBAR_REGION_RAM | flags);
}

/* ---- Memory of its own ------------------------------------------------- */

int memory_region_init_ram(MemoryRegion *mr, Object *owner, const char *name,
                           uint64_t size, Error **errp)
{
    struct ram_wish wish = { .size = size, .fd = -1 };

    return report(init_ram(mr, owner, name, &wish, 0), name, size, errp);
}

int memory_region_init_rom(MemoryRegion *mr, Object *owner, const char *name,
                           uint64_t size, Error **errp)
{
    struct ram_wish wish = { .size = size, .fd = -1 };

    return report(init_ram(mr, owner, name, &wish, XBAR_REGION_READONLY), name,
                  size, errp);
}

int memory_region_init_ram_flags_nomigrate(MemoryRegion *mr, Object *owner,
                                           const char *name, uint64_t size,
                                           uint32_t ram_flags, Error **errp)
{
    struct ram_wish wish = { .size = size, .flags = ram_flags, .fd = -1 };
    int rc = ram_flags & ~ANONYMOUS_FLAGS ? -EINVAL
                                          : init_ram(mr, owner, name, &wish, 0);

    return report(rc, name, size, errp);
}

int memory_region_init_resizeable_ram(
    MemoryRegion *mr, Object *owner, const char *name, uint64_t size,
    uint64_t max_size,
    void (*resized)(const char *name, uint64_t length, void *host),
    Error **errp)
{
    struct ram_wish wish = {
        .size = size,
        .max_size = max_size,
        .flags = RAM_NORESERVE | BLOCK_RESIZEABLE,
        .fd = -1,
    };
    int rc = size > max_size ? -EINVAL : init_ram(mr, owner, name, &wish, 0);

    if (!rc) {
        mr->ram_block->resized = resized;
    }
    return report(rc, name, max_size, errp);
}

/* ---- The caller's memory ----------------------------------------------- */

static int init_ptr(MemoryRegion *mr, Object *owner, const char *name,
                    uint64_t size, void *ptr, uint32_t flags)
{
    struct xbar_ram_block *block;
    int rc;

    /* The memory's end must be an address. */
    if (!mr || (size && (!ptr || size > UINTPTR_MAX - (uintptr_t)ptr))) {
        return -EINVAL;
    }
    rc = region__init(mr, owner, name, size);
    if (rc) {
        return rc;
    }
    block = ram__wrap(mr->engine, ptr, size);
    if (!block) {
        finish_locked(mr);
        return -ENOMEM;
    }
    return add_block(mr, block, NULL, XBAR_REGION_RAM | flags);
}

int memory_region_init_ram_ptr(MemoryRegion *mr, Object *owner,
                               const char *name, uint64_t size, void *ptr)
{
    return init_ptr(mr, owner, name, size, ptr, 0);
}

int memory_region_init_ram_device_ptr(MemoryRegion *mr, Object *owner,
                                      const char *name, uint64_t size,
                                      void *ptr)
{
    return init_ptr(mr, owner, name, size, ptr, XBAR_REGION_RAM_DEVICE);
}

/* ---- Files ------------------------------------------------------------- */

static int check_file_wish(const struct ram_wish *wish, Error **errp)
{
    if (wish->flags & ~FILE_FLAGS) {
        error_setg(errp, "memory of a file cannot have flags %#x",
                   wish->flags & ~FILE_FLAGS);
        return -EINVAL;
    }
    if (wish->align & (wish->align - 1)) {
        error_setg(errp, "alignment %#llx is no power of two",
                   (unsigned long long)wish->align);
        return -EINVAL;
    }
    if (wish->offset % ram__page_size(wish->fd)) {
        error_setg(errp, "offset %#llx is no multiple of %zu",
                   (unsigned long long)wish->offset, ram__page_size(wish->fd));
        return -EINVAL;
    }
    return 0;
}

/* What cannot be emptied stays long, and zero: nothing is lost. */
static void make_empty(int fd)
{
    int rc = ftruncate(fd, 0);

    (void)rc;
}

/* What was an empty file before is one again if this fails. */
static int init_file(MemoryRegion *mr, Object *owner, const char *name,
                     const struct ram_wish *wish, Error **errp)
{
    uint32_t flags = wish->flags & RAM_READONLY ? XBAR_REGION_READONLY : 0;
    bool extended = false;
    int rc = check_file_wish(wish, errp);

    if (rc) {
        return rc;
    }
    rc = ram__fit_file(wish->fd, wish->offset, wish->size, &extended, errp);
    if (!rc) {
        rc = report(init_ram(mr, owner, name, wish, flags), name, wish->size,
                    errp);
    }
    if (rc && extended) {
        make_empty(wish->fd);
    }
    return rc;
}

int memory_region_init_ram_from_file(MemoryRegion *mr, Object *owner,
                                     const char *name, uint64_t size,
                                     uint64_t align, uint32_t ram_flags,
                                     const char *path, bool readonly,
                                     Error **errp)
{
    struct ram_wish wish = {
        .size = size,
        .align = align,
        .flags = ram_flags | (readonly ? RAM_READONLY : 0),
    };
    bool made;
    int rc;

    wish.fd =
        ram__open(path, (wish.flags & RAM_READONLY) != 0, &made, &rc, errp);
    if (wish.fd < 0) {
        return rc;
    }
    rc = init_file(mr, owner, name, &wish, errp);
    if (rc) {
        close(wish.fd);
        if (made) {
            unlink(path);
        }
    }
    return rc;
}

int memory_region_init_ram_from_fd(MemoryRegion *mr, Object *owner,
                                   const char *name, uint64_t size,
                                   uint32_t ram_flags, int fd,
                                   ram_addr_t offset, Error **errp)
{
    struct ram_wish wish = {
        .size = size,
        .offset = offset,
        .flags = ram_flags,
        .fd = fd,
    };

    if (fd < 0) {
        error_setg(errp, "no file is open");
        return -EBADF;
    }
    return init_file(mr, owner, name, &wish, errp);
}

/* ---- ROM devices ------------------------------------------------------- */

int memory_region_init_rom_device_nomigrate(MemoryRegion *mr, Object *owner,
                                            const MemoryRegionOps *ops,
                                            void *opaque, const char *name,
                                            uint64_t size, Error **errp)
{
    struct ram_wish wish = { .size = size, .fd = -1 };
    int rc = ops && ops__is_consistent(ops)
                 ? region__init(mr, owner, name, size)
                 : -EINVAL;

    if (!rc) {
        mr->opaque = opaque;
        rc = add_new_block(mr, &wish, ops, XBAR_REGION_ROMD);
    }
    return report(rc, name, size, errp);
}

/* ---- Changing, as a part of a transaction ------------------------------ */

static int begin(MemoryRegion *mr)
{
    int rc = region__is_usable(mr) ? xbar_mutation_begin(mr->engine) : -EINVAL;

    if (!rc && !region__is_usable(mr)) {
        (void)xbar_mutation_end(mr->engine);
        rc = -EINVAL; /* destroyed while we waited for the lock */
    }
    return rc;
}

/* The mutator's own error goes first: the commit's follows from it. */
static int end(MemoryRegion *mr, int rc)
{
    int commit = xbar_mutation_end(mr->engine);

    return rc ? rc : commit;
}

static int set_flag(MemoryRegion *mr, uint32_t flag, bool value)
{
    return tree__set_flags(mr, value ? mr->flags | flag : mr->flags & ~flag);
}

int memory_region_set_nonvolatile(MemoryRegion *mr, bool nonvolatile)
{
    int rc = begin(mr);

    return rc ? rc
              : end(mr, set_flag(mr, XBAR_REGION_NONVOLATILE, nonvolatile));
}

int memory_region_rom_device_set_romd(MemoryRegion *mr, bool romd_mode)
{
    int rc;

    if (!region__is_usable(mr) || !mr->ram_block || !mr->ops) {
        return -EINVAL;
    }
    rc = begin(mr);
    return rc ? rc : end(mr, set_flag(mr, XBAR_REGION_ROMD, romd_mode));
}

static void set_block_size(struct xbar_ram_block *block, uint64_t size)
{
    __atomic_store_n(&block->size, size, __ATOMIC_RELAXED);
}

static void tell_resized(const struct xbar_ram_block *block)
{
    if (block->resized) {
        block->resized(memory_region_name(block->mr), block->size, block->host);
    }
}

static void undo_block_size(void *opaque, uintptr_t old)
{
    ram__tell_resizing(opaque, old);
    set_block_size(opaque, old);
    tell_resized(opaque);
}

int region__resize_ram(MemoryRegion *mr, uint64_t size)
{
    struct xbar_ram_block *block = mr->ram_block;
    int rc;

    if (size == block->size) {
        return memory_region_set_size(mr, size);
    }
    rc = tree__note(mr);
    if (!rc) {
        rc = xbar_mutation_log(mr->engine, undo_block_size, block, block->size);
    }
    if (rc) {
        return rc;
    }
    ram__tell_resizing(block, size);
    set_block_size(block, size);
    xbar_ram_wrote(mr->engine, block->host, size); /* as if all were new */
    rc = memory_region_set_size(mr, size);
    if (!rc) {
        tell_resized(block);
    }
    return rc;
}

int memory_region_ram_resize(MemoryRegion *mr, ram_addr_t newsize, Error **errp)
{
    int rc;

    if (!region__is_usable(mr) || !mr->ram_block ||
        !(mr->ram_block->flags & BLOCK_RESIZEABLE) ||
        mr->ram_block->max_size < newsize) {
        error_setg(errp, "%s cannot have %llu bytes",
                   mr && mr->engine ? memory_region_name(mr) : "no region",
                   (unsigned long long)newsize);
        return -EINVAL;
    }
    rc = begin(mr);
    rc = rc ? rc : end(mr, region__resize_ram(mr, newsize));
    if (rc) {
        error_setg(errp, "cannot resize %s: %s", memory_region_name(mr),
                   strerror(-rc));
    }
    return rc;
}
