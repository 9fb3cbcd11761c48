/* SPDX-License-Identifier: MIT */
/*
 * What an access costs a guest: loops of RV64 code, translated and
 * interpreted. The peers run the same bytes (peers/unicorn.c). The loop's own
 * two instructions count with the eight accesses that they serve.
 */
#include "bench.h"
#include "guest.h"
#include "kernels.h"

#define ENGINE_SHIFT 16
#define ARG(engine, kernel, device) \
    ((int64_t)(engine) << ENGINE_SHIFT | (device) << 8 | (kernel))

enum device {
    TO_RAM,
    TO_DEVICE,
    TO_LOCKED_DEVICE,
};

static const uint32_t addresses[] = {
    [TO_RAM] = GUEST_DATA,
    [TO_DEVICE] = WORLD_DEV,
    [TO_LOCKED_DEVICE] = WORLD_DEV_LOCKED,
};

#define STORED 0x1234u

static void *setup(int64_t arg)
{
    struct guest *guest = guest_new((int)(arg >> ENGINE_SHIFT), 0);
    const uint32_t last = 77;
    uint32_t code[KERNEL_WORDS];

    if (!guest) {
        return NULL;
    }
    kernel_make((enum kernel)(arg & 255), code);
    guest_put(guest, GUEST_CODE, code, KERNEL_WORDS);
    guest_put(guest, GUEST_DATA + 4 * (KERNEL_UNROLL - 1), &last, 1);
    xbar_riscv_set_x(guest->hart, RV_A0, addresses[arg >> 8 & 255]);
    xbar_riscv_set_x(guest->hart, RV_A2, STORED);
    return guest;
}

/* Rounds of the loop, one operation an access. */
static void run(struct guest *guest, uint64_t operations)
{
    const uint64_t rounds = operations / KERNEL_UNROLL;

    xbar_riscv_set_pc(guest->hart, GUEST_CODE);
    xbar_riscv_set_x(guest->hart, RV_A1, rounds);
    guest_run(guest, rounds * KERNEL_ROUND);
    guest_expect(guest, RV_A1, 0);
}

static void run_alu(void *context, uint64_t operations)
{
    struct guest *guest = context;

    xbar_riscv_set_x(guest->hart, RV_A3, 0);
    run(guest, operations);
    guest_expect(guest, RV_A3, operations);
}

static void run_load(void *context, uint64_t operations)
{
    run(context, operations);
    guest_expect(context, RV_A3, 77);
}

static void run_store(void *context, uint64_t operations)
{
    struct guest *guest = context;

    run(guest, operations);
    if (address_space_ldl(&guest->world->as, GUEST_DATA, MEMTXATTRS_UNSPECIFIED,
                          NULL) != STORED) {
        guest->wrong = "the guest's store is not in memory";
    }
}

static void run_mmio_load(void *context, uint64_t operations)
{
    run(context, operations);
    guest_expect(context, RV_A3, 8); /* the device's answer: the offset */
}

static void run_mmio_store(void *context, uint64_t operations)
{
    struct guest *guest = context;
    const uint64_t before = guest->world->writes;

    run(guest, operations);
    if (guest->world->writes - before != operations ||
        guest->world->value != STORED) {
        guest->wrong = "the device did not see every store";
    }
}

#define JIT    XBAR_RISCV_JIT
#define INTERP XBAR_RISCV_INTERP
#define ROW(label, engine, kernel, device, function)                       \
    {                                                                      \
        .name = label, .arg = ARG(engine, kernel, device), .setup = setup, \
        .run = function, .teardown = guest_free, .check = guest_check,     \
        .batch = 1 << 16                                                   \
    }

static const struct bench rows[] = {
    ROW("hart/alu", JIT, KERNEL_ALU, TO_RAM, run_alu),
    ROW("hart/load", JIT, KERNEL_LOAD, TO_RAM, run_load),
    ROW("hart/store", JIT, KERNEL_STORE, TO_RAM, run_store),
    ROW("hart/mmio_load", JIT, KERNEL_MMIO_LOAD, TO_DEVICE, run_mmio_load),
    ROW("hart/mmio_store", JIT, KERNEL_MMIO_STORE, TO_DEVICE, run_mmio_store),
    ROW("hart/mmio_load_machine_lock", JIT, KERNEL_MMIO_LOAD, TO_LOCKED_DEVICE,
        run_mmio_load),
    ROW("interp/alu", INTERP, KERNEL_ALU, TO_RAM, run_alu),
    ROW("interp/load", INTERP, KERNEL_LOAD, TO_RAM, run_load),
    ROW("interp/mmio_load", INTERP, KERNEL_MMIO_LOAD, TO_DEVICE, run_mmio_load),
};

const struct bench_table bench_hart = BENCH_TABLE(rows);
