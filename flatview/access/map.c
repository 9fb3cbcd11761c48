/* SPDX-License-Identifier: MIT */
/*
 * Guest memory as a host pointer, for as long as a device needs it.
 *
 *     RAM, by a path that may be written if the caller writes:
 *         the memory itself; its region cannot end meanwhile
 *     anything else:
 *         a bounce buffer: read now, or written back by the unmap
 *
 * What is mapped is kept by host pointer, so that unmapping needs no search for
 * a region, and a pointer that is none of ours is found out. RAM first tries a
 * table of a few slots, claimed and given back by compare-and-swap:
 *
 *     key   0: free       BUSY: one thread fills or empties it      host
 * pointer
 *
 * What finds no slot, and every bounce buffer, is in a list under a lock.
 *
 * Bounce buffers of an address space have a budget of bytes. Who gets none
 * registers, and is called when bytes came free, in the order of registering;
 * until the last one was called nobody else gets any. So a device that maps
 * in its callback cannot be overtaken for ever.
 */
#include <errno.h>
#include <string.h>

#include "engine/log.h"
#include "engine/ram_writes.h"
#include "flatview/flatview_internal.h"
#include "flatview/iommu.h"

#define BUSY ((uintptr_t)1)

struct flatview_mapping {
    struct flatview_mapping *next;
    uintptr_t key; /* the pointer that the caller has */
    bool is_write;
    MemoryRegion *mr; /* NULL: a bounce buffer, of which is the rest */
    hwaddr length;
    hwaddr addr;
    MemTxAttrs attrs;
    MemTxResult result; /* of reading it */
    size_t allocated;
    uint64_t bytes[];
};

/* ---- RAM --------------------------------------------------------------- */

/*
 * Writes through a pointer are seen by nobody. To code tracking they count as
 * made when it is handed out, at any moment until it is given back, and then;
 * to dirty logs, which are cleared at moments of their own, at both ends.
 */
static void begin_writes(struct xbar_flatview_space *space, const void *host,
                         hwaddr length)
{
    xbar_ram_writes_open(space->engine, true);
    if (unlikely(xbar_ram_writes_wanted(space->ram_watchers))) {
        xbar_ram_wrote(space->engine, host, length);
    }
}

static void end_writes(struct xbar_flatview_space *space, const void *host,
                       hwaddr length)
{
    if (unlikely(xbar_ram_writes_wanted(space->ram_watchers))) {
        xbar_ram_wrote(space->engine, host, length);
    }
    xbar_ram_writes_open(space->engine, false);
}

static struct flatview_map_slot *first_slot(struct flatview_maps *maps,
                                            uintptr_t key, bool is_write)
{
    uintptr_t hash = (key >> 12) ^ (key >> 6) ^ key;

    return maps->slots[is_write] +
           hash % (FLATVIEW_MAP_SLOTS - FLATVIEW_MAP_PROBES + 1);
}

static bool claim(struct flatview_map_slot *slot, uintptr_t from)
{
    return __atomic_load_n(&slot->key, __ATOMIC_RELAXED) == from &&
           __atomic_compare_exchange_n(&slot->key, &from, BUSY, false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static bool put_slot(struct flatview_maps *maps, uintptr_t key, bool is_write,
                     MemoryRegion *mr, hwaddr length)
{
    struct flatview_map_slot *slot = first_slot(maps, key, is_write);

    for (unsigned i = 0; i < FLATVIEW_MAP_PROBES; i++) {
        if (claim(&slot[i], 0)) {
            slot[i].mr = mr;
            slot[i].length = length;
            __atomic_store_n(&slot[i].key, key, __ATOMIC_RELEASE);
            return true;
        }
    }
    return false;
}

/* Return: the region of one map of @key, and its length; NULL: in no slot. */
static MemoryRegion *take_slot(struct flatview_maps *maps, uintptr_t key,
                               bool is_write, hwaddr *length)
{
    struct flatview_map_slot *slot = first_slot(maps, key, is_write);

    for (unsigned i = 0; i < FLATVIEW_MAP_PROBES; i++) {
        if (claim(&slot[i], key)) {
            MemoryRegion *mr = slot[i].mr;

            *length = slot[i].length;
            __atomic_store_n(&slot[i].key, 0, __ATOMIC_RELEASE);
            return mr;
        }
    }
    return NULL;
}

static void put_list(struct flatview_maps *maps, struct flatview_mapping *m)
{
    pthread_mutex_lock(&maps->lock);
    m->next = maps->list;
    __atomic_store_n(&maps->list, m, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&maps->lock);
}

static struct flatview_mapping *take_list(struct flatview_maps *maps,
                                          uintptr_t key, bool is_write)
{
    struct flatview_mapping **link = &maps->list;
    struct flatview_mapping *found;

    if (__atomic_load_n(&maps->list, __ATOMIC_ACQUIRE) == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&maps->lock);
    while (*link != NULL &&
           ((*link)->key != key || (*link)->is_write != is_write)) {
        link = &(*link)->next;
    }
    found = *link;
    if (found != NULL) {
        __atomic_store_n(link, found->next, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&maps->lock);
    return found;
}

/* Keep @mr alive and known by @host. -ENOMEM: it is not. */
static int pin(struct xbar_flatview_space *space, void *host, bool is_write,
               MemoryRegion *mr, hwaddr length)
{
    uintptr_t key = (uintptr_t)host;
    struct flatview_mapping *m;

    xbar_region_get(mr);
    if (likely(put_slot(&space->maps, key, is_write, mr, length))) {
        return 0;
    }
    m = xbar_alloc(space->engine, sizeof(*m));
    if (m == NULL) {
        xbar_region_put(mr);
        return -ENOMEM;
    }
    m->key = key;
    m->is_write = is_write;
    m->mr = mr;
    m->length = length;
    m->allocated = sizeof(*m);
    put_list(&space->maps, m);
    return 0;
}

static bool is_direct(const struct flatview_target *t, bool is_write)
{
    return (t->range->flags &
            (is_write ? FLAT_RANGE_WRITABLE : FLAT_RANGE_RAM)) != 0;
}

/* The same memory goes on in the next section, or behind the next page. */
static hwaddr extend(const FlatView *view, hwaddr addr, hwaddr length,
                     bool is_write, MemTxAttrs attrs, struct flatview_target *t)
{
    unsigned need = is_write ? IOMMU_WO : IOMMU_RO;
    const FlatRange *first = t->range;
    uint64_t host = t->addr + first->host_delta;
    hwaddr done = t->length;

    while (done < length) {
        flatview__resolve(view, addr + done, length - done, need, attrs, t);
        if (!is_direct(t, is_write) || t->range->mr != first->mr ||
            t->addr + t->range->host_delta != host + done) {
            break;
        }
        if (!is_write) {
            flatview__tell_read(t);
        }
        done += t->length;
    }
    return done;
}

/* ---- Bounce buffers ---------------------------------------------------- */

/* May this thread take bytes: is it a client's turn here, or does none wait? */
static bool is_my_turn(const struct flatview_maps *maps)
{
    if (maps->is_calling) {
        return pthread_equal(maps->caller, pthread_self());
    }
    return maps->first_client == NULL;
}

/* Take up to @length bytes of the budget. Return: how many; 0: none. */
static hwaddr take_budget(struct flatview_maps *maps, hwaddr length)
{
    hwaddr left = 0;

    pthread_mutex_lock(&maps->lock);
    if (is_my_turn(maps)) {
        left = maps->budget > maps->used ? maps->budget - maps->used : 0;
        length = length < left ? length : left;
        maps->used += length;
    }
    pthread_mutex_unlock(&maps->lock);
    return left != 0 ? length : 0;
}

/*
 * Call those who wait while there are bytes, the oldest first. One thread at a
 * time; what comes free meanwhile, that thread sees.
 */
static void call_clients(struct flatview_maps *maps)
{
    pthread_mutex_lock(&maps->lock);
    if (!maps->is_calling) {
        maps->is_calling = true;
        maps->caller = pthread_self();
        while (maps->first_client != NULL && maps->used < maps->budget) {
            AddressSpaceMapClient *client = maps->first_client;

            maps->first_client = client->next;
            maps->called = client;
            client->is_waiting = false;
            pthread_mutex_unlock(&maps->lock);
            client->cb(client->opaque);
            pthread_mutex_lock(&maps->lock);
            maps->called = NULL;
            pthread_cond_broadcast(&maps->was_called);
        }
        maps->is_calling = false;
    }
    pthread_mutex_unlock(&maps->lock);
}

static void give_budget(struct flatview_maps *maps, hwaddr length)
{
    pthread_mutex_lock(&maps->lock);
    maps->used -= length;
    pthread_mutex_unlock(&maps->lock);
    call_clients(maps);
}

static void *map_bounce(struct xbar_flatview_space *space, const FlatView *view,
                        struct flatview_mapping *want, MemTxResult *result)
{
    hwaddr length = take_budget(&space->maps, want->length);
    size_t size = sizeof(*want) + (size_t)length;
    struct flatview_mapping *m =
        length != 0 ? xbar_alloc(space->engine, size) : NULL;

    if (m == NULL) {
        if (length != 0) {
            give_budget(&space->maps, length);
        }
        return NULL;
    }
    *m = *want;
    m->length = length;
    m->allocated = size;
    m->key = (uintptr_t)m->bytes;
    if (!m->is_write) {
        m->result =
            flatview__read(view, m->addr, m->attrs, m->bytes, m->length);
    }
    *result = m->result;
    want->length = length;
    put_list(&space->maps, m);
    return m->bytes;
}

/* ---- The public functions ---------------------------------------------- */

void *xbar_address_space_map(AddressSpace *as, hwaddr addr, hwaddr *plen,
                             bool is_write, MemTxAttrs attrs,
                             MemTxResult *result)
{
    struct xbar_flatview_space *space = as->space;
    hwaddr room = UINT64_MAX - addr;
    hwaddr length = *plen;
    struct flatview_target t;
    const FlatView *view;
    MemTxResult r = MEMTX_OK;
    void *host = NULL;

    *plen = 0;
    if (length == 0) {
        return NULL;
    }
    length = length - 1 > room ? room + 1 : length;
    xbar_rcu_read_lock();
    view = flatview__current(as);
    flatview__resolve(view, addr, length, is_write ? IOMMU_WO : IOMMU_RO, attrs,
                      &t);
    if (likely(is_direct(&t, is_write))) {
        MemoryRegion *mr = t.range->mr;

        host = (void *)(uintptr_t)(t.addr + t.range->host_delta);
        if (!is_write) {
            flatview__tell_read(&t);
        }
        if (unlikely(t.length < length)) {
            length = extend(view, addr, length, is_write, attrs, &t);
        }
        if (pin(space, host, is_write, mr, length) != 0) {
            host = NULL;
        } else if (is_write) {
            begin_writes(space, host, length);
        }
    } else {
        struct flatview_mapping want = {
            .is_write = is_write,
            .addr = addr,
            .length = t.length,
            .attrs = attrs,
        };

        host = map_bounce(space, view, &want, &r);
        length = want.length;
    }
    xbar_rcu_read_unlock();
    if (host != NULL) {
        *plen = length;
    }
    if (result != NULL) {
        *result = r;
    }
    return host;
}

void *address_space_map(AddressSpace *as, hwaddr addr, hwaddr *plen,
                        bool is_write, MemTxAttrs attrs)
{
    return xbar_address_space_map(as, addr, plen, is_write, attrs, NULL);
}

/* Of a bounce buffer: write back what the device wrote. */
static MemTxResult write_back(AddressSpace *as, struct flatview_mapping *m,
                              hwaddr access_len)
{
    if (!m->is_write) {
        return m->result;
    }
    return address_space_write(as, m->addr, m->attrs, m->bytes, access_len);
}

static void unmap_ram(struct xbar_flatview_space *space, void *host,
                      hwaddr length, bool is_write, MemoryRegion *mr)
{
    if (is_write) {
        end_writes(space, host, length);
    }
    xbar_region_put(mr);
}

static int unmap_bounce(AddressSpace *as, struct flatview_mapping *m,
                        hwaddr access_len)
{
    MemTxResult result = write_back(as, m, access_len);
    hwaddr length = m->length;

    xbar_free(as->space->engine, m, m->allocated);
    give_budget(&as->space->maps, length);
    return result == MEMTX_OK ? 0 : -EIO;
}

static hwaddr at_most(hwaddr length, hwaddr limit)
{
    return length < limit ? length : limit;
}

static XBAR_COLD int refuse_unmap(const AddressSpace *as)
{
    return log__refuse(as->space->engine, as->name, -EINVAL,
                       "address_space_unmap",
                       "no such map, or it was for the other direction");
}

int address_space_unmap(AddressSpace *as, void *buffer, hwaddr len,
                        bool is_write, hwaddr access_len)
{
    struct xbar_flatview_space *space = as->space;
    uintptr_t key = (uintptr_t)buffer;
    struct flatview_mapping *m;
    MemoryRegion *mr;
    hwaddr length;

    (void)len;
    if (unlikely(key <= BUSY)) {
        return refuse_unmap(as);
    }
    mr = take_slot(&space->maps, key, is_write, &length);
    if (likely(mr != NULL)) {
        unmap_ram(space, buffer, at_most(access_len, length), is_write, mr);
        return 0;
    }
    m = take_list(&space->maps, key, is_write);
    if (m == NULL) {
        return refuse_unmap(as);
    }
    access_len = at_most(access_len, m->length);
    if (m->mr == NULL) {
        return unmap_bounce(as, m, access_len);
    }
    unmap_ram(space, buffer, access_len, is_write, m->mr);
    xbar_free(space->engine, m, m->allocated);
    return 0;
}

/* ---- Waiting for a bounce buffer --------------------------------------- */

int address_space_register_map_client(AddressSpace *as,
                                      AddressSpaceMapClient *client)
{
    struct flatview_maps *maps = &as->space->maps;
    AddressSpaceMapClient **link = &maps->first_client;
    int err = -EEXIST;

    pthread_mutex_lock(&maps->lock);
    if (!client->is_waiting) {
        while (*link != NULL) {
            link = &(*link)->next;
        }
        client->next = NULL;
        client->is_waiting = true;
        *link = client;
        err = 0;
    }
    pthread_mutex_unlock(&maps->lock);
    call_clients(maps); /* at once, if bytes are free by now */
    return err;
}

/* A callback that runs on another thread is waited for. */
void address_space_unregister_map_client(AddressSpace *as,
                                         AddressSpaceMapClient *client)
{
    struct flatview_maps *maps = &as->space->maps;
    AddressSpaceMapClient **link = &maps->first_client;

    pthread_mutex_lock(&maps->lock);
    while (*link != NULL && *link != client) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = client->next;
        client->is_waiting = false;
    }
    while (maps->called == client &&
           !pthread_equal(maps->caller, pthread_self())) {
        pthread_cond_wait(&maps->was_called, &maps->lock);
    }
    pthread_mutex_unlock(&maps->lock);
    call_clients(maps); /* others may have waited behind it only */
}

void xbar_address_space_set_bounce_budget(AddressSpace *as, hwaddr bytes)
{
    struct flatview_maps *maps = &as->space->maps;

    pthread_mutex_lock(&maps->lock);
    maps->budget = bytes;
    pthread_mutex_unlock(&maps->lock);
    call_clients(maps);
}

/* ---- Life -------------------------------------------------------------- */

int flatview__maps_init(struct flatview_maps *maps)
{
    if (pthread_mutex_init(&maps->lock, NULL) != 0) {
        return -ENOMEM;
    }
    if (pthread_cond_init(&maps->was_called, NULL) != 0) {
        pthread_mutex_destroy(&maps->lock);
        return -ENOMEM;
    }
    maps->budget = XBAR_BOUNCE_BUDGET;
    return 0;
}

bool flatview__maps_are_used(const struct flatview_maps *maps)
{
    for (unsigned i = 0; i < FLATVIEW_MAP_SLOTS; i++) {
        if (__atomic_load_n(&maps->slots[0][i].key, __ATOMIC_ACQUIRE) != 0 ||
            __atomic_load_n(&maps->slots[1][i].key, __ATOMIC_ACQUIRE) != 0) {
            return true;
        }
    }
    return __atomic_load_n(&maps->list, __ATOMIC_ACQUIRE) != NULL;
}

void flatview__maps_finish(struct flatview_maps *maps)
{
    pthread_cond_destroy(&maps->was_called);
    pthread_mutex_destroy(&maps->lock);
}
