/* SPDX-License-Identifier: MIT */
#ifndef XBAR_ALLOCATOR_H
#define XBAR_ALLOCATOR_H

#include <xbar/xbar.h>

/*
 * program_allocator() - where the engine's memory comes from
 *
 * mimalloc; NULL, the C library, where a sanitizer must see the memory.
 */
const struct xbar_allocator *program_allocator(void);

#endif
