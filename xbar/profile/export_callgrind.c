/* SPDX-License-Identifier: MIT */
/*
 * Self costs alone: who called whom is known from samples, not counted, and is
 * not mixed with what was.
 */
#include <errno.h>
#include <inttypes.h>

#include "export.h"

static uint64_t total_of(const struct report *report)
{
    uint64_t total = 0;

    for (size_t i = 0; i < report->code.count; i++) {
        total += report->code.insns[i].count;
    }
    return total;
}

static void print_function(const struct function *function, FILE *out)
{
    fprintf(out, "\nob=%s\nfl=???\nfn=%s\n",
            function->file ? function->file : "???", function->name);
}

int export_callgrind(const struct report *report, FILE *out)
{
    uint64_t last = UINT64_MAX;

    fprintf(out,
            "# callgrind format\nversion: 1\ncreator: xbar profile\n"
            "cmd: %s\npositions: instr line\nevents: Ir\nsummary: %" PRIu64
            "\n",
            report->title, total_of(report));
    for (size_t i = 0; i < report->code.count; i++) {
        const struct code_insn *insn = &report->code.insns[i];
        struct function function;

        if (!insn->count) {
            continue;
        }
        symbols_find(&report->symbols, &report->code, insn->pc, &function);
        if (function.start != last) {
            print_function(&function, out);
            last = function.start;
        }
        fprintf(out, "0x%" PRIx64 " 0 %" PRIu64 "\n", insn->pc, insn->count);
    }
    return ferror(out) ? -EIO : 0;
}
