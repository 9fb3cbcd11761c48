/* SPDX-License-Identifier: MIT */
/*
 * A sequence runs in U-mode. Whatever traps comes to a handler in M-mode that
 * does one thing: store to a device, which has xbar_riscv_run() return. The
 * rest is done here, as a kernel would: note the fault, skip the instruction,
 * and go on through an mret.
 *
 *   LAUNCH: fence.i; mret ----> sequence, U-mode ----trap----+
 *      ^                                                     v
 *      +---- host: registers, mepc <---- device <---- HANDLER: sd
 *
 * Neighbouring pages of the guest are not neighbours in host memory: pages 2n
 * and 2n + 1 are exchanged. What crosses a page and was looked up as if it did
 * not, then finds the wrong bytes.
 */
#include "tests/guest/insn_machine.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "jit/riscv/hart.h"
#include "tests/guest/insn_rows.h"
#include "tests/guest/require.h"

#define MONITOR     UINT64_C(0x30000000)
#define HANDLER     MONITOR
#define LAUNCH      (MONITOR + 0x100)
#define EXIT_DEVICE UINT64_C(0x30001000)

/* Loops run at most a few rounds: far above any sequence's length. */
#define MAX_INSNS 20000
#define MAX_TRAPS 2000

enum csr {
    CSR_FCSR = 0x003,
    CSR_SCOUNTEREN = 0x106,
    CSR_MSTATUS = 0x300,
    CSR_MTVEC = 0x305,
    CSR_MCOUNTEREN = 0x306,
    CSR_MSCRATCH = 0x340,
    CSR_MEPC = 0x341,
    CSR_MCAUSE = 0x342,
    CSR_MTVAL = 0x343,
    CSR_PMPCFG0 = 0x3a0,
    CSR_PMPADDR0 = 0x3b0,
};

#define MSTATUS_FS_ON    (UINT64_C(3) << 13) /* and MPP = U */
#define COUNTERS_ON      7 /* cycle, time, instret, as in Linux */
#define CAUSE_BREAKPOINT 3
#define CAUSE_ECALL_U    8
#define LINUX_ENOSYS     38
#define REG_A0           10
#define REG_HANDLER      31
#define PMP_ALL_NAPOT    0x1f
#define PMP_ALL_ADDRESS  (UINT64_MAX >> 10)

#define CODE_PAGES (GUEST_CODE_SIZE / GUEST_PAGE)
#define DATA_PAGES (GUEST_DATA_SIZE / GUEST_PAGE)

/* Guest memory whose pages are exchanged in pairs. */
struct paged_ram {
    MemoryRegion ram;
    MemoryRegion *pages; /* aliases, one a page */
    size_t count;
    uint8_t *host;
};

struct insn_machine {
    struct xbar_engine *engine;
    MemoryRegion root, monitor, exit_device;
    MemoryRegion code_pages[CODE_PAGES], data_pages[DATA_PAGES];
    struct paged_ram code, data;
    AddressSpace as;
    struct xbar_riscv_hart *hart;
    uint64_t data_words[GUEST_DATA_SIZE / 8]; /* in the guest's order */
    bool trapped;
};

/* ---- The board --------------------------------------------------------- */

static void write_exit(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    struct insn_machine *machine = opaque;

    (void)addr;
    (void)value;
    (void)size;
    machine->trapped = true;
    xbar_riscv_request_exit(machine->hart);
}

static uint64_t read_nothing(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)size;
    return 0;
}

static const MemoryRegionOps exit_ops = {
    .read = read_nothing,
    .write = write_exit,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .max_access_size = 8 },
};

static void add_ram(struct insn_machine *machine, MemoryRegion *mr,
                    const char *name, uint64_t addr, uint64_t size)
{
    require(memory_region_init_ram(mr, NULL, name, size, NULL) == 0);
    require(memory_region_add_subregion(&machine->root, addr, mr) == 0);
}

static void add_paged_ram(struct insn_machine *machine, struct paged_ram *paged,
                          const char *name, uint64_t addr)
{
    require(memory_region_init_ram(&paged->ram, NULL, name,
                                   paged->count * GUEST_PAGE, NULL) == 0);
    paged->host = memory_region_get_ram_ptr(&paged->ram);
    for (size_t i = 0; i < paged->count; i++) {
        MemoryRegion *page = &paged->pages[i];

        require(memory_region_init_alias(page, NULL, name, &paged->ram,
                                         (i ^ 1) * GUEST_PAGE,
                                         GUEST_PAGE) == 0);
        require(memory_region_add_subregion(&machine->root,
                                            addr + i * GUEST_PAGE, page) == 0);
    }
}

/* Copies @size bytes to the start of paged memory, or from there. */
static void write_paged(struct paged_ram *paged, const void *from, size_t size)
{
    for (size_t done = 0; done < size; done += GUEST_PAGE) {
        size_t left = size - done;

        memcpy(paged->host + (done ^ GUEST_PAGE), (const uint8_t *)from + done,
               left < GUEST_PAGE ? left : GUEST_PAGE);
    }
}

static void read_paged(const struct paged_ram *paged, void *to, size_t size)
{
    for (size_t done = 0; done < size; done += GUEST_PAGE) {
        size_t left = size - done;

        memcpy((uint8_t *)to + done, paged->host + (done ^ GUEST_PAGE),
               left < GUEST_PAGE ? left : GUEST_PAGE);
    }
}

static void add_monitor(struct insn_machine *machine)
{
    static const uint32_t handler[] = {
        0x340f9ff3, /* csrrw x31, mscratch, x31 */
        0x000fb023, /* sd x0, 0(x31) */
        0x0000006f, /* j . */
    };
    static const uint32_t launch[] = {
        0x0000100f, /* fence.i */
        0x30200073, /* mret */
    };
    uint8_t *ram;

    add_ram(machine, &machine->monitor, "monitor", MONITOR, GUEST_PAGE);
    ram = memory_region_get_ram_ptr(&machine->monitor);
    memcpy(ram + (HANDLER - MONITOR), handler, sizeof(handler));
    memcpy(ram + (LAUNCH - MONITOR), launch, sizeof(launch));
}

static void add_regions(struct insn_machine *machine)
{
    require(memory_region_init(&machine->root, NULL, "system", UINT64_MAX) ==
            0);
    machine->code =
        (struct paged_ram){ .pages = machine->code_pages, .count = CODE_PAGES };
    machine->data =
        (struct paged_ram){ .pages = machine->data_pages, .count = DATA_PAGES };
    add_paged_ram(machine, &machine->code, "code", GUEST_CODE);
    add_paged_ram(machine, &machine->data, "data", GUEST_DATA);
    add_monitor(machine);
    require(memory_region_init_io(&machine->exit_device, NULL, &exit_ops,
                                  machine, "exit", GUEST_PAGE) == 0);
    require(memory_region_add_subregion(&machine->root, EXIT_DEVICE,
                                        &machine->exit_device) == 0);
    require(address_space_init(&machine->as, &machine->root, "memory") == 0);
}

/* ---- The hart ---------------------------------------------------------- */

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

struct insn_machine *insn_machine_new(void)
{
    struct insn_machine *machine = calloc(1, sizeof(*machine));
    struct xbar_riscv_config config = { .reset_pc = LAUNCH };

    require(machine != NULL);
    machine->engine = xbar_engine_new(NULL);
    require(machine->engine && xbar_engine_enter(machine->engine) == 0);
    add_regions(machine);
    xbar_engine_leave(machine->engine);
    config.as = &machine->as;
    machine->hart = xbar_riscv_new(&config);
    require(machine->hart != NULL);
    put_csr(machine, CSR_PMPADDR0, PMP_ALL_ADDRESS);
    put_csr(machine, CSR_PMPCFG0, PMP_ALL_NAPOT);
    put_csr(machine, CSR_MTVEC, HANDLER);
    put_csr(machine, CSR_MCOUNTEREN, COUNTERS_ON);
    put_csr(machine, CSR_SCOUNTEREN, COUNTERS_ON);
    return machine;
}

static void destroy_regions(MemoryRegion *regions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        require(xbar_region_destroy(&regions[i], NULL, NULL) == 0);
    }
}

void insn_machine_free(struct insn_machine *machine)
{
    xbar_riscv_free(machine->hart);
    address_space_destroy(&machine->as);
    destroy_regions(&machine->root, 1);
    destroy_regions(machine->code_pages, CODE_PAGES);
    destroy_regions(machine->data_pages, DATA_PAGES);
    destroy_regions(&machine->code.ram, 1);
    destroy_regions(&machine->data.ram, 1);
    destroy_regions(&machine->monitor, 1);
    destroy_regions(&machine->exit_device, 1);
    require(xbar_engine_free(machine->engine) == 0);
    free(machine);
}

void insn_machine_load(struct insn_machine *machine, const uint8_t *code,
                       size_t size)
{
    require(size <= GUEST_CODE_SIZE);
    write_paged(&machine->code, code, size);
}

/* ---- Running ----------------------------------------------------------- */

static bool is_code(uint64_t pc)
{
    return pc >= GUEST_CODE && pc < GUEST_CODE + GUEST_CODE_SIZE - 4;
}

static uint32_t parcel_at(const struct insn_machine *machine, uint64_t pc)
{
    const uint8_t *host = machine->code.host + ((pc - GUEST_CODE) ^ GUEST_PAGE);

    require(is_code(pc));
    return host[0] | (uint32_t)host[1] << 8;
}

static uint32_t bits_at(const struct insn_machine *machine, uint64_t pc)
{
    uint32_t bits = parcel_at(machine, pc);

    return (bits & 3) == 3 ? bits | parcel_at(machine, pc + 2) << 16 : bits;
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
    put_csr(machine, CSR_MEPC, in->start);
    insn_fill(machine->data_words, in->data_seed);
    write_paged(&machine->data, machine->data_words, GUEST_DATA_SIZE);
}

static void save_state(struct insn_machine *machine, struct insn_outcome *out)
{
    for (unsigned i = 0; i < 32; i++) {
        out->state.x[i] = xbar_riscv_get_x(machine->hart, i);
        out->state.f[i] = xbar_riscv_get_f(machine->hart, i);
    }
    out->state.fcsr = take_csr(machine, CSR_FCSR);
    read_paged(&machine->data, machine->data_words, GUEST_DATA_SIZE);
    out->memory = insn_digest(machine->data_words);
}

/* From the launch code to the trap. False: there was none. */
static bool run_to_trap(struct insn_machine *machine, uint64_t *executed)
{
    machine->trapped = false;
    put_csr(machine, CSR_MSCRATCH, EXIT_DEVICE);
    xbar_riscv_set_pc(machine->hart, LAUNCH);
    if (!executed) {
        xbar_riscv_run(machine->hart, MAX_INSNS);
    }
    for (unsigned i = 0; executed && i < MAX_INSNS && !machine->trapped; i++) {
        uint64_t pc = xbar_riscv_get_pc(machine->hart);

        if (is_code(pc)) {
            executed[insn_row_of(bits_at(machine, pc))]++;
        }
        xbar_riscv_run(machine->hart, 1);
    }
    xbar_riscv_set_x(machine->hart, REG_HANDLER,
                     take_csr(machine, CSR_MSCRATCH));
    return machine->trapped;
}

/* 0: not a trap that a sequence can cause. */
static unsigned signal_of(uint64_t cause)
{
    static const uint8_t signals[] = {
        [0] = INSN_SIGBUS,  [1] = INSN_SIGSEGV, [2] = INSN_SIGILL,
        [3] = INSN_SIGTRAP, [4] = INSN_SIGBUS,  [5] = INSN_SIGSEGV,
        [6] = INSN_SIGBUS,  [7] = INSN_SIGSEGV,
    };

    return cause < sizeof(signals) ? signals[cause] : 0;
}

/* What Linux does; then the instruction is passed over. False: astray. */
static bool handle_trap(struct insn_machine *machine, uint64_t cause,
                        struct insn_outcome *out)
{
    uint64_t pc = take_csr(machine, CSR_MEPC);
    uint64_t tval = take_csr(machine, CSR_MTVAL);
    unsigned signal = signal_of(cause);
    bool has_address = signal == INSN_SIGSEGV || signal == INSN_SIGBUS;

    if (!is_code(pc) || (signal == 0 && cause != CAUSE_ECALL_U)) {
        return false;
    }
    if (signal == 0) {
        xbar_riscv_set_x(machine->hart, REG_A0, -(uint64_t)LINUX_ENOSYS);
    } else {
        insn_add_fault(
            out, (struct insn_fault){ pc, has_address ? tval : 0, signal });
    }
    put_csr(machine, CSR_MEPC, pc + ((bits_at(machine, pc) & 3) == 3 ? 4 : 2));
    return true;
}

int insn_machine_run(struct insn_machine *machine, const struct insn_case *in,
                     struct insn_outcome *out, uint64_t *executed)
{
    memset(out, 0, sizeof(*out));
    load_state(machine, in);
    for (unsigned traps = 0; traps < MAX_TRAPS; traps++) {
        uint64_t cause;

        if (!run_to_trap(machine, executed)) {
            return -1;
        }
        cause = take_csr(machine, CSR_MCAUSE);
        if (cause == CAUSE_BREAKPOINT &&
            take_csr(machine, CSR_MEPC) == in->end) {
            save_state(machine, out);
            return 0;
        }
        if (!handle_trap(machine, cause, out)) {
            return -1;
        }
    }
    return -1;
}
