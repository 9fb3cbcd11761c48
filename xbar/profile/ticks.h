/* SPDX-License-Identifier: MIT */
/*
 * A clock that is cheap to read, of a unit that is not known: who wants to know
 * looks at it beside another one. The build chooses: ticks_x86_64.c, or
 * ticks_none.c, which reads the system's.
 */
#ifndef XBAR_PROFILE_TICKS_H
#define XBAR_PROFILE_TICKS_H

#include <stdint.h>

/* ticks_now() - any thread */
uint64_t ticks_now(void);

#endif
