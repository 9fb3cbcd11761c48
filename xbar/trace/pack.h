/* SPDX-License-Identifier: MIT */
/* Blocks as zstd frames, one each; without the library there are no traces. */
#ifndef XBAR_TRACE_PACK_H
#define XBAR_TRACE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xbar/xbar.h>

/* A packed block at most: what cannot be packed grows a little. */
#define PACK_ROOM ((size_t)80 << 10)

/* pack_is_there() - was the program built with zstd? */
bool pack_is_there(void);

struct packer;

/* packer_new() - NULL if memory is short */
struct packer *packer_new(void) XBAR_MUST_CHECK;
void packer_free(struct packer *packer);

/* packer_pack() - @out has PACK_ROOM. Return: bytes of a frame; 0 if memory is
 * short. */
size_t packer_pack(struct packer *packer, uint8_t *out, const uint8_t *block,
                   size_t size);

struct unpacker;

/* unpacker_new() - of what is read from @fd, which stays the caller's. NULL if
 * memory is short. */
struct unpacker *unpacker_new(int fd) XBAR_MUST_CHECK;
void unpacker_free(struct unpacker *unpacker);

/*
 * unpacker_next() - the next block
 * @block: room for TRACE_BLOCK_SIZE; a frame with more is -EINVAL
 *
 * Return: 1; 0 at the end; -ENODATA if the file ends inside a frame; -EINVAL
 * for what is no sound frame; -errno of a read.
 */
int unpacker_next(struct unpacker *unpacker, uint8_t *block, size_t *size)
    XBAR_MUST_CHECK;

#endif
