/* SPDX-License-Identifier: MIT */
/* Tests of jit/riscv/hart.c: what other threads may do meanwhile. */
#include "tests/unit/riscv/one_rig.h"

#include <sched.h>

/* Everything that any thread may do, while the hart runs and sleeps. */
struct storm {
    struct rig *rig;
    uint64_t seed;
};

static void *make_storm(void *opaque)
{
    static const unsigned lines[] = { 1, 3, 5, 9, 11 };
    struct storm *storm = opaque;
    struct xbar_riscv_hart *hart = storm->rig->hart;

    for (unsigned i = 0; i < 2000 || storm->rig->io_writes == 0; i++) {
        uint64_t number = rig_random(&storm->seed);
        unsigned line = lines[number % 5];

        xbar_riscv_set_irq(hart, line, true);
        xbar_riscv_set_timecmp(hart, xbar_riscv_time(hart) + number % 50);
        if (number % 16 == 0) {
            sleep_ms(number % 32 == 0); /* let it see some of this */
        }
        xbar_riscv_set_irq(hart, line, false);
        if (number % 64 == 0) {
            xbar_riscv_set_time(hart, number >> 40);
        }
    }
    xbar_riscv_set_timecmp(hart, UINT64_MAX);
    xbar_riscv_request_exit(hart);
    return NULL;
}

/* wfi in a loop, with a handler that only writes to the I/O page. */
static void load_sleeper(struct rig *on)
{
    const uint32_t code[] = { INSN_WFI, insn_addi(5, 5, 1), 0xff9ff06f };
    const uint32_t handler[] = { insn_sd(0, 6, 0), INSN_MRET };

    xbar_riscv_set_x(on->hart, 6, RIG_IO);
    rig_code(on, 0, code, 3);
    rig_code(on, 0x100, handler, 2);
    assert_int_equal(xbar_riscv_set_csr(on->hart, 0x305, RIG_RAM + 0x100), 0);
    assert_int_equal(xbar_riscv_set_csr(on->hart, 0x304, 0xaaa), 0);
    assert_int_equal(xbar_riscv_set_csr(on->hart, 0x300, MSTATUS_MIE), 0);
}

static void *run_until_exit(void *opaque)
{
    struct rig *on = opaque;

    while (xbar_riscv_run(on->hart, 100000) != XBAR_RISCV_EXIT_REQUEST) {
    }
    return NULL;
}

/* Two machines in two threads, each under a storm of its own. */
static void test_two_harts_two_threads(void **state)
{
    struct rig *both = test_calloc(2, sizeof(*both));
    struct storm storms[2];
    pthread_t threads[4];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        rig_open(&both[i]);
        assert_int_equal(xbar_riscv_set_engine(both[i].hart, engine), 0);
        load_sleeper(&both[i]);
        storms[i] = (struct storm){ &both[i], 11 + i };
        assert_int_equal(
            pthread_create(&threads[i], NULL, run_until_exit, &both[i]), 0);
        assert_int_equal(
            pthread_create(&threads[2 + i], NULL, make_storm, &storms[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_true(both[i].io_writes > 0);
        rig_close(&both[i]);
    }
    test_free(both);
}

/*
 * The tree changes while the hart runs: it sees the change, and the grace
 * period that the committer waits for passes. The guest copies a doubleword
 * in RAM to the I/O page.
 */
static _Atomic uint64_t copied;

static void *run_without_limit(void *opaque)
{
    struct rig *on = opaque;

    xbar_riscv_run(on->hart, UINT64_MAX);
    return NULL;
}

static void note_copy(struct rig *from, hwaddr addr, uint64_t value)
{
    (void)from;
    (void)addr;
    atomic_store(&copied, value);
}

static void wait_for_copy(uint64_t value)
{
    uint64_t start = now_ns();

    while (atomic_load(&copied) != value) {
        assert_true(now_ns() - start < 60000000000);
        sched_yield();
    }
}

static void test_commit_while_running(void **state)
{
    const uint32_t code[] = { insn_i(0x03, 3, 5, 7, 0), insn_sd(5, 6, 0),
                              0xff9ff06f /* j .-8 */ };
    static uint64_t memory[512];
    MemoryRegion overlay;
    pthread_t thread;

    (void)state;
    rig_code(&rig, 0, code, 3);
    rig.on_write = note_copy;
    xbar_riscv_set_x(rig.hart, 6, RIG_IO);
    xbar_riscv_set_x(rig.hart, 7, RIG_RAM + 0x1000);
    memory[0] = 42;
    assert_int_equal(xbar_engine_enter(rig.engine), 0);
    assert_int_equal(memory_region_init_ram_ptr(&overlay, NULL, "overlay",
                                                TLB_PAGE_SIZE, memory),
                     0);
    xbar_engine_leave(rig.engine);
    assert_int_equal(pthread_create(&thread, NULL, run_without_limit, &rig), 0);
    wait_for_copy(0);
    memory_region_add_subregion_overlap(&rig.ram, 0x1000, &overlay, 1);
    wait_for_copy(42);
    /* Waits for a grace period, in which the hart has to take part. */
    assert_int_equal(xbar_region_destroy(&overlay, NULL, NULL), 0);
    wait_for_copy(0);
    xbar_riscv_request_exit(rig.hart);
    pthread_join(thread, NULL);
}

/* A wake-up must never be lost: one line, up and acknowledged, many times. */
static _Atomic bool acknowledged;

static void ack_on_write(struct rig *from, hwaddr addr, uint64_t value)
{
    (void)addr;
    (void)value;
    xbar_riscv_set_irq(from->hart, XBAR_RISCV_IRQ_M_EXT, false);
    atomic_store(&acknowledged, true);
}

static void test_no_wakeup_is_lost(void **state)
{
    pthread_t thread;

    (void)state;
    load_sleeper(&rig);
    rig.on_write = ack_on_write;
    assert_int_equal(pthread_create(&thread, NULL, run_until_exit, &rig), 0);
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t start = now_ns();

        atomic_store(&acknowledged, false);
        xbar_riscv_set_irq(rig.hart, XBAR_RISCV_IRQ_M_EXT, true);
        for (unsigned k = 0; !atomic_load(&acknowledged); k++) {
            /* The hart would sleep for an hour. */
            assert_true(now_ns() - start < 60000000000);
            if (k >= 1000) {
                sched_yield(); /* it may have no other processor */
            }
        }
    }
    xbar_riscv_request_exit(rig.hart);
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_harts_two_threads),
        CASE(test_commit_while_running),
        CASE(test_no_wakeup_is_lost),
    };

    return run_for_each_engine(tests, sizeof(tests) / sizeof(tests[0]),
                               &engine);
}
