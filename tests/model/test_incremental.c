/* SPDX-License-Identifier: MIT */
/*
 * Views that are changed window by window equal views made from scratch.
 *
 * Random edits of a small tree: all kinds of regions, nested, aliases of
 * aliases, overlaps at equal priority, regions that end and come back, several
 * address spaces on different roots. After every commit, in each of them:
 *
 *     the sections are what rendering the whole tree gives
 *     a section that says what it said is the same object
 *     subscribers were told of exactly those that came or went
 *     a transaction that was called off, or for which memory did not suffice,
 *     left the very same view
 *
 * That rendering itself is right is test_flatview_model's business.
 * XBAR_MODEL_EDITS says how many edits, XBAR_MODEL_SEED where to start.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/rcu.h"
#include "flatview/flatview_internal.h"
#include "flatview/render/render.h"
#include "tests/model/world.h"

#if defined(TESTS_UNDER_ASAN) || defined(TESTS_UNDER_TSAN)
#define DEFAULT_EDITS 200000
#else
#define DEFAULT_EDITS 1000000
#endif

#define NODES         120
#define ROOTS         4 /* containers that stay, mostly at the top */
#define SPACES        3
#define SECTIONS      4096 /* kept of a view; more are an error */
#define EDITS_A_WORLD 1000

/* Of a view, as it was: sections may be replaced, but are not freed yet. */
struct picture {
    const FlatRange *sections[SECTIONS];
    size_t count;
};

struct garden;

struct space {
    struct xbar_view_subscriber sub;
    struct garden *garden;
    AddressSpace as;
    struct picture before;
    struct xbar_range told[2 * SECTIONS];
    size_t told_count;
    unsigned calls;
};

struct garden {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    MemoryRegion nodes[NODES];
    bool is_ending[NODES];
    struct space spaces[SPACES];
    char memory[MEMORY_BYTES];
    uint64_t seed;
    uint64_t voids; /* for which memory did not suffice */
    bool subscribers_edit;
};

static uint64_t draw(struct garden *g)
{
    uint64_t z = (g->seed += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static unsigned pick(struct garden *g, unsigned n)
{
    return (unsigned)(draw(g) % n);
}

/* ---- Pictures ---------------------------------------------------------- */

static void take_picture(const AddressSpace *as, struct picture *picture)
{
    const FlatView *view = as->current_map;
    const FlatRange *range = flatview_next_range(view, 0);

    picture->count = 0;
    while (range != NULL) {
        assert_true(picture->count < SECTIONS);
        picture->sections[picture->count++] = range;
        range = flatview__range_after(view, range);
    }
    assert_int_equal(picture->count, flatview_num_ranges(view));
}

static bool says_what(const FlatRange *range, const FlatRange *other)
{
    return range->first == other->first && range->last == other->last &&
           range->mr == other->mr && range->mr_delta == other->mr_delta &&
           range->host_delta == other->host_delta &&
           range->plan == other->plan && range->flags == other->flags;
}

static void check_rendering(struct garden *g, const AddressSpace *as,
                            const struct picture *picture)
{
    static const struct xbar_range whole_space = { 0, UINT64_MAX };
    struct flatview_pieces pieces = { .items = NULL };

    xbar_tree_hold(g->engine);
    assert_int_equal(flatview__render(as->root, whole_space, &pieces), 0);
    xbar_tree_release(g->engine);
    assert_int_equal(pieces.count, picture->count);
    for (size_t i = 0; i < pieces.count; i++) {
        const struct flatview_piece *piece = &pieces.items[i];
        const FlatRange expected = { .first = piece->first,
                                     .last = piece->last,
                                     .mr_delta = piece->mr_delta,
                                     .host_delta = piece->host_delta,
                                     .mr = piece->mr,
                                     .plan = piece->plan,
                                     .flags = piece->flags };

        assert_true(says_what(picture->sections[i], &expected));
    }
    flatview__pieces_free(g->engine, &pieces);
}

/* Ascending order of @first: what touches is one range. */
static void expect_range(struct xbar_range *ranges, size_t *count, hwaddr first,
                         hwaddr last)
{
    struct xbar_range *newest = ranges + *count;

    if (*count != 0 &&
        (first <= (--newest)->last || first - 1 == newest->last)) {
        newest->last = last > newest->last ? last : newest->last;
        return;
    }
    ranges[(*count)++] = (struct xbar_range){ first, last };
}

/* Who is in one picture only came or went: that is what was to be told. */
static void check_news(const struct space *s, const struct picture *after)
{
    static struct xbar_range expected[2 * SECTIONS];
    const struct picture *before = &s->before;
    size_t count = 0;
    size_t i = 0;
    size_t k = 0;

    while (i < before->count || k < after->count) {
        const FlatRange *old = i < before->count ? before->sections[i] : NULL;
        const FlatRange *new = k < after->count ? after->sections[k] : NULL;

        if (old == new) {
            i++;
            k++;
        } else if (new == NULL || (old != NULL && old->first < new->first)) {
            expect_range(expected, &count, old->first, old->last);
            i++;
        } else {
            assert_false(old != NULL && says_what(old, new));
            expect_range(expected, &count, new->first, new->last);
            k++;
        }
    }
    assert_int_equal(s->calls, count != 0);
    assert_int_equal(s->told_count, count);
    assert_memory_equal(s->told, expected, count * sizeof(expected[0]));
}

static void edit_again(struct garden *g);

static void listen(struct xbar_view_subscriber *sub,
                   const struct xbar_range *ranges, size_t count)
{
    struct space *s = (struct space *)sub;

    if (s->garden->subscribers_edit) {
        edit_again(s->garden);
        return;
    }
    s->calls++;
    assert_true(count <= 2 * SECTIONS);
    memcpy(s->told, ranges, count * sizeof(ranges[0]));
    s->told_count = count;
}

static void check_space(struct garden *g, struct space *s)
{
    static struct picture after;

    take_picture(&s->as, &after);
    check_rendering(g, &s->as, &after);
    if (!g->subscribers_edit) {
        check_news(s, &after);
    }
    s->before = after;
    s->calls = 0;
    s->told_count = 0;
}

static void check_spaces(struct garden *g)
{
    for (int i = 0; i < SPACES; i++) {
        check_space(g, &g->spaces[i]);
    }
}

/* ---- Regions ----------------------------------------------------------- */

/* Leaves are small, mostly: a large one hides everything. */
static uint64_t draw_size(struct garden *g, bool is_leaf)
{
    switch (pick(g, 32)) {
    case 0:
        return pick(g, 2);
    case 1:
        return UINT64_MAX;
    case 2:
    case 3:
        return 1 + pick(g, MEMORY_BYTES);
    default:
        return 1 + pick(g, is_leaf ? 32 : 256);
    }
}

static hwaddr draw_addr(struct garden *g)
{
    return pick(g, 16) == 0 ? (hwaddr)0 - 1 - pick(g, 200) : pick(g, 512);
}

static bool is_alive(const struct garden *g, int i)
{
    return g->nodes[i].engine != NULL && !g->is_ending[i];
}

/* A size that memory allows; the first nodes stay containers. */
static void make(struct garden *g, int i)
{
    MemoryRegion *mr = &g->nodes[i];
    int target = (int)pick(g, NODES);
    unsigned kind = i < ROOTS ? 0 : pick(g, 6);
    uint64_t size = draw_size(g, kind != 0);
    int err;

    switch (kind) {
    case 0:
        err = memory_region_init(mr, NULL, NULL, i < ROOTS ? UINT64_MAX : size);
        break;
    case 1:
        err = memory_region_init_ram_ptr(
            mr, NULL, NULL, size > MEMORY_BYTES ? MEMORY_BYTES : size,
            g->memory);
        break;
    case 2:
        err = memory_region_init_io(mr, NULL, NULL, NULL, NULL, size);
        break;
    case 3:
        err =
            memory_region_init_io(mr, NULL, &device_ops, g->memory, NULL, size);
        break;
    default:
        target = is_alive(g, target) && target != i ? target : 0;
        err = memory_region_init_alias(mr, NULL, NULL, &g->nodes[target],
                                       pick(g, 4) ? 0 : pick(g, 64), size);
    }
    assert_int_equal(err, 0);
    g->is_ending[i] = false;
}

static void note_end(MemoryRegion *mr, void *opaque)
{
    struct garden *g = opaque;

    g->is_ending[mr - g->nodes] = false;
    mr->engine = NULL;
}

/* ---- Edits ------------------------------------------------------------- */

/* @why: what the transaction may end with, or 0. */
static void check_refusals(int err, int why)
{
    assert_true(err == 0 || is_refusal(err) || err == why);
}

static int edit_edge(struct garden *g, int i)
{
    MemoryRegion *mr = &g->nodes[i];
    int parent = (int)pick(g, pick(g, 4) ? ROOTS : NODES);

    if (mr->container != NULL) {
        return pick(g, 4) ? memory_region_set_address(mr, draw_addr(g))
                          : memory_region_del_subregion(mr->container, mr);
    }
    if (!is_alive(g, parent)) {
        return 0;
    }
    return memory_region_add_subregion_overlap(&g->nodes[parent], draw_addr(g),
                                               mr, (int)pick(g, 3) - 1);
}

/* Before the commit nothing of it is gone. */
static int end_node(struct garden *g, int i)
{
    int err = 0;

    if (i >= ROOTS && pick(g, 4) == 0) {
        err = xbar_region_destroy(&g->nodes[i], note_end, g);
        g->is_ending[i] = err == 0;
    }
    return err;
}

static int edit(struct garden *g)
{
    int i = (int)pick(g, NODES);
    MemoryRegion *mr = &g->nodes[i];

    if (!is_alive(g, i)) {
        return 0;
    }
    switch (pick(g, 16)) {
    case 0:
        return end_node(g, i);
    case 1:
    case 2:
        return memory_region_set_enabled(mr, pick(g, 4) != 0);
    case 3:
        return memory_region_set_readonly(mr,
                                          !(mr->flags & XBAR_REGION_READONLY));
    case 4:
    case 5:
        return memory_region_set_size(mr, i < ROOTS && pick(g, 8)
                                              ? UINT64_MAX
                                              : draw_size(g, mr->plan != NULL));
    case 6:
    case 7:
        return memory_region_set_alias_offset(mr, pick(g, 64));
    case 8:
    case 9:
    case 10:
        return memory_region_set_address(mr, draw_addr(g));
    default:
        return edit_edge(g, i);
    }
}

/* From a subscriber: in a third of all rounds, so that they come to an end. */
static void edit_again(struct garden *g)
{
    unsigned count = pick(g, 3) == 0 ? 1 + pick(g, 3) : 0;

    while (count-- > 0) {
        int i = ROOTS + (int)pick(g, NODES - ROOTS);

        if (is_alive(g, i)) {
            check_refusals(pick(g, 3) ? edit_edge(g, i)
                                      : memory_region_set_enabled(&g->nodes[i],
                                                                  pick(g, 2)),
                           -ENOMEM);
        }
    }
}

/* ---- Transactions ------------------------------------------------------ */

/* What a void transaction must leave as it was. */
struct past {
    bool is_ending[NODES];
    const FlatView *views[SPACES];
};

static void remember(const struct garden *g, struct past *past)
{
    memcpy(past->is_ending, g->is_ending, sizeof(past->is_ending));
    for (int i = 0; i < SPACES; i++) {
        past->views[i] = g->spaces[i].as.current_map;
    }
}

static void check_past(struct garden *g, const struct past *past)
{
    memcpy(g->is_ending, past->is_ending, sizeof(past->is_ending));
    for (int i = 0; i < SPACES; i++) {
        assert_ptr_equal(g->spaces[i].as.current_map, past->views[i]);
    }
}

/* Called off, or not, at random. Return: how many edits. */
static unsigned run_edits(struct garden *g, int why)
{
    unsigned count = pick(g, 2) ? 1 : 1 + pick(g, 6);

    for (unsigned i = 0; i < count; i++) {
        check_refusals(edit(g), why);
        if (why == -ECANCELED && pick(g, 2)) {
            assert_int_equal(xbar_transaction_abort(), 0);
        }
    }
    if (why == -ECANCELED) {
        assert_int_equal(xbar_transaction_abort(), 0);
    }
    return count;
}

/* Return: how many edits. */
static unsigned transact(struct garden *g)
{
    static const int endings[16] = { -ECANCELED, -ENOMEM, -ENOMEM, -ENOMEM };
    const int why = endings[pick(g, 16)];
    struct past past;
    unsigned count;
    int err;

    remember(g, &past);
    counting_alloc_fail(&g->alloc, why == -ENOMEM ? 1 + (long)pick(g, 4) : 0);
    memory_region_transaction_begin();
    count = run_edits(g, why);
    err = memory_region_transaction_commit();
    counting_alloc_fail(&g->alloc, 0);
    assert_true(err == why || (err == 0 && why == -ENOMEM));
    if (err != 0) {
        check_past(g, &past);
        g->voids += err == -ENOMEM;
    }
    return count;
}

/* ---- Life -------------------------------------------------------------- */

static void open_space(struct garden *g, struct space *s, int root)
{
    memset(s, 0, sizeof(*s));
    s->garden = g;
    assert_int_equal(address_space_init(&s->as, &g->nodes[root], "space"), 0);
    take_picture(&s->as, &s->before);
    s->sub.changed = listen;
    xbar_view_subscribe(&s->as, &s->sub);
}

static void close_space(struct space *s)
{
    xbar_view_unsubscribe(&s->as, &s->sub);
    assert_int_equal(xbar_address_space_destroy(&s->as, NULL, NULL), 0);
}

/* What ended is made anew; one space goes and shows something else. */
static void renew(struct garden *g)
{
    struct space *s = &g->spaces[SPACES - 1];
    int root = (int)pick(g, NODES);

    close_space(s);
    assert_true(xbar_engine_reclaim(g->engine) >= 0);
    for (int i = 0; i < NODES; i++) {
        if (g->nodes[i].engine == NULL) {
            make(g, i);
        }
    }
    open_space(g, s, is_alive(g, root) ? root : 1);
}

static void begin_garden(struct garden *g, uint64_t seed, bool subscribers_edit)
{
    memset(g, 0, sizeof(*g));
    g->seed = seed;
    g->subscribers_edit = subscribers_edit;
    g->engine = counting_alloc_engine(&g->alloc);
    assert_int_equal(xbar_engine_enter(g->engine), 0);
    for (int i = 0; i < NODES; i++) {
        make(g, i);
    }
    for (int i = 0; i < 2 * NODES; i++) {
        check_refusals(edit_edge(g, 1 + (int)pick(g, NODES - 1)), 0);
    }
    for (int i = 0; i < SPACES; i++) {
        open_space(g, &g->spaces[i], i);
    }
}

static uint64_t total_voids;

static void end_garden(struct garden *g)
{
    for (int i = 0; i < SPACES; i++) {
        close_space(&g->spaces[i]);
    }
    for (int i = 0; i < NODES; i++) {
        if (is_alive(g, i)) {
            assert_int_equal(xbar_region_destroy(&g->nodes[i], NULL, NULL), 0);
        }
    }
    assert_true(xbar_engine_reclaim(g->engine) >= 0);
    assert_int_equal(xbar_engine_leave(g->engine), 0);
    assert_int_equal(xbar_engine_free(g->engine), 0);
    assert_int_equal(atomic_load(&g->alloc.live_bytes), 0);
    total_voids += g->voids;
}

/* ---- The test ---------------------------------------------------------- */

static uint64_t current_seed;

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static uint64_t run_garden(struct garden *g, uint64_t seed,
                           bool subscribers_edit)
{
    uint64_t edits = 0;

    begin_garden(g, seed, subscribers_edit);
    while (edits < EDITS_A_WORLD) {
        edits += transact(g);
        check_spaces(g);
        if (pick(g, 64) == 0) {
            renew(g);
        }
    }
    end_garden(g);
    return edits;
}

static void run_gardens(uint64_t edits, bool subscribers_edit)
{
    static struct garden g;
    uint64_t done = 0;

    total_voids = 0;
    current_seed = number_from("XBAR_MODEL_SEED", 1);
    for (; done < edits; current_seed++) {
        done += run_garden(&g, current_seed, subscribers_edit);
    }
    assert_true(total_voids > done / 500);
}

static void test_every_commit(void **state)
{
    (void)state;
    run_gardens(number_from("XBAR_MODEL_EDITS", DEFAULT_EDITS), false);
}

/* Rounds that begin where others are told; memory may end in any of them. */
static void test_every_round(void **state)
{
    (void)state;
    run_gardens(number_from("XBAR_MODEL_EDITS", DEFAULT_EDITS / 4), true);
}

static int name_seed(void **state)
{
    (void)state;
    fprintf(stderr, "last garden: XBAR_MODEL_SEED=%llu XBAR_MODEL_EDITS=1\n",
            (unsigned long long)current_seed);
    return 0;
}

/* Nobody reads while this thread reclaims, so there is nothing to wait for. */
static void wait_for_nobody(void)
{
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_every_commit, name_seed),
        cmocka_unit_test_teardown(test_every_round, name_seed),
    };

    xbar_rcu_synchronize_hook = wait_for_nobody;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
