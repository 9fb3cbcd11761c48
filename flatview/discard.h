/* SPDX-License-Identifier: MIT */
/**
 * Discard managers: which parts of a RAM region have memory behind them now.
 *
 * A device that plugs memory in blocks, or takes it back (a balloon), keeps the
 * map; whoever pins memory (a DMA mapper) listens, and pins only what is
 * populated:
 *
 *     device --populate, discard--> RamDiscardManager --notify--> listeners
 *                                   a bit for each granule
 *
 * The map says what may be pinned. It moves no memory and stops no access: the
 * device releases the memory itself, after ram_discard_manager_discard().
 *
 * Ranges are bytes of the region and multiples of the granularity; the part of
 * a listener's section that lies in one is told, so at the section's edges it
 * may be less.
 *
 * Context of everything here: any thread, one at a time for one manager (a lock
 * of its own is held, so callbacks must not call it back). Row M-88.
 */
#ifndef XBAR_FLATVIEW_DISCARD_H
#define XBAR_FLATVIEW_DISCARD_H

#include "flatview.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct RamDiscardManager RamDiscardManager;
typedef struct RamDiscardListener RamDiscardListener;

/** @section may be used now. Nonzero (-errno) is a veto: see populate. */
typedef int (*NotifyRamPopulate)(RamDiscardListener *rdl,
                                 MemoryRegionSection *section);
/** @section must not be used any more. */
typedef void (*NotifyRamDiscard)(RamDiscardListener *rdl,
                                 MemoryRegionSection *section);

/** In the caller's storage; made by ram_discard_listener_init(). */
struct RamDiscardListener {
    NotifyRamPopulate notify_populate;
    NotifyRamDiscard notify_discard;
    /** Unregistering may discard all of the section at once, also what is not
     * populated; else only what is. */
    bool double_discard_supported;
    MemoryRegionSection *section; /* while registered; the caller's */
    RamDiscardListener *next;     /* private */
};

/** ram_discard_listener_init() - fill @rdl; not registered yet */
static inline void ram_discard_listener_init(RamDiscardListener *rdl,
                                             NotifyRamPopulate populate_fn,
                                             NotifyRamDiscard discard_fn,
                                             bool double_discard_supported)
{
    rdl->notify_populate = populate_fn;
    rdl->notify_discard = discard_fn;
    rdl->double_discard_supported = double_discard_supported;
    rdl->section = NULL;
    rdl->next = NULL;
}

typedef int (*ReplayRamPopulate)(MemoryRegionSection *section, void *opaque);
typedef void (*ReplayRamDiscard)(MemoryRegionSection *section, void *opaque);

/* ---- For the device ---------------------------------------------------- */

/**
 * xbar_ram_discard_manager_new() - a map of @mr, all of it discarded
 * @mr: RAM, not mapped; lives longer than the manager
 * @granularity: bytes, a power of two, at least 4096
 *
 * Attached to @mr until it is freed. Return: NULL with @errp set if @mr is not
 * RAM, is mapped, or has a manager; or memory is short.
 */
XBAR_API RamDiscardManager *xbar_ram_discard_manager_new(MemoryRegion *mr,
                                                         uint64_t granularity,
                                                         Error **errp)
    XBAR_MUST_CHECK;

/** xbar_ram_discard_manager_free() - -EBUSY with listeners left; NULL is fine */
XBAR_API int xbar_ram_discard_manager_free(RamDiscardManager *rdm);

/**
 * xbar_ram_discard_manager_populate() - @size bytes at @offset have memory
 *
 * Listeners are asked, in order of registration, before the map says so. If one
 * says no, those before it are told to discard it again, and nothing changed.
 *
 * Return: 0; the listener's error; -EINVAL if it is no range of granules in the
 * region, or some of it is populated.
 */
XBAR_API int xbar_ram_discard_manager_populate(RamDiscardManager *rdm,
                                               uint64_t offset, uint64_t size);

/**
 * xbar_ram_discard_manager_discard() - they have none any more
 *
 * Listeners are told after the map says so. Return: 0; -EINVAL if it is no
 * range of granules in the region, or some of it is discarded.
 */
XBAR_API int xbar_ram_discard_manager_discard(RamDiscardManager *rdm,
                                              uint64_t offset, uint64_t size);

/* ---- For whoever pins memory ------------------------------------------- */

/** memory_region_get_ram_discard_manager() - NULL: all of @mr is populated */
XBAR_API RamDiscardManager *
memory_region_get_ram_discard_manager(MemoryRegion *mr);
XBAR_API bool memory_region_has_ram_discard_manager(MemoryRegion *mr);

/** ram_discard_manager_get_min_granularity() - bytes */
XBAR_API uint64_t ram_discard_manager_get_min_granularity(
    const RamDiscardManager *rdm, const MemoryRegion *mr);

/** ram_discard_manager_is_populated() - all of @section? */
XBAR_API bool
ram_discard_manager_is_populated(const RamDiscardManager *rdm,
                                 const MemoryRegionSection *section);

/**
 * ram_discard_manager_replay_populated() - name the populated parts
 *
 * In ascending order, each as long as it can be. Return: 0, or what @replay_fn
 * returned that was not, which ends it.
 */
XBAR_API int ram_discard_manager_replay_populated(const RamDiscardManager *rdm,
                                                  MemoryRegionSection *section,
                                                  ReplayRamPopulate replay_fn,
                                                  void *opaque);

/** ram_discard_manager_replay_discarded() - name the others */
XBAR_API void ram_discard_manager_replay_discarded(const RamDiscardManager *rdm,
                                                   MemoryRegionSection *section,
                                                   ReplayRamDiscard replay_fn,
                                                   void *opaque);

/**
 * ram_discard_manager_register_listener() - tell @rdl of @section
 * @section: of the manager's region; must live until @rdl is unregistered
 *
 * What is populated is told now. If it vetoes a part, what was told before is
 * discarded again. Return: 0; its error; -EINVAL if it is registered or
 * @section is not the manager's.
 */
XBAR_API int
ram_discard_manager_register_listener(RamDiscardManager *rdm,
                                      RamDiscardListener *rdl,
                                      MemoryRegionSection *section);

/** ram_discard_manager_unregister_listener() - all is discarded for @rdl */
XBAR_API int ram_discard_manager_unregister_listener(RamDiscardManager *rdm,
                                                     RamDiscardListener *rdl);

#ifdef __cplusplus
}
#endif

#endif
