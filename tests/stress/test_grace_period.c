/* SPDX-License-Identifier: MIT */
/*
 * Would we notice if a grace period were skipped? The program runs itself as
 * a child, once as it is and once with the wait sabotaged, in two scenes:
 *
 *     section   a reader keeps a section while the view is replaced
 *     device    a callback is running while its region is destroyed
 *
 * The reader stays in its read section until it has seen the reclaim return,
 * or for a while: an honest reclaim cannot return before that, a sabotaged
 * one does at once, or whenever its thread gets to run. What is freed is
 * overwritten (counting_alloc.h), so even a plain build sees it; sanitizers
 * see the access.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/rcu.h"
#include "flatview/address_space.h"
#include "tests/unit/counting_alloc.h"

#define CAUGHT 3 /* the child's exit status */

/* For how many ns a reader waits for a reclaim to return that cannot, and for
 * one that will. */
#define HONEST_WAIT   100000000
#define SABOTAGE_WAIT INT64_C(60000000000)

struct scene {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    MemoryRegion root;
    MemoryRegion region;
    AddressSpace as;
    uint64_t *device; /* ends with the region */
    atomic_bool is_inside;
    atomic_bool is_reclaimed; /* relaxed: it must not order anything */
    int64_t patience;         /* the reader's, ns */
    bool is_caught;
};

/* ---- The child --------------------------------------------------------- */

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Inside a read section: has what @word belongs to been freed? */
static bool changes_under_reader(struct scene *s, const uint64_t *word)
{
    int64_t deadline = now_ns() + s->patience;
    uint64_t before = *word;

    atomic_store_explicit(&s->is_inside, true, memory_order_relaxed);
    while (!atomic_load_explicit(&s->is_reclaimed, memory_order_relaxed) &&
           now_ns() < deadline) {
        usleep(100);
    }
    return *(const volatile uint64_t *)word != before;
}

static uint64_t read_device(void *opaque, hwaddr addr, unsigned size)
{
    struct scene *s = opaque;

    (void)addr;
    (void)size;
    s->is_caught = changes_under_reader(s, s->device);
    return 0;
}

static void ignore_write(void *opaque, hwaddr addr, uint64_t value,
                         unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)value;
    (void)size;
}

static const MemoryRegionOps device_ops = {
    .read = read_device,
    .write = ignore_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
};

static void *keep_section(void *opaque)
{
    struct scene *s = opaque;
    const FlatRange *range;

    xbar_read_begin();
    range = flatview_lookup(address_space_to_flatview(&s->as), 0x1000);
    s->is_caught = changes_under_reader(s, &range->first);
    xbar_read_end();
    return NULL;
}

static void *call_device(void *opaque)
{
    struct scene *s = opaque;

    (void)address_space_ldub(&s->as, 0x1000, MEMTXATTRS_UNSPECIFIED, NULL);
    return NULL;
}

static void free_device(MemoryRegion *mr, void *opaque)
{
    struct scene *s = opaque;

    (void)mr;
    *s->device = 0xdead;
    free(s->device);
}

static bool init_scene(struct scene *s)
{
    s->engine = counting_alloc_engine(&s->alloc);
    s->device = calloc(1, sizeof(*s->device));
    return s->engine != NULL && s->device != NULL &&
           xbar_engine_enter(s->engine) == 0 &&
           memory_region_init(&s->root, NULL, "root", UINT64_MAX) == 0 &&
           memory_region_init_io(&s->region, NULL, &device_ops, s, "device",
                                 0x1000) == 0 &&
           xbar_region_set_lock_policy(&s->region, XBAR_LOCK_NONE) == 0 &&
           memory_region_add_subregion(&s->root, 0x1000, &s->region) == 0 &&
           address_space_init(&s->as, &s->root, "scene") == 0 &&
           xbar_engine_reclaim(s->engine) >= 0;
}

static void skip_grace_period(void)
{
}

/* Return: the exit status. */
static int run_child(const char *scene, const char *mode)
{
    static struct scene s;
    bool is_device = strcmp(scene, "device") == 0;
    pthread_t reader;

    if (!init_scene(&s)) {
        return 4;
    }
    s.patience = HONEST_WAIT;
    if (strcmp(mode, "sabotage") == 0) {
        s.patience = SABOTAGE_WAIT;
        xbar_rcu_synchronize_hook = skip_grace_period;
    }
    if (pthread_create(&reader, NULL, is_device ? call_device : keep_section,
                       &s) != 0) {
        return 4;
    }
    while (!atomic_load_explicit(&s.is_inside, memory_order_relaxed)) {
        usleep(100);
    }
    if (xbar_region_destroy(&s.region, free_device, &s) != 0 ||
        xbar_engine_reclaim(s.engine) <= 0) {
        return 4;
    }
    atomic_store_explicit(&s.is_reclaimed, true, memory_order_relaxed);
    pthread_join(reader, NULL);
    return s.is_caught ? CAUGHT : 0;
}

/* ---- The parent -------------------------------------------------------- */

struct outcome {
    int status; /* as wait() gives it */
    char said[8192];
};

static void run(const char *scene, const char *mode, struct outcome *outcome)
{
    char *argv[] = { (char *)"test_grace_period", (char *)scene, (char *)mode,
                     NULL };
    posix_spawn_file_actions_t actions;
    size_t length = 0;
    ssize_t n;
    int ends[2];
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    assert_int_equal(
        posix_spawn(&child, "/proc/self/exe", &actions, NULL, argv, environ),
        0);
    close(ends[1]);
    while (length < sizeof(outcome->said) - 1 &&
           (n = read(ends[0], outcome->said + length,
                     sizeof(outcome->said) - 1 - length)) > 0) {
        length += (size_t)n;
    }
    outcome->said[length] = '\0';
    close(ends[0]);
    posix_spawn_file_actions_destroy(&actions);
    assert_int_equal(waitpid(child, &outcome->status, 0), child);
}

static void check_honest(const char *scene)
{
    static struct outcome outcome;

    run(scene, "honest", &outcome);
    if (outcome.status != 0) {
        fprintf(stderr, "%s\n", outcome.said);
    }
    assert_true(WIFEXITED(outcome.status));
    assert_int_equal(WEXITSTATUS(outcome.status), 0);
}

/* Who must have noticed depends on the build. */
static void check_sabotage(const char *scene)
{
    static struct outcome outcome;

    run(scene, "sabotage", &outcome);
#if defined(TESTS_UNDER_ASAN)
    assert_non_null(strstr(outcome.said, "heap-use-after-free"));
#elif defined(TESTS_UNDER_TSAN)
    assert_non_null(strstr(outcome.said, "WARNING: ThreadSanitizer"));
#else
    assert_true(WIFEXITED(outcome.status));
    assert_int_equal(WEXITSTATUS(outcome.status), CAUGHT);
#endif
    assert_int_not_equal(outcome.status, 0);
}

static void test_section_outlives_its_readers(void **state)
{
    (void)state;
    check_honest("section");
    check_sabotage("section");
}

static void test_region_outlives_its_callbacks(void **state)
{
    (void)state;
    check_honest("device");
    check_sabotage("device");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_section_outlives_its_readers),
        cmocka_unit_test(test_region_outlives_its_callbacks),
    };

    if (argc == 3) {
        return run_child(argv[1], argv[2]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
