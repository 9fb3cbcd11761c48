/* SPDX-License-Identifier: MIT */
/* The board's devices, register by register, through an address space. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <xbar/xbar.h>

#include "aclint.h"
#include "finisher.h"
#include "goldfish_rtc.h"
#include "memmap.h"
#include "plic.h"
#include "uart16550.h"

#define CSR_MIP 0x344

/* A machine of devices, and what their far ends were told. */
struct world {
    struct xbar_engine *engine;
    MemoryRegion system;
    AddressSpace as;
    struct xbar_riscv_hart *hart;
    struct aclint aclint;
    struct plic plic;
    struct uart16550 uart;
    struct goldfish_rtc rtc;
    struct finisher finisher;

    char sent[64];
    unsigned num_sent;
    unsigned rooms;
    uint64_t now_ns;
    unsigned alarms_moved;
    int status;
    unsigned resets;
};

/* ---- Far ends ---------------------------------------------------------- */

static void note_sent(void *opaque, uint8_t byte)
{
    struct world *world = opaque;

    world->sent[world->num_sent++ % sizeof(world->sent)] = (char)byte;
}

static void note_room(void *opaque)
{
    ((struct world *)opaque)->rooms++;
}

static uint64_t tell_time(void *opaque)
{
    return ((struct world *)opaque)->now_ns;
}

static void note_alarm(void *opaque)
{
    ((struct world *)opaque)->alarms_moved++;
}

static void note_finish(void *opaque, int status)
{
    ((struct world *)opaque)->status = status;
}

static void note_reset(void *opaque)
{
    ((struct world *)opaque)->resets++;
}

static void set_hart_line(void *opaque, unsigned number, bool level)
{
    xbar_riscv_set_irq(opaque, (enum xbar_riscv_irq)number, level);
}

/* ---- Set-up ------------------------------------------------------------ */

static void make_devices(struct world *w)
{
    const struct uart16550_host uart = { note_sent, note_room, w };
    const struct goldfish_rtc_host rtc = { tell_time, note_alarm, w };
    const struct finisher_host finisher = { note_finish, note_reset, w };

    assert_int_equal(aclint_init(&w->aclint), 0);
    assert_int_equal(plic_init(&w->plic), 0);
    assert_int_equal(
        uart16550_init(&w->uart, &uart, plic_input(&w->plic, UART_IRQ)), 0);
    assert_int_equal(
        goldfish_rtc_init(&w->rtc, &rtc, plic_input(&w->plic, RTC_IRQ)), 0);
    assert_int_equal(finisher_init(&w->finisher, &finisher), 0);
}

static void place_devices(struct world *w)
{
    MemoryRegion *root = &w->system;

    assert_int_equal(memory_region_init(root, NULL, "system", UINT64_MAX), 0);
    memory_region_add_subregion(root, ACLINT_BASE, &w->aclint.region);
    memory_region_add_subregion(root, PLIC_BASE, &w->plic.region);
    memory_region_add_subregion(root, UART_BASE, &w->uart.region);
    memory_region_add_subregion(root, RTC_BASE, &w->rtc.region);
    memory_region_add_subregion(root, FINISHER_BASE, &w->finisher.region);
    assert_int_equal(address_space_init(&w->as, root, "memory"), 0);
}

static int set_up(void **state)
{
    struct world *w = test_calloc(1, sizeof(*w));
    struct xbar_riscv_config config = { .as = &w->as, .insns_per_tick = 1 };

    w->status = -1;
    w->engine = xbar_engine_new(NULL);
    assert_non_null(w->engine);
    xbar_engine_enter(w->engine);
    make_devices(w);
    place_devices(w);
    w->hart = xbar_riscv_new(&config);
    assert_non_null(w->hart);
    w->aclint.hart = w->hart;
    w->plic.contexts[PLIC_MACHINE].irq =
        (struct irq_line){ set_hart_line, w->hart, XBAR_RISCV_IRQ_M_EXT };
    w->plic.contexts[PLIC_SUPERVISOR].irq =
        (struct irq_line){ set_hart_line, w->hart, XBAR_RISCV_IRQ_S_EXT };
    aclint_reset(&w->aclint);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    xbar_riscv_free(w->hart);
    address_space_destroy(&w->as);
    xbar_region_destroy(&w->aclint.region, NULL, NULL);
    xbar_region_destroy(&w->plic.region, NULL, NULL);
    xbar_region_destroy(&w->uart.region, NULL, NULL);
    xbar_region_destroy(&w->rtc.region, NULL, NULL);
    xbar_region_destroy(&w->finisher.region, NULL, NULL);
    xbar_region_destroy(&w->system, NULL, NULL);
    xbar_engine_leave(w->engine);
    assert_int_equal(xbar_engine_free(w->engine), 0);
    test_free(w);
    return 0;
}

/* ---- Accesses ---------------------------------------------------------- */

static uint8_t get8(struct world *w, hwaddr addr)
{
    MemTxResult result;
    uint8_t value =
        address_space_ldub(&w->as, addr, MEMTXATTRS_UNSPECIFIED, &result);

    assert_int_equal(result, MEMTX_OK);
    return value;
}

static uint32_t get32(struct world *w, hwaddr addr)
{
    MemTxResult result;
    uint32_t value =
        address_space_ldl_le(&w->as, addr, MEMTXATTRS_UNSPECIFIED, &result);

    assert_int_equal(result, MEMTX_OK);
    return value;
}

static uint64_t get64(struct world *w, hwaddr addr)
{
    MemTxResult result;
    uint64_t value =
        address_space_ldq_le(&w->as, addr, MEMTXATTRS_UNSPECIFIED, &result);

    assert_int_equal(result, MEMTX_OK);
    return value;
}

static void put8(struct world *w, hwaddr addr, uint8_t value)
{
    MemTxResult result;

    address_space_stb(&w->as, addr, value, MEMTXATTRS_UNSPECIFIED, &result);
    assert_int_equal(result, MEMTX_OK);
}

static void put32(struct world *w, hwaddr addr, uint32_t value)
{
    MemTxResult result;

    address_space_stl_le(&w->as, addr, value, MEMTXATTRS_UNSPECIFIED, &result);
    assert_int_equal(result, MEMTX_OK);
}

static void put64(struct world *w, hwaddr addr, uint64_t value)
{
    MemTxResult result;

    address_space_stq_le(&w->as, addr, value, MEMTXATTRS_UNSPECIFIED, &result);
    assert_int_equal(result, MEMTX_OK);
}

static bool is_pending(struct world *w, enum xbar_riscv_irq line)
{
    uint64_t mip;

    assert_int_equal(xbar_riscv_get_csr(w->hart, CSR_MIP, &mip), 0);
    return mip >> line & 1;
}

/* ---- UART -------------------------------------------------------------- */

enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static uint8_t uart_get(struct world *w, unsigned reg)
{
    return get8(w, UART_BASE + reg);
}

static void uart_put(struct world *w, unsigned reg, uint8_t value)
{
    put8(w, UART_BASE + reg, value);
}

static void receive(struct world *w, const char *text)
{
    uart16550_receive(&w->uart, (const uint8_t *)text, (unsigned)strlen(text));
}

static bool uart_line(struct world *w)
{
    return w->plic.level >> UART_IRQ & 1;
}

static void test_uart_idle(void **state)
{
    struct world *w = *state;

    assert_int_equal(uart_get(w, LSR), 0x60);
    assert_int_equal(uart_get(w, MSR), 0xb0);
    assert_int_equal(uart_get(w, IIR), 0x01);
    uart_put(w, SCR, 0x5a);
    assert_int_equal(uart_get(w, SCR), 0x5a);
    uart_put(w, LCR, 0x03);
    assert_int_equal(uart_get(w, LCR), 0x03);
    assert_false(uart_line(w));
}

static void test_uart_divisor(void **state)
{
    struct world *w = *state;

    uart_put(w, LCR, 0x83);
    uart_put(w, RBR, 0x12);
    uart_put(w, IER, 0x34);
    assert_int_equal(uart_get(w, RBR), 0x12);
    assert_int_equal(uart_get(w, IER), 0x34);
    uart_put(w, LCR, 0x03);
    assert_int_equal(uart_get(w, IER), 0);
    assert_int_equal(w->num_sent, 0);
}

static void test_uart_transmit(void **state)
{
    struct world *w = *state;

    for (const char *c = "hello"; *c; c++) {
        uart_put(w, RBR, (uint8_t)*c);
        assert_int_equal(uart_get(w, LSR), 0x60);
    }
    assert_int_equal(w->num_sent, 5);
    assert_memory_equal(w->sent, "hello", 5);
}

/* What Linux's driver tests before it relies on the interrupt. */
static void test_uart_thr_probe(void **state)
{
    struct world *w = *state;

    for (unsigned i = 0; i < 2; i++) {
        uart_put(w, IER, 0x02);
        assert_true(uart_line(w));
        assert_int_equal(uart_get(w, IIR), 0x02);
        assert_false(uart_line(w));
        assert_int_equal(uart_get(w, IIR), 0x01);
        uart_put(w, IER, 0x00);
    }
    uart_put(w, IER, 0x02);
    (void)uart_get(w, IIR);
    uart_put(w, IER, 0x02); /* set already: nothing new */
    assert_false(uart_line(w));
    uart_put(w, RBR, 'x');
    assert_true(uart_line(w));
    assert_int_equal(uart_get(w, IIR), 0x02);
    assert_false(uart_line(w));
}

static void test_uart_fifo_identity(void **state)
{
    struct world *w = *state;

    uart_put(w, IIR, 0x01);
    assert_int_equal(uart_get(w, IIR), 0xc1);
    uart_put(w, IER, 0x02);
    assert_int_equal(uart_get(w, IIR), 0xc2);
    uart_put(w, IIR, 0x00);
    assert_int_equal(uart_get(w, IIR), 0x01);
}

static void test_uart_receive_one(void **state)
{
    struct world *w = *state;

    assert_int_equal(uart16550_room(&w->uart), 1);
    uart_put(w, IER, 0x01);
    receive(w, "ab"); /* there is room for one */
    assert_int_equal(uart16550_room(&w->uart), 0);
    assert_true(uart_line(w));
    assert_int_equal(uart_get(w, IIR), 0x04);
    assert_int_equal(uart_get(w, LSR), 0x61);
    assert_int_equal(uart_get(w, RBR), 'a');
    assert_int_equal(w->rooms, 1);
    assert_false(uart_line(w));
    assert_int_equal(uart_get(w, LSR), 0x60);
    assert_int_equal(uart_get(w, RBR), 0);
}

static void test_uart_receive_fifo(void **state)
{
    struct world *w = *state;

    uart_put(w, IIR, 0x81); /* trigger at 8 */
    uart_put(w, IER, 0x01);
    assert_int_equal(uart16550_room(&w->uart), 16);
    receive(w, "0123456");
    assert_int_equal(uart_get(w, IIR), 0xcc);
    receive(w, "7");
    assert_int_equal(uart_get(w, IIR), 0xc4);
    receive(w, "89abcdefgh");
    assert_int_equal(uart16550_room(&w->uart), 0);
    for (const char *c = "0123456789abcdef"; *c; c++) {
        assert_true(uart_line(w));
        assert_int_equal(uart_get(w, RBR), *c);
    }
    assert_false(uart_line(w));
    /* Received data outranks an empty transmitter. */
    uart_put(w, IER, 0x03);
    receive(w, "x");
    assert_int_equal(uart_get(w, IIR), 0xcc);
    assert_int_equal(uart_get(w, RBR), 'x');
    assert_int_equal(uart_get(w, IIR), 0xc2);
}

static void test_uart_fifo_clear(void **state)
{
    struct world *w = *state;

    uart_put(w, IIR, 0x01);
    receive(w, "abc");
    uart_put(w, IIR, 0x01); /* as it was: nothing is lost */
    assert_int_equal(uart16550_room(&w->uart), 13);
    uart_put(w, IIR, 0x03);
    assert_int_equal(uart16550_room(&w->uart), 16);
    receive(w, "abc");
    uart_put(w, IIR, 0x00);
    assert_int_equal(uart16550_room(&w->uart), 1);
    assert_int_equal(uart_get(w, LSR), 0x60);
}

static void test_uart_loop_back(void **state)
{
    struct world *w = *state;

    uart_put(w, MCR, 0x1a); /* loop, OUT2, RTS */
    assert_int_equal(uart_get(w, MSR), 0x90);
    uart_put(w, MCR, 0x15); /* loop, OUT1, DTR */
    assert_int_equal(uart_get(w, MSR), 0x60);
    uart_put(w, RBR, 'L');
    assert_int_equal(w->num_sent, 0);
    assert_int_equal(uart_get(w, RBR), 'L');
}

/* ---- PLIC -------------------------------------------------------------- */

#define PLIC_REG(offset) (PLIC_BASE + (offset))
#define ENABLE(context)  PLIC_REG(0x2000 + 0x80 * (context))
#define THRESH(context)  PLIC_REG(0x200000 + 0x1000 * (context))
#define CLAIM(context)   PLIC_REG(0x200004 + 0x1000 * (context))

static void drive(struct world *w, unsigned source, bool level)
{
    struct irq_line line = plic_input(&w->plic, source);

    irq_line_set(&line, level);
}

static void test_plic_claim(void **state)
{
    struct world *w = *state;

    put32(w, PLIC_REG(4 * 5), 3);
    put32(w, ENABLE(1), 1 << 5);
    drive(w, 5, true);
    assert_int_equal(get32(w, PLIC_REG(0x1000)), 1 << 5);
    assert_true(is_pending(w, XBAR_RISCV_IRQ_S_EXT));
    assert_false(is_pending(w, XBAR_RISCV_IRQ_M_EXT));
    assert_int_equal(get32(w, CLAIM(0)), 0);
    assert_int_equal(get32(w, CLAIM(1)), 5);
    assert_int_equal(get32(w, PLIC_REG(0x1000)), 0);
    assert_false(is_pending(w, XBAR_RISCV_IRQ_S_EXT));
    assert_int_equal(get32(w, CLAIM(1)), 0);
    /* Still high when it is completed: pending again. */
    put32(w, CLAIM(1), 5);
    assert_true(is_pending(w, XBAR_RISCV_IRQ_S_EXT));
    assert_int_equal(get32(w, CLAIM(1)), 5);
    drive(w, 5, false);
    put32(w, CLAIM(1), 5);
    assert_false(is_pending(w, XBAR_RISCV_IRQ_S_EXT));
}

static void test_plic_claimed_is_quiet(void **state)
{
    struct world *w = *state;

    put32(w, PLIC_REG(4 * 5), 1);
    put32(w, ENABLE(0), 1 << 5);
    drive(w, 5, true);
    assert_int_equal(get32(w, CLAIM(0)), 5);
    drive(w, 5, false);
    drive(w, 5, true);
    assert_false(is_pending(w, XBAR_RISCV_IRQ_M_EXT));
    /* By a context that may not see it, by number 0, and out of range. */
    put32(w, CLAIM(1), 5);
    put32(w, CLAIM(0), 0);
    put32(w, CLAIM(0), 32);
    put32(w, CLAIM(0), UINT32_MAX);
    assert_false(is_pending(w, XBAR_RISCV_IRQ_M_EXT));
    put32(w, CLAIM(0), 5);
    assert_true(is_pending(w, XBAR_RISCV_IRQ_M_EXT));
}

static void test_plic_order(void **state)
{
    struct world *w = *state;

    put32(w, PLIC_REG(4 * 3), 2);
    put32(w, PLIC_REG(4 * 7), 5);
    put32(w, PLIC_REG(4 * 9), 5);
    put32(w, PLIC_REG(4 * 31), 0); /* never */
    put32(w, ENABLE(0), UINT32_MAX);
    assert_int_equal(get32(w, ENABLE(0)), UINT32_MAX - 1);
    drive(w, 31, true);
    drive(w, 3, true);
    drive(w, 9, true);
    drive(w, 7, true);
    assert_int_equal(get32(w, CLAIM(0)), 7);
    assert_int_equal(get32(w, CLAIM(0)), 9);
    assert_int_equal(get32(w, CLAIM(0)), 3);
    assert_int_equal(get32(w, CLAIM(0)), 0);
}

static void test_plic_threshold(void **state)
{
    struct world *w = *state;

    put32(w, PLIC_REG(4 * 3), 2);
    put32(w, ENABLE(1), 1 << 3);
    put32(w, THRESH(1), 2);
    drive(w, 3, true);
    assert_false(is_pending(w, XBAR_RISCV_IRQ_S_EXT));
    put32(w, THRESH(1), 1);
    assert_true(is_pending(w, XBAR_RISCV_IRQ_S_EXT));
    put32(w, THRESH(1), 0xf);
    assert_int_equal(get32(w, THRESH(1)), 7);
    put32(w, PLIC_REG(4 * 3), 0xff);
    assert_int_equal(get32(w, PLIC_REG(4 * 3)), 7);
    assert_false(is_pending(w, XBAR_RISCV_IRQ_S_EXT));
    drive(w, 3, false);
    assert_int_equal(get32(w, PLIC_REG(0x1000)), 0);
}

static void test_plic_gaps(void **state)
{
    struct world *w = *state;
    static const hwaddr gaps[] = { 0,        4 * 32,  0xffc,    0x1004,
                                   0x2004,   0x2100,  0x200008, 0x202000,
                                   0x202004, 0x5ffffc };

    put32(w, PLIC_REG(0x1000), UINT32_MAX);
    assert_int_equal(get32(w, PLIC_REG(0x1000)), 0);
    for (unsigned i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
        put32(w, PLIC_REG(gaps[i]), UINT32_MAX);
        assert_int_equal(get32(w, PLIC_REG(gaps[i])), 0);
    }
}

/* ---- ACLINT ------------------------------------------------------------ */

static void test_aclint_msip(void **state)
{
    struct world *w = *state;

    put32(w, ACLINT_BASE, UINT32_MAX);
    assert_int_equal(get32(w, ACLINT_BASE), 1);
    assert_true(is_pending(w, XBAR_RISCV_IRQ_M_SOFT));
    put32(w, ACLINT_BASE + 4, 1); /* hart 1 is not there */
    assert_int_equal(get32(w, ACLINT_BASE + 4), 0);
    put32(w, ACLINT_BASE, 2);
    assert_false(is_pending(w, XBAR_RISCV_IRQ_M_SOFT));
}

static void test_aclint_timer(void **state)
{
    struct world *w = *state;
    const hwaddr timecmp = ACLINT_BASE + 0x4000;
    const hwaddr mtime = ACLINT_BASE + 0xbff8;

    assert_int_equal(get64(w, timecmp), UINT64_MAX);
    assert_false(is_pending(w, XBAR_RISCV_IRQ_M_TIMER));
    put64(w, mtime, UINT64_C(0x1122334455667788));
    assert_int_equal(get64(w, mtime), UINT64_C(0x1122334455667788));
    assert_int_equal(get32(w, mtime), 0x55667788);
    assert_int_equal(get32(w, mtime + 4), 0x11223344);
    put32(w, mtime + 4, 0xa);
    put32(w, mtime, 0xb);
    assert_int_equal(get64(w, mtime), UINT64_C(0xa0000000b));
    put32(w, timecmp, 0xb);
    assert_false(is_pending(w, XBAR_RISCV_IRQ_M_TIMER));
    put32(w, timecmp + 4, 0xa);
    assert_int_equal(get64(w, timecmp), UINT64_C(0xa0000000b));
    assert_int_equal(get32(w, timecmp + 4), 0xa);
    assert_true(is_pending(w, XBAR_RISCV_IRQ_M_TIMER));
    put64(w, timecmp, UINT64_C(0xa0000000c));
    assert_false(is_pending(w, XBAR_RISCV_IRQ_M_TIMER));
}

/* ---- Finisher ---------------------------------------------------------- */

static void test_finisher(void **state)
{
    static const struct {
        uint32_t value;
        int status;
    } rows[] = {
        { 0x5555, 0 },       { 0x00013333, 1 },   { 0x00ff3333, 255 },
        { 0x01003333, 255 }, { 0x00003333, 255 }, { 0x00015555, 0 },
        { 0x00000000, -1 },  { 0x33330001, -1 },
    };
    struct world *w = *state;

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        w->status = -1;
        put32(w, FINISHER_BASE, rows[i].value);
        assert_int_equal(w->status, rows[i].status);
    }
    w->status = -1;
    put32(w, FINISHER_BASE + 4, 0x5555);
    assert_int_equal(w->status, -1);
    assert_int_equal(w->resets, 0);
    put32(w, FINISHER_BASE, 0x7777);
    assert_int_equal(w->resets, 1);
    assert_int_equal(get32(w, FINISHER_BASE), 0);
}

/* ---- RTC --------------------------------------------------------------- */

static void test_rtc_time(void **state)
{
    struct world *w = *state;

    w->now_ns = UINT64_C(0x1234567890abcdef);
    assert_int_equal(get32(w, RTC_BASE), 0x90abcdef);
    w->now_ns += UINT64_C(1) << 32; /* the high half was latched */
    assert_int_equal(get32(w, RTC_BASE + 4), 0x12345678);
    put32(w, RTC_BASE + 4, 5);
    put32(w, RTC_BASE, 6);
    assert_int_equal(get32(w, RTC_BASE), 6);
    assert_int_equal(get32(w, RTC_BASE + 4), 5);
    w->now_ns += 10;
    assert_int_equal(get32(w, RTC_BASE), 16);
}

static void test_rtc_alarm(void **state)
{
    struct world *w = *state;

    put32(w, RTC_BASE + 0x10, 1);
    put32(w, RTC_BASE + 0x0c, 1);
    put32(w, RTC_BASE + 0x08, 2);
    assert_int_equal(w->alarms_moved, 1);
    assert_int_equal(get32(w, RTC_BASE + 0x18), 1);
    assert_int_equal(goldfish_rtc_poll(&w->rtc), UINT64_C(0x100000002));
    w->now_ns = UINT64_C(0x100000001);
    assert_int_equal(goldfish_rtc_poll(&w->rtc), 1);
    assert_int_equal(w->plic.level, 0);
    w->now_ns++;
    assert_int_equal(goldfish_rtc_poll(&w->rtc), UINT64_MAX);
    assert_int_equal(w->plic.level, 1 << RTC_IRQ);
    assert_int_equal(get32(w, RTC_BASE + 0x18), 0);
    put32(w, RTC_BASE + 0x10, 0);
    assert_int_equal(w->plic.level, 0);
    put32(w, RTC_BASE + 0x10, 1);
    assert_int_equal(w->plic.level, 1 << RTC_IRQ);
    put32(w, RTC_BASE + 0x1c, 1);
    assert_int_equal(w->plic.level, 0);
    /* In the past: at once. Taken back: never. */
    put32(w, RTC_BASE + 0x08, 0);
    assert_int_equal(w->plic.level, 1 << RTC_IRQ);
    put32(w, RTC_BASE + 0x1c, 1);
    put32(w, RTC_BASE + 0x0c, 9);
    put32(w, RTC_BASE + 0x08, 0);
    put32(w, RTC_BASE + 0x14, 1);
    assert_int_equal(goldfish_rtc_poll(&w->rtc), UINT64_MAX);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_uart_idle),
        CASE(test_uart_divisor),
        CASE(test_uart_transmit),
        CASE(test_uart_thr_probe),
        CASE(test_uart_fifo_identity),
        CASE(test_uart_receive_one),
        CASE(test_uart_receive_fifo),
        CASE(test_uart_fifo_clear),
        CASE(test_uart_loop_back),
        CASE(test_plic_claim),
        CASE(test_plic_claimed_is_quiet),
        CASE(test_plic_order),
        CASE(test_plic_threshold),
        CASE(test_plic_gaps),
        CASE(test_aclint_msip),
        CASE(test_aclint_timer),
        CASE(test_finisher),
        CASE(test_rtc_time),
        CASE(test_rtc_alarm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
