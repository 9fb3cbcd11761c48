/* SPDX-License-Identifier: MIT */
/*
 * Loads and stores that miss inline in translated code: each reaches the same
 * device with the same offset, size and value as the interpreter's, or faults
 * in the same way.
 *
 *   10000000  a page of the rig's I/O, under the machine's lock
 *   10001000  a page without a lock
 *   10002000  256 bytes without a lock; nobody behind them
 *   10003000  two pages that take aligned words only
 *   10005000  two pages without a lock
 *   20000000  ROM
 */
#include "jit/riscv/jit.h"

#include "encode.h"
#include "paging.h"

#define RAM_ADDR  ((uint64_t)RIG_RAM)
#define HANDLER   0x8000u
#define TWO_PAGES (RIG_IO + 0x5000)
#define CODE      0x1000u
#define INSNS     60u
#define LOG_MAX   512u
#define DEVICES   4u

struct logged {
    const MemoryRegion *mr;
    hwaddr addr;
    uint64_t value;
    unsigned size;
    uint64_t pc; /* 0 if it is not told */
};

/* A device: what it was asked for goes to the log of all. */
struct device {
    MemoryRegion mr;
    struct world *world;
};

struct world {
    struct rig rig;
    struct device devices[DEVICES];
    struct logged log[LOG_MAX];
    unsigned count;
};

static void note(struct device *device, hwaddr addr, unsigned size,
                 uint64_t value)
{
    struct world *w = device->world;

    assert_true(w->count < LOG_MAX);
    w->log[w->count] = (struct logged){ &device->mr, addr, value, size, 0 };
    if (w->rig.hart->config.tells_pc) {
        w->log[w->count].pc = xbar_riscv_access_pc(w->rig.hart);
    }
    w->count++;
}

static uint64_t device_read(void *opaque, hwaddr addr, unsigned size)
{
    note(opaque, addr, size, 0);
    return 0xf1e2d3c4b5a69788u ^ addr; /* more than a narrow access takes */
}

static void device_write(void *opaque, hwaddr addr, uint64_t value,
                         unsigned size)
{
    note(opaque, addr, size, value);
}

static const MemoryRegionOps any_ops = {
    .read = device_read,
    .write = device_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .max_access_size = 8, .unaligned = true },
    .impl = { .max_access_size = 8, .unaligned = true },
};

static const MemoryRegionOps word_ops = {
    .read = device_read,
    .write = device_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

static void add_device(struct world *w, unsigned which,
                       const MemoryRegionOps *ops, hwaddr at, uint64_t size)
{
    struct device *device = &w->devices[which];

    device->world = w;
    rig_init_plain(&device->mr, ops, device, "device", size);
    memory_region_add_subregion(&w->rig.root, at, &device->mr);
}

static struct world *world_new(const struct xbar_riscv_config *config,
                               enum xbar_riscv_engine engine)
{
    /* Behind what faulted. */
    const uint32_t handler[] = {
        insn_csr(2, 31, 0x341, 0), /* mepc += 4 */
        insn_addi(31, 31, 4),      insn_csr(1, 0, 0x341, 31),
        insn_addi(30, 30, 1),      INSN_MRET,
    };
    struct world *w = test_calloc(1, sizeof(*w));
    struct rig *rig = &w->rig;

    rig_open_with(rig, config);
    assert_int_equal(xbar_engine_enter(rig->engine), 0);
    add_device(w, 0, &any_ops, RIG_IO + 0x1000, TLB_PAGE_SIZE);
    add_device(w, 1, &any_ops, RIG_IO + 0x2000, 256);
    add_device(w, 2, &word_ops, RIG_IO + 0x3000, 2 * TLB_PAGE_SIZE);
    add_device(w, 3, &any_ops, TWO_PAGES, 2 * TLB_PAGE_SIZE);
    xbar_engine_leave(rig->engine);
    rig_code(rig, HANDLER, handler, 5);
    rig->hart->mtvec = RAM_ADDR + HANDLER;
    assert_int_equal(xbar_riscv_set_engine(rig->hart, engine), 0);
    return w;
}

static void world_free(struct world *w)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        xbar_region_destroy(&w->devices[i].mr, NULL, NULL);
    }
    rig_close(&w->rig);
    test_free(w);
}

/* ---- The same by both engines ------------------------------------------ */

static const enum riscv_op accesses[] = {
    RISCV_OP_LB,  RISCV_OP_LH,  RISCV_OP_LW,  RISCV_OP_LD,
    RISCV_OP_LBU, RISCV_OP_LHU, RISCV_OP_LWU, RISCV_OP_SB,
    RISCV_OP_SH,  RISCV_OP_SW,  RISCV_OP_SD,
};

/* Accesses at x8 + offset, results in x10 to x17; x9 times. */
static void load_guest(struct world *w, uint64_t seed)
{
    uint32_t code[INSNS + 3];

    for (unsigned i = 0; i < INSNS; i++) {
        uint64_t random = rig_random(&seed);
        enum riscv_op op = accesses[random % 11];
        unsigned reg = 10 + (unsigned)(random >> 8 & 7);
        int offset = (int)(random >> 16 & 31) * (random >> 63 ? 1 : 8);
        bool is_store = op >= RISCV_OP_SB && op <= RISCV_OP_SD;

        code[i] = is_store ? encode(op, 0, 8, reg, offset)
                           : encode(op, reg, 8, 0, offset);
    }
    code[INSNS] = insn_addi(9, 9, -1);
    code[INSNS + 1] = encode(RISCV_OP_BNE, 0, 9, 0, -(int)(INSNS + 1) * 4);
    code[INSNS + 2] = INSN_SELF;
    rig_code(&w->rig, CODE, code, INSNS + 3);
}

/* Three times round: what follows finds what was left in the TLB. At once, as
 * a block that the budget does not cover is interpreted. */
static void run_guest(struct world *w, uint64_t address)
{
    struct rig *rig = &w->rig;

    rig->hart->pc = RAM_ADDR + CODE;
    rig->hart->x[8] = address;
    rig->hart->x[9] = 3;
    rig->hart->x[30] = 0;
    w->count = 0;
    for (unsigned i = 10; i < 18; i++) {
        rig->hart->x[i] = i * 0x0102030405060708u;
    }
    assert_int_equal(xbar_riscv_run(rig->hart, 10 * 3 * INSNS),
                     XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(rig->hart->pc, RAM_ADDR + CODE + 4 * (INSNS + 2));
}

static void compare(const struct world *a, const struct world *b)
{
    assert_int_equal(a->count, b->count);
    for (unsigned i = 0; i < a->count; i++) {
        assert_int_equal(a->log[i].mr - &a->devices[0].mr,
                         b->log[i].mr - &b->devices[0].mr);
        assert_int_equal(a->log[i].addr, b->log[i].addr);
        assert_int_equal(a->log[i].size, b->log[i].size);
        assert_int_equal(a->log[i].value, b->log[i].value);
        assert_int_equal(a->log[i].pc, b->log[i].pc);
    }
    assert_int_equal(a->rig.io_writes, b->rig.io_writes);
    assert_int_equal(a->rig.io_value, b->rig.io_value);
    assert_int_equal(a->rig.hart->pc, b->rig.hart->pc);
    assert_memory_equal(a->rig.hart->x, b->rig.hart->x, sizeof(a->rig.hart->x));
}

static const uint64_t places[] = {
    RIG_IO,          RIG_IO + 0xfe0,   RIG_IO + 0x1000, RIG_IO + 0x1fe3,
    RIG_IO + 0x2000, RIG_IO + 0x20e5,  RIG_IO + 0x3000, RIG_IO + 0x3002,
    RIG_ROM,         RIG_RAM + 0x9000, 0x40000000,
};

static void in_both(const struct xbar_riscv_config *config)
{
    struct world *interp = world_new(config, XBAR_RISCV_INTERP);
    struct world *jit = world_new(config, XBAR_RISCV_JIT);
    uint64_t faults = 0;

    for (unsigned i = 0; i < 20 * sizeof(places) / sizeof(places[0]); i++) {
        load_guest(interp, i + 1);
        load_guest(jit, i + 1);
        riscv__jit_flush(jit->rig.hart);
        run_guest(interp, places[i / 20]);
        run_guest(jit, places[i / 20]);
        compare(interp, jit);
        faults += jit->rig.hart->x[30];
    }
    assert_true(faults > 100);
    assert_true(jit->rig.hart->jit->stats.instructions * 10 >
                jit->rig.hart->stats.instructions * 9);
    world_free(interp);
    world_free(jit);
}

static void test_plain(void **state)
{
    const struct xbar_riscv_config config = { .hartid = 0 };

    (void)state;
    in_both(&config);
}

/* One entry, which every other access takes from the device. */
static void test_one_entry(void **state)
{
    const struct xbar_riscv_config config = { .stress = XBAR_RISCV_STRESS_TLB };

    (void)state;
    in_both(&config);
}

/* The other helpers, which also count. */
static void test_deterministic(void **state)
{
    const struct xbar_riscv_config config = { .insns_per_tick = 3 };

    (void)state;
    in_both(&config);
}

/* A device that asks is told the instruction, whoever executes it. */
static void test_pc(void **state)
{
    const struct xbar_riscv_config configs[] = {
        { .tells_pc = true },
        { .tells_pc = true, .insns_per_tick = 3 },
        /* Code lies where other code lay: nothing is known of that. */
        { .tells_pc = true, .code_limit = 32768 },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
        in_both(&configs[i]);
    }
}

/* Who observes is told of each access to a device. */
static void note_access(void *opaque, const FlatRange *section,
                        enum xbar_tlb_access access, unsigned size)
{
    uint64_t *observed = opaque;

    if (!(section->flags & FLAT_RANGE_RAM)) {
        *observed += 1 + (uint64_t)access * 1000 + (uint64_t)size * 1000000;
    }
}

static void test_observed(void **state)
{
    struct xbar_tlb_counts counts[2] = { { .ram = NULL }, { .ram = NULL } };
    uint64_t observed[2] = { 0, 0 };
    struct world *w[2];

    (void)state;
    for (unsigned counting = 0; counting < 2; counting++) {
        for (unsigned i = 0; i < 2; i++) {
            const struct xbar_riscv_config config = {
                .observe = counting ? NULL : note_access,
                .observe_opaque = &observed[i],
                .counts = counting ? &counts[i] : NULL,
            };

            w[i] = world_new(&config, i ? XBAR_RISCV_JIT : XBAR_RISCV_INTERP);
            load_guest(w[i], 7);
            run_guest(w[i], RIG_IO + 0x1000);
        }
        compare(w[0], w[1]);
        world_free(w[0]);
        world_free(w[1]);
    }
    assert_true(observed[0] > INSNS);
    assert_int_equal(observed[0], observed[1]);
    assert_true(counts[0].elsewhere[TLB_READ][3] != 0);
    assert_memory_equal(counts[0].elsewhere, counts[1].elsewhere,
                        sizeof(counts[0].elsewhere));
}

/* ---- Pages that are not what they look like ----------------------------- */

static void run_code(struct world *w, const uint32_t *code, size_t count)
{
    rig_code(&w->rig, CODE, code, count);
    riscv__jit_flush(w->rig.hart);
    w->rig.hart->pc = RAM_ADDR + CODE;
    assert_int_equal(xbar_riscv_run(w->rig.hart, count - 1),
                     XBAR_RISCV_EXIT_BUDGET);
}

/*
 * In S-mode, page 16 is the first of a device's two pages, read-only, and page
 * 17 is RAM: what crosses there is not all the device's, though that goes on.
 */
static void test_pages(void **state)
{
    const struct xbar_riscv_config config = { .hartid = 0 };
    const uint32_t cross[] = { encode(RISCV_OP_LD, 10, 8, 0, 8),
                               encode(RISCV_OP_LD, 11, 8, 0, 12), INSN_SELF };
    const uint32_t store[] = { encode(RISCV_OP_LD, 10, 8, 0, 0),
                               encode(RISCV_OP_SD, 0, 8, 10, 0), INSN_SELF };
    struct world *w = world_new(&config, XBAR_RISCV_JIT);
    struct rig *rig = &w->rig;

    (void)state;
    rig_open_pmp(rig);
    paging_set(rig, PAGING_L0, 16, TWO_PAGES, PTE_V | PTE_R | PTE_AD);
    paging_map(rig, 17, 0x20000, PTE_R | PTE_W);
    memset(rig->mem + 0x20000, 0x5a, 8);
    paging_enter(rig, PRIV_S);
    rig->hart->x[8] = 16 * TLB_PAGE_SIZE + 0xff0;
    run_code(w, cross, 3);
    assert_int_equal(rig->hart->x[10], 0xf1e2d3c4b5a69788u ^ 0xff8);
    assert_int_equal(rig->hart->x[11],
                     0x5a5a5a5a00000000u | ((0xb5a69788u ^ 0xffc)));
    assert_int_equal(w->count, 2);

    rig->hart->x[8] = 16 * TLB_PAGE_SIZE;
    run_code(w, store, 3);
    assert_int_equal(w->count, 3); /* the load alone */
    assert_int_equal(rig->hart->mcause, CAUSE_STORE_PAGE);
    world_free(w);
}

/* A device ends in the middle of its page: so do accesses. */
static void test_part_of_a_page(void **state)
{
    const struct xbar_riscv_config config = { .hartid = 0 };
    const uint32_t code[] = { encode(RISCV_OP_LD, 10, 8, 0, 0xf8),
                              encode(RISCV_OP_LD, 11, 8, 0, 0x100), INSN_SELF };
    struct world *w = world_new(&config, XBAR_RISCV_JIT);

    (void)state;
    w->rig.hart->x[8] = RIG_IO + 0x2000;
    run_code(w, code, 3);
    assert_int_equal(w->count, 1);
    assert_int_equal(w->rig.hart->mcause, CAUSE_LOAD_ACCESS);
    world_free(w);
}

/* ---- What changes ------------------------------------------------------ */

static uint64_t other_read(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)size;
    return 77;
}

static const MemoryRegionOps other_ops = {
    .read = other_read,
    .write = device_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .max_access_size = 8 },
};

/* Another device takes the place: the next run sees that one, and the first
 * again when it is back. */
static void test_replaced(void **state)
{
    const struct xbar_riscv_config config = { .hartid = 0 };
    const uint32_t code[] = { encode(RISCV_OP_LD, 10, 8, 0, 0), INSN_SELF };
    struct world *w = world_new(&config, XBAR_RISCV_JIT);
    struct rig *rig = &w->rig;
    MemoryRegion other;

    (void)state;
    assert_int_equal(xbar_engine_enter(rig->engine), 0);
    rig_init_plain(&other, &other_ops, w, "other", TLB_PAGE_SIZE);
    rig_code(rig, CODE, code, 2);
    rig->hart->x[8] = RIG_IO + 0x1000;
    for (unsigned i = 0; i < 40; i++) {
        if (i % 4 == 2) {
            memory_region_add_subregion_overlap(&rig->root, RIG_IO + 0x1000,
                                                &other, 1);
        } else if (i % 4 == 0 && i != 0) {
            memory_region_del_subregion(&rig->root, &other);
        }
        rig->hart->pc = RAM_ADDR + CODE;
        assert_int_equal(xbar_riscv_run(rig->hart, 2), XBAR_RISCV_EXIT_BUDGET);
        assert_int_equal(rig->hart->x[10],
                         i % 4 >= 2 ? 77 : 0xf1e2d3c4b5a69788u);
    }
    memory_region_del_subregion(&rig->root, &other);
    xbar_engine_leave(rig->engine);
    xbar_region_destroy(&other, NULL, NULL);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),          cmocka_unit_test(test_one_entry),
        cmocka_unit_test(test_deterministic),  cmocka_unit_test(test_pc),
        cmocka_unit_test(test_observed),       cmocka_unit_test(test_pages),
        cmocka_unit_test(test_part_of_a_page), cmocka_unit_test(test_replaced),
    };

    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
