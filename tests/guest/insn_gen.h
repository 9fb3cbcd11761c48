/* SPDX-License-Identifier: MIT */
/*
 * Random sequences of user-mode instructions, drawn from the decode table.
 */
#ifndef XBAR_TESTS_GUEST_INSN_GEN_H
#define XBAR_TESTS_GUEST_INSN_GEN_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/guest/insn_abi.h"

#define INSN_MAX_SLOTS 384

/* One instruction of a sequence. */
struct insn_slot {
    uint32_t bits;
    uint16_t offset; /* from the first one, in bytes */
    uint8_t length;
    bool is_unit; /* may be jumped to; the slots up to the next one belong
                       together */
    bool is_erased;
    int16_t target; /* the slot that it jumps to, or -1 */
    int16_t origin; /* whose address the jump is relative to */
};

struct insn_sequence {
    uint64_t seed;
    struct insn_state state;
    uint64_t data_seed;
    size_t count; /* of slots, the final ebreak included */
    struct insn_slot slots[INSN_MAX_SLOTS];
};

/**
 * insn_generate() - the sequence of @seed, the same on every host
 * @ours: for engines of ours alone: instret and cycle are read into registers,
 * and there are rows without an oracle
 */
void insn_generate(struct insn_sequence *sequence, uint64_t seed, bool ours);

/** insn_generate_state() - other registers and data for the same code */
void insn_generate_state(struct insn_sequence *sequence, uint64_t seed);

/** insn_size() - bytes of code */
size_t insn_size(const struct insn_sequence *sequence);

/** insn_write() - the code, insn_size() bytes */
void insn_write(const struct insn_sequence *sequence, uint8_t *code);

/** insn_erase() - make a slot a nop of the same length */
void insn_erase(struct insn_sequence *sequence, size_t slot);

#endif
