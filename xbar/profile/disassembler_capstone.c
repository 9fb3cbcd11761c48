/* SPDX-License-Identifier: MIT */
#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>

#include "disassembler.h"

struct disassembler {
    csh handle;
    cs_insn *insn; /* one, reused */
};

/* The one host that code is translated for. */
struct disassembler *disassembler_new(void)
{
    struct disassembler *d = calloc(1, sizeof(*d));

    if (!d) {
        return NULL;
    }
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &d->handle) != CS_ERR_OK) {
        free(d);
        return NULL;
    }
    /* Operands tell where a jump leads. */
    cs_option(d->handle, CS_OPT_DETAIL, CS_OPT_ON);
    d->insn = cs_malloc(d->handle);
    if (!d->insn) {
        disassembler_free(d);
        return NULL;
    }
    return d;
}

void disassembler_free(struct disassembler *d)
{
    if (d) {
        if (d->insn) {
            cs_free(d->insn, 1);
        }
        cs_close(&d->handle);
        free(d);
    }
}

static bool find_target(struct disassembler *d, uint64_t *target)
{
    const cs_x86 *x86 = &d->insn->detail->x86;

    if (!cs_insn_group(d->handle, d->insn, CS_GRP_JUMP) &&
        !cs_insn_group(d->handle, d->insn, CS_GRP_CALL)) {
        return false;
    }
    if (x86->op_count != 1 || x86->operands[0].type != X86_OP_IMM) {
        return false;
    }
    *target = (uint64_t)x86->operands[0].imm;
    return true;
}

void disassembler_next(struct disassembler *d, const uint8_t *code, size_t size,
                       uint64_t address, struct host_insn *insn)
{
    if (!cs_disasm_iter(d->handle, &code, &size, &address, d->insn)) {
        insn->size = 1;
        insn->jumps = false;
        snprintf(insn->text, sizeof(insn->text), ".byte 0x%02x", *code);
        return;
    }
    insn->size = d->insn->size;
    insn->jumps = find_target(d, &insn->target);
    snprintf(insn->text, sizeof(insn->text), "%s%s%.40s", d->insn->mnemonic,
             insn->jumps || !d->insn->op_str[0] ? "" : " ",
             insn->jumps ? "" : d->insn->op_str);
}
