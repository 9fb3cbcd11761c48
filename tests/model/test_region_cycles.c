/* SPDX-License-Identifier: MIT */
/*
 * Regions that come and go a million times, as of a guest that maps and unmaps:
 * made, added over RAM, accessed, taken out, ended. Nothing may be left over:
 * neither of the engine's memory, nor of the process's.
 */
#include <stdio.h>

#include "engine/engine.h"
#include "flatview/address_space.h"
#include "tests/unit/counting_alloc.h"
#include "tests/unit/engine/fixture.h"

#define WARM_UP   20000
#define BATCH     64 /* regions that live at a time */
#define RAM_BYTES (UINT64_C(1) << 20)
#define PLACES    200 /* of 0x1000 bytes, each in the middle of RAM */

/* Sanitizers keep what is freed for a while; this one not all of 256 MiB. */
#if defined(TESTS_UNDER_ASAN) || defined(TESTS_UNDER_TSAN)
#define CYCLES     150000
#define GROWTH_KIB (64 << 10)

const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "quarantine_size_mb=16";
}
#else
#define CYCLES     1000000
#define GROWTH_KIB 256
#endif

struct piece {
    MemoryRegion mr;
    MemoryRegion window; /* an alias of mr, for every other one */
    unsigned ended;
};

static struct piece pieces[BATCH];
static uint8_t host[0x1000];

static uint64_t read_place(void *opaque, hwaddr addr, unsigned size)
{
    (void)size;
    return (uint64_t)((struct piece *)opaque - pieces) + addr;
}

static void ignore_write(void *opaque, hwaddr addr, uint64_t data,
                         unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)data;
    (void)size;
}

static const MemoryRegionOps ops = {
    .read = read_place,
    .write = ignore_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
};

static void count_end(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    (*(unsigned *)opaque)++;
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return pages * 4;
}

static bool has_window(unsigned n)
{
    return n % 2 == 1;
}

/* A device, or the caller's memory; itself, or through a window. */
static int map_piece(MemoryRegion *root, struct piece *p, unsigned n)
{
    hwaddr addr = 0x1000 * (n * 7 % PLACES);
    int err =
        n % 3 ? memory_region_init_io(&p->mr, NULL, &ops, p, "io", 0x800)
              : memory_region_init_ram_ptr(&p->mr, NULL, "ptr", 0x800, host);

    if (has_window(n)) {
        err |= memory_region_init_alias(&p->window, NULL, "window", &p->mr, 0,
                                        0x400);
    }
    return err | memory_region_add_subregion_overlap(
                     root, addr, has_window(n) ? &p->window : &p->mr, 1);
}

static int unmap_piece(MemoryRegion *root, struct piece *p, unsigned n)
{
    int err = 0;

    if (has_window(n)) {
        err = memory_region_del_subregion(root, &p->window) |
              xbar_region_destroy(&p->window, count_end, &p->ended);
    }
    return err | xbar_region_destroy(&p->mr, count_end, &p->ended);
}

static bool is_seen(AddressSpace *as, unsigned n)
{
    MemTxResult result;
    uint64_t value = address_space_ldl_le(as, 0x1000 * (n * 7 % PLACES) + 4,
                                          MEMTXATTRS_UNSPECIFIED, &result);

    return result == MEMTX_OK && value == (n % 3 ? n % BATCH + 4 : 0x5a5a5a5a);
}

/* BATCH of them come, each seen, and go. */
static void run_batch(MemoryRegion *root, AddressSpace *as, unsigned first)
{
    for (unsigned n = first; n < first + BATCH; n++) {
        struct piece *p = &pieces[n % BATCH];

        p->ended = 0;
        if (map_piece(root, p, n) != 0 || !is_seen(as, n)) {
            fail_msg("region %u", n);
        }
    }
    for (unsigned n = first; n < first + BATCH; n++) {
        if (unmap_piece(root, &pieces[n % BATCH], n) != 0) {
            fail_msg("end of region %u", n);
        }
    }
    assert_true(xbar_engine_reclaim(xbar_engine_current()) > 0);
    for (unsigned n = first; n < first + BATCH; n++) {
        assert_int_equal(pieces[n % BATCH].ended, has_window(n) ? 2 : 1);
    }
}

static void test_a_million_regions_leave_nothing(void **state)
{
    struct fixture f;
    struct xbar_engine_stats before, after;
    MemoryRegion root, ram;
    AddressSpace as;
    long resident = 0;

    (void)state;
    memset(host, 0x5a, sizeof(host));
    fixture_open(&f, (struct xbar_engine_config){ 0 });
    assert_int_equal(memory_region_init(&root, NULL, "root", UINT64_MAX), 0);
    assert_int_equal(memory_region_init_ram(&ram, NULL, "ram", RAM_BYTES, NULL),
                     0);
    assert_int_equal(memory_region_add_subregion(&root, 0, &ram), 0);
    assert_int_equal(address_space_init(&as, &root, "as"), 0);
    for (unsigned n = 0; n < CYCLES; n += BATCH) {
        if (n >= WARM_UP && resident == 0) {
            resident = resident_kib();
            xbar_engine_get_stats(f.engine, &before);
        }
        run_batch(&root, &as, n);
    }
    xbar_engine_get_stats(f.engine, &after);
    assert_in_range(resident_kib(), 0, resident + GROWTH_KIB);
    assert_int_equal(after.regions, before.regions);
    assert_in_range(after.bytes_live, 0, before.bytes_live + 4096);
    address_space_destroy(&as);
    end_region(&ram);
    end_region(&root);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_million_regions_leave_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
