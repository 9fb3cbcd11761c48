/* SPDX-License-Identifier: MIT */
/*
 * Harts, the I/O thread and the end of a run at the same time: for the thread
 * sanitizer, which knows what of it is ordered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host_clock.h"
#include "virtio/device.h"
#include "virtio_driver.h"

#define ROUNDS 300
#define DISKS  2

struct crowd {
    struct virtio_config config;
    struct virtio_world world;
    struct virtio_ring ring;
    struct virtio_ring second; /* of the other disk */
    atomic_bool is_over;
    char images[DISKS][32];
    int fds[DISKS];
};

static int set_up(void **state)
{
    struct crowd *crowd = test_calloc(1, sizeof(*crowd));

    for (unsigned i = 0; i < DISKS; i++) {
        strcpy(crowd->images[i], "/tmp/xbar-crowd-XXXXXX");
        crowd->fds[i] = mkstemp(crowd->images[i]);
        assert_true(crowd->fds[i] >= 0);
        assert_int_equal(ftruncate(crowd->fds[i], 1024 * 1024), 0);
        crowd->config.drives[i] = (struct drive_config){
            .file = crowd->images[i],
            .cache = i == 0 ? DRIVE_CACHE_NONE : DRIVE_CACHE_WRITETHROUGH,
        };
    }
    crowd->config.num_drives = DISKS;
    crowd->config.has_rng = true;
    world_make(&crowd->world, &crowd->config, false);
    *state = crowd;
    return 0;
}

static int tear_down(void **state)
{
    struct crowd *crowd = *state;

    world_free(&crowd->world);
    for (unsigned i = 0; i < DISKS; i++) {
        close(crowd->fds[i]);
        unlink(crowd->images[i]);
    }
    test_free(crowd);
    return 0;
}

static void start_ring(struct virtio_world *w, struct virtio_ring *ring)
{
    driver_negotiate(w, VIRTIO_F_VERSION_1 | UINT64_C(1) << 9);
    driver_add_queue(w, ring, 0, 64);
    driver_run(w);
}

static void start_disk(struct crowd *crowd)
{
    start_ring(&crowd->world, &crowd->ring);
}

static void start_second_disk(struct crowd *crowd)
{
    world_select(&crowd->world, 1);
    start_ring(&crowd->world, &crowd->second);
    world_select(&crowd->world, 0);
}

/* Requests for the 4 KiB blocks from @first on, @n of them, and a kick. */
static void offer_blocks(struct virtio_ring *ring, unsigned first, unsigned n,
                         bool is_write)
{
    struct virtio_world *w = ring->world;

    for (unsigned i = first; i < first + n; i++) {
        hwaddr header = 0x1000 + 32 * i;

        ram_put(w, header, is_write, 8);
        ram_put(w, header + 8, 8 * i, 8);
        ring_describe(ring, 3 * i, header, 16, DESC_NEXT, 3 * i + 1);
        ring_describe(ring, 3 * i + 1, 0x10000 + 0x1000 * i, 4096,
                      DESC_NEXT | (is_write ? 0 : DESC_WRITE), 3 * i + 2);
        ring_describe(ring, 3 * i + 2, header + 16, 1, DESC_WRITE, 0);
        ring_offer_quietly(ring, 3 * i);
    }
    world_put(w, 0x050, 0);
}

/* Another hart, which looks at the registers all the time. */
static void *look_around(void *opaque)
{
    struct crowd *crowd = opaque;

    while (!atomic_load(&crowd->is_over)) {
        (void)world_get(&crowd->world, 0x060);
        (void)world_get(&crowd->world, 0x070);
        world_put(&crowd->world, 0x064, 1);
        world_put(&crowd->world, 0x050, 0);
    }
    return NULL;
}

static void test_kick_and_complete(void **state)
{
    struct crowd *crowd = *state;
    pthread_t other;

    start_disk(crowd);
    assert_int_equal(pthread_create(&other, NULL, look_around, crowd), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned n = 1 + round % 16;

        for (unsigned i = 0; i < n; i++) {
            ram_put(&crowd->world, 0x10000 + 0x1000 * i, round + i, 8);
        }
        offer_blocks(&crowd->ring, 0, n, true);
        for (unsigned i = 0; i < n; i++) {
            assert_int_equal(ring_wait(&crowd->ring, NULL), 1);
        }
        offer_blocks(&crowd->ring, 0, n, false);
        for (unsigned i = 0; i < n; i++) {
            assert_int_equal(ring_wait(&crowd->ring, NULL), 4097);
        }
        for (unsigned i = 0; i < n; i++) {
            assert_int_equal(ram_get(&crowd->world, 0x10000 + 0x1000 * i, 8),
                             round + i);
            assert_int_equal(ram_get(&crowd->world, 0x1010 + 32 * i, 1), 0);
        }
    }
    atomic_store(&crowd->is_over, true);
    pthread_join(other, NULL);
    assert_int_equal(world_get(&crowd->world, 0x070), 15);
}

/* Resets by two harts, in the middle of everything. */
static void *reset_around(void *opaque)
{
    struct crowd *crowd = opaque;

    while (!atomic_load(&crowd->is_over)) {
        world_put(&crowd->world, 0x070, 0);
        usleep(200);
    }
    return NULL;
}

static void test_resets(void **state)
{
    struct crowd *crowd = *state;
    pthread_t other;

    assert_int_equal(pthread_create(&other, NULL, reset_around, crowd), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct virtio_world *w = &crowd->world;

        world_put(w, 0x070, 3);
        world_put(w, 0x024, 1);
        world_put(w, 0x020, 1);
        world_put(w, 0x070, 11);
        driver_add_queue(w, &crowd->ring, 0, 64);
        driver_run(w);
        offer_blocks(&crowd->ring, 0, 16, round % 2);
        (void)ring_used(&crowd->ring);
        if (round % 4 == 0) {
            world_put(w, 0x070, 0);
        }
    }
    atomic_store(&crowd->is_over, true);
    pthread_join(other, NULL);
    start_disk(crowd);
    offer_blocks(&crowd->ring, 0, 1, false);
    assert_int_equal(ring_wait(&crowd->ring, NULL), 4097);
}

/* What was begun ends, and what the guest was told is so. */
static void test_stop(void **state)
{
    struct crowd *crowd = *state;
    struct virtio_world *w = &crowd->world;

    for (unsigned round = 0; round < 50; round++) {
        unsigned before;

        start_disk(crowd);
        for (unsigned i = 0; i < 16; i++) {
            ram_put(w, 0x10000 + 0x1000 * i, 1000 * round + i + 1, 8);
        }
        offer_blocks(&crowd->ring, 0, 16, true);
        if (round % 2) {
            ring_wait(&crowd->ring, NULL);
        }
        virtio_slots_stop(w->slots);
        before = ring_used(&crowd->ring);
        for (unsigned i = 0; i < 16; i++) {
            bool is_done = ram_get(w, 0x1010 + 32 * i, 1) == 0;
            uint64_t word = 0;

            assert_int_equal(pread(crowd->fds[0], &word, 8, 4096 * (int)i), 8);
            if (is_done && before + round % 2 == 16) {
                assert_int_equal(word, 1000 * round + i + 1);
            }
        }
        usleep(1000);
        assert_int_equal(ring_used(&crowd->ring), before);
        assert_int_equal(virtio_slots_start(w->slots), 0);
    }
}

/* ---- Held devices ------------------------------------------------------ */

static struct virtio_device *disk_of(struct crowd *crowd, unsigned n)
{
    return virtio_slots_device(crowd->world.slots, VIRTIO_SLOTS - 1 - n);
}

static unsigned count_in_flight(struct virtio_device *disk)
{
    unsigned count;

    virtio_device_lock(disk);
    count = disk->queues[0].in_use;
    virtio_device_unlock(disk);
    return count;
}

/* All that was offered, those that came back already as well. */
static void wait_for_blocks(struct virtio_ring *ring, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(ring_wait(ring, NULL), 1);
    }
}

/* Shorter than a sleep can be. */
static void spin(unsigned ns)
{
    uint64_t start = host_clock_ns(CLOCK_MONOTONIC);

    while (host_clock_ns(CLOCK_MONOTONIC) - start < ns) {
    }
}

/* The first disk's kick is taken first, the second disk is drained first, and
 * takes longer: where its kick is taken behind its drain, what it asks for is
 * not in flight when the thread has ended, nor lost. */
static void test_kick_before_start(void **state)
{
    struct crowd *crowd = *state;
    struct virtio_world *w = &crowd->world;
    struct virtio_device *late = disk_of(crowd, 1);

    start_second_disk(crowd);
    start_disk(crowd);
    virtio_slots_stop(w->slots);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned used;
        unsigned in_flight;

        world_select(w, 1);
        offer_blocks(&crowd->second, 8, 2, true);
        world_select(w, 0);
        offer_blocks(&crowd->ring, 0, 8, true);
        assert_int_equal(virtio_slots_start(w->slots), 0);
        spin(round % 100 * 2000);
        virtio_slots_stop(w->slots);
        used = ring_used(&crowd->second);
        in_flight = count_in_flight(late);
        assert_int_equal(virtio_slots_start(w->slots), 0);
        assert_int_equal(in_flight, 0);
        assert_true(used == 0 || used == 2);
        wait_for_blocks(&crowd->ring, 8);
        world_select(w, 1);
        wait_for_blocks(&crowd->second, 2);
        virtio_slots_stop(w->slots);
    }
    assert_int_equal(virtio_slots_start(w->slots), 0);
}

/* Offers more as soon as the disk is held. */
static void *offer_late(void *opaque)
{
    struct crowd *crowd = opaque;
    struct virtio_device *disk = disk_of(crowd, 0);
    bool is_held = false;

    while (!is_held) {
        virtio_device_lock(disk);
        is_held = disk->is_held;
        virtio_device_unlock(disk);
    }
    offer_blocks(&crowd->ring, 8, 8, true);
    return NULL;
}

/* Until the I/O thread began something of the ring. */
static void wait_until_begun(struct crowd *crowd)
{
    while (count_in_flight(disk_of(crowd, 0)) == 0 &&
           ring_used(&crowd->ring) == 0) {
        sched_yield();
    }
}

/* Until the I/O thread took the kick, and did what it does then. */
static void wait_until_taken(struct virtio_device *device)
{
    struct pollfd kick = { event_notifier_get_fd(&device->notifier), POLLIN,
                           0 };

    while (poll(&kick, 1, 0) > 0) {
        usleep(100);
    }
    usleep(1000);
}

static void test_kick_while_held(void **state)
{
    struct crowd *crowd = *state;
    struct virtio_device *disk = disk_of(crowd, 0);

    start_disk(crowd);
    for (unsigned round = 0; round < ROUNDS; round++) {
        pthread_t other;
        unsigned used;

        assert_int_equal(pthread_create(&other, NULL, offer_late, crowd), 0);
        offer_blocks(&crowd->ring, 0, 8, true);
        if (round % 2) {
            wait_until_begun(crowd);
        }
        virtio_device_drain(disk);
        used = ring_used(&crowd->ring);
        pthread_join(other, NULL);
        wait_until_taken(disk);
        assert_int_equal(count_in_flight(disk_of(crowd, 0)), 0);
        assert_int_equal(ring_used(&crowd->ring), used);
        virtio_device_go_on(disk);
        wait_for_blocks(&crowd->ring, 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kick_and_complete, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_resets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kick_before_start, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_kick_while_held, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
