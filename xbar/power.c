/* SPDX-License-Identifier: MIT */
#include "power.h"

/* An orderly shutdown takes some seconds, more under emulation. */
#define KEY_MS 30000

static const struct {
    uint8_t key;
    unsigned wait_ms;
} breaks[] = {
    { 's', 1000 }, /* write what is cached */
    { 'u', 1000 }, /* remount read-only */
    { 'o', 10000 },
};

#define BREAKS (sizeof(breaks) / sizeof(breaks[0]))

/* Return: whether there was another one to send. */
static bool send_next(struct power *power, uint64_t now_ms)
{
    struct power_host *host = &power->host;

    if (power->breaks == BREAKS || !host->is_line_heard(host->opaque)) {
        return false;
    }
    host->send_break(host->opaque, breaks[power->breaks].key);
    power->due_ms = now_ms + breaks[power->breaks].wait_ms;
    power->breaks++;
    return true;
}

bool power_ask(struct power *power, uint64_t now_ms)
{
    bool is_first = !power->is_asked;

    power->is_asked = true;
    if (is_first && power->host.press_key(power->host.opaque)) {
        power->due_ms = now_ms + KEY_MS;
        return true;
    }
    if (is_first && send_next(power, now_ms)) {
        return true;
    }
    power->due_ms = UINT64_MAX;
    return false;
}

bool power_poll(struct power *power, uint64_t now_ms, int *wait_ms)
{
    bool is_hopeful = true;

    *wait_ms = -1;
    if (!power->is_asked || power->due_ms == UINT64_MAX) {
        return true;
    }
    if (now_ms >= power->due_ms) {
        is_hopeful = send_next(power, now_ms);
    }
    if (is_hopeful) {
        *wait_ms = (int)(power->due_ms - now_ms);
    } else {
        power->due_ms = UINT64_MAX;
    }
    return is_hopeful;
}
