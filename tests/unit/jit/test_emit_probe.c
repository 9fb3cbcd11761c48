/* SPDX-License-Identifier: MIT */
/*
 * The emitted probe over all 64 address bits and all contexts.
 *
 * A hit must be what the guest's page tables and the memory map say, at the
 * right host address; and the emitted probe must hit just where tlb_probe()
 * does, so that it misses nothing that is there. Between probes entries come
 * and go. Every page table entry differs by context.
 */
#include "tests/unit/jit/emit_rig.h"

#include <inttypes.h>
#include <stdio.h>

#include <capstone/capstone.h>

#include "tests/unit/tlb/world.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Page tables ------------------------------------------------------- */

/* Pages that share slots, pages at both ends, pages beside each other. */
static const uint64_t page_table[] = {
    0,
    UINT64_C(0x1000),
    UINT64_C(0x2000),
    UINT64_C(0xff000),
    UINT64_C(0x100000), /* the slot of page 0 */
    UINT64_C(0x101000),
    UINT64_C(0x8000000000000000),
    UINT64_C(0x7ffffffffffff000), /* the slot of the last page */
    UINT64_C(0x0000008000000000),
    UINT64_C(0xffffffc000000000),
    UINT64_C(0xffffffc000001000),
    UINT64_C(0xffffffc000042000),
    UINT64_C(0x0000000000042000),
    UINT64_C(0x4000000000042000),
    UINT64_C(0xfffffffffff00000),
    UINT64_C(0xfffffffffffff000),
    UINT64_C(0xffffffffffffe000),
    UINT64_C(0x00000000fffff000),
    UINT64_C(0x5555555555555000),
    UINT64_C(0xaaaaaaaaaaaaa000),
};

/* Where a page may lead: all kinds of memory. */
static const hwaddr frames[] = {
    0x80000000,         0x80001000, 0x80002000, 0x80004000,
    0x80008000,         0x8000f000, 0x1000, /* ROM */
    0x10000000,                             /* device */
    0x10002000,                             /* pieces */
    0x90000000,                             /* nothing */
    0xfffffffffffff000,
};

/* Any function of the two does, if it gives every pair. */
static uint64_t mix(uint64_t page, unsigned context)
{
    uint64_t x = (page >> 12) * 8 + context + 1;

    x *= UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 29;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ x >> 32;
}

static bool translate(unsigned context, uint64_t va, struct xbar_tlb_walk *walk)
{
    uint64_t page = va & TLB_PAGE_MASK;
    uint64_t how = mix(page, context);

    for (size_t i = 0; i < COUNT(page_table); i++) {
        if (page_table[i] == page && how % 8) {
            walk->phys = frames[how / 8 % COUNT(frames)] | (va & 0xfff);
            walk->prot = (uint8_t)(how >> 40 & 7);
            return true;
        }
    }
    return false;
}

static int walk(void *opaque, unsigned context, uint64_t va,
                enum xbar_tlb_access access, struct xbar_tlb_walk *found)
{
    (void)opaque;
    if (!translate(context, va, found) || !(found->prot & (1u << access))) {
        return FAULT_CODE;
    }
    return 0;
}

/* ---- The model --------------------------------------------------------- */

/* Host memory of @phys if all of its page is memory that takes @access. */
static uint8_t *memory_of(const struct world *world, hwaddr phys,
                          enum xbar_tlb_access access)
{
    static const enum world_place memories[] = { RAM, ROM, TOP, BIT_RAM };

    for (size_t i = 0; i < COUNT(memories); i++) {
        const struct place *place = &world_places[memories[i]];

        if (phys - place->base < place->size) {
            return access == TLB_WRITE && place->kind == PLACE_ROM
                       ? NULL
                       : world->bytes[memories[i]] + (phys - place->base);
        }
    }
    return NULL;
}

/* Where an access may go inline: the address, or NULL. */
static uint8_t *lawful(const struct world *world, unsigned context, uint64_t va,
                       unsigned size, enum xbar_tlb_access access)
{
    uint64_t page_size = (uint64_t)1 << world->tlb.config.page_bits;
    struct xbar_tlb_walk found;

    if (va % page_size + size > page_size || !translate(context, va, &found) ||
        !(found.prot & (1u << access))) {
        return NULL;
    }
    return memory_of(world, found.phys, access);
}

/* ---- Probes as C functions --------------------------------------------- */

typedef void *probe_fn(SoftTLB *tlb, uint64_t va);

static const unsigned sizes[] = { 1, 2, 3, 4, 8, 16, 64, 4096 };

#define ACCESSES 3
#define SHAPES   (TLB_CONTEXTS * ACCESSES * COUNT(sizes) * 2)

struct probe {
    probe_fn *function;
    uint8_t context;
    uint8_t access; /* enum xbar_tlb_access */
    uint16_t size;
    uint16_t align; /* 1: any address */
};

struct probe_test {
    struct world *world;
    struct rig rig[SHAPES * 64 / RIG_CODE_SIZE + 1];
    struct probe probes[SHAPES];
    unsigned count;
    /* What was accessed last: its entries are there. */
    unsigned context;
    uint64_t va;
    uint64_t seed;
    uint64_t hits;
};

/* probe; ret; miss: xor eax, eax; ret */
static void make_probe(struct rig *rig, unsigned features, unsigned page_bits,
                       struct probe *probe)
{
    const struct xbar_emit_target target = {
        .layout = XBAR_EMIT_LAYOUT,
        .features = features,
        .page_bits = (uint8_t)page_bits,
        .vcpu = XBAR_EMIT_RDI,
        .scratch_count = 2,
        .scratch = { XBAR_EMIT_RCX, XBAR_EMIT_RDX },
    };
    unsigned log2 = (unsigned)__builtin_ctz(probe->align);
    const struct xbar_emit_access access = {
        .kind = (enum xbar_tlb_access)probe->access,
        .op = (MemOp)log2,
        .aligned = probe->align > 1,
        .context = probe->context,
        .address = XBAR_EMIT_RSI,
        .value = XBAR_EMIT_RAX,
    };
    uint32_t at = (uint32_t)rig->buffer.used;
    struct xbar_emit_site site;
    void *code = rig->rx + at;

    assert_true(xbar_emit_probe(&rig->buffer, &target, &access, probe->size,
                                &site) > 0);
    rig_put_ret(rig);
    assert_int_equal(xbar_emit_bind(&rig->buffer, site.miss,
                                    rig_put(rig, "\x31\xc0\xc3", 3)),
                     0);
    memcpy(&probe->function, &code, sizeof(code));
}

static void add_probe(struct probe_test *test, unsigned context,
                      unsigned access, unsigned size, unsigned align)
{
    struct probe *probe = &test->probes[test->count];
    struct rig *rig = &test->rig[test->count * 64 / RIG_CODE_SIZE];
    unsigned features = test->count % 2 ? xbar_emit_features() : 0;
    unsigned page_bits = test->world->tlb.config.page_bits;

    *probe = (struct probe){ .context = (uint8_t)context,
                             .access = (uint8_t)access,
                             .size = (uint16_t)size,
                             .align = (uint16_t)align };
    make_probe(rig, features, page_bits, probe);
    test->count++;
}

static void make_probes(struct probe_test *test)
{
    const unsigned page_size = 1u << test->world->tlb.config.page_bits;

    for (unsigned context = 0; context < TLB_CONTEXTS; context++) {
        for (unsigned access = 0; access < ACCESSES; access++) {
            for (size_t i = 0; i < COUNT(sizes); i++) {
                unsigned size = sizes[i] < page_size ? sizes[i] : page_size;
                unsigned align = size & -size;

                add_probe(test, context, access, size, 1);
                add_probe(test, context, access, size, align > 64 ? 64 : align);
            }
        }
    }
    assert_int_equal(test->count, SHAPES);
}

/* ---- Life cycle -------------------------------------------------------- */

static void observe(void *opaque, const FlatRange *section,
                    enum xbar_tlb_access access, unsigned size)
{
    (void)opaque;
    (void)section;
    (void)access;
    (void)size;
}

static void *open_test(bool observed, unsigned page_bits)
{
    struct probe_test *test = aligned_zeroed(sizeof(*test));
    struct xbar_tlb_config config = { .walk = walk };

    test->seed = 0x9e3779b97f4a7c15;
    test->world = world_new();
    tlb_leave(&test->world->tlb);
    tlb_destroy(&test->world->tlb);
    config.as = &test->world->as;
    config.observe = observed ? observe : NULL;
    config.page_bits = (uint8_t)page_bits;
    assert_int_equal(tlb_init(&test->world->tlb, &config), 0);
    tlb_enter(&test->world->tlb);
    for (size_t i = 0; i < COUNT(test->rig); i++) {
        rig_open(&test->rig[i]);
    }
    make_probes(test);
    return test;
}

static int setup(void **state)
{
    *state = open_test(false, TLB_PAGE_BITS);
    return 0;
}

static int setup_observed(void **state)
{
    *state = open_test(true, TLB_PAGE_BITS);
    return 0;
}

static int setup_small(void **state)
{
    *state = open_test(false, TLB_PAGE_BITS_MIN);
    return 0;
}

static int teardown(void **state)
{
    struct probe_test *test = *state;

    for (size_t i = 0; i < COUNT(test->rig); i++) {
        rig_close(&test->rig[i]);
    }
    world_free(test->world);
    free(test);
    return 0;
}

/* ---- The fuzz ---------------------------------------------------------- */

#define ROUNDS 400000u
#define PROBES 8u /* in a round */

static uint64_t draw(struct probe_test *test, uint64_t below)
{
    return (next_random(&test->seed) >> 11) % below;
}

/* Mostly near what is mapped: there a probe can go wrong. */
static uint64_t draw_address(struct probe_test *test)
{
    uint64_t page = page_table[draw(test, COUNT(page_table))];

    switch (draw(test, 8)) {
    case 0:
        return next_random(&test->seed);
    case 1: /* around the ends of a page */
        return page + draw(test, 33) - 16;
    case 2: /* one bit off */
        return (page | draw(test, 4096)) ^ UINT64_C(1) << draw(test, 64);
    case 3: /* what an empty or a must-miss tag looks like, xor something */
        return tlb_empty_tag((unsigned)draw(test, TLB_L1_SIZE)) ^
               draw(test, 4096) ^ (draw(test, 2) ? UINT64_MAX : 0);
    case 4: /* same slot, other page */
        return (page & UINT64_C(0xff000)) |
               (next_random(&test->seed) & ~UINT64_C(0xff000));
    case 5:
        return UINT64_MAX - draw(test, 24);
    case 6:
        return (test->va & TLB_PAGE_MASK) | draw(test, 4096);
    default:
        return page | draw(test, 4096);
    }
}

/* Somebody accesses memory, or entries are dropped. */
static void disturb(struct probe_test *test)
{
    SoftTLB *tlb = &test->world->tlb;
    unsigned context = (unsigned)draw(test, TLB_CONTEXTS);
    uint64_t va = page_table[draw(test, COUNT(page_table))] | draw(test, 4090);
    uint64_t value;
    void *host;

    test->context = context;
    test->va = va;
    switch (draw(test, 64)) {
    case 0:
        tlb_flush_page(tlb, 1u << context, va);
        return;
    case 1:
        tlb_flush(tlb, 1u << context);
        return;
    case 2:
        tlb_protect_code(tlb, frames[draw(test, COUNT(frames))]);
        return;
    default:
        break;
    }
    if (draw(test, 3) == 0) {
        (void)!tlb_host(tlb, context, va, 1, TLB_EXEC, &host);
    } else if (draw(test, 2)) {
        (void)!tlb_load_slow(tlb, context, va, 0, &value);
    } else {
        (void)!tlb_store_slow(tlb, context, va, 0, 1);
    }
}

static const struct probe *draw_probe(struct probe_test *test)
{
    const unsigned of_context = SHAPES / TLB_CONTEXTS;

    if (draw(test, 2)) {
        return &test->probes[test->context * of_context +
                             draw(test, of_context)];
    }
    return &test->probes[draw(test, SHAPES)];
}

static void check_probe(struct probe_test *test, const struct probe *probe,
                        uint64_t va)
{
    struct world *world = test->world;
    enum xbar_tlb_access access = (enum xbar_tlb_access)probe->access;
    uint8_t *got = probe->function(&world->tlb, va);
    uint8_t *known =
        va % probe->align
            ? NULL
            : tlb_probe_page(&world->tlb, probe->context, va, probe->size,
                             access, world->tlb.config.page_bits);

    if (got) {
        test->hits++;
    }
    if (got != known || (got && got != lawful(world, probe->context, va,
                                              probe->size, access))) {
        print_error("va %" PRIx64 " size %u align %u access %u context %u: "
                    "%p, tlb_probe() %p\n",
                    va, probe->size, probe->align, access, probe->context,
                    (void *)got, (void *)known);
        fail_msg("the emitted probe differs");
    }
}

static void fuzz(struct probe_test *test, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        disturb(test);
        for (unsigned k = 0; k < PROBES; k++) {
            check_probe(test, draw_probe(test), draw_address(test));
        }
    }
}

static void test_probe_against_walk(void **state)
{
    struct probe_test *test = *state;

    fuzz(test, ROUNDS);
    print_message("%u probes, %" PRIu64 " hits\n", ROUNDS * PROBES, test->hits);
    assert_true(test->hits > ROUNDS / 8);
}

/* Whoever observes sees all: only fetches may hit. */
static void test_observed_never_hits(void **state)
{
    struct probe_test *test = *state;

    for (unsigned i = 0; i < 20000; i++) {
        const struct probe *probe = draw_probe(test);

        disturb(test);
        if (probe->access != TLB_EXEC) {
            assert_null(probe->function(&test->world->tlb, draw_address(test)));
        }
    }
}

/* Empty tables: no address at all hits. */
static void test_empty_never_hits(void **state)
{
    struct probe_test *test = *state;

    for (unsigned i = 0; i < 200000; i++) {
        check_probe(test, &test->probes[i % SHAPES], draw_address(test));
    }
    assert_int_equal(test->hits, 0);
}

/* ---- What a hit costs -------------------------------------------------- */

static size_t count_instructions(const struct xbar_emit_target *target,
                                 const struct xbar_emit_access *access)
{
    uint8_t bytes[XBAR_EMIT_FAST_MAX];
    struct xbar_emit_buffer buffer = { .code = bytes, .size = sizeof(bytes) };
    struct xbar_emit_site site;
    cs_insn *insn;
    size_t count;
    csh handle;

    assert_true(xbar_emit_fast(&buffer, target, access, &site) > 0);
    assert_int_equal(cs_open(CS_ARCH_X86, CS_MODE_64, &handle), CS_ERR_OK);
    count = cs_disasm(handle, bytes, buffer.used, 0, 0, &insn);
    cs_free(insn, count);
    cs_close(&handle);
    return count;
}

static void test_instructions_of_a_hit(void **state)
{
    struct xbar_emit_target target = {
        .layout = XBAR_EMIT_LAYOUT,
        .features = XBAR_EMIT_BMI2,
        .vcpu = XBAR_EMIT_RBP,
        .scratch_count = 2,
        .scratch = { XBAR_EMIT_RCX, XBAR_EMIT_RDX },
    };
    struct xbar_emit_access access = { .op = MO_64,
                                       .address = XBAR_EMIT_RBX,
                                       .value = XBAR_EMIT_RAX };

    (void)state;
    assert_int_equal(count_instructions(&target, &access), 8);
    access.kind = TLB_WRITE;
    assert_int_equal(count_instructions(&target, &access), 8);
    access.aligned = true;
    assert_int_equal(count_instructions(&target, &access), 9);
    target.features = 0;
    assert_int_equal(count_instructions(&target, &access), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_probe_against_walk, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_probe_against_walk, setup_small,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_observed_never_hits,
                                        setup_observed, teardown),
        cmocka_unit_test_setup_teardown(test_empty_never_hits, setup, teardown),
        cmocka_unit_test(test_instructions_of_a_hit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
