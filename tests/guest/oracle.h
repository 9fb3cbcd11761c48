/* SPDX-License-Identifier: MIT */
/*
 * Running an RV64 program of this folder under qemu-riscv64, the oracle.
 */
#ifndef XBAR_TESTS_GUEST_ORACLE_H
#define XBAR_TESTS_GUEST_ORACLE_H

#include <stddef.h>

/**
 * oracle_missing() - why @program cannot be run here
 * @program: its path; empty if no cross compiler built it
 *
 * Return: NULL if it can be run, else a reason for people.
 */
const char *oracle_missing(const char *program);

/**
 * oracle_run() - feed @in to @program and collect @out_size bytes
 *
 * Return: 0; -1 if it failed, ran for longer than two minutes or wrote another
 * amount, with a line on stderr.
 */
int oracle_run(const char *program, const void *in, size_t in_size, void *out,
               size_t out_size);

#endif
