/* SPDX-License-Identifier: MIT */
/* What the parts of xbar_bench_unicorn share. */
#ifndef XBAR_BENCH_PEERS_UNICORN_H
#define XBAR_BENCH_PEERS_UNICORN_H

#include <stdbool.h>

#include "../bench.h"

extern const struct bench_table bench_unicorn_run; /* unicorn_run.c */
#ifdef XBAR_BENCH_PLUG
extern const struct bench_table bench_unicorn_plug; /* unicorn_plug.c */
#endif

#endif
