/* SPDX-License-Identifier: MIT */
/* The JIT engine: making its parts, and freeing them. */
#include "jit/riscv/jit.h"

#include <errno.h>

#include "engine/alloc.h"
#include "jit/host_fp.h"

/* Blocks that changed: 2 MiB, with their code, if all are of usual size. */
#define KEEP 2048

static struct xbar_engine *engine_of(const struct xbar_riscv_hart *hart)
{
    return xbar_address_space_engine(hart->config.as);
}

static int make_parts(struct xbar_riscv_hart *hart, struct riscv_jit *jit,
                      struct xbar_engine *engine)
{
    const struct xbar_jit_config config = {
        .engine = engine,
        .limit = hart->config.code_limit ? hart->config.code_limit
                                         : XBAR_RISCV_CODE_LIMIT,
        .fixed_size = jit_host__stubs_size(),
        .dropped = riscv__forget_block,
        .opaque = hart,
        .keep = KEEP,
    };
    int err = xbar_jit_new(&config, &jit->cache);

    if (err) {
        return err;
    }
    jit->cold = xbar_alloc(engine, jit_host__cold_size());
    jit->stubs = jit_host__make_stubs(
        engine, jit->cache, &riscv__jit_guest,
        (hart->config.stress & XBAR_RISCV_STRESS_BASELINE) != 0,
        riscv__counts_devices(hart), riscv__counts_pages(hart));
    return jit->cold != NULL && jit->stubs != NULL ? 0 : -ENOMEM;
}

static void free_parts(struct riscv_jit *jit, struct xbar_engine *engine)
{
    jit_host__free_stubs(engine, jit->stubs);
    xbar_free(engine, jit->cold, jit_host__cold_size());
    xbar_jit_free(jit->cache);
    xbar_free(engine, jit, sizeof(*jit));
}

/*
 * While a block is at work nothing else of this hart is: the cache can be asked,
 * and the budget is in its register. What it loses, the slice does. A region
 * gives its reserve back where it is left, and then nothing is left.
 */
void riscv__jit_cut_slice(struct xbar_riscv_hart *hart, void *context)
{
    struct riscv_jit *jit = hart->jit;
    const struct xbar_jit_block *block;
    int64_t *budget = NULL;
    const void *at = jit_host__interrupted(context, &budget);

    if (at == NULL || jit == NULL || hart->lockstep != NULL) {
        return;
    }
    block = xbar_jit_at(jit->cache, at);
    if (block == NULL || *budget + (int64_t)block->reserve <= 0) {
        return;
    }
    jit->slice -= (uint64_t)*budget + block->reserve;
    *budget = -(int64_t)block->reserve;
}

int riscv__jit_new(struct xbar_riscv_hart *hart)
{
    struct xbar_engine *engine = engine_of(hart);
    int err;

    if (!jit_host__supported()) {
        return -ENOTSUP;
    }
    hart->jit = xbar_alloc(engine, sizeof(*hart->jit));
    if (hart->jit == NULL) {
        return -ENOMEM;
    }
    err = make_parts(hart, hart->jit, engine);
    if (err) {
        free_parts(hart->jit, engine);
        hart->jit = NULL;
        return err;
    }
    riscv__code_keep(hart, true);
    riscv__start_pages(hart);
    xbar_jit_jumps_clear(&hart->jit_state.jumps);
    jit_host__forget_returns(&hart->jit_state);
    jit_host__fp_init(&hart->jit_state);
    hart->jit->fp_contexts = MODE_NO_CONTEXTS;
    hart->jit->asks_inexact = jit_host__fp_asks_inexact(hart->jit->stubs);
    return 0;
}

void riscv__jit_free(struct xbar_riscv_hart *hart)
{
    if (hart->jit != NULL) {
        riscv__code_keep(hart, false);
        free_parts(hart->jit, engine_of(hart));
        hart->jit = NULL;
    }
}
