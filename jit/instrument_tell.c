/* SPDX-License-Identifier: MIT */
/* Calling subscribers back, and what they may ask then. */
#include "jit/instrument_internal.h"

static bool is_there(const struct xbar_instrument *in)
{
    return !atomic_load_explicit(&in->is_ending, memory_order_relaxed);
}

void instrument__tell(struct xbar_vcpu *vcpu,
                      const struct instrument_place *place)
{
    for (unsigned i = 0; i < place->callback_count; i++) {
        const struct instrument_callback *callback = &place->callbacks[i];

        if (is_there(callback->in)) {
            callback->cb(vcpu, callback->userdata);
        }
    }
}

/* Is @at in the @size bytes from @first, if that matters? */
static bool is_within(uint64_t at, uint64_t first, uint64_t size)
{
    return size == 0 || at - first < size;
}

static bool is_wanted(const struct xbar_access_filter *filter,
                      const struct xbar_access_event *event)
{
    return (filter->kinds == 0 || (filter->kinds & event->kind)) &&
           (filter->targets == 0 || (filter->targets & event->target)) &&
           (filter->mr == NULL || filter->mr == event->mr) &&
           is_within(event->phys, filter->phys, filter->phys_size) &&
           is_within(event->va, filter->va, filter->va_size);
}

void instrument__tell_access(struct xbar_vcpu *vcpu,
                             const struct instrument_place *place,
                             const struct xbar_access_event *event)
{
    for (unsigned i = 0; i < place->access_count; i++) {
        const struct instrument_access *access = &place->accesses[i];

        if (is_wanted(&access->filter, event) && is_there(access->in)) {
            access->cb(vcpu, event, access->userdata);
        }
    }
}

void instrument__tell_trap(struct xbar_vcpu *vcpu,
                           const struct xbar_trap_event *event)
{
    for (unsigned i = 0; i < vcpu->subscribers; i++) {
        struct xbar_instrument *in = vcpu->subscriber[i];

        if (in->ops.trap != NULL && is_there(in)) {
            in->ops.trap(in->opaque, vcpu, event);
        }
    }
}

/* ---- The hart ---------------------------------------------------------- */

unsigned xbar_vcpu_index(const struct xbar_vcpu *vcpu)
{
    return vcpu->index;
}

uint64_t xbar_vcpu_pc(const struct xbar_vcpu *vcpu)
{
    return vcpu->ops->pc(vcpu->opaque);
}

uint64_t xbar_vcpu_retired(const struct xbar_vcpu *vcpu)
{
    return vcpu->ops->retired(vcpu->opaque);
}

uint64_t xbar_vcpu_register(const struct xbar_vcpu *vcpu, unsigned reg)
{
    return vcpu->ops->reg(vcpu->opaque, reg);
}

uint64_t xbar_vcpu_read(struct xbar_vcpu *vcpu, uint64_t va, void *buf,
                        uint64_t size)
{
    return vcpu->ops->read(vcpu->opaque, va, buf, size);
}
