/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's accesses: the inline probe, what leaves it, and what empties it.
 *
 * The guest's addresses from VA on show RAM over and over, so that there are
 * as many pages to touch as a row wants, all backed by the same 16 MiB. Word
 * number n % 64 of RAM page n holds n + 1.
 */
#include "bench.h"
#include "world.h"

#include <mimalloc.h>

#define VA        (UINT64_C(1) << 36)
#define RAM_PAGES (WORLD_RAM_SIZE / WORLD_PAGE)
#define HOT       64u /* pages of the loops that hit */
#define ADDRESSES 65536u

/* Where the tables of walk_tables() are: one page a level. */
#define TABLE(level) (WORLD_RAM + WORLD_RAM_SIZE - (3 - (level)) * WORLD_PAGE)

enum variant {
    WRAPPED,    /* a walk that computes */
    TABLES,     /* a walk that reads three levels of tables */
    OBSERVED,   /* every access is told of */
    PAGES = 16, /* more: so many pages, at random */
};

struct vcpu {
    SoftTLB tlb;
    struct world *world;
    uint64_t observed;
    uint32_t *page; /* [ADDRESSES], or NULL */
};

static uint64_t va_of(uint64_t page)
{
    return VA + page * WORLD_PAGE + page % 64 * 4;
}

static uint64_t value_of(uint64_t page)
{
    return page % RAM_PAGES + 1;
}

/* ---- Walks ------------------------------------------------------------- */

static void grant_all(struct xbar_tlb_walk *walk, hwaddr phys)
{
    walk->phys = phys & TLB_PAGE_MASK;
    walk->prot = TLB_PROT_READ | TLB_PROT_WRITE | TLB_PROT_EXEC;
}

/* Devices are where they are; the rest is RAM, wrapped. */
static int walk_wrapped(void *opaque, unsigned context, uint64_t va,
                        enum xbar_tlb_access access, struct xbar_tlb_walk *walk)
{
    (void)opaque;
    (void)context;
    (void)access;
    grant_all(walk, va < VA ? va : WORLD_RAM + (va - VA) % WORLD_RAM_SIZE);
    return 0;
}

/* Three dependent reads of tables, as RISC-V's Sv39 has them. */
static int walk_tables(void *opaque, unsigned context, uint64_t va,
                       enum xbar_tlb_access access, struct xbar_tlb_walk *walk)
{
    struct vcpu *vcpu = opaque;
    hwaddr table = TABLE(0);

    (void)context;
    (void)access;
    for (unsigned level = 0; level < 3; level++) {
        const uint64_t index = va >> (30 - 9 * level) & 511;

        table = address_space_ldq(&vcpu->world->as, table + index * 8,
                                  MEMTXATTRS_UNSPECIFIED, NULL);
    }
    grant_all(walk, table);
    return 0;
}

static void make_tables(struct vcpu *vcpu)
{
    AddressSpace *as = &vcpu->world->as;

    for (unsigned level = 0; level < 2; level++) {
        address_space_stq(as, TABLE(level) + (VA >> (30 - 9 * level) & 511) * 8,
                          TABLE(level + 1), MEMTXATTRS_UNSPECIFIED, NULL);
    }
    for (unsigned page = 0; page < 512; page++) {
        address_space_stq(as, TABLE(2) + page * 8,
                          WORLD_RAM + page * WORLD_PAGE, MEMTXATTRS_UNSPECIFIED,
                          NULL);
    }
}

/* ---- A vCPU ------------------------------------------------------------ */

static void observe(void *opaque, const FlatRange *section,
                    enum xbar_tlb_access access, unsigned size)
{
    struct vcpu *vcpu = opaque;

    (void)section;
    (void)access;
    (void)size;
    vcpu->observed++;
}

static bool fill_memory(struct vcpu *vcpu)
{
    for (uint64_t page = 0; page < RAM_PAGES - 3; page++) {
        address_space_stl(
            &vcpu->world->as, WORLD_RAM + (va_of(page) - VA) % WORLD_RAM_SIZE,
            (uint32_t)value_of(page), MEMTXATTRS_UNSPECIFIED, NULL);
    }
    return true;
}

static uint32_t *random_pages(uint64_t count)
{
    uint32_t *page = mi_calloc(ADDRESSES, sizeof(*page));
    uint64_t seed = BENCH_SEED;

    for (unsigned i = 0; page && i < ADDRESSES; i++) {
        do {
            page[i] = (uint32_t)(bench_random(&seed) % count);
        } while (page[i] % RAM_PAGES >= RAM_PAGES - 3); /* not the tables */
    }
    return page;
}

static bool start(struct vcpu *vcpu, int64_t variant)
{
    struct xbar_tlb_config config = {
        .as = &vcpu->world->as,
        .walk = variant == TABLES ? walk_tables : walk_wrapped,
        .walk_opaque = vcpu,
        .observe = variant == OBSERVED ? observe : NULL,
        .observe_opaque = vcpu,
    };

    if (!fill_memory(vcpu) || tlb_init(&vcpu->tlb, &config)) {
        return false;
    }
    make_tables(vcpu);
    tlb_enter(&vcpu->tlb);
    return true;
}

/* With the pages of the loops filled. */
static void *setup(int64_t variant)
{
    struct vcpu *vcpu = mi_zalloc_aligned(sizeof(*vcpu), 64);
    uint64_t value;

    if (!vcpu) {
        return NULL;
    }
    vcpu->world = world_new(16);
    if (variant >= PAGES) {
        vcpu->page = random_pages((uint64_t)variant);
    }
    if (!vcpu->world || (variant >= PAGES && !vcpu->page) ||
        !start(vcpu, variant)) {
        return NULL;
    }
    for (unsigned page = 0; page < HOT; page++) {
        if (tlb_load_slow(&vcpu->tlb, 0, va_of(page), 2, &value)) {
            return NULL;
        }
    }
    return vcpu;
}

static void teardown(void *context)
{
    struct vcpu *vcpu = context;

    tlb_leave(&vcpu->tlb);
    tlb_destroy(&vcpu->tlb);
    world_free(vcpu->world);
    mi_free(vcpu->page);
    mi_free(vcpu);
}

static const char *check(void *context)
{
    struct vcpu *vcpu = context;

    return world_check(vcpu->world);
}

static inline void tally(struct vcpu *vcpu, uint64_t sum, uint64_t expected)
{
    vcpu->world->sum += sum;
    vcpu->world->expected += expected;
}

/* The slow path, whether it would hit or not. */
static inline uint64_t load_slow(struct vcpu *vcpu, unsigned context,
                                 uint64_t va)
{
    uint64_t value = 0;

    return tlb_load_slow(&vcpu->tlb, context, va, 2, &value) ? 0 : value;
}

/* What a C client writes for a 4-byte load. */
static inline uint64_t load4(struct vcpu *vcpu, unsigned context, uint64_t va)
{
    void *host = tlb_probe(&vcpu->tlb, context, va, 4, TLB_READ);

    return host ? tlb_ram_load(host, 2) : load_slow(vcpu, context, va);
}

/* ---- Hits -------------------------------------------------------------- */

static void run_hit(void *context, uint64_t operations)
{
    struct vcpu *vcpu = context;
    uint64_t sum = 0;
    uint64_t expected = 0;

    for (uint64_t i = 0; i < operations; i++) {
        sum += load4(vcpu, 0, va_of(i % HOT));
        expected += i % HOT + 1;
    }
    tally(vcpu, sum, expected);
}

/*
 * The floor: a table as somebody writes it who needs nothing else: a direct
 * map, one tag, one compare that takes no account of the access's size.
 */
struct by_hand {
    uint64_t tag;
    uint64_t addend;
};

static void run_by_hand(void *context, uint64_t operations)
{
    static struct by_hand table[TLB_L1_SIZE];
    struct vcpu *vcpu = context;
    uint64_t sum = 0;
    uint64_t expected = 0;

    for (unsigned i = 0; i < HOT; i++) {
        const uint64_t va = va_of(i) & TLB_PAGE_MASK;
        void *host = NULL;

        (void)load4(vcpu, 0, va);
        host = tlb_probe(&vcpu->tlb, 0, va, 4, TLB_READ);
        table[va / WORLD_PAGE % TLB_L1_SIZE] =
            (struct by_hand){ va, (uintptr_t)host - va };
    }
    for (uint64_t i = 0; i < operations; i++) {
        const uint64_t va = va_of(i % HOT);
        const struct by_hand *entry = &table[va / WORLD_PAGE % TLB_L1_SIZE];

        if (entry->tag == (va & TLB_PAGE_MASK)) {
            sum += *(const volatile uint32_t *)(uintptr_t)(va + entry->addend);
        } else {
            sum += load_slow(vcpu, 0, va);
        }
        expected += i % HOT + 1;
    }
    tally(vcpu, sum, expected);
}

/* The next address depends on what was loaded: latency. */
static void run_hit_dependent(void *context, uint64_t operations)
{
    struct vcpu *vcpu = context;
    uint64_t va = VA;

    for (uint64_t i = 0; i < operations; i++) {
        va += bench_hide(load4(vcpu, 0, va)) - 1; /* page 0 holds 1 */
    }
    tally(vcpu, va, VA);
}

static void run_store_hit(void *context, uint64_t operations)
{
    struct vcpu *vcpu = context;

    for (uint64_t i = 0; i < operations; i++) {
        const uint64_t va = va_of(i % HOT) + 512;
        void *host = tlb_probe(&vcpu->tlb, 0, va, 4, TLB_WRITE);

        if (host) {
            tlb_ram_store(host, 2, i);
        } else if (tlb_store_slow(&vcpu->tlb, 0, va, 2, i)) {
            tally(vcpu, 1, 0);
        }
    }
    tally(vcpu, load4(vcpu, 0, va_of((operations - 1) % HOT) + 512),
          operations - 1);
}

/* Two contexts in turn, as a trap and its return: nothing is flushed. */
static void run_switch_context(void *context, uint64_t operations)
{
    struct vcpu *vcpu = context;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < operations; i++) {
        sum += load4(vcpu, (unsigned)i % 2, VA);
    }
    tally(vcpu, sum, operations);
}

/* ---- Out of line ------------------------------------------------------- */

static inline void slow_many(struct vcpu *vcpu, uint64_t va, uint64_t each,
                             uint64_t operations)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < operations; i++) {
        sum += load_slow(vcpu, 0, va);
    }
    tally(vcpu, sum, operations * each);
}

static void run_mmio(void *context, uint64_t operations)
{
    slow_many(context, WORLD_DEV + 8, 8, operations);
}

static void run_mmio_locked(void *context, uint64_t operations)
{
    slow_many(context, WORLD_DEV_LOCKED + 8, 8, operations);
}

static void run_store_mmio(void *context, uint64_t operations)
{
    struct vcpu *vcpu = context;
    const uint64_t before = vcpu->world->writes;

    for (uint64_t i = 0; i < operations; i++) {
        if (tlb_store_slow(&vcpu->tlb, 0, WORLD_DEV + 8, 2, 0)) {
            tally(vcpu, 1, 0);
        }
    }
    tally(vcpu, vcpu->world->writes - before, operations);
}

static void run_crossing(void *context, uint64_t operations)
{
    slow_many(context, VA + WORLD_PAGE - 2, 0, operations);
}

static void run_observed(void *context, uint64_t operations)
{
    struct vcpu *vcpu = context;
    const uint64_t before = vcpu->observed;

    run_hit(vcpu, operations);
    tally(vcpu, vcpu->observed - before, operations);
}

/* ---- Misses ------------------------------------------------------------ */

/* A page that is always gone: a walk, a lookup, the tags. */
static void run_walk(void *context, uint64_t operations)
{
    struct vcpu *vcpu = context;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < operations; i++) {
        tlb_flush_page(&vcpu->tlb, 1, VA);
        sum += load4(vcpu, 0, VA);
    }
    tally(vcpu, sum, operations);
}

/* Two pages that want the same entry, in turn. */
static void run_conflict(void *context, uint64_t operations)
{
    struct vcpu *vcpu = context;
    uint64_t sum = 0;
    uint64_t expected = 0;

    for (uint64_t i = 0; i < operations; i++) {
        sum += load4(vcpu, 0, va_of(i % 2 * TLB_L1_SIZE));
        expected += value_of(i % 2 * TLB_L1_SIZE);
    }
    tally(vcpu, sum, expected);
}

static void run_pages(void *context, uint64_t operations)
{
    struct vcpu *vcpu = context;
    uint64_t sum = 0;
    uint64_t expected = 0;

    for (uint64_t i = 0; i < operations; i++) {
        const uint64_t page = vcpu->page[i % ADDRESSES];

        sum += load4(vcpu, 0, va_of(page));
        expected += value_of(page);
    }
    tally(vcpu, sum, expected);
}

/* ---- Flushes ----------------------------------------------------------- */

static inline uint64_t touch_16(struct vcpu *vcpu, unsigned context)
{
    uint64_t sum = 0;

    for (unsigned page = 0; page < 16; page++) {
        sum += load4(vcpu, context, va_of(page));
    }
    return sum;
}

#define SUM_16 (16 * 17 / 2)

static void run_touch(void *context, uint64_t operations)
{
    struct vcpu *vcpu = context;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < operations; i++) {
        sum += touch_16(vcpu, 1);
    }
    tally(vcpu, sum, operations * SUM_16);
}

/* A context cleared, 16 pages back: a guest's context switch without ids. */
static void run_flush(void *context, uint64_t operations)
{
    struct vcpu *vcpu = context;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < operations; i++) {
        tlb_flush(&vcpu->tlb, 1u << 1);
        sum += touch_16(vcpu, 1);
    }
    tally(vcpu, sum, operations * SUM_16);
}

static void run_flush_all(void *context, uint64_t operations)
{
    struct vcpu *vcpu = context;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < operations; i++) {
        tlb_flush(&vcpu->tlb, TLB_ALL_CONTEXTS);
        sum += touch_16(vcpu, 1);
    }
    tally(vcpu, sum, operations * SUM_16);
}

static void run_flush_asid(void *context, uint64_t operations)
{
    struct vcpu *vcpu = context;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < operations; i++) {
        tlb_flush_asid(&vcpu->tlb, 1u << 1, 0);
        sum += touch_16(vcpu, 1);
    }
    tally(vcpu, sum, operations * SUM_16);
}

/* Two address spaces in turn, each with its id. */
static void run_switch_asid(void *context, uint64_t operations)
{
    struct vcpu *vcpu = context;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < operations; i++) {
        tlb_set_asid(&vcpu->tlb, (uint16_t)(1 + i % 2));
        tlb_flush(&vcpu->tlb, 1u << 1);
        sum += touch_16(vcpu, 1);
    }
    tally(vcpu, sum, operations * SUM_16);
}

static void run_safepoint(void *context, uint64_t operations)
{
    struct vcpu *vcpu = context;

    while (operations--) {
        tlb_safepoint(&vcpu->tlb);
    }
}

/* What another hart's shoot-down costs the hart that is shot at. */
static void run_posted(void *context, uint64_t operations)
{
    struct vcpu *vcpu = context;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < operations; i++) {
        tlb_post_flush(&vcpu->tlb, 1u << 1);
        tlb_safepoint(&vcpu->tlb);
        sum += load4(vcpu, 1, VA);
    }
    tally(vcpu, sum, operations);
}

#define ROW(label, variant, function)                                     \
    {                                                                     \
        .name = label, .arg = (variant), .setup = setup, .run = function, \
        .teardown = teardown, .check = check                              \
    }
#define PAGES_ROW(n) ROW("tlb/pages/" #n, n, run_pages)

static const struct bench rows[] = {
    ROW("tlb/load_hit", WRAPPED, run_hit),
    ROW("tlb/load_by_hand", WRAPPED, run_by_hand),
    ROW("tlb/load_hit_dependent", WRAPPED, run_hit_dependent),
    ROW("tlb/store_hit", WRAPPED, run_store_hit),
    ROW("tlb/switch_context", WRAPPED, run_switch_context),
    ROW("tlb/load_mmio", WRAPPED, run_mmio),
    ROW("tlb/load_mmio_machine_lock", WRAPPED, run_mmio_locked),
    ROW("tlb/store_mmio", WRAPPED, run_store_mmio),
    ROW("tlb/load_crossing", WRAPPED, run_crossing),
    ROW("tlb/load_observed", OBSERVED, run_observed),
    ROW("tlb/conflict", WRAPPED, run_conflict),
    ROW("tlb/walk", WRAPPED, run_walk),
    ROW("tlb/walk_3_levels", TABLES, run_walk),
    PAGES_ROW(16),
    PAGES_ROW(100),
    PAGES_ROW(1000),
    PAGES_ROW(10000),
    PAGES_ROW(100000),
    ROW("tlb/touch_16", WRAPPED, run_touch),
    ROW("tlb/flush_and_touch_16", WRAPPED, run_flush),
    ROW("tlb/flush_asid_and_touch_16", WRAPPED, run_flush_asid),
    ROW("tlb/flush_all_and_touch_16", WRAPPED, run_flush_all),
    ROW("tlb/switch_asid_and_touch_16", WRAPPED, run_switch_asid),
    ROW("tlb/safepoint", WRAPPED, run_safepoint),
    ROW("tlb/posted_flush", WRAPPED, run_posted),
};

const struct bench_table bench_tlb = BENCH_TABLE(rows);
