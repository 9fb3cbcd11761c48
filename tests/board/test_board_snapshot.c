/* SPDX-License-Identifier: MIT */
/*
 * The program's board goes back: the demo guest prints the same rest, at the
 * same instructions, from wherever it is stopped; its devices have in their
 * registers what they had; and what cannot go back refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board_snapshot.h"
#include "demo/demo_image.h"
#include "image.h"
#include "memmap.h"
#include "virtio/device.h"

#define RAM_BYTES (UINT64_C(32) << 20)
#define TEXT_SIZE 65536
#define RUNNING   (-1)
#define SLICE     100000

/* A board, and what came out of it. */
struct world {
    struct board *board;
    struct image image;
    struct virtio_config virtio;
    char text[TEXT_SIZE];
    size_t length;
    unsigned rooms;
    int status;
};

static struct world w;
static enum xbar_riscv_engine engine = XBAR_RISCV_JIT;

/* ---- Far ends ---------------------------------------------------------- */

static void transmit(void *opaque, uint8_t byte)
{
    (void)opaque;
    assert_true(w.length < TEXT_SIZE - 1);
    w.text[w.length++] = (char)byte;
}

static void note_room(void *opaque)
{
    (void)opaque;
    w.rooms++;
}

static void finish(void *opaque, int status)
{
    (void)opaque;
    w.status = status;
    xbar_riscv_request_exit(w.board->hart);
}

static void ask_reset(void *opaque)
{
    finish(opaque, 99);
}

static size_t print(void *opaque, const uint8_t *bytes, size_t count)
{
    (void)opaque;
    (void)bytes;
    return count;
}

static size_t read_nothing(void *opaque, uint8_t *bytes, size_t room)
{
    (void)opaque;
    (void)bytes;
    (void)room;
    return 0;
}

/* ---- Set-up ------------------------------------------------------------ */

static void open_board(bool deterministic)
{
    const struct board_config config = {
        .ram_size = RAM_BYTES,
        .execution = { .engine = engine, .deterministic = deterministic },
        .uart = { transmit, note_room, NULL },
        .finisher = { finish, ask_reset, NULL },
        .virtio = &w.virtio,
        .virtio_console = { print, read_nothing, NULL },
    };

    w.status = RUNNING;
    w.board = board_new(&config, NULL);
    assert_non_null(w.board);
    assert_int_equal(image_from_memory(&w.image, "demo", demo_image,
                                       demo_image_size, RAM_BASE, RAM_BYTES,
                                       NULL),
                     0);
    assert_int_equal(image_write(&w.image, &w.board->memory, NULL), 0);
    board_set_boot(w.board, w.image.entry, 0);
}

static void close_board(void)
{
    board_free(w.board);
    image_close(&w.image);
    memset(&w, 0, sizeof(w));
}

static struct xbar_riscv_snapshot *take(void)
{
    struct xbar_riscv_snapshot *s;
    Error *err = NULL;

    if (board_snapshot_take(w.board, NULL, &s, &err)) {
        fail_msg("%s", error_get_pretty(err));
    }
    return s;
}

static void restore(struct xbar_riscv_snapshot *s)
{
    assert_int_equal(board_snapshot_restore(w.board, s, NULL), 0);
}

static uint64_t instructions(void)
{
    struct xbar_riscv_stats stats;

    xbar_riscv_get_stats(w.board->hart, &stats);
    return stats.instructions;
}

/* To its end, or for so many slices. */
static void run(unsigned slices)
{
    for (unsigned i = 0; i < slices && w.status == RUNNING; i++) {
        xbar_riscv_run(w.board->hart, SLICE);
        (void)board_poll_rtc(w.board);
    }
}

/* ---- The demo ---------------------------------------------------------- */

/* Slices that it takes. */
static unsigned count_slices(void)
{
    unsigned count = 0;

    open_board(true);
    for (; w.status == RUNNING; count++) {
        run(1);
    }
    close_board();
    return count;
}

/* The same rest as from @at on before, which is in @rest, by @by. */
static void check_again(struct xbar_riscv_snapshot *s,
                        enum xbar_riscv_engine by, size_t at, const char *rest,
                        uint64_t end)
{
    size_t length = strlen(rest);

    assert_int_equal(xbar_riscv_set_engine(w.board->hart, by), 0);
    restore(s);
    w.status = RUNNING;
    w.length = at;
    run(UINT32_MAX);
    assert_int_equal(w.status, 0);
    assert_int_equal(instructions(), end);
    assert_int_equal(w.length - at, length);
    assert_memory_equal(w.text + at, rest, length);
}

/* From the slice @slice on: again, from somewhere in the middle, and by another
 * engine. */
static void check_rest(unsigned slice, enum xbar_riscv_engine other)
{
    static char rest[TEXT_SIZE];
    struct xbar_riscv_snapshot *s;
    uint64_t end;
    size_t at;

    open_board(true);
    run(slice);
    assert_int_equal(w.status, RUNNING);
    at = w.length;
    s = take();
    run(UINT32_MAX);
    assert_int_equal(w.status, 0);
    end = instructions();
    memcpy(rest, w.text + at, w.length - at);
    rest[w.length - at] = '\0';
    assert_true(w.length > at);
    check_again(s, engine, at, rest, end);
    restore(s);
    w.status = RUNNING;
    run(3);
    check_again(s, other, at, rest, end);
    xbar_riscv_snapshot_drop(s);
    close_board();
}

static void test_the_same_rest(void **state)
{
    unsigned slices = count_slices();

    (void)state;
    assert_true(slices > 100);
    check_rest(0, engine);
    check_rest(slices / 2, engine);
    check_rest(slices - 20, XBAR_RISCV_INTERP);
}

/* ---- Devices ----------------------------------------------------------- */

static uint32_t get(hwaddr addr, unsigned size)
{
    MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;

    return size == 1 ? address_space_ldub(&w.board->memory, addr, attrs, NULL)
                     : address_space_ldl(&w.board->memory, addr, attrs, NULL);
}

static void put(hwaddr addr, uint32_t value, unsigned size)
{
    MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;

    if (size == 1) {
        address_space_stb(&w.board->memory, addr, value, attrs, NULL);
    } else {
        address_space_stl(&w.board->memory, addr, value, attrs, NULL);
    }
}

/* Registers that are kept, and one side effect of each device. */
static const struct {
    hwaddr addr;
    unsigned size;
    uint32_t values[2];
} registers[] = {
    { UART_BASE + 1, 1, { 1, 2 } },               /* IER */
    { UART_BASE + 3, 1, { 3, 0x1b } },            /* LCR */
    { UART_BASE + 7, 1, { 0x12, 0x34 } },         /* SCR */
    { PLIC_BASE + 4 * UART_IRQ, 4, { 3, 5 } },    /* priority */
    { PLIC_BASE + 0x2000, 4, { 0x400, 0x2 } },    /* enables */
    { PLIC_BASE + 0x200000, 4, { 1, 6 } },        /* threshold */
    { RTC_BASE + 0x0c, 4, { 0, 0 } },             /* alarm, high half */
    { RTC_BASE + 0x10, 4, { 1, 0 } },             /* interrupt enable */
    { ACLINT_BASE + 0x4000, 4, { 0x123, 0x45 } }, /* mtimecmp */
    { ACLINT_BASE + 0x4004, 4, { 1, 2 } },
    { ACLINT_BASE, 4, { 0, 1 } }, /* msip */
};

#define REGISTERS (sizeof(registers) / sizeof(registers[0]))

static void write_all(unsigned which)
{
    for (unsigned i = 0; i < REGISTERS; i++) {
        put(registers[i].addr, registers[i].values[which], registers[i].size);
    }
}

static void check_all(unsigned which)
{
    for (unsigned i = 0; i < REGISTERS; i++) {
        assert_int_equal(get(registers[i].addr, registers[i].size),
                         registers[i].values[which]);
    }
}

static uint64_t pending(void)
{
    uint64_t mip = 0;

    assert_int_equal(xbar_riscv_get_csr(w.board->hart, 0x344, &mip), 0);
    return mip;
}

static void test_registers(void **state)
{
    const uint8_t typed[] = "snapshot";
    struct xbar_riscv_snapshot *quiet;
    struct xbar_riscv_snapshot *loud;
    unsigned rooms;

    (void)state;
    open_board(true);
    put(UART_BASE + 2, 1, 1); /* the FIFO is on */
    write_all(0);
    quiet = take();
    uart16550_receive(&w.board->uart, typed, 8); /* the line goes up */
    assert_true(pending() & 1 << XBAR_RISCV_IRQ_M_EXT);
    assert_int_equal(get(PLIC_BASE + 0x200004, 4), UART_IRQ); /* claimed */
    loud = take();
    for (unsigned i = 0; i < 3; i++) {
        write_all(1);
        check_all(1);
        rooms = w.rooms;
        restore(quiet);
        assert_int_equal(w.rooms, rooms + 1);
        check_all(0);
        assert_int_equal(pending(), 0);
        assert_int_equal(get(UART_BASE + 5, 1) & 1, 0); /* nothing came */
        restore(loud);
        check_all(0);
        assert_int_equal(pending(), 0); /* claimed, not complete */
        for (unsigned n = 0; n < 8; n++) {
            assert_int_equal(get(UART_BASE, 1), typed[n]);
        }
        restore(loud);
        put(PLIC_BASE + 0x200004, UART_IRQ, 4); /* complete: it is up */
        assert_true(pending() & 1 << XBAR_RISCV_IRQ_M_EXT);
    }
    xbar_riscv_snapshot_drop(quiet);
    xbar_riscv_snapshot_drop(loud);
    close_board();
}

/* ---- Virtio ------------------------------------------------------------ */

#define SLOT  (VIRTIO_BASE + (VIRTIO_SLOTS - 1) * VIRTIO_STRIDE)
#define DESC  (RAM_BASE + 0x100000)
#define RING  (RAM_BASE + 0x101000)
#define USED  (RAM_BASE + 0x102000)
#define BYTES (RAM_BASE + 0x103000)

/* One queue of 8, by hand: all descriptors are buffers of 16 bytes. */
static void start_queue(void)
{
    const uint32_t setup[][2] = {
        { 0x070, 0 },    { 0x070, 1 },    { 0x070, 3 }, { 0x024, 1 },
        { 0x020, 1 },    { 0x070, 11 },   { 0x038, 8 }, { 0x080, DESC },
        { 0x090, RING }, { 0x0a0, USED }, { 0x044, 1 }, { 0x070, 15 },
    };

    for (unsigned i = 0; i < 8; i++) {
        put(DESC + 16 * i, BYTES + 16 * i, 4);
        put(DESC + 16 * i + 8, 16, 4);
        put(DESC + 16 * i + 12, 2, 4);
    }
    for (unsigned i = 0; i < sizeof(setup) / sizeof(setup[0]); i++) {
        put(SLOT + setup[i][0], setup[i][1], 4);
    }
    assert_int_equal(get(SLOT + 0x070, 4), 15);
}

/* The @n-th request, counted from 0: descriptor @n. Return: what came. */
static uint32_t ask(unsigned n)
{
    address_space_stw(&w.board->memory, RING + 4 + 2 * n, n,
                      MEMTXATTRS_UNSPECIFIED, NULL);
    address_space_stw(&w.board->memory, RING + 2, n + 1, MEMTXATTRS_UNSPECIFIED,
                      NULL);
    put(SLOT + 0x050, 0, 4);
    assert_int_equal(get(USED, 4) >> 16, n + 1);
    return get(BYTES + 16 * n, 4);
}

/* A queue in use, and the sequence of the generator: also across a driver that
 * left, and rings that were elsewhere meanwhile. */
static void test_virtio_queue(void **state)
{
    struct xbar_riscv_snapshot *s;
    uint32_t first;
    uint32_t second;

    (void)state;
    w.virtio.has_rng = true;
    open_board(true);
    start_queue();
    first = ask(0);
    s = take();
    second = ask(1);
    assert_int_not_equal(first, second);
    for (unsigned i = 0; i < 4; i++) {
        if (i % 2) {
            put(SLOT + 0x070, 0, 4);
        }
        restore(s);
        assert_int_equal(get(SLOT + 0x060, 4), 1); /* not acknowledged yet */
        assert_int_equal(get(USED, 4) >> 16, 1);
        assert_int_equal(ask(1), second);
        (void)ask(2);
    }
    xbar_riscv_snapshot_drop(s);
    close_board();
}

/* ---- What refuses ------------------------------------------------------ */

static void check_refusal(const char *reason)
{
    struct xbar_riscv_snapshot *s;
    Error *err = NULL;

    assert_int_equal(board_snapshot_take(w.board, NULL, &s, &err), -EPERM);
    assert_null(s);
    assert_string_equal(error_get_pretty(err), reason);
    error_free(err);
}

static void test_drives(void **state)
{
    char path[] = "/tmp/xbar-snapshot-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    for (unsigned i = 0; i < 2; i++) {
        w.virtio.num_drives = 1;
        w.virtio.drives[0] =
            (struct drive_config){ .file = path, .is_readonly = i == 1 };
        open_board(true);
        if (i == 0) {
            check_refusal("virtio-blk: a drive that the guest may write does "
                          "not go back: say readonly=on");
        } else {
            xbar_riscv_snapshot_drop(take());
        }
        close_board();
    }
    close(fd);
    unlink(path);
}

static bool is_ordered(void *opaque)
{
    (void)opaque;
    return true;
}

static void test_traced(void **state)
{
    const struct tap tap = { .is_ordered = is_ordered };

    (void)state;
    open_board(true);
    w.board->config.tap = &tap;
    check_refusal("a run that is traced does not go back");
    w.board->config.tap = NULL;
    close_board();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_rest),

        cmocka_unit_test(test_registers),
        cmocka_unit_test(test_virtio_queue),
        cmocka_unit_test(test_drives),
        cmocka_unit_test(test_traced),
    };

    if (!xbar_riscv_has_jit()) {
        engine = XBAR_RISCV_INTERP;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
