/* SPDX-License-Identifier: MIT */
#include "trace/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "trace/record.h"

#define LEVEL      1  /* a higher one gains little on this and costs much */
#define WINDOW_LOG 17 /* the largest that is taken: memory is bounded */

bool pack_is_there(void)
{
    return true;
}

/* ---- Packing ----------------------------------------------------------- */

struct packer {
    ZSTD_CCtx *context;
};

struct packer *packer_new(void)
{
    struct packer *packer = calloc(1, sizeof(*packer));

    if (packer) {
        packer->context = ZSTD_createCCtx();
    }
    if (!packer || !packer->context) {
        free(packer);
        return NULL;
    }
    ZSTD_CCtx_setParameter(packer->context, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(packer->context, ZSTD_c_checksumFlag, 1);
    return packer;
}

void packer_free(struct packer *packer)
{
    if (packer) {
        ZSTD_freeCCtx(packer->context);
        free(packer);
    }
}

size_t packer_pack(struct packer *packer, uint8_t *out, const uint8_t *block,
                   size_t size)
{
    size_t packed =
        ZSTD_compress2(packer->context, out, PACK_ROOM, block, size);

    return ZSTD_isError(packed) ? 0 : packed;
}

/* ---- Unpacking --------------------------------------------------------- */

struct unpacker {
    int fd;
    bool is_inside; /* a frame has begun */
    ZSTD_DCtx *context;
    size_t at;
    size_t end;
    uint8_t bytes[(size_t)64 << 10]; /* of the file */
};

struct unpacker *unpacker_new(int fd)
{
    struct unpacker *unpacker = calloc(1, sizeof(*unpacker));

    if (unpacker) {
        unpacker->fd = fd;
        unpacker->context = ZSTD_createDCtx();
    }
    if (!unpacker || !unpacker->context) {
        free(unpacker);
        return NULL;
    }
    ZSTD_DCtx_setParameter(unpacker->context, ZSTD_d_windowLogMax, WINDOW_LOG);
    return unpacker;
}

void unpacker_free(struct unpacker *unpacker)
{
    if (unpacker) {
        ZSTD_freeDCtx(unpacker->context);
        free(unpacker);
    }
}

/* Return: 1 if there are bytes now; 0 at the end of the file; -errno. */
static int fill(struct unpacker *unpacker)
{
    ssize_t got;

    if (unpacker->at < unpacker->end) {
        return 1;
    }
    do {
        got = read(unpacker->fd, unpacker->bytes, sizeof(unpacker->bytes));
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        return got < 0 ? -errno : 0;
    }
    unpacker->at = 0;
    unpacker->end = (size_t)got;
    return 1;
}

/* A frame that yields nothing is skipped. */
int unpacker_next(struct unpacker *unpacker, uint8_t *block, size_t *size)
{
    ZSTD_outBuffer out = { block, TRACE_BLOCK_SIZE, 0 };

    for (;;) {
        ZSTD_inBuffer in;
        size_t left;
        int ret = fill(unpacker);

        if (ret <= 0) {
            return ret == 0 && unpacker->is_inside ? -ENODATA : ret;
        }
        in = (ZSTD_inBuffer){ unpacker->bytes, unpacker->end, unpacker->at };
        left = ZSTD_decompressStream(unpacker->context, &out, &in);
        if (ZSTD_isError(left)) {
            return -EINVAL;
        }
        if (left && in.pos == unpacker->at && out.pos == out.size) {
            return -EINVAL; /* there is more than a block holds */
        }
        unpacker->at = in.pos;
        unpacker->is_inside = left != 0;
        if (left == 0 && out.pos) {
            *size = out.pos;
            return 1;
        }
    }
}
