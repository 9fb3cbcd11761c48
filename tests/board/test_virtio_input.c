/* SPDX-License-Identifier: MIT */
/* The power key, which every board has, and the size of the console's window:
 * what comes from a person without being asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "virtio/device.h"
#include "virtio_driver.h"

#define BUF    UINT64_C(0x1000)
#define CONFIG UINT64_C(0x100)

static const struct virtio_config no_config = { 0 };
static const struct virtio_config console_config = { .has_console = true };

static int set_up(void **state)
{
    *state = test_malloc(sizeof(struct virtio_world));
    world_make(*state, &no_config, false);
    return 0;
}

static int set_up_console(void **state)
{
    *state = test_malloc(sizeof(struct virtio_world));
    world_make(*state, &console_config, false);
    return 0;
}

static int set_up_console_sync(void **state)
{
    *state = test_malloc(sizeof(struct virtio_world));
    world_make(*state, &console_config, true);
    return 0;
}

static int tear_down(void **state)
{
    world_free(*state);
    test_free(*state);
    return 0;
}

static void start(struct virtio_world *w, struct virtio_ring *rings,
                  uint64_t features)
{
    driver_negotiate(w, VIRTIO_F_VERSION_1 | features);
    driver_add_queue(w, &rings[0], 0, 64);
    driver_add_queue(w, &rings[1], 1, 64);
    driver_run(w);
    assert_int_equal(world_get(w, 0x070), 15);
}

/* ---- What the key says that it is --------------------------------------- */

static unsigned select_config(struct virtio_world *w, unsigned select,
                              unsigned subselect)
{
    ram_put(w, w->base + CONFIG, select, 1);
    ram_put(w, w->base + CONFIG + 1, subselect, 1);
    return (unsigned)ram_get(w, w->base + CONFIG + 2, 1);
}

static void test_config(void **state)
{
    struct virtio_world *w = *state;
    char name[16] = "";

    assert_int_equal(world_get(w, 0x008), 18);
    assert_int_equal(select_config(w, 0, 0), 0);
    assert_int_equal(select_config(w, 1, 0), 14);
    for (unsigned i = 0; i < 14; i++) {
        name[i] = (char)ram_get(w, w->base + CONFIG + 8 + i, 1);
    }
    assert_string_equal(name, "xbar power key");
    assert_int_equal(select_config(w, 3, 0), 8);
    assert_int_equal(ram_get(w, w->base + CONFIG + 8, 2), 6);
    assert_int_equal(select_config(w, 0x11, 1), 15); /* keys: 116 alone */
    for (unsigned i = 0; i < 128; i++) {
        assert_int_equal(ram_get(w, w->base + CONFIG + 8 + i, 1),
                         i == 14 ? 0x10 : 0);
    }
    for (unsigned i = 0; i < 32; i++) { /* what it has not: other kinds */
        assert_int_equal(select_config(w, 0x11, i) != 0, i == 1);
    }
    assert_int_equal(select_config(w, 0x12, 0), 0);
    assert_int_equal(select_config(w, 255, 255), 0);
    assert_int_equal(select_config(w, 1, 1), 0);
}

/* The rest of config space is not the driver's, and none of it is beyond. */
static void test_config_writes(void **state)
{
    struct virtio_world *w = *state;

    assert_int_equal(select_config(w, 1, 0), 14);
    for (hwaddr at = CONFIG + 2; at < 0x200; at++) {
        ram_put(w, w->base + at, 0xff, 1);
    }
    ram_put(w, w->base + CONFIG + 8, UINT64_MAX, 8);
    assert_int_equal(ram_get(w, w->base + CONFIG, 1), 1);
    assert_int_equal(ram_get(w, w->base + CONFIG + 2, 1), 14);
    assert_int_equal(ram_get(w, w->base + CONFIG + 8, 1), 'x');
    assert_int_equal(ram_get(w, w->base + CONFIG + 136, 1), 0);
    ram_put(w, w->base + CONFIG, 0x0111, 2); /* both at once */
    assert_int_equal(ram_get(w, w->base + CONFIG + 2, 1), 15);
    world_put(w, 0x070, 0);
    assert_int_equal(ram_get(w, w->base + CONFIG, 4), 0);
}

/* ---- Pressing it -------------------------------------------------------- */

static void offer_buffers(struct virtio_ring *ring, unsigned count,
                          uint32_t len, unsigned flags)
{
    for (unsigned i = 0; i < count; i++) {
        ring_describe(ring, i, BUF + 8 * i, len, flags, 0);
        ring_offer(ring, i);
    }
}

static void test_press(void **state)
{
    struct virtio_world *w = *state;
    struct virtio_ring rings[2];
    static const uint64_t events[] = {
        /* type, code, value */
        UINT64_C(0x0000000100740001),
        0,
        UINT64_C(0x0000000000740001),
        0,
    };

    assert_false(virtio_slots_press_power(w->slots)); /* no driver */
    start(w, rings, 0);
    assert_false(virtio_slots_press_power(w->slots)); /* no buffers */
    assert_int_equal(w->rises, 0);
    offer_buffers(&rings[0], 6, 8, DESC_WRITE);
    assert_int_equal(ring_used(&rings[0]), 0);
    assert_true(virtio_slots_press_power(w->slots));
    assert_int_equal(ring_used(&rings[0]), 4);
    assert_int_equal(world_get(w, 0x060), VIRTIO_INTERRUPT_USED);
    assert_int_equal(w->level, 1);
    for (unsigned i = 0; i < 4; i++) {
        uint32_t head;

        assert_int_equal(ring_wait(&rings[0], &head), 8);
        assert_int_equal(head, i);
        assert_int_equal(ram_get(w, BUF + 8 * i, 8), events[i]);
    }
    ring_describe(&rings[1], 0, BUF, 8, 0, 0); /* a light, which it has not */
    ring_offer(&rings[1], 0);
    assert_int_equal(ring_wait(&rings[1], NULL), 0);
    world_put(w, 0x070, 0);
    assert_false(virtio_slots_press_power(w->slots));
}

static void test_bad_buffers(void **state)
{
    static const struct {
        uint32_t len;
        unsigned flags;
    } rows[] = { { 7, DESC_WRITE }, { 0, DESC_WRITE }, { 8, 0 } };
    struct virtio_world *w = *state;
    struct virtio_ring rings[2];

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start(w, rings, 0);
        offer_buffers(&rings[0], 4, rows[i].len, rows[i].flags);
        assert_false(virtio_slots_press_power(w->slots));
        assert_true(world_get(w, 0x070) & VIRTIO_STATUS_NEEDS_RESET);
        assert_false(virtio_slots_press_power(w->slots));
    }
}

/* ---- The console's window ------------------------------------------------ */

static void test_resize(void **state)
{
    struct virtio_world *w = *state;
    struct virtio_ring rings[2];
    uint32_t generation;

    world_put(w, 0x014, 0);
    assert_int_equal(world_get(w, 0x010) & 1, 1);
    virtio_slots_resize_console(w->slots, 80, 25); /* before the driver */
    start(w, rings, 1);
    assert_int_equal(world_get(w, CONFIG), 25 << 16 | 80);
    assert_int_equal(w->level, 0);
    generation = world_get(w, 0x0fc);
    virtio_slots_resize_console(w->slots, 80, 25); /* nothing new */
    assert_int_equal(w->level, 0);
    virtio_slots_resize_console(w->slots, 300, 1000);
    assert_int_equal(world_get(w, 0x060), VIRTIO_INTERRUPT_CONFIG);
    assert_int_equal(w->level, 1);
    assert_int_equal(world_get(w, CONFIG), 1000 << 16 | 300);
    assert_true(world_get(w, 0x0fc) != generation);
    world_put(w, 0x064, VIRTIO_INTERRUPT_CONFIG);
    assert_int_equal(w->level, 0);
    world_put(w, 0x070, 0);
    assert_int_equal(world_get(w, CONFIG), 1000 << 16 | 300); /* still */
}

/* What a deterministic guest sees does not depend on who looks on. */
static void test_no_resize(void **state)
{
    struct virtio_world *w = *state;

    world_put(w, 0x014, 0);
    assert_int_equal(world_get(w, 0x010) & 1, 0);
    virtio_slots_resize_console(w->slots, 80, 25);
    assert_int_equal(world_get(w, CONFIG), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_config, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config_writes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_press, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_buffers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_resize, set_up_console, tear_down),
        cmocka_unit_test_setup_teardown(test_no_resize, set_up_console_sync,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
