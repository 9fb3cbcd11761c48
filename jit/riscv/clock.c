/* SPDX-License-Identifier: MIT */
/*
 * Time: `time` = source + offset, MTIP while time >= timecmp, and with Sstc
 * STIP while time >= stimecmp.
 *
 *   source          from                         wfi             exact?
 *   deterministic   instructions retired         skips ahead     always
 *                     / insns_per_tick           (offset grows)
 *   host            CLOCK_MONOTONIC scaled       sleeps          when polled
 *                     to the timebase: on the
 *                     runner's thread by
 *                     host_clock.h
 *
 * In deterministic mode the run loop asks for a slice that ends at the very
 * instruction after which the comparator fires, so the interrupt comes there
 * in every run and every engine. In host time the clock is polled once a
 * slice, and between two polls mip shows the time of the last.
 *
 * Other threads may ask for the time and move it. Deterministic time is then
 * that of the hart's last safe point: what it is executing just now has no
 * defined relation to another thread.
 */
#include "jit/riscv/hart_internal.h"

#include <pthread.h>

#define DEFAULT_TIMEBASE_HZ 10000000
#define NS_PER_SECOND       1000000000u

/* ticks = ns * mult >> CLOCK_SHIFT: exact to 1 in 10^14 at 10 MHz, and with
 * room for a timebase of 1 THz. */
#define CLOCK_SHIFT     54
#define MAX_TIMEBASE_HZ ((uint64_t)1000 * NS_PER_SECOND)

/* Instructions between two looks at host time: 40 us of interpreter, 5 to 20 us
 * of translated code. The second is also what slices of deterministic time are
 * cut to, so that grace periods pass. A hart of which nobody wanted anything for
 * a while is looked after less often: the end of a slice takes as long as some
 * hundreds of instructions, and a hot loop is left for it. */
#define INTERP_SLICE 4096
#define MAX_SLICE    16384
#define CALM_SLICE   65536
#define CALM         16 /* slices without attention */

__extension__ typedef unsigned __int128 riscv_u128;

static bool is_deterministic(const struct xbar_riscv_hart *hart)
{
    return hart->config.insns_per_tick != 0;
}

/* ---- Sources ----------------------------------------------------------- */

static uint64_t ticks_of(const struct riscv_clock *clock, uint64_t host_ns)
{
    uint64_t ns = host_ns - clock->base_ns;

    return (uint64_t)((riscv_u128)ns * clock->mult >> CLOCK_SHIFT);
}

void riscv__clock_init(struct xbar_riscv_hart *hart)
{
    struct xbar_riscv_config *config = &hart->config;

    if (config->timebase_hz == 0) {
        config->timebase_hz = DEFAULT_TIMEBASE_HZ;
    }
    if (config->timebase_hz > MAX_TIMEBASE_HZ) {
        config->timebase_hz = MAX_TIMEBASE_HZ;
    }
    host_clock__init(&hart->clock.host);
    hart->clock.base_ns = host_clock__system_ns();
    hart->clock.mult =
        (uint64_t)(((riscv_u128)config->timebase_hz << CLOCK_SHIFT) /
                   NS_PER_SECOND);
    atomic_store(&hart->timecmp, UINT64_MAX);
}

static bool is_runner(const struct xbar_riscv_hart *hart)
{
    return atomic_load_explicit(&hart->runner, memory_order_relaxed) ==
           (uintptr_t)pthread_self();
}

/* Instructions retired, as any thread may know them. */
static uint64_t retired_insns(const struct xbar_riscv_hart *hart)
{
    if (is_runner(hart)) {
        return hart->stats.instructions;
    }
    return atomic_load_explicit(&hart->retired_seen, memory_order_acquire);
}

uint64_t xbar_riscv_clock_ns(struct xbar_riscv_hart *hart)
{
    return is_runner(hart) ? host_clock__ns(&hart->clock.host)
                           : host_clock__system_ns();
}

/*
 * The runner's clock is its own, and may be a little behind what another
 * thread was told; but what was made from that is never undone.
 */
static uint64_t host_ticks(struct xbar_riscv_hart *hart)
{
    uint64_t ticks = ticks_of(&hart->clock, xbar_riscv_clock_ns(hart));
    uint64_t floor =
        atomic_load_explicit(&hart->time_floor, memory_order_relaxed);

    return ticks > floor ? ticks : floor;
}

static uint64_t source_ticks(struct xbar_riscv_hart *hart)
{
    return is_deterministic(hart)
               ? retired_insns(hart) / hart->config.insns_per_tick
               : host_ticks(hart);
}

/* ---- Time and comparator ----------------------------------------------- */

static uint64_t timecmp(const struct xbar_riscv_hart *hart)
{
    return atomic_load_explicit(&hart->timecmp, memory_order_acquire);
}

/* UINT64_MAX, which is never, unless it drives STIP. */
static uint64_t supervisor_timecmp(const struct xbar_riscv_hart *hart)
{
    return hart->menvcfg & ENVCFG_STCE ? hart->stimecmp : UINT64_MAX;
}

/*
 * The offset is read first, and with it the floor: it may have been made from
 * another thread's look at the clock, and ours must not be the earlier one, or
 * the time that was set to 0 would be just below 2^64 for a moment.
 */
uint64_t xbar_riscv_time(struct xbar_riscv_hart *hart)
{
    uint64_t offset =
        atomic_load_explicit(&hart->time_offset, memory_order_acquire);

    return offset + source_ticks(hart);
}

void riscv__clock_poll(struct xbar_riscv_hart *hart)
{
    if (!is_deterministic(hart)) {
        hart->clock.time = xbar_riscv_time(hart);
    }
}

/* On the hart's thread. As of the last poll, in host time. */
static uint64_t time_polled(const struct xbar_riscv_hart *hart)
{
    if (!is_deterministic(hart)) {
        return hart->clock.time;
    }
    return atomic_load_explicit(&hart->time_offset, memory_order_relaxed) +
           hart->stats.instructions / hart->config.insns_per_tick;
}

uint64_t riscv__time(struct xbar_riscv_hart *hart)
{
    riscv__clock_poll(hart);
    return time_polled(hart);
}

uint64_t riscv__timer_lines(struct xbar_riscv_hart *hart)
{
    uint64_t machine = timecmp(hart);
    uint64_t supervisor = supervisor_timecmp(hart);
    uint64_t lines = 0;
    uint64_t now;

    if (machine == UINT64_MAX && supervisor == UINT64_MAX) {
        return 0; /* do not even look at the clock */
    }
    now = time_polled(hart);
    if (machine != UINT64_MAX && now >= machine) {
        lines |= MIP_MTIP;
    }
    if (supervisor != UINT64_MAX && now >= supervisor) {
        lines |= MIP_STIP;
    }
    return lines;
}

/* The hart polls before its next instruction, or soon if another thread's. */
void xbar_riscv_set_time(struct xbar_riscv_hart *hart, uint64_t time)
{
    uint64_t source = source_ticks(hart);

    atomic_store_explicit(&hart->time_floor, source, memory_order_relaxed);
    atomic_store_explicit(&hart->time_offset, time - source,
                          memory_order_release);
    riscv__post(hart, ATTN_TIMER);
}

void xbar_riscv_set_timecmp(struct xbar_riscv_hart *hart, uint64_t ticks)
{
    atomic_store_explicit(&hart->timecmp, ticks, memory_order_release);
    riscv__post(hart, ATTN_TIMER);
}

/* ---- For the run loop -------------------------------------------------- */

/* From now to the first comparator that has not fired yet. */
static uint64_t ticks_to_fire(const struct xbar_riscv_hart *hart)
{
    const uint64_t compare[] = { timecmp(hart), supervisor_timecmp(hart) };
    uint64_t now = time_polled(hart);
    uint64_t ticks = UINT64_MAX;

    for (unsigned i = 0; i < 2; i++) {
        if (compare[i] > now && compare[i] - now < ticks) {
            ticks = compare[i] - now;
        }
    }
    return ticks;
}

uint64_t riscv__clock_slice(struct xbar_riscv_hart *hart)
{
    uint64_t per_tick = hart->config.insns_per_tick;
    uint64_t ticks, insns;

    if (!is_deterministic(hart)) {
        uint64_t slice = hart->calm < CALM ? MAX_SLICE : CALM_SLICE;

        return hart->jit != NULL ? slice : INTERP_SLICE;
    }
    ticks = ticks_to_fire(hart);
    if (ticks > MAX_SLICE) {
        return MAX_SLICE;
    }
    insns = ticks * per_tick - hart->stats.instructions % per_tick;
    return insns < MAX_SLICE ? insns : MAX_SLICE;
}

/* When a comparator wakes a wfi, which may be past; UINT64_MAX: never. */
static uint64_t wake_time(const struct xbar_riscv_hart *hart)
{
    uint64_t machine = hart->mie & MIP_MTIP ? timecmp(hart) : UINT64_MAX;
    uint64_t supervisor =
        hart->mie & MIP_STIP ? supervisor_timecmp(hart) : UINT64_MAX;

    return machine < supervisor ? machine : supervisor;
}

bool riscv__clock_skip(struct xbar_riscv_hart *hart)
{
    uint64_t now = time_polled(hart);
    uint64_t compare = wake_time(hart);

    if (!is_deterministic(hart) || compare == UINT64_MAX) {
        return false;
    }
    if (compare > now) {
        atomic_fetch_add_explicit(&hart->time_offset, compare - now,
                                  memory_order_acq_rel);
    }
    return true;
}

uint64_t riscv__clock_wait_ns(struct xbar_riscv_hart *hart)
{
    uint64_t hz = hart->config.timebase_hz;
    uint64_t now = riscv__time(hart);
    uint64_t compare = wake_time(hart);
    riscv_u128 ns;

    if (is_deterministic(hart) || compare == UINT64_MAX) {
        return UINT64_MAX;
    }
    if (compare <= now) {
        return 0;
    }
    ns = ((riscv_u128)(compare - now) * NS_PER_SECOND + hz - 1) / hz;
    return ns < UINT64_MAX ? (uint64_t)ns : UINT64_MAX;
}
