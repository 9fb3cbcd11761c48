/* SPDX-License-Identifier: MIT */
/*
 * How a guest is asked to power off, as SIGTERM wants it.
 *
 *   nobody listens ------------------------------------------> end at once
 *   a driver of the power key ---> 30 s ---+
 *   a system on the serial line -----------+-> break s, u, o -> 10 s -> end
 *   asked again, whatever it is doing -----------------------> end at once
 *
 * The key is what a person would press: user space shuts down in order. A
 * break on the serial console is Linux's way to be asked without user space
 * (SysRq): write what is cached, remount read-only, power off. Firmware and
 * boot loaders listen to neither, and have nothing to lose.
 *
 * A guest that powers off ends the run by itself; the end by force is the
 * caller's to bring about. Either way the run was ended by the signal, and its
 * status says so: whoever waits for a guest to pass is not to take an order to
 * stop for that.
 */
#ifndef XBAR_POWER_H
#define XBAR_POWER_H

#include <stdbool.h>
#include <stdint.h>

struct power_host {
    /* Return: does a driver listen to the key, which was pressed? */
    bool (*press_key)(void *opaque);
    /* Is there an operating system at the serial line? */
    bool (*is_line_heard)(void *opaque);
    void (*send_break)(void *opaque, uint8_t key);
    void *opaque;
};

/* Zero, but for the host: nobody asked. One thread's. */
struct power {
    struct power_host host;
    bool is_asked;
    unsigned breaks; /* sent so far */
    uint64_t due_ms; /* when the next thing happens; UINT64_MAX: never */
};

/* power_ask() - Return: is the guest asked? Else end it by force. */
bool power_ask(struct power *power, uint64_t now_ms);

/*
 * power_poll() - do what is due
 * @wait_ms: milliseconds until the next is; -1: for ever
 *
 * Return: false once, when all of it was in vain: end it by force.
 */
bool power_poll(struct power *power, uint64_t now_ms, int *wait_ms);

#endif
