/* SPDX-License-Identifier: MIT */
/*
 * Going back to a snapshot of a machine: what it costs when nothing was
 * written, what a page costs that a guest stored to and that is put back, and a
 * fuzzer's round: an input written, a short run, back.
 */
#include <stdlib.h>

#include "bench.h"
#include "guest.h"
#include "rv64.h"

#define PAGE       4096
#define STORED     0x1234u
#define ROUND_INSN 4  /* of one round of the loop */
#define INPUT_SIZE 64 /* bytes */

struct rewound {
    struct guest *guest;
    struct xbar_riscv_snapshot *start;
    uint64_t pages; /* that an execution stores to */
};

/*
 *     loop:  sw   a2, 0(a0)         a0: a page
 *            add  a0, a0, a3        a3: a page's size
 *            addi a1, a1, -1        a1: how many
 *            bne  a1, zero, loop
 *            jal  zero, 0
 */
static void put_code(struct guest *guest)
{
    const uint32_t code[] = {
        rv_sw(RV_A2, 0, RV_A0),    rv_add(RV_A0, RV_A0, RV_A3),
        rv_addi(RV_A1, RV_A1, -1), rv_bne(RV_A1, RV_ZERO, -3 * 4),
        rv_jal(RV_ZERO, 0),
    };

    guest_put(guest, GUEST_CODE, code, sizeof(code) / sizeof(code[0]));
}

static void teardown(void *context)
{
    struct rewound *rewound = context;

    xbar_riscv_snapshot_drop(rewound->start);
    guest_free(rewound->guest);
    free(rewound);
}

static void *setup(int64_t pages)
{
    struct rewound *rewound = calloc(1, sizeof(*rewound));
    struct guest *guest = rewound ? guest_new(XBAR_RISCV_JIT, 0) : NULL;
    struct xbar_riscv_machine machine = { .hart_count = 1 };

    if (!guest) {
        free(rewound);
        return NULL;
    }
    rewound->guest = guest;
    rewound->pages = (uint64_t)pages;
    put_code(guest);
    xbar_riscv_set_x(guest->hart, RV_A0, GUEST_DATA);
    xbar_riscv_set_x(guest->hart, RV_A1, rewound->pages);
    xbar_riscv_set_x(guest->hart, RV_A2, STORED);
    xbar_riscv_set_x(guest->hart, RV_A3, PAGE);
    machine.engine = guest->world->engine;
    machine.harts = &guest->hart;
    if (xbar_riscv_snapshot_take(&machine, NULL, &rewound->start, NULL)) {
        teardown(rewound);
        return NULL;
    }
    return rewound;
}

static void go_back(struct rewound *rewound)
{
    if (xbar_riscv_snapshot_restore(rewound->start, NULL)) {
        rewound->guest->wrong = "the machine is not what it was";
    }
}

static void execute(struct rewound *rewound)
{
    guest_run(rewound->guest, rewound->pages * ROUND_INSN);
}

static void run_restore(void *context, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) {
        go_back(context);
    }
}

/* An operation is a page: one store of the guest's, and the way back. */
static void run_pages(void *context, uint64_t operations)
{
    struct rewound *rewound = context;

    for (uint64_t i = 0; i < operations; i += rewound->pages) {
        execute(rewound);
        go_back(rewound);
    }
}

/* The same pages, and no snapshot gone back to: what is not its. */
static void run_stores(void *context, uint64_t operations)
{
    struct rewound *rewound = context;

    for (uint64_t i = 0; i < operations; i += rewound->pages) {
        xbar_riscv_set_pc(rewound->guest->hart, GUEST_CODE);
        xbar_riscv_set_x(rewound->guest->hart, RV_A0, GUEST_DATA);
        xbar_riscv_set_x(rewound->guest->hart, RV_A1, rewound->pages);
        execute(rewound);
    }
}

static void run_rounds(void *context, uint64_t operations)
{
    struct rewound *rewound = context;
    struct guest *guest = rewound->guest;
    char input[INPUT_SIZE] = { 0 };

    for (uint64_t i = 0; i < operations; i++) {
        input[i % INPUT_SIZE]++;
        if (xbar_address_space_debug_rw(&guest->world->as, GUEST_DATA + 64,
                                        input, INPUT_SIZE,
                                        true) != INPUT_SIZE) {
            guest->wrong = "an input was not written";
        }
        execute(rewound);
        go_back(rewound);
    }
}

/* As many pages as were written were put back, and are zero. */
static const char *check(void *context)
{
    struct rewound *rewound = context;
    struct xbar_riscv_snapshot_info info;
    uint64_t first = address_space_ldq(&rewound->guest->world->as, GUEST_DATA,
                                       MEMTXATTRS_UNSPECIFIED, NULL);

    if (rewound->guest->wrong) {
        return rewound->guest->wrong;
    }
    xbar_riscv_snapshot_get_info(rewound->start, &info);
    if (info.ram.restores != 0 && info.pages != rewound->pages) {
        return "other pages were put back than were written";
    }
    if (info.ram.restores == 0) {
        return first != STORED ? "the guest's store is not in memory" : NULL;
    }
    return first != 0 ? "a page was not put back" : NULL;
}

#define ROW(label, pages, function, count)                              \
    {                                                                   \
        .name = label, .arg = (pages), .setup = setup, .run = function, \
        .teardown = teardown, .check = check, .batch = (count)          \
    }

static const struct bench rows[] = {
    ROW("snapshot/restore", 0, run_restore, 4096),
    ROW("snapshot/pages/1", 1, run_pages, 4096),
    ROW("snapshot/pages/8", 8, run_pages, 4096),
    ROW("snapshot/pages/64", 64, run_pages, 4096),
    ROW("snapshot/pages/1024", 1024, run_pages, 4096),
    ROW("snapshot/stores/64", 64, run_stores, 4096),
    ROW("snapshot/input_and_run/2", 2, run_rounds, 4096),
};

const struct bench_table bench_snapshot = BENCH_TABLE(rows);
