/* SPDX-License-Identifier: MIT */
/* Maps: what is direct, what bounces, who waits, and what is no map. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "engine/ram_writes.h"
#include "flatview/dirty_bitmap.h"
#include "tests/unit/flatview/board.h"

static const MemTxAttrs plain = { .unspecified = 1 };

static void unmap(struct board *b, void *host, hwaddr len, bool is_write)
{
    assert_int_equal(address_space_unmap(&b->as, host, len, is_write, len), 0);
}

static void *map(struct board *b, hwaddr addr, hwaddr want, hwaddr got,
                 bool is_write)
{
    hwaddr len = want;
    void *host = address_space_map(&b->as, addr, &len, is_write, plain);

    assert_int_equal(len, got);
    return host;
}

/* ---- Direct ------------------------------------------------------------ */

static void test_ram_is_mapped_itself(void **state)
{
    struct board *b = *state;
    unsigned char *host = map(b, 0x10, 0x20, 0x20, true);

    assert_ptr_equal(host, b->ram_bytes + 0x10);
    unmap(b, host, 0x20, true);
    host = map(b, 0x10, 0x20, 0x20, false);
    assert_ptr_equal(host, b->ram_bytes + 0x10);
    unmap(b, host, 0x20, false);
    host = map(b, 0x1010, 0x20, 0x20, false);
    assert_ptr_equal(host, b->rom_bytes + 0x10);
    unmap(b, host, 0x20, false);
    assert_int_equal(b->log_count, 0);
}

/* It ends where the memory does, though more RAM follows elsewhere. */
static void test_it_ends_with_the_region(void **state)
{
    struct board *b = *state;
    void *host = map(b, 0xff0, 0x100, 0x10, false);

    unmap(b, host, 0x10, false);
    host = map(b, 0x1ff0, UINT64_MAX, 0x10, false);
    unmap(b, host, 0x10, false);
}

/* Two aliases side by side that show the same RAM in one piece: one map. */
static void test_contiguous_sections_are_joined(void **state)
{
    struct board *b = *state;
    MemoryRegion low;
    MemoryRegion high;
    void *host;

    assert_int_equal(
        memory_region_init_alias(&low, NULL, "low", &b->ram, 0x100, 0x100), 0);
    assert_int_equal(
        memory_region_init_alias(&high, NULL, "high", &b->ram, 0x200, 0x100),
        0);
    assert_int_equal(memory_region_set_readonly(&high, true), 0);
    assert_int_equal(memory_region_add_subregion(&b->root, 0x5000, &low), 0);
    assert_int_equal(memory_region_add_subregion(&b->root, 0x5100, &high), 0);
    host = map(b, 0x5080, 0x1000, 0x180, false);
    assert_ptr_equal(host, b->ram_bytes + 0x180);
    unmap(b, host, 0x180, false);
    host = map(b, 0x5080, 0x1000, 0x80, true);
    unmap(b, host, 0x80, true);
    assert_int_equal(xbar_region_destroy(&low, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&high, NULL, NULL), 0);
}

/* ---- Bounced ----------------------------------------------------------- */

static void test_devices_are_bounced(void **state)
{
    struct board *b = *state;
    unsigned char *host = map(b, 0x20fc, 0x40, 4, false);

    assert_memory_equal(host, "\xfc\xfd\xfe\xff", 4);
    assert_int_equal(b->log_count, 1);
    unmap(b, host, 4, false);
    assert_int_equal(b->log_count, 1);
    host = map(b, 0x2010, 8, 8, true);
    memcpy(host, "\1\2\3\4\5\6\7\10", 8);
    assert_int_equal(b->log_count, 1);
    assert_int_equal(address_space_unmap(&b->as, host, 8, true, 4), 0);
    assert_int_equal(b->log_count, 2);
    assert_true(b->log[1].is_write);
    assert_int_equal(b->log[1].addr, 0x10);
    assert_int_equal(b->log[1].value, 0x04030201);
    assert_int_equal(b->log[1].size, 4);
}

static void test_read_only_paths_are_bounced(void **state)
{
    struct board *b = *state;
    unsigned char *host = map(b, 0x3000, 0x10, 0x10, true);

    assert_ptr_not_equal(host, b->ram_bytes);
    memset(host, 0xee, 0x10);
    unmap(b, host, 0x10, true);
    assert_int_equal(b->ram_bytes[0], 0);
    host = map(b, 0x1000, 0x10, 0x10, true);
    assert_ptr_not_equal(host, b->rom_bytes);
    memset(host, 0xee, 0x10);
    unmap(b, host, 0x10, true);
    assert_int_equal(b->rom_bytes[1], 1);
}

static void test_no_error_is_lost(void **state)
{
    struct board *b = *state;
    MemTxResult result = MEMTX_OK;
    hwaddr len = 4;
    unsigned char *host =
        xbar_address_space_map(&b->as, 0x2100, &len, false, plain, &result);

    assert_int_equal(len, 4);
    assert_int_equal(result, MEMTX_DECODE_ERROR);
    assert_memory_equal(host, "\0\0\0\0", 4);
    assert_int_equal(address_space_unmap(&b->as, host, 4, false, 4), -EIO);
    host = map(b, 0x2000, 4, 4, true);
    b->device_fails = true;
    assert_int_equal(address_space_unmap(&b->as, host, 4, true, 4), -EIO);
    host = map(b, 0x2000, 4, 4, true);
    assert_int_equal(address_space_unmap(&b->as, host, 4, true, 0), 0);
}

static void test_budget(void **state)
{
    struct board *b = *state;
    void *first;
    void *second;

    xbar_address_space_set_bounce_budget(&b->as, 0x18);
    first = map(b, 0x2000, 0x10, 0x10, true);
    second = map(b, 0x2010, 0x10, 0x8, true);
    assert_null(map(b, 0x2020, 0x10, 0, true));
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    unmap(b, map(b, 0x10, 0x10, 0x10, true), 0x10, true); /* RAM needs none */
    assert_int_equal(address_space_unmap(&b->as, first, 0x10, true, 0), 0);
    first = map(b, 0x2020, 0x20, 0x10, true);
    assert_non_null(first);
    assert_int_equal(address_space_unmap(&b->as, first, 0x10, true, 0), 0);
    assert_int_equal(address_space_unmap(&b->as, second, 8, true, 0), 0);
    assert_int_equal(b->log_count, 0);
}

/* ---- Mistakes ---------------------------------------------------------- */

static void test_nothing_and_nowhere(void **state)
{
    struct board *b = *state;
    void *host;

    assert_null(map(b, 0x10, 0, 0, true));
    host = map(b, UINT64_MAX - 3, 0x10, 4, false); /* no wrap */
    unmap(b, host, 4, false);
}

static void test_foreign_pointers(void **state)
{
    struct board *b = *state;
    unsigned char *host = map(b, 0x10, 0x20, 0x20, true);
    unsigned char *bounce = map(b, 0x2000, 4, 4, true);

    assert_int_equal(address_space_unmap(&b->as, NULL, 4, true, 4), -EINVAL);
    assert_int_equal(address_space_unmap(&b->as, b, 4, true, 4), -EINVAL);
    assert_int_equal(address_space_unmap(&b->as, host + 1, 4, true, 4),
                     -EINVAL);
    assert_int_equal(address_space_unmap(&b->as, bounce + 1, 1, true, 1),
                     -EINVAL);
    assert_int_equal(address_space_unmap(&b->as, host, 4, false, 4), -EINVAL);
    assert_int_equal(b->log_count, 0);
    unmap(b, host, 0x20, true);
    assert_int_equal(address_space_unmap(&b->as, host, 4, true, 4), -EINVAL);
    unmap(b, bounce, 4, true);
    assert_int_equal(address_space_unmap(&b->as, bounce, 4, true, 4), -EINVAL);
}

static void test_an_address_space_waits_for_its_maps(void **state)
{
    struct board *b = *state;
    AddressSpace other;
    hwaddr len = 4;
    void *host;

    assert_int_equal(address_space_init(&other, &b->root, "other"), 0);
    host = address_space_map(&other, 0x10, &len, true, plain);
    assert_int_equal(xbar_address_space_destroy(&other, NULL, NULL), -EBUSY);
    assert_int_equal(address_space_unmap(&b->as, host, 4, true, 4), -EINVAL);
    assert_int_equal(address_space_unmap(&other, host, 4, true, 4), 0);
    assert_int_equal(xbar_address_space_destroy(&other, NULL, NULL), 0);
}

/* ---- Many, and long ---------------------------------------------------- */

/* More than the slots hold; some of them the same. */
static void test_many_at_once(void **state)
{
    struct board *b = *state;
    void *host[300];

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 300; i++) {
            host[i] = map(b, i / 2 * 4, 4, 4, i % 3 == 0);
            assert_ptr_equal(host[i], b->ram_bytes + i / 2 * 4);
        }
        for (unsigned i = 300; i-- > 0;) {
            unmap(b, host[i], 4, i % 3 == 0);
        }
        assert_int_equal(address_space_unmap(&b->as, host[0], 4, true, 4),
                         -EINVAL);
    }
}

static void note(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    *(bool *)opaque = true;
}

static void test_a_map_pins_its_region(void **state)
{
    struct board *b = *state;
    bool is_done = false;
    MemoryRegion ram;
    unsigned char *host;

    assert_int_equal(memory_region_init_ram(&ram, NULL, "extra", 0x1000, NULL),
                     0);
    assert_int_equal(memory_region_add_subregion(&b->root, 0x8000, &ram), 0);
    host = map(b, 0x8000, 0x1000, 0x1000, true);
    assert_int_equal(xbar_region_destroy(&ram, note, &is_done), 0);
    for (unsigned i = 0; i < 3; i++) {
        xbar_engine_reclaim(b->engine);
    }
    assert_false(is_done);
    memset(host, 0x55, 0x1000);
    unmap(b, host, 0x1000, true);
    xbar_engine_reclaim(b->engine);
    xbar_engine_reclaim(b->engine);
    assert_true(is_done);
}

/* Sanitizers keep what is freed for a while. */
#if defined(TESTS_UNDER_ASAN) || defined(TESTS_UNDER_TSAN)
#define GROWTH_KIB (256 << 10)
#else
#define GROWTH_KIB 256
#endif

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return pages * 4;
}

static void test_a_million_cycles_without_growth(void **state)
{
    struct board *b = *state;
    long before = 0;

    for (unsigned i = 0; i < 1000000; i++) {
        hwaddr addr = i % 7 == 0 ? 0x3000 : (i * 8) % 0x1000;
        hwaddr len = 8;
        bool is_write = (i & 1) != 0;
        void *host = address_space_map(&b->as, addr, &len, is_write, plain);

        assert_non_null(host);
        if (address_space_unmap(&b->as, host, len, is_write, len) != 0) {
            fail();
        }
        if (i == 10000) {
            before = resident_kib();
        }
    }
    assert_in_range(resident_kib(), 0, before + GROWTH_KIB);
}

/* ---- Code tracking ----------------------------------------------------- */

static void test_writes_are_told_all_the_time(void **state)
{
    struct board *b = *state;
    uint64_t count;
    void *host;

    xbar_ram_writes_watch(b->engine, true);
    count = xbar_ram_writes_count(b->engine);
    assert_int_equal(xbar_ram_writes_count(b->engine), count);
    host = map(b, 0x10, 4, 4, false);
    assert_int_equal(xbar_ram_writes_count(b->engine), count);
    unmap(b, host, 4, false);
    assert_int_equal(xbar_ram_writes_count(b->engine), count);

    host = map(b, 0x10, 4, 4, true);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t now = xbar_ram_writes_count(b->engine);

        assert_int_not_equal(now, count);
        count = now;
    }
    unmap(b, host, 4, true);
    assert_int_not_equal(xbar_ram_writes_count(b->engine), count);
    count = xbar_ram_writes_count(b->engine);
    assert_int_equal(xbar_ram_writes_count(b->engine), count);
    xbar_ram_writes_watch(b->engine, false);
}

/* Both ends: a log that is cleared in between hears of it again. */
static void test_dirty_logs_hear_of_both_ends(void **state)
{
    struct board *b = *state;
    void *host;

    assert_int_equal(memory_region_set_log(&b->ram, true, 0), 0);
    memory_region_reset_dirty(&b->ram, 0, 0x1000, 0);
    unmap(b, map(b, 0x10, 4, 4, false), 4, false);
    assert_false(memory_region_get_dirty(&b->ram, 0, 0x1000, 0));
    host = map(b, 0x10, 4, 4, true);
    assert_true(memory_region_test_and_clear_dirty(&b->ram, 0, 0x1000, 0));
    assert_int_equal(address_space_unmap(&b->as, host, 4, true, 0), 0);
    assert_false(memory_region_get_dirty(&b->ram, 0, 0x1000, 0));
    host = map(b, 0x10, 4, 4, true);
    memory_region_reset_dirty(&b->ram, 0, 0x1000, 0);
    assert_int_equal(address_space_unmap(&b->as, host, 4, true, 1), 0);
    assert_true(memory_region_get_dirty(&b->ram, 0, 0x1000, 0));
    assert_int_equal(memory_region_set_log(&b->ram, false, 0), 0);
}

/* ---- Who waits --------------------------------------------------------- */

struct waiter {
    AddressSpaceMapClient client;
    struct board *b;
    unsigned *turn;
    unsigned called_at; /* 0: not yet */
    hwaddr want;
    hwaddr got;
    void *host;
};

static void take_turn(void *opaque)
{
    struct waiter *w = opaque;

    w->called_at = ++*w->turn;
    w->got = w->want;
    w->host = address_space_map(&w->b->as, 0x2000, &w->got, true, plain);
}

static void set_up_waiters(struct waiter *w, unsigned n, struct board *b,
                           unsigned *turn)
{
    memset(w, 0, n * sizeof(*w));
    for (unsigned i = 0; i < n; i++) {
        w[i].client.cb = take_turn;
        w[i].client.opaque = &w[i];
        w[i].b = b;
        w[i].turn = turn;
        w[i].want = 8;
    }
}

static void end_bounce(struct board *b, void *host, hwaddr len)
{
    assert_int_equal(address_space_unmap(&b->as, host, len, true, 0), 0);
}

static void test_waiters_are_called_in_order(void **state)
{
    struct board *b = *state;
    struct waiter w[3];
    unsigned turn = 0;
    void *all;

    set_up_waiters(w, 3, b, &turn);
    xbar_address_space_set_bounce_budget(&b->as, 16);
    all = map(b, 0x2000, 16, 16, true);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(
            address_space_register_map_client(&b->as, &w[i].client), 0);
        assert_int_equal(
            address_space_register_map_client(&b->as, &w[i].client), -EEXIST);
    }
    assert_int_equal(turn, 0);
    end_bounce(b, all, 16);
    assert_int_equal(w[0].called_at, 1);
    assert_int_equal(w[1].called_at, 2);
    assert_int_equal(w[2].called_at, 0);
    assert_int_equal(w[0].got, 8);
    assert_int_equal(w[1].got, 8);
    end_bounce(b, w[1].host, 8);
    assert_int_equal(w[2].called_at, 3);
    end_bounce(b, w[0].host, 8);
    end_bounce(b, w[2].host, 8);
    assert_int_equal(turn, 3);
}

static void *try_to_overtake(void *opaque)
{
    struct waiter *w = opaque;
    hwaddr len = 4;

    return address_space_map(&w->b->as, 0x2000, &len, true, plain);
}

/* Its turn; but first another thread has a go. */
static void be_slow(void *opaque)
{
    struct waiter *w = opaque;
    void *host = NULL;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, try_to_overtake, w), 0);
    assert_int_equal(pthread_join(thread, &host), 0);
    assert_null(host);
    take_turn(opaque);
}

/* Bytes are free, but it is a client's turn: nobody else gets any. */
static void test_nobody_overtakes(void **state)
{
    struct board *b = *state;
    struct waiter w[2];
    unsigned turn = 0;
    void *all;

    set_up_waiters(w, 2, b, &turn);
    w[0].client.cb = be_slow;
    w[1].client.cb = be_slow;
    xbar_address_space_set_bounce_budget(&b->as, 16);
    all = map(b, 0x2000, 16, 16, true);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(
            address_space_register_map_client(&b->as, &w[i].client), 0);
    }
    assert_null(map(b, 0x2000, 4, 0, true));
    end_bounce(b, all, 16);
    assert_int_equal(w[0].got, 8);
    assert_int_equal(w[1].got, 8);
    end_bounce(b, w[0].host, 8);
    end_bounce(b, w[1].host, 8);
}

static void test_waiting_for_what_is_free(void **state)
{
    struct board *b = *state;
    struct waiter w[2];
    unsigned turn = 0;
    void *all;

    set_up_waiters(w, 2, b, &turn);
    assert_int_equal(address_space_register_map_client(&b->as, &w[0].client),
                     0);
    assert_int_equal(w[0].called_at, 1);
    end_bounce(b, w[0].host, 8);
    xbar_address_space_set_bounce_budget(&b->as, 8);
    all = map(b, 0x2000, 8, 8, true);
    assert_int_equal(address_space_register_map_client(&b->as, &w[0].client),
                     0);
    assert_int_equal(address_space_register_map_client(&b->as, &w[1].client),
                     0);
    address_space_unregister_map_client(&b->as, &w[0].client);
    address_space_unregister_map_client(&b->as, &w[0].client);
    end_bounce(b, all, 8);
    assert_int_equal(w[0].called_at, 1);
    assert_int_equal(w[1].called_at, 2);
    end_bounce(b, w[1].host, 8);
}

/* ---- Threads ----------------------------------------------------------- */

#define THREAD_ROUNDS 20000

struct mapper {
    struct board *b;
    pthread_t thread;
    unsigned seed;
    AddressSpaceMapClient client;
    unsigned woken;
    unsigned failures;
};

static void wake(void *opaque)
{
    __atomic_fetch_add((unsigned *)opaque, 1, __ATOMIC_RELEASE);
}

/* No bytes: wait to be called. */
static void wait_for_bytes(struct mapper *m)
{
    unsigned before = __atomic_load_n(&m->woken, __ATOMIC_ACQUIRE);

    m->client.cb = wake;
    m->client.opaque = &m->woken;
    if (address_space_register_map_client(&m->b->as, &m->client) != 0) {
        m->failures++;
    }
    while (__atomic_load_n(&m->woken, __ATOMIC_ACQUIRE) == before) {
        sched_yield();
    }
}

static void *map_and_unmap(void *opaque)
{
    struct mapper *m = opaque;

    for (unsigned i = 0; i < THREAD_ROUNDS; i++) {
        bool is_ram = (m->seed = m->seed * 1664525 + 1013904223) >> 30 != 0;
        hwaddr len = 8;
        void *host = address_space_map(&m->b->as, is_ram ? 0x40 : 0x3000, &len,
                                       true, plain);

        if (host == NULL) {
            wait_for_bytes(m);
        } else if (address_space_unmap(&m->b->as, host, len, true, len) != 0) {
            m->failures++;
        }
    }
    address_space_unregister_map_client(&m->b->as, &m->client);
    return NULL;
}

static void test_threads(void **state)
{
    struct board *b = *state;
    struct mapper m[4];

    memset(m, 0, sizeof(m));
    xbar_address_space_set_bounce_budget(&b->as, 12);
    for (unsigned i = 0; i < 4; i++) {
        m[i].b = b;
        m[i].seed = i;
        assert_int_equal(
            pthread_create(&m[i].thread, NULL, map_and_unmap, &m[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(m[i].thread, NULL), 0);
        assert_int_equal(m[i].failures, 0);
    }
    unmap(b, map(b, 0x2000, 12, 12, true), 12, true); /* nothing is lost */
}

#define BOARD_TEST(name) \
    cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOARD_TEST(test_ram_is_mapped_itself),
        BOARD_TEST(test_it_ends_with_the_region),
        BOARD_TEST(test_contiguous_sections_are_joined),
        BOARD_TEST(test_devices_are_bounced),
        BOARD_TEST(test_read_only_paths_are_bounced),
        BOARD_TEST(test_no_error_is_lost),
        BOARD_TEST(test_budget),
        BOARD_TEST(test_nothing_and_nowhere),
        BOARD_TEST(test_foreign_pointers),
        BOARD_TEST(test_an_address_space_waits_for_its_maps),
        BOARD_TEST(test_many_at_once),
        BOARD_TEST(test_a_map_pins_its_region),
        BOARD_TEST(test_a_million_cycles_without_growth),
        BOARD_TEST(test_writes_are_told_all_the_time),
        BOARD_TEST(test_dirty_logs_hear_of_both_ends),
        BOARD_TEST(test_waiters_are_called_in_order),
        BOARD_TEST(test_nobody_overtakes),
        BOARD_TEST(test_waiting_for_what_is_free),
        BOARD_TEST(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
