/* SPDX-License-Identifier: MIT */
#include "flatview/address_space.h"

/* How many of @len bytes at @addr can be had at once; 0: not even one. (What
 * wraps around is not valid.) */
static uint64_t clip_to_memory(AddressSpace *as, hwaddr addr, uint64_t len)
{
    const MemTxAttrs attrs = { .memory = 1 };

    while (len != 0 &&
           !address_space_access_valid(as, addr, len, false, attrs)) {
        len /= 2;
    }
    return len;
}

static bool transfer(AddressSpace *as, hwaddr addr, void *buf, uint64_t len,
                     bool is_write)
{
    const MemTxAttrs attrs = { .memory = !is_write };
    MemTxResult result =
        is_write ? address_space_write_rom(as, addr, attrs, buf, len)
                 : address_space_read(as, addr, attrs, buf, len);

    return result == MEMTX_OK;
}

uint64_t xbar_address_space_debug_rw(AddressSpace *as, hwaddr addr, void *buf,
                                     uint64_t len, bool is_write)
{
    uint64_t done = 0;

    while (done < len) {
        uint64_t part = clip_to_memory(as, addr + done, len - done);

        if (part == 0 ||
            !transfer(as, addr + done, (char *)buf + done, part, is_write)) {
            break;
        }
        done += part;
        if (addr + done == 0) {
            break;
        }
    }
    return done;
}
