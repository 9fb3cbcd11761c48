/* SPDX-License-Identifier: MIT */
/*
 * A buffer that code is written into: straight-line, with a sticky failure
 * that the end checks once, so that emitters need no error paths.
 */
#ifndef XBAR_JIT_CODE_BUF_H
#define XBAR_JIT_CODE_BUF_H

#include <string.h>

#include "engine/check.h"
#include "jit/emit.h"

/* The longest host instruction that one emit call may write. */
#define CODE_BUF_SLACK 32

struct code_buf {
    uint8_t *start; /* writable view */
    uint8_t *cur;
    uint8_t *end;
    bool full; /* sticky: something did not fit, nothing is usable */
};

static inline void code_buf__init(struct code_buf *b, uint8_t *start,
                                  size_t size)
{
    *b = (struct code_buf){ .start = start, .cur = start, .end = start + size };
}

/* For what the translation cache lent. */
static inline void code_buf__open(struct code_buf *b,
                                  const struct xbar_emit_buffer *buffer)
{
    code_buf__init(b, buffer->code, buffer->size);
}

static inline uint32_t code_buf__offset(const struct code_buf *b)
{
    return (uint32_t)(b->cur - b->start);
}

/* How much was written goes back with it. */
static inline void code_buf__close(const struct code_buf *b,
                                   struct xbar_emit_buffer *buffer)
{
    buffer->used = code_buf__offset(b);
}

/* Room for one more instruction? Fails for good if not, as what does not fit
 * moves nothing. */
static inline bool code_buf__reserve(struct code_buf *b)
{
    if (unlikely((size_t)(b->end - b->cur) < CODE_BUF_SLACK)) {
        b->full = true;
        return false;
    }
    return true;
}

/* The put functions need a successful reserve before them. */
static inline void code_buf__put8(struct code_buf *b, uint8_t byte)
{
    *b->cur++ = byte;
}

static inline void code_buf__put32(struct code_buf *b, uint32_t value)
{
    memcpy(b->cur, &value, sizeof(value));
    b->cur += sizeof(value);
}

static inline void code_buf__put64(struct code_buf *b, uint64_t value)
{
    memcpy(b->cur, &value, sizeof(value));
    b->cur += sizeof(value);
}

#endif
