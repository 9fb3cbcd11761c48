/* SPDX-License-Identifier: MIT */
/* The calls in progress, at each instruction of a guest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "profile/unwind.h"

#define CODE_BASE 0x10000
#define NUM_CALLS 8

/*
 * start calls work; work calls deep, which calls leap, and then quiet. The part
 * of the stack that quiet does not use is where deep and leap had theirs.
 */
static const uint32_t code[] = {
    /* start */
    0x00010137, /* lui sp, 0x10 */
    0x008000ef, /* jal ra, work */
    0x0000006f, /* j . */
    /* work */
    0xff010113, /* addi sp, sp, -16 */
    0x00113423, /* sd ra, 8(sp) */
    0x018000ef, /* jal ra, deep */
    0x044000ef, /* jal ra, quiet */
    0x00813083, /* ld ra, 8(sp) */
    0x01010113, /* addi sp, sp, 16 */
    0x00008067, /* ret */
    0x00000013, /* nop */
    /* deep */
    0xff010113, /* addi sp, sp, -16 */
    0x00113423, /* sd ra, 8(sp) */
    0x010000ef, /* jal ra, leap */
    0x00813083, /* ld ra, 8(sp) */
    0x01010113, /* addi sp, sp, 16 */
    0x00008067, /* ret */
    /* leap */
    0xff010113, /* addi sp, sp, -16 */
    0x00113423, /* sd ra, 8(sp) */
    0x00000013, /* nop */
    0x00813083, /* ld ra, 8(sp) */
    0x01010113, /* addi sp, sp, 16 */
    0x00008067, /* ret */
    /* quiet */
    0xe0010113, /* addi sp, sp, -512 */
    0x1e113c23, /* sd ra, 504(sp) */
    0xf0010113, /* addi sp, sp, -256 */
    0x00000013, /* nop */
    0x10010113, /* addi sp, sp, 256 */
    0x1f813083, /* ld ra, 504(sp) */
    0x20010113, /* addi sp, sp, 512 */
    0x00008067, /* ret */
};

#define END (CODE_BASE + 8)

/* Return addresses, the newest last. */
struct calls {
    uint64_t pcs[NUM_CALLS];
    unsigned count;
};

static struct {
    AddressSpace as;
    MemoryRegion root;
    MemoryRegion ram;
    struct xbar_riscv_hart *hart;
    struct calls in_progress;
    struct calls return_stack;
} rig;

/* In place of the translator's, which these calls do not go through. */
unsigned __wrap_xbar_riscv_get_returns(const struct xbar_riscv_hart *hart,
                                       uint64_t *pcs, unsigned max);

unsigned __wrap_xbar_riscv_get_returns(const struct xbar_riscv_hart *hart,
                                       uint64_t *pcs, unsigned max)
{
    unsigned count = rig.return_stack.count;

    assert_ptr_equal(hart, rig.hart);
    assert_true(count <= max);
    for (unsigned i = 0; i < count; i++) {
        pcs[i] = rig.return_stack.pcs[count - 1 - i];
    }
    return count;
}

static int set_up(void **state)
{
    struct xbar_riscv_config config = { .as = &rig.as };

    (void)state;
    memset(&rig, 0, sizeof(rig));
    memory_region_init(&rig.root, NULL, "root", UINT64_MAX);
    memory_region_init_ram(&rig.ram, NULL, "ram", 0x20000, NULL);
    memory_region_add_subregion(&rig.root, 0, &rig.ram);
    address_space_init(&rig.as, &rig.root, "memory");
    rig.hart = xbar_riscv_new(&config);
    assert_non_null(rig.hart);
    memcpy((char *)memory_region_get_ram_ptr(&rig.ram) + CODE_BASE, code,
           sizeof(code));
    xbar_riscv_set_pc(rig.hart, CODE_BASE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    xbar_riscv_free(rig.hart);
    address_space_destroy(&rig.as);
    assert_int_equal(xbar_region_destroy(&rig.root, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&rig.ram, NULL, NULL), 0);
    return 0;
}

static void push(struct calls *calls, uint64_t pc)
{
    assert_true(calls->count < NUM_CALLS);
    calls->pcs[calls->count++] = pc;
}

static void check_calls(uint64_t pc)
{
    const struct calls *want = &rig.in_progress;
    uint64_t pcs[NUM_CALLS + 1];
    unsigned count = unwind(rig.hart, pcs, NUM_CALLS + 1);
    bool is_right = count == want->count;

    for (unsigned i = 0; i < count && is_right; i++) {
        is_right = pcs[i] == want->pcs[want->count - 1 - i];
    }
    if (!is_right) {
        for (unsigned i = 0; i < count; i++) {
            print_error("called from %#llx\n", (unsigned long long)pcs[i]);
        }
        fail_msg("at %#llx: %u calls, not %u", (unsigned long long)pc, count,
                 want->count);
    }
}

/* @keeps_all: what returned stays on the return stack, as behind longjmp. */
static void check_each_instruction(bool keeps_all)
{
    uint64_t pc = CODE_BASE;

    /* The first one makes the stack. */
    for (unsigned i = 0; pc != END; i++) {
        uint32_t bits = code[(pc - CODE_BASE) / 4];

        assert_true(i < 100);
        if (i > 0) {
            check_calls(pc);
        }
        if ((bits & 0xfff) == 0x0ef) { /* jal ra */
            push(&rig.in_progress, pc + 4);
            push(&rig.return_stack, pc + 4);
        } else if (bits == 0x00008067) { /* ret */
            rig.in_progress.count--;
            rig.return_stack.count -= !keeps_all;
        }
        assert_int_equal(xbar_riscv_step(rig.hart, false),
                         XBAR_RISCV_EXIT_BUDGET);
        pc = xbar_riscv_get_pc(rig.hart);
    }
    assert_int_equal(rig.in_progress.count, 0);
}

static void test_return_stack(void **state)
{
    (void)state;
    check_each_instruction(false);
}

static void test_what_returned_is_no_caller(void **state)
{
    (void)state;
    check_each_instruction(true);
    assert_int_equal(rig.return_stack.count, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_return_stack, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_returned_is_no_caller, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
