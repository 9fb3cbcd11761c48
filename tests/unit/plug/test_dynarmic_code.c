/* SPDX-License-Identifier: MIT */
/* Code that somebody wrote. */
#include "tests/unit/plug/dynarmic_rig.h"

static void dma(struct board *b, hwaddr addr, uint64_t value, unsigned size)
{
    (void)addr, (void)size;
    put(b, value, 200);
}

static void test_written_code(void **state)
{
    static struct rig r;
    uint32_t *p;

    (void)state;
    rig_init(&r, NULL);
    r.b.on_write = dma;
    put(&r.b, BANK0, 100);
    set(&r, 3, DEVICE);
    set(&r, 4, BANK0);
    p = r.b.code;
    *p++ = a64_blr(4);
    *p++ = a64_addi(5, 0, 0);
    *p++ = a64_str(2, 4, 3, 16); /* a device overwrites it */
    *p++ = a64_isb();
    *p++ = a64_blr(4);
    *p++ = a64_addi(6, 0, 0);
    *p++ = a64_svc(0);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC);
    assert_int_equal(get(&r, 5), 100);
    assert_int_equal(get(&r, 6), 200);
    put(&r.b, BANK0, 300); /* between runs */
    assert_int_equal(rig_run(&r, RAM + 16), XBAR_DYNARMIC_SVC);
    assert_int_equal(get(&r, 6), 300);
    /* The guest itself, as the architecture has it. */
    p = r.b.code + 0x40;
    *p++ = a64_blr(4);
    *p++ = a64_str(2, 7, 4, 0);
    *p++ = a64_ic_ivau(4);
    *p++ = a64_isb();
    *p++ = a64_blr(4);
    *p++ = a64_svc(0);
    set(&r, 7, a64_movz(0, 400, 0));
    assert_int_equal(rig_run(&r, RAM + 0x100), XBAR_DYNARMIC_SVC);
    assert_int_equal(get(&r, 0), 400);
    rig_finish(&r);
}

/* ---- Commits on another thread, while code is read ---------------------- */

#define CALLS  400u
#define ROUNDS 60u

struct swapper {
    struct board *board;
    _Atomic bool ends;
    unsigned swaps;
};

static void *swap_banks(void *opaque)
{
    struct swapper *s = opaque;

    xbar_engine_enter(s->board->engine);
    while (!s->ends) {
        board_swap(s->board);
        s->swaps++;
    }
    xbar_engine_leave(s->board->engine);
    return NULL;
}

/* Code and data of each bank say which it is. */
static void put_banks(struct board *b)
{
    for (unsigned i = 0; i < 2; i++) {
        uint32_t *bank = memory_region_get_ram_ptr(&b->bank[i]);

        bank[0] = a64_movz(0, 100 + i, 0);
        bank[1] = a64_ret();
        bank[64] = 100 + i;
    }
}

static void test_commits_meet_fetches(void **state)
{
    static struct rig r;
    uint32_t *p;

    (void)state;
    rig_init(&r, NULL);
    put_banks(&r.b);
    p = r.b.code;
    *p++ = a64_isb();
    *p++ = a64_blr(4);
    *p++ = a64_ldr(2, 7, 4, 0x100);
    *p++ = a64_subi(1, 1, 1);
    *p++ = a64_cbnz(1, -16);
    *p++ = a64_svc(0);
    set(&r, 4, BANK0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct swapper s = { .board = &r.b };
        pthread_t thread;

        pthread_create(&thread, NULL, swap_banks, &s);
        set(&r, 1, CALLS);
        assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC);
        s.ends = true;
        pthread_join(thread, NULL);
        set(&r, 1, 1);
        assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC);
        assert_int_equal(get(&r, 0), 100 + r.b.swapped % 2);
        assert_int_equal(get(&r, 7), 100 + r.b.swapped % 2);
    }
    assert_int_equal(xbar_dynarmic_free(r.plug), 0);
    r.plug = NULL;
    for (unsigned i = 0; i < 2; i++) { /* all that began has ended */
        assert_int_equal(memory_region_get_dirty_log_mask(&r.b.bank[i]), 0);
    }
    rig_finish(&r);
}

/* No memory to log with: the fetch fails, and nothing is left of it. */
static void test_no_memory_for_a_log(void **state)
{
    static struct rig r;

    (void)state;
    rig_init(&r, NULL);
    r.b.code[0] = a64_svc(3);
    counting_alloc_fail(&r.b.alloc, 1);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_EXCEPTION);
    counting_alloc_fail(&r.b.alloc, 0);
    assert_int_equal(memory_region_get_dirty_log_mask(&r.b.ram), 0);
    xbar_dynarmic_flush(r.plug);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_code),
        cmocka_unit_test(test_commits_meet_fetches),
        cmocka_unit_test(test_no_memory_for_a_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
