/* SPDX-License-Identifier: MIT */
/**
 * The translation cache: which guest code has host code, how blocks lead to
 * one another, and how they go away. For any guest: what a block computes, and
 * how it is entered, is the translator's own business.
 *
 *     block = xbar_jit_begin(cache, &key, size, &buffer);
 *     ... write code into the buffer, say of links and sites in *block ...
 *     err = xbar_jit_finish(cache, block, &buffer, bytes);
 *
 * A block is keyed by the physical page and the virtual pc of its first
 * instruction and by a mode, so a flush of the TLB never discards code. It
 * has direct exits (links): two, or more on demand. A link is a 4-byte aligned
 * displacement of a jump in the block's code:
 *
 *     unlinked   leads to the link's own stub, which leaves emitted code and
 *                tells the dispatcher which link it was
 *     linked     leads to the entry of the target block
 *
 * A link to another guest page also has an 8-byte aligned immediate, the
 * target's addend. The emitted code compares it with the addend of the exec TLB
 * entry of the target's page before the jump. Equal tag and addend say that the
 * page shows the same host memory as when the target was made, so neither
 * changes of mappings nor commits need to unlink anything. Links within a page
 * need no check: a block is only entered where its own page was checked.
 *
 *   block A --link--> block B          B.incoming lists A's link
 *   page P  ->  blocks whose bytes lie in P (both pages of a crossing one)
 *   segment ->  blocks in the order of their code: eviction, host pc lookup
 *
 * P is not the page of the key, which is the guest's, but where the bytes are
 * (`home`): what was written is known by that, at whatever guest addresses it
 * is seen. With a soft-TLB, homes are host addresses, and xbar_jit_has_page()
 * and xbar_jit_check_page() are what its holds_code() and code_written() call.
 *
 * Code that changes often changes back: a breakpoint comes and goes, a call is
 * patched in and out. So a check of a page can keep some of the blocks that it
 * drops (`keep`), and xbar_jit_recall() finds one again as it was, but without
 * links, if the bytes it was made from are back. Checks of everything, and
 * invalidations, let go of all of these: what they are for the cache cannot know.
 *
 * Code lies in a reservation that is mapped twice, writable and executable,
 * and is cut into segments, filled in turn. Those whose blocks were all dropped
 * are filled again before others are used at all, and when all are, the next in
 * turn is emptied, so code is never flushed as a whole.
 *
 * Threads: one vCPU uses a cache; everything here (making, linking, unlinking,
 * dropping, evicting) is done on its thread, outside emitted code, so no vCPU
 * ever executes what is being patched, and no other vCPU's code leads here.
 * Patches are single aligned stores all the same: a cache that harts share
 * would need no more of them.
 */
#ifndef XBAR_JIT_CACHE_H
#define XBAR_JIT_CACHE_H

#include "../engine/types.h"
#include "emit.h"

#ifdef __cplusplus
extern "C" {
#endif

struct xbar_engine;

/** No page: the second one of a block that has one only. */
#define XBAR_JIT_NO_PAGE UINT64_MAX

/** What a block is found by; all of it is compared. */
struct xbar_jit_key {
    uint64_t pc;
    uint64_t page;  /* physical, of the first byte */
    uint64_t page2; /* physical, of the last byte, if another page */
    uint32_t mode;  /* the guest's: privilege, FPU on, ... */
};

/** Host pc to guest instruction: one for each call out of a block. */
struct xbar_jit_site {
    uint16_t return_offset; /* of the call's return address in the code */
    uint16_t insn;          /* how many instructions of the block precede it */
    uint16_t pc_offset;     /* bytes from the block's pc */
    uint16_t length;        /* of the instruction */
};

#define XBAR_JIT_LINKS 64 /* of a block at most */

/** A direct exit. Offsets: from the buffer's start until xbar_jit_finish(), of
 * the cache's code afterwards. */
struct xbar_jit_link {
    struct xbar_jit_block *to;  /* NULL: unlinked; the cache's */
    struct xbar_jit_link *next; /* in to->incoming; the cache's */
    struct xbar_jit_link **pprev;
    uint64_t target_pc; /* the maker's: where it leads */
    uint32_t jump_at;   /* the jump's displacement; 0: no such link */
    uint32_t addend_at; /* the immediate addend; 0: same page */
    uint32_t stub;      /* where the jump leads while unlinked: the maker has
                           it lead there, too */
};

/** A block's place in the list of a page that its bytes lie in. */
struct xbar_jit_page_node {
    struct xbar_jit_block *block;
    struct xbar_jit_page_node *next;
    struct xbar_jit_page_node **pprev;
    uint64_t page; /* as xbar_jit_home_page(); XBAR_JIT_NO_PAGE: unused */
};

/**
 * What is counted of a block. The code that it is counted by is in the block
 * itself, so a block that is not profiled pays nothing.
 */
struct xbar_jit_profile {
    uint64_t executions; /* of the prologue to its end */
    uint16_t insns_max;
    /* insns + 1 of them: where the code of each instruction begins, and where
     * that of the last ends, in bytes from the block's. */
    uint16_t *starts;
    /* insns_max of them: how often the block was left in the middle, with that
     * many instructions executed. */
    uint64_t *left;
    /* The maker's, zero at first: for what else its code counts. */
    size_t own_size;
    void *own;
};

/** One block. The cache reads what its maker wrote until xbar_jit_finish();
 * from then on all but `heat` and `shown` is read-only. */
struct xbar_jit_block {
    struct xbar_jit_key key;
    /*
     * Where the first byte is, and the second page's first; or
     * XBAR_JIT_NO_PAGE. The maker sets them; xbar_jit_begin() says what the key
     * says, for memory that nobody sees elsewhere.
     */
    uint64_t home[2];
    uint32_t code; /* offset of the entry; see xbar_jit_code() */
    uint32_t code_size;
    uint32_t hot_size; /* of that; the rest are cold paths; the maker's */
    uint16_t insns;
    uint16_t guest_size; /* bytes */
    uint16_t site_count;
    uint8_t link_count;
    bool is_region;              /* made of several blocks' code: the maker's */
    uint8_t heat;                /* the maker's */
    uint16_t reserve;            /* the maker's: of a region, by how much at
                                    most the budget is less while it is at
                                    work, but for what it executes next */
    uint8_t *bytes;              /* guest_size of them: what it was made from */
    struct xbar_jit_site *sites; /* ascending return_offset */
    struct xbar_jit_link *links; /* both, unless there are more */
    struct xbar_jit_link both[2];
    struct xbar_jit_link *incoming;
    struct xbar_jit_block *hash_next;
    struct xbar_jit_page_node pages[2];
    struct xbar_jit_profile *profile; /* NULL: nothing is counted */
    const void *shown;                /* the maker's */
    uint32_t id;                      /* index, for stubs to name it */
    uint32_t kept;                    /* its place among those that are kept,
                                         counted from 1; the cache's */
};

struct xbar_jit_cache;

struct xbar_jit_config {
    struct xbar_engine *engine; /* allocates; NULL: the current one */
    size_t limit;               /* bytes of code, at most 1 GiB */
    size_t fixed_size;          /* of xbar_jit_fixed(), beside the limit */
    size_t segment_size;        /* 0: chosen */
    /* A block is about to go: forget pointers to it, as jump caches have. May
     * be NULL. Must not make, link or drop blocks. */
    void (*dropped)(void *opaque, const struct xbar_jit_block *block);
    void *opaque;
    unsigned keep; /* blocks that changed, at most 65536; see recall */
};

struct xbar_jit_stats {
    uint64_t translated; /* blocks ever made */
    uint64_t live;
    uint64_t guest_insns; /* translated ever */
    uint64_t links;       /* exits chained ever */
    uint64_t invalidated; /* blocks dropped because their bytes changed */
    uint64_t evicted;     /* blocks dropped with their segment */
    uint64_t recalled;    /* of the invalidated, those that were found again */
    uint64_t replaced;    /* blocks dropped by their maker: xbar_jit_drop() */
    struct {
        uint64_t bytes_committed; /* ever */
        uint64_t bytes_live;      /* in segments now, the fixed part left out */
        uint64_t evictions;       /* segments emptied */
    } code;
};

/* ---- Life -------------------------------------------------------------- */

/**
 * xbar_jit_new() - a cache without blocks
 *
 * Return: 0; -EPERM or -EACCES where the host refuses executable memory,
 * -ENOMEM, -ENOTSUP where nothing can be patched (there is no emitter), -EINVAL
 * for a limit above 1 GiB, segments of more than the limit or less than 16
 * bytes, or too many blocks to keep.
 */
XBAR_API int xbar_jit_new(const struct xbar_jit_config *config,
                          struct xbar_jit_cache **out) XBAR_MUST_CHECK;

/** xbar_jit_free() - with all blocks, of which nobody is told; NULL is fine */
XBAR_API void xbar_jit_free(struct xbar_jit_cache *cache);

XBAR_API void xbar_jit_get_stats(const struct xbar_jit_cache *cache,
                                 struct xbar_jit_stats *stats);

/* ---- Code -------------------------------------------------------------- */

/** xbar_jit_code() - the executable address of @offset, which is a block's code
 * or inside of it */
XBAR_API const void *xbar_jit_code(const struct xbar_jit_cache *cache,
                                   uint32_t offset);

/**
 * xbar_jit_fixed() - fixed_size bytes that are never evicted
 *
 * For the code that enters blocks, and stubs that they share: rel32 jumps reach
 * it. Written through @buffer whenever nobody executes it.
 *
 * Return: where it is executed.
 */
XBAR_API const void *xbar_jit_fixed(struct xbar_jit_cache *cache,
                                    struct xbar_emit_buffer *buffer);

/** xbar_jit_to_code() - where what is written at @rw is executed: in the fixed
 * part, or in a block that is being made */
XBAR_API const void *xbar_jit_to_code(const struct xbar_jit_cache *cache,
                                      const uint8_t *rw);

/* ---- Finding ----------------------------------------------------------- */

/** xbar_jit_find() - the block of @key, or NULL */
XBAR_API struct xbar_jit_block *
xbar_jit_find(const struct xbar_jit_cache *cache,
              const struct xbar_jit_key *key);

/** xbar_jit_by_id() - the block that a stub named, or NULL if it is gone */
XBAR_API struct xbar_jit_block *
xbar_jit_by_id(const struct xbar_jit_cache *cache, uint32_t id);

/**
 * xbar_jit_recover() - the block that called, and the site
 * @rx: a return address
 *
 * Return: NULL if it is no site's.
 */
XBAR_API struct xbar_jit_block *
xbar_jit_recover(const struct xbar_jit_cache *cache, const void *rx,
                 const struct xbar_jit_site **site);

/** xbar_jit_at() - the block whose code holds the host address @rx, or NULL;
 * for profilers: in blocks that called out, recovery says more */
XBAR_API struct xbar_jit_block *xbar_jit_at(const struct xbar_jit_cache *cache,
                                            const void *rx);

/** xbar_jit_for_each() - blocks in no order, for listings; false from @cb stops
 */
XBAR_API void xbar_jit_for_each(const struct xbar_jit_cache *cache,
                                bool (*cb)(void *opaque,
                                           const struct xbar_jit_block *block),
                                void *opaque);

/* ---- Making a block ---------------------------------------------------- */

/**
 * xbar_jit_begin() - a block without code
 * @size: bytes of code for which there shall be room
 * @buffer: where to write them, at least as many; aligned to 16 bytes
 *
 * May evict other blocks. Until finish or abort, which end it, no other block
 * is begun, and it is not found, listed or checked. Meanwhile the maker writes
 * its code, insns, guest_size, homes and hot_size, adds sites and, if there are
 * to be more than two, links.
 *
 * Return: NULL if memory is short, a segment is too small for @size, or another
 * block is being made.
 */
XBAR_API struct xbar_jit_block *
xbar_jit_begin(struct xbar_jit_cache *cache, const struct xbar_jit_key *key,
               size_t size, struct xbar_emit_buffer *buffer) XBAR_MUST_CHECK;

/** xbar_jit_lease_size() - @size, or what a segment holds if that is less */
XBAR_API size_t xbar_jit_lease_size(const struct xbar_jit_cache *cache,
                                    size_t size);

/** xbar_jit_add_site() - in ascending order; false if there are too many */
XBAR_API bool xbar_jit_add_site(struct xbar_jit_cache *cache,
                                const struct xbar_jit_site *site)
    XBAR_MUST_CHECK;

/** xbar_jit_add_profile() - for at most @insns_max instructions, with @own_size
 * bytes of the maker's; false if memory is short */
XBAR_API bool xbar_jit_add_profile(struct xbar_jit_cache *cache,
                                   struct xbar_jit_block *block,
                                   unsigned insns_max, size_t own_size)
    XBAR_MUST_CHECK;

/** xbar_jit_add_links() - have @count links in place of two, once for a block;
 * false if memory is short, or beyond XBAR_JIT_LINKS */
XBAR_API bool xbar_jit_add_links(struct xbar_jit_cache *cache,
                                 struct xbar_jit_block *block, unsigned count)
    XBAR_MUST_CHECK;

/**
 * xbar_jit_finish() - the block is made: found from now on
 * @buffer: as begin gave it; used says how much code there is
 * @bytes: guest_size of them, copied
 *
 * Return: 0; -ENOMEM; -EINVAL for a block that is not being made (which is left
 * alone), a block of nothing, or a link whose displacement, addend or stub is
 * misaligned or outside of what was written. The block is gone then.
 */
XBAR_API int xbar_jit_finish(struct xbar_jit_cache *cache,
                             struct xbar_jit_block *block,
                             const struct xbar_emit_buffer *buffer,
                             const uint8_t *bytes) XBAR_MUST_CHECK;

/** xbar_jit_abort() - the block is gone; nothing if it is not being made */
XBAR_API void xbar_jit_abort(struct xbar_jit_cache *cache,
                             struct xbar_jit_block *block);

/* ---- Chaining ---------------------------------------------------------- */

/**
 * xbar_jit_chain() - have exit @link of @from lead to @to
 *
 * That this is lawful is the caller's to know: the mode is the same, and within
 * a page so is the addend.
 *
 * Return: 0; -EINVAL if there is no such link; -EALREADY if it leads somewhere.
 */
XBAR_API int xbar_jit_chain(struct xbar_jit_cache *cache,
                            struct xbar_jit_block *from, unsigned link,
                            struct xbar_jit_block *to);

/** xbar_jit_unchain() - have it lead to its stub again, if it did not */
XBAR_API void xbar_jit_unchain(struct xbar_jit_cache *cache,
                               struct xbar_jit_block *from, unsigned link);

/** xbar_jit_addend() - TLBEntry.addend of the page that @block begins in, as it
 * was when the block was made, homes being host addresses */
static inline uint64_t xbar_jit_addend(const struct xbar_jit_block *block)
{
    return block->home[0] - block->key.pc;
}

/* ---- Dropping ---------------------------------------------------------- */

/** xbar_jit_drop() - unlinked both ways, found no more, its code dead */
XBAR_API void xbar_jit_drop(struct xbar_jit_cache *cache,
                            struct xbar_jit_block *block);

/** xbar_jit_home_page() - the 4 KiB that the byte at @home lies in */
static inline uint64_t xbar_jit_home_page(uint64_t home)
{
    return home == XBAR_JIT_NO_PAGE ? home : home & ~(uint64_t)4095;
}

/** xbar_jit_has_page() - does a block begin in @page, or its second page? */
XBAR_API bool xbar_jit_has_page(const struct xbar_jit_cache *cache,
                                uint64_t page);

/** What a check asks of each block: is it no longer what it was made from? */
typedef bool xbar_jit_changed_fn(void *opaque,
                                 const struct xbar_jit_block *block);

/**
 * xbar_jit_check_page() - drop what changed, and keep the latest for recall
 * @page: as xbar_jit_home_page() says; blocks that begin in it, or whose second
 *        page's part does, are asked about
 * @changed: NULL: all of them did, and none is kept
 */
XBAR_API void xbar_jit_check_page(struct xbar_jit_cache *cache, uint64_t page,
                                  xbar_jit_changed_fn *changed, void *opaque);

/** xbar_jit_check_all() - drop what changed, whatever page it is of; none is
 * kept, and what was kept goes, too */
XBAR_API void xbar_jit_check_all(struct xbar_jit_cache *cache,
                                 xbar_jit_changed_fn *changed, void *opaque);

/**
 * xbar_jit_invalidate() - drop the blocks with a byte from @first to @last,
 * which are addresses as homes are
 *
 * Return: how many.
 */
XBAR_API uint64_t xbar_jit_invalidate(struct xbar_jit_cache *cache,
                                      uint64_t first, uint64_t last);

/** What recall goes by, beside the key: so many bytes that a block begins with.
 * Shorter ones are not kept, nor are those with a profile or `shown`. */
#define XBAR_JIT_RECALL_BYTES 4

/**
 * xbar_jit_recall() - a block that changed, if it has changed back
 * @bytes: what is there now, XBAR_JIT_RECALL_BYTES of it
 * @changed: asked about blocks of @key that were made from code that begins like
 *           that, the latest first, as in a check. It may not make, link or drop
 *           blocks.
 *
 * Return: found by its key from now on, as if it were made again; NULL if all
 * changed, there is one of that key already, or one is being made.
 */
XBAR_API struct xbar_jit_block *xbar_jit_recall(struct xbar_jit_cache *cache,
                                                const struct xbar_jit_key *key,
                                                const uint8_t *bytes,
                                                xbar_jit_changed_fn *changed,
                                                void *opaque);

/** xbar_jit_dropped() - counts blocks dropped ever: while it stands still,
 * pointers stay good */
XBAR_API uint64_t xbar_jit_dropped(const struct xbar_jit_cache *cache);

/* ---- Jump caches ------------------------------------------------------- */

#define XBAR_JIT_JUMP_BITS 13

/** Where the block of @pc begins. */
struct xbar_jit_jump {
    uint64_t pc;
    const uint8_t *code;
    uint64_t addend; /* xbar_jit_addend() of the block */
    uint64_t mode;   /* of the block */
};

/**
 * A vCPU's cache of indirect jumps: embedded in its structure, so that emitted
 * code finds it. A slot is for this target if all of these agree: pc; mode; the
 * addend of the exec TLB entry of the page of pc, whose tag hits.
 */
struct xbar_jit_jumps {
    struct xbar_jit_jump slot[1 << XBAR_JIT_JUMP_BITS];
};

static inline unsigned xbar_jit_jump_index(uint64_t pc)
{
    return (unsigned)((pc ^ pc >> XBAR_JIT_JUMP_BITS) >> 1) &
           ((1u << XBAR_JIT_JUMP_BITS) - 1);
}

/** xbar_jit_jumps_clear() - empty; also how a cache begins */
XBAR_API void xbar_jit_jumps_clear(struct xbar_jit_jumps *jumps);

/** xbar_jit_jumps_put() - remember @block, in place of what was in its slot */
XBAR_API void xbar_jit_jumps_put(struct xbar_jit_jumps *jumps,
                                 const struct xbar_jit_cache *cache,
                                 const struct xbar_jit_block *block);

/** xbar_jit_jumps_forget() - for xbar_jit_config.dropped() */
XBAR_API void xbar_jit_jumps_forget(struct xbar_jit_jumps *jumps,
                                    const struct xbar_jit_block *block);

/** xbar_jit_jumps_find() - executable code, or NULL */
static inline const uint8_t *
xbar_jit_jumps_find(const struct xbar_jit_jumps *jumps, uint64_t pc,
                    uint64_t mode, uint64_t addend)
{
    const struct xbar_jit_jump *jump = &jumps->slot[xbar_jit_jump_index(pc)];

    return jump->pc == pc && jump->mode == mode && jump->addend == addend
               ? jump->code
               : NULL;
}

#ifdef __cplusplus
}
#else
_Static_assert(sizeof(struct xbar_jit_jump) == 32, "the index is scaled by 32");
_Static_assert(offsetof(struct xbar_jit_jump, code) == 8, "emitted code jumps");
_Static_assert(offsetof(struct xbar_jit_jump, addend) == 16, "and compares");
_Static_assert(offsetof(struct xbar_jit_jump, mode) == 24, "and compares");
#endif

#endif
