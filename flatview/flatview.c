/* SPDX-License-Identifier: MIT */
#include "flatview/flatview.h"
