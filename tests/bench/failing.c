/* SPDX-License-Identifier: MIT */
/* Benchmarks that must not give a figure, and one that must. */
#include "gbench.h"

static void run(void *context, uint64_t operations)
{
    (void)context;
    while (operations--) {
        bench_use(operations);
    }
}

static void *setup_fails(int64_t arg)
{
    (void)arg;
    return NULL;
}

static const char *check_fails(void *context)
{
    (void)context;
    return "the sum is wrong";
}

static const char *check_passes(void *context)
{
    (void)context;
    return NULL;
}

static const struct bench rows[] = {
    { .name = "floors/wrong_result", .run = run, .check = check_fails },
    { .name = "floors/no_setup", .run = run, .setup = setup_fails },
    { .name = "floors/right_result", .run = run, .check = check_passes },
};

int main(int argc, char **argv)
{
    gbench_register(rows, sizeof(rows) / sizeof(rows[0]));
    return gbench_main(argc, argv);
}
