/* SPDX-License-Identifier: MIT */
/* Without capstone: bytes, a few to the line. */
#include <stdio.h>
#include <stdlib.h>

#include "disassembler.h"

#define LINE_BYTES 12

/* There is nothing to remember. */
struct disassembler {
    char unused;
};

struct disassembler *disassembler_new(void)
{
    return calloc(1, sizeof(struct disassembler));
}

void disassembler_free(struct disassembler *d)
{
    free(d);
}

void disassembler_next(struct disassembler *d, const uint8_t *code, size_t size,
                       uint64_t address, struct host_insn *insn)
{
    char *to = insn->text;

    (void)d;
    (void)address;
    insn->jumps = false;
    insn->size = size < LINE_BYTES ? (unsigned)size : LINE_BYTES;
    for (unsigned i = 0; i < insn->size; i++) {
        to += snprintf(to, 4, i ? " %02x" : "%02x", code[i]);
    }
}
