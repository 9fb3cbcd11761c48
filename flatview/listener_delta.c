/* SPDX-License-Identifier: MIT */
/*
 * Telling listeners what a commit changed.
 *
 * Constraints
 *   - it costs what changed, not what there is;
 *   - nothing may fail, so nothing is allocated;
 *   - any callback may register and unregister any listener.
 *
 * Design. The change under way has the sections that went and those that
 * came, both sorted here. A section is told less what the other list says the
 * same of:
 *
 *     went      |-----------A-----------|
 *     came      |---A---|---B---|---A---|
 *     deleted           |=======|            A, one piece
 *     added             |=======|            B
 *
 * How far each listener is in the commit stands in it:
 *
 *   stage     BEGIN ----> DEL ----> ADD ----> COMMIT ----> SETTLED
 *   missing   all of it   next..    next..    commit       nothing
 *
 * so that one that is unregistered in the middle can be told the rest first.
 * The generation of the view that it was told last says whether it has heard
 * of the change at all: one that registered after the view was published, but
 * before this address space's turn came, has seen it already.
 */

#include "flatview/listener_internal.h"

/* ---- Lists of sections ------------------------------------------------- */

static FlatRange *range_of(struct xbar_retired *link)
{
    return link != NULL ? xbar_container_of(link, FlatRange, retired) : NULL;
}

static struct xbar_retired **link_of(FlatRange *range)
{
    return (struct xbar_retired **)&range->retired;
}

static FlatRange *next_of(FlatRange *range)
{
    return range_of(*link_of(range));
}

static struct xbar_retired *merge(struct xbar_retired *a,
                                  struct xbar_retired *b)
{
    struct xbar_retired *head = NULL;
    struct xbar_retired **tail = &head;

    while (a != NULL && b != NULL) {
        struct xbar_retired **least =
            range_of(a)->first < range_of(b)->first ? &a : &b;

        *tail = *least;
        tail = link_of(range_of(*least));
        *least = *tail;
    }
    *tail = a != NULL ? a : b;
    return head;
}

/* By address, in place. Bins of 2^i, as a binary counter: nothing recurses. */
static struct xbar_retired *sort_many(struct xbar_retired *list)
{
    struct xbar_retired *bins[64] = { NULL };
    struct xbar_retired *sorted = NULL;

    while (list != NULL) {
        struct xbar_retired *run = list;
        unsigned i = 0;

        list = *link_of(range_of(list));
        *link_of(range_of(run)) = NULL;
        for (; bins[i] != NULL; i++) {
            run = merge(bins[i], run);
            bins[i] = NULL;
        }
        bins[i] = run;
    }
    for (unsigned i = 0; i < 64; i++) {
        sorted = merge(bins[i], sorted);
    }
    return sorted;
}

/* Most commits have none to sort, or one. */
static struct xbar_retired *sort(struct xbar_retired *list)
{
    return list == NULL || list->next == NULL ? list : sort_many(list);
}

/* ---- Sections ---------------------------------------------------------- */

MemoryRegionSection flatview__section(FlatView *view, const FlatRange *range,
                                      hwaddr first, hwaddr last)
{
    return (MemoryRegionSection){
        .size = (Int128)last - first + 1,
        .mr = range->mr,
        .fv = view,
        .offset_within_region = first + range->mr_delta,
        .offset_within_address_space = first,
        .readonly = (range->flags & FLAT_RANGE_READONLY) != 0,
        .nonvolatile = (range->flags & FLAT_RANGE_NONVOLATILE) != 0,
    };
}

/* Plans are no listener's business. */
static bool says_same(const FlatRange *a, const FlatRange *b)
{
    return a->mr == b->mr && a->mr_delta == b->mr_delta &&
           a->host_delta == b->host_delta && a->flags == b->flags;
}

/* ---- One section, one listener ----------------------------------------- */

/* What is told to one listener, in one pass. */
struct pass {
    struct xbar_flatview_space *space;
    struct flatview_telling *telling; /* to whom */
    FlatView *view;                   /* that has the sections */
    enum listener_stage stage;
    FlatRange *others; /* the other list, from what may touch on */
};

static void tell_change(const struct pass *pass, struct flatview_part *part)
{
    const MemoryRegionSection *s = &part->section;
    hwaddr first = s->offset_within_address_space;
    hwaddr last = first + (hwaddr)(s->size - 1);

    if (listener__advance(pass->telling->who, first, last)) {
        (pass->stage == STAGE_DEL ? flatview__tell_going
                                  : flatview__tell_coming)(pass->telling, part);
    }
}

static void tell_same(const struct pass *pass, const FlatRange *range,
                      hwaddr first, hwaddr last)
{
    MemoryListener *l = pass->telling->who;

    if (listener__advance(l, first, last) && pass->stage == STAGE_ADD &&
        l->region_nop != NULL) {
        MemoryRegionSection section =
            flatview__section(pass->view, range, first, last);

        l->region_nop(l, &section);
    }
}

/* As a whole: the same if the other list has one just like it. */
static void tell_whole(const struct pass *pass, const FlatRange *range)
{
    const FlatRange *other = pass->others;

    if (other != NULL && other->first == range->first &&
        other->last == range->last && says_same(other, range)) {
        tell_same(pass, range, range->first, range->last);
    } else {
        struct flatview_part part = flatview__whole(pass->view, range);

        tell_change(pass, &part);
    }
}

/*
 * The next run of addresses of @range that the other list says the same of,
 * from @from on, where @other is the first that may touch it. False: none.
 */
static bool find_kept(const FlatRange *range, FlatRange **other, hwaddr from,
                      struct xbar_range *kept)
{
    bool is_found = false;

    for (; *other != NULL && (*other)->first <= range->last;
         *other = next_of(*other)) {
        hwaddr first = (*other)->first > from ? (*other)->first : from;
        hwaddr last =
            (*other)->last < range->last ? (*other)->last : range->last;

        if (!says_same(*other, range) || (*other)->last < from) {
            continue;
        }
        if (is_found && first - 1 != kept->last) {
            return true;
        }
        kept->first = is_found ? kept->first : first;
        kept->last = last;
        is_found = true;
        if (last == range->last) {
            return true;
        }
    }
    return is_found;
}

/*
 * Addresses @first to @last of @range changed; @before, @after: what is kept
 * beside them begins and ends there.
 */
static void tell_piece(const struct pass *pass, const FlatRange *range,
                       struct xbar_range piece, hwaddr before, hwaddr after)
{
    bool goes = pass->stage == STAGE_DEL;
    struct flatview_part part = {
        .section =
            flatview__section(pass->view, range, piece.first, piece.last),
        .reach = { goes ? before : range->first, goes ? range->last : after },
    };

    tell_change(pass, &part);
}

/* Piece by piece: what another says the same of, and what lies between. */
static void tell_pieces(const struct pass *pass, const FlatRange *range)
{
    FlatRange *other = pass->others;
    hwaddr before = range->first;
    hwaddr next = range->first;
    struct xbar_range kept = { 0, 0 };

    while (pass->telling->who != NULL &&
           find_kept(range, &other, next, &kept)) {
        if (kept.first > next) {
            tell_piece(pass, range, (struct xbar_range){ next, kept.first - 1 },
                       before, kept.last);
        }
        if (pass->telling->who != NULL) {
            tell_same(pass, range, kept.first, kept.last);
        }
        if (kept.last == range->last) {
            return;
        }
        before = kept.first;
        next = kept.last + 1;
    }
    if (pass->telling->who != NULL) {
        tell_piece(pass, range, (struct xbar_range){ next, range->last },
                   before, range->last);
    }
}

/* Nothing if the listener is not in this stage. */
static void tell_range(const struct pass *pass, const FlatRange *range)
{
    MemoryListener *l = pass->telling->who;

    if (l->stage != pass->stage) {
        return;
    }
    if (l->whole_sections) {
        tell_whole(pass, range);
    } else {
        tell_pieces(pass, range);
    }
}

static void skip_before(struct pass *pass, hwaddr first)
{
    while (pass->others != NULL && pass->others->last < first) {
        pass->others = next_of(pass->others);
    }
}

/* ---- A change, to all listeners ---------------------------------------- */

static void tell_begin(MemoryListener *l)
{
    if (l->stage != STAGE_BEGIN) {
        return;
    }
    listener__start_stage(l, STAGE_DEL);
    if (l->begin != NULL) {
        l->begin(l);
    }
}

static void tell_commit(MemoryListener *l)
{
    if (l->stage != STAGE_COMMIT) {
        return;
    }
    l->stage = STAGE_SETTLED;
    if (l->commit != NULL) {
        l->commit(l);
    }
}

static void move_all(struct xbar_flatview_space *space,
                     enum listener_stage from, enum listener_stage to)
{
    for (MemoryListener *l = space->first_listener; l; l = l->link_next) {
        if (l->stage == from) {
            listener__start_stage(l, to);
        }
    }
}

static void tell_all(const struct pass *from, const FlatRange *range)
{
    struct pass pass = *from;
    struct flatview_walk walk;

    pass.telling = &walk.telling;
    flatview__walk_begin(&walk, pass.space, pass.stage == STAGE_ADD);
    while (flatview__walk_next(&walk)) {
        tell_range(&pass, range);
    }
    flatview__walk_end(&walk);
}

static struct pass del_pass(struct xbar_flatview_space *space)
{
    return (struct pass){
        .space = space,
        .view = space->root->change.old_view,
        .stage = STAGE_DEL,
        .others = range_of(space->root->change.new_ranges),
    };
}

static struct pass add_pass(struct xbar_flatview_space *space)
{
    return (struct pass){
        .space = space,
        .view = space->root->change.new_view,
        .stage = STAGE_ADD,
        .others = range_of(space->root->change.old_ranges),
    };
}

static void tell_all_dels(struct xbar_flatview_space *space)
{
    struct pass pass = del_pass(space);
    FlatRange *range = range_of(space->root->change.old_ranges);

    for (; range != NULL; range = next_of(range)) {
        skip_before(&pass, range->first);
        tell_all(&pass, range);
    }
}

static void tell_all_adds(struct xbar_flatview_space *space)
{
    struct pass pass = add_pass(space);
    FlatRange *range = range_of(space->root->change.new_ranges);

    for (; range != NULL; range = next_of(range)) {
        skip_before(&pass, range->first);
        tell_all(&pass, range);
    }
}

/* The same for one that wants to know of all that stayed: the whole view. */
static void tell_view(const struct pass *from, FlatRange *added)
{
    struct pass pass = *from;
    const FlatRange *range = flatview_next_range(pass.view, 0);

    for (; range != NULL && pass.telling->who != NULL;
         range = flatview__after(pass.view, range)) {
        if (added == NULL || range->first < added->first) {
            tell_same(&pass, range, range->first, range->last);
            continue;
        }
        added = next_of(added);
        skip_before(&pass, range->first);
        tell_range(&pass, range);
    }
}

/* They come before the others, who share one pass over what was added. */
static void tell_nops(struct xbar_flatview_space *space)
{
    struct pass pass = add_pass(space);
    struct flatview_walk walk;

    pass.telling = &walk.telling;
    flatview__walk_begin(&walk, space, true);
    while (flatview__walk_next(&walk)) {
        MemoryListener *l = walk.telling.who;

        if (l->region_nop != NULL && l->stage == STAGE_ADD) {
            tell_view(&pass, range_of(space->root->change.new_ranges));
        }
    }
    flatview__walk_end(&walk);
}

static void sort_change(struct flatview_change *change)
{
    change->old_ranges = sort(change->old_ranges);
    change->new_ranges = sort(change->new_ranges);
}

static void begin_change(struct xbar_flatview_space *space)
{
    uint64_t generation = space->root->change.new_view->trie.generation;

    sort_change(&space->root->change);
    for (MemoryListener *l = space->first_listener; l; l = l->link_next) {
        if (l->generation != generation) {
            l->generation = generation;
            l->stage = STAGE_BEGIN;
        }
    }
}

static void walk_all(struct xbar_flatview_space *space,
                     void (*fn)(MemoryListener *l))
{
    struct flatview_walk walk;

    flatview__walk_begin(&walk, space, true);
    while (flatview__walk_next(&walk)) {
        fn(walk.telling.who);
    }
    flatview__walk_end(&walk);
}

void flatview__tell_listeners(struct xbar_flatview_space *space)
{
    if (space->first_listener == NULL) {
        return;
    }
    begin_change(space);
    walk_all(space, tell_begin);
    tell_all_dels(space);
    move_all(space, STAGE_DEL, STAGE_ADD);
    tell_nops(space);
    tell_all_adds(space);
    move_all(space, STAGE_ADD, STAGE_COMMIT);
    walk_all(space, tell_commit);
}

/* ---- A change, to one that leaves -------------------------------------- */

static void catch_up_dels(struct xbar_flatview_space *space,
                          struct flatview_telling *telling)
{
    struct pass pass = del_pass(space);
    FlatRange *range = range_of(space->root->change.old_ranges);

    pass.telling = telling;
    for (; range != NULL; range = next_of(range)) {
        skip_before(&pass, range->first);
        tell_range(&pass, range);
    }
}

static void catch_up_adds(struct xbar_flatview_space *space,
                          struct flatview_telling *telling)
{
    struct pass pass = add_pass(space);
    FlatRange *range = range_of(space->root->change.new_ranges);

    pass.telling = telling;
    if (telling->who->region_nop != NULL) {
        tell_view(&pass, range);
        return;
    }
    for (; range != NULL; range = next_of(range)) {
        skip_before(&pass, range->first);
        tell_range(&pass, range);
    }
}

/* Has @l heard nothing yet of the change that is being told? */
static bool is_behind(const struct xbar_flatview_space *space,
                      const MemoryListener *l)
{
    const FlatView *view = space->root->change.new_view;

    return view != NULL && l->generation != view->trie.generation;
}

/* No callback can take @l away any more. */
void flatview__catch_up(struct xbar_flatview_space *space, MemoryListener *l)
{
    struct flatview_telling telling = { .who = l };

    if (is_behind(space, l)) {
        sort_change(&space->root->change);
        l->stage = STAGE_BEGIN;
    }
    tell_begin(l);
    if (l->stage == STAGE_DEL) {
        catch_up_dels(space, &telling);
        listener__start_stage(l, STAGE_ADD);
    }
    if (l->stage == STAGE_ADD) {
        catch_up_adds(space, &telling);
        l->stage = STAGE_COMMIT;
    }
    tell_commit(l);
}
