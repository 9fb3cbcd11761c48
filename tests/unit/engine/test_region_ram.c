/* SPDX-License-Identifier: MIT */
/* Regions with memory: what each kind is, how it changes, what it refuses. */
#include "engine/memory_ram.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/dispatch.h"
#include "engine/ram_writes.h"
#include "tests/unit/engine/fixture.h"

#define PAGE ((uint64_t)4096)

static uint64_t read_device(void *opaque, hwaddr addr, unsigned size)
{
    (void)addr;
    (void)size;
    return *(uint8_t *)opaque;
}

static void write_device(void *opaque, hwaddr addr, uint64_t data,
                         unsigned size)
{
    (void)addr;
    (void)size;
    *(uint8_t *)opaque = (uint8_t)data;
}

static const MemoryRegionOps device_ops = {
    .read = read_device,
    .write = write_device,
    .endianness = DEVICE_LITTLE_ENDIAN,
};

static uint64_t read8(MemoryRegion *mr, hwaddr addr)
{
    uint64_t value;

    assert_int_equal(memory_region_dispatch_read(mr, addr, &value, MO_8, ATTRS),
                     MEMTX_OK);
    return value;
}

static void write8(MemoryRegion *mr, hwaddr addr, uint64_t value)
{
    assert_int_equal(memory_region_dispatch_write(mr, addr, value, MO_8, ATTRS),
                     MEMTX_OK);
}

/* ---- Flags ------------------------------------------------------------- */

static void test_flags(void **state)
{
    const uint32_t possible[] = { 0, RAM_SHARED, RAM_NORESERVE, RAM_PROTECTED,
                                  RAM_SHARED | RAM_NORESERVE };
    MemoryRegion mr;
    Error *err = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(possible) / sizeof(possible[0]); i++) {
        assert_int_equal(memory_region_init_ram_flags_nomigrate(
                             &mr, NULL, "ram", PAGE + 1, possible[i], &err),
                         0);
        assert_true(memory_region_is_ram(&mr));
        assert_int_equal(memory_region_is_protected(&mr),
                         (possible[i] & RAM_PROTECTED) != 0);
        assert_int_equal(memory_region_get_fd(&mr) >= 0,
                         (possible[i] & RAM_SHARED) != 0);
        write8(&mr, PAGE, 0x5a);
        assert_int_equal(read8(&mr, PAGE), 0x5a);
        end_region(&mr);
    }
    assert_int_equal(memory_region_init_ram_flags_nomigrate(
                         &mr, NULL, "ram", PAGE, RAM_PMEM, &err),
                     -EINVAL);
    assert_non_null(err);
    error_free(err);
    err = NULL;
    assert_int_equal(memory_region_init_ram_flags_nomigrate(&mr, NULL, "ram",
                                                            PAGE, 1 << 2, &err),
                     -EINVAL);
    error_free(err);
}

/* Another mapping of its descriptor is the same memory. */
static void test_shared_memory_is_shared(void **state)
{
    MemoryRegion mr;
    uint8_t *other;

    (void)state;
    assert_int_equal(memory_region_init_ram_flags_nomigrate(
                         &mr, NULL, "ram", 2 * PAGE, RAM_SHARED, NULL),
                     0);
    other = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
                 memory_region_get_fd(&mr), 0);
    assert_ptr_not_equal(other, MAP_FAILED);
    write8(&mr, PAGE + 3, 0x77);
    assert_int_equal(other[PAGE + 3], 0x77);
    munmap(other, 2 * PAGE);
    end_region(&mr);
}

/* There may be no pool of huge pages: then it says so, and leaves nothing. */
static void test_huge_pages_or_an_error(void **state)
{
    MemoryRegion mr;
    Error *err = NULL;
    int rc = memory_region_init_ram_flags_nomigrate(&mr, NULL, "huge", 2 << 20,
                                                    XBAR_RAM_HUGETLB, &err);

    (void)state;
    if (rc) {
        assert_non_null(err);
        error_free(err);
        assert_null(xbar_region_engine(&mr));
        return;
    }
    assert_int_equal(read8(&mr, (2 << 20) - 1), 0);
    end_region(&mr);
}

/* ---- Numbers and pointers ---------------------------------------------- */

static void test_ram_addr(void **state)
{
    MemoryRegion a, b, alias, io;

    (void)state;
    memory_region_init_ram_nomigrate(&a, NULL, "a", 5 * PAGE, NULL);
    memory_region_init_rom_nomigrate(&b, NULL, "b", PAGE, NULL);
    memory_region_init_alias(&alias, NULL, "alias", &b, 0, PAGE);
    memory_region_init_reservation(&io, NULL, "io", PAGE);
    assert_int_equal(memory_region_get_ram_addr(&a) % (64 * PAGE), 0);
    assert_true(memory_region_get_ram_addr(&b) >=
                memory_region_get_ram_addr(&a) + 5 * PAGE);
    assert_true(memory_region_get_ram_addr(&alias) == RAM_ADDR_INVALID);
    assert_true(memory_region_get_ram_addr(&io) == RAM_ADDR_INVALID);
    assert_int_equal(memory_region_get_fd(&io), -1);
    assert_int_equal(memory_region_get_alignment(&io), 0);
    end_region(&alias);
    end_region(&a);
    end_region(&b);
    end_region(&io);
}

static void test_from_host(void **state)
{
    static uint8_t buffer[256];
    MemoryRegion ram, first, second;
    ram_addr_t offset = 0;
    uint8_t *host;

    (void)state;
    memory_region_init_ram(&ram, NULL, "ram", PAGE, NULL);
    memory_region_init_ram_ptr(&first, NULL, "first", 256, buffer);
    memory_region_init_ram_ptr(&second, NULL, "second", 128, buffer);
    host = memory_region_get_ram_ptr(&ram);
    assert_ptr_equal(memory_region_from_host(host + 17, &offset), &ram);
    assert_int_equal(offset, 17);
    assert_null(memory_region_from_host(host + PAGE, &offset));
    assert_null(memory_region_from_host(&ram, &offset));
    assert_ptr_equal(memory_region_from_host(buffer + 5, &offset), &second);
    assert_ptr_equal(memory_region_from_host(buffer + 128, &offset), &first);
    assert_int_equal(offset, 128);
    end_region(&second);
    assert_ptr_equal(memory_region_from_host(buffer + 5, &offset), &first);
    end_region(&first);
    assert_null(memory_region_from_host(buffer + 5, &offset));
    end_region(&ram);
}

/* Two regions on one buffer are the same bytes, and nobody frees those. */
static void test_two_regions_on_one_buffer(void **state)
{
    uint8_t *buffer = malloc(64);
    MemoryRegion a, b;

    (void)state;
    assert_non_null(buffer);
    memory_region_init_ram_ptr(&a, NULL, "a", 64, buffer);
    memory_region_init_ram_ptr(&b, NULL, "b", 32, buffer + 32);
    write8(&a, 40, 0x31);
    assert_int_equal(read8(&b, 8), 0x31);
    end_region(&a);
    assert_int_equal(read8(&b, 8), 0x31);
    end_region(&b);
    assert_int_equal(buffer[40], 0x31);
    free(buffer);
}

static void test_ram_device(void **state)
{
    uint64_t memory[4] = { 0 };
    struct xbar_region_info info;
    MemoryRegion mr;

    (void)state;
    assert_int_equal(memory_region_init_ram_device_ptr(&mr, NULL, "bar",
                                                       sizeof(memory), memory),
                     0);
    assert_true(memory_region_is_ram_device(&mr));
    assert_true(memory_region_is_ram(&mr));
    xbar_region_inspect(&mr, &info);
    assert_true(info.flags & XBAR_REGION_RAM_DEVICE);
    assert_int_equal(
        memory_region_dispatch_write(&mr, 8, 0x1122334455667788, MO_64, ATTRS),
        MEMTX_OK);
    assert_true(memory[1] == 0x1122334455667788);
    end_region(&mr);
    assert_int_equal(
        memory_region_init_ram_device_ptr(&mr, NULL, "bar", 8, NULL), -EINVAL);
}

/* ---- Resizing ---------------------------------------------------------- */

static struct {
    unsigned told;
    uint64_t length;
    void *host;
    char name[16];
} resized;

static void note_resized(const char *name, uint64_t length, void *host)
{
    resized.told++;
    resized.length = length;
    resized.host = host;
    snprintf(resized.name, sizeof(resized.name), "%s", name);
}

static void init_resizeable(MemoryRegion *mr, uint64_t size, uint64_t max)
{
    memset(&resized, 0, sizeof(resized));
    assert_int_equal(memory_region_init_resizeable_ram(mr, NULL, "table", size,
                                                       max, note_resized, NULL),
                     0);
    assert_int_equal(resized.told, 0);
}

static void test_resize(void **state)
{
    MemoryRegion mr;
    uint64_t value;
    void *host;

    (void)state;
    init_resizeable(&mr, PAGE, 16 * PAGE);
    host = memory_region_get_ram_ptr(&mr);
    write8(&mr, PAGE - 1, 1);
    assert_int_equal(
        memory_region_dispatch_read(&mr, PAGE, &value, MO_8, ATTRS),
        MEMTX_DECODE_ERROR);

    assert_int_equal(memory_region_ram_resize(&mr, 16 * PAGE, NULL), 0);
    assert_int_equal(memory_region_size(&mr), 16 * PAGE);
    assert_int_equal(resized.told, 1);
    assert_int_equal(resized.length, 16 * PAGE);
    assert_ptr_equal(resized.host, host);
    assert_string_equal(resized.name, "table");
    write8(&mr, 16 * PAGE - 1, 2);

    /* Down to a size that is no page's, and up: nothing is lost. */
    assert_int_equal(memory_region_ram_resize(&mr, PAGE - 3, NULL), 0);
    assert_int_equal(memory_region_size(&mr), PAGE - 3);
    assert_int_equal(
        memory_region_dispatch_read(&mr, PAGE - 3, &value, MO_8, ATTRS),
        MEMTX_DECODE_ERROR);
    assert_int_equal(memory_region_set_size(&mr, PAGE), -EINVAL);
    assert_int_equal(memory_region_ram_resize(&mr, PAGE, NULL), 0);
    assert_int_equal(read8(&mr, PAGE - 1), 1);
    assert_ptr_equal(memory_region_get_ram_ptr(&mr), host);
    assert_int_equal(resized.told, 3);
    assert_int_equal(memory_region_ram_resize(&mr, PAGE, NULL), 0);
    assert_int_equal(resized.told, 3);
    assert_int_equal(memory_region_ram_resize(&mr, 0, NULL), 0);
    assert_int_equal(memory_region_size(&mr), 0);
    end_region(&mr);
}

static void test_resize_refusals(void **state)
{
    MemoryRegion mr, plain, io;
    Error *err = NULL;

    (void)state;
    init_resizeable(&mr, PAGE, 2 * PAGE);
    memory_region_init_ram(&plain, NULL, "plain", PAGE, NULL);
    memory_region_init_reservation(&io, NULL, "io", PAGE);
    assert_int_equal(memory_region_ram_resize(&mr, 2 * PAGE + 1, &err),
                     -EINVAL);
    assert_non_null(strstr(error_get_pretty(err), "table"));
    error_free(err);
    assert_int_equal(memory_region_ram_resize(&plain, PAGE / 2, NULL), -EINVAL);
    assert_int_equal(memory_region_ram_resize(&io, PAGE / 2, NULL), -EINVAL);
    assert_int_equal(memory_region_ram_resize(NULL, PAGE, NULL), -EINVAL);
    assert_int_equal(memory_region_size(&mr), PAGE);
    assert_int_equal(resized.told, 0);
    end_region(&mr);
    end_region(&plain);
    end_region(&io);
    assert_int_equal(memory_region_init_resizeable_ram(&mr, NULL, "x", 2 * PAGE,
                                                       PAGE, NULL, NULL),
                     -EINVAL);
}

/* A void transaction takes the resize back, and tells. */
static void test_resize_in_a_void_transaction(void **state)
{
    MemoryRegion mr;

    (void)state;
    init_resizeable(&mr, PAGE, 4 * PAGE);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_ram_resize(&mr, 4 * PAGE, NULL), 0);
    assert_int_equal(resized.length, 4 * PAGE);
    assert_int_equal(xbar_transaction_abort(), 0);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    assert_int_equal(memory_region_size(&mr), PAGE);
    assert_int_equal(resized.told, 2);
    assert_int_equal(resized.length, PAGE);
    assert_int_equal(memory_region_set_size(&mr, PAGE + 1), -EINVAL);
    end_region(&mr);
}

/* ---- ROM devices ------------------------------------------------------- */

static void test_rom_device(void **state)
{
    uint8_t registers = 0x11;
    MemoryRegion mr;
    uint8_t *host;

    (void)state;
    assert_int_equal(memory_region_init_rom_device(&mr, NULL, &device_ops,
                                                   &registers, "flash", PAGE,
                                                   NULL),
                     0);
    assert_true(memory_region_is_romd(&mr));
    assert_false(memory_region_is_ram(&mr));
    assert_false(memory_region_is_rom(&mr));
    host = memory_region_get_ram_ptr(&mr);
    host[7] = 0x99;
    assert_int_equal(read8(&mr, 7), 0x99);
    write8(&mr, 7, 0x22);
    assert_int_equal(registers, 0x22);
    assert_int_equal(host[7], 0x99);

    assert_int_equal(memory_region_rom_device_set_romd(&mr, false), 0);
    assert_false(memory_region_is_romd(&mr));
    assert_int_equal(read8(&mr, 7), 0x22);
    assert_int_equal(memory_region_rom_device_set_romd(&mr, true), 0);
    assert_int_equal(read8(&mr, 7), 0x99);
    end_region(&mr);
}

/* Memory takes any read; what the callbacks take is another matter. */
static void test_rom_device_validity(void **state)
{
    const MemoryRegionOps word_ops = {
        .read = read_device,
        .write = write_device,
        .valid = { .min_access_size = 4, .max_access_size = 4 },
    };
    const MemTxAttrs memory = { .memory = 1 };
    uint8_t registers = 0;
    uint64_t value = 0;
    MemoryRegion mr;

    (void)state;
    memory_region_init_rom_device(&mr, NULL, &word_ops, &registers, "flash",
                                  PAGE, NULL);
    assert_true(memory_region_access_valid(&mr, 1, 2, false, ATTRS));
    assert_false(memory_region_access_valid(&mr, 1, 2, true, ATTRS));
    assert_true(memory_region_access_valid(&mr, 4, 4, true, ATTRS));
    assert_int_equal(memory_region_dispatch_read(&mr, 1, &value, MO_64, memory),
                     MEMTX_OK);
    assert_int_equal(memory_region_dispatch_write(&mr, 4, 0, MO_32, memory),
                     MEMTX_ACCESS_ERROR);
    memory_region_rom_device_set_romd(&mr, false);
    assert_false(memory_region_access_valid(&mr, 1, 2, false, ATTRS));
    assert_int_equal(memory_region_dispatch_read(&mr, 4, &value, MO_32, memory),
                     MEMTX_ACCESS_ERROR);
    end_region(&mr);
}

static void test_rom_device_refusals(void **state)
{
    MemoryRegion mr, ram, io;

    (void)state;
    assert_int_equal(
        memory_region_init_rom_device(&mr, NULL, NULL, NULL, "f", PAGE, NULL),
        -EINVAL);
    memory_region_init_ram(&ram, NULL, "ram", PAGE, NULL);
    memory_region_init_io(&io, NULL, &device_ops, &ram, "io", PAGE);
    assert_int_equal(memory_region_rom_device_set_romd(&ram, false), -EINVAL);
    assert_int_equal(memory_region_rom_device_set_romd(&io, true), -EINVAL);
    assert_int_equal(memory_region_rom_device_set_romd(NULL, true), -EINVAL);
    end_region(&ram);
    end_region(&io);
}

static void test_flush_is_a_write(void **state)
{
    struct fixture *f = *state;
    uint8_t registers = 0;
    MemoryRegion mr;
    uint64_t before;

    memory_region_init_rom_device(&mr, NULL, &device_ops, &registers, "flash",
                                  PAGE, NULL);
    xbar_ram_writes_watch(f->engine, true);
    before = xbar_ram_writes_count(f->engine);
    assert_int_equal(memory_region_flush_rom_device(&mr, 0, PAGE), 0);
    assert_int_equal(xbar_ram_writes_count(f->engine), before + 1);
    assert_int_equal(memory_region_flush_rom_device(&mr, 1, PAGE), -EINVAL);
    assert_int_equal(memory_region_flush_rom_device(&mr, PAGE + 1, 0), -EINVAL);
    assert_int_equal(memory_region_flush_rom_device(&mr, 1, UINT64_MAX),
                     -EINVAL);
    assert_int_equal(memory_region_flush_rom_device(NULL, 0, 1), -EINVAL);
    xbar_ram_writes_watch(f->engine, false);
    end_region(&mr);
}

static void test_nonvolatile(void **state)
{
    MemoryRegion mr;

    (void)state;
    memory_region_init(&mr, NULL, "container", PAGE);
    assert_false(memory_region_is_nonvolatile(&mr));
    assert_int_equal(memory_region_set_nonvolatile(&mr, true), 0);
    assert_true(memory_region_is_nonvolatile(&mr));
    assert_int_equal(memory_region_set_nonvolatile(&mr, false), 0);
    assert_false(memory_region_is_nonvolatile(&mr));
    assert_int_equal(memory_region_set_nonvolatile(NULL, true), -EINVAL);
    end_region(&mr);
}

/* ---- Ends -------------------------------------------------------------- */

static void note_done(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    *(bool *)opaque = true;
}

static void test_a_reference_delays_the_end(void **state)
{
    struct fixture *f = *state;
    bool done = false;
    MemoryRegion mr;
    uint8_t *host;

    memory_region_init_ram(&mr, NULL, "ram", PAGE, NULL);
    host = memory_region_get_ram_ptr(&mr);
    memory_region_ref(&mr);
    assert_int_equal(xbar_region_destroy(&mr, note_done, &done), 0);
    xbar_engine_reclaim(f->engine);
    assert_false(done);
    host[0] = 1; /* still there */
    memory_region_unref(&mr);
    xbar_engine_reclaim(f->engine);
    assert_true(done);
    memory_region_unref(&mr); /* one too many, of nothing */
    memory_region_ref(NULL);
    memory_region_unref(NULL);
}

/* Each init, with each allocation failing once. */
static int init_kind(unsigned kind, MemoryRegion *mr, uint64_t *memory)
{
    switch (kind) {
    case 0:
        return memory_region_init_ram_flags_nomigrate(mr, NULL, "m", PAGE,
                                                      RAM_SHARED, NULL);
    case 1:
        return memory_region_init_resizeable_ram(mr, NULL, "m", PAGE, 2 * PAGE,
                                                 NULL, NULL);
    case 2:
        return memory_region_init_rom_device(mr, NULL, &device_ops, memory, "m",
                                             PAGE, NULL);
    default:
        return memory_region_init_ram_device_ptr(mr, NULL, "m", 8, memory);
    }
}

static void test_every_failing_allocation(void **state)
{
    struct fixture *f = *state;
    uint64_t memory = 0;
    MemoryRegion mr;

    for (unsigned kind = 0; kind < 4; kind++) {
        unsigned failures = 0;
        int rc;

        do {
            f->requests = 0;
            f->fail_at = ++failures;
            rc = init_kind(kind, &mr, &memory);
            f->fail_at = 0;
            assert_true(rc == 0 || rc == -ENOMEM);
            assert_true(rc == 0 || f->blocks == 1); /* the engine itself */
        } while (rc);
        assert_true(failures > 3);
        end_region(&mr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_flags),
        engine_test(test_shared_memory_is_shared),
        engine_test(test_huge_pages_or_an_error),
        engine_test(test_ram_addr),
        engine_test(test_from_host),
        engine_test(test_two_regions_on_one_buffer),
        engine_test(test_ram_device),
        engine_test(test_resize),
        engine_test(test_resize_refusals),
        engine_test(test_resize_in_a_void_transaction),
        engine_test(test_rom_device),
        engine_test(test_rom_device_validity),
        engine_test(test_rom_device_refusals),
        engine_test(test_flush_is_a_write),
        engine_test(test_nonvolatile),
        engine_test(test_a_reference_delays_the_end),
        engine_test(test_every_failing_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
