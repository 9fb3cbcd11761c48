/* SPDX-License-Identifier: MIT */
/* Tests of engine/code_pages.c: frames, keepers, and who has settled. */
#include "engine/code_pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/alloc.h"
#include "engine/check.h"
#include "engine/engine.h"
#include "tests/unit/engine/scarce.h"

#define FRAME XBAR_CODE_FRAME_SIZE
#define HERE  ((uint64_t)0x7f0012345000)

/* A vCPU that settles when the test says so. */
struct vcpu {
    struct xbar_code_party party;
    unsigned asked;
    uint64_t frame; /* asked for last */
    bool settled;
};

static int setup(void **state)
{
    (void)state;
    return open_scarce();
}

static int teardown(void **state)
{
    (void)state;
    return xbar_engine_free(engine);
}

static void note_protect(struct xbar_code_party *party, uint64_t frame)
{
    struct vcpu *vcpu = xbar_container_of(party, struct vcpu, party);

    vcpu->asked++;
    vcpu->frame = frame;
}

static bool is_settled(const struct xbar_code_party *party)
{
    return xbar_container_of(party, const struct vcpu, party)->settled;
}

static void join(struct vcpu *vcpu, bool keeps)
{
    memset(vcpu, 0, sizeof(*vcpu));
    vcpu->party.protect = note_protect;
    vcpu->party.is_settled = is_settled;
    xbar_code_join(engine, &vcpu->party);
    if (keeps) {
        xbar_code_keep(engine, &vcpu->party, true);
    }
}

static void leave(struct vcpu *vcpu)
{
    if (vcpu->party.keeps) {
        xbar_code_keep(engine, &vcpu->party, false);
    }
    xbar_code_leave(engine, &vcpu->party);
}

static bool watch(struct vcpu *vcpu, uint64_t host)
{
    return xbar_code_watch(engine, &vcpu->party, host);
}

/* The frames to be compared; all: 1000. */
static unsigned collected(struct vcpu *vcpu)
{
    struct xbar_code_frames frames;

    if (!xbar_code_collect(engine, &vcpu->party, &frames)) {
        return 0;
    }
    return frames.all ? 1000 : frames.count;
}

static void one_keeper_is_told_once(void **state)
{
    struct vcpu a;

    (void)state;
    join(&a, true);
    assert_false(xbar_code_is_watched(engine, HERE));
    assert_true(watch(&a, HERE));
    assert_false(watch(&a, HERE));
    assert_true(xbar_code_is_watched(engine, HERE));
    assert_false(xbar_code_is_watched(engine, HERE + FRAME));
    assert_int_equal(collected(&a), 0);

    xbar_code_wrote(engine, HERE);
    assert_false(xbar_code_is_watched(engine, HERE));
    assert_false(watch(&a, HERE)); /* it is to be compared anyway */
    assert_false(xbar_code_is_watched(engine, HERE));
    xbar_code_wrote(engine, HERE);
    assert_int_equal(collected(&a), 1);
    assert_int_equal(collected(&a), 0);
    assert_true(watch(&a, HERE));
    assert_int_equal(a.asked, 0);
    leave(&a);
    assert_false(xbar_code_is_watched(engine, HERE));
}

static void every_keeper_is_told(void **state)
{
    struct vcpu a, b, c;

    (void)state;
    join(&a, true);
    join(&b, true);
    join(&c, true);
    a.settled = b.settled = c.settled = true;
    watch(&a, HERE);
    watch(&b, HERE);
    watch(&b, HERE + FRAME);
    assert_int_equal(a.asked, 2);
    assert_int_equal(b.asked, 1);
    assert_int_equal(c.asked, 3);
    assert_int_equal(c.frame, HERE + FRAME);
    xbar_code_wrote(engine, HERE);
    assert_int_equal(collected(&a), 1);
    assert_int_equal(collected(&b), 1);
    assert_int_equal(collected(&c), 0);
    /* One of them watches again: the other does not. */
    assert_true(watch(&a, HERE));
    xbar_code_wrote(engine, HERE);
    assert_int_equal(collected(&a), 1);
    assert_int_equal(collected(&b), 0);
    leave(&a);
    leave(&b);
    leave(&c);
}

/* A frame stays to be compared, and once more after all have settled. */
static void unsettled_frames_stay(void **state)
{
    struct vcpu a, b;

    (void)state;
    join(&a, true);
    join(&b, false);
    watch(&a, HERE);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(collected(&a), 1);
    }
    watch(&a, HERE + FRAME);
    assert_int_equal(collected(&a), 2);
    b.settled = true;
    assert_int_equal(collected(&a), 2);
    assert_int_equal(collected(&a), 0);
    b.settled = false; /* of something else */
    assert_int_equal(collected(&a), 0);
    watch(&a, HERE + 2 * FRAME);
    leave(&b); /* nobody to wait for */
    assert_int_equal(collected(&a), 1);
    assert_int_equal(collected(&a), 0);
    leave(&a);
}

static void a_page_may_lie_in_two_frames(void **state)
{
    struct vcpu a;

    (void)state;
    join(&a, true);
    watch(&a, HERE + 16);
    assert_true(xbar_code_is_watched(engine, HERE));
    assert_true(xbar_code_is_watched(engine, HERE + FRAME));
    assert_true(xbar_code_is_watched(engine, HERE - 1));
    assert_false(xbar_code_is_watched(engine, HERE - FRAME));
    assert_false(xbar_code_is_watched(engine, HERE + 2 * FRAME));
    xbar_code_wrote(engine, HERE + FRAME + 8);
    assert_true(xbar_code_is_watched(engine, HERE));
    assert_int_equal(collected(&a), 1);
    xbar_code_wrote(engine, HERE - 8);
    assert_int_equal(collected(&a), 1);
    leave(&a);
}

static void too_many_frames_are_all(void **state)
{
    struct vcpu a, b;

    (void)state;
    join(&a, true);
    join(&b, false);
    b.settled = true;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i <= XBAR_CODE_FRAMES; i++) {
            assert_true(watch(&a, HERE + i * FRAME));
        }
        for (unsigned i = 0; i < XBAR_CODE_FRAMES; i++) {
            xbar_code_wrote(engine, HERE + i * FRAME);
        }
        assert_int_equal(collected(&a), XBAR_CODE_FRAMES);
        for (unsigned i = 0; i < XBAR_CODE_FRAMES; i++) {
            assert_true(watch(&a, HERE + i * FRAME));
        }
        for (unsigned i = 0; i <= XBAR_CODE_FRAMES; i++) {
            xbar_code_wrote(engine, HERE + i * FRAME);
        }
        assert_false(watch(&a, HERE));
        assert_int_equal(collected(&a), 1000);
        assert_int_equal(collected(&a), 0);
    }
    b.settled = false;
    for (unsigned i = 0; i <= XBAR_CODE_FRAMES; i++) {
        assert_true(watch(&a, HERE + i * FRAME));
    }
    assert_int_equal(collected(&a), 1000);
    assert_int_equal(collected(&a), 1000);
    leave(&b);
    assert_int_equal(collected(&a), 1000);
    assert_int_equal(collected(&a), 0);
    leave(&a);
}

/* Frames that share a bucket, and their neighbours 2 MiB away. */
static void frames_are_exact(void **state)
{
    struct vcpu a;

    (void)state;
    join(&a, true);
    for (uint64_t i = 0; i < 500; i++) {
        watch(&a, HERE + i * 7 * 512 * FRAME);
    }
    for (uint64_t i = 0; i < 7 * 500; i++) {
        assert_int_equal(xbar_code_is_watched(engine, HERE + i * 512 * FRAME),
                         i % 7 == 0);
    }
    leave(&a);
}

/* What one keeper left behind is nothing to who gets its place. */
static void places_are_given_again(void **state)
{
    struct vcpu a, b;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        join(&a, true);
        assert_true(watch(&a, HERE));
        xbar_code_wrote(engine, HERE + FRAME);
        assert_int_equal(collected(&a), 0);
        assert_true(watch(&a, HERE + FRAME));
        join(&b, true);
        assert_true(watch(&b, HERE));
        leave(&a);
        assert_true(xbar_code_is_watched(engine, HERE));
        assert_false(xbar_code_is_watched(engine, HERE + FRAME));
        leave(&b);
        assert_false(xbar_code_is_watched(engine, HERE));
    }
}

/* Of @count frames to be compared, which must be told of, those that are held. */
static uint64_t held(struct vcpu *vcpu, unsigned count)
{
    struct xbar_code_frames frames;

    assert_int_equal(xbar_code_collect(engine, &vcpu->party, &frames),
                     count != 0);
    assert_false(frames.all);
    assert_int_equal(frames.count, count);
    return frames.held;
}

/* Written, told, and compared @hold times more before it is watched again. */
static void expect_hold(struct vcpu *vcpu, uint64_t host, unsigned hold)
{
    assert_true(xbar_code_is_watched(engine, host));
    xbar_code_wrote(engine, host);
    assert_false(xbar_code_is_watched(engine, host));
    for (unsigned i = 0; i < hold; i++) {
        assert_int_equal(held(vcpu, 1), 1);
        assert_false(watch(vcpu, host));
        assert_false(xbar_code_is_watched(engine, host));
        xbar_code_wrote(engine, host); /* nobody is told */
    }
    assert_int_equal(held(vcpu, 1), 0);
    assert_true(watch(vcpu, host));
}

/* What is written between any two comparisons is told once for many of them;
 * what was not, for once, begins anew. */
static void written_each_time_is_held(void **state)
{
    static const unsigned holds[] = { 0, 1, 3, 7, 15, 31, 63, 63, 63 };
    struct vcpu a;

    (void)state;
    join(&a, true);
    assert_true(watch(&a, HERE));
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 9; i++) {
            expect_hold(&a, HERE, holds[i]);
        }
        assert_int_equal(held(&a, 0), 0);
    }
    leave(&a);
    /* Nothing is left of it. */
    xbar_code_join(engine, &a.party);
    xbar_code_keep(engine, &a.party, true);
    assert_true(watch(&a, HERE));
    assert_int_equal(held(&a, 0), 0);
    expect_hold(&a, HERE, 0);
    leave(&a);
}

/* Others are told of what one holds; and two frames with one place for their
 * habits are both compared. */
static void holding_is_ones_own(void **state)
{
    const uint64_t other = HERE + XBAR_CODE_HABITS * FRAME;
    struct vcpu a, b;

    (void)state;
    join(&a, true);
    join(&b, true);
    a.settled = b.settled = true;
    assert_true(watch(&a, HERE));
    expect_hold(&a, HERE, 0);
    expect_hold(&a, HERE, 1);
    xbar_code_wrote(engine, HERE);
    assert_int_equal(held(&a, 1), 1); /* and 2 more */
    assert_true(watch(&b, HERE));
    assert_true(watch(&a, other));
    xbar_code_wrote(engine, HERE);
    xbar_code_wrote(engine, other);
    assert_int_equal(held(&b, 1), 0);
    assert_int_equal(held(&a, 2), 2); /* told: other; held: HERE */
    assert_true(watch(&a, other));
    assert_int_equal(held(&a, 1), 1);
    assert_int_equal(held(&a, 1), 0);
    assert_true(watch(&a, HERE));
    assert_int_equal(held(&a, 0), 0);
    leave(&a);
    leave(&b);
}

/* Without a place, or without memory, a keeper has to compare everything. */
static void who_cannot_be_told_compares_all(void **state)
{
    struct vcpu many[65];
    struct vcpu a;

    (void)state;
    for (unsigned i = 0; i < 65; i++) {
        join(&many[i], true);
        many[i].settled = true;
    }
    for (unsigned i = 0; i < 65; i++) {
        assert_int_equal(watch(&many[i], HERE), i < 64);
    }
    xbar_code_wrote(engine, HERE);
    for (unsigned i = 0; i < 65; i++) {
        assert_int_equal(collected(&many[i]), i < 64 ? 1 : 1000);
        assert_int_equal(collected(&many[i]), i < 64 ? 0 : 1000);
    }
    for (unsigned i = 0; i < 65; i++) {
        leave(&many[i]);
    }

    join(&a, true);
    allocations_left = 0;
    assert_false(watch(&a, HERE + 4096 * FRAME));
    assert_int_equal(collected(&a), 1000);
    assert_int_equal(collected(&a), 0);
    allocations_left = 10;
    assert_true(watch(&a, HERE + 4096 * FRAME));
    assert_int_equal(collected(&a), 0);
    leave(&a);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_keeper_is_told_once), CASE(every_keeper_is_told),
        CASE(unsettled_frames_stay),   CASE(a_page_may_lie_in_two_frames),
        CASE(too_many_frames_are_all), CASE(frames_are_exact),
        CASE(places_are_given_again),  CASE(written_each_time_is_held),
        CASE(holding_is_ones_own),     CASE(who_cannot_be_told_compares_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
