/* SPDX-License-Identifier: MIT */
/*
 * Where what reaches the board from outside can be seen, and replaced.
 *
 *     host clock ---clock()--> mtime, the real-time clock
 *     console, I/O ---note()--> UART, virtio devices --> lines of the hart
 *
 * So that accesses and inputs have one order, inputs that come from other
 * threads wait for the hart's thread while there is a tap, as long as
 * a few microseconds: the machine and the virtio devices see to that.
 */
#ifndef XBAR_TRACE_TAP_H
#define XBAR_TRACE_TAP_H

#include "trace/record.h"

struct tap {
    /* An input, or a line of the hart, just before it takes effect (RTC_POLL:
     * after it); numbers and bytes as its kind has them. LINE, CONSOLE and FAIL
     * on any thread, all others on the hart's. */
    void (*note)(void *opaque, enum trace_kind kind, const uint64_t *numbers,
                 const void *bytes, size_t count);
    /* MTIME or RTC is read and is @value. Return: what to take. Any thread that
     * accesses those. */
    uint64_t (*clock)(void *opaque, enum trace_kind which, uint64_t value);
    /* Is this the hart's thread? */
    bool (*is_ordered)(void *opaque);
    void *opaque;
};

/* All take NULL for: there is none. */

static inline void tap_note(const struct tap *tap, enum trace_kind kind,
                            uint64_t first, uint64_t second, const void *bytes,
                            size_t count)
{
    if (tap) {
        const uint64_t numbers[TRACE_NUMBERS] = { first, second };

        tap->note(tap->opaque, kind, numbers, bytes, count);
    }
}

static inline uint64_t tap_clock(const struct tap *tap, enum trace_kind which,
                                 uint64_t value)
{
    return tap ? tap->clock(tap->opaque, which, value) : value;
}

#endif
