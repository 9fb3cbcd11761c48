/* SPDX-License-Identifier: MIT */
/* What an entry lets hit, and that nothing else can. */
#include "tests/unit/tlb/world.h"

static const unsigned sizes[] = { 1, 2, 4, 8 };

/* No address that probes slot @index may hit, for any size and access. */
static void assert_slot_misses(const SoftTLB *tlb, unsigned context,
                               unsigned index, uint64_t va)
{
    va = (va & ~((uint64_t)(TLB_L1_SIZE - 1) << TLB_PAGE_BITS)) |
         (uint64_t)index << TLB_PAGE_BITS;
    assert_int_equal(tlb_index(va), index);
    for (unsigned access = TLB_READ; access <= TLB_EXEC; access++) {
        for (unsigned i = 0; i < 4; i++) {
            assert_null(tlb_probe(tlb, context, va, sizes[i],
                                  (enum xbar_tlb_access)access));
        }
    }
}

/* Addresses that a wrong rule lets through: all ones, single bits, and near
 * relatives of the tags that are really in the slot. */
static void attack_slot(const SoftTLB *tlb, unsigned context, unsigned index)
{
    const TLBEntry *entry = &tlb->l1[context][index];
    uint64_t seed = index + 1;

    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t one = (uint64_t)1 << bit;

        assert_slot_misses(tlb, context, index, one);
        assert_slot_misses(tlb, context, index, ~one);
        assert_slot_misses(tlb, context, index, UINT64_MAX << bit);
        assert_slot_misses(tlb, context, index, entry->tag[0] ^ one);
        assert_slot_misses(tlb, context, index, entry->tag[1] ^ one);
    }
    for (unsigned i = 0; i < 500; i++) {
        assert_slot_misses(tlb, context, index, next_random(&seed));
    }
    assert_slot_misses(tlb, context, index, 0xfffffffffffff008);
}

static void an_empty_slot_never_hits(void **state)
{
    struct world *world = world_new();

    (void)state;
    for (unsigned index = 0; index < TLB_L1_SIZE; index++) {
        uint64_t tag = tlb_empty_tag(index);

        assert_int_equal(tag % PAGE, 0);
        assert_int_not_equal(tlb_index(tag), index);
        attack_slot(&world->tlb, 0, index);
    }
    world_free(world);
}

/* Pages that must miss, at addresses all over the 64 bits. */
static void a_must_miss_page_never_hits(void **state)
{
    static const hwaddr targets[] = { 0x10000000, 0x10002000, 0x20000000 };
    struct world *world = world_new();
    uint64_t seed = 42;
    uint64_t value;

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        uint64_t page = next_random(&seed) & TLB_PAGE_MASK;

        page = i % 3 == 0 ? page | 0xfffffffff0000000 : page;
        world->mappings = 0;
        world_map(world, page, targets[i % 3], PROT_RWX);
        (void)!tlb_load_slow(&world->tlb, 2, page, 0, &value);
        attack_slot(&world->tlb, 2, tlb_index(page));
    }
    world_free(world);
}

/* ---- Which tags hit ---------------------------------------------------- */

struct page_case {
    hwaddr phys;
    unsigned direct; /* permissions that can hit inline */
    bool single;     /* one section covers the page */
};

static const struct page_case page_cases[] = {
    { 0x80000000, PROT_RWX, true },
    { 0x1000, TLB_PROT_READ | TLB_PROT_EXEC, true },
    { 0x10000000, 0, true },
    { 0x10002000, 0, false },
    { 0x20000000, 0, false },
    { 0xfffffffffffff000, PROT_RWX, true },
    { 0x7ffffffffffff000, 0, false },
};

#define PAGE_CASES (sizeof(page_cases) / sizeof(page_cases[0]))

static void assert_tags(struct world *world, const struct page_case *page,
                        uint64_t va, unsigned prot)
{
    const TLBInfo *info = &world->tlb.info[1][tlb_index(va)];

    for (unsigned access = TLB_READ; access <= TLB_EXEC; access++) {
        assert_int_equal(world_hits(world, 1, va, (enum xbar_tlb_access)access),
                         !!(prot & page->direct & (1u << access)));
    }
    assert_int_equal(info->phys, page->phys);
    if (page->single) {
        assert_non_null(info->section);
    }
    assert_int_equal(!!(info->flags & TLB_INFO_SUBPAGE), !page->single);
}

static void tags_follow_permission_and_section(void **state)
{
    struct world *world = world_new();
    void *host;

    (void)state;
    for (unsigned i = 0; i < PAGE_CASES * 7; i++) {
        const struct page_case *page = &page_cases[i / 7];
        unsigned prot = i % 7 + 1;
        enum xbar_tlb_access access = (enum xbar_tlb_access)__builtin_ctz(prot);
        uint64_t va = 0x4000 + (uint64_t)i * 0x100000001000;

        world->mappings = 0;
        world_map(world, va, page->phys, prot);
        (void)!tlb_host(&world->tlb, 1, va, 1, access, &host);
        assert_tags(world, page, va, prot);
    }
    world_free(world);
}

static void a_hit_reaches_the_right_byte(void **state)
{
    struct world *world = world_new();
    uint64_t va = 0xffffffffc0042000;

    (void)state;
    world_map(world, va, 0x80007000, PROT_RWX);
    world_must_load(world, va, 0);
    assert_ptr_equal(tlb_probe(&world->tlb, 0, va + 0xabc, 4, TLB_READ),
                     world->bytes[RAM] + 0x7abc);
    assert_ptr_equal(tlb_probe(&world->tlb, 0, va + PAGE - 8, 8, TLB_WRITE),
                     world->bytes[RAM] + 0x8000 - 8);
    assert_null(tlb_probe(&world->tlb, 0, va + PAGE - 7, 8, TLB_READ));
    assert_null(tlb_probe(&world->tlb, 0, va + PAGE - 1, 2, TLB_READ));
    assert_non_null(tlb_probe(&world->tlb, 0, va + PAGE - 1, 1, TLB_READ));
    world_free(world);
}

/* ---- Walks ------------------------------------------------------------- */

static void a_context_has_its_own_entries(void **state)
{
    struct world *world = world_new();

    (void)state;
    world_map(world, 0, 0x80000000, PROT_RWX);
    world_must_load(world, 0, 0);
    for (unsigned context = 1; context < TLB_CONTEXTS; context++) {
        assert_false(world_hits(world, context, 0, TLB_READ));
    }
    world_free(world);
}

/* A page whose dirty bit is clear: loads hit, the first store walks. */
static void a_permission_that_is_missing_walks_again(void **state)
{
    struct world *world = world_new();

    (void)state;
    world_map(world, 0, 0x80000000, TLB_PROT_READ);
    world_must_load(world, 0, 0);
    assert_int_equal(world->tlb.stats.walks, 1);
    assert_int_equal(world_store(world, 0, 0, 0, 1), FAULT_CODE);
    assert_fault(world, 0, FAULT_CODE, MEMTX_OK);
    assert_true(world_hits(world, 0, 0, TLB_READ)); /* a fault fills nothing */

    world_map(world, 0, 0x80000000, TLB_PROT_READ | TLB_PROT_WRITE);
    assert_int_equal(world_store(world, 0, 0, 0, 1), 0);
    assert_int_equal(world->tlb.stats.walks, 3);
    assert_true(world_hits(world, 0, 0, TLB_WRITE));
    world_free(world);
}

/* A device page costs one walk, however often it is accessed. */
static void a_device_page_walks_once(void **state)
{
    struct world *world = world_new();

    (void)state;
    world_map(world, 0, 0x10000000, PROT_RWX);
    for (unsigned i = 0; i < 100; i++) {
        world_must_load(world, 4 * i, 2);
        assert_int_equal(world_store(world, 0, 4 * i, 2, i), 0);
    }
    assert_int_equal(world->tlb.stats.walks, 1);
    assert_int_equal(world->tlb.stats.mmio_reads, 100);
    assert_int_equal(world->tlb.stats.mmio_writes, 100);
    world_free(world);
}

static int walk_grants_less(void *opaque, unsigned context, uint64_t va,
                            enum xbar_tlb_access access,
                            struct xbar_tlb_walk *walk)
{
    (void)opaque, (void)context, (void)va, (void)access;
    *walk = (struct xbar_tlb_walk){ .phys = 0x80000123 };
    return 0;
}

/* Success is permission for this access; low bits of phys do not matter. */
static void a_walker_may_be_careless(void **state)
{
    struct world *world = world_new();

    (void)state;
    world->tlb.config.walk = walk_grants_less;
    world->bytes[RAM][5] = 7;
    assert_int_equal(world_must_load(world, 5, 0), 7);
    assert_true(world_hits(world, 0, 5, TLB_READ));
    assert_false(world_hits(world, 0, 5, TLB_WRITE));
    world_free(world);
}

static int walk_nonsense(void *opaque, unsigned context, uint64_t va,
                         enum xbar_tlb_access access,
                         struct xbar_tlb_walk *walk)
{
    (void)opaque;
    (void)context;
    *walk = (struct xbar_tlb_walk){ .phys = 0x80000000, .prot = PROT_RWX };
    walk->prot |= va == 0x1000 ? 1 << 3 : 0;
    (void)access;
    return va == 0x2000 ? -1 : 0;
}

static void a_walker_without_sense_is_named(void **state)
{
    struct world *world = world_new();
    uint64_t value = 5;

    (void)state;
    world->tlb.config.walk = walk_nonsense;
    for (uint64_t va = 0x1000; va <= 0x2000; va += 0x1000) {
        assert_int_equal(world_load(world, 0, va, 3, &value), TLB_BAD_WALK);
        assert_int_equal(world->tlb.fault.code, TLB_BAD_WALK);
        assert_int_equal(world->tlb.fault.va, va);
        assert_int_equal(value, 5);
        assert_false(world_hits(world, 0, va, TLB_READ));
    }
    assert_int_equal(world_load(world, 0, 0x3000, 3, &value), 0);
    world_free(world);
}

/* ---- Observing --------------------------------------------------------- */

struct seen {
    unsigned count[3];
    unsigned bytes;
    const FlatRange *last;
};

static void note_seen(void *opaque, const FlatRange *section,
                      enum xbar_tlb_access access, unsigned size)
{
    struct seen *seen = opaque;

    seen->count[access]++;
    seen->bytes += size;
    seen->last = section;
}

static void observing_sees_every_data_access(void **state)
{
    struct seen seen = { { 0 }, 0, NULL };
    struct world *world = world_new_observed(note_seen, &seen);
    void *host;

    (void)state;
    world_map(world, 0, 0x80000000, PROT_RWX);
    world_map(world, PAGE, 0x10000000, PROT_RWX);
    for (unsigned i = 0; i < 10; i++) {
        world_must_load(world, 8 * i, 2);
        assert_int_equal(world_store(world, 0, 8 * i, 0, i), 0);
        world_must_load(world, PAGE + 8 * i, 2);
    }
    assert_int_equal(seen.count[TLB_READ], 20);
    assert_int_equal(seen.count[TLB_WRITE], 10);
    assert_int_equal(seen.bytes, 20 * 4 + 10);
    assert_ptr_equal(seen.last->mr, &world->mr[DEVICE]);

    world_must_load(world, PAGE - 1, 2); /* 1 byte of RAM, 1 + 2 of device */
    assert_int_equal(seen.count[TLB_READ], 23);
    assert_int_equal(tlb_host(&world->tlb, 0, 0, 8, TLB_WRITE, &host), 0);
    assert_int_equal(seen.count[TLB_WRITE], 11);
    assert_int_equal(tlb_host(&world->tlb, 0, 0, 4, TLB_EXEC, &host), 0);
    assert_int_equal(seen.count[TLB_EXEC], 0);
    assert_true(world_hits(world, 0, 0, TLB_EXEC));
    assert_false(world_hits(world, 0, 0, TLB_READ));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_slot_never_hits),
        cmocka_unit_test(a_must_miss_page_never_hits),
        cmocka_unit_test(tags_follow_permission_and_section),
        cmocka_unit_test(a_hit_reaches_the_right_byte),
        cmocka_unit_test(a_context_has_its_own_entries),
        cmocka_unit_test(a_permission_that_is_missing_walks_again),
        cmocka_unit_test(a_device_page_walks_once),
        cmocka_unit_test(a_walker_may_be_careless),
        cmocka_unit_test(a_walker_without_sense_is_named),
        cmocka_unit_test(observing_sees_every_data_access),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
