/* SPDX-License-Identifier: MIT */
#include "keys.h"

#define ESCAPE_KEY 0x01 /* ctrl-a */
#define BREAK_KEY  0x03 /* ctrl-c */

static void print_keys(FILE *out)
{
    fputs("\n"
          "ctrl-a h       these keys\n"
          "ctrl-a c       to the monitor, and back to the guest\n"
          "ctrl-a x       end the run\n"
          "ctrl-a ctrl-a  send ctrl-a to the guest\n"
          "ctrl-a ctrl-c  send ctrl-c, which alone ends a profile\n",
          out);
}

static enum keys_wish ask(struct keys *keys, enum console_question question)
{
    keys->question = question;
    return KEYS_ASK;
}

static enum keys_wish take_monitor_key(struct keys *keys, uint8_t key)
{
    switch (monitor_take(&keys->monitor, key)) {
    case MONITOR_INFO:
        return ask(keys, CONSOLE_INFO);
    case MONITOR_MTREE:
        return ask(keys, CONSOLE_MTREE);
    case MONITOR_STOP:
        return KEYS_STOP;
    case MONITOR_CONT:
        return KEYS_CONT;
    case MONITOR_SNAPSHOT:
        return ask(keys, CONSOLE_SNAPSHOT);
    case MONITOR_RESTORE:
        return ask(keys, CONSOLE_RESTORE);
    case MONITOR_QUIT:
        return ask(keys, CONSOLE_QUIT);
    case MONITOR_NOTHING:
        break;
    }
    return KEYS_NOTHING;
}

/* The key after ctrl-a. One without a meaning is dropped, as in QEMU. */
static enum keys_wish take_escaped_key(struct keys *keys, uint8_t key)
{
    switch (key) {
    case 'h':
    case '?':
        print_keys(keys->monitor.out);
        return KEYS_NOTHING;
    case 'c':
        monitor_toggle(&keys->monitor);
        return KEYS_NOTHING;
    case 'x':
        return KEYS_QUIT;
    case ESCAPE_KEY:
    case BREAK_KEY:
        return keys->monitor.is_open ? KEYS_NOTHING : KEYS_TO_GUEST;
    default:
        return KEYS_NOTHING;
    }
}

enum keys_wish keys_take(struct keys *keys, uint8_t key)
{
    if (keys->is_escaped) {
        keys->is_escaped = false;
        return take_escaped_key(keys, key);
    }
    if (key == ESCAPE_KEY) {
        keys->is_escaped = true;
        return KEYS_NOTHING;
    }
    if (keys->monitor.is_open) {
        return take_monitor_key(keys, key);
    }
    return key == BREAK_KEY && keys->quits_on_ctrl_c ? KEYS_INTERRUPT
                                                     : KEYS_TO_GUEST;
}
