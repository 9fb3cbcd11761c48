/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "memmap.h"
#include "size.h"

/* An ELF file may be larger than what it puts into RAM: debug information. */
#define FILE_SLACK (256 * MIB)

static bool is_elf(const uint8_t *bytes, size_t size)
{
    return size >= 4 && memcmp(bytes, "\177ELF", 4) == 0;
}

int image__add_segment(struct image *image, struct image_segment segment,
                       uint64_t ram_size, Error **errp)
{
    hwaddr offset = segment.addr - RAM_BASE; /* wraps below RAM: too large */
    char ram[32];

    size_print(ram, sizeof(ram), ram_size);
    if (image->num_segments == IMAGE_MAX_SEGMENTS) {
        error_setg(errp, "%s: more than %d segments", image->name,
                   IMAGE_MAX_SEGMENTS);
        return -EINVAL;
    }
    if (segment.size > ram_size) {
        error_setg(errp, "%s: larger than RAM (%s)", image->name, ram);
        return -EINVAL;
    }
    if (offset > ram_size - segment.size) {
        error_setg(errp,
                   "%s: 0x%" PRIx64 " bytes at 0x%" PRIx64
                   " lie outside RAM (%s at 0x%" PRIx64 ")",
                   image->name, segment.size, segment.addr, ram, RAM_BASE);
        return -EINVAL;
    }
    image->segments[image->num_segments++] = segment;
    return 0;
}

/* One segment at @base. */
static int take_raw(struct image *image, const uint8_t *bytes, size_t size,
                    hwaddr base, uint64_t ram_size, Error **errp)
{
    struct image_segment whole = { base, size, bytes, size };

    image->entry = base;
    return image__add_segment(image, whole, ram_size, errp);
}

int image_from_memory(struct image *image, const char *name,
                      const uint8_t *bytes, size_t size, hwaddr raw_base,
                      uint64_t ram_size, Error **errp)
{
    memset(image, 0, sizeof(*image));
    image->name = name;
    if (is_elf(bytes, size)) {
        return image__parse_elf(image, bytes, size, ram_size, errp);
    }
    return take_raw(image, bytes, size, raw_base, ram_size, errp);
}

int image_open_raw(struct image *image, const char *path, hwaddr base,
                   uint64_t ram_size, Error **errp)
{
    size_t size;
    int ret;

    memset(image, 0, sizeof(*image));
    image->name = path;
    ret = file_read(path, ram_size + FILE_SLACK, &image->bytes, &size, errp);
    if (ret) {
        return ret;
    }
    ret = take_raw(image, image->bytes, size, base, ram_size, errp);
    if (ret) {
        image_close(image);
    }
    return ret;
}

int image_open(struct image *image, const char *path, hwaddr raw_base,
               uint64_t ram_size, Error **errp)
{
    uint8_t *bytes;
    size_t size;
    int ret;

    memset(image, 0, sizeof(*image));
    ret = file_read(path, ram_size + FILE_SLACK, &bytes, &size, errp);
    if (ret) {
        return ret;
    }
    ret = image_from_memory(image, path, bytes, size, raw_base, ram_size, errp);
    image->bytes = bytes;
    if (ret) {
        image_close(image);
    }
    return ret;
}

void image_close(struct image *image)
{
    free(image->bytes);
    memset(image, 0, sizeof(*image));
}

/* Neither sum overflows: segments lie in RAM, @size is what fits there. */
bool image_overlaps(const struct image *image, hwaddr addr, uint64_t size)
{
    for (unsigned i = 0; i < image->num_segments; i++) {
        const struct image_segment *segment = &image->segments[i];

        if (addr < segment->addr + segment->size &&
            segment->addr < addr + size) {
            return true;
        }
    }
    return false;
}

int image_check_disjoint(const struct image *a, const struct image *b,
                         Error **errp)
{
    for (unsigned i = 0; i < a->num_segments; i++) {
        const struct image_segment *segment = &a->segments[i];

        if (image_overlaps(b, segment->addr, segment->size)) {
            error_setg(errp, "%s: overlaps %s at 0x%" PRIx64, b->name, a->name,
                       segment->addr);
            return -EINVAL;
        }
    }
    return 0;
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

MemTxResult image_write(const struct image *image, AddressSpace *as)
{
    MemTxResult result = MEMTX_OK;

    for (unsigned i = 0; i < image->num_segments; i++) {
        const struct image_segment *segment = &image->segments[i];

        result |= address_space_write(as, segment->addr, MEMTXATTRS_UNSPECIFIED,
                                      segment->data, segment->data_size);
        result |= write_zeros(as, segment->addr + segment->data_size,
                              segment->size - segment->data_size);
    }
    return result;
}
