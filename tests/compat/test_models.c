/* SPDX-License-Identifier: MIT */
/*
 * The models on one board, used as a guest would use them: through an address
 * space. Each is in the shape that it has for QEMU; see models/.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <xbar/compat.h>
#include <xbar/xbar.h>

#include "tests/compat/models/copy_engine.h"
#include "tests/compat/models/key_store.h"
#include "tests/compat/models/nor_flash.h"
#include "tests/compat/models/serial_port.h"
#include "tests/compat/models/tick_timer.h"

#define RAM_BASE    0x00000
#define RAM_SIZE    0x10000
#define SERIAL_BASE 0x20000
#define KEYS_BASE   0x30000
#define FLASH_BASE  0x40000
#define COPY_BASE   0x60000
#define TIMER_BASE  0x70000

#define SECTOR  0x1000
#define SECTORS 16

#define ANY MEMTXATTRS_UNSPECIFIED

enum line { SERIAL_IRQ, COPY_IRQ, TIMER_IRQ, LINES = TIMER_IRQ + TICK_TIMERS };

struct board {
    struct xbar_engine *engine;
    AddressSpace as;
    MemoryRegion root;
    MemoryRegion ram;
    SerialPortState serial;
    KeyStoreState keys;
    NorFlashState flash;
    CopyEngineState copy;
    TickTimerState timer;
    qemu_irq *irqs;
    int level[LINES];
    unsigned ended; /* regions and objects */
    unsigned lines; /* of the log */
    char said[256];
    uint8_t sent;
};

/* ---- The board --------------------------------------------------------- */

static void set_level(void *opaque, int n, int level)
{
    ((struct board *)opaque)->level[n] = level;
}

static void hear(void *opaque, unsigned mask, const char *text)
{
    struct board *b = opaque;

    assert_true(mask == LOG_UNIMP || mask == LOG_GUEST_ERROR);
    b->lines++;
    strncpy(b->said, text, sizeof(b->said) - 1);
}

static void note_sent(void *opaque, uint8_t byte)
{
    ((struct board *)opaque)->sent = byte;
}

static void plug(struct board *b, hwaddr base, MemoryRegion *mr)
{
    assert_int_equal(memory_region_add_subregion(&b->root, base, mr), 0);
}

static void init_models(struct board *b)
{
    Object *objects[] = { OBJECT(&b->serial), OBJECT(&b->keys),
                          OBJECT(&b->flash), OBJECT(&b->copy),
                          OBJECT(&b->timer) };
    Error *err = NULL;

    for (unsigned i = 0; i < ARRAY_SIZE(objects); i++) {
        xbar_object_init(objects[i], NULL);
    }
    b->irqs = qemu_allocate_irqs(set_level, b, LINES);
    assert_non_null(b->irqs);
    serial_port_init(&b->serial, b->irqs[SERIAL_IRQ]);
    b->serial.send = note_sent;
    b->serial.send_opaque = b;
    key_store_init(&b->keys);
    assert_true(nor_flash_init(&b->flash, SECTOR, SECTORS, &err));
    copy_engine_init(&b->copy, &b->root, b->irqs[COPY_IRQ]);
    tick_timer_init(&b->timer, &b->irqs[TIMER_IRQ]);
    plug(b, SERIAL_BASE, &b->serial.iomem);
    plug(b, KEYS_BASE, &b->keys.iomem);
    plug(b, FLASH_BASE, &b->flash.mem);
    plug(b, COPY_BASE, &b->copy.iomem);
    plug(b, TIMER_BASE, &b->timer.container);
}

static int open_board(void **state, bool big_endian)
{
    static struct board board;
    struct board *b = &board;
    struct xbar_engine_config config = {
        .guest_is_big_endian = big_endian,
        .log = hear,
        .log_opaque = b,
        .log_mask = LOG_UNIMP | LOG_GUEST_ERROR,
        .owner_ref = xbar_owner_ref,
        .owner_unref = xbar_owner_unref,
    };

    memset(b, 0, sizeof(*b));
    b->engine = xbar_engine_new(&config);
    if (!b->engine || xbar_engine_enter(b->engine)) {
        return -1;
    }
    memory_region_init(&b->root, NULL, "system", UINT64_MAX);
    memory_region_init_ram(&b->ram, NULL, "ram", RAM_SIZE, NULL);
    plug(b, RAM_BASE, &b->ram);
    init_models(b);
    *state = b;
    return address_space_init(&b->as, &b->root, "cpu");
}

static int setup(void **state)
{
    return open_board(state, false);
}

static int setup_big_endian(void **state)
{
    return open_board(state, true);
}

static int teardown(void **state)
{
    struct board *b = *state;
    MemoryRegion *regions[] = {
        &b->serial.iomem,    &b->keys.iomem,   &b->flash.mem,
        &b->copy.iomem,      &b->timer.mirror, &b->timer.regs,
        &b->timer.container, &b->ram,          &b->root,
    };

    address_space_destroy(&b->as);
    address_space_destroy(&b->copy.dma_as);
    for (unsigned i = 0; i < ARRAY_SIZE(regions); i++) {
        assert_int_equal(xbar_region_destroy(regions[i], NULL, NULL), 0);
    }
    /* Views gave every reference to an owner back. */
    assert_int_equal(b->serial.parent_obj.refs, 1);
    assert_int_equal(b->timer.parent_obj.refs, 1);
    qemu_free_irqs(b->irqs, LINES);
    assert_int_equal(xbar_engine_leave(b->engine), 0);
    return xbar_engine_free(b->engine);
}

static uint32_t load(struct board *b, hwaddr addr, unsigned size)
{
    MemTxResult result;
    uint32_t value = size == 1 ? address_space_ldub(&b->as, addr, ANY, &result)
                     : size == 2
                         ? address_space_lduw_le(&b->as, addr, ANY, &result)
                         : address_space_ldl_le(&b->as, addr, ANY, &result);

    assert_int_equal(result, MEMTX_OK);
    return value;
}

/* ---- The serial port: valid.accepts ------------------------------------ */

static void test_serial_port(void **state)
{
    struct board *b = *state;
    MemTxResult result;

    address_space_stb(&b->as, SERIAL_BASE + SERIAL_DATA, 'x', ANY, &result);
    assert_int_equal(result, MEMTX_OK);
    assert_int_equal(b->sent, 'x');
    address_space_stb(&b->as, SERIAL_BASE + SERIAL_CTRL, SERIAL_CTRL_RX_IRQ,
                      ANY, NULL);
    assert_int_equal(b->level[SERIAL_IRQ], 0);
    for (unsigned i = 0; i <= SERIAL_FIFO; i++) {
        serial_port_receive(&b->serial, (uint8_t)('a' + i));
    }
    assert_int_equal(b->level[SERIAL_IRQ], 1);
    assert_int_equal(load(b, SERIAL_BASE + SERIAL_STATUS, 1),
                     SERIAL_STATUS_RX | SERIAL_STATUS_LOST);
    assert_int_equal(load(b, SERIAL_BASE + SERIAL_STATUS, 1), SERIAL_STATUS_RX);
    for (unsigned i = 0; i < SERIAL_FIFO; i++) {
        assert_int_equal(load(b, SERIAL_BASE + SERIAL_DATA, 1), 'a' + i);
    }
    assert_int_equal(b->level[SERIAL_IRQ], 0);
}

/* What `accepts` refuses must not pop the FIFO, nor reach a callback. */
static void test_serial_port_refuses(void **state)
{
    struct board *b = *state;
    MemTxResult result;

    serial_port_receive(&b->serial, 'q');
    assert_int_equal(address_space_ldl_le(&b->as, SERIAL_BASE, ANY, &result),
                     0);
    assert_int_equal(result, MEMTX_DECODE_ERROR);
    assert_int_equal(b->lines, 1);
    assert_non_null(strstr(b->said, "serial-port: read of 4 bytes"));
    address_space_stb(&b->as, SERIAL_BASE + SERIAL_STATUS, 0, ANY, &result);
    assert_int_equal(result, MEMTX_DECODE_ERROR);
    assert_int_equal(load(b, SERIAL_BASE + SERIAL_DATA, 1), 'q');
    b->lines = 0;
    load(b, SERIAL_BASE + 0xc, 1);
    assert_int_equal(b->lines, 1);
    assert_string_equal(b->said, "serial-port: read of 0xc");
}

/* ---- The key store: callbacks with attributes -------------------------- */

static void test_key_store(void **state)
{
    const MemTxAttrs secure = { .secure = 1, .requester_id = 0x1234 };
    const MemTxAttrs plain = { .requester_id = 7 };
    struct board *b = *state;
    MemTxResult result;
    uint32_t hash;

    hash = address_space_ldl_le(&b->as, KEYS_BASE + KEY_STORE_HASH, plain,
                                &result);
    assert_int_equal(result, MEMTX_OK);
    address_space_stl_le(&b->as, KEYS_BASE, 0xcafe, secure, &result);
    assert_int_equal(result, MEMTX_OK);
    assert_int_equal(b->keys.keys[0], 0xcafe);
    assert_int_not_equal(
        address_space_ldl_le(&b->as, KEYS_BASE + KEY_STORE_HASH, plain, NULL),
        hash);
    assert_int_equal(address_space_ldl_le(&b->as, KEYS_BASE, plain, &result),
                     0);
    assert_int_equal(result, MEMTX_ERROR);
    assert_int_equal(address_space_ldl_le(&b->as, KEYS_BASE, secure, &result),
                     0xcafe);
    assert_int_equal(
        address_space_ldl_le(&b->as, KEYS_BASE + KEY_STORE_WHO, secure, NULL),
        0x1234);
    address_space_stl_le(&b->as, KEYS_BASE + KEY_STORE_LOCK, 0, plain, &result);
    assert_int_equal(result, MEMTX_ERROR);
    address_space_stl_le(&b->as, KEYS_BASE + KEY_STORE_LOCK, 0, secure, NULL);
    address_space_stl_le(&b->as, KEYS_BASE, 1, secure, &result);
    assert_int_equal(result, MEMTX_ERROR);
}

/* Bytes, halves and misaligned words of a device that does words. */
static void test_key_store_by_bytes(void **state)
{
    const MemTxAttrs secure = { .secure = 1 };
    struct board *b = *state;
    MemTxResult result;
    uint8_t bytes[7];

    address_space_stq_le(&b->as, KEYS_BASE, 0x8877665544332211, secure, NULL);
    assert_int_equal(b->keys.keys[1], 0x88776655);
    assert_int_equal(
        address_space_ldl_le(&b->as, KEYS_BASE + 2, secure, &result),
        0x66554433);
    address_space_stw_le(&b->as, KEYS_BASE + 3, 0xbbaa, secure, &result);
    assert_int_equal(result, MEMTX_OK);
    assert_int_equal(b->keys.keys[0], 0xaa332211);
    assert_int_equal(b->keys.keys[1], 0x887766bb);
    result = address_space_read(&b->as, KEYS_BASE + 1, secure, bytes, 7);
    assert_int_equal(result, MEMTX_OK);
    assert_memory_equal(bytes, "\x22\x33\xaa\xbb\x66\x77\x88", 7);
    /* One half is not readable: the OR says so. */
    result =
        address_space_read(&b->as, KEYS_BASE + KEY_STORE_WHO, secure, bytes, 7);
    assert_int_equal(result, MEMTX_ERROR);
}

/* ---- The flash: a ROM device ------------------------------------------- */

static void command(struct board *b, hwaddr addr, uint16_t cmd)
{
    MemTxResult result;

    address_space_stw_le(&b->as, FLASH_BASE + addr, cmd, ANY, &result);
    assert_int_equal(result, MEMTX_OK);
}

static void test_flash_query(void **state)
{
    struct board *b = *state;

    assert_true(memory_region_is_romd(&b->flash.mem));
    assert_int_equal(load(b, FLASH_BASE, 4), 0xffffffff);
    command(b, 0xaa, 0x98);
    assert_false(memory_region_is_romd(&b->flash.mem));
    assert_int_equal(load(b, FLASH_BASE + 2 * 0x10, 2), 'Q');
    assert_int_equal(load(b, FLASH_BASE + 2 * 0x11, 2), 'R');
    assert_int_equal(load(b, FLASH_BASE + 2 * 0x12, 2), 'Y');
    assert_int_equal(load(b, FLASH_BASE + 2 * 0x10, 4), 'Q' | 'R' << 16);
    assert_int_equal(load(b, FLASH_BASE + 2 * 0x27, 2), 16); /* 2^16 bytes */
    assert_int_equal(load(b, FLASH_BASE + 2 * 0x2d, 2), SECTORS - 1);
    assert_int_equal(load(b, FLASH_BASE + 2 * 0x30, 2), SECTOR >> 16);
    command(b, 0, 0x90);
    assert_int_equal(load(b, FLASH_BASE, 2), 0x89);
    command(b, 0, 0xff);
    assert_true(memory_region_is_romd(&b->flash.mem));
    assert_int_equal(load(b, FLASH_BASE, 2), 0xffff);
}

static void program(struct board *b, hwaddr addr, uint16_t value)
{
    command(b, addr, 0x40);
    command(b, addr, value);
    assert_int_equal(load(b, FLASH_BASE + addr, 2), 0x80); /* status: ready */
    command(b, addr, 0xff);
}

static void test_flash_program_and_erase(void **state)
{
    struct board *b = *state;

    program(b, SECTOR + 4, 0x1234);
    assert_int_equal(load(b, FLASH_BASE + SECTOR + 4, 2), 0x1234);
    program(b, SECTOR + 4, 0xff0f); /* bits do not come back */
    assert_int_equal(load(b, FLASH_BASE + SECTOR + 4, 2), 0x1204);
    program(b, 2 * SECTOR, 0xbeef);

    command(b, SECTOR, 0x20);
    command(b, SECTOR, 0xd0);
    command(b, 0, 0xff);
    assert_int_equal(load(b, FLASH_BASE + SECTOR + 4, 2), 0xffff);
    assert_int_equal(load(b, FLASH_BASE + 2 * SECTOR, 2), 0xbeef);
    command(b, SECTOR, 0x20);
    command(b, SECTOR, 0x00); /* not confirmed */
    assert_int_equal(load(b, FLASH_BASE, 2), 0xa0);
    command(b, 0, 0x50);
    command(b, 0, 0x70);
    assert_int_equal(load(b, FLASH_BASE, 2), 0x80);
}

/* ---- The copy engine: DMA and interrupts ------------------------------- */

static void start_copy(struct board *b, uint32_t from, uint32_t to,
                       uint32_t length)
{
    address_space_stl_be(&b->as, COPY_BASE + COPY_SRC, from, ANY, NULL);
    address_space_stl_be(&b->as, COPY_BASE + COPY_DST, to, ANY, NULL);
    address_space_stl_be(&b->as, COPY_BASE + COPY_LEN, length, ANY, NULL);
    address_space_stl_be(&b->as, COPY_BASE + COPY_CTRL, 1, ANY, NULL);
}

static uint32_t finish_copy(struct board *b)
{
    uint32_t status =
        address_space_ldl_be(&b->as, COPY_BASE + COPY_STATUS, ANY, NULL);

    assert_int_equal(b->level[COPY_IRQ], 1);
    address_space_stl_be(&b->as, COPY_BASE + COPY_STATUS, status, ANY, NULL);
    assert_int_equal(b->level[COPY_IRQ], 0);
    return status;
}

static void test_copy(void **state)
{
    struct board *b = *state;
    uint8_t *ram = memory_region_get_ram_ptr(&b->ram);

    for (unsigned i = 0; i < 1000; i++) {
        ram[0x101 + i] = (uint8_t)(i * 7);
    }
    start_copy(b, 0x101, 0x2003, 1000);
    assert_int_equal(finish_copy(b), COPY_STATUS_DONE);
    assert_memory_equal(ram + 0x101, ram + 0x2003, 1000);
    assert_int_equal(ram[0x2003 + 1000], 0);
    start_copy(b, 0x101, RAM_SIZE, 4); /* nothing there */
    assert_int_equal(finish_copy(b), COPY_STATUS_DONE | COPY_STATUS_ERROR);
}

/* A guest aims the engine at its own registers: refused, not recursion. */
static void test_copy_to_itself(void **state)
{
    struct board *b = *state;
    uint8_t *ram = memory_region_get_ram_ptr(&b->ram);

    ram[0x103] = 1; /* CTRL = 1 in big-endian */
    start_copy(b, 0x100, COPY_BASE + COPY_CTRL, 4);
    assert_int_equal(finish_copy(b), COPY_STATUS_DONE | COPY_STATUS_ERROR);
    assert_non_null(strstr(b->said, "copy-engine"));
    /* Other devices are in its reach. */
    start_copy(b, KEYS_BASE + KEY_STORE_HASH, 0x200, 4);
    assert_int_equal(finish_copy(b), COPY_STATUS_DONE);
    assert_int_equal(ldl_le_p(ram + 0x200),
                     load(b, KEYS_BASE + KEY_STORE_HASH, 4));
}

/* ---- The timer: wide registers, either byte order ---------------------- */

static void check_timer(struct board *b, bool big)
{
    MemTxResult result;

    address_space_stq(&b->as, TIMER_BASE + TICK_COUNT, 10, ANY, &result);
    assert_int_equal(result, MEMTX_OK);
    assert_int_equal(b->timer.count[0], 10);
    address_space_stb(&b->as, TIMER_BASE + TICK_RELOAD + (big ? 7 : 0), 5, ANY,
                      NULL);
    assert_int_equal(b->timer.reload[0], 5);
    address_space_stb(&b->as, TIMER_BASE + TICK_RELOAD + (big ? 6 : 1), 1, ANY,
                      NULL);
    assert_int_equal(b->timer.reload[0], 0x105);
    tick_timer_advance(&b->timer, 10);
    assert_int_equal(b->level[TIMER_IRQ], 1);
    assert_int_equal(b->level[TIMER_IRQ + 1], 0);
    assert_int_equal(b->timer.count[0], 0x105);
    assert_int_equal(address_space_lduw(&b->as,
                                        TIMER_BASE + TICK_COUNT + (big ? 6 : 0),
                                        ANY, NULL),
                     0x105);
    address_space_stq(&b->as, TIMER_BASE + TICK_PENDING, 1, ANY, NULL);
    assert_int_equal(b->level[TIMER_IRQ], 0);
}

static void test_timer(void **state)
{
    check_timer(*state, false);
}

static void test_timer_of_a_big_endian_guest(void **state)
{
    check_timer(*state, true);
}

/* The mirror is the same registers, but for writes. */
static void test_timer_mirror(void **state)
{
    const hwaddr mirror = TIMER_BASE + TICK_SIZE;
    struct board *b = *state;
    MemTxResult result;

    address_space_stq_le(&b->as, TIMER_BASE + TICK_RELOAD, 77, ANY, NULL);
    assert_int_equal(load(b, mirror + TICK_RELOAD, 4), 77);
    address_space_stq_le(&b->as, mirror + TICK_RELOAD, 1, ANY, &result);
    assert_int_equal(result, MEMTX_OK);
    assert_int_equal(b->timer.reload[0], 77);
}

#define board_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        board_test(test_serial_port),
        board_test(test_serial_port_refuses),
        board_test(test_key_store),
        board_test(test_key_store_by_bytes),
        board_test(test_flash_query),
        board_test(test_flash_program_and_erase),
        board_test(test_copy),
        board_test(test_copy_to_itself),
        board_test(test_timer),
        cmocka_unit_test_setup_teardown(test_timer_of_a_big_endian_guest,
                                        setup_big_endian, teardown),
        board_test(test_timer_mirror),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
