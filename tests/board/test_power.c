/* SPDX-License-Identifier: MIT */
/* Asking a guest to power off, with a guest that only says what was done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "power.h"

struct guest {
    struct power power;
    bool has_key;
    bool has_line;
    char done[64]; /* k: the key was pressed; a break's letter; E: the end */
};

static void note(struct guest *guest, char what)
{
    guest->done[strlen(guest->done)] = what;
}

static bool press_key(void *opaque)
{
    struct guest *guest = opaque;

    if (guest->has_key) {
        note(guest, 'k');
    }
    return guest->has_key;
}

static bool is_line_heard(void *opaque)
{
    return ((struct guest *)opaque)->has_line;
}

static void send_break(void *opaque, uint8_t key)
{
    note(opaque, (char)key);
}

static bool ask(struct guest *guest, uint64_t now)
{
    bool is_asked;

    guest->power.host.opaque = guest;
    is_asked = power_ask(&guest->power, now);
    if (!is_asked) {
        note(guest, 'E');
    }
    return is_asked;
}

static int poll(struct guest *guest, uint64_t now)
{
    int wait;

    if (!power_poll(&guest->power, now, &wait)) {
        note(guest, 'E');
    }
    return wait;
}

static struct guest make_guest(bool has_key, bool has_line)
{
    return (struct guest){
        .power = { .host = { press_key, is_line_heard, send_break, NULL } },
        .has_key = has_key,
        .has_line = has_line,
    };
}

/* As the console's thread does, which may be late. Return: the time. */
static uint64_t wait_until(struct guest *guest, uint64_t from, uint64_t to)
{
    while (from < to) {
        int left = poll(guest, from);
        uint64_t next = left < 0 ? to : from + (unsigned)left;

        assert_true(left != 0);
        from = next < to ? next : to;
    }
    (void)poll(guest, to);
    return to;
}

static void test_nobody_asked(void **state)
{
    struct guest guest = make_guest(true, true);

    (void)state;
    assert_int_equal(poll(&guest, 0), -1);
    assert_int_equal(poll(&guest, UINT64_MAX), -1);
    assert_string_equal(guest.done, "");
}

static void test_nobody_listens(void **state)
{
    struct guest guest = make_guest(false, false);

    (void)state;
    assert_false(ask(&guest, 5));
    assert_string_equal(guest.done, "E");
    assert_int_equal(poll(&guest, 6), -1);
}

static void test_key(void **state)
{
    struct guest guest = make_guest(true, false);

    (void)state;
    assert_true(ask(&guest, 1000));
    wait_until(&guest, 1000, 30999);
    assert_string_equal(guest.done, "k");
    wait_until(&guest, 30999, 31000);
    assert_string_equal(guest.done, "kE");
    assert_int_equal(poll(&guest, 31001), -1);
}

static void test_line(void **state)
{
    struct guest guest = make_guest(false, true);

    (void)state;
    assert_true(ask(&guest, 0));
    assert_string_equal(guest.done, "s");
    wait_until(&guest, 0, 1000);
    assert_string_equal(guest.done, "su");
    wait_until(&guest, 1000, 11999);
    assert_string_equal(guest.done, "suo");
    wait_until(&guest, 11999, 12000);
    assert_string_equal(guest.done, "suoE");
}

static void test_key_then_line(void **state)
{
    struct guest guest = make_guest(true, true);

    (void)state;
    assert_true(ask(&guest, 0));
    wait_until(&guest, 0, 29999);
    assert_string_equal(guest.done, "k");
    wait_until(&guest, 29999, 60000);
    assert_string_equal(guest.done, "ksuoE");
}

static void test_asked_again(void **state)
{
    struct guest guest = make_guest(true, true);

    (void)state;
    assert_true(ask(&guest, 0));
    assert_false(ask(&guest, 1));
    assert_string_equal(guest.done, "kE");
    assert_int_equal(poll(&guest, 100000), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_asked),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_key),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_key_then_line),
        cmocka_unit_test(test_asked_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
