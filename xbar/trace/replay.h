/* SPDX-License-Identifier: MIT */
/* xbar replay: the accesses of a trace once more, as a benchmark. */
#ifndef XBAR_TRACE_REPLAY_H
#define XBAR_TRACE_REPLAY_H

#include <xbar/xbar.h>

#include "options.h"

/*
 * replay_command() - play the trace that @options name, or print it
 *
 * Return: 0; 1 if something is not as recorded, which was told; -errno with
 * @errp set, after what could be read was played.
 */
int replay_command(const struct options *options, Error **errp) XBAR_MUST_CHECK;

#endif
