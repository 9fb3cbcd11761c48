/* SPDX-License-Identifier: MIT */
#include "sampler.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "thread.h"

struct sampler {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool is_stopping; /* under the lock */
    long period_ns;
    void (*ask)(void *opaque);
    void *opaque;
    atomic_bool is_due;
};

/* On from @time, or from now if that is past: a stopped process has no samples
 * to make up for. */
static void next_time(struct timespec *time, long period_ns)
{
    struct timespec now;

    time->tv_nsec += period_ns;
    time->tv_sec += time->tv_nsec / 1000000000;
    time->tv_nsec %= 1000000000;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec > time->tv_sec ||
        (now.tv_sec == time->tv_sec && now.tv_nsec > time->tv_nsec)) {
        *time = now;
    }
}

static void *run_sampler(void *opaque)
{
    struct sampler *sampler = opaque;
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    pthread_mutex_lock(&sampler->lock);
    while (!sampler->is_stopping) {
        next_time(&time, sampler->period_ns);
        if (pthread_cond_timedwait(&sampler->stop, &sampler->lock, &time) ==
            ETIMEDOUT) {
            atomic_store(&sampler->is_due, true);
            sampler->ask(sampler->opaque);
        }
    }
    pthread_mutex_unlock(&sampler->lock);
    return NULL;
}

static int start_thread(struct sampler *sampler)
{
    pthread_mutex_init(&sampler->lock, NULL);
    thread_init_timed(&sampler->stop);
    return thread_start(&sampler->thread, run_sampler, sampler);
}

struct sampler *sampler_start(unsigned period_us, void (*ask)(void *opaque),
                              void *opaque, Error **errp)
{
    struct sampler *sampler = calloc(1, sizeof(*sampler));

    if (!sampler) {
        error_setg(errp, "no memory to take samples");
        return NULL;
    }
    sampler->period_ns = 1000L * period_us;
    sampler->ask = ask;
    sampler->opaque = opaque;
    if (start_thread(sampler)) {
        error_setg(errp, "no thread to take samples");
        free(sampler);
        return NULL;
    }
    return sampler;
}

void sampler_stop(struct sampler *sampler)
{
    if (!sampler) {
        return;
    }
    pthread_mutex_lock(&sampler->lock);
    sampler->is_stopping = true;
    pthread_cond_signal(&sampler->stop);
    pthread_mutex_unlock(&sampler->lock);
    pthread_join(sampler->thread, NULL);
    pthread_cond_destroy(&sampler->stop);
    pthread_mutex_destroy(&sampler->lock);
    free(sampler);
}

bool sampler_is_due(struct sampler *sampler)
{
    return sampler && atomic_exchange(&sampler->is_due, false);
}
