/* SPDX-License-Identifier: MIT */
/*
 * Filling an entry: walk, look the physical page up, decide which tags may
 * hit.
 *
 * A tag hits if all of these hold; else it is a must-miss tag:
 *
 *                            read        write          exec
 *   the walk granted         READ        WRITE          EXEC
 *   one section covers       RAM         RAM|WRITABLE   RAM
 *   the whole page, with
 *   nobody observes, or      yes         yes            (fetches are not)
 *   it is counted instead
 *   nobody keeps code of                 yes
 *   the page, and all dirty
 *   logs have it dirty
 *   nobody watches bytes of  yes         yes
 *   it (watch.c)
 *
 * RAM behind an IOMMU's section: read and write, see iommu.c.
 *
 * The view is looked up after the walk and inside the owner's read section.
 * If a commit published before the lookup, the entry is new already; if
 * after, the commit posts after that, and the entry goes at the next safe
 * point.
 */
#include "engine/dirty_log.h"
#include "engine/rcu.h"
#include "tlb/tlb_internal.h"

#define PROT_ALL (TLB_PROT_READ | TLB_PROT_WRITE | TLB_PROT_EXEC)

_Static_assert(TLB_L1_BITS >= 1, "a must-miss tag inverts an index bit");
_Static_assert(TLB_L1_SIZE <= UINT16_MAX + 1, "lists hold slots in 16 bits");
_Static_assert(1 << TLB_READ == TLB_PROT_READ, "prot is indexed by access");
_Static_assert(1 << TLB_WRITE == TLB_PROT_WRITE, "prot is indexed by access");
_Static_assert(1 << TLB_EXEC == TLB_PROT_EXEC, "prot is indexed by access");

int tlb__fault(SoftTLB *tlb, uint64_t va, int code, MemTxResult result)
{
    tlb->fault = (struct xbar_tlb_fault){ va, code, result };
    return code ? code : -1;
}

/*
 * The section that covers the whole page, or NULL. NULL also where nothing
 * decodes: a pointer to "unassigned" says nothing about where it ends.
 */
static const FlatRange *find_section(const SoftTLB *tlb, hwaddr page)
{
    const FlatRange *section = xbar_view_cache_section(tlb->config.as, page);

    if ((section->flags & FLAT_RANGE_UNASSIGNED) ||
        section->last < page + (tlb__page_size(tlb) - 1)) {
        tlb__inbox_hear_all(tlb); /* what comes there makes it better */
        return NULL;
    }
    return section;
}

/* Accesses that @section can take straight in memory, as permission bits. */
static unsigned direct_prot(const SoftTLB *tlb, const FlatRange *section)
{
    unsigned prot = 0;

    if (!(section->flags & FLAT_RANGE_RAM)) {
        return 0;
    }
    prot = TLB_PROT_READ | TLB_PROT_EXEC;
    if (section->flags & FLAT_RANGE_WRITABLE) {
        prot |= TLB_PROT_WRITE;
    }
    if (tlb->config.no_inline ||
        (tlb->config.observe && !tlb__is_counted(tlb, section))) {
        prot &= TLB_PROT_EXEC;
    }
    return prot;
}

/* Where @page lies if @section shows it. */
static uint64_t host_page(const FlatRange *section, hwaddr page)
{
    return page + section->host_delta;
}

static bool is_code(const SoftTLB *tlb, hwaddr page, uint64_t host)
{
    return tlb->config.holds_code &&
           tlb->config.holds_code(tlb->config.code_opaque, page, host);
}

/* Does anybody want to be told of stores to @page? */
static bool is_watched(const SoftTLB *tlb, hwaddr page, uint64_t host)
{
    return is_code(tlb, page, host) ||
           xbar_dirty_is_wanted(tlb__engine(tlb), host, tlb__page_size(tlb));
}

/* The same for the page of @info, and where its memory lies. */
static unsigned find_memory(SoftTLB *tlb, const TLBInfo *info, uint64_t *host)
{
    const FlatRange *section = info->section;

    if (unlikely(section->flags & FLAT_RANGE_IOMMU)) {
        return tlb->config.no_inline || tlb->config.observe
                   ? 0
                   : tlb__iommu_prot(tlb, info, host);
    }
    *host = host_page(section, info->phys);
    return direct_prot(tlb, section);
}

/* The accesses that may hit inline, as permission bits. A section that is
 * only part of the page lets nothing hit: a tag covers the page. */
static unsigned inline_prot(SoftTLB *tlb, unsigned context, const TLBInfo *info,
                            uint64_t *host)
{
    unsigned prot;

    if (info->flags & TLB_INFO_SUBPAGE) {
        return 0;
    }
    prot = info->prot & find_memory(tlb, info, host);
    if (unlikely(tlb->watches != NULL)) {
        prot &= ~tlb__watched(tlb, context, info->page);
    }
    if ((prot & TLB_PROT_WRITE) && is_watched(tlb, info->phys, *host)) {
        prot &= ~(unsigned)TLB_PROT_WRITE;
    }
    return prot;
}

/* Make the tags of a slot say what its info allows. */
static void set_entry(SoftTLB *tlb, unsigned context, unsigned index)
{
    const TLBInfo *info = &tlb->info[context][index];
    TLBEntry *entry = &tlb->l1[context][index];
    uint64_t host = 0;
    unsigned hits = inline_prot(tlb, context, info, &host);
    uint64_t miss = tlb__miss_tag(tlb, info->page);

    entry->tag[TLB_READ] = hits & TLB_PROT_READ ? info->page : miss;
    entry->tag[TLB_WRITE] = hits & TLB_PROT_WRITE ? info->page : miss;
    entry->tag[TLB_EXEC] = hits & TLB_PROT_EXEC ? info->page : miss;
    entry->addend = hits ? host - info->page : 0;
    if (hits & TLB_PROT_WRITE) {
        tlb__note_granted(tlb, context, index);
    }
}

/* What the walker says of @va, or would. Return: 0, or a fault code. */
static int find_page(SoftTLB *tlb, unsigned context, uint64_t va,
                     enum xbar_tlb_access access, struct xbar_tlb_walk *walk)
{
    int code;

    if (tlb__l2_find(tlb, context, va, access, walk)) {
        tlb->stats.l2_hits++;
        tlb->stats.fills[context].l2_hits++;
        return 0;
    }
    tlb->stats.walks++;
    tlb->stats.fills[context].walks++;
    code = tlb->config.walk(tlb->config.walk_opaque, context, va, access, walk);
    if (unlikely(code < 0 || (walk->prot & ~PROT_ALL))) {
        return TLB_BAD_WALK;
    }
    if (code == 0) {
        tlb__l2_put(tlb, context, va, walk);
    }
    return code;
}

/* A device that is watched is not to be found by tlb/device.h. */
static XBAR_COLD void hide_device(const SoftTLB *tlb, unsigned context,
                                  TLBInfo *info)
{
    bool is_memory =
        info->section != NULL && (info->section->flags & FLAT_RANGE_RAM);

    if (!is_memory && tlb__watched(tlb, context, info->page)) {
        info->section = NULL;
        info->flags |= TLB_INFO_SUBPAGE | TLB_INFO_WATCHED;
    }
}

static bool is_small(const SoftTLB *tlb)
{
    return tlb->config.page_bits < TLB_PAGE_BITS;
}

int tlb__fill(SoftTLB *tlb, unsigned context, uint64_t va,
              enum xbar_tlb_access access)
{
    unsigned index = tlb__slot(tlb, va);
    TLBInfo *info = &tlb->info[context][index];
    struct xbar_tlb_walk walk = { 0 };
    int code;

    xbar_assert(xbar_rcu_read_held());
    code = find_page(tlb, context, va, access, &walk);
    if (code) {
        return tlb__fault(tlb, va, code, MEMTX_OK);
    }
    if (unlikely(tlb->config.one_entry)) {
        tlb_flush(tlb, TLB_ALL_CONTEXTS);
    }
    tlb__note_filled(tlb, context, index);
    info->page = tlb__page_of(tlb, va);
    info->phys = tlb__page_of(tlb, walk.phys);
    info->section = find_section(tlb, info->phys);
    info->asid = tlb->asid;
    /* Success is the walker's word for @access, whatever else it granted. */
    info->prot = (uint8_t)(walk.prot | (1u << access));
    info->flags =
        (uint8_t)(TLB_INFO_VALID | (walk.global ? TLB_INFO_GLOBAL : 0) |
                  (info->section ? 0 : TLB_INFO_SUBPAGE) |
                  (is_small(tlb) ? TLB_INFO_SMALL : 0));
    if (unlikely(tlb->watches != NULL)) {
        hide_device(tlb, context, info);
    }
    set_entry(tlb, context, index);
    tlb__check_spans(tlb, context, info->page);
    return 0;
}

bool tlb__begin_store(SoftTLB *tlb, unsigned context, uint64_t va, hwaddr phys,
                      const FlatRange *section, unsigned size)
{
    const TLBInfo *info = &tlb->info[context][tlb__slot(tlb, va)];
    struct xbar_engine *engine = tlb__engine(tlb);
    hwaddr page = tlb__page_of(tlb, phys);
    uint64_t host = host_page(section, page);
    bool is_logged = xbar_dirty_is_on(engine);

    if (!tlb->config.holds_code && !is_logged) {
        return false;
    }
    if (is_code(tlb, page, host)) {
        tlb->config.code_written(tlb->config.code_opaque, page, host);
    }
    if (is_logged) {
        xbar_dirty_wrote(engine, phys + section->host_delta, size);
    }
    /* What was told may have flushed, and filling a store's second page may
     * have dropped its first: an entry that is gone stays gone. */
    if (tlb__grants(tlb, info, va, TLB_WRITE)) {
        set_entry(tlb, context, tlb__slot(tlb, va));
    }
    return is_logged;
}

void tlb__stored(const SoftTLB *tlb, const void *host, unsigned size)
{
    xbar_dirty_wrote(tlb__engine(tlb), (uintptr_t)host, size);
}

void tlb__stored_by_host(SoftTLB *tlb)
{
    if (unlikely(tlb->lent != NULL)) {
        tlb__stored(tlb, tlb->lent, tlb->lent_size);
        tlb->lent = NULL;
    }
}
