/* SPDX-License-Identifier: MIT */
/*
 * Views that are kept beyond the read section they were found in.
 *
 * A view that is replaced takes along what only it had (flatview_internal.h).
 * When its grace period is over, a part of that may still be in a view that is
 * kept: what was there before the keeping. So it is handed on instead of being
 * freed, to the newest kept view that is older than the view that let go:
 *
 *     views     1 --> 2 --> 3 --> 4 --> 5          2 and 4 are kept
 *     let go       a     b     c     d             by 1, 2, 3, 4
 *     is freed     a                               1 is older than both
 *     waits for          b:2   c:2   d:4           c was made by 3: freed
 *
 * When a kept view is released, it is retired again with what waited for it,
 * and all of that is handed on in the same way, or freed.
 *
 * Was something in a kept view? Nodes know the generation that made them. A
 * section has no room for that, but for how many views had been kept when it
 * was made.
 *
 * All of this is under the writer lock, but for looking at the view itself, and
 * for asking whether any view is kept, which most often none is. Whoever frees
 * a view took it from the queue under that lock after it was replaced, and only
 * a view that is current can begin to be kept: so none that could have a part
 * in it is missed. One that was released meanwhile has no reader left: the
 * pointer's release store comes after the last look at it.
 */
#include "engine/tree.h"
#include "flatview/flatview_internal.h"

struct flatview_kept {
    struct flatview_kept *older;
    FlatView *view;
    uint64_t users;
    uint32_t number;  /* sections that were made before have a lower one */
    bool is_replaced; /* and its grace period is over: only we have it */
    struct xbar_retired *nodes;
    struct xbar_retired *ranges;
};

static struct flatview_kept **find(struct flatview_root *root,
                                   const FlatView *view)
{
    struct flatview_kept **link = &root->newest_kept;

    while (*link != NULL && (*link)->view != view) {
        link = &(*link)->older;
    }
    return link;
}

/* The newest kept view that is not newer than @view. */
static struct flatview_kept *find_keeper(const FlatView *view)
{
    struct flatview_kept *kept = view->root->newest_kept;

    while (kept != NULL &&
           kept->view->trie.generation > view->trie.generation) {
        kept = kept->older;
    }
    return kept;
}

/* Plainly, though a root's link is where readers of a current view look for its
 * newest node: this one's readers are past a grace period. */
static void push(struct xbar_retired **list, struct xbar_retired *object)
{
    object->next = *list;
    *list = object;
}

static struct xbar_retired *pop(struct xbar_retired **list)
{
    struct xbar_retired *object = *list;

    *list = object->next;
    return object;
}

static void move_all(struct xbar_retired **to, struct xbar_retired **from)
{
    while (*from != NULL) {
        push(to, pop(from));
    }
}

/* What @keeper has, of what @view had, moves there. */
static void hand_on(FlatView *view, struct flatview_kept *keeper)
{
    struct xbar_retired *nodes = view->nodes;
    struct xbar_retired *ranges = view->ranges;

    view->nodes = NULL;
    view->ranges = NULL;
    while (nodes != NULL) {
        struct xbar_retired *node = pop(&nodes);
        bool is_kept = flatview__trie_node_generation(node) <=
                       keeper->view->trie.generation;

        push(is_kept ? &keeper->nodes : &view->nodes, node);
    }
    while (ranges != NULL) {
        struct xbar_retired *link = pop(&ranges);
        const FlatRange *range = xbar_container_of(link, FlatRange, retired);

        push(flatview__born(range) < keeper->number ? &keeper->ranges
                                                    : &view->ranges,
             link);
    }
}

bool flatview__kept_takes(FlatView *view)
{
    struct flatview_root *root = view->root;
    struct flatview_kept *keeper;
    bool is_kept = false;

    xbar_tree_hold(root->engine);
    keeper = find_keeper(view);
    if (keeper != NULL && keeper->view == view) {
        keeper->is_replaced = true;
        is_kept = true;
    } else if (keeper != NULL) {
        hand_on(view, keeper);
    }
    xbar_tree_release(root->engine);
    return is_kept;
}

/* ---- Public ------------------------------------------------------------ */

static struct flatview_kept *new_kept(struct flatview_root *root,
                                      FlatView *view)
{
    struct flatview_kept *kept = NULL;

    if (root->kept_ever != FLAT_RANGE_BORN) {
        kept = xbar_alloc(root->engine, sizeof(*kept));
    }
    if (kept != NULL) {
        kept->view = view;
        kept->number = ++root->kept_ever;
        kept->older = root->newest_kept;
        __atomic_store_n(&root->newest_kept, kept, __ATOMIC_RELEASE);
    }
    return kept;
}

/* The empty view is always there, and says nothing else. */
static FlatView *keep_current(struct flatview_root *root)
{
    FlatView *view = root->current;
    struct flatview_kept *kept = *find(root, view);

    if (flatview__is_empty(view)) {
        return view;
    }
    if (kept == NULL) {
        kept = new_kept(root, view);
    }
    if (kept == NULL) {
        return NULL;
    }
    kept->users++;
    return view;
}

FlatView *xbar_view_keep(AddressSpace *as)
{
    struct xbar_flatview_space *space = as->space;
    FlatView *view = NULL;

    if (space == NULL) {
        return NULL;
    }
    xbar_tree_hold(space->engine);
    if (space->done == NULL) {
        view = keep_current(space->root);
    }
    xbar_tree_release(space->engine);
    return view;
}

/*
 * Current, or replaced and on its way already: it takes what waited along, and
 * then, as soon as @link does not lead to it any more, may be freed.
 */
static void give_up(struct flatview_root *root, struct flatview_kept **link)
{
    struct flatview_kept *kept = *link;
    FlatView *view = kept->view;

    move_all(&view->nodes, &kept->nodes);
    move_all(&view->ranges, &kept->ranges);
    __atomic_store_n(link, kept->older, __ATOMIC_RELEASE);
    if (kept->is_replaced) {
        xbar_retire(root->engine, &root->queue, &view->retired, sizeof(*view));
    }
    xbar_free(root->engine, kept, sizeof(*kept));
}

void xbar_view_release(FlatView *view)
{
    struct flatview_root *root = view->root;
    struct flatview_kept **link;
    struct flatview_kept *kept;
    struct xbar_engine *engine;

    if (flatview__is_empty(view)) {
        return;
    }
    engine = root->engine;
    xbar_tree_hold(engine);
    link = find(root, view);
    kept = *link;
    xbar_assert(kept != NULL);
    if (--kept->users == 0) {
        give_up(root, link);
    }
    xbar_tree_release(engine);
}

/* ---- Differences ------------------------------------------------------- */

struct telling {
    xbar_view_diff_cb cb;
    void *opaque;
};

static bool tell(void *opaque, void *from, void *to)
{
    const struct telling *telling = opaque;

    if (from != NULL && to != NULL && flatview__range_equals(from, to)) {
        return false;
    }
    return telling->cb(from, to, telling->opaque);
}

bool xbar_view_diff(const FlatView *from, const FlatView *to,
                    xbar_view_diff_cb cb, void *opaque)
{
    struct telling telling = { cb, opaque };

    return flatview__trie_diff(&from->trie, &to->trie, tell, &telling);
}
