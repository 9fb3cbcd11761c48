/* SPDX-License-Identifier: MIT */
/* Lines for the log: whose engine hears them, and in which shape. */
#include "engine/log.h"

#include "engine/dispatch.h"
#include "tests/unit/engine/fixture.h"

struct heard {
    unsigned lines;
    unsigned mask;
    char text[300];
};

static void hear(void *opaque, unsigned mask, const char *text)
{
    struct heard *heard = opaque;

    heard->lines++;
    heard->mask = mask;
    assert_true(strlen(text) < sizeof(heard->text));
    strcpy(heard->text, text);
}

static struct xbar_engine_config config_of(struct heard *heard, unsigned mask)
{
    memset(heard, 0, sizeof(*heard));
    return (struct xbar_engine_config){
        .log = hear,
        .log_opaque = heard,
        .log_mask = mask,
    };
}

static void test_masks_and_shape(void **state)
{
    struct heard heard;
    struct fixture f;
    char longer[400];

    (void)state;
    fixture_open(&f, config_of(&heard, XBAR_LOG_UNIMP));
    assert_true(xbar_log_is_wanted(XBAR_LOG_UNIMP));
    assert_false(xbar_log_is_wanted(XBAR_LOG_GUEST_ERROR));
    xbar_log(XBAR_LOG_GUEST_ERROR, "%s", "unheard");
    assert_int_equal(heard.lines, 0);
    xbar_log(XBAR_LOG_UNIMP, "register %d\n", 7);
    assert_string_equal(heard.text, "register 7");
    assert_int_equal(heard.mask, XBAR_LOG_UNIMP);
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    xbar_log(XBAR_LOG_UNIMP, "%s", longer);
    assert_int_equal(strlen(heard.text), 255);
    fixture_close(&f);
}

static void test_without_a_hook(void **state)
{
    (void)state;
    assert_false(xbar_log_is_wanted(~0u));
    xbar_log(~0u, "nobody hears %d", 1);
}

static uint64_t read_and_say(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)size;
    xbar_log(XBAR_LOG_UNIMP, "from the device");
    return 0;
}

static void write_nothing(void *opaque, hwaddr addr, uint64_t data,
                          unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)data;
    (void)size;
}

/* From a callback it is the device's engine, whichever is current. */
static void test_the_devices_engine_hears(void **state)
{
    static const MemoryRegionOps ops = { .read = read_and_say,
                                         .write = write_nothing };
    struct heard devices, currents;
    struct fixture device, current;
    MemoryRegion mr;
    uint64_t value;

    (void)state;
    fixture_open(&device, config_of(&devices, ~0u));
    memory_region_init_io(&mr, NULL, &ops, NULL, "d", 4);
    fixture_open(&current, config_of(&currents, ~0u));
    memory_region_dispatch_read(&mr, 0, &value, MO_32, ATTRS);
    assert_int_equal(devices.lines, 1);
    assert_int_equal(currents.lines, 0);
    xbar_log(1, "outside");
    assert_int_equal(currents.lines, 1);
    fixture_close(&current);
    end_region(&mr);
    fixture_close(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masks_and_shape),
        engine_test(test_without_a_hook),
        cmocka_unit_test(test_the_devices_engine_hears),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
