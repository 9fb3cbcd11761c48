/* SPDX-License-Identifier: MIT */
/* Packets about tracepoints, and those that frames answer. */
#ifndef XBAR_GDB_TRACE_COMMANDS_H
#define XBAR_GDB_TRACE_COMMANDS_H

#include "packet.h"
#include "tracepoints.h"

/* What qSupported says of them. */
#define GDB_TRACE_FEATURES                               \
    "ConditionalTracepoints+;EnableDisableTracepoints+;" \
    "tracenz+;QTBuffer:size+;qXfer:traceframe-info:read+"

/* @args: behind QT or qT. @reply: left empty if there is no such packet. */
void gdb_trace_set(struct gdb_trace *trace, const char *args,
                   struct gdb_text *reply);
void gdb_trace_ask(struct gdb_trace *trace, const char *args,
                   struct gdb_text *reply);

/* What is in the frame that is selected; @args: offset, size. */
void gdb_trace_frame_info(struct gdb_trace *trace, const char *args,
                          struct gdb_text *reply);

#endif
