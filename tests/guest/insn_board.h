/* SPDX-License-Identifier: MIT */
/*
 * What a hart of insn_machine.c is connected to: code, data, page tables, a
 * page for the monitor and a device that stops the hart.
 *
 * Neighbouring pages of the guest are not neighbours in host memory: pages 2n
 * and 2n + 1 are exchanged. What crosses a page and was looked up as if it did
 * not, then finds the wrong bytes.
 */
#ifndef XBAR_TESTS_GUEST_INSN_BOARD_H
#define XBAR_TESTS_GUEST_INSN_BOARD_H

#include <stddef.h>

#include "flatview/address_space.h"
#include "tests/guest/insn_abi.h"

#define BOARD_MONITOR UINT64_C(0x30000000)
#define BOARD_DEVICE  UINT64_C(0x30001000)

#define BOARD_CODE_PAGES (GUEST_CODE_SIZE / GUEST_PAGE)
#define BOARD_DATA_PAGES (GUEST_DATA_SIZE / GUEST_PAGE)

/* Guest memory whose pages are exchanged in pairs. */
struct insn_ram {
    MemoryRegion ram;
    MemoryRegion *pages; /* aliases, one a page */
    size_t count;
    uint8_t *host;
};

struct insn_board {
    struct xbar_engine *engine;
    MemoryRegion root, monitor, tables, device;
    MemoryRegion code_pages[BOARD_CODE_PAGES], data_pages[BOARD_DATA_PAGES];
    struct insn_ram code, data;
    AddressSpace as;
    /* A store to the device. */
    void (*stored)(void *opaque);
    void *opaque;
};

/** insn_board_open() - the test program ends if that fails */
void insn_board_open(struct insn_board *board, void (*stored)(void *opaque),
                     void *opaque);
void insn_board_close(struct insn_board *board);

/** insn_board_write_code() - as a loader does: translators may notice */
void insn_board_write_code(struct insn_board *board, const uint8_t *code,
                           size_t size);

/** insn_board_parcel() - two bytes of code */
uint32_t insn_board_parcel(const struct insn_board *board, uint64_t pc);

/** insn_board_write_data() - all data pages, behind everybody's back */
void insn_board_write_data(struct insn_board *board, const uint64_t *from);
void insn_board_read_data(const struct insn_board *board, uint64_t *to);

/** insn_board_tables() - PAGING_TABLES in host memory */
uint64_t *insn_board_tables(struct insn_board *board);

#endif
