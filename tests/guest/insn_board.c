/* SPDX-License-Identifier: MIT */
#include "tests/guest/insn_board.h"

#include <string.h>

#include "engine/engine.h"
#include "tests/guest/insn_paging.h"
#include "tests/guest/require.h"

static void write_device(void *opaque, hwaddr addr, uint64_t value,
                         unsigned size)
{
    struct insn_board *board = opaque;

    (void)addr;
    (void)value;
    (void)size;
    board->stored(board->opaque);
}

static uint64_t read_nothing(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)size;
    return 0;
}

static const MemoryRegionOps device_ops = {
    .read = read_nothing,
    .write = write_device,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .max_access_size = 8 },
};

static void add_ram(struct insn_board *board, MemoryRegion *mr,
                    const char *name, uint64_t addr, uint64_t size)
{
    require(memory_region_init_ram(mr, NULL, name, size, NULL) == 0);
    require(memory_region_add_subregion(&board->root, addr, mr) == 0);
}

static void add_paged_ram(struct insn_board *board, struct insn_ram *paged,
                          const char *name, uint64_t addr)
{
    require(memory_region_init_ram(&paged->ram, NULL, name,
                                   paged->count * GUEST_PAGE, NULL) == 0);
    paged->host = memory_region_get_ram_ptr(&paged->ram);
    for (size_t i = 0; i < paged->count; i++) {
        MemoryRegion *page = &paged->pages[i];

        require(memory_region_init_alias(page, NULL, name, &paged->ram,
                                         (i ^ 1) * GUEST_PAGE,
                                         GUEST_PAGE) == 0);
        require(memory_region_add_subregion(&board->root, addr + i * GUEST_PAGE,
                                            page) == 0);
    }
}

static void add_regions(struct insn_board *board)
{
    require(memory_region_init(&board->root, NULL, "system", UINT64_MAX) == 0);
    board->code = (struct insn_ram){ .pages = board->code_pages,
                                     .count = BOARD_CODE_PAGES };
    board->data = (struct insn_ram){ .pages = board->data_pages,
                                     .count = BOARD_DATA_PAGES };
    add_paged_ram(board, &board->code, "code", GUEST_CODE);
    add_paged_ram(board, &board->data, "data", GUEST_DATA);
    add_ram(board, &board->monitor, "monitor", BOARD_MONITOR, GUEST_PAGE);
    add_ram(board, &board->tables, "tables", PAGING_TABLES, PAGING_TABLES_SIZE);
    require(memory_region_init_io(&board->device, NULL, &device_ops, board,
                                  "device", GUEST_PAGE) == 0);
    require(memory_region_add_subregion(&board->root, BOARD_DEVICE,
                                        &board->device) == 0);
    require(address_space_init(&board->as, &board->root, "memory") == 0);
}

void insn_board_open(struct insn_board *board, void (*stored)(void *opaque),
                     void *opaque)
{
    board->stored = stored;
    board->opaque = opaque;
    board->engine = xbar_engine_new(NULL);
    require(board->engine && xbar_engine_enter(board->engine) == 0);
    add_regions(board);
    xbar_engine_leave(board->engine);
}

static void destroy_regions(MemoryRegion *regions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        require(xbar_region_destroy(&regions[i], NULL, NULL) == 0);
    }
}

void insn_board_close(struct insn_board *board)
{
    address_space_destroy(&board->as);
    destroy_regions(&board->root, 1);
    destroy_regions(board->code_pages, BOARD_CODE_PAGES);
    destroy_regions(board->data_pages, BOARD_DATA_PAGES);
    destroy_regions(&board->code.ram, 1);
    destroy_regions(&board->data.ram, 1);
    destroy_regions(&board->monitor, 1);
    destroy_regions(&board->tables, 1);
    destroy_regions(&board->device, 1);
    require(xbar_engine_free(board->engine) == 0);
}

/* ---- Contents ---------------------------------------------------------- */

void insn_board_write_code(struct insn_board *board, const uint8_t *code,
                           size_t size)
{
    require(size <= GUEST_CODE_SIZE);
    require(address_space_write(&board->as, GUEST_CODE, MEMTXATTRS_UNSPECIFIED,
                                code, size) == MEMTX_OK);
}

uint32_t insn_board_parcel(const struct insn_board *board, uint64_t pc)
{
    const uint8_t *host = board->code.host + ((pc - GUEST_CODE) ^ GUEST_PAGE);

    require(pc - GUEST_CODE < GUEST_CODE_SIZE);
    return host[0] | (uint32_t)host[1] << 8;
}

void insn_board_write_data(struct insn_board *board, const uint64_t *from)
{
    for (size_t i = 0; i < GUEST_DATA_SIZE; i += GUEST_PAGE) {
        memcpy(board->data.host + (i ^ GUEST_PAGE), (const uint8_t *)from + i,
               GUEST_PAGE);
    }
}

void insn_board_read_data(const struct insn_board *board, uint64_t *to)
{
    for (size_t i = 0; i < GUEST_DATA_SIZE; i += GUEST_PAGE) {
        memcpy((uint8_t *)to + i, board->data.host + (i ^ GUEST_PAGE),
               GUEST_PAGE);
    }
}

uint64_t *insn_board_tables(struct insn_board *board)
{
    return memory_region_get_ram_ptr(&board->tables);
}
