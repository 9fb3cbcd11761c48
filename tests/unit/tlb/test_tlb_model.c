/* SPDX-License-Identifier: MIT */
/*
 * Random accesses, remappings, flushes and commits against a reference that
 * has no TLB: for each access it finds every byte's page and place anew.
 *
 * The reference keeps a shadow of the memory of each place, so a value or an
 * effect that goes astray shows at once or at the end. It shares no code with
 * tlb/: what an access is cut into is worked out here byte by byte.
 */
#include "tests/unit/tlb/world.h"

#define ASIDS    3
#define CONTEXTS 3 /* of TLB_CONTEXTS: the others stay empty */
#define OPS      1000000

/* Guest pages: neighbours, pages that share a slot, both ends of the space,
 * and addresses no canonical one has. */
static const uint64_t pages[] = {
    0,
    0x1000,
    0x2000,
    0x3000,
    0x100000, /* the slot of 0 */
    0x101000,
    0x40000000,
    0x40001000,
    0x40002000,
    0x7ffffffffffff000,
    0x8000000000000000,
    0x8000000000001000,
    0xffffffff80000000,
    0xffffffff80001000,
    0xffffffff80002000,
    0xffffffffffffe000,
    0xfffffffffffff000,
};
#define PAGES (sizeof(pages) / sizeof(pages[0]))

/* Physical pages worth mapping. */
static const hwaddr frames[] = {
    0x80000000, 0x80001000,         0x80003000, 0x80004000,
    0x80005000, 0x8000f000,         0x1000,     0x2000,
    0x10000000, 0x10001000,         0x10002000, 0x10002000,
    0x10003000, 0xfffffffffffff000, 0x20000000, 0x80010000,
};
#define FRAMES (sizeof(frames) / sizeof(frames[0]))

struct pte {
    hwaddr frame;
    unsigned prot; /* 0: not mapped */
    bool global;
};

struct model {
    struct world *world;
    uint64_t seed;
    unsigned asid;
    struct pte pte[ASIDS][CONTEXTS][PAGES];
    uint8_t *shadow[PLACES];
    unsigned page_size;
    unsigned code_stores; /* that a translator was told of */
};

static unsigned pick(struct model *model, unsigned n)
{
    return (unsigned)((next_random(&model->seed) >> 11) % n);
}

/* The guest's pages, closer together where they are smaller. */
static uint64_t page_at(const struct model *model, unsigned i)
{
    return (uint64_t)((int64_t)pages[i] / (PAGE / model->page_size));
}

/* ---- The reference ----------------------------------------------------- */

static const struct pte *find_pte(const struct model *model, unsigned context,
                                  uint64_t va)
{
    for (unsigned i = 0; i < PAGES; i++) {
        if (page_at(model, i) == (va & -(uint64_t)model->page_size)) {
            return &model->pte[model->asid][context][i];
        }
    }
    return NULL;
}

static int model_walk(void *opaque, unsigned context, uint64_t va,
                      enum xbar_tlb_access access, struct xbar_tlb_walk *walk)
{
    const struct pte *pte = find_pte(opaque, context, va);

    if (!pte || !(pte->prot & (1u << access))) {
        return FAULT_CODE;
    }
    walk->phys = pte->frame;
    walk->prot = (uint8_t)pte->prot;
    walk->global = pte->global;
    return 0;
}

/* The place that answers at @phys; PLACES for none. The table is in order of
 * priority. */
static enum world_place place_at(const struct world *world, hwaddr phys)
{
    for (unsigned i = 0; i < PLACES; i++) {
        if (world->enabled[i] &&
            phys - world_places[i].base < world_places[i].size) {
            return (enum world_place)i;
        }
    }
    return PLACES;
}

struct byte {
    enum world_place place;
    hwaddr phys;
};

struct outcome {
    uint64_t va; /* of the fault */
    int code;
    MemTxResult result;
    bool failed;
    uint64_t value; /* of a load */
};

static void fail_at(struct outcome *outcome, uint64_t va, int code,
                    MemTxResult result)
{
    *outcome = (struct outcome){ va, code, result, true, 0 };
}

/* Where each byte of an access goes. False: it faults. */
static bool find_bytes(const struct model *model, unsigned context, uint64_t va,
                       unsigned size, enum xbar_tlb_access access,
                       struct byte *bytes, struct outcome *outcome)
{
    for (unsigned i = 0; i < size; i++) {
        const struct pte *pte = find_pte(model, context, va + i);

        if (!pte || !(pte->prot & (1u << access))) {
            fail_at(outcome, va + i, FAULT_CODE, MEMTX_OK);
            return false;
        }
        bytes[i].phys = pte->frame + (va + i) % model->page_size;
        bytes[i].place = place_at(model->world, bytes[i].phys);
        if (bytes[i].place == PLACES) {
            fail_at(outcome, va + i, 0, MEMTX_DECODE_ERROR);
            return false;
        }
        if (access == TLB_WRITE &&
            world_places[bytes[i].place].kind == PLACE_ROM) {
            fail_at(outcome, va + i, 0, MEMTX_ERROR);
            return false;
        }
    }
    return true;
}

static bool is_one_access(const struct model *model, const struct byte *bytes,
                          uint64_t va, unsigned size)
{
    bool whole = va % model->page_size + size <= model->page_size;

    for (unsigned i = 1; i < size; i++) {
        whole = whole && bytes[i].place == bytes[0].place;
    }
    return whole;
}

/* Bytes of the piece that starts at @i: aligned, and in one place and page. */
static unsigned piece_size(const struct byte *bytes, unsigned i, unsigned size)
{
    for (unsigned n = 8; n > 1; n /= 2) {
        bool fits = i + n <= size && bytes[i].phys % n == 0;

        for (unsigned k = 1; fits && k < n; k++) {
            fits = bytes[i + k].place == bytes[i].place &&
                   bytes[i + k].phys == bytes[i].phys + k;
        }
        if (fits) {
            return n;
        }
    }
    return 1;
}

/* What the device says to a piece, before any byte moves. */
static MemTxResult ask_device(const struct byte *byte, unsigned size)
{
    const struct place *place = &world_places[byte->place];
    hwaddr offset = byte->phys - place->base;

    if (place->kind == PLACE_STRICT && (size != 4 || offset % 4)) {
        return MEMTX_DECODE_ERROR;
    }
    if (place->kind == PLACE_REFUSES && offset >= place->size / 2) {
        return MEMTX_ERROR;
    }
    return MEMTX_OK;
}

static bool is_memory(const struct byte *byte)
{
    return world_places[byte->place].kind <= PLACE_ROM;
}

static uint8_t *shadow_of(const struct model *model, const struct byte *byte)
{
    return model->shadow[byte->place] +
           (byte->phys - world_places[byte->place].base);
}

/* Move the bytes of one piece between @data and the shadow. */
static void move_piece(const struct model *model, const struct byte *bytes,
                       unsigned n, enum xbar_tlb_access access, uint8_t *data)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t *shadow = shadow_of(model, &bytes[i]);

        if (access == TLB_WRITE) {
            *shadow = data[i];
        } else {
            data[i] = *shadow;
        }
    }
}

/* One pass over the pieces, of devices or of memory. False: one refused. */
static bool move_pieces(const struct model *model, uint64_t va,
                        const struct byte *bytes, unsigned size,
                        enum xbar_tlb_access access, bool memory,
                        struct outcome *outcome)
{
    bool whole = is_one_access(model, bytes, va, size);
    uint8_t *data = (uint8_t *)&outcome->value;

    for (unsigned i = 0, n; i < size; i += n) {
        n = whole ? size : piece_size(bytes, i, size);
        if (is_memory(&bytes[i]) != memory) {
            continue;
        }
        if (!memory && ask_device(&bytes[i], n) != MEMTX_OK) {
            fail_at(outcome, va + i, 0, ask_device(&bytes[i], n));
            return false;
        }
        move_piece(model, bytes + i, n, access, data + i);
    }
    return true;
}

static struct outcome expect(const struct model *model, unsigned context,
                             uint64_t va, unsigned size,
                             enum xbar_tlb_access access, uint64_t value)
{
    struct outcome outcome = { .value = access == TLB_WRITE ? value : 0 };
    struct byte bytes[8];

    if (find_bytes(model, context, va, size, access, bytes, &outcome) &&
        move_pieces(model, va, bytes, size, access, false, &outcome)) {
        move_pieces(model, va, bytes, size, access, true, &outcome);
    }
    return outcome;
}

/* ---- Random operations ------------------------------------------------- */

/* Ends of pages and of sections are where rules differ. */
static uint64_t pick_va(struct model *model)
{
    static const unsigned offsets[] = { 0,     1,     0x400, 0x500, 0x7fe,
                                        0x800, 0x801, 0x804, 0x8fe, 0x900,
                                        0x97f, 0xff8, 0xffc, 0xfff };
    uint64_t page = page_at(model, pick(model, PAGES));
    unsigned near =
        offsets[pick(model, 14)] % model->page_size + pick(model, 8);

    switch (pick(model, 16)) {
    case 0: /* anywhere in the 64 bits */
        return next_random(&model->seed);
    case 1: /* right below a page: crosses into it */
        return page - 1 - pick(model, 8);
    case 2: /* near a page, with one bit wrong */
        return page ^ (uint64_t)1 << pick(model, 64);
    default:
        return page + (pick(model, 2) ? near : pick(model, model->page_size));
    }
}

static void access_once(struct model *model)
{
    struct world *world = model->world;
    unsigned context = pick(model, CONTEXTS);
    unsigned log2 = pick(model, 4);
    uint64_t va = pick_va(model);
    uint64_t value = next_random(&model->seed);
    bool is_store = pick(model, 2);
    struct outcome want = expect(model, context, va, 1u << log2,
                                 is_store ? TLB_WRITE : TLB_READ, value);
    int err = is_store ? world_store(world, context, va, log2, value)
                       : world_load(world, context, va, log2, &value);

    assert_int_equal(err != 0, want.failed);
    if (want.failed) {
        assert_int_equal(world->tlb.fault.va, want.va);
        assert_int_equal(world->tlb.fault.code, want.code);
        assert_int_equal(world->tlb.fault.result, want.result);
    } else if (!is_store) {
        assert_int_equal(value, want.value);
    }
}

/* Host addresses: the right byte of the right memory, or a refusal. */
static void take_host(struct model *model)
{
    struct world *world = model->world;
    unsigned context = pick(model, CONTEXTS);
    uint64_t va = pick_va(model) & ~(uint64_t)3;
    struct byte bytes[8];
    struct outcome outcome = { 0 };
    void *host;
    int err = tlb_host(&world->tlb, context, va, 4, TLB_EXEC, &host);
    bool found = find_bytes(model, context, va, 4, TLB_EXEC, bytes, &outcome);
    bool plain = found && is_memory(&bytes[0]);

    for (unsigned i = 1; plain && i < 4; i++) {
        plain = bytes[i].place == bytes[0].place;
    }
    assert_int_equal(err == 0, plain);
    if (plain) {
        assert_ptr_equal(
            host, world->bytes[bytes[0].place] +
                      (bytes[0].phys - world_places[bytes[0].place].base));
    }
}

static void remap(struct model *model)
{
    unsigned context = pick(model, CONTEXTS);
    unsigned page = pick(model, PAGES);
    unsigned part = pick(model, PAGE / model->page_size);
    struct pte pte = { .frame = frames[pick(model, FRAMES)] +
                                part * model->page_size,
                       .prot = pick(model, 4) ? PROT_RWX : pick(model, 8),
                       .global = pick(model, 4) == 0 };

    /* A global page is the same in every address space, before and after. */
    for (unsigned asid = 0; asid < ASIDS; asid++) {
        struct pte *old = &model->pte[asid][context][page];

        if (pte.global || old->global || asid == model->asid) {
            *old = pte;
        }
    }
    tlb_flush_page(&model->world->tlb, 1u << context,
                   page_at(model, page) + pick(model, model->page_size));
}

/* What is left from the new id, from long ago, was dropped when it was left. */
static void switch_asid(struct model *model)
{
    tlb_flush_asid(&model->world->tlb, TLB_ALL_CONTEXTS, (uint16_t)model->asid);
    model->asid = pick(model, ASIDS);
    tlb_set_asid(&model->world->tlb, (uint16_t)model->asid);
}

static void commit(struct model *model)
{
    static const enum world_place places[] = { OVER,    OVER_SOME, ROM,
                                               BIT_ROM, DEVICE,    BIT_TAIL };
    struct world *world = model->world;
    unsigned count = 1 + pick(model, 3);

    memory_region_transaction_begin();
    for (unsigned i = 0; i < count; i++) {
        world_enable(world, places[pick(model, 6)], pick(model, 2));
    }
    assert_int_equal(memory_region_transaction_commit(), 0);
    if (pick(model, 4) == 0) {
        tlb_leave(&world->tlb);
        assert_true(xbar_engine_reclaim(world->engine) >= 0);
        tlb_enter(&world->tlb);
    } else {
        tlb_safepoint(&world->tlb);
    }
}

static void flush(struct model *model)
{
    if (pick(model, 2)) {
        tlb_flush(&model->world->tlb, pick(model, 8));
    } else {
        tlb_post_flush(&model->world->tlb, pick(model, 8));
        tlb_safepoint(&model->world->tlb);
    }
}

static void do_one(struct model *model)
{
    unsigned dice = pick(model, 1000);

    if (dice < 900) {
        access_once(model);
    } else if (dice < 940) {
        take_host(model);
    } else if (dice < 980) {
        remap(model);
    } else if (dice < 990) {
        flush(model);
    } else if (dice < 996) {
        switch_asid(model);
    } else {
        commit(model);
    }
}

/* A translator that keeps code of every other page, whatever is stored. */
static bool holds_code(void *opaque, hwaddr page, uint64_t host)
{
    (void)opaque;
    (void)host;
    return page / PAGE % 2;
}

static void code_written(void *opaque, hwaddr page, uint64_t host)
{
    struct model *model = opaque;

    assert_true(holds_code(model, page, host));
    model->code_stores++;
}

static void attach_translator(struct model *model)
{
    struct xbar_tlb_config *config = &model->world->tlb.config;

    config->holds_code = holds_code;
    config->code_written = code_written;
    config->code_opaque = model;
}

/* ---- Runs -------------------------------------------------------------- */

/* Once more, as a guest with such pages has it. */
static void open_tlb(struct model *model, unsigned page_bits)
{
    SoftTLB *tlb = &model->world->tlb;
    struct xbar_tlb_config config = tlb->config;

    config.walk = model_walk;
    config.walk_opaque = model;
    config.page_bits = (uint8_t)page_bits;
    tlb_leave(tlb);
    tlb_destroy(tlb);
    assert_int_equal(tlb_init(tlb, &config), 0);
    tlb_enter(tlb);
}

static struct model *model_new(uint64_t seed, unsigned page_bits)
{
    struct model *model = calloc(1, sizeof(*model));

    assert_non_null(model);
    model->world = world_new();
    model->page_size = 1u << page_bits;
    open_tlb(model, page_bits);
    model->seed = seed;
    for (unsigned i = 0; i < PLACES; i++) {
        uint64_t size = world_places[i].size;

        model->shadow[i] = malloc(size);
        assert_non_null(model->shadow[i]);
        for (uint64_t k = 0; k < size; k++) {
            model->shadow[i][k] = (uint8_t)next_random(&model->seed);
        }
        memcpy(model->world->bytes[i], model->shadow[i], size);
    }
    for (unsigned i = 0; i < 2000; i++) {
        remap(model);
    }
    return model;
}

static void model_free(struct model *model)
{
    for (unsigned i = 0; i < PLACES; i++) {
        assert_memory_equal(model->shadow[i], model->world->bytes[i],
                            world_places[i].size);
        free(model->shadow[i]);
    }
    world_free(model->world);
    free(model);
}

static void run_random(unsigned page_bits)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct model *model = model_new(seed * 0x9e3779b97f4a7c15, page_bits);
        const struct xbar_tlb_stats *stats = &model->world->tlb.stats;

        if (seed % 2 == 0) {
            attach_translator(model);
        }
        model->world->tlb.config.one_entry = seed == 4;
        for (unsigned i = 0; i < OPS / 4; i++) {
            do_one(model);
        }
        /* The run exercised what it is meant to. */
        assert_true(stats->walks > 10000);
        assert_true(stats->mmio_reads > 1000);
        assert_true(stats->invalidated > 100 || seed == 4);
        assert_int_equal(model->code_stores > 1000, seed % 2 == 0);
        model_free(model);
    }
}

static void random_operations_equal_the_reference(void **state)
{
    (void)state;
    run_random(TLB_PAGE_BITS);
}

static void so_they_do_with_small_pages(void **state)
{
    (void)state;
    run_random(10);
    run_random(11);
}

/* Accesses must hit inline now and then, or the runs above would compare the
 * reference with the slow path alone: map RAM everywhere, and count. */
static void count_inline(unsigned page_bits)
{
    struct model *model = model_new(99, page_bits);
    const struct xbar_tlb_stats *stats = &model->world->tlb.stats;

    for (unsigned i = 0; i < CONTEXTS * PAGES; i++) {
        model->pte[model->asid][i / PAGES][i % PAGES] =
            (struct pte){ 0x80001000, PROT_RWX, false };
    }
    tlb_flush(&model->world->tlb, TLB_ALL_CONTEXTS);
    for (unsigned i = 0; i < 10000; i++) {
        access_once(model);
    }
    print_message("%u of 10000 left the inline path\n", (unsigned)stats->slow);
    assert_true(stats->slow < 7500);
    model_free(model);
}

static void the_inline_path_takes_part(void **state)
{
    (void)state;
    count_inline(TLB_PAGE_BITS);
    count_inline(10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_equal_the_reference),
        cmocka_unit_test(so_they_do_with_small_pages),
        cmocka_unit_test(the_inline_path_takes_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
