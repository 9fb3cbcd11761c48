/* SPDX-License-Identifier: MIT */
#include "engine/error.h"

#include "tests/unit/engine/fixture.h"

static void test_set_and_free(void **state)
{
    Error *err = NULL;

    (void)state;
    error_setg(&err, "no %s at %d", "thing", 42);
    assert_non_null(err);
    assert_string_equal(error_get_pretty(err), "no thing at 42");
    error_free(err);
    error_free(NULL);
    error_setg(NULL, "nobody asks");
}

static void test_first_cause_stays(void **state)
{
    Error *err = NULL;

    (void)state;
    error_setg(&err, "first");
    error_setg(&err, "second");
    assert_string_equal(error_get_pretty(err), "first");
    error_free(err);
}

static void test_propagate(void **state)
{
    Error *outer = NULL;
    Error *inner = NULL;

    (void)state;
    error_propagate(&outer, NULL);
    assert_null(outer);
    error_setg(&inner, "inner");
    error_propagate(&outer, inner);
    assert_ptr_equal(outer, inner);
    inner = NULL;
    error_setg(&inner, "late");
    error_propagate(&outer, inner); /* freed: the first stays */
    assert_string_equal(error_get_pretty(outer), "inner");
    inner = NULL;
    error_setg(&inner, "dropped");
    error_propagate(NULL, inner);
    error_free(outer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_and_free),
        cmocka_unit_test(test_first_cause_stays),
        cmocka_unit_test(test_propagate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
