/* SPDX-License-Identifier: MIT */
/*
 * Translated code as perf's jitdump: with its bytes, so that perf annotate shows
 * them, and by guest function.
 *
 *     perf record -k mono xbar profile --perf -o DIR
 *     perf inject --jit -i perf.data -o perf.jit.data
 *     perf report -i perf.jit.data
 *
 * perf record learns of the file by its being mapped executable; what is in it
 * is written at the end of the run.
 */
#ifndef XBAR_PROFILE_JITDUMP_H
#define XBAR_PROFILE_JITDUMP_H

#include <xbar/xbar.h>

struct jitdump {
    FILE *file;     /* NULL: none */
    char *path;     /* its name */
    int error;      /* the first, positive: what came later is not in it */
    void *mark;     /* the mapping that perf sees */
    uint64_t start; /* when it was opened, on the monotonic clock */
    uint64_t index; /* of the next block */
};

/* jitdump_open() - make jit-PID.dump in @dir, which may be closed by itself.
 * Return: 0; -errno with @errp. */
int jitdump_open(struct jitdump *dump, const char *dir, Error **errp)
    XBAR_MUST_CHECK;

/* jitdump_add() - @block, under @name */
void jitdump_add(struct jitdump *dump, const struct xbar_riscv_block *block,
                 const char *name);

/* jitdump_close() - nothing without a file. One that is not complete is removed,
 * if it is a regular one. Return: 0; -errno with @errp set. */
int jitdump_close(struct jitdump *dump, Error **errp);

#endif
