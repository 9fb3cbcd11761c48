/* SPDX-License-Identifier: MIT */
/*
 * Instructions as structures. Decoding is a pure function of the bits: it
 * knows no hart, no mode and no address.
 *
 *   31                          0
 *   +----------------------------+  decode   +----------------------------+
 *   | 32 bits, or 16 zero-ext.   | --------> | op, registers, immediate   |
 *   +----------------------------+           +----------------------------+
 *
 * A compressed instruction becomes the one it abbreviates, with length 2.
 */
#ifndef XBAR_JIT_RISCV_DECODE_H
#define XBAR_JIT_RISCV_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Operations: RISCV_OP_ADD, ... RISCV_OP_ILLEGAL is 0. */
enum riscv_op {
#define INSN(op, ...) RISCV_OP_##op,
#include "jit/riscv/insn.inc"
    RISCV_OP_COUNT
};

enum riscv_class {
#define CLASS(name, ...) RISCV_CLASS_##name,
#include "jit/riscv/insn.inc"
};

enum riscv_format {
#define FORMAT(name, ...) RISCV_FORMAT_##name,
#include "jit/riscv/insn.inc"
};

/* Operand fields; sets of them are in struct riscv_format_info. */
enum riscv_field {
    RISCV_RD = 1 << 0,
    RISCV_RS1 = 1 << 1,
    RISCV_RS2 = 1 << 2,
    RISCV_RS3 = 1 << 3,
    RISCV_RM = 1 << 4, /* a rounding mode; 5 and 6 do not decode */
};

/* Layouts of immediates in 32-bit instructions. */
enum riscv_imm {
    RISCV_IMM_NONE,
    RISCV_IMM_I,
    RISCV_IMM_S,
    RISCV_IMM_B,
    RISCV_IMM_U, /* in place: the low 12 bits are 0 */
    RISCV_IMM_J,
    RISCV_IMM_SHIFT, /* 6 bits */
    RISCV_IMM_UI,    /* bits 31:20, unsigned */
};

struct riscv_format_info {
    const char *text; /* operand letters, see print.c */
    uint8_t fields;   /* enum riscv_field */
    uint8_t fp;       /* those that name f registers */
    uint8_t imm;      /* enum riscv_imm */
};

struct riscv_class_info {
    bool may_trap;
    bool ends_block;
};

/* A row of the table: what is known of an operation without its operands. */
struct riscv_op_info {
    const char *text;
    uint32_t match; /* bits & mask == match */
    uint32_t mask;
    uint8_t format; /* enum riscv_format */
    uint8_t class;  /* enum riscv_class */
    int8_t access;  /* bytes; negative: loads are sign-extended */
};

/*
 * A decoded instruction. Fields that its format does not have are 0, so for
 * any two-operand operation the second operand is x[rs2] + imm: one of the
 * two is always 0 (lui and li are add with rs1 = x0 as well).
 *
 * A zeroed one is the correct decoding of bits 0, which are illegal; only its
 * length is missing. So a zeroed cache is a valid cache.
 */
struct riscv_insn {
    uint32_t bits; /* as fetched; the upper half is 0 if compressed */
    int32_t imm;
    uint16_t op; /* enum riscv_op */
    uint8_t rd;
    uint8_t rs1; /* or the immediate of csrrwi and its like */
    uint8_t rs2;
    uint8_t rs3;
    uint8_t rm; /* 0 to 4, or 7: take frm */
    uint8_t length;
};

_Static_assert(sizeof(struct riscv_insn) == 16, "four to a cache line");
_Static_assert(RISCV_OP_ILLEGAL == 0, "a zeroed struct riscv_insn is illegal");

/* The tables, by the enumerations above. */
extern const struct riscv_op_info riscv__ops[RISCV_OP_COUNT];
extern const struct riscv_format_info riscv__formats[];
extern const struct riscv_class_info riscv__classes[];

/* Does @bits begin a 16-bit instruction? */
static inline bool riscv__is_compressed(uint32_t bits)
{
    return (bits & 3) != 3;
}

/**
 * riscv__decode() - @bits as a structure
 * @bits: the upper half is ignored if the lower begins a 16-bit instruction
 *
 * Context: any. Return: in @insn; RISCV_OP_ILLEGAL for what has no row.
 */
void riscv__decode(struct riscv_insn *insn, uint32_t bits);

/* The return-address hints of the ISA: x1 and x5 are link registers. */
static inline bool riscv__is_link(unsigned reg)
{
    return reg == 1 || reg == 5;
}

static inline bool riscv__calls(const struct riscv_insn *insn)
{
    return (insn->op == RISCV_OP_JAL || insn->op == RISCV_OP_JALR) &&
           riscv__is_link(insn->rd);
}

static inline bool riscv__returns(const struct riscv_insn *insn)
{
    return insn->op == RISCV_OP_JALR && riscv__is_link(insn->rs1) &&
           !riscv__is_link(insn->rd);
}

/*
 * A cache of decoded instructions, keyed by their bits. The decoding of given
 * bits never changes, so nothing that a guest does makes an entry stale.
 *
 * 4096 entries (64 KiB) hold the distinct encodings of a kernel's hot paths.
 */
#define RISCV_INSN_CACHE_BITS 12

struct riscv_insn_cache {
    struct riscv_insn entries[1 << RISCV_INSN_CACHE_BITS];
};

/**
 * riscv__decode_cached() - @bits decoded, from @cache if it was there
 * @bits: the upper half must be 0 if compressed
 *
 * Return: an entry of @cache, valid until the next call.
 */
static inline const struct riscv_insn *
riscv__decode_cached(struct riscv_insn_cache *cache, uint32_t bits)
{
    /* Multiplicative hashing: encodings that differ in one field alone, the
     * usual case, must not fall together. */
    uint32_t slot =
        (bits * UINT32_C(0x9e3779b1)) >> (32 - RISCV_INSN_CACHE_BITS);
    struct riscv_insn *entry = &cache->entries[slot];

    if (__builtin_expect(entry->bits != bits, 0)) {
        riscv__decode(entry, bits);
    }
    return entry;
}

#endif
