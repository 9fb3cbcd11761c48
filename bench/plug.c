/* SPDX-License-Identifier: MIT */
/*
 * What an adapter adds to an exit of a KVM guest: the access, without the exit,
 * which costs 1 to 10 us.
 */
#include <linux/kvm.h>
#include <stdlib.h>
#include <xbar/jit/plug/kvm.h>

#include "bench.h"
#include "world.h"

struct exits {
    struct world *world;
    struct xbar_kvm *plug;
    struct kvm_run run;
    uint64_t operations;
    const char *wrong;
};

/* A machine that takes everything. */
static int no_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
    (void)opaque, (void)fd, (void)request, (void)argument;
    return 1;
}

static void *setup(int64_t is_write)
{
    struct exits *e = calloc(1, sizeof(*e));
    struct xbar_kvm_config config = { .ioctl = no_ioctl };

    if (e == NULL || (e->world = world_new(0)) == NULL) {
        return NULL;
    }
    config.as = &e->world->as;
    e->plug = xbar_kvm_new(&config, NULL);
    e->run.exit_reason = KVM_EXIT_MMIO;
    e->run.mmio.phys_addr = WORLD_DEV + 8;
    e->run.mmio.len = 4;
    e->run.mmio.is_write = is_write;
    return e->plug ? e : NULL;
}

static void run_exits(void *context, uint64_t operations)
{
    struct exits *e = context;
    bool ok = true;

    for (uint64_t i = 0; i < operations; i++) {
        ok &= xbar_kvm_exit(e->plug, &e->run);
    }
    e->operations += operations;
    if (!ok) {
        e->wrong = "an exit was not taken";
    }
}

static const char *check(void *context)
{
    struct exits *e = context;
    struct xbar_kvm_stats stats;

    xbar_kvm_get_stats(e->plug, &stats);
    return stats.exits != e->operations || stats.failed != 0
               ? "an access was not made"
               : e->wrong;
}

static void teardown(void *context)
{
    struct exits *e = context;

    xbar_kvm_free(e->plug);
    world_free(e->world);
    free(e);
}

#define ROW(label, is_write)                                              \
    {                                                                     \
        .name = label, .arg = is_write, .setup = setup, .run = run_exits, \
        .teardown = teardown, .check = check                              \
    }

static const struct bench rows[] = {
    ROW("plug/kvm_exit_load", 0),
    ROW("plug/kvm_exit_store", 1),
};

const struct bench_table bench_plug = BENCH_TABLE(rows);
