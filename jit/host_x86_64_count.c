/* SPDX-License-Identifier: MIT */
/*
 * Loads, stores and atomics, counted by page.
 *
 *     lea  rcx, memory
 *     shr  rcx, 12
 *     cmp  rcx, [rbp + cursor.page]
 *     jne  cold
 *     add  qword [rbp + cursor.count], 1
 *
 * Adding to the page's own counter would take as many instructions, but each
 * access would wait for the one before: what is stored at an address that had
 * to be computed takes eight cycles until it can be loaded. From a field of the
 * vCPU it takes none.
 *
 * The cold side adds to the counter; if that was too often, the cursor moves:
 * what it has is added to the page that it leaves.
 */
#include "jit/host_x86_64_internal.h"

#define PATIENCE 16

_Static_assert(sizeof(struct jit_cursor) == 32, "it lies in one cache line");

static struct x86_rm cursor_field(const struct jit_emit *e, unsigned base,
                                  enum xbar_tlb_access access, size_t field)
{
    size_t cursor = offsetof(struct jit_state, cursors) +
                    sizeof(struct jit_cursor) *
                        ((size_t)access * JIT_CURSORS + base % JIT_CURSORS);

    return x86__field(e->stubs, e->guest->state + cursor + field);
}

/* @reg is a page: now it is where its counter is. */
static void find_counter(struct jit_emit *e, unsigned reg,
                         enum xbar_tlb_access access)
{
    size_t pages = offsetof(struct jit_state, pages) + 8 * (size_t)access;

    x86_mi(e->b, X86_SHL_MI8, 8, x86_r(reg), 3);
    x86_rm(e->b, X86_ADD_RM, 8, reg,
           x86__field(e->stubs, e->guest->state + pages));
}

/* rcx = the page of @memory */
static void find_page(struct jit_emit *e, struct x86_rm memory)
{
    x86_rm(e->b, X86_LEA, 8, RCX, memory);
    x86_mi(e->b, X86_SHR_MI8, 8, x86_r(RCX), TLB_PAGE_BITS);
}

void x86__count_page(struct jit_emit *e, enum xbar_tlb_access access,
                     struct x86_rm memory, unsigned base)
{
    struct jit_cold *cold = e->counts_pages ? x86__cold(e, COLD_COUNT) : NULL;

    if (cold == NULL) {
        return;
    }
    cold->access.base = (uint8_t)base;
    cold->way = (uint8_t)access;
    find_page(e, memory);
    x86_rm(e->b, X86_CMP_RM, 8, RCX,
           cursor_field(e, base, access, offsetof(struct jit_cursor, page)));
    cold->jump_at = x86_jcc(e->b, CC_NE, NULL);
    x86_alu_imm(
        e->b, X86_ALU_ADD, 8,
        cursor_field(e, base, access, offsetof(struct jit_cursor, count)), 1);
    cold->resume = code_buf__offset(e->b);
}

void x86__count_page_slowly(struct jit_emit *e, enum xbar_tlb_access access,
                            struct x86_rm memory)
{
    if (e->counts_pages) {
        find_page(e, memory);
        find_counter(e, RCX, access);
        x86_alu_imm(e->b, X86_ALU_ADD, 8, x86_mem(RCX, 0), 1);
    }
}

/* The cursor goes to the page in rcx, and this access with it. */
static void move_cursor(struct jit_emit *e, const struct jit_cold *cold)
{
    enum xbar_tlb_access access = (enum xbar_tlb_access)cold->way;
    unsigned base = cold->access.base;
    struct x86_rm page =
        cursor_field(e, base, access, offsetof(struct jit_cursor, page));
    struct x86_rm count =
        cursor_field(e, base, access, offsetof(struct jit_cursor, count));

    x86__emit(e->b, X86_PUSH, &(struct x86_operands){ .width = 8, .reg = RAX });
    x86_rm(e->b, X86_MOV_RM, 8, RAX, page);
    x86_mr(e->b, X86_MOV_MR, 8, page, RCX);
    x86_rm(e->b, X86_MOV_RM, 8, RCX, count);
    x86_mi(e->b, X86_MOV_MI, 8, count, 1);
    x86_mi(e->b, X86_MOV_MI, 8,
           cursor_field(e, base, access, offsetof(struct jit_cursor, patience)),
           PATIENCE);
    find_counter(e, RAX, access);
    x86_mr(e->b, X86_ADD_MR, 8, x86_mem(RAX, 0), RCX);
    x86__emit(e->b, X86_POP, &(struct x86_operands){ .width = 8, .reg = RAX });
    x86__go_back(e, cold);
}

void x86__cold_count(struct jit_emit *e, const struct jit_cold *cold)
{
    enum xbar_tlb_access access = (enum xbar_tlb_access)cold->way;
    uint32_t moves;

    x86_patch_here(e->b, cold->jump_at);
    x86_alu_imm(e->b, X86_ALU_SUB, 8,
                cursor_field(e, cold->access.base, access,
                             offsetof(struct jit_cursor, patience)),
                1);
    moves = x86_jcc(e->b, CC_S, NULL);
    find_counter(e, RCX, access);
    x86_alu_imm(e->b, X86_ALU_ADD, 8, x86_mem(RCX, 0), 1);
    x86__go_back(e, cold);
    x86_patch_here(e->b, moves);
    move_cursor(e, cold);
}
