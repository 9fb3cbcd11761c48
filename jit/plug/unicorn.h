/* SPDX-License-Identifier: MIT */
/**
 * An AddressSpace as the memory of a Unicorn engine.
 *
 * In a library of its own, libxbar-unicorn (pkg-config: xbar-unicorn), which
 * links Unicorn: what links it is under Unicorn's licence, the GPL.
 *
 *     uc_open(UC_ARCH_RISCV, UC_MODE_RISCV64, &uc);
 *     plug = xbar_unicorn_new(&(struct xbar_unicorn_config){
 *         .as = &as, .uc = uc }, &err);
 *     ... uc_reg_write() ...
 *     xbar_unicorn_run(plug, begin, until, &err);     not uc_emu_start()
 *     xbar_unicorn_free(plug);
 *     uc_close(uc);                                    in this order
 *
 * Nothing is mapped at first: what the guest touches is, when it does. So
 * address spaces may have more regions than Unicorn can map, and attaching
 * costs no more than to look at each.
 *
 *     memory, ROM      by its host pointer: Unicorn's own speed
 *     devices          MMIO callbacks, to memory_region_dispatch_*()
 *     a page that      MMIO callbacks, to address_space_*(); it cannot be
 *     several share    executed
 *
 * Commits, and code that others write (DMA, loaders, other vCPUs), take effect
 * for the guest at its next MMIO access, fault or run. With every_block, at its
 * next block. A commit from a device's callback takes effect with that access;
 * what of the block that is under way is translated already still runs.
 *
 * What Unicorn 2.0.1 cannot do, and so this does not:
 *
 *  - devices see 64-bit accesses as two of 4 bytes;
 *  - its hooks have virtual addresses, so a guest must not turn on paging;
 *  - uc_emu_stop() outside of a block hook repeats instructions when the
 *    guest goes on: stop by `until`, or in a UC_HOOK_BLOCK callback.
 */
#ifndef XBAR_JIT_PLUG_UNICORN_H
#define XBAR_JIT_PLUG_UNICORN_H

#include "../../engine/error.h"
#include "../../flatview/address_space.h"

#ifdef __cplusplus
extern "C" {
#endif

struct uc_struct; /* Unicorn's uc_engine */
struct xbar_unicorn;

/** Mappings that Unicorn has at one time, if the configuration says none. */
#define XBAR_UNICORN_MAPPINGS 256

struct xbar_unicorn_config {
    AddressSpace *as; /* must outlive the adapter */
    /* Opened, and closed after the adapter has gone. What the caller maps in it
     * must not lie where @as decodes. The guest's byte order is the engine's. */
    struct uc_struct *uc;

    /* Mappings at one time, 4 at least; 0: XBAR_UNICORN_MAPPINGS. Each costs
     * those that come after it. When there is none left, one is unmapped.
     * Unicorn has no more than 1023 with Arm's guests, 4095 with most others,
     * the caller's own among them, and ends the process where they are more. */
    unsigned max_mappings;

    /* Follow changes at each block, also where the guest only computes: 1.3 ns
     * a block. */
    bool every_block;

    /* Have dirty logs, and other vCPUs' code, know of what the guest stores: 4 ns
     * a store, 22 if it is to another page than the last one, which also makes
     * what was translated of that page be translated again. */
    bool track_dirty;

    /*
     * An access that the address space did not take: a device's error, an
     * address of a shared page where nothing decodes, a store to ROM. NULL:
     * nobody is told. The guest goes on, a read gives 0; but a store to ROM
     * ends the run with UC_ERR_WRITE_PROT. Where nothing decodes at all, the
     * run ends as it does without an adapter.
     */
    void (*bus_error)(void *opaque, hwaddr addr, unsigned size, bool is_write,
                      MemTxResult result);
    void *opaque;
};

/**
 * xbar_unicorn_new() - have @config->as be the memory of @config->uc
 *
 * Context: no thread runs the guest.
 * Return: the adapter, or NULL with @errp set: the configuration contradicts
 * itself, memory is short, or Unicorn refuses a hook.
 */
XBAR_API struct xbar_unicorn *
xbar_unicorn_new(const struct xbar_unicorn_config *config, Error **errp)
    XBAR_MUST_CHECK;

/**
 * xbar_unicorn_free() - take all mappings and hooks back
 *
 * Before the address space is destroyed (which is -EBUSY else) and before
 * uc_close(), which leaves nothing to take them from. NULL is fine.
 * Return: 0; -EBUSY while the guest runs, in its callbacks, too.
 */
XBAR_API int xbar_unicorn_free(struct xbar_unicorn *plug);

/**
 * xbar_unicorn_run() - uc_emu_start(), with changes followed
 * @begin, @until: as for uc_emu_start()
 *
 * Also starts again where that stops to have code mapped. There is no timeout
 * and no count: Unicorn's would not be exact.
 *
 * Context: one thread at a time; outside any read section and transaction.
 * Return: 0; what Unicorn returned (a uc_err); -EBUSY if the guest is running;
 * -EDEADLK inside a read section; -EEXIST if Unicorn refused to map what the
 * guest touched, as it does where the caller mapped something; -ENOMEM. With
 * all but 0, @errp is set.
 */
XBAR_API int xbar_unicorn_run(struct xbar_unicorn *plug, uint64_t begin,
                              uint64_t until, Error **errp);

/**
 * xbar_unicorn_sync() - have Unicorn's map follow now, outside of a run
 *
 * Before uc_mem_read() and the like, which see what is mapped: better use
 * address_space_read(), which sees all. Return: 0; -EBUSY during a run.
 */
XBAR_API int xbar_unicorn_sync(struct xbar_unicorn *plug);

/** Since the adapter was made. */
struct xbar_unicorn_stats {
    uint64_t mapped;  /* made, ever */
    uint64_t evicted; /* taken back to make room */
    uint64_t stale;   /* taken back as a commit changed what was there */
    uint64_t refused; /* Unicorn would not */
    uint64_t code;    /* ranges of which the code was dropped */
    unsigned live;    /* mappings now */
};

XBAR_API void xbar_unicorn_get_stats(const struct xbar_unicorn *plug,
                                     struct xbar_unicorn_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
