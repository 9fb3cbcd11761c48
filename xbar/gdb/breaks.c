/* SPDX-License-Identifier: MIT */
#include "breaks.h"

#include <errno.h>
#include <stdlib.h>

static struct gdb_break *find(const struct gdb_breaks *breaks, uint64_t pc)
{
    for (size_t i = 0; i < breaks->count; i++) {
        if (breaks->breaks[i].pc == pc) {
            return &breaks->breaks[i];
        }
    }
    return NULL;
}

static bool reserve(struct gdb_breaks *breaks)
{
    size_t room = breaks->room ? 2 * breaks->room : 8;
    struct gdb_break *grown;

    if (breaks->count < breaks->room) {
        return true;
    }
    grown = realloc(breaks->breaks, room * sizeof(*grown));
    if (!grown) {
        return false;
    }
    breaks->breaks = grown;
    breaks->room = room;
    return true;
}

int gdb_breaks_add(struct gdb_breaks *breaks, uint64_t pc,
                   enum gdb_break_owner owner)
{
    struct gdb_break *found = find(breaks, pc);
    int ret;

    if (found) {
        found->owners |= owner;
        return 0;
    }
    if (!reserve(breaks)) {
        return -ENOMEM;
    }
    ret = xbar_riscv_add_breakpoint(breaks->hart, pc);
    if (ret == 0) {
        breaks->breaks[breaks->count++] = (struct gdb_break){ pc, owner };
    }
    return ret;
}

void gdb_breaks_remove(struct gdb_breaks *breaks, uint64_t pc,
                       enum gdb_break_owner owner)
{
    struct gdb_break *found = find(breaks, pc);

    if (!found) {
        return;
    }
    found->owners &= ~(unsigned)owner;
    if (found->owners == 0) {
        (void)xbar_riscv_remove_breakpoint(breaks->hart, pc);
        *found = breaks->breaks[--breaks->count];
    }
}

bool gdb_breaks_has(const struct gdb_breaks *breaks, uint64_t pc,
                    enum gdb_break_owner owner)
{
    const struct gdb_break *found = find(breaks, pc);

    return found && (found->owners & owner);
}

void gdb_breaks_remove_all(struct gdb_breaks *breaks,
                           enum gdb_break_owner owner)
{
    for (size_t i = breaks->count; i-- > 0;) {
        gdb_breaks_remove(breaks, breaks->breaks[i].pc, owner);
    }
}

void gdb_breaks_free(struct gdb_breaks *breaks)
{
    free(breaks->breaks);
    breaks->breaks = NULL;
    breaks->count = breaks->room = 0;
}
