/* SPDX-License-Identifier: MIT */
/*
 * Random trees against an oracle that knows only the rules (world.h): the
 * sections, lookups and real accesses, after every commit of random edits in
 * nested and aborted transactions.
 *
 *     test_random_trees   few states of many trees: every address, all accesses
 *     test_states         many states, an edit apart: what one more or one less
 *                         section would show at, and some addresses at random
 *
 * XBAR_MODEL_TREES sets how many trees, XBAR_MODEL_STATES how many states;
 * XBAR_MODEL_SEED where to start. A failure names the tree's seed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/rcu.h"
#include "tests/model/world.h"

#if defined(TESTS_UNDER_ASAN) || defined(TESTS_UNDER_TSAN)
#define DEFAULT_TREES  3000
#define DEFAULT_STATES 1000000
#else
#define DEFAULT_TREES  20000
#define DEFAULT_STATES 10000000
#endif

#define EDITS_AT_ONCE 10
#define ROUNDS        2
#define STATES_A_TREE 250
#define STATES_A_LOOK 25 /* at the tree, and at every address */

/* ---- What an access should do ------------------------------------------ */

static MemTxResult expected_result(const struct world *w, struct answer a,
                                   MemTxAttrs attrs)
{
    if (is_memory(w, a)) {
        return MEMTX_OK;
    }
    if (attrs.memory) {
        return MEMTX_ACCESS_ERROR;
    }
    return is_device(w, a) ? MEMTX_OK : MEMTX_DECODE_ERROR;
}

/* A write that is dropped on the way does not fail. */
static MemTxResult expected_write_result(const struct world *w, struct answer a,
                                         MemTxAttrs attrs)
{
    MemTxResult result = expected_result(w, a, attrs);

    return a.node >= 0 && a.readonly && !attrs.memory ? MEMTX_OK : result;
}

static unsigned char expected_byte(const struct world *w, struct answer a,
                                   MemTxAttrs attrs)
{
    return expected_result(w, a, attrs) == MEMTX_OK
               ? w->memory[a.node][a.offset % MEMORY_BYTES]
               : 0;
}

/* The oracle's answers from the world's base on; it is slow. */
static struct answer answers[2 * WORLD_BYTES];

/* The bytes past 2^64 are nobody's. */
static void ask_oracle(const struct world *w)
{
    struct answer nobody = { .node = -1 };

    for (hwaddr i = 0; i < 2 * WORLD_BYTES; i++) {
        answers[i] =
            i > UINT64_MAX - w->base ? nobody : world_answer(w, w->base + i);
    }
}

static struct answer answer_at(const struct world *w, hwaddr addr,
                               hwaddr offset)
{
    return answers[addr - w->base + offset];
}

/* ---- Accesses ---------------------------------------------------------- */

static void check_read(struct world *w, hwaddr addr, unsigned length,
                       MemTxAttrs attrs)
{
    unsigned char bytes[2 * WORLD_BYTES];
    MemTxResult result = MEMTX_OK;

    memset(bytes, 0xee, sizeof(bytes));
    assert_true(length < sizeof(bytes));
    for (unsigned i = 0; i < length; i++) {
        result |= expected_result(w, answer_at(w, addr, i), attrs);
    }
    assert_int_equal(address_space_read(&w->as, addr, attrs, bytes, length),
                     result);
    for (unsigned i = 0; i < length; i++) {
        assert_int_equal(bytes[i],
                         expected_byte(w, answer_at(w, addr, i), attrs));
    }
    assert_int_equal(bytes[length], 0xee);
}

/* The write that the model does, on @memory. Return: the result. */
static MemTxResult model_write(const struct world *w, hwaddr addr,
                               const unsigned char *bytes, unsigned length,
                               MemTxAttrs attrs,
                               unsigned char (*memory)[MEMORY_BYTES])
{
    MemTxResult result = MEMTX_OK;

    for (unsigned i = 0; i < length; i++) {
        struct answer a = answer_at(w, addr, i);
        bool lands = expected_result(w, a, attrs) == MEMTX_OK && !a.readonly;

        result |= expected_write_result(w, a, attrs);
        if (lands) {
            memory[a.node][a.offset % MEMORY_BYTES] = bytes[i];
        }
    }
    return result;
}

static void check_write(struct world *w, hwaddr addr, unsigned length,
                        MemTxAttrs attrs)
{
    static unsigned char memory[WORLD_NODES][MEMORY_BYTES];
    unsigned char bytes[64];
    MemTxResult result;

    for (unsigned i = 0; i < length; i++) {
        bytes[i] = (unsigned char)world_random(w);
    }
    memcpy(memory, w->memory, sizeof(memory));
    result = model_write(w, addr, bytes, length, attrs, memory);
    assert_int_equal(address_space_rw(&w->as, addr, attrs, bytes, length, true),
                     result);
    assert_memory_equal(memory, w->memory, sizeof(memory));
}

static uint64_t load_width(struct world *w, hwaddr addr, unsigned size,
                           MemTxAttrs attrs, MemTxResult *result)
{
    switch (size) {
    case 1:
        return address_space_ldub(&w->as, addr, attrs, result);
    case 2:
        return address_space_lduw_le(&w->as, addr, attrs, result);
    case 4:
        return address_space_ldl_le(&w->as, addr, attrs, result);
    default:
        return address_space_ldq_le(&w->as, addr, attrs, result);
    }
}

static void store_width(struct world *w, hwaddr addr, unsigned size,
                        uint64_t value, MemTxAttrs attrs, MemTxResult *result)
{
    switch (size) {
    case 1:
        address_space_stb(&w->as, addr, (uint8_t)value, attrs, result);
        break;
    case 2:
        address_space_stw_le(&w->as, addr, (uint16_t)value, attrs, result);
        break;
    case 4:
        address_space_stl_le(&w->as, addr, (uint32_t)value, attrs, result);
        break;
    default:
        address_space_stq_le(&w->as, addr, value, attrs, result);
    }
}

static void check_load(struct world *w, hwaddr addr, unsigned size,
                       MemTxAttrs attrs)
{
    MemTxResult expected = MEMTX_OK;
    MemTxResult result;
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        struct answer a = answer_at(w, addr, i);

        expected |= expected_result(w, a, attrs);
        value |= (uint64_t)expected_byte(w, a, attrs) << (8 * i);
    }
    assert_int_equal(load_width(w, addr, size, attrs, &result), value);
    assert_int_equal(result, expected);
}

static void check_store(struct world *w, hwaddr addr, unsigned size,
                        MemTxAttrs attrs)
{
    static unsigned char memory[WORLD_NODES][MEMORY_BYTES];
    uint64_t value = world_random(w);
    unsigned char bytes[8];
    MemTxResult expected;
    MemTxResult result;

    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(value >> (8 * i));
    }
    memcpy(memory, w->memory, sizeof(memory));
    expected = model_write(w, addr, bytes, size, attrs, memory);
    store_width(w, addr, size, value, attrs, &result);
    assert_int_equal(result, expected);
    assert_memory_equal(memory, w->memory, sizeof(memory));
}

static void check_accesses(struct world *w)
{
    MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;

    ask_oracle(w);
    for (unsigned i = 0; i < WORLD_BYTES; i++) {
        check_load(w, w->base + i, 1, attrs);
    }
    check_read(w, w->base, WORLD_BYTES, attrs);
    for (unsigned i = 0; i < 16; i++) {
        hwaddr addr = w->base + world_pick(w, WORLD_BYTES);
        unsigned size = 1u << world_pick(w, 4);

        attrs.memory = world_pick(w, 4) == 0;
        check_load(w, addr, size, attrs);
        check_store(w, addr, size, attrs);
        check_read(w, addr, world_pick(w, WORLD_BYTES), attrs);
        check_write(w, addr, world_pick(w, 64), attrs);
    }
}

/* ---- Trees ------------------------------------------------------------- */

/* Some edits in nested transactions; one in eight is called off. */
static void edit_some(struct world *w)
{
    struct shadow before = w->shadow;
    unsigned depth = 1 + world_pick(w, 3);
    bool aborted = world_pick(w, 8) == 0;
    unsigned abort_at = world_pick(w, EDITS_AT_ONCE);

    for (unsigned i = 0; i < depth; i++) {
        memory_region_transaction_begin();
    }
    for (unsigned i = 0; i < EDITS_AT_ONCE; i++) {
        int err = world_edit(w);

        if (aborted && i >= abort_at) {
            assert_int_equal(xbar_transaction_abort(), 0);
        }
        assert_true(err == 0 || is_refusal(err) ||
                    (aborted && err == -ECANCELED));
    }
    for (unsigned i = 1; i < depth; i++) {
        assert_int_equal(memory_region_transaction_commit(),
                         aborted ? -ECANCELED : 0);
    }
    assert_int_equal(memory_region_transaction_commit(),
                     aborted ? -ECANCELED : 0);
    if (aborted) {
        w->shadow = before;
    }
}

/* A region ends, and another kind of region takes its place. */
static void replace_node(struct world *w)
{
    int i = 1 + (int)world_pick(w, WORLD_NODES - 1);

    assert_int_equal(xbar_region_destroy(&w->regions[i], NULL, NULL), 0);
    for (int k = 0; k < WORLD_NODES; k++) {
        struct node *n = &w->shadow.nodes[k];

        n->container = n->container == i ? -1 : n->container;
        n->target = n->target == i ? -1 : n->target;
    }
    make_node(w, i, (enum kind)world_pick(w, RESERVED + 1));
}

static void run_tree(struct world *w, uint64_t seed)
{
    world_init(w, seed);
    edit_some(w);
    for (int round = 0; round < ROUNDS; round++) {
        if (world_pick(w, 4) == 0) {
            replace_node(w);
        }
        edit_some(w);
        world_check_tree(w);
        world_check_view(w);
        check_accesses(w);
        assert_true(xbar_engine_reclaim(w->engine) >= 0);
    }
    world_end(w);
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static uint64_t current_seed;

static void test_random_trees(void **state)
{
    static struct world w;
    uint64_t first = number_from("XBAR_MODEL_SEED", 1);
    uint64_t count = number_from("XBAR_MODEL_TREES", DEFAULT_TREES);

    (void)state;
    for (current_seed = first; current_seed < first + count; current_seed++) {
        run_tree(&w, current_seed);
    }
}

/* Beside each section, where a neighbour or a hole begins. */
static void check_edges(const struct world *w, const FlatView *view)
{
    const FlatRange *range = flatview_next_range(view, 0);

    while (range != NULL) {
        hwaddr after = range->last + 1;

        if (range->first != 0) {
            check_section(w, flatview_lookup(view, range->first - 1),
                          range->first - 1);
        }
        if (after == 0) {
            return;
        }
        check_section(w, flatview_lookup(view, after), after);
        range = flatview_next_range(view, after);
    }
}

/*
 * Where each region would be if it hung in the root: a section that is missing
 * with all of its neighbours is noticed, too.
 */
static void check_places(struct world *w, const FlatView *view)
{
    for (int i = 0; i < WORLD_NODES; i++) {
        hwaddr addr = w->shadow.nodes[i].addr;

        check_section(w, flatview_lookup(view, addr), addr);
        addr = w->base + world_pick(w, WORLD_BYTES);
        check_section(w, flatview_lookup(view, addr), addr);
    }
}

/* One edit, or a few at once; its commit; and what is seen then. */
static void run_state(struct world *w)
{
    const FlatView *view;

    memory_region_transaction_begin();
    do {
        int err = world_edit(w);

        assert_true(err == 0 || is_refusal(err));
    } while (world_pick(w, 4) == 0);
    assert_int_equal(memory_region_transaction_commit(), 0);
    xbar_read_begin();
    view = address_space_to_flatview(&w->as);
    check_ranges(w, view);
    check_edges(w, view);
    check_places(w, view);
    xbar_read_end();
}

static void run_states(struct world *w, uint64_t seed)
{
    world_init(w, seed);
    edit_some(w);
    for (int i = 0; i < STATES_A_TREE; i++) {
        run_state(w);
        if (i % STATES_A_LOOK == 0) {
            world_check_tree(w);
            world_check_view(w);
            replace_node(w);
            assert_true(xbar_engine_reclaim(w->engine) >= 0);
        }
    }
    world_end(w);
}

static void test_states(void **state)
{
    static struct world w;
    uint64_t wanted = number_from("XBAR_MODEL_STATES", DEFAULT_STATES);

    (void)state;
    current_seed = number_from("XBAR_MODEL_SEED", 1);
    for (uint64_t done = 0; done < wanted; done += STATES_A_TREE) {
        run_states(&w, current_seed++);
    }
}

static int name_seed(void **state)
{
    (void)state;
    fprintf(stderr, "last tree: XBAR_MODEL_SEED=%llu XBAR_MODEL_TREES=1\n",
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
        cmocka_unit_test_teardown(test_random_trees, name_seed),
        cmocka_unit_test_teardown(test_states, name_seed),
    };

    xbar_rcu_synchronize_hook = wait_for_nobody;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
