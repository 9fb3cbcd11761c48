/* SPDX-License-Identifier: MIT */
/* Dirty pages that are put back: which, who hears of it, and the clients. */
#include "engine/dirty_log.h"

#include "engine/code_pages.h"
#include "engine/ram_writes.h"
#include "tests/unit/engine/dirty_log_rig.h"

#define PAGES 20000 /* words of summary, too */

static char *memory;
static unsigned seen[PAGES];
static uint64_t refused; /* a page; 0: none */

static bool note(void *opaque, uint64_t page)
{
    (void)opaque;
    assert_in_range(page, 0, PAGES - 1);
    seen[page]++;
    return refused == 0 || page != refused;
}

static int open_memory(void **state)
{
    (void)state;
    return posix_memalign((void **)&memory, PAGE, PAGES * PAGE);
}

static int close_memory(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

static uint64_t put_back(struct fixture *f, MemoryRegion *mr, unsigned client)
{
    uint64_t count;

    memset(seen, 0, sizeof(seen));
    xbar_tree_hold(f->engine);
    count = xbar_dirty_put_back(mr, client, note, NULL);
    xbar_tree_release(f->engine);
    return count;
}

/* Random pages against a byte each. */
static void test_those_that_are_dirty(void **state)
{
    static char written[PAGES];
    uint64_t random = 7;
    struct fixture f;
    MemoryRegion mr;

    (void)state;
    open_ram(&f, &mr, memory, PAGES * PAGE);
    start(&f, &mr, 3);
    assert_int_equal(put_back(&f, &mr, 3), PAGES); /* as it starts */
    for (unsigned round = 0; round < 200; round++) {
        uint64_t expected = 0;

        memset(written, 0, sizeof(written));
        for (unsigned i = 0; i < round; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            written[random >> 33 & 1 ? (random >> 40) % PAGES
                                     : (random >> 40) % 70] = 1;
        }
        for (uint64_t p = 0; p < PAGES; p++) {
            if (written[p]) {
                xbar_ram_wrote(f.engine, memory + p * PAGE + p % PAGE, 1);
                expected++;
            }
        }
        if (round % 3 == 0) { /* partly cleared by another way */
            for (uint64_t p = 10; p < 90; p++) {
                expected -= (uint64_t)written[p];
                written[p] = 0;
            }
            (void)xbar_dirty_clear(&mr, 3, 10, 89, NULL);
        }
        assert_int_equal(put_back(&f, &mr, 3), expected);
        for (uint64_t p = 0; p < PAGES; p++) {
            assert_int_equal(seen[p], written[p]);
        }
        assert_false(xbar_dirty_test(&mr, 3, 0, PAGES - 1));
    }
    close_ram(&f, &mr);
}

/* To others it is a write: two logs, a second region on the same memory. */
static void test_who_hears_of_it(void **state)
{
    struct fixture f;
    MemoryRegion mr;
    MemoryRegion part;
    uint64_t changes;

    (void)state;
    open_ram(&f, &mr, memory, PAGES * PAGE);
    assert_int_equal(memory_region_init_ram_ptr(&part, NULL, "part", 2 * PAGE,
                                                memory + 100 * PAGE),
                     0);
    start(&f, &mr, 3);
    start(&f, &mr, 4);
    start(&f, &part, 4);
    (void)xbar_dirty_clear(&mr, 3, 0, UINT64_MAX, NULL);
    xbar_ram_wrote(f.engine, memory + 101 * PAGE, 1);
    (void)xbar_dirty_clear(&mr, 4, 0, UINT64_MAX, NULL);
    (void)xbar_dirty_clear(&part, 4, 0, UINT64_MAX, NULL);
    changes = *xbar_dirty_changes(f.engine);
    assert_int_equal(put_back(&f, &mr, 3), 1);
    assert_int_equal(seen[101], 1);
    assert_false(xbar_dirty_test(&mr, 3, 0, UINT64_MAX));
    assert_true(xbar_dirty_test(&mr, 4, 101, 101));
    assert_true(xbar_dirty_test(&part, 4, 1, 1));
    assert_false(xbar_dirty_test(&mr, 4, 0, 100));
    assert_false(xbar_dirty_test(&mr, 4, 102, UINT64_MAX));
    assert_false(xbar_dirty_test(&part, 4, 0, 0));
    assert_int_not_equal(*xbar_dirty_changes(f.engine), changes);
    assert_int_equal(put_back(&f, &mr, 3), 0);
    assert_int_equal(put_back(&f, &mr, 4), 1);
    /* Who does not log is not told, and has nothing to put back. */
    assert_int_equal(put_back(&f, &mr, 5), 0);
    assert_int_equal(xbar_region_destroy(&part, NULL, NULL), 0);
    close_ram(&f, &mr);
}

/* Clean for who asked, and for the others what it was. */
static void test_what_is_not_written(void **state)
{
    struct fixture f;
    MemoryRegion mr;

    (void)state;
    open_ram(&f, &mr, memory, PAGES * PAGE);
    start(&f, &mr, 3);
    start(&f, &mr, 4);
    (void)xbar_dirty_clear(&mr, 3, 0, UINT64_MAX, NULL);
    xbar_ram_wrote(f.engine, memory + 101 * PAGE, 2 * PAGE);
    (void)xbar_dirty_clear(&mr, 4, 0, UINT64_MAX, NULL);
    refused = 101;
    assert_int_equal(put_back(&f, &mr, 3), 1);
    refused = 0;
    assert_int_equal(seen[101] + seen[102], 2);
    assert_false(xbar_dirty_test(&mr, 3, 0, UINT64_MAX));
    assert_false(xbar_dirty_test(&mr, 4, 0, 101));
    assert_true(xbar_dirty_test(&mr, 4, 102, 102));
    close_ram(&f, &mr);
}

static void ignore_protect(struct xbar_code_party *party, uint64_t frame)
{
    (void)party;
    (void)frame;
}

static bool say_settled(const struct xbar_code_party *party)
{
    (void)party;
    return true;
}

/* Exactly the pages that are put back, and that have code. */
static void test_code_is_told(void **state)
{
    struct xbar_code_party keeper = { .protect = ignore_protect,
                                      .is_settled = say_settled };
    struct xbar_code_frames frames;
    struct fixture f = { .engine = xbar_engine_new(NULL) };
    MemoryRegion mr;

    (void)state;
    assert_int_equal(xbar_engine_enter(f.engine), 0); /* it keeps a leaf */
    assert_int_equal(
        memory_region_init_ram_ptr(&mr, NULL, "ram", PAGES * PAGE, memory), 0);
    start(&f, &mr, 3);
    (void)xbar_dirty_clear(&mr, 3, 0, UINT64_MAX, NULL);
    xbar_code_join(f.engine, &keeper);
    xbar_code_keep(f.engine, &keeper, true);
    assert_true(
        xbar_code_watch(f.engine, &keeper, (uintptr_t)memory + 7 * PAGE));
    assert_true(
        xbar_code_watch(f.engine, &keeper, (uintptr_t)memory + 8 * PAGE));
    xbar_dirty_wrote(f.engine, (uintptr_t)memory + 8 * PAGE, 1);
    xbar_dirty_wrote(f.engine, (uintptr_t)memory + 9 * PAGE, 1);
    assert_false(xbar_code_collect(f.engine, &keeper, &frames));
    assert_int_equal(put_back(&f, &mr, 3), 2);
    assert_true(xbar_code_collect(f.engine, &keeper, &frames));
    assert_false(frames.all);
    assert_int_equal(frames.count, 1);
    assert_int_equal(frames.frame[0], (uintptr_t)memory + 8 * PAGE);
    xbar_code_keep(f.engine, &keeper, false);
    xbar_code_leave(f.engine, &keeper);
    assert_int_equal(xbar_region_destroy(&mr, NULL, NULL), 0);
    assert_int_equal(xbar_engine_leave(f.engine), 0);
    assert_int_equal(xbar_engine_free(f.engine), 0);
}

static void test_clients(void **state)
{
    unsigned clients[XBAR_DIRTY_COPIES];
    unsigned more;
    struct fixture f;

    (void)state;
    fixture_open(&f, (struct xbar_engine_config){ 0 });
    xbar_tree_hold(f.engine);
    for (unsigned i = 0; i < XBAR_DIRTY_COPIES; i++) {
        assert_int_equal(xbar_dirty_take_copy(f.engine, &clients[i]), 0);
        assert_in_range(clients[i], XBAR_DIRTY_FIRST_COPY, INT32_MAX);
        for (unsigned j = 0; j < i; j++) {
            assert_int_not_equal(clients[i], clients[j]);
        }
    }
    assert_int_equal(xbar_dirty_take_copy(f.engine, &more), -ENOSPC);
    xbar_dirty_return_copy(f.engine, clients[17]);
    assert_int_equal(xbar_dirty_take_copy(f.engine, &more), 0);
    assert_int_equal(more, clients[17]);
    xbar_tree_release(f.engine);
    fixture_close(&f);
}

/* A region that was made where one ended is another. */
static void test_has_log(void **state)
{
    struct fixture f;
    MemoryRegion mr;

    (void)state;
    open_ram(&f, &mr, memory, PAGES * PAGE);
    start(&f, &mr, 3);
    xbar_tree_hold(f.engine);
    assert_true(xbar_dirty_has_log(f.engine, &mr, 3));
    assert_false(xbar_dirty_has_log(f.engine, &mr, 4));
    xbar_tree_release(f.engine);
    assert_int_equal(xbar_region_destroy(&mr, NULL, NULL), 0);
    xbar_tree_hold(f.engine);
    assert_false(xbar_dirty_has_log(f.engine, &mr, 3));
    assert_int_equal(
        memory_region_init_ram_ptr(&mr, NULL, "ram", PAGES * PAGE, memory), 0);
    assert_false(xbar_dirty_has_log(f.engine, &mr, 3));
    xbar_tree_release(f.engine);
    close_ram(&f, &mr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_those_that_are_dirty),
        cmocka_unit_test(test_who_hears_of_it),
        cmocka_unit_test(test_what_is_not_written),
        cmocka_unit_test(test_code_is_told),
        cmocka_unit_test(test_clients),
        cmocka_unit_test(test_has_log),
    };

    return cmocka_run_group_tests(tests, open_memory, close_memory);
}
