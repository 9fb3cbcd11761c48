/* SPDX-License-Identifier: MIT */
#include "exec/memory.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "qemu/osdep.h"

#include "nor_flash.h"

#define CMD_READ_ARRAY   0xff
#define CMD_QUERY        0x98
#define CMD_IDENTIFY     0x90
#define CMD_STATUS       0x70
#define CMD_CLEAR_STATUS 0x50
#define CMD_PROGRAM      0x40
#define CMD_PROGRAM_ALT  0x10
#define CMD_ERASE        0x20
#define CMD_CONFIRM      0xd0

#define STATUS_READY       BIT(7)
#define STATUS_ERASE_ERROR BIT(5)

static void nor_flash_set_cmd(NorFlashState *s, uint8_t cmd)
{
    bool is_array = cmd == CMD_READ_ARRAY;

    s->cmd = cmd;
    s->cycle = 0;
    memory_region_rom_device_set_romd(&s->mem, is_array);
}

static uint32_t nor_flash_size(const NorFlashState *s)
{
    return s->sector_len * s->nb_sectors;
}

static void nor_flash_program(NorFlashState *s, hwaddr addr, uint64_t val,
                              unsigned size)
{
    uint16_t old = lduw_le_p(s->storage + addr);

    /* Bits go from 1 to 0 only. */
    stw_le_p(s->storage + addr, old & val);
    memory_region_flush_rom_device(&s->mem, addr, size);
    nor_flash_set_cmd(s, CMD_STATUS);
}

static void nor_flash_erase(NorFlashState *s, hwaddr addr)
{
    hwaddr start = addr / s->sector_len * s->sector_len;

    memset(s->storage + start, 0xff, s->sector_len);
    memory_region_flush_rom_device(&s->mem, start, s->sector_len);
    nor_flash_set_cmd(s, CMD_STATUS);
}

static uint64_t nor_flash_read(void *opaque, hwaddr addr, unsigned size)
{
    NorFlashState *s = opaque;
    hwaddr word = addr / 2;

    switch (s->cmd) {
    case CMD_QUERY:
        return word < sizeof(s->query) ? s->query[word] : 0;
    case CMD_IDENTIFY:
        return word == 0 ? 0x89 : word == 1 ? 0x18 : 0;
    case CMD_READ_ARRAY: /* asked by a caller that bypasses the mode */
        return lduw_le_p(s->storage + addr);
    default:
        return s->status;
    }
}

static void nor_flash_first(NorFlashState *s, uint8_t cmd)
{
    switch (cmd) {
    case CMD_PROGRAM:
    case CMD_PROGRAM_ALT:
    case CMD_ERASE:
        nor_flash_set_cmd(s, cmd);
        s->cycle = 1;
        break;
    case CMD_CLEAR_STATUS:
        s->status = STATUS_READY;
        break;
    case CMD_READ_ARRAY:
    case CMD_QUERY:
    case CMD_IDENTIFY:
    case CMD_STATUS:
        nor_flash_set_cmd(s, cmd);
        break;
    default:
        qemu_log_mask(LOG_UNIMP, "nor-flash: command 0x%02x\n", cmd);
        nor_flash_set_cmd(s, CMD_READ_ARRAY);
    }
}

static void nor_flash_write(void *opaque, hwaddr addr, uint64_t val,
                            unsigned size)
{
    NorFlashState *s = opaque;

    if (s->cycle == 0) {
        nor_flash_first(s, extract32(val, 0, 8));
    } else if (s->cmd != CMD_ERASE) {
        nor_flash_program(s, addr, val, size);
    } else if (extract32(val, 0, 8) == CMD_CONFIRM) {
        nor_flash_erase(s, addr);
    } else {
        s->status |= STATUS_ERASE_ERROR;
        nor_flash_set_cmd(s, CMD_STATUS);
    }
}

static const MemoryRegionOps nor_flash_ops = {
    .read = nor_flash_read,
    .write = nor_flash_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid.min_access_size = 1,
    .valid.max_access_size = 4,
    .impl.min_access_size = 2,
    .impl.max_access_size = 2,
};

static void nor_flash_fill_query(NorFlashState *s)
{
    s->query[0x10] = 'Q';
    s->query[0x11] = 'R';
    s->query[0x12] = 'Y';
    s->query[0x13] = 0x01; /* primary command set 1 */
    s->query[0x27] = (uint8_t)(31 - __builtin_clz(nor_flash_size(s)));
    s->query[0x2c] = 1; /* regions of equal sectors */
    stw_le_p(&s->query[0x2d], s->nb_sectors - 1);
    stw_le_p(&s->query[0x2f], s->sector_len >> 8);
}

bool nor_flash_init(NorFlashState *s, uint32_t sector_len, uint32_t nb_sectors,
                    Error **errp)
{
    Error *local_err = NULL;

    s->sector_len = sector_len;
    s->nb_sectors = nb_sectors;
    s->status = STATUS_READY;
    s->cmd = CMD_READ_ARRAY;
    memory_region_init_rom_device(&s->mem, OBJECT(s), &nor_flash_ops, s,
                                  "nor-flash", nor_flash_size(s), &local_err);
    if (local_err) {
        error_propagate(errp, local_err);
        return false;
    }
    s->storage = memory_region_get_ram_ptr(&s->mem);
    memset(s->storage, 0xff, nor_flash_size(s));
    nor_flash_fill_query(s);
    return true;
}
