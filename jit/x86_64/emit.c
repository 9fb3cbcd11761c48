/* SPDX-License-Identifier: MIT */
/*
 * The emit API on x86-64: probe and access.
 *
 * Constraints
 *   - the hit path needs no more than two registers and one branch;
 *   - what does not fit, or is refused, leaves the caller's buffer alone. So
 *     code is made in a piece on our stack, which is then copied.
 *
 * A hit, with i and x the first two scratch registers (tlb_layout.h says why
 * one compare is enough):
 *
 *     rorx i, va, 7                  or mov, shr
 *     and  i, 0x7fe0                 index * 32
 *     mov  x, [vcpu + i + tag]
 *     xor  x, va
 *     ror  x, log2                   alignment rule only: see put_compare()
 *     cmp  x, limit
 *     ja   miss
 *     mov  x, [vcpu + i + addend]
 *     mov  value, [va + x]
 */
#include "jit/emit.h"

#include <cpuid.h>
#include <errno.h>

#include "jit/x86_64/emit_internal.h"

#define ENTRY_LOG2 5
#define INDEX_MASK ((TLB_L1_SIZE - 1) << ENTRY_LOG2)

_Static_assert(sizeof(TLBEntry) == 1 << ENTRY_LOG2,
               "the index is scaled by 32");
_Static_assert((int)XBAR_EMIT_R15 == (int)R15, "one numbering");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "MO_BSWAP is MO_BE");

/* ---- What the caller said ---------------------------------------------- */

/* Give @reg a role of its own: it must be usable and not have one yet. */
static bool claim(uint32_t *taken, unsigned reg)
{
    if (reg > R15 || reg == RSP || (*taken & EMIT_BIT(reg))) {
        return false;
    }
    *taken |= EMIT_BIT(reg);
    return true;
}

static unsigned page_bits_of(const struct xbar_emit_target *t)
{
    return t->page_bits ? t->page_bits : TLB_PAGE_BITS;
}

static const char *check_fields(const struct xbar_emit_target *t)
{
    if (t->layout != XBAR_EMIT_LAYOUT) {
        return "layout is not the library's XBAR_EMIT_LAYOUT";
    }
    if (t->features & ~XBAR_EMIT_BMI2) {
        return "features has a bit without a meaning";
    }
    if (t->options & ~(XBAR_EMIT_RED_ZONE | XBAR_EMIT_KEEP_FLAGS)) {
        return "options has a bit without a meaning";
    }
    if (page_bits_of(t) < TLB_PAGE_BITS_MIN ||
        page_bits_of(t) > TLB_PAGE_BITS) {
        return "no TLB has pages of page_bits";
    }
    if (t->tlb > INT32_MAX - (int32_t)sizeof(SoftTLB)) {
        return "tlb is out of the reach of displacements";
    }
    return t->scratch_count < 2 || t->scratch_count > 3
               ? "scratch_count is neither 2 nor 3"
               : NULL;
}

static const char *check_target(const struct xbar_emit_target *t)
{
    const char *fault = check_fields(t);
    uint32_t taken = 0;

    for (unsigned i = 0; !fault && i < t->scratch_count; i++) {
        if (!claim(&taken, t->scratch[i])) {
            fault = "a scratch register is named twice, or cannot be one";
        }
    }
    if (!fault && (t->live & (taken | EMIT_BIT(RSP)))) {
        fault = "live names a scratch register or the stack pointer";
    }
    if (!fault && !claim(&taken, t->vcpu)) {
        fault = "vcpu is a scratch register, or cannot be a pointer";
    }
    return fault;
}

/* Roles of registers, and the fields that all three entries use. */
static const char *check_access(const struct xbar_emit_target *t,
                                const struct xbar_emit_access *a)
{
    uint32_t taken = emit__scratch_set(t) | EMIT_BIT(t->vcpu);
    uint32_t source = a->kind == TLB_WRITE ? taken : EMIT_BIT(t->vcpu);

    if (a->context >= TLB_CONTEXTS) {
        return "the TLB has no such context";
    }
    if (a->kind > TLB_EXEC) {
        return "kind is no kind of access";
    }
    if ((unsigned)a->op & ~(unsigned)(MO_SIZE | MO_SIGN | MO_BSWAP)) {
        return "op has a bit without a meaning";
    }
    if (a->offset != 0 && t->scratch_count != 3) {
        return "an offset needs a third scratch register";
    }
    if (!claim(&taken, a->address)) {
        return "address is scratch, the vCPU pointer, or cannot be an address";
    }
    return claim(&source, a->value)
               ? NULL
               : "value is the vCPU pointer, scratch that is needed, or cannot "
                 "be a value";
}

const char *xbar_emit_check(const struct xbar_emit_target *target,
                            const struct xbar_emit_access *access)
{
    const char *fault = check_target(target);

    return fault || !access ? fault : check_access(target, access);
}

bool emit__is_load_or_store(const struct xbar_emit_access *a)
{
    return a->kind != TLB_EXEC && (a->op & MO_SIZE) <= MO_64;
}

static bool buffer_is_valid(const struct xbar_emit_buffer *buffer)
{
    return buffer->code && buffer->used <= buffer->size &&
           buffer->size <= INT32_MAX;
}

/* ---- Pieces ------------------------------------------------------------ */

bool emit__begin(struct emit_piece *p, const struct xbar_emit_buffer *buffer,
                 const struct xbar_emit_target *target,
                 const struct xbar_emit_access *access)
{
    p->target = target;
    p->access = access;
    code_buf__init(&p->b, p->bytes, sizeof(p->bytes));
    return buffer_is_valid(buffer) && xbar_emit_check(target, access) == NULL;
}

/* Append the piece, of at most @max bytes, or say that there is no room. */
int emit__finish(const struct emit_piece *p, struct xbar_emit_buffer *buffer,
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

void emit__save_flags(struct emit_piece *p)
{
    if (!emit__has_option(p, XBAR_EMIT_KEEP_FLAGS)) {
        return;
    }
    if (emit__has_option(p, XBAR_EMIT_RED_ZONE)) {
        emit__move_stack(p, -EMIT_RED_ZONE);
    }
    emit__put_none(p, X86_PUSHF);
}

void emit__restore_flags(struct emit_piece *p)
{
    if (!emit__has_option(p, XBAR_EMIT_KEEP_FLAGS)) {
        return;
    }
    emit__put_none(p, X86_POPF);
    if (emit__has_option(p, XBAR_EMIT_RED_ZONE)) {
        emit__move_stack(p, EMIT_RED_ZONE);
    }
}

/* ---- The hit path ------------------------------------------------------ */

/* The register that holds the guest address once put_probe() ran. */
static unsigned va_register(const struct emit_piece *p)
{
    return p->access->offset ? p->target->scratch[2] : p->access->address;
}

/* Bytes from *vcpu to @field of the first entry of the access's context. */
static int32_t table_disp(const struct emit_piece *p, size_t field)
{
    size_t table = offsetof(SoftTLB, l1) +
                   p->access->context * sizeof(((SoftTLB *)0)->l1[0]);

    return p->target->tlb + (int32_t)(table + field);
}

static void put_index(struct emit_piece *p, unsigned index, unsigned va)
{
    unsigned shift = page_bits_of(p->target) - ENTRY_LOG2;

    if (p->target->features & XBAR_EMIT_BMI2) {
        x86__emit(&p->b, X86_RORX,
                  &(struct x86_operands){ .width = 4,
                                          .reg = index,
                                          .rm = x86_r(va),
                                          .imm = (int32_t)shift });
    } else {
        x86_rr(&p->b, X86_MOV_MR, 4, index, va);
        x86_mi(&p->b, X86_SHR_MI8, 4, x86_r(index), shift);
    }
    x86_alu_imm(&p->b, X86_ALU_AND, 4, x86_r(index), INDEX_MASK);
}

/*
 * Compare x = va ^ tag with the last good offset in a page. Under the
 * alignment rule the low bits, which must be zero, are rotated to the top
 * first: if one is set, x is beyond any limit.
 */
static void put_compare(struct emit_piece *p, unsigned x, unsigned size)
{
    unsigned rotate = p->access->aligned ? emit__size_log2(p) : 0;
    unsigned page = 1u << page_bits_of(p->target);

    if (rotate) {
        x86_mi(&p->b, X86_ROR_MI8, 8, x86_r(x), rotate);
    }
    x86_alu_imm(&p->b, X86_ALU_CMP, 8, x86_r(x),
                (int32_t)((page - size) >> rotate));
}

/* Leave to a place not known yet if the compare said so: the fix-up. */
static uint32_t put_miss(struct emit_piece *p)
{
    uint32_t hit, miss;

    if (!emit__has_option(p, XBAR_EMIT_KEEP_FLAGS)) {
        return x86_jcc(&p->b, CC_A, NULL);
    }
    hit = x86_jcc(&p->b, CC_BE, NULL);
    emit__restore_flags(p);
    miss = x86_jmp(&p->b, NULL);
    x86_patch_here(&p->b, hit);
    return miss;
}

/*
 * Host address = va_register() + scratch[1] afterwards; scratch[0] is free.
 * The flags are saved.
 */
static uint32_t put_probe(struct emit_piece *p, unsigned size)
{
    const struct xbar_emit_target *t = p->target;
    const struct xbar_emit_access *a = p->access;
    unsigned index = t->scratch[0], x = t->scratch[1], va = va_register(p);
    size_t tag = offsetof(TLBEntry, tag) + a->kind * sizeof(uint64_t);
    uint32_t miss;

    emit__save_flags(p);
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
void emit__swap(struct emit_piece *p, unsigned reg)
{
    if (!(p->access->op & MO_BSWAP)) {
        return;
    }
    if (emit__size_log2(p) == MO_16) {
        x86_mi(&p->b, X86_ROL_MI8, 2, x86_r(reg), 8);
    } else if (emit__size_log2(p) != MO_8) {
        x86__emit(&p->b, X86_BSWAP,
                  &(struct x86_operands){ .width = 1u << emit__size_log2(p),
                                          .reg = reg });
    }
}

/* The value register = memory at @from, in the access's order and sign. */
void emit__load(struct emit_piece *p, struct x86_rm from)
{
    unsigned value = p->access->value;
    bool swaps = p->access->op & MO_BSWAP && emit__size_log2(p) != MO_8;
    bool with_sign = p->access->op & MO_SIGN;

    x86_extend(&p->b, emit__size_log2(p), with_sign && !swaps, value, from);
    emit__swap(p, value);
    if (with_sign && swaps && emit__size_log2(p) != MO_64) {
        x86_extend(&p->b, emit__size_log2(p), true, value, x86_r(value));
    }
}

static void put_store(struct emit_piece *p, struct x86_rm to)
{
    unsigned log2 = emit__size_log2(p);
    unsigned value = p->access->value;

    if (p->access->op & MO_BSWAP && log2 != MO_8) {
        emit__move(p, p->target->scratch[0], value);
        value = p->target->scratch[0];
        emit__swap(p, value);
    }
    x86_store(&p->b, log2, to, value);
}

/* Where scratch[1] and the address meet. */
static struct x86_rm host_memory(const struct emit_piece *p)
{
    return x86_mem_index(p->target->scratch[1], va_register(p), 0, 0);
}

static int finish_site(struct emit_piece *p, struct xbar_emit_buffer *buffer,
                       uint32_t miss, struct xbar_emit_site *site)
{
    uint32_t start = (uint32_t)buffer->used;
    int written;

    emit__restore_flags(p);
    written = emit__finish(p, buffer, XBAR_EMIT_FAST_MAX);
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
    struct emit_piece p;
    uint32_t miss;

    if (!emit__begin(&p, buffer, target, access) ||
        !emit__is_load_or_store(access)) {
        return -EINVAL;
    }
    miss = put_probe(&p, 1u << emit__size_log2(&p));
    if (access->kind == TLB_READ) {
        emit__load(&p, host_memory(&p));
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
    struct emit_piece p;
    uint32_t miss;

    if (!emit__begin(&p, buffer, target, access) || size < 1 ||
        size > 1u << page_bits_of(target)) {
        return -EINVAL;
    }
    miss = put_probe(&p, size);
    x86_rm(&p.b, X86_LEA, 8, access->value, host_memory(&p));
    return finish_site(&p, buffer, miss, site);
}

/* ---- The rest ---------------------------------------------------------- */

bool emit__is_fixup(const struct xbar_emit_buffer *buffer, uint32_t at)
{
    return buffer->used >= 4 && at <= buffer->used - 4;
}

int xbar_emit_bind(struct xbar_emit_buffer *buffer, uint32_t fixup, uint32_t to)
{
    int32_t distance = (int32_t)(to - (fixup + 4));

    if (!buffer_is_valid(buffer) || !emit__is_fixup(buffer, fixup) ||
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
