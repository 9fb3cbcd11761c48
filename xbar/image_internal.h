/* SPDX-License-Identifier: MIT */
/*
 * Between the parts of image.h:
 *
 *     image.c            a file, or bytes: which format? Written to RAM
 *     image_elf.c        the formats: bytes to segments
 *     image_linux.c
 *     image_segments.c   segments: do they fit?
 */
#ifndef XBAR_IMAGE_INTERNAL_H
#define XBAR_IMAGE_INTERNAL_H

#include "image.h"

/* What image__parse_linux() looks at. */
#define IMAGE_HEADER_SIZE 64

/*
 * image__parse_linux() - raw bytes may be a Linux kernel
 * @have: bytes of the start, IMAGE_HEADER_SIZE or the whole file
 * @size: of the file
 * @ram: set to what it needs, if it says
 *
 * Return: 0, whatever else it is; -EINVAL with @errp set if it cannot run.
 */
int image__parse_linux(const struct image *image, const uint8_t *start,
                       size_t have, uint64_t size, uint64_t *ram, Error **errp)
    XBAR_MUST_CHECK;

/* image__parse_elf() - fill the segments */
int image__parse_elf(struct image *image, const uint8_t *bytes, size_t size,
                     uint64_t ram_size, Error **errp) XBAR_MUST_CHECK;

/* image__add_segment() - append one if it lies in RAM */
int image__add_segment(struct image *image, struct image_segment segment,
                       uint64_t ram_size, Error **errp) XBAR_MUST_CHECK;

#endif
