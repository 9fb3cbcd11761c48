/* SPDX-License-Identifier: MIT */
/*
 * The transport and the queues, through the simplest device, entropy: once
 * with an I/O thread and once without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "virtio/device.h"
#include "virtio_driver.h"

#define BUF UINT64_C(0x1000)

static const struct virtio_config rng_config = { .has_rng = true };

static int set_up_sync(void **state)
{
    *state = test_malloc(sizeof(struct virtio_world));
    world_make(*state, &rng_config, true);
    return 0;
}

static int set_up_async(void **state)
{
    *state = test_malloc(sizeof(struct virtio_world));
    world_make(*state, &rng_config, false);
    return 0;
}

static int tear_down(void **state)
{
    world_free(*state);
    test_free(*state);
    return 0;
}

static void start(struct virtio_world *w, struct virtio_ring *ring,
                  uint64_t features)
{
    driver_negotiate(w, VIRTIO_F_VERSION_1 | features);
    driver_add_queue(w, ring, 0, 8);
    driver_run(w);
    assert_int_equal(world_get(w, 0x070), 15);
}

/* ---- Registers --------------------------------------------------------- */

static void test_identity(void **state)
{
    struct virtio_world *w = *state;

    assert_int_equal(world_get(w, 0x000), 0x74726976);
    assert_int_equal(world_get(w, 0x004), 2);
    assert_int_equal(world_get(w, 0x008), 4);
    assert_int_equal(world_get(w, 0x034), 8);
    world_put(w, 0x030, 1);
    assert_int_equal(world_get(w, 0x034), 0); /* there is no such queue */
    world_put(w, 0x014, 1);
    assert_int_equal(world_get(w, 0x010), 1); /* VERSION_1 */
    world_put(w, 0x014, 2);
    assert_int_equal(world_get(w, 0x010), 0);
    assert_int_equal(world_get(w, 0x0b0), UINT32_MAX);
    assert_int_equal(world_get(w, 0x0bc), UINT32_MAX);
    assert_int_equal(ram_get(w, w->base, 1), 0); /* not 4 bytes */
    assert_int_equal(ram_get(w, w->base, 8), UINT64_C(0x274726976));
}

static void test_empty_slot(void **state)
{
    struct virtio_world *w = *state;

    world_select(w, 2); /* past the power key */
    assert_int_equal(world_get(w, 0x000), 0x74726976);
    assert_int_equal(world_get(w, 0x004), 2);
    assert_int_equal(world_get(w, 0x008), 0);
    driver_negotiate(w, VIRTIO_F_VERSION_1);
    assert_int_equal(world_get(w, 0x070), 0);
    world_put(w, 0x050, 0);
    world_select(w, 0);
}

static void test_features(void **state)
{
    struct virtio_world *w = *state;

    driver_negotiate(w, VIRTIO_F_VERSION_1);
    assert_int_equal(world_get(w, 0x070), 11);
    driver_negotiate(w, 0); /* a legacy driver */
    assert_int_equal(world_get(w, 0x070), 3);
    driver_negotiate(w, VIRTIO_F_VERSION_1 | 1); /* was not offered */
    assert_int_equal(world_get(w, 0x070), 3);
    driver_run(w); /* nevertheless */
    assert_true(world_get(w, 0x070) & VIRTIO_STATUS_NEEDS_RESET);
    assert_int_equal(world_get(w, 0x060), VIRTIO_INTERRUPT_CONFIG);
    driver_negotiate(w, VIRTIO_F_VERSION_1);
    assert_int_equal(world_get(w, 0x060), 0);
}

/* What a queue may not be: size, then the three addresses. */
static void test_bad_queues(void **state)
{
    static const struct {
        uint32_t size;
        hwaddr desc;
        hwaddr avail;
        hwaddr used;
    } rows[] = {
        { 0, 0x1000, 0x2000, 0x3000 },
        { 3, 0x1000, 0x2000, 0x3000 },
        { 16, 0x1000, 0x2000, 0x3000 }, /* the device has 8 */
        { 0x10008, 0x1000, 0x2000, 0x3000 },
        { 8, 0x1008, 0x2000, 0x3000 },
        { 8, 0x1000, 0x2001, 0x3000 },
        { 8, 0x1000, 0x2000, 0x3002 },
        { 8, COUNTER_AT, 0x2000, 0x3000 },
        { 8, 0x1000, COUNTER_AT, 0x3000 },
        { 8, 0x1000, 0x2000, COUNTER_AT },
        { 8, 0x1000, 0x2000, ROM_AT },
        { 8, 0x50000000, 0x2000, 0x3000 },     /* nothing there */
        { 8, RAM_SIZE - 112, 0x2000, 0x3000 }, /* on into the ROM: fine */
        { 8, 0x1000, 0x2000, RAM_SIZE - 64 },
        { 8, UINT64_MAX - 15, 0x2000, 0x3000 },
        { 8, 0x1000, UINT64_MAX - 1, 0x3000 },
        { 8, 0x1000, 0x2000, UINT64_MAX - 3 },
    };
    struct virtio_world *w = *state;

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool is_good = rows[i].desc == RAM_SIZE - 112;

        driver_negotiate(w, VIRTIO_F_VERSION_1);
        world_put(w, 0x030, 0);
        world_put(w, 0x038, rows[i].size);
        world_put(w, 0x080, (uint32_t)rows[i].desc);
        world_put(w, 0x084, (uint32_t)(rows[i].desc >> 32));
        world_put(w, 0x090, (uint32_t)rows[i].avail);
        world_put(w, 0x094, (uint32_t)(rows[i].avail >> 32));
        world_put(w, 0x0a0, (uint32_t)rows[i].used);
        world_put(w, 0x0a4, (uint32_t)(rows[i].used >> 32));
        world_put(w, 0x044, 1);
        assert_int_equal(world_get(w, 0x044), is_good);
        assert_int_equal(!(world_get(w, 0x070) & VIRTIO_STATUS_NEEDS_RESET),
                         is_good);
    }
    assert_int_equal(w->touched, 0);
}

/* A queue that is in use keeps its place. */
static void test_ready_queue_is_fixed(void **state)
{
    struct virtio_world *w = *state;
    struct virtio_ring ring;

    start(w, &ring, 0);
    world_put(w, 0x038, 2);
    world_put(w, 0x080, 0x4000);
    world_put(w, 0x0a0, 0x5000);
    ring_describe(&ring, 0, BUF, 16, DESC_WRITE, 0);
    ring_offer(&ring, 0);
    assert_int_equal(ring_wait(&ring, NULL), 16);
    world_put(w, 0x044, 0);
    assert_int_equal(world_get(w, 0x044), 0);
    ring_offer(&ring, 0);
    (void)world_get(w, 0x070);
    assert_int_equal(ring_used(&ring), 0);
}

/* ---- Chains ------------------------------------------------------------ */

static void test_fill(void **state)
{
    struct virtio_world *w = *state;
    struct virtio_ring ring;
    uint32_t head;

    start(w, &ring, 0);
    ring_describe(&ring, 3, BUF, 8, DESC_WRITE | DESC_NEXT, 5);
    ring_describe(&ring, 5, BUF + 0x100, 0, DESC_WRITE | DESC_NEXT, 1);
    ring_describe(&ring, 1, BUF + 0x200, 24, DESC_WRITE, 7);
    ring_offer(&ring, 3);
    assert_int_equal(ring_wait(&ring, &head), 32);
    assert_int_equal(head, 3);
    assert_int_not_equal(ram_get(w, BUF, 8), 0);
    assert_int_equal(ram_get(w, BUF + 8, 8), 0);
    assert_int_equal(ram_get(w, BUF + 0x100, 8), 0);
    assert_int_not_equal(ram_get(w, BUF + 0x210, 8), 0);
    assert_int_equal(ram_get(w, BUF + 0x218, 8), 0);
    assert_int_equal(world_get(w, 0x060), VIRTIO_INTERRUPT_USED);
    assert_int_equal(w->level, 1);
    world_put(w, 0x064, 1);
    assert_int_equal(world_get(w, 0x060), 0);
    assert_int_equal(w->level, 0);
    assert_int_equal(w->rises, 1);
}

static void put_table(struct virtio_world *w, hwaddr table, unsigned n,
                      hwaddr addr, uint32_t len, unsigned flags, unsigned next)
{
    ram_put(w, table + 16 * n, addr, 8);
    ram_put(w, table + 16 * n + 8, len, 4);
    ram_put(w, table + 16 * n + 12, flags, 2);
    ram_put(w, table + 16 * n + 14, next, 2);
}

static void test_indirect(void **state)
{
    struct virtio_world *w = *state;
    struct virtio_ring ring;

    start(w, &ring, VIRTIO_F_INDIRECT_DESC);
    put_table(w, 0x2000, 0, BUF, 8, DESC_WRITE | DESC_NEXT, 2);
    put_table(w, 0x2000, 2, BUF + 0x100, 8, DESC_WRITE, 0);
    ring_describe(&ring, 0, 0x2000, 48, DESC_INDIRECT, 0);
    ring_offer(&ring, 0);
    assert_int_equal(ring_wait(&ring, NULL), 16);
    assert_int_not_equal(ram_get(w, BUF + 0x100, 8), 0);
    /* a plain descriptor, then a table */
    ring_describe(&ring, 1, BUF + 0x200, 8, DESC_WRITE | DESC_NEXT, 0);
    ring_offer(&ring, 1);
    assert_int_equal(ring_wait(&ring, NULL), 24);
    assert_int_not_equal(ram_get(w, BUF + 0x200, 8), 0);
}

/* Longer than any sane chain: in part, and in no time. */
static void test_large_buffer(void **state)
{
    struct virtio_world *w = *state;
    struct virtio_ring ring;

    start(w, &ring, 0);
    ring_describe(&ring, 0, BUF, 0x20000, DESC_WRITE, 0);
    ring_offer(&ring, 0);
    assert_int_equal(ring_wait(&ring, NULL), 4096);
    ring_describe(&ring, 1, BUF, 0, DESC_WRITE, 0);
    ring_offer(&ring, 1);
    assert_int_equal(ring_wait(&ring, NULL), 0);
    assert_int_equal(world_get(w, 0x070), 15);
}

/* The ring's index goes round. */
static void test_many(void **state)
{
    struct virtio_world *w = *state;
    struct virtio_ring ring;

    start(w, &ring, 0);
    ring_describe(&ring, 0, BUF, 1, DESC_WRITE, 0);
    ring_describe(&ring, 1, BUF, 2, DESC_WRITE, 0);
    for (unsigned i = 0; i < 70000; i += 2) {
        ring_offer_quietly(&ring, 0);
        ring_offer(&ring, 1);
        assert_int_equal(ring_wait(&ring, NULL), 1);
        assert_int_equal(ring_wait(&ring, NULL), 2);
    }
    assert_int_equal(world_get(w, 0x070), 15);
}

/* ---- Telling each other ------------------------------------------------ */

static void test_flags(void **state)
{
    struct virtio_world *w = *state;
    struct virtio_ring ring;

    start(w, &ring, 0);
    ram_put(w, ring.avail, 1, 2); /* no interrupt, please */
    ring_describe(&ring, 0, BUF, 16, DESC_WRITE, 0);
    ring_offer(&ring, 0);
    assert_int_equal(ring_wait(&ring, NULL), 16);
    assert_int_equal(world_get(w, 0x060), 0);
    ram_put(w, ring.avail, 0, 2);
    ring_offer(&ring, 0);
    assert_int_equal(ring_wait(&ring, NULL), 16);
    assert_int_equal(world_get(w, 0x060), 1);
}

static void test_event_index(void **state)
{
    struct virtio_world *w = *state;
    struct virtio_ring ring;
    hwaddr used_event;
    hwaddr avail_event;

    start(w, &ring, VIRTIO_F_EVENT_IDX);
    used_event = ring.avail + 4 + 2 * ring.size;
    avail_event = ring.used + 4 + 8 * ring.size;
    ring_describe(&ring, 0, BUF, 16, DESC_WRITE, 0);
    ram_put(w, used_event, 2, 2); /* when the third one is used */
    for (unsigned i = 0; i < 5; i++) {
        ring_offer(&ring, 0);
        assert_int_equal(ring_wait(&ring, NULL), 16);
        /* the first is told of in any case: what was before is not known */
        assert_int_equal(world_get(w, 0x060), i == 0 || i == 2);
        world_put(w, 0x064, 1);
        assert_int_equal(ram_get(w, avail_event, 2), i + 1);
    }
}

/* ---- Rules that a driver breaks ---------------------------------------- */

static void expect_broken(struct virtio_world *w, struct virtio_ring *ring)
{
    struct virtio_ring again;

    for (unsigned i = 0; !(world_get(w, 0x070) & VIRTIO_STATUS_NEEDS_RESET);
         i++) {
        assert_true(i < 100 * 1000 * 1000);
    }
    assert_int_equal(ring_used(ring), 0);
    assert_int_equal(w->touched, 0);
    assert_true(world_get(w, 0x060) & VIRTIO_INTERRUPT_CONFIG);

    /* nothing more, until the reset; then all is well */
    ring_describe(ring, 0, BUF, 16, DESC_WRITE, 0);
    ram_put(w, ring->avail + 2, (uint16_t)(ring->next_avail - 1), 2);
    world_put(w, 0x050, 0);
    (void)world_get(w, 0x070);
    assert_int_equal(ring_used(ring), 0);
    start(w, &again, 0);
    ring_describe(&again, 0, BUF, 16, DESC_WRITE, 0);
    ring_offer(&again, 0);
    assert_int_equal(ring_wait(&again, NULL), 16);
}

/* Each row is the descriptors 0, 1, ... of a chain that begins at 0. */
static void test_bad_chains(void **state)
{
    enum { X = DESC_WRITE | DESC_NEXT, I = DESC_INDIRECT };
    static const struct {
        hwaddr addr;
        uint32_t len;
        unsigned flags;
        unsigned next;
    } rows[][3] = {
        { { BUF, 8, X, 0 } },                           /* itself */
        { { BUF, 0, X, 0 } },                           /* itself, empty */
        { { BUF, 8, X, 1 }, { BUF, 8, X, 0 } },         /* a longer loop */
        { { BUF, 8, X, 8 } },                           /* beyond the queue */
        { { BUF, 8, X, 0xffff } },                      /* far beyond */
        { { BUF, 8, X, 1 }, { BUF, 8, 0, 0 } },         /* out after in */
        { { COUNTER_AT, 8, DESC_WRITE, 0 } },           /* a device */
        { { ROM_AT, 8, DESC_WRITE, 0 } },               /* not writable */
        { { 0x50000000, 8, DESC_WRITE, 0 } },           /* a hole */
        { { RAM_SIZE - 8, 16, DESC_WRITE, 0 } },        /* across the end */
        { { UINT64_MAX - 3, 16, DESC_WRITE, 0 } },      /* wraps */
        { { 0x10001000 + 0x7000, 16, DESC_WRITE, 0 } }, /* its registers */
        { { 0x2000, 16, I | DESC_NEXT, 1 } },           /* both */
        { { 0x2000, 15, I, 0 } },                       /* not whole */
        { { 0x2000, 0, I, 0 } },                        /* empty */
        { { COUNTER_AT, 64, I, 0 } },                   /* in a device */
        { { 0x50000000, 64, I, 0 } },                   /* in a hole */
        { { UINT64_MAX - 15, 64, I, 0 } },              /* wraps */
        { { 0x2000, 16, I, 0 } },  /* a table in a table, see below */
        { { 0x2010, 16, I, 0 } },  /* a link out of its table */
        { { 0x2020, 4096, I, 0 } } /* a table that loops */
    };
    struct virtio_world *w = *state;
    struct virtio_ring ring;

    put_table(w, 0x2000, 0, 0x3000, 16, I, 0);
    put_table(w, 0x2000, 1, BUF, 8, X, 1);
    put_table(w, 0x2000, 2, BUF, 8, X, 0);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start(w, &ring, VIRTIO_F_INDIRECT_DESC);
        for (unsigned n = 0; n < 3; n++) {
            ring_describe(&ring, n, rows[i][n].addr, rows[i][n].len,
                          rows[i][n].flags, rows[i][n].next);
        }
        ring_offer(&ring, 0);
        expect_broken(w, &ring);
    }
}

static void test_bad_indexes(void **state)
{
    struct virtio_world *w = *state;
    struct virtio_ring ring;

    start(w, &ring, 0); /* a head beyond the queue */
    ring_offer(&ring, 8);
    expect_broken(w, &ring);

    start(w, &ring, 0); /* more than the queue can hold */
    ring_describe(&ring, 0, BUF, 8, DESC_WRITE, 0);
    ram_put(w, ring.avail + 2, 9, 2);
    ring.next_avail = 9;
    world_put(w, 0x050, 0);
    expect_broken(w, &ring);

    start(w, &ring, 0); /* backwards */
    ring_describe(&ring, 0, BUF, 8, DESC_WRITE, 0);
    ram_put(w, ring.avail + 2, 0xffff, 2);
    ring.next_avail = 0xffff;
    world_put(w, 0x050, 0);
    expect_broken(w, &ring);
}

/* A commit takes the rings away while the driver runs. */
static void test_memory_vanishes(void **state)
{
    struct virtio_world *w = *state;
    struct virtio_ring ring;
    MemoryRegion cover;

    start(w, &ring, 0);
    ring_describe(&ring, 0, BUF, 16, DESC_WRITE, 0);
    ring_offer(&ring, 0);
    assert_int_equal(ring_wait(&ring, NULL), 16);
    memory_region_init_io(&cover, NULL, &counter_ops, w, "cover", 0x1000);
    memory_region_add_subregion_overlap(&w->system, ring.used, &cover, 1);
    world_put(w, 0x050, 0);
    ring_offer(&ring, 0);
    while (!(world_get(w, 0x070) & VIRTIO_STATUS_NEEDS_RESET)) {
    }
    assert_int_equal(w->touched, 0);
    memory_region_del_subregion(&w->system, &cover);
    xbar_region_destroy(&cover, NULL, NULL);
    start(w, &ring, 0);
    ring_describe(&ring, 0, BUF, 16, DESC_WRITE, 0);
    ring_offer(&ring, 0);
    assert_int_equal(ring_wait(&ring, NULL), 16);
}

/* The same bytes in each run, and after each reset. */
static void test_known_sequence(void **state)
{
    struct virtio_world *w = *state;
    struct virtio_ring ring;
    uint64_t first = 0;

    for (unsigned i = 0; i < 2; i++) {
        start(w, &ring, 0);
        ring_describe(&ring, 0, BUF, 8, DESC_WRITE, 0);
        ring_offer(&ring, 0);
        assert_int_equal(ring_used(&ring), 1); /* when the store retires */
        assert_true(i == 0 || ram_get(w, BUF, 8) == first);
        first = ram_get(w, BUF, 8);
    }
}

#define BOTH(test)                                                        \
    { #test ", at once", test, set_up_sync, tear_down, NULL },            \
    {                                                                     \
#test ", with an I/O thread", test, set_up_async, tear_down, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_identity),
        BOTH(test_empty_slot),
        BOTH(test_features),
        BOTH(test_bad_queues),
        BOTH(test_ready_queue_is_fixed),
        BOTH(test_fill),
        BOTH(test_indirect),
        BOTH(test_large_buffer),
        BOTH(test_many),
        BOTH(test_flags),
        BOTH(test_event_index),
        BOTH(test_bad_chains),
        BOTH(test_bad_indexes),
        BOTH(test_memory_vanishes),
        cmocka_unit_test_setup_teardown(test_known_sequence, set_up_sync,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
