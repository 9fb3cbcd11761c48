/* SPDX-License-Identifier: MIT */
/* What is wanted of a block is kept by place, in the order it came. */
#include <errno.h>

#include "fake_vcpu.h"

#define CALLS 400

struct asker {
    struct xbar_scoreboard *board;
    unsigned many; /* wishes, beyond what is at hand */
    unsigned calls;
    char order[CALLS];
};

static void note_a(struct xbar_vcpu *vcpu, void *userdata)
{
    struct asker *asker = userdata;
    uint8_t bytes[2];

    assert_int_equal(xbar_vcpu_index(vcpu), 0);
    assert_int_equal(xbar_vcpu_pc(vcpu), 0x1234);
    assert_int_equal(xbar_vcpu_retired(vcpu), 99);
    assert_int_equal(xbar_vcpu_register(vcpu, 7), 107);
    assert_int_equal(xbar_vcpu_read(vcpu, 0x33, bytes, 2), 2);
    assert_int_equal(bytes[1], 0x33);
    asker->order[asker->calls++] = 'a';
}

static void note_b(struct xbar_vcpu *vcpu, void *userdata)
{
    struct asker *asker = userdata;

    (void)vcpu;
    asker->order[asker->calls++] = 'b';
}

static void note_access(struct xbar_vcpu *vcpu,
                        const struct xbar_access_event *event, void *userdata)
{
    struct asker *asker = userdata;

    (void)vcpu;
    asker->order[asker->calls++] = event->kind == XBAR_ACCESS_READ ? 'r' : 'w';
}

static void ask(void *opaque, struct xbar_vcpu *vcpu, struct xbar_code *code)
{
    const struct xbar_access_filter stores = { .kinds = XBAR_ACCESS_WRITE };
    struct asker *asker = opaque;
    char text[16];

    (void)vcpu;
    assert_int_equal(xbar_code_insns(code), 3);
    assert_int_equal(xbar_code_insn(code, 2)->pc, 108);
    assert_null(xbar_code_insn(code, 3));
    assert_int_equal(xbar_code_print(code, 1, text, sizeof(text)), 0);
    assert_string_equal(text, "insn 11");
    assert_int_equal(xbar_code_print(code, 3, text, sizeof(text)), -EINVAL);
    assert_int_equal(xbar_code_on_insn(code, 2, note_b, asker), 0);
    assert_int_equal(xbar_code_on_insn(code, 0, note_a, asker), 0);
    assert_int_equal(xbar_code_on_insn(code, 2, note_a, asker), 0);
    assert_int_equal(xbar_code_on_block(code, note_a, asker), 0);
    assert_int_equal(xbar_code_on_insn(code, 3, note_a, asker), -EINVAL);
    assert_int_equal(xbar_code_on_block(code, NULL, asker), -EINVAL);
    assert_int_equal(xbar_code_on_access(code, 1, &stores, note_access, asker),
                     0);
    assert_int_equal(xbar_code_on_access(code, 9, NULL, note_access, asker),
                     -EINVAL);
    assert_int_equal(xbar_code_count_insn(code, 1, asker->board, 8, 5), 0);
    assert_int_equal(xbar_code_count_blocks(code, asker->board, 0, 1), 0);
    assert_int_equal(xbar_code_count_insn(code, 1, asker->board, 9, 1),
                     -EINVAL);
    assert_int_equal(xbar_code_count_insn(code, 1, asker->board, 16, 1),
                     -EINVAL);
    assert_int_equal(xbar_code_count_insn(code, 1, asker->board, 0, UINT32_MAX),
                     -EINVAL);
    for (unsigned i = 0; i < asker->many; i++) {
        if (xbar_code_on_insn(code, 1, i % 2 ? note_a : note_b, asker) != 0) {
            return; /* memory is short */
        }
    }
}

static const struct xbar_instrument_ops ops = { .translated = ask };

static const struct xbar_insn insns[3] = {
    { .pc = 100, .bytes = { 10 }, .length = 4 },
    { .pc = 104,
      .bytes = { 11 },
      .length = 4,
      .accesses = XBAR_ACCESS_READ | XBAR_ACCESS_WRITE },
    { .pc = 108, .bytes = { 12 }, .length = 4 },
};

static struct fake *open_asked(struct asker *asker)
{
    struct fake *fake = fake_open();

    asker->board = xbar_scoreboard_new(fake->hub, 16);
    assert_non_null(asker->board);
    assert_non_null(xbar_instrument_add(fake->hub, &ops, asker));
    instrument__online(&fake->vcpu);
    instrument__sync(&fake->vcpu);
    assert_true(fake->vcpu.wants_code);
    assert_false(fake->vcpu.wants_traps);
    return fake;
}

static void close_asked(struct fake *fake)
{
    instrument__offline(&fake->vcpu);
    fake_close(fake);
}

static void test_places_and_order(void **state)
{
    static struct asker asker;
    struct fake *fake;
    struct instrument_block *block;

    (void)state;
    asker = (struct asker){ .many = 300 };
    fake = open_asked(&asker);
    block = instrument__show(&fake->vcpu, insns, 3);
    assert_non_null(block);
    assert_int_equal(block->count, 3);
    instrument__tell(&fake->vcpu, &block->place);
    instrument__tell(&fake->vcpu, &block->insns[2].place);
    assert_memory_equal(asker.order, "aba", 3);
    asker.calls = 0;
    instrument__tell(&fake->vcpu, &block->insns[1].place);
    assert_int_equal(asker.calls, 300);
    assert_memory_equal(asker.order, "babababa", 8);
    instrument__count(&block->place);
    instrument__count(&block->insns[1].place);
    instrument__count(&block->insns[1].place);
    assert_int_equal(xbar_scoreboard_sum(asker.board, 0), 1);
    assert_int_equal(xbar_scoreboard_sum(asker.board, 8), 10);
    assert_int_equal(block->insns[1].place.ram_kinds, XBAR_ACCESS_WRITE);
    instrument__free_block(&fake->vcpu, block);
    close_asked(fake);
}

static void test_out_of_memory(void **state)
{
    static struct asker asker;
    struct instrument_block *block = NULL;
    struct fake *fake;
    int failures = 0;

    (void)state;
    asker = (struct asker){ .many = 300 };
    fake = open_asked(&asker);
    for (int i = 1; block == NULL; i++) {
        fake->fail_at = i;
        block = instrument__show(&fake->vcpu, insns, 3);
        failures += block == NULL;
    }
    assert_true(failures >= 3); /* of growing, and of keeping */
    instrument__free_block(&fake->vcpu, block);
    close_asked(fake);
}

/* ---- Accesses ---------------------------------------------------------- */

static bool passes(const struct xbar_access_filter *filter,
                   const struct xbar_access_event *event)
{
    static struct asker asker;
    struct fake *fake = fake_open();
    struct instrument_block *block;
    struct xbar_instrument_ops none = { 0 };
    struct xbar_instrument *in = xbar_instrument_add(fake->hub, &none, NULL);

    asker = (struct asker){ 0 };
    assert_int_equal(xbar_instrument_accesses(in, filter, note_access, &asker),
                     0);
    instrument__online(&fake->vcpu);
    instrument__sync(&fake->vcpu);
    block = instrument__show(&fake->vcpu, insns, 3);
    assert_non_null(block);
    assert_int_equal(block->insns[0].place.access_count, 0);
    instrument__tell_access(&fake->vcpu, &block->insns[1].place, event);
    instrument__free_block(&fake->vcpu, block);
    close_asked(fake);
    return asker.calls != 0;
}

static void test_filters(void **state)
{
    MemoryRegion *mr = (MemoryRegion *)0x1000;
    const struct xbar_access_event event = {
        .kind = XBAR_ACCESS_READ,
        .target = XBAR_TARGET_IO,
        .mr = mr,
        .phys = 0x5000,
        .va = UINT64_MAX,
    };
    static const struct {
        struct xbar_access_filter filter;
        bool passes;
    } rows[] = {
        { { 0 }, true },
        { { .kinds = XBAR_ACCESS_READ }, true },
        { { .kinds = XBAR_ACCESS_WRITE }, false },
        { { .targets = XBAR_TARGET_IO }, true },
        { { .targets = XBAR_TARGET_RAM }, false },
        { { .mr = (MemoryRegion *)0x1000 }, true },
        { { .mr = (MemoryRegion *)0x2000 }, false },
        { { .phys = 0x4fff, .phys_size = 2 }, true },
        { { .phys = 0x4fff, .phys_size = 1 }, false },
        { { .phys = 0x5001, .phys_size = 9 }, false },
        { { .va = UINT64_MAX, .va_size = 1 }, true },
        { { .va = 0, .va_size = UINT64_MAX }, false },
    };

    (void)state;
    assert_true(passes(NULL, &event));
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(passes(&rows[i].filter, &event), rows[i].passes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places_and_order),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_filters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
