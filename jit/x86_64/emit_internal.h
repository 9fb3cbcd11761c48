/* SPDX-License-Identifier: MIT */
/*
 * The emit API on x86-64: what both halves of an access share.
 *
 *   emit.c       what is refused; probe and access
 *   emit_slow.c  the slow path
 */
#ifndef XBAR_JIT_X86_64_EMIT_INTERNAL_H
#define XBAR_JIT_X86_64_EMIT_INTERNAL_H

#include "jit/emit.h"
#include "jit/x86_64/asm.h"

#define EMIT_RED_ZONE 128
#define EMIT_BIT(reg) (UINT32_C(1) << (reg))

/*
 * The code that one call makes. It is copied into the caller's buffer when it
 * is whole, so that what is refused or does not fit leaves that alone.
 */
struct emit_piece {
    struct code_buf b;
    const struct xbar_emit_target *target;
    const struct xbar_emit_access *access;
    uint32_t saved; /* registers in the frame of a slow path */
    uint8_t bytes[XBAR_EMIT_SLOW_MAX + CODE_BUF_SLACK];
};

/* Start @p; false if the caller's description has no meaning. */
bool emit__begin(struct emit_piece *p, const struct xbar_emit_buffer *buffer,
                 const struct xbar_emit_target *target,
                 const struct xbar_emit_access *access);

/* Append @p, of at most @max bytes: how many, or -ENOSPC. */
int emit__finish(const struct emit_piece *p, struct xbar_emit_buffer *buffer,
                 uint32_t max);

/* Is the access one that moves data, of a size that a register holds? */
bool emit__is_load_or_store(const struct xbar_emit_access *a);

bool emit__is_fixup(const struct xbar_emit_buffer *buffer, uint32_t at);

/* Nothing unless the caller keeps flags; then on the stack. */
void emit__save_flags(struct emit_piece *p);
void emit__restore_flags(struct emit_piece *p);

/* Reverse the low bytes of @reg, as many as are accessed; nothing for
 * little-endian. */
void emit__swap(struct emit_piece *p, unsigned reg);

/* The value register = memory at @from, in the access's order and sign. */
void emit__load(struct emit_piece *p, struct x86_rm from);

static inline bool emit__has_option(const struct emit_piece *p,
                                    enum xbar_emit_option option)
{
    return p->target->options & option;
}

static inline unsigned emit__size_log2(const struct emit_piece *p)
{
    return p->access->op & MO_SIZE;
}

static inline uint32_t emit__scratch_set(const struct xbar_emit_target *t)
{
    uint32_t set = 0;

    for (unsigned i = 0; i < t->scratch_count; i++) {
        set |= EMIT_BIT(t->scratch[i]);
    }
    return set;
}

static inline void emit__put_none(struct emit_piece *p, enum x86_op op)
{
    x86__emit(&p->b, op, &(struct x86_operands){ .width = 8 });
}

/* dst = src, unless they are one. */
static inline void emit__move(struct emit_piece *p, unsigned dst, unsigned src)
{
    if (dst != src) {
        x86_rr(&p->b, X86_MOV_MR, 8, dst, src);
    }
}

/* Flags survive. */
static inline void emit__move_stack(struct emit_piece *p, int32_t bytes)
{
    x86_rm(&p->b, X86_LEA, 8, RSP, x86_mem(RSP, bytes));
}

#endif
