/* SPDX-License-Identifier: MIT */
/* What devices call: the wrappers reach what they wrap; scatter lists. */
#include "flatview/dma.h"

#include <errno.h>

#include "tests/unit/flatview/board.h"

static const MemTxAttrs plain = { .unspecified = 1 };

static void test_bulk(void **state)
{
    struct board *b = *state;
    unsigned char bytes[4] = { 0 };

    assert_true(
        dma_memory_valid(&b->as, 0x10, 4, DMA_DIRECTION_TO_DEVICE, plain));
    assert_false(
        dma_memory_valid(&b->as, 0x2100, 4, DMA_DIRECTION_TO_DEVICE, plain));
    assert_int_equal(dma_memory_read(&b->as, 0x10, bytes, 4, plain), MEMTX_OK);
    assert_memory_equal(bytes, "\x10\x11\x12\x13", 4);
    assert_int_equal(dma_memory_write(&b->as, 0x20, bytes, 4, plain), MEMTX_OK);
    assert_memory_equal(b->ram_bytes + 0x20, bytes, 4);
    assert_int_equal(
        dma_memory_rw(&b->as, 0x30, bytes, 2, DMA_DIRECTION_FROM_DEVICE, plain),
        MEMTX_OK);
    assert_memory_equal(b->ram_bytes + 0x30, "\x10\x11\x32", 3);
    assert_int_equal(
        dma_memory_rw(&b->as, 0x40, bytes, 2, DMA_DIRECTION_TO_DEVICE, plain),
        MEMTX_OK);
    assert_memory_equal(bytes, "\x40\x41\x12\x13", 4);
    assert_int_equal(dma_memory_set(&b->as, 0x50, 7, 3, plain), MEMTX_OK);
    assert_memory_equal(b->ram_bytes + 0x50, "\7\7\7\x53", 4);
    assert_int_equal(dma_memory_read_relaxed(&b->as, 0x50, bytes, 2), MEMTX_OK);
    assert_int_equal(bytes[1], 7);
    assert_int_equal(dma_memory_write_relaxed(&b->as, 0x2100, bytes, 2),
                     MEMTX_DECODE_ERROR);
}

static void test_widths(void **state)
{
    struct board *b = *state;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;

    assert_int_equal(ldub_dma(&b->as, 0x10, &u8, plain), MEMTX_OK);
    assert_int_equal(u8, 0x10);
    assert_int_equal(lduw_le_dma(&b->as, 0x10, &u16, plain), MEMTX_OK);
    assert_int_equal(u16, 0x1110);
    assert_int_equal(lduw_be_dma(&b->as, 0x10, &u16, plain), MEMTX_OK);
    assert_int_equal(u16, 0x1011);
    assert_int_equal(ldl_le_dma(&b->as, 0x10, &u32, plain), MEMTX_OK);
    assert_int_equal(u32, 0x13121110);
    assert_int_equal(ldl_be_dma(&b->as, 0x10, &u32, plain), MEMTX_OK);
    assert_int_equal(u32, 0x10111213);
    assert_int_equal(ldq_le_dma(&b->as, 0x10, &u64, plain), MEMTX_OK);
    assert_int_equal(u64, 0x1716151413121110);
    assert_int_equal(ldq_be_dma(&b->as, 0x10, &u64, plain), MEMTX_OK);
    assert_int_equal(u64, 0x1011121314151617);
    assert_int_equal(ldl_le_dma(&b->as, 0x2100, &u32, plain),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(u32, 0);
    assert_int_equal(stb_dma(&b->as, 0x20, 1, plain), MEMTX_OK);
    assert_int_equal(stw_le_dma(&b->as, 0x22, 0x0203, plain), MEMTX_OK);
    assert_int_equal(stw_be_dma(&b->as, 0x24, 0x0405, plain), MEMTX_OK);
    assert_int_equal(stl_le_dma(&b->as, 0x28, 0x06070809, plain), MEMTX_OK);
    assert_int_equal(stl_be_dma(&b->as, 0x2c, 0x0a0b0c0d, plain), MEMTX_OK);
    assert_int_equal(stq_le_dma(&b->as, 0x30, 1, plain), MEMTX_OK);
    assert_int_equal(stq_be_dma(&b->as, 0x38, 1, plain), MEMTX_OK);
    assert_memory_equal(b->ram_bytes + 0x20,
                        "\1\x21\3\2\4\5\x26\x27\x9\x8\x7\x6\xa\xb\xc\xd"
                        "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1",
                        32);
    assert_int_equal(stl_le_dma(&b->as, 0x2100, 0, plain), MEMTX_DECODE_ERROR);
}

static void test_maps(void **state)
{
    struct board *b = *state;
    dma_addr_t len = 8;
    void *host =
        dma_memory_map(&b->as, 0x10, &len, DMA_DIRECTION_FROM_DEVICE, plain);

    assert_ptr_equal(host, b->ram_bytes + 0x10);
    assert_int_equal(
        dma_memory_unmap(&b->as, host, len, DMA_DIRECTION_TO_DEVICE, 8),
        -EINVAL);
    assert_int_equal(
        dma_memory_unmap(&b->as, host, len, DMA_DIRECTION_FROM_DEVICE, 8), 0);
}

/* ---- Scatter lists ----------------------------------------------------- */

static void test_scatter_and_gather(void **state)
{
    struct board *b = *state;
    unsigned char bytes[16] = "abcdefghijklmno";
    dma_addr_t residual = 99;
    QEMUSGList sg;

    qemu_sglist_init(&sg, NULL, 2, &b->as);
    assert_int_equal(qemu_sglist_add(&sg, 0x10, 3), 0);
    assert_int_equal(qemu_sglist_add(&sg, 0x40, 0), 0);
    assert_int_equal(qemu_sglist_add(&sg, 0x20, 5), 0);
    assert_int_equal(sg.size, 8);
    assert_int_equal(dma_buf_read(bytes, 6, &residual, &sg, plain), MEMTX_OK);
    assert_int_equal(residual, 2);
    assert_memory_equal(b->ram_bytes + 0x10, "abc\x13", 4);
    assert_memory_equal(b->ram_bytes + 0x20, "def\x23", 4);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(dma_buf_write(bytes, 16, &residual, &sg, plain), MEMTX_OK);
    assert_int_equal(residual, 0);
    assert_memory_equal(bytes, "abcdef\x23\x24\0", 9);
    assert_int_equal(dma_buf_write(bytes, 0, NULL, &sg, plain), MEMTX_OK);
    assert_int_equal(qemu_sglist_add(&sg, 0x2100, 1), 0);
    assert_int_equal(dma_buf_write(bytes, 16, NULL, &sg, plain),
                     MEMTX_DECODE_ERROR);
    qemu_sglist_destroy(&sg);
    qemu_sglist_destroy(&sg);
}

static void test_long_lists(void **state)
{
    struct board *b = *state;
    unsigned char bytes[1000];
    QEMUSGList sg;

    dma_sglist_init(&sg, NULL, 0, &b->as);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(dma_sglist_add(&sg, 999 - i, 1), 0);
    }
    assert_int_equal(dma_buf_write(bytes, 1000, NULL, &sg, plain), MEMTX_OK);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(bytes[i], (999 - i) & 0xff);
    }
    assert_int_equal(dma_sglist_add(&sg, 0, UINT64_MAX), -EINVAL);
    assert_int_equal(sg.nsg, 1000);
    assert_int_equal(dma_sglist_add(&sg, 0, UINT64_MAX - 1000), 0);
    assert_int_equal(dma_sglist_add(&sg, 0, 1), -EINVAL);
    dma_sglist_destroy(&sg);
}

#define BOARD_TEST(name) \
    cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOARD_TEST(test_bulk),       BOARD_TEST(test_widths),
        BOARD_TEST(test_maps),       BOARD_TEST(test_scatter_and_gather),
        BOARD_TEST(test_long_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
