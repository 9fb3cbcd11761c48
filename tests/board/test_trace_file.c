/* SPDX-License-Identifier: MIT */
/* Traces as files: written by a thread, read back, cut, damaged, newer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xbar/xbar.h>

#include "trace/encoder.h"
#include "trace/header.h"
#include "trace/sink.h"
#include "trace/source.h"
#include "trace_random.h"

struct written {
    char path[64];
    struct trace_sink *sink;
    struct trace_encoder encoder;
};

static uint8_t *submit(void *opaque, size_t size)
{
    return trace_sink_submit(((struct written *)opaque)->sink, size);
}

static void do_nothing(void *opaque)
{
    (void)opaque;
}

static void open_sink(struct written *w, const char *path)
{
    Error *err = NULL;

    snprintf(w->path, sizeof(w->path), "%s", path);
    w->sink = trace_sink_open(w->path, do_nothing, NULL, &err);
    assert_non_null(w->sink);
    assert_int_equal(
        trace_encoder_init(&w->encoder, trace_sink_first(w->sink), submit, w),
        0);
}

static void put_all(struct written *w, unsigned accesses)
{
    const uint64_t board[] = { 1 << 20, 10000000, 0 };
    const uint64_t region[] = { 0x10000000, 0x1000 };
    uint64_t end[] = { 0, 0 };

    trace_put(&w->encoder, TRACE_BOARD, 0, board, "a guest", 7);
    trace_put(&w->encoder, TRACE_REGION, 0, region, "uart", 4);
    for (unsigned i = 0; i < accesses; i++) {
        struct trace_site site = random_site(8);

        trace_put_access(&w->encoder, 100 * i, &site, random_value(site.size));
    }
    end[0] = w->encoder.accesses;
    trace_put(&w->encoder, TRACE_END, w->encoder.ns, end, NULL, 0);
    trace_encoder_flush(&w->encoder);
    trace_encoder_end(&w->encoder);
}

static void write_trace(struct written *w, unsigned accesses)
{
    char path[] = "/tmp/xbar-trace-XXXXXX";
    int fd = mkstemp(path);
    uint64_t size;

    assert_true(fd >= 0);
    close(fd);
    open_sink(w, path);
    put_all(w, accesses);
    assert_int_equal(trace_sink_close(w->sink, &size), 0);
    fd = open(path, O_RDONLY);
    assert_int_equal(lseek(fd, 0, SEEK_END), size);
    close(fd);
}

/* Return: how many accesses there were before the end, or @why it ended. */
static uint64_t read_trace(const char *path, const char *why)
{
    struct trace_event event;
    Error *err = NULL;
    struct trace_source *source = trace_source_open(path, &err);
    uint64_t accesses = 0;
    int ret = source ? 1 : -1;

    while (ret > 0) {
        ret = trace_source_next(source, &event, &err);
        accesses += ret > 0 && event.kind == TRACE_ACCESS;
    }
    assert_int_equal(ret < 0, why != NULL);
    if (err) {
        if (!strstr(error_get_pretty(err), why)) {
            fail_msg("%s instead of %s", error_get_pretty(err), why);
        }
        error_free(err);
    }
    trace_source_close(source);
    return accesses;
}

static void patch(const char *path, off_t offset, uint8_t byte)
{
    int fd = open(path, O_WRONLY);

    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static void a_file_comes_back(void **state)
{
    struct written w;

    (void)state;
    random_state = 42;
    write_trace(&w, 300000);
    assert_int_equal(read_trace(w.path, NULL), 300000);
    unlink(w.path);
}

static void a_file_without_accesses_comes_back(void **state)
{
    struct written w;

    (void)state;
    write_trace(&w, 0);
    assert_int_equal(read_trace(w.path, NULL), 0);
    unlink(w.path);
}

/* Cut anywhere, it is readable up to there. */
static void a_cut_file_is_readable_to_there(void **state)
{
    uint64_t before = UINT64_MAX;
    struct written w;
    off_t size;
    int fd;

    (void)state;
    random_state = 42;
    write_trace(&w, 50000);
    fd = open(w.path, O_RDWR);
    size = lseek(fd, 0, SEEK_END);
    while (size > TRACE_HEADER_SIZE) {
        uint64_t accesses;

        size =
            size - 20000 > TRACE_HEADER_SIZE ? size - 20000 : TRACE_HEADER_SIZE;
        assert_int_equal(ftruncate(fd, size), 0);
        accesses = read_trace(w.path, "cut off after");
        assert_true(accesses <= before);
        before = accesses;
    }
    assert_int_equal(before, 0);
    assert_int_equal(ftruncate(fd, TRACE_HEADER_SIZE - 1), 0);
    (void)read_trace(w.path, "not a trace");
    close(fd);
    unlink(w.path);
}

/* At every byte of a small one: what whole frames hold is there, to the
 * access. */
static void a_file_may_be_cut_at_every_byte(void **state)
{
    enum { FRAMES = 5, EACH = 20 };
    char path[] = "/tmp/xbar-trace-XXXXXX";
    const uint64_t board[] = { 1 << 20, 10000000, 0 };
    const uint64_t region[] = { 0x10000000, 0x1000 };
    const uint64_t end[] = { FRAMES * EACH, 0 };
    int fd = mkstemp(path);
    uint64_t size, last = FRAMES * EACH, falls = 0;
    struct written w;

    (void)state;
    random_state = 44;
    assert_true(fd >= 0);
    open_sink(&w, path);
    trace_put(&w.encoder, TRACE_BOARD, 0, board, "a guest", 7);
    trace_put(&w.encoder, TRACE_REGION, 0, region, "uart", 4);
    for (unsigned i = 0; i < FRAMES * EACH; i++) {
        struct trace_site site = random_site(8);

        trace_put_access(&w.encoder, 100 * i, &site, random_value(site.size));
        if (i % EACH == EACH - 1 && i + 1 < FRAMES * EACH) {
            trace_encoder_flush(&w.encoder);
        }
    }
    trace_put(&w.encoder, TRACE_END, w.encoder.ns, end, NULL, 0);
    trace_encoder_flush(&w.encoder);
    trace_encoder_end(&w.encoder);
    assert_int_equal(trace_sink_close(w.sink, &size), 0);
    assert_int_equal(read_trace(path, NULL), FRAMES * EACH);
    while (size-- > TRACE_HEADER_SIZE) {
        uint64_t accesses;

        assert_int_equal(ftruncate(fd, (off_t)size), 0);
        accesses = read_trace(path, "cut off after");
        assert_true(accesses <= last && accesses % EACH == 0);
        falls += accesses < last;
        last = accesses;
    }
    assert_int_equal(last, 0);
    assert_int_equal(falls, FRAMES);
    close(fd);
    unlink(path);
}

static void a_damaged_file_is_told(void **state)
{
    struct written w;
    unsigned cut = 0;

    (void)state;
    random_state = 43;
    write_trace(&w, 2000);
    for (unsigned i = 0; i < 500; i++) {
        struct trace_event event;
        Error *err = NULL;
        struct trace_source *source;
        int ret;

        patch(w.path, (off_t)(TRACE_HEADER_SIZE + below(8000)),
              (uint8_t)random64());
        source = trace_source_open(w.path, &err);
        assert_non_null(source);
        do {
            ret = trace_source_next(source, &event, &err);
        } while (ret > 0);
        assert_int_equal(ret < 0, err != NULL);
        cut += ret < 0;
        error_free(err);
        trace_source_close(source);
    }
    assert_true(cut > 490); /* there are checksums */
    unlink(w.path);
}

static void another_file_is_no_trace(void **state)
{
    struct written w;

    (void)state;
    write_trace(&w, 10);
    patch(w.path, TRACE_HEADER_VERSION, TRACE_VERSION + 1);
    (void)read_trace(w.path, "a trace of version 2, and this is xbar");
    patch(w.path, 8, 'X');
    (void)read_trace(w.path, "not a trace");
    (void)read_trace("/dev/null", "not a trace");
    (void)read_trace("/nowhere/at/all", "No such file");
    (void)read_trace("/tmp", "Is a directory");
    unlink(w.path);
}

/* Frames that hold more than a block, or zeros without end. */
static void large_frames_are_refused(void **state)
{
    struct written w;
    int fd;

    (void)state;
    write_trace(&w, 0);
    fd = open(w.path, O_WRONLY | O_TRUNC);
    {
        uint8_t header[TRACE_HEADER_SIZE];
        /* one block of 128 KiB - 1 repeated bytes: RLE */
        static const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00,
                                         0x38, 0xfb, 0xff, 0x0f, 0x0b };

        trace_header_make(header, TRACE_VERSION);
        assert_int_equal(write(fd, header, sizeof(header)), sizeof(header));
        assert_int_equal(write(fd, frame, sizeof(frame)), sizeof(frame));
    }
    close(fd);
    (void)read_trace(w.path, "cannot be unpacked");
    unlink(w.path);
}

static void a_full_disk_ends_the_trace_only(void **state)
{
    struct written w;
    uint64_t size;
    Error *err = NULL;

    (void)state;
    assert_null(trace_sink_open("/dev/full", do_nothing, NULL, &err));
    assert_non_null(strstr(error_get_pretty(err), "No space left"));
    error_free(err);
    err = NULL;
    assert_null(trace_sink_open("/nowhere/at/all", do_nothing, NULL, &err));
    error_free(err);

    /* A pipe whose reader leaves in the middle; SIGPIPE is ignored. */
    {
        char path[32];
        int ends[2];

        assert_int_equal(pipe(ends), 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
        open_sink(&w, path);
        close(ends[0]);
        put_all(&w, 300000);
        assert_int_equal(trace_sink_close(w.sink, &size), -EPIPE);
        close(ends[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_comes_back),
        cmocka_unit_test(a_file_without_accesses_comes_back),
        cmocka_unit_test(a_cut_file_is_readable_to_there),
        cmocka_unit_test(a_file_may_be_cut_at_every_byte),
        cmocka_unit_test(a_damaged_file_is_told),
        cmocka_unit_test(another_file_is_no_trace),
        cmocka_unit_test(large_frames_are_refused),
        cmocka_unit_test(a_full_disk_ends_the_trace_only),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
