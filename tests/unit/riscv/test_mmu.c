/* SPDX-License-Identifier: MIT */
/*
 * Tests of jit/riscv/mmu.c, the walk: random page tables against a model
 * written from the specification's steps. (Flushing: test_mmu_flush.c.)
 */
#include "tests/unit/riscv/tables.h"

#include <pthread.h>
#include <stdlib.h>

#include "tests/unit/riscv/one_rig.h"

static int walk(unsigned context, uint64_t va, enum xbar_tlb_access access,
                struct xbar_tlb_walk *result)
{
    int code;

    xbar_read_begin();
    code = riscv__walk(rig.hart, context, va, access, result);
    xbar_read_end();
    return code;
}

/* ---- The model --------------------------------------------------------- */

/* What a walk should do, predicted without changing anything. */
struct prediction {
    int code; /* cause + 1, or 0 */
    uint64_t phys;
    unsigned prot;
    bool global;
    uint64_t pte_addr; /* 0: no update */
    uint64_t pte_value;
};

struct question {
    unsigned context;
    uint64_t va;
    enum xbar_tlb_access access;
};

static bool is_ram(uint64_t addr)
{
    return addr >= RIG_RAM && addr < RIG_RAM + RIG_RAM_SIZE;
}

static bool is_rom(uint64_t addr)
{
    return addr >= RIG_ROM && addr < RIG_ROM + RIG_ROM_SIZE;
}

static uint64_t model_load(uint64_t addr)
{
    uint64_t value = 0;

    if (is_ram(addr)) {
        memcpy(&value, rig.mem + (addr - RIG_RAM), sizeof(value));
    }
    return value; /* the rig's ROM is all 0 */
}

static unsigned model_pmp(uint64_t addr, unsigned priv)
{
    return riscv__pmp_prot(&rig.hart->pmp, addr & ~0xfffull, priv);
}

static struct prediction fault(enum xbar_tlb_access access, bool page)
{
    static const int causes[2][3] = { { 5, 7, 1 }, { 13, 15, 12 } };

    return (struct prediction){ .code = causes[page][access] + 1 };
}

/* Step 5 and on: permission by permission. */
static bool model_permits(uint64_t pte, unsigned access, unsigned priv,
                          bool sum, bool mxr)
{
    if (pte & U) {
        if (priv == PRIV_S && (!sum || access == TLB_EXEC)) {
            return false;
        }
    } else if (priv == PRIV_U) {
        return false;
    }
    switch (access) {
    case TLB_READ:
        return (pte & R) || (mxr && (pte & X));
    case TLB_WRITE:
        return pte & W;
    default:
        return pte & X;
    }
}

static struct prediction model_leaf(const struct question *q, uint64_t pte,
                                    uint64_t pte_addr, int level,
                                    const unsigned regime[3])
{
    uint64_t span = (uint64_t)PAGE_SIZE << (9 * level);
    uint64_t base = (pte >> 10 & ((1ull << 44) - 1)) << 12;
    uint64_t updated = pte | A | (q->access == TLB_WRITE ? D : 0);
    struct prediction p = { .code = 0 };

    bool is_software = !(rig.hart->menvcfg >> 61 & 1);

    if (base % span != 0 ||
        !model_permits(pte, q->access, regime[0], regime[1], regime[2]) ||
        (updated != pte && is_software)) {
        return fault(q->access, true);
    }
    p.phys = base + (q->va % span & ~0xfffull);
    if (!(model_pmp(p.phys, regime[0]) >> q->access & 1)) {
        return fault(q->access, false);
    }
    if (updated != pte) {
        if (!is_ram(pte_addr) || !(model_pmp(pte_addr, PRIV_S) & 2)) {
            return fault(q->access, false);
        }
        p.pte_addr = pte_addr;
        p.pte_value = updated;
    }
    for (unsigned access = 0; access < 3; access++) {
        bool may =
            model_permits(pte, access, regime[0], regime[1], regime[2]) &&
            (access != TLB_WRITE || (updated & D));

        p.prot |= (unsigned)may << access;
    }
    p.prot &= model_pmp(p.phys, regime[0]);
    return p;
}

static struct prediction model_walk(const struct question *q)
{
    static const unsigned regimes[7][3] = {
        { 3, 0, 0 }, { 0, 0, 0 }, { 0, 0, 1 }, { 1, 0, 0 },
        { 1, 1, 0 }, { 1, 0, 1 }, { 1, 1, 1 },
    };
    const unsigned *regime = regimes[q->context];
    uint64_t table = (rig.hart->satp & ((1ull << 44) - 1)) << 12;
    bool global = false;

    int levels = rig.hart->satp >> 60 == 9 ? 4 : 3;
    int above = 64 - 12 - 9 * levels;

    if ((int64_t)(q->va << above) >> above != (int64_t)q->va) {
        return fault(q->access, true);
    }
    for (int level = levels - 1; level >= 0; level--) {
        uint64_t addr = table + (q->va >> (12 + 9 * level) & 511) * PTE_SIZE;
        uint64_t pte = model_load(addr);

        if (!(model_pmp(addr, PRIV_S) & 1) ||
            (!is_ram(addr) && !is_rom(addr))) {
            return fault(q->access, false);
        }
        if (!(pte & V) || (!(pte & R) && (pte & W)) || pte >> 54) {
            return fault(q->access, true);
        }
        global |= pte >> 5 & 1;
        if (pte & (R | X)) {
            struct prediction p = model_leaf(q, pte, addr, level, regime);

            p.global = global;
            return p;
        }
        if (pte & (A | D | U)) {
            return fault(q->access, true);
        }
        table = (pte >> 10 & ((1ull << 44) - 1)) << 12;
    }
    return fault(q->access, true);
}

/* ---- Random tables ----------------------------------------------------- */

static uint64_t random_table(uint64_t *seed)
{
    switch (rig_random(seed) % 64) {
    case 0:
        return RIG_IO;
    case 1:
        return RIG_ROM;
    case 2:
        return 0x70000000; /* nothing there */
    default:
        return RIG_RAM + rig_random(seed) % TABLES * PAGE_SIZE;
    }
}

static uint64_t random_leaf(uint64_t *seed)
{
    static const unsigned flags[] = {
        V | R | A,     V | R | W | A | D,
        V | R | W | A, V | R | X | A,
        V | X | A,     V | R | W | X | A | D,
        V | R | U | A, V | R | W | U | A | D,
        V | R | W | U, V | R | X | U | A,
        V | X | U | A, V | R | W | X | U | D,
    };
    uint64_t phys = RIG_RAM + rig_random(seed) % RIG_RAM_SIZE;
    unsigned chosen = flags[rig_random(seed) % 12];

    switch (rig_random(seed) % 8) {
    case 0:
        phys &= ~0x3fffffffull;
        break;
    case 1:
        phys = rig_random(seed) >> 8;
        break;
    case 2:
        chosen ^= 1u << rig_random(seed) % 8;
        break;
    default:
        phys &= ~0x1fffffull;
        phys |= rig_random(seed) % 2 * (rig_random(seed) & 0x1ff000);
        break;
    }
    return make_pte(phys, chosen | (rig_random(seed) % 8 == 0) << 5);
}

static uint64_t random_pte(uint64_t *seed)
{
    switch (rig_random(seed) % 32) {
    case 0:
        return rig_random(seed);
    case 1:
        return random_leaf(seed) | 1ull << (54 + rig_random(seed) % 10);
    case 2:
        return make_pte(random_table(seed), V | 1u << rig_random(seed) % 8);
    default:
        return rig_random(seed) % 2 ? random_leaf(seed)
                                    : make_pte(random_table(seed), V);
    }
}

static void randomize_tables(uint64_t *seed)
{
    for (uint64_t table = 0; table < TABLES; table++) {
        for (unsigned index = 0; index < 512; index++) {
            *pte_at(&rig, table, index) = random_pte(seed);
        }
    }
}

/* Mostly permissive, so that most walks get past it. */
static void randomize_pmp(uint64_t *seed)
{
    struct riscv_pmp *pmp = &rig.hart->pmp;

    memset(pmp, 0, sizeof(*pmp));
    riscv__pmp_write_addr(pmp, 0,
                          (RIG_RAM >> 2) + (rig_random(seed) % TABLES << 10));
    riscv__pmp_write_addr(pmp, 1, (RIG_RAM >> 2) + 0x3ffff);
    riscv__pmp_write_addr(pmp, 15, UINT64_MAX);
    riscv__pmp_write_cfg(pmp, 0,
                         (0x18 | rig_random(seed) % 8) |
                             (rig_random(seed) % 4 ? 0 : 0x1b00));
    riscv__pmp_write_cfg(pmp, 2, 0x1full << 56);
}

static struct question random_question(uint64_t *seed, unsigned va_bits)
{
    struct question q = {
        .context = 1 + rig_random(seed) % 6,
        .va = (uint64_t)((int64_t)rig_random(seed) >> (64 - va_bits)),
        .access = rig_random(seed) % 3,
    };

    switch (rig_random(seed) % 32) {
    case 0:
        q.va ^= 1ull << (va_bits - 1 + rig_random(seed) % (65 - va_bits));
        break;
    case 1:
        q.va ^= ~0ull << va_bits;
        break;
    default:
        break;
    }
    return q;
}

/* How often each ending came, so that the test cannot become empty. */
struct tally {
    unsigned done, page, access, updates;
};

static void check_walk(const struct question *q, struct tally *tally)
{
    struct prediction p = model_walk(q);
    struct xbar_tlb_walk result = { .phys = 0 };
    int code = walk(q->context, q->va, q->access, &result);

    assert_int_equal(code, p.code);
    if (code != 0) {
        *(code - 1 >= 12 ? &tally->page : &tally->access) += 1;
        return;
    }
    tally->done++;
    assert_int_equal(result.phys, p.phys);
    assert_int_equal(result.prot, p.prot);
    assert_int_equal(result.global, p.global);
    if (p.pte_addr) {
        tally->updates++;
        assert_int_equal(model_load(p.pte_addr), p.pte_value);
    }
}

static void test_random_walks(void **state)
{
    struct tally tally = { 0 };
    uint64_t seed = 1;
    size_t bytes = (size_t)TABLES * PAGE_SIZE;
    uint8_t *shadow = malloc(bytes);

    (void)state;
    assert_non_null(shadow);
    for (unsigned round = 0; round < 100; round++) {
        randomize_tables(&seed);
        randomize_pmp(&seed);
        use_root(&rig, rig_random(&seed) % TABLES, 0);
        if (round % 2) {
            set_satp(&rig, rig.hart->satp ^ 1ull << 60); /* Sv48 */
        }
        assert_true(
            riscv__csr_poke(rig.hart, 0x30a, -(uint64_t)(round % 4 < 2)));
        memcpy(shadow, rig.mem, bytes);
        for (unsigned i = 0; i < 2000; i++) {
            struct question q = random_question(&seed, round % 2 ? 48 : 39);
            struct prediction p = model_walk(&q);

            check_walk(&q, &tally);
            if (p.pte_addr) {
                assert_in_range(p.pte_addr, RIG_RAM, RIG_RAM + bytes - 8);
                memcpy(shadow + (p.pte_addr - RIG_RAM), &p.pte_value,
                       sizeof(p.pte_value));
            }
        }
        /* Nothing but the predicted entries has changed. */
        assert_memory_equal(shadow, rig.mem, bytes);
    }
    free(shadow);
    assert_true(tally.done > 10000);
    assert_true(tally.page > 10000);
    assert_true(tally.access > 3000);
    assert_true(tally.updates > 1000);
}

/* ---- One by one -------------------------------------------------------- */

static void test_dirty_bit(void **state)
{
    struct xbar_tlb_walk result;

    (void)state;
    simple_tables(&rig);
    *pte_at(&rig, 2, 3) = make_pte(RIG_RAM + 0x100000, V | R | W);
    assert_int_equal(walk(CTX_S, 0x3123, TLB_READ, &result), 0);
    assert_int_equal(*pte_at(&rig, 2, 3) & (A | D), A);
    assert_int_equal(result.prot, TLB_PROT_READ);
    assert_int_equal(walk(CTX_S, 0x3123, TLB_WRITE, &result), 0);
    assert_int_equal(*pte_at(&rig, 2, 3) & (A | D), A | D);
    assert_int_equal(result.prot, TLB_PROT_READ | TLB_PROT_WRITE);
    assert_int_equal(result.phys, RIG_RAM + 0x100000);
}

/* A store that faults leaves A and D alone. */
static void test_no_dirty_bit_on_fault(void **state)
{
    struct xbar_tlb_walk result;
    uint64_t pte = make_pte(RIG_RAM + 0x100000, V | R | W);

    (void)state;
    simple_tables(&rig);
    *pte_at(&rig, 2, 3) = pte;
    assert_int_equal(walk(CTX_U, 0x3000, TLB_WRITE, &result),
                     CAUSE_STORE_PAGE + 1);
    assert_int_equal(*pte_at(&rig, 2, 3), pte);
    riscv__pmp_write_addr(&rig.hart->pmp, 1, UINT64_MAX);
    riscv__pmp_write_addr(&rig.hart->pmp, 0, (RIG_RAM + 0x100000) >> 2);
    riscv__pmp_write_cfg(&rig.hart->pmp, 0, 0x1f19);
    assert_int_equal(walk(CTX_S, 0x3000, TLB_WRITE, &result),
                     CAUSE_STORE_ACCESS + 1);
    assert_int_equal(*pte_at(&rig, 2, 3), pte);
}

/* While A and D are software's, missing ones are page faults, and stay so. */
static void test_software_bits(void **state)
{
    struct xbar_tlb_walk result;

    (void)state;
    simple_tables(&rig);
    *pte_at(&rig, 2, 3) = make_pte(RIG_RAM + 0x100000, V | R | W);
    *pte_at(&rig, 2, 4) = make_pte(RIG_RAM + 0x100000, V | R | W | A);
    assert_true(riscv__csr_poke(rig.hart, 0x30a, 0));
    assert_int_equal(walk(CTX_S, 0x3000, TLB_READ, &result),
                     CAUSE_LOAD_PAGE + 1);
    assert_int_equal(walk(CTX_S, 0x4000, TLB_READ, &result), 0);
    assert_int_equal(result.prot, TLB_PROT_READ);
    assert_int_equal(walk(CTX_S, 0x4000, TLB_WRITE, &result),
                     CAUSE_STORE_PAGE + 1);
    assert_int_equal(*pte_at(&rig, 2, 3) & (A | D), 0);
    assert_int_equal(*pte_at(&rig, 2, 4) & (A | D), A);
    assert_true(riscv__csr_poke(rig.hart, 0x30a, 1ull << 61));
    assert_int_equal(walk(CTX_S, 0x4000, TLB_WRITE, &result), 0);
    assert_int_equal(*pte_at(&rig, 2, 4) & (A | D), A | D);
}

/* Four tables, and a leaf in the first: 512 GiB that begin at 0. */
static void test_sv48(void **state)
{
    struct xbar_tlb_walk result;

    (void)state;
    simple_tables(&rig);
    *pte_at(&rig, 3, 1) = make_pte(RIG_RAM, V);
    *pte_at(&rig, 3, 511) = make_pte(0, V | R | A);
    *pte_at(&rig, 2, 3) = make_pte(RIG_RAM + 0x100000, V | R | A);
    set_satp(&rig, 9ull << 60 | (RIG_RAM / PAGE_SIZE + 3));
    assert_int_equal(walk(CTX_S, 0x8000003abc, TLB_READ, &result), 0);
    assert_int_equal(result.phys, RIG_RAM + 0x100000);
    assert_int_equal(walk(CTX_S, 0xffffff8080001234, TLB_READ, &result), 0);
    assert_int_equal(result.phys, 0x80001000);
    assert_int_equal(walk(CTX_S, 0x800000000000, TLB_READ, &result),
                     CAUSE_LOAD_PAGE + 1);
}

static void test_bare(void **state)
{
    struct xbar_tlb_walk result;

    (void)state;
    assert_int_equal(walk(CTX_M, 0x80001234, TLB_EXEC, &result), 0);
    assert_int_equal(result.phys, 0x80001000);
    assert_int_equal(result.prot, 7);
    assert_int_equal(walk(CTX_S, 0x80001234, TLB_EXEC, &result),
                     CAUSE_FETCH_ACCESS + 1);
    rig_open_pmp(&rig);
    for (unsigned context = 0; context < CTX_COUNT; context++) {
        assert_int_equal(walk(context, 0xffffffffffffff, TLB_WRITE, &result),
                         0);
        assert_int_equal(result.phys, 0xfffffffffff000);
    }
    /* Beyond the 56 bits that protection knows, only M-mode gets through. */
    assert_int_equal(walk(CTX_M, ~0ull, TLB_READ, &result), 0);
    assert_int_equal(walk(CTX_U, ~0ull, TLB_READ, &result),
                     CAUSE_LOAD_ACCESS + 1);
    /* M-mode is not translated, whatever satp says. */
    use_root(&rig, 0, 0);
    assert_int_equal(walk(CTX_M, 0x80001234, TLB_READ, &result), 0);
    assert_int_equal(result.phys, 0x80001000);
}

/*
 * Tables where an entry cannot be read or swapped as a whole: the last one is
 * cut off, or the embedder's memory is not aligned.
 */
static void test_odd_tables(void **state)
{
    static uint64_t memory[512];
    MemoryRegion cut, skewed;
    struct xbar_tlb_walk result;

    (void)state;
    rig_open_pmp(&rig);
    assert_int_equal(xbar_engine_enter(rig.engine), 0);
    assert_int_equal(
        memory_region_init_ram_ptr(&cut, NULL, "cut", 0xffc, memory), 0);
    assert_int_equal(memory_region_init_ram_ptr(&skewed, NULL, "skewed", 0xff0,
                                                (char *)memory + 4),
                     0);
    memory_region_add_subregion(&rig.root, 0x30000000, &cut);
    memory_region_add_subregion(&rig.root, 0x30001000, &skewed);
    xbar_engine_leave(rig.engine);

    for (unsigned i = 0; i < 512; i++) {
        memory[i] = make_pte(0x80000000, V | R | W | A | D);
    }
    set_satp(&rig, 8ull << 60 | 0x30000);
    assert_int_equal(walk(CTX_S, 0, TLB_READ, &result), 0);
    assert_int_equal(walk(CTX_S, -1ull << 31, TLB_READ, &result), 0);
    assert_int_equal(walk(CTX_S, -1ull << 30, TLB_READ, &result),
                     CAUSE_LOAD_ACCESS + 1);
    set_satp(&rig, 8ull << 60 | 0x30001);
    assert_int_equal(walk(CTX_S, 0, TLB_EXEC, &result), CAUSE_FETCH_ACCESS + 1);
    xbar_region_destroy(&cut, NULL, NULL);
    xbar_region_destroy(&skewed, NULL, NULL);
}

/* The walker sets A and D of an entry; software clears them and flips a third
 * bit, an even number of times. */
static _Atomic bool stop_flipping;

static void *flip_software_bits(void *opaque)
{
    uint64_t *pte = opaque;

    while (!atomic_load_explicit(&stop_flipping, memory_order_relaxed)) {
        __atomic_fetch_xor(pte, 0x100, __ATOMIC_RELAXED);
        __atomic_fetch_and(pte, ~(uint64_t)(A | D), __ATOMIC_RELAXED);
        __atomic_fetch_xor(pte, 0x100, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void test_update_loses_nothing(void **state)
{
    uint64_t pte = make_pte(RIG_RAM + 0x100000, V | R | W);
    struct xbar_tlb_walk result;
    unsigned changes = 0;
    uint64_t seen = 0;
    pthread_t thread;

    (void)state;
    simple_tables(&rig);
    *pte_at(&rig, 2, 3) = pte;
    atomic_store(&stop_flipping, false);
    assert_int_equal(
        pthread_create(&thread, NULL, flip_software_bits, pte_at(&rig, 2, 3)),
        0);
    /* Until the two have met often, on a busy machine too. */
    for (unsigned i = 0; i < 20000000 && changes < 5000; i++) {
        uint64_t bit =
            __atomic_load_n(pte_at(&rig, 2, 3), __ATOMIC_RELAXED) & 0x100;

        changes += bit != seen;
        seen = bit;
        assert_int_equal(walk(CTX_S, 0x3000, TLB_WRITE, &result), 0);
        assert_int_equal(result.prot, TLB_PROT_READ | TLB_PROT_WRITE);
    }
    atomic_store(&stop_flipping, true);
    pthread_join(thread, NULL);
    assert_int_equal(*pte_at(&rig, 2, 3) & ~(uint64_t)(A | D), pte);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_random_walks),
        CASE(test_dirty_bit),
        CASE(test_no_dirty_bit_on_fault),
        CASE(test_software_bits),
        CASE(test_sv48),
        CASE(test_bare),
        CASE(test_odd_tables),
        CASE(test_update_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
