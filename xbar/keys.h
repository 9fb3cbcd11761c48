/* SPDX-License-Identifier: MIT */
/*
 * What a key means that a person typed: ctrl-a and what follows it, a line for
 * the monitor, or nothing but itself, for the guest.
 *
 *             ctrl-a              h, x, c, ctrl-a, ctrl-c
 *   plain ------------> escaped -------------------------> plain
 *     |
 *     +-- the monitor is open: its line;  it is not: the guest
 *
 * Knows neither the terminal nor the machine: the caller does what it says.
 */
#ifndef XBAR_KEYS_H
#define XBAR_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "monitor.h"
#include "questions.h"

enum keys_wish {
    KEYS_NOTHING,
    KEYS_TO_GUEST,  /* this very key */
    KEYS_QUIT,      /* end the run at once */
    KEYS_INTERRUPT, /* the same, for ctrl-c */
    /* From here on the monitor's: prompt when it is done. */
    KEYS_ASK, /* keys->question */
    KEYS_STOP,
    KEYS_CONT,
};

struct keys {
    struct monitor monitor;
    bool is_escaped;      /* the last key was ctrl-a */
    bool quits_on_ctrl_c; /* ctrl-a ctrl-c is the guest's ctrl-c */
    enum console_question question;
};

/* keys_take() - the next key; help goes to the monitor's stream */
enum keys_wish keys_take(struct keys *keys, uint8_t key);

#endif
