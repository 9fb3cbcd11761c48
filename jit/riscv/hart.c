/* SPDX-License-Identifier: MIT */
/*
 * The hart's life and its run loop.
 *
 *   xbar_riscv_run:
 *       enter the TLB
 *       +-> look up: attention, safe point, clock ---exit asked for---> leave
 *       |   budget used up? ------------------------------------------> leave
 *       |   take an interrupt
 *       |   wfi and none pending: skip time, or sleep outside the TLB --+
 *       |   engine runs one slice                                       |
 *       +---------------------------------------------------------------+
 *
 * How any thread gets the hart's attention. `attention` is a futex word:
 *
 *        hart, to sleep                      any thread, riscv__post()
 *     1  sleeping = 1                     A  change irq_lines, timecmp, ...
 *     2  futex_wait(attention == 0)       B  attention |= bit
 *     3  sleeping = 0                     C  if (sleeping) futex_wake
 *     4  bits = exchange(attention, 0)
 *     5  look at irq_lines, timecmp, ...
 *
 * 1 and B, C are sequentially consistent, and so is the kernel's comparison
 * in 2. If C reads 0, then B came before 1, so 2 finds attention set and does
 * not sleep; if it reads 1 the wake comes after 2 or makes 2 fail. B releases
 * A and 4 acquires it, so 5 sees what B announced. No lock: B and C are one
 * instruction and one system call, safe in a signal handler.
 */
#include "jit/riscv/hart.h"

#include "jit/riscv/hart_internal.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "engine/alloc.h"
#include "jit/riscv/observe.h"

#define HART_ALIGN 64

/* The longest single sleep keeps struct timespec in range. It is far too long
 * to paper over a wake-up that was lost. */
#define NS_PER_SECOND 1000000000u
#define MAX_SLEEP_NS  (3600ull * NS_PER_SECOND)

static_assert(sizeof(_Atomic uint32_t) == sizeof(uint32_t),
              "attention is a futex word");

/* ---- Attention --------------------------------------------------------- */

static void futex(_Atomic uint32_t *word, int op, uint32_t value,
                  const struct timespec *timeout)
{
    syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

void riscv__post(struct xbar_riscv_hart *hart, uint32_t attention)
{
    int saved_errno = errno;

    atomic_fetch_or(&hart->attention, attention);
    if (atomic_load(&hart->sleeping)) {
        futex(&hart->attention, FUTEX_WAKE_PRIVATE, 1, NULL);
    }
    errno = saved_errno;
}

void xbar_riscv_request_exit(struct xbar_riscv_hart *hart)
{
    riscv__post(hart, ATTN_EXIT);
}

void xbar_riscv_request_exit_here(struct xbar_riscv_hart *hart, void *context)
{
    riscv__jit_cut_slice(hart, context);
    riscv__post(hart, ATTN_HERE);
}

void xbar_riscv_set_irq(struct xbar_riscv_hart *hart, enum xbar_riscv_irq line,
                        bool level)
{
    uint64_t bit = (unsigned)line < 64 ? (uint64_t)1 << line : 0;

    bit &= MIP_ALL & ~MIP_MTIP; /* the timer's is the comparator's */
    if (!level) {
        atomic_fetch_and(&hart->irq_lines, ~bit);
    } else if (bit & ~atomic_fetch_or(&hart->irq_lines, bit)) {
        riscv__post(hart, ATTN_IRQ);
    }
}

/* The TLB's kick: a sleeping hart is outside of it, and drains on waking. */
static void attend_tlb(void *opaque)
{
    struct xbar_riscv_hart *hart = opaque;

    atomic_fetch_or(&hart->attention, ATTN_TLB);
}

/* ---- Life cycle -------------------------------------------------------- */

static int init_tlb(struct xbar_riscv_hart *hart)
{
    const struct xbar_tlb_config config = {
        .as = hart->config.as,
        .walk = riscv__walk,
        .walk_opaque = hart,
        .observe = hart->config.observe,
        .observe_opaque = hart->config.observe_opaque,
        .counts = hart->config.counts,
        .device = hart->config.device != NULL ? riscv__device_told : NULL,
        .device_opaque = hart,
        .ticks = hart->config.ticks,
        .one_entry = (hart->config.stress & XBAR_RISCV_STRESS_TLB) != 0,
        .eager_spans = (hart->config.stress & XBAR_RISCV_STRESS_SPAN) != 0,
        .no_spans = (hart->config.stress & XBAR_RISCV_STRESS_NO_SPAN) != 0,
        .holds_code = riscv__code_is_watched,
        .code_written = riscv__code_written,
        .code_opaque = hart,
        .kick = attend_tlb,
        .kick_opaque = hart,
    };

    return tlb_init(&hart->tlb, &config);
}

struct xbar_riscv_hart *xbar_riscv_new(const struct xbar_riscv_config *config)
{
    struct xbar_engine *engine;
    struct xbar_riscv_hart *hart;

    if (!config->as) {
        return NULL;
    }
    engine = xbar_address_space_engine(config->as);
    hart = xbar_alloc_aligned(engine, sizeof(*hart), HART_ALIGN);
    if (!hart) {
        return NULL;
    }
    hart->config = *config;
    riscv__clock_init(hart);
    if (init_tlb(hart) != 0) {
        xbar_free(engine, hart, sizeof(*hart));
        return NULL;
    }
    if (riscv__observe_new(hart) != 0) {
        tlb_destroy(&hart->tlb);
        xbar_free(engine, hart, sizeof(*hart));
        return NULL;
    }
    riscv__code_join(hart);
    xbar_riscv_reset(hart);
    return hart;
}

static void drop_engine(struct xbar_riscv_hart *hart)
{
    riscv__lockstep_free(hart);
    riscv__jit_free(hart);
}

static bool is_running(const struct xbar_riscv_hart *hart)
{
    return atomic_load(&hart->runner) != 0;
}

void xbar_riscv_free(struct xbar_riscv_hart *hart)
{
    if (!hart || is_running(hart)) {
        return;
    }
    drop_engine(hart);
    riscv__observe_free(hart);
    riscv__code_leave(hart);
    tlb_destroy(&hart->tlb);
    riscv__debug_free(hart);
    xbar_free(xbar_address_space_engine(hart->config.as), hart, sizeof(*hart));
}

bool xbar_riscv_has_jit(void)
{
    return jit_host__supported();
}

int xbar_riscv_set_engine(struct xbar_riscv_hart *hart,
                          enum xbar_riscv_engine engine)
{
    bool was_translating = hart->jit != NULL;
    int err = 0;

    if (is_running(hart)) {
        return -EBUSY;
    }
    if (engine == XBAR_RISCV_INTERP) {
        drop_engine(hart);
        return 0;
    }
    if (engine == XBAR_RISCV_LOCKSTEP && hart->observer != NULL) {
        return -ENOTSUP; /* who would be told what, and how often? */
    }
    if (engine == XBAR_RISCV_JIT) {
        riscv__lockstep_free(hart);
    }
    if (!was_translating) {
        err = riscv__jit_new(hart);
    }
    if (err == 0 && engine == XBAR_RISCV_LOCKSTEP && !hart->lockstep) {
        err = riscv__lockstep_new(hart);
        if (err && !was_translating) {
            riscv__jit_free(hart);
        }
    }
    if (hart->jit != NULL) {
        riscv__jit_choose_helpers(hart);
    }
    return err;
}

static void reset(struct xbar_riscv_hart *hart)
{
    memset(hart->x, 0, sizeof(hart->x));
    memset(hart->f, 0, sizeof(hart->f));
    hart->x[10] = hart->config.hartid;
    hart->pc = hart->config.reset_pc;
    hart->priv = PRIV_M;
    hart->waiting = false;
    hart->debug.at_break = false;
    hart->reservation.valid = false;
    riscv__csr_reset(hart);
    riscv__update_contexts(hart);
    atomic_store(&hart->timecmp, UINT64_MAX);
    tlb_set_asid(&hart->tlb, 0);
    riscv__flush_tlb(hart);
    riscv__jit_flush(hart);
}

/* A callback is in the middle of an instruction, maybe of a block. */
void xbar_riscv_reset(struct xbar_riscv_hart *hart)
{
    if (is_running(hart)) {
        riscv__post(hart, ATTN_RESET);
    } else {
        reset(hart);
    }
}

/* ---- Waiting ----------------------------------------------------------- */

/* Sections may go from here on. */
static void leave_tlb(struct xbar_riscv_hart *hart)
{
    riscv__settle_devices(hart);
    tlb_leave(&hart->tlb);
}

static void sleep_until_attention(struct xbar_riscv_hart *hart, uint64_t ns)
{
    struct timespec timeout = { .tv_sec = 0 };

    if (ns > MAX_SLEEP_NS) {
        ns = MAX_SLEEP_NS;
    }
    timeout.tv_sec = (time_t)(ns / NS_PER_SECOND);
    timeout.tv_nsec = (long)(ns % NS_PER_SECOND);
    hart->stats.wfi_sleeps++;
    leave_tlb(hart);
    atomic_store(&hart->sleeping, 1);
    futex(&hart->attention, FUTEX_WAIT_PRIVATE, 0, &timeout);
    atomic_store(&hart->sleeping, 0);
    tlb_enter(&hart->tlb);
}

/*
 * wfi ends when an enabled interrupt is pending, even if it cannot be taken.
 * Returns sooner or later with or without one; the run loop comes back.
 */
static void wait_for_interrupt(struct xbar_riscv_hart *hart)
{
    if ((riscv__mip(hart) & hart->mie) || riscv__clock_skip(hart)) {
        hart->waiting = false;
        return;
    }
    sleep_until_attention(hart, riscv__clock_wait_ns(hart));
}

/* ---- Running ----------------------------------------------------------- */

/* Once a slice: forget what RCU and the clock said. Returns the attention
 * bits, which are off then. */
static uint32_t look_up(struct xbar_riscv_hart *hart)
{
    uint32_t attention = atomic_exchange(&hart->attention, 0);

    riscv__settle_devices(hart);
    tlb_safepoint(&hart->tlb);
    if (unlikely(hart->observer != NULL)) {
        riscv__observe_sync(hart);
    }
    if (unlikely(attention & ATTN_RESET)) {
        reset(hart);
    }
    riscv__clock_poll(hart);
    hart->calm = (attention & ~ATTN_HERE) == 0 ? hart->calm + 1 : 0;
    atomic_store_explicit(&hart->retired_seen, hart->stats.instructions,
                          memory_order_release);
    return attention;
}

static enum riscv_stop run_engine(struct xbar_riscv_hart *hart, uint64_t left)
{
    uint64_t slice = riscv__clock_slice(hart);

    if (slice > left) {
        slice = left;
    }
    return hart->jit ? riscv__jit_run(hart, slice)
                     : riscv__interpret(hart, slice);
}

/* False: at a breakpoint. */
static bool run_slice(struct xbar_riscv_hart *hart, uint64_t left)
{
    enum riscv_stop stop = RISCV_STOP_BUDGET;
    bool is_done = false;

    hart->slice_traps = 0;
    if (unlikely(hart->debug.at_break)) {
        stop = riscv__pass_break(hart, &is_done);
    }
    if (!is_done) {
        stop = run_engine(hart, left);
    }
    hart->waiting = stop == RISCV_STOP_WFI;
    return stop != RISCV_STOP_BREAK;
}

/* Is there a hit to report? It is, by this. */
static bool take_hit(struct xbar_riscv_hart *hart)
{
    bool has_hit = hart->debug.has_hit;

    hart->debug.has_hit = false;
    return has_hit;
}

static bool is_exit_asked(uint32_t attention)
{
    return (attention & (ATTN_EXIT | ATTN_HERE)) != 0;
}

static enum xbar_riscv_exit run_until(struct xbar_riscv_hart *hart,
                                      uint64_t end)
{
    while (!is_exit_asked(look_up(hart)) && !xbar_riscv_mismatch(hart)) {
        uint64_t left = end - hart->stats.instructions;

        if (unlikely(take_hit(hart))) {
            return XBAR_RISCV_EXIT_WATCH;
        }
        if (left == 0) {
            return XBAR_RISCV_EXIT_BUDGET;
        }
        riscv__take_interrupt(hart);
        if (hart->waiting) {
            wait_for_interrupt(hart);
        } else if (!run_slice(hart, left)) {
            riscv__note_break(hart);
            return XBAR_RISCV_EXIT_BREAK;
        }
    }
    return xbar_riscv_mismatch(hart) ? XBAR_RISCV_EXIT_MISMATCH
                                     : XBAR_RISCV_EXIT_REQUEST;
}

/* False: a callback's mistake, it runs. */
static bool begin_run(struct xbar_riscv_hart *hart)
{
    uintptr_t nobody = 0;

    if (!atomic_compare_exchange_strong(&hart->runner, &nobody,
                                        (uintptr_t)pthread_self())) {
        return false;
    }
    riscv__observe_online(hart);
    tlb_enter(&hart->tlb);
    riscv__debug_begin(hart);
    return true;
}

static void end_run(struct xbar_riscv_hart *hart)
{
    riscv__settle_pages(hart);
    leave_tlb(hart);
    riscv__observe_offline(hart);
    atomic_store(&hart->runner, 0);
}

enum xbar_riscv_exit xbar_riscv_run(struct xbar_riscv_hart *hart,
                                    uint64_t max_insns)
{
    uint64_t start = hart->stats.instructions;
    uint64_t end =
        max_insns > UINT64_MAX - start ? UINT64_MAX : start + max_insns;
    enum xbar_riscv_exit reason;

    if (!begin_run(hart)) {
        return XBAR_RISCV_EXIT_REQUEST;
    }
    reason = run_until(hart, end);
    end_run(hart);
    return reason;
}

/* ---- One step ---------------------------------------------------------- */

static enum xbar_riscv_exit step(struct xbar_riscv_hart *hart,
                                 bool takes_interrupts)
{
    do {
        if (is_exit_asked(look_up(hart))) {
            return XBAR_RISCV_EXIT_REQUEST;
        }
        if (xbar_riscv_mismatch(hart)) {
            return XBAR_RISCV_EXIT_MISMATCH;
        }
        if (takes_interrupts && riscv__take_interrupt(hart)) {
            return XBAR_RISCV_EXIT_BUDGET;
        }
        hart->waiting = false;
    } while (riscv__step_one(hart) == RISCV_STOP_ATTENTION);
    return take_hit(hart) ? XBAR_RISCV_EXIT_WATCH : XBAR_RISCV_EXIT_BUDGET;
}

enum xbar_riscv_exit xbar_riscv_step(struct xbar_riscv_hart *hart,
                                     bool takes_interrupts)
{
    enum xbar_riscv_exit reason = XBAR_RISCV_EXIT_REQUEST;

    if (begin_run(hart)) {
        reason = step(hart, takes_interrupts);
        end_run(hart);
    }
    return reason;
}
