/* SPDX-License-Identifier: MIT */
/*
 * The loops of ../kernels.h in a Unicorn engine, whoever gives it memory: where
 * things are, registers, and what a loop has done when it ends.
 */
#ifndef XBAR_BENCH_PEERS_UNICORN_KERNEL_H
#define XBAR_BENCH_PEERS_UNICORN_KERNEL_H

#include <stdbool.h>
#include <unicorn/unicorn.h>

#include "../kernels.h"

#define PAGE     4096u
#define CODE     0x80000000u
#define DATA     0x80800000u
#define DEVICE   0x10000000u /* reads give the offset */
#define RAM_SIZE (16u << 20)
#define STORED   0x1234u

/* The last word that a round loads, and where it is. */
#define LOADED    77u
#define LOADED_AT (DATA + 4 * (KERNEL_UNROLL - 1))

static inline bool set(uc_engine *uc, unsigned reg, uint64_t value)
{
    return uc_reg_write(uc, UC_RISCV_REG_X0 + (int)reg, &value) == UC_ERR_OK;
}

static inline uint64_t get(uc_engine *uc, unsigned reg)
{
    uint64_t value = 0;

    uc_reg_read(uc, UC_RISCV_REG_X0 + (int)reg, &value);
    return value;
}

/* What stays the same for all rounds. */
static inline bool set_operands(uc_engine *uc, enum kernel kernel)
{
    bool mmio = kernel == KERNEL_MMIO_LOAD || kernel == KERNEL_MMIO_STORE;

    return set(uc, RV_A2, STORED) && set(uc, RV_A0, mmio ? DEVICE : DATA);
}

static inline bool set_rounds(uc_engine *uc, uint64_t operations)
{
    return set(uc, RV_A1, operations / KERNEL_UNROLL) && set(uc, RV_A3, 0);
}

/*
 * @writes: of STORED, that the device saw since set_rounds(); @stored: what is
 * at DATA, for KERNEL_STORE
 */
static inline bool did_operations(uc_engine *uc, enum kernel kernel,
                                  uint64_t operations, uint64_t writes,
                                  uint32_t stored)
{
    if (get(uc, RV_A1) != 0) {
        return false;
    }
    switch (kernel) {
    case KERNEL_ALU:
        return get(uc, RV_A3) == operations;
    case KERNEL_LOAD:
        return get(uc, RV_A3) == LOADED;
    case KERNEL_MMIO_LOAD:
        return get(uc, RV_A3) == 8;
    case KERNEL_MMIO_STORE:
        return writes == operations;
    default:
        return stored == STORED;
    }
}

#endif
