/* SPDX-License-Identifier: MIT */
/* The demo's view of the board: device registers and what prints. */
#ifndef DEMO_BOARD_H
#define DEMO_BOARD_H

#include <stdint.h>

/* Ticks of mtime in a second. */
#define TICKS_PER_SECOND UINT64_C(10000000)

/* How often each interrupt was taken. */
extern volatile uint64_t timer_interrupts;
extern volatile uint64_t uart_interrupts;

/* board_start() - timer interrupts at 100 Hz, the UART's through the PLIC */
void board_start(void);

/* board_stop() - no interrupts any more */
void board_stop(void);

/* board_finish() - end the run: pass if @code is 0 */
void board_finish(unsigned code) __attribute__((noreturn));

/* board_ticks() - mtime */
uint64_t board_ticks(void);

/* uart_ask_interrupt() - have the UART say that its transmitter is empty */
void uart_ask_interrupt(void);

void print_text(const char *text);
/* print_number() - decimal, flush right in @width columns */
void print_number(uint64_t value, unsigned width);

#endif
