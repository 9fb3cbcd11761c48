/* SPDX-License-Identifier: MIT */
/*
 * How parts begin: the first as blocks do or with what is used most, others as
 * the first way there has it, but for what must be true of all ways; and what
 * loops of few and of many registers make of that.
 */
#include "jit/riscv/region/region.h"

#include "jit/riscv/jit.h"

#include "random_regions.h"

/* As region/translate.c has them. */
struct planned {
    struct riscv_region *region;
    struct region_flow flow;
    struct region_entries entries;
    struct jit_homes states[JIT_PARTS];
    struct jit_homes usual;
};

static struct planned *plan(const struct rig *rig, const uint32_t *code,
                            size_t count, bool peel)
{
    struct planned *p = test_calloc(1, sizeof(*p));

    p->region = look(code, count, 0);
    assert_non_null(p->region);
    if (peel) {
        riscv__peel_loops(p->region);
    }
    riscv__find_flow(p->region, &p->flow);
    riscv__plan_entries(&p->entries, p->region, &p->flow, p->states,
                        rig->hart->jit->stubs);
    jit_host__usual_homes(&p->usual, &riscv__jit_guest);
    return p;
}

static void drop(struct planned *p)
{
    test_free(p->region);
    test_free(p);
}

static uint32_t bit(unsigned reg)
{
    return UINT32_C(1) << reg;
}

/* Each way round, and only what has a home is newer there. */
static void check_maps(const struct jit_homes *homes)
{
    for (unsigned home = 0; home < jit_host__home_count(); home++) {
        unsigned reg = homes->reg[home];

        assert_true(reg == 0 || homes->home[reg] == home);
    }
    assert_int_equal(homes->home[0], JIT_NO_HOME);
    for (unsigned reg = 1; reg < 32; reg++) {
        unsigned home = homes->home[reg];

        if (home == JIT_NO_HOME) {
            assert_false(homes->dirty & bit(reg));
        } else {
            assert_int_equal(homes->reg[home], reg);
        }
    }
}

#define SUM(rd, rs1, rs2) encode(RISCV_OP_ADD, rd, rs1, rs2, 0)

#define FEW (bit(5) | bit(10) | bit(18) | bit(19) | bit(20) | bit(21))

static struct planned *plan_few(const struct rig *rig, bool peel)
{
    const uint32_t code[] = {
        SUM(18, 19, 20), SUM(21, 18, 5), STEP, branch(-3), INSN_SELF,
    };

    return plan(rig, code, COUNT(code), peel);
}

/* More than there are homes; 31 is written before it is read. */
static struct planned *plan_many(const struct rig *rig)
{
    const uint32_t code[] = {
        SUM(31, 19, 20), SUM(21, 31, 5), SUM(22, 23, 24), SUM(25, 26, 6),
        SUM(7, 28, 29),  STEP,           branch(-6),      INSN_SELF,
    };

    return plan(rig, code, COUNT(code), true);
}

/* One comes by the first part of a peeled loop but once. */
static void the_first_part(void **state)
{
    struct planned *peeled = plan_few(*state, true);
    struct planned *plain = plan_few(*state, false);

    assert_int_equal(peeled->region->part_count, 2);
    assert_true(peeled->entries.settled[0]);
    assert_false(peeled->entries.settled[1]);
    assert_memory_equal(&peeled->states[0], &peeled->usual,
                        sizeof(peeled->usual));
    assert_ptr_equal(riscv__homes_of_loop(&peeled->entries, 1),
                     &peeled->entries.common);
    assert_int_equal(plain->region->part_count, 1);
    assert_true(plain->entries.settled[0]);
    assert_memory_equal(&plain->states[0], &plain->entries.common,
                        sizeof(plain->usual));
    assert_ptr_equal(riscv__homes_of_loop(&plain->entries, 0),
                     &plain->states[0]);
    drop(peeled);
    drop(plain);
}

/* All that it names is at home, and what was there is in its field. */
static void a_loop_of_few_registers(void **state)
{
    struct planned *p = plan_few(*state, true);
    const struct jit_homes *homes;
    unsigned kept = 0;

    assert_int_equal(p->entries.named[1], FEW);
    riscv__settle(&p->entries, 1, &p->usual);
    homes = riscv__entry(&p->entries, 1);
    check_maps(homes);
    for (unsigned reg = 1; reg < 32; reg++) {
        bool is_usual = p->usual.home[reg] != JIT_NO_HOME;

        if (FEW & bit(reg)) {
            assert_int_not_equal(homes->home[reg], JIT_NO_HOME);
            assert_true(!is_usual || homes->home[reg] == p->usual.home[reg]);
        } else if (homes->home[reg] != JIT_NO_HOME) {
            assert_int_equal(homes->home[reg], p->usual.home[reg]);
            kept++;
        }
    }
    assert_int_equal(kept, jit_host__home_count() - 6);
    assert_int_equal(homes->dirty & FEW & ~p->usual.dirty, bit(18) | bit(21));
    drop(p);
}

/* Nobody has to leave for what only sometimes has a home; but what is written
 * before it is read, or is not named, loses its own. */
static void a_loop_of_many_registers(void **state)
{
    struct planned *p = plan_many(*state);
    const struct jit_homes *homes;
    struct jit_homes now = p->usual;
    unsigned left = 0;

    now.reg[now.home[10]] = 31;
    now.home[31] = now.home[10];
    now.home[10] = JIT_NO_HOME;
    now.dirty = (now.dirty & ~bit(10)) | bit(31);
    riscv__settle(&p->entries, 1, &now);
    homes = riscv__entry(&p->entries, 1);
    check_maps(homes);
    assert_int_equal(homes->home[31], JIT_NO_HOME);
    for (unsigned reg = 1; reg < 32; reg++) {
        if (homes->home[reg] != JIT_NO_HOME) {
            assert_int_equal(homes->home[reg], now.home[reg]);
            assert_true(p->flow.distance[1][reg] != REGION_FAR);
            left++;
        }
    }
    assert_true(left < jit_host__home_count());
    drop(p);
}

/* The first way says it. */
static void it_is_said_once(void **state)
{
    struct planned *p = plan_few(*state, true);
    struct jit_homes first, empty = p->usual;

    memset(empty.home, JIT_NO_HOME, sizeof(empty.home));
    memset(empty.reg, 0, sizeof(empty.reg));
    empty.dirty = 0;
    riscv__settle(&p->entries, 1, &p->usual);
    first = p->states[1];
    riscv__settle(&p->entries, 1, &empty);
    assert_memory_equal(&p->states[1], &first, sizeof(first));
    assert_memory_equal(riscv__entry(&p->entries, 1), &first, sizeof(first));
    assert_ptr_equal(riscv__homes_of_loop(&p->entries, 1), &p->states[1]);
    drop(p);
}

/* Where but one way leads it is all as it was, lazy and narrow ones, too. Where
 * several do, only what all of them say. */
static void what_is_true_of_all_ways(void **state)
{
    struct planned *p = plan_few(*state, true);
    struct jit_homes now = p->usual;
    struct jit_homes *states = p->states;

    jit_host__usual_homes(&now, &riscv__jit_guest);
    now.lazy = bit(6) | bit(7) | bit(8);
    now.value[6] = now.value[7] = (struct jit_lazy){ .from = 19, .by = 3 };
    now.value[8] = (struct jit_lazy){ .from = 6, .by = 3 };
    now.narrow = bit(18);
    for (unsigned reg = 6; reg < 9; reg++) {
        if (now.home[reg] != JIT_NO_HOME) {
            now.reg[now.home[reg]] = 0;
            now.home[reg] = JIT_NO_HOME;
        }
    }
    now.dirty &= ~now.lazy;
    p->flow.facts[1][6] = (struct region_fact){ REGION_RIGHT, 20, 5 };
    p->flow.facts[1][7] = (struct region_fact){ REGION_ANYTHING, 19, 3 };
    p->flow.facts[1][8] = (struct region_fact){ REGION_LEFT, 6, 3 };
    p->flow.upper[1].narrow = bit(21) | bit(6);
    riscv__settle(&p->entries, 1, &now);
    assert_int_equal(states[1].lazy, bit(6));
    assert_int_equal(states[1].value[6].from, 20);
    assert_int_equal(states[1].value[6].by, 5);
    assert_true(states[1].value[6].right);
    assert_int_equal(states[1].narrow, bit(21));
    p->region->parts[1].joins = false;
    p->entries.settled[1] = false;
    riscv__settle(&p->entries, 1, &now);
    assert_memory_equal(&states[1], &now, sizeof(now));
    drop(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_part),
        cmocka_unit_test(a_loop_of_few_registers),
        cmocka_unit_test(a_loop_of_many_registers),
        cmocka_unit_test(it_is_said_once),
        cmocka_unit_test(what_is_true_of_all_ways),
    };

    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, rig_open_shared, rig_close_shared);
}
