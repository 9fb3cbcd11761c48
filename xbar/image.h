/* SPDX-License-Identifier: MIT */
/*
 * What is put into RAM before a guest starts: ELF files and raw bytes.
 *
 * Files are hostile: each length and offset is checked before it is used,
 * and an image is known to fit before a byte of RAM is written.
 *
 * A reset writes all of it again. So files stay open rather than in memory,
 * where a kernel and an initrd would be a second time; ELF files, which are
 * small or rare, and what is no regular file are kept.
 */
#ifndef XBAR_IMAGE_H
#define XBAR_IMAGE_H

#include <xbar/xbar.h>

#define IMAGE_MAX_SEGMENTS 32

/* Addresses addr .. addr + size - 1; what lies past the data is zero. */
struct image_segment {
    hwaddr addr;
    uint64_t size;       /* > 0, and addr + size <= end of RAM */
    const uint8_t *data; /* NULL: the image's file, from its start */
    uint64_t data_size;  /* <= size */
};

struct image {
    const char *name;      /* for messages; the caller's */
    uint8_t *bytes;        /* the file, owned; NULL if it is the caller's */
    size_t size;           /* of these */
    int file;              /* or the open file, owned, + 1; 0: none */
    hwaddr entry;          /* ELF: its entry; raw: its first byte */
    unsigned num_segments; /* 0: no such image */
    struct image_segment segments[IMAGE_MAX_SEGMENTS];
};

/*
 * image_open() - read @path and decide where it goes
 * @raw_base: where raw bytes go
 * @ram_size: RAM ends at RAM_BASE + @ram_size
 *
 * What starts with the ELF magic must be a sound RV64 executable; a raw Linux
 * kernel takes as much RAM as its header asks for, and must not be packed.
 * Return: 0; -errno with @errp naming file and reason.
 */
int image_open(struct image *image, const char *path, hwaddr raw_base,
               uint64_t ram_size, Error **errp) XBAR_MUST_CHECK;

/* image_open_raw() - the same, but whatever the bytes look like */
int image_open_raw(struct image *image, const char *path, hwaddr base,
                   uint64_t ram_size, Error **errp) XBAR_MUST_CHECK;

/* image_from_memory() - the same, from bytes that stay the caller's */
int image_from_memory(struct image *image, const char *name,
                      const uint8_t *bytes, size_t size, hwaddr raw_base,
                      uint64_t ram_size, Error **errp) XBAR_MUST_CHECK;

/* image_close() - free it; a zeroed image is fine */
void image_close(struct image *image);

/* image_check_disjoint() - -EINVAL with @errp naming both if they overlap */
int image_check_disjoint(const struct image *a, const struct image *b,
                         Error **errp) XBAR_MUST_CHECK;

/* image_overlaps() - does any segment touch @size bytes at @addr? */
bool image_overlaps(const struct image *image, hwaddr addr, uint64_t size);

/*
 * image_write() - put it into RAM
 *
 * Return: 0; -EIO with @errp set if its file cannot be read any more.
 */
int image_write(const struct image *image, AddressSpace *as, Error **errp)
    XBAR_MUST_CHECK;

#endif
