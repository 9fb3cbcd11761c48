/* SPDX-License-Identifier: MIT */
/*
 * The order of going back: first all that can say no, then the tree, whose
 * transaction is all or nothing, then what cannot fail.
 *
 *     harts idle? memory there? devices willing?      nothing changed
 *     tree                                            as it was, or void
 *     memory, devices, harts                          void functions
 *
 * Harts are last, so that what devices drive by mistake does not stay, and so
 * that what they drop from TLBs is judged by registers and memory as they are
 * then.
 */
#include "jit/riscv/machine_snapshot.h"

#include <errno.h>
#include <string.h>

#include "engine/alloc.h"
#include "engine/commit.h"
#include "engine/snapshot.h"
#include "jit/riscv/hart_internal.h"

struct saved_device {
    struct xbar_riscv_device device;
    size_t size;
    void *bytes; /* NULL: none */
};

struct saved_hart {
    struct xbar_riscv_hart *hart;
    struct xbar_riscv_state *state;
};

struct xbar_riscv_snapshot {
    struct xbar_engine *engine;
    struct xbar_snapshot *tree;
    struct xbar_ram_snapshot *ram;
    struct saved_hart *harts;
    unsigned hart_count;
    struct saved_device *devices;
    unsigned device_count;
    uint64_t pages; /* of the last restore */
    uint64_t device_bytes;
};

/* ---- Saying no --------------------------------------------------------- */

static int refuse(int rc, Error **errp, const char *what)
{
    error_setg(errp, "%s: %s", what, strerror(-rc));
    return rc;
}

/* Some of what follows allocates under locks that a commit holds. */
static int check_thread(Error **errp)
{
    return xbar_transaction_is_open()
               ? refuse(-EBUSY, errp, "a transaction is open")
               : 0;
}

static int check_hart(const struct xbar_riscv_hart *hart,
                      const struct xbar_engine *engine, Error **errp)
{
    if (xbar_address_space_engine(hart->config.as) != engine) {
        error_setg(errp, "hart %llu is of another engine",
                   (unsigned long long)hart->config.hartid);
        return -EINVAL;
    }
    if (atomic_load(&hart->runner) != 0) {
        error_setg(errp, "hart %llu runs",
                   (unsigned long long)hart->config.hartid);
        return -EBUSY;
    }
    return 0;
}

/* A device that refuses and does not say why. */
static int refuse_device(const struct xbar_riscv_device *device, int rc,
                         Error *cause, Error **errp)
{
    error_setg(errp, "%s: %s", device->name ? device->name : "a device",
               cause ? error_get_pretty(cause) : strerror(-rc));
    error_free(cause);
    return rc;
}

/* ---- Taking ------------------------------------------------------------ */

static int save_harts(struct xbar_riscv_snapshot *s,
                      const struct xbar_riscv_machine *machine)
{
    unsigned count = machine->hart_count;
    int rc = 0;

    if (count == 0) {
        return 0;
    }
    s->harts = xbar_alloc(s->engine, count * sizeof(*s->harts));
    if (s->harts == NULL) {
        return -ENOMEM;
    }
    s->hart_count = count;
    for (unsigned i = 0; i < count && rc == 0; i++) {
        s->harts[i].hart = machine->harts[i];
        rc = xbar_riscv_save(machine->harts[i], &s->harts[i].state);
    }
    return rc;
}

static int save_device(struct xbar_riscv_snapshot *s,
                       struct saved_device *saved, Error **errp)
{
    const struct xbar_riscv_device *device = &saved->device;
    Error *cause = NULL;
    int rc;

    saved->size = device->ops->size ? device->ops->size(device->opaque) : 0;
    if (saved->size != 0) {
        saved->bytes = xbar_alloc(s->engine, saved->size);
        if (saved->bytes == NULL) {
            return refuse_device(device, -ENOMEM, NULL, errp);
        }
    }
    s->device_bytes += saved->size;
    rc = device->ops->save(device->opaque, saved->bytes, &cause);
    return rc ? refuse_device(device, rc, cause, errp) : 0;
}

static int save_devices(struct xbar_riscv_snapshot *s,
                        const struct xbar_riscv_machine *machine, Error **errp)
{
    unsigned count = machine->device_count;
    int rc = 0;

    if (count == 0) {
        return 0;
    }
    s->devices = xbar_alloc(s->engine, count * sizeof(*s->devices));
    if (s->devices == NULL) {
        return refuse(-ENOMEM, errp, "the devices");
    }
    s->device_count = count;
    for (unsigned i = 0; i < count && rc == 0; i++) {
        s->devices[i].device = machine->devices[i];
        rc = save_device(s, &s->devices[i], errp);
    }
    return rc;
}

/* What the devices say may depend on nothing else. */
static int fill(struct xbar_riscv_snapshot *s,
                const struct xbar_riscv_machine *machine,
                const struct xbar_riscv_snapshot *after, Error **errp)
{
    int rc = save_devices(s, machine, errp);

    if (rc) {
        return rc;
    }
    rc = xbar_snapshot_take(s->engine, &s->tree);
    if (rc == 0) {
        rc = save_harts(s, machine);
    }
    if (rc == 0) {
        rc = xbar_ram_snapshot_take(s->engine, after ? after->ram : NULL,
                                    &s->ram);
    }
    return rc ? refuse(rc, errp, "no snapshot") : 0;
}

int xbar_riscv_snapshot_take(const struct xbar_riscv_machine *machine,
                             const struct xbar_riscv_snapshot *after,
                             struct xbar_riscv_snapshot **to, Error **errp)
{
    struct xbar_riscv_snapshot *s;
    int rc = check_thread(errp);

    *to = NULL;
    for (unsigned i = 0; i < machine->hart_count && rc == 0; i++) {
        rc = check_hart(machine->harts[i], machine->engine, errp);
    }
    if (rc) {
        return rc;
    }
    (void)xbar_engine_flush_coalesced(machine->engine);
    s = xbar_alloc(machine->engine, sizeof(*s));
    if (s == NULL) {
        return refuse(-ENOMEM, errp, "no snapshot");
    }
    s->engine = machine->engine;
    rc = fill(s, machine, after, errp);
    if (rc) {
        xbar_riscv_snapshot_drop(s);
        return rc;
    }
    *to = s;
    return 0;
}

static void free_harts(struct xbar_riscv_snapshot *s)
{
    for (unsigned i = 0; i < s->hart_count; i++) {
        xbar_riscv_state_free(s->harts[i].state);
    }
    if (s->harts != NULL) {
        xbar_free(s->engine, s->harts, s->hart_count * sizeof(*s->harts));
    }
}

static void free_devices(struct xbar_riscv_snapshot *s)
{
    for (unsigned i = 0; i < s->device_count; i++) {
        if (s->devices[i].bytes != NULL) {
            xbar_free(s->engine, s->devices[i].bytes, s->devices[i].size);
        }
    }
    if (s->devices != NULL) {
        xbar_free(s->engine, s->devices, s->device_count * sizeof(*s->devices));
    }
}

void xbar_riscv_snapshot_drop(struct xbar_riscv_snapshot *snapshot)
{
    if (snapshot != NULL) {
        xbar_snapshot_drop(snapshot->tree);
        xbar_ram_snapshot_drop(snapshot->ram);
        free_harts(snapshot);
        free_devices(snapshot);
        xbar_free(snapshot->engine, snapshot, sizeof(*snapshot));
    }
}

/* ---- Going back -------------------------------------------------------- */

static int check_device(const struct saved_device *saved, Error **errp)
{
    const struct xbar_riscv_device *device = &saved->device;
    Error *cause = NULL;
    int rc = 0;

    if (device->ops->check != NULL) {
        rc = device->ops->check(device->opaque, saved->bytes, &cause);
    }
    return rc ? refuse_device(device, rc, cause, errp) : 0;
}

static int check(const struct xbar_riscv_snapshot *s, Error **errp)
{
    int rc = check_thread(errp);

    for (unsigned i = 0; i < s->hart_count && rc == 0; i++) {
        rc = check_hart(s->harts[i].hart, s->engine, errp);
    }
    if (rc) {
        return rc;
    }
    /* What waits is of the time that is given up: not for whom we restore. */
    (void)xbar_engine_flush_coalesced(s->engine);
    rc = xbar_ram_snapshot_check(s->ram);
    if (rc) {
        return refuse(rc, errp, "a region with memory has ended, or changed");
    }
    for (unsigned i = 0; i < s->device_count && rc == 0; i++) {
        rc = check_device(&s->devices[i], errp);
    }
    return rc;
}

/* Everything that may say no has said yes. */
static void put_back(struct xbar_riscv_snapshot *s)
{
    int rc = xbar_ram_snapshot_restore(s->ram, &s->pages);

    xbar_assert(rc == 0);
    for (unsigned i = 0; i < s->device_count; i++) {
        const struct saved_device *saved = &s->devices[i];

        saved->device.ops->restore(saved->device.opaque, saved->bytes);
    }
    for (unsigned i = 0; i < s->hart_count; i++) {
        rc = xbar_riscv_restore(s->harts[i].hart, s->harts[i].state);
        xbar_assert(rc == 0);
    }
}

int xbar_riscv_snapshot_restore(struct xbar_riscv_snapshot *snapshot,
                                Error **errp)
{
    int rc = check(snapshot, errp);

    if (rc) {
        return rc;
    }
    rc = xbar_snapshot_restore(snapshot->tree);
    if (rc) {
        return refuse(rc, errp, "the region tree cannot be what it was");
    }
    put_back(snapshot);
    return 0;
}

void xbar_riscv_snapshot_get_info(const struct xbar_riscv_snapshot *snapshot,
                                  struct xbar_riscv_snapshot_info *info)
{
    xbar_ram_snapshot_get_info(snapshot->ram, &info->ram);
    info->device_bytes = snapshot->device_bytes;
    info->pages = snapshot->pages;
}
