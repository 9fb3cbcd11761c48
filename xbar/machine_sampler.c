/* SPDX-License-Identifier: MIT */
/*
 * Somebody looks on: a timer interrupts the hart's thread at equal times.
 *
 *   kernel           SIGPROF for the hart's thread, with the machine; none while
 *                    the last one waits, so that nothing is made up for
 *   hart's thread    the handler has the run end at the block that it
 *                    interrupted; run_slice() asks machine__is_sample_due()
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "machine_internal.h"

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

static int start_timer(struct machine *machine)
{
    struct sigevent event = {
        .sigev_notify = SIGEV_THREAD_ID,
        .sigev_signo = SIGPROF,
        .sigev_value = { .sival_ptr = machine },
    };
    const struct timespec period = {
        .tv_sec = machine->config.period_us / 1000000,
        .tv_nsec = machine->config.period_us % 1000000 * 1000L,
    };
    const struct itimerspec times = { period, period };

    event.sigev_notify_thread_id = gettid();
    if (timer_create(CLOCK_MONOTONIC, &event, &machine->sampler)) {
        return -errno;
    }
    machine->is_sampled = true;
    return timer_settime(machine->sampler, 0, &times, NULL) ? -errno : 0;
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
