/* SPDX-License-Identifier: MIT */
/*
 * Memory that comes and goes under those who hold it: one thread replaces RAM
 * regions and frees their memory in `done`, others map them, cache them, find
 * them and copy to them. The address sanitizer sees memory that was freed too
 * early; the thread sanitizer sees a reference that orders nothing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "engine/engine.h"
#include "flatview/region_cache.h"
#include "flatview/section.h"

#define PLACES 4
#define SIZE   0x1000u
#define USERS  3
#define HELD   6 /* maps, and caches, that one user keeps for a while */

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define ROUNDS 1500
#else
#define ROUNDS 10000
#endif

struct memory {
    MemoryRegion mr;
    struct world *world;
    uint8_t bytes[SIZE];
};

struct world {
    struct xbar_engine *engine;
    MemoryRegion root;
    AddressSpace as;
    struct memory *at[PLACES];
    unsigned made;
    unsigned freed; /* atomic */
    bool stop;      /* atomic */
};

struct user {
    struct world *world;
    pthread_t thread;
    uint32_t random;
    unsigned mapped; /* atomic */
    unsigned wrong;
    struct map {
        uint8_t *host; /* NULL: none */
        hwaddr len;
        bool is_write;
    } maps[HELD];
    MemoryRegionCache caches[HELD];
};

static const MemTxAttrs plain = { .unspecified = 1 };

static uint32_t pick(uint32_t *random, uint32_t below)
{
    *random = *random * 1664525 + 1013904223;
    return (*random >> 8) % below;
}

/* ---- Who replaces ------------------------------------------------------ */

static void free_memory(MemoryRegion *mr, void *opaque)
{
    struct memory *memory = opaque;
    struct world *world = memory->world;

    (void)mr;
    memset(memory, 0xa5, sizeof(*memory));
    free(memory);
    __atomic_fetch_add(&world->freed, 1, __ATOMIC_RELAXED);
}

static int remove_memory(struct world *world, unsigned i)
{
    struct memory *old = world->at[i];

    world->at[i] = NULL;
    return old != NULL ? xbar_region_destroy(&old->mr, free_memory, old) : 0;
}

static int add_memory(struct world *world, unsigned i)
{
    struct memory *new = calloc(1, sizeof(*new));

    new->world = world;
    world->at[i] = new;
    world->made++;
    return memory_region_init_ram_ptr(&new->mr, NULL, "memory", SIZE,
                                      new->bytes) |
           memory_region_add_subregion(&world->root, i * SIZE, &new->mr);
}

static void replace(struct world *world, uint32_t *random)
{
    unsigned i = pick(random, PLACES);
    int err;

    memory_region_transaction_begin();
    err = remove_memory(world, i);
    if (pick(random, 4) != 0) {
        err |= add_memory(world, i);
    }
    err |= memory_region_transaction_commit();
    assert_int_equal(err, 0);
}

/* ---- Who uses ---------------------------------------------------------- */

static void touch(uint8_t *bytes, hwaddr len, bool is_write)
{
    for (hwaddr i = 0; i < len; i++) {
        if (is_write) {
            __atomic_store_n(&bytes[i], (uint8_t)i, __ATOMIC_RELAXED);
        } else {
            (void)__atomic_load_n(&bytes[i], __ATOMIC_RELAXED);
        }
    }
}

static void end_map(struct user *u, struct map *m)
{
    int err;

    if (m->host != NULL) {
        touch(m->host, m->len, m->is_write);
        err = address_space_unmap(&u->world->as, m->host, m->len, m->is_write,
                                  m->len);
        u->wrong += err != 0 && err != -EIO;
        m->host = NULL;
    }
}

/* The one before is kept until now: its memory may be gone from the tree. */
static void use_a_map(struct user *u, hwaddr addr)
{
    struct map *m = &u->maps[pick(&u->random, HELD)];

    end_map(u, m);
    m->is_write = pick(&u->random, 2) != 0;
    m->len = 64;
    m->host =
        address_space_map(&u->world->as, addr, &m->len, m->is_write, plain);
    if (m->host != NULL) { /* else others have the bounce memory */
        __atomic_fetch_add(&u->mapped, 1, __ATOMIC_RELAXED);
    }
}

static void touch_cache(MemoryRegionCache *cache)
{
    for (unsigned i = 0; i < 32; i++) {
        stl_le_phys_cached(cache, i * 2, i);
        (void)ldq_le_phys_cached(cache, i);
    }
}

static void use_a_cache(struct user *u, hwaddr addr)
{
    MemoryRegionCache *cache = &u->caches[pick(&u->random, HELD)];

    if (cache->as != NULL) {
        touch_cache(cache);
    }
    address_space_cache_destroy(cache);
    if (address_space_cache_init(cache, &u->world->as, addr, 64, true) != 64) {
        u->wrong++;
    }
    touch_cache(cache);
}

static void end_all(struct user *u)
{
    for (unsigned i = 0; i < HELD; i++) {
        end_map(u, &u->maps[i]);
        address_space_cache_destroy(&u->caches[i]);
    }
}

static void use_a_section(struct user *u, hwaddr addr)
{
    MemoryRegionSection found = memory_region_find(&u->world->root, addr, SIZE);
    uint8_t *bytes = found.mr ? memory_region_get_ram_ptr(found.mr) : NULL;

    if (bytes != NULL) {
        touch(bytes + found.offset_within_region, 16, true);
    }
    memory_region_section_unref(&found);
}

static void *use(void *opaque)
{
    struct user *u = opaque;

    while (!__atomic_load_n(&u->world->stop, __ATOMIC_RELAXED)) {
        hwaddr addr = pick(&u->random, PLACES) * SIZE + 0x40;

        switch (pick(&u->random, 4)) {
        case 0:
            use_a_cache(u, addr);
            break;
        case 1:
            use_a_section(u, addr);
            break;
        default:
            use_a_map(u, addr);
        }
    }
    end_all(u);
    return NULL;
}

/* ---- Together ---------------------------------------------------------- */

static void start_users(struct world *world, struct user *users)
{
    for (unsigned i = 0; i < USERS; i++) {
        users[i] = (struct user){ .world = world, .random = i };
        assert_int_equal(pthread_create(&users[i].thread, NULL, use, &users[i]),
                         0);
    }
}

/* A thread may have to wait for a processor. */
static bool have_all_mapped(struct user *users)
{
    for (unsigned i = 0; i < USERS; i++) {
        if (__atomic_load_n(&users[i].mapped, __ATOMIC_RELAXED) == 0) {
            return false;
        }
    }
    return true;
}

static void stop_users(struct world *world, struct user *users)
{
    __atomic_store_n(&world->stop, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < USERS; i++) {
        assert_int_equal(pthread_join(users[i].thread, NULL), 0);
        assert_int_equal(users[i].wrong, 0);
        assert_int_not_equal(users[i].mapped, 0);
    }
}

static void test_memory_comes_and_goes(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct user users[USERS];
    uint32_t random = 1;

    (void)state;
    world->engine = xbar_engine_new(NULL);
    assert_int_equal(xbar_engine_enter(world->engine), 0);
    assert_int_equal(memory_region_init(&world->root, NULL, "root", UINT64_MAX),
                     0);
    assert_int_equal(address_space_init(&world->as, &world->root, "as"), 0);
    start_users(world, users);
    for (unsigned i = 0;
         i < ROUNDS || (i < 1000 * ROUNDS && !have_all_mapped(users)); i++) {
        replace(world, &random);
        if (i % 8 == 7) {
            assert_true(xbar_engine_reclaim(world->engine) >= 0);
        }
    }
    stop_users(world, users);
    for (unsigned i = 0; i < PLACES; i++) {
        assert_int_equal(remove_memory(world, i), 0);
    }
    assert_int_equal(xbar_address_space_destroy(&world->as, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&world->root, NULL, NULL), 0);
    assert_int_equal(world->freed, world->made);
    assert_int_equal(xbar_engine_leave(world->engine), 0);
    assert_int_equal(xbar_engine_free(world->engine), 0);
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_comes_and_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
