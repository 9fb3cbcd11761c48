/* SPDX-License-Identifier: MIT */
/* Memory that goes back to the host: what is read afterwards, who is told. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/dirty_log.h"
#include "engine/ram_block.h"
#include "engine/ram_writes.h"
#include "tests/unit/engine/fixture.h"

#define PAGE  ((uint64_t)4096)
#define PAGES 4
#define BYTES (PAGES * PAGE)

static uint8_t *host_of(MemoryRegion *mr)
{
    return memory_region_get_ram_ptr(mr);
}

/* The first byte of each page. */
static void expect_pages(MemoryRegion *mr, const uint8_t *expected)
{
    for (unsigned i = 0; i < PAGES; i++) {
        assert_int_equal(host_of(mr)[i * PAGE], expected[i]);
        assert_int_equal(host_of(mr)[i * PAGE + PAGE - 1], expected[i]);
    }
}

static void fill_pages(MemoryRegion *mr)
{
    for (unsigned i = 0; i < PAGES; i++) {
        memset(host_of(mr) + i * PAGE, 0xa0 + (int)i, PAGE);
    }
}

/* ---- Kinds of memory --------------------------------------------------- */

/* A file without a name; page i holds i + 1. */
static int make_file(void)
{
    char path[] = "/tmp/xbar-discard.XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    for (unsigned i = 0; i < PAGES + 1; i++) {
        uint8_t page[PAGE];

        memset(page, (int)i + 1, sizeof(page));
        assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
    }
    return fd;
}

static uint8_t byte_of(int fd, uint64_t at)
{
    uint8_t byte = 0xff;

    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    return byte;
}

/* Of a file from its second page on, so that offsets count. */
static void make_file_region(MemoryRegion *mr, uint32_t flags)
{
    assert_int_equal(memory_region_init_ram_from_fd(mr, NULL, "file", BYTES,
                                                    flags, make_file(), PAGE,
                                                    NULL),
                     0);
}

static int discard(MemoryRegion *mr, uint64_t start, uint64_t length)
{
    return ram_block_discard_range(xbar_ram_block_of(mr), start, length);
}

/* ---- What is read afterwards ------------------------------------------- */

static bool is_resident(MemoryRegion *mr, uint64_t at)
{
    unsigned char vec = 0;

    assert_int_equal(mincore(host_of(mr) + at, PAGE, &vec), 0);
    return vec & 1;
}

static void test_own_memory(void **state)
{
    static const uint32_t kinds[] = { 0, RAM_NORESERVE, RAM_SHARED };
    MemoryRegion mr;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(memory_region_init_ram_flags_nomigrate(
                             &mr, NULL, "ram", BYTES, kinds[i], NULL),
                         0);
        fill_pages(&mr);
        assert_true(is_resident(&mr, PAGE));
        assert_int_equal(discard(&mr, PAGE, 2 * PAGE), 0);
        assert_false(is_resident(&mr, PAGE));
        assert_false(is_resident(&mr, 2 * PAGE));
        assert_true(is_resident(&mr, 3 * PAGE));
        expect_pages(&mr, (uint8_t[]){ 0xa0, 0, 0, 0xa3 });
        assert_int_equal(discard(&mr, 0, 0), 0);
        assert_int_equal(discard(&mr, BYTES, 0), 0);
        assert_int_equal(discard(&mr, 0, BYTES), 0);
        expect_pages(&mr, (uint8_t[]){ 0, 0, 0, 0 });
        end_region(&mr);
    }
}

static void test_shared_file(void **state)
{
    struct stat before, after;
    MemoryRegion mr;
    int fd;

    (void)state;
    make_file_region(&mr, RAM_SHARED);
    fd = memory_region_get_fd(&mr);
    expect_pages(&mr, (uint8_t[]){ 2, 3, 4, 5 });
    assert_int_equal(fstat(fd, &before), 0);
    assert_int_equal(discard(&mr, PAGE, PAGE), 0);
    expect_pages(&mr, (uint8_t[]){ 2, 0, 4, 5 });
    assert_int_equal(byte_of(fd, PAGE), 2);
    assert_int_equal(byte_of(fd, 2 * PAGE), 0);
    assert_int_equal(fstat(fd, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    assert_true(after.st_blocks < before.st_blocks);
    end_region(&mr);
}

static void test_private_files(void **state)
{
    static const uint32_t kinds[] = { 0, RAM_READONLY,
                                      RAM_READONLY | RAM_SHARED };
    MemoryRegion mr;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        make_file_region(&mr, kinds[i]);
        fill_pages(&mr); /* of a ROM: as a loader */
        assert_int_equal(discard(&mr, PAGE, PAGE), 0);
        expect_pages(&mr, (uint8_t[]){ 0xa0, 3, 0xa2, 0xa3 });
        assert_int_equal(byte_of(memory_region_get_fd(&mr), 2 * PAGE), 3);
        end_region(&mr);
    }
}

/* What is set aside for growing can go, too; an odd end goes with its page. */
static void test_beyond_the_size(void **state)
{
    MemoryRegion mr;

    (void)state;
    assert_int_equal(memory_region_init_resizeable_ram(
                         &mr, NULL, "ram", PAGE + 1, 3 * PAGE + 1, NULL, NULL),
                     0);
    memset(host_of(&mr), 0xaa, 3 * PAGE + 1);
    assert_int_equal(discard(&mr, 3 * PAGE, PAGE), 0);
    assert_int_equal(host_of(&mr)[3 * PAGE], 0);
    assert_int_equal(host_of(&mr)[3 * PAGE - 1], 0xaa);
    assert_int_equal(discard(&mr, 4 * PAGE, PAGE), -EINVAL);
    end_region(&mr);
}

static void test_refused(void **state)
{
    static uint8_t bytes[BYTES] __attribute__((aligned(4096)));
    MemoryRegion mr, mine, box;

    (void)state;
    assert_int_equal(memory_region_init_ram(&mr, NULL, "ram", BYTES, NULL), 0);
    fill_pages(&mr);
    assert_int_equal(discard(&mr, 1, PAGE), -EINVAL);
    assert_int_equal(discard(&mr, 0, PAGE + 1), -EINVAL);
    assert_int_equal(discard(&mr, 0, BYTES + PAGE), -EINVAL);
    assert_int_equal(discard(&mr, BYTES + PAGE, 0), -EINVAL);
    assert_int_equal(discard(&mr, PAGE, UINT64_MAX - PAGE + 1), -EINVAL);
    assert_int_equal(ram_block_discard_range(NULL, 0, PAGE), -EINVAL);
    expect_pages(&mr, (uint8_t[]){ 0xa0, 0xa1, 0xa2, 0xa3 });
    end_region(&mr);
    assert_int_equal(
        memory_region_init_ram_ptr(&mine, NULL, "mine", BYTES, bytes), 0);
    fill_pages(&mine);
    assert_int_equal(discard(&mine, 0, PAGE), -EINVAL);
    assert_int_equal(xbar_ram_remap(memory_region_get_ram_addr(&mine), PAGE),
                     -EINVAL);
    assert_int_equal(xbar_ram_block_advise(xbar_ram_block_of(&mine), 0, PAGE,
                                           XBAR_RAM_PREALLOC),
                     -EINVAL);
    expect_pages(&mine, (uint8_t[]){ 0xa0, 0xa1, 0xa2, 0xa3 });
    end_region(&mine);
    assert_int_equal(memory_region_init(&box, NULL, "box", BYTES), 0);
    assert_int_equal(discard(&box, 0, PAGE), -EINVAL);
    end_region(&box);
}

/* ---- Who is told ------------------------------------------------------- */

static void test_it_is_a_write(void **state)
{
    struct fixture *f = *state;
    MemoryRegion mr;
    uint64_t count, bits = 0;

    assert_int_equal(memory_region_init_ram(&mr, NULL, "ram", BYTES, NULL), 0);
    xbar_tree_hold(f->engine);
    assert_int_equal(xbar_dirty_log_start(&mr, 0), 0);
    xbar_tree_release(f->engine);
    xbar_ram_writes_watch(f->engine, true);
    assert_true(xbar_dirty_clear(&mr, 0, 0, PAGES - 1, NULL));
    count = xbar_ram_writes_count(f->engine);

    assert_int_equal(discard(&mr, PAGE, 2 * PAGE), 0);
    assert_int_not_equal(xbar_ram_writes_count(f->engine), count);
    assert_true(xbar_dirty_clear(&mr, 0, 0, PAGES - 1, &bits));
    assert_int_equal(bits, 6);
    count = xbar_ram_writes_count(f->engine);
    assert_int_equal(discard(&mr, PAGE, 1), -EINVAL);
    assert_int_equal(xbar_ram_writes_count(f->engine), count);

    assert_int_equal(
        xbar_ram_remap(memory_region_get_ram_addr(&mr) + PAGE, PAGE), 0);
    assert_int_not_equal(xbar_ram_writes_count(f->engine), count);
    bits = 0;
    assert_true(xbar_dirty_clear(&mr, 0, 0, PAGES - 1, &bits));
    assert_int_equal(bits, 2);
    xbar_ram_writes_watch(f->engine, false);
    end_region(&mr);
}

/* ---- Who may not stand beside whom ------------------------------------- */

typedef int hold_fn(bool state);

static void test_holds(void **state)
{
    static hold_fn *const hold[] = {
        ram_block_discard_disable,
        ram_block_uncoordinated_discard_disable,
        ram_block_discard_require,
        ram_block_coordinated_discard_require,
    };
    static const bool clash[4][4] = {
        { false, false, true, true },
        { false, false, true, false },
        { true, true, false, false },
        { true, false, false, false },
    };

    (void)state;
    for (unsigned a = 0; a < 4; a++) {
        assert_int_equal(hold[a](false), -EINVAL);
        for (unsigned b = 0; b < 4; b++) {
            assert_int_equal(hold[a](true), 0);
            assert_int_equal(ram_block_discard_is_disabled(), a < 2);
            assert_int_equal(ram_block_discard_is_required(), a >= 2);
            assert_int_equal(hold[b](true), clash[a][b] ? -EBUSY : 0);
            if (!clash[a][b]) {
                assert_int_equal(hold[b](false), 0);
            }
            assert_int_equal(hold[a](false), 0);
            assert_int_equal(hold[a](false), -EINVAL);
        }
    }
    assert_false(ram_block_discard_is_disabled());
    assert_false(ram_block_discard_is_required());
}

static void test_disabled(void **state)
{
    MemoryRegion mr;

    (void)state;
    assert_int_equal(memory_region_init_ram(&mr, NULL, "ram", BYTES, NULL), 0);
    fill_pages(&mr);
    assert_int_equal(ram_block_discard_disable(true), 0);
    assert_int_equal(ram_block_discard_disable(true), 0);
    assert_int_equal(discard(&mr, 0, PAGE), -EBUSY);
    assert_int_equal(ram_block_discard_disable(false), 0);
    assert_int_equal(discard(&mr, 0, PAGE), -EBUSY);
    assert_int_equal(ram_block_discard_disable(false), 0);
    expect_pages(&mr, (uint8_t[]){ 0xa0, 0xa1, 0xa2, 0xa3 });
    assert_int_equal(ram_block_uncoordinated_discard_disable(true), 0);
    assert_int_equal(discard(&mr, 0, PAGE), 0); /* a manager's, it may be */
    assert_int_equal(ram_block_uncoordinated_discard_disable(false), 0);
    end_region(&mr);
}

/* ---- Replacing --------------------------------------------------------- */

static void test_remap(void **state)
{
    MemoryRegion other, own, shared, copy;
    ram_addr_t at;

    (void)state;
    assert_int_equal(memory_region_init_ram(&other, NULL, "other", PAGE, NULL),
                     0);
    assert_int_equal(memory_region_init_ram(&own, NULL, "own", BYTES, NULL), 0);
    make_file_region(&shared, RAM_SHARED);
    make_file_region(&copy, 0);
    fill_pages(&own);
    fill_pages(&shared);
    fill_pages(&copy);
    at = memory_region_get_ram_addr(&own);
    assert_int_equal(xbar_ram_remap(at + PAGE, PAGE), 0);
    expect_pages(&own, (uint8_t[]){ 0xa0, 0, 0xa2, 0xa3 });
    at = memory_region_get_ram_addr(&shared);
    assert_int_equal(qemu_ram_remap(at + PAGE, PAGE), 0);
    expect_pages(&shared, (uint8_t[]){ 0xa0, 0xa1, 0xa2, 0xa3 });
    host_of(&shared)[PAGE] = 0x77; /* still the file's */
    assert_int_equal(byte_of(memory_region_get_fd(&shared), 2 * PAGE), 0x77);
    at = memory_region_get_ram_addr(&copy);
    assert_int_equal(xbar_ram_remap(at + PAGE, PAGE), 0);
    expect_pages(&copy, (uint8_t[]){ 0xa0, 3, 0xa2, 0xa3 });
    assert_int_equal(xbar_ram_remap(at + PAGE, 0), 0);
    assert_int_equal(xbar_ram_remap(at + 1, PAGE), -EINVAL);
    assert_int_equal(xbar_ram_remap(at, PAGE + 1), -EINVAL);
    assert_int_equal(xbar_ram_remap(at + 3 * PAGE, 2 * PAGE), -EINVAL);
    assert_int_equal(xbar_ram_remap(at + 4 * PAGE, PAGE), -EINVAL);
    assert_int_equal(xbar_ram_remap(RAM_ADDR_INVALID, PAGE), -EINVAL);
    end_region(&copy);
    end_region(&shared);
    end_region(&own);
    end_region(&other);
}

/* ---- How the host keeps it --------------------------------------------- */

static void test_prealloc(void **state)
{
    MemoryRegion mr;

    (void)state;
    assert_int_equal(memory_region_init_ram(&mr, NULL, "ram", BYTES, NULL), 0);
    host_of(&mr)[2 * PAGE] = 0x55;
    assert_false(is_resident(&mr, PAGE));
    assert_int_equal(xbar_ram_block_advise(xbar_ram_block_of(&mr), PAGE,
                                           2 * PAGE, XBAR_RAM_PREALLOC),
                     0);
    assert_false(is_resident(&mr, 0));
    assert_true(is_resident(&mr, PAGE));
    assert_true(is_resident(&mr, 2 * PAGE));
    assert_false(is_resident(&mr, 3 * PAGE));
    assert_int_equal(host_of(&mr)[2 * PAGE], 0x55);
    end_region(&mr);
}

/* A flag of the mapping of @host, as the kernel prints them. */
static bool has_vm_flag(const void *host, const char *flag)
{
    FILE *smaps = fopen("/proc/self/smaps", "r");
    unsigned long from, to;
    bool is_it = false;
    bool found = false;
    char line[512];

    assert_non_null(smaps);
    while (fgets(line, sizeof(line), smaps)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            is_it = from <= (uintptr_t)host && (uintptr_t)host < to;
        } else if (is_it && strncmp(line, "VmFlags:", 8) == 0) {
            found = strstr(line, flag) != NULL;
        }
    }
    fclose(smaps);
    return found;
}

static void test_advice(void **state)
{
    RAMBlock *block;
    MemoryRegion mr;
    int rc;

    (void)state;
    assert_int_equal(memory_region_init_ram(&mr, NULL, "ram", BYTES, NULL), 0);
    block = xbar_ram_block_of(&mr);
    assert_int_equal(xbar_ram_block_advise(block, PAGE, PAGE, XBAR_RAM_NO_DUMP),
                     0);
    assert_true(has_vm_flag(host_of(&mr) + PAGE, " dd"));
    assert_false(has_vm_flag(host_of(&mr), " dd"));
    assert_int_equal(xbar_ram_block_advise(block, PAGE, PAGE, XBAR_RAM_DUMP),
                     0);
    assert_false(has_vm_flag(host_of(&mr) + PAGE, " dd"));
    rc = xbar_ram_block_advise(block, 0, PAGE, XBAR_RAM_MERGE);
    if (rc != -EINVAL) { /* a kernel without it says so */
        assert_int_equal(rc, 0);
        assert_true(has_vm_flag(host_of(&mr), " mg"));
        assert_int_equal(
            xbar_ram_block_advise(block, 0, PAGE, XBAR_RAM_NO_MERGE), 0);
        assert_false(has_vm_flag(host_of(&mr), " mg"));
    }
    assert_int_equal(xbar_ram_block_advise(block, 0, 0, XBAR_RAM_DUMP), 0);
    assert_int_equal(
        xbar_ram_block_advise(block, 0, PAGE, (enum xbar_ram_advice)99),
        -EINVAL);
    assert_int_equal(xbar_ram_block_advise(block, 1, PAGE, XBAR_RAM_DUMP),
                     -EINVAL);
    end_region(&mr);
}

static void test_placement(void **state)
{
    const unsigned long first = 1;
    const unsigned long absent[16] = { [15] = 1ul << 62 };
    RAMBlock *block;
    MemoryRegion mr;
    int rc;

    (void)state;
    assert_int_equal(memory_region_init_ram(&mr, NULL, "ram", BYTES, NULL), 0);
    block = xbar_ram_block_of(&mr);
    fill_pages(&mr);
    assert_int_equal(xbar_ram_block_place(block, XBAR_RAM_PLACE_BIND, NULL, 0),
                     -EINVAL);
    assert_int_equal(
        xbar_ram_block_place(block, XBAR_RAM_PLACE_DEFAULT, &first, 1),
        -EINVAL);
    assert_int_equal(
        xbar_ram_block_place(block, (enum xbar_ram_placement)9, &first, 1),
        -EINVAL);
    assert_int_equal(xbar_ram_block_place(NULL, XBAR_RAM_PLACE_BIND, &first, 1),
                     -EINVAL);
    rc = xbar_ram_block_place(block, XBAR_RAM_PLACE_BIND, &first, 1);
    if (rc != -ENOSYS && rc != -EPERM) { /* no nodes here, or not for us */
        assert_int_equal(rc, 0);
        assert_int_equal(
            xbar_ram_block_place(block, XBAR_RAM_PLACE_INTERLEAVE, &first, 1),
            0);
        assert_int_equal(
            xbar_ram_block_place(block, XBAR_RAM_PLACE_BIND, absent, 1024),
            -EINVAL);
        assert_int_equal(
            xbar_ram_block_place(block, XBAR_RAM_PLACE_DEFAULT, NULL, 0), 0);
    }
    expect_pages(&mr, (uint8_t[]){ 0xa0, 0xa1, 0xa2, 0xa3 });
    end_region(&mr);
}

/* Who gets the descriptor of shared memory cannot pull it from under us. */
static void test_sealed(void **state)
{
    MemoryRegion mr;

    (void)state;
    assert_int_equal(memory_region_init_ram_flags_nomigrate(
                         &mr, NULL, "ram", BYTES, RAM_SHARED, NULL),
                     0);
    assert_int_equal(ftruncate(memory_region_get_fd(&mr), 0), -1);
    assert_int_equal(errno, EPERM);
    fill_pages(&mr);
    expect_pages(&mr, (uint8_t[]){ 0xa0, 0xa1, 0xa2, 0xa3 });
    end_region(&mr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_own_memory),    engine_test(test_shared_file),
        engine_test(test_private_files), engine_test(test_beyond_the_size),
        engine_test(test_refused),       engine_test(test_it_is_a_write),
        engine_test(test_holds),         engine_test(test_disabled),
        engine_test(test_remap),         engine_test(test_prealloc),
        engine_test(test_advice),        engine_test(test_placement),
        engine_test(test_sealed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
