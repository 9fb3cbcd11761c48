/* SPDX-License-Identifier: MIT */
/*
 * How the layers to the right hear what a commit changed.
 *
 * Order, for each commit: the new view of every address space is published;
 * then subscribers are told; then what was replaced is retired. A cache that
 * drains what it was told after announcing quiescence, and before using any
 * entry, therefore never uses an entry whose section was freed.
 */
#ifndef XBAR_FLATVIEW_SUBSCRIBER_H
#define XBAR_FLATVIEW_SUBSCRIBER_H

#include "engine/commit.h"
#include "flatview/address_space.h"

struct xbar_view_subscriber {
    /*
     * What decodes in @ranges changed (sorted, disjoint). Called under the
     * engine's writer lock on the committing thread: must not block on a
     * vCPU, call a device, or subscribe and unsubscribe, but others to other
     * address spaces. It may change the tree, which is then the next round of
     * this commit, after all subscribers were told of this one; what it cannot
     * do is fail.
     */
    void (*changed)(struct xbar_view_subscriber *sub,
                    const struct xbar_range *ranges, size_t count);

    /*
     * NULL: the address space is not to end before. Else it is about to, under
     * the writer lock, and @sub unsubscribes here.
     */
    void (*ends)(struct xbar_view_subscriber *sub);

    /*
     * Set before subscribing: tell it only of commits that take away a section
     * which xbar_view_cache_section() has given to anybody. Who keeps a section
     * that it did not get there, or the knowledge that there is none, sets
     * @hears_all, too (relaxed atomic; any time).
     */
    bool caches_sections;
    bool hears_all;

    /* private to flatview/ */
    struct xbar_view_subscriber *next;
    struct xbar_view_subscriber *prev;
};

/* Take the engine's writer lock. Outside of subscriber callbacks. */
void xbar_view_subscribe(AddressSpace *as, struct xbar_view_subscriber *sub);
void xbar_view_unsubscribe(AddressSpace *as, struct xbar_view_subscriber *sub);

/* Has it been destroyed? Under the writer lock. */
bool xbar_address_space_is_ending(const AddressSpace *as);

/*
 * The section of @addr in the current view, as flatview_lookup(), for a cache:
 * it is marked, so that commits tell of it when it goes. In a read section; the
 * view is that of a moment between call and return, and a commit that published
 * another one before that moment was seen, or else tells.
 */
const FlatRange *xbar_view_cache_section(AddressSpace *as, hwaddr addr);

#endif
