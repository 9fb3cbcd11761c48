/* SPDX-License-Identifier: MIT */
/*
 * Several sequences, as one run of the oracle or one load of a machine takes
 * them: their code lies one after the other.
 */
#ifndef XBAR_TESTS_GUEST_INSN_BATCH_H
#define XBAR_TESTS_GUEST_INSN_BATCH_H

#include "tests/guest/insn_gen.h"

struct insn_batch {
    size_t count;
    size_t first_offset; /* of the first sequence from GUEST_CODE */
    size_t code_size;    /* from GUEST_CODE */
    struct insn_sequence *sequences;
    struct insn_case *cases;
    uint8_t *code;
};

/** insn_batch_open() - room for @count sequences, which the caller makes */
void insn_batch_open(struct insn_batch *batch, size_t count);
void insn_batch_close(struct insn_batch *batch);

/**
 * insn_batch_lay_out() - code and cases of the sequences
 *
 * A sequence with the seed of the one before it shares that one's code: it
 * is the same with other registers and data.
 */
void insn_batch_lay_out(struct insn_batch *batch);

#endif
