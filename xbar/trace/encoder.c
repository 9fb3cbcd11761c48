/* SPDX-License-Identifier: MIT */
/*
 * An access in a loop is the one that came after the last one the time before:
 * so each site remembers its successor, and is found without hashing. Else it
 * is hashed. When TRACE_SITES_MAX are known, all are forgotten.
 *
 *     access    code = 32 + 2 * site + is it the value as last time?
 *               time since the last record
 *               if not: the value less that of last time
 *
 * Numbers are varints: 7 bits a byte, the lowest first, bit 7 if more follow.
 * Differences are folded first, so that small ones of either sign are short.
 */
#include "trace/encoder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS (2 * TRACE_SITES_MAX) /* a power of two */

struct trace_known_site {
    struct trace_site site;
    uint64_t value;
    uint32_t next; /* who came after it last time */
};

int trace_encoder_init(struct trace_encoder *encoder, uint8_t *block,
                       uint8_t *(*flush)(void *opaque, size_t size),
                       void *opaque)
{
    *encoder = (struct trace_encoder){
        .flush = flush,
        .opaque = opaque,
        .block = block,
        .sites = calloc(TRACE_SITES_MAX, sizeof(struct trace_known_site)),
        .buckets = calloc(BUCKETS, sizeof(uint32_t)),
    };
    if (!encoder->sites || !encoder->buckets) {
        trace_encoder_end(encoder);
        return -ENOMEM;
    }
    return 0;
}

void trace_encoder_end(struct trace_encoder *encoder)
{
    free(encoder->sites);
    free(encoder->buckets);
    encoder->sites = NULL;
    encoder->buckets = NULL;
}

void trace_encoder_flush(struct trace_encoder *encoder)
{
    if (encoder->used) {
        encoder->block = encoder->flush(encoder->opaque, encoder->used);
        encoder->used = 0;
    }
}

/* ---- Bytes ------------------------------------------------------------- */

static void make_room(struct trace_encoder *encoder)
{
    if (TRACE_BLOCK_SIZE - encoder->used < TRACE_RECORD_MAX) {
        trace_encoder_flush(encoder);
    }
}

static inline void put_number(struct trace_encoder *encoder, uint64_t value)
{
    uint8_t *at = encoder->block + encoder->used;

    while (value >= 0x80) {
        *at++ = (uint8_t)value | 0x80;
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    encoder->used = (size_t)(at - encoder->block);
}

static inline void put_time(struct trace_encoder *encoder, uint64_t ns)
{
    uint64_t since = ns > encoder->ns ? ns - encoder->ns : 0;

    put_number(encoder, since);
    encoder->ns += since;
}

void trace_put(struct trace_encoder *encoder, enum trace_kind kind, uint64_t ns,
               const uint64_t *numbers, const void *bytes, size_t num_bytes)
{
    const struct trace_kind_info *info = trace_kind_info(kind);

    make_room(encoder);
    put_number(encoder, kind);
    if (info->is_timed) {
        put_time(encoder, ns);
    }
    for (unsigned i = 0; info->numbers[i]; i++) {
        put_number(encoder, numbers[i]);
    }
    if (info->bytes) {
        num_bytes = num_bytes < TRACE_BYTES_MAX ? num_bytes : TRACE_BYTES_MAX;
        put_number(encoder, num_bytes);
        memcpy(encoder->block + encoder->used, bytes, num_bytes);
        encoder->used += num_bytes;
    }
    encoder->inputs += trace_is_input(kind);
}

/* ---- Sites ------------------------------------------------------------- */

static inline bool is_same(const struct trace_site *a,
                           const struct trace_site *b)
{
    return a->pc == b->pc && a->offset == b->offset && a->size == b->size &&
           a->flags == b->flags && a->region == b->region &&
           a->result == b->result;
}

static uint32_t bucket_of(const struct trace_site *site)
{
    uint64_t hash = site->pc * 64 + site->offset;

    hash = (hash * 256 + site->region) ^ (uint64_t)site->result << 40;
    hash = (hash * 16 + site->size) * 4 + site->flags;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash >> 40) & (BUCKETS - 1);
}

static void forget_sites(struct trace_encoder *encoder)
{
    trace_put(encoder, TRACE_FORGET, 0, NULL, NULL, 0);
    memset(encoder->buckets, 0, BUCKETS * sizeof(*encoder->buckets));
    encoder->num_sites = 0;
    encoder->last = 0;
}

static uint32_t add_site(struct trace_encoder *encoder, uint32_t bucket,
                         const struct trace_site *site)
{
    uint64_t numbers[TRACE_NUMBERS] = {
        [SITE_FLAGS] = site->flags,   [SITE_REGION] = site->region,
        [SITE_OFFSET] = site->offset, [SITE_SIZE] = site->size,
        [SITE_RESULT] = site->result, [SITE_PC] = site->pc,
    };
    uint32_t id = encoder->num_sites++;

    encoder->buckets[bucket] = id + 1;
    encoder->sites[id] = (struct trace_known_site){ .site = *site };
    trace_put(encoder, TRACE_SITE, 0, numbers, NULL, 0);
    return id;
}

static __attribute__((noinline)) uint32_t
find_site(struct trace_encoder *encoder, const struct trace_site *site)
{
    uint32_t bucket;

    if (encoder->num_sites == TRACE_SITES_MAX) {
        forget_sites(encoder);
    }
    bucket = bucket_of(site);
    while (encoder->buckets[bucket]) {
        uint32_t id = encoder->buckets[bucket] - 1;

        if (is_same(&encoder->sites[id].site, site)) {
            return id;
        }
        bucket = (bucket + 1) & (BUCKETS - 1);
    }
    return add_site(encoder, bucket, site);
}

static inline uint64_t fold(uint64_t difference)
{
    return difference << 1 ^ (uint64_t)((int64_t)difference >> 63);
}

void trace_put_access(struct trace_encoder *encoder, uint64_t ns,
                      const struct trace_site *site, uint64_t value)
{
    struct trace_known_site *last = &encoder->sites[encoder->last];
    struct trace_known_site *known;
    uint32_t id = last->next;

    make_room(encoder); /* for the access; a site has its own */
    if (id >= encoder->num_sites || !is_same(&encoder->sites[id].site, site)) {
        id = find_site(encoder, site);
        encoder->sites[encoder->last].next = id;
        make_room(encoder);
    }
    known = &encoder->sites[id];
    encoder->last = id;
    put_number(encoder,
               TRACE_FIRST_ACCESS + 2 * (uint64_t)id + (known->value == value));
    put_time(encoder, ns);
    if (known->value != value) {
        put_number(encoder, fold(value - known->value));
        known->value = value;
    }
    encoder->accesses++;
}
