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
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "virtio/device.h"
#include "virtio_driver.h"

#define ROUNDS 300

struct crowd {
    struct virtio_config config;
    struct virtio_world world;
    struct virtio_ring ring;
    atomic_bool is_over;
    char image[32];
    int fd;
};

static int set_up(void **state)
{
    struct crowd *crowd = test_calloc(1, sizeof(*crowd));

    strcpy(crowd->image, "/tmp/xbar-crowd-XXXXXX");
    crowd->fd = mkstemp(crowd->image);
    assert_true(crowd->fd >= 0);
    assert_int_equal(ftruncate(crowd->fd, 1024 * 1024), 0);
    crowd->config.drives[0] = (struct drive_config){
        .file = crowd->image,
        .cache = DRIVE_CACHE_NONE,
    };
    crowd->config.num_drives = 1;
    crowd->config.has_rng = true;
    world_make(&crowd->world, &crowd->config, false);
    *state = crowd;
    return 0;
}

static int tear_down(void **state)
{
    struct crowd *crowd = *state;

    world_free(&crowd->world);
    close(crowd->fd);
    unlink(crowd->image);
    test_free(crowd);
    return 0;
}

static void start_disk(struct crowd *crowd)
{
    struct virtio_world *w = &crowd->world;

    driver_negotiate(w, VIRTIO_F_VERSION_1 | UINT64_C(1) << 9);
    driver_add_queue(w, &crowd->ring, 0, 64);
    driver_run(w);
}

/* Write, then read back, of one 4 KiB block; @n of them in flight. */
static void offer_blocks(struct crowd *crowd, unsigned n, bool is_write)
{
    struct virtio_world *w = &crowd->world;

    for (unsigned i = 0; i < n; i++) {
        hwaddr header = 0x1000 + 32 * i;

        ram_put(w, header, is_write, 8);
        ram_put(w, header + 8, 8 * i, 8);
        ring_describe(&crowd->ring, 3 * i, header, 16, DESC_NEXT, 3 * i + 1);
        ring_describe(&crowd->ring, 3 * i + 1, 0x10000 + 0x1000 * i, 4096,
                      DESC_NEXT | (is_write ? 0 : DESC_WRITE), 3 * i + 2);
        ring_describe(&crowd->ring, 3 * i + 2, header + 16, 1, DESC_WRITE, 0);
        ring_offer_quietly(&crowd->ring, 3 * i);
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
        offer_blocks(crowd, n, true);
        for (unsigned i = 0; i < n; i++) {
            assert_int_equal(ring_wait(&crowd->ring, NULL), 1);
        }
        offer_blocks(crowd, n, false);
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
        offer_blocks(crowd, 16, round % 2);
        (void)ring_used(&crowd->ring);
        if (round % 4 == 0) {
            world_put(w, 0x070, 0);
        }
    }
    atomic_store(&crowd->is_over, true);
    pthread_join(other, NULL);
    start_disk(crowd);
    offer_blocks(crowd, 1, false);
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
        offer_blocks(crowd, 16, true);
        if (round % 2) {
            ring_wait(&crowd->ring, NULL);
        }
        virtio_slots_stop(w->slots);
        before = ring_used(&crowd->ring);
        for (unsigned i = 0; i < 16; i++) {
            bool is_done = ram_get(w, 0x1010 + 32 * i, 1) == 0;
            uint64_t word = 0;

            assert_int_equal(pread(crowd->fd, &word, 8, 4096 * (int)i), 8);
            if (is_done && before + round % 2 == 16) {
                assert_int_equal(word, 1000 * round + i + 1);
            }
        }
        usleep(1000);
        assert_int_equal(ring_used(&crowd->ring), before);
        assert_int_equal(virtio_slots_start(w->slots), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kick_and_complete, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_resets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
