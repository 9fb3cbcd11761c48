/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints of a hart by whoever wants them: the debugger, to stop there, and
 * its tracepoints, to look and go on. Who has the hart has these.
 */
#ifndef XBAR_GDB_BREAKS_H
#define XBAR_GDB_BREAKS_H

#include <xbar/xbar.h>

enum gdb_break_owner {
    GDB_BREAK_DEBUGGER = 1,
    GDB_BREAK_TRACE = 2,
};

struct gdb_breaks {
    struct xbar_riscv_hart *hart;
    struct gdb_break {
        uint64_t pc;
        unsigned owners; /* of gdb_break_owner, or-ed */
    } * breaks;
    size_t count;
    size_t room;
};

/* gdb_breaks_add() - 0, also if it is there already; -ENOMEM */
int gdb_breaks_add(struct gdb_breaks *breaks, uint64_t pc,
                   enum gdb_break_owner owner);
/* gdb_breaks_remove() - one that is not there: nothing */
void gdb_breaks_remove(struct gdb_breaks *breaks, uint64_t pc,
                       enum gdb_break_owner owner);
bool gdb_breaks_has(const struct gdb_breaks *breaks, uint64_t pc,
                    enum gdb_break_owner owner);

/* gdb_breaks_remove_all() - those of @owner */
void gdb_breaks_remove_all(struct gdb_breaks *breaks,
                           enum gdb_break_owner owner);
void gdb_breaks_free(struct gdb_breaks *breaks);

#endif
