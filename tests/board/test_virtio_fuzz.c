/* SPDX-License-Identifier: MIT */
/*
 * A driver that means no good: random registers, rings, chains and tables, a
 * part of them nearly right, for each kind of device. The host goes on, no
 * device and no ROM is touched, and after a reset the device works again.
 *
 * XBAR_FUZZ_INPUTS sets how many drivers, XBAR_FUZZ_SEED where to start.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "virtio/device.h"
#include "virtio_driver.h"

#define DEFAULT_INPUTS 400
#define LONG_INPUTS    40000
#define STEPS          60
#define RING_SIZE      8 /* what each of them can have */
#define IMAGE_BYTES    (1024 * 1024)

enum kind { KIND_RNG, KIND_DISK, KIND_NET, KIND_CONSOLE, KIND_POWER, KINDS };

static char image[] = "/tmp/xbar-fuzz-XXXXXX";

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t *seed, uint64_t limit)
{
    return next_random(seed) % limit;
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

/* ---- Guest memory ------------------------------------------------------ */

/* Places worth a visit: RAM and its edges, other regions, holes, the end. */
static hwaddr some_address(uint64_t *seed)
{
    static const hwaddr places[] = {
        0x0,
        RAM_SIZE - 8,
        ROM_AT,
        ROM_AT + 0xff8,
        COUNTER_AT,
        COUNTER_AT + 0xff0,
        0x10001000,
        0x10008000,
        0x50000000,
        UINT64_MAX - 0x10,
        QUEUES_AT,
        QUEUES_AT + 0x4000,
        0x80000000,
        UINT64_C(1) << 63,
        QUEUES_AT + 0x5000,
    };

    if (below(seed, 4)) {
        return 0x1000 + below(seed, 0x2000) * 16; /* most are good */
    }
    return places[below(seed, sizeof(places) / sizeof(places[0]))] +
           below(seed, 32);
}

static uint32_t some_length(uint64_t *seed)
{
    static const uint32_t lengths[] = { 0,    1,     12,      16,
                                        17,   512,   513,     4096,
                                        1526, 65536, 1 << 20, UINT32_MAX };

    return lengths[below(seed, sizeof(lengths) / sizeof(lengths[0]))];
}

static void put_descriptor(struct virtio_world *w, hwaddr table, unsigned n,
                           uint64_t *seed, unsigned last)
{
    unsigned flags = (unsigned)below(seed, 4);

    if (below(seed, 16) == 0) {
        flags = (unsigned)below(seed, 8);
    }
    if (n >= last) {
        flags &= ~(unsigned)DESC_NEXT;
    }
    ram_put(w, table + 16 * n, some_address(seed), 8);
    ram_put(w, table + 16 * n + 8, some_length(seed), 4);
    ram_put(w, table + 16 * n + 12, flags, 2);
    ram_put(w, table + 16 * n + 14,
            below(seed, 32) ? n + 1 : below(seed, 0x10000), 2);
}

/* A header that a disk understands, at the start of a chain of three. */
static void put_request(struct virtio_ring *ring, uint64_t *seed)
{
    static const uint32_t types[] = { 0, 1, 4, 8, 11, 13, 0, 1 };
    struct virtio_world *w = ring->world;
    uint32_t type = types[below(seed, 8)];
    unsigned in = type == 0 || type == 8 ? DESC_WRITE : 0;

    ram_put(w, 0x800, type, 8);
    ram_put(w, 0x808, below(seed, 8) ? below(seed, 2048) : next_random(seed),
            8);
    ring_describe(ring, 0, 0x800, 16, DESC_NEXT, 1);
    ring_describe(ring, 1, some_address(seed), some_length(seed),
                  DESC_NEXT | in, 2);
    ring_describe(ring, 2, 0x900, 1, DESC_WRITE, 0);
}

/* ---- One driver -------------------------------------------------------- */

static void start(struct virtio_world *w, struct virtio_ring *rings,
                  uint64_t features)
{
    driver_negotiate(w, VIRTIO_F_VERSION_1 | features);
    driver_add_queue(w, &rings[0], 0, RING_SIZE);
    world_put(w, 0x030, 1);
    if (world_get(w, 0x034)) {
        driver_add_queue(w, &rings[1], 1, RING_SIZE);
    }
    driver_run(w);
}

static void take_step(struct virtio_world *w, struct virtio_ring *rings,
                      uint64_t *seed)
{
    struct virtio_ring *ring = &rings[rings[1].world ? below(seed, 2) : 0];
    unsigned last = (unsigned)below(seed, RING_SIZE);

    switch (below(seed, 16)) {
    case 0: /* any register, any value */
        world_put(w, below(seed, 0x40) * 4, (uint32_t)next_random(seed));
        break;
    case 1:
        (void)world_get(w, below(seed, 0x80) * 4);
        break;
    case 2: /* what comes unasked */
        (void)virtio_slots_press_power(w->slots);
        virtio_slots_resize_console(w->slots, (uint16_t)last, 25);
        break;
    case 3: /* the index jumps */
        ring->next_avail = (uint16_t)next_random(seed);
        ram_put(w, ring->avail + 2, ring->next_avail, 2);
        break;
    case 4: /* rings are overwritten */
        ram_put(w, ring->desc + below(seed, 0x6000), next_random(seed), 8);
        break;
    case 5: /* a table */
        for (unsigned n = 0; n <= last; n++) {
            put_descriptor(w, 0x9000, n, seed, last);
        }
        ring_describe(ring, 0, 0x9000, 16 * (last + 1), DESC_INDIRECT, 0);
        ring_offer(ring, 0);
        break;
    case 6:
    case 7:
    case 8:
    case 9:
        put_request(ring, seed);
        ring_offer(ring, 0);
        break;
    case 10: /* begin again */
        start(w, rings, below(seed, 2) ? VIRTIO_F_EVENT_IDX : 0);
        break;
    default:
        for (unsigned n = 0; n <= last; n++) {
            put_descriptor(w, ring->desc, n, seed, last);
        }
        ring_offer(ring, (unsigned)below(seed, RING_SIZE));
        break;
    }
}

/* What a sane driver gets from a device that was treated like that. */
static void expect_alive(struct virtio_world *w, enum kind kind,
                         struct virtio_ring *rings)
{
    struct virtio_ring *ring = &rings[kind >= KIND_NET];

    start(w, rings, 0);
    assert_int_equal(world_get(w, 0x070), 15);
    ram_put(w, 0x800, 4, 8); /* a disk's flush */
    ring_describe(ring, 0, 0x800, 16, DESC_NEXT, 1);
    ring_describe(ring, 1, 0x900, 1, DESC_WRITE, 0);
    if (kind == KIND_RNG) {
        ring_describe(ring, 0, 0x800, 16, DESC_WRITE, 0);
    } else if (kind != KIND_DISK) {
        ring_describe(ring, 0, 0x800, 64, 0, 0);
    }
    ring_offer(ring, 0);
    ring_wait(ring, NULL);
    assert_int_equal(world_get(w, 0x070), 15);
}

/* ---- Each kind --------------------------------------------------------- */

static void make_world(struct virtio_world *w, struct virtio_config *config,
                       enum kind kind)
{
    memset(config, 0, sizeof(*config));
    switch (kind) {
    case KIND_RNG:
        config->has_rng = true;
        break;
    case KIND_DISK:
        config->drives[config->num_drives++] =
            (struct drive_config){ .file = image };
        break;
    case KIND_NET:
        config->netdevs[config->num_netdevs++] =
            (struct netdev_config){ .is_user = true, .is_restricted = true };
        break;
    case KIND_CONSOLE:
        config->has_console = true;
        break;
    default: /* the power key is always there */
        break;
    }
    world_make(w, config, kind == KIND_RNG);
}

static void fuzz(enum kind kind)
{
    uint64_t first = number_from("XBAR_FUZZ_SEED", 1);
    uint64_t count = number_from(
        "XBAR_FUZZ_INPUTS", getenv("XBAR_LONG") ? LONG_INPUTS : DEFAULT_INPUTS);
    struct virtio_config config;
    struct virtio_world w;
    struct virtio_ring rings[2] = { 0 };

    make_world(&w, &config, kind);
    for (uint64_t seed = first; seed < first + count; seed++) {
        uint64_t random = seed;

        start(&w, rings, VIRTIO_F_INDIRECT_DESC);
        for (unsigned step = 0; step < STEPS; step++) {
            take_step(&w, rings, &random);
        }
        expect_alive(&w, kind, rings);
        if (w.touched || ram_get(&w, ROM_AT, 8)) {
            fail_msg("XBAR_FUZZ_SEED=%llu", (unsigned long long)seed);
        }
    }
    world_free(&w);
}

static void test_rng(void **state)
{
    (void)state;
    fuzz(KIND_RNG);
}

static void test_disk(void **state)
{
    int fd = mkstemp(image);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, IMAGE_BYTES), 0);
    fuzz(KIND_DISK);
    assert_int_equal(lseek(fd, 0, SEEK_END), IMAGE_BYTES);
    close(fd);
    unlink(image);
}

static void test_net(void **state)
{
    (void)state;
    fuzz(KIND_NET);
}

static void test_console(void **state)
{
    (void)state;
    fuzz(KIND_CONSOLE);
}

static void test_power(void **state)
{
    (void)state;
    fuzz(KIND_POWER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rng),   cmocka_unit_test(test_disk),
        cmocka_unit_test(test_power), cmocka_unit_test(test_console),
        cmocka_unit_test(test_net),
    };
    size_t count = sizeof(tests) / sizeof(tests[0]);

    if (!XBAR_HAS_LIBSLIRP) {
        print_message("# without libslirp: no network\n");
        count--;
    }
    return _cmocka_run_group_tests("tests", tests, count, NULL, NULL);
}
