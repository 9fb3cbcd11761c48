/* SPDX-License-Identifier: MIT */
/** Everything public. Installed as <xbar/xbar.h>. */
#ifndef XBAR_XBAR_H
#define XBAR_XBAR_H

#include "engine/dispatch.h"
#include "engine/engine.h"
#include "engine/error.h"
#include "engine/event_notifier.h"
#include "engine/memory.h"
#include "engine/memory_ram.h"
#include "engine/ram_block.h"
#include "engine/snapshot.h"
#include "engine/tree.h"
#include "engine/types.h"
#include "flatview/address_space.h"
#include "flatview/deferred_writes.h"
#include "flatview/dirty_bitmap.h"
#include "flatview/discard.h"
#include "flatview/dma.h"
#include "flatview/dump.h"
#include "flatview/flatview.h"
#include "flatview/iommu.h"
#include "flatview/listener.h"
#include "flatview/phys.h"
#include "flatview/qtest.h"
#include "flatview/ram_snapshot.h"
#include "flatview/read_observer.h"
#include "flatview/region_cache.h"
#include "flatview/section.h"
#include "jit/cache.h"
#include "jit/emit.h"
#include "jit/instrument.h"
#include "jit/riscv/debug.h"
#include "jit/riscv/hart.h"
#include "tlb/tlb.h"
#include "tlb/tlb_layout.h"

#endif
