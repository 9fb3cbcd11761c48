/* SPDX-License-Identifier: MIT */
/*
 * One 4-byte register, write-only, at offset 0; reads give 0.
 *
 *    31        16 15         0
 *   +------------+------------+
 *   |    code    |  command   |   5555 pass, 3333 fail with code, 7777 reset
 *   +------------+------------+
 *
 * Any other command is ignored, as are the other offsets.
 */
#include "finisher.h"

#include "memmap.h"

enum finisher_command {
    FINISHER_FAIL = 0x3333,
    FINISHER_PASS = 0x5555,
    FINISHER_RESET = 0x7777,
};

/* A failure must not look like success, whatever its code. */
int finisher_status(unsigned code)
{
    return code >= 1 && code <= 255 ? (int)code : 255;
}

static uint64_t finisher_read(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)size;
    return 0;
}

static void finisher_write(void *opaque, hwaddr addr, uint64_t data,
                           unsigned size)
{
    const struct finisher_host *host = &((struct finisher *)opaque)->host;

    (void)size;
    if (addr != 0) {
        return;
    }
    switch (data & 0xffff) {
    case FINISHER_PASS:
        host->finish(host->opaque, 0);
        break;
    case FINISHER_FAIL:
        host->finish(host->opaque, finisher_status(data >> 16 & 0xffff));
        break;
    case FINISHER_RESET:
        host->reset(host->opaque);
        break;
    default:
        break;
    }
}

static const MemoryRegionOps finisher_ops = {
    .read = finisher_read,
    .write = finisher_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 2, .max_access_size = 4 },
    .impl = { .min_access_size = 2, .max_access_size = 4 },
};

int finisher_init(struct finisher *finisher, const struct finisher_host *host)
{
    finisher->host = *host;
    return memory_region_init_io(&finisher->region, NULL, &finisher_ops,
                                 finisher, "test-finisher", FINISHER_SIZE);
}
