/* SPDX-License-Identifier: MIT */
/*
 * Records from bytes that may be anything: each number is checked against what
 * it may be before it is used, and a trace that says something impossible is
 * refused from there on.
 */
#ifndef XBAR_TRACE_DECODER_H
#define XBAR_TRACE_DECODER_H

#include <xbar/xbar.h>

#include "trace/record.h"

struct trace_decoded_site;

struct trace_decoder {
    const char *name; /* of the file, for messages; the caller's */
    const uint8_t *at;
    const uint8_t *end;
    bool has_board;
    bool has_end;
    uint64_t ns;
    uint64_t accesses;
    uint64_t inputs;
    unsigned num_regions;
    struct trace_region *regions;
    uint32_t num_sites;
    struct trace_decoded_site *sites;
};

/* trace_decoder_init() - Return: 0; -ENOMEM with @errp set */
int trace_decoder_init(struct trace_decoder *decoder, const char *name,
                       Error **errp);
void trace_decoder_end(struct trace_decoder *decoder);

/* trace_decoder_block() - go on with these bytes, which stay the caller's */
void trace_decoder_block(struct trace_decoder *decoder, const uint8_t *bytes,
                         size_t size);

/*
 * trace_decode() - the next record
 *
 * SITE and FORGET are not shown: an access has its site with it.
 *
 * Return: 1; 0 at the end of the block; -EINVAL with @errp set, and then
 * nothing more is to be had.
 */
int trace_decode(struct trace_decoder *decoder, struct trace_event *event,
                 Error **errp);

#endif
