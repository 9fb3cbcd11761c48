/* SPDX-License-Identifier: MIT */
#include "flatview/qtest.h"

#include <errno.h>
#include <stdio.h>

#include "tests/unit/flatview/board.h"

#define ANSWER_MAX 4096

static struct heard {
    char text[ANSWER_MAX];
    size_t length;
    unsigned count;
} heard;

static void hear(void *opaque, const char *text, size_t length)
{
    struct heard *h = opaque;

    assert_int_equal(strlen(text), length);
    h->length = length;
    h->count++;
    snprintf(h->text, sizeof(h->text), "%s", text);
}

static int ask(struct board *b, AddressSpace *ports, const char *line)
{
    const struct xbar_qtest qtest = {
        .memory = &b->as,
        .ports = ports,
        .attrs = MEMTXATTRS_UNSPECIFIED,
        .answer = hear,
        .opaque = &heard,
    };
    int err;

    heard.count = 0;
    err = xbar_qtest_line(&qtest, line);
    assert_int_equal(heard.count, 1);
    assert_int_equal(strncmp(heard.text, err ? "FAIL " : "OK", err ? 5 : 2), 0);
    return err;
}

static void expect(struct board *b, const char *line, const char *answer)
{
    assert_int_equal(ask(b, NULL, line), 0);
    assert_string_equal(heard.text, answer);
}

static void refuse(struct board *b, const char *line, int error)
{
    if (ask(b, NULL, line) != error) {
        fail_msg("%s: %s", line, heard.text);
    }
}

/* ---- What is answered -------------------------------------------------- */

static void test_fixed_widths(void **state)
{
    struct board *b = *state;

    expect(b, "endianness", "OK little");
    expect(b, "readb 0x10", "OK 0x0000000000000010");
    expect(b, "readw 16", "OK 0x0000000000001110");
    expect(b, "readl 020", "OK 0x0000000013121110");
    expect(b, "readq 0X10\n", "OK 0x1716151413121110");
    expect(b, "writeb 0x20 0xff", "OK");
    expect(b, "writew 0x22 0xbeef\r\n", "OK");
    expect(b, "writel\t0x24  305419896 ", "OK");
    expect(b, "writeq 0x28 0xfedcba9876543210\nwriteb 0x20 1", "OK");
    assert_memory_equal(&b->ram_bytes[0x20],
                        "\xff\x21\xef\xbe\x78\x56\x34\x12"
                        "\x10\x32\x54\x76\x98\xba\xdc\xfe",
                        16);
    expect(b, "writel 0x2010 7", "OK");
    assert_int_equal(b->log_count, 1);
    assert_int_equal(b->log[0].size, 4);
    assert_int_equal(b->log[0].value, 7);
}

static void test_the_guests_order(void **state)
{
    const struct xbar_engine_config config = { .guest_is_big_endian = true };
    struct board *b = aligned_alloc(64, sizeof(*b));
    void *own = b;

    (void)state;
    assert_int_equal(board_set_up_with(b, &config), 0);
    expect(b, "endianness", "OK big");
    expect(b, "readl 0x10", "OK 0x0000000010111213");
    expect(b, "writew 0x20 0xbeef", "OK");
    assert_memory_equal(&b->ram_bytes[0x20], "\xbe\xef", 2);
    expect(b, "read 0x20 2", "OK 0xbeef");
    assert_int_equal(board_tear_down(&own), 0);
}

static void test_bulk(void **state)
{
    struct board *b = *state;

    expect(b, "read 0x1010 4", "OK 0x10111213");
    expect(b, "write 0x30 3 0xAAbbCc", "OK");
    assert_memory_equal(&b->ram_bytes[0x2f], "\x2f\xaa\xbb\xcc\x33", 5);
    expect(b, "memset 0x31 2 0x5a", "OK");
    assert_memory_equal(&b->ram_bytes[0x2f], "\x2f\xaa\x5a\x5a\x33", 5);
    expect(b, "read 0x5000 0", "OK 0x");
    expect(b, "write 0x5000 0 0x", "OK");
    expect(b, "memset 0x5000 0 0xff", "OK");
    expect(b, "b64read 0x5000 0", "OK");
    expect(b, "b64write 0x5000 0", "OK");
    assert_int_equal(b->log_count, 0);
}

static void test_base64(void **state)
{
    static const char *const known[] = {
        "", " Zg==", " Zm8=", " Zm9v", " Zm9vYg==", " Zm9vYmE=", " Zm9vYmFy",
    };
    struct board *b = *state;
    char line[64], answer[64];

    for (unsigned n = 0; n < 7; n++) {
        memcpy(&b->ram_bytes[0x40], "foobar", 6);
        snprintf(line, sizeof(line), "b64read 0x40 %u", n);
        snprintf(answer, sizeof(answer), "OK%s", known[n]);
        expect(b, line, answer);
        memset(&b->ram_bytes[0x40], '.', 7);
        snprintf(line, sizeof(line), "b64write 0x40 %u%s", n, known[n]);
        expect(b, line, "OK");
        assert_memory_equal(&b->ram_bytes[0x40], "foobar", n);
        assert_int_equal(b->ram_bytes[0x40 + n], '.');
    }
    memset(&b->ram_bytes[0x50], 0xff, 3);
    expect(b, "b64read 0x50 3", "OK ////");
    memset(&b->ram_bytes[0x50], 0xfb, 1);
    expect(b, "b64read 0x50 1", "OK +w==");
}

static void test_ports(void **state)
{
    struct board *b = *state;

    refuse(b, "inb 0x60", -EINVAL);
    refuse(b, "outl 0x60 1", -EINVAL);
    assert_int_equal(ask(b, &b->as, "inb 0x60"), 0);
    assert_string_equal(heard.text, "OK 0x0060");
    assert_int_equal(ask(b, &b->as, "inl 0x60"), 0);
    assert_string_equal(heard.text, "OK 0x63626160");
    assert_int_equal(ask(b, &b->as, "outw 0x60 0x1234"), 0);
    assert_int_equal(ask(b, &b->as, "inw 0x60"), 0);
    assert_string_equal(heard.text, "OK 0x1234");
    assert_int_equal(ask(b, &b->as, "inq 0x60"), -EINVAL);
}

/* ---- What is refused --------------------------------------------------- */

static void test_nonsense_does_nothing(void **state)
{
    static const char *const lines[] = {
        "",
        "\n",
        " \t",
        "read",
        "reads 0",
        "readbb 0",
        "read\xff 0",
        "READB 0",
        "readb",
        "readb 0 0",
        "readb -1",
        "readb +1",
        "readb 0x",
        "readb 09",
        "readb 1f",
        "readb 0x1g",
        "readb 0x10000000000000000",
        "readb 18446744073709551616",
        "writeb 0x20",
        "writeb 0x20 0x100",
        "writew 0x20 0x10000",
        "writel 0x20 0x100000000",
        "write 0x20 1",
        "write 0x20 1 ff",
        "write 0x20 1 0xf",
        "write 0x20 1 0xfg",
        "write 0x20 1 0xffff",
        "write 0x20 1 0xff more",
        "write 0x20 18446744073709551615 0xff",
        "read 0 16777217",
        "memset 0 16777217 0",
        "memset 0x20 1 256",
        "memset 0x20 1 x",
        "b64write 0x20 1",
        "b64write 0x20 1 /w=",
        "b64write 0x20 1 /w==x",
        "b64write 0x20 1 /x==",
        "b64write 0x20 1 /===",
        "b64write 0x20 1 //8=",
        "b64write 0x20 2 //9=",
        "b64write 0x20 2 /w==",
        "b64write 0x20 3 /w=/",
        "b64write 0x20 3 /w-_",
        "endianness 0",
    };
    struct board *b = *state;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        refuse(b, lines[i], -EINVAL);
    }
    for (unsigned i = 0; i < 0x1000; i++) {
        assert_int_equal(b->ram_bytes[i], (unsigned char)i);
    }
    assert_int_equal(b->log_count, 0);
}

static void test_no_error_is_lost(void **state)
{
    struct board *b = *state;

    refuse(b, "readb 0x5000", -EIO);
    assert_string_equal(heard.text, "FAIL result 0x2");
    refuse(b, "writeq 0x5000 1", -EIO);
    refuse(b, "memset 0x2100 4 1", -EIO);
    refuse(b, "read 0x20fc 8", -EIO);
    refuse(b, "b64read 0x20fc 8", -EIO);
    refuse(b, "read 0xffffffffffffffff 2", -EIO);
    b->device_fails = true;
    refuse(b, "readl 0x2000", -EIO);
    assert_string_equal(heard.text, "FAIL result 0x1");
    refuse(b, "b64write 0x2000 1 /w==", -EIO);
}

static void test_no_memory(void **state)
{
    struct counting_alloc alloc = {
        .hooks = { .alloc = counting_alloc_get, .free = counting_alloc_put },
    };
    const struct xbar_engine_config config = { .allocator = &alloc.hooks };
    struct board *b = aligned_alloc(64, sizeof(*b));
    void *own = b;

    (void)state;
    alloc.hooks.opaque = &alloc;
    assert_int_equal(board_set_up_with(b, &config), 0);
    counting_alloc_fail(&alloc, 1);
    refuse(b, "read 0x10 4", -ENOMEM);
    counting_alloc_fail(&alloc, 1);
    refuse(b, "write 0x10 1 0xff", -ENOMEM);
    assert_int_equal(b->ram_bytes[0x10], 0x10);
    counting_alloc_fail(&alloc, 0);
    expect(b, "read 0x10 4", "OK 0x10111213");
    assert_int_equal(board_tear_down(&own), 0);
    assert_int_equal(alloc.live_bytes, 0);
}

/* Words of commands in no order, and single characters that are wrong. */
static void test_noise(void **state)
{
    static const char *const words[] = {
        "read",   "write", "readb", "writeq", "b64read", "b64write", "memset",
        "in",     "outl",  "0",     "1",      "0x10",    "4096",     "0x2000",
        "0xff00", "Zm9v",  "/w==",  "-1",     "3",       "\n",       "\r",
    };
    struct board *b = *state;
    uint32_t random = 1;

    b->quiet = true;
    for (unsigned i = 0; i < 200000; i++) {
        char line[128] = "";
        unsigned count = 1 + i % 5;

        for (unsigned n = 0; n < count; n++) {
            random = random * 1664525 + 1013904223;
            strcat(line, words[(random >> 8) % 21]);
            strcat(line, " ");
        }
        if (random >> 31) {
            line[(random >> 4) % strlen(line)] = (char)(random >> 16);
        }
        ask(b, random & 1 << 9 ? &b->as : NULL, line);
    }
}

#define BOARD_TEST(name) \
    cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOARD_TEST(test_fixed_widths),
        cmocka_unit_test(test_the_guests_order),
        BOARD_TEST(test_bulk),
        BOARD_TEST(test_base64),
        BOARD_TEST(test_ports),
        BOARD_TEST(test_nonsense_does_nothing),
        BOARD_TEST(test_no_error_is_lost),
        cmocka_unit_test(test_no_memory),
        BOARD_TEST(test_noise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
