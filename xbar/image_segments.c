/* SPDX-License-Identifier: MIT */
/* Where an image's segments lie: in RAM, and beside those of others. */
#include <errno.h>
#include <inttypes.h>

#include "image_internal.h"
#include "memmap.h"
#include "size.h"

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
