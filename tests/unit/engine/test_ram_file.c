/* SPDX-License-Identifier: MIT */
/* Files as memory: what they hold before and after, and what is refused. */
#include "engine/memory_ram.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/dispatch.h"
#include "tests/unit/engine/fixture.h"

#define PAGE ((uint64_t)4096)

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/xbar-ram-test.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails if a test left something in it */
}

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

/* A file of @size bytes: its offset's page number in each. */
static void make_file(const char *name, uint64_t size)
{
    int fd = open(path_of(name), O_RDWR | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    for (uint64_t at = 0; at < size; at++) {
        uint8_t byte = (uint8_t)(1 + at / PAGE);

        assert_int_equal(write(fd, &byte, 1), 1);
    }
    close(fd);
}

static uint64_t size_of(const char *name)
{
    struct stat st;

    return stat(path_of(name), &st) ? UINT64_MAX : (uint64_t)st.st_size;
}

static uint8_t byte_of(const char *name, uint64_t at)
{
    int fd = open(path_of(name), O_RDONLY);
    uint8_t byte = 0;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    close(fd);
    return byte;
}

static void remove_file(const char *name)
{
    assert_int_equal(unlink(path_of(name)), 0);
}

static int init(MemoryRegion *mr, uint64_t size, uint64_t align, uint32_t flags,
                const char *path, bool readonly)
{
    Error *err = NULL;
    int rc = memory_region_init_ram_from_file(mr, NULL, "file", size, align,
                                              flags, path, readonly, &err);

    assert_int_equal(rc != 0, err != NULL); /* each failure has a message */
    error_free(err);
    return rc;
}

static void write8(MemoryRegion *mr, hwaddr addr, uint64_t value)
{
    assert_int_equal(memory_region_dispatch_write(mr, addr, value, MO_8, ATTRS),
                     MEMTX_OK);
}

static uint8_t *host_of(MemoryRegion *mr)
{
    return memory_region_get_ram_ptr(mr);
}

/* ---- Shared, private, read-only ---------------------------------------- */

static void test_shared_file(void **state)
{
    MemoryRegion mr;

    (void)state;
    make_file("f", 3 * PAGE);
    assert_int_equal(init(&mr, 2 * PAGE, 0, RAM_SHARED, path_of("f"), false),
                     0);
    assert_true(memory_region_get_fd(&mr) >= 0);
    assert_int_equal(host_of(&mr)[PAGE], 2);
    write8(&mr, PAGE + 5, 0xab);
    assert_int_equal(memory_region_msync(&mr, PAGE + 5, 1), 0);
    assert_int_equal(byte_of("f", PAGE + 5), 0xab);
    assert_int_equal(memory_region_msync(&mr, 0, 2 * PAGE), 0);
    assert_int_equal(memory_region_writeback(&mr, 2 * PAGE, 0), 0);
    assert_int_equal(memory_region_msync(&mr, 2 * PAGE, 1), -EINVAL);
    assert_int_equal(memory_region_msync(&mr, 1, UINT64_MAX), -EINVAL);
    end_region(&mr);
    assert_int_equal(byte_of("f", PAGE + 5), 0xab);
    assert_int_equal(size_of("f"), 3 * PAGE); /* neither cut nor extended */
    remove_file("f");
}

static void test_private_file(void **state)
{
    MemoryRegion mr;

    (void)state;
    make_file("f", PAGE);
    assert_int_equal(init(&mr, PAGE, 0, 0, path_of("f"), false), 0);
    write8(&mr, 5, 0xab);
    assert_int_equal(host_of(&mr)[5], 0xab);
    assert_int_equal(memory_region_msync(&mr, 0, PAGE), 0);
    assert_int_equal(byte_of("f", 5), 1);
    end_region(&mr);
    remove_file("f");
}

/* A ROM, also of a file that we may not write; loaders change a copy. */
static void test_readonly_file(void **state)
{
    const uint32_t flags[] = { 0, RAM_SHARED };
    MemoryRegion mr;

    (void)state;
    make_file("f", PAGE);
    assert_int_equal(chmod(path_of("f"), 0400), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(init(&mr, PAGE, 0, flags[i], path_of("f"), true), 0);
        assert_true(memory_region_is_rom(&mr));
        write8(&mr, 5, 0xab); /* a guest's: dropped */
        assert_int_equal(host_of(&mr)[5], 1);
        host_of(&mr)[5] = 0xcd;
        end_region(&mr);
        assert_int_equal(byte_of("f", 5), 1);
    }
    remove_file("f");
}

static void test_aligned(void **state)
{
    MemoryRegion mr;

    (void)state;
    assert_int_equal(init(&mr, PAGE, 8 << 20, 0, path_of("f"), false), 0);
    assert_int_equal((uintptr_t)host_of(&mr) % (8 << 20), 0);
    assert_int_equal(memory_region_get_alignment(&mr), 8 << 20);
    end_region(&mr);
    assert_int_equal(init(&mr, PAGE, 3 * PAGE, 0, path_of("f"), false),
                     -EINVAL);
    assert_int_equal(init(&mr, PAGE, 1, 0, path_of("f"), false), 0);
    end_region(&mr);
    remove_file("f");
}

/* ---- Making files ------------------------------------------------------ */

static void test_new_file(void **state)
{
    MemoryRegion mr;

    (void)state;
    assert_int_equal(init(&mr, PAGE + 1, 0, RAM_SHARED, path_of("new"), false),
                     0);
    assert_int_equal(size_of("new"), 2 * PAGE);
    write8(&mr, PAGE, 0x42);
    end_region(&mr);
    assert_int_equal(byte_of("new", PAGE), 0x42);

    /* Empty is as good as new; what fails leaves it so. */
    assert_int_equal(truncate(path_of("new"), 0), 0);
    assert_int_equal(
        init(&mr, (uint64_t)1 << 61, 0, RAM_SHARED, path_of("new"), false) < 0,
        true);
    assert_int_equal(size_of("new"), 0);
    assert_int_equal(init(&mr, PAGE, 0, 0, path_of("new"), false), 0);
    assert_int_equal(size_of("new"), PAGE);
    end_region(&mr);
    remove_file("new");
}

static void test_directory(void **state)
{
    MemoryRegion mr;

    (void)state;
    assert_int_equal(init(&mr, PAGE, 0, RAM_SHARED, folder, false), 0);
    assert_true(memory_region_get_fd(&mr) >= 0);
    write8(&mr, 0, 1);
    end_region(&mr); /* nothing is left: remove_folder() */
    assert_int_equal(init(&mr, PAGE, 0, RAM_SHARED, folder, true), -EINVAL);
}

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    MemoryRegion mr;

    make_file("short", PAGE - 1);
    assert_int_equal(init(&mr, PAGE, 0, 0, path_of("short"), false), -EINVAL);
    assert_int_equal(size_of("short"), PAGE - 1);
    remove_file("short");
    assert_int_equal(init(&mr, 0, 0, 0, path_of("none"), false), -EINVAL);
    assert_int_equal(
        init(&mr, PAGE, 0, XBAR_RAM_HUGETLB, path_of("none"), false), -EINVAL);
    assert_int_equal(size_of("none"), UINT64_MAX); /* it is gone again */
    assert_int_equal(init(&mr, PAGE, 0, 0, path_of("none"), true), -ENOENT);
    assert_int_equal(init(&mr, PAGE, 0, 0, path_of("no/ne"), false), -ENOENT);
    assert_int_equal(init(&mr, PAGE, 0, 0, "", false), -EINVAL);
    assert_int_equal(init(&mr, PAGE, 0, 0, NULL, false), -EINVAL);
    assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
    assert_int_equal(init(&mr, PAGE, 0, 0, path_of("pipe"), false), -EINVAL);
    remove_file("pipe");
    assert_int_equal(f->blocks, 1); /* the engine itself */
}

/* ---- Descriptors ------------------------------------------------------- */

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void test_descriptor(void **state)
{
    MemoryRegion mr, alias;
    Error *err = NULL;
    int fd;

    (void)state;
    make_file("f", 4 * PAGE);
    fd = open(path_of("f"), O_RDWR);
    assert_int_equal(memory_region_init_ram_from_fd(&mr, NULL, "fd", PAGE,
                                                    RAM_SHARED, fd, 1, &err),
                     -EINVAL);
    error_free(err);
    err = NULL;
    assert_int_equal(memory_region_init_ram_from_fd(&mr, NULL, "fd", 2 * PAGE,
                                                    0, fd, 3 * PAGE, &err),
                     -EINVAL);
    error_free(err);
    assert_int_equal(memory_region_init_ram_from_fd(
                         &mr, NULL, "fd", PAGE, 0, fd, UINT64_MAX - 4095, NULL),
                     -EINVAL);
    assert_true(is_open(fd)); /* the caller's still */

    assert_int_equal(memory_region_init_ram_from_fd(&mr, NULL, "fd", 2 * PAGE,
                                                    RAM_SHARED, fd, PAGE, NULL),
                     0);
    assert_int_equal(host_of(&mr)[0], 2);
    assert_int_equal(host_of(&mr)[PAGE], 3);
    assert_int_equal(
        memory_region_init_alias(&alias, NULL, "a", &mr, PAGE, PAGE), 0);
    assert_int_equal(memory_region_get_fd(&alias), fd);
    assert_int_equal(memory_region_msync(&alias, 0, PAGE), 0);
    assert_int_equal(memory_region_msync(&alias, 1, PAGE), -EINVAL);
    end_region(&alias);
    end_region(&mr);
    assert_false(is_open(fd)); /* the region's, and it ended */
    assert_int_equal(
        memory_region_init_ram_from_fd(&mr, NULL, "fd", PAGE, 0, -1, 0, NULL),
        -EBADF);
    remove_file("f");
}

static void test_every_failing_allocation(void **state)
{
    struct fixture *f = *state;
    unsigned failures = 0;
    MemoryRegion mr;
    int rc;

    do {
        f->requests = 0;
        f->fail_at = ++failures;
        rc = init(&mr, PAGE, 0, RAM_SHARED, path_of("new"), false);
        f->fail_at = 0;
        assert_true(rc == 0 || rc == -ENOMEM);
        assert_true(rc == 0 || size_of("new") == UINT64_MAX);
    } while (rc);
    assert_true(failures > 2);
    end_region(&mr);
    remove_file("new");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_shared_file),
        engine_test(test_private_file),
        engine_test(test_readonly_file),
        engine_test(test_aligned),
        engine_test(test_new_file),
        engine_test(test_directory),
        engine_test(test_refusals),
        engine_test(test_descriptor),
        engine_test(test_every_failing_allocation),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
