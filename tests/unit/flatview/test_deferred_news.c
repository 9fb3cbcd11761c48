/* SPDX-License-Identifier: MIT */
/*
 * What listeners are told of eventfds and coalesced ranges: each that comes
 * goes once, and nothing goes that did not come, whatever callbacks do.
 *
 * Mirrors keep what they were told. Now and then one of them does something in
 * a callback: leaves, takes another away, brings one in, changes the lists or
 * the tree. When all is quiet each that is registered has what the view and the
 * lists make, and each that is not has nothing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "flatview/deferred_writes.h"
#include "flatview/listener.h"
#include "tests/unit/counting_alloc.h"

#define SPACE_SIZE 0x1000
#define DEVICES    2
#define EVENTS     6
#define RANGES     3
#define MIRRORS    3
#define ITEMS      128

/* Short enough for CI; XBAR_LONG runs ten times as many. */
#if defined(TESTS_UNDER_ASAN) || defined(TESTS_UNDER_TSAN)
#define ROUNDS 5000
#else
#define ROUNDS 30000
#endif

struct item {
    hwaddr addr;
    uint64_t size;
    uint64_t data;
};

struct mirror {
    MemoryListener listener;
    uint8_t shown[SPACE_SIZE];
    uint8_t queued[SPACE_SIZE]; /* ranges that a byte is in */
    struct item items[ITEMS];
    size_t count;
    bool is_registered;
    unsigned depth; /* of its callbacks that are under way */
};

struct world {
    struct xbar_engine *engine;
    MemoryRegion root;
    MemoryRegion dev[DEVICES];
    MemoryRegion alias;   /* of the first device */
    MemoryRegion over;    /* hides parts */
    MemoryRegion chip[2]; /* hide two parts of one eventfd */
    AddressSpace as;
    struct mirror mirrors[MIRRORS];
    EventNotifier notifier;
    /* what was set */
    bool events[DEVICES][EVENTS];
    unsigned ranges[DEVICES]; /* the first ones of range_table */
    uint64_t seed;
    unsigned fuse; /* callbacks until something happens; 0: nothing will */
};

static struct world world;

static unsigned random_below(unsigned n)
{
    world.seed ^= world.seed << 13;
    world.seed ^= world.seed >> 7;
    world.seed ^= world.seed << 17;
    return (unsigned)(world.seed >> 20) % n;
}

/* Across the edges of what `over` hides, too. */
static const struct item event_table[EVENTS] = {
    { 0x00, 4, 1 }, { 0x3e, 4, 2 }, { 0x40, 0, 0 },
    { 0x7f, 2, 3 }, { 0xf8, 8, 4 }, { 0x100, 4, 5 },
};

static const struct item range_table[RANGES] = {
    { 0x10, 0x40, 0 },
    { 0x00, 0x200, 0 },
    { 0x80, 1, 0 },
};

/* ---- What mirrors hear ------------------------------------------------- */

static void act(void);

static void enter(struct mirror *m)
{
    m->depth++;
    if (world.fuse != 0 && --world.fuse == 0) {
        act();
    }
    m->depth--;
}

static size_t find_item(const struct mirror *m, const struct item *item)
{
    size_t i = 0;

    while (i < m->count && memcmp(&m->items[i], item, sizeof(*item)) != 0) {
        i++;
    }
    return i;
}

static struct item make_item(hwaddr addr, uint64_t size, uint64_t data)
{
    return (struct item){ addr, size, data };
}

static void expect_shown(const struct mirror *m, const struct item *item)
{
    uint64_t size = item->size != 0 ? item->size : 1;

    for (uint64_t i = 0; i < size; i++) {
        assert_true(m->shown[item->addr + i]);
    }
}

static void item_comes(struct mirror *m, struct item item)
{
    expect_shown(m, &item);
    assert_int_equal(find_item(m, &item), m->count);
    assert_true(m->count < ITEMS);
    m->items[m->count++] = item;
    enter(m);
}

static void item_goes(struct mirror *m, struct item item)
{
    size_t i = find_item(m, &item);

    expect_shown(m, &item);
    assert_true(i < m->count);
    m->items[i] = m->items[--m->count];
    enter(m);
}

static struct mirror *mirror_of(MemoryListener *l)
{
    return (struct mirror *)l;
}

static void set_shown(MemoryListener *l, const MemoryRegionSection *s,
                      uint8_t from, uint8_t to)
{
    struct mirror *m = mirror_of(l);

    for (uint64_t i = 0; i < (uint64_t)s->size; i++) {
        assert_int_equal(m->shown[s->offset_within_address_space + i], from);
        m->shown[s->offset_within_address_space + i] = to;
    }
    enter(m);
}

static void region_add(MemoryListener *l, MemoryRegionSection *s)
{
    set_shown(l, s, 0, 1);
}

static void region_del(MemoryListener *l, MemoryRegionSection *s)
{
    set_shown(l, s, 1, 0);
}

static void eventfd_add(MemoryListener *l, MemoryRegionSection *s,
                        bool match_data, uint64_t data, EventNotifier *e)
{
    assert_ptr_equal(e, &world.notifier);
    (void)match_data;
    item_comes(mirror_of(l), make_item(s->offset_within_address_space,
                                       (uint64_t)s->size, data));
}

static void eventfd_del(MemoryListener *l, MemoryRegionSection *s,
                        bool match_data, uint64_t data, EventNotifier *e)
{
    assert_ptr_equal(e, &world.notifier);
    (void)match_data;
    item_goes(mirror_of(l), make_item(s->offset_within_address_space,
                                      (uint64_t)s->size, data));
}

/* Ranges may be taken away in other pieces than they came in. */
static void queue(MemoryListener *l, const MemoryRegionSection *s, hwaddr addr,
                  hwaddr len, int by)
{
    struct mirror *m = mirror_of(l);

    assert_true(addr >= s->offset_within_address_space && len != 0);
    for (hwaddr i = addr; i < addr + len; i++) {
        assert_true(m->shown[i]);
        assert_true(by > 0 || m->queued[i] != 0);
        m->queued[i] = (uint8_t)(m->queued[i] + by);
    }
    enter(m);
}

static void coalesced_add(MemoryListener *l, MemoryRegionSection *s,
                          hwaddr addr, hwaddr len)
{
    queue(l, s, addr, len, 1);
}

static void coalesced_del(MemoryListener *l, MemoryRegionSection *s,
                          hwaddr addr, hwaddr len)
{
    queue(l, s, addr, len, -1);
}

static void step(MemoryListener *l)
{
    enter(mirror_of(l));
}

/* ---- What happens ------------------------------------------------------ */

static void toggle_mirror(struct mirror *m)
{
    if (m->is_registered) {
        m->is_registered = false;
        assert_int_equal(memory_listener_unregister(&m->listener), 0);
    } else if (m->depth == 0) {
        m->is_registered = true;
        m->listener.priority = random_below(2);
        assert_int_equal(memory_listener_register(&m->listener, &world.as), 0);
    }
}

static void toggle_event(unsigned dev, unsigned i)
{
    const struct item *event = &event_table[i];
    bool *is_set = &world.events[dev][i];

    *is_set = !*is_set;
    assert_int_equal(
        (*is_set ? memory_region_add_eventfd : memory_region_del_eventfd)(
            &world.dev[dev], event->addr, (unsigned)event->size,
            event->size != 0, event->data, &world.notifier),
        0);
}

static void change_ranges(unsigned dev)
{
    unsigned *count = &world.ranges[dev];

    if (*count == RANGES) {
        *count = 0;
        assert_int_equal(memory_region_clear_coalescing(&world.dev[dev]), 0);
        return;
    }
    assert_int_equal(memory_region_add_coalescing(&world.dev[dev],
                                                  range_table[*count].addr,
                                                  range_table[*count].size),
                     0);
    ++*count;
}

static void change_tree(void)
{
    bool on = random_below(2) != 0;

    switch (random_below(5)) {
    case 0:
        memory_region_set_enabled(&world.over, on);
        break;
    case 1:
        memory_region_set_address(&world.over, 0x200 + 0x40 * random_below(4));
        break;
    case 2:
        memory_region_set_enabled(&world.alias, on);
        break;
    case 3:
        memory_region_transaction_begin();
        memory_region_set_enabled(&world.chip[0], on);
        memory_region_set_enabled(&world.chip[1], on);
        memory_region_transaction_commit();
        break;
    default:
        memory_region_set_address(&world.dev[1],
                                  0x800 + 0x20 * random_below(4));
        break;
    }
}

static void act(void)
{
    switch (random_below(4)) {
    case 0:
        toggle_mirror(&world.mirrors[random_below(MIRRORS)]);
        break;
    case 1:
        toggle_event(random_below(DEVICES), random_below(EVENTS));
        break;
    case 2:
        change_ranges(random_below(DEVICES));
        break;
    default:
        change_tree();
        break;
    }
}

/* ---- What there should be ---------------------------------------------- */

static void expect_item(const struct mirror *m, struct item item, size_t *count)
{
    assert_true(find_item(m, &item) < m->count);
    ++*count;
}

static void expect_events(const struct mirror *m, const FlatRange *range,
                          unsigned dev, size_t *count)
{
    hwaddr first = range->first + range->mr_delta;
    hwaddr last = range->last + range->mr_delta;

    for (unsigned i = 0; i < EVENTS; i++) {
        const struct item *e = &event_table[i];
        uint64_t size = e->size != 0 ? e->size : 1;

        if (world.events[dev][i] && e->addr >= first &&
            e->addr + size - 1 <= last) {
            expect_item(m,
                        make_item(e->addr - range->mr_delta, e->size, e->data),
                        count);
        }
    }
}

static void add_ranges(const FlatRange *range, unsigned dev, uint8_t *queued)
{
    for (hwaddr at = range->first; at <= range->last; at++) {
        for (unsigned i = 0; i < world.ranges[dev]; i++) {
            queued[at] = (uint8_t)(queued[at] +
                                   (at + range->mr_delta - range_table[i].addr <
                                    range_table[i].size));
        }
    }
}

static void expect_mirror(const struct mirror *m)
{
    uint8_t queued[SPACE_SIZE] = { 0 };
    const FlatView *view;
    size_t count = 0;

    xbar_read_begin();
    view = address_space_to_flatview(&world.as);
    for (const FlatRange *range = flatview_next_range(view, 0);
         range != NULL && m->is_registered;
         range = flatview_next_range(view, range->last + 1)) {
        for (unsigned dev = 0; dev < DEVICES; dev++) {
            if (range->mr == &world.dev[dev]) {
                expect_events(m, range, dev, &count);
                add_ranges(range, dev, queued);
            }
        }
    }
    xbar_read_end();
    assert_int_equal(m->count, count);
    assert_memory_equal(m->queued, queued, sizeof(queued));
}

/* ---- Runs -------------------------------------------------------------- */

static uint64_t read_nothing(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)size;
    return 0;
}

static void write_nothing(void *opaque, hwaddr addr, uint64_t data,
                          unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)data;
    (void)size;
}

static const MemoryRegionOps ops = {
    .read = read_nothing,
    .write = write_nothing,
};

static void make_mirrors(bool whole_sections)
{
    for (unsigned i = 0; i < MIRRORS; i++) {
        world.mirrors[i] = (struct mirror){
            .listener = {
                .begin = step,
                .commit = step,
                .region_add = region_add,
                .region_del = region_del,
                .eventfd_add = eventfd_add,
                .eventfd_del = eventfd_del,
                .coalesced_io_add = coalesced_add,
                .coalesced_io_del = coalesced_del,
                .whole_sections = whole_sections,
            },
        };
    }
}

static void make_world(uint64_t seed, bool whole_sections)
{
    memset(&world, 0, sizeof(world));
    world.seed = seed;
    world.engine = xbar_engine_new(NULL);
    assert_non_null(world.engine);
    assert_int_equal(xbar_engine_enter(world.engine), 0);
    assert_int_equal(event_notifier_init(&world.notifier, 0), 0);
    memory_region_init(&world.root, NULL, "root", SPACE_SIZE);
    for (unsigned i = 0; i < DEVICES; i++) {
        memory_region_init_io(&world.dev[i], NULL, &ops, NULL, "dev", 0x100);
        memory_region_add_subregion(&world.root, 0x200 + 0x600 * i,
                                    &world.dev[i]);
    }
    memory_region_init_alias(&world.alias, NULL, "alias", &world.dev[0], 0x20,
                             0xc0);
    memory_region_add_subregion(&world.root, 0x400, &world.alias);
    memory_region_init_io(&world.over, NULL, &ops, NULL, "over", 0x40);
    memory_region_add_subregion_overlap(&world.root, 0x240, &world.over, 1);
    for (unsigned i = 0; i < 2; i++) {
        memory_region_init_io(&world.chip[i], NULL, &ops, NULL, "chip", 2);
        memory_region_add_subregion_overlap(&world.root, 0x2f9 + 4 * i,
                                            &world.chip[i], 1);
    }
    assert_int_equal(address_space_init(&world.as, &world.root, "as"), 0);
    make_mirrors(whole_sections);
}

static void end_world(void)
{
    for (unsigned i = 0; i < MIRRORS; i++) {
        if (world.mirrors[i].is_registered) {
            toggle_mirror(&world.mirrors[i]);
        }
        expect_mirror(&world.mirrors[i]);
    }
    address_space_destroy(&world.as);
    assert_int_equal(xbar_region_destroy(&world.alias, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&world.over, NULL, NULL), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(xbar_region_destroy(&world.chip[i], NULL, NULL), 0);
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        assert_int_equal(xbar_region_destroy(&world.dev[i], NULL, NULL), 0);
    }
    assert_int_equal(xbar_region_destroy(&world.root, NULL, NULL), 0);
    event_notifier_cleanup(&world.notifier);
    assert_int_equal(xbar_engine_leave(world.engine), 0);
    assert_int_equal(xbar_engine_free(world.engine), 0);
}

static void run(bool whole_sections)
{
    const char *is_long = getenv("XBAR_LONG");
    unsigned rounds = ROUNDS * (is_long != NULL && *is_long ? 10 : 1);

    make_world(UINT64_C(0x9e3779b97f4a7c15) + whole_sections, whole_sections);
    for (unsigned i = 0; i < rounds; i++) {
        world.fuse = random_below(3) != 0 ? 1 + random_below(40) : 0;
        memory_region_transaction_begin();
        for (unsigned n = random_below(3); n != 0; n--) {
            act();
        }
        assert_int_equal(memory_region_transaction_commit(), 0);
        for (unsigned k = 0; k < MIRRORS; k++) {
            expect_mirror(&world.mirrors[k]);
        }
    }
    end_world();
}

static void test_changed_addresses(void **state)
{
    (void)state;
    run(false);
}

static void test_whole_sections(void **state)
{
    (void)state;
    run(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changed_addresses),
        cmocka_unit_test(test_whole_sections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
