/* SPDX-License-Identifier: MIT */
/* What the monitor says of a machine. */
#ifndef XBAR_INFO_H
#define XBAR_INFO_H

#include <stdio.h>
#include <xbar/xbar.h>

#include "board.h"
#include "guest.h"

/* info_print() - while the hart rests */
void info_print(const struct board *board, const struct guest *guest,
                bool is_stopped, FILE *out);

#endif
