/* SPDX-License-Identifier: MIT */
/*
 * The sections of a view that may show certain regions, without looking at the
 * others.
 *
 *     struct flatview_places places;
 *     const FlatRange *range;
 *
 *     flatview__places_region(&places, space, mr, 0, UINT64_MAX);
 *     for (range = flatview__places_first(&places, view); range != NULL;
 *          range = flatview__places_next(&places, view, range)) {
 *         ... if (range->mr == mr) ...
 *     }
 *
 * In ascending order, each once; some that show other regions among them.
 * Finding them is done before the first; what happens to the tree in between
 * does not matter.
 */
#ifndef XBAR_FLATVIEW_PLACES_H
#define XBAR_FLATVIEW_PLACES_H

#include "flatview/flatview_internal.h"

/* More places than these are looked at from the last one's start to their end:
 * no memory is needed. */
#define FLATVIEW_PLACES_RANGES 8

struct flatview_places {
    size_t count;
    size_t at;
    struct xbar_range ranges[FLATVIEW_PLACES_RANGES];
};

/* Of @first to @last of @mr; under the writer lock. Where that cannot be told,
 * it is everywhere. */
void flatview__places_region(struct flatview_places *places,
                             const struct xbar_flatview_space *space,
                             MemoryRegion *mr, hwaddr first, hwaddr last);

/* The same for who is logged by others than listeners were told. */
void flatview__places_logged(struct flatview_places *places,
                             const struct xbar_flatview_space *space);

const FlatRange *flatview__places_first(struct flatview_places *places,
                                        const FlatView *view);
const FlatRange *flatview__places_next(struct flatview_places *places,
                                       const FlatView *view,
                                       const FlatRange *range);

#endif
