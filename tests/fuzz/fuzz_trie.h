/* SPDX-License-Identifier: MIT */
/* What a fuzzer calls with its bytes: see fuzz_trie.c. */
#ifndef XBAR_TESTS_FUZZ_FUZZ_TRIE_H
#define XBAR_TESTS_FUZZ_FUZZ_TRIE_H

#include <stddef.h>
#include <stdint.h>

/* Return: 0. What is wrong aborts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
