/* SPDX-License-Identifier: MIT */
#include "jit/riscv/debug.h"

#include "engine/rcu.h"
#include "jit/riscv/hart_internal.h"

/* Walks lead through a snapshot, and the hart need not be in its section. */
static uint64_t transfer(const struct xbar_riscv_hart *hart, uint64_t va,
                         void *buf, uint64_t len, bool is_write)
{
    uint64_t done;

    xbar_rcu_read_lock();
    done = tlb_debug_rw(&hart->tlb, riscv__walk_quietly, hart->fetch_context,
                        va, buf, len, is_write);
    xbar_rcu_read_unlock();
    return done;
}

bool xbar_riscv_debug_translate(const struct xbar_riscv_hart *hart, uint64_t va,
                                hwaddr *phys)
{
    struct xbar_tlb_walk walk;
    int code;

    xbar_rcu_read_lock();
    code = riscv__walk_quietly(hart->tlb.config.walk_opaque,
                               hart->fetch_context, va, TLB_READ, &walk);
    xbar_rcu_read_unlock();
    if (code == 0) {
        *phys = walk.phys + (va & ~TLB_PAGE_MASK);
    }
    return code == 0;
}

uint64_t xbar_riscv_debug_read(const struct xbar_riscv_hart *hart, uint64_t va,
                               void *buf, uint64_t len)
{
    return transfer(hart, va, buf, len, false);
}

uint64_t xbar_riscv_debug_write(struct xbar_riscv_hart *hart, uint64_t va,
                                const void *buf, uint64_t len)
{
    xbar_riscv_debug_synchronize(hart);
    return transfer(hart, va, (void *)buf, len, true);
}

void xbar_riscv_debug_synchronize(struct xbar_riscv_hart *hart)
{
    hart->debug.is_stale = true;
}
