/* SPDX-License-Identifier: MIT */
/*
 * What emitted code calls for loads and stores that miss inline, and are not of
 * a device that it may call itself (struct jit_state: bare).
 *
 *     emitted code --stub--> the device's callback
 *                    |
 *                    +--> help_load --> load --> tlb_load_slow
 */
#include "jit/riscv/jit.h"
#include "jit/riscv/observe.h"

static const struct xbar_jit_block *
settle_site(struct xbar_riscv_hart *hart, const void *return_address,
            const struct xbar_jit_site **site)
{
    uint64_t counted = hart->stats.instructions;
    const struct xbar_jit_block *block =
        xbar_jit_recover(hart->jit->cache, return_address, site);

    xbar_assert(block != NULL);
    hart->stats.instructions = hart->jit->base + hart->jit->slice -
                               (uint64_t)hart->jit_state.budget -
                               riscv__unexecuted(block, *site);
    hart->jit->stats.instructions += hart->stats.instructions - counted;
    return block;
}

void riscv__settle_at(struct xbar_riscv_hart *hart, const void *return_address)
{
    const struct xbar_jit_site *site;

    (void)settle_site(hart, return_address, &site);
}

static uint64_t pc_at(const struct riscv_jit *jit, const void *return_address)
{
    const struct xbar_jit_site *site;
    const struct xbar_jit_block *block =
        xbar_jit_recover(jit->cache, return_address, &site);

    xbar_assert(block != NULL);
    return block->key.pc + site->pc_offset;
}

static struct riscv_asked_pc *asked_at(struct riscv_jit *jit,
                                       const void *return_address)
{
    uint64_t mixed = (uintptr_t)return_address * UINT64_C(0x9e3779b97f4a7c15);

    return &jit->asked[mixed >> (64 - RISCV_ASKED_BITS)];
}

/*
 * Callbacks may ask for the pc, which few do: so what is kept is where to look
 * for it. Those that do ask at each access, and few places access devices: so
 * what was found is kept, too. Code is reused only when a block went.
 */
uint64_t riscv__accessing_pc(const struct xbar_riscv_hart *hart)
{
    struct riscv_jit *jit = hart->jit;
    struct riscv_asked_pc *asked = asked_at(jit, jit->accessing);
    uint64_t dropped = xbar_jit_dropped(jit->cache);

    if (asked->at != jit->accessing || asked->dropped != dropped) {
        *asked = (struct riscv_asked_pc){ jit->accessing, dropped,
                                          pc_at(jit, jit->accessing) };
    }
    return asked->pc;
}

/* Only the deterministic clock counts instructions. */
static inline void settle_for_clock(struct xbar_riscv_hart *hart,
                                    const void *return_address)
{
    if (unlikely(hart->config.insns_per_tick != 0)) {
        riscv__settle_at(hart, return_address);
    }
}

/* Devices and faults leave entries that miss: nothing is learnt of those. */
static inline void learn_span(struct xbar_riscv_hart *hart,
                              enum xbar_tlb_access access, uint64_t va)
{
    if (tlb_probe(&hart->tlb, hart->data_context, va, 1, access) != NULL) {
        tlb_learn_span(&hart->tlb, hart->data_context, access,
                       hart->jit_state.span, va);
        riscv__follow_span(hart, access, hart->jit_state.span, va);
    }
}

/* 0, or the walker's word for a fault, is passed on as it is. */
static uint32_t load(struct xbar_riscv_hart *hart, uint64_t va,
                     unsigned size_log2)
{
    uint32_t failed;

    hart->jit->fault_cause = CAUSE_LOAD_ACCESS;
    failed = (uint32_t)tlb_load_slow(&hart->tlb, hart->data_context, va,
                                     size_log2, &hart->jit_state.value);
    learn_span(hart, TLB_READ, va);
    return failed;
}

static uint32_t store(struct xbar_riscv_hart *hart, uint64_t va,
                      unsigned size_log2, uint64_t value)
{
    uint32_t failed;

    hart->jit->fault_cause = CAUSE_STORE_ACCESS;
    failed = (uint32_t)tlb_store_slow(&hart->tlb, hart->data_context, va,
                                      size_log2, value);
    learn_span(hart, TLB_WRITE, va);
    return failed;
}

/*
 * The usual: nobody counts, observes or compares, and all there is to do is the
 * access. A plain device was called by emitted code; it does not come by here.
 */
static uint32_t help_load(void *vcpu, uint64_t va, unsigned size_log2,
                          const void *return_address)
{
    (void)return_address;
    return load(vcpu, va, size_log2);
}

static uint32_t help_store(void *vcpu, uint64_t va, unsigned size_log2,
                           const void *return_address, uint64_t value)
{
    (void)return_address;
    return store(vcpu, va, size_log2, value);
}

/* The TLB tells who observes, or the engine does. */
static uint32_t help_load_observed(void *vcpu, uint64_t va, unsigned size_log2,
                                   const void *return_address)
{
    struct xbar_riscv_hart *hart = vcpu;
    uint32_t failed;

    hart->jit->accessing = return_address;
    failed = load(hart, va, size_log2);
    hart->jit->accessing = NULL;
    return failed;
}

static uint32_t help_store_observed(void *vcpu, uint64_t va, unsigned size_log2,
                                    const void *return_address, uint64_t value)
{
    struct xbar_riscv_hart *hart = vcpu;
    uint32_t failed;

    hart->jit->accessing = return_address;
    failed = store(hart, va, size_log2, value);
    hart->jit->accessing = NULL;
    return failed;
}

static uint32_t help_load_watched(void *vcpu, uint64_t va, unsigned size_log2,
                                  const void *return_address)
{
    struct xbar_riscv_hart *hart = vcpu;
    bool failed;

    settle_for_clock(hart, return_address);
    hart->jit->fault_cause = CAUSE_LOAD_ACCESS;
    hart->jit->accessing = return_address;
    failed = tlb_load_slow(&hart->tlb, hart->data_context, va, size_log2,
                           &hart->jit_state.value) != 0;
    hart->jit->accessing = NULL;
    if (unlikely(hart->lockstep != NULL)) {
        riscv__lockstep_log(hart, va, TLB_READ, size_log2,
                            hart->jit_state.value, failed);
    }
    return failed;
}

static uint32_t help_store_watched(void *vcpu, uint64_t va, unsigned size_log2,
                                   const void *return_address, uint64_t value)
{
    struct xbar_riscv_hart *hart = vcpu;
    bool failed;

    settle_for_clock(hart, return_address);
    hart->jit->fault_cause = CAUSE_STORE_ACCESS;
    hart->jit->accessing = return_address;
    failed = tlb_store_slow(&hart->tlb, hart->data_context, va, size_log2,
                            value) != 0;
    hart->jit->accessing = NULL;
    if (unlikely(hart->lockstep != NULL)) {
        riscv__lockstep_log(hart, va, TLB_WRITE, size_log2, value, failed);
    }
    return failed;
}

/* The instruction at @return_address is in progress, for who is told. */
static void show_site(struct xbar_riscv_hart *hart, const void *return_address)
{
    const struct xbar_jit_site *site;
    const struct xbar_jit_block *block =
        settle_site(hart, return_address, &site);
    const struct instrument_block *shown = block->shown;

    hart->pc = block->key.pc + site->pc_offset;
    hart->shown->insn = &shown->insns[site->insn];
}

static uint32_t help_load_shown(void *vcpu, uint64_t va, unsigned size_log2,
                                const void *return_address)
{
    struct xbar_riscv_hart *hart = vcpu;
    int failed;

    show_site(hart, return_address);
    hart->jit->fault_cause = CAUSE_LOAD_ACCESS;
    failed = riscv__observed_load(hart, va, size_log2, &hart->jit_state.value);
    hart->shown->insn = NULL;
    learn_span(hart, TLB_READ, va);
    return failed != 0;
}

static uint32_t help_store_shown(void *vcpu, uint64_t va, unsigned size_log2,
                                 const void *return_address, uint64_t value)
{
    struct xbar_riscv_hart *hart = vcpu;
    int failed;

    show_site(hart, return_address);
    hart->jit->fault_cause = CAUSE_STORE_ACCESS;
    failed = riscv__observed_store(hart, va, size_log2, value);
    hart->shown->insn = NULL;
    learn_span(hart, TLB_WRITE, va);
    return failed != 0;
}

void riscv__choose_access_helpers(struct xbar_riscv_hart *hart)
{
    struct jit_helpers *helpers = &hart->jit_state.helpers;
    bool is_watched =
        hart->config.insns_per_tick != 0 || hart->lockstep != NULL;

    hart->jit_state.bare = false;
    if (hart->shown != NULL) {
        helpers->load = help_load_shown;
        helpers->store = help_store_shown;
    } else if (is_watched) {
        helpers->load = help_load_watched;
        helpers->store = help_store_watched;
    } else if (hart->tlb.config.observe != NULL || /* or it counts */
               hart->config.tells_pc) {
        helpers->load = help_load_observed;
        helpers->store = help_store_observed;
        hart->jit_state.bare =
            riscv__counts_devices(hart) && !hart->config.tells_pc;
    } else {
        helpers->load = help_load;
        helpers->store = help_store;
        hart->jit_state.bare = true;
    }
}
