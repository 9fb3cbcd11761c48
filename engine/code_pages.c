/* SPDX-License-Identifier: MIT */
/*
 * Constraints
 *   - every TLB fill of a writable page asks, so asking takes no lock;
 *   - what is told costs a lock: once for each frame between two comparisons;
 *   - nothing is found by scanning guest RAM.
 *
 * Design
 *
 *   frame --hash of its 2 MiB--> bucket -> leaf -> leaf -> NULL
 *                                            |
 *                                            +-- watchers[512]: bits of keepers
 *
 * Leaves are only ever added, and go with the engine: 4 KiB for each 2 MiB of
 * memory that code was ever made of. So readers walk the buckets with acquire
 * loads and nothing else.
 *
 *                       written                          read
 *   bucket heads        release, under the lock          acquire
 *   watchers: set       RMW seq_cst, under the lock      seq_cst
 *   watchers: cleared   release, under the lock,         acquire: who sees
 *                       after the keepers' lists         it may store inline
 *   has_news            seq_cst, under the lock          seq_cst
 *   habits, held,       the keeper's own thread          the same
 *   comparisons
 *   all else            under the lock                   under the lock
 *
 * Lock order: `lock`, then what protect() takes (a TLB's inbox). Nothing else
 * is taken under it, and it may be taken under any other lock but an inbox's.
 */
#include "engine/code_pages.h"

#include <string.h>

#include "engine/engine_internal.h"

#define LEAF_BITS  9
#define LEAF_SIZE  (1u << LEAF_BITS)
#define FRAME_BITS 12

static_assert(XBAR_CODE_FRAME_SIZE == 1u << FRAME_BITS, "frames are shifted");
static_assert(XBAR_CODE_FRAMES <= 64 && XBAR_CODE_HABITS <= 32,
              "a bit for each that is held");
static_assert(XBAR_CODE_HOLD_MAX < UINT8_MAX, "and one more is counted down");

struct code_leaf {
    struct code_leaf *next; /* constant once published */
    uint64_t number;        /* of its frames, without the low LEAF_BITS */
    uint64_t watchers[LEAF_SIZE];
};

int code_pages__init(struct code_pages *pages)
{
    return -pthread_mutex_init(&pages->lock, NULL);
}

void code_pages__finish(struct xbar_engine *engine)
{
    struct code_pages *pages = &engine->code_pages;

    for (unsigned i = 0; i < CODE_BUCKETS; i++) {
        struct code_leaf *leaf = pages->buckets[i];

        while (leaf != NULL) {
            struct code_leaf *next = leaf->next;

            xbar_free(engine, leaf, sizeof(*leaf));
            leaf = next;
        }
        pages->buckets[i] = NULL;
    }
    pthread_mutex_destroy(&pages->lock);
}

/* ---- Frames ------------------------------------------------------------ */

/* The last frame of the page at @host; the first is host's own. */
static uint64_t last_frame(uint64_t host)
{
    return xbar_code_frame(host + (XBAR_CODE_FRAME_SIZE - 1));
}

static unsigned bucket_of(uint64_t number)
{
    return (unsigned)(number * 0x9e3779b97f4a7c15u >> 32) % CODE_BUCKETS;
}

/* The watchers of @frame; NULL: nobody ever watched near it. */
static uint64_t *find_watchers(const struct code_pages *pages, uint64_t frame)
{
    uint64_t index = frame >> FRAME_BITS;
    uint64_t number = index >> LEAF_BITS;
    struct code_leaf *leaf =
        __atomic_load_n(&pages->buckets[bucket_of(number)], __ATOMIC_ACQUIRE);

    while (leaf != NULL && leaf->number != number) {
        leaf = leaf->next;
    }
    return leaf ? &leaf->watchers[index % LEAF_SIZE] : NULL;
}

/* Under the lock. NULL: memory is short. */
static uint64_t *make_watchers(struct xbar_engine *engine, uint64_t frame)
{
    uint64_t *watchers = find_watchers(&engine->code_pages, frame);
    struct code_leaf **bucket;
    struct code_leaf *leaf;

    if (watchers != NULL) {
        return watchers;
    }
    leaf = xbar_alloc(engine, sizeof(*leaf));
    if (leaf == NULL) {
        return NULL;
    }
    leaf->number = frame >> FRAME_BITS >> LEAF_BITS;
    bucket = &engine->code_pages.buckets[bucket_of(leaf->number)];
    leaf->next = *bucket;
    __atomic_store_n(bucket, leaf, __ATOMIC_RELEASE);
    return &leaf->watchers[(frame >> FRAME_BITS) % LEAF_SIZE];
}

static bool is_frame_watched(const struct code_pages *pages, uint64_t frame)
{
    const uint64_t *watchers = find_watchers(pages, frame);

    return watchers != NULL && __atomic_load_n(watchers, __ATOMIC_SEQ_CST) != 0;
}

/* ---- Lists ------------------------------------------------------------- */

/* Its index; the count, if it is not in the list. */
static unsigned find_frame(const struct xbar_code_frames *frames,
                           uint64_t frame)
{
    unsigned i = 0;

    while (i < frames->count && frames->frame[i] != frame) {
        i++;
    }
    return i;
}

static bool has_frame(const struct xbar_code_frames *frames, uint64_t frame)
{
    return find_frame(frames, frame) < frames->count || frames->all;
}

/* Return: its index; the count, if the list is of all frames. */
static unsigned add_frame(struct xbar_code_frames *frames, uint64_t frame)
{
    unsigned i = find_frame(frames, frame);

    if (i == XBAR_CODE_FRAMES) {
        frames->all = true;
    } else if (i == frames->count && !frames->all) {
        frames->frame[frames->count++] = frame;
    }
    return i;
}

static void add_frames(struct xbar_code_frames *to,
                       const struct xbar_code_frames *from)
{
    to->all |= from->all;
    for (unsigned i = 0; i < from->count; i++) {
        add_frame(to, from->frame[i]);
    }
}

/* A list is short: what is behind its count is not copied. */
static void copy_frames(struct xbar_code_frames *to,
                        const struct xbar_code_frames *from)
{
    to->all = from->all;
    to->count = from->count;
    memcpy(to->frame, from->frame, from->count * sizeof(from->frame[0]));
}

static void empty(struct xbar_code_frames *frames)
{
    frames->all = false;
    frames->count = 0;
}

static void set_news(struct xbar_code_party *party, bool news)
{
    __atomic_store_n(&party->has_news, news, __ATOMIC_SEQ_CST);
}

/* ---- Storing ----------------------------------------------------------- */

bool xbar_code_is_watched(const struct xbar_engine *engine, uint64_t host)
{
    const struct code_pages *pages = &engine->code_pages;
    uint64_t last = last_frame(host);

    return is_frame_watched(pages, xbar_code_frame(host)) ||
           (last != xbar_code_frame(host) && is_frame_watched(pages, last));
}

/* On every watcher's list first, and only then free for inline stores. */
static XBAR_COLD void tell(struct code_pages *pages, uint64_t frame)
{
    uint64_t *watchers = find_watchers(pages, frame);

    pthread_mutex_lock(&pages->lock);
    for (struct xbar_code_party *p = pages->parties; p != NULL; p = p->next) {
        if (p->bit & *watchers) {
            add_frame(&p->written, frame);
            set_news(p, true);
        }
    }
    __atomic_store_n(watchers, 0, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&pages->lock);
}

void xbar_code_wrote(struct xbar_engine *engine, uint64_t host)
{
    struct code_pages *pages = &engine->code_pages;
    uint64_t last = last_frame(host);

    for (uint64_t frame = xbar_code_frame(host); frame <= last;
         frame += XBAR_CODE_FRAME_SIZE) {
        if (is_frame_watched(pages, frame)) {
            tell(pages, frame);
        }
    }
}

/* ---- Keeping ----------------------------------------------------------- */

/* Have all others take their inline stores back; true if they have. */
static bool protect(struct code_pages *pages,
                    const struct xbar_code_party *party, uint64_t frame)
{
    bool settled = true;

    for (struct xbar_code_party *p = pages->parties; p != NULL; p = p->next) {
        if (p != party) {
            p->protect(p, frame);
            settled &= p->is_settled(p);
        }
    }
    return settled;
}

static struct xbar_code_habit *habit_of(struct xbar_code_party *party,
                                        uint64_t frame)
{
    return &party->habits[(frame >> FRAME_BITS) % XBAR_CODE_HABITS];
}

static bool is_held(struct xbar_code_party *party, uint64_t frame)
{
    const struct xbar_code_habit *habit = habit_of(party, frame);

    return habit->left > 0 && habit->frame == frame;
}

/* Under the lock. True: it is watched now, and was not before. */
static bool watch_frame(struct xbar_engine *engine,
                        struct xbar_code_party *party, uint64_t frame)
{
    uint64_t *watchers;

    if (party->bit == 0 || has_frame(&party->written, frame) ||
        is_held(party, frame)) {
        return false;
    }
    watchers = make_watchers(engine, frame);
    if (watchers == NULL) {
        party->written.all = true; /* as good as written, until it is watched */
        set_news(party, true);
        return false;
    }
    if (*watchers & party->bit) {
        return false;
    }
    __atomic_fetch_or(watchers, party->bit, __ATOMIC_SEQ_CST);
    if (!protect(&engine->code_pages, party, frame)) {
        add_frame(&party->unsettled, frame);
        set_news(party, true);
    }
    return true;
}

bool xbar_code_watch(struct xbar_engine *engine, struct xbar_code_party *party,
                     uint64_t host)
{
    struct code_pages *pages = &engine->code_pages;
    uint64_t last = last_frame(host);
    bool is_new = false;

    pthread_mutex_lock(&pages->lock);
    for (uint64_t frame = xbar_code_frame(host); frame <= last;
         frame += XBAR_CODE_FRAME_SIZE) {
        is_new |= watch_frame(engine, party, frame);
    }
    pthread_mutex_unlock(&pages->lock);
    return is_new;
}

/* Does nobody but @party store inline to what it asked to protect? */
static bool are_others_settled(const struct code_pages *pages,
                               const struct xbar_code_party *party)
{
    for (struct xbar_code_party *p = pages->parties; p != NULL; p = p->next) {
        if (p != party && !p->is_settled(p)) {
            return false;
        }
    }
    return true;
}

/* ---- Collecting -------------------------------------------------------- */

/* @frame was told: from now on it is held, or will be watched. */
static void note_told(struct xbar_code_party *party, uint64_t frame)
{
    struct xbar_code_habit *habit = habit_of(party, frame);

    if (habit->left > 0) {
        return; /* another one is held */
    }
    if (habit->frame != frame) {
        *habit = (struct xbar_code_habit){ .frame = frame };
    } else if (habit->watched_at + 1 != party->comparisons) {
        habit->hold = 0;
    } else if (habit->hold < XBAR_CODE_HOLD_MAX) {
        habit->hold = (uint8_t)(2 * habit->hold + 1);
    }
    habit->watched_at = party->comparisons;
    if (habit->hold > 0) {
        habit->left = (uint8_t)(habit->hold + 1);
        party->held |= (uint32_t)1 << (habit - party->habits);
    }
}

/* What was told, and what is unsettled. */
static void collect_news(struct xbar_engine *engine,
                         struct xbar_code_party *party,
                         struct xbar_code_frames *frames)
{
    struct code_pages *pages = &engine->code_pages;

    pthread_mutex_lock(&pages->lock);
    copy_frames(frames, &party->written);
    for (unsigned i = 0; i < frames->count; i++) {
        note_told(party, frames->frame[i]);
    }
    add_frames(frames, &party->unsettled);
    frames->all |= party->bit == 0;
    empty(&party->written);
    /* This comparison is the last one they need: what was stored before they
     * settled is visible now. */
    if (are_others_settled(pages, party)) {
        empty(&party->unsettled);
    }
    set_news(party, party->bit == 0 || party->unsettled.count != 0);
    pthread_mutex_unlock(&pages->lock);
}

/* Mark it as held. */
static void add_held(struct xbar_code_frames *frames, uint64_t frame)
{
    unsigned i = add_frame(frames, frame);

    if (i < frames->count) {
        frames->held |= (uint64_t)1 << i;
    }
}

/* What is held, of which some will be watched from now on. */
static void collect_held(struct xbar_code_party *party,
                         struct xbar_code_frames *frames)
{
    for (uint32_t left = party->held; left != 0; left &= left - 1) {
        unsigned place = (unsigned)__builtin_ctz(left);
        struct xbar_code_habit *habit = &party->habits[place];

        if (--habit->left > 0) {
            add_held(frames, habit->frame);
        } else {
            (void)add_frame(frames, habit->frame);
            habit->watched_at = party->comparisons;
            party->held &= ~((uint32_t)1 << place);
        }
    }
}

bool xbar_code_collect(struct xbar_engine *engine,
                       struct xbar_code_party *party,
                       struct xbar_code_frames *frames)
{
    bool has_news = __atomic_load_n(&party->has_news, __ATOMIC_SEQ_CST);

    party->comparisons++;
    empty(frames);
    frames->held = 0;
    if (has_news) {
        collect_news(engine, party, frames);
    }
    if (party->held != 0) {
        collect_held(party, frames);
    }
    return has_news || frames->count != 0;
}

/* ---- Coming and going -------------------------------------------------- */

void xbar_code_join(struct xbar_engine *engine, struct xbar_code_party *party)
{
    struct code_pages *pages = &engine->code_pages;

    pthread_mutex_lock(&pages->lock);
    party->next = pages->parties;
    pages->parties = party;
    pthread_mutex_unlock(&pages->lock);
}

void xbar_code_leave(struct xbar_engine *engine, struct xbar_code_party *party)
{
    struct code_pages *pages = &engine->code_pages;
    struct xbar_code_party **p = &pages->parties;

    xbar_assert(!party->keeps);
    pthread_mutex_lock(&pages->lock);
    while (*p != party) {
        p = &(*p)->next;
    }
    *p = party->next;
    pthread_mutex_unlock(&pages->lock);
}

/* Whoever gets the bit next must not find it in use. */
static void clear_bit(struct code_pages *pages, uint64_t bit)
{
    for (unsigned i = 0; i < CODE_BUCKETS; i++) {
        for (struct code_leaf *leaf = pages->buckets[i]; leaf != NULL;
             leaf = leaf->next) {
            for (unsigned j = 0; j < LEAF_SIZE; j++) {
                if (leaf->watchers[j] & bit) {
                    __atomic_fetch_and(&leaf->watchers[j], ~bit,
                                       __ATOMIC_RELEASE);
                }
            }
        }
    }
}

void xbar_code_keep(struct xbar_engine *engine, struct xbar_code_party *party,
                    bool on)
{
    struct code_pages *pages = &engine->code_pages;

    xbar_assert(party->keeps != on);
    pthread_mutex_lock(&pages->lock);
    if (on) {
        party->bit = ~pages->bits_taken & -~pages->bits_taken;
        pages->bits_taken |= party->bit;
    } else {
        clear_bit(pages, party->bit);
        pages->bits_taken &= ~party->bit;
        party->bit = 0;
    }
    party->keeps = on;
    memset(party->habits, 0, sizeof(party->habits));
    party->held = 0;
    empty(&party->written);
    empty(&party->unsettled);
    set_news(party, on && party->bit == 0);
    pthread_mutex_unlock(&pages->lock);
}
