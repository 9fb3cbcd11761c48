/* SPDX-License-Identifier: MIT */
#include "trace/record.h"

static const struct trace_kind_info kinds[] = {
#define RECORD(id, code, name, is_timed, bytes, ...) \
    [code] = { name, is_timed, bytes, { __VA_ARGS__ } },
#include "record.inc"
#undef RECORD
};

const struct trace_kind_info *trace_kind_info(uint64_t code)
{
    return code < sizeof(kinds) / sizeof(kinds[0]) && kinds[code].name
               ? &kinds[code]
               : NULL;
}

/* CONSOLE is for whoever reads: the guest had it by DMA. */
bool trace_is_input(enum trace_kind kind)
{
    const struct trace_kind_info *info = trace_kind_info(kind);

    return info && info->is_timed && kind != TRACE_END && kind != TRACE_LINE &&
           kind != TRACE_CONSOLE;
}
