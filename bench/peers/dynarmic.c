/* SPDX-License-Identifier: MIT */
/*
 * xbar_bench_dynarmic: A64 loops over xbar's adapter. How a load or store gets
 * to memory: with fastmem, by the page table, or by a callback; to a device; and
 * what it costs to follow code that somebody wrote.
 *
 *     0x10000000  device, no lock
 *     0x20000000  ROM: every load is a callback
 *     0x80000000  RAM, shared: with fastmem in the window, else in the table
 *
 * A program of its own, as libdynarmic takes SIGSEGV from whoever loads it.
 */
#include <stdlib.h>
#include <string.h>
#include <xbar/jit/plug/dynarmic.h>
#include <xbar/xbar.h>

#include "../bench.h"

#define PAGE         UINT64_C(4096)
#define DEVICE       UINT64_C(0x10000000)
#define ROM          UINT64_C(0x20000000)
#define RAM          UINT64_C(0x80000000)
#define RAM_AT       (RAM + UINT64_C(0x8000)) /* data */
#define CALLED       (RAM + UINT64_C(0x100000))
#define UNROLL       16u
#define ROUTINES_MAX 4096u
#define RAM_SIZE     (UINT64_C(0x200000) + ROUTINES_MAX * PAGE)

#define LOADED 7u
#define STORED 9u

enum kernel { LOADS, STORES, CALLS };

struct machine {
    struct xbar_engine *engine;
    MemoryRegion root, ram, rom, device;
    AddressSpace as;
    struct xbar_dynarmic *plug;
    uint64_t at; /* what the loop accesses */
    uint64_t writes;
    uint64_t routines;
    uint64_t next; /* routine to be written */
    enum kernel kernel;
    const char *wrong;
};

/* ---- A64, as far as it is needed --------------------------------------- */

/* add and sub of an immediate; x0 is what is loaded, x1 the rounds, x2 what
 * is stored, x3 where, x4 the sum. */
enum {
    A64_LDR_X0_X3 = 0xb9400060, /* ldr w0, [x3] */
    A64_STR_X2_X3 = 0xb9000062, /* str w2, [x3] */
    A64_ADD_X4_X0 = 0x8b000084, /* add x4, x4, x0 */
    A64_SUBS_X1 = 0xd1000421,   /* sub x1, x1, 1 */
    A64_CBNZ_X1 = 0xb5000001,   /* cbnz x1, offset */
    A64_SVC = 0xd4000001,       /* svc 0 */
    A64_BLR_X3 = 0xd63f0060,    /* blr x3 */
    A64_RET = 0xd65f03c0,       /* ret */
    A64_MOVZ_X0 = 0xd2800000,   /* movz x0, imm16 << 5 */
};

static uint32_t cbnz_x1(int32_t offset)
{
    return (uint32_t)A64_CBNZ_X1 | ((uint32_t)offset / 4 & 0x7ffff) << 5;
}

static uint32_t movz_x0(uint64_t value)
{
    return (uint32_t)A64_MOVZ_X0 | (uint32_t)(value & 0xffff) << 5;
}

static void make_code(struct machine *m, uint32_t *p)
{
    const uint32_t *first = p;

    if (m->kernel == CALLS) {
        *p++ = A64_BLR_X3;
        *p++ = A64_SVC;
        return;
    }
    for (unsigned i = 0; i < UNROLL; i++) {
        *p++ = m->kernel == LOADS ? A64_LDR_X0_X3 : A64_STR_X2_X3;
        *p++ = A64_ADD_X4_X0;
    }
    *p++ = A64_SUBS_X1;
    *p = cbnz_x1((int32_t)((const char *)first - (const char *)p));
    p++;
    *p++ = A64_SVC;
}

/* ---- The machine ------------------------------------------------------- */

static uint64_t mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque, (void)addr, (void)size;
    return LOADED;
}

static void mmio_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    struct machine *m = opaque;

    (void)addr, (void)size;
    m->writes += value == STORED;
}

static const MemoryRegionOps ops = { .read = mmio_read, .write = mmio_write };

static bool make_memory(struct machine *m)
{
    uint32_t *word;

    memory_region_transaction_begin();
    memory_region_init(&m->root, NULL, "root", UINT64_MAX);
    if (memory_region_init_ram_flags_nomigrate(&m->ram, NULL, "ram", RAM_SIZE,
                                               RAM_SHARED, NULL) ||
        memory_region_init_rom(&m->rom, NULL, "rom", PAGE, NULL)) {
        return false;
    }
    memory_region_init_io(&m->device, NULL, &ops, m, "device", PAGE);
    xbar_region_set_lock_policy(&m->device, XBAR_LOCK_NONE);
    memory_region_add_subregion(&m->root, RAM, &m->ram);
    memory_region_add_subregion(&m->root, ROM, &m->rom);
    memory_region_add_subregion(&m->root, DEVICE, &m->device);
    word = memory_region_get_ram_ptr(&m->rom);
    *word = LOADED;
    word = memory_region_get_ram_ptr(&m->ram);
    make_code(m, word);
    word[(RAM_AT - RAM) / 4] = LOADED;
    return memory_region_transaction_commit() == 0 &&
           address_space_init(&m->as, &m->root, "memory") == 0;
}

static struct machine *make(enum kernel kernel, uint64_t at, bool is_fast)
{
    struct machine *m = calloc(1, sizeof(*m));
    struct xbar_dynarmic_config config = { .fastmem_bits = is_fast ? 32 : 0 };

    if (m == NULL || (m->engine = xbar_engine_new(NULL)) == NULL ||
        xbar_engine_enter(m->engine)) {
        return NULL;
    }
    m->kernel = kernel;
    m->at = at;
    if (!make_memory(m)) {
        return NULL;
    }
    xbar_engine_leave(m->engine);
    config.as = &m->as;
    m->plug = xbar_dynarmic_new(&config, NULL);
    return m->plug != NULL ? m : NULL;
}

#define ARG(kernel, at, is_fast) \
    ((int64_t)((at) << 8 | (uint64_t)(is_fast) << 4 | (uint64_t)(kernel)))

static void *setup(int64_t arg)
{
    return make((enum kernel)(arg & 15), (uint64_t)arg >> 8, arg >> 4 & 1);
}

static void teardown(void *context)
{
    struct machine *m = context;

    xbar_dynarmic_free(m->plug);
    xbar_address_space_destroy(&m->as, NULL, NULL);
    xbar_region_destroy(&m->device, NULL, NULL);
    xbar_region_destroy(&m->rom, NULL, NULL);
    xbar_region_destroy(&m->ram, NULL, NULL);
    xbar_region_destroy(&m->root, NULL, NULL);
    xbar_engine_free(m->engine);
    free(m);
}

static const char *check(void *context)
{
    return ((const struct machine *)context)->wrong;
}

static bool run(struct machine *m, uint64_t x3)
{
    xbar_dynarmic_set(m->plug, 3, x3);
    xbar_dynarmic_set(m->plug, XBAR_DYNARMIC_PC, RAM);
    return xbar_dynarmic_run(m->plug, UINT64_MAX, NULL) == XBAR_DYNARMIC_SVC;
}

/* ---- Loads and stores -------------------------------------------------- */

static bool did_store(struct machine *m, uint64_t writes)
{
    return m->at == DEVICE
               ? m->writes == writes
               : address_space_ldl_le(&m->as, m->at, MEMTXATTRS_UNSPECIFIED,
                                      NULL) == STORED;
}

static void run_loop(void *context, uint64_t operations)
{
    struct machine *m = context;
    const uint64_t rounds = operations / UNROLL;
    const uint64_t writes = m->writes + rounds * UNROLL;
    bool ok;

    xbar_dynarmic_set(m->plug, 0, LOADED);
    xbar_dynarmic_set(m->plug, 1, rounds);
    xbar_dynarmic_set(m->plug, 2, STORED);
    xbar_dynarmic_set(m->plug, 4, 0);
    ok = run(m, m->at) &&
         xbar_dynarmic_get(m->plug, 4) == rounds * UNROLL * LOADED &&
         (m->kernel == LOADS || did_store(m, writes));
    if (!ok) {
        m->wrong = "the guest did not do what it should";
    }
}

/* ---- Code that somebody wrote ------------------------------------------ */

static void *setup_routines(int64_t count)
{
    struct machine *m = make(CALLS, RAM, false);

    if (m == NULL) {
        return NULL;
    }
    m->routines = (uint64_t)count;
    for (uint64_t i = 0; i < m->routines; i++) {
        uint32_t code[] = { movz_x0(0), A64_RET };

        address_space_write(&m->as, CALLED + i * PAGE, MEMTXATTRS_UNSPECIFIED,
                            code, sizeof(code));
        if (!run(m, CALLED + i * PAGE)) {
            return NULL;
        }
    }
    return m;
}

/* One operation writes a routine, by DMA, and calls it. */
static void run_written(void *context, uint64_t operations)
{
    struct machine *m = context;

    for (uint64_t i = 0; i < operations; i++) {
        const uint64_t at = CALLED + m->next % m->routines * PAGE;
        const uint64_t value = ++m->next & 0xffff;

        address_space_stl_le(&m->as, at, movz_x0(value), MEMTXATTRS_UNSPECIFIED,
                             NULL);
        if (!run(m, at) || xbar_dynarmic_get(m->plug, 0) != value) {
            m->wrong = "the guest ran code that is not there any more";
        }
    }
}

/* ---- Rows -------------------------------------------------------------- */

#define ROW(label, kernel, at, is_fast)                                 \
    {                                                                   \
        .name = label, .arg = ARG(kernel, at, is_fast), .setup = setup, \
        .run = run_loop, .teardown = teardown, .check = check,          \
        .batch = 1 << 16                                                \
    }
#define WRITTEN(count)                                                     \
    {                                                                      \
        .name = "dynarmic/written_code/" #count, .arg = count,             \
        .setup = setup_routines, .run = run_written, .teardown = teardown, \
        .check = check, .batch = 16                                        \
    }

static const struct bench rows[] = {
    ROW("dynarmic/load_fastmem", LOADS, RAM_AT, 1),
    ROW("dynarmic/load_table", LOADS, RAM_AT, 0),
    ROW("dynarmic/load_callback", LOADS, ROM, 0),
    ROW("dynarmic/store_fastmem", STORES, RAM_AT, 1),
    ROW("dynarmic/store_table", STORES, RAM_AT, 0),
    ROW("dynarmic/mmio_load", LOADS, DEVICE, 0),
    ROW("dynarmic/mmio_store", STORES, DEVICE, 0),
    WRITTEN(16),
    WRITTEN(4096),
};

int main(int argc, char **argv)
{
    gbench_register(rows, sizeof(rows) / sizeof(rows[0]));
    return gbench_main(argc, argv);
}
