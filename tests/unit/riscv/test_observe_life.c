/* SPDX-License-Identifier: MIT */
/* Subscribers that come and go while a hart runs, by themselves and by another
 * thread; and nothing is left in the code when nobody looks. */
#include "observed.h"

/* ---- Nobody, and by and by --------------------------------------------- */

/* What there is of translated code, but for host addresses: those of memory,
 * and of code that is returned to, are 64-bit operands (mov reg, imm64). */
struct code_sum {
    uint64_t blocks;
    uint64_t bytes;
    uint64_t hash;
};

static bool add_code(void *opaque, const struct xbar_riscv_block *block)
{
    struct code_sum *sum = opaque;
    uint64_t hash = block->pc;

    for (uint32_t i = 0; i < block->code_size; i++) {
        const uint8_t *code = block->code + i;

        hash = hash * 31 + code[0];
        if (i + 9 < block->code_size && (code[0] & 0xf8) == 0x48 &&
            (code[1] & 0xf8) == 0xb8) {
            i += 9;
        }
    }
    sum->blocks++;
    sum->bytes += block->code_size;
    sum->hash += hash; /* in any order */
    return true;
}

static struct code_sum translate(unsigned subscribers, bool wants_code)
{
    const struct xbar_instrument_ops ops = {
        .translated = wants_code ? look_at : NULL,
        .trap = note_trap,
    };
    const struct setup setup = { 0 };
    struct code_sum sum = { 0 };
    struct log log = { 0 };
    struct rig rig;

    open_rig(&rig, &log, &setup);
    xbar_instrument_remove(log.in);
    for (unsigned i = 0; i < subscribers; i++) {
        assert_non_null(xbar_instrument_add(log.instruments, &ops, &log));
    }
    load_program(&rig, 4242);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    xbar_riscv_run(rig.hart, 3000);
    /* The links that were made lead to the same offsets. */
    xbar_riscv_for_each_block(rig.hart, add_code, &sum);
    close_rig(&rig, &log);
    free(log.events);
    return sum;
}

static void test_code_is_the_same_for_nobody(void **state)
{
    struct code_sum none, traps, code;

    (void)state;
    if (!xbar_riscv_has_jit()) {
        skip();
    }
    none = translate(0, false);
    traps = translate(2, false);
    code = translate(1, true);
    assert_true(none.blocks > 10);
    assert_memory_equal(&none, &traps, sizeof(none));
    assert_true(code.bytes > none.bytes);
}

static void test_not_in_lockstep(void **state)
{
    const struct setup setup = { 0 };
    struct log log = { 0 };
    struct rig rig;

    (void)state;
    open_rig(&rig, &log, &setup);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_LOCKSTEP),
                     -ENOTSUP);
    close_rig(&rig, &log);
}

/* A subscriber that takes itself away in the middle. */
static void leave_at(struct xbar_vcpu *vcpu, void *userdata)
{
    struct log *log = userdata;

    (void)vcpu;
    assert_non_null(log->in);
    if (++log->count == 100) {
        xbar_instrument_remove(log->in);
        assert_false(log->ended);
        log->in = NULL;
    }
}

static void want_to_leave(void *opaque, struct xbar_vcpu *vcpu,
                          struct xbar_code *code)
{
    (void)vcpu;
    for (unsigned i = 0; i < xbar_code_insns(code); i++) {
        assert_int_equal(xbar_code_on_insn(code, i, leave_at, opaque), 0);
    }
}

static void leave_in(enum xbar_riscv_engine engine)
{
    const struct xbar_instrument_ops ops = { .translated = want_to_leave,
                                             .ended = note_end };
    const struct setup setup = { 0 };
    struct log log = { 0 };
    struct rig rig;

    open_rig(&rig, &log, &setup);
    xbar_instrument_remove(log.in);
    assert_true(log.ended);
    log.ended = false;
    log.in = xbar_instrument_add(log.instruments, &ops, &log);
    load_program(&rig, 4243);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, engine), 0);
    xbar_riscv_run(rig.hart, 100000);
    assert_int_equal(log.count, 100);
    assert_true(log.ended);
    assert_null(rig.hart->shown);
    close_rig(&rig, &log);
}

static void test_leaves_from_a_callback(void **state)
{
    (void)state;
    leave_in(XBAR_RISCV_INTERP);
    if (xbar_riscv_has_jit()) {
        leave_in(XBAR_RISCV_JIT);
    }
}

/* Subscribers come and go from another thread, also while the hart sleeps. */
struct visitor {
    struct log *log;
    struct xbar_riscv_hart *hart;
};

struct visit {
    _Atomic uint64_t calls;
    _Atomic bool ended;
};

static void note_visit(struct xbar_vcpu *vcpu, void *userdata)
{
    struct visit *visit = userdata;

    (void)vcpu;
    assert_false(visit->ended);
    visit->calls++;
}

static void visit_code(void *opaque, struct xbar_vcpu *vcpu,
                       struct xbar_code *code)
{
    (void)vcpu;
    assert_int_equal(xbar_code_on_block(code, note_visit, opaque), 0);
}

static void end_visit(void *opaque)
{
    ((struct visit *)opaque)->ended = true;
}

static void *come_and_go(void *opaque)
{
    const struct xbar_instrument_ops ops = { .translated = visit_code,
                                             .ended = end_visit };
    struct visitor *visitor = opaque;

    for (unsigned i = 0; i < 200; i++) {
        struct visit *visit = calloc(1, sizeof(*visit));
        struct xbar_instrument *in =
            xbar_instrument_add(visitor->log->instruments, &ops, visit);

        assert_non_null(in);
        while (i % 4 == 0 && visit->calls < 10) {
        }
        xbar_instrument_remove(in);
        while (!visit->ended) {
        }
        free(visit);
    }
    xbar_riscv_request_exit(visitor->hart);
    return NULL;
}

static void visit_in(enum xbar_riscv_engine engine)
{
    const struct setup setup = { 0 };
    struct log log = { 0 };
    struct visitor visitor = { .log = &log };
    pthread_t thread;
    struct rig rig;

    open_rig(&rig, &log, &setup);
    xbar_instrument_remove(log.in);
    load_program(&rig, 4244);
    rig.hart->x[16] = 1u << 30;
    visitor.hart = rig.hart;
    assert_int_equal(xbar_riscv_set_engine(rig.hart, engine), 0);
    assert_int_equal(pthread_create(&thread, NULL, come_and_go, &visitor), 0);
    assert_int_equal(xbar_riscv_run(rig.hart, UINT64_MAX),
                     XBAR_RISCV_EXIT_REQUEST);
    pthread_join(thread, NULL);
    log.ended = true;
    close_rig(&rig, &log);
}

static void test_visitors(void **state)
{
    (void)state;
    visit_in(XBAR_RISCV_INTERP);
#ifndef __SANITIZE_THREAD__
    if (xbar_riscv_has_jit()) {
        visit_in(XBAR_RISCV_JIT);
    }
#endif
}

/* One that sleeps is woken to let go, and sleeps on. */
static void *leave_a_sleeper(void *opaque)
{
    struct visitor *visitor = opaque;

    while (!atomic_load(&visitor->hart->sleeping)) {
    }
    xbar_instrument_remove(visitor->log->in);
    while (!__atomic_load_n(&visitor->log->ended, __ATOMIC_ACQUIRE)) {
    }
    xbar_riscv_request_exit(visitor->hart);
    return NULL;
}

static void test_a_sleeping_hart_lets_go(void **state)
{
    static const uint32_t code[] = { INSN_WFI, INSN_SELF };
    const struct setup setup = { 0 };
    struct log log = { 0 };
    struct visitor visitor = { .log = &log };
    pthread_t thread;
    struct rig rig;

    (void)state;
    open_rig(&rig, &log, &setup);
    rig_code(&rig, 0, code, 2);
    visitor.hart = rig.hart;
    assert_int_equal(pthread_create(&thread, NULL, leave_a_sleeper, &visitor),
                     0);
    assert_int_equal(xbar_riscv_run(rig.hart, UINT64_MAX),
                     XBAR_RISCV_EXIT_REQUEST);
    pthread_join(thread, NULL);
    assert_true(rig.hart->waiting);
    close_rig(&rig, &log);
    free(log.events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code_is_the_same_for_nobody),
        cmocka_unit_test(test_not_in_lockstep),
        cmocka_unit_test(test_leaves_from_a_callback),
        cmocka_unit_test(test_visitors),
        cmocka_unit_test(test_a_sleeping_hart_lets_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
