/* SPDX-License-Identifier: MIT */
/*
 * No host: the tree builds anywhere, and everything is interpreted. Only the
 * first function is ever called.
 */
#include "jit/host.h"

bool jit_host__supported(void)
{
    return false;
}
