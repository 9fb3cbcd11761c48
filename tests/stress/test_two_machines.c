/* SPDX-License-Identifier: MIT */
/*
 * Machines of one process that never meet: one runs, on its own thread, while
 * another thread makes, runs and destroys others; devices of each change
 * their own trees meanwhile, and a third thread does DMA into the first.
 * XBAR_STRESS_SECONDS sets how long; best under a sanitizer.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "flatview/address_space.h"
#include "jit/riscv/hart.h"
#include "tests/stress/duration.h"
#include "tests/unit/counting_alloc.h"
#include "tests/unit/riscv/rig.h"

#define DEFAULT_TIME  2 /* seconds */
#define SLICE         20000
#define COUNTER       0x2000 /* in RAM: what the guest read back last */
#define DMA_AREA      0x3000
#define SWITCH_PERIOD 32 /* writes to the device between two commits */

#define ATTRS MEMTXATTRS_UNSPECIFIED

struct machine {
    struct rig rig;
    unsigned long slices;
    bool shows_rom;
    _Atomic unsigned wrong; /* anything unexpected, on any thread */
};

struct both {
    struct machine *first;
    _Atomic bool is_over;
    unsigned others; /* machines that came and went */
    _Atomic unsigned wrong;
};

static void expect(_Atomic unsigned *wrong, bool is_fine)
{
    if (!is_fine) {
        (*wrong)++;
    }
}

/* ---- A machine --------------------------------------------------------- */

/* A device that remaps its board, from its callback. */
static void switch_rom(struct rig *rig, hwaddr addr, uint64_t value)
{
    struct machine *m = (struct machine *)rig;

    (void)addr;
    if (value % SWITCH_PERIOD == 0) {
        m->shows_rom = !m->shows_rom;
        expect(&m->wrong,
               memory_region_set_enabled(&rig->rom, m->shows_rom) == 0);
    }
}

/* x5 counts; the device and RAM are told, over and over. */
static void load_guest(struct rig *rig)
{
    const uint32_t code[] = {
        insn_addi(5, 5, 1),       insn_sd(5, 6, 0),
        insn_i(0x03, 3, 7, 6, 0),                           /* ld x7, 0(x6) */
        insn_sd(7, 8, 0),         insn_i(0x67, 0, 0, 9, 0), /* jalr x0, x9 */
    };

    rig_code(rig, 0, code, sizeof(code) / sizeof(code[0]));
    xbar_riscv_set_x(rig->hart, 6, RIG_IO);
    xbar_riscv_set_x(rig->hart, 8, RIG_RAM + COUNTER);
    xbar_riscv_set_x(rig->hart, 9, RIG_RAM);
}

static void open_machine(struct machine *m,
                         const struct xbar_engine_config *engine)
{
    const struct xbar_riscv_config config = { .hartid = 0 };

    memset(m, 0, sizeof(*m));
    rig_open_in(&m->rig, engine, &config);
    m->rig.on_write = switch_rom;
    m->shows_rom = true;
    load_guest(&m->rig);
#ifndef TESTS_UNDER_TSAN /* emitted code is beyond the sanitizer */
    if (xbar_riscv_has_jit()) {
        expect(&m->wrong,
               xbar_riscv_set_engine(m->rig.hart, XBAR_RISCV_JIT) == 0);
    }
#endif
}

/* What the guest computed is what its own device saw, and nobody else's. */
static void run_slice(struct machine *m)
{
    struct rig *rig = &m->rig;
    uint64_t count;

    expect(&m->wrong,
           xbar_riscv_run(rig->hart, SLICE) == XBAR_RISCV_EXIT_BUDGET);
    count = xbar_riscv_get_x(rig->hart, 5);
    m->slices++;
    expect(&m->wrong, count >= m->slices * SLICE / 5 - 1 &&
                          count <= m->slices * SLICE / 5 + 1);
    expect(&m->wrong, rig->io_value == count || rig->io_value + 1 == count);
    expect(&m->wrong, rig->io_writes == rig->io_value);
    expect(&m->wrong, xbar_engine_reclaim(rig->engine) >= 0);
}

/* ---- Threads ----------------------------------------------------------- */

static void *run_first(void *opaque)
{
    struct both *both = opaque;

    while (!both->is_over) {
        run_slice(both->first);
    }
    return NULL;
}

static void *do_dma(void *opaque)
{
    struct both *both = opaque;
    AddressSpace *as = &both->first->rig.as;
    uint64_t last = 0, n = 0;

    while (!both->is_over) {
        MemTxResult result;
        uint64_t seen =
            address_space_ldq_le(as, RIG_RAM + COUNTER, ATTRS, &result);

        expect(&both->wrong, result == MEMTX_OK && seen >= last);
        last = seen;
        address_space_stq_le(as, RIG_RAM + DMA_AREA, ++n, ATTRS, &result);
        expect(&both->wrong, result == MEMTX_OK);
        expect(&both->wrong,
               address_space_ldq_le(as, RIG_RAM + DMA_AREA, ATTRS, NULL) == n);
    }
    return NULL;
}

/* On memory of its own, all of which comes back. */
static void run_other(struct both *both)
{
    struct machine *m = malloc(sizeof(*m));
    struct counting_alloc alloc = {
        .hooks = { counting_alloc_get, counting_alloc_put, &alloc },
    };
    const struct xbar_engine_config config = {
        .allocator = &alloc.hooks,
        .guest_is_big_endian = both->others % 2,
    };

    expect(&both->wrong, m != NULL);
    if (!m) {
        return;
    }
    open_machine(m, &config);
    for (unsigned i = 0; i < 3; i++) {
        run_slice(m);
    }
    rig_close(&m->rig);
    expect(&both->wrong, alloc.live_bytes == 0);
    both->wrong += m->wrong;
    both->others++;
    free(m);
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static void test_one_ends_while_the_other_runs(void **state)
{
    double end = now() + stress_seconds(DEFAULT_TIME);
    static struct machine first;
    struct both both = { .first = &first };
    pthread_t runner, dma;
    unsigned long before;

    (void)state;
    open_machine(&first, NULL);
    assert_int_equal(pthread_create(&runner, NULL, run_first, &both), 0);
    assert_int_equal(pthread_create(&dma, NULL, do_dma, &both), 0);
    while (now() < end || both.others < 10) {
        run_other(&both);
    }
    both.is_over = true;
    pthread_join(runner, NULL);
    pthread_join(dma, NULL);
    before = first.slices;
    run_slice(&first); /* as well as ever */
    assert_int_equal(first.slices, before + 1);
    assert_int_equal(first.wrong, 0);
    assert_int_equal(both.wrong, 0);
    rig_close(&first.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_ends_while_the_other_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
