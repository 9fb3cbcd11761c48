/* SPDX-License-Identifier: MIT */
/*
 * Emitted accesses against tlb_load_slow() and tlb_store_slow(): every
 * direction, size, sign, byte order and alignment rule, by many assignments of
 * registers, over everything that an address can be. Every register, the
 * stack, the device's calls and the fault are compared.
 */
#include "tests/unit/jit/emit_rig.h"

#include <stdio.h>

#include "tests/unit/tlb/world.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    REGS
};

#define CALLEE_SAVED \
    (1u << RBX | 1u << RBP | 1u << R12 | 1u << R13 | 1u << R14 | 1u << R15)
#define FLAGS_THAT_COUNT 0x8d5 /* OF SF ZF AF PF CF */

/* ---- The guest --------------------------------------------------------- */

#define VA(page, offset) \
    (UINT64_C(0xffffffc000100000) + (page)*UINT64_C(0x1000) + (offset))
#define VA_TOP UINT64_C(0xfffffffffffff000)

/* clang-format off */
static const struct {
    uint64_t va;
    hwaddr phys;
    unsigned prot;
} pages[] = {
    { VA(0, 0),  0x80000000, PROT_RWX },
    { VA(1, 0),  0x80002000, PROT_RWX }, /* not the next one of RAM */
    { VA(2, 0),  0x10000000, PROT_RWX }, /* device */
    { VA(4, 0),  0x80004000, PROT_RWX },
    { VA(6, 0),  0x00001000, PROT_RWX }, /* ROM */
    { VA(7, 0),  0x10001000, PROT_RWX }, /* strict device */
    { VA(8, 0),  0x10003000, PROT_RWX }, /* refuses its upper half */
    { VA(9, 0),  0x10002000, PROT_RWX }, /* pieces */
    { VA(10, 0), 0x90000000, PROT_RWX }, /* nothing there */
    { VA(11, 0), 0x80006000, TLB_PROT_READ },
    { VA(12, 0), 0x80007000, TLB_PROT_WRITE },
    { VA_TOP,    VA_TOP,     PROT_RWX },
};

static const uint64_t addresses[] = {
    VA(0, 0), VA(0, 0x100), VA(0, 0x101), VA(0, 0x103), VA(0, 0xff8),
    VA(0, 0xffa), VA(0, 0xffc), VA(0, 0xffd), VA(0, 0xffe), VA(0, 0xfff),
    VA(1, 0xff8), VA(1, 0xffb), VA(1, 0xfff),            /* RAM, device */
    VA(2, 0x40), VA(2, 0x41), VA(2, 0xff8), VA(2, 0xffe), /* then unmapped */
    VA(3, 8), VA(4, 0xff8), VA(4, 0xffd), VA(5, 0xfff),
    VA(6, 8), VA(6, 11), VA(7, 4), VA(7, 6), VA(7, 0xffc),
    VA(8, 0x10), VA(8, 0x7fe), VA(8, 0x800), VA(8, 0xfff),
    VA(9, 0x10), VA(9, 0x7fe), VA(9, 0x800), VA(9, 0x8fc), VA(9, 0x904),
    VA(9, 0xff8), VA(10, 0), VA(10, 0xffe),
    VA(11, 0x20), VA(11, 0x21), VA(12, 0x20), VA(12, 0x24),
    VA_TOP + 0xff0, VA_TOP + 0xff8, VA_TOP + 0xff9, VA_TOP + 0xfff,
    0, VA(0, 0x100) ^ UINT64_C(1) << 63, VA(0, 0x100) ^ UINT64_C(1) << 20,
};
/* clang-format on */

struct emit_test {
    struct world *world;
    struct rig rig;
    uint64_t seed;
    uint64_t hits;
    uint64_t runs;
};

static uint64_t draw(struct emit_test *test, uint64_t below)
{
    return (next_random(&test->seed) >> 11) % below;
}

static int setup(void **state)
{
    struct emit_test *test = aligned_zeroed(sizeof(*test));

    test->world = world_new();
    test->seed = 0x2545f4914f6cdd1d;
    rig_open(&test->rig);
    for (size_t i = 0; i < COUNT(pages); i++) {
        world_map(test->world, pages[i].va, pages[i].phys, pages[i].prot);
    }
    for (unsigned i = 0; i < PLACES; i++) {
        for (size_t k = 0; k < world_places[i].size; k++) {
            test->world->bytes[i][k] = (uint8_t)next_random(&test->seed);
        }
    }
    *state = test;
    return 0;
}

static int teardown(void **state)
{
    struct emit_test *test = *state;

    rig_close(&test->rig);
    world_free(test->world);
    free(test);
    return 0;
}

/* The byte that @va names, or NULL. */
static uint8_t *byte_at(struct world *world, uint64_t va)
{
    const struct mapping *mapping = world_find(world, va);
    hwaddr phys = mapping ? mapping->walk.phys | (va & 0xfff) : 0;

    for (unsigned i = 0; mapping && i < PLACES; i++) {
        const struct place *place = &world_places[i];

        if (world->enabled[i] && phys - place->base < place->size) {
            return &world->bytes[i][phys - place->base];
        }
    }
    return NULL;
}

/* ---- One access, and what it did --------------------------------------- */

/* Bytes that are watched around an address. */
#define BEFORE  4
#define WATCHED 16

struct outcome {
    bool failed;
    uint64_t value; /* of a load, as its register should have it */
    struct xbar_tlb_fault fault;
    struct call calls[16];
    unsigned call_count;
    uint8_t bytes[WATCHED];
};

static void watch(struct world *world, uint64_t va, uint8_t *bytes)
{
    for (unsigned i = 0; i < WATCHED; i++) {
        const uint8_t *byte = byte_at(world, va - BEFORE + i);

        bytes[i] = byte ? *byte : 0;
    }
}

static void put_back(struct world *world, uint64_t va, const uint8_t *bytes)
{
    for (unsigned i = 0; i < WATCHED; i++) {
        uint8_t *byte = byte_at(world, va - BEFORE + i);

        if (byte) {
            *byte = bytes[i];
        }
    }
}

static void begin_outcome(struct world *world)
{
    world->call_count = 0;
    memset(world->calls, 0, sizeof(world->calls));
    memset(&world->tlb.fault, 0, sizeof(world->tlb.fault));
}

static void end_outcome(struct world *world, uint64_t va, struct outcome *out)
{
    out->fault = world->tlb.fault;
    out->call_count = world->call_count;
    memcpy(out->calls, world->calls, sizeof(out->calls));
    watch(world, va, out->bytes);
}

static uint64_t swap(MemOp op, uint64_t value)
{
    if (op & MO_BSWAP) {
        return __builtin_bswap64(value) >> (64 - 8 * memop_size(op));
    }
    return value;
}

static uint64_t extend(MemOp op, uint64_t value)
{
    unsigned unused = 64 - 8 * memop_size(op);

    value <<= unused;
    return op & MO_SIGN ? (uint64_t)((int64_t)value >> unused)
                        : value >> unused;
}

/* By the functions of tlb.h. */
static void do_reference(struct world *world, const struct xbar_emit_access *a,
                         uint64_t va, uint64_t value, struct outcome *out)
{
    unsigned log2 = a->op & MO_SIZE;
    uint64_t loaded = 0;
    int err;

    begin_outcome(world);
    if (a->kind == TLB_READ) {
        err = tlb_load_slow(&world->tlb, a->context, va, log2, &loaded);
    } else {
        err = tlb_store_slow(&world->tlb, a->context, va, log2,
                             swap(a->op, value));
    }
    out->failed = err != 0;
    out->value = extend(a->op, swap(a->op, loaded));
    end_outcome(world, va, out);
}

/* ---- Code for one access ----------------------------------------------- */

static struct {
    unsigned calls;
    SoftTLB *tlb;
    uint64_t cookie;
    const void *next;
} told;

/* What a C function may change it does change. */
static void scrub(void)
{
    __asm__ volatile("mov $-1, %%eax\n mov %%rax, %%rcx\n"
                     "mov %%rax, %%rdx\n mov %%rax, %%rsi\n"
                     "mov %%rax, %%rdi\n mov %%rax, %%r8\n"
                     "mov %%rax, %%r9\n mov %%rax, %%r10\n"
                     "mov %%rax, %%r11\n"
                     ".irp n, 0, 1, 2, 3, 4, 5, 6, 7\n"
                     "pcmpeqd %%xmm\\n, %%xmm\\n\n"
                     ".endr\n"
                     ".irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"
                     "pcmpeqd %%xmm\\n, %%xmm\\n\n"
                     ".endr\n" ::
                         : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",
                           "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                           "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                           "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc",
                           "memory");
}

static int load_and_scrub(SoftTLB *tlb, unsigned context, uint64_t va,
                          unsigned size_log2, uint64_t *value)
{
    int err = tlb_load_slow(tlb, context, va, size_log2, value);

    scrub();
    return err;
}

static int store_and_scrub(SoftTLB *tlb, unsigned context, uint64_t va,
                           unsigned size_log2, uint64_t value)
{
    int err = tlb_store_slow(tlb, context, va, size_log2, value);

    scrub();
    return err;
}

static const void *fault_function(SoftTLB *tlb, uint64_t cookie)
{
    told.calls++;
    told.tlb = tlb;
    told.cookie = cookie;
    scrub();
    return told.next;
}

struct code {
    struct xbar_emit_target target;
    struct xbar_emit_access access;
    struct xbar_emit_fault fault;
    struct xbar_emit_site site;
    uint32_t landing; /* where a fault goes on */
};

/* fast; ret; slow; landing: ret */
static void emit(struct emit_test *test, struct code *code)
{
    struct xbar_emit_buffer *buffer = &test->rig.buffer;
    int fast, slow;

    buffer->used = 0;
    fast = xbar_emit_fast(buffer, &code->target, &code->access, &code->site);
    assert_true(fast > 0 && fast <= XBAR_EMIT_FAST_MAX);
    assert_int_equal(buffer->used, fast);
    rig_put_ret(&test->rig);
    slow = xbar_emit_slow(buffer, &code->target, &code->access, &code->fault,
                          &code->site);
    assert_true(slow > 0 && slow <= XBAR_EMIT_SLOW_MAX);
    assert_int_equal(buffer->used, fast + 1 + slow);
    code->landing = rig_put_ret(&test->rig);
    if (code->fault.function) {
        assert_int_equal(code->site.fault, 0);
    } else {
        assert_int_equal(
            xbar_emit_bind(buffer, code->site.fault, code->landing), 0);
    }
}

static uint32_t scratch_set(const struct xbar_emit_target *t)
{
    uint32_t set = 0;

    for (unsigned i = 0; i < t->scratch_count; i++) {
        set |= 1u << t->scratch[i];
    }
    return set;
}

/* Registers that must have kept their value. */
static uint32_t kept_set(const struct code *code, bool hit, bool failed)
{
    const struct xbar_emit_target *t = &code->target;
    const struct xbar_emit_access *a = &code->access;
    uint32_t kept = t->live | CALLEE_SAVED | 1u << t->vcpu | 1u << a->address |
                    1u << a->value;

    if (hit) {
        kept = UINT32_MAX;
    }
    if (a->kind == TLB_READ && !failed) {
        kept &= ~(1u << a->value);
    }
    return kept & ~(scratch_set(t) | 1u << RSP);
}

static void set_registers(struct emit_test *test, const struct code *code,
                          uint64_t va)
{
    const struct xbar_emit_access *a = &code->access;

    for (unsigned i = 0; i < REGS; i++) {
        rig_in.reg[i] = next_random(&test->seed);
    }
    rig_in.reg[code->target.vcpu] =
        (uintptr_t)&test->world->tlb - (uint64_t)(int64_t)code->target.tlb;
    rig_in.reg[a->address] = va - (uint64_t)(int64_t)a->offset;
    for (unsigned i = 0; i < REGS; i++) {
        rig_in.vector[i][0] = next_random(&test->seed);
        rig_in.vector[i][1] = next_random(&test->seed);
    }
    rig_in.flags = 0x202 | (next_random(&test->seed) & FLAGS_THAT_COUNT);
}

static bool check_vectors(uint32_t kept)
{
    for (unsigned i = 0; i < REGS; i++) {
        if ((kept & XBAR_EMIT_LIVE_VECTOR(i)) &&
            memcmp(rig_in.vector[i], rig_out.vector[i],
                   sizeof(rig_in.vector[i]))) {
            print_error("vector register %u changed\n", i);
            return false;
        }
    }
    return true;
}

static bool check_registers(const struct code *code, bool hit,
                            const struct outcome *expected)
{
    uint32_t kept = kept_set(code, hit, expected->failed);
    bool good = check_vectors(kept);

    for (unsigned i = 0; i < REGS; i++) {
        if ((kept & 1u << i) && rig_out.reg[i] != rig_in.reg[i]) {
            print_error("register %u: was %llx, is %llx\n", i,
                        (unsigned long long)rig_in.reg[i],
                        (unsigned long long)rig_out.reg[i]);
            good = false;
        }
    }
    if ((code->target.options & XBAR_EMIT_KEEP_FLAGS) &&
        ((rig_in.flags ^ rig_out.flags) & FLAGS_THAT_COUNT)) {
        print_error("flags: were %llx, are %llx\n",
                    (unsigned long long)rig_in.flags,
                    (unsigned long long)rig_out.flags);
        good = false;
    }
    return good && rig_out.reg[RSP] == (uintptr_t)rig_stack_top &&
           rig_stack_is_kept(code->target.options & XBAR_EMIT_RED_ZONE);
}

static bool check_result(const struct emit_test *test, const struct code *code,
                         const struct outcome *expected)
{
    uint64_t first = rig_out.reg[code->target.scratch[0]];

    if (!expected->failed) {
        return told.calls == 0 &&
               (code->access.kind != TLB_READ ||
                rig_out.reg[code->access.value] == expected->value);
    }
    if (!code->fault.function) {
        return first == code->fault.cookie;
    }
    return told.calls == 1 && told.tlb == &test->world->tlb &&
           told.cookie == code->fault.cookie &&
           first == (uintptr_t)(test->rig.rx + code->landing);
}

static bool same_effect(const struct outcome *a, const struct outcome *b)
{
    return !memcmp(&a->fault, &b->fault, sizeof(a->fault)) &&
           a->call_count == b->call_count &&
           !memcmp(a->calls, b->calls, sizeof(a->calls)) &&
           !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static void describe(const struct code *code, uint64_t va, bool cold)
{
    const struct xbar_emit_target *t = &code->target;
    const struct xbar_emit_access *a = &code->access;

    print_error("%s %s op %x aligned %d va %llx offset %d context %u; vcpu %u "
                "address %u value %u scratch %u %u %u live %x options %x "
                "features %x tlb %d %s\n",
                cold ? "cold" : "warm", a->kind == TLB_READ ? "load" : "store",
                a->op, a->aligned, (unsigned long long)va, a->offset,
                a->context, t->vcpu, a->address, a->value, t->scratch[0],
                t->scratch[1], t->scratch[2], t->live, t->options, t->features,
                t->tlb, code->fault.function ? "call" : "jump");
}

static bool will_hit(struct world *world, const struct xbar_emit_access *a,
                     uint64_t va)
{
    unsigned size = memop_size(a->op);

    return tlb_probe(&world->tlb, a->context, va, size, a->kind) &&
           (!a->aligned || va % size == 0);
}

static void run_at(struct emit_test *test, const struct code *code, uint64_t va,
                   bool cold)
{
    struct world *world = test->world;
    struct outcome expected, got = { 0 };
    uint8_t bytes[WATCHED];
    uint64_t slow;
    bool hit;

    set_registers(test, code, va);
    watch(world, va, bytes);
    do_reference(world, &code->access, va, rig_in.reg[code->access.value],
                 &expected);
    put_back(world, va, bytes);
    if (cold) {
        tlb_flush(&world->tlb, TLB_ALL_CONTEXTS);
    }
    hit = will_hit(world, &code->access, va);
    begin_outcome(world);
    memset(&told, 0, sizeof(told));
    told.next = test->rig.rx + code->landing;
    slow = world->tlb.stats.slow;
    rig_run(&test->rig, 0, (unsigned)draw(test, 8) * 8);
    end_outcome(world, va, &got);
    test->runs++;
    test->hits += hit;
    if (world->tlb.stats.slow != slow + !hit ||
        !check_registers(code, hit, &expected) ||
        !check_result(test, code, &expected) || !same_effect(&expected, &got)) {
        describe(code, va, cold);
        fail_msg("emitted access differs");
    }
}

/* ---- The matrix -------------------------------------------------------- */

struct assignment {
    uint8_t vcpu;
    uint8_t scratch[3];
    uint8_t address;
    uint8_t value;
    bool load_only; /* the value is a scratch register */
};

/* clang-format off */
static const struct assignment assignments[] = {
    { RBP, { RAX, RCX, RDX }, RSI, RDI, false },
    { R13, { R8,  R9,  R10 }, RBP, R12, false },
    { R12, { R13, R14, R15 }, R8,  RSI, false },
    { RBP, { R12, R13, RBX }, R14, RDI, false },
    { RBX, { R12, RBP, RDX }, R13, RSI, false },
    { RDI, { RSI, RDX, R8  }, RCX, RAX, false },
    { RDX, { RAX, RCX, RSI }, R8,  RDI, false }, /* arguments in a circle */
    { R8,  { R9,  R10, R11 }, RDI, RDX, false }, /* the other way round */
    { RDX, { RAX, RCX, RSI }, RDI, R8,  false }, /* two of them change places */
    { RDI, { RCX, RAX, RSI }, R8,  RDX, false },
    { RDX, { RBX, RCX, RSI }, RDI, RAX, false },
    { R8,  { RBX, RCX, RSI }, RAX, RDI, false },
    { RSI, { RDI, RBX, R9  }, RAX, RAX, false }, /* one for both */
    { R14, { R15, RSI, RDI }, R11, R11, false },
    { RAX, { RCX, R13, RBP }, RDX, RDX, false },
    { R15, { RDX, RAX, RCX }, R9,  RDX, true  },
    { RAX, { RDI, R8,  RSI }, RDX, R8,  true  },
    { R11, { RBX, RBP, R14 }, R10, R14, true },
};
/* clang-format on */

static uint8_t draw_register(struct emit_test *test, uint32_t *taken)
{
    uint8_t reg;

    do {
        reg = (uint8_t)draw(test, REGS);
    } while (*taken & 1u << reg);
    *taken |= 1u << reg;
    return reg;
}

static struct assignment draw_assignment(struct emit_test *test)
{
    uint32_t taken = 1u << RSP;
    struct assignment as = { .vcpu = draw_register(test, &taken) };

    for (unsigned i = 0; i < 3; i++) {
        as.scratch[i] = draw_register(test, &taken);
    }
    as.address = draw_register(test, &taken);
    as.value = draw(test, 5) ? draw_register(test, &taken) : as.address;
    return as;
}

static void draw_code(struct emit_test *test, const struct assignment *as,
                      struct code *code)
{
    static const int32_t tlbs[] = { 0, 64, 0x12340, -0x4000, 0x7fffe0 };
    static const int32_t offsets[] = { 0, 0, 8, -1, INT32_MIN, INT32_MAX };
    struct xbar_emit_target *t = &code->target;
    struct xbar_emit_access *a = &code->access;
    uint32_t live =
        draw(test, 2) ? UINT32_MAX : (uint32_t)next_random(&test->seed);

    a->offset = offsets[draw(test, COUNT(offsets))];
    a->context = (uint8_t)draw(test, TLB_CONTEXTS);
    a->address = as->address;
    a->value = as->value;
    *t = (struct xbar_emit_target){ .layout = XBAR_EMIT_LAYOUT,
                                    .features = (unsigned)draw(test, 2) &
                                                xbar_emit_features(),
                                    .options = (unsigned)draw(test, 4),
                                    .vcpu = as->vcpu,
                                    .scratch_count = 3,
                                    .tlb = tlbs[draw(test, COUNT(tlbs))] };
    memcpy(t->scratch, as->scratch, sizeof(t->scratch));
    if (draw(test, 2)) {
        t->load = load_and_scrub;
        t->store = store_and_scrub;
    }
    if (a->offset == 0 && !as->load_only) {
        t->scratch_count = (uint8_t)(2 + draw(test, 2));
    }
    t->live = live & ~(scratch_set(t) | 1u << RSP);
    code->fault =
        (struct xbar_emit_fault){ .function =
                                      draw(test, 2) ? fault_function : NULL,
                                  .cookie = next_random(&test->seed) };
}

/* Emit the shape by @as and run it everywhere. */
static void check_shape(struct emit_test *test, const struct assignment *as,
                        enum xbar_tlb_access kind, unsigned shape)
{
    struct code code = { .access = { .kind = kind } };

    code.access.op = (MemOp)((shape & 3) | (shape & 4 ? MO_BE : MO_LE) |
                             (shape & 8 ? MO_SIGN : 0));
    code.access.aligned = shape & 16;
    if (as->load_only && kind == TLB_WRITE) {
        return;
    }
    draw_code(test, as, &code);
    emit(test, &code);
    for (size_t i = 0; i < COUNT(addresses); i++) {
        run_at(test, &code, addresses[i], i % 4 == draw(test, 4));
    }
}

static void check_assignment(struct emit_test *test,
                             const struct assignment *as)
{
    for (unsigned shape = 0; shape < 32; shape++) {
        check_shape(test, as, TLB_READ, shape);
        check_shape(test, as, TLB_WRITE, shape);
    }
}

static void test_every_shape(void **state)
{
    struct emit_test *test = *state;

    for (size_t i = 0; i < COUNT(assignments); i++) {
        check_assignment(test, &assignments[i]);
        check_assignment(test, &assignments[i]);
    }
    for (unsigned i = 0; i < 32; i++) {
        struct assignment as = draw_assignment(test);

        check_assignment(test, &as);
    }
    print_message("%llu accesses, %llu of them hits\n",
                  (unsigned long long)test->runs,
                  (unsigned long long)test->hits);
    assert_true(test->hits > test->runs / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_shape, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
