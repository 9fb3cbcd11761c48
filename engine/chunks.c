/* SPDX-License-Identifier: MIT */
/*
 * Memory of large engines, in huge pages.
 *
 * A commit among a million regions looks at a dozen places that no cache has,
 * and in pages of 4 KiB no TLB has either: each miss begins with a walk of page
 * tables, which miss, too, and in a virtual machine there are two of those. So
 * once an engine has many regions, what lines.c gives out lies in chunks:
 *
 *     chunk   | header | given out | given back | given out |   free    |
 *             0        |<---------- carved ---------------->|         2 MiB
 *
 * What is given back is listed in its chunk by its size, and is given out again
 * for that size only: nothing is cut, so nothing falls to pieces. A chunk of
 * which nothing is given out goes back to the kernel, but for the newest, as long
 * as the engine has many regions: that is then carved anew. Chunks are mapped, not
 * asked from the allocator: that would write its zeros, in small pages, before
 * anybody can ask for huge ones. All of it is under the writer lock.
 *
 * The kernel may have no room to note what is left of a mapping, and refuse to
 * take a part back (vm.max_map_count). What was too much around a chunk then
 * stays with it, untouched, and goes when it goes; a chunk gives its memory back
 * alone, and is the next one that is wanted.
 */
#include <string.h>
#include <sys/mman.h>

#include "engine/alloc.h"
#include "engine/engine_internal.h"

#define CHUNK_BYTES ((size_t)2 << 20) /* a huge page */

/* Before that a chunk would be more than an engine has, regions included. */
#define CHUNK_REGIONS 4096

struct chunk_list {
    struct line *first; /* given back */
    struct chunk *next; /* of those that have some of this size */
    struct chunk *prev;
};

struct chunk {
    uint32_t live;   /* bytes given out */
    uint32_t carved; /* bytes that were ever given out, and these fields */
    uint8_t *mapped; /* more than the chunk, where that could not be cut */
    size_t mapped_bytes;
    struct chunk *next_spare;
    struct chunk_list sizes[LINES_MOST + 1];
};

#define CHUNK_HEADER \
    ((sizeof(struct chunk) + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES)

/* What a spare chunk keeps: pages, whatever size the host's are of. */
#define HEAD_BYTES ((size_t)64 << 10)

static_assert(CHUNK_BYTES % LINE_BYTES == 0, "chunks are whole lines");
static_assert(CHUNK_HEADER <= HEAD_BYTES, "a spare chunk has its header");

/* ---- Mapping ----------------------------------------------------------- */

/* Aligned; what is too much on both sides is given back. */
static struct chunk *map_chunk(void)
{
    size_t bytes = 2 * CHUNK_BYTES;
    uint8_t *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct chunk *chunk;
    size_t lead;

    if (start == MAP_FAILED) {
        return NULL;
    }
    lead = -(uintptr_t)start % CHUNK_BYTES;
    chunk = (struct chunk *)(void *)(start + lead);
    if (munmap((uint8_t *)chunk + CHUNK_BYTES, CHUNK_BYTES - lead) == 0) {
        bytes -= CHUNK_BYTES - lead;
    }
    if (lead && munmap(start, lead) == 0) {
        start += lead;
        bytes -= lead;
    }
    /* Advice: a kernel without huge pages works, too. */
    (void)madvise(chunk, CHUNK_BYTES, MADV_HUGEPAGE);
    chunk->mapped = start;
    chunk->mapped_bytes = bytes;
    return chunk;
}

/* Cleared. If it stays mapped it is spare, and all but its head has no memory. */
static void unmap_chunk(struct chunks *chunks, struct chunk *chunk)
{
    if (munmap(chunk->mapped, chunk->mapped_bytes) != 0) {
        (void)madvise((uint8_t *)chunk + HEAD_BYTES, CHUNK_BYTES - HEAD_BYTES,
                      MADV_DONTNEED);
        chunk->next_spare = chunks->spare;
        chunks->spare = chunk;
    }
}

static struct chunk *take_spare(struct chunks *chunks)
{
    struct chunk *chunk = chunks->spare;

    if (chunk) {
        chunks->spare = chunk->next_spare;
    }
    return chunk;
}

/* If the engine ends and that fails again, the process has them for ever. */
static void unmap_spare(struct chunks *chunks)
{
    struct chunk *chunk = chunks->spare;

    chunks->spare = NULL;
    while (chunk) {
        struct chunk *next = chunk->next_spare;

        unmap_chunk(chunks, chunk);
        chunk = next;
    }
}

/* ---- Which there are --------------------------------------------------- */

/* Of all[], the first that is not before @at. */
static size_t place_of(const struct chunks *chunks, const void *at)
{
    size_t low = 0;
    size_t high = chunks->count;

    while (low < high) {
        const size_t middle = (low + high) / 2;

        if ((uintptr_t)chunks->all[middle] < (uintptr_t)at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct chunk *chunk_of(const struct chunks *chunks, const void *ptr)
{
    struct chunk *chunk =
        (struct chunk *)((uintptr_t)ptr & ~(uintptr_t)(CHUNK_BYTES - 1));
    const size_t i = place_of(chunks, chunk);

    return i < chunks->count && chunks->all[i] == chunk ? chunk : NULL;
}

static void set_count(struct chunks *chunks, size_t count)
{
    __atomic_store_n(&chunks->count, count, __ATOMIC_RELAXED);
}

static int grow_all(struct xbar_engine *engine)
{
    struct chunks *chunks = &engine->chunks;
    const size_t room = chunks->room ? 2 * chunks->room : 16;
    struct chunk **all = xbar_alloc(engine, room * sizeof(struct chunk *));

    if (!all) {
        return -1;
    }
    if (chunks->count) {
        memcpy(all, chunks->all, chunks->count * sizeof(struct chunk *));
    }
    xbar_free(engine, chunks->all, chunks->room * sizeof(struct chunk *));
    chunks->all = all;
    chunks->room = room;
    return 0;
}

XBAR_COLD static struct chunk *new_chunk(struct xbar_engine *engine)
{
    struct chunks *chunks = &engine->chunks;
    struct chunk *chunk;
    size_t i;

    if (chunks->count == chunks->room && grow_all(engine)) {
        return NULL;
    }
    chunk = take_spare(chunks);
    if (!chunk) {
        chunk = map_chunk();
    }
    if (!chunk) {
        return NULL;
    }
    chunk->carved = CHUNK_HEADER;
    i = place_of(chunks, chunk);
    memmove(&chunks->all[i + 1], &chunks->all[i],
            (chunks->count - i) * sizeof(struct chunk *));
    chunks->all[i] = chunk;
    chunks->left_at = UINT64_MAX;
    set_count(chunks, chunks->count + 1);
    return chunk;
}

/* ---- By size ----------------------------------------------------------- */

static void link_size(struct chunks *chunks, struct chunk *chunk, size_t lines)
{
    struct chunk *next = chunks->having[lines];

    chunk->sizes[lines].next = next;
    chunk->sizes[lines].prev = NULL;
    if (next) {
        next->sizes[lines].prev = chunk;
    }
    chunks->having[lines] = chunk;
}

static void unlink_size(struct chunks *chunks, struct chunk *chunk,
                        size_t lines)
{
    const struct chunk_list *list = &chunk->sizes[lines];

    *(list->prev ? &list->prev->sizes[lines].next : &chunks->having[lines]) =
        list->next;
    if (list->next) {
        list->next->sizes[lines].prev = list->prev;
    }
}

/* As if nothing had been given out, as nothing is. */
XBAR_COLD static void clear_chunk(struct chunks *chunks, struct chunk *chunk)
{
    xbar_assert(chunk->live == 0);
    for (size_t lines = 0; lines <= LINES_MOST; lines++) {
        if (chunk->sizes[lines].first) {
            unlink_size(chunks, chunk, lines);
            chunk->sizes[lines].first = NULL;
        }
    }
    chunk->carved = CHUNK_HEADER;
}

/* Of which nothing is given out. */
XBAR_COLD static void end_chunk(struct chunks *chunks, struct chunk *chunk)
{
    const size_t i = place_of(chunks, chunk);

    clear_chunk(chunks, chunk);
    if (chunks->newest == chunk) {
        chunks->newest = NULL;
    }
    memmove(&chunks->all[i], &chunks->all[i + 1],
            (chunks->count - i - 1) * sizeof(struct chunk *));
    set_count(chunks, chunks->count - 1);
    unmap_chunk(chunks, chunk);
}

/* ---- The interface ----------------------------------------------------- */

bool chunks__are_wanted(const struct xbar_engine *engine)
{
    return engine->lines.most && xbar_engine_regions(engine) > CHUNK_REGIONS;
}

static bool has_room(const struct chunk *chunk, size_t bytes)
{
    return CHUNK_BYTES - chunk->carved >= bytes;
}

void *chunks__take(struct xbar_engine *engine, size_t bytes)
{
    const size_t lines = bytes / LINE_BYTES;
    struct chunks *chunks = &engine->chunks;
    struct chunk *chunk = chunks->having[lines];
    struct line *line;

    if (chunk) {
        line = chunk->sizes[lines].first;
        chunk->sizes[lines].first = line->next;
        if (!line->next) {
            unlink_size(chunks, chunk, lines);
        }
        chunk->live += bytes;
        return line;
    }
    chunk = chunks->newest;
    if (chunk && !has_room(chunk, bytes) && !chunk->live) {
        clear_chunk(chunks, chunk);
    }
    if (!chunk || !has_room(chunk, bytes)) {
        chunk = new_chunk(engine);
        if (!chunk) {
            return NULL;
        }
        chunks->newest = chunk;
    }
    line = (struct line *)((char *)chunk + chunk->carved);
    chunk->carved += bytes;
    chunk->live += bytes;
    return line;
}

bool chunks__give(struct xbar_engine *engine, void *ptr, size_t bytes)
{
    const size_t lines = bytes / LINE_BYTES;
    struct chunks *chunks = &engine->chunks;
    struct chunk *chunk = chunk_of(chunks, ptr);
    struct line *line = ptr;

    if (!chunk) {
        return false;
    }
    xbar_assert(chunk->live >= bytes);
    lines__poison(ptr, bytes);
    line->next = chunk->sizes[lines].first;
    chunk->sizes[lines].first = line;
    if (!line->next) {
        link_size(chunks, chunk, lines);
    }
    chunk->live -= bytes;
    if (!chunk->live &&
        (chunk != chunks->newest || !chunks__are_wanted(engine))) {
        end_chunk(chunks, chunk);
    }
    return true;
}

void chunks__leave(struct xbar_engine *engine)
{
    struct chunks *chunks = &engine->chunks;

    chunks->left_at = xbar_engine_regions(engine);
    if (chunks->newest && !chunks->newest->live) {
        end_chunk(chunks, chunks->newest);
    }
    unmap_spare(chunks);
    if (!chunks->count) {
        xbar_free(engine, chunks->all, chunks->room * sizeof(struct chunk *));
        chunks->all = NULL;
        chunks->room = 0;
    }
}
