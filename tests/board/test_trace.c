/* SPDX-License-Identifier: MIT */
/*
 * The format of traces: what goes in comes out, and whatever bytes come in,
 * nothing is used that was not checked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <xbar/xbar.h>

#include "trace/decoder.h"
#include "trace/encoder.h"
#include "trace_random.h"

#define BLOCKS_MAX 64
#define KINDS      17

/* ---- A trace in memory ------------------------------------------------- */

struct blocks {
    unsigned count;
    size_t sizes[BLOCKS_MAX];
    uint8_t *bytes[BLOCKS_MAX + 1];
};

static void add_block(struct blocks *blocks)
{
    assert_true(blocks->count < BLOCKS_MAX);
    /* its own, so that a sanitizer sees what goes beyond */
    blocks->bytes[blocks->count] = test_malloc(TRACE_BLOCK_SIZE);
}

static uint8_t *take_block(void *opaque, size_t size)
{
    struct blocks *blocks = opaque;

    assert_true(size > 0 && size <= TRACE_BLOCK_SIZE);
    blocks->sizes[blocks->count++] = size;
    add_block(blocks);
    return blocks->bytes[blocks->count];
}

static void free_blocks(struct blocks *blocks)
{
    for (unsigned i = 0; i <= blocks->count; i++) {
        test_free(blocks->bytes[i]);
    }
}

static void begin(struct trace_encoder *encoder, struct blocks *blocks)
{
    const uint64_t board[] = { 1 << 20, 10000000, 0 };
    const uint64_t region[] = { 0x10000000, 0x1000 };

    memset(blocks, 0, sizeof(*blocks));
    add_block(blocks);
    assert_int_equal(
        trace_encoder_init(encoder, blocks->bytes[0], take_block, blocks), 0);
    trace_put(encoder, TRACE_BOARD, 0, board, "a guest", 7);
    trace_put(encoder, TRACE_REGION, 0, region, "uart", 4);
}

static void finish(struct trace_encoder *encoder)
{
    const uint64_t end[] = { encoder->accesses, encoder->inputs };

    trace_put(encoder, TRACE_END, encoder->ns, end, NULL, 0);
    trace_encoder_flush(encoder);
    trace_encoder_end(encoder);
}

/* ---- What goes in comes out -------------------------------------------- */

static const struct trace_event *next_event(struct trace_decoder *decoder,
                                            const struct blocks *blocks,
                                            unsigned *block)
{
    static struct trace_event event;
    Error *err = NULL;
    int ret = trace_decode(decoder, &event, &err);

    while (ret == 0 && *block < blocks->count) {
        trace_decoder_block(decoder, blocks->bytes[*block],
                            blocks->sizes[*block]);
        (*block)++;
        ret = trace_decode(decoder, &event, &err);
    }
    if (ret < 0) {
        fail_msg("%s", error_get_pretty(err));
    }
    return ret == 0 ? NULL : &event;
}

/* The random stream is made twice: put, then expected. */
static void check_round_trip(unsigned accesses, unsigned variety)
{
    struct trace_encoder encoder;
    struct trace_decoder decoder;
    struct blocks blocks;
    Error *err = NULL;
    unsigned block = 0;
    uint64_t ns = 0;

    begin(&encoder, &blocks);
    random_state = 88172645463325252;
    for (unsigned i = 0; i < accesses; i++) {
        struct trace_site site = random_site(variety);

        ns += below(1000);
        trace_put_access(&encoder, ns, &site, random_value(site.size));
    }
    finish(&encoder);
    assert_int_equal(trace_decoder_init(&decoder, "test", &err), 0);
    assert_int_equal(next_event(&decoder, &blocks, &block)->kind, TRACE_BOARD);
    assert_int_equal(next_event(&decoder, &blocks, &block)->kind, TRACE_REGION);
    random_state = 88172645463325252;
    ns = 0;
    for (unsigned i = 0; i < accesses; i++) {
        const struct trace_event *event = next_event(&decoder, &blocks, &block);
        struct trace_site site = random_site(variety);

        ns += below(1000);
        assert_int_equal(event->kind, TRACE_ACCESS);
        assert_int_equal(event->ns, ns);
        assert_int_equal(event->site.pc, site.pc);
        assert_int_equal(event->site.offset, site.offset);
        assert_int_equal(event->site.size, site.size);
        assert_int_equal(event->site.flags, site.flags);
        assert_int_equal(event->site.result, site.result);
        assert_int_equal(event->site.region, 0);
        assert_int_equal(event->value, random_value(site.size));
    }
    assert_int_equal(next_event(&decoder, &blocks, &block)->kind, TRACE_END);
    assert_null(next_event(&decoder, &blocks, &block));
    trace_decoder_end(&decoder);
    free_blocks(&blocks);
}

static void accesses_come_back(void **state)
{
    (void)state;
    check_round_trip(100000, 4);
}

/* More than are known at a time: all are forgotten, several times. */
static void sites_are_forgotten_and_come_back(void **state)
{
    (void)state;
    check_round_trip(3 * TRACE_SITES_MAX, 1 << 20);
}

static void every_kind_comes_back(void **state)
{
    struct trace_encoder encoder;
    struct trace_decoder decoder;
    struct blocks blocks;
    Error *err = NULL;
    unsigned block = 0;

    (void)state;
    begin(&encoder, &blocks);
    for (unsigned kind = TRACE_MTIME; kind < KINDS; kind++) {
        const uint64_t numbers[TRACE_NUMBERS] = { 7, 1, 1u << 31, 2, 256, 60 };

        assert_non_null(trace_kind_info(kind));
        trace_put(&encoder, (enum trace_kind)kind, 1000 * kind, numbers, "abc",
                  3);
    }
    assert_null(trace_kind_info(KINDS));
    finish(&encoder);
    assert_int_equal(trace_decoder_init(&decoder, "test", &err), 0);
    (void)next_event(&decoder, &blocks, &block);
    (void)next_event(&decoder, &blocks, &block);
    for (unsigned kind = TRACE_MTIME; kind < KINDS; kind++) {
        const struct trace_kind_info *info = trace_kind_info(kind);
        const struct trace_event *event = next_event(&decoder, &blocks, &block);

        assert_int_equal(event->kind, kind);
        assert_int_equal(event->ns, 1000 * (info->is_timed ? kind : kind - 1));
        assert_int_equal(event->numbers[0], info->numbers[0] ? 7 : 0);
        assert_int_equal(event->num_bytes, info->bytes ? 3 : 0);
    }
    assert_int_equal(next_event(&decoder, &blocks, &block)->kind, TRACE_END);
    trace_decoder_end(&decoder);
    free_blocks(&blocks);
}

/* A loop that polls: what the format is for. */
static void a_loop_takes_two_bytes_an_access(void **state)
{
    const struct trace_site site = { .pc = 0x80001000, .offset = 5, .size = 1 };
    struct trace_encoder encoder;
    struct blocks blocks;
    size_t bytes = 0;

    (void)state;
    begin(&encoder, &blocks);
    for (unsigned i = 0; i < 100000; i++) {
        trace_put_access(&encoder, 100 * i, &site, 0x60);
    }
    finish(&encoder);
    for (unsigned i = 0; i < blocks.count; i++) {
        bytes += blocks.sizes[i];
    }
    assert_in_range(bytes, 200000, 200100);
    free_blocks(&blocks);
}

/* ---- Hostile bytes ----------------------------------------------------- */

static void make_small_trace(struct blocks *blocks)
{
    struct trace_encoder encoder;

    begin(&encoder, blocks);
    for (unsigned i = 0; i < 60; i++) {
        const uint64_t numbers[TRACE_NUMBERS] = { below(8), 1, 4, 2, 256, 60 };
        struct trace_site site = random_site(8);

        trace_put_access(&encoder, 100 * i, &site, random_value(site.size));
        if (i % 4 == 0) {
            trace_put(
                &encoder,
                (enum trace_kind)(TRACE_MTIME + below(KINDS - TRACE_MTIME)),
                100 * i, numbers, "abcdef", 6);
        }
    }
    finish(&encoder);
    assert_int_equal(blocks->count, 1);
}

/* Reads to the end or to the first complaint, and looks at all it gets.
 * Return: was all of it fine? */
static bool read_bytes(const uint8_t *bytes, size_t size)
{
    struct trace_decoder decoder;
    struct trace_event event;
    Error *err = NULL;
    int ret;

    assert_int_equal(trace_decoder_init(&decoder, "test", &err), 0);
    trace_decoder_block(&decoder, bytes, size);
    while ((ret = trace_decode(&decoder, &event, &err)) > 0) {
        const struct trace_region *region = decoder.regions;

        assert_true(event.kind == TRACE_ACCESS || trace_kind_info(event.kind));
        if (event.kind == TRACE_ACCESS) {
            assert_true(event.site.region < decoder.num_regions);
            region += event.site.region;
            assert_true(event.site.offset < region->size);
            assert_true(region->size - event.site.offset >= event.site.size);
            assert_true(event.site.size == 8 ||
                        event.value >> 8 * event.site.size == 0);
        }
    }
    assert_int_equal(ret < 0, err != NULL);
    if (err) {
        assert_non_null(strstr(error_get_pretty(err), "test: damaged after"));
        error_free(err);
        assert_int_equal(trace_decode(&decoder, &event, &err), 0);
    }
    ret = ret == 0 && decoder.has_end;
    trace_decoder_end(&decoder);
    return ret;
}

static bool read_copy(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = test_malloc(size ? size : 1);
    bool is_fine;

    memcpy(copy, bytes, size);
    is_fine = read_bytes(copy, size);
    test_free(copy);
    return is_fine;
}

static void what_is_cut_is_not_whole(void **state)
{
    struct blocks blocks;

    (void)state;
    random_state = 1234567;
    make_small_trace(&blocks);
    assert_true(read_copy(blocks.bytes[0], blocks.sizes[0]));
    for (size_t size = 0; size < blocks.sizes[0]; size++) {
        assert_false(read_copy(blocks.bytes[0], size));
    }
    free_blocks(&blocks);
}

static void flipped_bytes_are_harmless(void **state)
{
    struct blocks blocks;

    (void)state;
    random_state = 7654321;
    for (unsigned trace = 0; trace < 20; trace++) {
        make_small_trace(&blocks);
        for (unsigned i = 0; i < 200; i++) {
            uint8_t *bytes = test_malloc(blocks.sizes[0]);
            unsigned flips = 1 + (unsigned)below(4);

            memcpy(bytes, blocks.bytes[0], blocks.sizes[0]);
            for (unsigned n = 0; n < flips; n++) {
                bytes[below(blocks.sizes[0])] = (uint8_t)random64();
            }
            (void)read_bytes(bytes, blocks.sizes[0]);
            test_free(bytes);
        }
        free_blocks(&blocks);
    }
}

/* Each of them is refused, with its reason. */
static void impossible_records_are_refused(void **state)
{
    static const struct {
        const char *why;
        size_t size;
        const char *bytes; /* behind a board and a region of 0x1000 bytes */
    } rows[] = {
        { "no such record", 1, "\x1f" },
        { "no such record", 1, "\x11" },
        { "no end", 11, "\x05\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff" },
        { "no end", 12, "\x05\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02" },
        { "second board", 8, "\x01\x80\x80\x40\x01\x00\x01x" },
        { "cannot be", 5, "\x02\x00\x00\x01x" }, /* a region of size 0 */
        { "more bytes", 5, "\x02\x00\x01\x09x" },
        { "no site", 2, "\x20\x00" },
        { "site that cannot be", 7, "\x03\x00\x01\x00\x01\x00\x00" },
        { "site that cannot be", 7, "\x03\x04\x00\x00\x01\x00\x00" },
        { "site that cannot be", 7, "\x03\x00\x00\x00\x03\x00\x00" },
        { "outside", 8, "\x03\x00\x00\x80\x20\x01\x00\x00" },
        { "outside", 8, "\x03\x00\x00\xfd\x1f\x04\x00\x00" },
        { "device that is none", 4, "\x0e\x00\x08\x01" },
        { "key that is none", 4, "\x09\x00\x80\x02" },
        { "line that is none", 4, "\x0a\x00\x40\x01" },
        { "counts otherwise", 4, "\x00\x00\x01\x00" },
        { "behind the end", 5, "\x00\x00\x00\x00\x0b" },
        { "too large", 11, "\x03\x00\x00\x00\x01\x00\x00\x20\x00\x80\x04" },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trace_encoder encoder;
        struct trace_decoder decoder;
        struct trace_event event;
        struct blocks blocks;
        Error *err = NULL;

        begin(&encoder, &blocks);
        memcpy(encoder.block + encoder.used, rows[i].bytes, rows[i].size);
        assert_int_equal(trace_decoder_init(&decoder, "test", &err), 0);
        trace_decoder_block(&decoder, encoder.block,
                            encoder.used + rows[i].size);
        while (trace_decode(&decoder, &event, &err) > 0) {
        }
        if (!err || !strstr(error_get_pretty(err), rows[i].why)) {
            fail_msg("row %u: %s instead of %s", i,
                     err ? error_get_pretty(err) : "nothing", rows[i].why);
        }
        error_free(err);
        trace_decoder_end(&decoder);
        trace_encoder_end(&encoder);
        free_blocks(&blocks);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accesses_come_back),
        cmocka_unit_test(sites_are_forgotten_and_come_back),
        cmocka_unit_test(every_kind_comes_back),
        cmocka_unit_test(a_loop_takes_two_bytes_an_access),
        cmocka_unit_test(what_is_cut_is_not_whole),
        cmocka_unit_test(flipped_bytes_are_harmless),
        cmocka_unit_test(impossible_records_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
