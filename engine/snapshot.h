/* SPDX-License-Identifier: MIT */
/**
 * Snapshots of the region tree, to go back to.
 *
 *     xbar_snapshot_take(engine, &before);
 *     ... any edits, by anybody, in any number of transactions ...
 *     xbar_snapshot_restore(before);      the tree is what it was
 *     xbar_snapshot_drop(before);
 *
 * A snapshot costs nothing when it is taken. From then on the first edit of
 * each region notes how it was: about 110 bytes for each region that was edited
 * since, however often, and nothing for edits themselves. Going back undoes,
 * as one transaction, what differs, and costs that. To keep what an address
 * space showed, and compare it: xbar_view_keep().
 *
 * Restored are edges and what edits say of a region: container, address,
 * priority, the order among equals, size, enabled, read-only, non-volatile,
 * ROMD mode, an alias's offset. Not restored are contents of memory and of
 * devices, eventfds and coalesced ranges, lock policies, dirty logging, and
 * address spaces that came or went: those that are there show the result.
 *
 * Regions come and go meanwhile:
 *
 *   made since             is taken out of a container that was there before;
 *                          stays in one that is new, too
 *   ended since, and in    -ESTALE: it cannot come back. So if something that
 *   the tree that was      is left contained it, or was an alias of it
 *   ended since, else      is not missed
 */
#ifndef XBAR_ENGINE_SNAPSHOT_H
#define XBAR_ENGINE_SNAPSHOT_H

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

struct xbar_snapshot;

/**
 * xbar_snapshot_take() - remember the tree of @engine as it is
 * @to: gets the snapshot, which the caller drops
 *
 * Several may be taken; each can be gone back to, as often as wanted, and in
 * any order: going back is an edit like others, and older and newer snapshots
 * stay good. While there is one, an edit may need memory (-ENOMEM makes its
 * transaction void, as ever).
 *
 * Context: any thread; takes the writer lock. @engine must outlive it: while
 * there is one xbar_engine_free() is -EBUSY.
 * Return: 0; -EBUSY inside a transaction that has touched @engine, where the
 * tree is not one that anybody has seen; -ENOMEM. Else *@to is NULL.
 */
XBAR_API int xbar_snapshot_take(struct xbar_engine *engine,
                                struct xbar_snapshot **to) XBAR_MUST_CHECK;

/**
 * xbar_snapshot_restore() - make the tree what it was
 *
 * A mutator like others: outside a transaction it is one of its own, with one
 * commit; inside, it is a part of it, and void with it. From a device callback
 * it commits at once, from a listener it belongs to the next round.
 *
 * Return: 0; -ESTALE as above, with nothing changed; -ENOMEM; -ELOOP if
 * aliases that were made since would nest too deep; -EBUSY where the tree
 * cannot be edited; or what the commit gives. After -ENOMEM and -ELOOP the
 * transaction is void, so that the tree is what it was before it.
 */
XBAR_API int xbar_snapshot_restore(struct xbar_snapshot *snapshot);

/**
 * xbar_snapshot_drop() - forget @snapshot, which may be NULL
 *
 * What an older one needs of it is handed on. Takes the writer lock.
 */
XBAR_API void xbar_snapshot_drop(struct xbar_snapshot *snapshot);

#ifdef __cplusplus
}
#endif

#endif
