/* SPDX-License-Identifier: MIT */
/*
 * A CPU of one's own over the soft-TLB: an interpreter whose loads, stores and
 * fetches are inline probes, with a page table and a page size of its own.
 *
 *     virtual                          physical
 *     0x0000  code, read and execute   0x00000  ram: code, page table, frames
 *     0x4000  data, mapped on demand   0x10000  console: writes print a number
 *     0x8000  console, switch, bank    0x10400  switch: which bank is there
 *                                      0x10800  bank 0 or bank 1
 *
 * Pages are of 1 KiB, so console, switch and bank are different pages. The
 * program counts primes, and then looks at both banks: the switch's callback
 * changes the map while the CPU runs.
 *
 * cc toy_cpu.c $(pkg-config --cflags --libs xbar) && ./a.out
 */
#include <stdio.h>
#include <xbar/xbar.h>

#define PAGE_BITS 10
#define PAGE      (1u << PAGE_BITS)
#define CONTEXT   0 /* one translation regime: no privilege levels here */

#define TABLE     0x1000 /* one entry of 4 bytes for each page */
#define TABLE_LEN 64
#define FRAMES    0x2000
#define DEVICES   0x10000
#define DATA      0x4000 /* virtual */
#define CONSOLE   0x8000

#define FAULT_PAGE 1 /* the walker's own code */

/* A page table entry: the frame, and what may be done (TLB_PROT_*). */
#define PTE_PROT 7u

struct cpu {
    SoftTLB tlb;
    uint32_t pc;
    uint32_t r[16];
    bool halted;
    bool attention; /* any thread: reach a safe point */

    AddressSpace as;
    MemoryRegion root, ram, io, bank[2];
    uint32_t frames; /* given away */
};

/* ---- The machine ------------------------------------------------------- */

static void write_io(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct cpu *cpu = opaque;

    (void)size;
    if (addr < PAGE) {
        printf("console: %u\n", (unsigned)data);
        return;
    }
    memory_region_transaction_begin();
    memory_region_set_enabled(&cpu->bank[0], data == 0);
    memory_region_set_enabled(&cpu->bank[1], data == 1);
    (void)memory_region_transaction_commit();
}

static uint64_t read_io(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque, (void)addr, (void)size;
    return 0;
}

static const MemoryRegionOps io_ops = { .read = read_io, .write = write_io };

/* What the MMU does on a miss. */
static int walk(void *opaque, unsigned context, uint64_t va,
                enum xbar_tlb_access access, struct xbar_tlb_walk *w)
{
    struct cpu *cpu = opaque;
    uint64_t page = va >> PAGE_BITS;
    uint32_t pte;

    (void)context;
    pte = page >= TABLE_LEN
              ? 0
              : address_space_ldl_le(&cpu->as, TABLE + 4 * page,
                                     MEMTXATTRS_UNSPECIFIED, NULL);
    w->phys = pte;
    w->prot = pte & PTE_PROT;
    return w->prot & 1u << access ? 0 : FAULT_PAGE;
}

static void poke(struct cpu *cpu, uint32_t phys, uint32_t value)
{
    address_space_stl_le(&cpu->as, phys, value, MEMTXATTRS_UNSPECIFIED, NULL);
}

static void map(struct cpu *cpu, uint32_t va, uint32_t phys, unsigned prot)
{
    poke(cpu, TABLE + 4 * (va >> PAGE_BITS), phys | prot);
}

/* Something was posted to the TLB: see run(). */
static void kick(void *opaque)
{
    __atomic_store_n(&((struct cpu *)opaque)->attention, true,
                     __ATOMIC_RELAXED);
}

static int build_machine(struct cpu *cpu)
{
    const struct xbar_tlb_config config = { .as = &cpu->as,
                                            .walk = walk,
                                            .walk_opaque = cpu,
                                            .page_bits = PAGE_BITS,
                                            .kick = kick,
                                            .kick_opaque = cpu };

    memory_region_transaction_begin();
    memory_region_init(&cpu->root, NULL, "root", UINT64_MAX);
    memory_region_init_ram(&cpu->ram, NULL, "ram", DEVICES, NULL);
    memory_region_init_io(&cpu->io, NULL, &io_ops, cpu, "io", 2 * PAGE);
    memory_region_init_ram(&cpu->bank[0], NULL, "bank 0", PAGE, NULL);
    memory_region_init_ram(&cpu->bank[1], NULL, "bank 1", PAGE, NULL);
    memory_region_set_enabled(&cpu->bank[1], false);
    memory_region_add_subregion(&cpu->root, 0, &cpu->ram);
    memory_region_add_subregion(&cpu->root, DEVICES, &cpu->io);
    memory_region_add_subregion(&cpu->root, DEVICES + 2 * PAGE, &cpu->bank[0]);
    memory_region_add_subregion(&cpu->root, DEVICES + 2 * PAGE, &cpu->bank[1]);
    if (memory_region_transaction_commit() ||
        address_space_init(&cpu->as, &cpu->root, "memory")) {
        return -1;
    }
    return tlb_init(&cpu->tlb, &config);
}

/* ---- Accesses: 0, or nonzero with tlb.fault ---------------------------- */

static inline int load(struct cpu *cpu, uint32_t va, unsigned size_log2,
                       uint32_t *value)
{
    const void *host = tlb_probe_page(&cpu->tlb, CONTEXT, va, 1u << size_log2,
                                      TLB_READ, PAGE_BITS);
    uint64_t slow = *value;
    int err = 0;

    if (host != NULL) {
        *value = (uint32_t)tlb_ram_load(host, size_log2);
    } else {
        err = tlb_load_slow(&cpu->tlb, CONTEXT, va, size_log2, &slow);
        *value = (uint32_t)slow; /* as it was if that failed */
    }
    return err;
}

static inline int store(struct cpu *cpu, uint32_t va, unsigned size_log2,
                        uint32_t value)
{
    void *host = tlb_probe_page(&cpu->tlb, CONTEXT, va, 1u << size_log2,
                                TLB_WRITE, PAGE_BITS);

    if (host != NULL) {
        tlb_ram_store(host, size_log2, value);
        return 0;
    }
    return tlb_store_slow(&cpu->tlb, CONTEXT, va, size_log2, value);
}

static inline int fetch(struct cpu *cpu, uint32_t *insn)
{
    void *host = tlb_probe_page(&cpu->tlb, CONTEXT, cpu->pc, sizeof(*insn),
                                TLB_EXEC, PAGE_BITS);

    if (host == NULL &&
        tlb_host(&cpu->tlb, CONTEXT, cpu->pc, sizeof(*insn), TLB_EXEC, &host)) {
        return -1;
    }
    *insn = (uint32_t)tlb_ram_load(host, 2);
    return 0;
}

/* ---- The instruction set ----------------------------------------------- */

/* | opcode 8 | a 4 | b 4 | immediate 16, of which the low 4 may be c | */
enum opcode { HALT, LI, ADD, ADDI, LOADB, LOADW, STOREB, STOREW, BNE, BGE };

#define INSN(op, a, b, imm) \
    ((uint32_t)(op) << 24 | (a) << 20 | (b) << 16 | ((imm)&0xffffu))

/* Registers: 1 i, 2 n, 3 count, 4 sieve, 5 to 7 short-lived, 8 one. */
/* clang-format off */
static const uint32_t program[] = {
    INSN(LI, 1, 0, 2),         INSN(LI, 2, 0, 3000),
    INSN(LI, 4, 0, DATA),      INSN(LI, 8, 0, 1),
    INSN(ADD, 5, 4, 1),        INSN(LOADB, 6, 5, 0),    /* 4: each i */
    INSN(BNE, 6, 0, 14 - 6),   INSN(ADDI, 3, 3, 1),     /* crossed out? */
    INSN(ADD, 7, 1, 1),        INSN(BGE, 7, 2, 14 - 9), /* 9: its multiples */
    INSN(ADD, 5, 4, 7),        INSN(STOREB, 8, 5, 0),
    INSN(ADD, 7, 7, 1),        INSN(BGE, 7, 0, 9 - 13),
    INSN(ADDI, 1, 1, 1),       INSN(BNE, 1, 2, 4 - 15), /* 14 */
    INSN(LI, 5, 0, CONSOLE),   INSN(STOREW, 3, 5, 0),
    INSN(LOADW, 6, 5, 2 * PAGE), INSN(STOREW, 6, 5, 0), /* one bank */
    INSN(STOREW, 8, 5, PAGE),                           /* the switch */
    INSN(LOADW, 6, 5, 2 * PAGE), INSN(STOREW, 6, 5, 0), /* the other */
    INSN(STOREW, 6, 5, 3 * PAGE),                       /* mapped nowhere */
};

/* Return: 0, or nonzero with tlb.fault and nothing changed. */
static int execute(struct cpu *cpu, uint32_t insn)
{
    uint32_t *a = &cpu->r[insn >> 20 & 15], b = cpu->r[insn >> 16 & 15];
    uint32_t imm = (uint32_t)(int16_t)insn, next = cpu->pc + 4;
    int err = 0;

    switch ((enum opcode)(insn >> 24)) {
    case LI:     *a = imm & 0xffff; break;
    case ADD:    *a = b + cpu->r[imm & 15]; break;
    case ADDI:   *a = b + imm; break;
    case LOADB:  err = load(cpu, b + imm, 0, a); break;
    case LOADW:  err = load(cpu, b + imm, 2, a); break;
    case STOREB: err = store(cpu, b + imm, 0, *a); break;
    case STOREW: err = store(cpu, b + imm, 2, *a); break;
    case BNE:    next = *a != b ? cpu->pc + 4 * imm : next; break;
    case BGE:    next = *a >= b ? cpu->pc + 4 * imm : next; break;
    default:     cpu->halted = true; break;
    }
    /* clang-format on */
    cpu->pc = err ? cpu->pc : next;
    return err;
}

/* The operating system: a frame for what the program touches in its data. */
static bool map_on_demand(struct cpu *cpu)
{
    const struct xbar_tlb_fault *fault = &cpu->tlb.fault;

    if (fault->code != FAULT_PAGE || fault->va < DATA || fault->va >= CONSOLE) {
        printf("fault at 0x%x: code %d, bus %u\n", (unsigned)fault->va,
               fault->code, (unsigned)fault->result);
        return false;
    }
    printf("a frame for 0x%x\n", (unsigned)fault->va & -PAGE);
    map(cpu, (uint32_t)fault->va, FRAMES + PAGE * cpu->frames++,
        TLB_PROT_READ | TLB_PROT_WRITE);
    return true; /* a TLB holds nothing of what could not be done before */
}

/*
 * Slices of a thousand instructions, with a safe point behind each: there
 * grace periods pass and commits of other threads are applied. After a commit
 * of a device that this CPU accessed it comes at once.
 */
static void run(struct cpu *cpu)
{
    uint32_t insn;

    tlb_enter(&cpu->tlb);
    while (!cpu->halted) {
        __atomic_store_n(&cpu->attention, false, __ATOMIC_RELAXED);
        tlb_safepoint(&cpu->tlb);
        for (unsigned i = 0;
             i < 1000 && !cpu->halted &&
             !__atomic_load_n(&cpu->attention, __ATOMIC_RELAXED);
             i++) {
            if (fetch(cpu, &insn) || execute(cpu, insn)) {
                cpu->halted = !map_on_demand(cpu);
            }
        }
    }
    tlb_leave(&cpu->tlb);
}

static void load_program(struct cpu *cpu)
{
    for (unsigned i = 0; i < sizeof(program) / sizeof(program[0]); i++) {
        poke(cpu, 4 * i, program[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        *(uint32_t *)memory_region_get_ram_ptr(&cpu->bank[i]) = 111 * (i + 1);
    }
    map(cpu, 0, 0, TLB_PROT_READ | TLB_PROT_EXEC);
    for (unsigned i = 0; i < 3; i++) {
        map(cpu, CONSOLE + i * PAGE, DEVICES + i * PAGE,
            TLB_PROT_READ | TLB_PROT_WRITE);
    }
}

int main(void)
{
    static _Alignas(64) struct cpu cpu;

    if (build_machine(&cpu)) {
        return 1;
    }
    load_program(&cpu);
    run(&cpu);
    printf("%u walks\n", (unsigned)cpu.tlb.stats.walks);
    tlb_destroy(&cpu.tlb);
    return 0;
}
