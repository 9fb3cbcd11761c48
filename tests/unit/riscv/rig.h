/* SPDX-License-Identifier: MIT */
/*
 * A hart on a small board, for tests of the privileged half:
 *
 *   0x10000000  one page of I/O that counts and remembers
 *   0x20000000  ROM, 64 KiB
 *   0x80000000  RAM, 4 MiB; the hart starts here
 */
#ifndef XBAR_TESTS_UNIT_RISCV_RIG_H
#define XBAR_TESTS_UNIT_RISCV_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "jit/riscv/hart_internal.h"

#define RIG_IO       0x10000000u
#define RIG_ROM      0x20000000u
#define RIG_ROM_SIZE 0x10000u
#define RIG_RAM      0x80000000u
#define RIG_RAM_SIZE 0x400000u

struct rig {
    struct xbar_engine *engine;
    MemoryRegion root, io, rom, ram;
    AddressSpace as;
    struct xbar_riscv_hart *hart;
    uint8_t *mem; /* RAM */

    /* The I/O page: what was written last, and a hook that sees it. */
    _Atomic unsigned io_writes;
    uint64_t io_value;
    uint32_t io_attention; /* that reading asks for */
    void (*on_write)(struct rig *rig, hwaddr addr, uint64_t value);
};

static inline uint64_t rig_io_read(void *opaque, hwaddr addr, unsigned size)
{
    struct rig *rig = opaque;

    (void)addr;
    (void)size;
    if (rig->io_attention != 0) {
        riscv__post(rig->hart, rig->io_attention);
    }
    return rig->io_value;
}

static inline void rig_io_write(void *opaque, hwaddr addr, uint64_t value,
                                unsigned size)
{
    struct rig *rig = opaque;

    (void)size;
    rig->io_writes++;
    rig->io_value = value;
    if (rig->on_write) {
        rig->on_write(rig, addr, value);
    }
}

static const MemoryRegionOps rig_io_ops = {
    .read = rig_io_read,
    .write = rig_io_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .max_access_size = 8 },
};

/* As config says, but for the fields that the board decides. @engine: NULL
 * for defaults. */
static inline void rig_open_in(struct rig *rig,
                               const struct xbar_engine_config *engine,
                               const struct xbar_riscv_config *config)
{
    struct xbar_riscv_config full = *config;

    memset(rig, 0, sizeof(*rig));
    rig->engine = xbar_engine_new(engine);
    assert_non_null(rig->engine);
    assert_int_equal(xbar_engine_enter(rig->engine), 0);
    assert_int_equal(memory_region_init(&rig->root, NULL, "system", UINT64_MAX),
                     0);
    assert_int_equal(memory_region_init_io(&rig->io, NULL, &rig_io_ops, rig,
                                           "io", TLB_PAGE_SIZE),
                     0);
    assert_int_equal(
        memory_region_init_rom(&rig->rom, NULL, "rom", RIG_ROM_SIZE, NULL), 0);
    assert_int_equal(
        memory_region_init_ram(&rig->ram, NULL, "ram", RIG_RAM_SIZE, NULL), 0);
    memory_region_add_subregion(&rig->root, RIG_IO, &rig->io);
    memory_region_add_subregion(&rig->root, RIG_ROM, &rig->rom);
    memory_region_add_subregion(&rig->root, RIG_RAM, &rig->ram);
    assert_int_equal(address_space_init(&rig->as, &rig->root, "memory"), 0);
    xbar_engine_leave(rig->engine);
    rig->mem = memory_region_get_ram_ptr(&rig->ram);

    /* Unless it is about that: translate at once. */
    full.translate_after = full.translate_after ? full.translate_after : 1;
    full.as = &rig->as;
    full.reset_pc = RIG_RAM;
    rig->hart = xbar_riscv_new(&full);
    assert_non_null(rig->hart);
}

static inline void rig_open_with(struct rig *rig,
                                 const struct xbar_riscv_config *config)
{
    rig_open_in(rig, NULL, config);
}

static inline void rig_open(struct rig *rig)
{
    const struct xbar_riscv_config config = { .hartid = 5 };

    rig_open_with(rig, &config);
}

/* A device that is called with nothing held. Its engine is entered. */
static inline void rig_init_plain(MemoryRegion *mr, const MemoryRegionOps *ops,
                                  void *opaque, const char *name, uint64_t size)
{
    assert_int_equal(memory_region_init_io(mr, NULL, ops, opaque, name, size),
                     0);
    assert_int_equal(xbar_region_set_lock_policy(mr, XBAR_LOCK_NONE), 0);
}

/* Everything goes, so that a leak shows. */
static inline void rig_close(struct rig *rig)
{
    xbar_riscv_free(rig->hart);
    address_space_destroy(&rig->as);
    xbar_region_destroy(&rig->root, NULL, NULL);
    xbar_region_destroy(&rig->io, NULL, NULL);
    xbar_region_destroy(&rig->rom, NULL, NULL);
    xbar_region_destroy(&rig->ram, NULL, NULL);
    assert_int_equal(xbar_engine_free(rig->engine), 0);
}

/* One for all tests of a group, with the translator. */
static inline int rig_open_shared(void **state)
{
    static struct rig rig;

    rig_open(&rig);
    *state = &rig;
    return xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT);
}

static inline int rig_close_shared(void **state)
{
    rig_close(*state);
    return 0;
}

/* One entry that lets S and U go everywhere. */
static inline void rig_open_pmp(struct rig *rig)
{
    riscv__pmp_write_addr(&rig->hart->pmp, 0, UINT64_MAX);
    riscv__pmp_write_cfg(&rig->hart->pmp, 0, 0x1f);
    tlb_flush(&rig->hart->tlb, TLB_ALL_CONTEXTS);
}

/* ---- Reproducible random numbers (xorshift64*) -------------------------- */

static inline uint64_t rig_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}

/* ---- Machine code ------------------------------------------------------- */

static inline uint32_t insn_i(unsigned op, unsigned funct3, unsigned rd,
                              unsigned rs1, int imm)
{
    return ((uint32_t)imm & 0xfff) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 |
           op;
}

static inline uint32_t insn_addi(unsigned rd, unsigned rs1, int imm)
{
    return insn_i(0x13, 0, rd, rs1, imm);
}

static inline uint32_t insn_csr(unsigned funct3, unsigned rd, unsigned csr,
                                unsigned rs1)
{
    return insn_i(0x73, funct3, rd, rs1, (int)csr);
}

static inline uint32_t insn_sd(unsigned rs2, unsigned rs1, int imm)
{
    uint32_t bits = (uint32_t)imm & 0xfff;

    return bits >> 5 << 25 | rs2 << 20 | rs1 << 15 | 3 << 12 |
           (bits & 31) << 7 | 0x23;
}

#define INSN_SELF  0x0000006fu /* j . */
#define INSN_NOP   0x00000013u
#define INSN_ECALL 0x00000073u
#define INSN_MRET  0x30200073u
#define INSN_SRET  0x10200073u
#define INSN_WFI   0x10500073u
#define INSN_BAD   0xffffffffu

static inline void rig_code(struct rig *rig, uint32_t offset,
                            const uint32_t *code, size_t count)
{
    memcpy(rig->mem + offset, code, count * sizeof(*code));
}

#endif
