/* SPDX-License-Identifier: MIT */
/*
 * What a caller can do wrong: each call is refused with an error, says so in one
 * line, and leaves the tree and the view as they were. What only looks wrong
 * has a result, too, and no line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "flatview/dump.h"
#include "flatview/listener.h"
#include "flatview/region_cache.h"
#include "tests/unit/flatview/board.h"

struct rig {
    struct board *b;
    MemoryRegion box;    /* a container in the root */
    MemoryRegion window; /* an alias of it, in nothing */
    unsigned lines;
    char last[256];
};

static struct rig rig;

static void hear(void *opaque, unsigned mask, const char *text)
{
    struct rig *r = opaque;

    assert_int_equal(mask, XBAR_LOG_MISUSE);
    r->lines++;
    snprintf(r->last, sizeof(r->last), "%s", text);
}

static int set_up(void **state)
{
    const struct xbar_engine_config config = {
        .log = hear,
        .log_opaque = &rig,
        .log_mask = XBAR_LOG_MISUSE,
    };

    memset(&rig, 0, sizeof(rig));
    rig.b = aligned_alloc(64, sizeof(*rig.b));
    *state = rig.b;
    return board_set_up_with(rig.b, &config) |
           memory_region_init(&rig.box, NULL, "box", 0x1000) |
           memory_region_add_subregion(&rig.b->root, 0x8000, &rig.box) |
           memory_region_init_alias(&rig.window, NULL, "window", &rig.box, 0,
                                    0x1000);
}

static int tear_down(void **state)
{
    int err = xbar_region_destroy(&rig.window, NULL, NULL) |
              xbar_region_destroy(&rig.box, NULL, NULL);

    return err | board_tear_down(state);
}

/* All that there is to see; freed by the caller. */
static char *picture(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    assert_int_equal(xbar_mtree_info(rig.b->engine, out, XBAR_MTREE_DISABLED),
                     0);
    assert_int_equal(xbar_mtree_info(rig.b->engine, out, XBAR_MTREE_FLAT), 0);
    fclose(out);
    return text;
}

/* @call, made now, gives @error, one line that has @words, and no change. */
#define REFUSED(call, error, words)                  \
    do {                                             \
        char *before = picture();                    \
        char *after;                                 \
                                                     \
        rig.lines = 0;                               \
        assert_int_equal(call, error);               \
        assert_int_equal(rig.lines, 1);              \
        if (strstr(rig.last, words) == NULL) {       \
            fail_msg("\"%s\": %s", words, rig.last); \
        }                                            \
        after = picture();                           \
        assert_string_equal(after, before);          \
        free(before);                                \
        free(after);                                 \
    } while (0)

static void test_edges(void **state)
{
    struct board *b = *state;
    MemoryRegion none = { 0 };

    REFUSED(memory_region_add_subregion(&rig.box, 0, &b->ram), -EBUSY,
            "memory_region_add_subregion(ram): it is in a container");
    REFUSED(memory_region_add_subregion(&b->root, 0x8000, &rig.box), -EBUSY,
            "box");
    REFUSED(memory_region_add_subregion(&rig.box, 0, &b->root), -ELOOP,
            "inside of itself");
    REFUSED(memory_region_add_subregion(&rig.box, 0, &rig.window), -ELOOP,
            "(window)");
    REFUSED(memory_region_add_subregion(&b->root, 0, &b->root), -ELOOP, "root");
    REFUSED(memory_region_add_subregion(&rig.window, 0, &b->root), -EINVAL,
            "container is none");
    REFUSED(memory_region_add_subregion(&b->root, 0, &none), -EINVAL,
            "no region");
    REFUSED(memory_region_add_subregion(NULL, 0, &rig.window), -EINVAL,
            "window");
    REFUSED(memory_region_del_subregion(&rig.box, &b->ram), -EINVAL,
            "memory_region_del_subregion(ram): it is not in that container");
    REFUSED(memory_region_del_subregion(&b->root, &none), -EINVAL, "no region");
}

static void test_properties(void **state)
{
    struct board *b = *state;
    static const MemoryRegionOps odd = { .valid = { .min_access_size = 3 } };
    MemoryRegion mr = { 0 };

    REFUSED(memory_region_set_size(&b->ram, UINT64_MAX), -EINVAL,
            "memory_region_set_size(ram)");
    REFUSED(memory_region_set_alias_offset(&b->ram, 1), -EINVAL, "no alias");
    REFUSED(memory_region_init_io(&mr, NULL, &odd, NULL, "odd", 4), -EINVAL,
            "memory_region_init_io(odd): the callbacks contradict");
    REFUSED(memory_region_init_alias(&mr, NULL, "self", &mr, 0, 4), -ELOOP,
            "show itself");
    REFUSED(memory_region_init_alias(&mr, NULL, "of none", NULL, 0, 4), -EINVAL,
            "(of none)");
    REFUSED(memory_region_init(NULL, NULL, "nowhere", 4), -EINVAL,
            "memory_region_init(nowhere): there is no region");
    REFUSED(memory_region_init_io(NULL, NULL, NULL, NULL, "nowhere", 4),
            -EINVAL, "(nowhere): there is no region");
    REFUSED(memory_region_init_alias(NULL, NULL, "nowhere", &b->ram, 0, 4),
            -EINVAL, "(nowhere): there is no region");
    REFUSED(memory_region_transaction_commit(), -EINVAL, "no begin");
}

static void test_ends(void **state)
{
    struct board *b = *state;
    MemoryRegion none = { 0 };
    MemoryListener listener = { .priority = 1 };
    MemoryRegionCache cache = { 0 };

    REFUSED(xbar_region_destroy(&b->root, NULL, NULL), -EBUSY,
            "(root): it is the root of an address space");
    REFUSED(xbar_region_destroy(&none, NULL, NULL), -EINVAL, "it is none");
    xbar_read_begin();
    REFUSED(xbar_region_destroy(&rig.box, NULL, NULL), -EDEADLK, "wait");
    xbar_read_end();
    assert_int_equal(memory_listener_register(&listener, &b->as), 0);
    REFUSED(memory_listener_register(&listener, &b->as), -EINVAL,
            "memory_listener_register(board)");
    REFUSED(xbar_address_space_destroy(&b->as, NULL, NULL), -EBUSY,
            "somebody listens");
    assert_int_equal(memory_listener_unregister(&listener), 0);
    REFUSED(memory_listener_unregister(&listener), -EINVAL, "not registered");
    assert_int_equal(address_space_cache_init(&cache, &b->as, 0, 16, false),
                     16);
    REFUSED((address_space_destroy(&b->as), -EBUSY), -EBUSY, "cache");
    address_space_cache_destroy(&cache);
}

static void test_maps(void **state)
{
    struct board *b = *state;
    char foreign[16];
    hwaddr len = 16;
    char *host =
        address_space_map(&b->as, 0, &len, false, MEMTXATTRS_UNSPECIFIED);

    assert_non_null(host);
    REFUSED(address_space_unmap(&b->as, foreign, 16, false, 0), -EINVAL,
            "address_space_unmap(board): no such map");
    REFUSED(address_space_unmap(&b->as, NULL, 0, false, 0), -EINVAL, "no such");
    REFUSED(address_space_unmap(&b->as, host + 1, 15, false, 0), -EINVAL, "no");
    REFUSED(address_space_unmap(&b->as, host, 16, true, 0), -EINVAL,
            "other direction");
    assert_int_equal(address_space_unmap(&b->as, host, 16, false, 0), 0);
    REFUSED(address_space_unmap(&b->as, host, 16, false, 0), -EINVAL, "no");
    rig.lines = 0;
    len = 0;
    assert_null(
        address_space_map(&b->as, 0, &len, false, MEMTXATTRS_UNSPECIFIED));
    assert_int_equal(len, 0);
    assert_int_equal(rig.lines, 0);
}

/* Ends beyond 2^64 are cut; nothing wraps, and nothing is refused. */
static void test_what_is_no_mistake(void **state)
{
    struct board *b = *state;
    char *before = picture();
    char *after;

    rig.lines = 0;
    assert_int_equal(memory_region_set_size(&rig.box, UINT64_MAX), 0);
    assert_int_equal(memory_region_set_address(&rig.box, UINT64_MAX), 0);
    assert_int_equal(memory_region_set_alias_offset(&rig.window, UINT64_MAX),
                     0);
    assert_int_equal(memory_region_add_subregion_overlap(
                         &b->root, UINT64_MAX - 3, &rig.window, INT32_MIN),
                     0);
    assert_int_equal(memory_region_del_subregion(&b->root, &rig.window), 0);
    assert_int_equal(memory_region_set_address(&rig.box, 0x8000), 0);
    assert_int_equal(memory_region_set_size(&rig.box, 0), 0);
    assert_int_equal(memory_region_set_size(&rig.box, 0x1000), 0);
    assert_int_equal(memory_region_set_alias_offset(&rig.window, 0), 0);
    assert_int_equal(rig.lines, 0);
    after = picture();
    assert_string_equal(after, before);
    free(before);
    free(after);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_edges),
        RIG_TEST(test_properties),
        RIG_TEST(test_ends),
        RIG_TEST(test_maps),
        RIG_TEST(test_what_is_no_mistake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
