/* SPDX-License-Identifier: MIT */
/**
 * The soft-TLB: a vCPU's cache of page walks and view lookups.
 *
 * One SoftTLB belongs to one thread at a time. That thread keeps it entered
 * while it runs, and calls tlb_safepoint() often (between blocks, after MMIO):
 *
 *     tlb_enter(tlb);
 *     while (running) {
 *         ... tlb_load(), tlb_store(), inline probes ...
 *         tlb_safepoint(tlb);
 *     }
 *     tlb_leave(tlb);        before sleeping, or the grace period waits
 *
 * Other threads only post invalidations: a commit does so by itself, and
 * tlb_post_flush() is for the rest (a remote hart's shoot-down).
 *
 * A context is a translation regime, numbered by the caller (a privilege
 * level, with the bits that change its meaning): switching contexts flushes
 * nothing. An address-space id tags entries made while it was current; hits do
 * not compare it, so a caller that changes it flushes the contexts it matters
 * in.
 *
 * What the bus answers to an access that the walk allowed:
 *
 *              nothing decodes     ROM, read-only     device
 *     load     MEMTX_DECODE_ERROR  memory             its own result
 *     store    MEMTX_DECODE_ERROR  MEMTX_ERROR        its own result
 *
 * A store to read-only memory is an error here, so that a guest gets its
 * architectural exception; the same store by DMA (address_space_write) is
 * dropped.
 */
#ifndef XBAR_TLB_TLB_H
#define XBAR_TLB_TLB_H

#include "../flatview/address_space.h"
#include "tlb_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a page walk found. */
struct xbar_tlb_walk {
    hwaddr phys;  /* of the page that holds the address; what is below a
                     page's size does not count */
    uint8_t prot; /* may happen now without a further walk: a store to a page
                     whose dirty bit is clear is not in it */
    bool global;  /* in every address-space id */
};

/**
 * Translate the page of @va for @access in @context.
 *
 * May read guest memory with address_space_*; must not use the TLB.
 * Return: 0 with @walk filled, which grants @access whatever @walk->prot says
 * (a physical address where nothing decodes is fine); or the caller's own
 * positive fault code. Anything else, as a negative code or a permission that
 * is none, fails the access with TLB_BAD_WALK.
 */
typedef int xbar_tlb_walk_fn(void *opaque, unsigned context, uint64_t va,
                             enum xbar_tlb_access access,
                             struct xbar_tlb_walk *walk);

/**
 * Told of every data access, with its section, before it is performed
 * (observing TLBs only). One that crosses pages or sections is told in the
 * pieces it is made of. Instruction fetches are not told.
 */
typedef void xbar_tlb_observe_fn(void *opaque, const FlatRange *section,
                                 enum xbar_tlb_access access, unsigned size);

/**
 * Told of a data access to a device, after it was carried out: with the offset
 * in @section's region, and what it took by the configuration's clock, 0 without
 * one. One that crosses pages or sections is told in the pieces it is made of.
 */
typedef void xbar_tlb_device_fn(void *opaque, const FlatRange *section,
                                hwaddr offset, enum xbar_tlb_access access,
                                unsigned size_log2, uint64_t ticks);

/** Accesses of 1 << 0 to 1 << 6 bytes: the widest clears a cache block. */
#define TLB_SIZES 7

/**
 * Counts of data accesses, for somebody who wants them and not the accesses.
 *
 * Those to @ram go on hitting inline. Who makes one inline has tlb_count_host()
 * count it, or counts it as that does; a slow path counts by itself. Atomics
 * are made through tlb_host(), so they are the caller's as well. Only accesses
 * that are carried out count.
 */
struct xbar_tlb_counts {
    /* RAM that begins at a page of the host's and is not resized meanwhile;
     * NULL: nothing hits inline. */
    MemoryRegion *ram;
    /*
     * For each 4 KiB page of @ram, by TLB_READ and TLB_WRITE: accesses that
     * began there. Both NULL: not wanted. Else spans are one page each, so
     * that what hits one can be counted by its slot; but for those that
     * tlb_learn_long_span() made.
     */
    uint64_t *pages[2];
    /* Accesses that began outside of @ram, by TLB_READ and TLB_WRITE, and the
     * base-2 logarithm of their size. */
    uint64_t elsewhere[2][TLB_SIZES];
};

struct xbar_tlb_config {
    AddressSpace *as;
    xbar_tlb_walk_fn *walk;
    void *walk_opaque;
    /*
     * NULL: off, at no cost. Set: no load or store ever hits inline, so
     * that every data access is seen.
     */
    xbar_tlb_observe_fn *observe;
    void *observe_opaque;
    /*
     * NULL: off, at no cost. Set: accesses are counted, and what is outside
     * of counts->ram never hits inline. Accesses that begin in it are not
     * told to observe(), unless they go on outside.
     */
    struct xbar_tlb_counts *counts;
    /*
     * NULL: off, at no cost. Set, with counts: told of devices, and observe()
     * then is not. It costs less than an engine's observer, which is told of
     * accesses by anybody.
     */
    xbar_tlb_device_fn *device;
    void *device_opaque;
    uint64_t (*ticks)(void); /* for device(); may be NULL */
    /*
     * Pages are of 1 << page_bits bytes, TLB_PAGE_BITS_MIN to TLB_PAGE_BITS; 0
     * is the latter. A guest with larger pages has them walked in parts of
     * that size. With smaller ones, whoever probes inline has to know it
     * (tlb_probe_page(), xbar_emit_target), holds_code() and code_written() are
     * told such pages, and there are no spans.
     */
    uint8_t page_bits;
    bool no_inline;   /* no load or store hits inline, as if observed */
    bool one_entry;   /* for tests: filling one drops all others */
    bool eager_spans; /* for tests: spans are learnt at the first miss */
    bool no_spans;    /* for tests: none is ever learnt */
    /*
     * Set: loads and stores are answered by this and nothing else, for a
     * vCPU that repeats what another did. 0, or nonzero with tlb->fault set.
     */
    int (*replay)(void *opaque, uint64_t va, enum xbar_tlb_access access,
                  unsigned size_log2, uint64_t *value);
    void *replay_opaque;
    /*
     * Somebody, maybe another vCPU, keeps translations of guest code. A page
     * for which holds_code() is true never takes a store inline; the first one
     * calls code_written(), after which holds_code() may be false for it, and
     * then stores are inline again. @host is where @page lies, which other
     * pages may, too. Both NULL: off, at no cost.
     *
     * holds_code() is asked at fills: who makes it true for a page drops the
     * tags that are there with tlb_protect_code() or tlb_post_protect().
     */
    bool (*holds_code)(void *opaque, hwaddr page, uint64_t host);
    void (*code_written)(void *opaque, hwaddr page, uint64_t host);
    void *code_opaque;
    /* Called from any thread when something was posted: have the owner reach
     * tlb_safepoint() soon. Must not block. May be NULL. */
    void (*kick)(void *opaque);
    void *kick_opaque;
};

/** How slots of one context were filled. */
struct xbar_tlb_fills {
    uint64_t walks;
    uint64_t l2_hits;
};

struct xbar_tlb_stats {
    uint64_t walks;      /* fills that called the walker */
    uint64_t l2_hits;    /* fills that knew what it would say */
    uint64_t slow;       /* accesses that left the inline path, MMIO included */
    uint64_t mmio_reads; /* that reached dispatch; a split access is several */
    uint64_t mmio_writes;
    uint64_t flush_pages;    /* tlb_flush_page calls */
    uint64_t flush_contexts; /* contexts cleared whole */
    uint64_t invalidated;    /* entries dropped because a commit changed them */
    uint64_t flush_asids;    /* tlb_flush_asid calls */
    uint64_t switches;       /* tlb_switch_asid calls */
    uint64_t protects;       /* times that write tags went: code was made */
    struct xbar_tlb_fills fills[TLB_CONTEXTS];
};

/** A fault code that is not the walker's: its answer had no meaning. */
#define TLB_BAD_WALK INT32_MIN

/** What went wrong in the last access that returned nonzero. */
struct xbar_tlb_fault {
    uint64_t va;        /* first byte that could not be accessed */
    int code;           /* the walker's, TLB_BAD_WALK, or 0 */
    MemTxResult result; /* the bus's, or MEMTX_OK */
};

/* Write tags given lately, and pages that were cleared of them: see flush.c. */
#define TLB_GRANTS    16
#define TLB_PROTECTED 16

struct xbar_tlb_grants {
    uint64_t count; /* ever */
    struct {
        uint8_t context;
        uint16_t index;
    } slot[TLB_GRANTS]; /* of the last that many, a ring */
    struct {
        uint64_t host;  /* 0: none */
        uint64_t count; /* when no tag was left of it */
    } cleared[TLB_PROTECTED];
};

/** Bytes that somebody watches, by their virtual address. */
struct xbar_tlb_watch {
    uint64_t va;
    uint64_t size; /* to the end of the address space at most */
    uint8_t prot;  /* TLB_PROT_READ, TLB_PROT_WRITE or both */
};

/**
 * Told of a data access that touched watched bytes, after it was carried out:
 * by the owner, in the middle of an instruction.
 * @first: the first byte of @watch that was touched
 */
typedef void xbar_tlb_watch_fn(void *opaque, const struct xbar_tlb_watch *watch,
                               uint64_t first, enum xbar_tlb_access access);

struct xbar_tlb_watches {
    const struct xbar_tlb_watch *watch;
    size_t count;
    unsigned contexts; /* a set: those whose data accesses are watched */
    xbar_tlb_watch_fn *touched;
    void *opaque;
};

struct xbar_tlb_l2;    /* what walks found; private to tlb/ */
struct xbar_tlb_inbox; /* what other threads posted; private to tlb/ */
struct xbar_tlb_iommu; /* IOMMUs that entries lead through; private to tlb/ */

/**
 * The TLB itself, embedded in a vCPU so that its tables lie at constant
 * displacements. Only l1, info, spans and fault are for others to read.
 */
typedef struct SoftTLB {
    TLBEntry l1[TLB_CONTEXTS][TLB_L1_SIZE];
    TLBInfo info[TLB_CONTEXTS][TLB_L1_SIZE];
    struct xbar_tlb_fault fault;
    struct xbar_tlb_stats stats;
    struct xbar_tlb_config config;
    struct xbar_tlb_inbox *inbox;
    struct xbar_tlb_l2 *l2;       /* NULL: none */
    struct xbar_tlb_iommu *iommu; /* NULL: none yet */
    struct xbar_tlb_grants grants;
    /* Slots filled since a context was last cleared: clearing walks the list
     * while it is short, and the whole table once it has overflowed. */
    uint16_t filled[TLB_CONTEXTS];
    uint16_t fill_list[TLB_CONTEXTS][256];
    uint16_t asid;
    bool entered;
    uint32_t spans_used[TLB_CONTEXTS][2];      /* those that are not empty */
    TLBSpan spans[TLB_CONTEXTS][2][TLB_SPANS]; /* TLB_READ, TLB_WRITE */
    /* Where counts->ram is, and how long. */
    uint64_t counted_host;
    uint64_t counted_size;
    /* What tlb_host() lent for writing last, if there are dirty logs. */
    unsigned lent_size;
    void *lent;
    const struct xbar_tlb_watches *watches; /* NULL: none */
} SoftTLB;

/**
 * tlb_init() - make @tlb empty and have commits to config->as reach it
 * @tlb: the caller's storage, 64-byte aligned; must not move
 * @config: copied; config->as must outlive @tlb
 *
 * Context: outside subscriber callbacks; takes the engine's writer lock.
 * Return: 0; -EINVAL without an address space or a walker, with pages of a size
 * that cannot be, or with counts of what is no such RAM; -ENOMEM.
 */
XBAR_API int tlb_init(SoftTLB *tlb, const struct xbar_tlb_config *config)
    XBAR_MUST_CHECK;

/** tlb_destroy() - end @tlb, which its owner has left; nobody posts any more */
XBAR_API void tlb_destroy(SoftTLB *tlb);

/**
 * tlb_enter() - start using @tlb on this thread
 *
 * Begins a read section and drains what was posted meanwhile, so that entries
 * from before are good. Does not nest; not inside a section of the caller's,
 * which would keep safe points from letting grace periods pass.
 */
XBAR_API void tlb_enter(SoftTLB *tlb);
/** tlb_leave() - stop using it; entries stay for the next tlb_enter() */
XBAR_API void tlb_leave(SoftTLB *tlb);

/**
 * tlb_safepoint() - let grace periods pass, apply what was posted
 *
 * Afterwards every entry agrees with the views of all commits that returned
 * before. No section or host pointer from before may be used.
 */
XBAR_API void tlb_safepoint(SoftTLB *tlb);

/* ---- Flushing (owner thread) ------------------------------------------- */

/**
 * tlb_protect_code() - holds_code() became true
 * @host: of 4 KiB of host memory
 *
 * Stores to pages that lie in part of it leave the inline path until their
 * entries are filled again.
 */
XBAR_API void tlb_protect_code(SoftTLB *tlb, uint64_t host);

/** A set of contexts: bit n is context n. */
#define TLB_ALL_CONTEXTS ((1u << TLB_CONTEXTS) - 1)

/**
 * tlb_switch_asid() - go on with another address-space id
 * @contexts: those in which it matters
 *
 * Their entries leave the first level, which does not tell ids apart, unless
 * they are global. What is known of other ids and of this one stays in the
 * second, so a caller that gives an id to another address space flushes it with
 * tlb_flush_asid().
 */
XBAR_API void tlb_switch_asid(SoftTLB *tlb, unsigned contexts, uint16_t asid);

/** tlb_flush() - drop all of @contexts; a device callback may call it, too */
XBAR_API void tlb_flush(SoftTLB *tlb, unsigned contexts);
/** tlb_flush_page() - drop the page of @va in @contexts, whatever its id */
XBAR_API void tlb_flush_page(SoftTLB *tlb, unsigned contexts, uint64_t va);
/** tlb_flush_asid() - drop what is not global and was filled under @asid */
XBAR_API void tlb_flush_asid(SoftTLB *tlb, unsigned contexts, uint16_t asid);
/** tlb_set_asid() - the id of entries made from now on; flushes nothing */
XBAR_API void tlb_set_asid(SoftTLB *tlb, uint16_t asid);

/** tlb_post_flush() - any thread: flush @contexts at the next safe point */
XBAR_API void tlb_post_flush(SoftTLB *tlb, unsigned contexts);

/**
 * tlb_post_protect() - any thread: tlb_protect_code() at the next safe point
 *
 * Until it is there, inline stores go on. kick() is called by this.
 */
XBAR_API void tlb_post_protect(SoftTLB *tlb, uint64_t host);

/**
 * tlb_is_protected() - any thread: is all done that tlb_post_protect() asked?
 *
 * True, too, while the owner is outside of @tlb: it will be done before the
 * next access. What the owner stored inline before that is visible to the
 * caller then.
 */
XBAR_API bool tlb_is_protected(const SoftTLB *tlb);

/* ---- Access (owner thread, entered) ------------------------------------ */

/**
 * tlb_load_slow() / tlb_store_slow() - any access, hit or not
 * @size_log2: 0 to 3
 * @value: in host order, in the low bytes; the guest is little-endian
 *
 * The out-of-line path: everything but a RAM hit. An access inside one section
 * of one page is one access, also when it is misaligned. Any other is resolved
 * as a whole before its first effect, and then made in naturally aligned
 * pieces, lowest address first; of a store, devices before memory, as only a
 * device can still refuse.
 *
 * A device callback may commit or flush @tlb; both hold from the next safe
 * point or access on.
 *
 * Return: 0; nonzero with tlb->fault filled (the walker's code if it has one)
 * and no effect on memory or *value.
 */
XBAR_API int tlb_load_slow(SoftTLB *tlb, unsigned context, uint64_t va,
                           unsigned size_log2, uint64_t *value) XBAR_MUST_CHECK;
XBAR_API int tlb_store_slow(SoftTLB *tlb, unsigned context, uint64_t va,
                            unsigned size_log2, uint64_t value) XBAR_MUST_CHECK;

/**
 * tlb_load_device() / tlb_store_device() - one access of a plain device
 * @size_log2: 0 to 3
 * @value: as for tlb_load_slow()
 *
 * For callers that cannot make use of what tlb_load_slow() is ready for: a
 * page that was accessed before, one section, a callback that is called with
 * nothing held. Neither observed nor replayed.
 *
 * Return: true when it is done; false with no effect, for tlb_load_slow().
 */
XBAR_API bool tlb_load_device(SoftTLB *tlb, unsigned context, uint64_t va,
                              unsigned size_log2, uint64_t *value)
    XBAR_MUST_CHECK;
XBAR_API bool tlb_store_device(SoftTLB *tlb, unsigned context, uint64_t va,
                               unsigned size_log2, uint64_t value)
    XBAR_MUST_CHECK;

/**
 * tlb_load_bytes() / tlb_store_bytes() - 1 to 16 bytes
 * @buf: in the order of their addresses; @size is the caller's to keep in that
 * range
 *
 * For vectors and pairs, hit or not; always a call. The bytes that one section
 * of one page answers are one access, to a device as xbar_region_read_bytes()
 * says. All is resolved before the first effect, and of a store devices come
 * before memory, as above. Memory is accessed in aligned units of up to 8
 * bytes: an aligned access of 16 is two that do not tear.
 *
 * Return: as tlb_load_slow(), *buf untouched on failure.
 */
XBAR_API int tlb_load_bytes(SoftTLB *tlb, unsigned context, uint64_t va,
                            void *buf, unsigned size) XBAR_MUST_CHECK;
XBAR_API int tlb_store_bytes(SoftTLB *tlb, unsigned context, uint64_t va,
                             const void *buf, unsigned size) XBAR_MUST_CHECK;

/**
 * tlb_count_host() - an access was made at @host, which a probe or tlb_host()
 * gave
 *
 * Nothing unless the configuration has counts.
 */
static inline void tlb_count_host(const SoftTLB *tlb,
                                  enum xbar_tlb_access access,
                                  unsigned size_log2, const void *host);

/**
 * tlb_host() - the host address of @size bytes at @va, inside one page
 *
 * For atomics (ask for TLB_WRITE: read permission is then required too) and
 * instruction fetch. The address holds until the next safe point.
 *
 * Return: 0; nonzero with tlb->fault filled; for what is not plain memory
 * all through, and for ROM when writing, code is 0 and result is
 * MEMTX_ACCESS_ERROR.
 */
XBAR_API int tlb_host(SoftTLB *tlb, unsigned context, uint64_t va,
                      unsigned size, enum xbar_tlb_access access, void **host)
    XBAR_MUST_CHECK;

/** Where an access begins. */
struct xbar_tlb_place {
    const FlatRange *section; /* good until the next safe point */
    hwaddr phys;
};

/**
 * tlb_locate() - where an access of one byte at @va would go
 *
 * Fills the entry as the access would, and makes none.
 *
 * Return: 0; nonzero with tlb->fault filled if no walk allows it. A place
 * where nothing decodes is one.
 */
XBAR_API int tlb_locate(SoftTLB *tlb, unsigned context, uint64_t va,
                        enum xbar_tlb_access access,
                        struct xbar_tlb_place *place) XBAR_MUST_CHECK;

/**
 * tlb_learn_span() - a slot missed, and the entry of @va hits, or may now
 * @access: TLB_READ or TLB_WRITE
 * @slot: below TLB_SPANS
 *
 * Nothing if the entry does not hit, or the slot has learnt lately.
 */
XBAR_API void tlb_learn_span(SoftTLB *tlb, unsigned context,
                             enum xbar_tlb_access access, unsigned slot,
                             uint64_t va);

/**
 * tlb_learn_long_span() - the same of a span that need not be one page
 *
 * Where accesses are counted by page, tlb_learn_span() learns of spans of one
 * page, so that code that hits one need not know which. Who asks a span that
 * was learnt here counts by address.
 */
XBAR_API void tlb_learn_long_span(SoftTLB *tlb, unsigned context,
                                  enum xbar_tlb_access access, unsigned slot,
                                  uint64_t va);

/**
 * tlb_debug_rw() - @len bytes at @va, as a debugger sees them
 * @walk: as the configuration's, but leaves no trace: sets no accessed or dirty
 * bits. It gets the configuration's walk_opaque. NULL: the configuration's own
 * @buf: only read if @is_write
 *
 * A page that can be read or executed will do, for writing, too. Memory only:
 * what is written may be read-only, or what a ROM device reads as; translated
 * code and dirty logs are told. Devices are not called. @tlb keeps, counts and
 * drops nothing, and its fault stays.
 *
 * Context: any thread that may call @walk; nobody has to have entered @tlb.
 * Return: how many bytes, from the first on, were transferred. The next one, if
 * any, has no translation or is no memory. Row M-52.
 */
XBAR_API uint64_t tlb_debug_rw(const SoftTLB *tlb, xbar_tlb_walk_fn *walk,
                               unsigned context, uint64_t va, void *buf,
                               uint64_t len, bool is_write);

/**
 * tlb_watch() - have accesses to some bytes told
 * @watches: not copied, and neither is what it leads to; NULL: none
 *
 * Tags of pages that hold watched bytes miss, so accesses to other pages cost
 * what they cost without. An atomic access (tlb_host() for writing) counts as
 * both, and so does any other that tlb_host() is asked for; a store that hits
 * inline in a page with bytes watched for reading alone does not. What was
 * cached in the contexts is filled again.
 *
 * Context: owner thread, or while nobody has entered @tlb; not in a callback.
 */
XBAR_API void tlb_watch(SoftTLB *tlb, const struct xbar_tlb_watches *watches);

/**
 * tlb_probe_page() - tlb_probe() for pages of 1 << @page_bits bytes
 * @page_bits: what @tlb was configured with; a constant
 */
static inline void *tlb_probe_page(const SoftTLB *tlb, unsigned context,
                                   uint64_t va, unsigned size,
                                   enum xbar_tlb_access access,
                                   unsigned page_bits)
{
    const TLBEntry *entry = &tlb->l1[context][tlb_page_index(va, page_bits)];
    uint64_t limit = ((uint64_t)1 << page_bits) - size;

    if (__builtin_expect((va ^ entry->tag[access]) > limit, 0)) {
        return NULL;
    }
    return (void *)(uintptr_t)(va + entry->addend);
}

/**
 * tlb_probe() - the host address if an inline hit, else NULL
 *
 * 6 fused x86-64 operations and one branch; @size is a constant.
 */
static inline void *tlb_probe(const SoftTLB *tlb, unsigned context, uint64_t va,
                              unsigned size, enum xbar_tlb_access access)
{
    return tlb_probe_page(tlb, context, va, size, access, TLB_PAGE_BITS);
}

/* tlb_count_host() where there are counts. */
XBAR_API void xbar_tlb_count(const SoftTLB *tlb, enum xbar_tlb_access access,
                             unsigned size_log2, const void *host);

static inline void tlb_count_host(const SoftTLB *tlb,
                                  enum xbar_tlb_access access,
                                  unsigned size_log2, const void *host)
{
    if (__builtin_expect(tlb->config.counts != NULL, 0)) {
        xbar_tlb_count(tlb, access, size_log2, host);
    }
}

/* ---- Guest memory ------------------------------------------------------ */

/*
 * Guest memory is shared between threads, so it is touched by relaxed accesses
 * of the size at hand: no tearing when aligned, no data race in C. Misaligned,
 * it is touched in aligned parts. The guest is little-endian here; the byte
 * order of the host is undone.
 */
XBAR_API uint64_t tlb_ram_load_misaligned(const void *host, unsigned size_log2);
XBAR_API void tlb_ram_store_misaligned(void *host, unsigned size_log2,
                                       uint64_t value);

/** tlb_ram_swap() - between host order and guest order, both ways */
static inline uint64_t tlb_ram_swap(uint64_t value, unsigned size_log2)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    (void)size_log2;
    return value;
#else
    return __builtin_bswap64(value) >> (64 - (8u << size_log2));
#endif
}

static inline bool tlb_ram_is_aligned(const void *host, unsigned size_log2)
{
    return !((uintptr_t)host & (((uintptr_t)1 << size_log2) - 1));
}

/** tlb_ram_load() - 1, 2, 4 or 8 bytes of guest memory, zero-extended */
static inline uint64_t tlb_ram_load(const void *host, unsigned size_log2)
{
    uint64_t raw;

    if (__builtin_expect(!tlb_ram_is_aligned(host, size_log2), 0)) {
        return tlb_ram_load_misaligned(host, size_log2);
    }
    switch (size_log2) {
    case 0:
        return __atomic_load_n((const uint8_t *)host, __ATOMIC_RELAXED);
    case 1:
        raw = __atomic_load_n((const uint16_t *)host, __ATOMIC_RELAXED);
        break;
    case 2:
        raw = __atomic_load_n((const uint32_t *)host, __ATOMIC_RELAXED);
        break;
    default:
        raw = __atomic_load_n((const uint64_t *)host, __ATOMIC_RELAXED);
        break;
    }
    return tlb_ram_swap(raw, size_log2);
}

/** tlb_ram_store() - the low 1, 2, 4 or 8 bytes of @value */
static inline void tlb_ram_store(void *host, unsigned size_log2, uint64_t value)
{
    uint64_t raw = tlb_ram_swap(value, size_log2);

    if (__builtin_expect(!tlb_ram_is_aligned(host, size_log2), 0)) {
        tlb_ram_store_misaligned(host, size_log2, value);
        return;
    }
    switch (size_log2) {
    case 0:
        __atomic_store_n((uint8_t *)host, (uint8_t)raw, __ATOMIC_RELAXED);
        break;
    case 1:
        __atomic_store_n((uint16_t *)host, (uint16_t)raw, __ATOMIC_RELAXED);
        break;
    case 2:
        __atomic_store_n((uint32_t *)host, (uint32_t)raw, __ATOMIC_RELAXED);
        break;
    default:
        __atomic_store_n((uint64_t *)host, raw, __ATOMIC_RELAXED);
        break;
    }
}

#ifdef __cplusplus
}
#endif

#endif
