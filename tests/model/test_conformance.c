/* SPDX-License-Identifier: MIT */
/*
 * Promises that hold across layers: what a region is, as seen by every path
 * that can reach it (docs/memory-api.md, Conformance).
 *
 *     an address space   fixed widths, bulk, as a loader
 *     a TLB              loads, stores, host pointers for atomics
 *     the region itself
 */
#include <pthread.h>
#include <stdlib.h>

#include "engine/dispatch.h"
#include "engine/memory_ram.h"
#include "flatview/address_space.h"
#include "tests/unit/engine/fixture.h"
#include "tlb/tlb.h"

#define PAGE  ((uint64_t)4096)
#define BASE  0x100000
#define BYTES (4 * PAGE)

/* One address space on a root that shows @mr at BASE. */
struct scene {
    MemoryRegion root;
    AddressSpace as;
    SoftTLB *tlb;
};

static int walk(void *opaque, unsigned context, uint64_t va,
                enum xbar_tlb_access access, struct xbar_tlb_walk *out)
{
    (void)opaque;
    (void)context;
    (void)access;
    memset(out, 0, sizeof(*out));
    out->phys = va & ~(PAGE - 1);
    out->prot = TLB_PROT_READ | TLB_PROT_WRITE;
    return 0;
}

static void open_scene(struct scene *s, MemoryRegion *mr)
{
    const struct xbar_tlb_config config = { .as = &s->as, .walk = walk };

    assert_int_equal(memory_region_init(&s->root, NULL, "root", UINT64_MAX), 0);
    assert_int_equal(memory_region_add_subregion(&s->root, BASE, mr), 0);
    assert_int_equal(address_space_init(&s->as, &s->root, "as"), 0);
    s->tlb = aligned_alloc(64, (sizeof(SoftTLB) + 63) / 64 * 64);
    assert_non_null(s->tlb);
    assert_int_equal(tlb_init(s->tlb, &config), 0);
    tlb_enter(s->tlb);
}

static void close_scene(struct scene *s)
{
    tlb_leave(s->tlb);
    tlb_destroy(s->tlb);
    free(s->tlb);
    address_space_destroy(&s->as);
    end_region(&s->root);
}

static MemTxResult store4(struct scene *s, hwaddr addr, uint32_t value)
{
    MemTxResult result;

    address_space_stl_le(&s->as, addr, value, ATTRS, &result);
    return result;
}

static uint32_t load4(struct scene *s, hwaddr addr)
{
    MemTxResult result;
    uint32_t value = address_space_ldl_le(&s->as, addr, ATTRS, &result);

    assert_int_equal(result, MEMTX_OK);
    return value;
}

static uint32_t tlb_load4(struct scene *s, hwaddr addr)
{
    uint64_t value = 0;

    tlb_safepoint(s->tlb);
    assert_int_equal(tlb_load_slow(s->tlb, 0, addr, 2, &value), 0);
    return (uint32_t)value;
}

/* ---- Read-only, by whatever is on the way ------------------------------ */

enum shut { BY_LEAF, BY_ALIAS, BY_CONTAINER, BY_ROOT, BY_NOTHING };

static void check_shut(struct scene *s, uint32_t *memory, bool is_shut)
{
    const uint32_t old = 0x11111111;
    const uint32_t bulk = 0x33333333;
    void *host = NULL;

    memory[1] = old;
    assert_int_equal(store4(s, BASE + 4, 0x22222222), MEMTX_OK);
    assert_int_equal(memory[1], is_shut ? old : 0x22222222);
    assert_int_equal(address_space_write(&s->as, BASE + 4, ATTRS, &bulk, 4),
                     MEMTX_OK);
    assert_int_equal(memory[1], is_shut ? old : bulk);
    tlb_safepoint(s->tlb);
    memory[1] = old;
    assert_int_equal(tlb_store_slow(s->tlb, 0, BASE + 4, 2, 0x44444444) != 0,
                     is_shut);
    assert_int_equal(memory[1], is_shut ? old : 0x44444444);
    assert_int_equal(tlb_host(s->tlb, 0, BASE + 4, 4, TLB_WRITE, &host) != 0,
                     is_shut);
    /* A loader writes all the same, and everybody reads it. */
    assert_int_equal(address_space_write_rom(&s->as, BASE + 4, ATTRS, &bulk, 4),
                     MEMTX_OK);
    assert_int_equal(memory[1], bulk);
    assert_int_equal(load4(s, BASE + 4), bulk);
    assert_int_equal(tlb_load4(s, BASE + 4), bulk);
}

static void test_read_only_by_any_path(void **state)
{
    MemoryRegion ram, alias, container;
    struct scene s;
    MemoryRegion *shut[] = { &ram, &alias, &container, &s.root };

    (void)state;
    memory_region_init_ram(&ram, NULL, "ram", BYTES, NULL);
    memory_region_init_alias(&alias, NULL, "alias", &ram, 0, BYTES);
    memory_region_init(&container, NULL, "container", BYTES);
    memory_region_add_subregion(&container, 0, &alias);
    open_scene(&s, &container);
    for (unsigned by = BY_LEAF; by <= BY_NOTHING; by++) {
        if (by != BY_NOTHING) {
            memory_region_set_readonly(shut[by], true);
        }
        check_shut(&s, memory_region_get_ram_ptr(&ram), by != BY_NOTHING);
        if (by != BY_NOTHING) {
            memory_region_set_readonly(shut[by], false);
        }
    }
    close_scene(&s);
    end_region(&container);
    end_region(&alias);
    end_region(&ram);
}

/* The same memory, survivor by one way and not by the other. */
static void test_nonvolatile_by_path(void **state)
{
    MemoryRegion ram, alias;
    struct scene s;
    FlatView *view;

    (void)state;
    memory_region_init_ram(&ram, NULL, "ram", BYTES, NULL);
    memory_region_init_alias(&alias, NULL, "alias", &ram, 0, BYTES);
    memory_region_set_nonvolatile(&alias, true);
    open_scene(&s, &ram);
    memory_region_add_subregion(&s.root, 2 * BASE, &alias);
    xbar_read_begin();
    view = address_space_to_flatview(&s.as);
    assert_false(flatview_lookup(view, BASE)->flags & FLAT_RANGE_NONVOLATILE);
    assert_true(flatview_lookup(view, 2 * BASE)->flags &
                FLAT_RANGE_NONVOLATILE);
    xbar_read_end();
    close_scene(&s);
    end_region(&alias);
    end_region(&ram);
}

/* ---- A ROM device ------------------------------------------------------ */

#define STATUS 0x80808080u
#define ARRAY  0x5a5a5a5au

static uint64_t read_status(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    (void)addr;
    return STATUS & (UINT64_MAX >> (64 - 8 * size));
}

static void count_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    (void)addr;
    (void)data;
    (void)size;
    __atomic_fetch_add((unsigned *)opaque, 1, __ATOMIC_RELAXED);
}

static const MemoryRegionOps flash_ops = {
    .read = read_status,
    .write = count_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
};

static void init_flash(MemoryRegion *flash, unsigned *writes)
{
    assert_int_equal(memory_region_init_rom_device(
                         flash, NULL, &flash_ops, writes, "flash", BYTES, NULL),
                     0);
    memset(memory_region_get_ram_ptr(flash), ARRAY & 0xff, BYTES);
}

static void test_rom_device(void **state)
{
    unsigned writes = 0;
    MemoryRegion flash;
    struct scene s;

    (void)state;
    init_flash(&flash, &writes);
    open_scene(&s, &flash);
    for (unsigned i = 0; i < 6; i++) {
        bool romd = i % 2 == 0;
        uint32_t bulk;

        assert_int_equal(memory_region_rom_device_set_romd(&flash, romd), 0);
        assert_int_equal(load4(&s, BASE + 8), romd ? ARRAY : STATUS);
        assert_int_equal(address_space_read(&s.as, BASE + 8, ATTRS, &bulk, 4),
                         MEMTX_OK);
        assert_int_equal(bulk, romd ? ARRAY : STATUS);
        assert_int_equal(tlb_load4(&s, BASE + 8), romd ? ARRAY : STATUS);
        assert_int_equal(store4(&s, BASE + 8, 0), MEMTX_OK);
        assert_int_equal(tlb_store_slow(s.tlb, 0, BASE + 8, 2, 0), 0);
        assert_int_equal(writes, 2 * (i + 1));
    }
    assert_int_equal(memory_region_rom_device_set_romd(&flash, true), 0);
    assert_int_equal(load4(&s, BASE + 8), ARRAY); /* no write got through */
    close_scene(&s);
    end_region(&flash);
}

struct flipping {
    struct scene s;
    bool is_over;
    unsigned wrong;
};

static void *read_flash(void *opaque)
{
    struct flipping *f = opaque;

    while (!__atomic_load_n(&f->is_over, __ATOMIC_ACQUIRE)) {
        uint32_t bulk[2] = { 0, 0 };
        uint32_t value = address_space_ldl_le(&f->s.as, BASE + 16, ATTRS, NULL);
        MemTxResult result =
            address_space_read(&f->s.as, BASE + PAGE - 4, ATTRS, bulk, 8);

        if ((value != ARRAY && value != STATUS) || result != MEMTX_OK ||
            bulk[0] != bulk[1]) { /* one access, one view, one mode */
            __atomic_fetch_add(&f->wrong, 1, __ATOMIC_RELAXED);
        }
    }
    return NULL;
}

static void test_romd_flips_under_readers(void **state)
{
    struct fixture *fixture = *state;
    struct flipping f = { .wrong = 0 };
    pthread_t readers[2];
    unsigned writes = 0;
    MemoryRegion flash;

    init_flash(&flash, &writes);
    open_scene(&f.s, &flash);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, read_flash, &f), 0);
    }
    for (unsigned i = 0; i < 3000; i++) {
        bool romd = i % 2;

        assert_int_equal(memory_region_rom_device_set_romd(&flash, romd), 0);
        assert_int_equal(tlb_load4(&f.s, BASE + 16), romd ? ARRAY : STATUS);
        if (i % 100 == 0) {
            tlb_leave(f.s.tlb);
            assert_true(xbar_engine_reclaim(fixture->engine) >= 0);
            tlb_enter(f.s.tlb);
        }
    }
    __atomic_store_n(&f.is_over, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(readers[i], NULL);
    }
    assert_int_equal(f.wrong, 0);
    close_scene(&f.s);
    end_region(&flash);
}

/* ---- Something on top of memory ---------------------------------------- */

static void check_overlay(MemoryRegion *below, const uint8_t *memory)
{
    static uint8_t got[BYTES];
    unsigned writes = 0;
    MemoryRegion over;
    struct scene s;

    memory_region_init_io(&over, NULL, &flash_ops, &writes, "over", 64);
    open_scene(&s, below);
    memory_region_add_subregion_overlap(&s.root, BASE + PAGE + 32, &over, 1);
    assert_int_equal(address_space_read(&s.as, BASE, ATTRS, got, BYTES),
                     MEMTX_OK);
    for (unsigned i = 0; i < BYTES; i++) {
        bool is_over = i >= PAGE + 32 && i < PAGE + 96;

        assert_int_equal(got[i], is_over ? STATUS & 0xff : memory[i]);
    }
    /* Across its edge: each part from where it belongs. */
    assert_int_equal(load4(&s, BASE + PAGE + 30), memory[PAGE + 30] |
                                                      memory[PAGE + 31] << 8 |
                                                      (STATUS & 0xffff0000));
    assert_int_equal(tlb_load4(&s, BASE + PAGE + 30),
                     load4(&s, BASE + PAGE + 30));
    close_scene(&s);
    end_region(&over);
}

static void test_overlay_in_ram_and_romd(void **state)
{
    MemoryRegion ram, flash;
    unsigned writes = 0;
    uint8_t *memory;

    (void)state;
    memory_region_init_ram(&ram, NULL, "ram", BYTES, NULL);
    memory = memory_region_get_ram_ptr(&ram);
    for (unsigned i = 0; i < BYTES; i++) {
        memory[i] = (uint8_t)(i * 5 % 127);
    }
    check_overlay(&ram, memory);
    init_flash(&flash, &writes);
    check_overlay(&flash, memory_region_get_ram_ptr(&flash));
    assert_int_equal(writes, 0);
    end_region(&ram);
    end_region(&flash);
}

/* ---- A device's own memory --------------------------------------------- */

static void *alternate(void *opaque)
{
    uint64_t *words = opaque;

    for (uint64_t i = 0; i < 200000; i++) {
        __atomic_store_n(&words[1], i % 2 ? UINT64_MAX : 0, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&words[0], 1, __ATOMIC_RELEASE);
    return NULL;
}

static bool is_whole(uint64_t value)
{
    return value == 0 || value == UINT64_MAX;
}

/* Every aligned access is one access of its width: it never tears. */
static void test_ram_device_widths(void **state)
{
    static uint64_t words[BYTES / 8] __attribute__((aligned(4096)));
    uint64_t value = 0, three[3];
    pthread_t writer;
    MemoryRegion mr;
    struct scene s;

    (void)state;
    memset(words, 0, sizeof(words));
    memory_region_init_ram_device_ptr(&mr, NULL, "bar", BYTES, words);
    open_scene(&s, &mr);
    assert_int_equal(pthread_create(&writer, NULL, alternate, words), 0);
    while (!__atomic_load_n(&words[0], __ATOMIC_ACQUIRE)) {
        assert_true(
            is_whole(address_space_ldq_le(&s.as, BASE + 8, ATTRS, NULL)));
        address_space_read(&s.as, BASE, ATTRS, three, sizeof(three));
        assert_true(is_whole(three[1]));
        memory_region_dispatch_read(&mr, 8, &value, MO_64, ATTRS);
        assert_true(is_whole(value));
        assert_int_equal(tlb_load_slow(s.tlb, 0, BASE + 8, 3, &value), 0);
        assert_true(is_whole(value));
    }
    pthread_join(writer, NULL);
    close_scene(&s);
    end_region(&mr);
}

/* ---- Memory that is resized -------------------------------------------- */

static void test_resize_is_seen_by_every_path(void **state)
{
    MemoryRegion mr;
    struct scene s;
    uint64_t value;
    uint32_t word;

    (void)state;
    memory_region_init_resizeable_ram(&mr, NULL, "table", PAGE, BYTES, NULL,
                                      NULL);
    open_scene(&s, &mr);
    assert_int_equal(store4(&s, BASE + PAGE, 1), MEMTX_DECODE_ERROR);
    assert_int_equal(memory_region_ram_resize(&mr, BYTES, NULL), 0);
    assert_int_equal(store4(&s, BASE + BYTES - 4, 7), MEMTX_OK);
    assert_int_equal(tlb_load4(&s, BASE + BYTES - 4), 7);
    assert_int_equal(memory_region_ram_resize(&mr, PAGE + 2, NULL), 0);
    tlb_safepoint(s.tlb);
    assert_int_not_equal(tlb_load_slow(s.tlb, 0, BASE + BYTES - 4, 2, &value),
                         0);
    assert_int_equal(s.tlb->fault.result, MEMTX_DECODE_ERROR);
    assert_int_equal(address_space_read(&s.as, BASE + PAGE, ATTRS, &word, 4),
                     MEMTX_DECODE_ERROR); /* half of it is gone */
    assert_int_equal(address_space_read(&s.as, BASE + PAGE, ATTRS, &word, 2),
                     MEMTX_OK);
    close_scene(&s);
    end_region(&mr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_read_only_by_any_path),
        engine_test(test_nonvolatile_by_path),
        engine_test(test_rom_device),
        engine_test(test_romd_flips_under_readers),
        engine_test(test_overlay_in_ram_and_romd),
        engine_test(test_ram_device_widths),
        engine_test(test_resize_is_seen_by_every_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
