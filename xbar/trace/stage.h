/* SPDX-License-Identifier: MIT */
/*
 * A board on which a trace is played again: the inputs as they were recorded,
 * the accesses by whoever plays. Its hart does not run, and its RAM is empty:
 * so virtio devices are replicas, which serve no queue.
 */
#ifndef XBAR_TRACE_STAGE_H
#define XBAR_TRACE_STAGE_H

#include <xbar/xbar.h>

#include "board.h"
#include "trace/record.h"
#include "virtio/replica.h"

#define STAGE_CLOCKS 16 /* read by one access at most */

/* What a clock will show, one reading after another. */
struct stage_clock {
    unsigned count;
    unsigned taken;
    uint64_t values[STAGE_CLOCKS];
    uint64_t last;
};

struct stage_config {
    uint32_t generation;
    unsigned size;
    uint8_t bytes[TRACE_BYTES_MAX];
};

struct stage {
    const char *name; /* of the trace, for messages; the caller's */
    struct board *board;
    struct tap tap;
    struct stage_clock mtime;
    struct stage_clock rtc;
    uint64_t lines; /* of the hart, by bit: as they are */
    uint64_t recorded_lines;
    uint64_t ram_size;
    unsigned num_regions;
    MemoryRegion *regions[TRACE_REGIONS_MAX];
    struct virtio_replica replicas[VIRTIO_SLOTS];
    struct stage_config configs[VIRTIO_SLOTS];
};

/* stage_init() - nothing is there before the trace says what */
void stage_init(struct stage *stage, const char *name);
void stage_end(struct stage *stage);

/*
 * stage_apply() - a record that is no access
 *
 * Return: 0; -EINVAL with @errp set if there is no such board.
 */
int stage_apply(struct stage *stage, const struct trace_event *event,
                Error **errp) XBAR_MUST_CHECK;

/* stage_settle() - an access was made: forget what it did not read */
void stage_settle(struct stage *stage);

#endif
