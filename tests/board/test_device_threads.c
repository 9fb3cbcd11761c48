/* SPDX-License-Identifier: MIT */
/*
 * The devices that take no machine lock, from several threads at once: nothing
 * is lost, and in the end each line has the level that the registers say.
 * Worth most under the thread sanitizer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <xbar/xbar.h>

#include "aclint.h"
#include "memmap.h"
#include "plic.h"
#include "uart16550.h"

#define ROUNDS   5000u
#define FIRST    5u /* sources of the PLIC that threads drive */
#define SOURCES  3u
#define CSR_MIP  0x344
#define MIP_MSIP 8u

struct world {
    struct xbar_engine *engine;
    MemoryRegion system;
    AddressSpace as;
    struct xbar_riscv_hart *hart;
    struct aclint aclint;
    struct plic plic;
    struct uart16550 uart;
    atomic_bool line[PLIC_CONTEXTS];
    atomic_bool uart_line;
    atomic_uint sent;
    atomic_bool is_over;
    atomic_uint drivers;      /* that are at work */
    unsigned claims[SOURCES]; /* the claiming thread's */
};

static void set_line(void *opaque, unsigned number, bool level)
{
    atomic_store(&((struct world *)opaque)->line[number], level);
}

static void set_uart_line(void *opaque, unsigned number, bool level)
{
    (void)number;
    atomic_store(&((struct world *)opaque)->uart_line, level);
}

static void note_sent(void *opaque, uint8_t byte)
{
    atomic_fetch_add(&((struct world *)opaque)->sent, byte);
}

static void note_room(void *opaque)
{
    (void)opaque;
}

static int set_up(void **state)
{
    struct world *w = test_calloc(1, sizeof(*w));
    const struct uart16550_host far = { note_sent, note_room, w };
    struct xbar_riscv_config config = { .as = &w->as };

    w->engine = xbar_engine_new(NULL);
    assert_non_null(w->engine);
    xbar_engine_enter(w->engine);
    assert_int_equal(memory_region_init(&w->system, NULL, "system", UINT64_MAX),
                     0);
    assert_int_equal(aclint_init(&w->aclint), 0);
    assert_int_equal(plic_init(&w->plic), 0);
    assert_int_equal(uart16550_init(&w->uart, &far,
                                    (struct irq_line){ set_uart_line, w, 0 }),
                     0);
    memory_region_add_subregion(&w->system, ACLINT_BASE, &w->aclint.region);
    memory_region_add_subregion(&w->system, PLIC_BASE, &w->plic.region);
    memory_region_add_subregion(&w->system, UART_BASE, &w->uart.region);
    assert_int_equal(address_space_init(&w->as, &w->system, "memory"), 0);
    w->hart = xbar_riscv_new(&config);
    assert_non_null(w->hart);
    w->aclint.hart = w->hart;
    for (unsigned i = 0; i < PLIC_CONTEXTS; i++) {
        w->plic.contexts[i].irq = (struct irq_line){ set_line, w, i };
    }
    aclint_reset(&w->aclint);
    xbar_engine_leave(w->engine);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    xbar_riscv_free(w->hart);
    address_space_destroy(&w->as);
    xbar_region_destroy(&w->system, NULL, NULL);
    xbar_region_destroy(&w->aclint.region, NULL, NULL);
    xbar_region_destroy(&w->plic.region, NULL, NULL);
    xbar_region_destroy(&w->uart.region, NULL, NULL);
    assert_int_equal(xbar_engine_free(w->engine), 0);
    test_free(w);
    return 0;
}

static uint32_t read32(struct world *w, hwaddr at)
{
    return address_space_ldl(&w->as, at, MEMTXATTRS_UNSPECIFIED, NULL);
}

static void write32(struct world *w, hwaddr at, uint32_t value)
{
    address_space_stl(&w->as, at, value, MEMTXATTRS_UNSPECIFIED, NULL);
}

static uint8_t read8(struct world *w, hwaddr at)
{
    return (uint8_t)address_space_ldub(&w->as, at, MEMTXATTRS_UNSPECIFIED,
                                       NULL);
}

static void write8(struct world *w, hwaddr at, uint8_t value)
{
    address_space_stb(&w->as, at, value, MEMTXATTRS_UNSPECIFIED, NULL);
}

/* ---- PLIC -------------------------------------------------------------- */

struct driver {
    struct world *world;
    unsigned source;
    pthread_t thread;
};

/* Raises the source, and lowers it when it was claimed. */
static void *drive_source(void *opaque)
{
    struct driver *driver = opaque;
    struct world *w = driver->world;
    struct irq_line line = plic_input(&w->plic, driver->source);

    for (unsigned i = 0; i < ROUNDS / 10; i++) {
        irq_line_set(&line, true);
        while (read32(w, PLIC_BASE + 0x1000) & 1u << driver->source) {
            sched_yield(); /* pending */
        }
        irq_line_set(&line, false);
    }
    atomic_fetch_sub(&w->drivers, 1);
    return NULL;
}

/* Another hart's driver, whose context shows the same sources. */
static void *move_thresholds(void *opaque)
{
    struct world *w = opaque;

    for (unsigned i = 0; !atomic_load(&w->is_over); i++) {
        write32(w, PLIC_BASE + 0x201000, i & 7);
        write32(w, PLIC_BASE + 0x2080, (i & 1) << FIRST);
        write32(w, PLIC_BASE + 4 * 9, i & 7);
        (void)read32(w, PLIC_BASE + 4 * FIRST);
        sched_yield();
    }
    write32(w, PLIC_BASE + 0x2080, 0);
    return NULL;
}

static void take_claim(struct world *w)
{
    unsigned source = read32(w, PLIC_BASE + 0x200004);

    if (source == 0) {
        sched_yield();
        return;
    }
    assert_in_range(source, FIRST, FIRST + SOURCES - 1);
    w->claims[source - FIRST]++;
    write32(w, PLIC_BASE + 0x200004, source);
}

static void test_plic(void **state)
{
    struct world *w = *state;
    struct driver drivers[SOURCES];
    pthread_t mover;

    for (unsigned i = 0; i < SOURCES; i++) {
        write32(w, PLIC_BASE + 4 * (FIRST + i), 1 + i);
    }
    write32(w, PLIC_BASE + 0x2000, 7u << FIRST);
    atomic_store(&w->drivers, SOURCES);
    for (unsigned i = 0; i < SOURCES; i++) {
        drivers[i] = (struct driver){ w, FIRST + i, 0 };
        assert_int_equal(
            pthread_create(&drivers[i].thread, NULL, drive_source, &drivers[i]),
            0);
    }
    assert_int_equal(pthread_create(&mover, NULL, move_thresholds, w), 0);
    while (atomic_load(&w->drivers) != 0) {
        take_claim(w);
    }
    for (unsigned i = 0; i < SOURCES; i++) {
        pthread_join(drivers[i].thread, NULL);
    }
    atomic_store(&w->is_over, true);
    pthread_join(mover, NULL);
    for (unsigned i = 0; i < SOURCES; i++) {
        assert_true(w->claims[i] != 0);
    }
    assert_int_equal(read32(w, PLIC_BASE + 0x1000), 0);
    assert_false(atomic_load(&w->line[PLIC_MACHINE]));
    assert_false(atomic_load(&w->line[PLIC_SUPERVISOR]));
}

/* ---- UART -------------------------------------------------------------- */

static void *receive_bytes(void *opaque)
{
    struct world *w = opaque;

    for (unsigned i = 0; i < ROUNDS;) {
        uint8_t bytes[UART_FIFO_SIZE];
        unsigned count = uart16550_room(&w->uart);

        count = count < ROUNDS - i ? count : ROUNDS - i;
        for (unsigned k = 0; k < count; k++) {
            bytes[k] = (uint8_t)(i + k);
        }
        uart16550_receive(&w->uart, bytes, count);
        i += count;
        sched_yield();
    }
    return NULL;
}

/* What only keeps, and what sends. */
static void *use_uart(void *opaque)
{
    struct world *w = opaque;

    for (unsigned i = 0; i < ROUNDS; i++) {
        write8(w, UART_BASE + 7, (uint8_t)i);
        (void)read8(w, UART_BASE + 7);
        write8(w, UART_BASE + 0, 1);
        (void)read8(w, UART_BASE + 2);
        (void)read8(w, UART_BASE + 6);
    }
    return NULL;
}

static void test_uart(void **state)
{
    struct world *w = *state;
    pthread_t receiver, user;

    write8(w, UART_BASE + 2, 1); /* the FIFO is on */
    write8(w, UART_BASE + 1, 1); /* interrupts for what arrives */
    assert_int_equal(pthread_create(&receiver, NULL, receive_bytes, w), 0);
    assert_int_equal(pthread_create(&user, NULL, use_uart, w), 0);
    for (unsigned i = 0; i < ROUNDS;) {
        if (read8(w, UART_BASE + 5) & 1) {
            assert_int_equal(read8(w, UART_BASE + 0), (uint8_t)i);
            i++;
        } else {
            sched_yield();
        }
    }
    pthread_join(receiver, NULL);
    pthread_join(user, NULL);
    assert_int_equal(atomic_load(&w->sent), ROUNDS);
    assert_int_equal(read8(w, UART_BASE + 5), 0x60);
    assert_false(atomic_load(&w->uart_line));
}

/* One thread is enough to see what LSR says of which byte. */
static void test_uart_break(void **state)
{
    struct world *w = *state;

    assert_false(uart16550_is_heard(&w->uart));
    write8(w, UART_BASE + 1, 0x01);
    assert_true(uart16550_is_heard(&w->uart));
    assert_false(uart16550_receive_break(&w->uart, 'o')); /* for two bytes */
    assert_int_equal(read8(w, UART_BASE + 5), 0x60);
    write8(w, UART_BASE + 2, 0x01);
    uart16550_receive(&w->uart, (const uint8_t *)"a", 1);
    assert_true(uart16550_receive_break(&w->uart, 'o'));
    uart16550_receive(&w->uart, (const uint8_t *)"b", 1);
    assert_int_equal(read8(w, UART_BASE + 5), 0x61); /* a's turn */
    assert_int_equal(read8(w, UART_BASE + 0), 'a');
    assert_true(atomic_load(&w->uart_line));
    assert_int_equal(read8(w, UART_BASE + 5), 0x71);
    assert_int_equal(read8(w, UART_BASE + 0), 0);
    assert_int_equal(read8(w, UART_BASE + 5), 0x61);
    assert_int_equal(read8(w, UART_BASE + 0), 'o');
    assert_int_equal(read8(w, UART_BASE + 0), 'b');
    assert_int_equal(read8(w, UART_BASE + 5), 0x60);
    uart16550_receive(&w->uart, (const uint8_t *)"0123456789abcde", 15);
    assert_false(uart16550_receive_break(&w->uart, 'o'));
    write8(w, UART_BASE + 2, 0x03); /* empty it */
    assert_true(uart16550_receive_break(&w->uart, 'o'));
    write8(w, UART_BASE + 2, 0x03);
    assert_int_equal(read8(w, UART_BASE + 5), 0x60);
    uart16550_receive(&w->uart, (const uint8_t *)"c",
                      1); /* where the break was */
    assert_int_equal(read8(w, UART_BASE + 5), 0x61);
}

/* ---- ACLINT ------------------------------------------------------------ */

static void *use_aclint(void *opaque)
{
    struct world *w = opaque;

    for (unsigned i = 0; i < ROUNDS; i++) {
        write32(w, ACLINT_BASE, i & 1);
        write32(w, ACLINT_BASE + 0x4000 + (i & 4), i);
        (void)read32(w, ACLINT_BASE + 0x4000);
        (void)read32(w, ACLINT_BASE + 0xbff8);
    }
    return NULL;
}

static void test_aclint(void **state)
{
    struct world *w = *state;
    pthread_t threads[3];
    uint64_t mip = 0;

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, use_aclint, w), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(xbar_riscv_get_csr(w->hart, CSR_MIP, &mip), 0);
    assert_int_equal((mip & MIP_MSIP) != 0, read32(w, ACLINT_BASE) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plic, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_uart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_uart_break, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_aclint, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
