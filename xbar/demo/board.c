/* SPDX-License-Identifier: MIT */
#include "board.h"

#define TIMER_PERIOD (TICKS_PER_SECOND / 100)

#define FINISHER 0x00100000
#define MTIMECMP 0x02004000
#define MTIME    0x0200bff8
#define PLIC     0x0c000000
#define UART     0x10000000

#define UART_IRQ 10

enum plic_offset {
    PLIC_PRIORITY = 4 * UART_IRQ,
    PLIC_ENABLE = 0x2000,
    PLIC_THRESHOLD = 0x200000,
    PLIC_CLAIM = 0x200004,
};

enum uart_offset {
    UART_THR = 0,
    UART_IER = 1,
    UART_IIR = 2,
    UART_LSR = 5,
};

#define CAUSE_TIMER    (UINT64_C(1) << 63 | 7)
#define CAUSE_EXTERNAL (UINT64_C(1) << 63 | 11)
#define MIE_BITS       (1 << 7 | 1 << 11)
#define MSTATUS_MIE    (1 << 3)

volatile uint64_t timer_interrupts;
volatile uint64_t uart_interrupts;

static volatile uint8_t *uart_register(unsigned offset)
{
    return (volatile uint8_t *)(uintptr_t)(UART + offset);
}

static volatile uint32_t *plic_register(unsigned offset)
{
    return (volatile uint32_t *)(uintptr_t)(PLIC + offset);
}

uint64_t board_ticks(void)
{
    return *(volatile uint64_t *)(uintptr_t)MTIME;
}

static void arm_timer(void)
{
    *(volatile uint64_t *)(uintptr_t)MTIMECMP = board_ticks() + TIMER_PERIOD;
}

/* Reading IIR takes the transmitter's interrupt back. */
static void take_external(void)
{
    uint32_t source = *plic_register(PLIC_CLAIM);

    if (source == UART_IRQ) {
        (void)*uart_register(UART_IIR);
        *uart_register(UART_IER) = 0;
        uart_interrupts++;
    }
    *plic_register(PLIC_CLAIM) = source;
}

void take_trap(void) __attribute__((interrupt("machine"), aligned(4)));

void take_trap(void)
{
    uint64_t cause;

    __asm__ volatile("csrr %0, mcause" : "=r"(cause));
    if (cause == CAUSE_TIMER) {
        timer_interrupts++;
        arm_timer();
    } else if (cause == CAUSE_EXTERNAL) {
        take_external();
    } else {
        board_finish(100 + (unsigned)(cause & 31)); /* not expected */
    }
}

void board_start(void)
{
    *plic_register(PLIC_PRIORITY) = 1;
    *plic_register(PLIC_ENABLE) = 1u << UART_IRQ;
    *plic_register(PLIC_THRESHOLD) = 0;
    arm_timer();
    __asm__ volatile("csrw mie, %0" : : "r"(MIE_BITS));
    __asm__ volatile("csrs mstatus, %0" : : "r"(MSTATUS_MIE));
}

void board_stop(void)
{
    __asm__ volatile("csrc mstatus, %0" : : "r"(MSTATUS_MIE));
}

void board_finish(unsigned code)
{
    uint32_t command = code ? code << 16 | 0x3333 : 0x5555;

    for (;;) {
        *(volatile uint32_t *)(uintptr_t)FINISHER = command;
    }
}

void uart_ask_interrupt(void)
{
    *uart_register(UART_IER) = 2;
}

static void print_char(char c)
{
    while (!(*uart_register(UART_LSR) & 0x20)) {
    }
    *uart_register(UART_THR) = (uint8_t)c;
}

void print_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\n') {
            print_char('\r');
        }
        print_char(*text);
    }
}

void print_number(uint64_t value, unsigned width)
{
    char digits[24];
    unsigned count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (unsigned i = count; i < width; i++) {
        print_char(' ');
    }
    while (count) {
        print_char(digits[--count]);
    }
}
