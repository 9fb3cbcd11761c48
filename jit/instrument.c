/* SPDX-License-Identifier: MIT */
/*
 * Subscribers and vCPUs: who is there, and when one is gone for good.
 *
 * Each change raises the generation. A vCPU has seen the one of its last sync,
 * and from then on uses nothing of subscribers that had ended by it. So a
 * subscriber is gone when every vCPU that is online has seen that generation;
 * one that is offline syncs before it runs.
 *
 *     generation   5            6                     7
 *                       add B        remove A
 *     vCPU 0       -----|-----sync 6-|---------sync 7-|---   A, B  ->  B
 *     vCPU 1       ------------------(asleep)-------------   syncs to 7
 *                                                     ^ A has ended
 */
#include "jit/instrument.h"

#include <errno.h>

#include "jit/instrument_internal.h"

static void lock(struct xbar_instruments *hub)
{
    pthread_mutex_lock(&hub->lock);
}

static void unlock(struct xbar_instruments *hub)
{
    pthread_mutex_unlock(&hub->lock);
}

/* ---- Ending a subscriber ----------------------------------------------- */

static bool is_used(const struct xbar_instruments *hub,
                    const struct xbar_instrument *in)
{
    for (unsigned i = 0; i < XBAR_VCPUS_MAX; i++) {
        const struct xbar_vcpu *vcpu = hub->vcpu[i];

        if (vcpu != NULL && vcpu->is_online &&
            vcpu->generation < in->ended_by) {
            return true;
        }
    }
    return false;
}

/* Under the lock: take those that ended out of the list. */
static struct xbar_instrument *take_ended(struct xbar_instruments *hub)
{
    struct xbar_instrument *ended = NULL;
    struct xbar_instrument **link = &hub->first;

    while (*link != NULL) {
        struct xbar_instrument *in = *link;

        if (in->ended_by == 0 || is_used(hub, in)) {
            link = &in->next;
            continue;
        }
        *link = in->next;
        in->next = ended;
        ended = in;
        hub->count--;
    }
    return ended;
}

static void free_wishes(struct xbar_instrument *in)
{
    struct instrument_wish *wish = atomic_load(&in->wishes);

    while (wish != NULL) {
        struct instrument_wish *next = atomic_load(&wish->next);

        xbar_free(in->hub->engine, wish, sizeof(*wish));
        wish = next;
    }
}

/* Without the lock. */
static void end_all(struct xbar_instrument *ended)
{
    while (ended != NULL) {
        struct xbar_instrument *in = ended;

        ended = in->next;
        if (in->ops.ended != NULL) {
            in->ops.ended(in->opaque);
        }
        free_wishes(in);
        xbar_free(in->hub->engine, in, sizeof(*in));
    }
}

/* Under the lock: the list changed. */
static uint64_t announce(struct xbar_instruments *hub)
{
    uint64_t generation = atomic_fetch_add(&hub->generation, 1) + 1;

    for (unsigned i = 0; i < XBAR_VCPUS_MAX; i++) {
        struct xbar_vcpu *vcpu = hub->vcpu[i];

        if (vcpu != NULL && vcpu->is_online) {
            vcpu->ops->kick(vcpu->opaque);
        }
    }
    return generation;
}

/* ---- Commits ----------------------------------------------------------- */

static struct xbar_instrument *of_listener(MemoryListener *listener)
{
    return xbar_container_of(listener, struct xbar_instrument, listener);
}

static void begin_commit(MemoryListener *listener)
{
    of_listener(listener)->commit =
        (struct xbar_commit_event){ .first = UINT64_MAX };
}

static void note_section(struct xbar_commit_event *commit,
                         const MemoryRegionSection *section)
{
    hwaddr first = section->offset_within_address_space;
    hwaddr last = first + ((hwaddr)section->size - 1);

    commit->first = first < commit->first ? first : commit->first;
    commit->last = last > commit->last ? last : commit->last;
}

static void add_section(MemoryListener *listener, MemoryRegionSection *section)
{
    struct xbar_commit_event *commit = &of_listener(listener)->commit;

    commit->added++;
    note_section(commit, section);
}

static void remove_section(MemoryListener *listener,
                           MemoryRegionSection *section)
{
    struct xbar_commit_event *commit = &of_listener(listener)->commit;

    commit->removed++;
    note_section(commit, section);
}

/* An empty view is no commit; nor is that the subscriber goes. */
static void end_commit(MemoryListener *listener)
{
    struct xbar_instrument *in = of_listener(listener);

    if (in->commit.added + in->commit.removed != 0 &&
        !atomic_load(&in->is_ending)) {
        in->ops.commit(in->opaque, &in->commit);
    }
}

static int listen(struct xbar_instrument *in)
{
    in->listener = (MemoryListener){
        .begin = begin_commit,
        .region_add = add_section,
        .region_del = remove_section,
        .commit = end_commit,
        .name = "instrument",
    };
    in->listens = memory_listener_register(&in->listener, in->hub->as) == 0;
    return in->listens ? 0 : -ENOMEM;
}

static void stop_listening(struct xbar_instrument *in)
{
    if (in->listens) {
        in->listens = false;
        (void)memory_listener_unregister(&in->listener);
    }
}

/* ---- Subscribers ------------------------------------------------------- */

static bool append(struct xbar_instruments *hub, struct xbar_instrument *in)
{
    struct xbar_instrument **link = &hub->first;

    if (hub->count == XBAR_INSTRUMENTS_MAX) {
        return false;
    }
    while (*link != NULL) {
        link = &(*link)->next;
    }
    *link = in;
    hub->count++;
    (void)announce(hub);
    return true;
}

struct xbar_instrument *
xbar_instrument_add(struct xbar_instruments *instruments,
                    const struct xbar_instrument_ops *ops, void *opaque)
{
    struct xbar_instrument *in = xbar_alloc(instruments->engine, sizeof(*in));
    bool is_added;

    if (in == NULL) {
        return NULL;
    }
    in->hub = instruments;
    in->ops = *ops;
    in->opaque = opaque;
    lock(instruments);
    is_added = append(instruments, in);
    unlock(instruments);
    if (!is_added) {
        xbar_free(instruments->engine, in, sizeof(*in));
        return NULL;
    }
    if (ops->commit != NULL && listen(in) != 0) {
        in->ops.ended = NULL;
        xbar_instrument_remove(in);
        return NULL;
    }
    return in;
}

void xbar_instrument_remove(struct xbar_instrument *in)
{
    struct xbar_instruments *hub = in->hub;
    struct xbar_instrument *ended;

    atomic_store(&in->is_ending, true);
    stop_listening(in);
    lock(hub);
    in->ended_by = announce(hub);
    ended = take_ended(hub);
    unlock(hub);
    end_all(ended);
}

int xbar_instrument_accesses(struct xbar_instrument *in,
                             const struct xbar_access_filter *filter,
                             xbar_access_fn *cb, void *userdata)
{
    struct instrument_wish *_Atomic *link = &in->wishes;
    struct instrument_wish *wish = xbar_alloc(in->hub->engine, sizeof(*wish));

    if (wish == NULL) {
        return -ENOMEM;
    }
    wish->access = (struct instrument_access){
        .in = in,
        .cb = cb,
        .userdata = userdata,
    };
    if (filter != NULL) {
        wish->access.filter = *filter;
    }
    lock(in->hub);
    while (atomic_load(link) != NULL) {
        link = &atomic_load(link)->next;
    }
    atomic_store(link, wish);
    (void)announce(in->hub);
    unlock(in->hub);
    return 0;
}

/* ---- vCPUs ------------------------------------------------------------- */

int instrument__attach(struct xbar_instruments *hub, struct xbar_vcpu *vcpu)
{
    unsigned index = 0;
    int err = -ENOSPC;

    lock(hub);
    while (index < XBAR_VCPUS_MAX && hub->vcpu[index] != NULL) {
        index++;
    }
    if (index < XBAR_VCPUS_MAX) {
        err = scoreboard__add_vcpu(hub, index);
    }
    if (err == 0) {
        vcpu->hub = hub;
        vcpu->index = index;
        hub->vcpu[index] = vcpu;
        if (index >= atomic_load(&hub->vcpus)) {
            atomic_store(&hub->vcpus, index + 1);
        }
    }
    unlock(hub);
    return err;
}

void instrument__detach(struct xbar_vcpu *vcpu)
{
    lock(vcpu->hub);
    xbar_assert(!vcpu->is_online);
    vcpu->hub->vcpu[vcpu->index] = NULL;
    unlock(vcpu->hub);
    vcpu->hub = NULL;
}

void instrument__online(struct xbar_vcpu *vcpu)
{
    lock(vcpu->hub);
    vcpu->is_online = true;
    unlock(vcpu->hub);
}

void instrument__offline(struct xbar_vcpu *vcpu)
{
    struct xbar_instrument *ended;

    lock(vcpu->hub);
    vcpu->is_online = false;
    ended = take_ended(vcpu->hub);
    unlock(vcpu->hub);
    end_all(ended);
}

bool instrument__has_news(const struct xbar_vcpu *vcpu)
{
    return atomic_load_explicit(&vcpu->hub->generation, memory_order_acquire) !=
           vcpu->generation;
}

static void take_list(struct xbar_vcpu *vcpu)
{
    vcpu->subscribers = 0;
    vcpu->wants_code = false;
    vcpu->wants_traps = false;
    for (struct xbar_instrument *in = vcpu->hub->first; in != NULL;
         in = in->next) {
        if (atomic_load(&in->is_ending)) {
            continue;
        }
        vcpu->subscriber[vcpu->subscribers++] = in;
        vcpu->wants_code |=
            in->ops.translated != NULL || atomic_load(&in->wishes) != NULL;
        vcpu->wants_traps |= in->ops.trap != NULL;
    }
}

void instrument__sync(struct xbar_vcpu *vcpu)
{
    struct xbar_instrument *ended;

    lock(vcpu->hub);
    take_list(vcpu);
    vcpu->generation = atomic_load(&vcpu->hub->generation);
    ended = take_ended(vcpu->hub);
    unlock(vcpu->hub);
    end_all(ended);
}

struct xbar_engine *instrument__engine(const struct xbar_vcpu *vcpu)
{
    return vcpu->hub->engine;
}

void instrument__lose(struct xbar_vcpu *vcpu, uint64_t count)
{
    atomic_fetch_add_explicit(&vcpu->hub->lost, count, memory_order_relaxed);
}

/* ---- A machine's ------------------------------------------------------- */

struct xbar_instruments *xbar_instruments_new(AddressSpace *as)
{
    struct xbar_engine *engine = xbar_address_space_engine(as);
    struct xbar_instruments *hub = xbar_alloc(engine, sizeof(*hub));

    if (hub == NULL) {
        return NULL;
    }
    if (pthread_mutex_init(&hub->lock, NULL)) {
        xbar_free(engine, hub, sizeof(*hub));
        return NULL;
    }
    hub->engine = engine;
    hub->as = as;
    atomic_init(&hub->generation, 1);
    return hub;
}

static bool has_vcpus(const struct xbar_instruments *hub)
{
    for (unsigned i = 0; i < XBAR_VCPUS_MAX; i++) {
        if (hub->vcpu[i] != NULL) {
            return true;
        }
    }
    return false;
}

int xbar_instruments_free(struct xbar_instruments *instruments)
{
    bool is_busy;

    if (instruments == NULL) {
        return 0;
    }
    lock(instruments);
    is_busy = has_vcpus(instruments);
    unlock(instruments);
    if (is_busy) {
        return -EBUSY;
    }
    while (instruments->first != NULL) {
        xbar_instrument_remove(instruments->first);
    }
    while (instruments->boards != NULL) {
        xbar_scoreboard_free(instruments->boards);
    }
    pthread_mutex_destroy(&instruments->lock);
    xbar_free(instruments->engine, instruments, sizeof(*instruments));
    return 0;
}

unsigned xbar_instruments_vcpus(const struct xbar_instruments *instruments)
{
    return atomic_load(&instruments->vcpus);
}

uint64_t xbar_instruments_lost(const struct xbar_instruments *instruments)
{
    return atomic_load(&instruments->lost);
}
