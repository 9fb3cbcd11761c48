/* SPDX-License-Identifier: MIT */
#include "trace/pack.h"

#include <errno.h>

bool pack_is_there(void)
{
    return false;
}

struct packer *packer_new(void)
{
    return NULL;
}

void packer_free(struct packer *packer)
{
    (void)packer;
}

size_t packer_pack(struct packer *packer, uint8_t *out, const uint8_t *block,
                   size_t size)
{
    (void)packer;
    (void)out;
    (void)block;
    (void)size;
    return 0;
}

struct unpacker *unpacker_new(int fd)
{
    (void)fd;
    return NULL;
}

void unpacker_free(struct unpacker *unpacker)
{
    (void)unpacker;
}

int unpacker_next(struct unpacker *unpacker, uint8_t *block, size_t *size)
{
    (void)unpacker;
    (void)block;
    (void)size;
    return -ENOTSUP;
}
