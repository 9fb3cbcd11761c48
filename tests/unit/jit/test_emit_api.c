/* SPDX-License-Identifier: MIT */
/*
 * The emit API as a caller meets it: what is refused, what does not fit, other
 * entries than tlb_load_slow(), and jumps bound to other places.
 */
#include "tests/unit/jit/emit_rig.h"

#include <errno.h>
#include <stdio.h>

#include "tests/unit/tlb/world.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define COOKIE       UINT64_C(0x1122334455667788)
#define VA_RAM       UINT64_C(0x80000000)
#define VA_DEVICE    UINT64_C(0x10000000)

/* rdi = vCPU, rsi = address, rax = value: what a C caller passes and gets. */
static const struct xbar_emit_target plain_target = {
    .layout = XBAR_EMIT_LAYOUT,
    .vcpu = XBAR_EMIT_RDI,
    .scratch_count = 3,
    .scratch = { XBAR_EMIT_RCX, XBAR_EMIT_RDX, XBAR_EMIT_R8 },
};

static const struct xbar_emit_access plain_load = {
    .kind = TLB_READ,
    .op = MO_32,
    .address = XBAR_EMIT_RSI,
    .value = XBAR_EMIT_RAX,
};

static const struct xbar_emit_fault by_jump = { .cookie = COOKIE };

struct api_test {
    struct world *world;
    struct rig rig;
};

static int setup(void **state)
{
    struct api_test *test = calloc(1, sizeof(*test));

    assert_non_null(test);
    test->world = world_new();
    world_map(test->world, VA_RAM, VA_RAM, PROT_RWX);
    world_map(test->world, VA_DEVICE, VA_DEVICE, PROT_RWX);
    rig_open(&test->rig);
    *state = test;
    return 0;
}

static int teardown(void **state)
{
    struct api_test *test = *state;

    rig_close(&test->rig);
    world_free(test->world);
    free(test);
    return 0;
}

/* ---- Refusals ---------------------------------------------------------- */

enum field {
    LAYOUT,
    FEATURES,
    OPTIONS,
    VCPU,
    PAGE_SIZE_LOG2,
    SCRATCH_COUNT,
    SCRATCH0,
    SCRATCH1,
    SCRATCH2,
    TLB_AT,
    LIVE,
    KIND,
    OP,
    CONTEXT,
    ADDRESS,
    VALUE,
};

static void set_field(struct xbar_emit_target *t, struct xbar_emit_access *a,
                      enum field field, uint32_t value)
{
    switch (field) {
    case LAYOUT:
        t->layout = value;
        break;
    case FEATURES:
        t->features = value;
        break;
    case OPTIONS:
        t->options = value;
        break;
    case VCPU:
        t->vcpu = (uint8_t)value;
        break;
    case PAGE_SIZE_LOG2:
        t->page_bits = (uint8_t)value;
        break;
    case SCRATCH_COUNT:
        t->scratch_count = (uint8_t)value;
        break;
    case SCRATCH0:
    case SCRATCH1:
    case SCRATCH2:
        t->scratch[field - SCRATCH0] = (uint8_t)value;
        break;
    case TLB_AT:
        t->tlb = (int32_t)value;
        break;
    case LIVE:
        t->live = value;
        break;
    case KIND:
        a->kind = (enum xbar_tlb_access)value;
        break;
    case OP:
        a->op = (MemOp)value;
        break;
    case CONTEXT:
        a->context = (uint8_t)value;
        break;
    case ADDRESS:
        a->address = (uint8_t)value;
        break;
    case VALUE:
        a->value = (uint8_t)value;
        break;
    }
}

enum { LOAD = 1, STORE = 2, PROBE = 4, ALL = 7 };

static const struct {
    enum field field;
    uint32_t value;
    unsigned refused_by;
} clashes[] = {
    { LAYOUT, 0, ALL },
    { LAYOUT, XBAR_EMIT_LAYOUT + 1, ALL },
    { FEATURES, 2, ALL },
    { OPTIONS, 4, ALL },
    { VCPU, XBAR_EMIT_RSP, ALL },
    { VCPU, 16, ALL },
    { VCPU, XBAR_EMIT_RCX, ALL },
    { VCPU, XBAR_EMIT_RSI, ALL },
    { VCPU, XBAR_EMIT_RAX, ALL },
    { SCRATCH_COUNT, 0, ALL },
    { SCRATCH_COUNT, 1, ALL },
    { SCRATCH_COUNT, 2, 0 },
    { SCRATCH_COUNT, 4, ALL },
    { SCRATCH_COUNT, 255, ALL },
    { SCRATCH0, XBAR_EMIT_RDX, ALL },
    { SCRATCH0, XBAR_EMIT_RSP, ALL },
    { SCRATCH1, XBAR_EMIT_RDI, ALL },
    { SCRATCH1, XBAR_EMIT_RSI, ALL },
    { SCRATCH2, 200, ALL },
    { SCRATCH2, XBAR_EMIT_RAX, STORE },
    { TLB_AT, INT32_MAX, ALL },
    { TLB_AT, (uint32_t)INT32_MIN, 0 },
    { PAGE_SIZE_LOG2, TLB_PAGE_BITS_MIN - 1, ALL },
    { PAGE_SIZE_LOG2, TLB_PAGE_BITS_MIN, 0 },
    { PAGE_SIZE_LOG2, TLB_PAGE_BITS, 0 },
    { PAGE_SIZE_LOG2, TLB_PAGE_BITS + 1, ALL },
    { LIVE, 1u << XBAR_EMIT_RCX, ALL },
    { LIVE, 1u << XBAR_EMIT_RSP, ALL },
    { LIVE, XBAR_EMIT_LIVE_VECTOR(15), 0 },
    { LIVE, 1u << XBAR_EMIT_RSI, 0 },
    { KIND, TLB_EXEC, LOAD | STORE },
    { KIND, 3, ALL },
    { OP, MO_128, LOAD | STORE },
    { OP, 7, LOAD | STORE },
    { OP, 0x20, ALL },
    { OP, MO_SIGN | MO_BE, 0 },
    { CONTEXT, TLB_CONTEXTS, ALL },
    { CONTEXT, TLB_CONTEXTS - 1, 0 },
    { ADDRESS, XBAR_EMIT_RDX, ALL },
    { ADDRESS, XBAR_EMIT_R8, ALL },
    { ADDRESS, XBAR_EMIT_RSP, ALL },
    { ADDRESS, 255, ALL },
    { ADDRESS, XBAR_EMIT_RAX, 0 },
    { VALUE, XBAR_EMIT_RSP, ALL },
    { VALUE, XBAR_EMIT_RDI, ALL },
    { VALUE, XBAR_EMIT_RDX, STORE },
    { VALUE, 16, ALL },
};

/* All that can be written for the access: what each call said. */
static int emit_access(struct xbar_emit_buffer *buffer,
                       const struct xbar_emit_target *t,
                       const struct xbar_emit_access *a,
                       struct xbar_emit_site *site)
{
    int fast = xbar_emit_fast(buffer, t, a, site);
    int slow;

    if (fast < 0) {
        struct xbar_emit_site any = { 0 };

        buffer->used = 64; /* room for a site: not the reason to refuse it */
        slow = xbar_emit_slow(buffer, t, a, &by_jump, &any);
        assert_int_equal(slow, fast);
        return fast;
    }
    slow = xbar_emit_slow(buffer, t, a, &by_jump, site);
    return slow < 0 ? slow : fast + slow;
}

static void check_clash(struct xbar_emit_buffer *buffer, size_t i,
                        unsigned what)
{
    struct xbar_emit_target t = plain_target;
    struct xbar_emit_access a = plain_load;
    struct xbar_emit_site site = { 0 };
    int written;

    a.kind = what == STORE ? TLB_WRITE : TLB_READ;
    set_field(&t, &a, clashes[i].field, clashes[i].value);
    buffer->used = 0;
    memset(buffer->code, 0xcc, buffer->size);
    written = what == PROBE ? xbar_emit_probe(buffer, &t, &a, 4, &site)
                            : emit_access(buffer, &t, &a, &site);
    if (!(clashes[i].refused_by & what)) {
        assert_true(written > 0);
        assert_null(xbar_emit_check(&t, &a));
        return;
    }
    /* Said in words, unless it is one function's own rule. */
    if (clashes[i].refused_by == ALL) {
        assert_non_null(xbar_emit_check(&t, &a));
    }
    if (written != -EINVAL) {
        print_error("clash %zu is not refused\n", i);
    }
    assert_int_equal(written, -EINVAL);
    for (size_t k = 0; k < buffer->size; k++) {
        assert_int_equal(buffer->code[k], 0xcc);
    }
}

static void test_clashes_are_refused(void **state)
{
    uint8_t bytes[1024];
    struct xbar_emit_buffer buffer = { .code = bytes, .size = sizeof(bytes) };

    (void)state;
    for (size_t i = 0; i < COUNT(clashes); i++) {
        check_clash(&buffer, i, LOAD);
        check_clash(&buffer, i, STORE);
        check_clash(&buffer, i, PROBE);
    }
}

/* The message is about the field that is at fault. */
static void test_a_fault_is_named(void **state)
{
    static const struct {
        enum field field;
        uint32_t value;
        const char *name;
    } rows[] = {
        { LAYOUT, 7, "layout" },
        { FEATURES, 2, "features" },
        { OPTIONS, 4, "options" },
        { PAGE_SIZE_LOG2, 13, "page_bits" },
        { SCRATCH_COUNT, 4, "scratch_count" },
        { SCRATCH1, XBAR_EMIT_RCX, "scratch register" },
        { TLB_AT, INT32_MAX, "tlb" },
        { LIVE, 1u << XBAR_EMIT_RSP, "live" },
        { VCPU, XBAR_EMIT_RCX, "vcpu" },
        { CONTEXT, TLB_CONTEXTS, "context" },
        { KIND, 3, "kind" },
        { OP, 0x20, "op" },
        { ADDRESS, XBAR_EMIT_RDX, "address" },
        { VALUE, XBAR_EMIT_RDI, "value" },
    };

    (void)state;
    assert_null(xbar_emit_check(&plain_target, NULL));
    assert_null(xbar_emit_check(&plain_target, &plain_load));
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct xbar_emit_target t = plain_target;
        struct xbar_emit_access a = plain_load;
        const char *fault;

        set_field(&t, &a, rows[i].field, rows[i].value);
        fault = xbar_emit_check(&t, &a);
        assert_non_null(fault);
        assert_non_null(strstr(fault, rows[i].name));
    }
}

static void test_offset_needs_third_scratch(void **state)
{
    uint8_t bytes[256];
    struct xbar_emit_buffer buffer = { .code = bytes, .size = sizeof(bytes) };
    struct xbar_emit_target t = plain_target;
    struct xbar_emit_access a = plain_load;
    struct xbar_emit_site site;

    (void)state;
    t.scratch_count = 2;
    a.offset = 4;
    assert_int_equal(xbar_emit_fast(&buffer, &t, &a, &site), -EINVAL);
    a.offset = 0;
    assert_true(xbar_emit_fast(&buffer, &t, &a, &site) > 0);
}

static void test_bad_buffers(void **state)
{
    uint8_t bytes[256];
    struct xbar_emit_site site = { 0 };
    struct xbar_emit_buffer bad[] = {
        { .code = NULL, .size = 256 },
        { .code = bytes, .size = 8, .used = 9 },
        { .code = bytes, .size = (size_t)INT32_MAX + 1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(
            xbar_emit_fast(&bad[i], &plain_target, &plain_load, &site),
            -EINVAL);
        assert_int_equal(
            xbar_emit_probe(&bad[i], &plain_target, &plain_load, 4, &site),
            -EINVAL);
        assert_int_equal(xbar_emit_slow(&bad[i], &plain_target, &plain_load,
                                        &by_jump, &site),
                         -EINVAL);
        assert_int_equal(xbar_emit_bind(&bad[i], 0, 0), -EINVAL);
    }
}

/* Slow paths of sites that no fast path in this buffer has. */
static void test_foreign_sites(void **state)
{
    uint8_t bytes[1024];
    struct xbar_emit_buffer buffer = { .code = bytes, .size = sizeof(bytes) };
    struct xbar_emit_site site, bad;
    size_t used;

    (void)state;
    assert_true(xbar_emit_fast(&buffer, &plain_target, &plain_load, &site) > 0);
    used = buffer.used;
    bad = site;
    bad.miss = (uint32_t)used - 3;
    assert_int_equal(
        xbar_emit_slow(&buffer, &plain_target, &plain_load, &by_jump, &bad),
        -EINVAL);
    bad = site;
    bad.resume = (uint32_t)used + 1;
    assert_int_equal(
        xbar_emit_slow(&buffer, &plain_target, &plain_load, &by_jump, &bad),
        -EINVAL);
    assert_int_equal(buffer.used, used);
    assert_int_equal(xbar_emit_bind(&buffer, (uint32_t)used - 3, 0), -EINVAL);
    assert_int_equal(xbar_emit_bind(&buffer, UINT32_MAX, 0), -EINVAL);
    assert_int_equal(xbar_emit_bind(&buffer, site.miss, (uint32_t)used + 1),
                     -EINVAL);
    assert_int_equal(xbar_emit_bind(&buffer, site.miss, (uint32_t)used), 0);
}

static void test_sizes_of_probes(void **state)
{
    uint8_t bytes[256];
    struct xbar_emit_buffer buffer = { .code = bytes, .size = sizeof(bytes) };
    struct xbar_emit_site site;

    (void)state;
    assert_int_equal(
        xbar_emit_probe(&buffer, &plain_target, &plain_load, 0, &site),
        -EINVAL);
    assert_int_equal(
        xbar_emit_probe(&buffer, &plain_target, &plain_load, 4097, &site),
        -EINVAL);
    assert_true(
        xbar_emit_probe(&buffer, &plain_target, &plain_load, 4096, &site) > 0);
}

/* ---- Room -------------------------------------------------------------- */

static void test_room_to_the_byte(void **state)
{
    uint8_t bytes[1024];
    struct xbar_emit_buffer buffer = { .code = bytes, .size = sizeof(bytes) };
    struct xbar_emit_site site;
    int fast = xbar_emit_fast(&buffer, &plain_target, &plain_load, &site);
    int slow =
        xbar_emit_slow(&buffer, &plain_target, &plain_load, &by_jump, &site);

    (void)state;
    assert_true(fast > 0 && slow > 0);
    for (int size = 0; size <= fast + slow; size++) {
        memset(bytes, 0xcc, sizeof(bytes));
        buffer.size = (size_t)size;
        buffer.used = 0;
        assert_int_equal(
            xbar_emit_fast(&buffer, &plain_target, &plain_load, &site),
            size < fast ? -ENOSPC : fast);
        if (size >= fast) {
            assert_int_equal(xbar_emit_slow(&buffer, &plain_target, &plain_load,
                                            &by_jump, &site),
                             size < fast + slow ? -ENOSPC : slow);
        }
        for (size_t k = buffer.used; k < sizeof(bytes); k++) {
            assert_int_equal(bytes[k], 0xcc);
        }
    }
}

/* ---- Other entries ----------------------------------------------------- */

static struct {
    SoftTLB *tlb;
    unsigned context;
    uint64_t va;
    unsigned size_log2;
    uint64_t value;
} seen;

static int refuse_odd_load(SoftTLB *tlb, unsigned context, uint64_t va,
                           unsigned size_log2, uint64_t *value)
{
    seen.tlb = tlb;
    seen.context = context;
    seen.va = va;
    seen.size_log2 = size_log2;
    if (va & 1) {
        return 5;
    }
    *value = 0xffffffff80000001; /* only the low bytes count */
    return 0;
}

static int note_store(SoftTLB *tlb, unsigned context, uint64_t va,
                      unsigned size_log2, uint64_t value)
{
    seen.tlb = tlb;
    seen.context = context;
    seen.va = va;
    seen.size_log2 = size_log2;
    seen.value = value;
    return 0;
}

/* fast; ret; slow; fault: ret. Run it. */
static void run_access(struct api_test *test, const struct xbar_emit_target *t,
                       const struct xbar_emit_access *a, uint64_t va,
                       uint64_t value)
{
    struct xbar_emit_buffer *buffer = &test->rig.buffer;
    struct xbar_emit_site site;

    buffer->used = 0;
    assert_true(xbar_emit_fast(buffer, t, a, &site) > 0);
    rig_put_ret(&test->rig);
    assert_true(xbar_emit_slow(buffer, t, a, &by_jump, &site) > 0);
    assert_int_equal(
        xbar_emit_bind(buffer, site.fault, rig_put_ret(&test->rig)), 0);
    rig_in.flags = 0x202;
    rig_in.reg[t->vcpu] = (uintptr_t)&test->world->tlb;
    rig_in.reg[a->address] = va;
    rig_in.reg[a->value] = value;
    rig_run(&test->rig, 0, 0);
}

static void assert_seen(const struct api_test *test, unsigned context,
                        uint64_t va, unsigned size_log2)
{
    assert_ptr_equal(seen.tlb, &test->world->tlb);
    assert_int_equal(seen.context, context);
    assert_int_equal(seen.va, va);
    assert_int_equal(seen.size_log2, size_log2);
}

static void test_own_entries(void **state)
{
    struct api_test *test = *state;
    struct xbar_emit_target t = plain_target;
    struct xbar_emit_access a = plain_load;

    t.load = refuse_odd_load;
    t.store = note_store;
    a.context = 3;
    run_access(test, &t, &a, VA_DEVICE, 0);
    assert_seen(test, 3, VA_DEVICE, 2);
    assert_int_equal(rig_out.reg[XBAR_EMIT_RAX], 0x80000001);

    run_access(test, &t, &a, VA_DEVICE + 1, 77);
    assert_int_equal(rig_out.reg[XBAR_EMIT_RAX], 77);
    assert_int_equal(rig_out.reg[XBAR_EMIT_RCX], COOKIE);

    a.kind = TLB_WRITE;
    a.op = MO_16 | MO_BE;
    run_access(test, &t, &a, VA_DEVICE + 2, 0x1234);
    assert_seen(test, 3, VA_DEVICE + 2, 1);
    assert_int_equal(seen.value & 0xffff, 0x3412);
}

/* An int that C returns says nothing in the upper half of its register. */
static uint64_t return_dirty_zero(SoftTLB *tlb, unsigned context, uint64_t va,
                                  unsigned size_log2, uint64_t *value)
{
    (void)tlb;
    (void)context;
    (void)size_log2;
    *value = va + 1;
    return UINT64_C(0xffffffff00000000);
}

static void test_result_is_an_int(void **state)
{
    struct api_test *test = *state;
    struct xbar_emit_target t = plain_target;

    t.load = (xbar_emit_load_fn *)(void (*)(void))return_dirty_zero;
    run_access(test, &t, &plain_load, VA_DEVICE, 0);
    assert_int_equal(rig_out.reg[XBAR_EMIT_RAX], VA_DEVICE + 1);
}

/* An aligned access reaches the entry where it is not aligned, RAM or not. */
static void test_alignment_reaches_entry(void **state)
{
    struct api_test *test = *state;
    struct xbar_emit_target t = plain_target;
    struct xbar_emit_access a = plain_load;
    uint64_t value;

    t.load = refuse_odd_load;
    a.aligned = true;
    assert_int_equal(tlb_load_slow(&test->world->tlb, 0, VA_RAM, 2, &value), 0);
    run_access(test, &t, &a, VA_RAM + 8, 1);
    assert_int_equal(rig_out.reg[XBAR_EMIT_RAX], 0);
    run_access(test, &t, &a, VA_RAM + 9, 1);
    assert_int_equal(rig_out.reg[XBAR_EMIT_RAX], 1);
    assert_int_equal(rig_out.reg[XBAR_EMIT_RCX], COOKIE);
}

/* ---- Leaving for good -------------------------------------------------- */

static jmp_buf outside;
static uint64_t left_with;

static const void *leave(SoftTLB *tlb, uint64_t cookie)
{
    (void)tlb;
    left_with = cookie;
    longjmp(outside, 1);
}

static void test_fault_function_may_leave(void **state)
{
    struct api_test *test = *state;
    struct xbar_emit_buffer *buffer = &test->rig.buffer;
    const struct xbar_emit_fault fault = { .function = leave, .cookie = 0 };
    struct xbar_emit_site site;

    left_with = 1;
    assert_true(xbar_emit_fast(buffer, &plain_target, &plain_load, &site) > 0);
    rig_put_ret(&test->rig);
    assert_true(
        xbar_emit_slow(buffer, &plain_target, &plain_load, &fault, &site) > 0);
    memset(&rig_in, 0, sizeof(rig_in));
    rig_in.flags = 0x202;
    rig_in.reg[XBAR_EMIT_RDI] = (uintptr_t)&test->world->tlb;
    rig_in.reg[XBAR_EMIT_RSI] = 0x1234;
    if (setjmp(outside) == 0) {
        rig_run(&test->rig, 0, 0);
        fail_msg("came back");
    }
    assert_int_equal(left_with, 0);
    assert_fault(test->world, 0x1234, FAULT_CODE, MEMTX_OK);
}

/* ---- Jumps bound elsewhere --------------------------------------------- */

/* Code of the caller's before and after the slow path. */
static void test_wrapped_slow_path(void **state)
{
    struct api_test *test = *state;
    struct xbar_emit_buffer *buffer = &test->rig.buffer;
    struct xbar_emit_site site;
    uint32_t before, after;
    int32_t home;

    buffer->used = 0;
    assert_true(xbar_emit_fast(buffer, &plain_target, &plain_load, &site) > 0);
    rig_put_ret(&test->rig);
    before = rig_put(&test->rig, "\x49\xff\xc4", 3); /* inc r12 */
    assert_true(xbar_emit_slow(buffer, &plain_target, &plain_load, &by_jump,
                               &site) > 0);
    assert_int_equal(xbar_emit_bind(buffer, site.miss, before), 0);
    after = rig_put(&test->rig, "\x49\xff\xc5\xe9\0\0\0\0", 8); /* inc r13 */
    assert_int_equal(xbar_emit_bind(buffer, site.back, after), 0);
    assert_int_equal(xbar_emit_bind(buffer, after + 4, site.resume), 0);
    memcpy(&home, buffer->code + after + 4, sizeof(home));
    assert_true(home < 0);

    memset(&rig_in, 0, sizeof(rig_in));
    rig_in.flags = 0x202;
    rig_in.reg[XBAR_EMIT_RDI] = (uintptr_t)&test->world->tlb;
    rig_in.reg[XBAR_EMIT_RSI] = VA_DEVICE;
    test->world->bytes[DEVICE][0] = 42;
    rig_run(&test->rig, 0, 8);
    assert_int_equal(rig_out.reg[XBAR_EMIT_RAX], 42);
    assert_int_equal(rig_out.reg[XBAR_EMIT_R12], 1);
    assert_int_equal(rig_out.reg[XBAR_EMIT_R13], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clashes_are_refused),
        cmocka_unit_test(test_a_fault_is_named),
        cmocka_unit_test(test_offset_needs_third_scratch),
        cmocka_unit_test(test_bad_buffers),
        cmocka_unit_test(test_foreign_sites),
        cmocka_unit_test(test_sizes_of_probes),
        cmocka_unit_test(test_room_to_the_byte),
        cmocka_unit_test_setup_teardown(test_own_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_result_is_an_int, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fault_function_may_leave, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_alignment_reaches_entry, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_wrapped_slow_path, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
