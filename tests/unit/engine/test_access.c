/* SPDX-License-Identifier: MIT */
/*
 * What the byte model of test_dispatch.c does not say: results, locks,
 * attributes, memory, aliases, observers.
 */
#include <pthread.h>

#include "engine/dispatch.h"
#include "engine/engine_internal.h"
#include "tests/unit/engine/fixture.h"

struct device {
    MemoryRegion mr;
    struct xbar_engine *engine;
    uint64_t value;
    hwaddr fails_at; /* this address reports an error */
    unsigned reads;
    unsigned writes;
    bool was_locked; /* could another thread not take the machine lock? */
};

/* ---- Callbacks --------------------------------------------------------- */

static uint64_t read_value(void *opaque, hwaddr addr, unsigned size)
{
    struct device *d = opaque;

    (void)addr;
    (void)size;
    d->reads++;
    return d->value;
}

static void write_value(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct device *d = opaque;

    (void)addr;
    (void)size;
    d->writes++;
    d->value = data;
}

static MemTxResult read_failing(void *opaque, hwaddr addr, uint64_t *data,
                                unsigned size, MemTxAttrs attrs)
{
    struct device *d = opaque;

    (void)size;
    (void)attrs;
    d->reads++;
    *data = 0xff;
    return addr == d->fails_at ? MEMTX_ERROR : MEMTX_OK;
}

static MemTxResult write_failing(void *opaque, hwaddr addr, uint64_t data,
                                 unsigned size, MemTxAttrs attrs)
{
    struct device *d = opaque;

    (void)data;
    (void)size;
    d->writes++;
    if (attrs.requester_id == 7) {
        return MEMTX_ACCESS_ERROR;
    }
    return addr == d->fails_at ? MEMTX_ERROR : MEMTX_OK;
}

static const MemoryRegionOps plain_ops = {
    .read = read_value,
    .write = write_value,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .max_access_size = 8 },
};

static const MemoryRegionOps failing_ops = {
    .read_with_attrs = read_failing,
    .write_with_attrs = write_failing,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .max_access_size = 2 },
};

static void open_device(struct device *d, const MemoryRegionOps *ops)
{
    memset(d, 0, sizeof(*d));
    d->engine = xbar_engine_current();
    d->fails_at = UINT64_MAX;
    assert_int_equal(memory_region_init_io(&d->mr, NULL, ops, d, "device", 64),
                     0);
}

/* ---- Results ----------------------------------------------------------- */

static void test_all_parts_run_and_results_are_ored(void **state)
{
    MemTxAttrs attrs = { .requester_id = 7 };
    struct device d;
    uint64_t value = 1;

    (void)state;
    open_device(&d, &failing_ops);
    d.fails_at = 2;
    assert_int_equal(
        memory_region_dispatch_read(&d.mr, 0, &value, MO_64, ATTRS),
        MEMTX_ERROR);
    assert_int_equal(d.reads, 4);
    assert_int_equal(value, 0);
    assert_int_equal(memory_region_dispatch_write(&d.mr, 0, 1, MO_64, ATTRS),
                     MEMTX_ERROR);
    assert_int_equal(d.writes, 4);
    assert_int_equal(memory_region_dispatch_write(&d.mr, 8, 1, MO_32, attrs),
                     MEMTX_ACCESS_ERROR);
    assert_int_equal(
        memory_region_dispatch_read(&d.mr, 8, &value, MO_32, ATTRS), MEMTX_OK);
    assert_int_equal(value, 0x00ff00ff);
    end_region(&d.mr);
}

static void test_merge_does_not_write_what_it_could_not_read(void **state)
{
    MemoryRegionOps ops = failing_ops;
    struct device d;

    (void)state;
    ops.impl.min_access_size = 4;
    ops.impl.max_access_size = 4;
    open_device(&d, &ops);
    d.fails_at = 4;
    assert_int_equal(memory_region_dispatch_write(&d.mr, 5, 1, MO_8, ATTRS),
                     MEMTX_ERROR);
    assert_int_equal(d.reads, 1);
    assert_int_equal(d.writes, 0);
    assert_int_equal(memory_region_dispatch_write(&d.mr, 1, 1, MO_8, ATTRS),
                     MEMTX_OK);
    assert_int_equal(d.writes, 1);
    end_region(&d.mr);
}

static bool refuse_writes(void *opaque, hwaddr addr, unsigned size,
                          bool is_write, MemTxAttrs attrs)
{
    (void)opaque;
    (void)size;
    (void)attrs;
    return !is_write && addr != 4;
}

static bool accept_all(void *opaque, hwaddr addr, unsigned size, bool is_write,
                       MemTxAttrs attrs)
{
    (void)opaque;
    (void)addr;
    (void)size;
    (void)is_write;
    (void)attrs;
    return true;
}

static void test_accepts_decides(void **state)
{
    MemoryRegionOps ops = plain_ops;
    struct device d;
    uint64_t value;

    (void)state;
    ops.valid.accepts = refuse_writes;
    ops.write = NULL;
    open_device(&d, &ops);
    d.value = 5;
    assert_int_equal(
        memory_region_dispatch_read(&d.mr, 0, &value, MO_32, ATTRS), MEMTX_OK);
    assert_int_equal(value, 5);
    assert_int_equal(
        memory_region_dispatch_read(&d.mr, 4, &value, MO_32, ATTRS),
        MEMTX_DECODE_ERROR);
    assert_int_equal(memory_region_dispatch_write(&d.mr, 0, 0, MO_32, ATTRS),
                     MEMTX_DECODE_ERROR);
    assert_true(memory_region_access_valid(&d.mr, 0, 4, false, ATTRS));
    assert_false(memory_region_access_valid(&d.mr, 4, 4, false, ATTRS));
    assert_false(memory_region_access_valid(&d.mr, 0, 4, true, ATTRS));
    end_region(&d.mr);
}

/* A device that claims more than it has: an error, not a jump to NULL. */
static void test_missing_callbacks_are_decode_errors(void **state)
{
    MemoryRegionOps write_only = { .write = write_value,
                                   .endianness = DEVICE_LITTLE_ENDIAN,
                                   .impl = { .min_access_size = 4,
                                             .max_access_size = 4 },
                                   .valid = { .accepts = accept_all } };
    struct device d;
    uint64_t value = 3;

    (void)state;
    open_device(&d, &write_only);
    assert_int_equal(
        memory_region_dispatch_read(&d.mr, 0, &value, MO_32, ATTRS),
        MEMTX_DECODE_ERROR);
    assert_int_equal(value, 0);
    assert_int_equal(memory_region_dispatch_write(&d.mr, 0, 1, MO_8, ATTRS),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(memory_region_dispatch_write(&d.mr, 0, 9, MO_32, ATTRS),
                     MEMTX_OK);
    assert_int_equal(d.writes, 1);
    end_region(&d.mr);
}

static void test_what_does_not_answer(void **state)
{
    static MemoryRegion zeroed;
    MemoryRegion container, reservation;
    uint64_t value = 1;

    (void)state;
    assert_int_equal(memory_region_init(&container, NULL, NULL, 64), 0);
    assert_int_equal(
        memory_region_init_io(&reservation, NULL, NULL, NULL, "none", 64), 0);
    assert_int_equal(
        memory_region_dispatch_read(&container, 0, &value, MO_8, ATTRS),
        MEMTX_DECODE_ERROR);
    assert_int_equal(value, 0);
    assert_int_equal(
        memory_region_dispatch_read(&reservation, 0, &value, MO_8, ATTRS),
        MEMTX_DECODE_ERROR);
    assert_int_equal(memory_region_dispatch_write(&zeroed, 0, 1, MO_8, ATTRS),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(
        memory_region_dispatch_read(&container, 0, &value, MO_128, ATTRS),
        MEMTX_DECODE_ERROR);
    assert_false(memory_region_access_valid(&container, 0, 1, false, ATTRS));
    assert_false(memory_region_access_valid(&reservation, 0, 1, false, ATTRS));
    end_region(&container);
    end_region(&reservation);
}

static void test_memory_attribute_wants_memory(void **state)
{
    MemTxAttrs memory = { .memory = 1 };
    struct device d;
    MemoryRegion ram;
    uint64_t value = 1;

    (void)state;
    open_device(&d, &plain_ops);
    assert_int_equal(memory_region_init_ram(&ram, NULL, "ram", 64, NULL), 0);
    assert_int_equal(
        memory_region_dispatch_read(&d.mr, 0, &value, MO_32, memory),
        MEMTX_ACCESS_ERROR);
    assert_int_equal(value, 0);
    assert_int_equal(memory_region_dispatch_write(&d.mr, 0, 1, MO_32, memory),
                     MEMTX_ACCESS_ERROR);
    assert_int_equal(d.reads + d.writes, 0);
    assert_false(memory_region_access_valid(&d.mr, 0, 4, false, memory));
    assert_int_equal(
        memory_region_dispatch_read(&ram, 0, &value, MO_32, memory), MEMTX_OK);
    assert_true(memory_region_access_valid(&ram, 0, 4, true, memory));
    end_region(&d.mr);
    end_region(&ram);
}

/* ---- Memory ------------------------------------------------------------ */

static void test_ram_in_both_orders_and_unaligned(void **state)
{
    MemoryRegion ram;
    uint8_t *host;
    uint64_t value;

    (void)state;
    assert_int_equal(memory_region_init_ram(&ram, NULL, "ram", 64, NULL), 0);
    host = memory_region_get_ram_ptr(&ram);
    for (unsigned log2 = 0; log2 < 4; log2++) {
        for (hwaddr at = 8; at < 17; at++) {
            unsigned size = 1u << log2;

            memset(host, 0xee, 64);
            memory_region_dispatch_write(&ram, at, 0x0102030405060708,
                                         (MemOp)(log2 | MO_LE), ATTRS);
            for (unsigned i = 0; i < size; i++) {
                assert_int_equal(host[at + i], 8 - i);
            }
            assert_int_equal(host[at - 1], 0xee);
            assert_int_equal(host[at + size], 0xee);
            memory_region_dispatch_read(&ram, at, &value, (MemOp)(log2 | MO_BE),
                                        ATTRS);
            assert_int_equal(value, 0x0807060504030201 >> (64 - 8 * size));
            memory_region_dispatch_write(&ram, at, value, (MemOp)(log2 | MO_BE),
                                         ATTRS);
            assert_int_equal(host[at], 8);
        }
    }
    end_region(&ram);
}

static void test_memory_ends_where_the_region_does(void **state)
{
    uint8_t bytes[64] = { 0 };
    MemoryRegion ram;
    uint64_t value = 1;

    (void)state;
    assert_int_equal(memory_region_init_ram_ptr(&ram, NULL, "ram", 61, bytes),
                     0);
    assert_int_equal(
        memory_region_dispatch_read(&ram, 57, &value, MO_32, ATTRS), MEMTX_OK);
    assert_int_equal(
        memory_region_dispatch_read(&ram, 58, &value, MO_32, ATTRS),
        MEMTX_DECODE_ERROR);
    assert_int_equal(
        memory_region_dispatch_read(&ram, UINT64_MAX, &value, MO_64, ATTRS),
        MEMTX_DECODE_ERROR);
    assert_int_equal(memory_region_dispatch_write(&ram, 60, 1, MO_16, ATTRS),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(bytes[60], 0);
    assert_int_equal(memory_region_set_size(&ram, 0), 0);
    assert_int_equal(memory_region_dispatch_read(&ram, 0, &value, MO_8, ATTRS),
                     MEMTX_DECODE_ERROR);
    end_region(&ram);
}

static void test_rom_ignores_writes(void **state)
{
    MemoryRegion rom;
    uint8_t *host;

    (void)state;
    assert_int_equal(memory_region_init_rom(&rom, NULL, "rom", 64, NULL), 0);
    host = memory_region_get_ram_ptr(&rom);
    host[3] = 9;
    assert_int_equal(memory_region_dispatch_write(&rom, 3, 1, MO_8, ATTRS),
                     MEMTX_OK);
    assert_int_equal(host[3], 9);
    assert_int_equal(memory_region_set_readonly(&rom, false), 0);
    assert_int_equal(memory_region_dispatch_write(&rom, 3, 1, MO_8, ATTRS),
                     MEMTX_OK);
    assert_int_equal(host[3], 1);
    end_region(&rom);
}

/* ---- Aliases ----------------------------------------------------------- */

static void test_aliases_are_followed_and_clip(void **state)
{
    MemoryRegion ram, inner, outer, high;
    uint64_t value = 0;
    uint8_t *host;

    (void)state;
    assert_int_equal(memory_region_init_ram(&ram, NULL, "ram", 64, NULL), 0);
    assert_int_equal(
        memory_region_init_alias(&inner, NULL, "inner", &ram, 16, 32), 0);
    assert_int_equal(
        memory_region_init_alias(&outer, NULL, "outer", &inner, 8, 64), 0);
    assert_int_equal(
        memory_region_init_alias(&high, NULL, "high", &ram, UINT64_MAX, 64), 0);
    host = memory_region_get_ram_ptr(&ram);
    host[28] = 0x77;
    assert_int_equal(
        memory_region_dispatch_read(&outer, 4, &value, MO_8, ATTRS), MEMTX_OK);
    assert_int_equal(value, 0x77);
    assert_int_equal(memory_region_dispatch_write(&outer, 4, 0x88, MO_8, ATTRS),
                     MEMTX_OK);
    assert_int_equal(host[28], 0x88);
    assert_int_equal(memory_region_dispatch_write(&outer, 24, 1, MO_8, ATTRS),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(memory_region_dispatch_write(
                         &outer, 0, 0x0102, (MemOp)(MO_16 | MO_BE), ATTRS),
                     MEMTX_OK);
    assert_int_equal(host[24], 1);
    assert_true(memory_region_access_valid(&outer, 20, 4, true, ATTRS));
    assert_false(memory_region_access_valid(&outer, 21, 4, true, ATTRS));
    assert_ptr_equal(memory_region_get_ram_ptr(&outer), host + 24);
    assert_int_equal(
        memory_region_dispatch_read(&outer, 24, &value, MO_8, ATTRS),
        MEMTX_DECODE_ERROR); /* beyond inner */
    assert_int_equal(memory_region_dispatch_read(&high, 1, &value, MO_8, ATTRS),
                     MEMTX_DECODE_ERROR); /* past 2^64 */
    end_region(&ram);
    assert_int_equal(
        memory_region_dispatch_read(&outer, 4, &value, MO_8, ATTRS),
        MEMTX_DECODE_ERROR);
    assert_null(memory_region_get_ram_ptr(&outer));
    end_region(&high);
    end_region(&inner);
    end_region(&outer);
}

/* ---- Locks ------------------------------------------------------------- */

static void *try_machine_lock(void *opaque)
{
    struct device *d = opaque;

    d->was_locked = !lock__try(&d->engine->machine_lock);
    if (!d->was_locked) {
        lock__release(&d->engine->machine_lock);
    }
    return NULL;
}

/* While the callback runs, another thread finds out who has the lock. */
static uint64_t read_watching_lock(void *opaque, hwaddr addr, unsigned size)
{
    struct device *d = opaque;
    pthread_t thread;

    (void)addr;
    (void)size;
    pthread_create(&thread, NULL, try_machine_lock, d);
    pthread_join(thread, NULL);
    xbar_engine_lock(d->engine); /* recursive: no deadlock */
    d->reads++;
    xbar_engine_unlock(d->engine);
    return 0;
}

static bool was_machine_locked(struct device *d)
{
    uint64_t value;

    memory_region_dispatch_read(&d->mr, 0, &value, MO_32, ATTRS);
    return d->was_locked;
}

static void test_lock_policies(void **state)
{
    MemoryRegionOps ops = plain_ops;
    struct device d;

    (void)state;
    ops.read = read_watching_lock;
    open_device(&d, &ops);
    assert_true(was_machine_locked(&d));
    assert_int_equal(xbar_region_set_lock_policy(&d.mr, XBAR_LOCK_REGION), 0);
    assert_false(was_machine_locked(&d));
    assert_int_equal(xbar_region_set_lock_policy(&d.mr, XBAR_LOCK_NONE), 0);
    assert_false(was_machine_locked(&d));
    assert_int_equal(xbar_region_set_lock_policy(&d.mr, XBAR_LOCK_MACHINE), 0);
    assert_true(was_machine_locked(&d));
    end_region(&d.mr);
}

/* Two threads add to a device without a lock of its own. */
static uint64_t read_and_count(void *opaque, hwaddr addr, unsigned size)
{
    struct device *d = opaque;

    (void)addr;
    (void)size;
    return d->value++;
}

static void *read_often(void *opaque)
{
    struct device *d = opaque;
    uint64_t value;

    for (unsigned i = 0; i < 20000; i++) {
        memory_region_dispatch_read(&d->mr, 0, &value, MO_32, ATTRS);
    }
    return NULL;
}

static void test_locks_exclude(void **state)
{
    MemoryRegionOps ops = plain_ops;
    pthread_t threads[2];
    struct device d;

    (void)state;
    ops.read = read_and_count;
    for (int policy = XBAR_LOCK_MACHINE; policy <= XBAR_LOCK_REGION; policy++) {
        open_device(&d, &ops);
        assert_int_equal(
            xbar_region_set_lock_policy(&d.mr, (enum xbar_lock_policy)policy),
            0);
        for (unsigned i = 0; i < 2; i++) {
            pthread_create(&threads[i], NULL, read_often, &d);
        }
        for (unsigned i = 0; i < 2; i++) {
            pthread_join(threads[i], NULL);
        }
        assert_int_equal(d.value, 40000);
        end_region(&d.mr);
    }
}

static void test_lock_policy_errors(void **state)
{
    MemoryRegionOps narrow = plain_ops;
    MemoryRegionOps ragged = plain_ops;
    MemoryRegion root, ram;
    struct device d;

    (void)state;
    narrow.impl.min_access_size = 4;
    ragged.impl.min_access_size = 4;
    ragged.valid.min_access_size = 4;
    ragged.valid.max_access_size = 8;
    assert_int_equal(memory_region_init(&root, NULL, "root", 64), 0);
    assert_int_equal(memory_region_init_ram(&ram, NULL, "ram", 64, NULL), 0);
    assert_int_equal(xbar_region_set_lock_policy(&ram, XBAR_LOCK_REGION),
                     -EINVAL);
    assert_int_equal(xbar_region_set_lock_policy(NULL, XBAR_LOCK_NONE),
                     -EINVAL);

    open_device(&d, &narrow);
    assert_int_equal(xbar_region_set_lock_policy(&d.mr, XBAR_LOCK_NONE),
                     -EINVAL);
    assert_int_equal(
        xbar_region_set_lock_policy(&d.mr, (enum xbar_lock_policy)3), -EINVAL);
    assert_int_equal(memory_region_add_subregion(&root, 0, &d.mr), 0);
    assert_int_equal(xbar_region_set_lock_policy(&d.mr, XBAR_LOCK_REGION),
                     -EBUSY);
    assert_int_equal(memory_region_del_subregion(&root, &d.mr), 0);
    xbar_region_get(&d.mr);
    assert_int_equal(xbar_region_set_lock_policy(&d.mr, XBAR_LOCK_REGION),
                     -EBUSY);
    xbar_region_put(&d.mr);
    end_region(&d.mr);

    narrow.impl.narrow_write_is_safe = true;
    open_device(&d, &narrow);
    assert_int_equal(xbar_region_set_lock_policy(&d.mr, XBAR_LOCK_NONE), 0);
    end_region(&d.mr);

    open_device(&d, &ragged);
    assert_int_equal(xbar_region_set_lock_policy(&d.mr, XBAR_LOCK_NONE), 0);
    end_region(&d.mr);
    ragged.valid.unaligned = true;
    open_device(&d, &ragged);
    assert_int_equal(xbar_region_set_lock_policy(&d.mr, XBAR_LOCK_NONE),
                     -EINVAL);
    end_region(&d.mr);
    end_region(&root);
    end_region(&ram);
}

/* ---- Observers --------------------------------------------------------- */

struct log {
    struct xbar_access last;
    unsigned count;
};

static void note_access(void *opaque, const struct xbar_access *access)
{
    struct log *log = opaque;

    log->last = *access;
    log->count++;
}

static void test_observer_sees_each_access_once(void **state)
{
    MemoryRegionOps ops = plain_ops;
    struct log log = { .count = 0 };
    struct fixture f;
    struct device d;
    uint64_t value;

    (void)state;
    fixture_open(&f, (struct xbar_engine_config){ .observe = note_access,
                                                  .observe_opaque = &log });
    ops.valid.min_access_size = 1;
    ops.valid.max_access_size = 4;
    ops.impl.max_access_size = 1;
    open_device(&d, &ops);
    d.value = 0x12;
    memory_region_dispatch_read(&d.mr, 4, &value, MO_32, ATTRS);
    assert_int_equal(d.reads, 4);
    assert_int_equal(log.count, 1);
    assert_ptr_equal(log.last.mr, &d.mr);
    assert_int_equal(log.last.offset, 4);
    assert_int_equal(log.last.value, 0x12121212);
    assert_int_equal(log.last.size, 4);
    assert_false(log.last.is_write);
    assert_int_equal(log.last.result, MEMTX_OK);
    memory_region_dispatch_write(&d.mr, 1, 0x34, MO_8, ATTRS);
    assert_int_equal(log.count, 2);
    assert_true(log.last.is_write);
    assert_int_equal(log.last.value, 0x34);
    memory_region_dispatch_read(&d.mr, 0, &value, MO_64, ATTRS);
    assert_int_equal(log.count, 2); /* refused: it did not reach the device */
    end_region(&d.mr);
    fixture_close(&f);
}

static uint64_t clock_asked;

static uint64_t slow_clock(void)
{
    return 100 * ++clock_asked;
}

static void test_observer_is_told_how_long(void **state)
{
    struct log log = { .count = 0 };
    struct fixture f;
    struct device d;
    uint64_t value;

    (void)state;
    fixture_open(&f, (struct xbar_engine_config){ .observe = note_access,
                                                  .observe_opaque = &log,
                                                  .ticks = slow_clock });
    open_device(&d, &plain_ops);
    clock_asked = 0;
    memory_region_dispatch_read(&d.mr, 4, &value, MO_32, ATTRS);
    assert_int_equal(log.last.ticks, 100);
    memory_region_dispatch_write(&d.mr, 4, 1, MO_32, ATTRS);
    assert_int_equal(log.last.ticks, 100);
    assert_int_equal(clock_asked, 4);
    end_region(&d.mr);
    fixture_close(&f);
    /* Nobody asks the time for nobody. */
    fixture_open(&f, (struct xbar_engine_config){ .ticks = slow_clock });
    open_device(&d, &plain_ops);
    memory_region_dispatch_read(&d.mr, 4, &value, MO_32, ATTRS);
    assert_int_equal(clock_asked, 4);
    end_region(&d.mr);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_all_parts_run_and_results_are_ored),
        engine_test(test_merge_does_not_write_what_it_could_not_read),
        engine_test(test_accepts_decides),
        engine_test(test_missing_callbacks_are_decode_errors),
        engine_test(test_what_does_not_answer),
        engine_test(test_memory_attribute_wants_memory),
        engine_test(test_ram_in_both_orders_and_unaligned),
        engine_test(test_memory_ends_where_the_region_does),
        engine_test(test_rom_ignores_writes),
        engine_test(test_aliases_are_followed_and_clip),
        engine_test(test_lock_policies),
        engine_test(test_locks_exclude),
        engine_test(test_lock_policy_errors),
        engine_test(test_observer_sees_each_access_once),
        engine_test(test_observer_is_told_how_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
