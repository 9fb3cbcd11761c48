/* SPDX-License-Identifier: MIT */
/*
 * How a trace begins: a frame that zstd skips, so that `zstd -dc` shows the
 * records. All little-endian.
 *
 *     0   5b 2a 4d 18   a frame to be skipped
 *     4   16            bytes that follow
 *     8   "xbartrce"
 *    16   version
 *    20   0
 */
#ifndef XBAR_TRACE_HEADER_H
#define XBAR_TRACE_HEADER_H

#include <stdint.h>
#include <string.h>
#include <xbar/compat.h>

#define TRACE_HEADER_SIZE    24
#define TRACE_HEADER_PREFIX  16 /* the same in every version */
#define TRACE_HEADER_VERSION 16 /* its offset */

static inline void trace_header_make(uint8_t *header, uint32_t version)
{
    memcpy(header, "\x5b\x2a\x4d\x18\x10\0\0\0xbartrce\0\0\0\0\0\0\0",
           TRACE_HEADER_SIZE);
    stl_le_p(header + TRACE_HEADER_VERSION, version);
}

static inline uint32_t trace_header_version(const uint8_t *header)
{
    return ldl_le_p(header + TRACE_HEADER_VERSION);
}

#endif
