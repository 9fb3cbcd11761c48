/* SPDX-License-Identifier: MIT */
/* Agent expressions: each operation, against its definition; and bytes that
 * are no expression. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "gdb/agent.h"

/* Memory of 256 bytes that count from 0x1000 on, registers that are twice their
 * number, one variable. */
struct world {
    uint64_t variable;
    uint64_t addr, size; /* what was collected last */
    unsigned collected;
    unsigned collected_variable;
    uint64_t steps; /* of all that ran */
};

static bool get_reg(void *opaque, unsigned reg, uint64_t *value)
{
    (void)opaque;
    *value = 2 * (uint64_t)reg;
    return reg < 33;
}

static bool read_memory(void *opaque, uint64_t addr, void *bytes, size_t size)
{
    (void)opaque;
    if (addr - 0x1000 > 256 - size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)bytes)[i] = (uint8_t)(addr + i);
    }
    return true;
}

static bool get_variable(void *opaque, unsigned number, uint64_t *value)
{
    *value = ((struct world *)opaque)->variable;
    return number == 1;
}

static bool set_variable(void *opaque, unsigned number, uint64_t value)
{
    ((struct world *)opaque)->variable = value;
    return number == 1;
}

static bool collect(void *opaque, uint64_t addr, uint64_t size)
{
    struct world *world = opaque;

    world->addr = addr;
    world->size = size;
    world->collected++;
    return size <= 0x10000;
}

static bool collect_variable(void *opaque, unsigned number)
{
    ((struct world *)opaque)->collected_variable = number;
    return number == 1;
}

static const char *run(struct world *world, const void *code, size_t size,
                       uint64_t *top)
{
    const struct agent_host host = {
        .get_reg = get_reg,
        .read = read_memory,
        .get_variable = get_variable,
        .set_variable = set_variable,
        .collect = collect,
        .collect_text = collect,
        .collect_variable = collect_variable,
        .opaque = world,
    };
    uint8_t *copy = test_malloc(size ? size : 1); /* to the byte */
    const char *why;

    memcpy(copy, code, size);
    *top = 0;
    why = agent_run(&host, copy, size, &world->steps, top);
    test_free(copy);
    return why;
}

/* ---- Values ------------------------------------------------------------ */

static size_t put_const(uint8_t *code, uint64_t value)
{
    code[0] = 0x25;
    for (unsigned i = 0; i < 8; i++) {
        code[1 + i] = (uint8_t)(value >> (56 - 8 * i));
    }
    return 9;
}

static const uint64_t values[] = {
    0,
    1,
    2,
    3,
    63,
    64,
    65,
    0x7f,
    0x80,
    0xffff,
    INT64_MAX,
    (uint64_t)INT64_MIN,
    UINT64_MAX,
    UINT64_MAX - 1,
    0x123456789abcdef0,
};

#define VALUES (sizeof(values) / sizeof(values[0]))

static uint64_t shift_right(uint64_t a, uint64_t b, bool is_signed)
{
    uint64_t fill = is_signed && a >> 63;

    for (uint64_t i = 0; i < b && i < 64; i++) {
        a = a >> 1 | fill << 63;
    }
    return a;
}

/* Return: false if there is no result. */
static bool expect_binary(unsigned op, uint64_t a, uint64_t b, uint64_t *want)
{
    int64_t sa = (int64_t)a, sb = (int64_t)b;
    bool is_odd = sa == INT64_MIN && sb == -1;

    switch (op) {
    case 0x02:
        *want = a + b;
        return true;
    case 0x03:
        *want = a - b;
        return true;
    case 0x04:
        *want = a * b;
        return true;
    case 0x05:
        *want = b == 0 || is_odd ? a : (uint64_t)(sa / sb);
        return b != 0;
    case 0x06:
        *want = b == 0 ? 0 : a / b;
        return b != 0;
    case 0x07:
        *want = b == 0 || is_odd ? 0 : (uint64_t)(sa % sb);
        return b != 0;
    case 0x08:
        *want = b == 0 ? 0 : a % b;
        return b != 0;
    case 0x09:
        *want = b > 63 ? 0 : a << b;
        return true;
    case 0x0a:
    case 0x0b:
        *want = shift_right(a, b, op == 0x0a);
        return true;
    case 0x0f:
        *want = a & b;
        return true;
    case 0x10:
        *want = a | b;
        return true;
    case 0x11:
        *want = a ^ b;
        return true;
    case 0x13:
        *want = a == b;
        return true;
    case 0x14:
        *want = sa < sb;
        return true;
    default:
        *want = a < b;
        return true;
    }
}

static void operations_of_two_words(void **state)
{
    static const uint8_t ops[] = { 2,    3,    4,    5,    6,    7,
                                   8,    9,    0x0a, 0x0b, 0x0f, 0x10,
                                   0x11, 0x13, 0x14, 0x15 };
    struct world world = { 0 };

    (void)state;
    for (unsigned i = 0; i < sizeof(ops) * VALUES * VALUES; i++) {
        unsigned op = ops[i / (VALUES * VALUES)];
        uint64_t a = values[i / VALUES % VALUES], b = values[i % VALUES];
        uint64_t want, got;
        uint8_t code[20];
        bool is_there = expect_binary(op, a, b, &want);
        const char *why;

        put_const(code, a);
        put_const(code + 9, b);
        code[18] = (uint8_t)op;
        code[19] = 0x27;
        why = run(&world, code, sizeof(code), &got);
        if (is_there ? why || got != want : !why) {
            fail_msg("%02x of %llx and %llx: %s, %llx instead of %llx", op,
                     (unsigned long long)a, (unsigned long long)b,
                     why ? why : "", (unsigned long long)got,
                     (unsigned long long)want);
        }
    }
}

/* As gdb lays them out, with what they give. */
static void other_operations(void **state)
{
    static const struct {
        uint64_t want;
        size_t size;
        const char *code;
    } rows[] = {
        { 1, 4, "\x22\x00\x0e\x27" },              /* !0 */
        { UINT64_MAX, 4, "\x22\x00\x12\x27" },     /* ~0 */
        { UINT64_MAX, 5, "\x22\xff\x16\x08\x27" }, /* sign */
        { 0x7f, 5, "\x22\x7f\x16\x08\x27" },
        { 0xf, 5, "\x22\xff\x2a\x04\x27" }, /* zero */
        { 0xff, 5, "\x22\xff\x16\x40\x27" },
        { 0x10, 5, "\x23\x10\x10\x17\x27" },
        { 0x1110, 5, "\x23\x10\x10\x18\x27" },
        { 0x13121110, 5, "\x23\x10\x10\x19\x27" },
        { 0x1716151413121110, 5, "\x23\x10\x10\x1a\x27" },
        { 0x12345678, 6, "\x24\x12\x34\x56\x78\x27" },
        { 20, 4, "\x26\x00\x0a\x27" }, /* register 10 */
        { 5, 11, "\x22\x01\x20\x00\x08\x22\x04\x27\x22\x05\x27" }, /* if */
        { 4, 11, "\x22\x00\x20\x00\x08\x22\x04\x27\x22\x05\x27" },
        { 7, 7, "\x21\x00\x04\x27\x22\x07\x27" },     /* goto */
        { 6, 6, "\x22\x03\x28\x02\x27\x27" },         /* dup */
        { 3, 6, "\x22\x03\x22\x04\x29\x27" },         /* pop */
        { 1, 7, "\x22\x03\x22\x04\x2b\x03\x27" },     /* swap */
        { 3, 7, "\x22\x03\x22\x04\x32\x01\x27" },     /* pick */
        { 2, 8, "\x22\x01\x22\x02\x22\x03\x33\x27" }, /* rot: 3 1 2 */
        { 9, 6, "\x22\x09\x2d\x00\x01\x27" },         /* set */
        { 9, 4, "\x2c\x00\x01\x27" },                 /* get */
        { 0, 1, "\x27" },
    };
    struct world world = { 0 };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t got;
        const char *why = run(&world, rows[i].code, rows[i].size, &got);

        if (why || got != rows[i].want) {
            fail_msg("row %u: %s, %llx", i, why ? why : "",
                     (unsigned long long)got);
        }
    }
}

static void what_is_collected(void **state)
{
    static const struct {
        uint64_t size;
        size_t length;
        const char *code;
    } rows[] = {
        { 8, 6, "\x23\x10\x20\x0d\x08\x27" },         /* quick */
        { 0x123, 7, "\x23\x10\x20\x30\x01\x23\x27" }, /* 16 bits of size */
        { 4, 7, "\x23\x10\x20\x22\x04\x0c\x27" },
        { 9, 7, "\x23\x10\x20\x22\x09\x2f\x27" }, /* text */
    };
    struct world world = { 0 };
    uint64_t got;

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_null(run(&world, rows[i].code, rows[i].length, &got));
        assert_int_equal(world.addr, 0x1020);
        assert_int_equal(world.size, rows[i].size);
        assert_int_equal(world.collected, i + 1);
    }
    assert_null(run(&world, "\x2e\x00\x01\x27", 4, &got));
    assert_int_equal(world.collected_variable, 1);
    assert_int_equal(world.steps, 3 + 3 + 4 + 4 + 2);
}

/* ---- What is none ------------------------------------------------------ */

static void what_is_wrong_is_told(void **state)
{
    static const struct {
        const char *why;
        size_t size;
        const char *code;
    } rows[] = {
        { "malformed", 0, "" },
        { "malformed", 2, "\x22\x01" }, /* no end */
        { "malformed", 1, "\x22" },     /* no operand */
        { "malformed", 2, "\x02\x27" }, /* nothing to add */
        { "malformed", 4, "\x22\x01\x02\x27" },
        { "malformed", 4, "\x21\xff\xff\x27" }, /* out of it */
        { "malformed", 5, "\x22\x01\x32\x01\x27" },
        { "malformed", 5, "\x22\x01\x16\x00\x27" },
        { "malformed", 4, "\x28\x21\x00\x00" },
        { "unsupported", 2, "\x01\x27" }, /* floating point */
        { "unsupported", 2, "\x31\x27" },
        { "unsupported", 2, "\x34\x27" }, /* printf */
        { "unsupported", 2, "\xff\x27" },
        { "unsupported", 2, "\x00\x27" },
        { "does not end", 4, "\x21\x00\x00\x27" },
        { "malformed", 6, "\x22\x01\x21\x00\x00\x27" }, /* the stack */
        { "cannot be read", 4, "\x22\x00\x1a\x27" },
        { "cannot be read", 5, "\x23\x10\xf9\x1a\x27" },
        { "no such register", 4, "\x26\xff\xff\x27" },
        { "no such trace", 4, "\x2c\x00\x02\x27" },
        { "division", 6, "\x22\x01\x22\x00\x05\x27" },
        { "more than", 9, "\x22\x00\x24\x00\x01\x00\x01\x0c\x27" },
    };
    struct world world = { 0 };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t got;
        const char *why = run(&world, rows[i].code, rows[i].size, &got);

        if (!why || !strstr(why, rows[i].why)) {
            fail_msg("row %u: %s", i, why ? why : "fine");
        }
    }
}

/* Any bytes, and bytes that are mostly operations. */
static void random_bytes_end(void **state)
{
    uint64_t random = 88172645463325252u;
    struct world world = { 0 };
    unsigned ended = 0;

    (void)state;
    for (unsigned turn = 0; turn < 20000; turn++) {
        uint8_t code[64];
        uint64_t got;

        for (unsigned i = 0; i < sizeof(code); i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            code[i] = (uint8_t)(random >> 32);
            if (turn % 2) {
                code[i] %= 0x34;
            }
        }
        ended += !run(&world, code, sizeof(code), &got);
    }
    assert_true(ended > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_of_two_words),
        cmocka_unit_test(other_operations),
        cmocka_unit_test(what_is_collected),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(random_bytes_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
