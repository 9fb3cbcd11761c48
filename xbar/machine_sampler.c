/* SPDX-License-Identifier: MIT */
/*
 * Somebody looks on: a thread interrupts the hart's at equal times.
 *
 *   sampler's thread    SIGPROF, queued for the hart's thread, with the machine
 *   hart's thread       the handler has the run end at the block that it
 *                       interrupted; run_slice() asks sampler_is_due()
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "machine_internal.h"
#include "sampler.h"

/* The hart's thread stops where it is, and not where it would look up next. */
static void interrupt_hart(void *opaque)
{
    struct machine *machine = opaque;
    union sigval value = { .sival_ptr = machine };

    if (pthread_sigqueue(machine->hart_thread, SIGPROF, value)) {
        machine__call_hart(machine);
    }
}

static void on_interrupt(int number, siginfo_t *info, void *context)
{
    struct machine *machine = info->si_value.sival_ptr;

    (void)number;
    if (info->si_code == SI_QUEUE && info->si_pid == getpid()) {
        xbar_riscv_request_exit_here(machine->board->hart, context);
    }
}

int machine__start_sampler(struct machine *machine, Error **errp)
{
    struct sigaction action = { .sa_flags = SA_SIGINFO | SA_RESTART };
    sigset_t set;

    if (!machine->config.tick) {
        return 0;
    }
    action.sa_sigaction = on_interrupt;
    sigemptyset(&action.sa_mask);
    sigaction(SIGPROF, &action, &machine->old_action);
    sigemptyset(&set); /* who started us may have had it blocked */
    sigaddset(&set, SIGPROF);
    pthread_sigmask(SIG_UNBLOCK, &set, &machine->old_mask);
    machine->hart_thread = pthread_self();
    machine->sampler =
        sampler_start(machine->config.period_us, interrupt_hart, machine, errp);
    return machine->sampler ? 0 : -EIO;
}

/* What was sent arrived before its thread was joined. */
void machine__stop_sampler(struct machine *machine)
{
    sampler_stop(machine->sampler);
    machine->sampler = NULL;
    if (machine->config.tick) {
        pthread_sigmask(SIG_SETMASK, &machine->old_mask, NULL);
        sigaction(SIGPROF, &machine->old_action, NULL);
    }
}
