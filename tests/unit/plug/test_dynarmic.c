/* SPDX-License-Identifier: MIT */
/* Making, running and ending; and a guest whose memory moves. */
#include <signal.h>

#include "tests/unit/plug/dynarmic_rig.h"

/* ---- A guest whose memory moves ---------------------------------------- */

/* The guest of board.h, in A64: x0 what is computed, x1 rounds, x2 the table,
 * x3 device, x4 bank at 0x90000000, x5 that at 0xa0000000, x6 a constant. */
static void load_guest(struct board *b)
{
    uint32_t *p = b->code;
    uint32_t *loop, *wait;

    for (unsigned i = 0; i < 2; i++) {
        uint32_t *bank = memory_region_get_ram_ptr(&b->bank[i]);

        bank[0] = a64_addi(0, 0, i ? 1000 : 11);
        bank[1] = i ? a64_eor(0, 0, 1) : a64_add(0, 0, 1);
        bank[2] = a64_ret();
    }
    loop = p;
    *p++ = a64_mul(0, 0, 6);
    *p++ = a64_add(0, 0, 1);
    *p++ = a64_str(2, 0, 2, 0);
    *p++ = a64_addi(2, 2, 4);
    *p++ = a64_str(2, 0, 3, 0); /* the device */
    *p++ = a64_ldr(2, 7, 3, 0);
    *p++ = a64_add(0, 0, 7);
    *p++ = a64_str(2, 0, 4, 0x100);
    *p++ = a64_ldr(2, 8, 5, 0x104);
    *p++ = a64_add(0, 0, 8);
    *p++ = a64_str(2, 0, 4, 0x104);
    *p++ = a64_str(3, 0, 5, 0x108);
    *p++ = a64_blr(4);
    *p++ = a64_str(2, 0, 4, 0x110);
    *p++ = a64_str(2, 1, 3, 4); /* trade places? */
    wait = p;
    *p++ = a64_ldr(2, 7, 3, 8);
    *p = a64_cbnz(7, (int32_t)((char *)wait - (char *)p)), p++;
    *p++ = a64_isb(); /* other code may be there */
    *p++ = a64_subi(1, 1, 1);
    *p = a64_cbnz(1, (int32_t)((char *)loop - (char *)p)), p++;
    *p = a64_svc(7);
}

/* What it does, said in C. */
struct model {
    uint32_t table[GUEST_ROUNDS];
    uint8_t bank[2][BANK_SIZE];
    uint64_t x0, sum;
    unsigned swapped;
};

static void model_run(struct model *m, uint64_t x0, uint64_t factor)
{
    uint32_t word;

    for (uint64_t n = GUEST_ROUNDS; n > 0; n--) {
        uint8_t *low = m->bank[m->swapped % 2];
        uint8_t *high = m->bank[1 - m->swapped % 2];

        x0 = x0 * factor + n;
        m->table[GUEST_ROUNDS - n] = (uint32_t)x0;
        m->sum = m->sum * 3 + (uint32_t)x0;
        x0 += (uint32_t)m->sum;
        word = (uint32_t)x0;
        memcpy(low + 0x100, &word, 4);
        memcpy(&word, high + 0x104, 4);
        x0 += word;
        word = (uint32_t)x0;
        memcpy(low + 0x104, &word, 4);
        memcpy(high + 0x108, &x0, 8);
        x0 = m->swapped % 2 ? (x0 + 1000) ^ n : x0 + 11 + n;
        word = (uint32_t)x0;
        memcpy(low + 0x110, &word, 4);
        m->swapped += n % 2 == 0;
    }
    m->x0 = x0;
}

static void test_memory_moves(void **state)
{
    static struct rig r;
    static struct model model;
    struct mover mover;

    (void)state;
    rig_init(&r, NULL);
    load_guest(&r.b);
    for (unsigned i = 0; i < 2; i++) {
        memcpy(model.bank[i], memory_region_get_ram_ptr(&r.b.bank[i]),
               BANK_SIZE);
    }
    model_run(&model, 12345, 1103515245);
    set(&r, 0, 12345);
    set(&r, 1, GUEST_ROUNDS);
    set(&r, 2, RAM + 0x80000);
    set(&r, 3, DEVICE);
    set(&r, 4, BANK0);
    set(&r, 5, BANK1);
    set(&r, 6, 1103515245);
    mover_start(&mover, &r.b);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC);
    mover_stop(&mover);
    assert_int_equal(r.stop.svc, 7);
    assert_int_equal(r.b.swapped, GUEST_ROUNDS / 2);
    assert_true(mover.moves >= GUEST_ROUNDS / 4);
    assert_int_equal(get(&r, 0), model.x0);
    assert_int_equal(r.b.sum, model.sum);
    assert_memory_equal(r.b.mem + 0x80000, model.table, sizeof(model.table));
    for (unsigned i = 0; i < 2; i++) {
        assert_memory_equal(memory_region_get_ram_ptr(&r.b.bank[i]),
                            model.bank[i], BANK_SIZE);
    }
    assert_true(rig_stats(&r).filled > GUEST_ROUNDS);
    assert_true(rig_stats(&r).code >= GUEST_ROUNDS / 2);
    rig_finish(&r);
}

/* ---- Runs -------------------------------------------------------------- */

static void on_svc(void *opaque, uint32_t number)
{
    struct rig *r = opaque;

    assert_int_equal(xbar_dynarmic_free(r->plug), -EBUSY);
    assert_int_equal(xbar_dynarmic_run(r->plug, 1, NULL), XBAR_DYNARMIC_BUSY);
    if (number == 9) {
        xbar_dynarmic_halt(r->plug);
    }
}

static void *halt_soon(void *opaque)
{
    usleep(2000);
    xbar_dynarmic_halt(opaque);
    return NULL;
}

static void test_runs_end(void **state)
{
    static struct rig r;
    struct xbar_dynarmic_config config = { .svc = on_svc, .opaque = &r };
    pthread_t thread;

    (void)state;
    rig_init(&r, &config);
    r.b.code[0] = a64_svc(8);
    r.b.code[1] = a64_svc(9);
    r.b.code[2] = a64_addi(5, 5, 1);
    r.b.code[3] = a64_b(-4);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_HALTED);
    assert_int_equal(get(&r, XBAR_DYNARMIC_PC), RAM + 8);
    assert_int_equal(xbar_dynarmic_run(r.plug, 30000, NULL),
                     XBAR_DYNARMIC_TICKS);
    assert_in_range(get(&r, 5), 15000, 15100);
    pthread_create(&thread, NULL, halt_soon, r.plug);
    assert_int_equal(xbar_dynarmic_run(r.plug, UINT64_MAX, NULL),
                     XBAR_DYNARMIC_HALTED);
    pthread_join(thread, NULL);
    set(&r, XBAR_DYNARMIC_SP, 0x1230);
    set(&r, XBAR_DYNARMIC_PSTATE, 0x60000000);
    set(&r, 99, 1);
    assert_int_equal(get(&r, XBAR_DYNARMIC_SP), 0x1230);
    assert_int_equal(get(&r, XBAR_DYNARMIC_PSTATE), 0x60000000);
    assert_int_equal(get(&r, 99), 0);
    rig_finish(&r);
}

/* A page table of the embedder's: one page of RAM, elsewhere. */
static uint64_t frame;

static int walk(void *opaque, unsigned context, uint64_t va,
                enum xbar_tlb_access access, struct xbar_tlb_walk *w)
{
    (void)opaque, (void)context, (void)access;
    if (va >> 12 != 5) {
        return 33;
    }
    *w = (struct xbar_tlb_walk){
        .phys = frame,
        .prot = TLB_PROT_READ | TLB_PROT_WRITE | TLB_PROT_EXEC,
    };
    return 0;
}

static void test_walker(void **state)
{
    static struct rig r;
    struct xbar_dynarmic_config config = { .walk = walk, .address_bits = 20 };

    (void)state;
    rig_init(&r, &config);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t *code = (uint32_t *)(void *)(r.b.mem + 0x4000 + i * PAGE);

        code[0] = a64_ldr(2, 0, 1, 0);
        code[1] = a64_svc(i);
        code[2] = 100 + i;
        frame = RAM + 0x4000 + i * PAGE;
        xbar_dynarmic_flush(r.plug);
        set(&r, 1, 0x5008);
        assert_int_equal(rig_run(&r, 0x5000), XBAR_DYNARMIC_SVC);
        assert_int_equal(r.stop.svc, i);
        assert_int_equal(get(&r, 0), 100 + i);
    }
    set(&r, 1, 0x6008);
    assert_int_equal(rig_run(&r, 0x5000), XBAR_DYNARMIC_FAULT);
    assert_int_equal(r.stop.fault.code, 33);
    rig_finish(&r);
}

/* dynarmic handles SIGSEGV when it is loaded; here a test has its own handler,
 * which stays. */
static void test_takes_no_signal(void **state)
{
    struct sigaction before, after;
    static struct rig r;

    (void)state;
    sigaction(SIGSEGV, NULL, &before);
    rig_init(&r, NULL);
    r.b.code[0] = a64_svc(0);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC);
    sigaction(SIGSEGV, NULL, &after);
    assert_true(before.sa_sigaction == after.sa_sigaction);
    rig_finish(&r);
}

/* It is waited for until the guest's page table has it no more. */
static void test_region_ends_in_a_run(void **state)
{
    static struct rig r;
    pthread_t thread;

    (void)state;
    rig_init(&r, NULL);
    r.b.code[0] = a64_str(2, 0, 4, 0);
    r.b.code[1] = a64_ldr(2, 7, 3, 8);
    r.b.code[2] = a64_cbnz(7, -4);
    r.b.code[3] = a64_svc(0);
    set(&r, 3, DEVICE);
    set(&r, 4, BANK0);
    r.b.asked = 1;
    r.b.ended = -1;
    pthread_create(&thread, NULL, ender_main, &r.b);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC);
    pthread_join(thread, NULL);
    assert_int_equal(r.b.ended, 0);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_FAULT);
    assert_int_equal(xbar_engine_free(r.b.engine), -EBUSY);
    rig_finish(&r);
}

static void test_mistakes(void **state)
{
    static struct rig r;
    struct xbar_dynarmic_config config = { .address_bits = 12 };
    Error *err = NULL;

    (void)state;
    rig_init(&r, NULL);
    assert_null(xbar_dynarmic_new(&config, &err));
    assert_non_null(strstr(error_get_pretty(err), "no address space"));
    error_free(err);
    err = NULL;
    config.as = &r.b.as;
    assert_null(xbar_dynarmic_new(&config, NULL));
    config.address_bits = 44; /* dynarmic would end the process */
    assert_null(xbar_dynarmic_new(&config, &err));
    assert_non_null(strstr(error_get_pretty(err), "more than 43 bits"));
    error_free(err);
    config.address_bits = 0;
    config.fastmem_bits = 32;
    config.walk = walk;
    assert_null(xbar_dynarmic_new(&config, NULL));
    assert_int_equal(xbar_dynarmic_free(NULL), 0);
    assert_int_equal(xbar_address_space_destroy(&r.b.as, NULL, NULL), -EBUSY);
    /* A region ends although code was made of it, without a further run. */
    put(&r.b, BANK0, 1);
    r.b.code[0] = a64_blr(4);
    r.b.code[1] = a64_svc(0);
    set(&r, 4, BANK0);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC);
    assert_int_equal(xbar_region_destroy(&r.b.bank[0], NULL, NULL), 0);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_EXCEPTION);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_moves),
        cmocka_unit_test(test_runs_end),
        cmocka_unit_test(test_walker),
        cmocka_unit_test(test_takes_no_signal),
        cmocka_unit_test(test_region_ends_in_a_run),
        cmocka_unit_test(test_mistakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
