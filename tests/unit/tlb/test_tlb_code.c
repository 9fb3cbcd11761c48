/* SPDX-License-Identifier: MIT */
/* Pages that code was translated from: who is told of a store, and when stores
 * are inline again. */
#include "tests/unit/tlb/world.h"

#define LOW  0x5000u
#define HIGH (LOW + PAGE)

/* A translator that keeps code of one page. */
struct translator {
    struct world *world;
    hwaddr page;
    bool has_code;
    bool keeps_code; /* a store does not make it drop its code */
    bool flushes;    /* the TLB, when it is told */
    unsigned told;
    hwaddr told_page; /* the last */
    uint64_t told_host;
};

static bool holds_code(void *opaque, hwaddr page, uint64_t host)
{
    const struct translator *translator = opaque;

    (void)host;
    return translator->has_code && page == translator->page;
}

static void code_written(void *opaque, hwaddr page, uint64_t host)
{
    struct translator *translator = opaque;

    translator->told++;
    translator->told_page = page;
    translator->told_host = host;
    translator->has_code = translator->keeps_code;
    if (translator->flushes) {
        tlb_flush(&translator->world->tlb, TLB_ALL_CONTEXTS);
    }
}

/* LOW shows RAM page 1, of which there is code; HIGH shows @high. */
static struct world *world_with(struct translator *translator, hwaddr high)
{
    struct world *world = world_new();

    *translator = (struct translator){ .world = world,
                                       .page = 0x80001000,
                                       .has_code = true };
    world->tlb.config.holds_code = holds_code;
    world->tlb.config.code_written = code_written;
    world->tlb.config.code_opaque = translator;
    world_map(world, LOW, 0x80001000, PROT_RWX);
    world_map(world, HIGH, high, PROT_RWX);
    return world;
}

static void the_first_store_is_told(void **state)
{
    struct translator translator;
    struct world *world = world_with(&translator, 0x80002000);

    (void)state;
    world_must_load(world, LOW, 2);
    assert_true(world_hits(world, 0, LOW, TLB_READ));
    assert_true(world_hits(world, 0, LOW, TLB_EXEC));
    assert_false(world_hits(world, 0, LOW, TLB_WRITE));
    assert_int_equal(translator.told, 0);

    assert_int_equal(world_store(world, 0, LOW + 4, 2, 7), 0);
    assert_int_equal(translator.told, 1);
    assert_int_equal(translator.told_page, 0x80001000);
    assert_int_equal(translator.told_host, (uintptr_t)world->bytes[RAM] + PAGE);
    assert_int_equal(world->bytes[RAM][PAGE + 4], 7);
    assert_true(world_hits(world, 0, LOW, TLB_WRITE));
    world_free(world);
}

static void every_store_is_told_while_there_is_code(void **state)
{
    struct translator translator;
    struct world *world = world_with(&translator, 0x80002000);
    void *host;

    (void)state;
    translator.keeps_code = true;
    for (unsigned i = 1; i <= 5; i++) {
        assert_int_equal(world_store(world, 0, LOW, 0, i), 0);
        assert_int_equal(translator.told, i);
        assert_false(world_hits(world, 0, LOW, TLB_WRITE));
    }
    assert_int_equal(tlb_host(&world->tlb, 0, LOW, 4, TLB_WRITE, &host), 0);
    assert_int_equal(translator.told, 6);
    assert_int_equal(tlb_host(&world->tlb, 0, LOW, 4, TLB_EXEC, &host), 0);
    assert_int_equal(translator.told, 6);
    world_free(world);
}

static void other_pages_are_not_told(void **state)
{
    struct translator translator;
    struct world *world = world_with(&translator, 0x10000000);

    (void)state;
    world_map(world, 0, 0x80002000, PROT_RWX);
    assert_int_equal(world_store(world, 0, HIGH, 2, 1), 0);
    assert_int_equal(world_store(world, 0, 0, 2, 1), 0);
    world_must_load(world, LOW, 2);
    assert_int_equal(translator.told, 0);
    assert_true(world_hits(world, 0, 0, TLB_WRITE));
    world_free(world);
}

/* Code appears where stores were inline: in every context and at every
 * address that shows the page. */
static void protecting_reaches_every_entry(void **state)
{
    struct translator translator;
    struct world *world = world_with(&translator, 0x80001000);
    uint64_t value;

    (void)state;
    translator.has_code = false;
    world_map(world, 0, 0x80002000, PROT_RWX);
    for (unsigned context = 0; context < 3; context++) {
        for (uint64_t va = LOW; va <= HIGH; va += PAGE) {
            assert_int_equal(world_store(world, context, va, 0, 1), 0);
            assert_true(world_hits(world, context, va, TLB_WRITE));
        }
    }
    assert_int_equal(world_store(world, 0, 0, 0, 1), 0);
    translator.has_code = true;
    tlb_protect_code(&world->tlb, (uintptr_t)world->bytes[RAM] + PAGE);
    for (unsigned context = 0; context < 3; context++) {
        assert_false(world_hits(world, context, LOW, TLB_WRITE));
        assert_false(world_hits(world, context, HIGH, TLB_WRITE));
        assert_true(world_hits(world, context, HIGH, TLB_READ));
    }
    assert_true(world_hits(world, 0, 0, TLB_WRITE));
    assert_int_equal(world_load(world, 0, LOW, 2, &value), 0);
    world_free(world);
}

/* RAM that is part of a page: its host address is good for that part only. */
static void a_page_of_pieces_stays_slow(void **state)
{
    struct translator translator;
    struct world *world = world_with(&translator, 0x10002000);

    (void)state;
    assert_int_equal(world_store(world, 0, HIGH + 0x10, 2, 0x1234), 0);
    for (unsigned access = TLB_READ; access <= TLB_EXEC; access++) {
        assert_false(
            world_hits(world, 0, HIGH + 0x10, (enum xbar_tlb_access)access));
        assert_false(
            world_hits(world, 0, HIGH + 0x900, (enum xbar_tlb_access)access));
    }
    assert_int_equal(world_must_load(world, HIGH + 0x10, 2), 0x1234);
    translator.page = 0x10002000;
    assert_int_equal(world_store(world, 0, HIGH + 0x10, 2, 1), 0);
    assert_int_equal(translator.told, 1);
    world_free(world);
}

static void what_the_translator_flushed_stays_gone(void **state)
{
    struct translator translator;
    struct world *world = world_with(&translator, 0x80002000);

    (void)state;
    translator.flushes = true;
    assert_int_equal(world_store(world, 0, LOW, 2, 7), 0);
    assert_int_equal(world->bytes[RAM][PAGE], 7);
    assert_false(world_hits(world, 0, LOW, TLB_READ));
    assert_false(world_hits(world, 0, LOW, TLB_WRITE));
    world_free(world);
}

/* The fill of the second page may drop the entry of the first. */
static void a_crossing_store_tells_of_both_pages(void **state)
{
    struct translator translator;
    struct world *world = world_with(&translator, 0x80004000);

    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        world->tlb.config.one_entry = round / 2;
        translator.page = round % 2 ? 0x80004000 : 0x80001000;
        translator.has_code = true;
        translator.told = 0;
        tlb_flush(&world->tlb, TLB_ALL_CONTEXTS);
        assert_int_equal(world_store(world, 0, HIGH - 3, 2, UINT64_MAX), 0);
        assert_int_equal(translator.told, 1);
        assert_int_equal(translator.told_page, translator.page);
        assert_int_equal(world_hits(world, 0, LOW, TLB_WRITE), round < 2);
        assert_true(world_hits(world, 0, HIGH, TLB_WRITE));
    }
    world_free(world);
}

/* Other vCPUs' code: asked for by any thread, done at the safe point. */
static void a_post_protects_at_the_safe_point(void **state)
{
    /* The page itself, and 4 KiB that share its last byte, its first. */
    static const uint64_t shifts[] = { 0, PAGE - 1, (uint64_t)1 - PAGE };
    struct translator translator;
    struct world *world = world_with(&translator, 0x80001000);
    uint64_t host = (uintptr_t)world->bytes[RAM] + PAGE;

    (void)state;
    translator.has_code = false;
    world_map(world, 0, 0x80002000, PROT_RWX);
    assert_true(tlb_is_protected(&world->tlb));
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned context = 0; context < 3; context++) {
            assert_int_equal(world_store(world, context, LOW, 0, 1), 0);
            assert_int_equal(world_store(world, context, HIGH, 0, 1), 0);
        }
        assert_int_equal(world_store(world, 0, 0, 0, 1), 0);
        world->kicks = 0;
        tlb_post_protect(&world->tlb, host + shifts[i]);
        assert_int_equal(world->kicks, 1);
        assert_true(world_hits(world, 0, LOW, TLB_WRITE));
        assert_false(tlb_is_protected(&world->tlb));
        tlb_safepoint(&world->tlb);
        assert_true(tlb_is_protected(&world->tlb));
        for (unsigned context = 0; context < 3; context++) {
            assert_false(world_hits(world, context, LOW, TLB_WRITE));
            assert_false(world_hits(world, context, HIGH, TLB_WRITE));
            assert_true(world_hits(world, context, LOW, TLB_READ));
        }
        assert_int_equal(world_hits(world, 0, 0, TLB_WRITE), i != 1);
        tlb_flush(&world->tlb, TLB_ALL_CONTEXTS);
    }
    world_free(world);
}

/* 17 pages do not fit: then all stores leave the inline path. */
static void posts_beyond_the_room_protect_all(void **state)
{
    struct translator translator;
    struct world *world = world_with(&translator, 0x80002000);

    (void)state;
    translator.has_code = false;
    for (unsigned count = 16; count <= 17; count++) {
        assert_int_equal(world_store(world, 0, LOW, 0, 1), 0);
        for (unsigned i = 0; i < count; i++) {
            tlb_post_protect(&world->tlb, i * PAGE);
        }
        tlb_safepoint(&world->tlb);
        assert_true(tlb_is_protected(&world->tlb));
        assert_int_equal(world_hits(world, 0, LOW, TLB_WRITE), count == 16);
        assert_true(world_hits(world, 0, LOW, TLB_READ));
        tlb_safepoint(&world->tlb);
    }
    world_free(world);
}

/* Who is away has protected, as nobody stores; entering does it. */
static void entering_protects_first(void **state)
{
    struct translator translator;
    struct world *world = world_with(&translator, 0x80002000);

    (void)state;
    translator.has_code = false;
    assert_int_equal(world_store(world, 0, LOW, 0, 1), 0);
    tlb_post_protect(&world->tlb, (uintptr_t)world->bytes[RAM] + PAGE);
    assert_false(tlb_is_protected(&world->tlb));
    tlb_leave(&world->tlb);
    assert_true(tlb_is_protected(&world->tlb));
    tlb_enter(&world->tlb);
    assert_true(tlb_is_protected(&world->tlb));
    assert_false(world_hits(world, 0, LOW, TLB_WRITE));
    world_free(world);
}

/* Does any entry take stores to RAM page @page inline? */
static bool any_takes_stores(const struct world *world, unsigned page)
{
    uint64_t host = (uintptr_t)world->bytes[RAM] + page * PAGE;

    for (unsigned context = 0; context < TLB_CONTEXTS; context++) {
        for (unsigned index = 0; index < TLB_L1_SIZE; index++) {
            const TLBEntry *entry = &world->tlb.l1[context][index];
            uint64_t va = entry->tag[TLB_WRITE];

            if (tlb_index(va) == index && va + entry->addend == host) {
                return true;
            }
        }
    }
    return false;
}

/*
 * 16 pages of RAM, each at three addresses, stored to in three contexts in
 * random order, with few stores or many between two times that one is
 * protected: however little was looked at, no tag of it is left, and the
 * others' stay.
 */
static void protecting_again_and_again(void **state)
{
    struct translator translator;
    struct world *world = world_with(&translator, 0x80002000);
    uint64_t seed = 20;

    (void)state;
    translator.has_code = false;
    for (unsigned i = 0; i < 48; i++) {
        world_map(world, (uint64_t)i << 20 | (uint64_t)i << 12,
                  0x80000000 + i % 16 * PAGE, PROT_RWX);
    }
    for (unsigned round = 0; round < 20000; round++) {
        unsigned stores = (unsigned)next_random(&seed) % 24;
        unsigned page = (unsigned)(next_random(&seed) >> 8) % 4;
        unsigned other = (unsigned)next_random(&seed) % 48;

        for (unsigned i = 0; i < stores; i++) {
            uint64_t at = (next_random(&seed) >> 8) % 48;

            assert_int_equal(
                world_store(world, (unsigned)at % 3, at << 20 | at << 12, 3, i),
                0);
        }
        tlb_protect_code(&world->tlb,
                         (uintptr_t)world->bytes[RAM] + page * PAGE);
        assert_false(any_takes_stores(world, page));
        if (other % 16 != page) {
            uint64_t va = (uint64_t)other << 20 | (uint64_t)other << 12;

            assert_int_equal(world_store(world, 0, va, 3, 1), 0);
            tlb_protect_code(&world->tlb,
                             (uintptr_t)world->bytes[RAM] + page * PAGE);
            assert_true(any_takes_stores(world, other % 16));
        }
    }
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_store_is_told),
        cmocka_unit_test(every_store_is_told_while_there_is_code),
        cmocka_unit_test(other_pages_are_not_told),
        cmocka_unit_test(protecting_reaches_every_entry),
        cmocka_unit_test(a_page_of_pieces_stays_slow),
        cmocka_unit_test(what_the_translator_flushed_stays_gone),
        cmocka_unit_test(a_crossing_store_tells_of_both_pages),
        cmocka_unit_test(a_post_protects_at_the_safe_point),
        cmocka_unit_test(posts_beyond_the_room_protect_all),
        cmocka_unit_test(entering_protects_first),
        cmocka_unit_test(protecting_again_and_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
