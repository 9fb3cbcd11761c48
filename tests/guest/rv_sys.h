/* SPDX-License-Identifier: MIT */
/*
 * Linux system calls for the RV64 programs of this folder. They use no C
 * library, so that a cross compiler is all they need.
 */
#ifndef XBAR_TESTS_GUEST_RV_SYS_H
#define XBAR_TESTS_GUEST_RV_SYS_H

#include <stddef.h>
#include <stdint.h>

enum rv_syscall {
    RV_SYS_READ = 63,
    RV_SYS_WRITE = 64,
    RV_SYS_EXIT = 93,
    RV_SYS_SIGALTSTACK = 132,
    RV_SYS_SIGACTION = 134,
    RV_SYS_MMAP = 222,
};

static inline long rv_syscall(long number, const long arg[6])
{
    register long a0 __asm__("a0") = arg[0];
    register long a1 __asm__("a1") = arg[1];
    register long a2 __asm__("a2") = arg[2];
    register long a3 __asm__("a3") = arg[3];
    register long a4 __asm__("a4") = arg[4];
    register long a5 __asm__("a5") = arg[5];
    register long a7 __asm__("a7") = number;

    __asm__ volatile("ecall"
                     : "+r"(a0)
                     : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7)
                     : "memory");
    return a0;
}

static inline _Noreturn void rv_exit(int status)
{
    for (;;) {
        rv_syscall(RV_SYS_EXIT, (const long[6]){ status });
    }
}

/* Reads until @size bytes are there or the input ends: the bytes read. */
static inline size_t rv_read(void *buf, size_t size)
{
    size_t done = 0;

    while (done < size) {
        long n =
            rv_syscall(RV_SYS_READ, (const long[6]){ 0, (long)buf + (long)done,
                                                     (long)(size - done) });
        if (n <= 0) {
            break;
        }
        done += (size_t)n;
    }
    return done;
}

static inline void rv_write(const void *buf, size_t size)
{
    size_t done = 0;

    while (done < size) {
        long n =
            rv_syscall(RV_SYS_WRITE, (const long[6]){ 1, (long)buf + (long)done,
                                                      (long)(size - done) });
        if (n <= 0) {
            rv_exit(3);
        }
        done += (size_t)n;
    }
}

#endif
