/* SPDX-License-Identifier: MIT */
/*
 * The loops of unicorn_run.c with their memory by xbar's adapter instead of
 * uc_mem_map() and uc_mmio_map(): what the adapter adds.
 */
#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>
#include <xbar/jit/plug/unicorn.h>
#include <xbar/xbar.h>

#include "unicorn.h"
#include "unicorn_kernel.h"

#define MANY   (UINT64_C(1) << 40) /* where further regions are */
#define STRIDE (UINT64_C(16) * PAGE)

enum option {
    OPTION_NONE,
    OPTION_BLOCKS, /* every_block */
    OPTION_DIRTY,  /* track_dirty */
};

/* A loop of three instructions: what a block costs. */
#define KERNEL_BLOCK ((enum kernel)(KERNEL_MMIO_STORE + 1))
/* KERNEL_STORE, by turns to two pages. */
#define KERNEL_PAGES ((enum kernel)(KERNEL_MMIO_STORE + 2))

struct machine {
    struct xbar_engine *engine;
    MemoryRegion root, ram, device;
    MemoryRegion *many;
    unsigned count;
    AddressSpace as;
    uc_engine *uc;
    struct xbar_unicorn *plug;
    enum kernel kernel;
    uint64_t writes;
    const char *wrong;
    uint32_t code[KERNEL_WORDS];
};

#define ARG(kernel, option) ((int64_t)(option) << 8 | (kernel))

static uint64_t mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque, (void)size;
    return addr;
}

static void mmio_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    struct machine *m = opaque;

    (void)addr, (void)size;
    m->writes += value == STORED;
}

static const MemoryRegionOps ops = { .read = mmio_read, .write = mmio_write };

/* @count: regions beside RAM and the device. */
static struct machine *make_machine(unsigned count)
{
    struct machine *m = calloc(1, sizeof(*m));

    if (m == NULL || (m->engine = xbar_engine_new(NULL)) == NULL ||
        (m->many = calloc(count + 1, sizeof(*m->many))) == NULL ||
        xbar_engine_enter(m->engine) ||
        uc_open(UC_ARCH_RISCV, UC_MODE_RISCV64, &m->uc)) {
        return NULL;
    }
    m->count = count;
    memory_region_transaction_begin();
    memory_region_init(&m->root, NULL, "root", UINT64_MAX);
    memory_region_init_ram(&m->ram, NULL, "ram", RAM_SIZE, NULL);
    memory_region_init_io(&m->device, NULL, &ops, m, "device", PAGE);
    xbar_region_set_lock_policy(&m->device, XBAR_LOCK_NONE);
    memory_region_add_subregion(&m->root, CODE, &m->ram);
    memory_region_add_subregion(&m->root, DEVICE, &m->device);
    for (unsigned i = 0; i < count; i++) {
        memory_region_init_io(&m->many[i], NULL, &ops, m, "many", PAGE);
        memory_region_add_subregion(&m->root, MANY + STRIDE * i, &m->many[i]);
    }
    if (memory_region_transaction_commit() ||
        address_space_init(&m->as, &m->root, "memory")) {
        return NULL;
    }
    xbar_engine_leave(m->engine);
    return m;
}

static bool attach(struct machine *m, enum option option)
{
    struct xbar_unicorn_config config = {
        .as = &m->as,
        .uc = m->uc,
        .every_block = option == OPTION_BLOCKS,
        .track_dirty = option == OPTION_DIRTY,
    };

    m->plug = xbar_unicorn_new(&config, NULL);
    return m->plug != NULL;
}

static void make_code(struct machine *m)
{
    kernel_make(m->kernel == KERNEL_BLOCK   ? KERNEL_ALU
                : m->kernel == KERNEL_PAGES ? KERNEL_STORE
                                            : m->kernel,
                m->code);
    for (unsigned i = 1; m->kernel == KERNEL_PAGES && i < KERNEL_UNROLL;
         i += 2) {
        m->code[i] = rv_sw(RV_A2, 0, RV_A4);
    }
    if (m->kernel == KERNEL_BLOCK) {
        m->code[1] = rv_addi(RV_A1, RV_A1, -1);
        m->code[2] = rv_bne(RV_A1, RV_ZERO, -8);
        m->code[3] = rv_jal(RV_ZERO, KERNEL_END - 12);
    }
}

static void *setup(int64_t arg)
{
    struct machine *m = make_machine(0);
    char *ram = m ? memory_region_get_ram_ptr(&m->ram) : NULL;
    const uint32_t loaded = LOADED;

    if (ram == NULL) {
        return NULL;
    }
    m->kernel = (enum kernel)(arg & 255);
    make_code(m);
    memcpy(ram, m->code, KERNEL_WORDS * 4);
    memcpy(ram + (LOADED_AT - CODE), &loaded, 4);
    if (!attach(m, (enum option)(arg >> 8)) ||
        !set_operands(m->uc, m->kernel) || !set(m->uc, RV_A4, DATA + PAGE)) {
        return NULL;
    }
    return m;
}

static void *setup_many(int64_t count)
{
    return make_machine((unsigned)count);
}

static void teardown(void *context)
{
    struct machine *m = context;

    xbar_unicorn_free(m->plug);
    uc_close(m->uc);
    address_space_destroy(&m->as);
    for (unsigned i = 0; i < m->count; i++) {
        xbar_region_destroy(&m->many[i], NULL, NULL);
    }
    xbar_region_destroy(&m->device, NULL, NULL);
    xbar_region_destroy(&m->ram, NULL, NULL);
    xbar_region_destroy(&m->root, NULL, NULL);
    xbar_engine_free(m->engine);
    free(m->many);
    free(m);
}

static const char *check(void *context)
{
    return ((const struct machine *)context)->wrong;
}

static void expect(struct machine *m, bool ok)
{
    if (!ok) {
        m->wrong = "the guest did not do what it should";
    }
}

static void run_loop(void *context, uint64_t operations)
{
    struct machine *m = context;
    const uint64_t writes = m->writes;
    uint32_t stored = 0;
    bool ok = set_rounds(m->uc, operations) &&
              xbar_unicorn_run(m->plug, CODE, CODE + KERNEL_END, NULL) == 0;

    if (m->kernel == KERNEL_STORE || m->kernel == KERNEL_PAGES) {
        stored =
            address_space_ldl_le(&m->as, DATA, MEMTXATTRS_UNSPECIFIED, NULL);
    }
    expect(m, ok && did_operations(m->uc, m->kernel, operations,
                                   m->writes - writes, stored));
}

static void run_blocks(void *context, uint64_t operations)
{
    struct machine *m = context;

    expect(m,
           set_rounds(m->uc, operations * KERNEL_UNROLL) &&
               xbar_unicorn_run(m->plug, CODE, CODE + KERNEL_END, NULL) == 0 &&
               did_operations(m->uc, KERNEL_ALU, operations, 0, 0));
}

/* One operation attaches, and takes back. */
static void run_attach(void *context, uint64_t operations)
{
    struct machine *m = context;

    for (uint64_t i = 0; i < operations; i++) {
        expect(m, attach(m, OPTION_NONE) && xbar_unicorn_free(m->plug) == 0);
        m->plug = NULL;
    }
}

/* ---- What a commit costs ----------------------------------------------- */

#define AROUND 1000u /* regions, some of them mapped */

static bool run_to(struct machine *m, unsigned words)
{
    return xbar_unicorn_run(m->plug, CODE, CODE + 4 * words, NULL) == 0;
}

/* The guest has used @count of the regions. -1: there is no adapter. */
static void *setup_commits(int64_t count)
{
    const uint32_t code[] = {
        rv_lw(RV_A2, 0, RV_A4),
        rv_add(RV_A4, RV_A4, RV_A5),
        rv_addi(RV_A1, RV_A1, -1),
        rv_bne(RV_A1, RV_ZERO, -12),
    };
    struct machine *m = make_machine(AROUND);

    if (m == NULL || count < 0) {
        return m;
    }
    memcpy(memory_region_get_ram_ptr(&m->ram), code, sizeof(code));
    if (!attach(m, OPTION_NONE) || !set(m->uc, RV_A4, MANY) ||
        !set(m->uc, RV_A5, STRIDE) || !set(m->uc, RV_A1, (uint64_t)count) ||
        (count != 0 && !run_to(m, 4)) || !set(m->uc, RV_A4, MANY)) {
        return NULL;
    }
    return m;
}

/* One operation shows or hides a region that the guest does not use. */
static void run_commits(void *context, uint64_t operations)
{
    struct machine *m = context;
    MemoryRegion *last = &m->many[AROUND - 1];

    for (uint64_t i = 0; i < operations; i++) {
        expect(m, memory_region_set_enabled(last, i % 2 != 0) == 0);
    }
}

/* One takes a region from under the guest, or gives it back, and has the guest
 * load from what is there then. */
static void run_moves(void *context, uint64_t operations)
{
    struct machine *m = context;

    for (uint64_t i = 0; i < operations; i++) {
        memory_region_transaction_begin();
        memory_region_set_address(&m->many[0], i % 2 ? MANY : MANY + STRIDE);
        memory_region_set_address(&m->many[1], i % 2 ? MANY + STRIDE : MANY);
        expect(m, memory_region_transaction_commit() == 0 && run_to(m, 1));
    }
}

#define COMMITS(label, count, function)                                       \
    {                                                                         \
        .name = label, .arg = count, .setup = setup_commits, .run = function, \
        .teardown = teardown, .check = check, .batch = 512                    \
    }

#define ROW_OF(label, kernel, option, function)                    \
    {                                                              \
        .name = label, .arg = ARG(kernel, option), .setup = setup, \
        .run = function, .teardown = teardown, .check = check,     \
        .batch = 1 << 16                                           \
    }
#define ROW(label, kernel, option) ROW_OF(label, kernel, option, run_loop)

static const struct bench rows[] = {
    ROW("unicorn/plug/alu", KERNEL_ALU, OPTION_NONE),
    ROW("unicorn/plug/load", KERNEL_LOAD, OPTION_NONE),
    ROW("unicorn/plug/store", KERNEL_STORE, OPTION_NONE),
    ROW("unicorn/plug/mmio_load", KERNEL_MMIO_LOAD, OPTION_NONE),
    ROW("unicorn/plug/mmio_store", KERNEL_MMIO_STORE, OPTION_NONE),
    ROW_OF("unicorn/plug/block", KERNEL_BLOCK, OPTION_NONE, run_blocks),
    ROW_OF("unicorn/plug/block_every_block", KERNEL_BLOCK, OPTION_BLOCKS,
           run_blocks),
    ROW("unicorn/plug/alu_every_block", KERNEL_ALU, OPTION_BLOCKS),
    ROW("unicorn/plug/store_tracked", KERNEL_STORE, OPTION_DIRTY),
    ROW("unicorn/plug/store_pages", KERNEL_PAGES, OPTION_NONE),
    ROW("unicorn/plug/store_pages_tracked", KERNEL_PAGES, OPTION_DIRTY),
    COMMITS("unicorn/plug/commit/none", -1, run_commits),
    COMMITS("unicorn/plug/commit/0", 0, run_commits),
    COMMITS("unicorn/plug/commit/200", 200, run_commits),
    COMMITS("unicorn/plug/moved/2", 2, run_moves),
    COMMITS("unicorn/plug/moved/200", 200, run_moves),
    { .name = "unicorn/plug/attach/10000",
      .arg = 10000,
      .setup = setup_many,
      .run = run_attach,
      .teardown = teardown,
      .check = check,
      .batch = 1 },
};

const struct bench_table bench_unicorn_plug = BENCH_TABLE(rows);
