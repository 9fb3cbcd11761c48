/* SPDX-License-Identifier: MIT */
#include "fake_vcpu.h"

static void test_a_piece_for_each(void **state)
{
    struct fake *fake = fake_open();
    struct xbar_vcpu second = { .ops = &fake_ops, .opaque = fake };
    struct xbar_scoreboard *board = xbar_scoreboard_new(fake->hub, 24);
    uint64_t *piece[2];

    (void)state;
    assert_non_null(board);
    assert_null(xbar_scoreboard_at(board, 1));
    assert_null(xbar_scoreboard_at(board, XBAR_VCPUS_MAX));
    piece[0] = xbar_scoreboard_at(board, 0);
    piece[0][2] = 5;
    assert_int_equal(instrument__attach(fake->hub, &second), 0);
    assert_ptr_equal(xbar_scoreboard_at(board, 0), piece[0]);
    piece[1] = xbar_scoreboard_at(board, 1);
    assert_int_equal((uintptr_t)piece[1] % 64, 0);
    piece[1][2] = 6;
    assert_int_equal(xbar_scoreboard_sum(board, 16), 11);
    assert_int_equal(xbar_scoreboard_sum(board, 0), 0);
    assert_int_equal(xbar_scoreboard_sum(board, 17), 0);
    assert_int_equal(xbar_scoreboard_sum(board, 24), 0);
    assert_int_equal(xbar_scoreboard_sum(board, SIZE_MAX - 7), 0);
    instrument__detach(&second);
    assert_int_equal(xbar_scoreboard_sum(board, 16), 11); /* it did that */
    xbar_scoreboard_free(board);
    xbar_scoreboard_free(NULL);
    fake_close(fake);
}

static void test_out_of_memory(void **state)
{
    struct fake *fake = fake_open();
    struct xbar_vcpu second = { .ops = &fake_ops, .opaque = fake };
    struct xbar_scoreboard *board;

    (void)state;
    assert_null(xbar_scoreboard_new(fake->hub, 0));
    assert_null(xbar_scoreboard_new(fake->hub, SIZE_MAX));
    for (int i = 1; i <= 2; i++) {
        fake->fail_at = i;
        assert_null(xbar_scoreboard_new(fake->hub, 8));
    }
    board = xbar_scoreboard_new(fake->hub, 8);
    assert_non_null(board);
    fake->fail_at = 1;
    assert_int_not_equal(instrument__attach(fake->hub, &second), 0);
    assert_int_equal(xbar_instruments_vcpus(fake->hub), 1);
    assert_int_equal(instrument__attach(fake->hub, &second), 0);
    instrument__detach(&second);
    fake_close(fake); /* ends the board */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_piece_for_each),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
