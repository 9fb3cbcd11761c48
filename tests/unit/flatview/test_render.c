/* SPDX-License-Identifier: MIT */
/*
 * Rendering by itself: windows show what the whole shows there, and trees
 * that are made to hurt do not. What decodes where is the model's business
 * (tests/model/test_flatview_model.c).
 */
#include "flatview/render/render.h"

#include "engine/rcu.h"
#include "tests/model/world.h"

static const struct xbar_range whole_space = { 0, UINT64_MAX };

static void render(struct world *w, struct xbar_range window,
                   struct flatview_pieces *pieces)
{
    xbar_tree_hold(w->engine);
    assert_int_equal(flatview__render(&w->regions[0], window, pieces), 0);
    xbar_tree_release(w->engine);
}

static bool touches(const struct flatview_piece *piece,
                    struct xbar_range window)
{
    return piece->first <= window.last && window.first <= piece->last;
}

/* @part is what @whole has in @window, cut to it. */
static void check_window(const struct flatview_pieces *whole,
                         const struct flatview_pieces *part,
                         struct xbar_range window)
{
    size_t k = 0;

    for (size_t i = 0; i < whole->count; i++) {
        const struct flatview_piece *a = &whole->items[i];
        const struct flatview_piece *b = &part->items[k];

        if (!touches(a, window)) {
            continue;
        }
        assert_true(k < part->count);
        assert_int_equal(b->first,
                         a->first > window.first ? a->first : window.first);
        assert_int_equal(b->last,
                         a->last < window.last ? a->last : window.last);
        assert_ptr_equal(b->mr, a->mr);
        assert_int_equal(b->mr_delta, a->mr_delta);
        assert_int_equal(b->host_delta, a->host_delta);
        assert_int_equal(b->flags, a->flags);
        k++;
    }
    assert_int_equal(k, part->count);
}

static struct xbar_range random_window(struct world *w)
{
    hwaddr a = random_addr(w);
    hwaddr b = random_addr(w);

    return (struct xbar_range){ a < b ? a : b, a < b ? b : a };
}

static void test_windows(void **state)
{
    static struct world w;
    struct flatview_pieces whole = { NULL, 0, 0 };
    struct flatview_pieces part = { NULL, 0, 0 };

    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        world_init(&w, seed);
        for (int i = 0; i < 30; i++) {
            (void)world_edit(&w);
        }
        render(&w, whole_space, &whole);
        for (int i = 0; i < 20; i++) {
            struct xbar_range window = random_window(&w);

            render(&w, window, &part);
            check_window(&whole, &part, window);
        }
        flatview__pieces_free(w.engine, &whole);
        flatview__pieces_free(w.engine, &part);
        world_end(&w);
    }
}

/* Neighbours merge if they say the same, and only then: two halves of one
 * memory side by side, of which the upper may be read-only. */
static void test_merging(void **state)
{
    static char memory[0x100];
    struct flatview_pieces pieces = { NULL, 0, 0 };
    MemoryRegion root;
    MemoryRegion ram;
    MemoryRegion half[2];

    (void)state;
    assert_int_equal(memory_region_init(&root, NULL, "root", 0x1000), 0);
    assert_int_equal(
        memory_region_init_ram_ptr(&ram, NULL, "ram", 0x100, memory), 0);
    for (hwaddr i = 0; i < 2; i++) {
        assert_int_equal(memory_region_init_alias(&half[i], NULL, "half", &ram,
                                                  i * 0x80, 0x80),
                         0);
        assert_int_equal(
            memory_region_add_subregion(&root, 0x200 + i * 0x80, &half[i]), 0);
    }
    assert_int_equal(flatview__render(&root, whole_space, &pieces), 0);
    assert_int_equal(pieces.count, 1);
    assert_int_equal(pieces.items[0].last, 0x2ff);
    assert_int_equal(memory_region_set_readonly(&half[1], true), 0);
    assert_int_equal(flatview__render(&root, whole_space, &pieces), 0);
    assert_int_equal(pieces.count, 2);
    assert_int_equal(pieces.items[1].first, 0x280);
    assert_int_equal(memory_region_set_readonly(&half[1], false), 0);
    assert_int_equal(memory_region_set_alias_offset(&half[1], 0x40), 0);
    assert_int_equal(flatview__render(&root, whole_space, &pieces), 0);
    assert_int_equal(pieces.count, 2);
    flatview__pieces_free(xbar_engine_current(), &pieces);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(xbar_region_destroy(&half[i], NULL, NULL), 0);
    }
    assert_int_equal(xbar_region_destroy(&ram, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&root, NULL, NULL), 0);
}

/* ---- Trees that are made to hurt --------------------------------------- */

#define LEVELS 40

/* Each level shows the one below twice: 2^40 leaves, if one believes it. */
struct fan {
    MemoryRegion level[LEVELS + 1];
    MemoryRegion alias[LEVELS][2];
};

static void init_fan(struct fan *fan, hwaddr apart)
{
    assert_int_equal(
        memory_region_init_io(&fan->level[0], NULL, NULL, NULL, "leaf", 1), 0);
    for (int i = 0; i < LEVELS; i++) {
        assert_int_equal(
            memory_region_init(&fan->level[i + 1], NULL, "level", UINT64_MAX),
            0);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(memory_region_init_alias(&fan->alias[i][k], NULL,
                                                      "alias", &fan->level[i],
                                                      0, UINT64_MAX),
                             0);
            assert_int_equal(memory_region_add_subregion(
                                 &fan->level[i + 1], k == 0 ? 0 : apart << i,
                                 &fan->alias[i][k]),
                             0);
        }
    }
}

static void end_fan(struct fan *fan)
{
    for (int i = LEVELS - 1; i >= 0; i--) {
        assert_int_equal(xbar_region_destroy(&fan->alias[i][0], NULL, NULL), 0);
        assert_int_equal(xbar_region_destroy(&fan->alias[i][1], NULL, NULL), 0);
    }
    for (int i = LEVELS; i >= 0; i--) {
        assert_int_equal(xbar_region_destroy(&fan->level[i], NULL, NULL), 0);
    }
}

/* The commit is refused, with everything as it was; a window is fine. */
static void test_alias_fan(void **state)
{
    static struct fan fan;
    struct xbar_engine *engine = xbar_engine_current();
    struct flatview_pieces pieces = { NULL, 0, 0 };
    struct xbar_range window = { 2, 9 };
    MemoryRegion root;
    AddressSpace as;

    (void)state;
    init_fan(&fan, 2);
    assert_int_equal(memory_region_init(&root, NULL, "root", UINT64_MAX), 0);
    assert_int_equal(address_space_init(&as, &root, "fan"), 0);
    assert_int_equal(memory_region_add_subregion(&root, 0, &fan.level[LEVELS]),
                     -E2BIG);
    assert_false(memory_region_is_mapped(&fan.level[LEVELS]));
    assert_int_equal(memory_region_add_subregion(&root, 0, &fan.level[10]), 0);

    xbar_tree_hold(engine);
    assert_int_equal(flatview__render(&root, window, &pieces), 0);
    xbar_tree_release(engine);
    assert_int_equal(pieces.count, 4);
    assert_int_equal(pieces.items[3].first, 8);
    assert_int_equal(pieces.items[3].mr_delta, -(uint64_t)8);
    flatview__pieces_free(engine, &pieces);

    address_space_destroy(&as);
    end_fan(&fan);
    assert_int_equal(xbar_region_destroy(&root, NULL, NULL), 0);
}

#define CROWD 200

/* The same in few visits, if it takes few; what is disabled counts, too, as it
 * may be a crowd. */
static void test_few_visits(void **state)
{
    static MemoryRegion crowd[CROWD];
    MemoryRegion root;
    const struct xbar_window all = { { 0, CROWD * 16 - 1 }, &root, 0, 0 };
    const struct xbar_window three = { { 16, 63 }, &root, 0, 0 };
    struct flatview_pieces pieces = { NULL, 0, 0 };

    (void)state;
    assert_int_equal(memory_region_init(&root, NULL, "root", 0x10000), 0);
    for (hwaddr i = 0; i < CROWD; i++) {
        assert_int_equal(memory_region_init_io(&crowd[i], NULL, NULL, NULL,
                                               "one of many", 16),
                         0);
        assert_int_equal(memory_region_add_subregion(&root, i * 16, &crowd[i]),
                         0);
    }
    assert_int_equal(flatview__render_few(&three, &pieces), 0);
    assert_int_equal(pieces.count, 3);
    assert_ptr_equal(pieces.items[2].mr, &crowd[3]);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(flatview__render_few(&all, &pieces), -E2BIG);
        assert_int_equal(pieces.count, 3);
        for (int i = 0; i < CROWD; i++) {
            assert_int_equal(memory_region_set_enabled(&crowd[i], false), 0);
        }
    }
    flatview__pieces_free(xbar_engine_current(), &pieces);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(xbar_region_destroy(&crowd[i], NULL, NULL), 0);
    }
    assert_int_equal(xbar_region_destroy(&root, NULL, NULL), 0);
}

/* As deep as the engine lets it be. */
static void test_deep_nesting(void **state)
{
    static MemoryRegion chain[XBAR_TREE_MAX_DEPTH + 1];
    const size_t depth = XBAR_TREE_MAX_DEPTH - 1;
    MemTxResult result;
    AddressSpace as;

    (void)state;
    for (size_t i = 0; i <= depth; i++) {
        int err = i == 0 ? memory_region_init_io(&chain[i], NULL, NULL, NULL,
                                                 "leaf", 0x1000)
                         : memory_region_init(&chain[i], NULL, "shell", 0x1000);

        assert_int_equal(err, 0);
    }
    for (size_t i = 0; i < depth; i++) {
        assert_int_equal(
            memory_region_add_subregion(&chain[i + 1], 1, &chain[i]), 0);
    }
    assert_int_equal(address_space_init(&as, &chain[depth], "deep"), 0);
    xbar_read_begin();
    assert_ptr_equal(flatview_lookup(address_space_to_flatview(&as), depth)->mr,
                     &chain[0]);
    assert_null(flatview_lookup(address_space_to_flatview(&as), depth - 1)->mr);
    xbar_read_end();
    (void)address_space_ldub(&as, depth, MEMTXATTRS_UNSPECIFIED, &result);
    assert_int_equal(result, MEMTX_DECODE_ERROR);
    address_space_destroy(&as);
    for (size_t i = 0; i <= depth; i++) {
        assert_int_equal(xbar_region_destroy(&chain[i], NULL, NULL), 0);
    }
}

/* Nobody reads while this thread reclaims, so there is nothing to wait for. */
static void wait_for_nobody(void)
{
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),      cmocka_unit_test(test_merging),
        cmocka_unit_test(test_alias_fan),    cmocka_unit_test(test_few_visits),
        cmocka_unit_test(test_deep_nesting),
    };

    xbar_rcu_synchronize_hook = wait_for_nobody;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
