/* SPDX-License-Identifier: MIT */
/* What the program's own threads have in common. */
#ifndef XBAR_THREAD_H
#define XBAR_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <time.h>

/* thread_start() - pthread_create(); signals are for the console's thread, and
 * so this one gets none. Return: 0; -errno. */
static inline int thread_start(pthread_t *thread, void *(*run)(void *opaque),
                               void *opaque)
{
    sigset_t all;
    sigset_t old;
    int ret;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    ret = pthread_create(thread, NULL, run, opaque);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -ret;
}

/* thread_init_timed() - a condition that is waited for until a time of
 * CLOCK_MONOTONIC */
static inline void thread_init_timed(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

#endif
