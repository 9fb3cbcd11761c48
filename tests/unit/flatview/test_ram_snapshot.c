/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of memory: against copies of all of it, what it costs to the page,
 * regions that come and go, memory that is short.
 */
#include "flatview/ram_snapshot.h"

#include <errno.h>

#include "engine/memory_ram.h"
#include "flatview/address_space.h"
#include "flatview/dirty_bitmap.h"
#include "flatview/listener.h"
#include "tests/unit/flatview/board.h"

#define PAGE  ((hwaddr)4096)
#define PAGES 150
#define SHORT 100 /* bytes of the last page of `odd` */

/* 0: ram, PAGES; PAGES: odd, two pages and a bit; then a ROM device's page. */
struct yard {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    AddressSpace as;
    MemoryRegion root;
    MemoryRegion ram;
    MemoryRegion odd;
    MemoryRegion flash;
    unsigned char odd_bytes[2 * 4096 + SHORT + 64];
};

#define ODD   (PAGES * PAGE)
#define FLASH (ODD + 3 * PAGE)

static struct yard y;

static int setup(void **state)
{
    int rc;

    *state = &y;
    memset(&y, 0, sizeof(y));
    y.engine = counting_alloc_engine(&y.alloc);
    rc = xbar_engine_enter(y.engine) |
         memory_region_init(&y.root, NULL, "root", UINT64_MAX) |
         memory_region_init_ram(&y.ram, NULL, "ram", PAGES * PAGE, NULL) |
         memory_region_init_ram_ptr(&y.odd, NULL, "odd", 2 * PAGE + SHORT,
                                    y.odd_bytes) |
         memory_region_init_rom_device_nomigrate(&y.flash, NULL, &board_ops,
                                                 NULL, "flash", PAGE, NULL) |
         memory_region_add_subregion(&y.root, 0, &y.ram) |
         memory_region_add_subregion(&y.root, ODD, &y.odd) |
         memory_region_add_subregion(&y.root, FLASH, &y.flash);
    return rc | address_space_init(&y.as, &y.root, "yard");
}

static int teardown(void **state)
{
    (void)state;
    address_space_destroy(&y.as);
    xbar_region_destroy(&y.root, NULL, NULL);
    xbar_region_destroy(&y.ram, NULL, NULL);
    xbar_region_destroy(&y.odd, NULL, NULL);
    xbar_region_destroy(&y.flash, NULL, NULL);
    xbar_engine_leave(y.engine);
    return xbar_engine_free(y.engine) || y.alloc.live_bytes != 0;
}

static struct xbar_ram_snapshot *take(const struct xbar_ram_snapshot *after)
{
    struct xbar_ram_snapshot *s;

    assert_int_equal(xbar_ram_snapshot_take(y.engine, after, &s), 0);
    return s;
}

static uint64_t restore(struct xbar_ram_snapshot *s)
{
    uint64_t pages = 12345;

    assert_int_equal(xbar_ram_snapshot_restore(s, &pages), 0);
    return pages;
}

static struct xbar_ram_snapshot_info info_of(const struct xbar_ram_snapshot *s)
{
    struct xbar_ram_snapshot_info info;

    xbar_ram_snapshot_get_info(s, &info);
    return info;
}

static void store(hwaddr addr, uint64_t value)
{
    address_space_stq(&y.as, addr, value, MEMTXATTRS_UNSPECIFIED, NULL);
}

static uint64_t load(hwaddr addr)
{
    return address_space_ldq(&y.as, addr, MEMTXATTRS_UNSPECIFIED, NULL);
}

/* ---- What comes back --------------------------------------------------- */

static void test_pages_that_were_written(void **state)
{
    struct xbar_ram_snapshot *s;

    (void)state;
    store(3 * PAGE, 33);
    store(ODD + 2 * PAGE, 44);
    s = take(NULL);
    assert_int_equal(info_of(s).pages, PAGES + 3 + 1);
    assert_int_equal(info_of(s).copies, 2);
    assert_int_equal(restore(s), 0);
    store(3 * PAGE, 1);
    store(3 * PAGE + 8, 1);
    store(9 * PAGE, 1);
    store(ODD + 2 * PAGE + SHORT - 8, 1);
    y.odd_bytes[2 * PAGE + SHORT] = 99; /* not the region's */
    address_space_write_rom(&y.as, FLASH, MEMTXATTRS_UNSPECIFIED, "flash", 5);
    assert_int_equal(restore(s), 4);
    assert_int_equal(load(3 * PAGE), 33);
    assert_int_equal(load(3 * PAGE + 8), 0);
    assert_int_equal(load(9 * PAGE), 0);
    assert_int_equal(load(ODD + 2 * PAGE), 44);
    assert_int_equal(load(ODD + 2 * PAGE + SHORT - 8), 0);
    assert_int_equal(load(FLASH), 0);
    assert_int_equal(y.odd_bytes[2 * PAGE + SHORT], 99);
    assert_int_equal(restore(s), 0);
    assert_int_equal(info_of(s).restores, 3);
    assert_int_equal(info_of(s).pages_copied, 4);
    xbar_ram_snapshot_drop(s);
    store(3 * PAGE, 5);
}

/* By each way to write that does not go through the address space. */
static void test_other_writers(void **state)
{
    struct xbar_ram_snapshot *s = take(NULL);
    unsigned char *bytes = memory_region_get_ram_ptr(&y.ram);
    hwaddr length = 2 * PAGE;
    char text[] = "debug";
    void *mapped;

    (void)state;
    assert_int_equal(xbar_address_space_debug_rw(&y.as, PAGE, text, 5, true),
                     5);
    mapped = address_space_map(&y.as, 5 * PAGE, &length, true,
                               MEMTXATTRS_UNSPECIFIED);
    assert_non_null(mapped);
    memset(mapped, 7, 2 * PAGE);
    address_space_unmap(&y.as, mapped, length, true, length);
    bytes[20 * PAGE] = 1;
    memory_region_set_dirty(&y.ram, 20 * PAGE, 1);
    assert_int_equal(restore(s), 4);
    for (unsigned i = 0; i < PAGES * PAGE; i++) {
        assert_int_equal(bytes[i], 0);
    }
    xbar_ram_snapshot_drop(s);
}

#define SNAPSHOTS 5

struct copy {
    struct xbar_ram_snapshot *s;
    unsigned char *bytes;
    bool differs[PAGES]; /* pages written since it was taken, or restored */
};

static void write_randomly(uint64_t *random, struct copy *copies)
{
    for (unsigned i = 0; i < 8; i++) {
        uint64_t page;

        *random = *random * 6364136223846793005u + 1442695040888963407u;
        page = (*random >> 40) % PAGES;
        store(page * PAGE + (*random >> 20 & 0xff8),
              *random >> 63 ? *random : 0);
        for (unsigned j = 0; j < SNAPSHOTS; j++) {
            copies[j].differs[page] = true;
        }
    }
}

static void check_restore(struct copy *copies, unsigned which)
{
    struct copy *copy = &copies[which];
    uint64_t expected = 0;

    for (unsigned p = 0; p < PAGES; p++) {
        expected += copy->differs[p];
        for (unsigned j = 0; j < SNAPSHOTS; j++) {
            copies[j].differs[p] |= copy->differs[p] && j != which;
        }
        copy->differs[p] = false;
    }
    assert_int_equal(restore(copy->s), expected);
    assert_memory_equal(memory_region_get_ram_ptr(&y.ram), copy->bytes,
                        PAGES * PAGE);
}

/* Any of several, in any order, taken after any other; to the page. */
static void test_several(void **state)
{
    static struct copy copies[SNAPSHOTS];
    uint64_t random = 11;

    (void)state;
    memset(copies, 0, sizeof(copies));
    for (unsigned round = 0; round < 400; round++) {
        unsigned which = (unsigned)(random >> 50) % SNAPSHOTS;
        struct copy *copy = &copies[which];

        write_randomly(&random, copies);
        if (copy->s != NULL && random >> 45 & 3) {
            check_restore(copies, which);
            continue;
        }
        if (copy->s == NULL) {
            copy->bytes = test_malloc(PAGES * PAGE);
        }
        xbar_ram_snapshot_drop(copy->s);
        copy->s = take(copies[(which + 1) % SNAPSHOTS].s);
        memcpy(copy->bytes, memory_region_get_ram_ptr(&y.ram), PAGES * PAGE);
        memset(copy->differs, 0, sizeof(copy->differs));
    }
    for (unsigned i = 0; i < SNAPSHOTS; i++) {
        xbar_ram_snapshot_drop(copies[i].s);
        test_free(copies[i].bytes);
    }
}

/* ---- What it costs ----------------------------------------------------- */

static void test_memory_is_shared(void **state)
{
    struct xbar_ram_snapshot *first;
    struct xbar_ram_snapshot *second;
    long before;

    (void)state;
    for (unsigned p = 0; p < 100; p++) {
        store(p * PAGE, p + 1);
    }
    first = take(NULL);
    assert_int_equal(info_of(first).copies, 100);
    store(7 * PAGE, 0); /* zeros from now on */
    store(8 * PAGE, 1);
    before = y.alloc.live_bytes;
    second = take(first);
    assert_int_equal(info_of(second).copies, 1);
    assert_int_equal(info_of(second).shared, 98);
    assert_true(y.alloc.live_bytes - before < 4 * 4096);
    xbar_ram_snapshot_drop(first);
    store(50 * PAGE, 0);
    assert_int_equal(restore(second), 1);
    assert_int_equal(load(50 * PAGE), 51);
    assert_int_equal(load(7 * PAGE), 0);
    assert_int_equal(load(8 * PAGE), 1);
    xbar_ram_snapshot_drop(second);
}

static void test_as_many_as_there_may_be(void **state)
{
    struct xbar_ram_snapshot *s[XBAR_RAM_SNAPSHOTS];
    struct xbar_ram_snapshot *more;

    (void)state;
    for (unsigned i = 0; i < XBAR_RAM_SNAPSHOTS; i++) {
        store(PAGE, i);
        s[i] = take(i != 0 ? s[i - 1] : NULL);
    }
    assert_int_equal(xbar_ram_snapshot_take(y.engine, NULL, &more), -ENOSPC);
    assert_null(more);
    for (unsigned i = XBAR_RAM_SNAPSHOTS; i-- > 0;) {
        assert_int_equal(restore(s[i]), i + 1 < XBAR_RAM_SNAPSHOTS);
        assert_int_equal(load(PAGE), i);
        xbar_ram_snapshot_drop(s[i]);
    }
}

/* ---- Saying no --------------------------------------------------------- */

static void test_a_region_has_ended(void **state)
{
    struct xbar_ram_snapshot *s;
    MemoryRegion extra;

    (void)state;
    assert_int_equal(memory_region_init_ram(&extra, NULL, "x", PAGE, NULL), 0);
    s = take(NULL);
    assert_int_equal(xbar_region_destroy(&extra, NULL, NULL), 0);
    store(PAGE, 1);
    assert_int_equal(xbar_ram_snapshot_check(s), -ESTALE);
    assert_int_equal(xbar_ram_snapshot_restore(s, NULL), -ESTALE);
    assert_int_equal(load(PAGE), 1);
    /* Another one at the same address does not make up for it. */
    assert_int_equal(memory_region_init_ram(&extra, NULL, "x", PAGE, NULL), 0);
    assert_int_equal(xbar_ram_snapshot_check(s), -ESTALE);
    xbar_ram_snapshot_drop(s);
    assert_int_equal(xbar_region_destroy(&extra, NULL, NULL), 0);
}

static void note_end(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    ++*(unsigned *)opaque;
}

/* Destroyed, and its memory is there until a reclaim: it is not covered. */
static void test_a_region_is_ending(void **state)
{
    struct xbar_ram_snapshot *before;
    struct xbar_ram_snapshot *s;
    unsigned ended = 0;
    MemoryRegion extra;

    (void)state;
    assert_int_equal(memory_region_init_ram(&extra, NULL, "x", PAGE, NULL), 0);
    before = take(NULL);
    assert_int_equal(xbar_region_destroy(&extra, note_end, &ended), 0);
    assert_int_equal(xbar_ram_snapshot_check(before), -ESTALE);
    s = take(before);
    assert_int_equal(info_of(s).pages, PAGES + 3 + 1);
    assert_int_equal(ended, 0);
    store(PAGE, 1);
    assert_int_equal(restore(s), 1);
    assert_true(xbar_engine_reclaim(y.engine) > 0);
    assert_int_equal(ended, 1);
    store(PAGE, 1);
    assert_int_equal(restore(s), 1);
    assert_int_equal(load(PAGE), 0);
    assert_int_equal(xbar_ram_snapshot_check(before), -ESTALE);
    xbar_ram_snapshot_drop(s);
    xbar_ram_snapshot_drop(before);
}

static void test_regions_made_since_are_left(void **state)
{
    struct xbar_ram_snapshot *s = take(NULL);
    MemoryRegion extra;

    (void)state;
    assert_int_equal(memory_region_init_ram(&extra, NULL, "x", PAGE, NULL), 0);
    memory_region_add_subregion(&y.root, 0x1000000, &extra);
    store(0x1000000, 5);
    store(PAGE, 5);
    assert_int_equal(restore(s), 1);
    assert_int_equal(load(0x1000000), 5);
    xbar_ram_snapshot_drop(s);
    memory_region_del_subregion(&y.root, &extra);
    assert_int_equal(xbar_region_destroy(&extra, NULL, NULL), 0);
}

static void test_resized(void **state)
{
    struct xbar_ram_snapshot *s;
    MemoryRegion mr;

    (void)state;
    assert_int_equal(memory_region_init_resizeable_ram(&mr, NULL, "x", PAGE,
                                                       8 * PAGE, NULL, NULL),
                     0);
    s = take(NULL);
    assert_int_equal(restore(s), 0); /* nor what it may grow by */
    assert_int_equal(memory_region_ram_resize(&mr, 2 * PAGE, NULL), 0);
    assert_int_equal(xbar_ram_snapshot_restore(s, NULL), -ESTALE);
    assert_int_equal(memory_region_ram_resize(&mr, PAGE, NULL), 0);
    assert_int_equal(xbar_ram_snapshot_restore(s, NULL), 0);
    xbar_ram_snapshot_drop(s);
    assert_int_equal(xbar_region_destroy(&mr, NULL, NULL), 0);
}

static void test_misuse(void **state)
{
    struct xbar_ram_snapshot *s = take(NULL);
    struct xbar_ram_snapshot *none = s;
    struct xbar_engine *other = xbar_engine_new(NULL);

    (void)state;
    assert_int_equal(xbar_ram_snapshot_take(other, s, &none), -EINVAL);
    assert_null(none);
    store(PAGE, 9);
    memory_region_transaction_begin();
    assert_int_equal(xbar_ram_snapshot_take(y.engine, NULL, &none), -EBUSY);
    assert_int_equal(xbar_ram_snapshot_check(s), -EBUSY);
    assert_int_equal(xbar_ram_snapshot_restore(s, NULL), -EBUSY);
    memory_region_transaction_commit();
    assert_int_equal(load(PAGE), 9);
    xbar_ram_snapshot_drop(s);
    xbar_ram_snapshot_drop(NULL);
    assert_int_equal(xbar_engine_free(other), 0);
}

/* Each request fails once: nothing is left behind, least of all a log. */
static void test_no_memory(void **state)
{
    struct xbar_ram_snapshot *s = NULL;
    int rc = -ENOMEM;

    (void)state;
    for (unsigned p = 0; p < 10; p++) {
        store(p * PAGE, p + 1);
    }
    s = take(NULL); /* what logs need once is there */
    xbar_ram_snapshot_drop(s);
    for (long n = 1; rc != 0; n++) {
        long before = y.alloc.live_bytes;

        counting_alloc_fail(&y.alloc, n);
        rc = xbar_ram_snapshot_take(y.engine, NULL, &s);
        counting_alloc_fail(&y.alloc, 0);
        if (rc != 0) {
            assert_int_equal(rc, -ENOMEM);
            assert_null(s);
            assert_int_equal(y.alloc.live_bytes, before);
            assert_int_equal(memory_region_get_dirty_log_mask(&y.ram), 0);
        } else {
            assert_true(n > 13);
        }
        assert_true(n < 1000);
    }
    store(PAGE, 7);
    counting_alloc_fail(&y.alloc, 1);
    assert_int_equal(restore(s), 1);
    counting_alloc_fail(&y.alloc, 0);
    xbar_ram_snapshot_drop(s);
}

/* ---- Who logs beside us ------------------------------------------------ */

static unsigned synced;
static unsigned cleared;

static void hear_sync(MemoryListener *l, MemoryRegionSection *section)
{
    (void)l;
    if (section->mr == &y.ram) {
        synced++;
        memory_region_set_dirty(&y.ram, 60 * PAGE, 1); /* it saw this one */
    }
}

static void hear_clear(MemoryListener *l, MemoryRegionSection *section)
{
    (void)l;
    cleared += section->mr == &y.ram;
}

static void test_hypervisors_are_asked(void **state)
{
    MemoryListener listener = { .name = "logs",
                                .log_sync = hear_sync,
                                .log_clear = hear_clear };
    unsigned char *bytes = memory_region_get_ram_ptr(&y.ram);
    struct xbar_ram_snapshot *s;

    (void)state;
    memory_listener_register(&listener, &y.as);
    s = take(NULL);
    bytes[60 * PAGE] = 1;
    synced = 0;
    cleared = 0;
    assert_int_equal(restore(s), 1);
    assert_int_equal(bytes[60 * PAGE], 0);
    assert_int_equal(synced, 1);
    assert_int_equal(cleared, 1);
    xbar_ram_snapshot_drop(s);
    memory_listener_unregister(&listener);
}

/* A dirty log of somebody else has what was put back, and no less. */
static void test_other_logs(void **state)
{
    struct xbar_ram_snapshot *s = take(NULL);

    (void)state;
    store(4 * PAGE, 1);
    assert_int_equal(memory_region_set_log(&y.ram, true, 0), 0);
    memory_region_reset_dirty(&y.ram, 0, PAGES * PAGE, 0);
    assert_int_equal(restore(s), 1);
    assert_true(memory_region_get_dirty(&y.ram, 4 * PAGE, 1, 0));
    memory_region_reset_dirty(&y.ram, 4 * PAGE, 1, 0);
    assert_false(memory_region_get_dirty(&y.ram, 0, PAGES * PAGE, 0));
    assert_int_equal(memory_region_set_log(&y.ram, false, 0), 0);
    xbar_ram_snapshot_drop(s);
}

#define YARD_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        YARD_TEST(test_pages_that_were_written),
        YARD_TEST(test_other_writers),
        YARD_TEST(test_several),
        YARD_TEST(test_memory_is_shared),
        YARD_TEST(test_as_many_as_there_may_be),
        YARD_TEST(test_a_region_has_ended),
        YARD_TEST(test_a_region_is_ending),
        YARD_TEST(test_regions_made_since_are_left),
        YARD_TEST(test_resized),
        YARD_TEST(test_misuse),
        YARD_TEST(test_no_memory),
        YARD_TEST(test_hypervisors_are_asked),
        YARD_TEST(test_other_logs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
