/* SPDX-License-Identifier: MIT */
#include "engine/lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Returns at once if the state is not 2 any more; and now and then anyway. */
static void sleep_while_taken(struct engine_lock *lock)
{
    syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

XBAR_COLD void lock__wait(struct engine_lock *lock)
{
    while (__atomic_exchange_n(&lock->state, 2, __ATOMIC_ACQUIRE) != 0) {
        sleep_while_taken(lock);
    }
}

XBAR_COLD void lock__wake(struct engine_lock *lock)
{
    syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
