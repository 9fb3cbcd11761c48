/* SPDX-License-Identifier: MIT */
/*
 * The emit API on x86-64: the slow path of an access.
 *
 * Nothing is known of the caller's code but what struct xbar_emit_target
 * tells: not the stack's alignment, and the operands may be in any registers,
 * those included in which C wants others. The frame is made and left by moves
 * from a stack pointer that was aligned by force:
 *
 *     high  | the caller's stack                     |
 *           | 128 bytes, if it has a red zone        |
 *           | rflags, if it keeps them               |
 *           | up to 15 bytes of gap                  |
 *           | saved vector registers                 |
 *           | saved general registers                |
 *           | the caller's stack pointer             |
 *     low   | value loaded, or where a fault goes on |  <- rsp
 */
#include "jit/emit.h"

#include <errno.h>

#include "jit/x86_64/emit_internal.h"

/* Sets of registers, as in xbar_emit_target.live: general, then vectors. */
#define GENERAL UINT32_C(0xffff)

/* What a C function may change. */
#define CALLER_SAVED                                                 \
    (EMIT_BIT(RAX) | EMIT_BIT(RCX) | EMIT_BIT(RDX) | EMIT_BIT(RSI) | \
     EMIT_BIT(RDI) | EMIT_BIT(R8) | EMIT_BIT(R9) | EMIT_BIT(R10) |   \
     EMIT_BIT(R11) | ~GENERAL)

#define FRAME_VALUE 0
#define FRAME_RSP   8
#define FRAME_SAVES 16

_Static_assert(FRAME_SAVES + 10 * 8 + 16 * 16 + 16 + 8 + EMIT_RED_ZONE <=
                   XBAR_EMIT_STACK_MAX,
               "registers, vectors, a gap, the flags, a red zone");

/* ---- The frame --------------------------------------------------------- */

static struct x86_rm frame(int32_t offset)
{
    return x86_mem(RSP, offset);
}

/* Where vectors lie: aligned, behind the general registers. */
static int32_t frame_vectors(const struct emit_piece *p)
{
    int32_t count = __builtin_popcount(p->saved & GENERAL);

    return FRAME_SAVES + 8 * (count + count % 2);
}

static int32_t frame_size(const struct emit_piece *p)
{
    return frame_vectors(p) + 16 * __builtin_popcount(p->saved & ~GENERAL);
}

enum direction {
    SAVE,
    RESTORE,
};

static void move_one(struct emit_piece *p, enum direction direction,
                     unsigned reg, int32_t at)
{
    static const uint8_t ops[][2] = { { X86_MOV_MR, X86_MOVUPS_MR },
                                      { X86_MOV_RM, X86_MOVUPS_RM } };
    bool is_vector = reg >= 16;

    x86_mr(&p->b, (enum x86_op)ops[direction][is_vector], is_vector ? 16 : 8,
           frame(at), reg % 16);
}

/* Move those of the saved registers that are in @set. */
static void move_saved(struct emit_piece *p, enum direction direction,
                       uint32_t set)
{
    int32_t general = FRAME_SAVES;
    int32_t vector = frame_vectors(p);

    for (unsigned reg = 0; reg < 32; reg++) {
        int32_t *at = reg < 16 ? &general : &vector;

        if (!(p->saved & EMIT_BIT(reg))) {
            continue;
        }
        if (set & EMIT_BIT(reg)) {
            move_one(p, direction, reg, *at);
        }
        *at += reg < 16 ? 8 : 16;
    }
}

static void enter_frame(struct emit_piece *p)
{
    unsigned rsp = p->target->scratch[0];
    int32_t size = frame_size(p);

    emit__save_flags(p);
    if (emit__has_option(p, XBAR_EMIT_RED_ZONE) &&
        !emit__has_option(p, XBAR_EMIT_KEEP_FLAGS)) {
        size += EMIT_RED_ZONE;
    }
    emit__move(p, rsp, RSP);
    emit__move_stack(p, -size);
    x86_alu_imm(&p->b, X86_ALU_AND, 8, x86_r(RSP), -16);
    x86_mr(&p->b, X86_MOV_MR, 8, frame(FRAME_RSP), rsp);
    move_saved(p, SAVE, p->saved);
}

static void leave_frame(struct emit_piece *p)
{
    x86_rm(&p->b, X86_MOV_RM, 8, RSP, frame(FRAME_RSP));
    emit__restore_flags(p);
}

/* ---- Calling C --------------------------------------------------------- */

struct move {
    unsigned dst;
    unsigned src;
};

/* A move whose target no other of @moves still reads, or -1. */
static int find_free_move(const struct move *moves, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bool is_read = false;

        for (unsigned k = 0; k < count; k++) {
            is_read |= k != i && moves[k].src == moves[i].dst;
        }
        if (!is_read) {
            return (int)i;
        }
    }
    return -1;
}

/*
 * All of @moves as if at once. Where they go in a circle one source is put
 * into rax, which is then in none of them.
 */
static void put_moves(struct emit_piece *p, struct move *moves, unsigned count)
{
    while (count > 0) {
        int i = find_free_move(moves, count);

        if (i < 0) {
            emit__move(p, RAX, moves[0].src);
            moves[0].src = RAX;
            continue;
        }
        emit__move(p, moves[i].dst, moves[i].src);
        moves[i] = moves[--count];
    }
}

static void put_add(struct emit_piece *p, unsigned reg, int32_t imm)
{
    if (imm != 0) {
        x86_alu_imm(&p->b, X86_ALU_ADD, 8, x86_r(reg), imm);
    }
}

/* C's first five arguments: rdi, rsi, rdx, rcx, r8. */
static void put_arguments(struct emit_piece *p)
{
    const struct xbar_emit_access *a = p->access;
    bool is_store = a->kind == TLB_WRITE;
    struct move moves[] = { { RDI, p->target->vcpu },
                            { RDX, a->address },
                            { R8, a->value } };

    put_moves(p, moves, is_store ? 3 : 2);
    put_add(p, RDI, p->target->tlb);
    put_add(p, RDX, a->offset);
    if (is_store) {
        emit__swap(p, R8);
    } else {
        emit__move(p, R8, RSP);
    }
    x86_load_imm(&p->b, RSI, a->context);
    x86_load_imm(&p->b, RCX, emit__size_log2(p));
}

/* Call C at @function; rax is free. */
static void put_call(struct emit_piece *p, uintptr_t function)
{
    x86_load_imm(&p->b, RAX, function);
    x86_m(&p->b, X86_CALL_M, 8, x86_r(RAX));
}

static uintptr_t entry_of(const struct emit_piece *p)
{
    const struct xbar_emit_target *t = p->target;

    if (p->access->kind == TLB_WRITE) {
        return (uintptr_t)(t->store ? t->store : tlb_store_slow);
    }
    return (uintptr_t)(t->load ? t->load : tlb_load_slow);
}

/* ---- Faults ------------------------------------------------------------ */

/* dst = the 64 bits of @imm: no shorter form, as those change the flags. */
static void put_constant(struct emit_piece *p, unsigned dst, uint64_t imm)
{
    x86__emit(
        &p->b, X86_MOV_OI,
        &(struct x86_operands){ .width = 8, .reg = dst, .imm = (int64_t)imm });
}

/* Leave as a jump: the fix-up. */
static uint32_t put_fault_jump(struct emit_piece *p, uint64_t cookie)
{
    uint32_t fault;

    move_saved(p, RESTORE, p->saved);
    leave_frame(p);
    put_constant(p, p->target->scratch[0], cookie);
    fault = x86_jmp(&p->b, NULL);
    emit__put_none(p, X86_UD2);
    return fault;
}

/* Ask the caller's function where to go on. */
static void put_fault_call(struct emit_piece *p,
                           const struct xbar_emit_fault *fault)
{
    unsigned vcpu = p->target->vcpu;
    unsigned next = p->target->scratch[0];

    move_saved(p, RESTORE, EMIT_BIT(vcpu));
    emit__move(p, RDI, vcpu);
    put_add(p, RDI, p->target->tlb);
    x86_load_imm(&p->b, RSI, fault->cookie);
    put_call(p, (uintptr_t)fault->function);
    x86_mr(&p->b, X86_MOV_MR, 8, frame(FRAME_VALUE), RAX);
    move_saved(p, RESTORE, p->saved);
    x86_rm(&p->b, X86_MOV_RM, 8, next, frame(FRAME_VALUE));
    leave_frame(p);
    x86_m(&p->b, X86_JMP_M, 8, x86_r(next));
}

/* ---- All of it --------------------------------------------------------- */

/* A slow path; the fix-ups of @site count from the piece. */
static void put_slow(struct emit_piece *p, const struct xbar_emit_fault *fault,
                     struct xbar_emit_site *site)
{
    const struct xbar_emit_access *a = p->access;
    bool is_load = a->kind == TLB_READ;
    uint32_t failed;

    p->saved = (p->target->live | EMIT_BIT(p->target->vcpu) |
                EMIT_BIT(a->address) | EMIT_BIT(a->value)) &
               CALLER_SAVED & ~emit__scratch_set(p->target);
    enter_frame(p);
    put_arguments(p);
    put_call(p, entry_of(p));
    x86_rr(&p->b, X86_TEST_MR, 4, RAX, RAX);
    failed = x86_jcc(&p->b, CC_NE, NULL);
    move_saved(p, RESTORE, is_load ? ~EMIT_BIT(a->value) : ~UINT32_C(0));
    if (is_load) {
        emit__load(p, frame(FRAME_VALUE));
    }
    leave_frame(p);
    site->back = x86_jmp(&p->b, NULL);
    x86_patch_here(&p->b, failed);
    site->fault = 0;
    if (fault->function) {
        put_fault_call(p, fault);
    } else {
        site->fault = put_fault_jump(p, fault->cookie);
    }
}

int xbar_emit_slow(struct xbar_emit_buffer *buffer,
                   const struct xbar_emit_target *target,
                   const struct xbar_emit_access *access,
                   const struct xbar_emit_fault *fault,
                   struct xbar_emit_site *site)
{
    struct xbar_emit_site made = *site;
    struct emit_piece p;
    int written, err;

    if (!emit__begin(&p, buffer, target, access) ||
        !emit__is_load_or_store(access) ||
        !emit__is_fixup(buffer, site->miss) || site->resume > buffer->used) {
        return -EINVAL;
    }
    made.slow = (uint32_t)buffer->used;
    put_slow(&p, fault, &made);
    written = emit__finish(&p, buffer, XBAR_EMIT_SLOW_MAX);
    if (written < 0) {
        return written;
    }
    made.back += made.slow;
    made.fault += made.fault ? made.slow : 0;
    *site = made;
    err = xbar_emit_bind(buffer, made.miss, made.slow);
    err |= xbar_emit_bind(buffer, made.back, made.resume);
    xbar_assert(!err); /* both were looked at before */
    return written;
}
