/* SPDX-License-Identifier: MIT */
/* Spans: what they learn, and what ends them. (The other tests of the TLB load
 * and store through spans, too.) */
#include "flatview/dirty_bitmap.h"
#include "tests/unit/tlb/world.h"

#define VA    0x40000000u
#define ALIAS (VA + TLB_L1_SIZE * TLB_PAGE_SIZE) /* the same slots of L1 */
#define SLOT  5

/* Pages 0 to 3 of RAM at VA, one after the other; page 9 of RAM behind them. */
static struct world *new_world(void)
{
    struct world *world = world_new();

    for (unsigned i = 0; i < 4; i++) {
        world_map(world, VA + i * PAGE, 0x80000000u + i * PAGE, PROT_RWX);
    }
    world_map(world, VA + 4 * PAGE, 0x80009000u, PROT_RWX);
    return world;
}

static const TLBSpan *span_of(const struct world *world,
                              enum xbar_tlb_access access)
{
    return &world->tlb.spans[0][access][SLOT];
}

/* A hit must lie where the map says. */
static bool hits(const struct world *world, uint64_t va,
                 enum xbar_tlb_access access)
{
    const TLBSpan *span = span_of(world, access);

    if (va - span->start >= span->count) {
        return false;
    }
    assert_int_equal(va + span->addend,
                     (uintptr_t)world->bytes[RAM] + (va - VA));
    return true;
}

static void touch(struct world *world, uint64_t va)
{
    uint64_t value;

    assert_int_equal(tlb_load_slow(&world->tlb, 0, va, 0, &value), 0);
    assert_int_equal(tlb_store_slow(&world->tlb, 0, va, 0, value), 0);
}

static void learn(struct world *world, uint64_t va)
{
    for (unsigned access = TLB_READ; access <= TLB_WRITE; access++) {
        world->tlb.spans[0][access][SLOT].credit--;
        tlb_learn_span(&world->tlb, 0, (enum xbar_tlb_access)access, SLOT, va);
    }
}

/* A world whose span holds pages 0 to 3. */
static struct world *world_with_span(void)
{
    struct world *world = new_world();

    for (unsigned i = 0; i <= 4; i++) {
        touch(world, VA + i * PAGE);
    }
    learn(world, VA + PAGE);
    return world;
}

static void a_run_is_learnt_whole(void **state)
{
    struct world *world = world_with_span();

    (void)state;
    for (unsigned access = TLB_READ; access <= TLB_WRITE; access++) {
        assert_false(hits(world, VA - 1, access));
        assert_true(hits(world, VA, access));
        assert_true(hits(world, VA + 2 * PAGE - 4, access)); /* crosses */
        assert_true(hits(world, VA + 4 * PAGE - 8, access));
        assert_false(hits(world, VA + 4 * PAGE - 7, access));
        assert_false(hits(world, VA + 4 * PAGE, access)); /* elsewhere */
        assert_false(hits(world, VA + (UINT64_C(1) << 63), access));
    }
    world_free(world);
}

static void a_pointer_that_walks_up_takes_page_by_page(void **state)
{
    struct world *world = new_world();

    (void)state;
    touch(world, VA);
    learn(world, VA);
    world->tlb.spans[0][TLB_READ][SLOT].credit = 100;
    for (unsigned i = 1; i < 4; i++) {
        assert_false(hits(world, VA + i * PAGE, TLB_READ));
        touch(world, VA + i * PAGE);
        learn(world, VA + i * PAGE);
        assert_true(hits(world, VA + i * PAGE - 4, TLB_READ));
        assert_true(hits(world, VA + i * PAGE, TLB_READ));
    }
    touch(world, VA + 4 * PAGE);
    learn(world, VA + 4 * PAGE);
    assert_false(hits(world, VA + 4 * PAGE, TLB_READ));
    world_free(world);
}

static void another_slot_is_copied(void **state)
{
    struct world *world = world_with_span();

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        if (i != 2) { /* its entry is replaced; the span's word counts */
            world_map(world, ALIAS + i * PAGE, 0x80000000u, PROT_RWX);
            touch(world, ALIAS + i * PAGE);
        }
    }
    assert_false(world_hits(world, 0, VA, TLB_READ));
    world->tlb.spans[0][TLB_READ][9].credit = -1;
    tlb_learn_span(&world->tlb, 0, TLB_READ, 9, VA + 2 * PAGE);
    assert_int_equal(world->tlb.spans[0][TLB_READ][9].start, VA);
    assert_int_equal(world->tlb.spans[0][TLB_READ][9].count, 4 * PAGE - 7);
    world_free(world);
}

/* ---- What ends them ---------------------------------------------------- */

static void flushing_a_page_ends_its_spans(void **state)
{
    struct world *world = world_with_span();

    (void)state;
    tlb_flush_page(&world->tlb, 1, VA + 4 * PAGE);
    tlb_flush_page(&world->tlb, 1, VA - PAGE);
    tlb_flush_page(&world->tlb, 2, VA); /* another context */
    assert_true(hits(world, VA, TLB_READ) && hits(world, VA, TLB_WRITE));
    tlb_flush_page(&world->tlb, 1, VA + 3 * PAGE + 5);
    assert_false(hits(world, VA, TLB_READ) || hits(world, VA, TLB_WRITE));
    world_free(world);
}

/* The entry may be long gone. */
static void flushing_a_page_without_entry_does(void **state)
{
    struct world *world = world_with_span();

    (void)state;
    world_map(world, VA + 0x100000, 0x80000000u, PROT_RWX);
    touch(world, VA + 0x100000);
    assert_true(hits(world, VA, TLB_READ));
    tlb_flush_page(&world->tlb, 1, VA);
    assert_false(hits(world, VA, TLB_READ) || hits(world, VA, TLB_WRITE));
    world_free(world);
}

static void flushing_a_context_ends_all(void **state)
{
    struct world *world = world_with_span();

    (void)state;
    tlb_flush(&world->tlb, 2);
    assert_true(hits(world, VA, TLB_READ));
    tlb_flush(&world->tlb, 1);
    assert_false(hits(world, VA, TLB_READ) || hits(world, VA, TLB_WRITE));
    learn(world, VA); /* nothing to learn from */
    assert_false(hits(world, VA, TLB_READ) || hits(world, VA, TLB_WRITE));
    world_free(world);
}

static void flushing_an_id_ends_all(void **state)
{
    struct world *world = world_with_span();

    (void)state;
    tlb_flush_asid(&world->tlb, 1, 0);
    assert_false(hits(world, VA, TLB_READ) || hits(world, VA, TLB_WRITE));
    world_free(world);
}

static void a_commit_ends_what_it_may_move(void **state)
{
    struct world *world = world_with_span();

    (void)state;
    for (unsigned i = 0; i < 4; i++) { /* no entry is left to say so */
        world_map(world, ALIAS + i * PAGE, 0x80009000u, PROT_RWX);
        touch(world, ALIAS + i * PAGE);
    }
    world_enable(world, OVER, true);
    tlb_safepoint(&world->tlb);
    assert_false(hits(world, VA, TLB_READ) || hits(world, VA, TLB_WRITE));
    touch(world, VA + 2 * PAGE);
    touch(world, VA + 3 * PAGE); /* the device */
    learn(world, VA + 3 * PAGE);
    assert_false(hits(world, VA + 3 * PAGE, TLB_READ));
    learn(world, VA + 2 * PAGE);
    assert_true(hits(world, VA + 2 * PAGE, TLB_WRITE));
    assert_false(hits(world, VA + 3 * PAGE, TLB_WRITE));
    world_free(world);
}

static void code_ends_spans_for_writing(void **state)
{
    struct world *world = world_with_span();
    uint64_t ram = (uintptr_t)world->bytes[RAM];

    (void)state;
    tlb_protect_code(&world->tlb, ram + 4 * PAGE);
    tlb_protect_code(&world->tlb, ram - PAGE);
    assert_true(hits(world, VA, TLB_WRITE));
    tlb_protect_code(&world->tlb, ram + 4 * PAGE - 1);
    assert_false(hits(world, VA, TLB_WRITE));
    assert_true(hits(world, VA, TLB_READ));
    learn(world, VA);
    assert_true(hits(world, VA, TLB_WRITE));
    assert_false(hits(world, VA + 3 * PAGE, TLB_WRITE));
    world_free(world);
}

/* The guest changed its table and has not said so; a walk shows it. */
static void a_walk_that_says_else_ends_them(void **state)
{
    struct world *world = new_world();
    uint64_t value;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        world_map(world, VA + i * PAGE, 0x80000000u + i * PAGE, TLB_PROT_READ);
        assert_int_equal(
            tlb_load_slow(&world->tlb, 0, VA + i * PAGE, 0, &value), 0);
    }
    learn(world, VA);
    assert_true(hits(world, VA + 3 * PAGE, TLB_READ));
    world_map(world, VA, 0x80000000u, PROT_RWX);
    assert_int_equal(tlb_store_slow(&world->tlb, 0, VA, 0, 1), 0);
    assert_true(hits(world, VA, TLB_READ));
    world_map(world, VA + PAGE, 0x80005000u, PROT_RWX);
    assert_int_equal(tlb_store_slow(&world->tlb, 0, VA + PAGE, 0, 1), 0);
    assert_false(hits(world, VA, TLB_READ));
    world_free(world);
}

/* ---- Limits ------------------------------------------------------------ */

static void the_top_page_is_in_no_span(void **state)
{
    struct world *world = new_world();
    uint64_t top = UINT64_MAX & TLB_PAGE_MASK;

    (void)state;
    world_map(world, top, 0x80001000u, PROT_RWX);
    world_map(world, top - PAGE, 0x80000000u, PROT_RWX);
    touch(world, top);
    touch(world, top - PAGE);
    learn(world, top);
    assert_int_equal(span_of(world, TLB_READ)->count, 0);
    assert_true(span_of(world, TLB_READ)->credit > 0);
    world->tlb.spans[0][TLB_READ][SLOT].credit = 0;
    learn(world, top - PAGE);
    assert_int_equal(span_of(world, TLB_READ)->start, top - PAGE);
    assert_int_equal(span_of(world, TLB_READ)->count, PAGE - 7);
    world_free(world);
}

static void learning_gets_rarer(void **state)
{
    struct world *world = new_world();
    TLBSpan *span = &world->tlb.spans[0][TLB_READ][SLOT];
    unsigned misses = 0, learnt = 0, gap = 0;

    (void)state;
    world->tlb.config.eager_spans = false;
    touch(world, VA);
    touch(world, VA + 4 * PAGE);
    span->credit = 8;
    span->period = 8;
    for (unsigned i = 0; i < 2000; i++) { /* two runs by turns */
        uint64_t va = i % 2 ? VA : VA + 4 * PAGE;

        if (va - span->start < span->count) {
            continue;
        }
        misses++;
        gap++;
        if (--span->credit < 0) {
            uint64_t start = span->start;

            tlb_learn_span(&world->tlb, 0, TLB_READ, SLOT, va);
            learnt += span->start != start;
            assert_true(gap == 9 || gap > 256 || learnt < 7);
            gap = 0;
        }
    }
    assert_in_range(learnt, 5, 9);
    assert_in_range(misses, 900, 1100);
    world_free(world);
}

static bool is_dirty(struct world *world, unsigned page)
{
    return memory_region_get_dirty(&world->mr[RAM], page * PAGE, PAGE, 0);
}

static void dirty_logs_see_every_page(void **state)
{
    struct world *world = world_with_span();

    (void)state;
    assert_int_equal(memory_region_set_log(&world->mr[RAM], true, 0), 0);
    memory_region_reset_dirty(&world->mr[RAM], 0, UINT64_MAX, 0);
    tlb_safepoint(&world->tlb);
    assert_false(hits(world, VA, TLB_WRITE));
    assert_true(hits(world, VA, TLB_READ));
    touch(world, VA);
    touch(world, VA + PAGE);
    assert_true(is_dirty(world, 0) && is_dirty(world, 1));
    assert_true(world_hits(world, 0, VA, TLB_WRITE));
    learn(world, VA);
    assert_false(hits(world, VA, TLB_WRITE));
    assert_true(span_of(world, TLB_WRITE)->credit > 0);
    world_free(world);
}

/* Memory that nobody logs keeps its spans, and gets new ones. */
static void logs_of_other_memory_spare_them(void **state)
{
    struct world *world = world_with_span();

    (void)state;
    assert_int_equal(memory_region_set_log(&world->mr[BIT_RAM], true, 0), 0);
    memory_region_reset_dirty(&world->mr[BIT_RAM], 0, UINT64_MAX, 0);
    tlb_safepoint(&world->tlb);
    assert_true(hits(world, VA, TLB_WRITE));
    tlb_flush(&world->tlb, 1);
    assert_false(hits(world, VA, TLB_WRITE));
    touch(world, VA);
    touch(world, VA + PAGE);
    learn(world, VA);
    assert_true(hits(world, VA + PAGE, TLB_WRITE));
    world_free(world);
}

/* A log that starts finds the span at its first clearing. */
static void a_log_finds_older_spans(void **state)
{
    struct world *world = world_with_span();

    (void)state;
    assert_int_equal(memory_region_set_log(&world->mr[RAM], true, 0), 0);
    tlb_safepoint(&world->tlb);
    assert_true(hits(world, VA, TLB_WRITE)); /* all is dirty: nobody asks */
    learn(world, VA + 2 * PAGE);
    assert_int_equal(world->tlb.spans[0][TLB_WRITE][9].count, 0);
    world->tlb.spans[0][TLB_WRITE][9].credit = -1;
    tlb_learn_span(&world->tlb, 0, TLB_WRITE, 9, VA + 2 * PAGE);
    assert_int_equal(world->tlb.spans[0][TLB_WRITE][9].count, 0);
    memory_region_reset_dirty(&world->mr[RAM], 3 * PAGE, PAGE, 0);
    tlb_safepoint(&world->tlb);
    assert_false(hits(world, VA, TLB_WRITE));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_learnt_whole),
        cmocka_unit_test(a_pointer_that_walks_up_takes_page_by_page),
        cmocka_unit_test(another_slot_is_copied),
        cmocka_unit_test(flushing_a_page_ends_its_spans),
        cmocka_unit_test(flushing_a_page_without_entry_does),
        cmocka_unit_test(flushing_a_context_ends_all),
        cmocka_unit_test(flushing_an_id_ends_all),
        cmocka_unit_test(a_commit_ends_what_it_may_move),
        cmocka_unit_test(code_ends_spans_for_writing),
        cmocka_unit_test(a_walk_that_says_else_ends_them),
        cmocka_unit_test(the_top_page_is_in_no_span),
        cmocka_unit_test(learning_gets_rarer),
        cmocka_unit_test(dirty_logs_see_every_page),
        cmocka_unit_test(logs_of_other_memory_spare_them),
        cmocka_unit_test(a_log_finds_older_spans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
