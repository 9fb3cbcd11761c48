/* SPDX-License-Identifier: MIT */
/*
 * A snapshot fuzzer: a parser in guest code, started thousands of times from
 * one point, with inputs that are mutations of those that got furthest.
 *
 *     boot --> breakpoint at parse --> take the snapshot
 *                                          |
 *          +---> restore, write an input, run until a breakpoint, look ---+
 *          |                                                              |
 *          +--------------------------------------------------------------+
 *
 * The parser wants "xbar", a length, and so many bytes, which it copies to 24
 * bytes of stack: a longer record takes the return address.
 *
 *     0x40000000  RAM, 1 MiB: code      0x40008000  the input
 *     0x40010000  the stack's end
 *
 * cc fuzz_snapshot.c $(pkg-config --cflags --libs xbar) && ./a.out
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <xbar/xbar.h>

#define RAM        UINT64_C(0x40000000)
#define INPUT      (RAM + 0x8000)
#define INPUT_SIZE 40

#define AT_DONE    (RAM + 0x28)
#define AT_CRASH   (RAM + 0x2c)
#define AT_PARSE   (RAM + 0x30)
#define INSNS_MOST 1000 /* of one execution: more is a hang */

#define REG_A0 10
#define MEPC   0x341
#define MCAUSE 0x342

/* clang-format off */
static const uint32_t program[] = {
    0x40010137, /* start: lui   sp,0x40010        */
    0x3e800293, /*        li    t0,1000           */
    0xfc513023, /* fill:  sd    t0,-64(sp)        */
    0xfff28293, /*        add   t0,t0,-1          */
    0xfe029ce3, /*        bnez  t0,fill           */
    0x00000317, /*        auipc t1,0x0            */
    0x01830313, /*        add   t1,t1,24          */
    0x30531073, /*        csrw  mtvec,t1          */
    0x40008537, /*        lui   a0,0x40008        */
    0x00c000ef, /*        jal   parse             */
    0x0000006f, /* done:  j     done              */
    0x0000006f, /* crash: j     crash             */
    0xfe010113, /* parse: add   sp,sp,-32         */
    0x00113c23, /*        sd    ra,24(sp)         */
    0x00000793, /*        li    a5,0              */
    0x00054283, /*        lbu   t0,0(a0)          */
    0x07800313, /*        li    t1,120            */
    0x04629e63, /*        bne   t0,t1,out         */
    0x00100793, /*        li    a5,1              */
    0x00154283, /*        lbu   t0,1(a0)          */
    0x06200313, /*        li    t1,98             */
    0x04629663, /*        bne   t0,t1,out         */
    0x00200793, /*        li    a5,2              */
    0x00254283, /*        lbu   t0,2(a0)          */
    0x06100313, /*        li    t1,97             */
    0x02629e63, /*        bne   t0,t1,out         */
    0x00300793, /*        li    a5,3              */
    0x00354283, /*        lbu   t0,3(a0)          */
    0x07200313, /*        li    t1,114            */
    0x02629663, /*        bne   t0,t1,out         */
    0x00400793, /*        li    a5,4              */
    0x00454383, /*        lbu   t2,4(a0)          */
    0x00010e13, /*        mv    t3,sp             */
    0x00038e63, /* copy:  beqz  t2,out            */
    0x00554283, /*        lbu   t0,5(a0)          */
    0x005e0023, /*        sb    t0,0(t3)          */
    0x00150513, /*        add   a0,a0,1           */
    0x001e0e13, /*        add   t3,t3,1           */
    0xfff38393, /*        add   t2,t2,-1          */
    0xfe9ff06f, /*        j     copy              */
    0x00078513, /* out:   mv    a0,a5             */
    0x01813083, /*        ld    ra,24(sp)         */
    0x02010113, /*        add   sp,sp,32          */
    0x00008067, /*        ret                     */
};
/* clang-format on */

struct fuzzer {
    struct xbar_engine *engine;
    MemoryRegion root;
    MemoryRegion ram;
    AddressSpace memory;
    struct xbar_riscv_hart *hart;
    struct xbar_riscv_snapshot *start;
    uint64_t random;
    uint64_t executions;
    uint64_t score; /* of best: how far the parser got with it */
    uint8_t best[INPUT_SIZE];
};

static bool make_board(struct fuzzer *f)
{
    f->engine = xbar_engine_new(NULL);
    if (f->engine == NULL || xbar_engine_enter(f->engine) != 0) {
        return false;
    }
    memory_region_transaction_begin();
    memory_region_init(&f->root, NULL, "root", UINT64_MAX);
    memory_region_init_ram(&f->ram, NULL, "ram", 1 << 20, NULL);
    memory_region_add_subregion(&f->root, RAM, &f->ram);
    return memory_region_transaction_commit() == 0 &&
           address_space_init(&f->memory, &f->root, "memory") == 0 &&
           address_space_write(&f->memory, RAM, MEMTXATTRS_UNSPECIFIED, program,
                               sizeof(program)) == MEMTX_OK;
}

/* One tick an instruction: what it does, it does each time. */
static bool make_hart(struct fuzzer *f)
{
    const struct xbar_riscv_config config = { .as = &f->memory,
                                              .reset_pc = RAM,
                                              .insns_per_tick = 1 };

    f->hart = xbar_riscv_new(&config);
    if (f->hart == NULL) {
        return false;
    }
    if (xbar_riscv_has_jit() &&
        xbar_riscv_set_engine(f->hart, XBAR_RISCV_JIT) != 0) {
        fprintf(stderr, "no executable memory: it is interpreted\n");
    }
    return xbar_riscv_add_breakpoint(f->hart, AT_PARSE) == 0 &&
           xbar_riscv_run(f->hart, UINT64_MAX) == XBAR_RISCV_EXIT_BREAK &&
           xbar_riscv_remove_breakpoint(f->hart, AT_PARSE) == 0 &&
           xbar_riscv_add_breakpoint(f->hart, AT_DONE) == 0 &&
           xbar_riscv_add_breakpoint(f->hart, AT_CRASH) == 0;
}

static bool take_snapshot(struct fuzzer *f)
{
    const struct xbar_riscv_machine machine = { .engine = f->engine,
                                                .harts = &f->hart,
                                                .hart_count = 1 };
    struct xbar_riscv_snapshot_info info;
    Error *err = NULL;

    if (xbar_riscv_snapshot_take(&machine, NULL, &f->start, &err) != 0) {
        fprintf(stderr, "%s\n", error_get_pretty(err));
        error_free(err);
        return false;
    }
    xbar_riscv_snapshot_get_info(f->start, &info);
    printf("snapshot at 0x%" PRIx64 ": %" PRIu64 " of %" PRIu64
           " pages are not zero\n",
           xbar_riscv_get_pc(f->hart), info.ram.copies, info.ram.pages);
    return true;
}

static uint32_t next_random(struct fuzzer *f)
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 7;
    f->random ^= f->random << 17;
    return (uint32_t)(f->random >> 32);
}

static void mutate(struct fuzzer *f, uint8_t *input)
{
    unsigned count = 1 + next_random(f) % 3;

    memcpy(input, f->best, INPUT_SIZE);
    for (unsigned i = 0; i < count; i++) {
        input[next_random(f) % INPUT_SIZE] = (uint8_t)next_random(f);
    }
}

/* Return: where it stopped; 0: it did not, or the machine is at fault. */
static uint64_t execute(struct fuzzer *f, uint8_t *input)
{
    f->executions++;
    if (xbar_riscv_snapshot_restore(f->start, NULL) != 0 ||
        xbar_address_space_debug_rw(&f->memory, INPUT, input, INPUT_SIZE,
                                    true) != INPUT_SIZE) {
        return 0;
    }
    return xbar_riscv_run(f->hart, INSNS_MOST) == XBAR_RISCV_EXIT_BREAK
               ? xbar_riscv_get_pc(f->hart)
               : 0;
}

static void report_crash(struct fuzzer *f, const uint8_t *input)
{
    uint64_t cause = 0;
    uint64_t pc = 0;

    xbar_riscv_get_csr(f->hart, MCAUSE, &cause);
    xbar_riscv_get_csr(f->hart, MEPC, &pc);
    printf("crash in execution %" PRIu64 ": cause %" PRIu64 " at 0x%" PRIx64
           ", input \"%.4s\" and %u bytes\n",
           f->executions, cause, pc, (const char *)input, input[4]);
}

static bool fuzz(struct fuzzer *f, uint64_t most)
{
    uint8_t input[INPUT_SIZE];

    while (f->executions < most) {
        uint64_t stopped_at;

        mutate(f, input);
        stopped_at = execute(f, input);
        if (stopped_at == AT_CRASH) {
            report_crash(f, input);
            return true;
        }
        if (stopped_at == AT_DONE &&
            xbar_riscv_get_x(f->hart, REG_A0) > f->score) {
            f->score = xbar_riscv_get_x(f->hart, REG_A0);
            memcpy(f->best, input, INPUT_SIZE);
        }
    }
    return false;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int main(void)
{
    static struct fuzzer fuzzer = { .random = 42 };
    struct xbar_riscv_snapshot_info info;
    double start;
    bool found;

    if (!make_board(&fuzzer) || !make_hart(&fuzzer) ||
        !take_snapshot(&fuzzer)) {
        return 1;
    }
    start = now();
    found = fuzz(&fuzzer, 1000000);
    fprintf(stderr, "%.0f executions a second\n",
            (double)fuzzer.executions / (now() - start));
    xbar_riscv_snapshot_get_info(fuzzer.start, &info);
    printf("%" PRIu64 " pages were put back in %" PRIu64 " restores\n",
           info.ram.pages_copied, info.ram.restores);
    xbar_riscv_snapshot_drop(fuzzer.start);
    xbar_riscv_free(fuzzer.hart);
    return found ? 0 : 1;
}
