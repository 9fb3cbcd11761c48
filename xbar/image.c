/* SPDX-License-Identifier: MIT */
#include "image.h"
#include "image_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "memmap.h"

/* An ELF file may be larger than what it puts into RAM: debug information. */
#define FILE_SLACK (256 * MIB)

/* What is read from a file at once. */
#define CHUNK ((size_t)256 << 10)

static bool is_elf(const uint8_t *bytes, size_t size)
{
    return size >= 4 && memcmp(bytes, "\177ELF", 4) == 0;
}

/* One segment at @base, of @ram bytes. */
static int take_raw(struct image *image, const uint8_t *bytes, size_t size,
                    uint64_t ram, hwaddr base, uint64_t ram_size, Error **errp)
{
    struct image_segment whole = { base, ram, bytes, size };

    image->entry = base;
    return image__add_segment(image, whole, ram_size, errp);
}

int image_from_memory(struct image *image, const char *name,
                      const uint8_t *bytes, size_t size, hwaddr raw_base,
                      uint64_t ram_size, Error **errp)
{
    uint64_t ram = size;
    int ret;

    memset(image, 0, sizeof(*image));
    image->name = name;
    if (is_elf(bytes, size)) {
        return image__parse_elf(image, bytes, size, ram_size, errp);
    }
    ret = image__parse_linux(image, bytes, size, size, &ram, errp);
    if (ret) {
        return ret;
    }
    return take_raw(image, bytes, size, ram, raw_base, ram_size, errp);
}

/* The whole file in memory. @is_raw: whatever it looks like. */
static int keep_bytes(struct image *image, bool is_raw, hwaddr base,
                      uint64_t ram_size, Error **errp)
{
    const char *path = image->name;
    uint8_t *bytes;
    size_t size;
    int ret = file_read(path, ram_size + FILE_SLACK, &bytes, &size, errp);

    if (ret) {
        return ret;
    }
    ret = is_raw ? take_raw(image, bytes, size, size, base, ram_size, errp)
                 : image_from_memory(image, path, bytes, size, base, ram_size,
                                     errp);
    image->bytes = bytes;
    image->size = size;
    return ret;
}

/* @file is open, and raw but for what its header says. */
static int keep_file(struct image *image, size_t size, bool is_raw, hwaddr base,
                     uint64_t ram_size, Error **errp)
{
    uint8_t start[IMAGE_HEADER_SIZE];
    size_t have = size < sizeof(start) ? size : sizeof(start);
    uint64_t ram = size;
    int ret = 0;

    if (!file_read_at(image->file - 1, start, have, 0)) {
        error_setg(errp, "%s: cannot be read", image->name);
        return -EIO;
    }
    if (!is_raw && is_elf(start, have)) {
        return keep_bytes(image, false, base, ram_size, errp);
    }
    if (!is_raw) {
        ret = image__parse_linux(image, start, have, size, &ram, errp);
    }
    return ret ? ret : take_raw(image, NULL, size, ram, base, ram_size, errp);
}

static int open_image(struct image *image, const char *path, bool is_raw,
                      hwaddr base, uint64_t ram_size, Error **errp)
{
    size_t size;
    int fd;
    int ret;

    memset(image, 0, sizeof(*image));
    image->name = path;
    ret = file_open(path, ram_size + FILE_SLACK, &fd, &size, errp);
    if (ret) {
        return ret;
    }
    image->file = fd + 1;
    ret = fd < 0 ? keep_bytes(image, is_raw, base, ram_size, errp)
                 : keep_file(image, size, is_raw, base, ram_size, errp);
    if (ret) {
        image_close(image);
    }
    return ret;
}

int image_open_raw(struct image *image, const char *path, hwaddr base,
                   uint64_t ram_size, Error **errp)
{
    return open_image(image, path, true, base, ram_size, errp);
}

int image_open(struct image *image, const char *path, hwaddr raw_base,
               uint64_t ram_size, Error **errp)
{
    return open_image(image, path, false, raw_base, ram_size, errp);
}

void image_close(struct image *image)
{
    free(image->bytes);
    if (image->file) {
        close(image->file - 1);
    }
    memset(image, 0, sizeof(*image));
}

/* Write zeros a page at a time: what lies past a segment's data. */
static MemTxResult write_zeros(AddressSpace *as, hwaddr addr, uint64_t size)
{
    static const uint8_t zeros[4096];
    MemTxResult result = MEMTX_OK;

    while (size) {
        uint64_t part = size < sizeof(zeros) ? size : sizeof(zeros);

        result |=
            address_space_write(as, addr, MEMTXATTRS_UNSPECIFIED, zeros, part);
        addr += part;
        size -= part;
    }
    return result;
}

static MemTxResult write_bytes(AddressSpace *as, hwaddr addr, const void *bytes,
                               uint64_t size)
{
    return address_space_write(as, addr, MEMTXATTRS_UNSPECIFIED, bytes, size);
}

/* Return: false if the file has become shorter, or unreadable. */
static bool write_file(const struct image *image, AddressSpace *as,
                       const struct image_segment *segment, MemTxResult *result)
{
    uint8_t *chunk = malloc(CHUNK);
    bool is_read = chunk != NULL;

    for (uint64_t at = 0; is_read && at < segment->data_size; at += CHUNK) {
        uint64_t left = segment->data_size - at;
        size_t part = left < CHUNK ? (size_t)left : CHUNK;

        is_read = file_read_at(image->file - 1, chunk, part, at);
        if (is_read) {
            *result |= write_bytes(as, segment->addr + at, chunk, part);
        }
    }
    free(chunk);
    return is_read;
}

int image_write(const struct image *image, AddressSpace *as, Error **errp)
{
    MemTxResult result = MEMTX_OK;

    for (unsigned i = 0; i < image->num_segments; i++) {
        const struct image_segment *segment = &image->segments[i];

        if (segment->data) {
            result |= write_bytes(as, segment->addr, segment->data,
                                  segment->data_size);
        } else if (!write_file(image, as, segment, &result)) {
            error_setg(errp, "%s: cannot be read any more", image->name);
            return -EIO;
        }
        result |= write_zeros(as, segment->addr + segment->data_size,
                              segment->size - segment->data_size);
    }
    assert(result == MEMTX_OK); /* all of it lies in RAM, or open failed */
    (void)result;
    return 0;
}
