/* SPDX-License-Identifier: MIT */
/*
 * Accesses that did not hit inline: devices, misses, page and section
 * crossings, observed accesses.
 *
 * Constraints
 *   - whatever can fail before the first effect must be known to fail then: a
 *     store that faults on its second page leaves the first as it was;
 *   - a device callback may commit, flush this TLB, or take long: after the
 *     first one no entry and no view may be looked at.
 *
 * An access that lies in one section of one page is one access, also when it
 * is misaligned: the device's own limits decide. Any other is cut into pieces,
 * naturally aligned powers of two; all are resolved, and then performed from
 * the pieces alone:
 *
 *   va   |   page n            ||   page n+1          |
 *        | RAM      | device A  ||  device B          |
 *                 [ 1 |   2     ||  4  | 1 ]                one access
 *                  RAM   A          B    B                  four pieces
 *
 * Sections that a piece points to live as long as the owner's read section
 * does.
 */
#include "engine/plan.h"
#include "tlb/device.h"
#include "tlb/tlb_internal.h"

/* 8 bytes that alternate between sections make 8 pieces, never more. */
#define MAX_PIECES 8

struct piece {
    const FlatRange *section;
    hwaddr phys;
    uint8_t offset; /* in the access, bytes */
    uint8_t size_log2;
};

struct pieces {
    unsigned count;
    struct piece piece[MAX_PIECES];
};

/* Bytes that one section of one page answers. */
struct run {
    const FlatRange *section;
    hwaddr phys;
    unsigned size;
};

/* ---- Resolving --------------------------------------------------------- */

/* The section of @phys in a page that has several: the one that the last
 * access went to, or else it is looked up. */
static const FlatRange *subpage_section(const SoftTLB *tlb, TLBInfo *info,
                                        hwaddr phys)
{
    const FlatRange *section = info->section;

    if (section && section->first <= phys && phys <= section->last) {
        return section;
    }
    section = xbar_view_cache_section(tlb->config.as, phys);
    if (!(section->flags & FLAT_RANGE_UNASSIGNED) &&
        !(info->flags & TLB_INFO_WATCHED)) {
        info->section = section;
    }
    return section;
}

/* The run at @va, at most @size bytes. Return: 0, or the walk's fault. */
static inline int find_run(SoftTLB *tlb, unsigned context, uint64_t va,
                           unsigned size, enum xbar_tlb_access access,
                           struct run *run)
{
    TLBInfo *info = &tlb->info[context][tlb__slot(tlb, va)];
    uint64_t in_page = tlb__in_page(tlb, va);
    uint64_t last = tlb__page_size(tlb) - 1 - in_page; /* counted from va */

    if (unlikely(!tlb__grants(tlb, info, va, access))) {
        int err = tlb__fill(tlb, context, va, access);

        if (err) {
            return err;
        }
    }
    run->phys = info->phys | in_page;
    run->section = info->section;
    if (unlikely(info->flags & TLB_INFO_SUBPAGE)) {
        run->section = subpage_section(tlb, info, run->phys);
        if (run->section->last - run->phys < last) {
            last = run->section->last - run->phys;
        }
    }
    run->size = last < size - 1 ? (unsigned)last + 1 : size;
    return 0;
}

/* What the bus answers to @access before it reaches the region. */
static inline MemTxResult check_section(const FlatRange *section,
                                        enum xbar_tlb_access access)
{
    if (section->flags & FLAT_RANGE_UNASSIGNED) {
        return MEMTX_DECODE_ERROR;
    }
    if (access == TLB_WRITE && (section->flags & FLAT_RANGE_READONLY)) {
        return MEMTX_ERROR;
    }
    return MEMTX_OK;
}

/* The widest naturally aligned power of two at @addr within @size bytes. */
static unsigned natural_log2(hwaddr addr, unsigned size)
{
    unsigned log2 = 31 - (unsigned)__builtin_clz(size);

    while (addr & ((1u << log2) - 1)) {
        log2--;
    }
    return log2;
}

static void cut_run(struct pieces *pieces, const struct run *run,
                    unsigned offset)
{
    unsigned done = 0;

    while (done < run->size) {
        unsigned log2 = natural_log2(run->phys + done, run->size - done);

        xbar_assert(pieces->count < MAX_PIECES);
        pieces->piece[pieces->count++] = (struct piece){
            .section = run->section,
            .phys = run->phys + done,
            .offset = (uint8_t)(offset + done),
            .size_log2 = (uint8_t)log2,
        };
        done += 1u << log2;
    }
}

/*
 * The first run of an access, checked. Afterwards run->size tells whether
 * there is more.
 */
static inline int begin(SoftTLB *tlb, unsigned context, uint64_t va,
                        unsigned size_log2, enum xbar_tlb_access access,
                        struct run *run)
{
    MemTxResult result;
    int err;

    xbar_assert(context < TLB_CONTEXTS && size_log2 <= 3 && tlb->entered);
    tlb->stats.slow++;
    err = find_run(tlb, context, va, 1u << size_log2, access, run);
    if (unlikely(err)) {
        return err;
    }
    result = check_section(run->section, access);
    return likely(result == MEMTX_OK) ? 0 : tlb__fault(tlb, va, 0, result);
}

/* All pieces of an access, or the fault of the first byte that has one. */
static int cut(SoftTLB *tlb, unsigned context, uint64_t va, unsigned size,
               enum xbar_tlb_access access, struct pieces *pieces)
{
    struct run run;

    pieces->count = 0;
    for (unsigned done = 0; done < size; done += run.size) {
        MemTxResult result;
        int err = find_run(tlb, context, va + done, size - done, access, &run);

        if (err) {
            return err;
        }
        result = check_section(run.section, access);
        if (result != MEMTX_OK) {
            return tlb__fault(tlb, va + done, 0, result);
        }
        cut_run(pieces, &run, done);
    }
    return 0;
}

static XBAR_COLD void observe(const SoftTLB *tlb, enum xbar_tlb_access access,
                              const FlatRange *section, unsigned size)
{
    /* Of a ROM device, reads are memory's, and writes the device's. */
    const uint32_t memory =
        access == TLB_WRITE ? FLAT_RANGE_WRITABLE : FLAT_RANGE_RAM;

    if (tlb->config.device != NULL && !(section->flags & memory)) {
        return; /* told otherwise, if it is carried out */
    }
    tlb->config.observe(tlb->config.observe_opaque, section, access, size);
}

/* An access that lies in one section. */
static XBAR_COLD void observe_whole(const SoftTLB *tlb,
                                    enum xbar_tlb_access access,
                                    const FlatRange *section, unsigned size)
{
    if (!tlb__is_counted(tlb, section)) {
        observe(tlb, access, section, size);
    }
}

/* An access was carried out. */
static inline void raise_counter(uint64_t *counter)
{
    if (unlikely(counter != NULL)) {
        ++*counter;
    }
}

static bool are_counted(const SoftTLB *tlb, const struct pieces *pieces)
{
    for (unsigned i = 0; i < pieces->count; i++) {
        if (!tlb__is_counted(tlb, pieces->piece[i].section)) {
            return false;
        }
    }
    return true;
}

static void observe_pieces(const SoftTLB *tlb, enum xbar_tlb_access access,
                           const struct pieces *pieces)
{
    if (are_counted(tlb, pieces)) {
        return;
    }
    for (unsigned i = 0; tlb->config.observe && i < pieces->count; i++) {
        observe(tlb, access, pieces->piece[i].section,
                1u << pieces->piece[i].size_log2);
    }
}

/* ---- Loads ------------------------------------------------------------- */

static inline void *host_of(const FlatRange *section, hwaddr phys)
{
    return (void *)(uintptr_t)(phys + section->host_delta);
}

static inline MemTxResult load_from(SoftTLB *tlb, const FlatRange *section,
                                    hwaddr phys, unsigned size_log2,
                                    uint64_t *value)
{
    if (section->flags & FLAT_RANGE_RAM) {
        *value = tlb_ram_load(host_of(section, phys), size_log2);
        return MEMTX_OK;
    }
    tlb->stats.mmio_reads++;
    if (unlikely(tlb->config.device != NULL)) {
        return tlb__load_told(tlb, section, phys, size_log2, value);
    }
    return xbar_plan_read(section->plan, section->mr, phys + section->mr_delta,
                          value, size_log2, (MemTxAttrs){ 0 });
}

static XBAR_COLD int load_pieces(SoftTLB *tlb, unsigned context, uint64_t va,
                                 unsigned size_log2, uint64_t *value)
{
    struct pieces pieces;
    uint64_t *counter;
    uint64_t whole = 0;
    int err = cut(tlb, context, va, 1u << size_log2, TLB_READ, &pieces);

    if (err) {
        return err;
    }
    observe_pieces(tlb, TLB_READ, &pieces);
    counter = tlb__counter(tlb, TLB_READ, size_log2, pieces.piece[0].section,
                           pieces.piece[0].phys);
    for (unsigned i = 0; i < pieces.count; i++) {
        const struct piece *piece = &pieces.piece[i];
        uint64_t part = 0;
        MemTxResult result = load_from(tlb, piece->section, piece->phys,
                                       piece->size_log2, &part);

        if (result != MEMTX_OK) {
            return tlb__fault(tlb, va + piece->offset, 0, result);
        }
        whole |= xbar_plan_cut(part, piece->size_log2) << (8 * piece->offset);
    }
    raise_counter(counter);
    *value = whole;
    return 0;
}

static int load_any(SoftTLB *tlb, unsigned context, uint64_t va,
                    unsigned size_log2, uint64_t *value)
{
    uint64_t *counter = NULL;
    MemTxResult result;
    uint64_t loaded;
    struct run run;
    int err;

    if (unlikely(tlb->config.replay != NULL)) {
        return tlb->config.replay(tlb->config.replay_opaque, va, TLB_READ,
                                  size_log2, value);
    }
    err = begin(tlb, context, va, size_log2, TLB_READ, &run);
    if (unlikely(err)) {
        return err;
    }
    if (unlikely(run.size < 1u << size_log2)) {
        return load_pieces(tlb, context, va, size_log2, value);
    }
    if (unlikely(tlb->config.observe)) {
        observe_whole(tlb, TLB_READ, run.section, run.size);
        counter = tlb__counter(tlb, TLB_READ, size_log2, run.section, run.phys);
    }
    result = load_from(tlb, run.section, run.phys, size_log2, &loaded);
    if (unlikely(result != MEMTX_OK)) {
        return tlb__fault(tlb, va, 0, result);
    }
    raise_counter(counter);
    *value = loaded;
    return 0;
}

static bool is_told_device(const SoftTLB *tlb, unsigned context, uint64_t va,
                           unsigned size_log2, enum xbar_tlb_access access,
                           struct tlb_device *device)
{
    return tlb->config.device != NULL && tlb->config.replay == NULL &&
           tlb_find_device(tlb, context, va, size_log2, access, device);
}

int tlb__load_otherwise(SoftTLB *tlb, unsigned context, uint64_t va,
                        unsigned size_log2, uint64_t *value)
{
    struct tlb_device device;
    int err = is_told_device(tlb, context, va, size_log2, TLB_READ, &device)
                  ? tlb__load_counted(tlb, va, &device, size_log2, value)
                  : load_any(tlb, context, va, size_log2, value);

    if (unlikely(tlb->watches != NULL) && !err) {
        tlb__touch(tlb, context, va, 1u << size_log2, TLB_READ);
    }
    return err;
}

/* ---- Stores ------------------------------------------------------------ */

static inline bool is_memory_store(const FlatRange *section)
{
    return section->flags & FLAT_RANGE_WRITABLE;
}

static inline MemTxResult store_to(SoftTLB *tlb, const FlatRange *section,
                                   hwaddr phys, unsigned size_log2,
                                   uint64_t value)
{
    if (is_memory_store(section)) {
        tlb_ram_store(host_of(section, phys), size_log2, value);
        return MEMTX_OK;
    }
    tlb->stats.mmio_writes++;
    if (unlikely(tlb->config.device != NULL)) {
        return tlb__store_told(tlb, section, phys, size_log2, value);
    }
    return xbar_plan_write(section->plan, section->mr, phys + section->mr_delta,
                           value, size_log2, (MemTxAttrs){ 0 });
}

/* The pieces that go to memory, or those that go to devices. */
static int store_some(SoftTLB *tlb, uint64_t va, const struct pieces *pieces,
                      bool to_memory, uint64_t value)
{
    for (unsigned i = 0; i < pieces->count; i++) {
        const struct piece *piece = &pieces->piece[i];
        MemTxResult result;

        if (is_memory_store(piece->section) != to_memory) {
            continue;
        }
        result = store_to(tlb, piece->section, piece->phys, piece->size_log2,
                          value >> (8 * piece->offset));
        if (result != MEMTX_OK) {
            return tlb__fault(tlb, va + piece->offset, 0, result);
        }
    }
    return 0;
}

static XBAR_COLD void mark_pieces(const SoftTLB *tlb,
                                  const struct pieces *pieces)
{
    for (unsigned i = 0; i < pieces->count; i++) {
        const struct piece *piece = &pieces->piece[i];

        if (is_memory_store(piece->section)) {
            tlb__stored(tlb, host_of(piece->section, piece->phys),
                        1u << piece->size_log2);
        }
    }
}

/* Devices go first, as they may refuse; memory cannot. */
static XBAR_COLD int store_pieces(SoftTLB *tlb, unsigned context, uint64_t va,
                                  unsigned size_log2, uint64_t value)
{
    struct pieces pieces;
    bool is_logged = false;
    uint64_t *counter;
    int err = cut(tlb, context, va, 1u << size_log2, TLB_WRITE, &pieces);

    if (err) {
        return err;
    }
    observe_pieces(tlb, TLB_WRITE, &pieces);
    counter = tlb__counter(tlb, TLB_WRITE, size_log2, pieces.piece[0].section,
                           pieces.piece[0].phys);
    for (unsigned i = 0; i < pieces.count; i++) {
        const struct piece *piece = &pieces.piece[i];

        if (is_memory_store(piece->section)) {
            is_logged |=
                tlb__begin_store(tlb, context, va + piece->offset, piece->phys,
                                 piece->section, 1u << piece->size_log2);
        }
    }
    err = store_some(tlb, va, &pieces, false, value);
    if (!err) {
        err = store_some(tlb, va, &pieces, true, value);
        if (unlikely(is_logged)) {
            mark_pieces(tlb, &pieces);
        }
        raise_counter(err ? NULL : counter);
    }
    return err;
}

static int store_any(SoftTLB *tlb, unsigned context, uint64_t va,
                     unsigned size_log2, uint64_t value)
{
    bool is_logged = false;
    uint64_t *counter = NULL;
    MemTxResult result;
    struct run run;
    int err;

    if (unlikely(tlb->config.replay != NULL)) {
        return tlb->config.replay(tlb->config.replay_opaque, va, TLB_WRITE,
                                  size_log2, &value);
    }
    err = begin(tlb, context, va, size_log2, TLB_WRITE, &run);
    if (unlikely(err)) {
        return err;
    }
    if (unlikely(run.size < 1u << size_log2)) {
        return store_pieces(tlb, context, va, size_log2, value);
    }
    if (unlikely(tlb->config.observe)) {
        observe_whole(tlb, TLB_WRITE, run.section, run.size);
        counter =
            tlb__counter(tlb, TLB_WRITE, size_log2, run.section, run.phys);
    }
    if (is_memory_store(run.section)) {
        is_logged = tlb__begin_store(tlb, context, va, run.phys, run.section,
                                     1u << size_log2);
    }
    result = store_to(tlb, run.section, run.phys, size_log2, value);
    if (unlikely(is_logged)) {
        tlb__stored(tlb, host_of(run.section, run.phys), 1u << size_log2);
    }
    if (unlikely(result != MEMTX_OK)) {
        return tlb__fault(tlb, va, 0, result);
    }
    raise_counter(counter);
    return 0;
}

int tlb__store_otherwise(SoftTLB *tlb, unsigned context, uint64_t va,
                         unsigned size_log2, uint64_t value)
{
    struct tlb_device device;
    int err = is_told_device(tlb, context, va, size_log2, TLB_WRITE, &device)
                  ? tlb__store_counted(tlb, va, &device, size_log2, value)
                  : store_any(tlb, context, va, size_log2, value);

    if (unlikely(tlb->watches != NULL) && !err) {
        tlb__touch(tlb, context, va, 1u << size_log2, TLB_WRITE);
    }
    return err;
}

/* ---- Memory ------------------------------------------------------------ */

/* Two halves, each aligned or halved again: the fewest aligned accesses that
 * equal ones cover. A byte is always aligned, so this ends. */
uint64_t tlb_ram_load_misaligned(const void *host, unsigned size_log2)
{
    unsigned half = size_log2 - 1;
    const uint8_t *upper = (const uint8_t *)host + (1u << half);

    return tlb_ram_load(host, half) | tlb_ram_load(upper, half) << (8u << half);
}

void tlb_ram_store_misaligned(void *host, unsigned size_log2, uint64_t value)
{
    unsigned half = size_log2 - 1;
    uint8_t *upper = (uint8_t *)host + (1u << half);

    tlb_ram_store(host, half, value);
    tlb_ram_store(upper, half, value >> (8u << half));
}

/* ---- Places ------------------------------------------------------------ */

int tlb_locate(SoftTLB *tlb, unsigned context, uint64_t va,
               enum xbar_tlb_access access, struct xbar_tlb_place *place)
{
    struct run run;
    int err;

    xbar_assert(context < TLB_CONTEXTS && tlb->entered);
    err = find_run(tlb, context, va, 1, access, &run);
    if (err == 0) {
        *place = (struct xbar_tlb_place){ run.section, run.phys };
    }
    return err;
}

/* ---- Host addresses ---------------------------------------------------- */

/* Who asks for a host address is about to use it. */
static XBAR_COLD void touch_host(const SoftTLB *tlb, unsigned context,
                                 uint64_t va, unsigned size,
                                 enum xbar_tlb_access access)
{
    if (access != TLB_EXEC) {
        tlb__touch(tlb, context, va, size, TLB_READ);
    }
    if (access == TLB_WRITE) {
        tlb__touch(tlb, context, va, size, TLB_WRITE);
    }
}

int tlb_host(SoftTLB *tlb, unsigned context, uint64_t va, unsigned size,
             enum xbar_tlb_access access, void **host)
{
    uint32_t needed = access == TLB_WRITE ? FLAT_RANGE_RAM | FLAT_RANGE_WRITABLE
                                          : FLAT_RANGE_RAM;
    struct run run;
    int err;

    xbar_assert(context < TLB_CONTEXTS && size > 0 && tlb->entered);
    tlb->stats.slow++;
    err = find_run(tlb, context, va, size, access, &run);
    if (!err && access == TLB_WRITE) {
        struct run readable;

        err = find_run(tlb, context, va, size, TLB_READ, &readable);
    }
    if (err) {
        return err;
    }
    if (run.size < size || (run.section->flags & needed) != needed) {
        return tlb__fault(tlb, va, 0, MEMTX_ACCESS_ERROR);
    }
    if (unlikely(tlb->config.observe) && access != TLB_EXEC) {
        observe_whole(tlb, access, run.section, size);
    }
    *host = host_of(run.section, run.phys);
    if (access == TLB_WRITE) {
        tlb__stored_by_host(tlb);
        if (unlikely(tlb__begin_store(tlb, context, va, run.phys, run.section,
                                      size))) {
            tlb->lent = *host;
            tlb->lent_size = size;
        }
    }
    if (unlikely(tlb->watches != NULL)) {
        touch_host(tlb, context, va, size, access);
    }
    return 0;
}
