/* SPDX-License-Identifier: MIT */
/**
 * What a device model written for QEMU 7.2 needs beside the memory API: errors,
 * owners, interrupt lines, the log, 128-bit sizes, and small helpers.
 * Installed as <xbar/compat.h>; <xbar/xbar.h> does not include it, since most
 * of these names have no prefix.
 *
 * It is not QOM, qdev, glib or QEMU's timers: docs/porting-from-qemu.md says
 * what to do about those.
 */
#ifndef XBAR_COMPAT_H
#define XBAR_COMPAT_H

#include <inttypes.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/error.h"
#include "engine/memory.h"
#include "engine/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Owners ------------------------------------------------------------ */

/**
 * What owns regions, and is kept alive by references: the first member of a
 * device's state. Opaque; row M-93.
 *
 * An engine counts references to owners if its configuration says
 * `.owner_ref = xbar_owner_ref, .owner_unref = xbar_owner_unref`; then every
 * owner must be such an object, or NULL.
 */
struct Object {
    /* private */
    void (*finalize)(Object *obj);
    uint32_t refs;
};

/** A cast, as an owner is passed: OBJECT(s). */
#define OBJECT(obj) ((Object *)(obj))

/**
 * xbar_object_init() - one reference, the caller's
 * @finalize: NULL, or called by the unref that leaves none, on its thread;
 * that may be inside a reclaim, so it must not wait
 */
XBAR_API void xbar_object_init(Object *obj, void (*finalize)(Object *obj));

/** object_ref() / object_unref() - any thread; NULL is ignored. */
XBAR_API Object *object_ref(void *obj);
XBAR_API void object_unref(void *obj);

/* For an engine's configuration, as said above. Row M-93. */
static inline void xbar_owner_ref(Object *obj)
{
    (void)object_ref(obj);
}

static inline void xbar_owner_unref(Object *obj)
{
    object_unref(obj);
}

/* ---- Interrupt lines --------------------------------------------------- */

typedef void (*qemu_irq_handler)(void *opaque, int n, int level);

/** A line: whoever drives it calls what is at its other end. */
struct IRQState {
    qemu_irq_handler handler;
    void *opaque;
    int n;
    struct xbar_engine *engine; /* private: whose memory it is */
};
typedef struct IRQState *qemu_irq;

/**
 * xbar_irqs_new() - @count lines, numbered from 0, to one handler
 *
 * Of the engine current on the thread. Return: an array for xbar_irqs_free();
 * NULL if memory is short, or @count is not positive.
 */
XBAR_API qemu_irq *xbar_irqs_new(qemu_irq_handler handler, void *opaque,
                                 int count) XBAR_MUST_CHECK;
XBAR_API void xbar_irqs_free(qemu_irq *irqs, int count);

/** xbar_irq_new() - one line, numbered @n; NULL if memory is short */
XBAR_API qemu_irq xbar_irq_new(qemu_irq_handler handler, void *opaque, int n)
    XBAR_MUST_CHECK;
XBAR_API void xbar_irq_free(qemu_irq irq);

/* The same by QEMU's names. */
static inline qemu_irq qemu_allocate_irq(qemu_irq_handler handler, void *opaque,
                                         int n)
{
    return xbar_irq_new(handler, opaque, n);
}

static inline void qemu_free_irq(qemu_irq irq)
{
    xbar_irq_free(irq);
}

static inline qemu_irq *qemu_allocate_irqs(qemu_irq_handler handler,
                                           void *opaque, int n)
{
    return xbar_irqs_new(handler, opaque, n);
}

static inline void qemu_free_irqs(qemu_irq *irqs, int n)
{
    xbar_irqs_free(irqs, n);
}

/** qemu_set_irq() - calls the handler, here and now; NULL is not connected */
static inline void qemu_set_irq(qemu_irq irq, int level)
{
    if (irq) {
        irq->handler(irq->opaque, irq->n, level);
    }
}

/* To 1; to 0; to 1 and then 0. */
static inline void qemu_irq_raise(qemu_irq irq)
{
    qemu_set_irq(irq, 1);
}

static inline void qemu_irq_lower(qemu_irq irq)
{
    qemu_set_irq(irq, 0);
}

static inline void qemu_irq_pulse(qemu_irq irq)
{
    qemu_set_irq(irq, 1);
    qemu_set_irq(irq, 0);
}

/* ---- The log ----------------------------------------------------------- */

#define LOG_UNIMP       XBAR_LOG_UNIMP
#define LOG_GUEST_ERROR XBAR_LOG_GUEST_ERROR

/** qemu_loglevel_mask() - does anybody want such lines? */
static inline bool qemu_loglevel_mask(int mask)
{
    return xbar_log_is_wanted((unsigned)mask);
}

/** qemu_log_mask() - arguments are not evaluated if nobody wants the line */
#define qemu_log_mask(mask, ...)                     \
    do {                                             \
        if (xbar_log_is_wanted((unsigned)(mask))) {  \
            xbar_log((unsigned)(mask), __VA_ARGS__); \
        }                                            \
    } while (0)

#define HWADDR_PRId PRId64
#define HWADDR_PRIu PRIu64
#define HWADDR_PRIx PRIx64
#define HWADDR_PRIX PRIX64
#define HWADDR_BITS 64
#define HWADDR_MAX  UINT64_MAX

/* ---- 128-bit sizes ----------------------------------------------------- */

/* QEMU's names for the operators; sums wrap at 2^128, shifts keep the sign. */
static inline Int128 int128_make64(uint64_t a)
{
    return (Int128)a;
}

static inline Int128 int128_makes64(int64_t a)
{
    return (Int128)a;
}

static inline Int128 int128_make128(uint64_t lo, uint64_t hi)
{
    __extension__ typedef unsigned __int128 wide;

    return (Int128)((wide)hi << 64 | lo);
}

static inline uint64_t int128_getlo(Int128 a)
{
    return (uint64_t)a;
}

static inline int64_t int128_gethi(Int128 a)
{
    return (int64_t)(a >> 64);
}

/* Where QEMU asserts: UINT64_MAX for more, 0 for less. */
static inline uint64_t int128_get64(Int128 a)
{
    if (a < 0) {
        return 0;
    }
    return a >> 64 ? UINT64_MAX : (uint64_t)a;
}

static inline Int128 int128_zero(void)
{
    return 0;
}

static inline Int128 int128_one(void)
{
    return 1;
}

static inline Int128 int128_2_64(void)
{
    return (Int128)1 << 64;
}

static inline Int128 int128_exts64(int64_t a)
{
    return a;
}

static inline Int128 int128_not(Int128 a)
{
    return ~a;
}

static inline Int128 int128_and(Int128 a, Int128 b)
{
    return a & b;
}

static inline Int128 int128_or(Int128 a, Int128 b)
{
    return a | b;
}

static inline Int128 int128_xor(Int128 a, Int128 b)
{
    return a ^ b;
}

static inline Int128 int128_add(Int128 a, Int128 b)
{
    return a + b;
}

static inline Int128 int128_sub(Int128 a, Int128 b)
{
    return a - b;
}

static inline Int128 int128_neg(Int128 a)
{
    return -a;
}

static inline Int128 int128_rshift(Int128 a, int n)
{
    return a >> n;
}

static inline Int128 int128_lshift(Int128 a, int n)
{
    __extension__ typedef unsigned __int128 wide;

    return (Int128)((wide)a << n);
}

static inline bool int128_nonneg(Int128 a)
{
    return a >= 0;
}

static inline bool int128_eq(Int128 a, Int128 b)
{
    return a == b;
}

static inline bool int128_ne(Int128 a, Int128 b)
{
    return a != b;
}

static inline bool int128_ge(Int128 a, Int128 b)
{
    return a >= b;
}

static inline bool int128_gt(Int128 a, Int128 b)
{
    return a > b;
}

static inline bool int128_le(Int128 a, Int128 b)
{
    return a <= b;
}

static inline bool int128_lt(Int128 a, Int128 b)
{
    return a < b;
}

static inline bool int128_nz(Int128 a)
{
    return a != 0;
}

static inline Int128 int128_min(Int128 a, Int128 b)
{
    return a < b ? a : b;
}

static inline Int128 int128_max(Int128 a, Int128 b)
{
    return a > b ? a : b;
}

static inline void int128_addto(Int128 *a, Int128 b)
{
    *a += b;
}

static inline void int128_subfrom(Int128 *a, Int128 b)
{
    *a -= b;
}

/* ---- Values in memory -------------------------------------------------- */

/* Any alignment; the suffix is the order in memory, none is the host's. */
#define XBAR_COMPAT_ACCESS(load, store, type, convert) \
    static inline type load(const void *ptr)           \
    {                                                  \
        type value;                                    \
                                                       \
        memcpy(&value, ptr, sizeof(value));            \
        return convert(value);                         \
    }                                                  \
    static inline void store(void *ptr, type value)    \
    {                                                  \
        value = convert(value);                        \
        memcpy(ptr, &value, sizeof(value));            \
    }

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define XBAR_COMPAT_LE(bits)
#define XBAR_COMPAT_BE(bits) __builtin_bswap##bits
#else
#define XBAR_COMPAT_LE(bits) __builtin_bswap##bits
#define XBAR_COMPAT_BE(bits)
#endif

XBAR_COMPAT_ACCESS(lduw_le_p, stw_le_p, uint16_t, XBAR_COMPAT_LE(16))
XBAR_COMPAT_ACCESS(ldl_le_p, stl_le_p, uint32_t, XBAR_COMPAT_LE(32))
XBAR_COMPAT_ACCESS(ldq_le_p, stq_le_p, uint64_t, XBAR_COMPAT_LE(64))
XBAR_COMPAT_ACCESS(lduw_be_p, stw_be_p, uint16_t, XBAR_COMPAT_BE(16))
XBAR_COMPAT_ACCESS(ldl_be_p, stl_be_p, uint32_t, XBAR_COMPAT_BE(32))
XBAR_COMPAT_ACCESS(ldq_be_p, stq_be_p, uint64_t, XBAR_COMPAT_BE(64))
XBAR_COMPAT_ACCESS(lduw_he_p, stw_he_p, uint16_t, )
XBAR_COMPAT_ACCESS(ldl_he_p, stl_he_p, uint32_t, )
XBAR_COMPAT_ACCESS(ldq_he_p, stq_he_p, uint64_t, )

#undef XBAR_COMPAT_ACCESS
#undef XBAR_COMPAT_LE
#undef XBAR_COMPAT_BE

static inline uint8_t ldub_p(const void *ptr)
{
    return *(const uint8_t *)ptr;
}

static inline void stb_p(void *ptr, uint8_t value)
{
    *(uint8_t *)ptr = value;
}

/* ---- Bits -------------------------------------------------------------- */

/* A field of @length bits, 1 to the width, from bit @start on. */
static inline uint64_t extract64(uint64_t value, int start, int length)
{
    return (value >> start) & (UINT64_MAX >> (64 - length));
}

static inline uint32_t extract32(uint32_t value, int start, int length)
{
    return (value >> start) & (UINT32_MAX >> (32 - length));
}

static inline uint64_t deposit64(uint64_t value, int start, int length,
                                 uint64_t field)
{
    uint64_t mask = UINT64_MAX >> (64 - length) << start;

    return (value & ~mask) | ((field << start) & mask);
}

static inline uint32_t deposit32(uint32_t value, int start, int length,
                                 uint32_t field)
{
    uint32_t mask = UINT32_MAX >> (32 - length) << start;

    return (value & ~mask) | ((field << start) & mask);
}

#ifndef BIT
#define BIT(n) (1UL << (n))
#endif
#ifndef BIT_ULL
#define BIT_ULL(n) (1ULL << (n))
#endif
#ifndef MAKE_64BIT_MASK
#define MAKE_64BIT_MASK(shift, length) \
    ((UINT64_MAX >> (64 - (length))) << (shift))
#endif
#ifndef MIN
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#endif
#ifndef MAX
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#endif
#ifndef ARRAY_SIZE
#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))
#endif
#ifndef DIV_ROUND_UP
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#endif
#ifndef container_of
#define container_of(ptr, type, member) \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#endif
#ifndef KiB
#define KiB (INT64_C(1) << 10)
#define MiB (INT64_C(1) << 20)
#define GiB (INT64_C(1) << 30)
#endif

#ifdef __cplusplus
}
#endif

#endif
