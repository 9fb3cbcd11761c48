/* SPDX-License-Identifier: MIT */
/*
 * Code that is patched at random, back and forth, by the guest itself and from
 * outside, in every translator against the interpreter. Few versions of few
 * pieces of code, so that most that is met has been there before.
 *
 * A script in memory says what the guest does next: store, fence.i, call.
 * Between two scripts the machine changes: DMA, other memory, breakpoints and
 * other ways of a debugger, snapshots, engines. Code that was changed is met
 * behind a fence.i only, but for what a debugger wrote.
 *
 * XBAR_SEED=N runs just the scripts of one; 20 times as many with XBAR_LONG=1.
 */
#include "tests/unit/riscv/pair.h"

#include <stdlib.h>

#include "flatview/address_space.h"
#include "jit/riscv/machine_snapshot.h"
#include "tests/guest/insn_scale.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define CODE_PAGE 0x2000u /* and the next one, and one more */
#define OVERLAID  0x4000u
#define LONELY    0x5000u /* nothing else lies there */
#define OVERLAY   0x6000u
#define DATA      0x8000u
#define SCRIPT    0xa000u
#define USED      0xc000u

enum { DO_END, DO_SD, DO_SW, DO_SH, DO_FENCE, DO_CALL };

/* x8 leads to the script; x5 kind, x6 address, x7 value. */
static const uint32_t driver[] = {
    0x00043283, /* ld x5, 0(x8) */
    0x00843303, /* ld x6, 8(x8) */
    0x01043383, /* ld x7, 16(x8) */
    0x01840413, /* addi x8, x8, 24 */
    0x00029463, /* bnez x5, +8 */
    INSN_SELF,  /* END */
    0xfff28293, /* addi x5, x5, -1 */
    0x00029663, /* bnez x5, +12 */
    0x00733023, /* sd x7, 0(x6) */
    0xfddff06f, /* j -36 */
    0xfff28293, /* addi x5, x5, -1 */
    0x00029663, /* bnez x5, +12 */
    0x00732023, /* sw x7, 0(x6) */
    0xfcdff06f, /* j -52 */
    0xfff28293, /* addi x5, x5, -1 */
    0x00029663, /* bnez x5, +12 */
    0x00731023, /* sh x7, 0(x6) */
    0xfbdff06f, /* j -68 */
    0xfff28293, /* addi x5, x5, -1 */
    0x00029663, /* bnez x5, +12 */
    FENCE_I,    /* fence.i */
    0xfadff06f, /* j -84 */
    0x000300e7, /* jalr x1, x6 */
    0xfff38393, /* addi x7, x7, -1 */
    0xfe039ce3, /* bnez x7, -8 */
    0xf9dff06f, /* j -100 */
};
#define END 0x14u /* where the driver stays */

#define HALVES 3

/* What a word of code may be. x20: data, x21: I/O, x22: data beside code. */
static const uint32_t versions[] = {
    0x00150513, /* addi a0, a0, 1 */
    0x00350513, /* addi a0, a0, 3 */
    0x00b54533, /* xor a0, a0, a1 */
    0x00151593, /* slli a1, a0, 1 */
    0x00a5853b, /* addw a0, a1, a0 */
    0x000a3583, /* ld a1, 0(x20) */
    0x00aa3023, /* sd a0, 0(x20) */
    0x000ab583, /* ld a1, 0(x21) */
    0x00ab2023, /* sw a0, 0(x22) */
    FENCE_I,    /* fence.i */
    0x02a57553, /* fadd.d fa0, fa0, fa0 */
    0xe2050553, /* fmv.x.d a0, fa0 */
    0xf20585d3, /* fmv.d.x fa1, a1 */
};

/* A piece of code: where, and which of its words may change. */
static const struct piece {
    uint32_t at;
    uint32_t code[8];
    unsigned count;
    unsigned patched; /* a bit for each word */
} pieces[] = {
    { CODE_PAGE + 0x40, { 0, 0, 0, RET }, 4, 7 },
    { CODE_PAGE + 0x80, /* a loop */
      { 0x01400613, 0, 0, 0, 0xfff60613, 0xfe0618e3, RET },
      7,
      14 },
    { CODE_PAGE + 0x100, /* calls the first */
      { 0x00008913, 0, 0xf39ff0ef, 0, 0x00090093, RET },
      6,
      10 },
    { CODE_PAGE + 0xff6, { 0, 0, 0, RET }, 4, 7 }, /* the third crosses */
    { LONELY + 0x40, { 0, 0, 0, RET }, 4, 7 },
    { OVERLAID + 0x20, { 0, 0, 0, RET }, 4, 7 },
    { OVERLAID + 0x60,
      { 0x01400613, 0, 0, 0, 0xfff60613, 0xfe0618e3, RET },
      7,
      14 },
};

struct machine {
    struct rig rig;
    MemoryRegion overlay;
    struct xbar_riscv_snapshot *snapshot;
};

/* Where the overlay's memory lies in a page of the host: it may cross two. */
static const uint32_t shifts[] = { 0, 0x802, 0x801 };

struct play {
    struct machine machine[2]; /* in question, and interpreted */
    uint64_t seed;
    uint32_t overlay; /* offset of its memory */
    bool dirty;       /* code was changed, and no fence.i since */
    bool is_overlaid;
    bool was_overlaid; /* in the snapshot */
    uint64_t recalled; /* blocks that were found again */
    unsigned steps;
    uint64_t script[3 * 64];
    uint64_t breaks[4];
};

static unsigned draw(struct play *p, unsigned below)
{
    return (unsigned)(rig_random(&p->seed) >> 20) % below;
}

/* Three of them are at home in a place, others come by; not where halves of two
 * may meet in an instruction. */
static uint32_t any_version(struct play *p, uint32_t at)
{
    unsigned i = at / 2 * 5 + draw(p, 3);

    if (at % 4 != 0) {
        i = draw(p, HALVES);
    } else if (draw(p, 16) == 0) {
        i = draw(p, COUNT(versions));
    }
    return versions[i % COUNT(versions)];
}

/* ---- Scripts ----------------------------------------------------------- */

static void put(struct play *p, uint64_t kind, uint64_t addr, uint64_t value)
{
    uint64_t *entry = &p->script[3 * p->steps++];

    entry[0] = kind;
    entry[1] = RAM_ADDR + addr;
    entry[2] = value;
}

static uint32_t any_place(struct play *p, const struct piece **piece)
{
    unsigned i;

    *piece = &pieces[draw(p, COUNT(pieces))];
    do {
        i = draw(p, (*piece)->count);
    } while (!((*piece)->patched >> i & 1));
    return (*piece)->at + 4 * i;
}

static void put_patch(struct play *p)
{
    const struct piece *piece;
    uint32_t at = any_place(p, &piece);
    uint32_t bits = any_version(p, at);

    p->dirty = true;
    if (at % 4 == 0) {
        put(p, DO_SW, at, bits);
        return;
    }
    if (draw(p, 2)) {
        put(p, DO_SH, at, bits & 0xffff);
    }
    put(p, DO_SH, at + 2, bits >> 16);
}

static void put_call(struct play *p)
{
    if (p->dirty) {
        put(p, DO_FENCE, 0, 0);
        p->dirty = false;
    }
    put(p, DO_CALL, pieces[draw(p, COUNT(pieces))].at, 1 + draw(p, 5));
}

static void put_any(struct play *p)
{
    switch (draw(p, 8)) {
    case 0:
    case 1:
        put_patch(p);
        break;
    case 2: /* data beside code */
        put(p, DO_SD, CODE_PAGE + 0x800 + (draw(p, 3) << 12), draw(p, 99));
        break;
    case 3:
        put(p, DO_FENCE, 0, 0);
        p->dirty = false;
        break;
    default:
        put_call(p);
        break;
    }
}

static void write_script(struct play *p)
{
    p->steps = 0;
    while (p->steps < 60) {
        put_any(p);
    }
    put(p, DO_END, 0, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct rig *rig = &p->machine[i].rig;

        memcpy(rig->mem + SCRIPT, p->script, p->steps * 24);
        xbar_riscv_set_pc(rig->hart, RAM_ADDR);
        xbar_riscv_set_x(rig->hart, 8, RAM_ADDR + SCRIPT);
    }
}

/* ---- The machine changes ----------------------------------------------- */

static void dma(struct play *p)
{
    const struct piece *piece;
    uint32_t at = any_place(p, &piece);
    uint32_t bits = any_version(p, at);

    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(address_space_write(&p->machine[i].rig.as,
                                             RAM_ADDR + at,
                                             MEMTXATTRS_UNSPECIFIED, &bits, 4),
                         MEMTX_OK);
    }
    p->dirty = true;
}

/* By the debugger: code follows without a fence.i, if it was true before. */
static void debug_write(struct play *p)
{
    const struct piece *piece;
    uint32_t at = any_place(p, &piece);
    uint32_t bits = any_version(p, at);

    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(xbar_riscv_debug_write(p->machine[i].rig.hart,
                                                RAM_ADDR + at, &bits, 4),
                         4);
    }
}

static void overlay(struct play *p)
{
    p->is_overlaid = !p->is_overlaid;
    for (unsigned i = 0; i < 2; i++) {
        memory_region_set_enabled(&p->machine[i].overlay, p->is_overlaid);
    }
    p->dirty = true;
}

static void change_break(struct play *p)
{
    const struct piece *piece;
    unsigned which = draw(p, COUNT(p->breaks));
    uint64_t at = RAM_ADDR + any_place(p, &piece);

    for (unsigned i = 0; i < COUNT(p->breaks); i++) {
        if (p->breaks[i] == at) {
            return;
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        struct xbar_riscv_hart *hart = p->machine[i].rig.hart;

        if (p->breaks[which] != 0) {
            assert_int_equal(
                xbar_riscv_remove_breakpoint(hart, p->breaks[which]), 0);
        } else {
            assert_int_equal(xbar_riscv_add_breakpoint(hart, at), 0);
        }
    }
    p->breaks[which] = p->breaks[which] != 0 ? 0 : at;
}

static void snapshot(struct play *p)
{
    bool takes = p->machine[0].snapshot == NULL;

    if (takes && p->dirty) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        struct machine *m = &p->machine[i];
        const struct xbar_riscv_machine machine = { .engine = m->rig.engine,
                                                    .harts = &m->rig.hart,
                                                    .hart_count = 1 };

        if (takes) {
            assert_int_equal(
                xbar_riscv_snapshot_take(&machine, NULL, &m->snapshot, NULL),
                0);
        } else {
            assert_int_equal(xbar_riscv_snapshot_restore(m->snapshot, NULL), 0);
        }
    }
    if (takes) {
        p->was_overlaid = p->is_overlaid;
    } else {
        p->dirty = false;
        p->is_overlaid = p->was_overlaid;
    }
}

static void count_recalled(struct play *p)
{
    struct xbar_riscv_jit_stats stats;

    riscv__jit_get_stats(p->machine[0].rig.hart, &stats);
    p->recalled += stats.recalled;
}

static void change_engine(struct play *p, enum xbar_riscv_engine engine)
{
    struct xbar_riscv_hart *hart = p->machine[0].rig.hart;

    count_recalled(p); /* what follows begins at 0 */
    assert_int_equal(xbar_riscv_set_engine(hart, XBAR_RISCV_INTERP), 0);
    assert_int_equal(xbar_riscv_set_engine(hart, engine), 0);
}

static void change(struct play *p, enum xbar_riscv_engine engine)
{
    switch (draw(p, 16)) {
    case 0:
    case 1:
        dma(p);
        break;
    case 2:
        overlay(p);
        break;
    case 3:
    case 4:
        change_break(p);
        break;
    case 5:
    case 6:
    case 7:
        snapshot(p);
        break;
    case 8:
        if (draw(p, 8) == 0) {
            change_engine(p, engine);
        }
        break;
    case 9:
    case 10:
        debug_write(p);
        break;
    default:
        break;
    }
}

/* ---- Playing ----------------------------------------------------------- */

static void compare(const struct play *p)
{
    const struct rig *a = &p->machine[0].rig, *b = &p->machine[1].rig;

    assert_int_equal(a->hart->pc, b->hart->pc);
    assert_int_equal(retired(a), retired(b));
    assert_memory_equal(a->hart->x, b->hart->x, sizeof(a->hart->x));
    assert_memory_equal(a->hart->f, b->hart->f, sizeof(a->hart->f));
    assert_memory_equal(a->mem, b->mem, USED);
}

static void play_script(struct play *p)
{
    write_script(p);
    while (p->machine[1].rig.hart->pc != RAM_ADDR + END) {
        uint64_t budget = draw(p, 4) ? 1 + draw(p, 3000) : 1 + draw(p, 30);
        enum xbar_riscv_exit exits[2];

        for (unsigned i = 0; i < 2; i++) {
            exits[i] = xbar_riscv_run(p->machine[i].rig.hart, budget);
        }
        assert_int_equal(exits[0], exits[1]);
        compare(p);
    }
}

static void open_machine(struct machine *m, uint32_t overlay,
                         const struct xbar_riscv_config *config,
                         enum xbar_riscv_engine engine)
{
    rig_open_with(&m->rig, config);
    assert_int_equal(xbar_engine_enter(m->rig.engine), 0);
    assert_int_equal(memory_region_init_alias(&m->overlay, NULL, "overlay",
                                              &m->rig.ram, overlay,
                                              TLB_PAGE_SIZE),
                     0);
    memory_region_set_enabled(&m->overlay, false);
    memory_region_add_subregion_overlap(&m->rig.root, RAM_ADDR + OVERLAID,
                                        &m->overlay, 1);
    xbar_engine_leave(m->rig.engine);
    assert_int_equal(xbar_riscv_set_engine(m->rig.hart, engine), 0);
    set_csr(&m->rig, 0x300, 0x6000); /* mstatus.FS: dirty */
    xbar_riscv_set_x(m->rig.hart, 20, RAM_ADDR + DATA);
    xbar_riscv_set_x(m->rig.hart, 21, RIG_IO);
    xbar_riscv_set_x(m->rig.hart, 22, RAM_ADDR + CODE_PAGE + 0x900);
    rig_code(&m->rig, 0, driver, COUNT(driver));
}

static void write_pieces(struct play *p)
{
    for (unsigned i = 0; i < COUNT(pieces); i++) {
        for (unsigned j = 0; j < pieces[i].count; j++) {
            bool patched = pieces[i].patched >> j & 1;
            uint32_t at = pieces[i].at + 4 * j;
            uint32_t bits = patched ? any_version(p, at) : pieces[i].code[j];
            uint32_t other = patched ? any_version(p, at) : bits;

            for (unsigned k = 0; k < 2; k++) {
                uint8_t *mem = p->machine[k].rig.mem;

                memcpy(mem + at, &bits, 4);
                if (at - OVERLAID < TLB_PAGE_SIZE) {
                    memcpy(mem + at - OVERLAID + p->overlay, &other, 4);
                }
            }
        }
    }
}

static void close_machine(struct machine *m)
{
    xbar_riscv_snapshot_drop(m->snapshot);
    assert_int_equal(xbar_region_destroy(&m->overlay, NULL, NULL), 0);
    rig_close(&m->rig);
}

static uint64_t run_seed(uint64_t seed, const struct xbar_riscv_config *config,
                         enum xbar_riscv_engine engine)
{
    const struct xbar_riscv_config plain = { .hartid = 5 };
    struct play *p = test_calloc(1, sizeof(*p));
    uint64_t recalled;

    p->seed = seed * 2 + 1;
    p->overlay = OVERLAY + shifts[seed % COUNT(shifts)];
    open_machine(&p->machine[0], p->overlay, config, engine);
    open_machine(&p->machine[1], p->overlay, &plain, XBAR_RISCV_INTERP);
    write_pieces(p);
    for (unsigned i = 0; i < 40; i++) {
        play_script(p);
        change(p, engine);
    }
    count_recalled(p);
    recalled = p->recalled;
    close_machine(&p->machine[0]);
    close_machine(&p->machine[1]);
    test_free(p);
    return recalled;
}

static void test_at_random(void **state)
{
    static const struct xbar_riscv_config configs[] = {
        { .hartid = 5 },
        { .hartid = 5, .stress = XBAR_RISCV_STRESS_REGION },
        { .hartid = 5, .code_limit = 4096 },
        { .hartid = 5,
          .code_limit = 8192,
          .stress = XBAR_RISCV_STRESS_REGION | XBAR_RISCV_STRESS_SPAN },
        { .hartid = 5, .translate_after = 3 },
        { .hartid = 5, .stress = XBAR_RISCV_STRESS_CHAIN },
        { .hartid = 5, .stress = XBAR_RISCV_STRESS_TLB },
        { .hartid = 5, .stress = XBAR_RISCV_STRESS_NO_SPAN },
        { .hartid = 5, .count_blocks = true },
    };
    const char *only = getenv("XBAR_SEED");
    uint64_t first = only ? strtoull(only, NULL, 0) : 1;
    uint64_t last = only ? first : insn_scale(10);
    uint64_t recalled = 0;

    (void)state;
    for (uint64_t seed = first; seed <= last; seed++) {
        for (unsigned i = 0; i < COUNT(configs); i++) {
            recalled += run_seed(seed, &configs[i], XBAR_RISCV_JIT);
        }
        (void)run_seed(seed, &configs[1], XBAR_RISCV_LOCKSTEP);
    }
    assert_true(recalled > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_random),
    };

    if (!has_translator()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
