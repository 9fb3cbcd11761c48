/* SPDX-License-Identifier: MIT */
/*
 * gdb's remote protocol, the inner layer: what a packet asks of a hart that is
 * parked, and the answer. One hart, which is thread 1.
 */
#ifndef XBAR_GDB_COMMANDS_H
#define XBAR_GDB_COMMANDS_H

#include <xbar/xbar.h>

#include "control.h"
#include "packet.h"

/* Packets are executed with the control's lock. */
struct gdb_target {
    struct gdb_control *control;
    struct xbar_riscv_hart *hart;
    AddressSpace *as;
    const char *xml;
    size_t xml_length;
    bool is_physical;       /* addresses of memory are, in m, M and X */
    bool has_acks;          /* until the debugger wants none */
    struct gdb_text answer; /* of the monitor */
};

/* What is to be done, beside sending the answer. */
enum gdb_action {
    GDB_ANSWER,
    GDB_CONTINUE, /* no answer until it stops */
    GDB_STEP,     /* the same */
    GDB_DETACH,
    GDB_KILL,
};

/* @reply: cleared; left empty: the packet is not supported */
enum gdb_action gdb_execute(struct gdb_target *target,
                            const struct gdb_reader *packet,
                            struct gdb_text *reply);

/* Why it stopped. */
void gdb_put_stop(const struct gdb_target *target, struct gdb_text *reply);

/* monitor_commands.c: a line for qRcmd; the answer is text. */
void gdb_monitor(struct gdb_target *target, const char *line,
                 struct gdb_text *answer);

#endif
