/* SPDX-License-Identifier: MIT */
/*
 * Every call that takes memory, failing at each of its requests, one after the
 * other: it says so, all is as it was, and nothing has leaked; when memory
 * suffices it works. (Edits of the tree: test_out_of_memory.)
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/event_notifier.h"
#include "engine/ram_block.h"
#include "flatview/deferred_writes.h"
#include "flatview/dirty_bitmap.h"
#include "flatview/discard.h"
#include "flatview/iommu.h"
#include "flatview/listener.h"
#include "flatview/read_observer.h"
#include "flatview/section.h"
#include "tests/unit/counting_alloc.h"

#define RAM_SIZE     0x10000u
#define DEV          0x20000u
#define MAX_REQUESTS 200

struct rig {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    MemoryRegion root;
    MemoryRegion ram;
    MemoryRegion dev;  /* at DEV */
    MemoryRegion pool; /* RAM that is not mapped */
    AddressSpace as;
    MemoryListener ear;
    EventNotifier event;
    unsigned calls; /* of the device */
    unsigned told;  /* of the listener, net */
    /* what calls make */
    MemoryRegion made;
    struct xbar_read_observer observer;
    AddressSpace other;
    RamDiscardManager *rdm;
    DirtyBitmapSnapshot *snapshot;
    MemoryRegionSection *copy;
    void *mapped;
    hwaddr length;
};

static struct rig rig;

static const MemTxAttrs plain = { .unspecified = 1 };

/* ---- What there is ----------------------------------------------------- */

static uint64_t dev_read(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)size;
    return 0x55;
}

static void dev_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)data;
    (void)size;
    rig.calls++;
}

static const MemoryRegionOps ops = { .read = dev_read, .write = dev_write };

static void eventfd_add(MemoryListener *l, MemoryRegionSection *s,
                        bool match_data, uint64_t data, EventNotifier *e)
{
    (void)l;
    (void)s;
    (void)match_data;
    (void)data;
    (void)e;
    rig.told++;
}

static void eventfd_del(MemoryListener *l, MemoryRegionSection *s,
                        bool match_data, uint64_t data, EventNotifier *e)
{
    (void)l;
    (void)s;
    (void)match_data;
    (void)data;
    (void)e;
    rig.told--;
}

static void coalesced_add(MemoryListener *l, MemoryRegionSection *s,
                          hwaddr addr, hwaddr len)
{
    (void)l;
    (void)s;
    (void)addr;
    (void)len;
    rig.told++;
}

static void coalesced_del(MemoryListener *l, MemoryRegionSection *s,
                          hwaddr addr, hwaddr len)
{
    (void)l;
    (void)s;
    (void)addr;
    (void)len;
    rig.told--;
}

static void log_changes(MemoryListener *l, MemoryRegionSection *s, int old_val,
                        int new_val)
{
    (void)l;
    (void)s;
    rig.told += (unsigned)(new_val - old_val);
}

/* What anybody can see of it, packed. */
struct sight {
    unsigned calls_of_a_write;
    unsigned told;
    int log_mask;
    bool fires;
    bool is_dirty;
    bool has_manager;
    uint64_t sections;
    uint32_t word;
};

static struct sight look(void)
{
    struct sight sight;
    unsigned before = rig.calls;

    memset(&sight, 0, sizeof(sight));
    address_space_stl_le(&rig.as, DEV + 0x10, 1, plain, NULL);
    sight.calls_of_a_write = rig.calls - before;
    sight.told = rig.told;
    sight.log_mask = memory_region_get_dirty_log_mask(&rig.ram);
    sight.fires = event_notifier_test_and_clear(&rig.event);
    sight.is_dirty = memory_region_get_dirty(&rig.ram, 0, 0x1000, 0);
    sight.has_manager = memory_region_has_ram_discard_manager(&rig.pool);
    sight.word = address_space_ldl_le(&rig.as, 0x100, plain, NULL);
    xbar_read_begin();
    sight.sections = flatview_num_ranges(address_space_to_flatview(&rig.as));
    xbar_read_end();
    return sight;
}

/* ---- Calls ------------------------------------------------------------- */

/* Return: 0, or -ENOMEM. */
typedef int call_fn(void);

static int add_eventfd(void)
{
    return memory_region_add_eventfd(&rig.dev, 0x10, 4, false, 0, &rig.event);
}

static int del_eventfd(void)
{
    return memory_region_del_eventfd(&rig.dev, 0x10, 4, false, 0, &rig.event);
}

static int add_coalescing(void)
{
    return memory_region_add_coalescing(&rig.dev, 0x20, 4);
}

static int set_coalescing(void)
{
    return memory_region_set_coalescing(&rig.dev);
}

static int clear_coalescing(void)
{
    return memory_region_clear_coalescing(&rig.dev);
}

static int set_flush(void)
{
    return memory_region_set_flush_coalesced(&rig.dev);
}

static int clear_flush(void)
{
    return memory_region_clear_flush_coalesced(&rig.dev);
}

static int set_log(void)
{
    return memory_region_set_log(&rig.ram, true, 0);
}

static int clear_log(void)
{
    return memory_region_set_log(&rig.ram, false, 0);
}

static int log_all(void)
{
    return memory_global_dirty_log_start(GLOBAL_DIRTY_MIGRATION);
}

static int log_none(void)
{
    memory_global_dirty_log_stop(GLOBAL_DIRTY_MIGRATION);
    return 0;
}

static int take_snapshot(void)
{
    rig.snapshot = memory_region_snapshot_and_clear_dirty(&rig.ram, 0, RAM_SIZE,
                                                          DIRTY_MEMORY_VGA);
    return rig.snapshot != NULL ? 0 : -ENOMEM;
}

static int free_snapshot(void)
{
    xbar_dirty_snapshot_free(rig.snapshot);
    return clear_log();
}

static int new_manager(void)
{
    Error *error = NULL;

    rig.rdm = xbar_ram_discard_manager_new(&rig.pool, 4096, &error);
    assert_int_equal(rig.rdm == NULL, error != NULL);
    error_free(error);
    return rig.rdm != NULL ? 0 : -ENOMEM;
}

static int free_manager(void)
{
    return xbar_ram_discard_manager_free(rig.rdm);
}

static int map_device(void)
{
    rig.length = 64;
    rig.mapped = address_space_map(&rig.as, DEV, &rig.length, false, plain);
    return rig.mapped != NULL ? 0 : -ENOMEM;
}

static int unmap_device(void)
{
    return address_space_unmap(&rig.as, rig.mapped, rig.length, false, 0);
}

static int copy_section(void)
{
    MemoryRegionSection section = memory_region_find(&rig.root, DEV, 4);

    rig.copy = memory_region_section_new_copy(&section);
    memory_region_section_unref(&section);
    return rig.copy != NULL ? 0 : -ENOMEM;
}

static int free_copy(void)
{
    memory_region_section_free_copy(rig.copy);
    return 0;
}

static int init_space(void)
{
    return address_space_init(&rig.other, &rig.root, "other");
}

static int end_space(void)
{
    return xbar_address_space_destroy(&rig.other, NULL, NULL);
}

static int end_made(void)
{
    return xbar_region_destroy(&rig.made, NULL, NULL);
}

static int init_io(void)
{
    return memory_region_init_io(&rig.made, NULL, &ops, NULL, "io", 16);
}

static int init_own_lock(void)
{
    int err = init_io();

    if (err == 0) {
        err = xbar_region_set_lock_policy(&rig.made, XBAR_LOCK_REGION);
        if (err != 0) {
            assert_int_equal(end_made(), 0);
        }
    }
    return err;
}

static int init_ram(void)
{
    return memory_region_init_ram(&rig.made, NULL, "ram", 4096, NULL);
}

static int init_shared(void)
{
    return memory_region_init_ram_flags_nomigrate(&rig.made, NULL, "shared",
                                                  4096, RAM_SHARED, NULL);
}

static int init_ptr(void)
{
    static uint8_t bytes[4096];

    return memory_region_init_ram_ptr(&rig.made, NULL, "ptr", 4096, bytes);
}

static int init_romd(void)
{
    return memory_region_init_rom_device(&rig.made, NULL, &ops, NULL, "romd",
                                         4096, NULL);
}

static int init_alias(void)
{
    return memory_region_init_alias(&rig.made, NULL, "alias", &rig.ram, 0, 16);
}

static void ignore_read(struct xbar_read_observer *observer, hwaddr addr,
                        hwaddr length, MemoryRegion *mr, hwaddr offset)
{
    (void)observer;
    (void)addr;
    (void)length;
    (void)mr;
    (void)offset;
}

static int init_observer(void)
{
    return xbar_read_observer_init(&rig.observer, NULL, "observer", &rig.as, 0,
                                   16, ignore_read);
}

static int end_observer(void)
{
    return xbar_region_destroy(&rig.observer.iommu.parent_obj, NULL, NULL);
}

static const struct {
    const char *name;
    call_fn *call;
    call_fn *undo;
    call_fn *prepare; /* NULL: nothing */
    bool is_seen;     /* sight differs afterwards */
    bool is_kept;     /* what it got before it failed: until the region ends */
} calls[] = {
    { "add_eventfd", add_eventfd, del_eventfd, NULL, true, false },
    { "add_coalescing", add_coalescing, clear_coalescing, NULL, true, false },
    { "set_coalescing", set_coalescing, clear_coalescing, NULL, true, false },
    { "set_flush_coalesced", set_flush, clear_flush, NULL, false, false },
    { "set_log", set_log, clear_log, NULL, true, false },
    { "global_dirty_log_start", log_all, log_none, NULL, true, true },
    { "snapshot_and_clear_dirty", take_snapshot, free_snapshot, set_log, true,
      false },
    { "discard_manager_new", new_manager, free_manager, NULL, true, false },
    { "map", map_device, unmap_device, NULL, false, false },
    { "section_new_copy", copy_section, free_copy, NULL, false, false },
    { "address_space_init", init_space, end_space, NULL, false, false },
    { "init_io", init_io, end_made, NULL, false, false },
    { "set_lock_policy", init_own_lock, end_made, NULL, false, false },
    { "init_ram", init_ram, end_made, NULL, false, false },
    { "init_ram_flags", init_shared, end_made, NULL, false, false },
    { "init_ram_ptr", init_ptr, end_made, NULL, false, false },
    { "init_rom_device", init_romd, end_made, NULL, false, false },
    { "init_alias", init_alias, end_made, NULL, false, false },
    { "read_observer_init", init_observer, end_observer, NULL, false, false },
};

/* ---- Runs -------------------------------------------------------------- */

static void reclaim(void)
{
    while (xbar_engine_reclaim(rig.engine) > 0) {
    }
}

/* Return: did the call work, though request @n failed? */
static bool try(size_t i, long n)
{
    struct sight before = look();
    long live;
    int err;

    reclaim();
    live = atomic_load(&rig.alloc.live_bytes);
    counting_alloc_fail(&rig.alloc, n);
    err = calls[i].call();
    counting_alloc_fail(&rig.alloc, 0);
    if (err != 0) {
        struct sight after = look();

        assert_int_equal(err, -ENOMEM);
        assert_memory_equal(&before, &after, sizeof(before));
        reclaim();
        assert_true(calls[i].is_kept ||
                    atomic_load(&rig.alloc.live_bytes) == live);
    }
    return err == 0;
}

static void run_call(size_t i)
{
    struct sight before = look();
    struct sight after;
    long n = 1;

    while (!try(i, n)) {
        assert_true(++n < MAX_REQUESTS);
    }
    assert_true(n > 1); /* else it takes none */
    after = look();
    assert_int_equal(memcmp(&before, &after, sizeof(before)) != 0,
                     calls[i].is_seen);
    assert_int_equal(calls[i].undo(), 0);
    reclaim();
}

static int set_up(void)
{
    int err;

    memset(&rig, 0, sizeof(rig));
    rig.engine = counting_alloc_engine(&rig.alloc);
    rig.ear = (MemoryListener){
        .eventfd_add = eventfd_add,
        .eventfd_del = eventfd_del,
        .coalesced_io_add = coalesced_add,
        .coalesced_io_del = coalesced_del,
        .log_start = log_changes,
        .log_stop = log_changes,
    };
    err = xbar_engine_enter(rig.engine);
    err |= event_notifier_init(&rig.event, 0);
    err |= memory_region_init(&rig.root, NULL, "root", UINT64_MAX);
    err |= memory_region_init_ram(&rig.ram, NULL, "ram", RAM_SIZE, NULL);
    err |= memory_region_init_ram(&rig.pool, NULL, "pool", RAM_SIZE, NULL);
    err |= memory_region_init_io(&rig.dev, NULL, &ops, NULL, "dev", 0x1000);
    err |= memory_region_add_subregion(&rig.root, 0, &rig.ram);
    err |= memory_region_add_subregion(&rig.root, DEV, &rig.dev);
    err |= address_space_init(&rig.as, &rig.root, "as");
    return err | memory_listener_register(&rig.ear, &rig.as);
}

static int tear_down(void)
{
    int err = memory_listener_unregister(&rig.ear);

    err |= xbar_address_space_destroy(&rig.as, NULL, NULL);
    err |= xbar_region_destroy(&rig.dev, NULL, NULL);
    err |= xbar_region_destroy(&rig.pool, NULL, NULL);
    err |= xbar_region_destroy(&rig.ram, NULL, NULL);
    err |= xbar_region_destroy(&rig.root, NULL, NULL);
    event_notifier_cleanup(&rig.event);
    err |= xbar_engine_leave(rig.engine);
    err |= xbar_engine_free(rig.engine);
    return err | (atomic_load(&rig.alloc.live_bytes) != 0);
}

/* Each in a world of its own: a region keeps some of what it got. */
static void test_calls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        print_message("%s\n", calls[i].name);
        assert_int_equal(set_up(), 0);
        assert_int_equal(calls[i].prepare ? calls[i].prepare() : 0, 0);
        run_call(i);
        assert_int_equal(tear_down(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
