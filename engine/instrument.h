/* SPDX-License-Identifier: MIT */
/** What plug-ins include. Installed as <xbar/instrument.h>. */
#ifndef XBAR_INSTRUMENT_H
#define XBAR_INSTRUMENT_H

#include "jit/instrument.h"

#endif
