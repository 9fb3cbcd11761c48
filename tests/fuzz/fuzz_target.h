/* SPDX-License-Identifier: MIT */
/* What a fuzzer calls with its bytes: see fuzz_trie.c, fuzz_files.c. */
#ifndef XBAR_TESTS_FUZZ_FUZZ_TARGET_H
#define XBAR_TESTS_FUZZ_FUZZ_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Return: 0. What is wrong aborts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same, of fuzz_files.c: is it a sound file? */
bool fuzz_read_file(const uint8_t *data, size_t size);

#endif
