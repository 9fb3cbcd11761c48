/* SPDX-License-Identifier: MIT */
/*
 * Going back: the inverse of all edits since, in their net form.
 *
 * A log of edits would grow with them for as long as a snapshot is kept. What
 * undoing it would lead to is said by the first entry of each region and field,
 * so that is all that is noted: the state of a region when it was first edited
 * after the snapshot, which is its state in the snapshot.
 *
 *     snapshots   A                  B                  now
 *     edits          r  s  r  s  r      s  t  t  s
 *     notes       r, s as in A       s, t as in B
 *
 * Each snapshot has the notes of the time until the next one. So a region's
 * state in A is what the oldest note since A says: r and s by A's, t by B's.
 * If B is dropped, A gets the note of t. Going back to A is an edit: it is noted
 * by B, if at all, and B stays good.
 *
 * Edges are noted at their lower end (container) and at the alias. They name
 * regions by address, and another region may be made where one has ended. A
 * note of A that names p means the region that was at p in A. Its note, once it
 * has ended, stays as a tombstone, and tells. Was a region there in A? Then its
 * sequence number, which it gets when it is made and whenever it is placed, was
 * given before A; so a note's number tells that, too. Whoever was not there
 * needs no tombstone, and there are never more notes than regions, then and
 * now.
 *
 * All of this is under the writer lock.
 */
#include "engine/snapshot.h"

#include <errno.h>

#include "engine/engine_internal.h"

#define FIRST_BUCKETS 64

struct note {
    struct note *next; /* of the snapshot, newest first */
    struct note *prev;
    struct note *chain; /* of the bucket */
    MemoryRegion *mr;
    struct tree_state state;
    bool is_open; /* made by the transaction under way */
    bool is_dead; /* the region has ended */
};

struct xbar_snapshot {
    struct xbar_snapshot *older;
    struct xbar_snapshot *newer;
    struct xbar_engine *engine;
    uint64_t sequence; /* the last number given before */
    struct note *newest;
    struct note **buckets;
    size_t bucket_count; /* a power of two */
    size_t note_count;
    bool was_restored; /* by the transaction under way */
};

/* ---- Notes ------------------------------------------------------------- */

static struct note **bucket_of(struct note **buckets, size_t count,
                               const MemoryRegion *mr)
{
    uint64_t hash = ((uintptr_t)mr >> 3) * UINT64_C(0x9e3779b97f4a7c15);

    return &buckets[(hash >> 32) & (count - 1)];
}

/* The note of the region that was at @mr and has ended, or of the one there. */
static struct note *find(const struct xbar_snapshot *s, const MemoryRegion *mr,
                         bool is_dead)
{
    struct note *note = *bucket_of(s->buckets, s->bucket_count, mr);

    while (note && (note->mr != mr || note->is_dead != is_dead)) {
        note = note->chain;
    }
    return note;
}

/* If memory is short chains get longer. */
static void grow(struct xbar_snapshot *s)
{
    size_t count = 2 * s->bucket_count;
    struct note **buckets = xbar_alloc(s->engine, count * sizeof(*buckets));

    if (!buckets) {
        return;
    }
    xbar_free(s->engine, s->buckets, s->bucket_count * sizeof(*buckets));
    s->buckets = buckets;
    s->bucket_count = count;
    for (struct note *note = s->newest; note; note = note->next) {
        struct note **bucket = bucket_of(buckets, count, note->mr);

        note->chain = *bucket;
        *bucket = note;
    }
}

static void add(struct xbar_snapshot *s, struct note *note)
{
    struct note **bucket;

    if (s->note_count >= s->bucket_count) {
        grow(s);
    }
    bucket = bucket_of(s->buckets, s->bucket_count, note->mr);
    note->chain = *bucket;
    *bucket = note;
    note->prev = NULL;
    note->next = s->newest;
    if (s->newest) {
        s->newest->prev = note;
    }
    s->newest = note;
    s->note_count++;
}

static void take_out(struct xbar_snapshot *s, struct note *note)
{
    struct note **link = bucket_of(s->buckets, s->bucket_count, note->mr);

    while (*link != note) {
        link = &(*link)->chain;
    }
    *link = note->chain;
    *(note->prev ? &note->prev->next : &s->newest) = note->next;
    if (note->next) {
        note->next->prev = note->prev;
    }
    s->note_count--;
}

static void forget(struct xbar_snapshot *s, struct note *note)
{
    take_out(s, note);
    xbar_free(s->engine, note, sizeof(*note));
}

/* Was what @note is about there when @s was taken? */
static bool is_in(const struct xbar_snapshot *s, const struct note *note)
{
    return note->state.sequence <= s->sequence;
}

int snapshot__note(MemoryRegion *mr)
{
    struct xbar_snapshot *s = mr->engine->newest_snapshot;
    struct note *note;

    if (find(s, mr, false)) {
        return 0;
    }
    note = xbar_alloc(s->engine, sizeof(*note));
    if (!note) {
        return transaction__void(-ENOMEM);
    }
    note->mr = mr;
    note->state = tree__state(mr);
    note->is_open = true;
    add(s, note);
    return 0;
}

/* ---- The end of a transaction ------------------------------------------ */

void snapshot__undo(struct xbar_engine *engine)
{
    struct xbar_snapshot *s = engine->newest_snapshot;

    while (s && s->newest && s->newest->is_open) {
        forget(s, s->newest);
    }
    if (s) {
        s->was_restored = false;
    }
}

/* The newest snapshot is what is: what its notes say is so anyway. */
static void forget_what_is(struct xbar_snapshot *s)
{
    struct note *note = s->newest;

    while (note) {
        struct note *next = note->next;

        if (!note->is_dead && region__is_usable(note->mr) && is_in(s, note) &&
            tree__is_in_state(note->mr, &note->state)) {
            forget(s, note);
        }
        note = next;
    }
}

void snapshot__settle(struct xbar_engine *engine)
{
    struct xbar_snapshot *s = engine->newest_snapshot;

    for (struct note *n = s->newest; n && n->is_open; n = n->next) {
        n->is_open = false;
    }
    if (s->was_restored) {
        s->was_restored = false;
        forget_what_is(s);
    }
}

void snapshot__ended(MemoryRegion *mr)
{
    struct xbar_snapshot *s = mr->engine->newest_snapshot;

    for (; s; s = s->older) {
        struct note *note = find(s, mr, false);

        if (note && is_in(s, note)) {
            note->is_dead = true;
        } else if (note) {
            forget(s, note);
        }
    }
}

/* ---- Going back -------------------------------------------------------- */

/* Has the region ended that was at @mr when @s was taken? */
static bool has_ended(const struct xbar_snapshot *s, const MemoryRegion *mr)
{
    for (const struct xbar_snapshot *t = s; t; t = t->newer) {
        const struct note *note = find(t, mr, true);

        if (note && is_in(s, note)) {
            return true;
        }
    }
    return !region__is_usable(mr);
}

static bool is_note_dead(const struct note *note)
{
    return note->is_dead || !region__is_usable(note->mr);
}

/* Has a snapshot from @s on, before @t, an older note of the same region? */
static bool is_outdated(const struct xbar_snapshot *s,
                        const struct xbar_snapshot *t, const struct note *note)
{
    for (; s != t; s = s->newer) {
        if (find(s, note->mr, note->is_dead) &&
            (!note->is_dead || is_in(s, note))) {
            return true;
        }
    }
    return false;
}

/* @t has the note, @s is where it goes back to. */
typedef int (*visit_note)(const struct xbar_snapshot *s,
                          const struct xbar_snapshot *t,
                          const struct note *note);

/* Notes that @visit makes are of regions that have an older one. */
static int for_each_note(const struct xbar_snapshot *s, visit_note visit)
{
    int rc = 0;

    for (const struct xbar_snapshot *t = s; t; t = t->newer) {
        const struct note *note = t->newest;

        for (; note && !rc; note = note->next) {
            if (!is_outdated(s, t, note)) {
                rc = visit(s, t, note);
            }
        }
    }
    return rc;
}

/* Did something that is left show something that is not? */
static int check_note(const struct xbar_snapshot *s,
                      const struct xbar_snapshot *t, const struct note *note)
{
    const MemoryRegion *container = note->state.container;
    const MemoryRegion *alias = note->state.alias;

    if (!is_in(s, note)) {
        return 0;
    }
    if (is_note_dead(note)) {
        return container && !has_ended(t, container) ? -ESTALE : 0;
    }
    return alias && has_ended(t, alias) ? -ESTALE : 0;
}

/* Where it stood, or NULL. */
static MemoryRegion *container_of_note(const struct xbar_snapshot *t,
                                       const struct note *note)
{
    MemoryRegion *container = note->state.container;

    return container && !has_ended(t, container) ? container : NULL;
}

/* Was @mr made after @s was taken? Its number now may be a newer one. */
static bool is_new(const struct xbar_snapshot *s, const MemoryRegion *mr)
{
    for (const struct xbar_snapshot *t = s; t; t = t->newer) {
        const struct note *note = find(t, mr, false);

        if (note) {
            return !is_in(s, note);
        }
    }
    return mr->sequence > s->sequence;
}

static bool stays(const struct xbar_snapshot *s, const struct xbar_snapshot *t,
                  const struct note *note)
{
    const MemoryRegion *mr = note->mr;

    if (!is_in(s, note)) {
        return is_new(s, mr->container);
    }
    return mr->container == container_of_note(t, note) &&
           mr->sequence == note->state.sequence &&
           mr->priority == note->state.priority;
}

static int take_away(const struct xbar_snapshot *s,
                     const struct xbar_snapshot *t, const struct note *note)
{
    if (is_note_dead(note) || !note->mr->container || stays(s, t, note)) {
        return 0;
    }
    return tree__detach(note->mr);
}

static int change_back(const struct xbar_snapshot *s,
                       const struct xbar_snapshot *t, const struct note *note)
{
    (void)t;
    if (is_note_dead(note) || !is_in(s, note)) {
        return 0;
    }
    return tree__set_state(note->mr, &note->state);
}

static int put_back(const struct xbar_snapshot *s,
                    const struct xbar_snapshot *t, const struct note *note)
{
    MemoryRegion *container;

    if (is_note_dead(note) || !is_in(s, note) || note->mr->container) {
        return 0;
    }
    container = container_of_note(t, note);
    return container ? tree__attach(container, note->mr) : 0;
}

static int restore(struct xbar_snapshot *s)
{
    int rc = for_each_note(s, check_note);

    if (rc) {
        return rc;
    }
    rc = for_each_note(s, take_away);
    if (!rc) {
        rc = for_each_note(s, change_back);
    }
    if (!rc) {
        rc = for_each_note(s, put_back);
    }
    s->was_restored = !rc && !s->newer;
    return rc ? transaction__void(rc) : 0;
}

int xbar_snapshot_restore(struct xbar_snapshot *snapshot)
{
    struct xbar_engine *engine = snapshot->engine;
    int rc = xbar_mutation_begin(engine);
    int end;

    if (rc) {
        return rc;
    }
    rc = restore(snapshot);
    end = xbar_mutation_end(engine);
    return rc ? rc : end;
}

/* ---- Life -------------------------------------------------------------- */

static struct xbar_snapshot *new_snapshot(struct xbar_engine *engine)
{
    struct xbar_snapshot *s = xbar_alloc(engine, sizeof(*s));

    if (!s) {
        return NULL;
    }
    s->engine = engine;
    s->sequence = engine->next_sequence;
    s->bucket_count = FIRST_BUCKETS;
    s->buckets = xbar_alloc(engine, FIRST_BUCKETS * sizeof(struct note *));
    if (!s->buckets) {
        xbar_free(engine, s, sizeof(*s));
        return NULL;
    }
    s->older = engine->newest_snapshot;
    if (s->older) {
        s->older->newer = s;
    }
    engine->newest_snapshot = s;
    return s;
}

int xbar_snapshot_take(struct xbar_engine *engine, struct xbar_snapshot **to)
{
    int rc = -EBUSY;

    *to = NULL;
    engine__lock_writer(engine);
    if (!engine->is_enlisted) {
        *to = new_snapshot(engine);
        rc = *to ? 0 : -ENOMEM;
    }
    engine__unlock_writer(engine);
    return rc;
}

/* @note, which is in no snapshot, is of use to @s only if it says more. */
static void hand_on(struct xbar_snapshot *s, struct note *note)
{
    bool is_needed = !find(s, note->mr, note->is_dead);

    if (note->is_dead && !is_in(s, note)) {
        is_needed = false;
    }
    note->is_open = false;
    if (is_needed) {
        add(s, note);
    } else {
        xbar_free(s->engine, note, sizeof(*note));
    }
}

static void free_snapshot(struct xbar_snapshot *s)
{
    while (s->newest) {
        struct note *note = s->newest;

        take_out(s, note);
        if (s->older) {
            hand_on(s->older, note);
        } else {
            xbar_free(s->engine, note, sizeof(*note));
        }
    }
    xbar_free(s->engine, s->buckets, s->bucket_count * sizeof(struct note *));
    xbar_free(s->engine, s, sizeof(*s));
}

void xbar_snapshot_drop(struct xbar_snapshot *snapshot)
{
    struct xbar_engine *engine;

    if (!snapshot) {
        return;
    }
    engine = snapshot->engine;
    engine__lock_writer(engine);
    *(snapshot->newer ? &snapshot->newer->older : &engine->newest_snapshot) =
        snapshot->older;
    if (snapshot->older) {
        snapshot->older->newer = snapshot->newer;
    }
    free_snapshot(snapshot);
    engine__unlock_writer(engine);
}
