/* SPDX-License-Identifier: MIT */
/* Subscribers come, and go when the last vCPU has let go of them. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "fake_vcpu.h"

static void count_end(void *opaque)
{
    ++*(unsigned *)opaque;
}

static const struct xbar_instrument_ops quiet_ops = { .ended = count_end };

static void test_ends_at_once_if_nobody_runs(void **state)
{
    struct fake *fake = fake_open();
    unsigned ended = 0;
    struct xbar_instrument *in =
        xbar_instrument_add(fake->hub, &quiet_ops, &ended);

    (void)state;
    assert_non_null(in);
    assert_int_equal(ended, 0);
    xbar_instrument_remove(in);
    assert_int_equal(ended, 1);
    assert_int_equal(fake->kicks, 0);
    fake_close(fake);
}

static void test_ends_when_all_have_let_go(void **state)
{
    struct fake *fake = fake_open();
    struct xbar_vcpu second = { .ops = &fake_ops, .opaque = fake };
    unsigned ended = 0;
    struct xbar_instrument *in;

    (void)state;
    assert_int_equal(instrument__attach(fake->hub, &second), 0);
    assert_int_equal(second.index, 1);
    assert_int_equal(xbar_instruments_vcpus(fake->hub), 2);
    instrument__online(&fake->vcpu);
    instrument__online(&second);
    instrument__sync(&fake->vcpu);
    instrument__sync(&second);
    in = xbar_instrument_add(fake->hub, &quiet_ops, &ended);
    assert_int_equal(fake->kicks, 2);
    assert_true(instrument__has_news(&fake->vcpu));
    instrument__sync(&fake->vcpu);
    assert_false(instrument__has_news(&fake->vcpu));
    assert_int_equal(fake->vcpu.subscribers, 1);
    xbar_instrument_remove(in);
    assert_int_equal(ended, 0);
    instrument__sync(&fake->vcpu);
    assert_int_equal(fake->vcpu.subscribers, 0);
    assert_int_equal(ended, 0);
    instrument__offline(&second); /* syncs before it runs again */
    assert_int_equal(ended, 1);
    instrument__offline(&fake->vcpu);
    instrument__detach(&second);
    fake_close(fake);
}

static void test_free_ends_all(void **state)
{
    struct fake *fake = fake_open();
    unsigned ended = 0;

    (void)state;
    for (unsigned i = 0; i < XBAR_INSTRUMENTS_MAX; i++) {
        assert_non_null(xbar_instrument_add(fake->hub, &quiet_ops, &ended));
    }
    assert_null(xbar_instrument_add(fake->hub, &quiet_ops, &ended));
    assert_int_equal(xbar_instruments_free(fake->hub), -EBUSY);
    assert_int_equal(ended, 0);
    fake_close(fake);
    assert_int_equal(ended, XBAR_INSTRUMENTS_MAX);
    assert_int_equal(xbar_instruments_free(NULL), 0);
}

static void note_commit(void *opaque, const struct xbar_commit_event *event)
{
    *(struct xbar_commit_event *)opaque = *event;
}

static void test_commits(void **state)
{
    const struct xbar_instrument_ops ops = { .commit = note_commit };
    struct xbar_commit_event seen = { 0 };
    struct fake *fake = fake_open();
    MemoryRegion rom;
    struct xbar_instrument *in;

    (void)state;
    in = xbar_instrument_add(fake->hub, &ops, &seen);
    assert_non_null(in);
    assert_int_equal(seen.added, 0);
    assert_int_equal(xbar_engine_enter(fake->engine), 0);
    assert_int_equal(memory_region_init_rom(&rom, NULL, "rom", 4096, NULL), 0);
    xbar_engine_leave(fake->engine);
    memory_region_add_subregion(&fake->root, 0x3000, &rom);
    assert_int_equal(seen.added, 1);
    assert_int_equal(seen.removed, 0);
    assert_int_equal(seen.first, 0x3000);
    assert_int_equal(seen.last, 0x3fff);
    xbar_instrument_remove(in);
    memory_region_del_subregion(&fake->root, &rom);
    assert_int_equal(seen.removed, 0);
    xbar_region_destroy(&rom, NULL, NULL);
    fake_close(fake);
}

/* A refused allocation leaves everything as it was. */
static void test_out_of_memory(void **state)
{
    struct fake *fake = fake_open();
    unsigned ended = 0;

    (void)state;
    fake->fail_at = 1;
    assert_null(xbar_instrument_add(fake->hub, &quiet_ops, &ended));
    fake->fail_at = 1;
    assert_null(xbar_instruments_new(&fake->as));
    assert_int_equal(ended, 0);
    fake_close(fake);
}

/* ---- Threads ----------------------------------------------------------- */

struct shared {
    struct fake *fake;
    _Atomic unsigned in_use; /* of the subscriber, by the vCPU */
    _Atomic bool stop;
};

struct guest {
    _Atomic unsigned calls;
    _Atomic bool ended;
};

static void note_call(struct xbar_vcpu *vcpu, void *userdata)
{
    struct guest *guest = userdata;

    (void)vcpu;
    assert_false(guest->ended);
    guest->calls++;
}

static void want_call(void *opaque, struct xbar_vcpu *vcpu,
                      struct xbar_code *code)
{
    (void)vcpu;
    (void)xbar_code_on_block(code, note_call, opaque);
}

static void note_end(void *opaque)
{
    ((struct guest *)opaque)->ended = true;
}

static void *run_vcpu(void *opaque)
{
    const struct xbar_insn insn = { .pc = 4, .length = 4 };
    struct shared *shared = opaque;
    struct xbar_vcpu *vcpu = &shared->fake->vcpu;

    while (!shared->stop) {
        instrument__online(vcpu);
        for (unsigned i = 0; i < 50; i++) {
            struct instrument_block *block;

            if (instrument__has_news(vcpu)) {
                instrument__sync(vcpu);
            }
            block = instrument__show(vcpu, &insn, 1);
            for (unsigned j = 0; j < 20; j++) {
                instrument__tell(vcpu, &block->place);
            }
            instrument__free_block(vcpu, block);
        }
        instrument__offline(vcpu);
    }
    return NULL;
}

static void test_come_and_go_beside_a_vcpu(void **state)
{
    const struct xbar_instrument_ops ops = { .translated = want_call,
                                             .ended = note_end };
    struct shared shared = { .fake = fake_open() };
    unsigned called = 0;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, run_vcpu, &shared), 0);
    for (unsigned i = 0; i < 2000 || called == 0; i++) {
        struct guest *guest = calloc(1, sizeof(*guest));
        struct xbar_instrument *in;

        assert_non_null(guest);
        in = xbar_instrument_add(shared.fake->hub, &ops, guest);
        assert_non_null(in);
        while (i % 8 == 0 && guest->calls == 0) {
        }
        xbar_instrument_remove(in);
        while (!guest->ended) {
        }
        called += guest->calls != 0;
        free(guest);
    }
    shared.stop = true;
    pthread_join(thread, NULL);
    fake_close(shared.fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends_at_once_if_nobody_runs),
        cmocka_unit_test(test_ends_when_all_have_let_go),
        cmocka_unit_test(test_free_ends_all),
        cmocka_unit_test(test_commits),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_come_and_go_beside_a_vcpu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
