/* SPDX-License-Identifier: MIT */
/*
 * The index against a list that is searched from end to end, over random
 * insertions, removals, moves and windows, near both ends of the address space,
 * in transactions that end well or are undone.
 */
#include "engine/interval.h"

#include "engine/engine_internal.h"
#include "tests/unit/engine/fixture.h"

#define NODES 600

struct model {
    MemoryRegion container;
    MemoryRegion nodes[NODES];
    bool is_in[NODES];
    unsigned count;
    uint64_t random;
    bool seen[NODES];
    hwaddr previous;
};

static bool overlaps(const MemoryRegion *mr, hwaddr first, hwaddr last)
{
    return mr->addr <= last && interval__end(mr) >= first;
}

/* Addresses cluster at 0, in the middle and at 2^64, where sums wrap. */
static hwaddr random_addr(struct model *m)
{
    static const hwaddr bases[] = { 0, (hwaddr)1 << 40, UINT64_MAX - 255 };

    return bases[next_random(&m->random) % 3] + next_random(&m->random) % 256;
}

static uint64_t random_last(struct model *m)
{
    switch (next_random(&m->random) % 8) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return next_random(&m->random);
    default:
        return next_random(&m->random) % 64;
    }
}

static void put_in(struct model *m, unsigned i)
{
    assert_int_equal(interval__insert(&m->container, &m->nodes[i]), 0);
    m->is_in[i] = true;
    m->count++;
}

static void take_out(struct model *m, unsigned i)
{
    interval__remove(&m->container, &m->nodes[i]);
    m->is_in[i] = false;
    m->count--;
}

/* In or out; or, if it is in, elsewhere, or of another size or height. */
static void change(struct model *m, unsigned i)
{
    MemoryRegion *mr = &m->nodes[i];
    hwaddr addr = random_addr(m);

    if (!m->is_in[i]) {
        mr->addr = addr;
        mr->last = random_last(m);
        mr->height = (uint16_t)(next_random(&m->random) % 9);
        put_in(m, i);
        return;
    }
    switch (next_random(&m->random) % 4) {
    case 0:
        if (addr != mr->addr) {
            assert_int_equal(interval__move(&m->container, mr, addr), 0);
        }
        break;
    case 1:
        mr->last = random_last(m);
        mr->height = (uint16_t)(next_random(&m->random) % 9);
        interval__refresh(&m->container, mr);
        break;
    default:
        take_out(m, i);
    }
}

static int note(void *opaque, MemoryRegion *mr)
{
    struct model *m = opaque;
    ptrdiff_t i = mr - m->nodes;

    assert_false(m->seen[i]);
    assert_true(mr->addr >= m->previous);
    m->previous = mr->addr;
    m->seen[i] = true;
    return 0;
}

/* The same few as m->seen says, each once; too many is said too early at most. */
static void check_few(struct model *m, hwaddr first, hwaddr last, size_t count)
{
    MemoryRegion *few[XBAR_FEW_CHILDREN];
    size_t found =
        interval__few(&m->container, first, last, few, XBAR_FEW_CHILDREN);

    if (found > XBAR_FEW_CHILDREN) {
        assert_true(count > XBAR_FEW_CHILDREN / 2); /* room for a leaf */
        return;
    }
    assert_int_equal(found, count);
    for (unsigned i = 0; i < NODES; i++) {
        if (m->is_in[i]) {
            assert_int_equal(
                interval__is_alone(&m->container, &m->nodes[i], first, last),
                count == 1 && m->seen[i]);
        }
    }
    for (size_t i = 0; i < found; i++) {
        assert_true(m->seen[few[i] - m->nodes]);
        assert_true(i == 0 || few[i - 1]->addr <= few[i]->addr);
    }
}

static void check_window(struct model *m, hwaddr first, hwaddr last)
{
    size_t count = 0;

    memset(m->seen, 0, sizeof(m->seen));
    m->previous = 0;
    interval__fetch(&m->container, first); /* looks at what is there, at most */
    assert_int_equal(interval__overlaps(&m->container, first, last, note, m),
                     0);
    for (unsigned i = 0; i < NODES; i++) {
        assert_int_equal(m->seen[i],
                         m->is_in[i] && overlaps(&m->nodes[i], first, last));
        count += m->seen[i];
    }
    check_few(m, first, last, count);
}

static unsigned max_height(const struct model *m)
{
    unsigned height = 0;

    for (unsigned i = 0; i < NODES; i++) {
        if (m->is_in[i] && m->nodes[i].height > height) {
            height = m->nodes[i].height;
        }
    }
    return height;
}

static void check(const struct model *m)
{
    const MemoryRegion *any = interval__any(&m->container);

    assert_true(interval__is_valid(&m->container));
    assert_int_equal(interval__height(&m->container), max_height(m));
    assert_int_equal(m->container.child_count, m->count);
    assert_int_equal(any != NULL, m->count != 0);
    assert_true(any == NULL || m->is_in[any - m->nodes]);
}

static void check_random_window(struct model *m)
{
    hwaddr first = random_addr(m);
    hwaddr last = first + random_last(m);

    check_window(m, first, last < first ? UINT64_MAX : last);
}

static void open_model(struct model *m, struct xbar_engine *engine)
{
    memset(m, 0, sizeof(*m));
    m->random = 88172645463325252;
    m->container.engine = engine;
    for (unsigned i = 0; i < NODES; i++) {
        m->nodes[i].sequence = i;
    }
}

static uint64_t live_bytes(struct xbar_engine *engine)
{
    struct xbar_engine_stats stats;

    xbar_engine_get_stats(engine, &stats);
    return stats.bytes_live;
}

/* What is empty is given back: nothing is left when nothing is in. */
static void close_model(struct model *m, uint64_t bytes)
{
    struct xbar_engine *engine = m->container.engine;

    for (unsigned i = 0; i < NODES; i++) {
        if (m->is_in[i]) {
            take_out(m, i);
        }
    }
    check(m);
    interval__sweep(engine);
    assert_null(m->container.children);
    assert_int_equal(live_bytes(engine), bytes);
}

static void fill(struct model *m)
{
    for (unsigned i = 0; i < NODES; i++) {
        change(m, i);
    }
}

static void test_random_edits_and_windows(void **state)
{
    static struct model m;
    struct fixture *f = *state;
    uint64_t bytes = live_bytes(f->engine);

    open_model(&m, f->engine);
    for (unsigned round = 0; round < 10000; round++) {
        change(&m, (unsigned)(next_random(&m.random) % NODES));
        check(&m);
        check_random_window(&m);
        if (next_random(&m.random) % 40 == 0) {
            interval__sweep(f->engine);
            check(&m);
        }
    }
    check_window(&m, 0, UINT64_MAX);
    close_model(&m, bytes);
}

/* ---- Undoing ----------------------------------------------------------- */

#define STEPS 400

/* One region as it was. */
struct step {
    unsigned i;
    bool was_in;
    MemoryRegion was;
};

static void undo(struct model *m, const struct step *step)
{
    MemoryRegion *mr = &m->nodes[step->i];

    if (m->is_in[step->i] && step->was_in) {
        if (mr->addr != step->was.addr) {
            assert_int_equal(interval__move(&m->container, mr, step->was.addr),
                             0);
        }
        *mr = step->was;
        interval__refresh(&m->container, mr);
        return;
    }
    if (m->is_in[step->i]) {
        take_out(m, step->i);
    }
    *mr = step->was;
    if (step->was_in) {
        put_in(m, step->i);
    }
}

/* Newest first, without a byte of memory, whatever came in between. */
static void test_undoing_allocates_nothing(void **state)
{
    static struct model m;
    static struct step steps[STEPS];
    struct fixture *f = *state;
    uint64_t bytes = live_bytes(f->engine);

    open_model(&m, f->engine);
    for (unsigned round = 0; round < 60; round++) {
        unsigned among = round % 2 ? NODES : NODES / 8;
        uint64_t before;

        for (unsigned n = 0; n < STEPS; n++) {
            unsigned i = (unsigned)(next_random(&m.random) % among);

            steps[n] = (struct step){ i, m.is_in[i], m.nodes[i] };
            change(&m, i);
        }
        before = live_bytes(f->engine);
        for (unsigned n = STEPS; n-- > 0;) {
            undo(&m, &steps[n]);
        }
        assert_int_equal(live_bytes(f->engine), before);
        check(&m);
        interval__sweep(f->engine);
        check(&m);
        check_random_window(&m);
        for (unsigned n = 0; n < among / 4; n++) {
            change(&m, (unsigned)(next_random(&m.random) % NODES));
        }
    }
    close_model(&m, bytes);
}

/* ---- Memory that runs out ---------------------------------------------- */

struct meter {
    unsigned fail_in; /* 0: not */
};

static void *meter_alloc(void *opaque, size_t size, size_t align)
{
    struct meter *meter = opaque;
    void *ptr = NULL;

    if (meter->fail_in && --meter->fail_in == 0) {
        return NULL;
    }
    if (posix_memalign(&ptr, align < sizeof(ptr) ? sizeof(ptr) : align, size)) {
        return NULL;
    }
    return memset(ptr, 0, size);
}

static void meter_free(void *opaque, void *ptr, size_t size)
{
    (void)opaque;
    (void)size;
    free(ptr);
}

static void test_out_of_memory(void **state)
{
    static struct model m;
    struct meter meter = { 0 };
    struct xbar_allocator allocator = { meter_alloc, meter_free, &meter, true };
    struct xbar_engine_config config = { .allocator = &allocator };
    struct xbar_engine *engine = xbar_engine_new(&config);
    uint64_t bytes = live_bytes(engine);
    unsigned failed = 0;

    (void)state;
    open_model(&m, engine);
    for (unsigned i = 0; i < NODES; i++) {
        m.nodes[i].addr = random_addr(&m);
        for (unsigned n = 1;; n++) {
            uint64_t before = live_bytes(engine);

            meter.fail_in = n;
            if (interval__insert(&m.container, &m.nodes[i]) == 0) {
                break;
            }
            failed++;
            assert_int_equal(live_bytes(engine), before);
            check(&m);
        }
        meter.fail_in = 0;
        m.is_in[i] = true;
        m.count++;
    }
    assert_true(failed > NODES / 16);
    check_window(&m, 0, UINT64_MAX);
    close_model(&m, bytes);
    assert_int_equal(xbar_engine_free(engine), 0);
}

/* ---- The rest ---------------------------------------------------------- */

static int stop_at_third(void *opaque, MemoryRegion *mr)
{
    (void)mr;
    return ++*(unsigned *)opaque == 3 ? -ENOMEM : 0;
}

static void test_a_visitor_can_stop(void **state)
{
    static struct model m;
    struct fixture *f = *state;
    uint64_t bytes = live_bytes(f->engine);
    unsigned visits = 0;

    open_model(&m, f->engine);
    fill(&m);
    assert_int_equal(
        interval__overlaps(&m.container, 0, UINT64_MAX, stop_at_third, &visits),
        -ENOMEM);
    assert_int_equal(visits, 3);
    close_model(&m, bytes);
}

/* The validator is the oracle: it must see what it is for. */
static void test_validator_sees_damage(void **state)
{
    static struct model m;
    struct fixture *f = *state;
    uint64_t bytes = live_bytes(f->engine);

    open_model(&m, f->engine);
    fill(&m);
    for (unsigned i = 0; i < NODES; i += 7) {
        m.nodes[i].last ^= 1;
        assert_int_equal(interval__is_valid(&m.container),
                         interval__end(&m.nodes[i]) == UINT64_MAX);
        m.nodes[i].last ^= 1;
        m.nodes[i].addr ^= 1;
        assert_false(interval__is_valid(&m.container));
        m.nodes[i].addr ^= 1;
    }
    m.nodes[3].height = 10;
    assert_false(interval__is_valid(&m.container));
    m.nodes[3].height = 8;
    interval__refresh(&m.container, &m.nodes[3]);
    assert_true(interval__is_valid(&m.container));
    close_model(&m, bytes);
}

enum { MANY = 100000 };

/* Bytes of the index for each of MANY sub-regions that come as @place says. */
static uint64_t bytes_each(struct xbar_engine *engine,
                           hwaddr (*place)(unsigned i))
{
    MemoryRegion *nodes = calloc(MANY, sizeof(*nodes));
    MemoryRegion container = { .engine = engine };
    uint64_t bytes = live_bytes(engine);
    uint64_t index;

    assert_non_null(nodes);
    for (unsigned i = 0; i < MANY; i++) {
        nodes[i].addr = place(i) * 4096;
        nodes[i].last = 4095;
        nodes[i].sequence = i;
        assert_int_equal(interval__insert(&container, &nodes[i]), 0);
    }
    assert_true(interval__is_valid(&container));
    index = live_bytes(engine) - bytes;
    for (unsigned i = 0; i < MANY; i++) {
        interval__remove(&container, &nodes[i]);
    }
    interval__sweep(engine);
    assert_int_equal(live_bytes(engine), bytes);
    free(nodes);
    return index / MANY;
}

static hwaddr upwards(unsigned i)
{
    return i;
}

static hwaddr downwards(unsigned i)
{
    return MANY - i;
}

/* Below is full when what comes down from the top begins. */
static hwaddr up_and_down(unsigned i)
{
    return i < MANY / 2 ? i : 2 * MANY - i;
}

static hwaddr from_both_ends(unsigned i)
{
    return i % 2 ? 2 * MANY - i : i;
}

/* Full nodes where they come in order, as a board's do; else half full ones. */
static void test_a_board_takes_little(void **state)
{
    struct fixture *f = *state;

    assert_true(bytes_each(f->engine, upwards) <= 31);
    assert_true(bytes_each(f->engine, downwards) <= 31);
    assert_true(bytes_each(f->engine, up_and_down) <= 50);
    assert_true(bytes_each(f->engine, from_both_ends) <= 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_random_edits_and_windows),
        engine_test(test_undoing_allocates_nothing),
        cmocka_unit_test(test_out_of_memory),
        engine_test(test_a_visitor_can_stop),
        engine_test(test_validator_sees_damage),
        engine_test(test_a_board_takes_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
