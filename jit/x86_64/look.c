/* SPDX-License-Identifier: MIT */
/* Code that somebody looks at: between instructions, where rax, rcx and rdx are
 * free. */
#include "jit/x86_64/x86_64_internal.h"

/*
 *     mov  rax, what
 *     call look
 *     cmp  dword [rbp + attention], 0     if it executes the instruction
 *     je   1f
 *     call exit_attention
 *  1:
 */
void jit_host__look(struct jit_emit *e, const void *what, bool executes)
{
    struct jit_cold here = { .insn = e->insn,
                             .pc_offset = e->pc_offset,
                             .length = e->length };
    uint32_t calm;

    x86_load_imm(e->b, RAX, (uintptr_t)what);
    x86__call_stub(e, x86__stubs(e)->look);
    x86__site(e, &here, false);
    if (!executes) {
        return;
    }
    x86_alu_imm(e->b, X86_ALU_CMP, 4, x86__field(e->stubs, e->guest->attention),
                0);
    calm = x86_jcc(e->b, CC_E, NULL);
    x86__call_stub(e, x86__stubs(e)->exit_attention);
    x86__site(e, &here, true);
    x86_patch_here(e->b, calm);
}
