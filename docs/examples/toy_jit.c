/* SPDX-License-Identifier: MIT */
/*
 * A binary translator of one's own: blocks of a toy guest become x86-64 code in
 * the translation cache, with accesses by the emit API. The program counts
 * primes, patches its own code, and counts again up to another number.
 *
 *     run()  --enter-->  block --link--> block ...      chained in a page
 *       ^                  |  stub: which link was it
 *       +----- leave ------+  fault, or attention
 *
 * Guest registers live in memory, at fixed offsets from rbx, the vCPU; rsi and
 * rax are an access's address and value, rcx and rdx scratch.
 *
 * cc toy_jit.c $(pkg-config --cflags --libs xbar) && ./a.out
 */
#include <stdio.h>
#include <string.h>
#include <xbar/xbar.h>

#define RAM_SIZE   0x10000
#define CONSOLE    0x10000 /* writes print a number */
#define DATA       0x8000
#define INSNS_MAX  16 /* of a block */
#define FIXED_SIZE 64

struct cpu {
    SoftTLB tlb;
    uint32_t r[16];
    uint32_t pc;        /* where to go on, if no link says it */
    uint32_t exit;      /* block id * 2 + link + 1, or 0 */
    uint32_t attention; /* any thread: leave at the next block */
    uint32_t halted;
    bool has_fault;
    bool is_stale; /* code was written: see code_written() */
    struct xbar_jit_cache *cache;
    const uint8_t *enter, *leave;
    AddressSpace as;
    MemoryRegion root, ram, console;
};

/* ---- The machine ------------------------------------------------------- */

static void print_number(void *opaque, hwaddr addr, uint64_t data,
                         unsigned size)
{
    (void)opaque, (void)addr, (void)size;
    printf("console: %u\n", (unsigned)data);
}

static uint64_t read_zero(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque, (void)addr, (void)size;
    return 0;
}

static const MemoryRegionOps console_ops = { .read = read_zero,
                                             .write = print_number };

/* No paging: a page is where it is. */
static int walk(void *opaque, unsigned context, uint64_t va,
                enum xbar_tlb_access access, struct xbar_tlb_walk *w)
{
    (void)opaque, (void)context, (void)access;
    *w = (struct xbar_tlb_walk){ va,
                                 TLB_PROT_READ | TLB_PROT_WRITE | TLB_PROT_EXEC,
                                 true };
    return 0;
}

static void kick(void *opaque)
{
    __atomic_store_n(&((struct cpu *)opaque)->attention, 1, __ATOMIC_RELAXED);
}

/* Stores to pages with code leave the inline path, until the first is told. */
static bool holds_code(void *opaque, hwaddr page, uint64_t host)
{
    const struct cpu *cpu = opaque;

    (void)page;
    return !cpu->is_stale &&
           xbar_jit_has_page(cpu->cache, xbar_jit_home_page(host));
}

/* The block that stores is running: what is stale goes when it has left. */
static void code_written(void *opaque, hwaddr page, uint64_t host)
{
    struct cpu *cpu = opaque;

    (void)page, (void)host;
    cpu->is_stale = true;
    kick(cpu);
}

static int build_machine(struct cpu *cpu)
{
    const struct xbar_tlb_config config = { .as = &cpu->as,
                                            .walk = walk,
                                            .holds_code = holds_code,
                                            .code_written = code_written,
                                            .code_opaque = cpu,
                                            .kick = kick,
                                            .kick_opaque = cpu };
    const struct xbar_jit_config jit = { .limit = 1 << 20,
                                         .fixed_size = FIXED_SIZE };

    memory_region_transaction_begin();
    memory_region_init(&cpu->root, NULL, "root", UINT64_MAX);
    memory_region_init_ram(&cpu->ram, NULL, "ram", RAM_SIZE, NULL);
    memory_region_init_io(&cpu->console, NULL, &console_ops, cpu, "console", 4);
    memory_region_add_subregion(&cpu->root, 0, &cpu->ram);
    memory_region_add_subregion(&cpu->root, CONSOLE, &cpu->console);
    if (memory_region_transaction_commit() ||
        address_space_init(&cpu->as, &cpu->root, "memory") ||
        xbar_jit_new(&jit, &cpu->cache)) {
        return -1;
    }
    return tlb_init(&cpu->tlb, &config);
}

/* ---- x86-64 ------------------------------------------------------------ */

static void put(struct xbar_emit_buffer *b, const void *code, size_t size)
{
    memcpy(b->code + b->used, code, size);
    b->used += size;
}

static void put32(struct xbar_emit_buffer *b, uint32_t value)
{
    put(b, &value, sizeof(value));
}

#define FIELD(name) (uint32_t) offsetof(struct cpu, name)
#define REG(n)      (FIELD(r) + 4 * (n))

/* @op reg, [rbx + field], or the other way round; reg: 0 eax, 6 esi. */
static void put_op(struct xbar_emit_buffer *b, unsigned op, unsigned reg,
                   uint32_t field)
{
    put(b, (const uint8_t[]){ (uint8_t)op, (uint8_t)(0x83 | reg << 3) }, 2);
    put32(b, field);
}

#define MOV_TO   0x8b
#define MOV_FROM 0x89
#define ADD_TO   0x03
#define CMP_TO   0x3b

static void put_set(struct xbar_emit_buffer *b, uint32_t field, uint32_t value)
{
    put_op(b, 0xc7, 0, field); /* mov dword [rbx + field], value */
    put32(b, value);
}

static void put_leave(struct xbar_emit_buffer *b, const struct cpu *cpu)
{
    const uint8_t *from = xbar_jit_to_code(cpu->cache, b->code + b->used + 5);

    put(b, "\xe9", 1); /* jmp leave */
    put32(b, (uint32_t)(cpu->leave - from));
}

/* cmp dword [rbx + attention], 0; je: the offset of its displacement. */
static uint32_t put_check(struct xbar_emit_buffer *b)
{
    put_op(b, 0x83, 7, FIELD(attention));
    put(b, "\0\x0f\x84\0\0\0\0", 7);
    return (uint32_t)b->used - 4;
}

/* Code that all blocks share: struct xbar_jit_cache never evicts it. */
static void write_fixed(struct cpu *cpu)
{
    struct xbar_emit_buffer b;

    cpu->enter = xbar_jit_fixed(cpu->cache, &b);
    /* push rbx; push rbp; sub rsp, 8; mov rbx, rdi; jmp rsi */
    put(&b, "\x53\x55\x48\x83\xec\x08\x48\x89\xfb\xff\xe6", 11);
    cpu->leave = cpu->enter + b.used;
    /* add rsp, 8; pop rbp; pop rbx; ret */
    put(&b, "\x48\x83\xc4\x08\x5d\x5b\xc3", 7);
}

/* ---- The guest --------------------------------------------------------- */

/* | opcode 8 | a 4 | b 4 | immediate 16, of which the low 4 may be c | */
enum opcode { HALT, LI, ADD, ADDI, LOADB, LOADW, STOREB, STOREW, BNE, BGE };

#define INSN(op, a, b, imm) \
    ((uint32_t)(op) << 24 | (a) << 20 | (b) << 16 | ((imm)&0xffffu))

static const uint32_t program[] = {
    INSN(LI, 1, 0, 2),    /* 0: i */
    INSN(LI, 2, 0, 3000), /* up to: patched below */
    INSN(LI, 3, 0, 0),    /* count */
    INSN(LI, 4, 0, DATA), /* sieve */
    INSN(LI, 8, 0, 1),
    INSN(ADD, 5, 4, 1), /* 5: is i crossed out? */
    INSN(LOADB, 6, 5, 0),
    INSN(BNE, 6, 0, 15 - 7),
    INSN(ADDI, 3, 3, 1),
    INSN(ADD, 7, 1, 1),
    INSN(BGE, 7, 2, 15 - 10), /* 10: cross its multiples out */
    INSN(ADD, 5, 4, 7),
    INSN(STOREB, 8, 5, 0),
    INSN(ADD, 7, 7, 1),
    INSN(BGE, 7, 0, 10 - 14),
    INSN(ADDI, 1, 1, 1), /* 15 */
    INSN(BNE, 1, 2, 5 - 16),
    INSN(LI, 5, 0, CONSOLE / 2),
    INSN(ADD, 5, 5, 5),
    INSN(STOREW, 3, 5, 0),    /* the console prints it */
    INSN(BNE, 9, 0, 26 - 20), /* the second time? */
    INSN(LI, 9, 0, 1),
    INSN(LOADW, 6, 0, 4),
    INSN(ADDI, 6, 6, 1000 - 3000),
    INSN(STOREW, 6, 0, 4),
    INSN(BGE, 0, 0, 0 - 25),   /* from the start */
    INSN(STOREW, 6, 5, 0x100), /* 26: nobody is there */
};

/* ---- Translating ------------------------------------------------------- */

/* An access whose slow path is still to be written. */
struct pending {
    struct xbar_emit_access access;
    struct xbar_emit_site site;
    uint32_t pc;
};

struct translation {
    struct cpu *cpu;
    struct xbar_jit_block *block;
    struct xbar_emit_buffer b;
    struct pending pending[INSNS_MAX];
    unsigned count;
    bool failed;
};

static const struct xbar_emit_target target = {
    .layout = XBAR_EMIT_LAYOUT,
    .vcpu = XBAR_EMIT_RBX,
    .scratch_count = 2,
    .scratch = { XBAR_EMIT_RCX, XBAR_EMIT_RDX },
    .tlb = offsetof(struct cpu, tlb),
};

/* A failed access: leave at its instruction. */
static const void *leave_at(SoftTLB *tlb, uint64_t pc)
{
    struct cpu *cpu = (struct cpu *)tlb; /* its first member */

    cpu->pc = (uint32_t)pc;
    cpu->has_fault = true;
    return cpu->leave;
}

static void put_access(struct translation *t, uint32_t insn, uint32_t pc)
{
    unsigned op = insn >> 24;
    bool is_store = op == STOREB || op == STOREW;
    struct pending *p = &t->pending[t->count++];

    p->pc = pc;
    p->access = (struct xbar_emit_access){
        .kind = is_store ? TLB_WRITE : TLB_READ,
        .op = op == LOADB || op == STOREB ? MO_8 : MO_32,
        .address = XBAR_EMIT_RSI,
        .value = XBAR_EMIT_RAX,
    };
    put_op(&t->b, MOV_TO, 6, REG(insn >> 16 & 15));
    put(&t->b, "\x81\xc6", 2); /* add esi, immediate */
    put32(&t->b, (uint32_t)(int16_t)insn);
    if (is_store) {
        put_op(&t->b, MOV_TO, 0, REG(insn >> 20 & 15));
    }
    t->failed |= xbar_emit_fast(&t->b, &target, &p->access, &p->site) < 0;
    if (!is_store) {
        put_op(&t->b, MOV_FROM, 0, REG(insn >> 20 & 15));
    }
}

/* Behind a slow path, too, somebody may want the CPU's attention. */
static void put_slow_paths(struct translation *t)
{
    for (struct pending *p = t->pending; p < t->pending + t->count; p++) {
        const struct xbar_emit_fault fault = { leave_at, p->pc };
        uint32_t check, goes_on;

        t->failed |=
            xbar_emit_slow(&t->b, &target, &p->access, &fault, &p->site) < 0;
        if (p->access.kind == TLB_READ) {
            continue; /* the value is not in its register yet */
        }
        check = (uint32_t)t->b.used;
        goes_on = put_check(&t->b);
        put_set(&t->b, FIELD(pc), p->pc + 4);
        put_leave(&t->b, t->cpu);
        t->failed |= xbar_emit_bind(&t->b, p->site.back, check) != 0 ||
                     xbar_emit_bind(&t->b, goes_on, p->site.resume) != 0;
    }
}

/* A jump of @size bytes of opcode, whose displacement is aligned. */
static void put_link(struct translation *t, unsigned which, const char *opcode,
                     size_t size, uint32_t target_pc)
{
    while ((t->b.used + size) % 4 != 0) {
        put(&t->b, "\x90", 1);
    }
    put(&t->b, opcode, size);
    t->block->links[which].jump_at = (uint32_t)t->b.used;
    t->block->links[which].target_pc = target_pc;
    put32(&t->b, 0);
}

static void put_stubs(struct translation *t)
{
    for (unsigned i = 0; i < 2; i++) {
        struct xbar_jit_link *link = &t->block->links[i];

        if (link->jump_at != 0) {
            link->stub = (uint32_t)t->b.used;
            put_set(&t->b, FIELD(exit), t->block->id * 2 + i + 1);
            put_leave(&t->b, t->cpu);
            t->failed |= xbar_emit_bind(&t->b, link->jump_at, link->stub) != 0;
        }
    }
}

/* False: the block ends with it. */
static bool put_insn(struct translation *t, uint32_t insn, uint32_t pc)
{
    uint32_t a = REG(insn >> 20 & 15), b = REG(insn >> 16 & 15);
    uint32_t imm = (uint32_t)(int16_t)insn;

    switch ((enum opcode)(insn >> 24)) {
    case LI:
        put_set(&t->b, a, imm & 0xffff);
        return true;
    case ADD:
    case ADDI:
        put_op(&t->b, MOV_TO, 0, b);
        if (insn >> 24 == ADD) {
            put_op(&t->b, ADD_TO, 0, REG(imm & 15));
        } else {
            put(&t->b, "\x05", 1); /* add eax, immediate */
            put32(&t->b, imm);
        }
        put_op(&t->b, MOV_FROM, 0, a);
        return true;
    case LOADB:
    case LOADW:
    case STOREB:
    case STOREW:
        put_access(t, insn, pc);
        return true;
    case BNE:
    case BGE:
        put_op(&t->b, MOV_TO, 0, a);
        put_op(&t->b, CMP_TO, 0, b);
        put_link(t, 0, insn >> 24 == BNE ? "\x0f\x85" : "\x0f\x83", 2,
                 pc + 4 * imm);
        put_link(t, 1, "\xe9", 1, pc + 4);
        return false;
    default:
        put_set(&t->b, FIELD(halted), 1);
        put_leave(&t->b, t->cpu);
        return false;
    }
}

/* The guest's code at @host, up to a branch or the end of its page. */
static struct xbar_jit_block *
translate(struct cpu *cpu, const struct xbar_jit_key *key, const uint8_t *host)
{
    struct translation t = { .cpu = cpu };
    uint32_t pc = (uint32_t)key->pc, insn, goes_on;
    bool ended = false;

    t.block = xbar_jit_begin(cpu->cache, key, 16384, &t.b);
    if (t.block == NULL) {
        return NULL;
    }
    t.block->home[0] = (uintptr_t)host;
    goes_on = put_check(&t.b);
    put_set(&t.b, FIELD(pc), pc);
    put_leave(&t.b, cpu);
    t.failed = xbar_emit_bind(&t.b, goes_on, (uint32_t)t.b.used) != 0;
    while (!ended && t.block->insns < INSNS_MAX) {
        memcpy(&insn, host + t.block->guest_size, sizeof(insn));
        ended = !put_insn(&t, insn, pc);
        t.block->insns++;
        t.block->guest_size += 4;
        pc += 4;
        if (!ended &&
            (pc % TLB_PAGE_SIZE == 0 || t.block->insns == INSNS_MAX)) {
            put_link(&t, 1, "\xe9", 1, pc);
            ended = true;
        }
    }
    t.block->hot_size = (uint32_t)t.b.used;
    put_stubs(&t);
    put_slow_paths(&t);
    if (t.failed) {
        xbar_jit_abort(cpu->cache, t.block);
        return NULL;
    }
    return xbar_jit_finish(cpu->cache, t.block, &t.b, host) ? NULL : t.block;
}

/* ---- Running ----------------------------------------------------------- */

static bool has_changed(void *opaque, const struct xbar_jit_block *block)
{
    (void)opaque;
    return memcmp(block->bytes, (const void *)(uintptr_t)block->home[0],
                  block->guest_size) != 0;
}

/* Stores to its page leave the inline path. */
static bool protect(void *opaque, const struct xbar_jit_block *block)
{
    struct cpu *cpu = opaque;

    tlb_protect_code(&cpu->tlb, xbar_jit_home_page(block->home[0]));
    return true;
}

/* The block at cpu->pc, made if there is none. */
static struct xbar_jit_block *find_block(struct cpu *cpu)
{
    const struct xbar_jit_key key = { .pc = cpu->pc,
                                      .page = cpu->pc & TLB_PAGE_MASK,
                                      .page2 = XBAR_JIT_NO_PAGE };
    struct xbar_jit_block *block = xbar_jit_find(cpu->cache, &key);
    void *host;

    if (tlb_host(&cpu->tlb, 0, cpu->pc, 4, TLB_EXEC, &host)) {
        cpu->has_fault = true;
        return NULL;
    }
    if (block == NULL || block->home[0] != (uintptr_t)host) {
        if (block != NULL) {
            xbar_jit_drop(cpu->cache, block); /* of other memory */
        }
        block = translate(cpu, &key, host);
        if (block != NULL) {
            protect(cpu, block);
        }
    }
    return block;
}

/* An exit that is not chained yet: from now on it is, if that needs no check.
 * False: there is no code at its end. */
static bool follow_link(struct cpu *cpu)
{
    struct xbar_jit_block *from =
        xbar_jit_by_id(cpu->cache, (cpu->exit - 1) / 2);
    unsigned which = (cpu->exit - 1) % 2;
    uint64_t dropped = xbar_jit_dropped(cpu->cache);
    struct xbar_jit_block *to;

    cpu->pc = (uint32_t)from->links[which].target_pc;
    to = find_block(cpu);
    if (to != NULL && dropped == xbar_jit_dropped(cpu->cache) &&
        to->key.page == from->key.page &&
        xbar_jit_addend(to) == xbar_jit_addend(from)) {
        xbar_jit_chain(cpu->cache, from, which, to);
    }
    return to != NULL;
}

static void run(struct cpu *cpu)
{
    struct xbar_jit_block *block;
    void (*enter)(struct cpu * cpu, const void *code);

    memcpy(&enter, &cpu->enter, sizeof(enter));
    tlb_enter(&cpu->tlb);
    while (!cpu->halted && !cpu->has_fault) {
        __atomic_store_n(&cpu->attention, 0, __ATOMIC_RELAXED);
        tlb_safepoint(&cpu->tlb);
        if (cpu->is_stale) {
            cpu->is_stale = false;
            xbar_jit_check_all(cpu->cache, has_changed, cpu);
            xbar_jit_for_each(cpu->cache, protect, cpu);
        }
        block = find_block(cpu);
        if (block == NULL) {
            break;
        }
        cpu->exit = 0;
        enter(cpu, xbar_jit_code(cpu->cache, block->code));
        if (cpu->exit != 0 && !follow_link(cpu)) {
            break;
        }
    }
    tlb_leave(&cpu->tlb);
}

static bool list_block(void *opaque, const struct xbar_jit_block *block)
{
    (void)opaque;
    printf("block 0x%02x: %u instructions, %s, %s\n", (unsigned)block->key.pc,
           block->insns, block->links[0].to ? "chained" : "not chained",
           block->links[1].to ? "chained" : "not chained");
    return true;
}

int main(void)
{
    static _Alignas(64) struct cpu cpu;
    struct xbar_jit_stats stats;

    if (build_machine(&cpu)) {
        return 1;
    }
    for (unsigned i = 0; i < sizeof(program) / sizeof(program[0]); i++) {
        address_space_stl_le(&cpu.as, 4 * i, program[i], MEMTXATTRS_UNSPECIFIED,
                             NULL);
    }
    write_fixed(&cpu);
    run(&cpu);
    printf("at 0x%02x: fault at 0x%x, bus %u\n", cpu.pc,
           (unsigned)cpu.tlb.fault.va, (unsigned)cpu.tlb.fault.result);
    xbar_jit_for_each(cpu.cache, list_block, NULL);
    xbar_jit_get_stats(cpu.cache, &stats);
    printf("%u translated, %u invalidated\n", (unsigned)stats.translated,
           (unsigned)stats.invalidated);
    xbar_jit_free(cpu.cache);
    tlb_destroy(&cpu.tlb);
    return 0;
}
