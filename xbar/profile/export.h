/* SPDX-License-Identifier: MIT */
/*
 * The profile in formats that other tools read.
 *
 *   callgrind   KCachegrind, callgrind_annotate: exact counts by instruction
 *   folded      flame graph scripts, speedscope: samples by chain of calls
 *   chrome      Perfetto, chrome://tracing: samples and counters along time
 *   SVG         documents
 *   perf map    perf report: host code of blocks by guest function
 */
#ifndef XBAR_PROFILE_EXPORT_H
#define XBAR_PROFILE_EXPORT_H

#include "report.h"

/* Return: 0; -EIO if @out failed; -ENOMEM. */
int export_callgrind(const struct report *report, FILE *out) XBAR_MUST_CHECK;
int export_folded(const struct report *report, FILE *out) XBAR_MUST_CHECK;
int export_chrome(const struct report *report, FILE *out) XBAR_MUST_CHECK;
int export_flame_svg(const struct report *report, FILE *out) XBAR_MUST_CHECK;
int export_timeline_svg(const struct report *report, FILE *out) XBAR_MUST_CHECK;
int export_perf_map(const struct report *report, FILE *out) XBAR_MUST_CHECK;

#endif
