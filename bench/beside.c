/* SPDX-License-Identifier: MIT */
/*
 * Readers beside a writer that commits: what they keep of their speed, and how
 * long the slowest read takes.
 *
 *     flatview/beside/emit         a loop of emitted loads that hit the TLB,
 *                                  while any of 500 other regions is changed,
 *                                  one commit after the other
 *     flatview/beside/read_paced   address_space_ldl() of any of 500 devices,
 *                                  beside 10 000 such commits a second
 *     flatview/beside/read         the same, beside as many as there can be
 *     flatview/held/alone          each read between two readings of the
 *     flatview/held/beside         counter, without and with that writer
 *
 * A call of run() is one slice of 1 to 2 ms beside the writer. Before it comes
 * a slice alone, with the writer stopped: so a slow minute of the host, or a
 * neighbour on it, meets both alike. Both are timed by the reader's CPU time,
 * which does not pass while the writer, or anybody, has its CPU; the writer is
 * kept off that CPU where there is another one. What is lost is so what the
 * reader itself does more: misses of lines that the writer wrote, safe points
 * with mail, entries filled again.
 *
 * A read that lasts long was most often interrupted. Those during which the
 * kernel took the CPU away are left out, by its own count. Another count of it
 * is the proof: a reader that waited for a lock would have slept.
 */
#include "bench.h"
#include "emitted.h"
#include "histogram.h"
#include "world.h"

#include <mimalloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#define REGIONS   1000u
#define ADDRESSES 4096u
#define PACE      10000u /* commits a second */
#define PACE_NS   (1000000000u / PACE)

/* Commits between two grace periods: so few that hardly any time is waited. */
#define RECLAIM_EVERY 4096

/* Blocks of emitted code between two safe points: 1024 loads. */
#define BLOCKS 16

enum pace {
    STOPPED,
    PACED,
    UNPACED,
    OVER,
};

enum reader {
    LOOP,
    READS,
};

struct slices {
    uint64_t ns;
    uint64_t operations;
};

struct beside {
    struct world *world;
    enum reader reader;
    enum pace pace; /* of the writer, in run() */
    void *code;
    size_t code_size;
    pthread_t thread;
    _Atomic(enum pace) wanted;
    _Atomic(enum pace) actual;
    atomic_bool wrong;
    atomic_uint_fast64_t commits;
    uint64_t beside_commits; /* in slices beside, and how long they were */
    uint64_t beside_wall;
    struct slices alone;
    struct slices beside;
    uint64_t slept;
    uint64_t disturbed;
    cpu_set_t cpus; /* that this thread had */
    struct histogram histogram;
    hwaddr address[ADDRESSES];
    uint64_t each[ADDRESSES];
};

#define ARG(reader, pace) ((int64_t)(reader) << 8 | (pace))

/* ---- The writer -------------------------------------------------------- */

/* Odd regions are the writer's, even ones the readers'. */
static void change_one(struct beside *b, uint64_t *seed)
{
    struct world *world = b->world;
    const uint64_t random = bench_random(seed);
    const size_t i = (size_t)(random % (REGIONS / 2)) * 2 + 1;
    MemoryRegion *mr = i % 3 ? &world->extra[i] : &world->alias[i];

    if (memory_region_set_address(mr, world_extra_at(i) +
                                          (random >> 32) % 15 * WORLD_PAGE)) {
        b->wrong = true;
    }
    if (++b->commits % RECLAIM_EVERY == 0 &&
        xbar_engine_reclaim(world->engine) < 0) {
        b->wrong = true;
    }
}

static void add_ns(struct timespec *time, uint64_t ns)
{
    time->tv_nsec += (long)ns;
    while (time->tv_nsec >= 1000000000) {
        time->tv_nsec -= 1000000000;
        time->tv_sec++;
    }
}

/* What it could not do in time, as it did not get the CPU, it does at once. */
static void write_paced(struct beside *b, uint64_t *seed)
{
    struct timespec next;

    clock_gettime(CLOCK_MONOTONIC, &next);
    while (b->wanted == PACED) {
        change_one(b, seed);
        add_ns(&next, PACE_NS);
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
}

static void rest(void)
{
    static const struct timespec pause = { .tv_nsec = 20000 };

    nanosleep(&pause, NULL);
}

static void *writer_main(void *opaque)
{
    struct beside *b = opaque;
    uint64_t seed = BENCH_SEED;

    while (b->wanted != OVER) {
        const enum pace pace = b->wanted;

        b->actual = pace;
        if (pace == STOPPED) {
            rest();
        } else if (pace == PACED) {
            write_paced(b, &seed);
        }
        while (pace == UNPACED && b->wanted == UNPACED) {
            change_one(b, &seed);
        }
    }
    return NULL;
}

/*
 * Until the writer is at it, and has begun; it may be waiting for this reader to
 * reach a safe point.
 */
static void set_pace(struct beside *b, enum pace pace)
{
    b->wanted = pace;
    while (b->actual != pace || (pace != STOPPED && !b->commits)) {
        if (b->reader == LOOP) {
            tlb_safepoint(&b->world->tlb);
        }
        rest();
    }
}

/* This thread stays where it is; the writer may be anywhere else. */
static void part_cpus(struct beside *b, pthread_attr_t *attr)
{
    const int mine = sched_getcpu();
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(mine, &set);
    sched_getaffinity(0, sizeof(b->cpus), &b->cpus);
    sched_setaffinity(0, sizeof(set), &set);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        CPU_SET(i, &set);
    }
    CPU_CLR(mine, &set);
    (void)pthread_attr_setaffinity_np(attr, sizeof(set), &set);
}

static int start_writer(struct beside *b)
{
    pthread_attr_t attr;
    int err;

    pthread_attr_init(&attr);
    part_cpus(b, &attr);
    err = pthread_create(&b->thread, &attr, writer_main, b);
    if (err) { /* there is no other CPU */
        err = pthread_create(&b->thread, NULL, writer_main, b);
    }
    pthread_attr_destroy(&attr);
    return err;
}

/* ---- The readers ------------------------------------------------------- */

static void read_loop(struct beside *b, uint64_t operations)
{
    SoftTLB *tlb = &b->world->tlb;
    emitted_block *block = emitted_block_of(b->code);
    uint64_t sum = 0;
    uint64_t blocks = 0;

    for (; blocks < operations / EMITTED_LOADS; blocks++) {
        if (blocks % BLOCKS == 0) {
            tlb_safepoint(tlb);
        }
        sum += block(tlb, WORLD_RAM);
    }
    if (sum != blocks * EMITTED_VALUE) {
        b->wrong = true;
    }
}

static void read_any(struct beside *b, uint64_t operations)
{
    uint64_t sum = 0;
    uint64_t expected = 0;

    for (uint64_t i = 0; i < operations; i++) {
        sum += address_space_ldl(&b->world->as, b->address[i % ADDRESSES],
                                 MEMTXATTRS_UNSPECIFIED, NULL);
        expected += b->each[i % ADDRESSES];
    }
    if (sum != expected) {
        b->wrong = true;
    }
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void slice(struct beside *b, struct slices *slices, uint64_t operations)
{
    const uint64_t start = now_ns(CLOCK_THREAD_CPUTIME_ID);

    if (b->reader == LOOP) {
        read_loop(b, operations);
    } else {
        read_any(b, operations);
    }
    slices->ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - start;
    slices->operations += operations;
}

/* ---- Slices ------------------------------------------------------------ */

#define SLICE (1u << 17)
#define LOOPS (1u << 21)

static void prepare_beside(void *context)
{
    struct beside *b = context;

    set_pace(b, STOPPED);
    slice(b, &b->alone, b->reader == LOOP ? LOOPS : SLICE);
    set_pace(b, b->pace);
}

static void run_beside(void *context, uint64_t operations)
{
    struct beside *b = context;
    const uint64_t commits = b->commits;
    const uint64_t start = now_ns(CLOCK_MONOTONIC);

    slice(b, &b->beside, operations);
    b->beside_commits += b->commits - commits;
    b->beside_wall += now_ns(CLOCK_MONOTONIC) - start;
}

static double ns_of(const struct slices *slices)
{
    return (double)slices->ns / (double)slices->operations;
}

static void report_beside(void *context, struct bench_report *to)
{
    const struct beside *b = context;

    bench_counter(to, "alone", ns_of(&b->alone));
    bench_counter(to, "share", ns_of(&b->alone) / ns_of(&b->beside));
    bench_counter(to, "share_bar",
                  b->reader == READS && b->pace == UNPACED ? 0.3 : 0.9);
    bench_counter(to, "commits_a_second",
                  (double)b->beside_commits * 1e9 / (double)b->beside_wall);
}

static const char *check_beside(void *context)
{
    const struct beside *b = context;

    if (b->wrong) {
        return "a read or a change gave a wrong result";
    }
    return b->commits || b->pace == STOPPED ? NULL : "nothing was committed";
}

/* ---- Single reads ------------------------------------------------------ */

#define TOGETHER 64u /* reads between two looks at the kernel's counts */

static void run_held(void *context, uint64_t operations)
{
    struct beside *b = context;
    uint64_t begin[TOGETHER];
    uint64_t end[TOGETHER];
    struct rusage before;
    struct rusage after;

    getrusage(RUSAGE_THREAD, &before);
    for (uint64_t i = 0; i < operations; i += TOGETHER) {
        for (unsigned k = 0; k < TOGETHER; k++) {
            const unsigned at = (unsigned)(i + k) % ADDRESSES;
            uint32_t value;

            begin[k] = counter_begin();
            value = address_space_ldl(&b->world->as, b->address[at],
                                      MEMTXATTRS_UNSPECIFIED, NULL);
            end[k] = counter_end();
            b->wrong |= value != b->each[at];
        }
        getrusage(RUSAGE_THREAD, &after);
        b->slept += (uint64_t)(after.ru_nvcsw - before.ru_nvcsw);
        for (unsigned k = 0; k < TOGETHER; k++) {
            if (after.ru_nivcsw == before.ru_nivcsw) {
                histogram_add(&b->histogram, begin[k], end[k]);
            }
        }
        b->disturbed += after.ru_nivcsw == before.ru_nivcsw ? 0 : TOGETHER;
        before = after;
    }
}

static void report_held(void *context, struct bench_report *to)
{
    const struct beside *b = context;

    histogram_report(&b->histogram, to);
    bench_counter(to, "slept", (double)b->slept);
    bench_counter(to, "left_out", (double)b->disturbed);
}

static const char *check_held(void *context)
{
    const struct beside *b = context;

    return b->slept ? "a reader slept" : check_beside(context);
}

static void prepare_held(void *context)
{
    struct beside *b = context;

    set_pace(b, b->pace);
}

/* ---- Life -------------------------------------------------------------- */

static void choose_addresses(struct beside *b)
{
    uint64_t seed = BENCH_SEED;

    for (unsigned i = 0; i < ADDRESSES; i++) {
        const uint64_t random = bench_random(&seed);

        b->each[i] = (random >> 50) % WORLD_PAGE & ~UINT64_C(3);
        b->address[i] =
            world_extra_at((size_t)(random % (REGIONS / 2)) * 2) + b->each[i];
    }
}

static int warm_loop(struct beside *b)
{
    uint64_t value;

    b->code = emitted_loads_new(&b->code_size);
    if (!b->code) {
        return -1;
    }
    address_space_stl(&b->world->as, WORLD_RAM, EMITTED_VALUE,
                      MEMTXATTRS_UNSPECIFIED, NULL);
    tlb_enter(&b->world->tlb);
    return tlb_load_slow(&b->world->tlb, 0, WORLD_RAM, 2, &value);
}

static void *setup_beside(int64_t arg)
{
    struct beside *b = mi_zalloc_aligned(sizeof(*b), 64);

    if (!b) {
        return NULL;
    }
    b->reader = (enum reader)(arg >> 8);
    b->pace = (enum pace)(arg & 255);
    b->world = world_new(REGIONS);
    if (!b->world || (b->reader == LOOP && warm_loop(b)) || start_writer(b)) {
        return NULL;
    }
    choose_addresses(b);
    histogram_init(&b->histogram);
    return b;
}

static void teardown_beside(void *context)
{
    struct beside *b = context;

    b->wanted = OVER;
    if (b->reader == LOOP) {
        tlb_leave(&b->world->tlb); /* it may wait for this reader */
        munmap(b->code, b->code_size);
    }
    pthread_join(b->thread, NULL);
    sched_setaffinity(0, sizeof(b->cpus), &b->cpus);
    world_free(b->world);
    mi_free(b);
}

/* ---- Rows -------------------------------------------------------------- */

#define BESIDE(label, reader, pace, size)                                    \
    {                                                                        \
        .name = "flatview/beside/" label, .arg = ARG(reader, pace),          \
        .setup = setup_beside, .prepare = prepare_beside, .run = run_beside, \
        .teardown = teardown_beside, .check = check_beside,                  \
        .report = report_beside, .batch = (size)                             \
    }

#define HELD(label, pace)                                                \
    {                                                                    \
        .name = "flatview/held/" label, .arg = ARG(READS, pace),         \
        .setup = setup_beside, .prepare = prepare_held, .run = run_held, \
        .teardown = teardown_beside, .check = check_held,                \
        .report = report_held, .batch = 1u << 14                         \
    }

static const struct bench rows[] = {
    BESIDE("emit", LOOP, UNPACED, LOOPS),
    BESIDE("read_paced", READS, PACED, SLICE),
    BESIDE("read", READS, UNPACED, SLICE),
    HELD("alone", STOPPED),
    HELD("beside", UNPACED),
};

const struct bench_table bench_beside = BENCH_TABLE(rows);
