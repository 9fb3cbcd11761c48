/* SPDX-License-Identifier: MIT */
#ifndef XBAR_SIZE_H
#define XBAR_SIZE_H

#include <xbar/xbar.h>

/*
 * size_parse() - "512" (MiB), "512M", "1G", "4096K" as bytes
 *
 * Return: 0; -EINVAL if it is no such text; -ERANGE past 64 bits.
 */
int size_parse(const char *text, uint64_t *bytes) XBAR_MUST_CHECK;

/* size_print() - "512 MiB": exact, in the largest unit that divides it */
void size_print(char *buf, size_t size, uint64_t bytes);

#endif
