/* SPDX-License-Identifier: MIT */
/*
 * What is known of a block's instructions before code is made of the first.
 */
#ifndef XBAR_JIT_RISCV_AHEAD_H
#define XBAR_JIT_RISCV_AHEAD_H

#include "jit/riscv/source.h"

enum riscv_form {
    RISCV_AS_IT_IS,
    RISCV_NOTHING, /* its result is not needed */
    RISCV_INSTEAD, /* op, of rs1, rs2 and amount: what it is with others */
};

/* One instruction. */
struct riscv_note {
    uint8_t form; /* enum riscv_form */
    uint8_t amount;
    bool narrow; /* nobody reads the upper half of its result */
    uint8_t op;  /* enum riscv_op, and its registers, of what is done instead */
    uint8_t rs1;
    uint8_t rs2;
};

enum riscv_reads {
    RISCV_READS_ALL,
    RISCV_READS_LOWER,           /* and the result is an extended 32-bit one */
    RISCV_READS_LOWER_FOR_LOWER, /* for the lower half of the result */
};

/* What @op reads of its registers. */
enum riscv_reads riscv__reads(enum riscv_op op);

/* @insn, or what its @note says is done instead: nothing is a nop. */
struct riscv_insn riscv__instead(const struct riscv_insn *insn,
                                 const struct riscv_note *note);

/* Does it do nothing but compute @insn's rd? */
static inline bool riscv__only_computes(const struct riscv_insn *insn)
{
    switch ((enum riscv_class)riscv__ops[insn->op].class) {
    case RISCV_CLASS_ALU:
    case RISCV_CLASS_MUL:
    case RISCV_CLASS_DIV:
        return true;
    default:
        return false;
    }
}

struct riscv_ahead {
    unsigned count;
    unsigned loads; /* plain ones among them; or more, if what is looked at
                       became less */
    unsigned stores;
    struct riscv_insn insns[RISCV_BLOCK_INSNS]; /* to where the block ends */
    struct riscv_note notes[RISCV_BLOCK_INSNS];
};

/* Of the block that at most @max instructions of @source make: copies as much
 * as that takes. If it is shown to somebody, all are as they are: any register
 * may be looked at between any two of them. */
void riscv__look_ahead(struct riscv_ahead *ahead, struct riscv_source *source,
                       unsigned max);

/* The same of the first @count of what is known already. */
void riscv__look_less_ahead(struct riscv_ahead *ahead,
                            const struct riscv_source *source, unsigned count);

/* Of @count instructions, the last of which may end a block. */
void riscv__look_ahead_at(struct riscv_note *notes,
                          const struct riscv_insn *insns, unsigned count);

#endif
