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

/* ---- One memory, several pages of code ---------------------------------- */

/* The routine at @at, and what it returns. */
static uint64_t call(struct rig *r, hwaddr at)
{
    r->b.code[0] = a64_blr(4);
    r->b.code[1] = a64_svc(0);
    set(r, 4, at);
    assert_int_equal(rig_run(r, RAM), XBAR_DYNARMIC_SVC);
    return get(r, 0);
}

static void show_again(struct rig *r, MemoryRegion *alias, hwaddr at)
{
    memory_region_init_alias(alias, NULL, "alias", &r->b.ram, 0x8000, 0x4000);
    memory_region_add_subregion(&r->b.root, at, alias);
}

static void hide_again(struct rig *r, MemoryRegion *alias)
{
    memory_region_del_subregion(&r->b.root, alias);
    assert_int_equal(xbar_region_destroy(alias, NULL, NULL), 0);
}

/* Both ways to the memory have code of it; one write is news for both, also
 * when the second was made just after it. */
static void test_code_of_two_aliases(void **state)
{
    static struct rig r;
    MemoryRegion alias;

    (void)state;
    rig_init(&r, NULL);
    show_again(&r, &alias, 0x50000000);
    put(&r.b, RAM + 0x9000, 100);
    assert_int_equal(call(&r, RAM + 0x9000), 100);
    r.b.on_write = dma;
    set(&r, 2, RAM + 0x9000);
    set(&r, 3, DEVICE);
    set(&r, 4, 0x50001000);
    r.b.code[8] = a64_str(2, 2, 3, 16); /* a device overwrites it */
    r.b.code[9] = a64_blr(4);           /* and this is the first look there */
    r.b.code[10] = a64_svc(0);
    assert_int_equal(rig_run(&r, RAM + 32), XBAR_DYNARMIC_SVC);
    assert_int_equal(get(&r, 0), 200);
    assert_int_equal(call(&r, RAM + 0x9000), 200);
    for (unsigned i = 1; i < 5; i++) {
        put(&r.b, i % 2 ? RAM + 0x9000 : 0x50001000, i);
        assert_int_equal(call(&r, RAM + 0x9000), i);
        assert_int_equal(call(&r, 0x50001000), i);
    }
    hide_again(&r, &alias);
    rig_finish(&r);
}

/* Pages of the guest's that are no pages of the region's: neighbours share
 * what dirty logs count. */
static void test_code_at_odd_places(void **state)
{
    static struct rig r;
    MemoryRegion alias;
    hwaddr at[] = { 0x50001000, 0x50001ff0, 0x50002000, 0x50002ff8 };

    (void)state;
    rig_init(&r, NULL);
    show_again(&r, &alias, 0x50000800);
    for (unsigned i = 0; i < 4; i++) {
        put(&r.b, at[i], i);
    }
    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < 4; i++) {
            assert_int_equal(call(&r, at[i]), 100 * round + i);
        }
        for (unsigned i = 0; i < 4; i++) {
            put(&r.b, at[i], 100 * (round + 1) + i);
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(call(&r, at[i]), 800 + i);
    }
    for (unsigned i = 0; i < 4; i++) { /* one alone */
        put(&r.b, at[i], 1000 + i);
        assert_int_equal(call(&r, at[i]), 1000 + i);
    }
    hide_again(&r, &alias);
    rig_finish(&r);
}

/* Many pages, in pieces; one changes at a time, by a write and by a commit. */
static void test_many_pages_of_code(void **state)
{
    static struct rig r;
    uint64_t dropped;

    (void)state;
    rig_init(&r, NULL);
    for (unsigned i = 0; i < 80; i++) {
        if (i % 7 != 3) {
            put(&r.b, RAM + 0x10000 + i * PAGE, i);
            assert_int_equal(call(&r, RAM + 0x10000 + i * PAGE), i);
        }
    }
    for (unsigned i = 0; i < BANK_SIZE / PAGE; i++) {
        put(&r.b, BANK0 + i * PAGE, i);
        put(&r.b, BANK1 + i * PAGE, 50 + i);
        assert_int_equal(call(&r, BANK0 + i * PAGE), i);
    }
    for (unsigned i = 79; i < 80; i -= 2) {
        if (i % 7 == 3) {
            continue;
        }
        (void)call(&r, BANK0); /* what there is to catch up with */
        dropped = rig_stats(&r).code;
        put(&r.b, RAM + 0x10000 + i * PAGE, 1000 + i);
        assert_int_equal(call(&r, RAM + 0x10000 + i * PAGE), 1000 + i);
        assert_int_equal(rig_stats(&r).code, dropped + 1);
    }
    dropped = rig_stats(&r).code;
    board_swap(&r.b);
    for (unsigned i = 0; i < BANK_SIZE / PAGE; i++) {
        assert_int_equal(call(&r, BANK0 + i * PAGE), 50 + i);
    }
    assert_int_equal(rig_stats(&r).code, dropped + BANK_SIZE / PAGE);
    rig_finish(&r);
}

/* A walker that says something else: what is there now is watched, and what was
 * there is not any more. */
static uint64_t frame;

static int walk(void *opaque, unsigned context, uint64_t va,
                enum xbar_tlb_access access, struct xbar_tlb_walk *w)
{
    (void)opaque, (void)context, (void)access, (void)va;
    *w = (struct xbar_tlb_walk){
        .phys = frame,
        .prot = TLB_PROT_READ | TLB_PROT_WRITE | TLB_PROT_EXEC,
    };
    return 0;
}

static void test_another_walk(void **state)
{
    static struct rig r;
    struct xbar_dynarmic_config config = { .walk = walk };
    uint32_t svc;

    (void)state;
    rig_init(&r, &config);
    for (unsigned i = 0; i < 8; i++) {
        frame = i % 2 ? RAM : BANK0;
        svc = a64_svc(i);
        address_space_write(&r.b.as, frame, MEMTXATTRS_UNSPECIFIED, &svc, 4);
        xbar_dynarmic_flush(r.plug);
        assert_int_equal(rig_run(&r, 0x5000), XBAR_DYNARMIC_SVC);
        assert_int_equal(r.stop.svc, i);
        svc = a64_svc(100 + i);
        address_space_write(&r.b.as, frame, MEMTXATTRS_UNSPECIFIED, &svc, 4);
        assert_int_equal(rig_run(&r, 0x5000), XBAR_DYNARMIC_SVC);
        assert_int_equal(r.stop.svc, 100 + i);
        assert_int_equal(memory_region_get_dirty_log_mask(&r.b.ram) != 0,
                         i % 2);
    }
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
        cmocka_unit_test(test_code_of_two_aliases),
        cmocka_unit_test(test_code_at_odd_places),
        cmocka_unit_test(test_many_pages_of_code),
        cmocka_unit_test(test_another_walk),
        cmocka_unit_test(test_commits_meet_fetches),
        cmocka_unit_test(test_no_memory_for_a_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
