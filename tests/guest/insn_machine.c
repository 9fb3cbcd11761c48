/* SPDX-License-Identifier: MIT */
/*
 * A sequence runs in U-mode; with paging also in S-mode. Whatever traps comes
 * to a handler in M-mode that does one thing: store to a device, which has
 * xbar_riscv_run() return. The rest is done here, as a kernel would: note the
 * fault, skip the instruction, and go on through an mret.
 *
 *   LAUNCH: fence.i; mret ----> sequence --------- trap -----+
 *      ^                                                     v
 *      +---- host: registers, mepc <---- device <---- HANDLER: sd
 *
 * With paging each sequence has tables of its own, so it is first launched
 * from SYNC, one sfence.vma before.
 */
#include "tests/guest/insn_machine.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guest/insn_board.h"
#include "tests/guest/insn_paging.h"
#include "tests/guest/insn_rows.h"
#include "tests/guest/require.h"

#define HANDLER BOARD_MONITOR
#define LAUNCH  (BOARD_MONITOR + 0x100)
#define SYNC    (LAUNCH - 4) /* sfence.vma, then LAUNCH */

/* Loops run at most a few rounds: far above any sequence's length. */
#define MAX_INSNS 4000
#define MAX_TRAPS 1000

/* Ticks to the next timer interrupt: enough for the handler to come back. */
#define MIN_PERIOD 2
#define MAX_PERIOD 64

enum csr {
    CSR_FCSR = 0x003,
    CSR_SCOUNTEREN = 0x106,
    CSR_SENVCFG = 0x10a,
    CSR_SATP = 0x180,
    CSR_MSTATUS = 0x300,
    CSR_MIE = 0x304,
    CSR_MTVEC = 0x305,
    CSR_MCOUNTEREN = 0x306,
    CSR_MENVCFG = 0x30a,
    CSR_MSCRATCH = 0x340,
    CSR_MEPC = 0x341,
    CSR_MCAUSE = 0x342,
    CSR_MTVAL = 0x343,
    CSR_PMPCFG0 = 0x3a0,
    CSR_PMPADDR0 = 0x3b0,
    CSR_MCYCLE = 0xb00,
    CSR_MINSTRET = 0xb02,
};

#define MSTATUS_FS_ON    (UINT64_C(3) << 13) /* and MPP = U */
#define MSTATUS_FS_STEP  (UINT64_C(1) << 13)
#define COUNTERS_ON      7 /* cycle, time, instret, as in Linux */
#define CAUSE_BREAKPOINT 3
#define CAUSE_ECALL_U    8
#define CAUSE_ECALL_S    9
#define CAUSE_TIMER      (UINT64_C(1) << 63 | XBAR_RISCV_IRQ_M_TIMER)
#define MIE_TIMER        (UINT64_C(1) << XBAR_RISCV_IRQ_M_TIMER)
#define LINUX_ENOSYS     38
#define REG_A0           10
#define REG_HANDLER      31
#define PMP_ALL_NAPOT    0x1f
#define PMP_ALL_ADDRESS  (UINT64_MAX >> 10)

struct insn_machine {
    struct insn_machine_config config;
    struct insn_board board;
    struct xbar_riscv_hart *hart;
    uint64_t data_words[GUEST_DATA_SIZE / 8]; /* in the guest's order */
    uint64_t rng;                             /* of timer interrupts */
    uint64_t launch;                          /* where the hart starts */
    bool trapped;
    bool mismatched; /* in this run */
    char *mismatch;
};

/* ---- The hart ---------------------------------------------------------- */

static void add_monitor(struct insn_machine *machine)
{
    static const uint32_t handler[] = {
        0x340f9ff3, /* csrrw x31, mscratch, x31 */
        0x000fb023, /* sd x0, 0(x31) */
        0x0000006f, /* j . */
    };
    static const uint32_t launch[] = {
        0x12000073, /* sfence.vma */
        0x0000100f, /* fence.i */
        0x30200073, /* mret */
    };
    uint8_t *ram = memory_region_get_ram_ptr(&machine->board.monitor);

    memcpy(ram + (HANDLER - BOARD_MONITOR), handler, sizeof(handler));
    memcpy(ram + (SYNC - BOARD_MONITOR), launch, sizeof(launch));
}

static void note_trap(void *opaque)
{
    struct insn_machine *machine = opaque;

    machine->trapped = true;
    xbar_riscv_request_exit(machine->hart);
}

static void put_csr(struct insn_machine *machine, enum csr csr, uint64_t value)
{
    require(xbar_riscv_set_csr(machine->hart, csr, value) == 0);
}

static uint64_t take_csr(struct insn_machine *machine, enum csr csr)
{
    uint64_t value;

    require(xbar_riscv_get_csr(machine->hart, csr, &value) == 0);
    return value;
}

/* As at power-on, and ready for sequences. */
static void reset(struct insn_machine *machine)
{
    xbar_riscv_reset(machine->hart);
    put_csr(machine, CSR_PMPADDR0, PMP_ALL_ADDRESS);
    put_csr(machine, CSR_PMPCFG0, PMP_ALL_NAPOT);
    put_csr(machine, CSR_MTVEC, HANDLER);
    put_csr(machine, CSR_MCOUNTEREN, COUNTERS_ON);
    put_csr(machine, CSR_SCOUNTEREN, COUNTERS_ON);
}

struct insn_machine *insn_machine_new(const struct insn_machine_config *config)
{
    struct insn_machine *machine = calloc(1, sizeof(*machine));
    struct xbar_riscv_config hart = {
        .reset_pc = LAUNCH,
        .stress = config->stress,
        .code_limit = config->code_limit,
        .insns_per_tick = config->insns_per_tick,
        .translate_after =
            config->translate_after ? config->translate_after : 1,
    };

    require(machine != NULL);
    machine->config = *config;
    insn_board_open(&machine->board, note_trap, machine);
    add_monitor(machine);
    hart.as = &machine->board.as;
    machine->hart = xbar_riscv_new(&hart);
    require(machine->hart != NULL);
    require(xbar_riscv_set_engine(machine->hart, config->engine) == 0);
    reset(machine);
    return machine;
}

void insn_machine_free(struct insn_machine *machine)
{
    xbar_riscv_free(machine->hart);
    insn_board_close(&machine->board);
    free(machine->mismatch);
    free(machine);
}

const char *insn_machine_mismatch(const struct insn_machine *machine)
{
    return machine->mismatch;
}

void insn_machine_get_stats(const struct insn_machine *machine,
                            struct xbar_riscv_stats *stats)
{
    xbar_riscv_get_stats(machine->hart, stats);
}

void insn_machine_load(struct insn_machine *machine, const uint8_t *code,
                       size_t size)
{
    insn_board_write_code(&machine->board, code, size);
}

/* ---- Running ----------------------------------------------------------- */

static bool is_code(uint64_t pc)
{
    return pc >= GUEST_CODE && pc < GUEST_CODE + GUEST_CODE_SIZE - 4;
}

static uint32_t bits_at(const struct insn_machine *machine, uint64_t pc)
{
    uint32_t bits = insn_board_parcel(&machine->board, pc);

    if ((bits & 3) == 3) {
        bits |= insn_board_parcel(&machine->board, pc + 2) << 16;
    }
    return bits;
}

/* As programs have it, or off, initial or clean one time in eight. */
static uint64_t fpu_status(const struct insn_machine *machine, uint64_t seed)
{
    if (!machine->config.vary_state || seed % 8 != 0) {
        return MSTATUS_FS_ON;
    }
    return seed / 8 % 3 * MSTATUS_FS_STEP;
}

/* Each bit is on three times in four; a CBIE of 2 keeps the last one's. */
static void load_environment(struct insn_machine *machine, uint64_t seed)
{
    const uint64_t cbo = 0x30 | 0x40 | 0x80;
    const uint64_t adue = UINT64_C(1) << 61;

    if (machine->config.vary_state) {
        put_csr(machine, CSR_MENVCFG,
                (random_mix(seed) | random_mix(~seed)) & (cbo | adue));
        put_csr(machine, CSR_SENVCFG,
                (random_mix(seed + 1) | random_mix(~seed - 1)) & cbo);
    }
}

static void set_timer(struct insn_machine *machine)
{
    uint64_t now = xbar_riscv_time(machine->hart);

    xbar_riscv_set_timecmp(
        machine->hart,
        now + MIN_PERIOD +
            random_below(&machine->rng, MAX_PERIOD - MIN_PERIOD));
}

static void load_clock(struct insn_machine *machine, uint64_t seed)
{
    put_csr(machine, CSR_MINSTRET, 0);
    put_csr(machine, CSR_MCYCLE, 0);
    if (machine->config.insns_per_tick != 0) {
        machine->rng = seed;
        xbar_riscv_set_time(machine->hart, 0);
        set_timer(machine);
        put_csr(machine, CSR_MIE, MIE_TIMER);
    }
}

/* Returns the bits of mstatus that go with them. */
static uint64_t load_tables(struct insn_machine *machine, uint64_t seed)
{
    struct insn_paging paging;

    if (!machine->config.paged) {
        return 0;
    }
    machine->launch = SYNC;
    paging = insn_paging_make(insn_board_tables(&machine->board), seed);
    put_csr(machine, CSR_SATP, paging.satp);
    return paging.mstatus;
}

static void load_state(struct insn_machine *machine, const struct insn_case *in)
{
    for (unsigned i = 1; i < 32; i++) {
        xbar_riscv_set_x(machine->hart, i, in->state.x[i]);
    }
    put_csr(machine, CSR_MSTATUS, MSTATUS_FS_ON);
    for (unsigned i = 0; i < 32; i++) {
        xbar_riscv_set_f(machine->hart, i, in->state.f[i]);
    }
    put_csr(machine, CSR_FCSR, in->state.fcsr);
    put_csr(machine, CSR_MSTATUS,
            fpu_status(machine, in->data_seed) |
                load_tables(machine, in->data_seed));
    put_csr(machine, CSR_MEPC, in->start);
    load_environment(machine, in->data_seed);
    insn_fill(machine->data_words, in->data_seed);
    insn_board_write_data(&machine->board, machine->data_words);
    load_clock(machine, in->data_seed);
}

static void save_outcome(struct insn_machine *machine, struct insn_outcome *out)
{
    for (unsigned i = 0; i < 32; i++) {
        out->state.x[i] = xbar_riscv_get_x(machine->hart, i);
        out->state.f[i] = xbar_riscv_get_f(machine->hart, i);
    }
    out->state.fcsr = take_csr(machine, CSR_FCSR);
    insn_board_read_data(&machine->board, machine->data_words);
    out->memory = insn_digest(machine->data_words);
}

static void save(struct insn_machine *machine, struct insn_result *result)
{
    save_outcome(machine, &result->outcome);
    if (machine->config.paged) {
        result->trace.tables = insn_digest(insn_board_tables(&machine->board));
    }
}

/* ---- The trace --------------------------------------------------------- */

static void add_trap(struct insn_machine *machine, struct insn_trace *trace)
{
    uint64_t digest = trace->trap_digest;

    trace->traps++;
    trace->pc = xbar_riscv_get_pc(machine->hart);
    trace->mstatus = take_csr(machine, CSR_MSTATUS);
    trace->mcause = take_csr(machine, CSR_MCAUSE);
    trace->mepc = take_csr(machine, CSR_MEPC);
    trace->mtval = take_csr(machine, CSR_MTVAL);
    trace->retired = take_csr(machine, CSR_MINSTRET);
    digest = random_mix(digest + trace->pc);
    digest = random_mix(digest + trace->mstatus);
    digest = random_mix(digest + trace->mcause);
    digest = random_mix(digest + trace->mepc);
    digest = random_mix(digest + trace->mtval);
    trace->trap_digest = random_mix(digest + trace->retired);
}

static void add_pause(const struct insn_machine *machine,
                      struct insn_trace *trace)
{
    uint64_t digest =
        random_mix(trace->pause_digest + xbar_riscv_get_pc(machine->hart));

    for (unsigned i = 1; i < 32; i++) {
        digest = (digest ^ xbar_riscv_get_x(machine->hart, i)) *
                 UINT64_C(0x9e3779b97f4a7c15);
        digest ^= digest >> 29;
    }
    trace->pause_digest = digest;
}

/* Lockstep found a difference: keep its report, and make the hart run again. */
static void take_mismatch(struct insn_machine *machine)
{
    machine->mismatched = true;
    free(machine->mismatch);
    machine->mismatch = strdup(xbar_riscv_mismatch(machine->hart));
    require(machine->mismatch != NULL);
    require(xbar_riscv_set_engine(machine->hart, XBAR_RISCV_INTERP) == 0);
    require(xbar_riscv_set_engine(machine->hart, machine->config.engine) == 0);
}

/* ---- Running ----------------------------------------------------------- */

static void run_for(struct insn_machine *machine, uint64_t insns)
{
    if (xbar_riscv_run(machine->hart, insns) == XBAR_RISCV_EXIT_MISMATCH) {
        take_mismatch(machine);
    }
}

static void count_row(const struct insn_machine *machine, uint64_t *executed)
{
    uint64_t pc = xbar_riscv_get_pc(machine->hart);

    if (is_code(pc)) {
        executed[insn_row_of(bits_at(machine, pc))]++;
    }
}

/* To the trap, with pauses and steps as @pace says. */
static void run_paced(struct insn_machine *machine, struct insn_pace pace,
                      struct insn_trace *trace)
{
    unsigned step = pace.executed ? 1 : pace.pause;

    for (unsigned done = 0; done < MAX_INSNS; done += step) {
        if (pace.executed) {
            count_row(machine, pace.executed);
        }
        run_for(machine, step);
        if (machine->trapped) {
            return;
        }
        if (pace.pause != 0 && (done + step) % pace.pause == 0) {
            add_pause(machine, trace);
        }
    }
}

/* From the launch code to the trap. False: there was none. */
static bool run_to_trap(struct insn_machine *machine, struct insn_pace pace,
                        struct insn_trace *trace)
{
    machine->trapped = false;
    put_csr(machine, CSR_MSCRATCH, BOARD_DEVICE);
    xbar_riscv_set_pc(machine->hart, machine->launch);
    machine->launch = LAUNCH;
    if (pace.executed || pace.pause) {
        run_paced(machine, pace, trace);
    } else {
        run_for(machine, MAX_INSNS);
    }
    xbar_riscv_set_x(machine->hart, REG_HANDLER,
                     take_csr(machine, CSR_MSCRATCH));
    add_trap(machine, trace);
    return machine->trapped;
}

/* 0: not a trap that a sequence can cause. */
static unsigned signal_of(uint64_t cause)
{
    static const uint8_t signals[] = {
        [0] = INSN_SIGBUS,   [1] = INSN_SIGSEGV,  [2] = INSN_SIGILL,
        [3] = INSN_SIGTRAP,  [4] = INSN_SIGBUS,   [5] = INSN_SIGSEGV,
        [6] = INSN_SIGBUS,   [7] = INSN_SIGSEGV,  [12] = INSN_SIGSEGV,
        [13] = INSN_SIGSEGV, [15] = INSN_SIGSEGV,
    };

    return cause < sizeof(signals) ? signals[cause] : 0;
}

static bool is_ecall(uint64_t cause)
{
    return cause == CAUSE_ECALL_U || cause == CAUSE_ECALL_S;
}

/* What Linux does; then the instruction is passed over. False: astray. */
static bool handle_exception(struct insn_machine *machine,
                             const struct insn_trace *trap,
                             struct insn_outcome *out)
{
    unsigned signal = signal_of(trap->mcause);
    bool has_address = signal == INSN_SIGSEGV || signal == INSN_SIGBUS;
    uint64_t pc = trap->mepc;

    if (!is_code(pc) || (signal == 0 && !is_ecall(trap->mcause))) {
        return false;
    }
    if (signal == 0) {
        xbar_riscv_set_x(machine->hart, REG_A0, -(uint64_t)LINUX_ENOSYS);
    } else {
        insn_add_fault(out, (struct insn_fault){
                                pc, has_address ? trap->mtval : 0, signal });
    }
    put_csr(machine, CSR_MEPC, pc + ((bits_at(machine, pc) & 3) == 3 ? 4 : 2));
    return true;
}

static bool handle_trap(struct insn_machine *machine,
                        const struct insn_trace *trap, struct insn_outcome *out)
{
    if (trap->mcause == CAUSE_TIMER) {
        set_timer(machine);
        return true;
    }
    return handle_exception(machine, trap, out);
}

void insn_machine_run(struct insn_machine *machine, const struct insn_case *in,
                      struct insn_pace pace, struct insn_result *result)
{
    struct insn_trace *trace = &result->trace;

    memset(result, 0, sizeof(*result));
    machine->launch = LAUNCH;
    machine->mismatched = false;
    load_state(machine, in);
    while (trace->traps < MAX_TRAPS && run_to_trap(machine, pace, trace)) {
        if (trace->mcause == CAUSE_BREAKPOINT && trace->mepc == in->end) {
            save(machine, result);
            return;
        }
        if (!handle_trap(machine, trace, &result->outcome)) {
            break;
        }
    }
    save(machine, result);
    trace->failed = machine->mismatched ? 2 : 1;
    reset(machine); /* it may be in the middle of anything */
}
