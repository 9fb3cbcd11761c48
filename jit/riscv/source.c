/* SPDX-License-Identifier: MIT */
#include "jit/riscv/source.h"

#include "jit/riscv/fp/fp.h"

uint32_t riscv__jit_mode(const struct xbar_riscv_hart *hart)
{
    uint32_t contexts = hart->fetch_context | (uint32_t)hart->data_context
                                                  << MODE_DATA_SHIFT;

    if (contexts != hart->jit->fp_contexts ||
        (hart->mstatus & MSTATUS_FS) != MSTATUS_FS) {
        return contexts;
    }
    if (hart->jit->asks_inexact && (hart->fflags & FP_FLAG_NX)) {
        contexts |= MODE_INEXACT;
    }
    return contexts | MODE_FP | (uint32_t)hart->frm << MODE_FRM_SHIFT;
}

/* The exec entry of @va's page, filled if need be, whole-page RAM only. */
static const TLBInfo *exec_page(struct xbar_riscv_hart *hart, uint64_t va,
                                const uint8_t **host)
{
    void *p;

    *host = tlb_probe(&hart->tlb, hart->fetch_context, va, 2, TLB_EXEC);
    if (*host == NULL) {
        if (tlb_host(&hart->tlb, hart->fetch_context, va, 2, TLB_EXEC, &p)) {
            return NULL;
        }
        *host = tlb_probe(&hart->tlb, hart->fetch_context, va, 2, TLB_EXEC);
    }
    return *host ? &hart->tlb.info[hart->fetch_context][tlb_index(va)] : NULL;
}

static uint32_t parcel(const uint8_t *host)
{
    return (uint32_t)tlb_ram_load(host, 1);
}

bool riscv__find_source(struct xbar_riscv_hart *hart, struct riscv_source *s)
{
    const TLBInfo *info;

    s->decoded = &hart->insn_cache;
    s->pc = hart->pc;
    s->host2 = NULL;
    s->shown = NULL;
    info = exec_page(hart, s->pc, &s->host);
    if (info == NULL) {
        return false;
    }
    s->key =
        (struct xbar_jit_key){ .pc = s->pc,
                               .page = info->phys,
                               .page2 = XBAR_JIT_NO_PAGE,
                               .mode = hart->jit ? riscv__jit_mode(hart) : 0 };
    if ((s->pc & ~TLB_PAGE_MASK) == TLB_PAGE_SIZE - 2 &&
        !riscv__is_compressed(parcel(s->host))) {
        info = exec_page(hart, s->pc + 2, &s->host2);
        if (info == NULL) {
            return false;
        }
        s->key.page2 = info->phys;
    }
    s->home[0] = (uintptr_t)s->host;
    s->home[1] = s->host2 ? (uintptr_t)s->host2 : XBAR_JIT_NO_PAGE;
    return true;
}

static void copy_parcel(const uint8_t *host, uint8_t *to)
{
    uint16_t next = (uint16_t)parcel(host);

    memcpy(to, &next, sizeof(next));
}

/* No parcel is torn: aligned words hold whole ones. */
static void copy_parcels(const uint8_t *host, unsigned size, uint8_t *bytes)
{
    unsigned i = 0;

    for (; i < size && (uintptr_t)(host + i) % sizeof(uint64_t) != 0; i += 2) {
        copy_parcel(host + i, bytes + i);
    }
    for (; i + sizeof(uint64_t) <= size; i += sizeof(uint64_t)) {
        uint64_t word = tlb_ram_load(host + i, 3);

        memcpy(bytes + i, &word, sizeof(word));
    }
    for (; i < size; i += 2) {
        copy_parcel(host + i, bytes + i);
    }
}

/* How much of a block is copied at a time. */
#define PIECE 64u

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* The bytes from s->size up to @end, of the page that they are in. */
static void copy_up_to(struct riscv_source *s, unsigned end)
{
    unsigned first = s->host2 != NULL ? least(end, 2) : end;

    if (s->size < first) {
        copy_parcels(s->host + s->size, first - s->size, s->bytes + s->size);
        s->size = first;
    }
    if (s->size < end) {
        copy_parcels(s->host2 + (s->size - 2), end - s->size,
                     s->bytes + s->size);
        s->size = end;
    }
}

static void find_room(struct riscv_source *s, unsigned size)
{
    unsigned room = (unsigned)(TLB_PAGE_SIZE - (s->pc & ~TLB_PAGE_MASK));

    s->size = 0;
    s->room = least(size, s->host2 != NULL ? 4 : room);
}

void riscv__copy_source(struct riscv_source *s, unsigned size)
{
    find_room(s, size);
    copy_up_to(s, s->room);
}

void riscv__begin_copy(struct riscv_source *s, unsigned size)
{
    find_room(s, size);
    copy_up_to(s, least(s->room, PIECE));
}

void riscv__copy_more(struct riscv_source *s)
{
    copy_up_to(s, least(s->room, s->size + PIECE));
}

void riscv__copy_page(const struct riscv_source *s, uint8_t *page)
{
    copy_parcels(s->host - (s->pc & ~TLB_PAGE_MASK), TLB_PAGE_SIZE, page);
}

static uint32_t copied_parcel(const struct riscv_source *s, unsigned offset)
{
    uint16_t bits;

    memcpy(&bits, s->bytes + offset, sizeof(bits));
    return bits;
}

bool riscv__read_insn(const struct riscv_source *s, unsigned offset,
                      struct riscv_insn *insn)
{
    uint32_t bits;

    if (offset + 2 > s->size) {
        return false;
    }
    bits = copied_parcel(s, offset);
    if (!riscv__is_compressed(bits)) {
        if (offset + 4 > s->size) {
            return false;
        }
        bits |= copied_parcel(s, offset + 2) << 16;
    }
    *insn = *riscv__decode_cached(s->decoded, bits);
    return true;
}

/* Host address of guest-physical @page, or NULL if it is not RAM now. */
static const uint8_t *page_host(const struct xbar_riscv_hart *hart, hwaddr page)
{
    const FlatView *view = address_space_to_flatview(hart->config.as);
    const FlatRange *range = flatview_lookup(view, page);

    if (!(range->flags & FLAT_RANGE_RAM) || range->first > page ||
        range->last < page + (TLB_PAGE_SIZE - 1)) {
        return NULL;
    }
    return (const uint8_t *)(uintptr_t)(page + range->host_delta);
}

bool riscv__source_moved(const struct xbar_jit_block *block,
                         const struct riscv_source *s)
{
    return block->home[0] != (uintptr_t)s->host ||
           (s->host2 != NULL && block->home[1] != (uintptr_t)s->host2);
}

/* ---- Comparing --------------------------------------------------------- */

/* Is the word of guest memory at @host what was copied to @bytes? */
static inline bool word_equals(const uint8_t *host, unsigned size_log2,
                               const uint8_t *bytes)
{
    uint64_t known = 0;

    memcpy(&known, bytes, (size_t)1 << size_log2);
    return tlb_ram_load(host, size_log2) == known;
}

/* Memory that its owner put at an odd address. */
static XBAR_COLD bool odd_parcels_equal(const uint8_t *host, unsigned size,
                                        const uint8_t *bytes)
{
    for (unsigned i = 0; i < size; i += 2) {
        if (!word_equals(host + i, 1, bytes + i)) {
            return false;
        }
    }
    return true;
}

/* Words from a multiple of 8 on, and what is beside them in as few loads as its
 * alignment allows. */
static bool parcels_equal(const uint8_t *host, unsigned size,
                          const uint8_t *bytes)
{
    const uint8_t *end = host + size;

    if (unlikely(!tlb_ram_is_aligned(host, 1))) {
        return odd_parcels_equal(host, size, bytes);
    }
    if (!tlb_ram_is_aligned(host, 2)) {
        if (!word_equals(host, 1, bytes)) {
            return false;
        }
        host += 2;
        bytes += 2;
    }
    if (!tlb_ram_is_aligned(host, 3) && end - host >= 4) {
        if (!word_equals(host, 2, bytes)) {
            return false;
        }
        host += 4;
        bytes += 4;
    }
    for (; end - host >= 8; host += 8, bytes += 8) {
        if (!word_equals(host, 3, bytes)) {
            return false;
        }
    }
    if (end - host >= 4) {
        if (!word_equals(host, 2, bytes)) {
            return false;
        }
        host += 4;
        bytes += 4;
    }
    return host == end || word_equals(host, 1, bytes);
}

/* Host address of @page, asked for again only if it is another page. */
static const uint8_t *compared_page(struct riscv_comparison *c, hwaddr page)
{
    if (c->page != page) {
        c->page = page;
        c->host = page_host(c->hart, page);
    }
    return c->host;
}

bool riscv__block_changed(void *opaque, const struct xbar_jit_block *block)
{
    struct riscv_comparison *c = opaque;
    uint64_t in_page = block->key.pc & ~TLB_PAGE_MASK;
    unsigned size = block->guest_size;
    const uint8_t *host;

    if (block->home[0] + size <= c->frame &&
        block->key.page2 == XBAR_JIT_NO_PAGE) {
        return false; /* it lies below what was written */
    }
    host = compared_page(c, block->key.page);

    if (host == NULL || block->home[0] != (uintptr_t)host + in_page) {
        return true;
    }
    if (block->key.page2 == XBAR_JIT_NO_PAGE) {
        return !parcels_equal(host + in_page, size, block->bytes);
    }
    if (!parcels_equal(host + in_page, 2, block->bytes)) {
        return true;
    }
    host = compared_page(c, block->key.page2);
    return host == NULL || block->home[1] != (uintptr_t)host ||
           !parcels_equal(host, size - 2, block->bytes + 2);
}
