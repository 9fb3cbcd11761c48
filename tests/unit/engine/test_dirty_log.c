/* SPDX-License-Identifier: MIT */
/* Bits, and nothing but the right bits; clients, overlaps, ends. */
#include "engine/dirty_log.h"

#include "engine/dispatch.h"
#include "engine/ram_writes.h"
#include "tests/unit/engine/dirty_log_rig.h"

#define PAGES 200

static char memory[PAGES * PAGE] __attribute__((aligned(4096)));

static uint64_t at(uint64_t page)
{
    return (uintptr_t)memory + page * PAGE;
}

static int stop(struct fixture *f, MemoryRegion *mr, unsigned client)
{
    int err;

    xbar_tree_hold(f->engine);
    err = xbar_dirty_log_stop(mr, client);
    xbar_tree_release(f->engine);
    return err;
}

/* Every range of pages against a byte each, ends in any place of a word. */
static void test_ranges_are_exact(void **state)
{
    static const uint64_t ends[] = { 0,  1,   62,  63,  64,  65,
                                     66, 126, 127, 128, 129, 199 };
    struct fixture f;
    MemoryRegion mr;

    (void)state;
    open_ram(&f, &mr, memory, PAGES * PAGE);
    start(&f, &mr, 7);
    for (unsigned i = 0; i < 12; i++) {
        for (unsigned j = i; j < 12; j++) {
            uint64_t first = ends[i];
            uint64_t last = ends[j];
            uint64_t bits[PAGES / 64 + 3] = { 0 };

            (void)xbar_dirty_clear(&mr, 7, 0, PAGES - 1, NULL);
            assert_false(xbar_dirty_test(&mr, 7, 0, PAGES - 1));
            /* From the last byte of a page to the first of another. */
            xbar_ram_wrote(f.engine, memory + first * PAGE + PAGE - 1,
                           (last - first) * PAGE +
                               (last > first ? 2 - PAGE : 1));
            for (uint64_t p = 0; p < PAGES; p++) {
                assert_int_equal(xbar_dirty_test(&mr, 7, p, p),
                                 p >= first && p <= last);
                assert_int_equal(xbar_dirty_is_wanted(f.engine, at(p), PAGE),
                                 p < first || p > last);
            }
            /* All but the ends, as a snapshot that begins in the middle. */
            if (last - first >= 2) {
                assert_true(
                    xbar_dirty_clear(&mr, 7, first + 1, last - 1, bits));
                for (uint64_t p = first + 1; p < last; p++) {
                    uint64_t n = p - first - 1;

                    assert_true(bits[n / 64] >> (n % 64) & 1);
                    assert_false(xbar_dirty_test(&mr, 7, p, p));
                }
                assert_true(xbar_dirty_test(&mr, 7, first, first));
                assert_true(xbar_dirty_test(&mr, 7, last, last));
            }
        }
    }
    close_ram(&f, &mr);
}

static void test_bits_outside_are_nobodys(void **state)
{
    struct fixture f;
    MemoryRegion mr;

    (void)state;
    open_ram(&f, &mr, memory, PAGES * PAGE);
    start(&f, &mr, 0);
    assert_true(xbar_dirty_clear(&mr, 0, 0, UINT64_MAX, NULL));
    xbar_dirty_wrote(f.engine, at(0) - 64, 64);
    xbar_dirty_wrote(f.engine, at(PAGES), 64);
    xbar_dirty_wrote(f.engine, at(5), 0);
    assert_false(xbar_dirty_test(&mr, 0, 0, UINT64_MAX));
    assert_false(xbar_dirty_test(&mr, 0, PAGES, UINT64_MAX));
    assert_false(xbar_dirty_is_wanted(f.engine, at(PAGES), 64));
    xbar_dirty_wrote(f.engine, at(0) - 64, sizeof(memory) + 128);
    for (uint64_t p = 0; p < PAGES; p++) {
        assert_true(xbar_dirty_test(&mr, 0, p, p));
    }
    close_ram(&f, &mr);
}

static void test_clients_are_apart(void **state)
{
    struct fixture f;
    MemoryRegion mr;

    (void)state;
    open_ram(&f, &mr, memory, PAGES * PAGE);
    assert_int_equal(xbar_dirty_log_mask(&mr), 0);
    for (unsigned client = 0; client < 100; client += 3) {
        start(&f, &mr, client);
        assert_true(xbar_dirty_is_logged(&mr, client));
        assert_true(xbar_dirty_test(&mr, client, 0, 0));
    }
    assert_int_equal(xbar_dirty_log_mask(&mr), 0x49249249);
    for (unsigned client = 0; client < 100; client += 3) {
        assert_true(xbar_dirty_clear(&mr, client, 0, PAGES - 1, NULL));
        assert_false(xbar_dirty_test(&mr, client, 0, PAGES - 1));
        if (client + 3 < 100) {
            assert_true(xbar_dirty_test(&mr, client + 3, 0, 0));
        }
    }
    xbar_dirty_wrote(f.engine, at(9), 1);
    for (unsigned client = 0; client < 100; client++) {
        assert_int_equal(xbar_dirty_clear(&mr, client, 9, 9, NULL),
                         client % 3 == 0);
    }
    close_ram(&f, &mr);
}

/* Counted; what was written meanwhile is not known, so all is dirty again. */
static void test_on_and_off(void **state)
{
    struct fixture f;
    MemoryRegion mr;

    (void)state;
    open_ram(&f, &mr, memory, PAGES * PAGE);
    assert_false(xbar_dirty_is_on(f.engine));
    assert_int_equal(stop(&f, &mr, 0), -EINVAL);
    start(&f, &mr, 0);
    start(&f, &mr, 0);
    assert_true(xbar_dirty_clear(&mr, 0, 0, PAGES, NULL));
    assert_int_equal(stop(&f, &mr, 0), 0);
    assert_true(xbar_dirty_is_logged(&mr, 0));
    assert_int_equal(stop(&f, &mr, 0), 0);
    assert_int_equal(stop(&f, &mr, 0), -EINVAL);
    assert_false(xbar_dirty_is_logged(&mr, 0));
    assert_false(xbar_dirty_is_wanted(f.engine, at(0), PAGE));
    xbar_dirty_wrote(f.engine, at(0), 1);
    assert_false(xbar_dirty_test(&mr, 0, 0, PAGES));
    start(&f, &mr, 0);
    for (uint64_t p = 0; p < PAGES; p++) {
        assert_true(xbar_dirty_clear(&mr, 0, p, p, NULL));
    }
    close_ram(&f, &mr);
}

/* Two regions on one buffer, at different offsets: each is told. */
static void test_shared_buffer(void **state)
{
    struct fixture f;
    MemoryRegion mr;
    MemoryRegion half;

    (void)state;
    open_ram(&f, &mr, memory, PAGES * PAGE);
    assert_int_equal(memory_region_init_ram_ptr(&half, NULL, "half", 10 * PAGE,
                                                memory + 5 * PAGE),
                     0);
    start(&f, &mr, 0);
    start(&f, &half, 0);
    (void)xbar_dirty_clear(&mr, 0, 0, PAGES, NULL);
    (void)xbar_dirty_clear(&half, 0, 0, PAGES, NULL);
    assert_int_equal(
        memory_region_dispatch_write(&half, 2 * PAGE, 1, MO_32, ATTRS),
        MEMTX_OK);
    assert_true(xbar_dirty_test(&half, 0, 2, 2));
    assert_true(xbar_dirty_test(&mr, 0, 7, 7));
    assert_false(xbar_dirty_test(&mr, 0, 0, 6));
    assert_int_equal(xbar_region_destroy(&half, NULL, NULL), 0);
    assert_true(xbar_dirty_test(&mr, 0, 7, 7));
    close_ram(&f, &mr);
}

/* It moves when a clean page becomes dirty for somebody, and only then. */
static void test_changes(void **state)
{
    struct fixture f;
    MemoryRegion mr;
    const uint64_t *changes;
    uint64_t before;

    (void)state;
    open_ram(&f, &mr, memory, PAGES * PAGE);
    changes = xbar_dirty_changes(f.engine);
    before = *changes;
    xbar_ram_wrote(f.engine, memory, PAGE);
    assert_int_equal(*changes, before); /* nobody logs */
    start(&f, &mr, 7);
    start(&f, &mr, 8);
    xbar_ram_wrote(f.engine, memory, PAGE);
    assert_int_equal(*changes, before); /* was dirty */
    (void)xbar_dirty_clear(&mr, 8, 70, 70, NULL);
    xbar_ram_wrote(f.engine, memory + 69 * PAGE, PAGE);
    assert_int_equal(*changes, before);
    xbar_ram_wrote(f.engine, memory + 60 * PAGE, 20 * PAGE);
    assert_int_not_equal(*changes, before);
    before = *changes;
    xbar_ram_wrote(f.engine, memory + 70 * PAGE, 1);
    assert_int_equal(*changes, before);
    assert_int_equal(stop(&f, &mr, 7), 0);
    assert_int_equal(stop(&f, &mr, 8), 0);
    close_ram(&f, &mr);
}

static void test_refusals(void **state)
{
    struct fixture f;
    MemoryRegion mr;
    MemoryRegion box;
    MemoryRegion none;

    (void)state;
    open_ram(&f, &mr, memory, PAGES * PAGE);
    assert_int_equal(memory_region_init(&box, NULL, "box", 4096), 0);
    assert_int_equal(memory_region_init_ram_ptr(&none, NULL, "none", 0, memory),
                     0);
    xbar_tree_hold(f.engine);
    assert_int_equal(xbar_dirty_log_start(&box, 0), -EINVAL);
    assert_int_equal(xbar_dirty_log_start(&none, 0), -EINVAL);
    for (unsigned i = 1; i <= 2; i++) {
        f.fail_at = f.requests + i;
        assert_int_equal(xbar_dirty_log_start(&mr, 0), -ENOMEM);
        assert_false(xbar_dirty_is_logged(&mr, 0));
        if (i == 1) {
            assert_false(xbar_dirty_is_on(f.engine));
        }
    }
    f.fail_at = 0;
    xbar_tree_release(f.engine);
    start(&f, &mr, 0);
    assert_int_equal(xbar_region_destroy(&box, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&none, NULL, NULL), 0);
    close_ram(&f, &mr);
}

/* ---- Parties ----------------------------------------------------------- */

struct party {
    struct xbar_dirty_party party;
    unsigned rechecks;
};

static void count_recheck(struct xbar_dirty_party *party)
{
    ((struct party *)party)->rechecks++;
}

static void test_parties_look_again_if_bits_went(void **state)
{
    struct party a = { .party.recheck = count_recheck };
    struct party b = { .party.recheck = count_recheck };
    struct fixture f;
    MemoryRegion mr;

    (void)state;
    open_ram(&f, &mr, memory, PAGES * PAGE);
    xbar_dirty_join(f.engine, &a.party);
    xbar_dirty_join(f.engine, &b.party);
    start(&f, &mr, 0);
    assert_int_equal(a.rechecks, 0);
    (void)xbar_dirty_clear(&mr, 0, 3, 4, NULL);
    assert_int_equal(a.rechecks, 1);
    (void)xbar_dirty_clear(&mr, 0, 3, 4, NULL);
    assert_int_equal(a.rechecks, 1);
    assert_int_equal(b.rechecks, 1);
    xbar_dirty_leave(f.engine, &a.party);
    (void)xbar_dirty_clear(&mr, 0, 3, 5, NULL);
    assert_int_equal(a.rechecks, 1);
    assert_int_equal(b.rechecks, 2);
    xbar_dirty_leave(f.engine, &b.party);
    close_ram(&f, &mr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_are_exact),
        cmocka_unit_test(test_bits_outside_are_nobodys),
        cmocka_unit_test(test_clients_are_apart),
        cmocka_unit_test(test_on_and_off),
        cmocka_unit_test(test_shared_buffer),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_parties_look_again_if_bits_went),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
