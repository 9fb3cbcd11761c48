/* SPDX-License-Identifier: MIT */
/*
 * Accesses to devices, counted by random programs in translated code and in the
 * interpreter: the same, by device, direction, size and offset, whenever a run
 * ends, while devices move, end and come back in the middle.
 */
#include "jit/riscv/jit.h"

#include "encode.h"
#include "rig.h"

#define RAM_ADDR ((uint64_t)RIG_RAM)
#define CODE     0x1000u
#define PLAIN    (RIG_IO + 0x100000u)
#define OFFSETS  0x200u
#define OTHER    (PLAIN + 0x10000u) /* where it may be, too */
#define FRESH    (PLAIN + 0x20000u)
#define HANDLER  0x800u
#define BODY     40
#define PLAINS   2 /* one stays, one is a new one again and again */
#define PROGRAMS 24

/* A board with devices that come and go as its guest wants, and its counts. */
struct world {
    struct rig rig;
    MemoryRegion plain, alias;
    MemoryRegion *fresh;
    struct xbar_tlb_counts counts;
    uint64_t at[PLAINS][2][TLB_SIZES][OFFSETS];
    uint64_t made[PLAINS][2]; /* by their callbacks */
    uint64_t now;
    unsigned commits;
    bool is_away; /* the device that stays */
    bool is_off;
};

static uint64_t plain_read(void *opaque, hwaddr addr, unsigned size)
{
    struct world *w = opaque;

    w->made[0][TLB_READ]++;
    w->now += addr;
    return addr * size;
}

static void plain_write(void *opaque, hwaddr addr, uint64_t value,
                        unsigned size)
{
    struct world *w = opaque;

    (void)value;
    (void)size;
    w->made[0][TLB_WRITE]++;
    w->now += addr;
}

static uint64_t fresh_read(void *opaque, hwaddr addr, unsigned size)
{
    struct world *w = opaque;

    w->made[1][TLB_READ]++;
    return addr + size;
}

static void fresh_write(void *opaque, hwaddr addr, uint64_t value,
                        unsigned size)
{
    struct world *w = opaque;

    (void)addr;
    (void)value;
    (void)size;
    w->made[1][TLB_WRITE]++;
}

static const MemoryRegionOps plain_ops = {
    .read = plain_read,
    .write = plain_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .max_access_size = 8 },
    .impl = { .max_access_size = 8 },
};

static const MemoryRegionOps fresh_ops = {
    .read = fresh_read,
    .write = fresh_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .max_access_size = 8, .unaligned = true },
    .impl = { .max_access_size = 4, .unaligned = true },
};

/* What is told is still there: its name can be read. */
static void tell_world(void *opaque, const FlatRange *section, hwaddr offset,
                       enum xbar_tlb_access access, unsigned size_log2,
                       uint64_t count, uint64_t ticks)
{
    struct world *w = opaque;
    const char *name = memory_region_name(section->mr);

    (void)ticks;
    if (strcmp(name, "io") != 0) {
        assert_in_range(offset, 0, OFFSETS - 1);
        w->at[strcmp(name, "fresh") == 0][access][size_log2][offset] += count;
    }
}

static void init_plain(struct world *w, MemoryRegion *mr,
                       const MemoryRegionOps *ops, const char *name)
{
    memset(mr, 0, sizeof(*mr));
    rig_init_plain(mr, ops, w, name, TLB_PAGE_SIZE);
}

static void add_fresh(struct world *w)
{
    w->fresh = test_malloc(sizeof(*w->fresh));
    init_plain(w, w->fresh, &fresh_ops, "fresh");
    assert_int_equal(memory_region_add_subregion(&w->rig.root, FRESH, w->fresh),
                     0);
}

static void free_fresh(MemoryRegion *mr, void *opaque)
{
    (void)opaque;
    memset(mr, 0xdd, sizeof(*mr));
    test_free(mr);
}

/* What the guest wants, of @value: a commit in the middle of what it does. */
static void change_world(struct rig *rig, hwaddr addr, uint64_t value)
{
    struct world *w = (struct world *)rig; /* its first member */

    (void)addr;
    w->commits++;
    assert_int_equal(xbar_engine_enter(rig->engine), 0);
    memory_region_transaction_begin();
    switch (value % 4) {
    case 0:
        (void)memory_region_del_subregion(&rig->root, &w->plain);
        w->is_away = !w->is_away;
        (void)memory_region_add_subregion(
            &rig->root, w->is_away ? OTHER : PLAIN, &w->plain);
        break;
    case 1:
        w->is_off = !w->is_off;
        memory_region_set_enabled(&w->plain, !w->is_off);
        break;
    case 2:
        assert_int_equal(xbar_region_destroy(w->fresh, free_fresh, NULL), 0);
        add_fresh(w);
        break;
    default:
        memory_region_set_alias_offset(&w->alias, value / 4 % 2 * 0x100);
        break;
    }
    memory_region_transaction_commit();
    xbar_engine_leave(rig->engine);
}

static struct world *ticking; /* whose hart runs */

static uint64_t world_ticks(void)
{
    return ticking->now++;
}

static void open_world(struct world *w, struct xbar_riscv_config config,
                       enum xbar_riscv_engine engine)
{
    memset(w, 0, sizeof(*w));
    config.counts = &w->counts;
    config.device = tell_world;
    config.device_opaque = w;
    w->counts.ram = &w->rig.ram;
    rig_open_with(&w->rig, &config);
    w->rig.on_write = change_world;
    assert_int_equal(xbar_engine_enter(w->rig.engine), 0);
    init_plain(w, &w->plain, &plain_ops, "plain");
    assert_int_equal(
        memory_region_add_subregion(&w->rig.root, PLAIN, &w->plain), 0);
    assert_int_equal(
        memory_region_init_alias(&w->alias, NULL, "alias", &w->plain, 0, 0x200),
        0);
    assert_int_equal(
        memory_region_add_subregion(&w->rig.root, OTHER + 0x1000, &w->alias),
        0);
    add_fresh(w);
    xbar_engine_leave(w->rig.engine);
    assert_int_equal(xbar_riscv_set_engine(w->rig.hart, engine), 0);
}

static void close_world(struct world *w)
{
    assert_int_equal(xbar_region_destroy(&w->alias, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&w->plain, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(w->fresh, free_fresh, NULL), 0);
    rig_close(&w->rig);
    test_free(w);
}

/* A load or store of one of x5 to x8, mostly aligned, of few registers. */
static uint32_t random_access(uint64_t *seed)
{
    static const enum riscv_op loads[] = { RISCV_OP_LBU, RISCV_OP_LH,
                                           RISCV_OP_LW, RISCV_OP_LD };
    static const enum riscv_op stores[] = { RISCV_OP_SB, RISCV_OP_SH,
                                            RISCV_OP_SW, RISCV_OP_SD };
    uint64_t r = rig_random(seed);
    unsigned size = r & 3, base = 5 + (r >> 2 & 3);
    int offset = (int)(r >> 4 & 0x1f) << size;

    offset += (r >> 9 & 15) == 0;
    if (r >> 13 & 1) {
        return encode(loads[size], 10 + (r >> 14 & 3), base, 0, offset);
    }
    return encode(stores[size], 0, base, 10 + (r >> 14 & 3), offset);
}

/*
 * Accesses, in short loops of their own now and then, and a word to the device
 * that changes the board once in a while; what faults is passed over.
 */
static void write_program(struct world *w, uint64_t seed)
{
    const uint32_t handler[] = { insn_csr(2, 31, 0x341, 0),
                                 insn_addi(31, 31, 4),
                                 insn_csr(1, 0, 0x341, 31), INSN_MRET };
    uint32_t code[BODY + 8];
    unsigned n = 0;

    while (n < BODY) {
        unsigned again = 1 + rig_random(&seed) % 3;

        code[n++] = insn_addi(17, 0, (int)(rig_random(&seed) % 90));
        for (unsigned i = 0; i < again; i++) {
            code[n++] = random_access(&seed);
        }
        code[n++] = insn_addi(17, 17, -1);
        code[n] = encode(RISCV_OP_BLT, 0, 0, 17, -4 * (int)(again + 1));
        n++;
    }
    code[n++] = insn_addi(16, 16, 1);
    code[n++] = insn_sd(16, 9, 0x10);
    code[n] = encode(RISCV_OP_JAL, 0, 0, 0, -4 * (int)n);
    n++;
    rig_code(&w->rig, CODE, code, n);
    rig_code(&w->rig, HANDLER, handler, 4);
    w->rig.hart->pc = RAM_ADDR + CODE;
    w->rig.hart->mtvec = RAM_ADDR + HANDLER;
    w->rig.hart->x[5] = PLAIN;
    w->rig.hart->x[6] = OTHER;
    w->rig.hart->x[7] = FRESH;
    w->rig.hart->x[8] = OTHER + 0x1000;
    w->rig.hart->x[9] = RIG_IO;
}

static void check_worlds(const struct world *a, const struct world *b)
{
    assert_int_equal(a->rig.hart->pc, b->rig.hart->pc);
    assert_memory_equal(a->rig.hart->x, b->rig.hart->x, sizeof(a->rig.hart->x));
    assert_int_equal(a->commits, b->commits);
    assert_memory_equal(a->made, b->made, sizeof(a->made));
    assert_memory_equal(a->at, b->at, sizeof(a->at));
    assert_memory_equal(a->counts.elsewhere, b->counts.elsewhere,
                        sizeof(a->counts.elsewhere));
}

/* What is told is what was made, where each access is one call. */
static void check_made(const struct world *w)
{
    for (unsigned access = 0; access < 2; access++) {
        uint64_t told = 0;

        for (unsigned i = 0; i < TLB_SIZES * OFFSETS; i++) {
            told += w->at[0][access][i / OFFSETS][i % OFFSETS];
        }
        assert_int_equal(told, w->made[0][access]);
    }
}

static void run_world(struct world *w, uint64_t count)
{
    ticking = w;
    assert_int_equal(xbar_riscv_run(w->rig.hart, count),
                     XBAR_RISCV_EXIT_BUDGET);
}

static void compare(uint64_t seed)
{
    static const unsigned stress[] = { 0, XBAR_RISCV_STRESS_REGION,
                                       XBAR_RISCV_STRESS_TLB,
                                       XBAR_RISCV_STRESS_SPAN };
    struct xbar_riscv_config config = {
        .stress = stress[rig_random(&seed) & 3],
        .ticks = rig_random(&seed) & 1 ? world_ticks : NULL,
    };
    struct world *jit = test_malloc(sizeof(*jit));
    struct world *interp = test_malloc(sizeof(*interp));

    ticking = jit;
    open_world(jit, config, XBAR_RISCV_JIT);
    config.stress = 0;
    open_world(interp, config, XBAR_RISCV_INTERP);
    write_program(jit, seed);
    write_program(interp, seed);
    for (unsigned i = 0; i < 40; i++) {
        uint64_t count = 1 + rig_random(&seed) % (i % 4 ? 3000 : 40);

        run_world(jit, count);
        run_world(interp, count);
        check_worlds(jit, interp);
        check_made(jit);
    }
    assert_in_range(jit->commits, 4, UINT64_MAX);
    close_world(jit);
    close_world(interp);
}

static void test_as_the_interpreter(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= PROGRAMS; seed++) {
        compare(seed * UINT64_C(0x9e3779b97f4a7c15));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_interpreter),
    };

    if (!xbar_riscv_has_jit()) {
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
