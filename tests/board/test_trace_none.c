/* SPDX-License-Identifier: MIT */
/* Traces in a program without zstd: refused, in words, and nothing is made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xbar/xbar.h>

#include "trace/sink.h"
#include "trace/source.h"

static void check_error(Error *err)
{
    assert_non_null(err);
    assert_non_null(strstr(error_get_pretty(err), "built without zstd"));
    error_free(err);
}

static void do_nothing(void *opaque)
{
    (void)opaque;
}

static void nothing_is_recorded(void **state)
{
    char path[] = "/tmp/xbar-none-XXXXXX";
    int fd = mkstemp(path);
    Error *err = NULL;

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    assert_null(trace_sink_open(path, do_nothing, NULL, &err));
    check_error(err);
    assert_int_equal(access(path, F_OK), -1);
}

static void nothing_is_replayed(void **state)
{
    Error *err = NULL;

    (void)state;
    assert_null(trace_source_open("/dev/null", &err));
    check_error(err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_recorded),
        cmocka_unit_test(nothing_is_replayed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
