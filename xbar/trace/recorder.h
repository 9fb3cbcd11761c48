/* SPDX-License-Identifier: MIT */
/*
 * A run, recorded: what a machine's observer and tap tell, for a file.
 *
 * Accesses and inputs are put by the hart's thread, in the order in which they
 * happen. Devices that access devices do so on a thread of their own, and then
 * their place among the hart's is only about right.
 */
#ifndef XBAR_TRACE_RECORDER_H
#define XBAR_TRACE_RECORDER_H

#include <xbar/xbar.h>

#include "machine.h"

struct recorder;

struct recorder_totals {
    uint64_t accesses;
    uint64_t inputs;
    uint64_t bytes; /* of the file */
};

/* recorder_new() - one without a file. Return: NULL with @errp set. */
struct recorder *recorder_new(Error **errp) XBAR_MUST_CHECK;

/* recorder_attach() - have a machine that is made with @config tell all */
void recorder_attach(struct recorder *recorder, struct machine_config *config);

/*
 * recorder_start() - that machine is about to run, on this thread: make or
 * replace @path; what the machine is comes first in it
 *
 * Return: 0; -EINVAL with @errp set.
 */
int recorder_start(struct recorder *recorder, const char *path,
                   struct machine *machine, const struct guest *guest,
                   bool is_deterministic, Error **errp) XBAR_MUST_CHECK;

/*
 * recorder_close() - write what is left, if it was started, and free it; the
 * machine stands, or is gone
 *
 * Return: 0; -errno if the file does not have all of it, which was told.
 */
int recorder_close(struct recorder *recorder, struct recorder_totals *totals);

#endif
