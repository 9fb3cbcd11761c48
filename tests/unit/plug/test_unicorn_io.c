/* SPDX-License-Identifier: MIT */
/* What reaches devices, and what becomes of accesses that nothing takes. */
#include "engine/event_notifier.h"
#include "flatview/deferred_writes.h"
#include "tests/unit/plug/unicorn_rig.h"

struct seen {
    hwaddr addr;
    uint64_t value;
    unsigned size;
};

static struct seen seen[8];
static unsigned seen_count;

static void note_write(struct board *b, hwaddr addr, uint64_t value,
                       unsigned size)
{
    (void)b;
    if (seen_count < 8) {
        seen[seen_count++] = (struct seen){ addr, value, size };
    }
}

static uint64_t count_up(struct board *b, hwaddr addr, unsigned size)
{
    (void)b;
    return 0x8182838485868788u + addr * 0x100000000u + size;
}

static void check_seen(unsigned i, hwaddr addr, uint64_t value, unsigned size)
{
    assert_int_equal(seen[i].addr, addr);
    assert_int_equal(seen[i].value, value);
    assert_int_equal(seen[i].size, size);
}

#define LOAD(funct3, rd, imm, rs1)   rv_i(0x03, funct3, rd, rs1, imm)
#define STORE(funct3, rs2, imm, rs1) rv_s(funct3, rs2, rs1, imm)

static void test_widths(void **state)
{
    static struct rig r;
    uint32_t *p;

    (void)state;
    rig_init(&r, NULL);
    r.b.on_read = count_up;
    r.b.on_write = note_write;
    seen_count = 0;
    rig_set(&r, RV_S0, DEVICE);
    rig_set(&r, RV_A1, 0x1122334455667788);
    p = r.b.code;
    *p++ = STORE(0, RV_A1, 17, RV_S0);
    *p++ = STORE(1, RV_A1, 18, RV_S0);
    *p++ = STORE(2, RV_A1, 20, RV_S0);
    *p++ = STORE(3, RV_A1, 24, RV_S0); /* arrives as two */
    *p++ = LOAD(4, RV_A2, 17, RV_S0);  /* lbu */
    *p++ = LOAD(1, RV_A3, 18, RV_S0);  /* lh: sign */
    *p++ = LOAD(6, RV_A4, 20, RV_S0);  /* lwu */
    rig_run(&r, RAM, 7);
    assert_int_equal(seen_count, 5);
    check_seen(0, 17, 0x88, 1);
    check_seen(1, 18, 0x7788, 2);
    check_seen(2, 20, 0x55667788, 4);
    check_seen(3, 24, 0x55667788, 4);
    check_seen(4, 28, 0x11223344, 4);
    assert_int_equal(rig_get(&r, RV_A2), 0x89);
    assert_int_equal(rig_get(&r, RV_A3), 0xffffffffffff878a);
    assert_int_equal(rig_get(&r, RV_A4), 0x8586878c);
    assert_int_equal(r.errors, 0);
    rig_finish(&r);
}

/* A page with two devices, and holes in between. */
static void test_shared_page(void **state)
{
    static struct rig r;

    (void)state;
    rig_init(&r, NULL);
    rig_set(&r, RV_S0, SMALL);
    rig_set(&r, RV_A1, 5);
    rig_set(&r, RV_A2, 77);
    r.b.code[0] = rv_sw(RV_A1, 0, RV_S0);  /* sum = 5 */
    r.b.code[1] = rv_sw(RV_A1, 16, RV_S0); /* the other one: sum = 20 */
    r.b.code[2] = STORE(0, RV_A1, 0, RV_S0);
    r.b.code[3] = rv_lw(RV_A3, 0, RV_S0);
    rig_run(&r, RAM, 4);
    assert_int_equal(rig_get(&r, RV_A3), 65);
    assert_int_equal(r.errors, 0);
    r.b.code[0x40] = rv_lw(RV_A2, 8, RV_S0); /* nothing */
    rig_run(&r, RAM + 0x100, 1);
    assert_int_equal(rig_get(&r, RV_A2), 0);
    assert_int_equal(r.errors, 1);
    assert_int_equal(r.error_addr, SMALL + 8);
    assert_int_equal(r.error_size, 4);
    assert_false(r.error_is_write);
    assert_int_equal(r.error, MEMTX_DECODE_ERROR);
    r.b.code[0x80] = STORE(1, RV_A2, 26, RV_S0);
    rig_run(&r, RAM + 0x200, 1);
    assert_int_equal(r.errors, 2);
    assert_int_equal(r.error_addr, SMALL + 26);
    assert_true(r.error_is_write);
    rig_finish(&r);
}

static void test_nothing_there(void **state)
{
    static struct rig r;

    (void)state;
    rig_init(&r, NULL);
    rig_set(&r, RV_S0, 0x40000000);
    r.b.code[0] = rv_lw(RV_A2, 8, RV_S0);
    assert_int_equal(rig_try(&r, RAM, 1), UC_ERR_READ_UNMAPPED);
    assert_non_null(strstr(error_get_pretty(r.err), "ends the run"));
    r.b.code[0] = rv_jalr(RV_ZERO, 0, RV_S0);
    r.b.code[1] = 0;
    assert_int_equal(rig_try(&r, RAM + 0x1000, 1), UC_ERR_EXCEPTION);
    assert_int_equal(rig_try(&r, 0x40000000, 1), UC_ERR_FETCH_UNMAPPED);
    /* A device is nothing to execute. */
    assert_int_equal(rig_try(&r, DEVICE, 1), UC_ERR_FETCH_UNMAPPED);
    assert_int_equal(r.b.sum, 0);
    rig_finish(&r);
}

static void test_rom(void **state)
{
    static struct rig r;
    uint32_t *rom;

    (void)state;
    rig_init(&r, NULL);
    rom = memory_region_get_ram_ptr(&r.b.rom);
    rom[0] = rv_lw(RV_A2, 8, RV_S0); /* runs there, reads it */
    rom[1] = rv_sw(RV_A2, 8, RV_S0);
    rom[2] = 0x12345678;
    rig_set(&r, RV_S0, ROM);
    assert_int_equal(rig_try(&r, ROM, 2), UC_ERR_WRITE_PROT);
    assert_int_equal(rig_get(&r, RV_A2), 0x12345678);
    assert_int_equal(r.errors, 1);
    assert_int_equal(r.error_addr, ROM + 8);
    assert_true(r.error_is_write);
    assert_int_equal(r.error, MEMTX_ERROR);
    /* It becomes RAM, as a shadowed ROM does. */
    memory_region_set_readonly(&r.b.rom, false);
    rom[1] = rv_sw(RV_S0, 8, RV_S0);
    rig_run(&r, ROM, 2);
    assert_int_equal(rom[2], ROM);
    rig_finish(&r);
}

/* A device that takes its own region, or another's, away. */
static void take_away(struct board *b, hwaddr addr, uint64_t value,
                      unsigned size)
{
    (void)value, (void)size;
    note_write(b, addr, value, size);
    if (addr == 16) {
        memory_region_del_subregion(&b->root, &b->device);
    } else if (addr == 20) {
        memory_region_del_subregion(&b->root, &b->ram);
    }
}

static void test_device_goes_in_its_callback(void **state)
{
    static struct rig r;

    (void)state;
    rig_init(&r, NULL);
    r.b.on_write = take_away;
    seen_count = 0;
    rig_set(&r, RV_S0, DEVICE);
    r.b.code[0] = rv_sw(RV_A1, 24, RV_S0);
    r.b.code[1] = rv_sw(RV_A1, 16, RV_S0); /* gone with this one */
    r.b.code[2] = rv_sw(RV_A1, 28, RV_S0);
    rig_try(&r, RAM, 3);
    assert_int_equal(seen_count, 2);
    assert_int_equal(r.errors, 1);
    assert_int_equal(r.error, MEMTX_DECODE_ERROR);
    assert_int_equal(rig_stats(&r).live, 1);
    assert_int_equal(rig_try(&r, RAM, 3), UC_ERR_WRITE_UNMAPPED);
    memory_region_add_subregion(&r.b.root, DEVICE, &r.b.device);
    r.b.code[1] = rv_sw(RV_A1, 20, RV_S0); /* the code's own memory */
    r.b.code[2] = rv_jal(RV_ZERO, 0x100);
    assert_int_equal(xbar_unicorn_sync(r.plug), 0);
    assert_int_equal(rig_try(&r, RAM + 4, 100), UC_ERR_FETCH_UNMAPPED);
    memory_region_add_subregion(&r.b.root, RAM, &r.b.ram);
    r.b.code[0] = rv_addi(RV_A3, RV_ZERO, 9);
    rig_run(&r, RAM, 1);
    assert_int_equal(rig_get(&r, RV_A3), 9);
    rig_finish(&r);
}

/* A callback that looks at a device by Unicorn, after both have moved: Unicorn
 * is inside both mappings, so neither may be taken back then. */
static uint64_t look_at_small(struct board *b, hwaddr addr, unsigned size)
{
    struct rig *r = b->opaque;
    uint64_t before = rig_stats(r).stale;
    uint32_t value = 0;

    (void)size;
    if (addr != 24) {
        return addr;
    }
    b->sum = 0x55;
    memory_region_set_address(&b->device, DEVICE + PAGE);
    memory_region_set_enabled(&b->small[1], false);
    assert_int_equal(uc_mem_read(r->uc, SMALL, &value, 4), 0);
    assert_int_equal(value, 0x55);
    assert_int_equal(rig_stats(r).stale, before);
    return 0x66;
}

static void test_callback_uses_unicorn(void **state)
{
    static struct rig r;

    (void)state;
    rig_init(&r, NULL);
    r.b.on_read = look_at_small;
    rig_set(&r, RV_S0, DEVICE);
    rig_set(&r, RV_S1, SMALL);
    rig_set(&r, RV_A0, DEVICE + PAGE);
    r.b.code[0] = rv_lw(RV_A1, 0, RV_S1);  /* have it mapped */
    r.b.code[1] = rv_lw(RV_A2, 24, RV_S0); /* which goes with this one */
    r.b.code[2] = rv_lw(RV_A3, 16, RV_A0);
    r.b.code[3] = rv_lw(RV_A4, 16, RV_S0);
    rig_run(&r, RAM, 3);
    assert_int_equal(rig_get(&r, RV_A2), 0x66);
    assert_int_equal(rig_get(&r, RV_A3), 16);
    assert_int_equal(rig_try(&r, RAM + 12, 1), UC_ERR_READ_UNMAPPED);
    assert_true(rig_stats(&r).stale >= 2);
    rig_finish(&r);
}

/* An eventfd takes a write that the device had until then. */
static void test_eventfd(void **state)
{
    static struct rig r;
    EventNotifier e;

    (void)state;
    rig_init(&r, NULL);
    r.b.on_write = note_write;
    seen_count = 0;
    assert_int_equal(event_notifier_init(&e, 0), 0);
    rig_set(&r, RV_S0, DEVICE);
    rig_set(&r, RV_A1, 9);
    r.b.code[0] = rv_sw(RV_A1, 32, RV_S0);
    rig_run(&r, RAM, 1);
    assert_int_equal(seen_count, 1);
    assert_int_equal(memory_region_add_eventfd(&r.b.device, 32, 4, true, 9, &e),
                     0);
    rig_run(&r, RAM, 1);
    assert_int_equal(seen_count, 1);
    assert_int_equal(event_notifier_test_and_clear(&e), 1);
    assert_int_equal(memory_region_del_eventfd(&r.b.device, 32, 4, true, 9, &e),
                     0);
    rig_run(&r, RAM, 1);
    assert_int_equal(seen_count, 2);
    event_notifier_cleanup(&e);
    rig_finish(&r);
}

static void nobody_waits(void *opaque)
{
    (void)opaque;
}

/* A device that is mapped already has what is queued delivered first. */
static void test_flush_coalesced(void **state)
{
    static const struct xbar_engine_config config = { .coalesced =
                                                          nobody_waits };
    struct xbar_engine *engine = xbar_engine_new(&config);
    static struct rig r;
    struct board *b = &r.b;
    MemoryRegion *queued = &b->small[0];
    uint32_t *code;

    (void)state;
    seen_count = 0;
    b->on_write = note_write;
    assert_int_equal(xbar_engine_enter(engine), 0);
    memory_region_init(&b->root, NULL, "root", UINT64_MAX);
    memory_region_init_ram(&b->ram, NULL, "ram", PAGE, NULL);
    memory_region_init_io(&b->device, NULL, &board_ops, b, "device", PAGE);
    memory_region_init_io(queued, NULL, &board_ops, b, "queued", PAGE);
    xbar_region_set_lock_policy(&b->device, XBAR_LOCK_NONE);
    memory_region_add_subregion(&b->root, RAM, &b->ram);
    memory_region_add_subregion(&b->root, DEVICE, &b->device);
    memory_region_add_subregion(&b->root, DEVICE + PAGE, queued);
    assert_int_equal(memory_region_add_coalescing(queued, 16, 4), 0);
    assert_int_equal(address_space_init(&b->as, &b->root, "memory"), 0);
    code = memory_region_get_ram_ptr(&b->ram);
    code[0] = rv_sw(RV_A1, 32, RV_S0);
    code[1] = rv_sw(RV_A1, 16, RV_S1);
    code[2] = rv_sw(RV_A1, 32, RV_S0);
    assert_int_equal(uc_open(UC_ARCH_RISCV, UC_MODE_RISCV64, &r.uc), 0);
    rig_attach(&r, NULL);
    rig_set(&r, RV_S0, DEVICE);
    rig_set(&r, RV_S1, DEVICE + PAGE);
    rig_set(&r, RV_A1, 9);
    rig_run(&r, RAM, 1);
    assert_int_equal(seen_count, 1);
    memory_region_set_flush_coalesced(&b->device);
    rig_run(&r, RAM + 4, 2);
    assert_int_equal(seen_count, 3);
    check_seen(1, 16, 9, 4);
    check_seen(2, 32, 9, 4);
    assert_int_equal(xbar_unicorn_free(r.plug), 0);
    uc_close(r.uc);
    assert_int_equal(xbar_address_space_destroy(&b->as, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&b->device, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(queued, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&b->ram, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&b->root, NULL, NULL), 0);
    xbar_engine_leave(engine);
    assert_int_equal(xbar_engine_free(engine), 0);
}

/* A big-endian guest on a big-endian engine. */
static void test_big_endian(void **state)
{
    /* sw $t0, 16($a0); lhu $t1, 20($a0); sh $t1, 0($a1) */
    static const uint32_t code[] = { 0xac880010, 0x94890014, 0xa4a90000 };
    static const struct xbar_engine_config config = { .guest_is_big_endian =
                                                          true };
    struct xbar_engine *engine = xbar_engine_new(&config);
    struct board b = { .on_write = note_write, .on_read = count_up };
    struct xbar_unicorn *plug;
    uint64_t value;
    uc_engine *uc;

    (void)state;
    seen_count = 0;
    assert_int_equal(xbar_engine_enter(engine), 0);
    memory_region_init(&b.root, NULL, "root", UINT64_MAX);
    memory_region_init_ram(&b.ram, NULL, "ram", PAGE, NULL);
    memory_region_init_io(&b.device, NULL, &board_ops, &b, "device", PAGE);
    memory_region_add_subregion(&b.root, 0, &b.ram);
    memory_region_add_subregion(&b.root, PAGE, &b.device);
    assert_int_equal(address_space_init(&b.as, &b.root, "memory"), 0);
    for (unsigned i = 0; i < 3; i++) {
        address_space_stl_be(&b.as, 4 * i, code[i], MEMTXATTRS_UNSPECIFIED,
                             NULL);
    }
    assert_int_equal(
        uc_open(UC_ARCH_MIPS, UC_MODE_MIPS32 | UC_MODE_BIG_ENDIAN, &uc), 0);
    plug = xbar_unicorn_new(
        &(struct xbar_unicorn_config){ .as = &b.as, .uc = uc }, NULL);
    assert_non_null(plug);
    value = PAGE;
    uc_reg_write(uc, UC_MIPS_REG_A0, &value);
    value = 0x800;
    uc_reg_write(uc, UC_MIPS_REG_A1, &value);
    value = 0x11223344;
    uc_reg_write(uc, UC_MIPS_REG_T0, &value);
    assert_int_equal(xbar_unicorn_run(plug, 0, 12, NULL), 0);
    assert_int_equal(seen_count, 1);
    check_seen(0, 16, 0x11223344, 4);
    assert_int_equal(
        address_space_lduw_be(&b.as, 0x800, MEMTXATTRS_UNSPECIFIED, NULL),
        0x878a);
    assert_int_equal(xbar_unicorn_free(plug), 0);
    uc_close(uc);
    assert_int_equal(xbar_address_space_destroy(&b.as, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&b.device, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&b.ram, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&b.root, NULL, NULL), 0);
    xbar_engine_leave(engine);
    assert_int_equal(xbar_engine_free(engine), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_shared_page),
        cmocka_unit_test(test_nothing_there),
        cmocka_unit_test(test_rom),
        cmocka_unit_test(test_device_goes_in_its_callback),
        cmocka_unit_test(test_callback_uses_unicorn),
        cmocka_unit_test(test_eventfd),
        cmocka_unit_test(test_flush_coalesced),
        cmocka_unit_test(test_big_endian),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
