/* SPDX-License-Identifier: MIT */
/*
 * No host: the tree builds anywhere, and everything is interpreted. Of the
 * host contract only the first function is ever called; the emit API says that
 * there is none.
 */
#include <errno.h>

#include "jit/emit.h"
#include "jit/host.h"

bool jit_host__supported(void)
{
    return false;
}

unsigned xbar_emit_features(void)
{
    return 0;
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
