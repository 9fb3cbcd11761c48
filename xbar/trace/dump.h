/* SPDX-License-Identifier: MIT */
/* A trace as text for other programs. */
#ifndef XBAR_TRACE_DUMP_H
#define XBAR_TRACE_DUMP_H

#include <stdio.h>

#include "trace/source.h"

/*
 * trace_dump() - a JSON object a line: docs/trace-format.md
 *
 * What is before the damage is printed all the same, and so is the line that
 * says "end" only if there is one.
 *
 * Return: 0, also if @out takes no more; -errno with @errp set.
 */
int trace_dump(struct trace_source *source, FILE *out, Error **errp)
    XBAR_MUST_CHECK;

#endif
