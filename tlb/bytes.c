/* SPDX-License-Identifier: MIT */
/*
 * Accesses of 1 to 16 bytes: vectors, pairs, and what has no size of its own.
 *
 * As in access.c, all is resolved before the first effect. But the unit is a
 * run, the bytes that one section of one page answers, which is one access to a
 * device however wide it is:
 *
 *   va   |   page n        ||   page n+1              |
 *              RAM |  dev A ||  dev A    | dev B
 *              [ 5 |   3    ||    6      |  2 ]           four runs
 */
#include <string.h>

#include "engine/dispatch.h"
#include "tlb/tlb_internal.h"

#define MAX_BYTES 16

struct run {
    const FlatRange *section;
    hwaddr phys;
    uint8_t offset; /* in the access */
    uint8_t size;
};

struct runs {
    unsigned count;
    struct run run[MAX_BYTES];
};

/* ---- Resolving --------------------------------------------------------- */

static MemTxResult check(const FlatRange *section, enum xbar_tlb_access access)
{
    if (section->flags & FLAT_RANGE_UNASSIGNED) {
        return MEMTX_DECODE_ERROR;
    }
    return access == TLB_WRITE && (section->flags & FLAT_RANGE_READONLY)
               ? MEMTX_ERROR
               : MEMTX_OK;
}

/* The run at @va, at most @size bytes. */
static int find_run(SoftTLB *tlb, unsigned context, uint64_t va, unsigned size,
                    enum xbar_tlb_access access, struct run *run)
{
    const TLBInfo *info = &tlb->info[context][tlb__slot(tlb, va)];
    uint64_t last = tlb__in_page(tlb, ~va); /* counted from va */
    MemTxResult result;
    int err = tlb__grants(tlb, info, va, access)
                  ? 0
                  : tlb__fill(tlb, context, va, access);

    if (err) {
        return err;
    }
    run->phys = info->phys | tlb__in_page(tlb, va);
    run->section =
        flatview_lookup(address_space_to_flatview(tlb->config.as), run->phys);
    result = check(run->section, access);
    if (result != MEMTX_OK) {
        return tlb__fault(tlb, va, 0, result);
    }
    if (run->section->last - run->phys < last) {
        last = run->section->last - run->phys;
    }
    run->size = (uint8_t)(last < size - 1 ? last + 1 : size);
    return 0;
}

/* All of them, or the fault of the first byte that has one. */
static int resolve(SoftTLB *tlb, unsigned context, uint64_t va, unsigned size,
                   enum xbar_tlb_access access, struct runs *runs)
{
    unsigned done = 0;

    xbar_assert(context < TLB_CONTEXTS && tlb->entered && size != 0 &&
                size <= MAX_BYTES);
    tlb->stats.slow++;
    runs->count = 0;
    while (done < size) {
        struct run *run = &runs->run[runs->count++];
        int err = find_run(tlb, context, va + done, size - done, access, run);

        if (err) {
            return err;
        }
        run->offset = (uint8_t)done;
        done += run->size;
    }
    return 0;
}

/* ---- Telling ----------------------------------------------------------- */

static void observe(const SoftTLB *tlb, enum xbar_tlb_access access,
                    const struct runs *runs)
{
    for (unsigned i = 0; tlb->config.observe && i < runs->count; i++) {
        const struct run *run = &runs->run[i];

        if (!tlb__is_counted(tlb, run->section)) {
            tlb->config.observe(tlb->config.observe_opaque, run->section,
                                access, run->size);
        }
    }
}

/* By its first byte, as of the widest size that fits. */
static void count(SoftTLB *tlb, enum xbar_tlb_access access,
                  const struct runs *runs, unsigned size)
{
    unsigned size_log2 = 31 - (unsigned)__builtin_clz(size < 8 ? size : 8);
    uint64_t *counter =
        tlb->config.observe
            ? tlb__counter(tlb, access, size_log2, runs->run[0].section,
                           runs->run[0].phys)
            : NULL;

    if (counter != NULL) {
        ++*counter;
    }
}

/* Somebody else has what it does: eight bytes at a time. */
static int replay(SoftTLB *tlb, uint64_t va, enum xbar_tlb_access access,
                  uint8_t *bytes, unsigned size)
{
    int err = 0;

    for (unsigned done = 0, part; done < size && !err; done += part) {
        unsigned log2 =
            31 - (unsigned)__builtin_clz(size - done < 8 ? size - done : 8);
        uint64_t value = 0;

        part = 1u << log2;
        for (unsigned i = 0; i < part; i++) {
            value |= (uint64_t)bytes[done + i] << (8 * i);
        }
        err = tlb->config.replay(tlb->config.replay_opaque, va + done, access,
                                 log2, &value);
        for (unsigned i = 0; access == TLB_READ && i < part; i++) {
            bytes[done + i] = (uint8_t)(value >> (8 * i));
        }
    }
    return err;
}

/* ---- Memory ------------------------------------------------------------ */

static uint8_t *host_of(const struct run *run)
{
    return (uint8_t *)(uintptr_t)(run->phys + run->section->host_delta);
}

/* The widest aligned unit at @host within @size bytes. */
static unsigned unit_log2(const uint8_t *host, unsigned size)
{
    unsigned log2 = 31 - (unsigned)__builtin_clz(size < 8 ? size : 8);

    while ((uintptr_t)host & ((1u << log2) - 1)) {
        log2--;
    }
    return log2;
}

static void load_memory(const struct run *run, uint8_t *bytes)
{
    for (unsigned done = 0, log2; done < run->size; done += 1u << log2) {
        const uint8_t *host = host_of(run) + done;
        uint64_t value;

        log2 = unit_log2(host, run->size - done);
        value = tlb_ram_load(host, log2);
        for (unsigned i = 0; i < 1u << log2; i++) {
            bytes[done + i] = (uint8_t)(value >> (8 * i));
        }
    }
}

static void store_memory(const struct run *run, const uint8_t *bytes)
{
    for (unsigned done = 0, log2; done < run->size; done += 1u << log2) {
        uint8_t *host = host_of(run) + done;
        uint64_t value = 0;

        log2 = unit_log2(host, run->size - done);
        for (unsigned i = 0; i < 1u << log2; i++) {
            value |= (uint64_t)bytes[done + i] << (8 * i);
        }
        tlb_ram_store(host, log2, value);
    }
}

/* ---- Loads ------------------------------------------------------------- */

static MemTxResult load_run(SoftTLB *tlb, const struct run *run, uint8_t *bytes)
{
    if (run->section->flags & FLAT_RANGE_RAM) {
        load_memory(run, bytes);
        return MEMTX_OK;
    }
    tlb->stats.mmio_reads++;
    return xbar_region_read_bytes(run->section->mr,
                                  run->phys + run->section->mr_delta, bytes,
                                  run->size, (MemTxAttrs){ 0 });
}

int tlb_load_bytes(SoftTLB *tlb, unsigned context, uint64_t va, void *buf,
                   unsigned size)
{
    uint8_t bytes[MAX_BYTES] = { 0 };
    struct runs runs;
    int err;

    if (tlb->config.replay != NULL) {
        return replay(tlb, va, TLB_READ, buf, size);
    }
    err = resolve(tlb, context, va, size, TLB_READ, &runs);
    if (err) {
        return err;
    }
    observe(tlb, TLB_READ, &runs);
    for (unsigned i = 0; i < runs.count; i++) {
        const struct run *run = &runs.run[i];
        MemTxResult result = load_run(tlb, run, bytes + run->offset);

        if (result != MEMTX_OK) {
            return tlb__fault(tlb, va + run->offset, 0, result);
        }
    }
    count(tlb, TLB_READ, &runs, size);
    if (unlikely(tlb->watches != NULL)) {
        tlb__touch(tlb, context, va, size, TLB_READ);
    }
    memcpy(buf, bytes, size);
    return 0;
}

/* ---- Stores ------------------------------------------------------------ */

static bool is_memory_store(const struct run *run)
{
    return run->section->flags & FLAT_RANGE_WRITABLE;
}

/* Devices go first, as they may refuse; memory cannot. */
static int store_devices(SoftTLB *tlb, uint64_t va, const struct runs *runs,
                         const uint8_t *bytes)
{
    for (unsigned i = 0; i < runs->count; i++) {
        const struct run *run = &runs->run[i];
        MemTxResult result;

        if (is_memory_store(run)) {
            continue;
        }
        tlb->stats.mmio_writes++;
        result = xbar_region_write_bytes(
            run->section->mr, run->phys + run->section->mr_delta,
            bytes + run->offset, run->size, (MemTxAttrs){ 0 });
        if (result != MEMTX_OK) {
            return tlb__fault(tlb, va + run->offset, 0, result);
        }
    }
    return 0;
}

static void store_runs(SoftTLB *tlb, const struct runs *runs,
                       const uint8_t *bytes, bool is_logged)
{
    for (unsigned i = 0; i < runs->count; i++) {
        const struct run *run = &runs->run[i];

        if (is_memory_store(run)) {
            store_memory(run, bytes + run->offset);
            if (is_logged) {
                tlb__stored(tlb, host_of(run), run->size);
            }
        }
    }
}

int tlb_store_bytes(SoftTLB *tlb, unsigned context, uint64_t va,
                    const void *buf, unsigned size)
{
    bool is_logged = false;
    struct runs runs;
    int err;

    if (tlb->config.replay != NULL) {
        return replay(tlb, va, TLB_WRITE, (uint8_t *)buf, size);
    }
    err = resolve(tlb, context, va, size, TLB_WRITE, &runs);
    if (err) {
        return err;
    }
    observe(tlb, TLB_WRITE, &runs);
    for (unsigned i = 0; i < runs.count; i++) {
        const struct run *run = &runs.run[i];

        if (is_memory_store(run)) {
            is_logged |= tlb__begin_store(tlb, context, va + run->offset,
                                          run->phys, run->section, run->size);
        }
    }
    err = store_devices(tlb, va, &runs, buf);
    if (!err) {
        store_runs(tlb, &runs, buf, is_logged);
        count(tlb, TLB_WRITE, &runs, size);
        if (unlikely(tlb->watches != NULL)) {
            tlb__touch(tlb, context, va, size, TLB_WRITE);
        }
    }
    return err;
}
