/* SPDX-License-Identifier: MIT */
/*
 * Transactions: many changes, one commit, all or nothing.
 *
 *   begin                  depth 1
 *     mutator(A)           lock A, enlist it; reserve log; log; change
 *     mutator(B)           the same for B
 *   commit                 depth 0:
 *     A, B  prepare        new views are built; may fail
 *     A, B  publish        nothing fails from here on
 *     A, B  notify         subscribers may edit: that is the next round
 *     A, B  retire
 *     unlock A and B
 *
 * If anything failed, the logs are replayed, newest entry first, and the
 * transaction is void in all engines. Replaying allocates nothing: a log
 * entry is a function, an object and a word.
 *
 * A thread's transaction is thread-local; an engine's part in it (the log)
 * lies in the engine, under its writer lock, which is held from enlisting to
 * the end. Threads that open transactions over several engines must touch
 * the engines in the same order.
 *
 * What outlives a void transaction though it was made in it, an AddressSpace,
 * gets a round of its own after the undo: nothing changed, all are prepared.
 */
#include "engine/commit.h"

#include <errno.h>

#include "engine/engine_internal.h"
#include "engine/interval.h"
#include "engine/log.h"

/* Rounds that notified subscribers may add to a commit by editing. */
#define MAX_ROUNDS 64

enum phase {
    PHASE_OPEN,       /* mutators may run */
    PHASE_COMMITTING, /* they may not: views are being built or published */
    PHASE_NOTIFYING,  /* they may, and belong to the next round */
};

static _Thread_local struct {
    unsigned depth;
    enum phase phase;
    int void_error; /* the first -errno that made it void, or 0 */
    struct xbar_engine *engines;
} tx;

/* ---- The undo log ------------------------------------------------------ */

int transaction__grow(struct xbar_engine *engine, size_t n)
{
    struct undo_chunk *chunk = engine->log;

    xbar_assert(n <= UNDO_CHUNK_ENTRIES);
    if (dirty__reserve(engine, 2 * n)) {
        return transaction__void(-ENOMEM);
    }
    if (UNDO_CHUNK_ENTRIES - chunk->used >= n) {
        return 0;
    }
    chunk = xbar_alloc(engine, sizeof(*chunk));
    if (!chunk) {
        return transaction__void(-ENOMEM);
    }
    chunk->older = engine->log;
    engine->log = chunk;
    return 0;
}

static inline bool has_changed(const struct xbar_engine *engine)
{
    return transaction__has_logged(engine) || engine->is_behind;
}

static void replay_chunk(const struct undo_chunk *chunk)
{
    for (size_t i = chunk->used; i-- > 0;) {
        const struct undo_entry *e = &chunk->entries[i];

        e->undo(e->opaque, e->old);
    }
}

static void replay_log(struct xbar_engine *engine)
{
    for (struct undo_chunk *c = engine->log; c; c = c->older) {
        replay_chunk(c);
    }
}

static void clear_log(struct xbar_engine *engine)
{
    while (unlikely(engine->log != &engine->first_chunk)) {
        struct undo_chunk *chunk = engine->log;

        engine->log = chunk->older;
        xbar_free(engine, chunk, sizeof(*chunk));
    }
    engine->log->used = 0;
}

/* ---- Joining a transaction --------------------------------------------- */

bool xbar_transaction_is_open(void)
{
    return tx.depth != 0;
}

int transaction__void(int error)
{
    if (!tx.void_error) {
        tx.void_error = error;
    }
    return error;
}

static inline void enlist(struct xbar_engine *engine)
{
    engine__lock_writer(engine); /* until the transaction ends */
    engine->is_enlisted = true;
    engine->enlisted_next = tx.engines;
    tx.engines = engine;
}

static inline void join(struct xbar_engine *engine)
{
    if (!engine__writer_is_mine(engine) || !engine->is_enlisted) {
        enlist(engine);
    }
}

int xbar_mutation_begin(struct xbar_engine *engine)
{
    if (unlikely(tx.void_error)) {
        return tx.void_error;
    }
    if (unlikely(tx.phase == PHASE_COMMITTING)) {
        return -EBUSY;
    }
    join(engine);
    tx.depth++;
    return 0;
}

int xbar_mutation_log(struct xbar_engine *engine,
                      void (*undo)(void *opaque, uintptr_t old), void *opaque,
                      uintptr_t old)
{
    int rc = transaction__reserve(engine, 1);

    if (!rc) {
        transaction__log(engine, undo, opaque, old);
    }
    return rc;
}

void xbar_tell_later(struct xbar_engine *engine,
                     void (*tell)(struct xbar_engine *engine))
{
    xbar_assert(tx.depth != 0);
    xbar_assert(engine->tell_later == NULL || engine->tell_later == tell);
    join(engine);
    engine->tell_later = tell;
}

void xbar_mutation_stays(struct xbar_engine *engine)
{
    xbar_assert(engine__writer_is_mine(engine));
    engine->is_behind = true;
}

/* ---- Participants ------------------------------------------------------ */

void xbar_participant_add(struct xbar_engine *engine,
                          struct xbar_participant *p)
{
    xbar_assert(engine__writer_is_mine(engine));
    p->next = NULL;
    p->prev = engine->last_participant;
    *(p->prev ? &p->prev->next : &engine->first_participant) = p;
    engine->last_participant = p;
}

void xbar_participant_remove(struct xbar_engine *engine,
                             struct xbar_participant *p)
{
    xbar_assert(engine__writer_is_mine(engine));
    if (engine->next_told == p) {
        engine->next_told = p->next;
    }
    *(p->prev ? &p->prev->next : &engine->first_participant) = p->next;
    *(p->next ? &p->next->prev : &engine->last_participant) = p->prev;
    p->next = NULL;
    p->prev = NULL;
}

struct xbar_participant *
xbar_participant_first(const struct xbar_engine *engine)
{
    return engine->first_participant;
}

static void cancel_before(struct xbar_participant *failed)
{
    for (struct xbar_participant *p = failed->prev; p; p = p->prev) {
        p->cancel(p);
    }
}

static int prepare_participants(struct xbar_engine *engine)
{
    for (struct xbar_participant *p = engine->first_participant; p;
         p = p->next) {
        int rc;

        if (p->root) {
            p->dirty_count = dirty__of(engine, p->root, &p->dirty);
        }
        rc = p->prepare(p);
        if (rc) {
            cancel_before(p);
            return rc;
        }
    }
    return 0;
}

static XBAR_FORCE_INLINE int prepare_engine(struct xbar_engine *engine)
{
    int rc = unlikely(engine->has_hidden_plans) ? deferred__mark(engine) : 0;

    if (!rc) {
        rc = dirty__carry(engine);
    }
    if (!rc) {
        rc = prepare_participants(engine);
        dirty__drop(engine);
    }
    return rc;
}

static void cancel_engine(struct xbar_engine *engine)
{
    for (struct xbar_participant *p = engine->last_participant; p;
         p = p->prev) {
        p->cancel(p);
    }
}

static void publish_engine(struct xbar_engine *engine)
{
    for (struct xbar_participant *p = engine->first_participant; p;
         p = p->next) {
        p->publish(p);
    }
}

/* Whom to tell next; xbar_participant_remove() keeps it right meanwhile. */
static struct xbar_participant *take_next_told(struct xbar_engine *engine)
{
    struct xbar_participant *p = engine->next_told;

    engine->next_told = p ? p->next : NULL;
    return p;
}

static void notify_engine(struct xbar_engine *engine)
{
    struct xbar_participant *p;

    engine->next_told = engine->first_participant;
    while ((p = take_next_told(engine)) != NULL) {
        p->notify(p);
    }
}

static void retire_engine(struct xbar_engine *engine)
{
    for (struct xbar_participant *p = engine->first_participant; p;
         p = p->next) {
        p->retire(p);
    }
}

/* ---- Committing -------------------------------------------------------- */

static inline bool has_to_do(const struct xbar_engine *engine)
{
    return has_changed(engine) || engine->open_endings || engine->tell_later;
}

static inline bool anything_to_do(void)
{
    struct xbar_engine *e = tx.engines;

    while (e && !has_to_do(e)) {
        e = e->enlisted_next;
    }
    return e != NULL;
}

/* Prepare every changed engine, or none: on failure all are cancelled. */
static int prepare_all(void)
{
    for (struct xbar_engine *e = tx.engines; e; e = e->enlisted_next) {
        int rc;

        e->has_news = has_changed(e);
        rc = e->has_news ? prepare_engine(e) : 0;
        if (likely(!rc)) {
            continue;
        }
        for (struct xbar_engine *d = tx.engines; d != e; d = d->enlisted_next) {
            if (d->has_news) {
                cancel_engine(d);
            }
        }
        return rc;
    }
    return 0;
}

static void undo_all(void)
{
    for (struct xbar_engine *e = tx.engines; e; e = e->enlisted_next) {
        e->is_behind = false;
        e->has_news = false;
        dirty__forget_way(e);
        replay_log(e);
        clear_log(e);
        dirty__clear(e);
        interval__sweep(e);
        destroy__cancel(e);
        snapshot__undo(e);
        engine__stat_count(&e->stats.commits_void, 1);
    }
}

static void publish_all(void)
{
    for (struct xbar_engine *e = tx.engines; e; e = e->enlisted_next) {
        if (e->has_news) {
            publish_engine(e);
        }
    }
}

/* What few rounds have. */
XBAR_COLD static void settle_rest(struct xbar_engine *e, bool has_news)
{
    if (e->has_hidden_plans && has_news) {
        deferred__settle(e);
    }
    interval__sweep(e);
    if (e->newest_snapshot) {
        snapshot__settle(e);
    }
    destroy__start(e);
}

/*
 * The round's changes stand now. The logs are cleared before anybody is told:
 * what a subscriber edits is logged anew, and is the next round's.
 */
static XBAR_FORCE_INLINE void settle(struct xbar_engine *e, bool has_news)
{
    if (has_news || e->open_endings) {
        engine__stat_count(&e->stats.commits, 1);
    }
    clear_log(e);
    dirty__clear(e);
    e->is_behind = false;
    if (unlikely(e->has_hidden_plans || e->empty_intervals ||
                 e->newest_snapshot || e->open_endings)) {
        settle_rest(e, has_news);
    }
}

static void tell_what_waited(struct xbar_engine *engine)
{
    void (*tell)(struct xbar_engine * engine) = engine->tell_later;

    if (tell) {
        engine->tell_later = NULL;
        tell(engine);
    }
}

/* A round of several engines: each phase is one of all of them. */
XBAR_COLD static int commit_together(void)
{
    int rc = prepare_all();

    if (rc) {
        return rc;
    }
    publish_all();
    for (struct xbar_engine *e = tx.engines; e; e = e->enlisted_next) {
        settle(e, e->has_news);
    }
    tx.phase = PHASE_NOTIFYING;
    for (struct xbar_engine *e = tx.engines; e; e = e->enlisted_next) {
        if (e->has_news) {
            notify_engine(e);
        }
    }
    for (struct xbar_engine *e = tx.engines; e; e = e->enlisted_next) {
        tell_what_waited(e);
    }
    tx.phase = PHASE_COMMITTING;
    for (struct xbar_engine *e = tx.engines; e; e = e->enlisted_next) {
        if (e->has_news) {
            retire_engine(e);
        }
        e->has_news = false;
    }
    return 0;
}

/*
 * The same of one engine, as nearly all are. Another one that a subscriber
 * edits meanwhile is the next round's.
 */
static int commit_alone(struct xbar_engine *engine)
{
    const bool has_news = has_changed(engine);

    if (has_news) {
        int rc = prepare_engine(engine);

        if (unlikely(rc)) {
            return rc;
        }
        publish_engine(engine);
    }
    settle(engine, has_news);
    tx.phase = PHASE_NOTIFYING;
    if (has_news) {
        notify_engine(engine);
    }
    tell_what_waited(engine);
    tx.phase = PHASE_COMMITTING;
    if (has_news) {
        retire_engine(engine);
    }
    return 0;
}

static int commit_round(void)
{
    int rc = tx.void_error;

    tx.void_error = 0;
    tx.phase = PHASE_COMMITTING;
    if (likely(!rc)) {
        rc = likely(tx.engines && !tx.engines->enlisted_next)
                 ? commit_alone(tx.engines)
                 : commit_together();
    }
    if (unlikely(rc)) {
        undo_all();
    }
    return rc;
}

/* Until it is asked for again. */
static void forget_what_waits(void)
{
    for (struct xbar_engine *e = tx.engines; e; e = e->enlisted_next) {
        e->tell_later = NULL;
    }
}

/*
 * The first round holds the caller's changes, and its result is the caller's.
 * Subscribers' edits follow as rounds of their own; if they never settle, the
 * last ones are void. A round that is void leaves nothing to do but what
 * xbar_mutation_stays() asked for, and if that fails, nothing.
 */
static int commit_rounds(int *void_error)
{
    int first = commit_round();
    int rc = first;

    for (unsigned round = 1; tx.void_error || anything_to_do(); round++) {
        int next;

        if (round >= MAX_ROUNDS) {
            transaction__void(-ELOOP);
            forget_what_waits();
        }
        next = commit_round();
        rc = rc ? rc : next;
    }
    *void_error = rc;
    return first;
}

XBAR_COLD static void tell_void(const struct xbar_engine_config *config,
                                int error)
{
    if (error == -ENOMEM && config->out_of_memory) {
        config->out_of_memory(config->out_of_memory_opaque);
    }
    if (config->transaction_void) {
        config->transaction_void(config->transaction_void_opaque, error);
    }
}

/* The embedder's hooks run outside of @e's locks. */
static void leave_engine(struct xbar_engine *e, int void_error)
{
    const struct xbar_engine_config *config = &e->config;
    bool reclaim_due = reclaim__is_due(e);

    e->enlisted_next = NULL;
    e->is_enlisted = false;
    engine__unlock_writer(e);
    if (unlikely(void_error)) {
        tell_void(config, void_error);
    }
    if (reclaim_due && config->reclaim_wanted) {
        config->reclaim_wanted(config->reclaim_wanted_opaque);
    }
}

static void leave_engines(int void_error)
{
    while (tx.engines) {
        struct xbar_engine *e = tx.engines;

        tx.engines = e->enlisted_next;
        leave_engine(e, void_error);
    }
}

void memory_region_transaction_begin(void)
{
    tx.depth++;
}

/* The depth stays 1 while callbacks run. */
XBAR_NOINLINE static int commit_outermost(void)
{
    int void_error = 0;
    int rc = 0;

    if (tx.void_error || anything_to_do()) {
        rc = commit_rounds(&void_error);
    }
    tx.phase = PHASE_OPEN;
    tx.depth = 0;
    leave_engines(void_error);
    return rc;
}

XBAR_COLD static int refuse_commit(void)
{
    return log__refuse(NULL, "no transaction", -EINVAL,
                       "memory_region_transaction_commit", "it has no begin");
}

/* Only the outermost one needs more than a few registers. */
static inline int commit(void)
{
    if (unlikely(!tx.depth || (tx.depth == 1 && tx.phase != PHASE_OPEN))) {
        return refuse_commit();
    }
    if (tx.depth == 1) {
        return commit_outermost();
    }
    tx.depth--;
    return tx.void_error;
}

int memory_region_transaction_commit(void)
{
    return commit();
}

int xbar_mutation_end(struct xbar_engine *engine)
{
    xbar_assert(engine->is_enlisted);
    return commit();
}

int xbar_transaction_abort(void)
{
    if (!tx.depth) {
        return -EINVAL;
    }
    transaction__void(-ECANCELED);
    return 0;
}
