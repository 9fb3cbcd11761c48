/* SPDX-License-Identifier: MIT */
/* A vCPU that executes nothing, on an empty address space, for tests of
 * instrumentation without a guest. */
#ifndef XBAR_TESTS_UNIT_JIT_FAKE_VCPU_H
#define XBAR_TESTS_UNIT_JIT_FAKE_VCPU_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "jit/instrumented.h"

struct fake {
    struct xbar_engine *engine;
    MemoryRegion root;
    AddressSpace as;
    struct xbar_instruments *hub;
    struct xbar_vcpu vcpu;
    unsigned kicks;
    int fail_at; /* the allocation that fails; 0: none */
};

static inline uint64_t fake_pc(const void *opaque)
{
    (void)opaque;
    return 0x1234;
}

static inline uint64_t fake_retired(const void *opaque)
{
    (void)opaque;
    return 99;
}

static inline uint64_t fake_register(const void *opaque, unsigned reg)
{
    (void)opaque;
    return 100 + reg;
}

static inline uint64_t fake_read(void *opaque, uint64_t va, void *buf,
                                 uint64_t size)
{
    (void)opaque;
    memset(buf, (int)va, size);
    return size;
}

static inline void fake_print(char *buf, size_t size,
                              const struct xbar_insn *insn)
{
    snprintf(buf, size, "insn %u", insn->bytes[0]);
}

static inline void fake_kick(void *opaque)
{
    struct fake *fake = opaque;

    fake->kicks++;
}

static const struct vcpu_ops fake_ops = {
    .pc = fake_pc,
    .retired = fake_retired,
    .reg = fake_register,
    .read = fake_read,
    .print = fake_print,
    .kick = fake_kick,
};

static inline void *fake_allocate(void *opaque, size_t size, size_t align)
{
    struct fake *fake = opaque;
    void *ptr = NULL;

    if (fake->fail_at > 0 && --fake->fail_at == 0) {
        return NULL;
    }
    align = align < sizeof(void *) ? sizeof(void *) : align;
    return posix_memalign(&ptr, align, size) == 0 ? memset(ptr, 0, size) : NULL;
}

static inline void fake_release(void *opaque, void *ptr, size_t size)
{
    (void)opaque;
    (void)size;
    free(ptr);
}

static inline struct fake *fake_open(void)
{
    struct fake *fake = calloc(1, sizeof(*fake));
    const struct xbar_allocator allocator = { fake_allocate, fake_release, fake,
                                              true };
    const struct xbar_engine_config config = { .allocator = &allocator };

    assert_non_null(fake);
    fake->engine = xbar_engine_new(&config);
    assert_non_null(fake->engine);
    assert_int_equal(xbar_engine_enter(fake->engine), 0);
    assert_int_equal(memory_region_init(&fake->root, NULL, "system", 1 << 20),
                     0);
    assert_int_equal(address_space_init(&fake->as, &fake->root, "memory"), 0);
    xbar_engine_leave(fake->engine);
    fake->hub = xbar_instruments_new(&fake->as);
    assert_non_null(fake->hub);
    fake->vcpu.ops = &fake_ops;
    fake->vcpu.opaque = fake;
    assert_int_equal(instrument__attach(fake->hub, &fake->vcpu), 0);
    return fake;
}

static inline void fake_close(struct fake *fake)
{
    fake->fail_at = 0;
    if (fake->vcpu.hub != NULL) {
        instrument__detach(&fake->vcpu);
    }
    assert_int_equal(xbar_instruments_free(fake->hub), 0);
    address_space_destroy(&fake->as);
    xbar_region_destroy(&fake->root, NULL, NULL);
    assert_int_equal(xbar_engine_free(fake->engine), 0);
    free(fake);
}

#endif
