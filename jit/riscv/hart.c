/* SPDX-License-Identifier: MIT */
#include "jit/riscv/hart.h"
