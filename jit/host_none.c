/* SPDX-License-Identifier: MIT */
/*
 * No host: the tree builds anywhere, and everything is interpreted. Of the
 * host contract only the first function is ever called, and the others are
 * there for the linker. The emit API says that there is none, and the clock is
 * the kernel's.
 */
#include <errno.h>
#include <time.h>

#include "jit/emit.h"
#include "jit/host.h"
#include "jit/host_clock.h"
#include "jit/host_fp.h"
#include "jit/host_region.h"

bool jit_host__supported(void)
{
    return false;
}

uint64_t host_clock__system_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void host_clock__init(struct host_clock *clock)
{
    *clock = (struct host_clock){ 0 };
}

uint64_t host_clock__ns(struct host_clock *clock)
{
    (void)clock;
    return host_clock__system_ns();
}

unsigned xbar_emit_features(void)
{
    return 0;
}

const char *xbar_emit_check(const struct xbar_emit_target *target,
                            const struct xbar_emit_access *access)
{
    (void)target;
    (void)access;
    return "there is no emitter for this host";
}

int xbar_emit_fast(struct xbar_emit_buffer *buffer,
                   const struct xbar_emit_target *target,
                   const struct xbar_emit_access *access,
                   struct xbar_emit_site *site)
{
    (void)buffer;
    (void)target;
    (void)access;
    (void)site;
    return -ENOTSUP;
}

int xbar_emit_slow(struct xbar_emit_buffer *buffer,
                   const struct xbar_emit_target *target,
                   const struct xbar_emit_access *access,
                   const struct xbar_emit_fault *fault,
                   struct xbar_emit_site *site)
{
    (void)buffer;
    (void)target;
    (void)access;
    (void)fault;
    (void)site;
    return -ENOTSUP;
}

int xbar_emit_probe(struct xbar_emit_buffer *buffer,
                    const struct xbar_emit_target *target,
                    const struct xbar_emit_access *access, unsigned size,
                    struct xbar_emit_site *site)
{
    (void)buffer;
    (void)target;
    (void)access;
    (void)size;
    (void)site;
    return -ENOTSUP;
}

int xbar_emit_bind(struct xbar_emit_buffer *buffer, uint32_t fixup, uint32_t to)
{
    (void)buffer;
    (void)fixup;
    (void)to;
    return -ENOTSUP;
}

/* ---- For the linker ---------------------------------------------------- */

/* Nothing below looks at what it is given. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

static _Noreturn void no_host(void)
{
    xbar_assert_failed("a host", __FILE__, __LINE__, __func__);
}

size_t jit_host__stubs_size(void)
{
    no_host();
}

struct jit_stubs *jit_host__make_stubs(struct xbar_engine *engine,
                                       struct xbar_jit_cache *cache,
                                       const struct jit_guest *guest,
                                       bool baseline, bool counts_devices,
                                       bool counts_pages)
{
    no_host();
}

void jit_host__free_stubs(struct xbar_engine *engine, struct jit_stubs *stubs)
{
    no_host();
}

const uint8_t *jit_host__leave_code(const struct jit_stubs *stubs)
{
    no_host();
}

struct jit_exit jit_host__enter(const struct jit_stubs *stubs, void *vcpu,
                                const uint8_t *code, bool fp)
{
    no_host();
}

size_t jit_host__cold_size(void)
{
    no_host();
}

void jit_host__prologue(struct jit_emit *e)
{
    no_host();
}

void jit_host__epilogue(struct jit_emit *e)
{
    no_host();
}

void jit_host__guard(struct jit_emit *e, uint64_t page, uint64_t addend)
{
    no_host();
}

void jit_host__count(struct jit_emit *e, uint64_t *counter, int32_t amount)
{
    no_host();
}

void jit_host__look(struct jit_emit *e, const void *what, bool executes)
{
    no_host();
}

void jit_host__alu(struct jit_emit *e, enum jit_alu op, unsigned rd,
                   unsigned rs1, struct jit_operand b)
{
    no_host();
}

void jit_host__set(struct jit_emit *e, unsigned rd, uint64_t value)
{
    no_host();
}

void jit_host__load(struct jit_emit *e, const struct jit_access *access)
{
    no_host();
}

void jit_host__store(struct jit_emit *e, const struct jit_access *access)
{
    no_host();
}

void jit_host__begin_group(struct jit_emit *e, const struct jit_check *checks,
                           unsigned count, struct jit_group *group)
{
    no_host();
}

void jit_host__end_group(struct jit_emit *e, struct jit_group *group)
{
    no_host();
}

void jit_host__begin_missed(struct jit_emit *e, const struct jit_group *group)
{
    no_host();
}

void jit_host__end_missed(struct jit_emit *e, const struct jit_group *group)
{
    no_host();
}

void jit_host__fence(struct jit_emit *e)
{
    no_host();
}

void jit_host__amo(struct jit_emit *e, enum jit_amo op, unsigned size_log2,
                   unsigned rd, unsigned rs1, unsigned rs2)
{
    no_host();
}

void jit_host__load_reserved(struct jit_emit *e, unsigned size_log2,
                             unsigned rd, unsigned rs1,
                             const struct jit_reservation *r)
{
    no_host();
}

void jit_host__store_conditional(struct jit_emit *e, unsigned size_log2,
                                 unsigned rd, unsigned rs1, unsigned rs2,
                                 const struct jit_reservation *r)
{
    no_host();
}

void jit_host__execute(struct jit_emit *e, uint32_t bits, unsigned reads,
                       unsigned writes)
{
    no_host();
}

void jit_host__field(struct jit_emit *e, enum jit_field_op op,
                     const struct jit_field *field, unsigned rd,
                     struct jit_operand value)
{
    no_host();
}

void jit_host__goto(struct jit_emit *e, unsigned link, uint64_t pc,
                    bool same_page)
{
    no_host();
}

void jit_host__branch(struct jit_emit *e, enum jit_condition cc, unsigned rs1,
                      unsigned rs2, uint64_t pc, bool same_page)
{
    no_host();
}

void jit_host__jump_indirect(struct jit_emit *e, unsigned base, int32_t offset,
                             unsigned rd, uint64_t link_pc, bool returns)
{
    no_host();
}

void jit_host__push_return(struct jit_emit *e, uint64_t pc)
{
    no_host();
}

const void *jit_host__interrupted(void *context, int64_t **budget)
{
    (void)context;
    (void)budget;
    return NULL;
}

void jit_host__forget_returns(struct jit_state *state)
{
    no_host();
}

void jit_host__add_return(const struct jit_stubs *stubs,
                          struct jit_state *state, uint64_t pc, bool fp)
{
    no_host();
}

void jit_host__take_return(struct jit_state *state, uint64_t pc)
{
    no_host();
}

void jit_host__forget_landings(struct jit_state *state, const uint8_t *code,
                               size_t size)
{
    no_host();
}

void jit_host__step(struct jit_emit *e)
{
    no_host();
}

void jit_host__resume(struct jit_emit *e, uint32_t bits)
{
    no_host();
}

void jit_host__patch_jump(uint8_t *rw, uint32_t at, uint32_t target)
{
    no_host();
}

void jit_host__patch_value(uint8_t *rw, uint64_t value)
{
    no_host();
}

void jit_host__fp_init(struct jit_state *state)
{
    no_host();
}

bool jit_host__fp_asks_inexact(const struct jit_stubs *stubs)
{
    no_host();
}

void jit_host__fp_begin(struct jit_state *state, enum jit_fp_rounding rounding)
{
    no_host();
}

unsigned jit_host__fp_end(struct jit_state *state)
{
    no_host();
}

void jit_host__fp_guard(struct jit_emit *e, uint32_t set)
{
    no_host();
}

void jit_host__fp_round(struct jit_emit *e, enum jit_fp_rounding rounding)
{
    no_host();
}

void jit_host__fp_alu(struct jit_emit *e, enum jit_fp_op op,
                      const struct jit_fp_insn *insn)
{
    no_host();
}

void jit_host__fp_fused(struct jit_emit *e, enum jit_fp_fused op,
                        const struct jit_fp_insn *insn)
{
    no_host();
}

void jit_host__fp_compare(struct jit_emit *e, enum jit_fp_compare op,
                          const struct jit_fp_insn *insn)
{
    no_host();
}

void jit_host__fp_to_integer(struct jit_emit *e, enum jit_fp_integer to,
                             bool truncate, const struct jit_fp_insn *insn)
{
    no_host();
}

void jit_host__fp_from_integer(struct jit_emit *e, enum jit_fp_integer from,
                               const struct jit_fp_insn *insn)
{
    no_host();
}

void jit_host__fp_convert(struct jit_emit *e, const struct jit_fp_insn *insn)
{
    no_host();
}

void jit_host__fp_to_bits(struct jit_emit *e, const struct jit_fp_insn *insn)
{
    no_host();
}

void jit_host__fp_from_bits(struct jit_emit *e, const struct jit_fp_insn *insn)
{
    no_host();
}

/* Regions. */

unsigned jit_host__home_count(void)
{
    no_host();
}

unsigned jit_host__usual_home(const struct jit_stubs *stubs, unsigned reg)
{
    no_host();
}

void jit_host__usual_homes(struct jit_homes *homes,
                           const struct jit_guest *guest)
{
    no_host();
}

void jit_host__region_prologue(struct jit_emit *e, unsigned charge)
{
    no_host();
}

void jit_host__part(struct jit_emit *e, unsigned part, unsigned charge,
                    bool checks, uint64_t *counter)
{
    no_host();
}

void jit_host__use_homes(struct jit_emit *e, const struct jit_homes *homes)
{
    no_host();
}

void jit_host__match_homes(struct jit_emit *e, const struct jit_homes *to)
{
    no_host();
}

void jit_host__give_home(struct jit_emit *e, unsigned reg, unsigned home,
                         bool load)
{
    no_host();
}

void jit_host__take_home(struct jit_emit *e, unsigned reg, bool keep)
{
    no_host();
}

void jit_host__share_home(struct jit_emit *e, unsigned from, unsigned to)
{
    no_host();
}

void jit_host__end_sharing(struct jit_emit *e, unsigned from)
{
    no_host();
}

void jit_host__be_lazy(struct jit_emit *e, unsigned reg, struct jit_lazy value)
{
    no_host();
}

void jit_host__compute(struct jit_emit *e, unsigned reg)
{
    no_host();
}

void jit_host__widen(struct jit_emit *e, unsigned reg)
{
    no_host();
}

void jit_host__go(struct jit_emit *e, const struct jit_way *way)
{
    no_host();
}

void jit_host__go_if(struct jit_emit *e, enum jit_condition cc, unsigned rs1,
                     unsigned rs2, bool narrow, const struct jit_way *way)
{
    no_host();
}
