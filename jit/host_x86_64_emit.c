/* SPDX-License-Identifier: MIT */
/*
 * The emit API on x86-64.
 *
 * Constraints
 *   - nothing is known of the caller's code but what struct xbar_emit_target
 *     tells: not the stack's alignment, not which argument registers of C hold
 *     the operands;
 *   - the hit path needs no more than two registers and one branch;
 *   - what does not fit, or is refused, leaves the caller's buffer alone. So
 *     code is made in a piece on our stack, which is then copied.
 *
 * A hit, with i and x the first two scratch registers (tlb_layout.h says why
 * one compare is enough):
 *
 *     rorx i, va, 7                  or mov, shr
 *     and  i, 0x1fe0                 index * 32
 *     mov  x, [vcpu + i + tag]
 *     xor  x, va
 *     ror  x, log2                   alignment rule only: see limit()
 *     cmp  x, limit
 *     ja   miss
 *     mov  x, [vcpu + i + addend]
 *     mov  value, [va + x]
 *
 * The frame of a slow path, made by moves, which leave the flags alone:
 *
 *     | caller's stack | 128 if red zone | rflags if kept | ...
 *       ... gap below 16 | saved registers | caller's rsp | value |  <- rsp
 */
#include "jit/emit.h"

#include <cpuid.h>
#include <errno.h>

#include "jit/host_x86_64_asm.h"

#define INDEX_SHIFT (TLB_PAGE_BITS - 5)
#define INDEX_MASK  ((TLB_L1_SIZE - 1) << 5)

_Static_assert(sizeof(TLBEntry) == 1 << 5, "the index is scaled by 32");
_Static_assert((int)XBAR_EMIT_R15 == (int)R15, "one numbering");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "MO_BSWAP is MO_BE");

#define RED_ZONE 128
#define BIT(reg) (UINT32_C(1) << (reg))

/* What a C function may change. */
#define CALLER_SAVED                                                  \
    (BIT(RAX) | BIT(RCX) | BIT(RDX) | BIT(RSI) | BIT(RDI) | BIT(R8) | \
     BIT(R9) | BIT(R10) | BIT(R11))

#define FRAME_VALUE 0 /* what a load got, or where a fault goes on */
#define FRAME_RSP   8
#define FRAME_SAVES 16

_Static_assert(FRAME_SAVES + 9 * 8 + 16 + 8 + RED_ZONE <= XBAR_EMIT_STACK_MAX,
               "nine registers, a gap, the flags, a red zone");

/* One call's piece of code. */
struct piece {
    struct code_buf b;
    const struct xbar_emit_target *target;
    const struct xbar_emit_access *access;
    uint32_t saved; /* registers in the frame */
    uint8_t bytes[XBAR_EMIT_SLOW_MAX + CODE_BUF_SLACK];
};

/* ---- What the caller said ---------------------------------------------- */

/* Give @reg a role of its own: it must be usable and not have one yet. */
static bool claim(uint32_t *taken, unsigned reg)
{
    if (reg > R15 || reg == RSP || (*taken & BIT(reg))) {
        return false;
    }
    *taken |= BIT(reg);
    return true;
}

static uint32_t scratch_set(const struct xbar_emit_target *t)
{
    uint32_t set = 0;

    for (unsigned i = 0; i < t->scratch_count; i++) {
        set |= BIT(t->scratch[i]);
    }
    return set;
}

static bool target_is_valid(const struct xbar_emit_target *t)
{
    uint32_t taken = 0;

    if (t->layout != XBAR_EMIT_LAYOUT || t->features & ~XBAR_EMIT_BMI2 ||
        t->options & ~(XBAR_EMIT_RED_ZONE | XBAR_EMIT_KEEP_FLAGS) ||
        t->scratch_count < 2 || t->scratch_count > 3 ||
        t->tlb > INT32_MAX - (int32_t)sizeof(SoftTLB)) {
        return false;
    }
    for (unsigned i = 0; i < t->scratch_count; i++) {
        if (!claim(&taken, t->scratch[i])) {
            return false;
        }
    }
    return !(t->live & (taken | BIT(RSP))) && t->live < BIT(16) &&
           claim(&taken, t->vcpu);
}

/* Roles of registers, and the fields that all three entries use. */
static bool access_is_valid(const struct xbar_emit_target *t,
                            const struct xbar_emit_access *a)
{
    uint32_t taken = scratch_set(t) | BIT(t->vcpu);
    uint32_t source = a->kind == TLB_WRITE ? taken : BIT(t->vcpu);

    return a->context < TLB_CONTEXTS && a->kind <= TLB_EXEC &&
           !((unsigned)a->op & ~(unsigned)(MO_SIZE | MO_SIGN | MO_BSWAP)) &&
           (a->offset == 0 || t->scratch_count == 3) &&
           claim(&taken, a->address) && claim(&source, a->value);
}

static bool is_load_or_store(const struct xbar_emit_access *a)
{
    return a->kind != TLB_EXEC && (a->op & MO_SIZE) <= MO_64;
}

static bool buffer_is_valid(const struct xbar_emit_buffer *buffer)
{
    return buffer->code && buffer->used <= buffer->size &&
           buffer->size <= INT32_MAX;
}

/* ---- Pieces ------------------------------------------------------------ */

static bool begin(struct piece *p, const struct xbar_emit_buffer *buffer,
                  const struct xbar_emit_target *target,
                  const struct xbar_emit_access *access)
{
    p->target = target;
    p->access = access;
    p->saved = 0;
    code_buf__init(&p->b, p->bytes, sizeof(p->bytes));
    return buffer_is_valid(buffer) && target_is_valid(target) &&
           access_is_valid(target, access);
}

/* Append the piece, of at most @max bytes, or say that there is no room. */
static int finish(const struct piece *p, struct xbar_emit_buffer *buffer,
                  uint32_t max)
{
    uint32_t size = code_buf__offset(&p->b);

    xbar_assert(!p->b.full && size <= max);
    if (size > buffer->size - buffer->used) {
        return -ENOSPC;
    }
    memcpy(buffer->code + buffer->used, p->bytes, size);
    buffer->used += size;
    return (int)size;
}

static bool has_option(const struct piece *p, enum xbar_emit_option option)
{
    return p->target->options & option;
}

static unsigned size_log2(const struct piece *p)
{
    return p->access->op & MO_SIZE;
}

static void put_none(struct piece *p, enum x86_op op)
{
    x86__emit(&p->b, op, &(struct x86_operands){ .width = 8 });
}

/* dst = src, unless they are one. */
static void put_move(struct piece *p, unsigned dst, unsigned src)
{
    if (dst != src) {
        x86_rr(&p->b, X86_MOV_MR, 8, dst, src);
    }
}

/* dst = the 64 bits of @imm: no shorter form, as those change the flags. */
static void put_constant(struct piece *p, unsigned dst, uint64_t imm)
{
    x86__emit(
        &p->b, X86_MOV_OI,
        &(struct x86_operands){ .width = 8, .reg = dst, .imm = (int64_t)imm });
}

static void move_stack(struct piece *p, int32_t bytes)
{
    x86_rm(&p->b, X86_LEA, 8, RSP, x86_mem(RSP, bytes));
}

static void save_flags(struct piece *p)
{
    if (!has_option(p, XBAR_EMIT_KEEP_FLAGS)) {
        return;
    }
    if (has_option(p, XBAR_EMIT_RED_ZONE)) {
        move_stack(p, -RED_ZONE);
    }
    put_none(p, X86_PUSHF);
}

static void restore_flags(struct piece *p)
{
    if (!has_option(p, XBAR_EMIT_KEEP_FLAGS)) {
        return;
    }
    put_none(p, X86_POPF);
    if (has_option(p, XBAR_EMIT_RED_ZONE)) {
        move_stack(p, RED_ZONE);
    }
}

/* ---- The hit path ------------------------------------------------------ */

/* The register that holds the guest address once put_probe() ran. */
static unsigned va_register(const struct piece *p)
{
    return p->access->offset ? p->target->scratch[2] : p->access->address;
}

/* Bytes from *vcpu to @field of the first entry of the access's context. */
static int32_t table_disp(const struct piece *p, size_t field)
{
    size_t table = offsetof(SoftTLB, l1) +
                   p->access->context * sizeof(((SoftTLB *)0)->l1[0]);

    return p->target->tlb + (int32_t)(table + field);
}

static void put_index(struct piece *p, unsigned index, unsigned va)
{
    if (p->target->features & XBAR_EMIT_BMI2) {
        x86__emit(&p->b, X86_RORX,
                  &(struct x86_operands){ .width = 4,
                                          .reg = index,
                                          .rm = x86_r(va),
                                          .imm = INDEX_SHIFT });
    } else {
        x86_rr(&p->b, X86_MOV_MR, 4, index, va);
        x86_mi(&p->b, X86_SHR_MI8, 4, x86_r(index), INDEX_SHIFT);
    }
    x86_alu_imm(&p->b, X86_ALU_AND, 4, x86_r(index), INDEX_MASK);
}

/*
 * Compare x = va ^ tag with the last good offset in a page. Under the
 * alignment rule the low bits, which must be zero, are rotated to the top
 * first: if one is set, x is beyond any limit.
 */
static void put_compare(struct piece *p, unsigned x, unsigned size)
{
    unsigned rotate = p->access->aligned ? size_log2(p) : 0;

    if (rotate) {
        x86_mi(&p->b, X86_ROR_MI8, 8, x86_r(x), rotate);
    }
    x86_alu_imm(&p->b, X86_ALU_CMP, 8, x86_r(x),
                (int32_t)((TLB_PAGE_SIZE - size) >> rotate));
}

/* Leave to a place not known yet if the compare said so: the fix-up. */
static uint32_t put_miss(struct piece *p)
{
    uint32_t hit, miss;

    if (!has_option(p, XBAR_EMIT_KEEP_FLAGS)) {
        return x86_jcc(&p->b, CC_A, NULL);
    }
    hit = x86_jcc(&p->b, CC_BE, NULL);
    restore_flags(p);
    miss = x86_jmp(&p->b, NULL);
    x86_patch_here(&p->b, hit);
    return miss;
}

/*
 * Host address = va_register() + scratch[1] afterwards; scratch[0] is free.
 * The flags are saved.
 */
static uint32_t put_probe(struct piece *p, unsigned size)
{
    const struct xbar_emit_target *t = p->target;
    const struct xbar_emit_access *a = p->access;
    unsigned index = t->scratch[0], x = t->scratch[1], va = va_register(p);
    size_t tag = offsetof(TLBEntry, tag) + a->kind * sizeof(uint64_t);
    uint32_t miss;

    save_flags(p);
    if (a->offset) {
        x86_rm(&p->b, X86_LEA, 8, va, x86_mem(a->address, a->offset));
    }
    put_index(p, index, va);
    x86_rm(&p->b, X86_MOV_RM, 8, x,
           x86_mem_index(t->vcpu, index, 0, table_disp(p, tag)));
    x86_rr(&p->b, X86_XOR_MR, 8, x, va);
    put_compare(p, x, size);
    miss = put_miss(p);
    x86_rm(&p->b, X86_MOV_RM, 8, x,
           x86_mem_index(t->vcpu, index, 0,
                         table_disp(p, offsetof(TLBEntry, addend))));
    return miss;
}

/* Reverse the low 1 << size_log2 bytes of @reg; nothing for little-endian. */
static void put_swap(struct piece *p, unsigned reg)
{
    if (!(p->access->op & MO_BSWAP)) {
        return;
    }
    if (size_log2(p) == MO_16) {
        x86_mi(&p->b, X86_ROL_MI8, 2, x86_r(reg), 8);
    } else if (size_log2(p) != MO_8) {
        x86__emit(
            &p->b, X86_BSWAP,
            &(struct x86_operands){ .width = 1u << size_log2(p), .reg = reg });
    }
}

static void put_extend(struct piece *p, unsigned reg, struct x86_rm from,
                       bool with_sign)
{
    static const struct {
        uint8_t op;
        uint8_t width;
    } rows[][4] = {
        { { X86_MOVZX8, 4 },
          { X86_MOVZX16, 4 },
          { X86_MOV_RM, 4 },
          { X86_MOV_RM, 8 } },
        { { X86_MOVSX8, 8 },
          { X86_MOVSX16, 8 },
          { X86_MOVSXD, 8 },
          { X86_MOV_RM, 8 } },
    };
    unsigned log2 = size_log2(p);

    x86_rm(&p->b, (enum x86_op)rows[with_sign][log2].op,
           rows[with_sign][log2].width, reg, from);
}

/* The value register = memory at @from, in the access's order and sign. */
static void put_load(struct piece *p, struct x86_rm from)
{
    unsigned value = p->access->value;
    bool swaps = p->access->op & MO_BSWAP && size_log2(p) != MO_8;
    bool with_sign = p->access->op & MO_SIGN;

    put_extend(p, value, from, with_sign && !swaps);
    put_swap(p, value);
    if (with_sign && swaps && size_log2(p) != MO_64) {
        put_extend(p, value, x86_r(value), true);
    }
}

static void put_store(struct piece *p, struct x86_rm to)
{
    static const uint8_t ops[] = { X86_MOV8_MR, X86_MOV_MR, X86_MOV_MR,
                                   X86_MOV_MR };
    unsigned log2 = size_log2(p);
    unsigned value = p->access->value;

    if (p->access->op & MO_BSWAP && log2 != MO_8) {
        put_move(p, p->target->scratch[0], value);
        value = p->target->scratch[0];
        put_swap(p, value);
    }
    x86_mr(&p->b, (enum x86_op)ops[log2], 1u << log2, to, value);
}

/* Where scratch[1] and the address meet. */
static struct x86_rm host_memory(const struct piece *p)
{
    return x86_mem_index(p->target->scratch[1], va_register(p), 0, 0);
}

static int finish_site(struct piece *p, struct xbar_emit_buffer *buffer,
                       uint32_t miss, struct xbar_emit_site *site)
{
    uint32_t start = (uint32_t)buffer->used;
    int written;

    restore_flags(p);
    written = finish(p, buffer, XBAR_EMIT_FAST_MAX);
    if (written > 0) {
        *site = (struct xbar_emit_site){ .miss = start + miss,
                                         .resume = (uint32_t)buffer->used };
    }
    return written;
}

int xbar_emit_fast(struct xbar_emit_buffer *buffer,
                   const struct xbar_emit_target *target,
                   const struct xbar_emit_access *access,
                   struct xbar_emit_site *site)
{
    struct piece p;
    uint32_t miss;

    if (!begin(&p, buffer, target, access) || !is_load_or_store(access)) {
        return -EINVAL;
    }
    miss = put_probe(&p, 1u << size_log2(&p));
    if (access->kind == TLB_READ) {
        put_load(&p, host_memory(&p));
    } else {
        put_store(&p, host_memory(&p));
    }
    return finish_site(&p, buffer, miss, site);
}

int xbar_emit_probe(struct xbar_emit_buffer *buffer,
                    const struct xbar_emit_target *target,
                    const struct xbar_emit_access *access, unsigned size,
                    struct xbar_emit_site *site)
{
    struct piece p;
    uint32_t miss;

    if (!begin(&p, buffer, target, access) || size < 1 ||
        size > TLB_PAGE_SIZE) {
        return -EINVAL;
    }
    miss = put_probe(&p, size);
    x86_rm(&p.b, X86_LEA, 8, access->value, host_memory(&p));
    return finish_site(&p, buffer, miss, site);
}

/* ---- The slow path ----------------------------------------------------- */

static struct x86_rm frame(int32_t offset)
{
    return x86_mem(RSP, offset);
}

/* Move the registers of @set to or from the frame. */
static void move_saved(struct piece *p, enum x86_op op, uint32_t set)
{
    int32_t at = FRAME_SAVES;

    for (unsigned reg = 0; reg <= R15; reg++) {
        if (!(p->saved & BIT(reg))) {
            continue;
        }
        if (set & BIT(reg)) {
            x86_mr(&p->b, op, 8, frame(at), reg);
        }
        at += 8;
    }
}

static void enter_frame(struct piece *p)
{
    unsigned rsp = p->target->scratch[0];
    int32_t size = FRAME_SAVES + 8 * __builtin_popcount(p->saved);

    save_flags(p);
    if (has_option(p, XBAR_EMIT_RED_ZONE) &&
        !has_option(p, XBAR_EMIT_KEEP_FLAGS)) {
        size += RED_ZONE;
    }
    put_move(p, rsp, RSP);
    move_stack(p, -size);
    x86_alu_imm(&p->b, X86_ALU_AND, 8, x86_r(RSP), -16);
    x86_mr(&p->b, X86_MOV_MR, 8, frame(FRAME_RSP), rsp);
    move_saved(p, X86_MOV_MR, p->saved);
}

static void leave_frame(struct piece *p)
{
    x86_rm(&p->b, X86_MOV_RM, 8, RSP, frame(FRAME_RSP));
    restore_flags(p);
}

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
static void put_moves(struct piece *p, struct move *moves, unsigned count)
{
    while (count > 0) {
        int i = find_free_move(moves, count);

        if (i < 0) {
            put_move(p, RAX, moves[0].src);
            moves[0].src = RAX;
            continue;
        }
        put_move(p, moves[i].dst, moves[i].src);
        moves[i] = moves[--count];
    }
}

static void put_add(struct piece *p, unsigned reg, int32_t imm)
{
    if (imm != 0) {
        x86_alu_imm(&p->b, X86_ALU_ADD, 8, x86_r(reg), imm);
    }
}

/* C's first five arguments: rdi, rsi, rdx, rcx, r8. */
static void put_arguments(struct piece *p)
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
        put_swap(p, R8);
    } else {
        put_move(p, R8, RSP);
    }
    x86_load_imm(&p->b, RSI, a->context);
    x86_load_imm(&p->b, RCX, size_log2(p));
}

/* Call C at @function; rax is free. */
static void put_call(struct piece *p, uintptr_t function)
{
    x86_load_imm(&p->b, RAX, function);
    x86_m(&p->b, X86_CALL_M, 8, x86_r(RAX));
}

static uintptr_t entry_of(const struct piece *p)
{
    const struct xbar_emit_target *t = p->target;

    if (p->access->kind == TLB_WRITE) {
        return (uintptr_t)(t->store ? t->store : tlb_store_slow);
    }
    return (uintptr_t)(t->load ? t->load : tlb_load_slow);
}

/* Leave as a jump: the fix-up. */
static uint32_t put_fault_jump(struct piece *p, uint64_t cookie)
{
    uint32_t fault;

    move_saved(p, X86_MOV_RM, p->saved);
    leave_frame(p);
    put_constant(p, p->target->scratch[0], cookie);
    fault = x86_jmp(&p->b, NULL);
    put_none(p, X86_UD2);
    return fault;
}

/* Ask the caller's function where to go on. */
static void put_fault_call(struct piece *p, const struct xbar_emit_fault *fault)
{
    unsigned vcpu = p->target->vcpu;
    unsigned next = p->target->scratch[0];

    move_saved(p, X86_MOV_RM, BIT(vcpu));
    put_move(p, RDI, vcpu);
    put_add(p, RDI, p->target->tlb);
    x86_load_imm(&p->b, RSI, fault->cookie);
    put_call(p, (uintptr_t)fault->function);
    x86_mr(&p->b, X86_MOV_MR, 8, frame(FRAME_VALUE), RAX);
    move_saved(p, X86_MOV_RM, p->saved);
    x86_rm(&p->b, X86_MOV_RM, 8, next, frame(FRAME_VALUE));
    leave_frame(p);
    x86_m(&p->b, X86_JMP_M, 8, x86_r(next));
}

/* All of a slow path; the fix-ups of @site count from the piece. */
static void put_slow(struct piece *p, const struct xbar_emit_fault *fault,
                     struct xbar_emit_site *site)
{
    const struct xbar_emit_access *a = p->access;
    bool is_load = a->kind == TLB_READ;
    uint32_t failed;

    p->saved = (p->target->live | BIT(p->target->vcpu) | BIT(a->address) |
                BIT(a->value)) &
               CALLER_SAVED & ~scratch_set(p->target);
    enter_frame(p);
    put_arguments(p);
    put_call(p, entry_of(p));
    x86_rr(&p->b, X86_TEST_MR, 4, RAX, RAX);
    failed = x86_jcc(&p->b, CC_NE, NULL);
    move_saved(p, X86_MOV_RM, is_load ? ~BIT(a->value) : ~UINT32_C(0));
    if (is_load) {
        put_load(p, frame(FRAME_VALUE));
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

static bool is_fixup(const struct xbar_emit_buffer *buffer, uint32_t at)
{
    return buffer->used >= 4 && at <= buffer->used - 4;
}

int xbar_emit_slow(struct xbar_emit_buffer *buffer,
                   const struct xbar_emit_target *target,
                   const struct xbar_emit_access *access,
                   const struct xbar_emit_fault *fault,
                   struct xbar_emit_site *site)
{
    struct xbar_emit_site made = *site;
    struct piece p;
    int written;

    if (!begin(&p, buffer, target, access) || !is_load_or_store(access) ||
        !is_fixup(buffer, site->miss) || site->resume > buffer->used) {
        return -EINVAL;
    }
    made.slow = (uint32_t)buffer->used;
    put_slow(&p, fault, &made);
    written = finish(&p, buffer, XBAR_EMIT_SLOW_MAX);
    if (written < 0) {
        return written;
    }
    made.back += made.slow;
    made.fault += made.fault ? made.slow : 0;
    *site = made;
    if (xbar_emit_bind(buffer, made.miss, made.slow) ||
        xbar_emit_bind(buffer, made.back, made.resume)) {
        return -EINVAL;
    }
    return written;
}

/* ---- The rest ---------------------------------------------------------- */

int xbar_emit_bind(struct xbar_emit_buffer *buffer, uint32_t fixup, uint32_t to)
{
    int32_t distance = (int32_t)(to - (fixup + 4));

    if (!buffer_is_valid(buffer) || !is_fixup(buffer, fixup) ||
        to > buffer->used) {
        return -EINVAL;
    }
    memcpy(buffer->code + fixup, &distance, sizeof(distance));
    return 0;
}

unsigned xbar_emit_features(void)
{
    unsigned a, b, c, d;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        return 0;
    }
    return b & bit_BMI2 ? XBAR_EMIT_BMI2 : 0;
}
