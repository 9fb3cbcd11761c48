/* SPDX-License-Identifier: MIT */
/*
 * Dropping entries, on the owner thread.
 *
 * A guest that changes its address space often touches few pages in between.
 * So each context remembers the slots it filled:
 *
 *   filled <= 256   fill_list[0 .. filled) names every valid slot (some may
 *                   have been dropped since, or be named twice)
 *   filled  > 256   the list has overflowed: any slot may be valid
 *
 * Clearing a table costs 71 ns for each 8 KiB of tags, a list about 1 ns a
 * slot.
 */
#include <string.h>

#include "engine/dirty_log.h"
#include "tlb/tlb_internal.h"

_Static_assert(TLB_CONTEXTS < 32, "contexts are bits of an unsigned");

static void clear_slot(SoftTLB *tlb, unsigned context, unsigned index)
{
    TLBEntry *entry = &tlb->l1[context][index];
    uint64_t empty =
        tlb__miss_tag(tlb, (uint64_t)index << tlb->config.page_bits);

    entry->tag[TLB_READ] = empty;
    entry->tag[TLB_WRITE] = empty;
    entry->tag[TLB_EXEC] = empty;
    tlb->info[context][index].flags = 0;
}

void tlb__clear_table(SoftTLB *tlb, unsigned context)
{
    for (unsigned index = 0; index < TLB_L1_SIZE; index++) {
        clear_slot(tlb, context, index);
    }
    tlb->filled[context] = 0;
}

void tlb__note_filled(SoftTLB *tlb, unsigned context, unsigned index)
{
    uint16_t filled = tlb->filled[context];

    if (tlb->info[context][index].flags & TLB_INFO_VALID) {
        return; /* replaced in place: it is listed already */
    }
    if (filled < TLB_FILL_LIST_SIZE) {
        tlb->fill_list[context][filled] = (uint16_t)index;
    }
    if (filled <= TLB_FILL_LIST_SIZE) {
        tlb->filled[context] = filled + 1;
    }
}

/* The slots of a context that may hold an entry. */
struct slots {
    const uint16_t *list; /* NULL: all of them */
    unsigned count;
};

static inline struct slots slots_in_use(const SoftTLB *tlb, unsigned context)
{
    if (tlb->filled[context] > TLB_FILL_LIST_SIZE) {
        return (struct slots){ NULL, TLB_L1_SIZE };
    }
    return (struct slots){ tlb->fill_list[context], tlb->filled[context] };
}

static inline unsigned slot_at(const struct slots *slots, unsigned i)
{
    return slots->list != NULL ? slots->list[i] : i;
}

static void clear_context(SoftTLB *tlb, unsigned context)
{
    unsigned filled = tlb->filled[context];

    tlb->stats.flush_contexts++;
    tlb__drop_spans(tlb, context);
    if (filled > TLB_FILL_LIST_SIZE) {
        tlb__clear_table(tlb, context);
        return;
    }
    for (unsigned i = 0; i < filled; i++) {
        clear_slot(tlb, context, tlb->fill_list[context][i]);
    }
    tlb->filled[context] = 0;
}

void tlb_flush(SoftTLB *tlb, unsigned contexts)
{
    for (unsigned context = 0; context < TLB_CONTEXTS; context++) {
        if (contexts & (1u << context)) {
            clear_context(tlb, context);
            tlb__l2_flush(tlb, context);
        }
    }
}

void tlb__clear_contexts(SoftTLB *tlb, unsigned contexts)
{
    for (unsigned context = 0; context < TLB_CONTEXTS; context++) {
        if (contexts & (1u << context)) {
            clear_context(tlb, context);
        }
    }
}

static bool is_global(const SoftTLB *tlb, unsigned context, unsigned index)
{
    const uint8_t both = TLB_INFO_VALID | TLB_INFO_GLOBAL;

    return (tlb->info[context][index].flags & both) == both;
}

/* Clear what holds in one address space only; the list names the rest. */
static void keep_global(SoftTLB *tlb, unsigned context)
{
    const struct slots slots = slots_in_use(tlb, context);
    unsigned kept = 0;

    tlb__drop_spans(tlb, context);
    for (unsigned i = 0; i < slots.count; i++) {
        unsigned index = slot_at(&slots, i);

        if (!is_global(tlb, context, index)) {
            clear_slot(tlb, context, index);
        } else if (kept++ < TLB_FILL_LIST_SIZE) {
            tlb->fill_list[context][kept - 1] = (uint16_t)index;
        }
    }
    tlb->filled[context] =
        (uint16_t)(kept <= TLB_FILL_LIST_SIZE ? kept : TLB_FILL_LIST_SIZE + 1);
}

void tlb_switch_asid(SoftTLB *tlb, unsigned contexts, uint16_t asid)
{
    for (unsigned context = 0; context < TLB_CONTEXTS; context++) {
        if (contexts & (1u << context)) {
            keep_global(tlb, context);
        }
    }
    tlb->asid = asid;
    tlb->stats.switches++;
}

void tlb_flush_page(SoftTLB *tlb, unsigned contexts, uint64_t va)
{
    unsigned index = tlb__slot(tlb, va);

    tlb->stats.flush_pages++;
    for (unsigned context = 0; context < TLB_CONTEXTS; context++) {
        const TLBInfo *info = &tlb->info[context][index];

        if (!(contexts & (1u << context))) {
            continue;
        }
        if ((info->flags & TLB_INFO_VALID) &&
            info->page == tlb__page_of(tlb, va)) {
            clear_slot(tlb, context, index);
        }
        tlb__l2_flush_page(tlb, context, va);
        tlb__drop_spans_of_page(tlb, context, tlb__page_of(tlb, va));
    }
}

/* ---- Dropping what a predicate names ----------------------------------- */

typedef bool drop_fn(const TLBInfo *info, const void *opaque);

/* Return: how many entries of @context went. */
static unsigned sweep(SoftTLB *tlb, unsigned context, drop_fn *drop,
                      const void *opaque)
{
    const struct slots slots = slots_in_use(tlb, context);
    unsigned dropped = 0;

    tlb__drop_spans(tlb, context);
    for (unsigned i = 0; i < slots.count; i++) {
        unsigned index = slot_at(&slots, i);
        const TLBInfo *info = &tlb->info[context][index];

        if ((info->flags & TLB_INFO_VALID) && drop(info, opaque)) {
            clear_slot(tlb, context, index);
            dropped++;
        }
    }
    return dropped;
}

static bool belongs_to_asid(const TLBInfo *info, const void *asid)
{
    return !(info->flags & TLB_INFO_GLOBAL) &&
           info->asid == *(const uint16_t *)asid;
}

void tlb_flush_asid(SoftTLB *tlb, unsigned contexts, uint16_t asid)
{
    tlb->stats.flush_asids++;
    for (unsigned context = 0; context < TLB_CONTEXTS; context++) {
        if (contexts & (1u << context)) {
            sweep(tlb, context, belongs_to_asid, &asid);
            tlb__l2_flush(tlb, context); /* of all ids: it has no lists */
        }
    }
}

struct range_list {
    const struct xbar_range *ranges;
    size_t count;
    uint64_t page_size;
};

static bool touches_ranges(const TLBInfo *info, const void *opaque)
{
    const struct range_list *list = opaque;
    hwaddr last = info->phys + (list->page_size - 1);

    for (size_t i = 0; i < list->count; i++) {
        if (list->ranges[i].first <= last &&
            list->ranges[i].last >= info->phys) {
            return true;
        }
    }
    return false;
}

void tlb__drop_ranges(SoftTLB *tlb, const struct xbar_range *ranges,
                      size_t count)
{
    struct range_list list = { ranges, count, tlb__page_size(tlb) };

    for (unsigned context = 0; context < TLB_CONTEXTS; context++) {
        if (tlb->filled[context]) { /* spans are made of what was */
            tlb->stats.invalidated +=
                sweep(tlb, context, touches_ranges, &list);
        }
    }
}

/* ---- Write tags -------------------------------------------------------- */

typedef bool protect_fn(const TLBEntry *entry, const TLBInfo *info,
                        uint64_t host);

/* A write tag that hits is the page's number, whatever the slot. */
static bool stores_inline(const TLBEntry *entry, const TLBInfo *info)
{
    return (info->flags & TLB_INFO_VALID) &&
           entry->tag[TLB_WRITE] == info->page;
}

/* Its page and the one at @host share bytes: less than a page apart. Smaller
 * pages may be said to, and do not. */
static bool lies_at(const TLBEntry *entry, const TLBInfo *info, uint64_t host)
{
    uint64_t distance = info->page + entry->addend - host;

    return distance + (TLB_PAGE_SIZE - 1) <= 2 * (TLB_PAGE_SIZE - 1);
}

static bool lies_anywhere(const TLBEntry *entry, const TLBInfo *info,
                          uint64_t host)
{
    (void)entry;
    (void)info;
    (void)host;
    return true;
}

static void protect_slot(SoftTLB *tlb, unsigned context, unsigned index,
                         protect_fn *named, uint64_t host)
{
    const TLBInfo *info = &tlb->info[context][index];
    TLBEntry *entry = &tlb->l1[context][index];

    if (stores_inline(entry, info) && named(entry, info, host)) {
        entry->tag[TLB_WRITE] = tlb__miss_tag(tlb, info->page);
    }
}

static void protect_context(SoftTLB *tlb, unsigned context, protect_fn *named,
                            uint64_t host)
{
    const struct slots slots = slots_in_use(tlb, context);

    for (unsigned i = 0; i < slots.count; i++) {
        protect_slot(tlb, context, slot_at(&slots, i), named, host);
    }
}

/* Tags of pages that some dirty log has clean go, and leave a note behind. */
static void drop_clean(SoftTLB *tlb, struct xbar_engine *engine,
                       unsigned context)
{
    const struct slots slots = slots_in_use(tlb, context);

    for (unsigned i = 0; i < slots.count; i++) {
        unsigned index = slot_at(&slots, i);
        TLBInfo *info = &tlb->info[context][index];
        TLBEntry *entry = &tlb->l1[context][index];

        if (stores_inline(entry, info) &&
            xbar_dirty_is_wanted(engine, info->page + entry->addend,
                                 tlb__page_size(tlb))) {
            entry->tag[TLB_WRITE] = tlb__miss_tag(tlb, info->page);
            info->flags |= TLB_INFO_RECHECKED;
        }
    }
}

static void mark_dropped(SoftTLB *tlb, struct xbar_engine *engine,
                         unsigned context, bool marks)
{
    const struct slots slots = slots_in_use(tlb, context);

    for (unsigned i = 0; i < slots.count; i++) {
        unsigned index = slot_at(&slots, i);
        TLBInfo *info = &tlb->info[context][index];

        if (!(info->flags & TLB_INFO_RECHECKED)) {
            continue;
        }
        info->flags &= (uint8_t)~TLB_INFO_RECHECKED;
        if (marks) {
            xbar_dirty_wrote(engine,
                             info->page + tlb->l1[context][index].addend,
                             tlb__page_size(tlb));
        }
    }
}

/*
 * All tags go before any page is marked: once one is, no other entry that
 * shows it would be found, and it would seem to be written for ever.
 */
void tlb__recheck_dirty(SoftTLB *tlb, bool marks)
{
    struct xbar_engine *engine = tlb__engine(tlb);

    tlb__stored_by_host(tlb);
    for (unsigned context = 0; context < TLB_CONTEXTS; context++) {
        drop_clean(tlb, engine, context);
    }
    for (unsigned context = 0; context < TLB_CONTEXTS; context++) {
        mark_dropped(tlb, engine, context, marks);
        tlb__recheck_spans(tlb, context, marks);
    }
}

/*
 * A guest that patches code takes and loses the write tag of one page again
 * and again. After a page was cleared of tags, only those given since can be of
 * it, and while these are few, looking at their slots is enough:
 *
 *   cleared   | host, count of grants |  ...      one place a page, by its
 *                        |                        number
 *   slot      . . . . . .x y z|                   since: y, z
 */
static bool protect_lately_given(SoftTLB *tlb, uint64_t host, uint64_t since)
{
    struct xbar_tlb_grants *grants = &tlb->grants;

    if (grants->count - since > TLB_GRANTS) {
        return false;
    }
    for (uint64_t i = since; i < grants->count; i++) {
        unsigned context = grants->slot[i % TLB_GRANTS].context;
        unsigned index = grants->slot[i % TLB_GRANTS].index;

        protect_slot(tlb, context, index, lies_at, host);
    }
    return true;
}

void tlb_protect_code(SoftTLB *tlb, uint64_t host)
{
    struct xbar_tlb_grants *grants = &tlb->grants;
    unsigned place = (unsigned)(host >> TLB_PAGE_BITS) % TLB_PROTECTED;

    tlb->stats.protects++;
    if (grants->cleared[place].host != host ||
        !protect_lately_given(tlb, host, grants->cleared[place].count)) {
        for (unsigned context = 0; context < TLB_CONTEXTS; context++) {
            protect_context(tlb, context, lies_at, host);
        }
    }
    grants->cleared[place].host = host;
    grants->cleared[place].count = grants->count;
    for (unsigned context = 0; context < TLB_CONTEXTS; context++) {
        if (tlb->spans_used[context][TLB_WRITE] != 0) {
            tlb__protect_spans(tlb, context, host);
        }
    }
}

void tlb__note_granted(SoftTLB *tlb, unsigned context, unsigned index)
{
    struct xbar_tlb_grants *grants = &tlb->grants;
    uint64_t place = grants->count++ % TLB_GRANTS;

    grants->slot[place].context = (uint8_t)context;
    grants->slot[place].index = (uint16_t)index;
}

void tlb__protect_all(SoftTLB *tlb)
{
    tlb->stats.protects++;
    for (unsigned context = 0; context < TLB_CONTEXTS; context++) {
        protect_context(tlb, context, lies_anywhere, 0);
        tlb__protect_all_spans(tlb, context);
    }
}
