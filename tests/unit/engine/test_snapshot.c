/* SPDX-License-Identifier: MIT */
/*
 * Snapshots one case at a time: what comes back and what does not, regions
 * that come and go, who may ask when, and what it costs. Random edits against a
 * second opinion, with views: tests/model/test_restore.c.
 */
#include "engine/snapshot.h"

#include "engine/engine_internal.h"
#include "engine/memory_ram.h"
#include "tests/unit/engine/fixture.h"

#define LEAVES 4

/* root > bus > leaves; alias shows bus. */
struct board {
    MemoryRegion root;
    MemoryRegion bus;
    MemoryRegion alias;
    MemoryRegion leaves[LEAVES];
};

static struct xbar_snapshot *take(struct fixture *f)
{
    struct xbar_snapshot *snapshot;

    assert_int_equal(xbar_snapshot_take(f->engine, &snapshot), 0);
    assert_non_null(snapshot);
    return snapshot;
}

static void place(MemoryRegion *container, hwaddr addr, MemoryRegion *mr)
{
    assert_int_equal(memory_region_add_subregion(container, addr, mr), 0);
}

static void take_away(MemoryRegion *mr)
{
    assert_int_equal(memory_region_del_subregion(mr->container, mr), 0);
}

static void open_board(struct board *b)
{
    assert_int_equal(memory_region_init(&b->root, NULL, "root", UINT64_MAX), 0);
    assert_int_equal(memory_region_init(&b->bus, NULL, "bus", 0x1000), 0);
    assert_int_equal(
        memory_region_init_alias(&b->alias, NULL, "alias", &b->bus, 0, 0x1000),
        0);
    place(&b->root, 0x1000, &b->bus);
    place(&b->root, 0x8000, &b->alias);
    for (int i = 0; i < LEAVES; i++) {
        assert_int_equal(memory_region_init_io(&b->leaves[i], NULL, NULL, NULL,
                                               "leaf", 0x100),
                         0);
        place(&b->bus, 0x80u * (unsigned)i, &b->leaves[i]);
    }
}

static void end_if_alive(MemoryRegion *mr)
{
    if (mr->engine) {
        end_region(mr);
    }
}

static void close_board(struct board *b)
{
    for (int i = 0; i < LEAVES; i++) {
        end_if_alive(&b->leaves[i]);
    }
    end_if_alive(&b->alias);
    end_if_alive(&b->bus);
    end_if_alive(&b->root);
}

/* The leaf that wins over the others, and so on. */
static void check_order(const struct board *b, const int *leaves, size_t count)
{
    struct xbar_region_list list = { NULL, 0, 0 };

    assert_int_equal(xbar_region_children(&b->bus, 0, UINT64_MAX, &list), 0);
    assert_int_equal(list.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(list.items[i], &b->leaves[leaves[i]]);
    }
    xbar_region_list_free(&b->bus, &list);
}

/* ---- What comes back --------------------------------------------------- */

static void test_all_that_edits_say(void **state)
{
    struct fixture *f = *state;
    struct xbar_snapshot *snapshot;
    struct board b;
    MemoryRegion *leaf = &b.leaves[1];

    open_board(&b);
    assert_int_equal(memory_region_set_enabled(&b.leaves[2], false), 0);
    snapshot = take(f);
    assert_int_equal(memory_region_set_address(leaf, 0x500), 0);
    assert_int_equal(memory_region_set_size(leaf, 0), 0);
    assert_int_equal(memory_region_set_readonly(leaf, true), 0);
    assert_int_equal(memory_region_set_nonvolatile(leaf, true), 0);
    assert_int_equal(memory_region_set_enabled(&b.leaves[2], true), 0);
    assert_int_equal(memory_region_set_alias_offset(&b.alias, 0x40), 0);
    assert_int_equal(memory_region_set_size(&b.bus, UINT64_MAX), 0);
    assert_int_equal(xbar_snapshot_restore(snapshot), 0);
    assert_int_equal(leaf->addr, 0x80);
    assert_int_equal(memory_region_size(leaf), 0x100);
    assert_false(memory_region_is_nonvolatile(leaf));
    assert_int_equal(leaf->flags & XBAR_REGION_READONLY, 0);
    assert_int_equal(b.leaves[2].flags & XBAR_REGION_ENABLED, 0);
    assert_int_equal(b.alias.alias_offset, 0);
    assert_int_equal(memory_region_size(&b.bus), 0x1000);
    xbar_snapshot_drop(snapshot);
    close_board(&b);
}

static void test_order_and_priority(void **state)
{
    static const int before[] = { 3, 2, 1, 0 };
    static const int after[] = { 0, 2, 3 };
    struct fixture *f = *state;
    struct xbar_snapshot *snapshot;
    struct board b;

    open_board(&b);
    snapshot = take(f);
    check_order(&b, before, 4);
    take_away(&b.leaves[0]);
    place(&b.bus, 0, &b.leaves[0]);
    take_away(&b.leaves[3]);
    assert_int_equal(
        memory_region_add_subregion_overlap(&b.bus, 0, &b.leaves[3], -1), 0);
    take_away(&b.leaves[1]);
    check_order(&b, after, 3);
    assert_int_equal(xbar_snapshot_restore(snapshot), 0);
    check_order(&b, before, 4);
    xbar_snapshot_drop(snapshot);
    close_board(&b);
}

static void test_ram_gets_its_size_back(void **state)
{
    struct fixture *f = *state;
    struct xbar_snapshot *snapshot;
    MemoryRegion ram;

    assert_int_equal(memory_region_init_resizeable_ram(
                         &ram, NULL, "ram", 0x2000, 0x8000, NULL, NULL),
                     0);
    snapshot = take(f);
    assert_int_equal(memory_region_ram_resize(&ram, 0x1000, NULL), 0);
    assert_int_equal(xbar_snapshot_restore(snapshot), 0);
    assert_int_equal(memory_region_size(&ram), 0x2000);
    assert_int_equal(memory_region_ram_resize(&ram, 0x8000, NULL), 0);
    assert_int_equal(xbar_snapshot_restore(snapshot), 0);
    assert_int_equal(memory_region_size(&ram), 0x2000);
    xbar_snapshot_drop(snapshot);
    end_region(&ram);
}

/* Parents and children change places: on the way no cycle may close. */
static void test_upside_down(void **state)
{
    struct fixture *f = *state;
    struct xbar_snapshot *snapshot;
    MemoryRegion a;
    MemoryRegion b;

    assert_int_equal(memory_region_init(&a, NULL, "a", 0x1000), 0);
    assert_int_equal(memory_region_init(&b, NULL, "b", 0x1000), 0);
    place(&a, 0, &b);
    snapshot = take(f);
    take_away(&b);
    place(&b, 0x10, &a);
    assert_int_equal(xbar_snapshot_restore(snapshot), 0);
    assert_ptr_equal(b.container, &a);
    assert_null(a.container);
    xbar_snapshot_drop(snapshot);
    end_region(&b);
    end_region(&a);
}

/* ---- Several ----------------------------------------------------------- */

static void test_back_and_forth(void **state)
{
    struct fixture *f = *state;
    struct xbar_snapshot *snapshots[3];
    struct board b;

    open_board(&b);
    for (unsigned i = 0; i < 3; i++) {
        snapshots[i] = take(f);
        assert_int_equal(memory_region_set_address(&b.bus, 0x2000 + 0x1000 * i),
                         0);
    }
    assert_int_equal(xbar_snapshot_restore(snapshots[0]), 0);
    assert_int_equal(b.bus.addr, 0x1000);
    assert_int_equal(xbar_snapshot_restore(snapshots[2]), 0);
    assert_int_equal(b.bus.addr, 0x3000);
    assert_int_equal(xbar_snapshot_restore(snapshots[1]), 0);
    assert_int_equal(b.bus.addr, 0x2000);
    xbar_snapshot_drop(snapshots[1]);
    assert_int_equal(xbar_snapshot_restore(snapshots[0]), 0);
    assert_int_equal(b.bus.addr, 0x1000);
    xbar_snapshot_drop(snapshots[0]);
    assert_int_equal(xbar_snapshot_restore(snapshots[2]), 0);
    assert_int_equal(b.bus.addr, 0x3000);
    xbar_snapshot_drop(snapshots[2]);
    xbar_snapshot_drop(NULL);
    close_board(&b);
}

/* ---- Regions come and go ----------------------------------------------- */

static void test_what_was_made_since(void **state)
{
    struct fixture *f = *state;
    struct xbar_snapshot *snapshot;
    MemoryRegion card;
    MemoryRegion part;
    struct board b;

    open_board(&b);
    snapshot = take(f);
    assert_int_equal(memory_region_init(&card, NULL, "card", 0x100), 0);
    assert_int_equal(memory_region_init(&part, NULL, "part", 0x10), 0);
    place(&card, 0, &part);
    take_away(&b.leaves[0]);
    place(&card, 0x20, &b.leaves[0]);
    place(&b.bus, 0x800, &card);
    assert_int_equal(xbar_snapshot_restore(snapshot), 0);
    assert_null(card.container);
    assert_ptr_equal(part.container, &card);
    assert_ptr_equal(b.leaves[0].container, &b.bus);
    place(&b.bus, 0x800, &card);
    end_region(&card);
    assert_int_equal(xbar_snapshot_restore(snapshot), 0);
    xbar_snapshot_drop(snapshot);
    end_region(&part);
    close_board(&b);
}

static void test_what_has_ended_is_missed(void **state)
{
    struct fixture *f = *state;
    struct xbar_snapshot *snapshot;
    struct board b;

    open_board(&b);
    snapshot = take(f);
    assert_int_equal(memory_region_set_address(&b.bus, 0x4000), 0);
    end_region(&b.leaves[1]);
    assert_int_equal(xbar_snapshot_restore(snapshot), -ESTALE);
    assert_int_equal(b.bus.addr, 0x4000);
    /* Another one in its place is not the same. */
    assert_int_equal(
        memory_region_init_io(&b.leaves[1], NULL, NULL, NULL, "other", 0x100),
        0);
    place(&b.bus, 0x80, &b.leaves[1]);
    assert_int_equal(xbar_snapshot_restore(snapshot), -ESTALE);
    xbar_snapshot_drop(snapshot);
    close_board(&b);
}

static void test_an_alias_whose_target_ended(void **state)
{
    struct fixture *f = *state;
    struct xbar_snapshot *snapshot;
    struct board b;

    open_board(&b);
    take_away(&b.bus);
    snapshot = take(f);
    end_region(&b.bus);
    assert_int_equal(xbar_snapshot_restore(snapshot), -ESTALE);
    xbar_snapshot_drop(snapshot);
    close_board(&b);
}

/* What ended with everything that showed it is not missed; what it showed
 * stands nowhere. */
static void test_what_nothing_left_shows(void **state)
{
    struct fixture *f = *state;
    struct xbar_snapshot *snapshot;
    struct board b;

    open_board(&b);
    take_away(&b.bus);
    end_region(&b.alias);
    snapshot = take(f);
    end_region(&b.leaves[0]);
    end_region(&b.bus);
    assert_int_equal(memory_region_init(&b.bus, NULL, "other", 0x1000), 0);
    place(&b.bus, 0, &b.leaves[1]);
    assert_int_equal(xbar_snapshot_restore(snapshot), 0);
    assert_null(b.leaves[1].container);
    xbar_snapshot_drop(snapshot);
    close_board(&b);
}

static void count_end(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    ++*(unsigned *)opaque;
}

/* Ended in the same transaction, which is then called off. */
static void test_an_end_that_did_not_happen(void **state)
{
    struct fixture *f = *state;
    struct xbar_snapshot *snapshot;
    unsigned ended = 0;
    struct board b;

    open_board(&b);
    snapshot = take(f);
    memory_region_transaction_begin();
    assert_int_equal(xbar_region_destroy(&b.leaves[0], count_end, &ended), 0);
    assert_int_equal(xbar_snapshot_restore(snapshot), -ESTALE);
    assert_int_equal(xbar_transaction_abort(), 0);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    take_away(&b.leaves[0]);
    assert_int_equal(xbar_snapshot_restore(snapshot), 0);
    assert_ptr_equal(b.leaves[0].container, &b.bus);
    xbar_snapshot_drop(snapshot);
    close_board(&b);
    assert_int_equal(ended, 0);
}

/* ---- Transactions ------------------------------------------------------ */

static void test_inside_a_transaction(void **state)
{
    struct fixture *f = *state;
    struct xbar_snapshot *snapshot;
    struct xbar_snapshot *none;
    struct board b;

    open_board(&b);
    snapshot = take(f);
    assert_int_equal(memory_region_set_address(&b.bus, 0x3000), 0);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_address(&b.alias, 0x9000), 0);
    assert_int_equal(xbar_snapshot_take(f->engine, &none), -EBUSY);
    assert_null(none);
    assert_int_equal(xbar_snapshot_restore(snapshot), 0);
    assert_int_equal(memory_region_set_size(&b.bus, 0x800), 0);
    assert_int_equal(xbar_transaction_abort(), 0);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    assert_int_equal(b.bus.addr, 0x3000);
    assert_int_equal(b.alias.addr, 0x8000);
    assert_int_equal(memory_region_size(&b.bus), 0x1000);
    assert_int_equal(xbar_snapshot_restore(snapshot), 0);
    assert_int_equal(b.bus.addr, 0x1000);
    xbar_snapshot_drop(snapshot);
    close_board(&b);
}

/* Aliases made since hang above what comes back. */
static void test_too_deep(void **state)
{
    struct fixture *f = *state;
    struct xbar_snapshot *snapshot;
    MemoryRegion *aliases = calloc(XBAR_TREE_MAX_DEPTH, sizeof(*aliases));
    struct board b;

    open_board(&b);
    snapshot = take(f);
    for (int i = 0; i < LEAVES; i++) {
        take_away(&b.leaves[i]);
    }
    for (int i = 0; i < XBAR_TREE_MAX_DEPTH; i++) {
        assert_int_equal(memory_region_init_alias(&aliases[i], NULL, NULL,
                                                  i ? &aliases[i - 1] : &b.bus,
                                                  0, 0x1000),
                         0);
    }
    assert_int_equal(xbar_snapshot_restore(snapshot), -ELOOP);
    assert_null(b.leaves[0].container);
    for (int i = XBAR_TREE_MAX_DEPTH; i-- > 0;) {
        end_region(&aliases[i]);
    }
    assert_int_equal(xbar_snapshot_restore(snapshot), 0);
    assert_ptr_equal(b.leaves[0].container, &b.bus);
    xbar_snapshot_drop(snapshot);
    close_board(&b);
    free(aliases);
}

/* ---- What it costs ----------------------------------------------------- */

/* Not by edits, and not by devices that are plugged in and out. */
static void test_memory_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct xbar_snapshot *snapshot;
    MemoryRegion card;
    struct board b;
    size_t bytes = 0;
    size_t empty;

    open_board(&b);
    snapshot = take(f);
    empty = f->bytes;
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(
            memory_region_init_io(&card, NULL, NULL, NULL, "card", 0x100), 0);
        place(&b.bus, 0x800, &card);
        assert_int_equal(memory_region_set_address(&b.leaves[0], 1 + i), 0);
        end_region(&card);
        bytes = i == 0 ? f->bytes : bytes;
    }
    assert_int_equal(f->bytes, bytes);
    assert_in_range(bytes - empty, 1, 128);
    assert_int_equal(xbar_snapshot_restore(snapshot), 0);
    assert_int_equal(f->bytes, empty);
    xbar_snapshot_drop(snapshot);
    close_board(&b);
}

/* Many notes: the table grows, or does not if memory is short. */
static void test_many_regions(void **state)
{
    struct fixture *f = *state;
    struct xbar_snapshot *snapshot;
    struct xbar_snapshot *newer;
    const size_t count = 1000;
    MemoryRegion *regions = calloc(count, sizeof(*regions));
    MemoryRegion root;

    assert_int_equal(memory_region_init(&root, NULL, "root", UINT64_MAX), 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(memory_region_init(&regions[i], NULL, NULL, 0x10), 0);
        place(&root, 0x10 * i, &regions[i]);
    }
    snapshot = take(f);
    newer = take(f);
    for (size_t i = 0; i < count; i++) {
        /* The table's, which comes after the note's. */
        f->fail_at = i % 3 && i >= 64 ? f->requests + 2 : 0;
        assert_int_equal(memory_region_set_enabled(&regions[i], false), 0);
    }
    f->fail_at = 0;
    xbar_snapshot_drop(newer);
    assert_int_equal(xbar_snapshot_restore(snapshot), 0);
    for (size_t i = 0; i < count; i++) {
        assert_true(regions[i].flags & XBAR_REGION_ENABLED);
    }
    xbar_snapshot_drop(snapshot);
    for (size_t i = 0; i < count; i++) {
        end_region(&regions[i]);
    }
    end_region(&root);
    free(regions);
}

/* Snapshots keep their engine. */
static void test_an_engine_with_a_snapshot(void **state)
{
    struct fixture *f = *state;
    struct xbar_snapshot *snapshot = take(f);

    assert_int_equal(xbar_engine_leave(f->engine), 0);
    assert_int_equal(xbar_engine_free(f->engine), -EBUSY);
    assert_int_equal(xbar_engine_enter(f->engine), 0);
    xbar_snapshot_drop(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_all_that_edits_say),
        engine_test(test_order_and_priority),
        engine_test(test_ram_gets_its_size_back),
        engine_test(test_upside_down),
        engine_test(test_back_and_forth),
        engine_test(test_what_was_made_since),
        engine_test(test_what_has_ended_is_missed),
        engine_test(test_an_alias_whose_target_ended),
        engine_test(test_what_nothing_left_shows),
        engine_test(test_an_end_that_did_not_happen),
        engine_test(test_inside_a_transaction),
        engine_test(test_too_deep),
        engine_test(test_memory_is_bounded),
        engine_test(test_many_regions),
        engine_test(test_an_engine_with_a_snapshot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
