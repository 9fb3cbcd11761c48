/* SPDX-License-Identifier: MIT */
/*
 * Accesses that are counted instead of told: which hit inline, where they
 * count, and that what fails does not.
 */
#include "world.h"

#include <errno.h>

#include "engine/memory_ram.h"

#define COUNTED_PAGES 16

#define VA   0x40000000u
#define SLOT 5

struct counting {
    struct world *world;
    struct xbar_tlb_counts counts;
    uint64_t pages[2][COUNTED_PAGES];
    unsigned told;
};

static void note(void *opaque, const FlatRange *section,
                 enum xbar_tlb_access access, unsigned size)
{
    struct counting *c = opaque;

    (void)section;
    (void)access;
    (void)size;
    c->told++;
}

static struct counting *counting_new(enum world_place ram, bool pages)
{
    struct counting *c = calloc(1, sizeof(*c));
    struct xbar_tlb_config config;

    assert_non_null(c);
    c->world = world_new_observed(note, c);
    c->counts.ram = &c->world->mr[ram];
    for (unsigned i = 0; pages && i < 2; i++) {
        c->counts.pages[i] = c->pages[i];
    }
    config = c->world->tlb.config;
    config.counts = &c->counts;
    tlb_leave(&c->world->tlb);
    tlb_destroy(&c->world->tlb);
    assert_int_equal(tlb_init(&c->world->tlb, &config), 0);
    tlb_enter(&c->world->tlb);
    world_map(c->world, 0, 0x80000000, PROT_RWX);
    world_map(c->world, PAGE, 0x80002000, PROT_RWX);
    world_map(c->world, 2 * PAGE, 0x10000000, PROT_RWX);
    world_map(c->world, 3 * PAGE, 0x1000, PROT_RWX); /* ROM */
    world_map(c->world, 4 * PAGE, 0x10003000, PROT_RWX);
    world_map(c->world, 5 * PAGE, 0x80004000, PROT_RWX);
    world_map(c->world, 6 * PAGE, 0x10001000, PROT_RWX);
    return c;
}

static void counting_free(struct counting *c)
{
    world_free(c->world);
    free(c);
}

static uint64_t sum(const uint64_t *values, unsigned count)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < count; i++) {
        total += values[i];
    }
    return total;
}

/* Only what misses comes here, so each is counted once. */
static void counted_ram_hits_and_is_not_told(void **state)
{
    struct counting *c = counting_new(RAM, true);
    void *host;

    (void)state;
    world_must_load(c->world, 0, 3);
    assert_int_equal(world_store(c->world, 0, PAGE + 8, 2, 5), 0);
    assert_true(world_hits(c->world, 0, 0, TLB_READ));
    assert_true(world_hits(c->world, 0, PAGE, TLB_WRITE));
    assert_int_equal(c->pages[TLB_READ][0], 1);
    assert_int_equal(c->pages[TLB_WRITE][2], 1);
    assert_int_equal(c->told, 0);
    /* Across two pages of it: one access, of the first. */
    world_must_load(c->world, PAGE - 4, 3);
    assert_int_equal(c->pages[TLB_READ][0], 2);
    assert_int_equal(c->pages[TLB_READ][2], 0);
    assert_int_equal(c->told, 0);
    /* What a probe or tlb_host() found is for the caller to count. */
    assert_int_equal(tlb_host(&c->world->tlb, 0, PAGE, 8, TLB_WRITE, &host), 0);
    assert_int_equal(c->pages[TLB_WRITE][2], 1);
    tlb_count_host(&c->world->tlb, TLB_WRITE, 3, host);
    assert_int_equal(c->pages[TLB_WRITE][2], 2);
    assert_int_equal(sum(c->counts.elsewhere[0], 2 * TLB_SIZES), 0);
    counting_free(c);
}

static void what_is_elsewhere_is_told_and_counted(void **state)
{
    struct counting *c = counting_new(RAM, true);
    void *host;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        world_must_load(c->world, 2 * PAGE, 1);
        world_must_load(c->world, 3 * PAGE, 0);
    }
    assert_int_equal(world_store(c->world, 0, 2 * PAGE, 3, 5), 0);
    assert_false(world_hits(c->world, 0, 3 * PAGE, TLB_READ));
    assert_int_equal(c->told, 7);
    assert_int_equal(c->counts.elsewhere[TLB_READ][1], 3);
    assert_int_equal(c->counts.elsewhere[TLB_READ][0], 3);
    assert_int_equal(c->counts.elsewhere[TLB_WRITE][3], 1);
    /* Begins in RAM: told in pieces, and counted there. */
    world_must_load(c->world, 2 * PAGE - 2, 2);
    assert_int_equal(c->told, 9);
    assert_int_equal(c->pages[TLB_READ][2], 1);
    assert_int_equal(tlb_host(&c->world->tlb, 0, 3 * PAGE, 8, TLB_READ, &host),
                     0);
    tlb_count_host(&c->world->tlb, TLB_READ, 3, host);
    assert_int_equal(c->counts.elsewhere[TLB_READ][3], 1);
    counting_free(c);
}

struct told {
    const FlatRange *section;
    hwaddr offset;
    enum xbar_tlb_access access;
    unsigned size_log2;
    uint64_t ticks;
    unsigned count;
};

static void tell(void *opaque, const FlatRange *section, hwaddr offset,
                 enum xbar_tlb_access access, unsigned size_log2,
                 uint64_t ticks)
{
    struct told *told = opaque;

    *told = (struct told){ section,   offset, access,
                           size_log2, ticks,  told->count + 1 };
}

static uint64_t tick(void)
{
    static uint64_t now;

    return now += 7;
}

/* On the way that is for devices alone, and on the general one. */
static void devices_are_told_by_themselves(void **state)
{
    struct counting *c = counting_new(RAM, true);
    SoftTLB *tlb = &c->world->tlb;
    struct told told = { .count = 0 };

    (void)state;
    tlb->config.device = tell;
    tlb->config.device_opaque = &told;
    world_must_load(c->world, 2 * PAGE + 8, 2);
    assert_int_equal(told.count, 1);
    assert_ptr_equal(told.section->mr, &c->world->mr[DEVICE]);
    assert_int_equal(told.offset, 8);
    assert_int_equal(told.access, TLB_READ);
    assert_int_equal(told.size_log2, 2);
    assert_int_equal(told.ticks, 0);
    tlb->config.ticks = tick;
    world_must_load(c->world, 2 * PAGE + 4, 1);
    assert_int_equal(told.count, 2);
    assert_int_equal(told.offset, 4);
    assert_int_equal(told.size_log2, 1);
    assert_int_equal(told.ticks, 7);
    assert_int_equal(world_store(c->world, 0, 2 * PAGE, 0, 1), 0);
    assert_int_equal(told.access, TLB_WRITE);
    assert_int_equal(world_store(c->world, 0, 2 * PAGE, 3, 5), 0);
    assert_int_equal(told.count, 4);
    assert_int_equal(c->counts.elsewhere[TLB_READ][1], 1);
    assert_int_equal(c->counts.elsewhere[TLB_READ][2], 1);
    assert_int_equal(c->counts.elsewhere[TLB_WRITE][0], 1);
    assert_int_equal(c->counts.elsewhere[TLB_WRITE][3], 1);
    assert_int_equal(tlb->stats.mmio_reads, 2);
    assert_int_equal(tlb->stats.mmio_writes, 2);
    assert_int_equal(c->told, 0); /* the other one */
    /* Memory is not theirs; nor is what a device refuses. */
    world_must_load(c->world, 3 * PAGE, 0);
    assert_int_equal(c->told, 1);
    world_must_load(c->world, 0, 0);
    assert_int_not_equal(world_store(c->world, 0, 4 * PAGE + 0x800, 3, 1), 0);
    assert_int_equal(told.count, 4);
    counting_free(c);
}

#define FLASH 0x20000000 /* where nothing is */

/* Reads are memory's, and writes are told where they are carried out. */
static void writes_to_a_rom_device_are_told_once(void **state)
{
    struct counting *c = counting_new(RAM, true);
    SoftTLB *tlb = &c->world->tlb;
    struct told told = { .count = 0 };
    MemoryRegion flash;

    (void)state;
    assert_int_equal(memory_region_init_rom_device_nomigrate(
                         &flash, NULL, &world_any_ops,
                         &c->world->device[DEVICE], "flash", PAGE, NULL),
                     0);
    assert_int_equal(
        memory_region_add_subregion(&c->world->root, FLASH, &flash), 0);
    tlb_safepoint(tlb);
    world_map(c->world, 7 * PAGE, FLASH, PROT_RWX);
    tlb->config.device = tell;
    tlb->config.device_opaque = &told;
    world_must_load(c->world, 7 * PAGE + 8, 2);
    assert_int_equal(told.count, 0);
    assert_int_equal(c->told, 1);
    assert_int_equal(world_store(c->world, 0, 7 * PAGE + 8, 2, 5), 0);
    assert_int_equal(told.count, 1);
    assert_ptr_equal(told.section->mr, &flash);
    assert_int_equal(told.offset, 8);
    assert_int_equal(told.access, TLB_WRITE);
    assert_int_equal(c->told, 1); /* the other one: not again */
    assert_int_equal(memory_region_del_subregion(&c->world->root, &flash), 0);
    tlb_leave(tlb);
    assert_int_equal(xbar_region_destroy(&flash, NULL, NULL), 0);
    tlb_enter(tlb);
    counting_free(c);
}

static void what_fails_does_not_count(void **state)
{
    struct counting *c = counting_new(RAM, true);
    struct world *world = c->world;
    uint64_t value;

    (void)state;
    assert_int_not_equal(tlb_load_slow(&world->tlb, 0, 9 * PAGE, 3, &value), 0);
    assert_int_not_equal(
        tlb_load_slow(&world->tlb, 0, 4 * PAGE + 0x800, 3, &value), 0);
    assert_int_not_equal(world_store(world, 0, 4 * PAGE + 0x800, 3, 1), 0);
    assert_int_not_equal(world_store(world, 0, 3 * PAGE, 3, 1), 0);
    /* Across pages: the second one's device does not take what is left. */
    assert_int_not_equal(world_store(world, 0, 6 * PAGE - 2, 3, 1), 0);
    assert_int_not_equal(tlb_load_slow(&world->tlb, 0, 6 * PAGE - 2, 3, &value),
                         0);
    assert_int_equal(sum(c->counts.elsewhere[0], 2 * TLB_SIZES), 0);
    assert_int_equal(sum(c->pages[0], 2 * COUNTED_PAGES), 0);
    counting_free(c);
}

static void pages_are_optional(void **state)
{
    struct counting *c = counting_new(RAM, false);

    (void)state;
    world_must_load(c->world, 0, 3);
    assert_true(world_hits(c->world, 0, 0, TLB_READ));
    assert_int_equal(sum(c->counts.elsewhere[0], 2 * TLB_SIZES), 0);
    counting_free(c);
}

static void counts_want_whole_pages_of_ram(void **state)
{
    struct world *world = world_new();
    struct xbar_tlb_counts counts = { .ram = &world->mr[DEVICE] };
    struct xbar_tlb_config config = world->tlb.config;
    SoftTLB *tlb = aligned_zeroed(sizeof(*tlb));

    (void)state;
    config.counts = &counts;
    assert_int_equal(tlb_init(tlb, &config), -EINVAL);
    counts.ram = &world->mr[RAM];
    assert_int_equal(tlb_init(tlb, &config), 0);
    tlb_destroy(tlb);
    counts.ram = NULL; /* everything is elsewhere */
    config.observe = NULL;
    assert_int_equal(tlb_init(tlb, &config), 0);
    tlb_destroy(tlb);
    free(tlb);
    world_free(world);
}

static void fills_and_flushes_have_kinds(void **state)
{
    struct world *world = world_new();
    struct xbar_tlb_stats *stats = &world->tlb.stats;

    (void)state;
    world_map(world, 0, 0x80000000, PROT_RWX);
    world_must_load(world, 0, 3);
    tlb_switch_asid(&world->tlb, 1, 7);
    tlb_switch_asid(&world->tlb, 1, 0);
    world_must_load(world, 0, 3);
    assert_int_equal(stats->fills[0].walks, 1);
    assert_int_equal(stats->fills[0].l2_hits, 1);
    assert_int_equal(stats->fills[1].walks, 0);
    assert_int_equal(stats->switches, 2);
    tlb_flush_asid(&world->tlb, 1, 0);
    assert_int_equal(stats->flush_asids, 1);
    tlb_protect_code(&world->tlb, 0x1000);
    assert_int_equal(stats->protects, 1);
    world_free(world);
}

/* A slot learns four pages that follow one another: upwards as a pointer that
 * walks does, or downwards as its credit is used up. */
static void learn_all(struct counting *c, bool upwards, bool is_long)
{
    TLBSpan *span = &c->world->tlb.spans[0][TLB_READ][SLOT];

    for (unsigned i = 0; i < 4; i++) {
        uint64_t va = VA + (upwards ? i : 3 - i) * PAGE;

        world_must_load(c->world, va, 0);
        span->credit = upwards && span->count != 0 ? 100 : -1;
        if (is_long) {
            tlb_learn_long_span(&c->world->tlb, 0, TLB_READ, SLOT, va);
        } else {
            tlb_learn_span(&c->world->tlb, 0, TLB_READ, SLOT, va);
        }
        if (c->counts.pages[0] != NULL && !is_long) {
            assert_int_equal(span->start, va);
            assert_int_equal(span->count, PAGE - 7);
        }
    }
}

/* So that what hits one is in a page that is known; unless who asks it looks. */
static void spans_are_pages_if_those_count(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct counting *c = counting_new(RAM, i & 1);

        for (unsigned k = 0; k < 4; k++) {
            world_map(c->world, VA + k * PAGE, 0x80005000 + k * PAGE, PROT_RWX);
        }
        learn_all(c, i & 2, i & 4);
        if (!(i & 1) || i & 4) {
            assert_int_equal(c->world->tlb.spans[0][TLB_READ][SLOT].count,
                             4 * PAGE - 7);
        }
        counting_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counted_ram_hits_and_is_not_told),
        cmocka_unit_test(what_is_elsewhere_is_told_and_counted),
        cmocka_unit_test(devices_are_told_by_themselves),
        cmocka_unit_test(writes_to_a_rom_device_are_told_once),
        cmocka_unit_test(what_fails_does_not_count),
        cmocka_unit_test(pages_are_optional),
        cmocka_unit_test(counts_want_whole_pages_of_ram),
        cmocka_unit_test(fills_and_flushes_have_kinds),
        cmocka_unit_test(spans_are_pages_if_those_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
