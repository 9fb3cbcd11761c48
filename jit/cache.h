/* SPDX-License-Identifier: MIT */
/*
 * The translation cache: which guest code has host code, how blocks lead to
 * one another, and how they go away.
 *
 * A block is keyed by the physical page and the virtual pc of its first
 * instruction and by a mode, so a flush of the TLB never discards code. It
 * has direct exits (links): two, a region more. A link is a 4-byte aligned displacement
 * of a jump in the block's code:
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
 * in the host (`home`): what was written is known by that, at whatever guest
 * addresses it is seen.
 *
 * Threads: one hart uses a cache; everything here (making, linking, unlinking,
 * dropping, evicting) is done on its thread, outside emitted code, so no hart
 * ever executes what is being patched, and no other hart's code leads here.
 * Patches are single aligned stores all the same: a cache that harts share
 * would need no more of them.
 */
#ifndef XBAR_JIT_CACHE_H
#define XBAR_JIT_CACHE_H

#include "jit/code_memory.h"

/* No physical page: the second page of a block that has one only. */
#define JIT_NO_PAGE UINT64_MAX

struct jit_key {
    uint64_t pc;
    uint64_t page;  /* physical, of the first byte */
    uint64_t page2; /* physical, of the last byte, if another page */
    uint32_t mode;  /* the guest's: privilege, FPU on, ... */
};

/* Host pc to guest instruction: one entry for each call out of a block. */
struct jit_site {
    uint16_t return_offset; /* of the call's return address in the code */
    uint16_t insn;          /* how many instructions of the block precede it */
    uint16_t pc_offset;     /* bytes from the block's pc */
    uint16_t length;        /* of the instruction */
};

#define JIT_LINKS 64 /* of a block at most */

struct jit_link {
    struct jit_block *to;  /* NULL: unlinked */
    struct jit_link *next; /* in to->incoming */
    struct jit_link **pprev;
    uint64_t target_pc;
    uint32_t jump_at;   /* code offset of the displacement; 0: no such link */
    uint32_t addend_at; /* code offset of the addend; 0: same page */
    uint32_t stub;      /* code offset of the stub */
};

/* A block's place in the list of a physical page that its bytes lie in. */
struct jit_page_node {
    struct jit_block *block;
    struct jit_page_node *next;
    struct jit_page_node **pprev;
    uint64_t page; /* as jit_home_page(); JIT_NO_PAGE: unused */
};

/*
 * What is counted of a block. The code that it is counted by is in the block
 * itself, so a block that is not profiled pays nothing.
 */
struct jit_profile {
    uint64_t executions; /* of the prologue to its end */
    uint16_t insns_max;
    /* insns + 1 of them: where the code of each instruction begins, and where
     * that of the last ends, in bytes from the block's. */
    uint16_t *starts;
    /* insns of them: how often the block was left in the middle, with that
     * many instructions executed. */
    uint64_t left[];
};

struct jit_block {
    struct jit_key key;
    /* Host addresses of the first byte and of the second page's first. The
     * maker sets them; begin says what the key says, for memory that nobody
     * sees elsewhere. */
    uint64_t home[2];
    uint32_t code; /* offset of the entry */
    uint32_t code_size;
    uint32_t hot_size; /* of that; the rest are cold paths */
    uint16_t insns;
    uint16_t guest_size; /* bytes */
    uint16_t site_count;
    uint8_t link_count;
    bool is_region;         /* of several parts: jit/host_region.h */
    uint8_t heat;           /* how often a slice ended here: the maker's */
    uint8_t *bytes;         /* guest_size of them: what it was made from */
    struct jit_site *sites; /* ascending return_offset */
    struct jit_link *links; /* both, unless there are more */
    struct jit_link both[2];
    struct jit_link *incoming;
    struct jit_block *hash_next;
    struct jit_page_node pages[2];
    struct jit_profile *profile; /* NULL: nothing is counted */
    const void *shown; /* what instrumentation knows of it: the maker's */
    uint32_t id;       /* index, for stubs to name it */
};

struct jit_cache;

struct jit_cache_config {
    struct xbar_engine *engine;
    size_t limit; /* bytes of code */
    size_t fixed_size;
    size_t segment_size; /* 0: chosen */
    /* A block is about to go: forget pointers to it (jump caches). */
    void (*dropped)(void *opaque, const struct jit_block *block);
    void *opaque;
};

struct jit_cache_stats {
    uint64_t translated; /* blocks ever made */
    uint64_t live;
    uint64_t guest_insns; /* translated ever */
    uint64_t links;       /* exits chained ever */
    uint64_t invalidated; /* blocks dropped because their bytes changed */
    uint64_t evicted;     /* blocks dropped with their segment */
    struct code_memory_stats code;
};

/* Return: as code_memory__new(). */
int jit_cache__new(const struct jit_cache_config *config,
                   struct jit_cache **out) XBAR_MUST_CHECK;
void jit_cache__free(struct jit_cache *cache);

struct code_memory *jit_cache__memory(const struct jit_cache *cache);

/* The block of @key, or NULL. */
struct jit_block *jit_cache__find(const struct jit_cache *cache,
                                  const struct jit_key *key);

/*
 * Translate: begin, emit into @b (at most @size bytes), then finish or abort.
 * The block is the caller's to fill between them: insns, guest_size, sites
 * (through jit_cache__add_site), links by buffer offsets. finish copies the
 * guest's bytes.
 *
 * Return: NULL if memory is short, or a segment is too small for @size.
 * Beginning may evict other blocks. finish: false if memory is short; the
 * block is gone then.
 */
struct jit_block *jit_cache__begin(struct jit_cache *cache,
                                   const struct jit_key *key, size_t size,
                                   struct code_buf *b);
bool jit_cache__add_site(struct jit_cache *cache, const struct jit_site *site);
/* Between begin and finish: have a profile, for at most @insns_max
 * instructions. False if memory is short. */
bool jit_cache__add_profile(struct jit_cache *cache, struct jit_block *block,
                            unsigned insns_max) XBAR_MUST_CHECK;
/* The same: have @count links, JIT_LINKS at most. False if memory is short. */
bool jit_cache__add_links(struct jit_cache *cache, struct jit_block *block,
                          unsigned count) XBAR_MUST_CHECK;
bool jit_cache__finish(struct jit_cache *cache, struct jit_block *block,
                       const struct code_buf *b, const uint8_t *bytes)
    XBAR_MUST_CHECK;
void jit_cache__abort(struct jit_cache *cache, struct jit_block *block);

/* The block that a stub named; asserts that it is live. */
struct jit_block *jit_cache__by_id(const struct jit_cache *cache, uint32_t id);

/* Chain exit @link of @from to @to, which lies in one page. */
void jit_cache__link(struct jit_cache *cache, struct jit_block *from,
                     unsigned link, struct jit_block *to);

/* Drop one block: unlinked both ways, found no more, its code dead. */
void jit_cache__drop(struct jit_cache *cache, struct jit_block *block);

/* The addend (struct TLBEntry) of the page that @block begins in, as it was
 * when the block was made. */
static inline uint64_t jit_block_addend(const struct jit_block *block)
{
    return block->home[0] - block->key.pc;
}

/* The 4 KiB of host memory that the byte at @home lies in. */
static inline uint64_t jit_home_page(uint64_t home)
{
    return home == JIT_NO_PAGE ? home : home & ~(uint64_t)4095;
}

/* Does a block begin in @page, or its second page's part? */
bool jit_cache__has_page(const struct jit_cache *cache, uint64_t page);

/*
 * For each block that begins in @page, or whose second page's part does: drop
 * it if changed() says that its bytes are no longer what it was made from.
 * NULL: drop all.
 */
void jit_cache__check_page(struct jit_cache *cache, uint64_t page,
                           bool (*changed)(void *opaque,
                                           const struct jit_block *block),
                           void *opaque);

/* The same for every page that there is code of. */
void jit_cache__check_all(struct jit_cache *cache,
                          bool (*changed)(void *opaque,
                                          const struct jit_block *block),
                          void *opaque);

/* Counts blocks dropped ever: while it stands still, pointers stay good. */
uint64_t jit_cache__dropped(const struct jit_cache *cache);

/* @size, or what a segment holds if that is less: for jit_cache__begin(). */
size_t jit_cache__lease_size(const struct jit_cache *cache, size_t size);

/* The block whose code holds @rx, and the site of return address @rx. */
struct jit_block *jit_cache__recover(const struct jit_cache *cache,
                                     const void *rx,
                                     const struct jit_site **site);

/* Blocks in no order, for listings; false from @cb stops. */
void jit_cache__for_each(const struct jit_cache *cache,
                         bool (*cb)(void *opaque,
                                    const struct jit_block *block),
                         void *opaque);

void jit_cache__get_stats(const struct jit_cache *cache,
                          struct jit_cache_stats *stats);

#endif
