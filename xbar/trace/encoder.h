/* SPDX-License-Identifier: MIT */
/*
 * Accesses and inputs as bytes, block by block.
 *
 * One thread at a time. It does not fail: what it has no room for in a block
 * goes to the next one, which the caller's flush() makes.
 */
#ifndef XBAR_TRACE_ENCODER_H
#define XBAR_TRACE_ENCODER_H

#include "trace/record.h"

struct trace_known_site;

struct trace_encoder {
    /* The block is full: take it. Return: the next one, TRACE_BLOCK_SIZE. */
    uint8_t *(*flush)(void *opaque, size_t size);
    void *opaque;

    uint8_t *block;
    size_t used;
    uint64_t ns; /* of the last record with a time */
    uint64_t accesses;
    uint64_t inputs;

    /* What is known of sites: hashed, numbered, and where the last one is. */
    struct trace_known_site *sites;
    uint32_t *buckets; /* numbers + 1; 0: free */
    uint32_t num_sites;
    uint32_t last;
};

/*
 * trace_encoder_init() - @block: the first one, TRACE_BLOCK_SIZE
 *
 * Return: 0; -ENOMEM.
 */
int trace_encoder_init(struct trace_encoder *encoder, uint8_t *block,
                       uint8_t *(*flush)(void *opaque, size_t size),
                       void *opaque);
void trace_encoder_end(struct trace_encoder *encoder);

/* trace_encoder_flush() - take what there is now */
void trace_encoder_flush(struct trace_encoder *encoder);

/*
 * trace_put() - a record that is no access
 * @numbers: as many as its kind has
 * @bytes: cut to TRACE_BYTES_MAX; for a kind that has some
 */
void trace_put(struct trace_encoder *encoder, enum trace_kind kind, uint64_t ns,
               const uint64_t *numbers, const void *bytes, size_t num_bytes);

/* trace_put_access() - @ns: a time that lies before the last one is taken for
 * that */
void trace_put_access(struct trace_encoder *encoder, uint64_t ns,
                      const struct trace_site *site, uint64_t value);

#endif
