/* SPDX-License-Identifier: MIT */
/*
 * Linux kernels for RISC-V as they boot: raw bytes with a header.
 *
 *     0  code      8  text_offset    16  image_size    24  flags
 *    56  "RSC\005"
 *
 * image_size counts what the kernel uses without asking: its BSS lies behind
 * the file. Nothing may be put there. A packed kernel would be executed as it
 * is, and say nothing; what packs kernels is named instead.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "image_internal.h"
#include "size.h"

enum linux_header {
    HEADER_IMAGE_SIZE = 16,
    HEADER_FLAGS = 24,
    HEADER_MAGIC = 56,
};

#define FLAG_BIG_ENDIAN 1

static const struct packer {
    const char *name;
    unsigned offset;
    unsigned size;
    const char *magic;
} packers[] = {
    { "gzip", 0, 2, "\x1f\x8b" },
    { "xz", 0, 6,
      "\xfd"
      "7zXZ" },
    { "zstd", 0, 4, "\x28\xb5\x2f\xfd" },
    { "bzip2", 0, 3, "BZh" },
    { "lzma", 0, 3, "\x5d\0\0" },
    { "an EFI program", 4, 4, "zimg" },
};

static bool has_bytes(const uint8_t *start, size_t have, unsigned offset,
                      const char *bytes, unsigned size)
{
    return have >= offset + size && memcmp(start + offset, bytes, size) == 0;
}

/* Little-endian, 8 bytes. */
static uint64_t word_at(const uint8_t *start, unsigned offset)
{
    uint64_t word = 0;

    for (unsigned i = 8; i-- > 0;) {
        word = word << 8 | start[offset + i];
    }
    return word;
}

static int refuse_packed(const struct image *image, const uint8_t *start,
                         size_t have, Error **errp)
{
    for (unsigned i = 0; i < sizeof(packers) / sizeof(packers[0]); i++) {
        const struct packer *packer = &packers[i];

        if (has_bytes(start, have, packer->offset, packer->magic,
                      packer->size)) {
            error_setg(errp, "%s: packed (%s); unpack it first", image->name,
                       packer->name);
            return -EINVAL;
        }
    }
    return 0;
}

int image__parse_linux(const struct image *image, const uint8_t *start,
                       size_t have, uint64_t size, uint64_t *ram, Error **errp)
{
    uint64_t image_size;

    if (have < IMAGE_HEADER_SIZE ||
        !has_bytes(start, have, HEADER_MAGIC, "RSC\005", 4)) {
        return refuse_packed(image, start, have, errp);
    }
    if (word_at(start, HEADER_FLAGS) & FLAG_BIG_ENDIAN) {
        error_setg(errp, "%s: a big-endian Linux kernel", image->name);
        return -EINVAL;
    }
    image_size = word_at(start, HEADER_IMAGE_SIZE);
    if (image_size < size) {
        error_setg(errp,
                   "%s: a damaged Linux kernel (0x%" PRIx64
                   " bytes, it says 0x%" PRIx64 ")",
                   image->name, size, image_size);
        return -EINVAL;
    }
    *ram = image_size;
    return 0;
}
