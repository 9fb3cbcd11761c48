/* SPDX-License-Identifier: MIT */
/*
 * Looking up in a view.
 *
 *   engine/  region tree --commit--> [ render -> diff -> trie ] --> readers
 *                                      flatview/
 *
 *   AddressSpace.current_map ---> FlatView ---> trie nodes ---> FlatRange
 *                        published with one      immutable      a line each
 *                        store, read with one
 *
 * A reader's cost is the pointer, one line for each level of the trie that
 * the addresses need (one or two on a small board, three to four among a
 * million sections at random addresses), and the section.
 *
 * Who may run beside whom on one AddressSpace ("x": they exclude each other):
 *
 *               access  lookup  commit  subscribe  destroy
 *   access         -       -       -        -         -
 *   lookup         -       -       -        -         -
 *   commit         -       -       x        x         x    writer lock
 *   subscribe      -       -       x        x         x    writer lock
 *   destroy        -       -       x        x         x    writer lock
 *
 * P. A lookup that starts after a commit returned sees its view or a later.
 * Q. A view, and a section that only it has, is freed no earlier than one
 *    grace period after its successor was published.
 */
#include "flatview/flatview.h"

#include "flatview/flatview_internal.h"
#include "flatview/subscriber.h"

/* The empty view is of generation 0, so that cannot mean "none". */
__thread struct flatview_last flatview__last = { .generation = UINT64_MAX };

__thread uint64_t flatview__seen[FLATVIEW_SEEN];

static XBAR_NOINLINE void fetch_news(const FlatView *view)
{
    *flatview__seen_of(view->trie.generation) = view->trie.generation;
    flatview__trie_fetch_news(&view->trie);
}

const FlatRange flatview__unassigned = {
    .last = UINT64_MAX,
    .flags = FLAT_RANGE_UNASSIGNED,
};

const FlatView flatview__empty = { .trie = { .count = 0 } };

XBAR_COLD const FlatRange *flatview__find_slowly(const FlatView *view,
                                                 hwaddr addr)
{
    const FlatRange *range = flatview__trie_floor(&view->trie, addr);

    return range != NULL && addr <= range->last ? range : &flatview__unassigned;
}

XBAR_HOT const FlatRange *flatview__find_new(const FlatView *view, hwaddr addr)
{
    const FlatRange *range;

    if (unlikely(flatview__is_news(view))) {
        fetch_news(view);
    }
    range = flatview__find(view, addr);
    if (likely(!(range->flags & FLAT_RANGE_UNASSIGNED))) {
        flatview__remember(view, range);
    }
    return range;
}

FlatView *address_space_to_flatview(AddressSpace *as)
{
    xbar_assert_slow(xbar_rcu_read_held());
    return flatview__current(as);
}

XBAR_HOT const FlatRange *flatview_lookup(const FlatView *view, hwaddr addr)
{
    return flatview__find(view, addr);
}

/*
 * A commit publishes, and then looks at marks; this marks, and then looks at
 * what is published. All of that is in one order, so one of them sees the
 * other: either the commit tells of the section, or this takes another. It is
 * not enough to find a mark: whoever set it may have taken another, too.
 */
const FlatRange *xbar_view_cache_section(AddressSpace *as, hwaddr addr)
{
    const FlatView *view = __atomic_load_n(&as->current_map, __ATOMIC_SEQ_CST);

    xbar_assert_slow(xbar_rcu_read_held());
    while (true) {
        const FlatRange *range = flatview__find(view, addr);
        uint32_t *born = (uint32_t *)&range->born;
        const FlatView *now;

        if (range->flags & FLAT_RANGE_UNASSIGNED) {
            return range;
        }
        if (!(__atomic_load_n(born, __ATOMIC_SEQ_CST) & FLAT_RANGE_MARKED)) {
            __atomic_fetch_or(born, FLAT_RANGE_MARKED, __ATOMIC_SEQ_CST);
        }
        now = __atomic_load_n(&as->current_map, __ATOMIC_SEQ_CST);
        if (now == view) {
            return range;
        }
        view = now;
    }
}

/* A section that began before @addr may reach it; else the next one. */
const FlatRange *flatview_next_range(const FlatView *view, hwaddr addr)
{
    const FlatRange *range = flatview__trie_floor(&view->trie, addr);

    if (range != NULL && addr <= range->last) {
        return range;
    }
    return flatview__trie_next(&view->trie, addr);
}

void flatview_for_each_range(FlatView *view, flatview_cb cb, void *opaque)
{
    const FlatRange *range = flatview_next_range(view, 0);

    while (range != NULL) {
        hwaddr last = range->last;
        Int128 length = (Int128)last - range->first + 1;

        if (cb(range->first, length, range->mr, range->first + range->mr_delta,
               opaque) ||
            last == UINT64_MAX) {
            return;
        }
        range = flatview__trie_next(&view->trie, last + 1);
    }
}

uint64_t flatview_num_ranges(const FlatView *view)
{
    return view->trie.count;
}

void xbar_read_begin(void)
{
    xbar_rcu_read_lock();
}

void xbar_read_end(void)
{
    xbar_rcu_read_unlock();
}
