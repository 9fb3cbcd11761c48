/* SPDX-License-Identifier: MIT */
/*
 * A line on stderr that says how far a guest is which prints nothing:
 *
 *     12 s, 10,402 M instructions, 870 MIPS
 *
 * Only on a terminal, and not beside what the guest has not ended: a prompt
 * stays as it is. On the hart's thread alone; what the guest prints next comes
 * after the line is gone.
 */
#ifndef XBAR_PROGRESS_H
#define XBAR_PROGRESS_H

#include <xbar/xbar.h>

struct progress {
    bool is_on;
    bool is_shown;
    bool is_inside_line;  /* of the guest's */
    uint64_t quiet_since; /* nanoseconds since the run began */
    uint64_t shown_ns;
    uint64_t shown_instructions;
    bool has_printed; /* since the last tick */
};

/* progress_start() - @is_wanted: if there is a terminal, too */
void progress_start(struct progress *progress, bool is_wanted);

/* progress_note_byte() - the guest prints @byte, which is on its way */
void progress_note_byte(struct progress *progress, uint8_t byte);

/* progress_tick() - it is @ns since the run began */
void progress_tick(struct progress *progress, uint64_t ns,
                   uint64_t instructions);

/* progress_end() - nothing of it stays */
void progress_end(struct progress *progress);

#endif
