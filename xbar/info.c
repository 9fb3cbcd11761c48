/* SPDX-License-Identifier: MIT */
#include "info.h"

#include <inttypes.h>
#include <stdio.h>

#include "size.h"

void info_print(const struct board *board, const struct guest *guest,
                bool is_stopped, FILE *out)
{
    struct xbar_riscv_stats stats;
    char ram[32];

    xbar_riscv_get_stats(board->hart, &stats);
    size_print(ram, sizeof(ram), guest->ram_size);
    fprintf(
        out,
        "state         %s\n"
        "guest         %s, %s of RAM\n"
        "instructions  %" PRIu64 ", in translated code %" PRIu64 "\n"
        "translated    %" PRIu64 " blocks, %" PRIu64 " there; %" PRIu64
        " changed, %" PRIu64 " evicted\n"
        "code          %" PRIu64 " KiB in use, %" PRIu64 " KiB of all blocks\n"
        "TLB           %" PRIu64 " walks, %" PRIu64 " from the second level\n"
        "flushes       %" PRIu64 " pages, %" PRIu64 " contexts\n"
        "fences        %" PRIu64 " fence.i, %" PRIu64 " sfence.vma\n"
        "traps         %" PRIu64 " exceptions, %" PRIu64 " interrupts\n"
        "MMIO          %" PRIu64 " reads, %" PRIu64 " writes\n",
        is_stopped ? "stopped" : "running", guest->title, ram,
        stats.instructions, stats.jit.instructions, stats.jit.blocks,
        stats.jit.blocks_live, stats.jit.invalidated, stats.jit.evicted,
        stats.jit.code_bytes >> 10, stats.jit.code_bytes_ever >> 10,
        stats.tlb.walks, stats.tlb.l2_hits, stats.tlb.flush_pages,
        stats.tlb.flush_contexts, stats.fence_i, stats.sfence_vma,
        stats.exceptions, stats.interrupts, stats.tlb.mmio_reads,
        stats.tlb.mmio_writes);
}
