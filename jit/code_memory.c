/* SPDX-License-Identifier: MIT */
#include "jit/code_memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/alloc.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* newer kernels want to be told */
#endif

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

/* Offsets and jumps are 32 bits, with room to spare. */
#define LIMIT_MAX ((size_t)1 << 30)

/* Small enough that emptying one hurts little, large enough to be rare. */
#define SEGMENT_DEFAULT ((size_t)256 << 10)

#define CODE_ALIGN 16u

/*
 * How much memory the kernel is asked for at a time. Page by page, as it is
 * touched, the faults of both views cost more than writing code does.
 */
#define POPULATE_SIZE ((size_t)64 << 10)

struct code_memory {
    struct code_memory_config config;
    uint8_t *rw;
    const uint8_t *rx;
    size_t size; /* of each view */
    size_t fixed;
    size_t segment_size;
    uint32_t segment_count;
    uint32_t current; /* the segment being filled */
    uint32_t fill;    /* bytes used of it */
    size_t populated; /* bytes of the views that were asked for */
    uint32_t used;    /* segments that have ever been */
    bool leased;
    struct code_memory_stats stats;
};

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* An executable memfd; kernels before 6.3 do not know MFD_EXEC. */
static int open_memfd(void)
{
    int fd = memfd_create("xbar-code", MFD_CLOEXEC | MFD_EXEC);

    if (fd < 0 && errno == EINVAL) {
        fd = memfd_create("xbar-code", MFD_CLOEXEC);
    }
    return fd;
}

static void *map_view(int fd, size_t size, int prot)
{
    void *view = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

    if (view == MAP_FAILED) {
        return NULL;
    }
    /* A forked child must not see code change under it, nor write to ours. */
    (void)madvise(view, size, MADV_DONTFORK);
    return view;
}

static int map_views(struct code_memory *cm)
{
    int fd = open_memfd();
    int err = 0;

    if (fd < 0) {
        return -errno;
    }
    if (ftruncate(fd, (off_t)cm->size) < 0) {
        err = -errno;
        goto out;
    }
    cm->rw = map_view(fd, cm->size, PROT_READ | PROT_WRITE);
    if (cm->rw == NULL) {
        err = -errno;
        goto out;
    }
    cm->rx = map_view(fd, cm->size, PROT_READ | PROT_EXEC);
    if (cm->rx == NULL) {
        err = -errno;
        munmap(cm->rw, cm->size);
    }
out:
    close(fd);
    return err;
}

/* At least two segments, or evicting one would be flushing everything. */
static void choose_segments(struct code_memory *cm, size_t limit)
{
    size_t segment = cm->config.segment_size;

    if (segment == 0) {
        segment = limit / 2 < SEGMENT_DEFAULT ? limit / 2 : SEGMENT_DEFAULT;
    }
    cm->segment_size = segment / CODE_ALIGN * CODE_ALIGN;
    cm->segment_count = (uint32_t)(limit / cm->segment_size);
}

int code_memory__new(const struct code_memory_config *config,
                     struct code_memory **out)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t limit = round_up(config->limit ? config->limit : 1, page);
    struct code_memory *cm;
    int err;

    if (config->limit > LIMIT_MAX || config->segment_size > limit ||
        (config->segment_size != 0 && config->segment_size < CODE_ALIGN)) {
        return -EINVAL;
    }
    cm = xbar_alloc(config->engine, sizeof(*cm));
    if (cm == NULL) {
        return -ENOMEM;
    }
    cm->config = *config;
    cm->fixed = round_up(config->fixed_size, page);
    cm->size = cm->fixed + limit;
    cm->populated = cm->fixed;
    choose_segments(cm, limit);
    cm->used = 1;
    err = map_views(cm);
    if (err) {
        xbar_free(config->engine, cm, sizeof(*cm));
        return err;
    }
    *out = cm;
    return 0;
}

void code_memory__free(struct code_memory *cm)
{
    if (cm == NULL) {
        return;
    }
    munmap(cm->rw, cm->size);
    munmap((void *)(uintptr_t)cm->rx, cm->size);
    xbar_free(cm->config.engine, cm, sizeof(*cm));
}

static uint32_t segment_start(const struct code_memory *cm, uint32_t segment)
{
    return (uint32_t)(cm->fixed + segment * cm->segment_size);
}

/* A segment beside the current one that is as good as unused; @used: none. */
static uint32_t find_empty(const struct code_memory *cm)
{
    uint32_t segment = 0;

    while (segment < cm->used &&
           (segment == cm->current || cm->config.is_empty == NULL ||
            !cm->config.is_empty(cm->config.evict_opaque, segment))) {
        segment++;
    }
    return segment;
}

/* Move to the next segment, emptying it if it was used before. */
static void advance(struct code_memory *cm)
{
    bool is_full = cm->used == cm->segment_count;
    uint32_t next = is_full ? cm->current + 1 : find_empty(cm);

    cm->current = next < cm->segment_count ? next : 0;
    cm->fill = 0;
    if (cm->current == cm->used) {
        cm->used++;
        return;
    }
    cm->config.evict(cm->config.evict_opaque, cm->current);
    cm->stats.evictions += is_full;
    cm->stats.bytes_live -= cm->segment_size;
}

/* Have the first @size bytes of the views. A kernel before 5.14 does not know
 * how, or memory is short: then the pages come as they are touched. */
static void populate(struct code_memory *cm, size_t size)
{
    while (cm->populated < size) {
        size_t left = cm->size - cm->populated;
        size_t step = left < POPULATE_SIZE ? left : POPULATE_SIZE;
        uint8_t *rx = (uint8_t *)(uintptr_t)cm->rx;

        (void)madvise(cm->rw + cm->populated, step, MADV_POPULATE_WRITE);
        (void)madvise(rx + cm->populated, step, MADV_POPULATE_READ);
        cm->populated += step;
    }
}

bool code_memory__lease(struct code_memory *cm, size_t size, struct code_buf *b)
{
    uint32_t start;

    xbar_assert(!cm->leased);
    if (size > cm->segment_size) {
        return false;
    }
    if (cm->segment_size - cm->fill < size) {
        cm->stats.bytes_live += cm->segment_size - cm->fill;
        advance(cm);
    }
    start = segment_start(cm, cm->current) + cm->fill;
    populate(cm, start + size);
    code_buf__init(b, cm->rw + start, cm->segment_size - cm->fill);
    cm->leased = true;
    return true;
}

uint32_t code_memory__commit(struct code_memory *cm, const struct code_buf *b)
{
    uint32_t start = segment_start(cm, cm->current) + cm->fill;
    uint32_t used = (uint32_t)round_up(code_buf__offset(b), CODE_ALIGN);

    xbar_assert(cm->leased && !b->full && b->start == cm->rw + start);
    cm->leased = false;
    cm->fill += used;
    xbar_assert(cm->fill <= cm->segment_size);
    cm->stats.bytes_committed += used;
    cm->stats.bytes_live += used;
    return start;
}

void code_memory__abort(struct code_memory *cm)
{
    xbar_assert(cm->leased);
    cm->leased = false;
}

void code_memory__fixed(struct code_memory *cm, struct code_buf *b)
{
    code_buf__init(b, cm->rw, cm->fixed);
}

uint8_t *code_memory__rw(const struct code_memory *cm, uint32_t offset)
{
    xbar_assert(offset < cm->size);
    return cm->rw + offset;
}

const uint8_t *code_memory__rx(const struct code_memory *cm, uint32_t offset)
{
    xbar_assert(offset < cm->size);
    return cm->rx + offset;
}

const uint8_t *code_memory__to_rx(const struct code_memory *cm,
                                  const uint8_t *rw)
{
    return cm->rx + (rw - cm->rw);
}

uint32_t code_memory__offset(const struct code_memory *cm, const void *rx)
{
    uintptr_t distance = (uintptr_t)rx - (uintptr_t)cm->rx;

    return distance < cm->size ? (uint32_t)distance : UINT32_MAX;
}

size_t code_memory__segment_size(const struct code_memory *cm)
{
    return cm->segment_size;
}

uint32_t code_memory__segments(const struct code_memory *cm)
{
    return cm->segment_count;
}

uint32_t code_memory__segment_of(const struct code_memory *cm, uint32_t offset)
{
    size_t segment;

    if (offset < cm->fixed || offset >= cm->size) {
        return UINT32_MAX;
    }
    segment = (offset - cm->fixed) / cm->segment_size;
    return segment < cm->segment_count ? (uint32_t)segment : UINT32_MAX;
}

void code_memory__get_stats(const struct code_memory *cm,
                            struct code_memory_stats *stats)
{
    *stats = cm->stats;
}
