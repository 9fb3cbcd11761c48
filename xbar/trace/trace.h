/* SPDX-License-Identifier: MIT */
/* xbar trace: run a guest, and record what it accesses and what comes in. */
#ifndef XBAR_TRACE_TRACE_H
#define XBAR_TRACE_TRACE_H

#include <xbar/xbar.h>

#include "guest.h"
#include "options.h"

/*
 * trace_command() - record a run of @guest in the file that @options name
 *
 * Return: the guest's exit status, 1 if that is 0 and the trace is not whole;
 * -errno with @errp set if it did not run.
 */
int trace_command(const struct guest *guest, const struct options *options,
                  Error **errp) XBAR_MUST_CHECK;

#endif
