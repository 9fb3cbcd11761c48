/* SPDX-License-Identifier: MIT */
/**
 * The emit API: accesses to guest memory for somebody else's code generator.
 *
 * The caller describes its conventions once (struct xbar_emit_target) and each
 * access when it comes to it (struct xbar_emit_access). Two calls write the
 * two halves of an access into the caller's buffer, the first where the access
 * happens, the second anywhere later:
 *
 *     hot code                              cold code
 *     | fast:  probe      --- miss ------>| slow:  save what is live      |
 *     |        load/store                 |        tlb_load_slow(), ...   |
 *     | resume:          <--- back -------|        restore                |
 *     | ...                               |        or --- fault --> caller's
 *
 *     struct xbar_emit_site site;
 *     if (xbar_emit_fast(&buffer, &target, &access, &site) < 0 ||
 *         ... the rest of the block ... ||
 *         xbar_emit_slow(&buffer, &target, &access, &fault, &site) < 0) {
 *         ... abandon the block ...
 *     }
 *
 * The vCPU structure of the caller holds a SoftTLB by value (tlb/tlb.h), and
 * one host register points at that structure while emitted code runs. The
 * thread that runs it has entered that TLB.
 *
 * What is written
 *   - keeps all registers but the scratch ones and the value of a load;
 *     the flags change unless XBAR_EMIT_KEEP_FLAGS. A fault keeps the value
 *     register, too. The slow path may also change what is beyond the low
 *     128 bits of vector registers, mask registers and x87, as any C function
 *     may (a caller that has live ones there binds `miss` to saves of its own
 *     that precede the slow path, and `back` to their restores).
 *   - holds no address of itself: it runs wherever the buffer is mapped, also
 *     when it is written through another mapping. Functions are called by
 *     their absolute address, so it is for this process only.
 *   - after the slow path goes on at once. A device callback may have changed
 *     the map or asked for an exit: a caller that must notice before the end
 *     of its block binds `back` to a check of its own, which goes on at
 *     `resume`.
 *   - cannot be unwound: nothing may throw or longjmp() through it but a fault
 *     function, which may longjmp() to the caller's frames.
 *
 * Registers are numbered as the host's instructions do (x86-64: below).
 *
 * All functions here are pure: any thread, no allocation, no lock; a buffer
 * belongs to one thread at a time. Where the host has no emitter they return
 * -ENOTSUP and write nothing.
 */
#ifndef XBAR_JIT_EMIT_H
#define XBAR_JIT_EMIT_H

#include "../engine/types.h"
#include "../tlb/tlb.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Of SoftTLB, as this header was compiled with it: xbar_emit_target.layout. */
#define XBAR_EMIT_LAYOUT 1

/* Bytes that one call writes at most. */
#define XBAR_EMIT_FAST_MAX 128 /* also xbar_emit_probe() */
#define XBAR_EMIT_SLOW_MAX 1024
/* Bytes of stack below a slow path, without those of the C functions. */
#define XBAR_EMIT_STACK_MAX 512

/** x86-64: the numbers of its registers. */
enum xbar_emit_x86_64 {
    XBAR_EMIT_RAX,
    XBAR_EMIT_RCX,
    XBAR_EMIT_RDX,
    XBAR_EMIT_RBX,
    XBAR_EMIT_RSP, /* never a role for it: it is the stack pointer */
    XBAR_EMIT_RBP,
    XBAR_EMIT_RSI,
    XBAR_EMIT_RDI,
    XBAR_EMIT_R8,
    XBAR_EMIT_R9,
    XBAR_EMIT_R10,
    XBAR_EMIT_R11,
    XBAR_EMIT_R12,
    XBAR_EMIT_R13,
    XBAR_EMIT_R14,
    XBAR_EMIT_R15,
};

/** The low 128 bits of vector register @n (x86-64: xmm0 to xmm15), as live. */
#define XBAR_EMIT_LIVE_VECTOR(n) (UINT32_C(1) << (16 + (n)))

/** Instructions beyond the host's baseline that may be written. */
enum xbar_emit_feature {
    XBAR_EMIT_BMI2 = 1 << 0, /* x86-64: one instruction less on a hit */
};

enum xbar_emit_option {
    /* Something lives in the 128 bytes below the stack pointer. */
    XBAR_EMIT_RED_ZONE = 1 << 0,
    /* Flags are live across accesses. Dear, as nothing restores them
     * cheaply: an access takes several times as long. */
    XBAR_EMIT_KEEP_FLAGS = 1 << 1,
};

/**
 * What the slow path calls: the contract of tlb_load_slow() and
 * tlb_store_slow(), which a caller may wrap, to refuse misaligned accesses,
 * say. Nonzero is a fault, whoever raised it.
 */
typedef int xbar_emit_load_fn(SoftTLB *tlb, unsigned context, uint64_t va,
                              unsigned size_log2, uint64_t *value);
typedef int xbar_emit_store_fn(SoftTLB *tlb, unsigned context, uint64_t va,
                               unsigned size_log2, uint64_t value);

/** The caller's conventions. Zero what is not needed. */
struct xbar_emit_target {
    unsigned layout;   /* XBAR_EMIT_LAYOUT; anything else is refused */
    unsigned features; /* enum xbar_emit_feature; see xbar_emit_features() */
    unsigned options;  /* enum xbar_emit_option */
    uint8_t vcpu;      /* register that points at the vCPU structure */
    uint8_t page_bits; /* what the TLB was configured with; 0: TLB_PAGE_BITS */
    /*
     * Registers that every access may overwrite, all different: two, or three
     * if an access has an offset.
     */
    uint8_t scratch_count;
    uint8_t scratch[3];
    int32_t tlb; /* where the SoftTLB is, in bytes from *vcpu */
    /*
     * Registers whose value is needed after an access, as 1 << number, and
     * vector registers as XBAR_EMIT_LIVE_VECTOR(number). Those that C
     * functions may change are saved on the stack around the call, the others
     * cost nothing here. vcpu, address and value registers need not be named.
     */
    uint32_t live;
    xbar_emit_load_fn *load;   /* NULL: tlb_load_slow() */
    xbar_emit_store_fn *store; /* NULL: tlb_store_slow() */
};

/** One access. */
struct xbar_emit_access {
    /* TLB_READ loads, TLB_WRITE stores; TLB_EXEC for a probe only. */
    enum xbar_tlb_access kind;
    /*
     * MO_8 to MO_64, with MO_BE for a big-endian access. A load fills all 64
     * bits of its register: with zeros, or copies of the sign by MO_SIGN.
     */
    MemOp op;
    /*
     * Only a multiple of its own size hits; any other address takes the slow
     * path, where tlb_load_slow() would still do it. Else any access inside
     * one page hits.
     */
    bool aligned;
    uint8_t context; /* of the TLB */
    uint8_t address; /* register: guest-virtual, all 64 bits count; kept */
    uint8_t value;   /* register: the source of a store, or what a load sets;
                        may be the address, for a load also a scratch */
    int32_t offset;  /* added to the address, modulo 2^64 */
};

/** The caller's memory. Offsets everywhere count bytes from its start. */
struct xbar_emit_buffer {
    uint8_t *code; /* where it is written */
    size_t size;   /* of the memory; at most 2^31 - 1 */
    size_t used;   /* written so far: the next call appends here */
};

/**
 * Where the parts of one access are. A fix-up is the offset of a jump's 4-byte
 * displacement, little-endian, counted from the byte behind it.
 */
struct xbar_emit_site {
    /* Set by xbar_emit_fast() and xbar_emit_probe(). */
    uint32_t miss;   /* fix-up, not bound yet: taken by what does not hit, with
                        all registers but the scratch ones as before */
    uint32_t resume; /* the offset behind the access */
    /* Set by xbar_emit_slow(). */
    uint32_t slow;  /* where it starts: miss was bound to it */
    uint32_t back;  /* fix-up, bound to resume */
    uint32_t fault; /* fix-up, not bound yet; 0 if a function was given */
};

/**
 * Told of a fault, which tlb->fault describes.
 *
 * Return: an executable address where emitted code goes on, with all registers
 * but the scratch ones as they were before the access. Need not return.
 */
typedef const void *xbar_emit_fault_fn(SoftTLB *tlb, uint64_t cookie);

/**
 * What a failed access does. Without a function it jumps to site.fault with
 * the cookie in scratch[0] and all other registers but the scratch ones as
 * they were before the access. That fix-up must be bound: until then it leads
 * to an invalid instruction.
 */
struct xbar_emit_fault {
    xbar_emit_fault_fn *function; /* or NULL */
    uint64_t cookie;              /* the caller's name for this site */
};

/** xbar_emit_features() - what this machine has, for xbar_emit_target */
XBAR_API unsigned xbar_emit_features(void);

/**
 * xbar_emit_check() - what the functions below would refuse, and why
 * @access: NULL: of @target alone
 *
 * What depends on the function is not looked at: whether @access can be loaded
 * or stored, and the size of a probe.
 *
 * Return: NULL if nothing is wrong; else which field, as text that lives for
 * ever, for a message of the caller's.
 */
XBAR_API const char *xbar_emit_check(const struct xbar_emit_target *target,
                                     const struct xbar_emit_access *access);

/**
 * xbar_emit_fast() - append the probe of an access, and the access
 * @site: miss and resume are set
 *
 * 8 instructions, one of them a branch not taken, in the plainest case: BMI2,
 * little-endian, no offset, no alignment rule. Each of those not given costs
 * one more; a byte swap up to two.
 *
 * Return: bytes written; -ENOSPC if they do not fit; -EINVAL if registers
 * clash or a field has no meaning (xbar_emit_check() says which); nothing is
 * written then.
 */
XBAR_API int xbar_emit_fast(struct xbar_emit_buffer *buffer,
                            const struct xbar_emit_target *target,
                            const struct xbar_emit_access *access,
                            struct xbar_emit_site *site) XBAR_MUST_CHECK;

/**
 * xbar_emit_slow() - append the slow path of an access
 * @fault: what to do when the access fails
 * @site: of the xbar_emit_fast() with the same @target and @access, in this
 *        buffer; miss and resume are read, the others set
 *
 * Reads only the address, value and vCPU registers. The stack pointer may have
 * any alignment. The access happens once, as tlb_load_slow() tells.
 *
 * Return: as xbar_emit_fast(); -EINVAL also if @site is not of this buffer.
 */
XBAR_API int xbar_emit_slow(struct xbar_emit_buffer *buffer,
                            const struct xbar_emit_target *target,
                            const struct xbar_emit_access *access,
                            const struct xbar_emit_fault *fault,
                            struct xbar_emit_site *site) XBAR_MUST_CHECK;

/**
 * xbar_emit_probe() - append a probe that ends in a host address
 * @access: kind, context, address and offset as for an access; value is the
 *          register that gets the host address; of op only the size counts,
 *          and only for the alignment rule
 * @size: bytes from the address on that must be accessible, 1 to a page
 * @site: miss and resume are set
 *
 * For atomics and block copies. The address holds until the next safe point.
 * What misses is for the caller: tlb_host() finds memory that no probe hits.
 *
 * Return: as xbar_emit_fast().
 */
XBAR_API int xbar_emit_probe(struct xbar_emit_buffer *buffer,
                             const struct xbar_emit_target *target,
                             const struct xbar_emit_access *access,
                             unsigned size, struct xbar_emit_site *site)
    XBAR_MUST_CHECK;

/**
 * xbar_emit_bind() - make the jump of @fixup lead to offset @to
 *
 * May be called again for another place. One 4-byte store, which need not be
 * aligned: not while a thread may execute the jump.
 *
 * Return: 0; -EINVAL if @fixup or @to is not in what is written.
 */
XBAR_API int xbar_emit_bind(struct xbar_emit_buffer *buffer, uint32_t fixup,
                            uint32_t to) XBAR_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
