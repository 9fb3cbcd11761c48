/* SPDX-License-Identifier: MIT */
/*
 * A table of slots, changed by the listener alone, so under the writer lock:
 *
 *             region_add                 commit
 *     FREE ---------------> COMES ------------------> LIVE
 *       ^                     |  KVM refuses: FREE      |
 *       |       commit        |          region_del     |
 *       +---------------- LEAVES <----------------------+
 *                             |   region_add of the same: LIVE, and KVM is
 *                             +-> not even asked
 *
 * What leaves goes before what comes: KVM refuses slots that overlap.
 */
#include "jit/plug/kvm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/check.h"
#include "engine/engine.h"
#include "engine/memory_ram.h"
#include "flatview/dirty_bitmap.h"
#include "flatview/listener.h"

#define DEFAULT_SLOTS 32u /* of the oldest KVM */
#define ADDRESS_MAX   (UINT64_C(1) << 52)

enum slot_state { FREE, COMES, LIVE, LEAVES };

struct slot {
    enum slot_state state;
    MemoryRegion *mr;
    uint64_t first; /* guest address */
    uint64_t size;
    uint64_t host;
    uint64_t offset; /* in @mr */
    uint32_t flags;  /* KVM_MEM_* */
};

struct xbar_kvm {
    AddressSpace *as;
    struct xbar_engine *engine;
    struct xbar_kvm_config config;
    MemoryListener listener;
    uint64_t page; /* the host's */
    bool has_readonly;
    bool has_any_length;

    struct slot *table; /* under the writer lock, with what follows */
    unsigned max;
    unsigned used; /* places that ever were */
    struct xbar_kvm_stats stats;
    int first_error; /* -errno, of the first that was refused */
    hwaddr first_error_at;

    pthread_mutex_t ring_lock; /* taking writes from it, and making them */
    uint64_t exits;            /* these three are atomic */
    uint64_t coalesced;
    uint64_t failed;
};

static struct xbar_kvm *of_listener(MemoryListener *listener)
{
    return xbar_container_of(listener, struct xbar_kvm, listener);
}

/* 0 or more; -errno. */
static int call(struct xbar_kvm *plug, unsigned long request, void *argument)
{
    int rc = plug->config.ioctl != NULL
                 ? plug->config.ioctl(plug->config.opaque, plug->config.vm,
                                      request, argument)
                 : ioctl(plug->config.vm, request, argument);

    return rc < 0 ? -errno : rc;
}

/* The guest exits instead: right, but slow. */
static void refuse(struct xbar_kvm *plug, hwaddr addr, uint64_t size, int rc)
{
    plug->stats.refused++;
    if (plug->config.refused != NULL) {
        plug->config.refused(plug->config.opaque, addr, size, rc);
    }
}

static void refuse_slot(struct xbar_kvm *plug, const struct slot *slot, int rc)
{
    if (plug->first_error == 0) {
        plug->first_error = rc;
        plug->first_error_at = slot->first;
    }
    refuse(plug, slot->first, slot->size, rc);
}

/* ---- Slots ------------------------------------------------------------- */

static int set_slot(struct xbar_kvm *plug, const struct slot *slot,
                    uint64_t size)
{
    struct kvm_userspace_memory_region region = {
        .slot = plug->config.first_slot + (uint32_t)(slot - plug->table),
        .flags = slot->flags,
        .guest_phys_addr = slot->first,
        .memory_size = size,
        .userspace_addr = slot->host,
    };

    plug->stats.slot_calls++;
    return call(plug, KVM_SET_USER_MEMORY_REGION, &region);
}

/* The whole pages of @section that are memory, as a slot; false: none. */
static bool slot_of(const struct xbar_kvm *plug,
                    const MemoryRegionSection *section, struct slot *slot)
{
    uint64_t first = section->offset_within_address_space;
    uint64_t size = (uint64_t)section->size; /* 2^64 is no memory's */
    bool is_ram = memory_region_is_ram(section->mr);
    uint64_t skip;

    if (!is_ram && !memory_region_is_romd(section->mr)) {
        return false;
    }
    skip = -first & (plug->page - 1);
    if (size < skip + plug->page || first + size > ADDRESS_MAX) {
        return false;
    }
    *slot = (struct slot){
        .state = COMES,
        .mr = section->mr,
        .first = first + skip,
        .size = (size - skip) & -plug->page,
        .host = (uintptr_t)memory_region_get_ram_ptr(section->mr) +
                section->offset_within_region + skip,
        .offset = section->offset_within_region + skip,
        .flags = is_ram && !section->readonly ? 0 : KVM_MEM_READONLY,
    };
    return slot->host % plug->page == 0 &&
           (slot->flags == 0 || plug->has_readonly);
}

/* The live or coming slot that begins where @section's would. */
static struct slot *find_slot(struct xbar_kvm *plug,
                              const MemoryRegionSection *section)
{
    struct slot wanted;

    if (!slot_of(plug, section, &wanted)) {
        return NULL;
    }
    for (unsigned i = 0; i < plug->used; i++) {
        struct slot *slot = &plug->table[i];

        if ((slot->state == LIVE || slot->state == COMES) &&
            slot->first == wanted.first && slot->size == wanted.size) {
            return slot;
        }
    }
    return NULL;
}

static bool is_same(const struct slot *a, const struct slot *b)
{
    return a->first == b->first && a->size == b->size && a->host == b->host &&
           a->flags == b->flags;
}

static void remove_leaving(struct xbar_kvm *plug)
{
    for (unsigned i = 0; i < plug->used; i++) {
        struct slot *slot = &plug->table[i];

        if (slot->state == LEAVES) {
            int rc = set_slot(plug, slot, 0);

            slot->state = FREE;
            plug->stats.slots--;
            if (rc < 0) {
                refuse_slot(plug, slot, rc);
            }
        }
    }
}

static struct slot *find_free(struct xbar_kvm *plug)
{
    for (unsigned i = 0; i < plug->used; i++) {
        if (plug->table[i].state == FREE) {
            return &plug->table[i];
        }
    }
    return plug->used < plug->max ? &plug->table[plug->used++] : NULL;
}

static void on_add(MemoryListener *listener, MemoryRegionSection *section)
{
    struct xbar_kvm *plug = of_listener(listener);
    struct slot *place;
    struct slot wanted;

    if (!slot_of(plug, section, &wanted)) {
        return;
    }
    for (unsigned i = 0; i < plug->used; i++) {
        struct slot *slot = &plug->table[i];

        if (slot->state == LEAVES && is_same(slot, &wanted)) {
            slot->state = LIVE;
            slot->mr = wanted.mr;
            slot->offset = wanted.offset;
            return;
        }
    }
    place = find_free(plug);
    if (place == NULL) {
        remove_leaving(plug); /* all of that was told before */
        place = find_free(plug);
    }
    if (place == NULL) {
        refuse_slot(plug, &wanted, -ENOSPC);
        return;
    }
    *place = wanted;
}

static void on_del(MemoryListener *listener, MemoryRegionSection *section)
{
    struct xbar_kvm *plug = of_listener(listener);
    struct slot *slot = find_slot(plug, section);

    if (slot != NULL) {
        slot->state = slot->state == LIVE ? LEAVES : FREE;
    }
}

static void on_commit(MemoryListener *listener)
{
    struct xbar_kvm *plug = of_listener(listener);

    remove_leaving(plug);
    for (unsigned i = 0; i < plug->used; i++) {
        struct slot *slot = &plug->table[i];

        if (slot->state == COMES) {
            int rc = set_slot(plug, slot, slot->size);

            slot->state = rc < 0 ? FREE : LIVE;
            plug->stats.slots += rc >= 0;
            if (rc < 0) {
                refuse_slot(plug, slot, rc);
            }
        }
    }
}

/* ---- Dirty logs -------------------------------------------------------- */

/* What KVM logged of @slot since the last time; it starts anew. */
static void sync_slot(struct xbar_kvm *plug, const struct slot *slot)
{
    uint64_t pages = slot->size / plug->page;
    size_t bytes = (size_t)((pages + 63) / 64) * sizeof(uint64_t);
    uint64_t *bits = xbar_engine_allocate(plug->engine, bytes);
    struct kvm_dirty_log log = {
        .slot = plug->config.first_slot + (uint32_t)(slot - plug->table),
        .dirty_bitmap = bits,
    };

    if (bits == NULL || call(plug, KVM_GET_DIRTY_LOG, &log) < 0) {
        /* Nobody may take a page for clean that is not. */
        memory_region_set_dirty(slot->mr, slot->offset, slot->size);
        xbar_engine_release(plug->engine, bits, bytes);
        return;
    }
    for (uint64_t word = 0; word < (pages + 63) / 64; word++) {
        for (uint64_t left = bits[word]; left != 0; left &= left - 1) {
            uint64_t page = word * 64 + (unsigned)__builtin_ctzll(left);

            memory_region_set_dirty(slot->mr, slot->offset + page * plug->page,
                                    plug->page);
        }
    }
    xbar_engine_release(plug->engine, bits, bytes);
}

static void set_log(struct xbar_kvm *plug, MemoryRegionSection *section,
                    bool is_on)
{
    struct slot *slot = find_slot(plug, section);
    uint32_t flag = is_on ? KVM_MEM_LOG_DIRTY_PAGES : 0;
    int rc;

    if (slot == NULL || (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) == flag ||
        (slot->flags & KVM_MEM_READONLY) != 0) {
        return;
    }
    if (slot->state == LIVE && !is_on) {
        sync_slot(plug, slot);
    }
    slot->flags ^= KVM_MEM_LOG_DIRTY_PAGES;
    if (slot->state == LIVE) {
        rc = set_slot(plug, slot, slot->size);
        if (rc < 0) {
            slot->flags ^= KVM_MEM_LOG_DIRTY_PAGES;
            refuse_slot(plug, slot, rc);
        }
    }
}

static void on_log_start(MemoryListener *listener, MemoryRegionSection *section,
                         int old_val, int new_val)
{
    (void)old_val, (void)new_val;
    set_log(of_listener(listener), section, true);
}

static void on_log_stop(MemoryListener *listener, MemoryRegionSection *section,
                        int old_val, int new_val)
{
    (void)old_val;
    if (new_val == 0) {
        set_log(of_listener(listener), section, false);
    }
}

static void on_log_sync(MemoryListener *listener, MemoryRegionSection *section)
{
    struct xbar_kvm *plug = of_listener(listener);
    const struct slot *slot = find_slot(plug, section);

    if (slot != NULL && slot->state == LIVE &&
        (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) != 0) {
        sync_slot(plug, slot);
    }
}

/* ---- Eventfds and coalesced writes ------------------------------------- */

static void set_eventfd(struct xbar_kvm *plug,
                        const MemoryRegionSection *section, bool match_data,
                        uint64_t data, EventNotifier *e, uint32_t flags)
{
    struct kvm_ioeventfd event = {
        .datamatch = data,
        .addr = section->offset_within_address_space,
        .len = (uint32_t)section->size,
        .fd = event_notifier_get_wfd(e),
        .flags = flags | (match_data ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0),
    };
    int rc = event.len == 0 && !plug->has_any_length
                 ? -ENOTSUP
                 : call(plug, KVM_IOEVENTFD, &event);

    if (rc < 0 && flags == 0) {
        refuse(plug, event.addr, event.len, rc);
    }
}

static void on_eventfd_add(MemoryListener *listener,
                           MemoryRegionSection *section, bool match_data,
                           uint64_t data, EventNotifier *e)
{
    set_eventfd(of_listener(listener), section, match_data, data, e, 0);
}

static void on_eventfd_del(MemoryListener *listener,
                           MemoryRegionSection *section, bool match_data,
                           uint64_t data, EventNotifier *e)
{
    set_eventfd(of_listener(listener), section, match_data, data, e,
                KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static void set_zone(struct xbar_kvm *plug, unsigned long request, hwaddr addr,
                     hwaddr len)
{
    struct kvm_coalesced_mmio_zone zone = { .addr = addr,
                                            .size = (uint32_t)len };
    int rc = len > UINT32_MAX ? -E2BIG : call(plug, request, &zone);

    if (rc < 0 && request == KVM_REGISTER_COALESCED_MMIO) {
        refuse(plug, addr, len, rc);
    }
}

static void on_coalesced_add(MemoryListener *listener,
                             MemoryRegionSection *section, hwaddr addr,
                             hwaddr len)
{
    (void)section;
    set_zone(of_listener(listener), KVM_REGISTER_COALESCED_MMIO, addr, len);
}

static void on_coalesced_del(MemoryListener *listener,
                             MemoryRegionSection *section, hwaddr addr,
                             hwaddr len)
{
    (void)section;
    set_zone(of_listener(listener), KVM_UNREGISTER_COALESCED_MMIO, addr, len);
}

/* ---- Exits ------------------------------------------------------------- */

static void count_failed(struct xbar_kvm *plug, MemTxResult result)
{
    if (unlikely(result != MEMTX_OK)) {
        __atomic_fetch_add(&plug->failed, 1, __ATOMIC_RELAXED);
    }
}

static bool ring_has_writes(const struct kvm_coalesced_mmio_ring *ring)
{
    return ring != NULL && __atomic_load_n(&ring->first, __ATOMIC_RELAXED) !=
                               __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE);
}

/* KVM puts writes at `last`; who has the lock takes them from `first`. */
static XBAR_COLD void drain(struct xbar_kvm *plug)
{
    const uint32_t max =
        (uint32_t)((plug->page - sizeof(struct kvm_coalesced_mmio_ring)) /
                   sizeof(struct kvm_coalesced_mmio));
    struct kvm_coalesced_mmio_ring *ring = plug->config.ring;

    pthread_mutex_lock(&plug->ring_lock);
    while (ring_has_writes(ring) && ring->first < max) {
        struct kvm_coalesced_mmio write = ring->coalesced_mmio[ring->first];

        __atomic_store_n(&ring->first, (ring->first + 1) % max,
                         __ATOMIC_RELEASE);
        if (write.len <= sizeof(write.data)) {
            count_failed(plug, address_space_write(plug->as, write.phys_addr,
                                                   MEMTXATTRS_UNSPECIFIED,
                                                   write.data, write.len));
        }
        __atomic_fetch_add(&plug->coalesced, 1, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&plug->ring_lock);
}

void xbar_kvm_flush_coalesced(struct xbar_kvm *plug)
{
    if (unlikely(ring_has_writes(plug->config.ring))) {
        drain(plug);
    }
}

bool xbar_kvm_exit(struct xbar_kvm *plug, struct kvm_run *run)
{
    const MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;
    uint32_t len = run->mmio.len;
    MemTxResult result;

    xbar_kvm_flush_coalesced(plug);
    if (run->exit_reason != KVM_EXIT_MMIO || len > sizeof(run->mmio.data)) {
        return false;
    }
    result = run->mmio.is_write
                 ? address_space_write(plug->as, run->mmio.phys_addr, attrs,
                                       run->mmio.data, len)
                 : address_space_read(plug->as, run->mmio.phys_addr, attrs,
                                      run->mmio.data, len);
    count_failed(plug, result);
    __atomic_store_n(&plug->exits,
                     __atomic_load_n(&plug->exits, __ATOMIC_RELAXED) + 1,
                     __ATOMIC_RELAXED); /* of several vCPUs, about */
    return true;
}

void xbar_kvm_get_stats(struct xbar_kvm *plug, struct xbar_kvm_stats *stats)
{
    *stats = plug->stats;
    stats->exits = __atomic_load_n(&plug->exits, __ATOMIC_RELAXED);
    stats->failed = __atomic_load_n(&plug->failed, __ATOMIC_RELAXED);
    stats->coalesced = __atomic_load_n(&plug->coalesced, __ATOMIC_RELAXED);
}

/* ---- Making and ending ------------------------------------------------- */

static bool has_cap(struct xbar_kvm *plug, uintptr_t capability, int *value)
{
    *value = call(plug, KVM_CHECK_EXTENSION, (void *)capability);
    return *value > 0;
}

static void ask_kvm(struct xbar_kvm *plug)
{
    unsigned first = plug->config.first_slot;
    unsigned slots = DEFAULT_SLOTS;
    int value;

    if (has_cap(plug, KVM_CAP_NR_MEMSLOTS, &value)) {
        slots = (unsigned)value;
    }
    plug->max = slots > first ? slots - first : 0;
    if (plug->config.max_slots != 0 && plug->config.max_slots < plug->max) {
        plug->max = plug->config.max_slots;
    }
    plug->has_readonly = has_cap(plug, KVM_CAP_READONLY_MEM, &value);
    plug->has_any_length = has_cap(plug, KVM_CAP_IOEVENTFD_ANY_LENGTH, &value);
}

static void free_memory(struct xbar_kvm *plug)
{
    struct xbar_engine *engine = plug->engine;

    pthread_mutex_destroy(&plug->ring_lock);
    xbar_engine_release(engine, plug->table,
                        (plug->max + 1) * sizeof(*plug->table));
    xbar_engine_release(engine, plug, sizeof(*plug));
}

static struct xbar_kvm *make(const struct xbar_kvm_config *config)
{
    struct xbar_engine *engine = xbar_address_space_engine(config->as);
    struct xbar_kvm *plug = xbar_engine_allocate(engine, sizeof(*plug));

    if (plug == NULL) {
        return NULL;
    }
    plug->engine = engine;
    plug->as = config->as;
    plug->config = *config;
    plug->page = (uint64_t)sysconf(_SC_PAGESIZE);
    ask_kvm(plug);
    if (pthread_mutex_init(&plug->ring_lock, NULL) != 0) {
        xbar_engine_release(engine, plug, sizeof(*plug));
        return NULL;
    }
    plug->table =
        xbar_engine_allocate(engine, (plug->max + 1) * sizeof(*plug->table));
    if (plug->table == NULL) {
        free_memory(plug);
        return NULL;
    }
    return plug;
}

static void listen(struct xbar_kvm *plug)
{
    plug->listener = (MemoryListener){
        .region_add = on_add,
        .region_del = on_del,
        .commit = on_commit,
        .log_start = on_log_start,
        .log_stop = on_log_stop,
        .log_sync = on_log_sync,
        .eventfd_add = on_eventfd_add,
        .eventfd_del = on_eventfd_del,
        .coalesced_io_add = plug->config.ring ? on_coalesced_add : NULL,
        .coalesced_io_del = plug->config.ring ? on_coalesced_del : NULL,
        .name = "kvm",
        .whole_sections = true,
    };
}

struct xbar_kvm *xbar_kvm_new(const struct xbar_kvm_config *config,
                              Error **errp)
{
    struct xbar_kvm *plug;
    int rc;

    if (config->as == NULL || config->vm < 0) {
        error_setg(errp, "KVM adapter: no address space, or no machine");
        return NULL;
    }
    plug = make(config);
    if (plug == NULL) {
        error_setg(errp, "KVM adapter: no memory");
        return NULL;
    }
    listen(plug);
    rc = memory_listener_register(&plug->listener, plug->as);
    if (rc != 0) {
        error_setg(errp, "KVM adapter: the address space takes no listener; "
                         "was it destroyed?");
        free_memory(plug);
        return NULL;
    }
    if (plug->first_error != 0) {
        error_setg(errp, "KVM refuses memory at 0x%llx: %s",
                   (unsigned long long)plug->first_error_at,
                   strerror(-plug->first_error));
        (void)memory_listener_unregister(&plug->listener);
        free_memory(plug);
        return NULL;
    }
    return plug;
}

int xbar_kvm_free(struct xbar_kvm *plug)
{
    int rc;

    if (plug == NULL) {
        return 0;
    }
    plug->first_error = 0;
    (void)memory_listener_unregister(&plug->listener);
    rc = plug->first_error;
    free_memory(plug);
    return rc;
}
