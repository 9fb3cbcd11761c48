/* SPDX-License-Identifier: MIT */
/*
 * Keeping translated code true to memory that several harts write.
 *
 * RISC-V lets stale code run until fence.i, which must see what the hart
 * itself stored, and what others stored before they synchronised with it. A
 * page that some hart has code of has no write tag in any hart's TLB: the
 * first store to it leaves the inline path, and puts the page on the list of
 * each hart with code of it. Then the tag comes back, so that data beside
 * code costs one slow store for each fence.i; and none while the page is held,
 * which is what is written between any two fence.i.
 *
 *   hart A                               hart B (any engine)
 *   ------                               ------
 *   makes code of page P:
 *     watch P; post to B  ------------>  safe point: drops its write tag
 *     P is unsettled until B did,        from then on:
 *       or is away (wfi)                 store to P: slow, told
 *                                          P goes to A's list
 *   fence.i:         <---- fence, IPI -- store to P: inline again
 *     take the list, and what is
 *       unsettled
 *     watch P again; post to B
 *     compare P's blocks with memory
 *
 * Who keeps what, who is told, and why nothing is missed stands in
 * engine/code_pages.h and docs/concurrency.md.
 *
 * Writes by no hart's TLB (the loader, a device's DMA) are counted by the
 * engine, and so are commits, which may put other memory at an address: if a
 * count moved, fence.i looks at all blocks. The page walker tells like a
 * store.
 *
 * Blocks that a comparison drops are kept for a while: where code is patched
 * back and forth, what was made of it before is found again
 * (riscv__recall_block()).
 *
 * Threads: all of it runs on the hart's thread but the two callbacks.
 */
#include "engine/dirty_log.h"
#include "engine/engine.h"
#include "engine/ram_writes.h"
#include "jit/riscv/jit.h"
#include "jit/riscv/source.h"

static struct xbar_engine *engine_of(const struct xbar_riscv_hart *hart)
{
    return xbar_address_space_engine(hart->config.as);
}

/* ---- As one of several ------------------------------------------------- */

static void take_back(struct xbar_code_party *party, uint64_t frame)
{
    struct xbar_riscv_hart *hart =
        xbar_container_of(party, struct xbar_riscv_hart, code_party);

    tlb_post_protect(&hart->tlb, frame);
}

static bool has_taken_back(const struct xbar_code_party *party)
{
    const struct xbar_riscv_hart *hart =
        xbar_container_of(party, const struct xbar_riscv_hart, code_party);

    return tlb_is_protected(&hart->tlb);
}

void riscv__code_join(struct xbar_riscv_hart *hart)
{
    hart->code_party.protect = take_back;
    hart->code_party.is_settled = has_taken_back;
    xbar_code_join(engine_of(hart), &hart->code_party);
}

void riscv__code_leave(struct xbar_riscv_hart *hart)
{
    xbar_code_leave(engine_of(hart), &hart->code_party);
}

void riscv__code_keep(struct xbar_riscv_hart *hart, bool on)
{
    xbar_ram_writes_watch(engine_of(hart), on);
    xbar_code_keep(engine_of(hart), &hart->code_party, on);
}

/* ---- Stores ------------------------------------------------------------ */

bool riscv__code_is_watched(void *opaque, hwaddr page, uint64_t host)
{
    (void)page;
    return xbar_code_is_watched(engine_of(opaque), host);
}

void riscv__code_written(void *opaque, hwaddr page, uint64_t host)
{
    (void)page;
    xbar_code_wrote(engine_of(opaque), host);
}

/* An aligned word lies in one frame. */
void riscv__code_wrote_word(struct xbar_riscv_hart *hart, const void *host)
{
    xbar_code_wrote(engine_of(hart), xbar_code_frame((uintptr_t)host));
    xbar_dirty_wrote(engine_of(hart), (uintptr_t)host, sizeof(uint64_t));
}

/* ---- Watching ---------------------------------------------------------- */

/* The page at @host: its own stores are told at once, others' soon. */
static void watch(struct xbar_riscv_hart *hart, uint64_t host)
{
    if (xbar_code_watch(engine_of(hart), &hart->code_party, host)) {
        tlb_protect_code(&hart->tlb, host);
    }
}

void riscv__code_watch(struct xbar_riscv_hart *hart, uint64_t pc,
                       const uint64_t home[2])
{
    watch(hart, home[0] - (pc & ~TLB_PAGE_MASK));
    if (home[1] != XBAR_JIT_NO_PAGE) {
        watch(hart, home[1]);
    }
}

static bool watch_block(void *opaque, const struct xbar_jit_block *block)
{
    riscv__code_watch(opaque, block->key.pc, block->home);
    return true;
}

/* ---- fence.i ----------------------------------------------------------- */

/* Did something happen that is not told by pages? */
static bool must_check_all(struct xbar_riscv_hart *hart)
{
    struct xbar_engine *engine = engine_of(hart);
    struct riscv_jit *jit = hart->jit;
    uint64_t writes = xbar_ram_writes_count(engine);
    struct xbar_engine_stats stats;
    bool moved;

    xbar_engine_get_stats(engine, &stats);
    moved = writes != jit->ram_writes_seen || stats.commits != jit->commits;
    jit->ram_writes_seen = writes;
    jit->commits = stats.commits;
    return moved;
}

/* Bytes in @frame belong to blocks that begin in it or in the one below. */
static void check_frame(struct xbar_riscv_hart *hart, uint64_t frame,
                        bool is_held, struct riscv_comparison *comparison)
{
    struct xbar_jit_cache *cache = hart->jit->cache;
    uint64_t below = frame - XBAR_CODE_FRAME_SIZE;
    bool has_frame = xbar_jit_has_page(cache, frame);
    bool has_below = xbar_jit_has_page(cache, below);

    if (!is_held && (has_frame || has_below)) {
        watch(hart, frame);
    }
    comparison->frame = frame;
    if (has_frame) {
        xbar_jit_check_page(cache, frame, riscv__block_changed, comparison);
    }
    if (has_below) {
        xbar_jit_check_page(cache, below, riscv__block_changed, comparison);
    }
}

/* What was told, or with @all everything. Frames are watched before they are
 * compared, or held: what the comparison misses is told, or compared again. */
static void compare(struct xbar_riscv_hart *hart, bool all)
{
    struct riscv_comparison comparison = { .hart = hart, .page = 1 };
    struct xbar_code_frames frames;

    (void)xbar_code_collect(engine_of(hart), &hart->code_party, &frames);
    if (frames.all) {
        xbar_jit_for_each(hart->jit->cache, watch_block, hart);
        all = true;
    }
    for (unsigned i = 0; i < frames.count; i++) {
        check_frame(hart, frames.frame[i], frames.held >> i & 1, &comparison);
    }
    if (all) {
        comparison.frame = 0;
        xbar_jit_check_all(hart->jit->cache, riscv__block_changed, &comparison);
    }
}

/* From here on, what is executed is what memory holds. */
void riscv__code_synchronize(struct xbar_riscv_hart *hart)
{
    /* What told this hart to come here was read before what it will find. */
    atomic_thread_fence(memory_order_acquire);
    compare(hart, must_check_all(hart));
}

void riscv__code_follow(struct xbar_riscv_hart *hart)
{
    compare(hart, false);
}

void riscv__jit_flush(struct xbar_riscv_hart *hart)
{
    if (hart->jit != NULL) {
        xbar_jit_check_all(hart->jit->cache, NULL, NULL);
        jit_host__forget_returns(&hart->jit_state);
    }
}

/* ---- What has changed back --------------------------------------------- */

/* Watch first, then compare: what is stored in between is told. */
static bool has_changed(void *opaque, const struct xbar_jit_block *block)
{
    struct xbar_riscv_hart *hart = opaque;
    struct riscv_comparison comparison = { .hart = hart, .page = 1 };

    riscv__code_watch(hart, block->key.pc, block->home);
    return riscv__block_changed(&comparison, block);
}

struct xbar_jit_block *riscv__recall_block(struct xbar_riscv_hart *hart,
                                           struct riscv_source *source)
{
    riscv__copy_source(source, XBAR_JIT_RECALL_BYTES);
    return source->size < XBAR_JIT_RECALL_BYTES
               ? NULL
               : xbar_jit_recall(hart->jit->cache, &source->key, source->bytes,
                                 has_changed, hart);
}
