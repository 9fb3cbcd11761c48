/* SPDX-License-Identifier: MIT */
/*
 * With a tap: interrupts of the I/O thread wait for the hart's, and what the
 * guest can see of a device is told. A replica shows the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "virtio/device.h"
#include "virtio_driver.h"

#define BUF  UINT64_C(0x1000)
#define SLOT (VIRTIO_SLOTS - 1)

struct tapped {
    struct virtio_world world;
    struct virtio_ring ring;
    struct tap tap;
    pthread_t hart;
    atomic_uint posted;
    unsigned told[32]; /* by kind */
    uint64_t last[32][2];
};

static void note(void *opaque, enum trace_kind kind, const uint64_t *numbers,
                 const void *bytes, size_t count)
{
    struct tapped *t = opaque;

    (void)bytes;
    (void)count;
    t->told[kind]++;
    memcpy(t->last[kind], numbers, sizeof(t->last[kind]));
}

static uint64_t tell_clock(void *opaque, enum trace_kind which, uint64_t value)
{
    (void)opaque;
    (void)which;
    return value;
}

static bool is_ordered(void *opaque)
{
    return pthread_equal(((struct tapped *)opaque)->hart, pthread_self());
}

static void note_posted(void *opaque)
{
    atomic_fetch_add(&((struct tapped *)opaque)->posted, 1);
}

static int set_up(void **state)
{
    static const struct virtio_config rng = { .has_rng = true };
    struct tapped *t = test_calloc(1, sizeof(*t));
    const struct virtio_slots_config config = {
        .devices = &rng,
        .tap = &t->tap,
        .posted = note_posted,
        .posted_opaque = t,
    };

    t->hart = pthread_self();
    t->tap = (struct tap){ note, tell_clock, is_ordered, t };
    world_make_with(&t->world, &config);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct tapped *t = *state;

    world_free(&t->world);
    test_free(t);
    return 0;
}

/* A request is made and done, and its interrupt waits. */
static void make_request(struct tapped *t)
{
    struct virtio_world *w = &t->world;

    driver_negotiate(w, VIRTIO_F_VERSION_1);
    driver_add_queue(w, &t->ring, 0, 8);
    driver_run(w);
    ring_describe(&t->ring, 0, BUF, 16, DESC_WRITE, 0);
    ring_offer(&t->ring, 0);
    assert_int_equal(ring_wait(&t->ring, NULL), 16);
    for (unsigned i = 0; i < 60000 && !atomic_load(&t->posted); i++) {
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    }
    assert_true(atomic_load(&t->posted) > 0);
}

static void interrupts_wait(void **state)
{
    struct tapped *t = *state;
    struct virtio_world *w = &t->world;

    make_request(t);
    assert_int_equal(world_get(w, 0x060), 0);
    assert_int_equal(w->level, 0);
    assert_int_equal(t->told[TRACE_INTERRUPT], 0);
    virtio_slots_deliver(w->slots);
    assert_int_equal(world_get(w, 0x060), VIRTIO_INTERRUPT_USED);
    assert_int_equal(w->level, 1);
    assert_int_equal(t->told[TRACE_INTERRUPT], 1);
    assert_int_equal(t->last[TRACE_INTERRUPT][0], SLOT);
    assert_int_equal(t->last[TRACE_INTERRUPT][1], VIRTIO_INTERRUPT_USED);
    virtio_slots_deliver(w->slots); /* once is enough */
    world_put(w, 0x064, 1);
    virtio_slots_deliver(w->slots);
    assert_int_equal(world_get(w, 0x060), 0);
    assert_int_equal(t->told[TRACE_INTERRUPT], 1);
}

static void a_reset_drops_what_waits(void **state)
{
    struct tapped *t = *state;
    struct virtio_world *w = &t->world;

    make_request(t);
    world_put(w, 0x070, 0);
    virtio_slots_deliver(w->slots);
    assert_int_equal(world_get(w, 0x060), 0);
    assert_int_equal(w->rises, 0);
}

/* The hart's own thread is in order as it is. */
static void a_fault_is_told_at_once(void **state)
{
    struct tapped *t = *state;
    struct virtio_world *w = &t->world;

    driver_negotiate(w, 0); /* a legacy driver, which then goes on */
    driver_run(w);
    assert_int_equal(world_get(w, 0x060), VIRTIO_INTERRUPT_CONFIG);
    assert_int_equal(t->told[TRACE_FAIL], 1);
    assert_int_equal(t->last[TRACE_FAIL][0], SLOT);
    assert_int_equal(t->told[TRACE_INTERRUPT], 1);
    assert_int_equal(t->last[TRACE_INTERRUPT][1], VIRTIO_INTERRUPT_CONFIG);
}

/* The power key, below: what is selected changes config space. */
static void config_space_is_told(void **state)
{
    struct tapped *t = *state;

    assert_int_equal(address_space_write(&t->world.as,
                                         t->world.base - 0x1000 + 0x100,
                                         MEMTXATTRS_UNSPECIFIED, "\x01", 1),
                     MEMTX_OK);
    assert_int_equal(t->told[TRACE_CONFIG], 1);
    assert_int_equal(t->last[TRACE_CONFIG][0], SLOT - 1);
}

static void a_replica_shows_the_same(void **state)
{
    struct virtio_replica replicas[VIRTIO_SLOTS] = { { .id = 0 } };
    const struct virtio_slots_config config = { .replicas = replicas };
    struct tapped *t = *state;
    struct virtio_world copy;
    struct virtio_device *device;

    virtio_replica_describe(virtio_slots_device(t->world.slots, SLOT),
                            &replicas[SLOT]);
    world_make_with(&copy, &config);
    device = virtio_slots_device(copy.slots, SLOT);
    assert_string_equal(memory_region_name(&device->region), "virtio-rng");
    for (hwaddr reg = 0; reg < 0x200; reg += 4) {
        assert_int_equal(world_get(&copy, reg), world_get(&t->world, reg));
    }
    driver_negotiate(&copy, VIRTIO_F_VERSION_1);
    driver_add_queue(&copy, &t->ring, 0, 8);
    driver_run(&copy);
    ring_describe(&t->ring, 0, BUF, 16, DESC_WRITE, 0);
    ring_offer(&t->ring, 0);
    assert_int_equal(ring_used(&t->ring), 0); /* nobody serves it */
    assert_int_equal(world_get(&copy, 0x060), 0);
    virtio_replica_interrupt(device, VIRTIO_INTERRUPT_USED);
    assert_int_equal(world_get(&copy, 0x060), VIRTIO_INTERRUPT_USED);
    assert_int_equal(copy.level, 1);
    virtio_replica_set_config(device, 5, (const uint8_t *)"abcd", 4);
    assert_int_equal(world_get(&copy, 0x0fc), 5);
    virtio_replica_fail(device);
    assert_true(world_get(&copy, 0x070) & VIRTIO_STATUS_NEEDS_RESET);
    world_free(&copy);
}

static void no_replica_of_what_cannot_be(void **state)
{
    const struct virtio_replica rows[] = {
        { .id = 1, .num_queues = VIRTIO_QUEUES_MAX + 1 },
        { .id = 1, .config_size = VIRTIO_CONFIG_MAX + 1 },
        { .id = 1, .queue_size = VIRTIO_QUEUE_SIZE_MAX + 1 },
    };
    const struct virtio_place place = { .as = NULL };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_null(virtio_replica_new(&place, &rows[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(interrupts_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reset_drops_what_waits, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_fault_is_told_at_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(config_space_is_told, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_replica_shows_the_same, set_up,
                                        tear_down),
        cmocka_unit_test(no_replica_of_what_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
