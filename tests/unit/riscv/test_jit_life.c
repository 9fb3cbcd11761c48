/* SPDX-License-Identifier: MIT */
/* The JIT engine comes, works, goes, and comes anew. */
#include "jit/riscv/jit.h"

#include <errno.h>

#include "encode.h"
#include "rig.h"
#include "tests/unit/counting_alloc.h"

#define RAM_ADDR ((uint64_t)RIG_RAM)
#define CODE     0x1000u
#define ROUNDS   100

static void open_counting(struct rig *rig, struct counting_alloc *alloc)
{
    const struct xbar_riscv_config config = { .hartid = 0 };
    const struct xbar_engine_config engine = { .allocator = &alloc->hooks };

    *alloc = (struct counting_alloc){ .hooks = { .alloc = counting_alloc_get,
                                                 .free = counting_alloc_put,
                                                 .opaque = alloc } };
    rig_open_in(rig, &engine, &config);
}

/* Count to ROUNDS, with a jump through a register in each round. */
static void count(struct rig *rig)
{
    const uint32_t code[] = {
        insn_addi(10, 10, 1),
        encode(RISCV_OP_BEQ, 0, 10, 11, 8),
        encode(RISCV_OP_JALR, 0, 12, 0, 0),
        INSN_SELF,
    };

    rig_code(rig, CODE, code, 4);
    rig->hart->pc = RAM_ADDR + CODE;
    rig->hart->x[10] = 0;
    rig->hart->x[11] = ROUNDS;
    rig->hart->x[12] = RAM_ADDR + CODE;
    assert_int_equal(xbar_riscv_run(rig->hart, 3 * ROUNDS),
                     XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(rig->hart->x[10], ROUNDS);
}

/* The jump cache and the return stack must not name code that is gone. */
static void test_engines_come_and_go(void **state)
{
    struct xbar_riscv_jit_stats stats;
    struct counting_alloc alloc;
    struct rig rig;

    (void)state;
    open_counting(&rig, &alloc);
    for (unsigned i = 0; i < 3; i++) {
        long live = atomic_load(&alloc.live_bytes);

        assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
        assert_true(atomic_load(&alloc.live_bytes) > live);
        count(&rig);
        riscv__jit_get_stats(rig.hart, &stats);
        assert_true(stats.blocks > 0); /* anew: nothing was kept */
        assert_true(stats.instructions > 2 * ROUNDS);
        assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_INTERP), 0);
        /* The first one had the memory engine keep a list of code pages. */
        assert_true(i == 0 || atomic_load(&alloc.live_bytes) == live);
        riscv__jit_get_stats(rig.hart, &stats);
        assert_int_equal(stats.blocks, 0);
        count(&rig);
    }
    rig_close(&rig);
    assert_int_equal(atomic_load(&alloc.live_bytes), 0);
}

/* Whichever allocation fails, the interpreter stays, and nothing is lost. */
static void test_no_memory_for_one(void **state)
{
    struct counting_alloc alloc;
    struct rig rig;
    long live;
    int err;
    long n = 0;

    (void)state;
    open_counting(&rig, &alloc);
    live = atomic_load(&alloc.live_bytes);
    do {
        counting_alloc_fail(&alloc, ++n);
        err = xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT);
        counting_alloc_fail(&alloc, 0);
        if (err) {
            assert_int_equal(err, -ENOMEM);
            assert_null(rig.hart->jit);
            assert_int_equal(atomic_load(&alloc.live_bytes), live);
            count(&rig);
        }
    } while (err);
    assert_true(n > 4);
    count(&rig);
    rig_close(&rig);
}

/* ---- Interrupted anywhere ---------------------------------------------- */

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)

#include <signal.h>
#include <ucontext.h>

#define TRAP_FLAG 0x100
#define TURNS     3 /* of the loop, each time */
#define START     (RAM_ADDR + CODE)
#define LOOP      (START + 4)
#define BEHIND    (LOOP + 4 * 7)
#define DEVICE    (RIG_IO + 0x1000)
#define AFTER     (BEHIND + 4 * 2)
#define AWAY      (RAM_ADDR + 0x2000)
#define AWAY_END  (AWAY + 4 * 40)
#define LIMIT     80 /* instructions of a run */

/* One instruction of the host after the other. */
static struct {
    struct xbar_riscv_hart *hart;
    long left;       /* of those in blocks, before the exit is asked for */
    uint64_t region; /* what was interrupted; 0: no region */
} stepped = { .left = -1 };

static void on_step(int number, siginfo_t *info, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    const struct xbar_jit_block *block = xbar_jit_at(
        stepped.hart->jit->cache, (const void *)(uintptr_t)regs[REG_RIP]);

    (void)number;
    (void)info;
    if (block != NULL && stepped.left-- == 0) {
        stepped.region = block->is_region ? block->key.pc : 0;
        xbar_riscv_request_exit_here(stepped.hart, context);
    }
    if (stepped.left < 0) {
        regs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    }
}

static void step_from_here(void)
{
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
                     "pushfq\n\t"
                     "orq %0, (%%rsp)\n\t"
                     "popfq\n\t"
                     "lea 128(%%rsp), %%rsp"
                     :
                     : "i"(TRAP_FLAG)
                     : "memory", "cc");
}

static void step_no_more(void)
{
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
                     "pushfq\n\t"
                     "andq %0, (%%rsp)\n\t"
                     "popfq\n\t"
                     "lea 128(%%rsp), %%rsp"
                     :
                     : "i"(~TRAP_FLAG)
                     : "memory", "cc");
}

/* A device of the one that is stepped. */
static uint64_t begin_steps(void *opaque, hwaddr addr, unsigned size)
{
    (void)addr;
    (void)size;
    if (opaque == stepped.hart && stepped.left >= 0) {
        step_from_here();
    }
    return 0;
}

static void ignore_write(void *opaque, hwaddr addr, uint64_t value,
                         unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)value;
    (void)size;
}

static const MemoryRegionOps step_ops = {
    .read = begin_steps,
    .write = ignore_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .max_access_size = 8 },
    .impl = { .max_access_size = 8 },
};

static void add_device(struct rig *rig, MemoryRegion *mr)
{
    memset(mr, 0, sizeof(*mr));
    assert_int_equal(xbar_engine_enter(rig->engine), 0);
    assert_int_equal(memory_region_init_io(mr, NULL, &step_ops, rig->hart,
                                           "steps", TLB_PAGE_SIZE),
                     0);
    assert_int_equal(memory_region_add_subregion(&rig->root, DEVICE, mr), 0);
    xbar_engine_leave(rig->engine);
}

/* Behind an access to the device, a short loop with a load and a way out; then
 * another one, which that skips, and something else for longer than the loops.
 */
static void load_away_and_back(struct rig *rig)
{
    uint32_t away[41];
    const uint32_t code[] = {
        encode(RISCV_OP_LD, 18, 19, 0, 0),
        insn_addi(10, 10, -1), /* LOOP */
        encode(RISCV_OP_LD, 13, 14, 0, 0),
        encode(RISCV_OP_ADD, 15, 15, 13, 0),
        encode(RISCV_OP_BEQ, 0, 15, 16, 24), /* to AFTER */
        encode(RISCV_OP_XOR, 16, 15, 10, 0),
        insn_addi(16, 16, 1),
        encode(RISCV_OP_BNE, 0, 10, 0, -24),
        insn_addi(20, 20, -1), /* BEHIND */
        encode(RISCV_OP_BNE, 0, 20, 0, -4),
        insn_addi(10, 0, TURNS), /* AFTER */
        insn_addi(20, 0, TURNS),
        encode(RISCV_OP_JALR, 1, 12, 0, 0),
        encode(RISCV_OP_JALR, 0, 11, 0, 0),
    };

    for (unsigned i = 0; i < 40; i++) {
        away[i] = insn_addi(17, 17, 1);
    }
    away[40] = encode(RISCV_OP_JALR, 0, 1, 0, 0);
    rig_code(rig, CODE, code, sizeof(code) / sizeof(code[0]));
    rig_code(rig, 0x2000, away, 41);
}

/* @leaves: by the way out in the middle, the third time. */
static void begin_loop(struct rig *rig, bool leaves)
{
    memset(rig->hart->x, 0, sizeof(rig->hart->x));
    rig->hart->pc = START;
    rig->hart->x[10] = TURNS;
    rig->hart->x[11] = LOOP;
    rig->hart->x[20] = TURNS;
    rig->hart->x[12] = AWAY;
    rig->hart->x[14] = RAM_ADDR + 0x3000;
    rig->hart->x[15] = leaves;
    rig->hart->x[16] = UINT64_MAX;
    rig->hart->x[19] = DEVICE;
}

/* Return: false if the run was over before @after instructions of the host. */
static bool cut_after(struct rig *rig, struct rig *reference, long after,
                      bool leaves)
{
    uint64_t before = rig->hart->stats.instructions, retired;
    uint64_t pc;

    begin_loop(rig, leaves);
    begin_loop(reference, leaves);
    stepped.hart = rig->hart;
    stepped.left = after;
    stepped.region = 0;
    (void)xbar_riscv_run(rig->hart, LIMIT);
    step_no_more();
    retired = rig->hart->stats.instructions - before;
    pc = rig->hart->pc;
    assert_in_range(retired, 0, LIMIT);
    if (retired) {
        (void)xbar_riscv_run(reference->hart, retired);
    }
    assert_int_equal(pc, reference->hart->pc);
    assert_memory_equal(rig->hart->x, reference->hart->x, sizeof(rig->hart->x));
    if (stepped.region) {
        /* At its head, or where it leads when it ends. */
        assert_true(pc == stepped.region ||
                    pc == (stepped.region == LOOP && !leaves ? BEHIND : AFTER));
    } else if (stepped.left < 0 && pc > AWAY) {
        /* A block that was interrupted ended, and no other one. */
        assert_true(pc == AWAY_END || pc == AWAY_END + 4);
    }
    return stepped.left < 0;
}

/*
 * Whichever instruction of the host is interrupted, the run ends with the block
 * or the turn of the loop that it is in, and what retired is known.
 */
static void test_cut_anywhere(void **state)
{
    const struct xbar_riscv_config config = {
        .stress = XBAR_RISCV_STRESS_REGION,
        .translate_after = 1,
    };
    struct sigaction action = { .sa_flags = SA_SIGINFO }, old;
    struct rig rig, reference;
    MemoryRegion devices[2];

    (void)state;
    rig_open_with(&rig, &config);
    rig_open(&reference);
    add_device(&rig, &devices[0]);
    add_device(&reference, &devices[1]);
    load_away_and_back(&rig);
    load_away_and_back(&reference);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    begin_loop(&rig, false);
    stepped.left = -1;
    (void)xbar_riscv_run(rig.hart, 10 * LIMIT);
    action.sa_sigaction = on_step;
    assert_int_equal(sigaction(SIGTRAP, &action, &old), 0);
    for (unsigned leaves = 0; leaves < 2; leaves++) {
        unsigned in_region = 0;
        long after = 0;

        while (cut_after(&rig, &reference, after, leaves)) {
            in_region += stepped.region != 0;
            after++;
        }
        assert_true(in_region > 30 && after > (long)in_region + 50);
    }
    assert_int_equal(sigaction(SIGTRAP, &old, NULL), 0);
    for (unsigned i = 0; i < 2; i++) {
        xbar_region_destroy(&devices[i], NULL, NULL);
    }
    rig_close(&rig);
    rig_close(&reference);
}

#define STEPPED_TESTS cmocka_unit_test(test_cut_anywhere),

#else
#define STEPPED_TESTS
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        STEPPED_TESTS cmocka_unit_test(test_engines_come_and_go),
        cmocka_unit_test(test_no_memory_for_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
