/* SPDX-License-Identifier: MIT */
/*
 * Somebody looks on: a timer interrupts the hart's thread now and then.
 *
 *   kernel           SIGPROF for the hart's thread, with the machine, once
 *   hart's thread    the handler has the run end at the block that it
 *                    interrupted; run_slice() asks machine__is_sample_due(), and
 *                    for the next one when that is done with, so that at most
 *                    one waits for a hart that stands
 *
 * Times are random. A guest does much by the clock: what it does every 4 ms would
 * be in each sample or in none, if those came every 4 ms. From half a period to
 * one and a half, each phase of what has that period, or a fraction of it, is as
 * likely as any other.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host_clock.h"
#include "machine_internal.h"
#include "xorshift.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid /* glibc before 2.37 */
#endif

/* The hart's thread stops where it is, and not where it would look up next. */
static void on_interrupt(int number, siginfo_t *info, void *context)
{
    struct machine *machine = info->si_value.sival_ptr;

    (void)number;
    if (info->si_code == SI_TIMER) {
        atomic_store(&machine->is_sample_due, true);
        xbar_riscv_request_exit_here(machine->board->hart, context);
    }
}

static int set_timer(struct machine *machine, unsigned period_us)
{
    uint64_t period = period_us * UINT64_C(1000);
    uint64_t ns = period / 2 + xorshift_next(&machine->random) % period;
    const struct itimerspec times = {
        .it_value = { .tv_sec = (time_t)(ns / 1000000000),
                      .tv_nsec = (long)(ns % 1000000000) },
    };

    return timer_settime(machine->sampler, 0, &times, NULL) ? -errno : 0;
}

static int start_timer(struct machine *machine)
{
    struct sigevent event = {
        .sigev_notify = SIGEV_THREAD_ID,
        .sigev_signo = SIGPROF,
        .sigev_value = { .sival_ptr = machine },
    };

    event.sigev_notify_thread_id = gettid();
    if (timer_create(CLOCK_MONOTONIC, &event, &machine->sampler)) {
        return -errno;
    }
    machine->is_sampled = true;
    machine->random = host_clock_ns(CLOCK_MONOTONIC) | 1;
    return set_timer(machine, machine->config.period_us);
}

int machine__start_sampler(struct machine *machine, Error **errp)
{
    struct sigaction action = { .sa_flags = SA_SIGINFO | SA_RESTART };
    sigset_t set;
    int ret;

    if (!machine->config.tick) {
        return 0;
    }
    action.sa_sigaction = on_interrupt;
    sigemptyset(&action.sa_mask);
    sigaction(SIGPROF, &action, &machine->old_action);
    sigemptyset(&set); /* who started us may have had it blocked */
    sigaddset(&set, SIGPROF);
    pthread_sigmask(SIG_UNBLOCK, &set, &machine->old_mask);
    ret = start_timer(machine);
    if (ret) {
        error_setg(errp, "no timer to take samples: %s", strerror(-ret));
    }
    return ret;
}

/* What was sent arrives before the call that ends it returns. */
void machine__stop_sampler(struct machine *machine)
{
    if (machine->is_sampled) {
        timer_delete(machine->sampler);
        machine->is_sampled = false;
    }
    if (machine->config.tick) {
        pthread_sigmask(SIG_SETMASK, &machine->old_mask, NULL);
        sigaction(SIGPROF, &machine->old_action, NULL);
    }
}

bool machine__is_sample_due(struct machine *machine)
{
    return atomic_load_explicit(&machine->is_sample_due,
                                memory_order_relaxed) &&
           atomic_exchange(&machine->is_sample_due, false);
}

void machine__ask_for_sample(struct machine *machine, unsigned period_us)
{
    (void)set_timer(machine, period_us); /* it was set before: it is valid */
}
