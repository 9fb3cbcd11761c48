/* SPDX-License-Identifier: MIT */
/*
 * The probe in translated code, over all 64 address bits and in every
 * context of the hart: each load and store must give what the page tables
 * and the memory map say, which a model here knows without walking anything.
 *
 * Entries come and go between accesses: neighbours share slots, pages are
 * mapped anew, permissions change, tables are flushed whole and by page.
 */
#include "jit/riscv/jit.h"

#include <inttypes.h>

#include "encode.h"
#include "paging.h"

#define RAM_ADDR    ((uint64_t)RIG_RAM)
#define HANDLER     0x1000u
#define CODE        0x2000u /* one page, seen where S and where U may execute */
#define FRAMES      0x10000u
#define FRAME_COUNT 24u
#define TABLES      0x100000u
#define TABLE_COUNT 64u

#define S_CODE UINT64_C(0x3fc0077000) /* a slot of its own */
#define U_CODE UINT64_C(0x3fc0277000)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* In the lower and the upper half of Sv39: both ends, neighbours, pages that
 * share a slot of the TLB, pages one address bit apart. */
static const uint64_t page_list[] = {
    0,
    UINT64_C(0x1000),
    UINT64_C(0x2000),
    UINT64_C(0xff000),
    UINT64_C(0x100000), /* the slot of page 0 */
    UINT64_C(0x101000),
    UINT64_C(0x0000000080000000), /* where M-mode sees RAM */
    UINT64_C(0x0000000080010000),
    UINT64_C(0x0000002000000000),
    UINT64_C(0x0000003ffffff000), /* the last one of the lower half */
    UINT64_C(0xffffffc000000000), /* the first one of the upper half */
    UINT64_C(0xffffffc000001000),
    UINT64_C(0xffffffc000042000),
    UINT64_C(0x0000000000042000),
    UINT64_C(0x0000000010042000),
    UINT64_C(0xfffffffffff00000),
    UINT64_C(0xfffffffffffff000),
    UINT64_C(0xffffffffffffe000),
    UINT64_C(0xffffffff80000000),
    UINT64_C(0x0000001555555000),
    UINT64_C(0xffffffeaaaaaa000),
};
#define PAGES COUNT(page_list)

struct page {
    uint32_t frame; /* offset in RAM */
    unsigned bits;  /* of its entry; 0: not mapped */
};

struct context {
    enum riscv_priv priv;
    uint64_t status; /* of SUM and MXR */
};

static const struct context contexts[] = {
    { PRIV_M, 0 },
    { PRIV_U, 0 },
    { PRIV_U, MSTATUS_MXR },
    { PRIV_S, 0 },
    { PRIV_S, MSTATUS_SUM },
    { PRIV_S, MSTATUS_MXR },
    { PRIV_S, MSTATUS_SUM | MSTATUS_MXR },
};

static const enum riscv_op ops[] = {
    RISCV_OP_LB, RISCV_OP_LBU, RISCV_OP_LH, RISCV_OP_LHU,
    RISCV_OP_LW, RISCV_OP_LWU, RISCV_OP_LD, RISCV_OP_SB,
    RISCV_OP_SH, RISCV_OP_SW,  RISCV_OP_SD,
};

struct probe {
    struct rig rig;
    struct page pages[PAGES];
    unsigned tables; /* in use */
    uint8_t *shadow; /* what RAM should hold */
    uint64_t seed;
    unsigned favourite; /* page, and the next few: for a while */
    /* The access under test. */
    const struct context *context;
    enum riscv_op op;
    uint64_t va;
    uint64_t value;
    /* How they ended. */
    uint64_t good, page_faults, access_faults;
};

static uint64_t draw(struct probe *t, uint64_t below)
{
    return (rig_random(&t->seed) >> 11) % below;
}

/* ---- Page tables ------------------------------------------------------- */

/* The table below entry @index of @table, made if there is none. */
static uint32_t table_below(struct probe *t, uint32_t table, unsigned index)
{
    uint64_t pte;
    uint32_t below;

    memcpy(&pte, t->rig.mem + table + 8 * index, sizeof(pte));
    if (pte & PTE_V) {
        return (uint32_t)((pte >> 10 << 12) - RAM_ADDR);
    }
    assert_true(t->tables < TABLE_COUNT);
    below = TABLES + t->tables++ * 0x1000u;
    paging_set(&t->rig, table, index, RAM_ADDR + below, PTE_V);
    return below;
}

static void set_page(struct probe *t, uint64_t va, uint32_t frame,
                     unsigned bits)
{
    uint32_t table = table_below(t, TABLES, va >> 30 & 511);

    table = table_below(t, table, va >> 21 & 511);
    paging_set(&t->rig, table, va >> 12 & 511, RAM_ADDR + frame,
               bits ? bits | PTE_V | PTE_AD : 0);
}

/* Something else at page number @i; who has seen it is told. */
static void remap(struct probe *t, unsigned i)
{
    static const unsigned all_bits[] = {
        0,
        PTE_R,
        PTE_X,
        PTE_R | PTE_W,
        PTE_R | PTE_X,
        PTE_R | PTE_W | PTE_X,
        PTE_R | PTE_U,
        PTE_X | PTE_U,
        PTE_R | PTE_W | PTE_U,
        PTE_R | PTE_W | PTE_X | PTE_U,
        PTE_R | PTE_W | PTE_U,
        PTE_R | PTE_W,
    };
    struct page *page = &t->pages[i];

    page->frame = FRAMES + (uint32_t)draw(t, FRAME_COUNT) * 0x1000u;
    page->bits = all_bits[draw(t, COUNT(all_bits))];
    set_page(t, page_list[i], page->frame, page->bits);
    if (draw(t, 16) == 0) {
        tlb_flush(&t->rig.hart->tlb, TLB_ALL_CONTEXTS);
    } else {
        tlb_flush_page(&t->rig.hart->tlb, TLB_ALL_CONTEXTS, page_list[i]);
    }
}

/* ---- The model --------------------------------------------------------- */

static bool is_store(const struct probe *t)
{
    return riscv__ops[t->op].class == RISCV_CLASS_STORE;
}

static bool may_access(const struct probe *t, unsigned bits)
{
    const struct context *c = t->context;
    bool reads =
        (bits & PTE_R) || ((bits & PTE_X) && (c->status & MSTATUS_MXR));

    if (c->priv == PRIV_U ? !(bits & PTE_U)
                          : (bits & PTE_U) && !(c->status & MSTATUS_SUM)) {
        return false;
    }
    return is_store(t) ? (bits & PTE_W) != 0 : reads;
}

/* Where byte @va is in RAM. Return: 0, or the exception. */
static unsigned resolve(const struct probe *t, uint64_t va, uint32_t *offset)
{
    if (t->context->priv == PRIV_M) {
        *offset = (uint32_t)(va - RAM_ADDR);
        return va - RAM_ADDR < RIG_RAM_SIZE ? 0
               : is_store(t)                ? CAUSE_STORE_ACCESS
                                            : CAUSE_LOAD_ACCESS;
    }
    for (unsigned i = 0; i < PAGES; i++) {
        if (page_list[i] == (va & TLB_PAGE_MASK) &&
            may_access(t, t->pages[i].bits)) {
            *offset = t->pages[i].frame + (uint32_t)(va & 0xfff);
            return 0;
        }
    }
    return is_store(t) ? CAUSE_STORE_PAGE : CAUSE_LOAD_PAGE;
}

/* Perform it in the shadow. Return: 0, or the exception, with its address. */
static unsigned expect(struct probe *t, uint64_t *loaded, uint64_t *fault)
{
    int access = riscv__ops[t->op].access;
    unsigned size = (unsigned)(access < 0 ? -access : access);
    uint32_t offsets[8];

    for (unsigned i = 0; i < size; i++) {
        unsigned cause = resolve(t, t->va + i, &offsets[i]);

        if (cause) {
            *fault = t->va + i;
            return cause;
        }
    }
    *loaded = 0;
    for (unsigned i = 0; i < size; i++) {
        if (is_store(t)) {
            t->shadow[offsets[i]] = (uint8_t)(t->value >> (8 * i));
        }
        *loaded |= (uint64_t)t->shadow[offsets[i]] << (8 * i);
    }
    if (t->op == RISCV_OP_LB || t->op == RISCV_OP_LH || t->op == RISCV_OP_LW) {
        unsigned unused = 64 - 8 * size;

        *loaded = (uint64_t)((int64_t)(*loaded << unused) >> unused);
    }
    return 0;
}

/* ---- One access -------------------------------------------------------- */

/* Mostly near what is mapped: there a probe can go wrong. */
static uint64_t draw_address(struct probe *t)
{
    uint64_t page = page_list[(t->favourite + draw(t, 4)) % PAGES];
    uint64_t in_page = draw(t, 4096);
    uint64_t bits = rig_random(&t->seed);

    switch (draw(t, 10)) {
    case 0:
        return bits;
    case 1: /* one bit off */
        return (page | in_page) ^ UINT64_C(1) << bits % 64;
    case 2: /* what a tag that must miss looks like, xor something */
        return tlb_empty_tag((unsigned)(bits % TLB_L1_SIZE)) ^ in_page ^
               (bits >> 63 ? UINT64_MAX : 0);
    case 3: /* same slot, other page */
        return (page & UINT64_C(0xff000)) | (bits & ~UINT64_C(0xff000));
    case 4:
    case 5: /* around the ends of a page */
        return page + in_page % 33 - 16 + (bits & 4096);
    default:
        return page | in_page;
    }
}

/* Not under test here: devices and ROM; and the code and tables are to last. */
static bool is_off_limits(const struct probe *t)
{
    const uint64_t va = t->va;

    if (t->context->priv != PRIV_M) {
        return false;
    }
    return (va >= RIG_IO - 8 && va < RIG_IO + TLB_PAGE_SIZE) ||
           (va >= RIG_ROM - 8 && va < RIG_ROM + RIG_ROM_SIZE) ||
           (is_store(t) &&
            ((va >= RAM_ADDR - 8 && va < RAM_ADDR + FRAMES) ||
             (va >= RAM_ADDR + TABLES - 8 && va < RAM_ADDR + RIG_RAM_SIZE)));
}

static void enter(struct probe *t)
{
    struct xbar_riscv_hart *hart = t->rig.hart;
    /* Each row has a block of its own, for this base and this register. */
    uint64_t at = (uint64_t)(t->op - RISCV_OP_LB) * 8;

    hart->priv = t->context->priv;
    hart->mstatus &= ~(MSTATUS_SUM | MSTATUS_MXR);
    hart->mstatus |= t->context->status;
    hart->pc = at + (hart->priv == PRIV_M   ? RAM_ADDR + CODE
                     : hart->priv == PRIV_S ? S_CODE
                                            : U_CODE);
    hart->mcause = hart->mtval = hart->mepc = 0;
    hart->x[10] = t->value;
    hart->x[11] = t->va;
    riscv__update_contexts(hart);
}

static void try_one(struct probe *t)
{
    struct xbar_riscv_hart *hart = t->rig.hart;
    uint64_t loaded = 0, fault = 0, pc;
    unsigned cause;

    do {
        t->op = ops[draw(t, COUNT(ops))];
        t->va = draw_address(t);
        t->value = rig_random(&t->seed);
    } while (is_off_limits(t));
    enter(t);
    pc = hart->pc;
    cause = expect(t, &loaded, &fault);
    assert_int_equal(xbar_riscv_run(hart, 2), XBAR_RISCV_EXIT_BUDGET);
    if (hart->mcause != cause || hart->mtval != fault ||
        hart->mepc != (cause ? pc : 0) ||
        (!is_store(t) && hart->x[10] != (cause ? t->value : loaded))) {
        print_error("%s in context %td at %" PRIx64 ": cause %" PRIu64
                    " (not %u) at %" PRIx64 " (not %" PRIx64 "), %" PRIx64
                    " (not %" PRIx64 ")\n",
                    riscv__ops[t->op].text, t->context - contexts, t->va,
                    hart->mcause, cause, hart->mtval, fault, hart->x[10],
                    loaded);
        fail();
    }
    t->good += cause == 0;
    t->page_faults += cause == CAUSE_LOAD_PAGE || cause == CAUSE_STORE_PAGE;
    t->access_faults +=
        cause == CAUSE_LOAD_ACCESS || cause == CAUSE_STORE_ACCESS;
}

/* ---- All of them ------------------------------------------------------- */

#define ROUNDS      40000u
#define PER_ROUND   32u
#define REMAP_EVERY 16u /* rounds: entries are to be used, too */

static void write_code(struct probe *t)
{
    static const uint32_t handler = INSN_SELF;

    rig_code(&t->rig, HANDLER, &handler, 1);
    for (unsigned i = 0; i < COUNT(ops); i++) {
        bool stores = riscv__ops[ops[i]].class == RISCV_CLASS_STORE;
        const uint32_t code[] = {
            encode(ops[i], stores ? 0 : 10, 11, stores ? 10 : 0, 0),
            INSN_SELF,
        };

        rig_code(&t->rig, CODE + 8 * (unsigned)(ops[i] - RISCV_OP_LB), code, 2);
    }
}

static void open_probe(struct probe *t, const struct xbar_riscv_config *config)
{
    struct xbar_riscv_hart *hart;

    rig_open_with(&t->rig, config);
    rig_open_pmp(&t->rig);
    hart = t->rig.hart;
    hart->mtvec = RAM_ADDR + HANDLER;
    hart->satp =
        (uint64_t)SATP_SV39 << SATP_MODE_SHIFT | (RAM_ADDR + TABLES) >> 12;
    t->tables = 1;
    write_code(t);
    set_page(t, S_CODE, CODE, PTE_X);
    set_page(t, U_CODE, CODE, PTE_X | PTE_U);
    for (uint32_t i = 0; i < FRAME_COUNT * 0x1000u; i++) {
        t->rig.mem[FRAMES + i] = (uint8_t)rig_random(&t->seed);
    }
    for (unsigned i = 0; i < PAGES; i++) {
        remap(t, i);
    }
    t->shadow = test_malloc(RIG_RAM_SIZE);
    assert_int_equal(xbar_riscv_set_engine(hart, XBAR_RISCV_JIT), 0);
}

static void probe_all(const struct xbar_riscv_config *config, unsigned rounds)
{
    struct probe t = { .seed = 0x9e3779b97f4a7c15 };
    struct xbar_riscv_stats stats;

    open_probe(&t, config);
    memcpy(t.shadow, t.rig.mem, RIG_RAM_SIZE);
    for (unsigned round = 0; round < rounds; round++) {
        if (round % REMAP_EVERY == 0) {
            remap(&t, (unsigned)draw(&t, PAGES));
        }
        t.context = &contexts[draw(&t, COUNT(contexts))];
        t.favourite = (unsigned)draw(&t, PAGES);
        for (unsigned i = 0; i < PER_ROUND; i++) {
            /* Tables are not what is compared here. */
            memcpy(t.shadow + TABLES, t.rig.mem + TABLES,
                   i == 0 && round % REMAP_EVERY == 0 ? TABLE_COUNT * 0x1000u
                                                      : 0);
            try_one(&t);
        }
    }
    assert_memory_equal(t.shadow + FRAMES, t.rig.mem + FRAMES,
                        FRAME_COUNT * 0x1000u);
    xbar_riscv_get_stats(t.rig.hart, &stats);
    print_message("%" PRIu64 " good, %" PRIu64 " page faults, %" PRIu64
                  " access faults; %" PRIu64 " took the slow path\n",
                  t.good, t.page_faults, t.access_faults, stats.tlb.slow);
    assert_true(t.good > rounds && t.page_faults > rounds &&
                t.access_faults > rounds / 8);
    assert_true(stats.jit.instructions > rounds);
    assert_true(config->stress || t.good + t.page_faults + t.access_faults >
                                      stats.tlb.slow + 2 * rounds);
    test_free(t.shadow);
    rig_close(&t.rig);
}

static void test_every_context(void **state)
{
    const struct xbar_riscv_config config = { .hartid = 0 };

    (void)state;
    probe_all(&config, ROUNDS);
}

static void test_every_context_one_entry(void **state)
{
    const struct xbar_riscv_config config = { .stress = XBAR_RISCV_STRESS_TLB };

    (void)state;
    probe_all(&config, ROUNDS / 8);
}

static void test_every_context_eager_spans(void **state)
{
    const struct xbar_riscv_config config = { .stress =
                                                  XBAR_RISCV_STRESS_SPAN };

    (void)state;
    probe_all(&config, ROUNDS);
}

/* ---- Credit ------------------------------------------------------------ */

static TLBSpan *span_of(struct rig *rig, enum xbar_tlb_access access)
{
    return &rig->hart->tlb.spans[CTX_M][access][11];
}

/* The span of a1 has nothing, so that its entry is asked: each hit takes 1 off
 * the credit, and what is left over lets the span learn. */
static void test_credit(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_LD, 10, 11, 0, 8),
        encode(RISCV_OP_SD, 0, 11, 12, 16),
        encode(RISCV_OP_JAL, 0, 0, 0, -8),
    };
    struct rig rig;

    (void)state;
    rig_open(&rig);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    rig_code(&rig, CODE, code, COUNT(code));
    rig.hart->pc = RAM_ADDR + CODE;
    rig.hart->x[11] = RAM_ADDR + FRAMES;
    assert_int_equal(xbar_riscv_run(rig.hart, 300), XBAR_RISCV_EXIT_BUDGET);
    for (unsigned access = 0; access < 2; access++) {
        *span_of(&rig, access) = (TLBSpan){ .credit = 5, .period = 5 };
    }
    assert_int_equal(xbar_riscv_run(rig.hart, 15), XBAR_RISCV_EXIT_BUDGET);
    for (unsigned access = 0; access < 2; access++) {
        assert_int_equal(span_of(&rig, access)->credit, 0);
        assert_int_equal(span_of(&rig, access)->count, 0);
    }
    assert_int_equal(xbar_riscv_run(rig.hart, 3), XBAR_RISCV_EXIT_BUDGET);
    for (unsigned access = 0; access < 2; access++) {
        assert_int_not_equal(span_of(&rig, access)->count, 0);
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_credit),
        cmocka_unit_test(test_every_context),
        cmocka_unit_test(test_every_context_one_entry),
        cmocka_unit_test(test_every_context_eager_spans),
    };

    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
