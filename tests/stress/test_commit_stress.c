/* SPDX-License-Identifier: MIT */
/*
 * Readers access while writers move, switch, destroy and make regions, go back
 * to snapshots, end address spaces, keep and compare views, and reclaim. Every word that a
 * reader gets must be one that some live region could have given; memory is
 * overwritten before it is freed. XBAR_STRESS_SECONDS sets how long; best
 * under a sanitizer.
 *
 *     readers   R R R     any address, any width, lookups, bulk
 *     writers   W W       each owns half of the regions
 *     reclaim   C         all the time
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "engine/plan.h"
#include "engine/snapshot.h"
#include "flatview/subscriber.h"
#include "tests/stress/duration.h"
#include "tests/unit/counting_alloc.h"

#define READERS      3
#define WRITERS      2
#define SLOTS        6 /* regions of one writer */
#define SPACE        0x20000
#define REGION_BYTES 0x2000
#define DEFAULT_TIME 3           /* seconds */
#define RAM_WORD     0x5a5a0000u /* high half of what memory holds */
#define DEVICE_WORD  0xd7d70000u
#define FREED_WORD   0xdddddddd

enum slot_state { FREE, LIVE, ENDING };

struct slot {
    MemoryRegion mr;
    atomic_int state;
    uint32_t *words; /* RAM, or the device's state; ends with the region */
};

struct stress {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    MemoryRegion root;
    MemoryRegion bank;  /* a container below root, */
    MemoryRegion alias; /* shown a second time */
    AddressSpace as;
    struct xbar_view_subscriber sub;
    struct slot slots[WRITERS][SLOTS];
    atomic_bool is_over;
    atomic_long reads;
    atomic_long commits;
    atomic_long restored;
    atomic_long news;
    atomic_long wrong; /* anything unexpected, on any thread */
};

struct worker {
    struct stress *s;
    unsigned index;
    uint64_t seed;
    pthread_t thread;
    FlatView *kept; /* by a writer, or NULL */
    struct xbar_snapshot *snapshot;
};

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static void expect(struct stress *s, bool is_fine)
{
    if (!is_fine) {
        atomic_fetch_add(&s->wrong, 1);
    }
}

/* ---- Regions ----------------------------------------------------------- */

static uint64_t device_read(void *opaque, hwaddr addr, unsigned size)
{
    struct slot *slot = opaque;

    (void)addr;
    return slot->words[0] & (size < 4 ? 0xffffu : UINT32_MAX);
}

static void device_write(void *opaque, hwaddr addr, uint64_t value,
                         unsigned size)
{
    struct slot *slot = opaque;

    (void)addr;
    (void)size;
    __atomic_store_n(&slot->words[1], (uint32_t)value, __ATOMIC_RELAXED);
}

static const MemoryRegionOps device_ops = {
    .read = device_read,
    .write = device_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 4, .unaligned = true },
    .impl = { .min_access_size = 1, .max_access_size = 4, .unaligned = true },
};

static void free_slot(MemoryRegion *mr, void *opaque)
{
    struct slot *slot = opaque;

    (void)mr;
    for (size_t i = 0; i < REGION_BYTES / 4; i++) {
        slot->words[i] = FREED_WORD;
    }
    free(slot->words);
    atomic_store(&slot->state, FREE);
}

static int init_slot(struct slot *slot, bool is_ram)
{
    slot->words = malloc(REGION_BYTES);
    if (slot->words == NULL) {
        return -1;
    }
    for (uint32_t i = 0; i < REGION_BYTES / 4; i++) {
        slot->words[i] = (is_ram ? RAM_WORD : DEVICE_WORD) | i;
    }
    if (is_ram) {
        return memory_region_init_ram_ptr(&slot->mr, NULL, "ram", REGION_BYTES,
                                          slot->words);
    }
    if (memory_region_init_io(&slot->mr, NULL, &device_ops, slot, "device",
                              REGION_BYTES) != 0) {
        return -1;
    }
    return xbar_region_set_lock_policy(&slot->mr, XBAR_LOCK_NONE);
}

/* ---- Writers ----------------------------------------------------------- */

/* Word-aligned, so that a 4-byte access sees one word of one region. */
static hwaddr random_place(struct worker *w)
{
    return next_random(&w->seed) % (SPACE / 4) * 4;
}

static void revive(struct worker *w, struct slot *slot)
{
    struct stress *s = w->s;
    MemoryRegion *parent = next_random(&w->seed) % 2 ? &s->root : &s->bank;

    expect(s, init_slot(slot, next_random(&w->seed) % 3 != 0) == 0);
    expect(s, memory_region_add_subregion_overlap(
                  parent, random_place(w), &slot->mr,
                  (int)(next_random(&w->seed) % 3)) == 0);
    atomic_store(&slot->state, LIVE);
}

static void change(struct worker *w, struct slot *slot)
{
    struct stress *s = w->s;

    switch (next_random(&w->seed) % 8) {
    case 0:
        atomic_store(&slot->state, ENDING);
        expect(s, xbar_region_destroy(&slot->mr, free_slot, slot) == 0);
        break;
    case 1:
        expect(s, memory_region_set_enabled(
                      &slot->mr, next_random(&w->seed) % 4 != 0) == 0);
        break;
    case 2:
        expect(s, memory_region_set_alias_offset(
                      &s->alias, next_random(&w->seed) % 64 * 4) == 0);
        break;
    case 3:
        expect(s, memory_region_set_size(&slot->mr, 4 + next_random(&w->seed) %
                                                            (REGION_BYTES / 4) *
                                                            4) == 0);
        break;
    default:
        expect(s, memory_region_set_address(&slot->mr, random_place(w)) == 0);
    }
}

/* An address space that lives for one access. */
static void visit_space(struct worker *w)
{
    struct stress *s = w->s;
    MemTxResult result;
    AddressSpace as;

    expect(s, address_space_init(&as, &s->root, "visitor") == 0);
    (void)address_space_ldl(&as, random_place(w), MEMTXATTRS_UNSPECIFIED,
                            &result);
    expect(s, (result & ~MEMTX_DECODE_ERROR) == 0);
    expect(s, xbar_address_space_destroy(&as, NULL, NULL) == 0);
}

struct comparison {
    struct stress *s;
    uint64_t next; /* differences come in this order */
};

static bool check_difference(const FlatRange *from, const FlatRange *to,
                             void *opaque)
{
    struct comparison *c = opaque;
    const FlatRange *range = from != NULL ? from : to;

    expect(c->s, range->first >= c->next && range->first <= range->last &&
                     range->mr != NULL);
    expect(c->s, memory_region_name(range->mr)[0] != '\0');
    c->next = range->first + 1;
    return false;
}

/* A view that outlives commits and reclaims, its own and the others'. */
static void keep_view(struct worker *w)
{
    struct comparison comparison = { .s = w->s };
    FlatView *now;

    if (w->kept == NULL) {
        w->kept = xbar_view_keep(&w->s->as);
        expect(w->s, w->kept != NULL);
        return;
    }
    now = xbar_view_keep(&w->s->as);
    expect(w->s, now != NULL);
    (void)xbar_view_diff(w->kept, now, check_difference, &comparison);
    comparison.next = 0;
    (void)xbar_view_diff(now, w->kept, check_difference, &comparison);
    xbar_view_release(now);
    xbar_view_release(w->kept);
    w->kept = NULL;
}

/* The tree goes back, the other writer's regions, too, if none has ended. */
static void go_back(struct worker *w)
{
    int err;

    if (w->snapshot == NULL) {
        expect(w->s, xbar_snapshot_take(w->s->engine, &w->snapshot) == 0);
        return;
    }
    err = xbar_snapshot_restore(w->snapshot);
    expect(w->s, err == 0 || err == -ESTALE);
    atomic_fetch_add(&w->s->restored, err == 0);
    xbar_snapshot_drop(w->snapshot);
    w->snapshot = NULL;
}

static void write_once(struct worker *w)
{
    struct stress *s = w->s;
    unsigned count = 1 + (unsigned)(next_random(&w->seed) % 3);

    memory_region_transaction_begin();
    for (unsigned i = 0; i < count; i++) {
        struct slot *slot = &s->slots[w->index][next_random(&w->seed) % SLOTS];
        int state = atomic_load(&slot->state);

        if (state == FREE) {
            revive(w, slot);
        } else if (state == LIVE) {
            change(w, slot);
        }
    }
    expect(s, memory_region_transaction_commit() == 0);
    atomic_fetch_add(&s->commits, 1);
}

static void *run_writer(void *opaque)
{
    struct worker *w = opaque;

    expect(w->s, xbar_engine_enter(w->s->engine) == 0);
    while (!atomic_load(&w->s->is_over)) {
        write_once(w);
        if (next_random(&w->seed) % 64 == 0) {
            visit_space(w);
        }
        if (next_random(&w->seed) % 16 == 0) {
            keep_view(w);
        }
        if (next_random(&w->seed) % 4 == 0) {
            go_back(w);
        }
    }
    xbar_snapshot_drop(w->snapshot);
    if (w->kept != NULL) {
        xbar_view_release(w->kept);
    }
    expect(w->s, xbar_engine_leave(w->s->engine) == 0);
    return NULL;
}

static void *run_reclaimer(void *opaque)
{
    struct worker *w = opaque;
    const struct timespec pause = { .tv_nsec = 200000 };

    while (!atomic_load(&w->s->is_over)) {
        expect(w->s, xbar_engine_reclaim(w->s->engine) >= 0);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* ---- Readers ----------------------------------------------------------- */

static bool is_plausible(uint32_t word, MemTxResult result)
{
    uint32_t kind = word & 0xffff0000u;

    return result == MEMTX_OK ? kind == RAM_WORD || kind == DEVICE_WORD
                              : result == MEMTX_DECODE_ERROR && word == 0;
}

static void read_word(struct worker *w)
{
    MemTxResult result;
    uint32_t word = address_space_ldl_le(&w->s->as, random_place(w),
                                         MEMTXATTRS_UNSPECIFIED, &result);

    expect(w->s, is_plausible(word, result));
}

static void read_block(struct worker *w)
{
    uint32_t words[64];
    MemTxResult result;

    result = address_space_read(&w->s->as, random_place(w),
                                MEMTXATTRS_UNSPECIFIED, words, sizeof(words));
    for (size_t i = 0; i < 64; i++) {
        expect(w->s, is_plausible(words[i], MEMTX_OK) ||
                         (words[i] == 0 && result == MEMTX_DECODE_ERROR));
    }
}

/* A word of a region keeps its kind whatever is stored by others. */
static void write_word(struct worker *w)
{
    MemTxResult result;

    address_space_stl_le(&w->s->as, random_place(w),
                         RAM_WORD | (w->seed & 0xffff), MEMTXATTRS_UNSPECIFIED,
                         &result);
    expect(w->s, (result & ~MEMTX_DECODE_ERROR) == 0);
}

/* The fields of a section, and the region behind it, stay while read. */
static void look_up(struct worker *w)
{
    hwaddr addr = random_place(w);
    const FlatRange *range;

    xbar_read_begin();
    range = flatview_lookup(address_space_to_flatview(&w->s->as), addr);
    if (range->mr != NULL) {
        expect(w->s, range->first <= addr && addr <= range->last &&
                         range->plan != NULL &&
                         ((range->flags & FLAT_RANGE_RAM) != 0 ||
                          range->plan->ops == &device_ops));
        expect(w->s, memory_region_name(range->mr)[0] != '\0');
        expect(w->s, ((range->flags & FLAT_RANGE_RAM) != 0) ==
                         memory_region_is_ram(range->mr));
    } else {
        expect(w->s, (range->flags & FLAT_RANGE_UNASSIGNED) != 0);
    }
    xbar_read_end();
}

static void *run_reader(void *opaque)
{
    struct worker *w = opaque;

    while (!atomic_load_explicit(&w->s->is_over, memory_order_relaxed)) {
        read_word(w);
        look_up(w);
        write_word(w);
        if (w->seed % 8 == 0) {
            read_block(w);
        }
        atomic_fetch_add_explicit(&w->s->reads, 1, memory_order_relaxed);
    }
    return NULL;
}

static void on_change(struct xbar_view_subscriber *sub,
                      const struct xbar_range *ranges, size_t count)
{
    struct stress *s =
        (struct stress *)((char *)sub - offsetof(struct stress, sub));

    expect(s, count != 0);
    for (size_t i = 0; i < count; i++) {
        expect(s, ranges[i].first <= ranges[i].last &&
                      (i == 0 || ranges[i - 1].last < ranges[i].first));
    }
    atomic_fetch_add(&s->news, 1);
}

/* ---- The run ----------------------------------------------------------- */

static void init_stress(struct stress *s)
{
    s->engine = counting_alloc_engine(&s->alloc);
    assert_non_null(s->engine);
    assert_int_equal(xbar_engine_enter(s->engine), 0);
    assert_int_equal(memory_region_init(&s->root, NULL, "root", SPACE), 0);
    assert_int_equal(memory_region_init(&s->bank, NULL, "bank", SPACE), 0);
    assert_int_equal(memory_region_init_alias(&s->alias, NULL, "alias",
                                              &s->bank, 0, SPACE / 2),
                     0);
    assert_int_equal(
        memory_region_add_subregion_overlap(&s->root, 0, &s->bank, 1), 0);
    assert_int_equal(
        memory_region_add_subregion(&s->root, SPACE / 2, &s->alias), 0);
    assert_int_equal(address_space_init(&s->as, &s->root, "stress"), 0);
    s->sub.changed = on_change;
    xbar_view_subscribe(&s->as, &s->sub);
}

static void end_stress(struct stress *s)
{
    xbar_view_unsubscribe(&s->as, &s->sub);
    address_space_destroy(&s->as);
    for (int i = 0; i < WRITERS * SLOTS; i++) {
        struct slot *slot = &s->slots[i / SLOTS][i % SLOTS];

        if (atomic_load(&slot->state) == LIVE) {
            assert_int_equal(xbar_region_destroy(&slot->mr, free_slot, slot),
                             0);
        }
    }
    assert_int_equal(xbar_region_destroy(&s->alias, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&s->bank, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&s->root, NULL, NULL), 0);
    assert_int_equal(xbar_engine_leave(s->engine), 0);
    assert_int_equal(xbar_engine_free(s->engine), 0);
    assert_int_equal(atomic_load(&s->alloc.live_bytes), 0);
}

/* Not if the machine let some thread have no processor. */
static bool is_enough(struct stress *s)
{
    return atomic_load(&s->reads) > 0 && atomic_load(&s->commits) > 0 &&
           atomic_load(&s->news) > 0 && atomic_load(&s->restored) > 0;
}

static void test_readers_beside_writers(void **state)
{
    static struct stress s;
    static struct worker workers[READERS + WRITERS + 1];
    void *(*const bodies[])(void *) = { run_writer, run_writer, run_reader,
                                        run_reader, run_reader, run_reclaimer };

    (void)state;
    init_stress(&s);
    for (unsigned i = 0; i < READERS + WRITERS + 1; i++) {
        workers[i] = (struct worker){ .s = &s, .index = i, .seed = i + 1 };
        assert_int_equal(
            pthread_create(&workers[i].thread, NULL, bodies[i], &workers[i]),
            0);
    }
    for (unsigned i = 0; i == 0 || (i < 100 && !is_enough(&s)); i++) {
        sleep_for_the_run(DEFAULT_TIME);
    }
    atomic_store(&s.is_over, true);
    for (unsigned i = 0; i < READERS + WRITERS + 1; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    printf("reads %ld, commits %ld, news %ld, went back %ld\n",
           atomic_load(&s.reads), atomic_load(&s.commits), atomic_load(&s.news),
           atomic_load(&s.restored));
    assert_int_equal(atomic_load(&s.wrong), 0);
    assert_true(is_enough(&s));
    end_stress(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers_beside_writers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
