/* SPDX-License-Identifier: MIT */
/*
 * What a trace is made of, as encoder, decoder and their users see it.
 *
 *   file     a header, then zstd frames
 *   block    what a frame holds: whole records, one after another
 *   record   an access, or one of record.inc
 *
 * An access names its site: who accesses what, and how. Sites are numbered as
 * they are met, and said once.
 */
#ifndef XBAR_TRACE_RECORD_H
#define XBAR_TRACE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_VERSION 1

#define TRACE_NUMBERS      6   /* of a record at most */
#define TRACE_BYTES_MAX    255 /* of a record */
#define TRACE_REGIONS_MAX  256
#define TRACE_SITES_MAX    65536 /* known at a time */
#define TRACE_BLOCK_SIZE   ((size_t)64 << 10)
#define TRACE_FIRST_ACCESS 32 /* the code of site 0 */

/* The longest: a code and numbers of 10 bytes, a length and bytes. */
#define TRACE_RECORD_MAX (10 * (2 + TRACE_NUMBERS) + 2 + TRACE_BYTES_MAX)

enum trace_kind {
#define RECORD(id, code, name, is_timed, bytes, ...) TRACE_##id = code,
#include "record.inc"
#undef RECORD
    TRACE_ACCESS = TRACE_FIRST_ACCESS,
};

/* The numbers of a record, in order: of those that have some. */
enum trace_number {
    END_ACCESSES = 0,
    END_INPUTS,
    BOARD_RAM_SIZE = 0,
    BOARD_TIMEBASE_HZ,
    BOARD_DETERMINISTIC,
    REGION_ADDRESS = 0,
    REGION_LENGTH,
    SITE_FLAGS = 0,
    SITE_REGION,
    SITE_OFFSET,
    SITE_SIZE,
    SITE_RESULT,
    SITE_PC,
    DEVICE_SLOT = 0,
    DEVICE_ID,
    DEVICE_FEATURES,
    DEVICE_QUEUES,
    DEVICE_QUEUE_SIZE,
    DEVICE_CONFIG_SIZE,
    CONFIG_GENERATION = 1,
};

struct trace_kind_info {
    const char *name; /* NULL: no such record */
    bool is_timed;
    const char *bytes;
    const char *numbers[TRACE_NUMBERS + 1]; /* NULL: the end */
};

/* trace_kind_info() - NULL if there is no such record, or it is an access */
const struct trace_kind_info *trace_kind_info(uint64_t code);

/* trace_is_input() - does the record change the board from outside? */
bool trace_is_input(enum trace_kind kind);

enum trace_site_flags {
    TRACE_WRITE = 1 << 0,
    TRACE_DMA = 1 << 1, /* not by the hart: there is no pc */
    TRACE_SITE_FLAGS = (1 << 2) - 1,
};

/* Who accesses what, and how. */
struct trace_site {
    uint64_t pc;
    uint64_t offset; /* in the region; offset + size <= the region's size */
    uint32_t result; /* a MemTxResult */
    uint16_t region;
    uint8_t size;  /* bytes: 1, 2, 4, 8 */
    uint8_t flags; /* enum trace_site_flags */
};

struct trace_region {
    uint64_t address; /* of its first byte, in the board's address space */
    uint64_t size;    /* > 0 */
    char name[TRACE_BYTES_MAX + 1];
};

/* One record. */
struct trace_event {
    enum trace_kind kind;
    uint64_t ns; /* since the trace began; of a kind without a time, as of the
                    record before it */
    uint64_t numbers[TRACE_NUMBERS];
    unsigned num_bytes;
    uint8_t bytes[TRACE_BYTES_MAX];

    /* TRACE_ACCESS */
    struct trace_site site;
    uint64_t value; /* read or written; < 2^(8 * size) */
};

#endif
