/* SPDX-License-Identifier: MIT */
#include "tlb/tlb.h"
