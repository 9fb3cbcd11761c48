/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "terminal.h"

#define QUIET_NS  UINT64_C(2000000000) /* before the first line */
#define PERIOD_NS UINT64_C(500000000)

#define ERASE "\r\033[K"

void progress_start(struct progress *progress, bool is_wanted)
{
    *progress = (struct progress){ .is_on = is_wanted && terminal_obeys(2) };
}

static void erase(struct progress *progress)
{
    if (progress->is_shown) {
        (void)!write(2, ERASE, sizeof(ERASE) - 1);
        progress->is_shown = false;
    }
}

void progress_note_byte(struct progress *progress, uint8_t byte)
{
    if (progress->is_on) {
        erase(progress);
        progress->has_printed = true;
        progress->is_inside_line = byte != '\n' && byte != '\r';
    }
}

/* Of @length bytes, ERASE first: what is folded would not be erased, and the
 * last column is the cursor's. */
static size_t cut_to_terminal(size_t length)
{
    struct winsize size;
    size_t room;

    if (ioctl(2, TIOCGWINSZ, &size) || size.ws_col == 0) {
        return length;
    }
    room = sizeof(ERASE) - 1 + size.ws_col - 1;
    return length < room ? length : room;
}

static void show(struct progress *progress, uint64_t ns, uint64_t instructions)
{
    double seconds = (double)(ns - progress->shown_ns) / 1e9;
    double rate = (double)(instructions - progress->shown_instructions);
    char line[80];
    int length =
        snprintf(line, sizeof(line),
                 ERASE "%" PRIu64 " s, %" PRIu64 " M instructions, %.0f MIPS",
                 ns / 1000000000, instructions / 1000000,
                 seconds > 0 ? rate / seconds / 1e6 : 0);

    (void)!write(2, line, cut_to_terminal((size_t)length));
    progress->is_shown = true;
}

void progress_tick(struct progress *progress, uint64_t ns,
                   uint64_t instructions)
{
    if (!progress->is_on) {
        return;
    }
    if (progress->has_printed) {
        progress->has_printed = false;
        progress->quiet_since = ns;
    }
    if (ns - progress->shown_ns < PERIOD_NS) {
        return;
    }
    if (!progress->is_inside_line && ns - progress->quiet_since >= QUIET_NS) {
        show(progress, ns, instructions);
    }
    progress->shown_ns = ns;
    progress->shown_instructions = instructions;
}

void progress_end(struct progress *progress)
{
    erase(progress);
    progress->is_on = false;
}
