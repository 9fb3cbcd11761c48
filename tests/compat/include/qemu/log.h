/* SPDX-License-Identifier: MIT */
#include <xbar/compat.h>
