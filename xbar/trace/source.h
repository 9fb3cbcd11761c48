/* SPDX-License-Identifier: MIT */
/* A trace, read from a file or pipe: record by record. */
#ifndef XBAR_TRACE_SOURCE_H
#define XBAR_TRACE_SOURCE_H

#include <xbar/xbar.h>

#include "trace/record.h"

struct trace_source;

/*
 * trace_source_open() - @path, or "-" for standard input
 *
 * Return: NULL with @errp set: no such file, no trace, a newer one.
 */
struct trace_source *trace_source_open(const char *path, Error **errp)
    XBAR_MUST_CHECK;
void trace_source_close(struct trace_source *source);

/*
 * trace_source_next() - the next record, as trace_decode() shows them
 *
 * Return: 1; 0 at the end; -EINVAL or -EIO with @errp set, also if the file
 * ends without an end.
 */
int trace_source_next(struct trace_source *source, struct trace_event *event,
                      Error **errp) XBAR_MUST_CHECK;

/* trace_source_region() - of a site that was shown */
const struct trace_region *
trace_source_region(const struct trace_source *source, unsigned which);

/* trace_source_accesses() - shown so far */
uint64_t trace_source_accesses(const struct trace_source *source);

#endif
