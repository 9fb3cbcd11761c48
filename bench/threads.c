/* SPDX-License-Identifier: MIT */
/*
 * What threads cost one another. The figure is that of the benchmark's own
 * thread, by the wall clock, while another one does what the name says:
 *
 *     threads/read/...     4-byte reads while a region comes and goes
 *     threads/commit/...   that, while the other thread reads
 *     threads/device/...   a vCPU on one device, by its lock policy, alone and
 *                          beside another vCPU that does the same
 */
#include "bench.h"
#include "world.h"

#include <mimalloc.h>
#include <pthread.h>
#include <stdatomic.h>

#define REGIONS 100

enum other {
    OTHER_NOBODY,
    OTHER_WRITES, /* commits one change after the other, and reclaims */
    OTHER_READS,
    OTHER_ACCESSES, /* the same device, through a TLB of its own */
};

struct threads {
    SoftTLB tlb[2]; /* mine, the other's */
    struct world *world;
    hwaddr device;
    enum other other;
    pthread_t thread;
    MemoryRegion region_locked; /* a device under a lock of its own */
    atomic_bool started;
    atomic_bool stop;
    atomic_uint_fast64_t done; /* by the other */
    uint64_t mine;
    atomic_bool wrong; /* the other's check */
    bool ended;
};

/* ---- The other thread -------------------------------------------------- */

static MemoryRegion *changing(struct threads *t)
{
    return &t->world->extra[REGIONS / 2];
}

static void change_once(struct threads *t, uint64_t i)
{
    if (memory_region_set_enabled(changing(t), i % 2)) {
        t->wrong = true;
    }
    if (i % 64 == 0) {
        (void)xbar_engine_reclaim(t->world->engine);
    }
}

static void read_once(struct threads *t)
{
    if (address_space_ldl(&t->world->as, WORLD_DEV + 8, MEMTXATTRS_UNSPECIFIED,
                          NULL) != 8) {
        t->wrong = true;
    }
}

static void access_once(struct threads *t, SoftTLB *tlb)
{
    uint64_t value = 0;

    if (tlb_load_slow(tlb, 0, t->device + 8, 2, &value) || value != 8) {
        t->wrong = true;
    }
}

static void *other_main(void *opaque)
{
    struct threads *t = opaque;
    uint64_t i = 0;

    if (t->other == OTHER_ACCESSES) {
        tlb_enter(&t->tlb[1]);
    }
    while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
        if (t->other == OTHER_WRITES) {
            change_once(t, i);
        } else if (t->other == OTHER_READS) {
            read_once(t);
        } else {
            access_once(t, &t->tlb[1]);
            if (i % 64 == 0) {
                tlb_safepoint(&t->tlb[1]);
            }
        }
        i++;
        atomic_store_explicit(&t->done, i, memory_order_relaxed);
        atomic_store_explicit(&t->started, true, memory_order_relaxed);
    }
    if (t->other == OTHER_ACCESSES) {
        tlb_leave(&t->tlb[1]);
    }
    return NULL;
}

/* ---- The world --------------------------------------------------------- */

#define ARG(other, policy) ((int64_t)(other) << 8 | (policy))

static uint64_t dev_read(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    (void)size;
    return addr;
}

static void dev_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)data;
    (void)size;
}

static const MemoryRegionOps dev_ops = {
    .read = dev_read,
    .write = dev_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
};

static int walk_identity(void *opaque, unsigned context, uint64_t va,
                         enum xbar_tlb_access access,
                         struct xbar_tlb_walk *walk)
{
    (void)opaque;
    (void)context;
    (void)access;
    walk->phys = va & TLB_PAGE_MASK;
    walk->prot = TLB_PROT_READ | TLB_PROT_WRITE;
    return 0;
}

#define REGION_LOCKED 0x10002000u

static int add_region_locked(struct threads *t)
{
    MemoryRegion *mr = &t->region_locked;
    int err = memory_region_init_io(mr, NULL, &dev_ops, t, "region-locked",
                                    WORLD_PAGE);

    if (!err) {
        err = xbar_region_set_lock_policy(mr, XBAR_LOCK_REGION);
    }
    return err ? err
               : memory_region_add_subregion(&t->world->root, REGION_LOCKED,
                                             mr);
}

static hwaddr device_of(enum xbar_lock_policy policy)
{
    switch (policy) {
    case XBAR_LOCK_REGION:
        return REGION_LOCKED;
    case XBAR_LOCK_MACHINE:
        return WORLD_DEV_LOCKED;
    default:
        return WORLD_DEV;
    }
}

static void *setup(int64_t arg)
{
    struct threads *t = mi_zalloc_aligned(sizeof(*t), 64);
    struct xbar_tlb_config config = { .walk = walk_identity };

    if (!t) {
        return NULL;
    }
    t->other = (enum other)(arg >> 8);
    t->device = device_of((enum xbar_lock_policy)(arg & 255));
    t->world = world_new(REGIONS);
    if (!t->world || add_region_locked(t)) {
        return NULL;
    }
    config.as = &t->world->as;
    if (tlb_init(&t->tlb[0], &config) || tlb_init(&t->tlb[1], &config)) {
        return NULL;
    }
    if (t->other != OTHER_NOBODY &&
        pthread_create(&t->thread, NULL, other_main, t)) {
        return NULL;
    }
    while (t->other != OTHER_NOBODY && !t->started) {
    }
    return t;
}

static void region_ended(MemoryRegion *mr, void *opaque)
{
    struct threads *t = opaque;

    (void)mr;
    t->ended = true;
}

static void teardown(void *context)
{
    struct threads *t = context;

    t->stop = true;
    if (t->other != OTHER_NOBODY) {
        pthread_join(t->thread, NULL);
    }
    tlb_destroy(&t->tlb[0]);
    tlb_destroy(&t->tlb[1]);
    if (xbar_region_destroy(&t->region_locked, region_ended, t) == 0) {
        while (!t->ended && xbar_engine_reclaim(t->world->engine) >= 0) {
        }
    }
    world_free(t->world);
    mi_free(t);
}

/* ---- What is timed ----------------------------------------------------- */

static void run_read(void *context, uint64_t operations)
{
    struct threads *t = context;

    t->mine += operations;
    while (operations--) {
        read_once(t);
    }
}

static void run_commit(void *context, uint64_t operations)
{
    struct threads *t = context;

    for (uint64_t i = 0; i < operations; i++) {
        change_once(t, i);
    }
    t->mine += operations;
}

static void run_device(void *context, uint64_t operations)
{
    struct threads *t = context;

    tlb_enter(&t->tlb[0]);
    for (uint64_t i = 0; i < operations; i++) {
        access_once(t, &t->tlb[0]);
        if (i % 64 == 0) {
            tlb_safepoint(&t->tlb[0]);
        }
    }
    tlb_leave(&t->tlb[0]);
    t->mine += operations;
}

static const char *check(void *context)
{
    struct threads *t = context;

    if (t->wrong) {
        return "an access or a change gave a wrong result";
    }
    return t->other != OTHER_NOBODY && t->done == 0
               ? "the other thread did nothing"
               : NULL;
}

#define ROW(label, other, policy, function, size)                             \
    {                                                                         \
        .name = label, .arg = ARG(other, XBAR_LOCK_##policy), .setup = setup, \
        .run = function, .teardown = teardown, .check = check,                \
        .flags = BENCH_REAL_TIME, .batch = (size)                             \
    }

static const struct bench rows[] = {
    ROW("threads/read/alone", OTHER_NOBODY, NONE, run_read, 4096),
    ROW("threads/read/beside_writer", OTHER_WRITES, NONE, run_read, 4096),
    ROW("threads/read/beside_reader", OTHER_READS, NONE, run_read, 4096),
    ROW("threads/commit/alone", OTHER_NOBODY, NONE, run_commit, 64),
    ROW("threads/commit/beside_reader", OTHER_READS, NONE, run_commit, 64),
    ROW("threads/device_none/alone", OTHER_NOBODY, NONE, run_device, 4096),
    ROW("threads/device_none/shared", OTHER_ACCESSES, NONE, run_device, 4096),
    ROW("threads/device_region/alone", OTHER_NOBODY, REGION, run_device, 4096),
    ROW("threads/device_region/shared", OTHER_ACCESSES, REGION, run_device,
        4096),
    ROW("threads/device_machine/alone", OTHER_NOBODY, MACHINE, run_device,
        4096),
    ROW("threads/device_machine/shared", OTHER_ACCESSES, MACHINE, run_device,
        4096),
};

const struct bench_table bench_threads = BENCH_TABLE(rows);
