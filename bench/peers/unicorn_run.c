/* SPDX-License-Identifier: MIT */
/*
 * Emulated code: the loops of ../kernels.h, as hart/ runs them, with devices
 * and with hooks; what starting costs; what code costs when it is new.
 */
#include <stdlib.h>
#include <unicorn/unicorn.h>

#include "unicorn.h"
#include "unicorn_kernel.h"

#define STRAIGHT 8192u

#define NEW      (UINT64_C(1) << 32) /* where new code is put, bit by bit */
#define NEW_SIZE (64u << 20)

enum hook {
    HOOK_NONE,
    HOOK_READS, /* told of every read */
    HOOK_CODE,  /* told of every instruction */
};

struct machine {
    uc_engine *uc;
    enum kernel kernel;
    enum hook hook;
    uint64_t writes;
    uint64_t hooked;
    uint64_t place; /* of code that is new */
    const char *wrong;
    uint32_t code[STRAIGHT];
};

#define ARG(kernel, hook) ((int64_t)(hook) << 8 | (kernel))

/* ---- Callbacks --------------------------------------------------------- */

static uint64_t mmio_read(uc_engine *uc, uint64_t offset, unsigned size,
                          void *opaque)
{
    (void)uc;
    (void)size;
    (void)opaque;
    return offset;
}

static void mmio_write(uc_engine *uc, uint64_t offset, unsigned size,
                       uint64_t value, void *opaque)
{
    struct machine *m = opaque;

    (void)uc;
    (void)offset;
    (void)size;
    m->writes += value == STORED;
}

static void on_read(uc_engine *uc, uc_mem_type type, uint64_t address, int size,
                    int64_t value, void *opaque)
{
    struct machine *m = opaque;

    (void)uc;
    (void)type;
    (void)address;
    (void)size;
    (void)value;
    m->hooked++;
}

static void on_code(uc_engine *uc, uint64_t address, uint32_t size,
                    void *opaque)
{
    struct machine *m = opaque;

    (void)uc;
    (void)address;
    (void)size;
    m->hooked++;
}

/* ---- The machine ------------------------------------------------------- */

static bool add_hook(struct machine *m)
{
    uc_hook handle;

    switch (m->hook) {
    case HOOK_READS:
        return uc_hook_add(m->uc, &handle, UC_HOOK_MEM_READ, (void *)on_read, m,
                           1, 0) == UC_ERR_OK;
    case HOOK_CODE:
        return uc_hook_add(m->uc, &handle, UC_HOOK_CODE, (void *)on_code, m, 1,
                           0) == UC_ERR_OK;
    default:
        return true;
    }
}

static void *setup(int64_t arg)
{
    struct machine *m = calloc(1, sizeof(*m));
    const uint32_t loaded = LOADED;

    if (!m) {
        return NULL;
    }
    m->kernel = (enum kernel)(arg & 255);
    m->hook = (enum hook)(arg >> 8);
    kernel_make(m->kernel, m->code);
    if (uc_open(UC_ARCH_RISCV, UC_MODE_RISCV64, &m->uc) ||
        uc_mem_map(m->uc, CODE, RAM_SIZE, UC_PROT_ALL) ||
        uc_mmio_map(m->uc, DEVICE, PAGE, mmio_read, m, mmio_write, m) ||
        uc_mem_write(m->uc, CODE, m->code, KERNEL_WORDS * 4) ||
        uc_mem_write(m->uc, LOADED_AT, &loaded, 4) || !add_hook(m) ||
        !set_operands(m->uc, m->kernel)) {
        return NULL;
    }
    return m;
}

static void teardown(void *context)
{
    struct machine *m = context;

    uc_close(m->uc);
    free(m);
}

static const char *check(void *context)
{
    const struct machine *m = context;

    return m->wrong;
}

static void expect(struct machine *m, bool ok)
{
    if (!ok) {
        m->wrong = "the guest did not do what it should";
    }
}

/* ---- Loops ------------------------------------------------------------- */

static void run_loop(void *context, uint64_t operations)
{
    struct machine *m = context;
    const uint64_t rounds = operations / KERNEL_UNROLL;
    const uint64_t writes = m->writes;
    const uint64_t hooked = m->hooked;
    uint32_t stored = 0;
    bool ok = set_rounds(m->uc, operations) &&
              uc_emu_start(m->uc, CODE, CODE + KERNEL_END, 0, 0) == UC_ERR_OK;

    if (m->hook != HOOK_NONE) {
        ok &= m->hooked - hooked ==
              (m->hook == HOOK_CODE ? rounds * KERNEL_ROUND : operations);
    }
    if (m->kernel == KERNEL_STORE) {
        uc_mem_read(m->uc, DATA, &stored, sizeof(stored));
    }
    expect(m, ok && did_operations(m->uc, m->kernel, operations,
                                   m->writes - writes, stored));
}

/* One operation is a run of one round. */
static void run_start(void *context, uint64_t operations)
{
    struct machine *m = context;
    bool ok = true;

    for (uint64_t i = 0; i < operations; i++) {
        ok &= set(m->uc, RV_A1, 1) &&
              uc_emu_start(m->uc, CODE, CODE + KERNEL_END, 0, 0) == UC_ERR_OK;
    }
    expect(m, ok && get(m->uc, RV_A1) == 0);
}

/* ---- New code ---------------------------------------------------------- */

/*
 * At another place each time: nothing tells Unicorn's cache that uc_mem_write()
 * changed code. When the places are used up, all of them are mapped anew.
 */
static bool next_place(struct machine *m)
{
    m->place += sizeof(m->code);
    if (m->place >= NEW && m->place < NEW + NEW_SIZE) {
        return true;
    }
    if (m->place >= NEW && uc_mem_unmap(m->uc, NEW, NEW_SIZE) != UC_ERR_OK) {
        return false;
    }
    m->place = NEW;
    return uc_mem_map(m->uc, NEW, NEW_SIZE, UC_PROT_ALL) == UC_ERR_OK;
}

static void prepare_code(void *context)
{
    struct machine *m = context;

    for (unsigned i = 0; i < STRAIGHT; i++) {
        m->code[i] = rv_addi(RV_A3, RV_A3, 1);
    }
    expect(m, next_place(m) && uc_mem_write(m->uc, m->place, m->code,
                                            sizeof(m->code)) == UC_ERR_OK);
}

/* One operation is an instruction that was never run before. */
static void run_code(void *context, uint64_t operations)
{
    struct machine *m = context;
    const bool ok = set(m->uc, RV_A3, 0) &&
                    uc_emu_start(m->uc, m->place, m->place + sizeof(m->code), 0,
                                 0) == UC_ERR_OK;

    expect(m, ok && operations == STRAIGHT && get(m->uc, RV_A3) == operations);
}

#define ROW(label, kernel, hook)                                 \
    {                                                            \
        .name = label, .arg = ARG(kernel, hook), .setup = setup, \
        .run = run_loop, .teardown = teardown, .check = check,   \
        .batch = 1 << 16                                         \
    }

static const struct bench rows[] = {
    ROW("unicorn/alu", KERNEL_ALU, HOOK_NONE),
    ROW("unicorn/load", KERNEL_LOAD, HOOK_NONE),
    ROW("unicorn/store", KERNEL_STORE, HOOK_NONE),
    ROW("unicorn/mmio_load", KERNEL_MMIO_LOAD, HOOK_NONE),
    ROW("unicorn/mmio_store", KERNEL_MMIO_STORE, HOOK_NONE),
    ROW("unicorn/load_hooked", KERNEL_LOAD, HOOK_READS),
    ROW("unicorn/alu_hook_code", KERNEL_ALU, HOOK_CODE),
    { .name = "unicorn/emu_start",
      .arg = ARG(KERNEL_ALU, HOOK_NONE),
      .setup = setup,
      .run = run_start,
      .teardown = teardown,
      .check = check,
      .batch = 64 },
    { .name = "unicorn/translate",
      .arg = ARG(KERNEL_ALU, HOOK_NONE),
      .setup = setup,
      .prepare = prepare_code,
      .run = run_code,
      .teardown = teardown,
      .check = check,
      .batch = STRAIGHT },
};

const struct bench_table bench_unicorn_run = BENCH_TABLE(rows);
