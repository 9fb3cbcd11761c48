/* SPDX-License-Identifier: MIT */
/*
 * The memory behind RAM regions, and how C code touches it.
 *
 * Other threads, and guests on them, may access the same bytes at any time.
 * So every access is relaxed atomic: of its whole size where aligned, which
 * then cannot tear; byte by byte where not. On the hosts we have these are
 * plain moves.
 */
#ifndef XBAR_ENGINE_RAM_H
#define XBAR_ENGINE_RAM_H

#include "engine/memory_ram.h"
#include "engine/types.h"

struct xbar_engine;

/*
 *   host                             host + max_size
 *    |<------- size ------->|             |
 *    |  may be shown        | set aside   | up to a page: nobody's
 *    mapping ------------------------------------------- mapping + mapped
 */
struct xbar_ram_block {
    uint8_t *host;     /* byte 0; never moves */
    uint64_t size;     /* bytes that may be shown; atomic, see ram__size() */
    uint64_t max_size; /* what size may become */
    ram_addr_t addr;
    void *mapping; /* what to unmap; NULL for the caller's memory */
    size_t mapped; /* its length */
    size_t page_size;
    uint64_t align;     /* that was asked for; 0: none was */
    int fd;             /* -1: none */
    uint64_t fd_offset; /* of byte 0 in the file */
    uint32_t flags;     /* enum xbar_ram_flags */
    void (*resized)(const char *name, uint64_t length, void *host);

    /* the engine's list, newest first; under the writer lock */
    MemoryRegion *mr;
    bool is_told; /* notifiers know of it */
    struct xbar_ram_block *next;
    struct xbar_ram_block *prev;
};

/* Beside enum xbar_ram_flags, and nothing that a caller may ask for. */
#define BLOCK_RESIZEABLE ((uint32_t)1 << 2)

/* What to make. */
struct ram_wish {
    uint64_t size;
    uint64_t max_size; /* 0: the same */
    uint64_t align;    /* of the host address; 0: the page size */
    uint64_t offset;   /* in the file */
    uint32_t flags;
    int fd; /* -1: none */
};

/*
 * Memory of its own, or of wish->fd, which becomes the block's. -EINVAL if
 * the offset or alignment is not one of the file's; -ENOMEM and others.
 */
int ram__new(struct xbar_engine *engine, const struct ram_wish *wish,
             struct xbar_ram_block **block) XBAR_MUST_CHECK;
struct xbar_ram_block *ram__wrap(struct xbar_engine *engine, void *ptr,
                                 uint64_t size) XBAR_MUST_CHECK;
/* Under the writer lock if it was listed; NULL is fine. */
void ram__free(struct xbar_engine *engine, struct xbar_ram_block *block);

/* Map [@start, @start + @length) of @block, which has its addresses, anew. */
int ram__map(const struct xbar_ram_block *block, uint64_t start,
             uint64_t length) XBAR_MUST_CHECK;

/*
 * ram_block.c: @block is @mr's: number it, list it; take it off the list. Tell
 * who listens that it is ready, is about to be resized, is about to end. Under
 * the writer lock.
 */
void ram__list(struct xbar_ram_block *block, MemoryRegion *mr);
void ram__unlist(struct xbar_engine *engine, struct xbar_ram_block *block);
void ram__tell_added(struct xbar_ram_block *block);
void ram__tell_resizing(const struct xbar_ram_block *block, uint64_t new_size);
void ram__tell_removed(struct xbar_ram_block *block);

/* ram_file.c: open or make @path; -1 with @rc and @errp set. @made: by us. */
int ram__open(const char *path, bool readonly, bool *made, int *rc,
              Error **errp) XBAR_MUST_CHECK;
/* Is the file behind @fd good for @size bytes at @offset? Extends it if empty,
 * and then says so in @extended. */
int ram__fit_file(int fd, uint64_t offset, uint64_t size, bool *extended,
                  Error **errp) XBAR_MUST_CHECK;
/* A file without a name, of @size bytes; -1 with errno. */
int ram__open_memory(uint64_t size, bool huge) XBAR_MUST_CHECK;
size_t ram__page_size(int fd);

static inline uint64_t ram__align_up(uint64_t n, uint64_t align)
{
    return (n + align - 1) & ~(align - 1);
}

/*
 * A read-only file is mapped privately, and writable: nothing can reach the
 * file, and a loader that patches a ROM does not trap.
 */
static inline bool ram__is_shared(const struct xbar_ram_block *block)
{
    return (block->flags & RAM_SHARED) && !(block->flags & RAM_READONLY);
}

static inline uint64_t ram__size(const struct xbar_ram_block *block)
{
    return __atomic_load_n(&block->size, __ATOMIC_RELAXED);
}

/* The value at @host in host order, in the low 1 << @size_log2 bytes. */
uint64_t ram__load(const void *host, unsigned size_log2);
void ram__store(void *host, unsigned size_log2, uint64_t value);

#endif
