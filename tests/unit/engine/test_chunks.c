/* SPDX-License-Identifier: MIT */
/* The memory of large engines: which of it is in chunks, and when those go. */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/engine/lines_rig.h"

#define CHUNK ((size_t)2 << 20) /* as chunks.c has it, and the next, too */
#define MANY  4097
#define PAGE  ((size_t)sysconf(_SC_PAGESIZE))

/* Where nothing is kept there are none. */
#define ARE_USED IS_KEPT

/* ---- The kernel (the linker has calls of these come here) --------------- */

static size_t mapped; /* bytes that are */
static bool takes_nothing_back;
static void *refused; /* the last that it did not take */

void *__real_mmap(void *addr, size_t bytes, int prot, int flags, int fd,
                  off_t offset);
void *__wrap_mmap(void *addr, size_t bytes, int prot, int flags, int fd,
                  off_t offset);
int __real_munmap(void *addr, size_t bytes);
int __wrap_munmap(void *addr, size_t bytes);

void *__wrap_mmap(void *addr, size_t bytes, int prot, int flags, int fd,
                  off_t offset)
{
    static bool is_odd;
    uint8_t *ptr = __real_mmap(addr, bytes + PAGE, prot, flags, fd, offset);

    /* Every other mapping begins off a chunk's boundary, the others as the
     * kernel likes. */
    is_odd = !is_odd;
    if (ptr != MAP_FAILED) {
        assert_int_equal(__real_munmap(is_odd ? ptr : ptr + bytes, PAGE), 0);
        ptr += is_odd ? PAGE : 0;
    }
    mapped += ptr == MAP_FAILED ? 0 : bytes;
    return ptr;
}

int __wrap_munmap(void *addr, size_t bytes)
{
    if (takes_nothing_back) {
        refused = addr;
        errno = ENOMEM;
        return -1;
    }
    mapped -= bytes;
    return __real_munmap(addr, bytes);
}

/* ---- Objects ----------------------------------------------------------- */

/* As if it had so many. */
static void set_regions(struct xbar_engine *engine, uint64_t regions)
{
    __atomic_store_n(&engine->stats.regions, regions, __ATOMIC_RELAXED);
}

static struct object *make_list(struct xbar_engine *engine, size_t bytes,
                                size_t count)
{
    struct object *list = NULL;

    while (count--) {
        struct object *object = make(engine, bytes);

        object->next = list;
        list = object;
    }
    return list;
}

/* Of the allocator's, what is not the engine itself or the list of chunks. */
static long asked_for(const struct xbar_engine *engine)
{
    return atomic_load(&alloc.live_bytes) - (long)sizeof(*engine) -
           (long)(engine->chunks.room * sizeof(struct chunk *));
}

static bool is_in_chunk(const struct xbar_engine *engine, const void *ptr)
{
    const uintptr_t at = (uintptr_t)ptr & ~(CHUNK - 1);

    for (size_t i = 0; i < engine->chunks.count; i++) {
        if ((uintptr_t)engine->chunks.all[i] == at) {
            return true;
        }
    }
    return false;
}

/* Few regions, or an allocator that is asked each time: as ever. */
static void test_small_engine_has_none(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    struct object *object;

    (void)state;
    set_regions(engine, MANY - 1);
    object = make(engine, LINES);
    assert_int_equal(engine->chunks.count, 0);
    assert_int_equal(asked_for(engine), LINES);
    retire(engine, object);
    assert_int_equal(xbar_engine_reclaim(engine), 1);
    close_engine(engine);
    engine = open_engine(true);
    set_regions(engine, MANY);
    object = make(engine, LINES);
    assert_int_equal(engine->chunks.count, 0);
    assert_int_equal(asked_for(engine), LINES);
    retire(engine, object);
    assert_int_equal(xbar_engine_reclaim(engine), 1);
    assert_int_equal(asked_for(engine), 0);
    close_engine(engine);
}

/* All sizes that have lists; more than that is the allocator's. */
static void test_large_engine_takes_them(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    struct object *list = NULL;
    const size_t all = 17 * 18 / 2 * LINES;

    (void)state;
    set_regions(engine, MANY);
    for (size_t lines = 1; lines <= 18; lines++) {
        struct object *object = make(engine, lines * LINES);

        assert_int_equal(is_in_chunk(engine, object), ARE_USED && lines < 18);
        object->next = list;
        list = object;
    }
    assert_int_equal(engine->chunks.count, ARE_USED);
    assert_int_equal(asked_for(engine), (ARE_USED ? 0 : all) + 18 * LINES);
    assert_int_equal(bytes_live(engine) -
                         engine->chunks.room * sizeof(struct chunk *),
                     all + 18 * LINES);
    retire(engine, list);
    assert_int_equal(xbar_engine_reclaim(engine), 18);
    assert_int_equal(asked_for(engine), 0);
    close_engine(engine);
}

/* Whoever gives them back, all go to whom they are of; few chunks stay. */
static void test_all_go_back(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    const size_t bytes = 17 * LINES;
    const size_t count = 6 * CHUNK / bytes;
    struct object *before = make_list(engine, bytes, count);
    struct object *list;

    (void)state;
    assert_int_equal(asked_for(engine), count * bytes);
    set_regions(engine, MANY);
    list = make_list(engine, bytes, count);
    assert_int_equal(engine->chunks.count, ARE_USED ? 7 : 0);
    retire(engine, before);
    retire(engine, list);
    assert_int_equal(xbar_engine_reclaim(engine), 2 * count);
    assert_int_equal(bytes_live(engine),
                     engine->chunks.room * sizeof(struct chunk *));
    assert_true(engine->lines.kept <= KEPT);
    assert_int_equal(engine->lines_back.kept, 0);
    assert_true(asked_for(engine) <= (long)KEPT);
    assert_true(engine->chunks.count <= KEPT / CHUNK + 1);
    close_engine(engine);
}

/* There is no memory to note a chunk in: the allocator's will do. */
static void test_without_them(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    struct object *list, *last;

    (void)state;
    set_regions(engine, MANY);
    if (ARE_USED) {
        counting_alloc_fail(&alloc, 1);
    }
    list = make(engine, LINES);
    assert_false(is_in_chunk(engine, list));
    assert_int_equal(engine->chunks.count, 0);
    counting_alloc_fail(&alloc, 0);
    last = make(engine, LINES);
    assert_int_equal(is_in_chunk(engine, last), ARE_USED);
    list->next = last;
    retire(engine, list);
    assert_int_equal(xbar_engine_reclaim(engine), 2);
    close_engine(engine);
}

/* Leave nothing that the pool would keep: it is full, of the allocator's. */
static void fill_pool(struct xbar_engine *engine)
{
    set_regions(engine, 1);
    retire(engine, make_list(engine, LINES, KEPT / LINES));
    assert_int_equal(xbar_engine_reclaim(engine), KEPT / LINES);
    assert_int_equal(engine->lines.kept, ARE_USED ? KEPT : 0);
    set_regions(engine, MANY);
}

/* The newest chunk has no room left, and then nothing that is given out. */
static void test_newest_is_carved_anew(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    struct object *object;

    (void)state;
    fill_pool(engine);
    for (unsigned round = 0; round < 3; round++) {
        retire(engine, make_list(engine, 2 * LINES, CHUNK / (2 * LINES) - 8));
        assert_int_equal(xbar_engine_reclaim(engine), CHUNK / (2 * LINES) - 8);
        assert_int_equal(engine->chunks.count, ARE_USED);
        object = make(engine, 16 * LINES);
        assert_int_equal(is_in_chunk(engine, object), ARE_USED);
        assert_int_equal(engine->chunks.count, ARE_USED);
        retire(engine, object);
        assert_int_equal(xbar_engine_reclaim(engine), 1);
    }
    close_engine(engine);
}

/* Of what comes back at once, as much is kept as there is room for. */
static void test_no_more_goes_than_has_to(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    struct object *few, *many;
    const size_t count = 2 * KEPT / (2 * LINES);

    (void)state;
    set_regions(engine, MANY);
    few = make_list(engine, LINES, 300);
    many = make_list(engine, 2 * LINES, count);
    retire(engine, few);
    retire(engine, many);
    assert_int_equal(xbar_engine_reclaim(engine), 300 + count);
    assert_true(engine->lines.kept <= KEPT);
    assert_true(!ARE_USED || engine->lines.kept > KEPT - 256 * 2 * LINES);
    close_engine(engine);
}

/* What was given back is given out again, for the same size only. */
static void test_given_out_again(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    const size_t count = 2 * CHUNK / (2 * LINES);
    struct object *list;
    size_t chunks;

    (void)state;
    set_regions(engine, MANY);
    list = make_list(engine, 2 * LINES, count);
    retire(engine, list->next);
    list->next = NULL; /* its chunk stays */
    assert_int_equal(xbar_engine_reclaim(engine), count - 1);
    chunks = engine->chunks.count;
    for (unsigned round = 0; round < 3; round++) {
        struct object *again = make_list(engine, 2 * LINES, count / 4);

        assert_int_equal(engine->chunks.count, chunks);
        for (const struct object *o = again; o; o = o->next) {
            assert_true(o != list);
        }
        retire(engine, again);
        assert_int_equal(xbar_engine_reclaim(engine), count / 4);
    }
    retire(engine, list);
    assert_int_equal(xbar_engine_reclaim(engine), 1);
    close_engine(engine);
}

/* Regions go: what commits would have used next keeps no chunk. */
static void test_small_again(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    struct object *list;

    (void)state;
    set_regions(engine, MANY);
    list = make_list(engine, LINES, 2 * CHUNK / LINES);
    retire(engine, list->next);
    list->next = NULL;
    set_regions(engine, 1);
    assert_true(xbar_engine_reclaim(engine) > 0);
    assert_int_equal(engine->chunks.count, ARE_USED); /* that of @list */
    assert_int_equal(bytes_live(engine) -
                         engine->chunks.room * sizeof(struct chunk *),
                     LINES);
    xbar_tree_hold(engine);
    engine->lines.most = 0; /* as if it were full */
    xbar_free_lines(engine, list, LINES);
    xbar_tree_release(engine);
    assert_int_equal(engine->chunks.count, 0);
    close_engine(engine);
}

/* Regions go on going: what is kept since it was small keeps no chunk either. */
static void test_smaller_still(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    struct object *list;

    (void)state;
    set_regions(engine, MANY);
    list = make_list(engine, LINES, 100);
    set_regions(engine, 1000);
    assert_int_equal(xbar_engine_reclaim(engine), 0);
    assert_int_equal(engine->chunks.count, ARE_USED);
    retire(engine, list);
    assert_int_equal(xbar_engine_reclaim(engine), 100);
    assert_int_equal(engine->chunks.count, ARE_USED); /* for the next commits */
    set_regions(engine, 501);
    assert_int_equal(xbar_engine_reclaim(engine), 0);
    assert_int_equal(engine->chunks.count, ARE_USED);
    set_regions(engine, 500);
    assert_int_equal(xbar_engine_reclaim(engine), 0);
    assert_int_equal(engine->chunks.count, 0);
    assert_int_equal(engine->lines.kept, 0);
    close_engine(engine);
}

/* Pages of a mapping of two chunks that have memory. */
static size_t resident(void *at)
{
    unsigned char pages[2 * CHUNK / 4096];
    size_t count = 0;

    assert_int_equal(mincore(at, 2 * CHUNK, pages), 0);
    for (size_t i = 0; i < 2 * CHUNK / PAGE; i++) {
        count += pages[i] & 1;
    }
    return count;
}

/* Chunks come and go while it does not, and then it does. */
static void test_kernel_takes_nothing_back(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    const size_t count = 3 * CHUNK / LINES;
    size_t most = 0;

    (void)state;
    assert_int_equal(mapped, 0);
    takes_nothing_back = true;
    for (unsigned round = 0; round < 4; round++) {
        set_regions(engine, MANY);
        retire(engine, make_list(engine, LINES, count));
        assert_int_equal(engine->chunks.count, ARE_USED ? 4 : 0);
        most = round == 0 ? mapped : most;
        assert_int_equal(mapped, most);
        set_regions(engine, 1);
        assert_int_equal(xbar_engine_reclaim(engine), count);
        assert_int_equal(engine->chunks.count, 0);
    }
    assert_int_equal(mapped, ARE_USED ? 4 * 2 * CHUNK : 0);
    assert_true(!ARE_USED || resident(refused) <= 16);
    takes_nothing_back = false;
    close_engine(engine);
    assert_int_equal(mapped, 0);
}

/* What was refused once goes the next time that the engine becomes small. */
static void test_kernel_takes_it_later(void **state)
{
    struct xbar_engine *engine = open_engine(false);

    (void)state;
    takes_nothing_back = true;
    for (unsigned round = 0; round < 2; round++) {
        set_regions(engine, MANY);
        retire(engine, make_list(engine, LINES, 100));
        set_regions(engine, 1);
        assert_int_equal(xbar_engine_reclaim(engine), 100);
        assert_int_equal(engine->chunks.count, 0);
        assert_int_equal(mapped, ARE_USED && round == 0 ? 2 * CHUNK : 0);
        takes_nothing_back = false;
    }
    close_engine(engine);
}

static void *free_elsewhere(void *opaque)
{
    struct object *object = opaque;

    xbar_free_lines(*(struct xbar_engine **)(object + 1), object,
                    object->bytes);
    return NULL;
}

/* A thread that has no lock. */
static void test_freed_by_others(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    struct object *object;
    pthread_t thread;

    (void)state;
    set_regions(engine, MANY);
    object = make(engine, 2 * LINES);
    *(struct xbar_engine **)(object + 1) = engine;
    assert_int_equal(pthread_create(&thread, NULL, free_elsewhere, object), 0);
    pthread_join(thread, NULL);
    assert_int_equal(bytes_live(engine),
                     engine->chunks.room * sizeof(struct chunk *));
    close_engine(engine);
}

/* ---- With regions ------------------------------------------------------ */

#define REGIONS 9000

static void add_all(MemoryRegion *root, MemoryRegion *regions)
{
    memory_region_transaction_begin();
    assert_int_equal(memory_region_init(root, NULL, NULL, UINT64_MAX), 0);
    for (size_t i = 0; i < REGIONS; i++) {
        assert_int_equal(
            memory_region_init_io(&regions[i], NULL, NULL, NULL, NULL, 0x1000),
            0);
        assert_int_equal(
            memory_region_add_subregion(root, i * 0x10000, &regions[i]), 0);
    }
    assert_int_equal(memory_region_transaction_commit(), 0);
}

static void ignore_end(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    (void)opaque;
}

static void end_all(MemoryRegion *regions, size_t count)
{
    memory_region_transaction_begin();
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(xbar_region_destroy(&regions[i], ignore_end, NULL), 0);
    }
    assert_int_equal(memory_region_transaction_commit(), 0);
}

/* The index of a large container, which goes with the regions. */
static void test_index(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    MemoryRegion *regions = calloc(REGIONS + 1, sizeof(*regions));

    (void)state;
    assert_non_null(regions);
    assert_int_equal(xbar_engine_enter(engine), 0);
    add_all(&regions[REGIONS], regions);
    assert_int_equal(engine->chunks.count, ARE_USED);
    end_all(regions, REGIONS + 1);
    while (xbar_engine_reclaim(engine) > 0) {
    }
    assert_int_equal(engine->chunks.count, 0);
    assert_int_equal(xbar_engine_leave(engine), 0);
    close_engine(engine);
    free(regions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_engine_has_none),
        cmocka_unit_test(test_large_engine_takes_them),
        cmocka_unit_test(test_all_go_back),
        cmocka_unit_test(test_without_them),
        cmocka_unit_test(test_newest_is_carved_anew),
        cmocka_unit_test(test_no_more_goes_than_has_to),
        cmocka_unit_test(test_given_out_again),
        cmocka_unit_test(test_small_again),
        cmocka_unit_test(test_smaller_still),
        cmocka_unit_test(test_kernel_takes_nothing_back),
        cmocka_unit_test(test_kernel_takes_it_later),
        cmocka_unit_test(test_freed_by_others),
        cmocka_unit_test(test_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
