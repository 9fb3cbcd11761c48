/* SPDX-License-Identifier: MIT */
/* Which memory may be pinned: the map, vetoes, replays, sections in pieces. */
#include "flatview/discard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/error.h"
#include "flatview/iommu.h"
#include "tests/unit/flatview/board.h"

#define G    ((uint64_t)8192) /* granule */
#define SIZE (7 * G + 4096)   /* seven and a half */

struct ear {
    RamDiscardListener rdl;
    char name;
    uint64_t veto; /* populating at this offset; 1: none */
};

static struct {
    MemoryRegion mr;
    RamDiscardManager *rdm;
    char log[1024];
} f;

static void note(char name, char what, const MemoryRegionSection *s)
{
    size_t n = strlen(f.log);

    snprintf(f.log + n, sizeof(f.log) - n, "%c%c%llx+%llx@%llx ", name, what,
             (unsigned long long)s->offset_within_region,
             (unsigned long long)s->size,
             (unsigned long long)s->offset_within_address_space);
}

static int on_populate(RamDiscardListener *rdl, MemoryRegionSection *s)
{
    struct ear *e = (struct ear *)rdl;

    if (e->veto == s->offset_within_region) {
        note(e->name, '!', s);
        return -ENOSPC;
    }
    note(e->name, '+', s);
    return 0;
}

static void on_discard(RamDiscardListener *rdl, MemoryRegionSection *s)
{
    note(((struct ear *)rdl)->name, '-', s);
}

static void expect(const char *log)
{
    assert_string_equal(f.log, log);
    f.log[0] = '\0';
}

static MemoryRegionSection section_of(uint64_t offset, uint64_t size)
{
    return (MemoryRegionSection){
        .mr = &f.mr,
        .size = size,
        .offset_within_region = offset,
        .offset_within_address_space = 0x100000 + offset,
    };
}

static void make_ear(struct ear *e, char name, bool double_discard)
{
    ram_discard_listener_init(&e->rdl, on_populate, on_discard, double_discard);
    e->name = name;
    e->veto = 1;
}

static int populate(uint64_t granule, uint64_t count)
{
    return xbar_ram_discard_manager_populate(f.rdm, granule * G, count * G);
}

/* ---- Tests ------------------------------------------------------------- */

static void test_map(void **state)
{
    MemoryRegionSection all = section_of(0, SIZE);
    MemoryRegionSection odd = section_of(G + 100, 50);

    (void)state;
    assert_false(ram_discard_manager_is_populated(f.rdm, &all));
    assert_int_equal(populate(1, 2), 0);
    assert_int_equal(populate(2, 1), -EINVAL);
    assert_int_equal(populate(0, 2), -EINVAL);
    assert_true(ram_discard_manager_is_populated(f.rdm, &odd));
    odd = section_of(3 * G - 50, 51);
    assert_false(ram_discard_manager_is_populated(f.rdm, &odd));
    assert_int_equal(populate(0, 1), 0);
    assert_int_equal(populate(3, 4), 0);
    assert_false(ram_discard_manager_is_populated(f.rdm, &all));
    assert_int_equal(xbar_ram_discard_manager_populate(f.rdm, 7 * G, 4096), 0);
    assert_true(ram_discard_manager_is_populated(f.rdm, &all));
    assert_int_equal(xbar_ram_discard_manager_discard(f.rdm, G, G), 0);
    assert_int_equal(xbar_ram_discard_manager_discard(f.rdm, 0, 2 * G),
                     -EINVAL);
    assert_false(ram_discard_manager_is_populated(f.rdm, &all));
    assert_int_equal(ram_discard_manager_get_min_granularity(f.rdm, &f.mr), G);
}

static void test_bad_ranges(void **state)
{
    static const uint64_t bad[][2] = {
        { 0, 0 },
        { 1, G },
        { 0, G + 1 },
        { 7 * G, G },
        { 8 * G, G },
        { 0, UINT64_MAX },
        { UINT64_MAX - G + 1, G },
        { 6 * G, G + 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(
            xbar_ram_discard_manager_populate(f.rdm, bad[i][0], bad[i][1]),
            -EINVAL);
        assert_int_equal(
            xbar_ram_discard_manager_discard(f.rdm, bad[i][0], bad[i][1]),
            -EINVAL);
    }
}

/* A section that begins and ends in the middle of granules. */
static void test_listeners(void **state)
{
    MemoryRegionSection part = section_of(G / 2, 3 * G);
    struct ear a;

    (void)state;
    make_ear(&a, 'a', false);
    assert_int_equal(populate(0, 1), 0);
    assert_int_equal(populate(2, 1), 0);
    assert_int_equal(
        ram_discard_manager_register_listener(f.rdm, &a.rdl, &part), 0);
    expect("a+1000+1000@101000 a+4000+2000@104000 ");
    assert_int_equal(populate(3, 2), 0);
    expect("a+6000+1000@106000 ");
    assert_int_equal(xbar_ram_discard_manager_discard(f.rdm, 0, G), 0);
    expect("a-1000+1000@101000 ");
    assert_int_equal(xbar_ram_discard_manager_discard(f.rdm, 4 * G, G), 0);
    expect("");
    assert_int_equal(
        ram_discard_manager_register_listener(f.rdm, &a.rdl, &part), -EINVAL);
    assert_int_equal(xbar_ram_discard_manager_free(f.rdm), -EBUSY);
    assert_int_equal(ram_discard_manager_unregister_listener(f.rdm, &a.rdl), 0);
    expect("a-4000+3000@104000 ");
    assert_int_equal(ram_discard_manager_unregister_listener(f.rdm, &a.rdl),
                     -EINVAL);
}

static void test_double_discard(void **state)
{
    MemoryRegionSection part = section_of(0, 3 * G);
    struct ear a;

    (void)state;
    make_ear(&a, 'a', true);
    assert_int_equal(
        ram_discard_manager_register_listener(f.rdm, &a.rdl, &part), 0);
    assert_int_equal(ram_discard_manager_unregister_listener(f.rdm, &a.rdl), 0);
    expect("a-0+6000@100000 ");
}

/* One says no: those before it take it back, and the map is as it was. */
static void test_veto(void **state)
{
    MemoryRegionSection all = section_of(0, SIZE);
    struct ear ears[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        make_ear(&ears[i], (char)('a' + i), false);
        assert_int_equal(
            ram_discard_manager_register_listener(f.rdm, &ears[i].rdl, &all),
            0);
    }
    ears[2].veto = 2 * G;
    assert_int_equal(populate(2, 1), -ENOSPC);
    expect("a+4000+2000@104000 b+4000+2000@104000 c!4000+2000@104000 "
           "a-4000+2000@104000 b-4000+2000@104000 ");
    assert_int_equal(populate(2, 1), -ENOSPC);
    f.log[0] = '\0';
    ears[2].veto = 1;
    assert_int_equal(populate(2, 1), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(
            ram_discard_manager_unregister_listener(f.rdm, &ears[i].rdl), 0);
    }
}

static void test_veto_of_one_that_comes(void **state)
{
    MemoryRegionSection all = section_of(0, SIZE);
    struct ear a;

    (void)state;
    make_ear(&a, 'a', false);
    a.veto = 4 * G;
    assert_int_equal(populate(0, 1), 0);
    assert_int_equal(populate(2, 1), 0);
    assert_int_equal(populate(4, 1), 0);
    assert_int_equal(ram_discard_manager_register_listener(f.rdm, &a.rdl, &all),
                     -ENOSPC);
    expect("a+0+2000@100000 a+4000+2000@104000 a!8000+2000@108000 "
           "a-0+2000@100000 a-4000+2000@104000 ");
    assert_null(a.rdl.section);
}

static int replay_some(MemoryRegionSection *s, void *opaque)
{
    note('r', '+', s);
    return --*(int *)opaque == 0 ? 77 : 0;
}

static void replay_rest(MemoryRegionSection *s, void *opaque)
{
    (void)opaque;
    note('r', '-', s);
}

static void test_replay(void **state)
{
    MemoryRegionSection part = section_of(100, SIZE - 100);
    int left = -1;

    (void)state;
    assert_int_equal(populate(1, 2), 0);
    assert_int_equal(populate(5, 1), 0);
    assert_int_equal(
        ram_discard_manager_replay_populated(f.rdm, &part, replay_some, &left),
        0);
    expect("r+2000+4000@102000 r+a000+2000@10a000 ");
    left = 1;
    assert_int_equal(
        ram_discard_manager_replay_populated(f.rdm, &part, replay_some, &left),
        77);
    expect("r+2000+4000@102000 ");
    ram_discard_manager_replay_discarded(f.rdm, &part, replay_rest, NULL);
    expect("r-64+1f9c@100064 r-6000+4000@106000 r-c000+3000@10c000 ");
}

/* What an IOMMU's translation may hand out to be pinned. */
static void test_translations(void **state)
{
    struct board *b = *state;
    IOMMUTLBEntry entry = { .target_as = &b->as,
                            .translated_addr = 0x10000 + G,
                            .addr_mask = G - 1,
                            .perm = IOMMU_RW };
    bool managed = false;
    void *host;

    assert_int_equal(memory_region_add_subregion(&b->root, 0x10000, &f.mr), 0);
    xbar_read_begin();
    assert_false(memory_get_xlat_addr(&entry, &host, NULL, NULL, &managed));
    assert_int_equal(populate(1, 1), 0);
    assert_true(memory_get_xlat_addr(&entry, &host, NULL, NULL, &managed));
    assert_true(managed);
    assert_ptr_equal(host, (char *)memory_region_get_ram_ptr(&f.mr) + G);
    entry.addr_mask = 2 * G - 1; /* one more, that is discarded */
    assert_false(memory_get_xlat_addr(&entry, &host, NULL, NULL, &managed));
    xbar_read_end();
}

static void test_attaching(void **state)
{
    struct board *b = *state;
    Error *err = NULL;

    assert_true(memory_region_has_ram_discard_manager(&f.mr));
    assert_ptr_equal(memory_region_get_ram_discard_manager(&f.mr), f.rdm);
    assert_null(memory_region_get_ram_discard_manager(&b->ram));
    assert_null(xbar_ram_discard_manager_new(&f.mr, G, NULL));
    assert_null(xbar_ram_discard_manager_new(&b->ram, G, &err));
    assert_non_null(err);
    error_free(err);
    assert_null(xbar_ram_discard_manager_new(&b->device, G, NULL));
    assert_null(xbar_ram_discard_manager_new(NULL, G, NULL));
    assert_int_equal(xbar_ram_discard_manager_free(f.rdm), 0);
    assert_false(memory_region_has_ram_discard_manager(&f.mr));
    assert_null(xbar_ram_discard_manager_new(&f.mr, 2048, NULL));
    assert_null(xbar_ram_discard_manager_new(&f.mr, 12288, NULL));
    f.rdm = xbar_ram_discard_manager_new(&f.mr, G, NULL);
    assert_non_null(f.rdm);
    assert_int_equal(xbar_ram_discard_manager_free(NULL), 0);
}

/* ---- Set-up ------------------------------------------------------------ */

static int set_up(void **state)
{
    int err = board_set_up(state);

    f.log[0] = '\0';
    err |= memory_region_init_ram(&f.mr, NULL, "plugged", SIZE, NULL);
    f.rdm = xbar_ram_discard_manager_new(&f.mr, G, NULL);
    return f.rdm == NULL ? -1 : err;
}

static int tear_down(void **state)
{
    int err = xbar_ram_discard_manager_free(f.rdm);

    err |= xbar_region_destroy(&f.mr, NULL, NULL);
    return err | board_tear_down(state);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_map),       TEST(test_bad_ranges),
        TEST(test_listeners), TEST(test_double_discard),
        TEST(test_veto),      TEST(test_veto_of_one_that_comes),
        TEST(test_replay),    TEST(test_translations),
        TEST(test_attaching),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
