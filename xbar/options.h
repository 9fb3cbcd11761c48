/* SPDX-License-Identifier: MIT */
/* The command line. */
#ifndef XBAR_OPTIONS_H
#define XBAR_OPTIONS_H

#include <xbar/xbar.h>

#include "board.h"
#include "virtio/config.h"

enum command {
    COMMAND_RUN,
    COMMAND_PROFILE,
    COMMAND_TRACE, /* the last that has a guest */
    COMMAND_MTREE,
    COMMAND_REPLAY, /* the last with options */
    COMMAND_HELP,
    COMMAND_VERSION,
};

#define OPTIONS_SYMBOLS 8 /* files */

/* What `profile` looks at; more costs more. report.json has them in order. */
enum measure {
    MEASURE_COUNTS = 1 << 0,  /* instructions, blocks, accesses by region */
    MEASURE_LATENCY = 1 << 1, /* what each access to a device takes */
    MEASURE_PAGES = 1 << 2,   /* accesses by page of RAM */
    MEASURE_SAMPLES = 1 << 3, /* where it is, some 250 times a second */
    MEASURE_ALL = (1 << 4) - 1,
};

/* Strings belong to argv. */
struct options {
    enum command command;
    enum command topic; /* of COMMAND_HELP: one that help is about, or all */
    const char *bios;
    const char *kernel;
    const char *initrd;
    const char *append;
    const char *dtb;
    const char *dump_dtb;
    const char *output; /* NULL: the default folder or file */
    const char *trace;  /* to replay */
    unsigned measure;   /* enum measure */
    const char *symbols[OPTIONS_SYMBOLS];
    unsigned num_symbols;
    bool perf;
    uint64_t memory; /* bytes */
    const char *gdb; /* where a debugger connects; NULL: nowhere */
    bool gdb_waits;
    struct execution execution;
    struct virtio_config virtio;
    unsigned mtree; /* enum xbar_mtree_flags */
    bool json;
    bool dot;
};

/*
 * options_parse() - read @argv; nothing is opened yet
 *
 * Return: 0; -EINVAL with @errp set.
 */
int options_parse(struct options *options, int argc, char **argv, Error **errp)
    XBAR_MUST_CHECK;

/* options_engine_name() - as --engine takes it */
const char *options_engine_name(enum xbar_riscv_engine engine);

/* options_print_help() - @topic and its options; COMMAND_HELP: all of them */
void options_print_help(FILE *out, enum command topic);

#endif
