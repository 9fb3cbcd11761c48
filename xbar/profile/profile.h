/* SPDX-License-Identifier: MIT */
/* The `profile` command: run a guest, count, report. */
#ifndef XBAR_PROFILE_H
#define XBAR_PROFILE_H

#include <xbar/xbar.h>

#include "guest.h"
#include "options.h"

/*
 * profile_command() - run @guest and report on stdout and in files
 *
 * Return: the guest's exit status; negative with @errp set.
 */
int profile_command(const struct guest *guest, const struct options *options,
                    Error **errp) XBAR_MUST_CHECK;

#endif
