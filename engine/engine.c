/* SPDX-License-Identifier: MIT */
/*
 * The engine's life, and which one is current on a thread.
 *
 *        regions ----> transaction ----> participants (flatview/)
 *           |             undo log            |
 *           |                                 v
 *        dispatch <---- plans            retire queues ----> reclaim
 *
 * An engine is one allocation that all of these hang off. The only state
 * outside of engines is the default one (static, so that having it cannot
 * fail) and, per thread, the stack of engines entered and what the thread is in
 * the middle of.
 */
#include "engine/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "engine/guard.h"
#include "engine/rcu.h"

#define ENTER_DEPTH 8

static struct xbar_engine default_engine;
static pthread_once_t default_once = PTHREAD_ONCE_INIT;

static _Thread_local struct {
    struct xbar_engine *stack[ENTER_DEPTH]; /* entered */
    unsigned depth;
    bool is_reclaiming;
} thread;

_Thread_local unsigned engine__writer_locks;

/* ---- The C library's allocator ----------------------------------------- */

static void *alloc_libc(void *opaque, size_t size, size_t align)
{
    void *ptr = NULL;

    (void)opaque;
    if (align <= _Alignof(max_align_t)) {
        return calloc(1, size);
    }
    if (posix_memalign(&ptr, align, size)) {
        return NULL;
    }
    return memset(ptr, 0, size);
}

static void free_libc(void *opaque, void *ptr, size_t size)
{
    (void)opaque;
    (void)size;
    free(ptr);
}

/* ---- Life -------------------------------------------------------------- */

static int init_locks(struct xbar_engine *engine)
{
    int rc = -pthread_mutex_init(&engine->reclaim_lock, NULL);

    if (!rc) {
        rc = code_pages__init(&engine->code_pages);
    }
    if (!rc) {
        rc = dirty_log__init(&engine->dirty_logs);
    }
    return rc;
}

static const struct xbar_allocator libc_allocator = {
    .alloc = alloc_libc,
    .free = free_libc,
};

static int init_engine(struct xbar_engine *engine,
                       const struct xbar_engine_config *config)
{
    engine->config = *config;
    engine->allocator = config->allocator ? *config->allocator : libc_allocator;
    engine->config.allocator = NULL; /* the caller's; it may be gone soon */
    engine->log = &engine->first_chunk;
    lines__init(engine);
    dirty__init(engine);
    return init_locks(engine);
}

void xbar_engine_count_views(struct xbar_engine *engine, uint64_t views,
                             uint64_t windows, uint64_t nodes)
{
    xbar_assert(engine__writer_is_mine(engine));
    engine__stat_count(&engine->stats.views, views);
    engine__stat_count(&engine->stats.windows, windows);
    engine__stat_count(&engine->stats.nodes_copied, nodes);
}

uint64_t xbar_engine_regions(const struct xbar_engine *engine)
{
    return __atomic_load_n(&engine->stats.regions, __ATOMIC_RELAXED);
}

struct xbar_engine *xbar_engine_new(const struct xbar_engine_config *config)
{
    static const struct xbar_engine_config defaults;
    const struct xbar_allocator *a = &libc_allocator;
    struct xbar_engine *engine;

    config = config ? config : &defaults;
    a = config->allocator ? config->allocator : a;
    engine = a->alloc(a->opaque, sizeof(*engine), _Alignof(max_align_t));
    if (engine && init_engine(engine, config)) {
        a->free(a->opaque, engine, sizeof(*engine));
        return NULL;
    }
    return engine;
}

static bool is_entered(const struct xbar_engine *engine)
{
    for (unsigned i = 0; i < thread.depth; i++) {
        if (thread.stack[i] == engine) {
            return true;
        }
    }
    return false;
}

static bool is_idle(struct xbar_engine *engine)
{
    bool idle;

    engine__lock_writer(engine);
    idle = !engine->first_participant && !engine->is_enlisted &&
           !engine->newest_snapshot &&
           __atomic_load_n(&engine->stats.regions, __ATOMIC_RELAXED) == 0;
    engine__unlock_writer(engine);
    return idle;
}

int xbar_engine_free(struct xbar_engine *engine)
{
    struct xbar_allocator a;
    int64_t freed;

    if (!engine || engine == &default_engine) {
        return -EINVAL;
    }
    if (is_entered(engine)) {
        return -EBUSY;
    }
    /* What is retired may keep regions, whose release may retire others. */
    do {
        freed = xbar_engine_reclaim(engine);
    } while (freed > 0);
    if (freed < 0) {
        return (int)freed;
    }
    if (!is_idle(engine)) {
        return -EBUSY;
    }
    lines__finish(engine);
    code_pages__finish(engine);
    dirty_log__finish(&engine->dirty_logs);
    pthread_mutex_destroy(&engine->reclaim_lock);
    a = engine->allocator;
    a.free(a.opaque, engine, sizeof(*engine));
    return 0;
}

/* ---- The current engine ------------------------------------------------ */

static void init_default(void)
{
    static const struct xbar_engine_config defaults;
    int rc = init_engine(&default_engine, &defaults);

    xbar_assert(rc == 0); /* glibc's mutexes take no resources */
}

int xbar_engine_enter(struct xbar_engine *engine)
{
    if (!engine || thread.depth == ENTER_DEPTH) {
        return -EINVAL;
    }
    thread.stack[thread.depth++] = engine;
    return 0;
}

int xbar_engine_leave(struct xbar_engine *engine)
{
    if (!thread.depth || thread.stack[thread.depth - 1] != engine) {
        return -EINVAL;
    }
    thread.depth--;
    return 0;
}

struct xbar_engine *xbar_engine_current(void)
{
    if (thread.depth) {
        return thread.stack[thread.depth - 1];
    }
    pthread_once(&default_once, init_default);
    return &default_engine;
}

bool xbar_engine_is_big_endian(const struct xbar_engine *engine)
{
    return engine->config.guest_is_big_endian;
}

/* ---- Locks ------------------------------------------------------------- */

void xbar_engine_lock(struct xbar_engine *engine)
{
    lock__take(&engine->machine_lock, &guard__chain);
}

void xbar_engine_unlock(struct xbar_engine *engine)
{
    /* Who has not taken it must not give it away. */
    if (lock__is_mine(&engine->machine_lock, &guard__chain)) {
        lock__release(&engine->machine_lock);
    }
}

void engine__lock_reclaim(struct xbar_engine *engine)
{
    pthread_mutex_lock(&engine->reclaim_lock);
    __atomic_store_n(&engine->releaser, &guard__chain, __ATOMIC_RELAXED);
    thread.is_reclaiming = true;
}

void engine__unlock_reclaim(struct xbar_engine *engine)
{
    thread.is_reclaiming = false;
    __atomic_store_n(&engine->releaser, NULL, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&engine->reclaim_lock);
}

/*
 * A grace period waits for the readers of all engines, and a reader may wait
 * for any lock that is held here, whichever engine's it is.
 */
bool engine__may_wait(void)
{
    return !xbar_rcu_read_held() && !xbar_transaction_is_open() &&
           engine__writer_locks == 0 && !thread.is_reclaiming;
}

void xbar_tree_hold(struct xbar_engine *engine)
{
    engine__lock_writer(engine);
}

void xbar_tree_release(struct xbar_engine *engine)
{
    engine__unlock_writer(engine);
}

struct RamDiscardManager **xbar_discard_managers(struct xbar_engine *engine)
{
    xbar_assert(engine__writer_is_mine(engine));
    return &engine->discard_managers;
}

/* ---- The rest ---------------------------------------------------------- */

void xbar_engine_get_stats(struct xbar_engine *engine,
                           struct xbar_engine_stats *stats)
{
    const struct xbar_engine_stats *from = &engine->stats;
    const size_t kept = lines__kept(engine);
    uint64_t bytes;

    stats->commits = __atomic_load_n(&from->commits, __ATOMIC_RELAXED);
    stats->commits_void =
        __atomic_load_n(&from->commits_void, __ATOMIC_RELAXED);
    stats->regions = __atomic_load_n(&from->regions, __ATOMIC_RELAXED);
    bytes = __atomic_load_n(&from->bytes_live, __ATOMIC_RELAXED) +
            __atomic_load_n(&engine->writer_bytes, __ATOMIC_RELAXED);
    /* What was kept may have been freed since. */
    stats->bytes_live = bytes > kept ? bytes - kept : 0;
    stats->bytes_retired = engine__bytes_retired(engine);
    stats->views = __atomic_load_n(&from->views, __ATOMIC_RELAXED);
    stats->windows = __atomic_load_n(&from->windows, __ATOMIC_RELAXED);
    stats->nodes_copied =
        __atomic_load_n(&from->nodes_copied, __ATOMIC_RELAXED);
}
