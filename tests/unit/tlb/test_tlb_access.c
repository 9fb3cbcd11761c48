/* SPDX-License-Identifier: MIT */
/* Slow loads and stores: crossing, refusing, reaching the device. */
#include "flatview/deferred_writes.h"
#include "tests/unit/tlb/world.h"

/* Two neighbouring pages of guest addresses. */
#define LOW  0x5000u
#define HIGH (LOW + PAGE)

static void map_two(struct world *world, hwaddr low, hwaddr high)
{
    world->mappings = 0;
    world_map(world, LOW, low, PROT_RWX);
    world_map(world, HIGH, high, PROT_RWX);
    tlb_flush(&world->tlb, TLB_ALL_CONTEXTS);
    world->call_count = 0;
}

static void assert_call(const struct world *world, unsigned i,
                        enum world_place place, hwaddr offset, unsigned size)
{
    assert_true(i < world->call_count);
    assert_int_equal(world->calls[i].place, place);
    assert_int_equal(world->calls[i].offset, offset);
    assert_int_equal(world->calls[i].size, size);
}

/* ---- Inside a page ----------------------------------------------------- */

static void loads_and_stores_of_every_size(void **state)
{
    struct world *world = world_new();
    const uint64_t pattern = 0x8877665544332211;

    (void)state;
    map_two(world, 0x80000000, 0x10000000);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t va = (i < 4 ? LOW : HIGH) + 0x100;
        unsigned log2 = i % 4;
        uint64_t value = pattern & (UINT64_MAX >> (64 - (8u << log2)));

        assert_int_equal(tlb_store_slow(&world->tlb, 0, va, log2, pattern), 0);
        assert_int_equal(world_must_load(world, va, log2), value);
        assert_int_equal(world_must_load(world, va, 0), 0x11);
    }
    assert_memory_equal(world->bytes[RAM] + 0x100, &pattern, 8);
    assert_memory_equal(world->bytes[DEVICE] + 0x100, &pattern, 8);
    world_free(world);
}

/* A device sees the bytes that were stored, nothing above them. */
static void a_device_gets_the_low_bytes(void **state)
{
    struct world *world = world_new();

    (void)state;
    map_two(world, 0x10000000, 0x80000000);
    for (unsigned log2 = 0; log2 < 4; log2++) {
        assert_int_equal(world_store(world, 0, LOW, log2, UINT64_MAX), 0);
        assert_int_equal(world->calls[log2].value,
                         UINT64_MAX >> (64 - (8u << log2)));
    }
    world_free(world);
}

/* A device takes a misaligned access whole if it wants to. */
static void a_misaligned_device_access_stays_one(void **state)
{
    struct world *world = world_new();

    (void)state;
    map_two(world, 0x10000000, 0x10001000);
    world_must_load(world, LOW + 3, 3);
    assert_int_equal(world->call_count, 1);
    assert_call(world, 0, DEVICE, 3, 8);
    world_must_load(world, LOW + PAGE - 8, 3);
    assert_call(world, 1, DEVICE, PAGE - 8, 8);
    world_free(world);
}

static void a_misaligned_memory_access_works(void **state)
{
    struct world *world = world_new();

    (void)state;
    map_two(world, 0x80000000, 0x80001000);
    for (unsigned offset = 0; offset < 16; offset++) {
        for (unsigned log2 = 0; log2 < 4; log2++) {
            uint64_t value = 0x0102030405060708 * (offset + 1);
            uint64_t got = 0;

            assert_int_equal(world_store(world, 0, LOW + offset, log2, value),
                             0);
            memcpy(&got, world->bytes[RAM] + offset, 1u << log2);
            assert_int_equal(world_must_load(world, LOW + offset, log2), got);
            assert_int_equal(got, value & (UINT64_MAX >> (64 - (8u << log2))));
        }
    }
    world_free(world);
}

static void a_size_the_device_refuses_is_a_decode_error(void **state)
{
    struct world *world = world_new();
    uint64_t value = 99;

    (void)state;
    map_two(world, 0x10001000, 0x10001000);
    assert_true(tlb_load_slow(&world->tlb, 0, LOW + 8, 0, &value) != 0);
    assert_fault(world, LOW + 8, 0, MEMTX_DECODE_ERROR);
    assert_int_equal(value, 99);
    assert_true(tlb_store_slow(&world->tlb, 0, LOW + 8, 3, 0) != 0);
    assert_int_equal(world->call_count, 0);
    world_free(world);
}

static void a_device_error_is_a_fault(void **state)
{
    struct world *world = world_new();
    uint64_t value = 99;

    (void)state;
    map_two(world, 0x10003000, 0x10003000);
    assert_int_equal(tlb_load_slow(&world->tlb, 0, LOW, 2, &value), 0);
    value = 99;
    assert_true(tlb_load_slow(&world->tlb, 0, LOW + 0x900, 2, &value) != 0);
    assert_fault(world, LOW + 0x900, 0, MEMTX_ERROR);
    assert_int_equal(value, 99);
    assert_true(tlb_store_slow(&world->tlb, 0, LOW + 0x900, 2, 0) != 0);
    assert_fault(world, LOW + 0x900, 0, MEMTX_ERROR);
    world_free(world);
}

static void rom_is_read_and_refuses_stores(void **state)
{
    struct world *world = world_new();

    (void)state;
    map_two(world, 0x1000, 0x2000);
    world->bytes[ROM][0x10] = 0x77;
    assert_int_equal(world_must_load(world, LOW + 0x10, 0), 0x77);
    assert_true(world_store(world, 0, LOW + 0x10, 0, 1) != 0);
    assert_fault(world, LOW + 0x10, 0, MEMTX_ERROR);
    assert_int_equal(world->bytes[ROM][0x10], 0x77);
    world_free(world);
}

static void nothing_there_is_a_decode_error(void **state)
{
    struct world *world = world_new();
    uint64_t value = 99;

    (void)state;
    map_two(world, 0x20000000, 0xfff0000000000000);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t va = LOW + i * PAGE + 4;

        assert_true(tlb_load_slow(&world->tlb, 0, va, 2, &value) != 0);
        assert_fault(world, va, 0, MEMTX_DECODE_ERROR);
        assert_true(tlb_store_slow(&world->tlb, 0, va, 2, 1) != 0);
        assert_fault(world, va, 0, MEMTX_DECODE_ERROR);
    }
    assert_int_equal(value, 99);
    world_free(world);
}

/* ---- Pages of several sections ----------------------------------------- */

static void a_page_of_pieces_is_looked_up_by_byte(void **state)
{
    struct world *world = world_new();

    (void)state;
    map_two(world, 0x10002000, 0x80000000);
    assert_int_equal(world_store(world, 0, LOW + 0x7f8, 3, UINT64_MAX), 0);
    assert_int_equal(world->bytes[BIT_RAM][0x7f8], 0xff);
    assert_int_equal(world_store(world, 0, LOW + 0x800, 0, 0x12), 0);
    assert_call(world, 0, BIT_DEV1, 0, 1);
    world_must_load(world, LOW + 0x801, 0);
    assert_call(world, 1, BIT_DEV3, 0, 1);
    assert_true(world_store(world, 0, LOW + 0x900, 0, 0) != 0);
    assert_fault(world, LOW + 0x900, 0, MEMTX_ERROR);
    assert_true(world_store(world, 0, LOW + 0x804, 0, 0) != 0);
    assert_fault(world, LOW + 0x804, 0, MEMTX_DECODE_ERROR);
    world_free(world);
}

/* RAM | 1-byte device | 3-byte device, in one aligned load of 8 bytes. */
static void a_load_may_cross_sections(void **state)
{
    struct world *world = world_new();
    uint64_t value;

    (void)state;
    map_two(world, 0x10002000, 0x80000000);
    memset(world->bytes[BIT_RAM] + 0x7fc, 0xaa, 4);
    world->bytes[BIT_DEV1][0] = 0xbb;
    memset(world->bytes[BIT_DEV3], 0xcc, 3);
    value = world_must_load(world, LOW + 0x7fc, 3);
    assert_int_equal(value, 0xccccccbbaaaaaaaa);
    assert_int_equal(world->call_count, 3);
    assert_call(world, 0, BIT_DEV1, 0, 1);
    assert_call(world, 1, BIT_DEV3, 0, 1);
    assert_call(world, 2, BIT_DEV3, 1, 2);
    world_free(world);
}

/* The hole behind the 3-byte device spoils the access before it begins. */
static void a_store_into_a_hole_has_no_effect(void **state)
{
    struct world *world = world_new();

    (void)state;
    map_two(world, 0x10002000, 0x80000000);
    assert_true(world_store(world, 0, LOW + 0x7fd, 3, UINT64_MAX) != 0);
    assert_fault(world, LOW + 0x804, 0, MEMTX_DECODE_ERROR);
    assert_int_equal(world->call_count, 0);
    assert_int_equal(world->bytes[BIT_RAM][0x7fd], 0);
    world_free(world);
}

/* ---- Crossing pages ---------------------------------------------------- */

/* Pages that are neighbours for the guest only. */
static void memory_may_cross_pages(void **state)
{
    struct world *world = world_new();

    (void)state;
    map_two(world, 0x80009000, 0x80002000);
    for (unsigned log2 = 1; log2 < 4; log2++) {
        for (unsigned low = 1; low < 1u << log2; low++) {
            uint64_t va = HIGH - low;
            uint64_t value = 0x1122334455667788;

            assert_int_equal(world_store(world, 0, va, log2, value), 0);
            assert_memory_equal(world->bytes[RAM] + 0xa000 - low, &value, low);
            assert_memory_equal(world->bytes[RAM] + 0x2000,
                                (uint8_t *)&value + low, (1u << log2) - low);
            assert_int_equal(world_must_load(world, va, log2),
                             value & (UINT64_MAX >> (64 - (8u << log2))));
        }
    }
    world_free(world);
}

static void a_fault_on_the_second_page_has_no_effect(void **state)
{
    struct world *world = world_new();
    uint64_t value = 99;

    (void)state;
    world_map(world, LOW, 0x80000000, PROT_RWX);
    for (unsigned low = 1; low < 8; low++) {
        assert_int_equal(world_store(world, 0, HIGH - low, 3, UINT64_MAX),
                         FAULT_CODE);
        assert_fault(world, HIGH, FAULT_CODE, MEMTX_OK);
        assert_int_equal(world_load(world, 0, HIGH - low, 3, &value),
                         FAULT_CODE);
        assert_fault(world, HIGH, FAULT_CODE, MEMTX_OK);
    }
    assert_int_equal(value, 99);
    for (unsigned i = 0; i < PAGE; i++) {
        assert_int_equal(world->bytes[RAM][i], 0);
    }
    world_free(world);
}

/* The first page is a device: it must not even hear of the access. */
static void a_fault_on_the_second_page_spares_the_device(void **state)
{
    struct world *world = world_new();

    (void)state;
    world_map(world, LOW, 0x10000000, PROT_RWX);
    assert_int_equal(world_store(world, 0, HIGH - 2, 2, 1), FAULT_CODE);
    world_map(world, HIGH, 0x2000, PROT_RWX);
    assert_true(world_store(world, 0, HIGH - 2, 2, 1) != 0);
    assert_fault(world, HIGH, 0, MEMTX_ERROR);
    assert_int_equal(world->call_count, 0);
    world_free(world);
}

static void the_first_byte_at_fault_is_told(void **state)
{
    struct world *world = world_new();
    uint64_t value;

    (void)state;
    assert_int_equal(world_load(world, 0, HIGH - 3, 3, &value), FAULT_CODE);
    assert_fault(world, HIGH - 3, FAULT_CODE, MEMTX_OK);
    map_two(world, 0x20000000, 0x20000000);
    assert_true(world_load(world, 0, HIGH - 3, 3, &value) != 0);
    assert_fault(world, HIGH - 3, 0, MEMTX_DECODE_ERROR);
    world_free(world);
}

/* Devices see naturally aligned parts, lowest first. */
static void a_device_crossing_is_cut_naturally(void **state)
{
    struct world *world = world_new();

    (void)state;
    map_two(world, 0x10000000, 0x10000000);
    assert_int_equal(world_store(world, 0, HIGH - 3, 3, 0x8877665544332211), 0);
    assert_int_equal(world->call_count, 4);
    assert_call(world, 0, DEVICE, PAGE - 3, 1);
    assert_call(world, 1, DEVICE, PAGE - 2, 2);
    assert_call(world, 2, DEVICE, 0, 4);
    assert_call(world, 3, DEVICE, 4, 1);
    assert_int_equal(world->calls[0].value, 0x11);
    assert_int_equal(world->calls[1].value, 0x3322);
    assert_int_equal(world->calls[2].value, 0x77665544);
    assert_int_equal(world->calls[3].value, 0x88);
    world_free(world);
}

/* Memory below a device that refuses: the device is asked first. */
static void a_refusing_device_spares_memory(void **state)
{
    struct world *world = world_new();

    (void)state;
    map_two(world, 0x80000000, 0x10001000);
    assert_true(world_store(world, 0, HIGH - 2, 2, UINT64_MAX) != 0);
    assert_fault(world, HIGH, 0, MEMTX_DECODE_ERROR);
    assert_int_equal(world->bytes[RAM][PAGE - 1], 0);
    world_free(world);
}

static void addresses_wrap_at_the_top(void **state)
{
    struct world *world = world_new();
    uint64_t va = UINT64_MAX - 2;

    (void)state;
    world_map(world, va, 0xfffffffffffff000, PROT_RWX);
    world_map(world, 0, 0x80000000, PROT_RWX);
    assert_int_equal(world_store(world, 0, va, 3, 0x8877665544332211), 0);
    assert_int_equal(world->bytes[TOP][PAGE - 1], 0x33);
    assert_int_equal(world->bytes[RAM][0], 0x44);
    assert_int_equal(world_must_load(world, va, 3), 0x8877665544332211);
    world_free(world);
}

/* ---- Callbacks that change things -------------------------------------- */

static void flush_and_replace(struct world *world)
{
    tlb_flush(&world->tlb, TLB_ALL_CONTEXTS);
    world_enable(world, RAM, false);
    world_enable(world, DEVICE, false);
    world->on_call = NULL;
}

/* The parts that were resolved are made; the next access sees the change. */
static void a_callback_may_flush_and_commit(void **state)
{
    struct world *world = world_new();
    uint64_t value;

    (void)state;
    map_two(world, 0x10000000, 0x80000000);
    world->on_call = flush_and_replace;
    assert_int_equal(world_store(world, 0, HIGH - 4, 3, UINT64_MAX), 0);
    assert_int_equal(world->bytes[RAM][3], 0xff);
    assert_int_equal(world->kicks, 2); /* one for each commit */
    tlb_safepoint(&world->tlb);
    assert_true(world_load(world, 0, HIGH, 2, &value) != 0);
    assert_fault(world, HIGH, 0, MEMTX_DECODE_ERROR);
    world_free(world);
}

/* ---- Host addresses ---------------------------------------------------- */

static void host_addresses_are_for_plain_memory(void **state)
{
    struct world *world = world_new();
    SoftTLB *tlb = &world->tlb;
    void *host = NULL;

    (void)state;
    map_two(world, 0x80000000, 0x10002000);
    assert_int_equal(tlb_host(tlb, 0, LOW + 8, 8, TLB_WRITE, &host), 0);
    assert_ptr_equal(host, world->bytes[RAM] + 8);
    assert_int_equal(tlb_host(tlb, 0, HIGH + 0x7fe, 2, TLB_EXEC, &host), 0);
    assert_ptr_equal(host, world->bytes[BIT_RAM] + 0x7fe);

    assert_true(tlb_host(tlb, 0, HIGH + 0x7fe, 4, TLB_EXEC, &host) != 0);
    assert_fault(world, HIGH + 0x7fe, 0, MEMTX_ACCESS_ERROR);
    assert_true(tlb_host(tlb, 0, LOW + PAGE - 2, 4, TLB_EXEC, &host) != 0);
    assert_fault(world, LOW + PAGE - 2, 0, MEMTX_ACCESS_ERROR);
    assert_true(tlb_host(tlb, 0, HIGH + 0x800, 1, TLB_READ, &host) != 0);
    assert_true(tlb_host(tlb, 0, HIGH + 0x850, 1, TLB_READ, &host) != 0);
    assert_fault(world, HIGH + 0x850, 0, MEMTX_ACCESS_ERROR);

    map_two(world, 0x1000, 0x10000000);
    assert_int_equal(tlb_host(tlb, 0, LOW, 4, TLB_EXEC, &host), 0);
    assert_true(tlb_host(tlb, 0, LOW, 4, TLB_WRITE, &host) != 0);
    assert_true(tlb_host(tlb, 0, HIGH, 4, TLB_EXEC, &host) != 0);
    assert_true(tlb_host(tlb, 0, 0, 4, TLB_EXEC, &host) == FAULT_CODE);
    assert_fault(world, 0, FAULT_CODE, MEMTX_OK);
    world_free(world);
}

static void an_atomic_needs_to_read_as_well(void **state)
{
    struct world *world = world_new();
    void *host;

    (void)state;
    world_map(world, LOW, 0x80000000, TLB_PROT_WRITE);
    assert_int_equal(tlb_host(&world->tlb, 0, LOW, 4, TLB_WRITE, &host),
                     FAULT_CODE);
    world_map(world, LOW, 0x80000000, TLB_PROT_WRITE | TLB_PROT_READ);
    assert_int_equal(tlb_host(&world->tlb, 0, LOW, 4, TLB_WRITE, &host), 0);
    world_free(world);
}

/* Whether the page was in the TLB before, or was not. */
static void a_store_may_signal_an_eventfd(void **state)
{
    struct world *world = world_new();
    EventNotifier event;

    (void)state;
    world_map(world, LOW, 0x10000000, PROT_RWX);
    assert_int_equal(event_notifier_init(&event, 0), 0);
    assert_int_equal(tlb_store_slow(&world->tlb, 0, LOW + 8, 2, 7), 0);
    assert_int_equal(world->call_count, 1);
    assert_int_equal(
        memory_region_add_eventfd(&world->mr[DEVICE], 8, 4, true, 7, &event),
        0);
    tlb_safepoint(&world->tlb);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(tlb_store_slow(&world->tlb, 0, LOW + 8, 2, 7), 0);
        assert_true(event_notifier_test_and_clear(&event));
        assert_int_equal(world->call_count, 1 + i);
        assert_int_equal(tlb_store_slow(&world->tlb, 0, LOW + 8, 2, 8), 0);
        assert_false(event_notifier_test_and_clear(&event));
        assert_int_equal(world->call_count, 2 + i);
    }
    event_notifier_cleanup(&event);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_and_stores_of_every_size),
        cmocka_unit_test(a_device_gets_the_low_bytes),
        cmocka_unit_test(a_misaligned_device_access_stays_one),
        cmocka_unit_test(a_misaligned_memory_access_works),
        cmocka_unit_test(a_size_the_device_refuses_is_a_decode_error),
        cmocka_unit_test(a_device_error_is_a_fault),
        cmocka_unit_test(rom_is_read_and_refuses_stores),
        cmocka_unit_test(nothing_there_is_a_decode_error),
        cmocka_unit_test(a_page_of_pieces_is_looked_up_by_byte),
        cmocka_unit_test(a_load_may_cross_sections),
        cmocka_unit_test(a_store_into_a_hole_has_no_effect),
        cmocka_unit_test(memory_may_cross_pages),
        cmocka_unit_test(a_fault_on_the_second_page_has_no_effect),
        cmocka_unit_test(a_fault_on_the_second_page_spares_the_device),
        cmocka_unit_test(the_first_byte_at_fault_is_told),
        cmocka_unit_test(a_device_crossing_is_cut_naturally),
        cmocka_unit_test(a_refusing_device_spares_memory),
        cmocka_unit_test(addresses_wrap_at_the_top),
        cmocka_unit_test(a_callback_may_flush_and_commit),
        cmocka_unit_test(host_addresses_are_for_plain_memory),
        cmocka_unit_test(an_atomic_needs_to_read_as_well),
        cmocka_unit_test(a_store_may_signal_an_eventfd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
