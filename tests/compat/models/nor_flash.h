/* SPDX-License-Identifier: MIT */
/*
 * A 16-bit parallel flash that speaks the common command set (CFI primary
 * command set 1): read array, query, identify, program, erase, status.
 */
#ifndef NOR_FLASH_H
#define NOR_FLASH_H

#include "exec/memory.h"
#include "qapi/error.h"
#include "qom/object.h"

typedef struct NorFlashState {
    Object parent_obj;

    MemoryRegion mem; /* a ROM device: array reads are direct */
    uint8_t *storage;
    uint32_t sector_len;
    uint32_t nb_sectors;

    uint8_t cmd;    /* what reads answer with; 0xff: the array */
    uint8_t cycle;  /* of a command of two writes: 1 after the first */
    uint8_t status; /* bit 7: ready */
    uint8_t query[0x40];
} NorFlashState;

/* false, with @errp set, if there is no memory for it. */
bool nor_flash_init(NorFlashState *s, uint32_t sector_len, uint32_t nb_sectors,
                    Error **errp);

#endif
