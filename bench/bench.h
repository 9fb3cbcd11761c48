/* SPDX-License-Identifier: MIT */
/* The tables of benchmarks, one file an area; main.c registers them. */
#ifndef XBAR_BENCH_BENCH_H
#define XBAR_BENCH_BENCH_H

#include "gbench.h"

struct bench_table {
    const struct bench *rows;
    size_t count;
};

#define BENCH_TABLE(rows)                        \
    {                                            \
        (rows), sizeof(rows) / sizeof((rows)[0]) \
    }

extern const struct bench_table bench_floors;   /* floors.c */
extern const struct bench_table bench_access;   /* access.c */
extern const struct bench_table bench_tlb;      /* tlb.c */
extern const struct bench_table bench_emit;     /* emit.c */
extern const struct bench_table bench_flatview; /* flatview.c */
extern const struct bench_table bench_beside;   /* beside.c */
extern const struct bench_table bench_latency;  /* latency.c */
extern const struct bench_table bench_hart;     /* hart.c */
extern const struct bench_table bench_code;     /* code.c */
extern const struct bench_table bench_snapshot; /* snapshot.c */
#ifdef XBAR_BENCH_PLUG
extern const struct bench_table bench_plug; /* plug.c */
#endif
extern const struct bench_table bench_threads; /* threads.c */

/* Whose rows are made of a list of shapes or sizes. */
void bench_dispatch_register(void); /* dispatch.c */
void bench_regions_register(void);  /* regions.c */

#endif
