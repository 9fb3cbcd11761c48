/* SPDX-License-Identifier: MIT */
/*
 * Files that a person gives to the program, and that may be anything. The first
 * byte says what the rest is:
 *
 *     0   an image to be loaded: ELF, a kernel, or raw
 *     1   a block of a trace
 *     2   an ELF file with names
 *     3   a device tree
 *
 * Each is refused, or is what its reader promises.
 */
#include "tests/fuzz/fuzz_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image.h"
#include "memmap.h"
#include "mtree_dtb.h"
#include "profile/symbols.h"
#include "trace/decoder.h"

#define RAM    ((uint64_t)1 << 20)
#define EVENTS 100000 /* of a block, at most */

static void expect(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* For who reads files by their name. */
static const char *file_of(const uint8_t *bytes, size_t size)
{
    static char path[64];
    static int file = -1;

    if (file < 0) {
        file = memfd_create("input", 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    }
    expect(ftruncate(file, 0) == 0);
    expect(pwrite(file, bytes, size, 0) == (ssize_t)size);
    return path;
}

/* As image.h has it; all bytes are there. */
static void check_segment(const struct image_segment *segment)
{
    uint64_t offset = segment->addr - RAM_BASE;
    volatile uint8_t last;

    expect(segment->size != 0 && offset < RAM && segment->size <= RAM - offset);
    expect(segment->data_size <= segment->size);
    for (uint64_t i = 0; segment->data != NULL && i < segment->data_size; i++) {
        last = segment->data[i];
    }
    (void)last;
}

static bool read_image(const uint8_t *bytes, size_t size, Error **errp)
{
    struct image image = { 0 };
    bool is_good = image_from_memory(&image, "image", bytes, size, RAM_BASE,
                                     RAM, errp) == 0;

    expect(!is_good || image.num_segments != 0);
    for (unsigned i = 0; is_good && i < image.num_segments; i++) {
        check_segment(&image.segments[i]);
    }
    image_close(&image);
    return is_good;
}

static bool read_trace(const uint8_t *bytes, size_t size, Error **errp)
{
    struct trace_decoder decoder;
    struct trace_event event;
    int ret = 1;

    expect(trace_decoder_init(&decoder, "trace", errp) == 0);
    trace_decoder_block(&decoder, bytes, size);
    for (unsigned i = 0; ret == 1 && i < EVENTS; i++) {
        ret = trace_decode(&decoder, &event, errp);
    }
    trace_decoder_end(&decoder);
    return ret >= 0;
}

static bool read_names(const uint8_t *bytes, size_t size, Error **errp)
{
    struct symbols symbols = { 0 };
    bool is_good = symbols_add_file(&symbols, file_of(bytes, size), errp) == 0;

    symbols_sort(&symbols);
    for (size_t i = 1; i < symbols.count; i++) {
        expect(symbols.items[i - 1].end <= symbols.items[i].start);
    }
    is_good = is_good && symbols.count != 0;
    symbols_end(&symbols);
    return is_good;
}

static bool read_tree(const uint8_t *bytes, size_t size, Error **errp)
{
    struct mtree_dtb *tree = NULL;
    bool is_good = mtree_dtb_load(file_of(bytes, size), &tree, errp) == 0;

    expect(!is_good || mtree_dtb_memory(tree) != NULL);
    mtree_dtb_free(tree);
    return is_good;
}

bool fuzz_read_file(const uint8_t *data, size_t size)
{
    static bool (*const readers[])(const uint8_t *, size_t,
                                   Error **) = { read_image, read_trace,
                                                 read_names, read_tree };
    Error *err = NULL;
    uint8_t *bytes;
    bool is_good;

    if (size < 2) {
        return false;
    }
    bytes = malloc(size - 1); /* no byte more */
    expect(bytes != NULL);
    memcpy(bytes, data + 1, size - 1);
    is_good = readers[data[0] % 4](bytes, size - 1, &err);
    free(bytes);
    error_free(err);
    return is_good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)fuzz_read_file(data, size);
    return 0;
}
