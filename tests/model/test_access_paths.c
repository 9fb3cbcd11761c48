/* SPDX-License-Identifier: MIT */
/*
 * One meaning on every path: random views are read and written by every way
 * there is, and each must do what a model says that looks at bytes alone.
 *
 *     space 0  windows on RAM, ROM, devices, and an IOMMU that leads to
 *     space 1  or, now and then, back to space 0
 *
 * A window is an alias of part of a base region, read-only or not; where they
 * overlap the one with the higher number is on top. Between accesses windows
 * vanish and come back, and the IOMMU changes its mind.
 *
 * The differences that are meant: a vCPU's access that fails has no effect and
 * no value, and its store to a read-only path is a fault, not dropped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/check.h"
#include "engine/engine.h"
#include "flatview/dma.h"
#include "flatview/iommu.h"
#include "flatview/region_cache.h"
#include "tlb/tlb.h"

#define SPACE     0x2000u /* bytes of an address space that are in use */
#define BASE_SIZE 0x400u
#define BASES     6
#define WINDOWS   12
#define PAGE      64u
#define PAGES     16
#define MAX_LEN   48u

enum kind {
    KIND_RAM,
    KIND_ROM,
    KIND_DEVICE,
    KIND_IOMMU,
};

struct base {
    MemoryRegion mr;
    enum kind kind;
    uint8_t *store;          /* what the library reads and writes */
    uint8_t want[BASE_SIZE]; /* what it should hold */
    uint8_t room[BASE_SIZE + 16] __attribute__((aligned(16)));
};

struct window {
    MemoryRegion mr;
    struct base *base; /* NULL: the IOMMU */
    hwaddr offset;     /* in the base */
    hwaddr addr;
    hwaddr size;
    bool is_shut;
    bool is_enabled;
};

struct page {
    unsigned space;
    hwaddr to;
    IOMMUAccessFlags perm;
};

struct world {
    SoftTLB tlb;
    struct xbar_engine *engine;
    uint64_t random;
    hwaddr at; /* of the last access */
    AddressSpace as[2];
    MemoryRegion root[2];
    struct base bases[2][BASES];
    struct window windows[2][WINDOWS];
    IOMMUMemoryRegion iommu;
    struct page pages[PAGES];
};

static const MemTxAttrs plain = { .unspecified = 1 };

static uint32_t pick(struct world *w, uint32_t below)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w->random >> 33) % below;
}

/* ---- The model --------------------------------------------------------- */

struct cell {
    uint8_t *byte; /* NULL: none, or a write is dropped */
    MemTxResult result;
    bool is_shut; /* by the outermost path: a vCPU's store faults */
};

static const struct window *top_window(const struct world *w, unsigned space,
                                       hwaddr addr)
{
    for (unsigned i = WINDOWS; i-- > 0;) {
        const struct window *window = &w->windows[space][i];

        if (window->is_enabled && addr >= window->addr &&
            addr - window->addr < window->size) {
            return window;
        }
    }
    return NULL;
}

static struct cell look(struct world *w, hwaddr addr, bool is_write)
{
    struct cell cell = { NULL, MEMTX_OK, false };
    unsigned space = 0;

    for (unsigned depth = 0; depth <= XBAR_IOMMU_MAX_DEPTH; depth++) {
        const struct window *window = top_window(w, space, addr);
        const struct page *page;
        hwaddr offset;

        if (window == NULL) {
            cell.result = MEMTX_DECODE_ERROR;
            return cell;
        }
        if (depth == 0) {
            cell.is_shut = window->is_shut || (window->base != NULL &&
                                               window->base->kind == KIND_ROM);
        }
        if (is_write && window->is_shut) {
            return cell;
        }
        offset = addr - window->addr + window->offset;
        if (window->base != NULL) {
            if (!is_write || window->base->kind != KIND_ROM) {
                cell.byte = &window->base->want[offset];
            }
            return cell;
        }
        page = &w->pages[offset / PAGE];
        if (depth == XBAR_IOMMU_MAX_DEPTH) {
            break;
        }
        if (!(page->perm & (is_write ? IOMMU_WO : IOMMU_RO))) {
            cell.result = MEMTX_ACCESS_ERROR;
            return cell;
        }
        space = page->space;
        addr = page->to + offset % PAGE;
    }
    cell.result = MEMTX_DECODE_ERROR;
    return cell;
}

/* What a read gives, or, if @bytes are written, does. */
static MemTxResult model(struct world *w, hwaddr addr, uint8_t *bytes,
                         hwaddr len, bool is_write)
{
    MemTxResult result = MEMTX_OK;

    for (hwaddr i = 0; i < len; i++) {
        struct cell cell = look(w, addr + i, is_write);

        result |= cell.result;
        if (!is_write) {
            bytes[i] = cell.byte != NULL ? *cell.byte : 0;
        } else if (cell.byte != NULL) {
            *cell.byte = bytes[i];
        }
    }
    return result;
}

static void check_stores(const struct world *w)
{
    for (unsigned space = 0; space < 2; space++) {
        for (unsigned i = 0; i < BASES; i++) {
            const struct base *base = &w->bases[space][i];

            if (memcmp(base->store, base->want, BASE_SIZE) != 0) {
                fail_msg("base %u of space %u differs", i, space);
            }
        }
    }
}

/* ---- The world --------------------------------------------------------- */

static uint64_t read_bytes(void *opaque, hwaddr addr, unsigned size)
{
    const struct base *base = opaque;
    uint64_t value = 0;

    assert_true(addr < BASE_SIZE && size <= BASE_SIZE - addr);
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)base->store[addr + i] << (8 * i);
    }
    return value;
}

static void write_bytes(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct base *base = opaque;

    assert_true(addr < BASE_SIZE && size <= BASE_SIZE - addr);
    for (unsigned i = 0; i < size; i++) {
        base->store[addr + i] = (uint8_t)(data >> (8 * i));
    }
}

#define DEVICE(min, max, odd)                                        \
    {                                                                \
        .read = read_bytes, .write = write_bytes,                    \
        .endianness = DEVICE_LITTLE_ENDIAN, .valid = { 1, 8, true }, \
        .impl = { (min), (max), (odd) },                             \
    }

static const MemoryRegionOps device_ops[] = {
    DEVICE(1, 8, true),
    DEVICE(1, 4, false),
    DEVICE(4, 4, false),
    DEVICE(1, 1, false),
};

static IOMMUTLBEntry translate(IOMMUMemoryRegion *iommu, hwaddr addr,
                               IOMMUAccessFlags flag, int iommu_idx)
{
    struct world *w = xbar_container_of(iommu, struct world, iommu);
    const struct page *page = &w->pages[addr / PAGE];

    (void)flag;
    (void)iommu_idx;
    return (IOMMUTLBEntry){
        .target_as = &w->as[page->space],
        .iova = addr & ~(hwaddr)(PAGE - 1),
        .translated_addr = page->to,
        .addr_mask = PAGE - 1,
        .perm = page->perm,
    };
}

static const IOMMUMemoryRegionClass iommu_class = { .translate = translate };

static void turn_page(struct world *w, unsigned i)
{
    w->pages[i].space = pick(w, 8) != 0;
    w->pages[i].to = pick(w, SPACE / PAGE) * PAGE;
    w->pages[i].perm = (IOMMUAccessFlags)(pick(w, 4) != 0 ? 3 : pick(w, 4));
}

static int make_base(struct world *w, struct base *base, unsigned i)
{
    base->kind = i < 3 ? KIND_RAM : i < 4 ? KIND_ROM : KIND_DEVICE;
    base->store = base->room + (pick(w, 2) != 0 ? 0 : pick(w, 8));
    for (unsigned k = 0; k < BASE_SIZE; k++) {
        base->want[k] = (uint8_t)pick(w, 256);
        base->store[k] = base->want[k];
    }
    if (base->kind == KIND_DEVICE) {
        return memory_region_init_io(&base->mr, NULL, &device_ops[pick(w, 4)],
                                     base, "device", BASE_SIZE);
    }
    return memory_region_init_ram_ptr(&base->mr, NULL, "memory", BASE_SIZE,
                                      base->store) |
           memory_region_set_readonly(&base->mr, base->kind == KIND_ROM);
}

static int make_window(struct world *w, unsigned space, unsigned i)
{
    struct window *window = &w->windows[space][i];
    bool is_iommu = space == 0 && i % 4 == 3;

    window->base = is_iommu ? NULL : &w->bases[space][pick(w, BASES)];
    window->offset = pick(w, BASE_SIZE - 1);
    window->size = 1 + pick(w, BASE_SIZE - (uint32_t)window->offset);
    window->addr = pick(w, SPACE - BASE_SIZE);
    window->is_shut = pick(w, 6) == 0;
    window->is_enabled = true;
    return memory_region_init_alias(&window->mr, NULL, "window",
                                    is_iommu ? &w->iommu.parent_obj
                                             : &window->base->mr,
                                    window->offset, window->size) |
           memory_region_set_readonly(&window->mr, window->is_shut) |
           memory_region_add_subregion_overlap(&w->root[space], window->addr,
                                               &window->mr, (int)i);
}

static int walk_identity(void *opaque, unsigned context, uint64_t va,
                         enum xbar_tlb_access access,
                         struct xbar_tlb_walk *walk)
{
    (void)opaque;
    (void)context;
    (void)access;
    walk->phys = va;
    walk->prot = TLB_PROT_READ | TLB_PROT_WRITE | TLB_PROT_EXEC;
    return 0;
}

static struct world *make_world(uint64_t seed)
{
    struct world *w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);
    struct xbar_tlb_config config = { .walk = walk_identity };
    int err = 0;

    memset(w, 0, sizeof(*w));
    w->random = seed;
    w->engine = xbar_engine_new(NULL);
    assert_int_equal(xbar_engine_enter(w->engine), 0);
    err |= memory_region_init_iommu(&w->iommu, &iommu_class, NULL, "iommu",
                                    PAGES * PAGE);
    for (unsigned space = 0; space < 2; space++) {
        err |= memory_region_init(&w->root[space], NULL, "root", UINT64_MAX);
        for (unsigned i = 0; i < BASES; i++) {
            err |= make_base(w, &w->bases[space][i], i);
        }
        for (unsigned i = 0; i < WINDOWS; i++) {
            err |= make_window(w, space, i);
        }
        err |= address_space_init(&w->as[space], &w->root[space], "space");
    }
    for (unsigned i = 0; i < PAGES; i++) {
        turn_page(w, i);
    }
    config.as = &w->as[0];
    err |= tlb_init(&w->tlb, &config);
    assert_int_equal(err, 0);
    return w;
}

static void free_world(struct world *w)
{
    int err = 0;

    tlb_destroy(&w->tlb);
    for (unsigned space = 0; space < 2; space++) {
        err |= xbar_address_space_destroy(&w->as[space], NULL, NULL);
        for (unsigned i = 0; i < WINDOWS; i++) {
            err |= xbar_region_destroy(&w->windows[space][i].mr, NULL, NULL);
        }
        for (unsigned i = 0; i < BASES; i++) {
            err |= xbar_region_destroy(&w->bases[space][i].mr, NULL, NULL);
        }
        err |= xbar_region_destroy(&w->root[space], NULL, NULL);
    }
    err |= xbar_region_destroy(&w->iommu.parent_obj, NULL, NULL);
    err |= xbar_engine_leave(w->engine);
    err |= xbar_engine_free(w->engine);
    assert_int_equal(err, 0);
    free(w);
}

/* ---- The paths --------------------------------------------------------- */

struct access {
    hwaddr addr;
    hwaddr len;
    unsigned size_log2; /* of fixed widths; len is its size then */
    bool is_write;
    uint8_t bytes[MAX_LEN]; /* what is written, or was read */
    MemTxResult result;
};

static uint64_t value_of(const struct access *a)
{
    uint64_t value = 0;

    memcpy(&value, a->bytes, a->len);
    return value;
}

static void do_bulk(struct world *w, struct access *a)
{
    a->result = address_space_rw(&w->as[0], a->addr, plain, a->bytes, a->len,
                                 a->is_write);
}

static void do_fixed(struct world *w, struct access *a)
{
    AddressSpace *as = &w->as[0];
    uint64_t value = value_of(a);

    switch (a->size_log2 | (unsigned)a->is_write << 4) {
    case 0:
        value = address_space_ldub(as, a->addr, plain, &a->result);
        break;
    case 1:
        value = address_space_lduw_le(as, a->addr, plain, &a->result);
        break;
    case 2:
        value = address_space_ldl_le(as, a->addr, plain, &a->result);
        break;
    case 3:
        value = address_space_ldq_le(as, a->addr, plain, &a->result);
        break;
    case 0x10:
        address_space_stb(as, a->addr, (uint8_t)value, plain, &a->result);
        break;
    case 0x11:
        address_space_stw_le(as, a->addr, (uint16_t)value, plain, &a->result);
        break;
    case 0x12:
        address_space_stl_le(as, a->addr, (uint32_t)value, plain, &a->result);
        break;
    default:
        address_space_stq_le(as, a->addr, value, plain, &a->result);
    }
    memcpy(a->bytes, &value, a->len);
}

/* The result of a map is whether something went wrong, and that is all. */
static void do_map(struct world *w, struct access *a)
{
    hwaddr done = 0;

    a->result = MEMTX_OK;
    while (done < a->len) {
        hwaddr len = a->len - done;
        MemTxResult r = MEMTX_OK;
        uint8_t *host = xbar_address_space_map(&w->as[0], a->addr + done, &len,
                                               a->is_write, plain, &r);

        assert_non_null(host);
        assert_in_range(len, 1, a->len - done);
        if (a->is_write) {
            memcpy(host, a->bytes + done, len);
        } else {
            memcpy(a->bytes + done, host, len);
        }
        if (address_space_unmap(&w->as[0], host, len, a->is_write, len) != 0) {
            r |= MEMTX_ERROR;
        }
        a->result |= r;
        done += len;
    }
}

static void do_cache(struct world *w, struct access *a)
{
    hwaddr at = pick(w, 16);
    hwaddr len = a->len + pick(w, 16);
    MemoryRegionCache c;

    at = at < a->addr ? at : a->addr;
    len += at;
    assert_int_equal(address_space_cache_init(&c, &w->as[0], a->addr - at, len,
                                              pick(w, 2) != 0),
                     len);
    if (a->len != 1u << a->size_log2) {
        a->result = a->is_write
                        ? address_space_write_cached(&c, at, a->bytes, a->len)
                        : address_space_read_cached(&c, at, a->bytes, a->len);
    } else if (a->is_write) {
        xbar_cache_store(&c, at, value_of(a), plain, &a->result, a->size_log2,
                         MO_LE);
    } else {
        uint64_t value =
            xbar_cache_load(&c, at, plain, &a->result, a->size_log2, MO_LE);

        memcpy(a->bytes, &value, a->len);
    }
    address_space_cache_destroy(&c);
}

static void do_scatter(struct world *w, struct access *a)
{
    hwaddr first = pick(w, (uint32_t)a->len + 1);
    QEMUSGList sg;

    dma_sglist_init(&sg, NULL, 2, &w->as[0]);
    assert_int_equal(dma_sglist_add(&sg, a->addr, first), 0);
    assert_int_equal(dma_sglist_add(&sg, a->addr + first, a->len - first), 0);
    a->result = a->is_write ? dma_buf_read(a->bytes, a->len, NULL, &sg, plain)
                            : dma_buf_write(a->bytes, a->len, NULL, &sg, plain);
    dma_sglist_destroy(&sg);
}

/* ---- One access -------------------------------------------------------- */

/* Anywhere; where a window ends; or where the access before was. */
static hwaddr pick_addr(struct world *w)
{
    const struct window *window = &w->windows[0][pick(w, WINDOWS)];

    switch (pick(w, 4)) {
    case 0:
        w->at = window->addr + window->size;
        w->at -= w->at < 12 ? 0 : pick(w, 12);
        break;
    case 1:
        w->at += pick(w, 17);
        w->at -= w->at < 8 ? 0 : 8;
        break;
    default:
        w->at = pick(w, SPACE);
    }
    return w->at;
}

static void make_access(struct world *w, struct access *a)
{
    memset(a, 0, sizeof(*a));
    a->addr = pick_addr(w);
    a->is_write = pick(w, 2) != 0;
    a->size_log2 = pick(w, 4);
    a->len = 1u << a->size_log2;
    for (unsigned i = 0; i < MAX_LEN; i++) {
        a->bytes[i] = (uint8_t)pick(w, 256);
    }
}

static void check_access(struct world *w, const struct access *asked,
                         const struct access *a, bool is_exact)
{
    uint8_t want[MAX_LEN];
    MemTxResult result;

    memcpy(want, asked->bytes, sizeof(want));
    result = model(w, a->addr, want, a->len, a->is_write);
    if (is_exact) {
        assert_int_equal(a->result, result);
    } else {
        assert_int_equal(a->result != MEMTX_OK, result != MEMTX_OK);
    }
    if (!a->is_write) {
        assert_memory_equal(a->bytes, want, a->len);
    }
    check_stores(w);
}

static void access_by_dma(struct world *w)
{
    void (*const paths[])(struct world *, struct access *) = {
        do_bulk, do_fixed, do_map, do_cache, do_scatter,
    };
    unsigned path = pick(w, 5);
    struct access asked;
    struct access a;

    make_access(w, &asked);
    if (paths[path] != do_fixed && pick(w, 2) != 0) {
        asked.len = 1 + pick(w, MAX_LEN);
    }
    a = asked;
    paths[path](w, &a);
    check_access(w, &asked, &a, paths[path] != do_map);
}

static MemTxResult probe_model(struct world *w, const struct access *a,
                               bool *is_shut)
{
    MemTxResult result = MEMTX_OK;

    *is_shut = false;
    for (hwaddr i = 0; i < a->len; i++) {
        struct cell cell = look(w, a->addr + i, a->is_write);

        result |= cell.result;
        *is_shut |= cell.is_shut;
    }
    return result;
}

/* A vCPU's: hit or not. What fails is tried with one byte only: parts of a
 * wider store may reach devices before another one refuses. */
static void access_by_cpu(struct world *w)
{
    struct access a;
    uint64_t value;
    bool is_shut, fails;
    void *host;

    make_access(w, &a);
    value = value_of(&a);
    fails = probe_model(w, &a, &is_shut) != MEMTX_OK || (a.is_write && is_shut);
    if (fails && a.len != 1) {
        return;
    }
    host = tlb_probe(&w->tlb, 0, a.addr, (unsigned)a.len,
                     a.is_write ? TLB_WRITE : TLB_READ);
    if (host != NULL && a.is_write) {
        tlb_ram_store(host, a.size_log2, value);
    } else if (host != NULL) {
        value = tlb_ram_load(host, a.size_log2);
    } else if (a.is_write) {
        a.result = tlb_store_slow(&w->tlb, 0, a.addr, a.size_log2, value) != 0;
    } else {
        a.result = tlb_load_slow(&w->tlb, 0, a.addr, a.size_log2, &value) != 0;
    }
    assert_int_equal(a.result != 0, fails);
    if (!fails) {
        struct access asked = a;

        memcpy(a.bytes, &value, a.len);
        check_access(w, &asked, &a, true);
    } else {
        check_stores(w);
    }
}

static void change_world(struct world *w)
{
    struct window *window = &w->windows[pick(w, 2)][pick(w, WINDOWS)];

    turn_page(w, pick(w, PAGES));
    window->is_enabled = !window->is_enabled || pick(w, 3) == 0;
    assert_int_equal(memory_region_set_enabled(&window->mr, window->is_enabled),
                     0);
    tlb_safepoint(&w->tlb);
}

static void run_world(uint64_t seed, unsigned accesses)
{
    struct world *w = make_world(seed);

    tlb_enter(&w->tlb);
    for (unsigned i = 0; i < accesses; i++) {
        if (i % 32 == 31) {
            change_world(w);
        }
        if (i % 4 == 0) {
            access_by_cpu(w);
        } else {
            access_by_dma(w);
        }
    }
    tlb_leave(&w->tlb);
    free_world(w);
}

static void test_paths_agree(void **state)
{
    unsigned worlds = getenv("XBAR_LONG") != NULL ? 10000 : 500;

    (void)state;
    for (unsigned seed = 0; seed < worlds; seed++) {
        run_world(seed, 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
