/* SPDX-License-Identifier: MIT */
/*
 * What report_json.c (the whole) and report_json_memory.c (accesses) share.
 * NULL: memory is short.
 */
#ifndef XBAR_PROFILE_REPORT_JSON_INTERNAL_H
#define XBAR_PROFILE_REPORT_JSON_INTERNAL_H

#include <jansson.h>

#include "report.h"

json_t *report__json_count(uint64_t value);
/* "0x80000000" */
json_t *report__json_address(hwaddr addr);
/* @value at the end of *@array; both are taken, and *@array is NULL, if either
 * is: no row is left out in silence */
void report__json_append(json_t **array, json_t *value);

json_t *report__json_tlb(const struct report *report);
json_t *report__json_modes(const struct report *report);
json_t *report__json_regions(const struct report *report);
json_t *report__json_registers(const struct report *report);
json_t *report__json_pages(const struct report *report);

/* report_json.c: all of it */
json_t *report__json_make(const struct report *report);

/* report_json_time.c */
json_t *report__json_functions(const struct report *report);
json_t *report__json_samples(const struct report *report);
json_t *report__json_timeline(const struct report *report);

#endif
