/* SPDX-License-Identifier: MIT */
/*
 * What Unicorn has mapped: no more than the guest used, and no more than a
 * table has places for.
 */
#include <errno.h>

#include "engine/check.h"
#include "engine/memory_ram.h"
#include "flatview/dirty_bitmap.h"
#include "jit/plug/unicorn_internal.h"

/* Unicorn is asked for no more of a device at once. */
#define WINDOW ((uint64_t)1 << 30)

struct unicorn_mapping *unicorn__find(struct xbar_unicorn *plug, uint64_t addr)
{
    for (unsigned i = 0; i < plug->used; i++) {
        struct unicorn_mapping *m = &plug->table[i];

        if (m->kind != UNICORN_FREE && addr >= m->first && addr <= m->last) {
            return m;
        }
    }
    return NULL;
}

static bool is_memory(const struct unicorn_mapping *m)
{
    return m->kind == UNICORN_RAM || m->kind == UNICORN_ROM;
}

/* ---- Code that others write -------------------------------------------- */

/* Of a region; none if it ends before it begins. */
struct piece {
    uint64_t first;
    uint64_t last;
};

/* Bytes @first to @last of @mr were written: drop what was made of them. */
static void drop_code(struct xbar_unicorn *plug, const MemoryRegion *mr,
                      uint64_t first, uint64_t last)
{
    for (unsigned i = 0; i < plug->used; i++) {
        const struct unicorn_mapping *m = &plug->table[i];
        uint64_t low = m->offset;
        uint64_t high = m->offset + (m->last - m->first);

        if (is_memory(m) && m->mr == mr && first <= high && last >= low) {
            uint64_t delta = m->first - m->offset;

            low = first > low ? first : low;
            high = last < high ? last : high;
            uc_ctl_remove_cache(plug->uc, low + delta, high + delta + 1);
            plug->stats.code++;
        }
    }
}

/*
 * Look for dirty pages in @first to @last of @mr, by halves: whole pages of the
 * region's, as a bit may be news for two of the guest's. What is found
 * grows @run while it is in one piece, and is dropped when it is not. Bits are
 * cleared first: what is written later is found the next time.
 */
static void drop_dirty(struct xbar_unicorn *plug, MemoryRegion *mr,
                       uint64_t first, uint64_t last, struct piece *run)
{
    uint64_t size = last - first + 1;
    uint64_t half;

    if (!memory_region_get_dirty(mr, first, size, plug->client)) {
        return;
    }
    if (size > UNICORN_PAGE) {
        half = ((size / 2) + UNICORN_PAGE - 1) & -UNICORN_PAGE;
        drop_dirty(plug, mr, first, first + half - 1, run);
        drop_dirty(plug, mr, first + half, last, run);
        return;
    }
    (void)memory_region_test_and_clear_dirty(mr, first, size, plug->client);
    if (run->first <= run->last && run->last + 1 == first) {
        run->last = last;
        return;
    }
    if (run->first <= run->last) {
        drop_code(plug, mr, run->first, run->last);
    }
    *run = (struct piece){ first, last };
}

static void drop_written_code(struct xbar_unicorn *plug)
{
    for (unsigned i = 0; i < plug->used; i++) {
        const struct unicorn_mapping *m = &plug->table[i];
        uint64_t last = m->offset + (m->last - m->first);
        struct piece run = { 1, 0 };

        if (!is_memory(m) || !m->is_logged) {
            continue;
        }
        drop_dirty(plug, m->mr, m->offset & -UNICORN_PAGE,
                   last | (UNICORN_PAGE - 1), &run);
        if (run.first <= run.last) {
            drop_code(plug, m->mr, run.first, run.last);
        }
    }
}

/* All pages are dirty when logging starts; of none has code been made. */
static int start_log(struct xbar_unicorn *plug, struct unicorn_mapping *m)
{
    bool was_logged = memory_region_is_logging(m->mr, plug->client);
    int rc = memory_region_set_log(m->mr, true, plug->client);

    if (rc == 0) {
        m->is_logged = true;
        if (!was_logged) {
            memory_region_reset_dirty(m->mr, 0, memory_region_size(m->mr),
                                      plug->client);
        }
    }
    return rc;
}

/* ---- Taking back ------------------------------------------------------- */

void unicorn__let_go(struct xbar_unicorn *plug, MemoryRegion *mr,
                     bool is_logged)
{
    if (is_logged) {
        (void)memory_region_set_log(mr, false, plug->client);
    }
    memory_region_unref(mr);
}

/*
 * Unmapping leaves blocks that were made of the memory: they are dropped by
 * address first, at 50 ns a page. (Unicorn's flush of everything takes 20 ms,
 * and crashes in the middle of a run.)
 */
static void take_back(struct xbar_unicorn *plug, struct unicorn_mapping *m)
{
    MemoryRegion *mr;
    bool is_logged;

    unicorn__report_stored(plug);
    if (is_memory(m)) {
        uc_ctl_remove_cache(plug->uc, m->first, m->last + 1);
    }
    uc_mem_unmap(plug->uc, m->first, m->last - m->first + 1);
    pthread_mutex_lock(&plug->lock);
    mr = m->mr;
    is_logged = m->is_logged;
    m->mr = NULL;
    m->is_logged = false;
    m->kind = UNICORN_FREE;
    __atomic_store_n(&m->is_stale, false, __ATOMIC_RELAXED);
    plug->stats.live--;
    pthread_mutex_unlock(&plug->lock);
    unicorn__let_go(plug, mr, is_logged);
}

static void take_back_stale(struct xbar_unicorn *plug)
{
    for (unsigned i = 0; i < plug->used; i++) {
        struct unicorn_mapping *m = &plug->table[i];

        if (__atomic_load_n(&m->is_stale, __ATOMIC_ACQUIRE) &&
            m != plug->busy) {
            take_back(plug, m);
            plug->stats.stale++;
        }
    }
}

void unicorn__catch_up(struct xbar_unicorn *plug)
{
    uint64_t changes = __atomic_load_n(plug->changes, __ATOMIC_ACQUIRE);
    uint64_t seen;
    bool pending;

    pthread_mutex_lock(&plug->lock);
    seen = plug->seen_changes;
    pending = plug->pending;
    plug->pending = false;
    __atomic_store_n(&plug->seen_changes, changes, __ATOMIC_RELAXED);
    if (pending && plug->busy != NULL && plug->busy->is_stale) {
        plug->pending = true; /* for the next time */
        __atomic_store_n(&plug->seen_changes, NOT_SEEN, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&plug->lock);
    if (pending) {
        take_back_stale(plug);
    }
    if (changes != seen) {
        drop_written_code(plug);
    }
}

void unicorn__unmap_all(struct xbar_unicorn *plug)
{
    for (unsigned i = 0; i < plug->used; i++) {
        if (plug->table[i].kind != UNICORN_FREE) {
            take_back(plug, &plug->table[i]);
        }
    }
}

void unicorn__set_reader(struct xbar_unicorn *plug,
                         struct urcu_bp_reader *reader)
{
    plug->reader = reader;
    for (unsigned i = 0; i < plug->used; i++) {
        plug->table[i].reader = reader;
    }
}

/* ---- Mapping ----------------------------------------------------------- */

/* Devices go before memory, and what was mapped first before the rest. */
static bool goes_before(const struct unicorn_mapping *a,
                        const struct unicorn_mapping *b)
{
    return is_memory(a) != is_memory(b) ? is_memory(b) : a->born < b->born;
}

static struct unicorn_mapping *make_room(struct xbar_unicorn *plug)
{
    struct unicorn_mapping *victim = &plug->table[0];

    for (unsigned i = 0; i < plug->used; i++) {
        struct unicorn_mapping *m = &plug->table[i];

        if (m->kind == UNICORN_FREE) {
            return m;
        }
        victim = goes_before(m, victim) ? m : victim;
    }
    if (plug->used < plug->max) {
        return &plug->table[plug->used];
    }
    take_back(plug, victim);
    plug->stats.evicted++;
    return victim;
}

/* Memory is what is read and written as such, or never written. */
static enum unicorn_kind kind_of(const FlatRange *range)
{
    if (range->flags & FLAT_RANGE_RAM) {
        return range->flags & FLAT_RANGE_WRITABLE   ? UNICORN_RAM
               : range->flags & FLAT_RANGE_READONLY ? UNICORN_ROM
                                                    : UNICORN_DEVICE;
    }
    /* Others are asked by the way that the address space knows. */
    return range->flags & (FLAT_RANGE_READONLY | FLAT_RANGE_IOMMU)
               ? UNICORN_SHARED
               : UNICORN_DEVICE;
}

/*
 * What to map around @addr: of the section that has all of its page, all whole
 * pages; else that page alone. The last page of all is a page of that kind.
 */
static void choose(struct unicorn_mapping *m, const FlatRange *range,
                   uint64_t addr)
{
    uint64_t page = addr & -UNICORN_PAGE;
    uint64_t low = (range->first + UNICORN_PAGE - 1) & -UNICORN_PAGE;
    uint64_t high = (range->last + 1) & -UNICORN_PAGE; /* where it ends */

    if (range->last == UINT64_MAX) {
        high = -UNICORN_PAGE;
    }
    m->kind = UNICORN_SHARED;
    m->mr = NULL;
    m->first = page;
    m->last = page + (UNICORN_PAGE - 1);
    if (low < range->first || page < low || page >= high) {
        return;
    }
    m->kind = kind_of(range);
    if (!is_memory(m)) {
        uint64_t window = addr & -WINDOW;

        low = low > window ? low : window;
        high = high - window < WINDOW ? high : window + WINDOW;
    }
    m->first = low;
    m->last = high - 1;
    if (m->kind != UNICORN_SHARED) {
        m->mr = range->mr;
    }
}

/* A section may have grown around what is mapped of it, and stays. */
static void cut(const struct xbar_unicorn *plug, struct unicorn_mapping *m,
                uint64_t addr)
{
    for (unsigned i = 0; i < plug->used; i++) {
        const struct unicorn_mapping *other = &plug->table[i];

        if (other->kind == UNICORN_FREE) {
            continue;
        }
        if (other->first > addr && other->first <= m->last) {
            m->last = other->first - 1;
        } else if (other->last < addr && other->last >= m->first) {
            m->first = other->last + 1;
        }
    }
}

static uc_err ask_unicorn(struct xbar_unicorn *plug, struct unicorn_mapping *m,
                          uint64_t host_delta)
{
    size_t size = m->last - m->first + 1;
    uint32_t perms = UC_PROT_READ | UC_PROT_EXEC;

    if (!is_memory(m)) {
        return uc_mmio_map(plug->uc, m->first, size, unicorn__read, m,
                           unicorn__write, m);
    }
    if (m->kind == UNICORN_RAM) {
        perms |= UC_PROT_WRITE;
    }
    return uc_mem_map_ptr(plug->uc, m->first, size, perms,
                          (void *)(uintptr_t)(m->first + host_delta));
}

static void refuse(struct xbar_unicorn *plug, int rc, uc_err err,
                   uint64_t first)
{
    plug->refusal = rc;
    plug->refusal_reason = err;
    plug->refusal_first = first;
    plug->stats.refused++;
}

/* Look up and enter, in one go: no commit comes between. */
static bool enter(struct xbar_unicorn *plug, struct unicorn_mapping *place,
                  uint64_t addr, bool is_code)
{
    const FlatRange *range =
        flatview_lookup(address_space_to_flatview(plug->as), addr);
    struct unicorn_mapping m = { .plug = plug, .reader = plug->reader };
    uc_err err;

    if (range->flags & FLAT_RANGE_UNASSIGNED) {
        return false;
    }
    choose(&m, range, addr);
    cut(plug, &m, addr);
    m.offset = m.first + range->mr_delta;
    if (is_code && !is_memory(&m)) {
        return false;
    }
    if (m.kind == UNICORN_DEVICE && (range->flags & FLAT_RANGE_BARE) != 0 &&
        plug->order == MO_HOST && plug->reader != NULL) {
        xbar_leaf_init(&m.leaf, range->plan,
                       (void *)(uintptr_t)range->host_delta);
    }
    m.born = ++plug->stats.mapped;
    *place = m;
    err = ask_unicorn(plug, place, range->host_delta);
    if (err != UC_ERR_OK) {
        refuse(plug, err == UC_ERR_NOMEM ? -ENOMEM : -EEXIST, err, m.first);
        plug->stats.mapped--;
        *place = (struct unicorn_mapping){ .plug = plug };
        return false;
    }
    memory_region_ref(m.mr);
    plug->stats.live++;
    if (place == &plug->table[plug->used]) {
        plug->used++;
    }
    return true;
}

struct unicorn_mapping *unicorn__map(struct xbar_unicorn *plug, uint64_t addr,
                                     bool is_code)
{
    struct unicorn_mapping *m = make_room(plug);
    bool entered;

    xbar_read_begin();
    pthread_mutex_lock(&plug->lock);
    entered = enter(plug, m, addr, is_code);
    pthread_mutex_unlock(&plug->lock);
    xbar_read_end();
    if (!entered) {
        return NULL;
    }
    if (is_memory(m) && start_log(plug, m) != 0) {
        refuse(plug, -ENOMEM, UC_ERR_NOMEM, m->first);
        take_back(plug, m);
        return NULL;
    }
    return m;
}

/* ---- What the guest stored --------------------------------------------- */

static void report_page(const struct unicorn_mapping *m, uint64_t page)
{
    if (m != NULL && m->kind == UNICORN_RAM && m->mr != NULL) {
        memory_region_set_dirty(m->mr, page - m->first + m->offset,
                                UNICORN_PAGE);
    }
}

static void report_pages(struct xbar_unicorn *plug, uint64_t stored)
{
    uint64_t page = stored & -UNICORN_PAGE;

    if (stored & STORED_VALID) {
        report_page(unicorn__find(plug, page), page);
    }
    if (stored & STORED_NEXT) {
        page += UNICORN_PAGE;
        report_page(unicorn__find(plug, page), page);
    }
}

void unicorn__report_stored(struct xbar_unicorn *plug)
{
    report_pages(plug, __atomic_exchange_n(&plug->stored, 0, __ATOMIC_ACQ_REL));
}

void unicorn__report_stored_again(struct xbar_unicorn *plug)
{
    pthread_mutex_lock(&plug->lock);
    report_pages(plug, __atomic_load_n(&plug->stored, __ATOMIC_ACQUIRE));
    pthread_mutex_unlock(&plug->lock);
}
