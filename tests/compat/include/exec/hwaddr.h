/* SPDX-License-Identifier: MIT */
#include <xbar/xbar.h>
