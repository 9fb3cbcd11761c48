/* SPDX-License-Identifier: MIT */
/* Eventfds and coalesced writes: what the device sees, and the listeners. */
#include "flatview/deferred_writes.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/dispatch.h"
#include "engine/engine.h"
#include "flatview/listener.h"
#include "tests/unit/flatview/board.h"

#define DEV ((hwaddr)0x2000)

static MemTxAttrs attrs;

/* A little-endian write of @size bytes to the board's device. */
static MemTxResult put(struct board *b, hwaddr offset, unsigned size,
                       uint64_t value)
{
    return address_space_write(&b->as, DEV + offset, attrs, &value, size);
}

static bool fired(EventNotifier *e)
{
    return event_notifier_test_and_clear(e);
}

/* ---- Eventfds ---------------------------------------------------------- */

static void test_notifier(void **state)
{
    EventNotifier e;

    (void)state;
    assert_int_equal(event_notifier_init(&e, 1), 0);
    assert_true(fired(&e));
    assert_false(fired(&e));
    assert_int_equal(event_notifier_set(&e), 0);
    assert_int_equal(event_notifier_set(&e), 0);
    assert_true(fired(&e));
    event_notifier_cleanup(&e);
    event_notifier_cleanup(&e);
    assert_int_equal(event_notifier_set(&e), -EBADF);
    assert_false(fired(&e));
}

static void test_sizes_and_data(void **state)
{
    struct board *b = *state;
    EventNotifier any, four, match;

    assert_int_equal(event_notifier_init(&any, 0), 0);
    assert_int_equal(event_notifier_init(&four, 0), 0);
    assert_int_equal(event_notifier_init(&match, 0), 0);
    assert_int_equal(
        memory_region_add_eventfd(&b->device, 0x10, 0, true, 7, &any), 0);
    assert_int_equal(
        memory_region_add_eventfd(&b->device, 0x20, 4, false, 0, &four), 0);
    assert_int_equal(
        memory_region_add_eventfd(&b->device, 0x30, 2, true, 0xfff1234, &match),
        0);

    for (unsigned size = 1; size <= 4; size *= 2) {
        assert_int_equal(put(b, 0x10, size, size), MEMTX_OK);
        assert_true(fired(&any));
        assert_int_equal(put(b, 0x20, size, size), MEMTX_OK);
        assert_int_equal(fired(&four), size == 4);
        assert_int_equal(put(b, 0x30, size, 0x1234), MEMTX_OK);
        assert_int_equal(fired(&match), size == 2);
    }
    assert_int_equal(b->log_count, 4); /* 1 and 2 at 0x20; 1 and 4 at 0x30 */
    assert_int_equal(put(b, 0x30, 2, 0x1235), MEMTX_OK);
    assert_int_equal(b->log_count, 5);
    /* Beside it, and reads: the device's. */
    assert_int_equal(put(b, 0x14, 4, 0), MEMTX_OK);
    (void)address_space_ldl(&b->as, DEV + 0x10, attrs, NULL);
    assert_int_equal(b->log_count, 7);
    assert_false(fired(&any) || fired(&four) || fired(&match));

    /* By the region, and by a store of fixed width. */
    assert_int_equal(
        memory_region_dispatch_write(&b->device, 0x20, 1, MO_LE | MO_32, attrs),
        MEMTX_OK);
    assert_true(fired(&four));
    address_space_stw_le(&b->as, DEV + 0x30, 0x1234, attrs, NULL);
    assert_true(fired(&match));
    address_space_stw_be(&b->as, DEV + 0x30, 0x3412, attrs, NULL);
    assert_true(fired(&match));
    assert_int_equal(b->log_count, 7);

    event_notifier_cleanup(&any);
    event_notifier_cleanup(&match);
    /* Closed, and still there: it has a descriptor of its own. */
    assert_int_equal(put(b, 0x10, 4, 1), MEMTX_OK);
    assert_int_equal(b->log_count, 7);
    event_notifier_cleanup(&four);
}

/* What `valid` refuses signals nothing. */
static void test_valid_comes_first(void **state)
{
    struct board *b = *state;
    EventNotifier e;

    assert_int_equal(event_notifier_init(&e, 0), 0);
    assert_int_equal(
        memory_region_add_eventfd(&b->device, 0x10, 8, false, 0, &e), 0);
    assert_int_equal(
        memory_region_add_eventfd(&b->device, 0x21, 0, false, 0, &e), 0);
    assert_int_equal(
        memory_region_dispatch_write(&b->device, 0x10, 1, MO_64, attrs),
        MEMTX_DECODE_ERROR);
    assert_int_equal(
        memory_region_dispatch_write(&b->device, 0x21, 1, MO_32, attrs),
        MEMTX_DECODE_ERROR);
    assert_false(fired(&e));
    event_notifier_cleanup(&e);
}

static void test_several_and_exact_deletion(void **state)
{
    struct board *b = *state;
    MemoryRegion *mr = &b->device;
    EventNotifier e[3];

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(event_notifier_init(&e[i], 0), 0);
    }
    /* Two that differ in nothing but the notifier. */
    assert_int_equal(memory_region_add_eventfd(mr, 0, 0, false, 0, &e[0]), 0);
    assert_int_equal(memory_region_add_eventfd(mr, 0, 0, false, 0, &e[1]), 0);
    assert_int_equal(memory_region_add_eventfd(mr, 0, 4, true, 5, &e[2]), 0);
    assert_int_equal(memory_region_add_eventfd(mr, 0, 0, false, 0, &e[0]),
                     -EEXIST);
    assert_int_equal(put(b, 0, 4, 5), MEMTX_OK);
    assert_true(fired(&e[0]));
    assert_false(fired(&e[1]) || fired(&e[2]));

    assert_int_equal(memory_region_del_eventfd(mr, 0, 0, false, 0, &e[2]),
                     -ENOENT);
    assert_int_equal(memory_region_del_eventfd(mr, 0, 4, true, 6, &e[2]),
                     -ENOENT);
    assert_int_equal(memory_region_del_eventfd(mr, 0, 0, false, 0, &e[0]), 0);
    assert_int_equal(memory_region_del_eventfd(mr, 0, 0, false, 0, &e[0]),
                     -ENOENT);
    assert_int_equal(put(b, 0, 4, 5), MEMTX_OK);
    assert_true(fired(&e[1]));
    assert_int_equal(memory_region_del_eventfd(mr, 0, 0, false, 0, &e[1]), 0);
    assert_int_equal(put(b, 0, 4, 5), MEMTX_OK);
    assert_true(fired(&e[2]));
    assert_int_equal(put(b, 0, 4, 6), MEMTX_OK);
    assert_int_equal(b->log_count, 1);
    for (unsigned i = 0; i < 3; i++) {
        event_notifier_cleanup(&e[i]);
    }
}

static void test_misuse(void **state)
{
    struct board *b = *state;
    EventNotifier e = { -1, -1, false };
    EventNotifier closed = { 1000000, 1000000, true };

    assert_int_equal(memory_region_add_eventfd(&b->device, 0, 4, false, 0, &e),
                     -EINVAL);
    assert_int_equal(
        memory_region_add_eventfd(&b->device, 0, 4, false, 0, NULL), -EINVAL);
    assert_int_equal(
        memory_region_add_eventfd(&b->device, 0, 4, false, 0, &closed), -EBADF);
    assert_int_equal(event_notifier_init(&e, 0), 0);
    assert_int_equal(memory_region_add_eventfd(&b->ram, 0, 4, false, 0, &e),
                     -EINVAL);
    assert_int_equal(memory_region_add_eventfd(NULL, 0, 4, false, 0, &e),
                     -EINVAL);
    assert_int_equal(memory_region_add_eventfd(&b->device, 0, 3, false, 0, &e),
                     -EINVAL);
    assert_int_equal(memory_region_add_eventfd(&b->device, 0, 16, false, 0, &e),
                     -EINVAL);
    assert_int_equal(
        memory_region_add_eventfd(&b->device, UINT64_MAX, 2, false, 0, &e),
        -EINVAL);
    assert_int_equal(memory_region_del_eventfd(&b->device, 0, 4, false, 0, &e),
                     -ENOENT);
    assert_int_equal(memory_region_add_coalescing(&b->ram, 0, 4), -EINVAL);
    assert_int_equal(memory_region_add_coalescing(&b->device, 0, 0), -EINVAL);
    assert_int_equal(memory_region_clear_coalescing(&b->root), -EINVAL);
    assert_int_equal(put(b, 0, 4, 5), MEMTX_OK);
    assert_int_equal(b->log_count, 1);
    event_notifier_cleanup(&e);
}

/* ---- Coalesced writes -------------------------------------------------- */

static void count_pending(void *opaque)
{
    __atomic_fetch_add((unsigned *)opaque, 1, __ATOMIC_RELAXED);
}

struct queued {
    struct board board;
    unsigned pending;
};

static void expect_log(struct board *b, const char *offsets)
{
    char text[128] = "";

    for (unsigned i = 0; i < b->log_count; i++) {
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%llx ",
                 b->log[i].is_write ? "w" : "r",
                 (unsigned long long)b->log[i].addr);
    }
    assert_string_equal(text, offsets);
    b->log_count = 0;
}

static void test_order(void **state)
{
    struct queued *q = *state;
    struct board *b = &q->board;

    assert_int_equal(memory_region_add_coalescing(&b->device, 0x10, 0x10), 0);
    assert_int_equal(put(b, 0x10, 4, 1), MEMTX_OK);
    assert_int_equal(put(b, 0x1c, 4, 2), MEMTX_OK);
    assert_int_equal(put(b, 0x10, 1, 3), MEMTX_OK);
    expect_log(b, "");
    assert_int_equal(q->pending, 1);
    (void)address_space_ldl(&b->as, DEV + 0x40, attrs, NULL);
    expect_log(b, "w10 w1c w10 r40 ");

    assert_int_equal(put(b, 0x14, 4, 1), MEMTX_OK);
    assert_int_equal(q->pending, 2);
    assert_int_equal(put(b, 0x20, 4, 1), MEMTX_OK); /* just outside */
    expect_log(b, "w14 w20 ");

    assert_int_equal(put(b, 0x18, 4, 1), MEMTX_OK);
    assert_int_equal(xbar_engine_flush_coalesced(b->engine), 0);
    assert_int_equal(xbar_engine_flush_coalesced(b->engine), 0);
    expect_log(b, "w18 ");

    assert_int_equal(put(b, 0x18, 4, 1), MEMTX_OK);
    assert_int_equal(memory_region_clear_coalescing(&b->device), 0);
    expect_log(b, "w18 ");
    assert_int_equal(put(b, 0x18, 4, 1), MEMTX_OK);
    expect_log(b, "w18 ");
}

static void test_all_of_it_and_flushing_others(void **state)
{
    struct queued *q = *state;
    struct board *b = &q->board;

    assert_int_equal(memory_region_set_coalescing(&b->device), 0);
    assert_int_equal(memory_region_set_flush_coalesced(&b->edge), 0);
    assert_int_equal(put(b, 0, 4, 1), MEMTX_OK);
    (void)address_space_ldl(&b->as, UINT64_MAX - 15, attrs, NULL);
    expect_log(b, "w0 r0 ");
    assert_int_equal(put(b, 4, 4, 1), MEMTX_OK);
    assert_int_equal(memory_region_clear_flush_coalesced(&b->edge), 0);
    expect_log(b, "w4 ");
    assert_int_equal(put(b, 8, 4, 1), MEMTX_OK);
    (void)address_space_ldl(&b->as, UINT64_MAX - 15, attrs, NULL);
    expect_log(b, "r0 ");
    assert_int_equal(memory_region_clear_coalescing(&b->device), 0);
    expect_log(b, "w8 ");
}

static void test_full_queue(void **state)
{
    struct queued *q = *state;
    struct board *b = &q->board;

    assert_int_equal(memory_region_set_coalescing(&b->device), 0);
    for (unsigned i = 0; i < 128; i++) {
        assert_int_equal(put(b, 4 * (i % 32), 4, i), MEMTX_OK);
        assert_int_equal(b->log_count, 0);
    }
    /* The 129th delivers, and is made itself: more than the log holds. */
    b->quiet = true;
    assert_int_equal(put(b, 0, 4, 0), MEMTX_OK);
    assert_int_equal(b->quiet_count, 129);
    b->quiet = false;
}

/* It would deliver under the writer lock, where no device may be called. */
static void test_flush_in_a_transaction(void **state)
{
    struct queued *q = *state;
    struct board *b = &q->board;

    assert_int_equal(memory_region_set_coalescing(&b->device), 0);
    assert_int_equal(put(b, 0, 4, 1), MEMTX_OK);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_enabled(&b->ram, false), 0);
    assert_int_equal(xbar_engine_flush_coalesced(b->engine), -EDEADLK);
    assert_int_equal(memory_region_transaction_commit(), 0);
    expect_log(b, "");
    assert_int_equal(xbar_engine_flush_coalesced(b->engine), 0);
    expect_log(b, "w0 ");
}

/* Nobody sees to queues: writes are made at once. */
static void test_no_queue_without_a_hook(void **state)
{
    struct board *b = *state;

    assert_int_equal(memory_region_set_coalescing(&b->device), 0);
    assert_int_equal(put(b, 8, 4, 1), MEMTX_OK);
    expect_log(b, "w8 ");
}

/* ---- Listeners --------------------------------------------------------- */

static char heard[1024];

static void hear(const char *what, hwaddr at, uint64_t size, uint64_t data)
{
    size_t n = strlen(heard);

    snprintf(heard + n, sizeof(heard) - n, "%s %llx+%llx %llx\n", what,
             (unsigned long long)at, (unsigned long long)size,
             (unsigned long long)data);
}

static void on_eventfd_add(MemoryListener *l, MemoryRegionSection *s,
                           bool match_data, uint64_t data, EventNotifier *e)
{
    (void)l;
    assert_non_null(e);
    hear(match_data ? "add?" : "add", s->offset_within_address_space,
         (uint64_t)s->size, data);
}

static void on_eventfd_del(MemoryListener *l, MemoryRegionSection *s,
                           bool match_data, uint64_t data, EventNotifier *e)
{
    (void)l;
    assert_non_null(e);
    hear(match_data ? "del?" : "del", s->offset_within_address_space,
         (uint64_t)s->size, data);
}

static void on_coalesced_add(MemoryListener *l, MemoryRegionSection *s,
                             hwaddr addr, hwaddr len)
{
    (void)l;
    assert_true(addr >= s->offset_within_address_space);
    hear("co+", addr, len, 0);
}

static void on_coalesced_del(MemoryListener *l, MemoryRegionSection *s,
                             hwaddr addr, hwaddr len)
{
    (void)l;
    assert_true(addr >= s->offset_within_address_space);
    hear("co-", addr, len, 0);
}

static void expect(const char *text)
{
    assert_string_equal(heard, text);
    heard[0] = '\0';
}

static void test_listeners(void **state)
{
    struct board *b = *state;
    MemoryListener ear = {
        .eventfd_add = on_eventfd_add,
        .eventfd_del = on_eventfd_del,
        .coalesced_io_add = on_coalesced_add,
        .coalesced_io_del = on_coalesced_del,
    };
    EventNotifier e;

    heard[0] = '\0';
    assert_int_equal(event_notifier_init(&e, 0), 0);
    assert_int_equal(
        memory_region_add_eventfd(&b->device, 0x10, 4, true, 9, &e), 0);
    assert_int_equal(memory_listener_register(&ear, &b->as), 0);
    expect("add? 2010+4 9\n");
    assert_int_equal(
        memory_region_add_eventfd(&b->device, 0x80, 0, false, 0, &e), 0);
    expect("add 2080+0 0\n");
    assert_int_equal(memory_region_add_coalescing(&b->device, 0xc0, 0x100), 0);
    expect("co+ 20c0+40 0\n");

    /* With the region, and no more than what moved. */
    assert_int_equal(memory_region_set_address(&b->device, 0x5000), 0);
    expect("del? 2010+4 9\ndel 2080+0 0\nco- 20c0+40 0\n"
           "add? 5010+4 9\nadd 5080+0 0\nco+ 50c0+40 0\n");
    assert_int_equal(memory_region_set_size(&b->device, 0x40), 0);
    expect("del 5080+0 0\nco- 50c0+40 0\n");
    assert_int_equal(memory_region_set_size(&b->device, 0x100), 0);
    expect("add 5080+0 0\nco+ 50c0+40 0\n");

    assert_int_equal(
        memory_region_del_eventfd(&b->device, 0x80, 0, false, 0, &e), 0);
    expect("del 5080+0 0\n");
    assert_int_equal(memory_region_clear_coalescing(&b->device), 0);
    expect("co- 50c0+40 0\n");
    assert_int_equal(memory_listener_unregister(&ear), 0);
    expect("del? 5010+4 9\n");
    event_notifier_cleanup(&e);
}

/* ---- Threads ----------------------------------------------------------- */

#if defined(TESTS_UNDER_ASAN) || defined(TESTS_UNDER_TSAN)
#define WRITES 20000u
#else
#define WRITES 100000u
#endif

struct race {
    struct board *board;
    MemoryRegion mr; /* 0x100 bytes at 0x8000 */
    unsigned reached;
    unsigned running; /* atomic */
    uint32_t last[2]; /* of each writer, under the machine's lock */
    bool is_disordered;
};

static void count_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct race *r = opaque;
    unsigned writer = addr >= 0x40;

    (void)size;
    r->reached++;
    r->is_disordered |= data <= r->last[writer];
    r->last[writer] = (uint32_t)data;
}

static uint64_t read_zero(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)size;
    return 0;
}

static const MemoryRegionOps race_ops = {
    .read = read_zero,
    .write = count_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
};

static void *write_low(void *opaque)
{
    struct race *r = opaque;

    for (uint32_t i = 1; i <= WRITES; i++) {
        address_space_stl_le(&r->board->as, 0x8010, i, attrs, NULL);
    }
    __atomic_fetch_sub(&r->running, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void *write_high(void *opaque)
{
    struct race *r = opaque;

    for (uint32_t i = 1; i <= WRITES; i++) {
        address_space_stl_le(&r->board->as, 0x8040, i, attrs, NULL);
        if (i % 64 == 0) {
            (void)address_space_ldl_le(&r->board->as, 0x8080, attrs, NULL);
        }
    }
    __atomic_fetch_sub(&r->running, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void start_race(struct race *r, struct board *b, pthread_t *threads)
{
    memset(r, 0, sizeof(*r));
    r->board = b;
    r->running = 2;
    assert_int_equal(
        memory_region_init_io(&r->mr, NULL, &race_ops, r, "race", 0x100), 0);
    assert_int_equal(memory_region_add_subregion(&b->root, 0x8000, &r->mr), 0);
    assert_int_equal(pthread_create(&threads[0], NULL, write_low, r), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, write_high, r), 0);
}

static void end_race(struct race *r, const pthread_t *threads)
{
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    (void)xbar_engine_flush_coalesced(r->board->engine);
    assert_false(r->is_disordered);
    assert_int_equal(xbar_region_destroy(&r->mr, NULL, NULL), 0);
}

/* Each write is a signal, or reaches the device, and never both. */
static void test_eventfds_come_and_go_under_writers(void **state)
{
    uint64_t signals = 0;
    uint64_t counter;
    pthread_t threads[2];
    struct race r;
    EventNotifier e;

    assert_int_equal(event_notifier_init(&e, 0), 0);
    start_race(&r, *state, threads);
    while (__atomic_load_n(&r.running, __ATOMIC_ACQUIRE) != 0) {
        assert_int_equal(
            memory_region_add_eventfd(&r.mr, 0x10, 4, false, 0, &e), 0);
        assert_int_equal(
            memory_region_del_eventfd(&r.mr, 0x10, 4, false, 0, &e), 0);
        (void)xbar_engine_reclaim(r.board->engine);
    }
    end_race(&r, threads);
    if (read(event_notifier_get_fd(&e), &counter, sizeof(counter)) > 0) {
        signals = counter;
    }
    assert_int_equal(r.reached + signals, 2 * WRITES);
    event_notifier_cleanup(&e);
}

static void test_coalescing_comes_and_goes_under_writers(void **state)
{
    struct queued *q = *state;
    pthread_t threads[2];
    struct race r;

    start_race(&r, &q->board, threads);
    while (__atomic_load_n(&r.running, __ATOMIC_ACQUIRE) != 0) {
        assert_int_equal(memory_region_add_coalescing(&r.mr, 0, 0x80), 0);
        assert_int_equal(memory_region_clear_coalescing(&r.mr), 0);
        (void)xbar_engine_reclaim(r.board->engine);
    }
    end_race(&r, threads);
    assert_int_equal(r.reached, 2 * WRITES);
}

/* ---- Set-up ------------------------------------------------------------ */

static int set_up_queued(void **state)
{
    struct queued *q = aligned_alloc(64, (sizeof(*q) + 63) / 64 * 64);
    struct xbar_engine_config config = { .coalesced = count_pending,
                                         .coalesced_opaque = &q->pending };

    q->pending = 0;
    *state = q;
    return board_set_up_with(&q->board, &config);
}

#define TEST(fn) \
    cmocka_unit_test_setup_teardown(fn, board_set_up, board_tear_down)
#define QUEUED(fn) \
    cmocka_unit_test_setup_teardown(fn, set_up_queued, board_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_notifier),
        TEST(test_sizes_and_data),
        TEST(test_valid_comes_first),
        TEST(test_several_and_exact_deletion),
        TEST(test_misuse),
        QUEUED(test_order),
        QUEUED(test_all_of_it_and_flushing_others),
        QUEUED(test_full_queue),
        QUEUED(test_flush_in_a_transaction),
        TEST(test_no_queue_without_a_hook),
        TEST(test_listeners),
        TEST(test_eventfds_come_and_go_under_writers),
        QUEUED(test_coalescing_comes_and_goes_under_writers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
