/* SPDX-License-Identifier: MIT */
/* Frames of tracepoints: what went in comes out, in as much memory as there
 * is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gdb/frames.h"

static bool put_frame(struct gdb_frames *frames, uint32_t number, size_t size)
{
    const uint64_t value = 3 * (uint64_t)number;
    uint64_t *values;
    uint8_t *bytes;
    void *variable;

    if (!gdb_frames_begin(frames, number, 0x1000 + number)) {
        return false;
    }
    values = gdb_frames_add(frames, GDB_BLOCK_REGS, 2, 2 * 10);
    if (!values) {
        return false;
    }
    values[0] = number;
    values[1] = number + 1;
    memcpy(&values[2], (const uint16_t[]){ 7, 4161 }, 4);
    bytes = gdb_frames_add(frames, GDB_BLOCK_MEMORY, 0x2000, size + 3);
    if (!bytes) {
        return false;
    }
    memset(bytes, (int)number, size + 3);
    gdb_frames_shrink(frames, size + 3, size);
    variable = gdb_frames_add(frames, GDB_BLOCK_VARIABLE, 5, 8);
    if (!variable) {
        return false;
    }
    memcpy(variable, &value, 8);
    (void)gdb_frames_end(frames);
    return true;
}

static void check_frame(struct gdb_frames *frames, uint32_t index,
                        uint32_t number, size_t size)
{
    const struct gdb_frame *frame = gdb_frames_get(frames, index);
    uint8_t bytes[600];
    uint64_t value;

    assert_non_null(frame);
    assert_int_equal(frame->tracepoint, number);
    assert_int_equal(frame->pc, 0x1000 + number);
    assert_true(gdb_frame_reg(frame, 7, &value));
    assert_int_equal(value, number);
    assert_true(gdb_frame_reg(frame, 4161, &value));
    assert_int_equal(value, number + 1);
    assert_false(gdb_frame_reg(frame, 8, &value));
    assert_true(gdb_frame_variable(frame, 5, &value));
    assert_int_equal(value, 3 * (uint64_t)number);
    assert_false(gdb_frame_variable(frame, 6, &value));
    assert_int_equal(gdb_frame_read(frame, 0x2000, bytes, sizeof(bytes)), size);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(bytes[i], (uint8_t)number);
    }
    assert_int_equal(gdb_frame_read(frame, 0x1fff, bytes, 1), 0);
    assert_int_equal(gdb_frame_read(frame, 0x2000 + size, bytes, 1), 0);
    assert_int_equal(gdb_frame_read(frame, 0x2000, bytes, 0), 0);
}

static void frames_come_back(void **state)
{
    struct gdb_frames frames = { 0 };
    uint32_t count = 0;

    (void)state;
    assert_false(gdb_frames_begin(&frames, 1, 2));
    assert_true(gdb_frames_alloc(&frames, 100000));
    while (put_frame(&frames, count, count % 500)) {
        count++;
    }
    gdb_frames_drop(&frames);
    assert_true(count > 200);
    assert_int_equal(frames.count, count);
    assert_int_equal(frames.created, count);
    assert_true(frames.used <= frames.room);
    assert_null(gdb_frames_get(&frames, count));
    assert_null(gdb_frames_get(&frames, GDB_NO_FRAME));
    for (uint32_t i = 0; i < count; i++) {
        check_frame(&frames, i, i, i % 500);
    }
    for (uint32_t i = count; i-- > 0; i -= i > 13 ? 13 : 0) {
        check_frame(&frames, i, i, i % 500);
    }
    gdb_frames_free(&frames);
    assert_null(gdb_frames_get(&frames, 0));
}

/* The latest ones are there, whole, and in order. */
static void a_circle_keeps_the_latest(void **state)
{
    static const size_t rooms[] = { 640, 1000, 5000, 65536 };

    (void)state;
    for (unsigned room = 0; room < 4; room++) {
        struct gdb_frames frames = { .is_circular = true };

        assert_true(gdb_frames_alloc(&frames, rooms[room]));
        for (uint32_t i = 0; i < 3000; i++) {
            uint32_t first;

            assert_true(put_frame(&frames, i, i * 7 % 400));
            first = i + 1 - frames.count;
            check_frame(&frames, frames.count - 1, i, i * 7 % 400);
            check_frame(&frames, 0, first, first * 7 % 400);
        }
        assert_int_equal(frames.created, 3000);
        assert_true(frames.count >= rooms[room] / 4 / 600);
        /* One that is larger than all of it: it is not there. */
        assert_true(gdb_frames_begin(&frames, 1, 1));
        assert_null(gdb_frames_add(&frames, GDB_BLOCK_MEMORY, 0, rooms[room]));
        gdb_frames_drop(&frames);
        assert_null(gdb_frames_get(&frames, frames.count));
        gdb_frames_free(&frames);
    }
}

/* Blocks that lie side by side, and on each other. */
static void memory_is_joined(void **state)
{
    struct gdb_frames frames = { 0 };
    const struct gdb_frame *frame;
    uint8_t bytes[32];

    (void)state;
    assert_true(gdb_frames_alloc(&frames, 4096));
    assert_true(gdb_frames_begin(&frames, 1, 2));
    memcpy(gdb_frames_add(&frames, GDB_BLOCK_MEMORY, 0x104, 3), "efg", 3);
    memcpy(gdb_frames_add(&frames, GDB_BLOCK_MEMORY, 0x100, 4), "abcd", 4);
    memcpy(gdb_frames_add(&frames, GDB_BLOCK_MEMORY, UINT64_MAX - 1, 2), "yz",
           2);
    assert_int_equal(gdb_frames_end(&frames), 16 + 3 * (16 + 8));
    frame = gdb_frames_get(&frames, 0);
    assert_int_equal(gdb_frame_read(frame, 0x101, bytes, sizeof(bytes)), 6);
    assert_memory_equal(bytes, "bcdefg", 6);
    assert_int_equal(gdb_frame_read(frame, 0x103, bytes, 2), 2);
    assert_memory_equal(bytes, "de", 2);
    assert_int_equal(gdb_frame_read(frame, UINT64_MAX - 1, bytes, 8), 2);
    gdb_frames_free(&frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_back),
        cmocka_unit_test(a_circle_keeps_the_latest),
        cmocka_unit_test(memory_is_joined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
