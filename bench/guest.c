/* SPDX-License-Identifier: MIT */
#include "guest.h"

#include <stdlib.h>

struct guest *guest_new(enum xbar_riscv_engine engine, size_t code_limit)
{
    struct guest *guest = calloc(1, sizeof(*guest));
    struct xbar_riscv_config config = {
        .reset_pc = GUEST_CODE,
        .code_limit = code_limit,
        .translate_after = 1, /* what translating costs is measured, too */
    };

    if (!guest) {
        return NULL;
    }
    guest->engine = engine;
    guest->world = world_new(16);
    if (!guest->world) {
        free(guest);
        return NULL;
    }
    config.as = &guest->world->as;
    guest->hart = xbar_riscv_new(&config);
    if (!guest->hart || xbar_riscv_set_engine(guest->hart, engine)) {
        return NULL; /* the program ends soon after */
    }
    return guest;
}

void guest_free(void *opaque)
{
    struct guest *guest = opaque;

    xbar_riscv_free(guest->hart);
    world_free(guest->world);
    free(guest);
}

void guest_put(struct guest *guest, hwaddr at, const uint32_t *words,
               size_t count)
{
    if (address_space_write(&guest->world->as, at, MEMTXATTRS_UNSPECIFIED,
                            words, count * sizeof(*words)) != MEMTX_OK) {
        guest->wrong = "the guest's memory cannot be written";
    }
}

void guest_run(struct guest *guest, uint64_t instructions)
{
    if (xbar_riscv_run(guest->hart, instructions) != XBAR_RISCV_EXIT_BUDGET) {
        guest->wrong = "the hart stopped early";
    }
}

void guest_expect(struct guest *guest, unsigned reg, uint64_t value)
{
    if (xbar_riscv_get_x(guest->hart, reg) != value) {
        guest->wrong = "a register of the guest has a wrong value";
    }
}

struct xbar_riscv_jit_stats guest_jit_stats(const struct guest *guest)
{
    struct xbar_riscv_stats stats;

    xbar_riscv_get_stats(guest->hart, &stats);
    return stats.jit;
}

const char *guest_check(void *opaque)
{
    const struct guest *guest = opaque;

    return guest->wrong;
}
