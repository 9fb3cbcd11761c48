/* SPDX-License-Identifier: MIT */
/*
 * Registers (all 8 bits wide; DLAB is bit 7 of LCR):
 *
 *        DLAB=0 read   DLAB=0 write    DLAB=1
 *   0    RBR           THR             divisor, low
 *   1    IER           IER             divisor, high
 *   2    IIR           FCR
 *   3    LCR           LCR
 *   4    MCR           MCR
 *   5    LSR           -
 *   6    MSR           -
 *   7    SCR           SCR
 *
 * Interrupts, highest first; IIR shows the highest and the FIFO bits:
 *
 *   IIR 4   received data   FIFO holds the trigger level, or FIFO off
 *   IIR c   time-out        FIFO holds less: the line is so fast that the
 *                           time-out has always passed
 *   IIR 2   THR empty       after a THR write, or when IER bit 1 is set;
 *                           reading IIR takes it back
 *
 * Drivers probe the last rule: setting IER bit 1 with an empty THR must raise
 * IIR 2 at once, and again after the bit was cleared and set. A Linux that
 * does not see that drives its console from a slow timer.
 */
#include "uart16550.h"

#include <string.h>

#include "memmap.h"

enum uart_register {
    UART_RBR_THR = 0,
    UART_IER = 1,
    UART_IIR_FCR = 2,
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    UART_MSR = 6,
    UART_SCR = 7,
};

enum uart_bits {
    IER_RECEIVED = 0x01,
    IER_THR_EMPTY = 0x02,
    IER_MASK = 0x0f,

    IIR_NONE = 0x01,
    IIR_THR_EMPTY = 0x02,
    IIR_RECEIVED = 0x04,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFO_ON = 0xc0,

    FCR_ENABLE = 0x01,
    FCR_CLEAR_RECEIVER = 0x02,
    FCR_TRIGGER_SHIFT = 6,
    FCR_KEPT = 0xc9, /* enable, DMA mode, trigger */

    LCR_DLAB = 0x80,

    MCR_LOOP = 0x10,
    MCR_MASK = 0x1f,

    LSR_DATA_READY = 0x01,
    LSR_BREAK = 0x10,
    LSR_IDLE = 0x60, /* THR and shift register empty */

    MSR_CONNECTED = 0xb0, /* DCD, DSR, CTS */
};

static bool is_fifo_on(const struct uart16550 *uart)
{
    return uart->fcr & FCR_ENABLE;
}

static unsigned fifo_capacity(const struct uart16550 *uart)
{
    return is_fifo_on(uart) ? UART_FIFO_SIZE : 1;
}

static unsigned trigger_level(const struct uart16550 *uart)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return is_fifo_on(uart) ? levels[uart->fcr >> FCR_TRIGGER_SHIFT] : 1;
}

static bool is_looped(const struct uart16550 *uart)
{
    return WORD_READ(uart->mcr) & MCR_LOOP;
}

/* ---- Under the lock ---------------------------------------------------- */

/* The identity of the highest interrupt that is due and enabled. */
static uint8_t pending_interrupt(const struct uart16550 *uart)
{
    uint8_t ier = WORD_READ(uart->ier);

    if ((ier & IER_RECEIVED) && uart->fifo_count) {
        return uart->fifo_count >= trigger_level(uart) ? IIR_RECEIVED
                                                       : IIR_TIMEOUT;
    }
    if ((ier & IER_THR_EMPTY) && uart->thr_empty) {
        return IIR_THR_EMPTY;
    }
    return IIR_NONE;
}

static void update_irq(struct uart16550 *uart)
{
    bool level = pending_interrupt(uart) != IIR_NONE;

    if (level != uart->is_driven) {
        uart->is_driven = level;
        irq_line_set(&uart->irq, level);
    }
}

/* It tells of the byte that is read next. */
static void update_lsr(struct uart16550 *uart)
{
    bool is_break = uart->breaks >> uart->fifo_first & 1;

    WORD_WRITE(uart->lsr, LSR_IDLE | (uart->fifo_count ? LSR_DATA_READY : 0) |
                              (is_break ? LSR_BREAK : 0));
}

static void clear_fifo(struct uart16550 *uart)
{
    uart->fifo_first = 0;
    uart->breaks = 0;
    uart->fifo_count = 0;
    update_lsr(uart);
}

static unsigned fifo_room(const struct uart16550 *uart)
{
    return fifo_capacity(uart) - uart->fifo_count;
}

static void push_byte(struct uart16550 *uart, uint8_t byte, bool is_break)
{
    unsigned end = (uart->fifo_first + uart->fifo_count) % UART_FIFO_SIZE;

    uart->fifo[end] = byte;
    uart->breaks |= (unsigned)is_break << end;
    uart->fifo_count++;
    update_lsr(uart);
}

static uint8_t pop_byte(struct uart16550 *uart)
{
    uint8_t byte = uart->fifo[uart->fifo_first];

    uart->breaks &= ~(1u << uart->fifo_first);
    uart->fifo_first = (uart->fifo_first + 1) % UART_FIFO_SIZE;
    uart->fifo_count--;
    update_lsr(uart);
    return byte;
}

/* ---- Locking ----------------------------------------------------------- */

unsigned uart16550_room(struct uart16550 *uart)
{
    unsigned room;

    leaf_lock(&uart->lock);
    room = fifo_room(uart);
    leaf_unlock(&uart->lock);
    return room;
}

void uart16550_receive(struct uart16550 *uart, const uint8_t *bytes,
                       unsigned count)
{
    leaf_lock(&uart->lock);
    for (unsigned i = 0; i < count && fifo_room(uart); i++) {
        push_byte(uart, bytes[i], false);
    }
    update_irq(uart);
    leaf_unlock(&uart->lock);
}

/* A break arrives as a byte of 0 that LSR tells from others. */
bool uart16550_receive_break(struct uart16550 *uart, uint8_t byte)
{
    bool has_room;

    leaf_lock(&uart->lock);
    has_room = fifo_room(uart) >= 2;
    if (has_room) {
        push_byte(uart, 0, true);
        push_byte(uart, byte, false);
        update_irq(uart);
    }
    leaf_unlock(&uart->lock);
    return has_room;
}

bool uart16550_is_heard(const struct uart16550 *uart)
{
    return WORD_READ(uart->ier) & IER_RECEIVED;
}

/* An empty receiver reads as 0. */
static uint8_t read_rbr(struct uart16550 *uart)
{
    bool is_empty;
    uint8_t byte = 0;

    leaf_lock(&uart->lock);
    is_empty = uart->fifo_count == 0;
    if (!is_empty) {
        byte = pop_byte(uart);
        update_irq(uart);
    }
    leaf_unlock(&uart->lock);
    if (!is_empty) {
        uart->host.has_room(uart->host.opaque);
    }
    return byte;
}

static void write_thr(struct uart16550 *uart, uint8_t byte)
{
    bool loops = is_looped(uart);

    if (!loops) {
        uart->host.transmit(uart->host.opaque, byte);
    }
    leaf_lock(&uart->lock);
    if (loops && fifo_room(uart)) {
        push_byte(uart, byte, false);
    }
    uart->thr_empty = true;
    update_irq(uart);
    leaf_unlock(&uart->lock);
}

static uint8_t read_iir(struct uart16550 *uart)
{
    uint8_t id;

    leaf_lock(&uart->lock);
    id = pending_interrupt(uart);
    if (id == IIR_THR_EMPTY) {
        uart->thr_empty = false;
        update_irq(uart);
    }
    id |= is_fifo_on(uart) ? IIR_FIFO_ON : 0;
    leaf_unlock(&uart->lock);
    return id;
}

static void write_ier(struct uart16550 *uart, uint8_t value)
{
    leaf_lock(&uart->lock);
    if (value & ~WORD_READ(uart->ier) & IER_THR_EMPTY) {
        uart->thr_empty = true;
    }
    WORD_WRITE(uart->ier, value & IER_MASK);
    update_irq(uart);
    leaf_unlock(&uart->lock);
}

/* Switching the FIFO on or off empties it. */
static void write_fcr(struct uart16550 *uart, uint8_t value)
{
    leaf_lock(&uart->lock);
    if (((value ^ uart->fcr) & FCR_ENABLE) || (value & FCR_CLEAR_RECEIVER)) {
        clear_fifo(uart);
    }
    uart->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
    update_irq(uart);
    leaf_unlock(&uart->lock);
    uart->host.has_room(uart->host.opaque);
}

/* ---- Registers --------------------------------------------------------- */

/* In loop-back the modem's outputs feed its inputs: OUT2 OUT1 DTR RTS. */
static uint8_t read_msr(const struct uart16550 *uart)
{
    uint8_t mcr = WORD_READ(uart->mcr);

    if (!(mcr & MCR_LOOP)) {
        return MSR_CONNECTED;
    }
    return (mcr & 0x0c) << 4 | (mcr & 0x01) << 5 | (mcr & 0x02) << 3;
}

/* The registers are 8 bits wide: a wider access reaches the first one. */
static uint64_t uart_read(void *opaque, hwaddr addr, unsigned size)
{
    struct uart16550 *uart = opaque;

    (void)size;
    if ((WORD_READ(uart->lcr) & LCR_DLAB) && addr <= UART_IER) {
        return WORD_READ(uart->divisor[addr]);
    }
    switch (addr) {
    case UART_RBR_THR:
        return read_rbr(uart);
    case UART_IER:
        return WORD_READ(uart->ier);
    case UART_IIR_FCR:
        return read_iir(uart);
    case UART_LCR:
        return WORD_READ(uart->lcr);
    case UART_MCR:
        return WORD_READ(uart->mcr);
    case UART_LSR:
        return WORD_READ(uart->lsr);
    case UART_MSR:
        return read_msr(uart);
    default:
        return WORD_READ(uart->scr);
    }
}

static void uart_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct uart16550 *uart = opaque;
    uint8_t value = (uint8_t)data;

    (void)size;
    if ((WORD_READ(uart->lcr) & LCR_DLAB) && addr <= UART_IER) {
        WORD_WRITE(uart->divisor[addr], value);
        return;
    }
    switch (addr) {
    case UART_RBR_THR:
        write_thr(uart, value);
        break;
    case UART_IER:
        write_ier(uart, value);
        break;
    case UART_IIR_FCR:
        write_fcr(uart, value);
        break;
    case UART_LCR:
        WORD_WRITE(uart->lcr, value);
        break;
    case UART_MCR:
        WORD_WRITE(uart->mcr, value & MCR_MASK);
        break;
    case UART_SCR:
        WORD_WRITE(uart->scr, value);
        break;
    default: /* LSR and MSR are read-only */
        break;
    }
}

static const MemoryRegionOps uart_ops = {
    .read = uart_read,
    .write = uart_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 1, .max_access_size = 8 },
};

void uart16550_reset(struct uart16550 *uart)
{
    leaf_lock(&uart->lock);
    WORD_WRITE(uart->ier, 0);
    uart->fcr = 0;
    WORD_WRITE(uart->lcr, 0);
    WORD_WRITE(uart->mcr, 0x08); /* OUT2: the interrupt output is connected */
    WORD_WRITE(uart->scr, 0);
    WORD_WRITE(uart->divisor[0], 0x0c);
    WORD_WRITE(uart->divisor[1], 0);
    uart->thr_empty = true;
    clear_fifo(uart);
    update_irq(uart);
    leaf_unlock(&uart->lock);
}

int uart16550_init(struct uart16550 *uart, const struct uart16550_host *host,
                   struct irq_line irq)
{
    int ret = memory_region_init_io(&uart->region, NULL, &uart_ops, uart,
                                    "uart", UART_SIZE);

    uart->host = *host;
    uart->irq = irq;
    uart->is_driven = false;
    uart16550_reset(uart);
    return ret ? ret
               : xbar_region_set_lock_policy(&uart->region, XBAR_LOCK_NONE);
}

/* ---- Snapshots --------------------------------------------------------- */

/* The line's level is the PLIC's, too: it is not driven here. */
struct uart_state {
    uint8_t lcr;
    uint8_t mcr;
    uint8_t scr;
    uint8_t divisor[2];
    uint8_t ier;
    uint8_t fcr;
    bool thr_empty;
    bool is_driven;
    uint8_t fifo[UART_FIFO_SIZE];
    unsigned fifo_first;
    unsigned breaks;
    unsigned fifo_count;
};

static size_t state_size(void *opaque)
{
    (void)opaque;
    return sizeof(struct uart_state);
}

static int save_state(void *opaque, void *to, Error **errp)
{
    struct uart16550 *uart = opaque;
    struct uart_state *state = to;

    (void)errp;
    leaf_lock(&uart->lock);
    *state = (struct uart_state){
        .lcr = WORD_READ(uart->lcr),
        .mcr = WORD_READ(uart->mcr),
        .scr = WORD_READ(uart->scr),
        .divisor = { WORD_READ(uart->divisor[0]), WORD_READ(uart->divisor[1]) },
        .ier = WORD_READ(uart->ier),
        .fcr = uart->fcr,
        .thr_empty = uart->thr_empty,
        .is_driven = uart->is_driven,
        .fifo_first = uart->fifo_first,
        .breaks = uart->breaks,
        .fifo_count = uart->fifo_count,
    };
    memcpy(state->fifo, uart->fifo, sizeof(state->fifo));
    leaf_unlock(&uart->lock);
    return 0;
}

static void restore_state(void *opaque, const void *from)
{
    struct uart16550 *uart = opaque;
    const struct uart_state *state = from;

    leaf_lock(&uart->lock);
    WORD_WRITE(uart->lcr, state->lcr);
    WORD_WRITE(uart->mcr, state->mcr);
    WORD_WRITE(uart->scr, state->scr);
    WORD_WRITE(uart->divisor[0], state->divisor[0]);
    WORD_WRITE(uart->divisor[1], state->divisor[1]);
    WORD_WRITE(uart->ier, state->ier);
    uart->fcr = state->fcr;
    uart->thr_empty = state->thr_empty;
    uart->is_driven = state->is_driven;
    memcpy(uart->fifo, state->fifo, sizeof(uart->fifo));
    uart->fifo_first = state->fifo_first;
    uart->breaks = state->breaks;
    uart->fifo_count = state->fifo_count;
    update_lsr(uart);
    leaf_unlock(&uart->lock);
}

const struct xbar_snapshot_ops uart16550_snapshot_ops = {
    .size = state_size,
    .save = save_state,
    .restore = restore_state,
};
