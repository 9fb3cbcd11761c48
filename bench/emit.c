/* SPDX-License-Identifier: MIT */
/*
 * Accesses from emitted code: what a foreign translator pays.
 *
 * A block is the same access many times in a row, then a return; it is called
 * as a C function. The slow paths lie behind it, as a translator places them.
 *
 *     rdi  vCPU    rsi  address    rax  value    rcx, rdx  scratch
 */
#include "bench.h"
#include "emitted.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define UNROLL    EMITTED_LOADS
#define RAM_VALUE EMITTED_VALUE
#define CODE_SIZE (UNROLL * (XBAR_EMIT_FAST_MAX + XBAR_EMIT_SLOW_MAX))

/* What setup() is to emit, by row. */
enum shape {
    SHAPE_LOAD = 0,
    SHAPE_STORE = 1 << 0,
    SHAPE_DEPENDENT = 1 << 1, /* each address depends on the value before */
    SHAPE_ALIGNED = 1 << 2,
    SHAPE_BASELINE = 1 << 3, /* without instructions the host may lack */
    SHAPE_KEEP_FLAGS = 1 << 4,
    SHAPE_EMPTY = 1 << 5, /* the call, without an access */
    SHAPE_BIG_ENDIAN = 1 << 6,
};

struct emitted {
    struct world *world;
    void *code;
    emitted_block *block; /* what the last access loaded, or stored */
    enum shape shape;
};

static void put_bytes(struct xbar_emit_buffer *b, const char *bytes,
                      size_t size)
{
    memcpy(b->code + b->used, bytes, size);
    b->used += size;
}

static struct xbar_emit_target target_of(enum shape shape)
{
    struct xbar_emit_target target = {
        .layout = XBAR_EMIT_LAYOUT,
        .vcpu = XBAR_EMIT_RDI,
        .scratch_count = 2,
        .scratch = { XBAR_EMIT_RCX, XBAR_EMIT_RDX },
        .tlb = 0,
        /* With rsi and rdi six homes of a translator that C may change. */
        .live = 1u << XBAR_EMIT_R8 | 1u << XBAR_EMIT_R9 | 1u << XBAR_EMIT_R10 |
                1u << XBAR_EMIT_R11,
    };

    target.features = shape & SHAPE_BASELINE ? 0 : xbar_emit_features();
    target.options = shape & SHAPE_KEEP_FLAGS ? XBAR_EMIT_KEEP_FLAGS : 0;
    return target;
}

static int emit_block(struct xbar_emit_buffer *b, enum shape shape)
{
    const struct xbar_emit_target target = target_of(shape);
    const struct xbar_emit_access access = {
        .kind = shape & SHAPE_STORE ? TLB_WRITE : TLB_READ,
        .op = shape & SHAPE_BIG_ENDIAN ? MO_32 | MO_BE : MO_32,
        .aligned = shape & SHAPE_ALIGNED,
        .address = XBAR_EMIT_RSI,
        .value = XBAR_EMIT_RAX,
    };
    const struct xbar_emit_fault fault = { .cookie = 0 };
    struct xbar_emit_site sites[UNROLL];
    unsigned count = shape & SHAPE_EMPTY ? 0 : UNROLL;
    int err = 0;

    for (unsigned i = 0; i < count; i++) {
        err |= xbar_emit_fast(b, &target, &access, &sites[i]) < 0;
        if (shape & SHAPE_DEPENDENT) {
            put_bytes(b, "\x48\x01\xc6", 3); /* add rsi, rax: always 0 */
        }
    }
    put_bytes(b, "\xc3", 1); /* ret */
    for (unsigned i = 0; i < count; i++) {
        /* Its jump stays unbound: a fault would stop the program. */
        err |= xbar_emit_slow(b, &target, &access, &fault, &sites[i]) < 0;
    }
    return err;
}

static void *new_code(enum shape shape)
{
    struct xbar_emit_buffer b = { .size = CODE_SIZE };

    b.code = mmap(NULL, b.size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b.code == MAP_FAILED || emit_block(&b, shape) ||
        mprotect(b.code, b.size, PROT_READ | PROT_EXEC)) {
        return NULL;
    }
    return b.code;
}

void *emitted_loads_new(size_t *size)
{
    *size = CODE_SIZE;
    return new_code(SHAPE_LOAD);
}

static void *setup(int64_t shape)
{
    struct emitted *emitted = calloc(1, sizeof(*emitted));
    void *code = new_code((enum shape)shape);
    uint64_t value;

    if (!emitted || !code) {
        return NULL;
    }
    emitted->world = world_new(16);
    if (!emitted->world) {
        return NULL;
    }
    tlb_enter(&emitted->world->tlb);
    if (tlb_load_slow(&emitted->world->tlb, 0, WORLD_RAM, 2, &value)) {
        return NULL;
    }
    address_space_stl(&emitted->world->as, WORLD_RAM + 64, RAM_VALUE,
                      MEMTXATTRS_UNSPECIFIED, NULL);
    emitted->shape = (enum shape)shape;
    emitted->code = code;
    emitted->block = emitted_block_of(code);
    return emitted;
}

static void teardown(void *context)
{
    struct emitted *emitted = context;

    tlb_leave(&emitted->world->tlb);
    world_free(emitted->world);
    munmap(emitted->code, CODE_SIZE);
    free(emitted);
}

/* A load leaves @value in rax each time; a store took 0 from there. */
static inline void run_at(struct emitted *emitted, uint64_t va, uint64_t value,
                          uint64_t operations)
{
    uint64_t sum = 0;
    uint64_t blocks = 0;

    for (uint64_t i = 0; i < operations; i += UNROLL) {
        sum += emitted->block(&emitted->world->tlb, va);
        blocks++;
    }
    emitted->world->sum += sum;
    emitted->world->expected += blocks * value;
}

static void run_empty(void *context, uint64_t operations)
{
    struct emitted *emitted = context;

    for (uint64_t i = 0; i < operations; i += UNROLL) {
        bench_use(emitted->block(&emitted->world->tlb, WORLD_RAM));
    }
}

/* A cell of 0, so that a dependent address stays what it is. */
static void run_dependent(void *context, uint64_t operations)
{
    run_at(context, WORLD_RAM, 0, operations);
}

static void run_ram(void *context, uint64_t operations)
{
    struct emitted *emitted = context;

    run_at(emitted, WORLD_RAM + 64,
           emitted->shape & SHAPE_BIG_ENDIAN ? __builtin_bswap32(RAM_VALUE)
                                             : RAM_VALUE,
           operations);
}

static void run_mmio(void *context, uint64_t operations)
{
    run_at(context, WORLD_DEV + 8, 8, operations);
}

static void run_mmio_locked(void *context, uint64_t operations)
{
    run_at(context, WORLD_DEV_LOCKED + 8, 8, operations);
}

/* What rax holds is what is stored: whatever it is, memory has it after. */
static void run_store(void *context, uint64_t operations)
{
    struct emitted *emitted = context;

    uint64_t stored = 0;

    for (uint64_t i = 0; i < operations; i += UNROLL) {
        stored = emitted->block(&emitted->world->tlb, WORLD_RAM + 128);
    }
    emitted->world->sum += address_space_ldl(
        &emitted->world->as, WORLD_RAM + 128, MEMTXATTRS_UNSPECIFIED, NULL);
    emitted->world->expected += (uint32_t)stored;
}

static void run_store_mmio(void *context, uint64_t operations)
{
    struct emitted *emitted = context;
    struct world *world = emitted->world;
    const uint64_t before = world->writes;

    for (uint64_t i = 0; i < operations; i += UNROLL) {
        bench_use(emitted->block(&world->tlb, WORLD_DEV + 8));
        world->expected += UNROLL;
    }
    world->sum += world->writes - before;
}

static const char *check(void *context)
{
    struct emitted *emitted = context;

    return world_check(emitted->world);
}

#define ROW(label, shape, function)                                     \
    {                                                                   \
        .name = label, .arg = (shape), .setup = setup, .run = function, \
        .teardown = teardown, .check = check                            \
    }

static const struct bench rows[] = {
    ROW("emit/call", SHAPE_EMPTY, run_empty),
    ROW("emit/load", SHAPE_LOAD, run_ram),
    ROW("emit/load_dependent", SHAPE_DEPENDENT, run_dependent),
    ROW("emit/load_aligned", SHAPE_ALIGNED, run_ram),
    ROW("emit/load_big_endian", SHAPE_BIG_ENDIAN, run_ram),
    ROW("emit/load_baseline", SHAPE_BASELINE, run_ram),
    ROW("emit/load_keep_flags", SHAPE_KEEP_FLAGS, run_ram),
    ROW("emit/store", SHAPE_STORE, run_store),
    ROW("emit/load_mmio", SHAPE_LOAD, run_mmio),
    ROW("emit/load_mmio_machine_lock", SHAPE_LOAD, run_mmio_locked),
    ROW("emit/store_mmio", SHAPE_STORE, run_store_mmio),
};

const struct bench_table bench_emit = BENCH_TABLE(rows);
