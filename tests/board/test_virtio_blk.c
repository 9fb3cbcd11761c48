/* SPDX-License-Identifier: MIT */
/*
 * The disk, request by request, with the image looked at from the host: once
 * in the background and once without an I/O thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virtio/device.h"
#include "virtio_driver.h"

#define SECTOR      512
#define IMAGE_BYTES (8 * 1024 * 1024)
#define SECTORS     (IMAGE_BYTES / SECTOR)

/* Where requests are laid out in the guest's RAM. */
#define HEADER UINT64_C(0x1000)
#define STATUS UINT64_C(0x1100)
#define RANGES UINT64_C(0x1200)
#define DATA   UINT64_C(0x10000)

enum {
    T_IN = 0,
    T_OUT = 1,
    T_FLUSH = 4,
    T_ID = 8,
    T_DISCARD = 11,
    T_ZERO = 13
};
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2, S_NONE = 0x77 };

#define F_RO    (UINT64_C(1) << 5)
#define F_FLUSH (UINT64_C(1) << 9)
#define F_ALL   (UINT64_C(1) << 13 | UINT64_C(1) << 14 | F_FLUSH)

struct disk_world {
    struct virtio_world world;
    struct virtio_config config;
    struct virtio_ring ring;
    char path[64];
    int fd; /* the host's own */
};

/* ---- Set-up ------------------------------------------------------------ */

static struct disk_world *make(bool is_readonly, bool deterministic,
                               enum drive_cache cache)
{
    struct disk_world *d = test_calloc(1, sizeof(*d));

    strcpy(d->path, "/tmp/xbar-disk-XXXXXX");
    d->fd = mkstemp(d->path);
    assert_true(d->fd >= 0);
    assert_int_equal(ftruncate(d->fd, IMAGE_BYTES), 0);
    d->config.num_drives = 1;
    d->config.drives[0] = (struct drive_config){
        .file = d->path,
        .id = "a disk with a long name",
        .is_readonly = is_readonly,
        .cache = cache,
    };
    world_make(&d->world, &d->config, deterministic);
    driver_negotiate(&d->world, VIRTIO_F_VERSION_1 |
                                    (is_readonly ? F_FLUSH | F_RO : F_ALL));
    driver_add_queue(&d->world, &d->ring, 0, 256);
    driver_run(&d->world);
    assert_int_equal(world_get(&d->world, 0x070), 15);
    return d;
}

static int set_up_sync(void **state)
{
    *state = make(false, true, DRIVE_CACHE_WRITEBACK);
    return 0;
}

static int set_up_async(void **state)
{
    *state = make(false, false, DRIVE_CACHE_WRITEBACK);
    return 0;
}

static int set_up_readonly(void **state)
{
    *state = make(true, false, DRIVE_CACHE_WRITEBACK);
    return 0;
}

/* Past the page cache, so that requests do take a while. */
static int set_up_direct(void **state)
{
    *state = make(false, false, DRIVE_CACHE_NONE);
    return 0;
}

static int tear_down(void **state)
{
    struct disk_world *d = *state;

    world_free(&d->world);
    close(d->fd);
    unlink(d->path);
    test_free(d);
    return 0;
}

/* ---- Requests ---------------------------------------------------------- */

static void put_header(struct disk_world *d, uint32_t type, uint64_t sector)
{
    ram_put(&d->world, HEADER, type, 4);
    ram_put(&d->world, HEADER + 4, 0, 4);
    ram_put(&d->world, HEADER + 8, sector, 8);
    ram_put(&d->world, STATUS, S_NONE, 1);
}

/* Offer descriptors 0 to @last, wait. Return: the status. */
static unsigned finish(struct disk_world *d)
{
    ring_offer(&d->ring, 0);
    ring_wait(&d->ring, NULL);
    assert_int_equal(world_get(&d->world, 0x070), 15);
    return (unsigned)ram_get(&d->world, STATUS, 1);
}

/* Header, one piece of data, status. */
static unsigned request(struct disk_world *d, uint32_t type, uint64_t sector,
                        hwaddr data, uint32_t len)
{
    bool is_in = type == T_IN || type == T_ID;

    put_header(d, type, sector);
    ring_describe(&d->ring, 0, HEADER, 16, DESC_NEXT, len ? 1 : 2);
    ring_describe(&d->ring, 1, data, len, DESC_NEXT | (is_in ? DESC_WRITE : 0),
                  2);
    ring_describe(&d->ring, 2, STATUS, 1, DESC_WRITE, 0);
    return finish(d);
}

static unsigned request_range(struct disk_world *d, uint32_t type,
                              uint64_t sector, uint32_t sectors, uint32_t flags)
{
    ram_put(&d->world, RANGES, sector, 8);
    ram_put(&d->world, RANGES + 8, sectors, 4);
    ram_put(&d->world, RANGES + 12, flags, 4);
    return request(d, type, 0, RANGES, 16);
}

/* Bytes that tell where they are. */
static void fill_data(struct disk_world *d, uint32_t len, unsigned salt)
{
    for (uint32_t i = 0; i < len; i += 8) {
        ram_put(&d->world, DATA + i, ((uint64_t)salt << 32) + i + 1, 8);
    }
}

static uint64_t image_word(struct disk_world *d, uint64_t at)
{
    uint64_t word;

    assert_int_equal(pread(d->fd, &word, sizeof(word), (off_t)at), 8);
    return word;
}

static uint64_t image_blocks(struct disk_world *d)
{
    struct stat stat;

    assert_int_equal(fsync(d->fd), 0);
    assert_int_equal(fstat(d->fd, &stat), 0);
    return (uint64_t)stat.st_blocks;
}

/* ---- What a disk does -------------------------------------------------- */

static void test_config(void **state)
{
    struct disk_world *d = *state;
    struct virtio_world *w = &d->world;

    assert_int_equal(world_get(w, 0x008), 2);
    assert_int_equal(ram_get(w, w->base + 0x100, 4), SECTORS);
    assert_int_equal(ram_get(w, w->base + 0x104, 4), 0);
    assert_int_equal(ram_get(w, w->base + 0x10c, 4), 254);
    assert_int_equal(ram_get(w, w->base + 0x114, 2), 512);
    assert_int_equal(ram_get(w, w->base + 0x138, 1), 1);
    assert_int_equal(ram_get(w, w->base + 0x13c, 4), 0); /* beyond */
    world_put(w, 0x100, 5);
    assert_int_equal(ram_get(w, w->base + 0x100, 4), SECTORS);
}

static void test_write_read(void **state)
{
    struct disk_world *d = *state;

    fill_data(d, 4096, 1);
    assert_int_equal(request(d, T_OUT, 8, DATA, 4096), S_OK);
    assert_int_equal(image_word(d, 4096), (UINT64_C(1) << 32) + 1);
    assert_int_equal(image_word(d, 8184), (UINT64_C(1) << 32) + 4089);
    assert_int_equal(image_word(d, 8192), 0);
    fill_data(d, 4096, 2);
    assert_int_equal(request(d, T_IN, 9, DATA, 512), S_OK);
    assert_int_equal(ram_get(&d->world, DATA, 8), (UINT64_C(1) << 32) + 513);
    assert_int_equal(ram_get(&d->world, DATA + 512, 8),
                     (UINT64_C(2) << 32) + 513);
    assert_int_equal(request(d, T_IN, 0, DATA, 0), S_OK);
    assert_int_equal(request(d, T_FLUSH, 0, DATA, 0), S_OK);
}

/* Header, data and status in any pieces, the last byte being the status. */
static void test_framing(void **state)
{
    struct disk_world *d = *state;
    struct virtio_ring *ring = &d->ring;
    static const uint32_t cuts[] = { 1, 100, 411, 1, 510, 1 };
    hwaddr at = DATA;
    unsigned n = 2;

    fill_data(d, 1024, 3);
    put_header(d, T_OUT, 2);
    ring_describe(ring, 0, HEADER, 7, DESC_NEXT, 1);
    ring_describe(ring, 1, HEADER + 7, 9, DESC_NEXT, 2);
    for (unsigned i = 0; i < 6; i++, n++) {
        ring_describe(ring, n, at, cuts[i], DESC_NEXT, n + 1);
        at += cuts[i];
    }
    ring_describe(ring, n, STATUS, 1, DESC_WRITE, 0);
    assert_int_equal(finish(d), S_OK);
    assert_int_equal(image_word(d, 1024), (UINT64_C(3) << 32) + 1);
    assert_int_equal(image_word(d, 2040), (UINT64_C(3) << 32) + 1017);

    /* read it back; the status right behind the data, in one piece */
    put_header(d, T_IN, 2);
    ring_describe(ring, 0, HEADER, 16, DESC_NEXT, 1);
    ring_describe(ring, 1, DATA + 0x2000, 3, DESC_NEXT | DESC_WRITE, 2);
    ring_describe(ring, 2, DATA + 0x2003, 1022, DESC_WRITE, 0);
    ram_put(&d->world, DATA + 0x2400, S_NONE, 1);
    ring_offer(ring, 0);
    assert_int_equal(ring_wait(ring, NULL), 1025);
    assert_int_equal(ram_get(&d->world, DATA + 0x2400, 1), S_OK);
    assert_int_equal(ram_get(&d->world, DATA + 0x23f8, 8),
                     (UINT64_C(3) << 32) + 1017);
}

static void test_id(void **state)
{
    struct disk_world *d = *state;
    char id[21] = "";

    assert_int_equal(request(d, T_ID, 0, DATA, 20), S_OK);
    address_space_read(&d->world.as, DATA, MEMTXATTRS_UNSPECIFIED, id, 20);
    assert_string_equal(id, "a disk with a long n");
    assert_int_equal(request(d, T_ID, 0, DATA, 4), S_OK);
    assert_int_equal(request(d, 77, 0, DATA, 0), S_UNSUPP);
}

static void test_discard_and_zero(void **state)
{
    struct disk_world *d = *state;
    uint64_t before;

    fill_data(d, 0x10000, 4);
    assert_int_equal(request(d, T_OUT, 0, DATA, 0x10000), S_OK);
    before = image_blocks(d);
    assert_int_equal(request_range(d, T_ZERO, 1, 2, 0), S_OK);
    assert_int_equal(image_blocks(d), before);
    assert_int_not_equal(image_word(d, 504), 0);
    assert_int_equal(image_word(d, 512), 0);
    assert_int_equal(image_word(d, 1528), 0);
    assert_int_not_equal(image_word(d, 1536), 0);
    assert_int_equal(request_range(d, T_ZERO, 8, 8, 1), S_OK);
    assert_int_equal(image_word(d, 4096), 0);
    assert_int_equal(image_blocks(d), before - 8);
    assert_int_equal(request_range(d, T_DISCARD, 16, 16, 0), S_OK);
    assert_int_equal(image_blocks(d), before - 24);
    assert_int_not_equal(image_word(d, 16384), 0);
    assert_int_equal(request_range(d, T_DISCARD, 16, 16, 1), S_UNSUPP);
    assert_int_equal(request_range(d, T_ZERO, 16, 16, 2), S_UNSUPP);
    assert_int_equal(request_range(d, T_DISCARD, SECTORS - 8, 9, 0), S_IOERR);
    assert_int_equal(request_range(d, T_ZERO, UINT64_MAX, 2, 0), S_IOERR);
    assert_int_equal(request_range(d, T_ZERO, 0, UINT32_MAX, 0), S_IOERR);
    assert_int_equal(request_range(d, T_ZERO, SECTORS, 0, 0), S_OK);
    assert_int_equal(request(d, T_ZERO, 0, RANGES, 15), S_IOERR);
    assert_int_equal(request(d, T_DISCARD, 0, RANGES, 0), S_IOERR);
    assert_int_equal(request(d, T_DISCARD, 0, DATA, 33 * 16), S_IOERR);
}

/* Several ranges, one after the other; one that is wrong, and none is done. */
static void test_many_ranges(void **state)
{
    struct disk_world *d = *state;

    fill_data(d, 0x10000, 5);
    assert_int_equal(request(d, T_OUT, 0, DATA, 0x10000), S_OK);
    for (unsigned i = 0; i < 32; i++) {
        ram_put(&d->world, RANGES + 16 * i, 2 * i, 8);
        ram_put(&d->world, RANGES + 16 * i + 8, 1, 8);
    }
    assert_int_equal(request(d, T_ZERO, 0, RANGES, 512), S_OK);
    for (unsigned i = 0; i < 128; i++) {
        assert_int_equal(image_word(d, SECTOR * i) == 0, i < 64 && i % 2 == 0);
    }
    ram_put(&d->world, RANGES, 101, 8);
    ram_put(&d->world, RANGES + 16 * 31, SECTORS, 8);
    assert_int_equal(request(d, T_ZERO, 0, RANGES, 512), S_IOERR);
    assert_int_not_equal(image_word(d, SECTOR * 101), 0);
}

/* All of the queue at once, each chain a table, completions in any order. */
static void test_full_queue(void **state)
{
    struct disk_world *d = *state;
    struct virtio_world *w = &d->world;

    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < 256; i++) {
            hwaddr at = DATA + 0x200 * i;
            hwaddr table = 0x60000 + 64 * i;
            hwaddr header = 0x80000 + 32 * i;
            bool is_in = round % 2;

            ram_put(w, at, is_in ? 0 : 1000 * round + i, 8);
            ram_put(w, header, is_in ? T_IN : T_OUT, 8);
            ram_put(w, header + 8, 3 * i, 8);
            ram_put(w, header + 16, S_NONE, 1);
            ram_put(w, table, header, 8);
            ram_put(w, table + 8, 16, 4);
            ram_put(w, table + 12, DESC_NEXT | 1 << 16, 4);
            ram_put(w, table + 16, at, 8);
            ram_put(w, table + 24, 512, 4);
            ram_put(w, table + 28,
                    DESC_NEXT | (is_in ? DESC_WRITE : 0) | 2 << 16, 4);
            ram_put(w, table + 32, header + 16, 8);
            ram_put(w, table + 40, 1, 4);
            ram_put(w, table + 44, DESC_WRITE, 4);
            ring_describe(&d->ring, i, table, 48, DESC_INDIRECT, 0);
            ring_offer_quietly(&d->ring, i);
        }
        world_put(w, 0x050, 0);
        for (unsigned i = 0; i < 256; i++) {
            uint32_t head;

            ring_wait(&d->ring, &head);
            assert_int_equal(ram_get(w, 0x80000 + 32 * head + 16, 1), S_OK);
            assert_int_equal(ram_get(w, DATA + 0x200 * head, 8),
                             1000 * (round & ~1u) + head);
        }
    }
}

/* ---- What goes wrong --------------------------------------------------- */

static void test_bad_requests(void **state)
{
    struct disk_world *d = *state;

    assert_int_equal(request(d, T_IN, SECTORS, DATA, 512), S_IOERR);
    assert_int_equal(request(d, T_IN, SECTORS - 1, DATA, 1024), S_IOERR);
    assert_int_equal(request(d, T_IN, SECTORS - 1, DATA, 512), S_OK);
    assert_int_equal(request(d, T_IN, UINT64_MAX, DATA, 512), S_IOERR);
    assert_int_equal(request(d, T_OUT, UINT64_MAX / 512, DATA, 512), S_IOERR);
    assert_int_equal(request(d, T_IN, 0, DATA, 511), S_IOERR);
    assert_int_equal(request(d, T_OUT, 0, DATA, 513), S_IOERR);
    assert_int_equal(request(d, T_IN, 0, COUNTER_AT, 512), S_IOERR);
    assert_int_equal(request(d, T_OUT, 0, COUNTER_AT, 512), S_IOERR);
    assert_int_equal(request(d, T_IN, 0, ROM_AT, 512), S_IOERR);
    assert_int_equal(request(d, T_OUT, 0, ROM_AT, 512), S_OK);
    assert_int_equal(request(d, T_IN, 0, 0x50000000, 512), S_IOERR);
    assert_int_equal(request(d, T_IN, 0, ROM_AT - 512, 1024), S_IOERR);
    assert_int_equal(request(d, T_IN, 0, UINT64_MAX - 255, 512), S_IOERR);
    assert_int_equal(request(d, T_IN, 0, DATA, 0x80000000), S_IOERR);
    assert_int_equal(request(d, T_IN, 0, d->world.base, 512), S_IOERR);
    assert_int_equal(request(d, T_ID, 0, COUNTER_AT, 20), S_IOERR);
    assert_int_equal(d->world.touched, 0);
}

/* No place for header or status: nothing can be answered. */
static void test_unanswerable(void **state)
{
    static const struct {
        hwaddr header;
        uint32_t header_len;
        hwaddr status;
        unsigned status_flags;
    } rows[] = {
        { HEADER, 15, STATUS, DESC_WRITE },
        { HEADER, 16, STATUS, 0 },
        { COUNTER_AT, 16, STATUS, DESC_WRITE },
        { HEADER, 16, COUNTER_AT, DESC_WRITE },
        { HEADER, 16, ROM_AT, DESC_WRITE },
        { HEADER, 16, 0x50000000, DESC_WRITE },
    };
    struct disk_world *d = *state;
    struct virtio_world *w = &d->world;

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        put_header(d, T_FLUSH, 0);
        ring_describe(&d->ring, 0, rows[i].header, rows[i].header_len,
                      DESC_NEXT, 1);
        ring_describe(&d->ring, 1, rows[i].status, 1, rows[i].status_flags, 0);
        ring_offer(&d->ring, 0);
        while (!(world_get(w, 0x070) & VIRTIO_STATUS_NEEDS_RESET)) {
        }
        driver_negotiate(w, VIRTIO_F_VERSION_1 | F_ALL);
        driver_add_queue(w, &d->ring, 0, 256);
        driver_run(w);
        assert_int_equal(request(d, T_FLUSH, 0, 0, 0), S_OK);
    }
    assert_int_equal(w->touched, 0);
}

static void test_readonly(void **state)
{
    struct disk_world *d = *state;

    world_put(&d->world, 0x014, 0);
    assert_true(world_get(&d->world, 0x010) & F_RO);
    fill_data(d, 512, 6);
    assert_int_equal(request(d, T_OUT, 0, DATA, 512), S_IOERR);
    assert_int_equal(request_range(d, T_ZERO, 0, 1, 0), S_IOERR);
    assert_int_equal(request_range(d, T_DISCARD, 0, 1, 0), S_IOERR);
    assert_int_equal(request(d, T_FLUSH, 0, 0, 0), S_OK);
    assert_int_equal(request(d, T_IN, 0, DATA, 512), S_OK);
    assert_int_equal(ram_get(&d->world, DATA, 8), 0);
}

/* The image shrinks under us, and comes back. */
static void test_image_shrinks(void **state)
{
    struct disk_world *d = *state;

    assert_int_equal(ftruncate(d->fd, 4096), 0);
    assert_int_equal(request(d, T_IN, 8, DATA, 512), S_IOERR);
    assert_int_equal(request(d, T_IN, 7, DATA, 1024), S_IOERR);
    assert_int_equal(request(d, T_IN, 7, DATA, 512), S_OK);
    assert_int_equal(ftruncate(d->fd, IMAGE_BYTES), 0);
    assert_int_equal(request(d, T_IN, 7, DATA, 1024), S_OK);
}

/* The host takes no more: a limit is as good as a full disk. */
static void test_host_is_full(void **state)
{
    struct disk_world *d = *state;
    struct rlimit limit;
    struct rlimit old;

    assert_int_equal(ftruncate(d->fd, 4096), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    limit.rlim_cur = 8192;
    setrlimit(RLIMIT_FSIZE, &limit);
    fill_data(d, 8192, 7);
    assert_int_equal(request(d, T_OUT, 8, DATA, 4096), S_OK);
    assert_int_equal(request(d, T_OUT, 8, DATA, 8192), S_IOERR);
    assert_int_equal(request(d, T_OUT, 16, DATA, 512), S_IOERR);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(request(d, T_OUT, 16, DATA, 512), S_OK);
}

/* ---- Reset ------------------------------------------------------------- */

/* After the reset the device writes no byte of the guest's. */
static void test_reset_in_flight(void **state)
{
    struct disk_world *d = *state;
    struct virtio_world *w = &d->world;

    fill_data(d, 0x8000, 0); /* no hole, which would be read at once */
    assert_int_equal(request(d, T_OUT, 0, DATA, 0x8000), S_OK);
    assert_int_equal(request(d, T_FLUSH, 0, 0, 0), S_OK);
    for (unsigned round = 0; round < 200; round++) {
        unsigned count = 1 + round % 60;

        for (unsigned i = 0; i < count; i++) {
            put_header(d, T_IN, 0);
            ring_describe(&d->ring, 4 * i, HEADER, 16, DESC_NEXT, 4 * i + 1);
            ring_describe(&d->ring, 4 * i + 1, DATA, 0x8000,
                          DESC_WRITE | DESC_NEXT, 4 * i + 2);
            ring_describe(&d->ring, 4 * i + 2, STATUS, 1, DESC_WRITE, 0);
            ring_offer_quietly(&d->ring, 4 * i);
        }
        world_put(w, 0x050, 0);
        if (round % 2) {
            world_put(w, 0x044, 0); /* the queue alone */
        } else {
            world_put(w, 0x070, 0);
        }
        assert_int_equal(world_get(w, 0x044), 0);
        fill_data(d, 0x8000, round);
        ram_put(w, STATUS, S_NONE, 1);
        address_space_set(&w->as, d->ring.used, 0x5a, 0x900,
                          MEMTXATTRS_UNSPECIFIED);
        usleep(round % 8 ? 0 : 3000);
        assert_int_equal(ram_get(w, STATUS, 1), S_NONE);
        assert_int_equal(ram_get(w, d->ring.used, 8),
                         UINT64_C(0x5a5a5a5a5a5a5a5a));
        for (unsigned i = 0; i < 0x8000; i += 1024) {
            assert_int_equal(ram_get(w, DATA + i, 8),
                             ((uint64_t)round << 32) + i + 1);
        }
        driver_negotiate(w, VIRTIO_F_VERSION_1 | F_ALL);
        driver_add_queue(w, &d->ring, 0, 256);
        driver_run(w);
    }
    assert_int_equal(request(d, T_IN, 0, DATA, 512), S_OK);
}

/* ---- Images ------------------------------------------------------------ */

static void expect_refused(const char *path, const char *reason)
{
    struct virtio_config config = {
        .drives = { { .file = path } },
        .num_drives = 1,
    };
    struct virtio_slots_config slots = { .devices = &config };
    Error *err = NULL;

    assert_null(virtio_slots_new(&slots, &err));
    assert_non_null(strstr(error_get_pretty(err), reason));
    assert_non_null(strstr(error_get_pretty(err), path));
    error_free(err);
}

static void test_bad_images(void **state)
{
    struct disk_world *d = *state;
    char path[] = "/tmp/xbar-image-XXXXXX";
    int fd = mkstemp(path);

    expect_refused("/nonexistent/image", "No such file");
    expect_refused("/tmp", "Is a directory");
    expect_refused("/dev/null", "neither a file");
    expect_refused(path, "empty");
    assert_int_equal(ftruncate(fd, 1000), 0);
    expect_refused(path, "no multiple of 512");
    expect_refused(d->path, "in use");
    close(fd);
    unlink(path);
}

#define BOTH(test)                                                       \
    { #test ", at once", test, set_up_sync, tear_down, NULL },           \
    {                                                                    \
#test ", in the background", test, set_up_async, tear_down, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_config),
        BOTH(test_write_read),
        BOTH(test_framing),
        BOTH(test_id),
        BOTH(test_discard_and_zero),
        BOTH(test_many_ranges),
        BOTH(test_full_queue),
        BOTH(test_bad_requests),
        BOTH(test_unanswerable),
        BOTH(test_image_shrinks),
        BOTH(test_host_is_full),
        BOTH(test_reset_in_flight),
        { "test_reset_in_flight, past the page cache", test_reset_in_flight,
          set_up_direct, tear_down, NULL },
        { "test_write_read, past the page cache", test_write_read,
          set_up_direct, tear_down, NULL },
        cmocka_unit_test_setup_teardown(test_readonly, set_up_readonly,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_bad_images, set_up_async,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
