/* SPDX-License-Identifier: MIT */
/*
 * Registers, 4 bytes each:
 *
 *   000000 + 4n         priority of source n, 0 (never) to 7
 *   001000              pending, bit n: source n; read-only
 *   002000 + 80c        enables of context c, bit n: source n
 *   200000 + 1000c      threshold of context c: only higher priorities pass
 *   200004 + 1000c      read: claim the best source, 0 if none
 *                       write: complete a source
 *
 * All else reads as 0 and ignores writes. Among equal priorities the lowest
 * number wins. A source that falls before it was claimed is not pending any
 * more, as in QEMU: a driver that polls sees no spurious interrupt.
 */
#include "plic.h"

#include "memmap.h"

enum plic_register {
    PLIC_PRIORITY = 0x000000,
    PLIC_PENDING = 0x001000,
    PLIC_ENABLE = 0x002000,
    PLIC_ENABLE_STRIDE = 0x80,
    PLIC_CONTEXT = 0x200000,
    PLIC_CONTEXT_STRIDE = 0x1000,
    PLIC_THRESHOLD = 0,
    PLIC_CLAIM = 4,
};

/* Which register an offset names, and of which source or context. */
struct plic_place {
    enum {
        PLACE_NONE,
        PLACE_PRIORITY,
        PLACE_PENDING,
        PLACE_ENABLE,
        PLACE_THRESHOLD,
        PLACE_CLAIM,
    } kind;
    unsigned index;
};

static struct plic_place locate_context(hwaddr offset)
{
    struct plic_place none = { PLACE_NONE, 0 };
    unsigned index = (unsigned)(offset / PLIC_CONTEXT_STRIDE);

    if (index >= PLIC_CONTEXTS) {
        return none;
    }
    switch (offset % PLIC_CONTEXT_STRIDE) {
    case PLIC_THRESHOLD:
        return (struct plic_place){ PLACE_THRESHOLD, index };
    case PLIC_CLAIM:
        return (struct plic_place){ PLACE_CLAIM, index };
    default:
        return none;
    }
}

static struct plic_place locate_register(hwaddr addr)
{
    struct plic_place place = { PLACE_NONE, 0 };

    if (addr >= PLIC_CONTEXT) {
        return locate_context(addr - PLIC_CONTEXT);
    }
    if (addr >= PLIC_ENABLE) {
        place.index = (unsigned)((addr - PLIC_ENABLE) / PLIC_ENABLE_STRIDE);
        if (place.index < PLIC_CONTEXTS && addr % PLIC_ENABLE_STRIDE == 0) {
            place.kind = PLACE_ENABLE;
        }
    } else if (addr >= PLIC_PENDING) {
        place.kind = addr == PLIC_PENDING ? PLACE_PENDING : PLACE_NONE;
    } else if (addr / 4 >= 1 && addr / 4 <= PLIC_SOURCES) {
        place.kind = PLACE_PRIORITY;
        place.index = (unsigned)(addr / 4);
    }
    return place;
}

/* ---- Under the lock ---------------------------------------------------- */

/* The source that a claim by @context would get; 0 if none. */
static unsigned best_source(const struct plic *plic,
                            const struct plic_context *context)
{
    uint32_t candidates =
        WORD_READ(plic->pending) & WORD_READ(context->enabled);
    unsigned best = 0;

    for (; candidates; candidates &= candidates - 1) {
        unsigned source = (unsigned)__builtin_ctz(candidates);

        if (WORD_READ(plic->priority[source]) >
            WORD_READ(plic->priority[best])) {
            best = source;
        }
    }
    return best; /* priority[0] is 0, so a priority of 0 never wins */
}

/*
 * The threshold holds back the line, not a claim: a driver that polls by
 * claiming gets what is pending.
 */
static void update_lines(struct plic *plic)
{
    if (WORD_READ(plic->pending) == 0 && !plic->contexts[0].is_driven &&
        !plic->contexts[1].is_driven) {
        return;
    }
    for (unsigned i = 0; i < PLIC_CONTEXTS; i++) {
        struct plic_context *context = &plic->contexts[i];
        unsigned best = best_source(plic, context);
        bool level =
            WORD_READ(plic->priority[best]) > WORD_READ(context->threshold);

        if (level != context->is_driven) {
            context->is_driven = level;
            irq_line_set(&context->irq, level);
        }
    }
}

static void set_level(void *opaque, unsigned source, bool level)
{
    struct plic *plic = opaque;
    uint32_t bit = 1u << source;
    uint32_t pending;

    leaf_lock(&plic->lock);
    plic->level = level ? plic->level | bit : plic->level & ~bit;
    pending = WORD_READ(plic->pending) & ~bit;
    WORD_WRITE(plic->pending,
               level ? pending | (bit & ~plic->claimed) : pending);
    update_lines(plic);
    leaf_unlock(&plic->lock);
}

struct irq_line plic_input(struct plic *plic, unsigned source)
{
    return (struct irq_line){ set_level, plic, source };
}

static uint64_t claim_source(struct plic *plic, struct plic_context *context)
{
    unsigned source;

    leaf_lock(&plic->lock);
    source = best_source(plic, context);
    if (source) {
        WORD_WRITE(plic->pending, WORD_READ(plic->pending) & ~(1u << source));
        plic->claimed |= 1u << source;
        update_lines(plic);
    }
    leaf_unlock(&plic->lock);
    return source;
}

/* A completion of a source that this context may not see is ignored. */
static void complete_source(struct plic *plic,
                            const struct plic_context *context, uint64_t source)
{
    uint32_t bit = source <= PLIC_SOURCES ? 1u << source : 0;

    if (bit & WORD_READ(context->enabled) & plic->claimed) {
        plic->claimed &= ~bit;
        WORD_WRITE(plic->pending,
                   WORD_READ(plic->pending) | (plic->level & bit));
        update_lines(plic);
    }
}

static uint64_t plic_read(void *opaque, hwaddr addr, unsigned size)
{
    struct plic *plic = opaque;
    struct plic_place place = locate_register(addr);

    (void)size;
    switch (place.kind) {
    case PLACE_PRIORITY:
        return WORD_READ(plic->priority[place.index]);
    case PLACE_PENDING:
        return WORD_READ(plic->pending);
    case PLACE_ENABLE:
        return WORD_READ(plic->contexts[place.index].enabled);
    case PLACE_THRESHOLD:
        return WORD_READ(plic->contexts[place.index].threshold);
    case PLACE_CLAIM:
        return claim_source(plic, &plic->contexts[place.index]);
    case PLACE_NONE:
        break;
    }
    return 0;
}

static void write_register(struct plic *plic, struct plic_place place,
                           uint64_t data)
{
    switch (place.kind) {
    case PLACE_PRIORITY:
        WORD_WRITE(plic->priority[place.index], data & PLIC_MAX_PRIORITY);
        break;
    case PLACE_ENABLE:
        WORD_WRITE(plic->contexts[place.index].enabled, (uint32_t)data & ~1u);
        break;
    case PLACE_THRESHOLD:
        WORD_WRITE(plic->contexts[place.index].threshold,
                   data & PLIC_MAX_PRIORITY);
        break;
    case PLACE_CLAIM:
        complete_source(plic, &plic->contexts[place.index], data);
        return;
    case PLACE_PENDING:
    case PLACE_NONE:
        return;
    }
    update_lines(plic);
}

static void plic_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct plic *plic = opaque;

    (void)size;
    leaf_lock(&plic->lock);
    write_register(plic, locate_register(addr), data);
    leaf_unlock(&plic->lock);
}

static const MemoryRegionOps plic_ops = {
    .read = plic_read,
    .write = plic_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

/* The devices go on driving their levels across a reset. */
void plic_reset(struct plic *plic)
{
    leaf_lock(&plic->lock);
    plic->claimed = 0;
    WORD_WRITE(plic->pending, plic->level);
    for (unsigned i = 0; i <= PLIC_SOURCES; i++) {
        WORD_WRITE(plic->priority[i], 0);
    }
    for (unsigned i = 0; i < PLIC_CONTEXTS; i++) {
        WORD_WRITE(plic->contexts[i].enabled, 0);
        WORD_WRITE(plic->contexts[i].threshold, 0);
    }
    update_lines(plic);
    leaf_unlock(&plic->lock);
}

int plic_init(struct plic *plic)
{
    int ret = memory_region_init_io(&plic->region, NULL, &plic_ops, plic,
                                    "plic", PLIC_SIZE);

    plic->level = 0;
    for (unsigned i = 0; i < PLIC_CONTEXTS; i++) {
        plic->contexts[i].is_driven = false;
    }
    plic_reset(plic);
    return ret ? ret
               : xbar_region_set_lock_policy(&plic->region, XBAR_LOCK_NONE);
}

/* ---- Snapshots --------------------------------------------------------- */

/* The lines' levels are the hart's, too: they are not driven here. */
struct plic_state {
    uint32_t level;
    uint32_t pending;
    uint32_t claimed;
    uint8_t priority[PLIC_SOURCES + 1];
    struct {
        bool is_driven;
        uint32_t enabled;
        uint8_t threshold;
    } contexts[PLIC_CONTEXTS];
};

static size_t state_size(void *opaque)
{
    (void)opaque;
    return sizeof(struct plic_state);
}

static int save_state(void *opaque, void *to, Error **errp)
{
    struct plic *plic = opaque;
    struct plic_state *state = to;

    (void)errp;
    leaf_lock(&plic->lock);
    state->level = plic->level;
    state->pending = WORD_READ(plic->pending);
    state->claimed = plic->claimed;
    for (unsigned i = 0; i <= PLIC_SOURCES; i++) {
        state->priority[i] = WORD_READ(plic->priority[i]);
    }
    for (unsigned i = 0; i < PLIC_CONTEXTS; i++) {
        state->contexts[i].is_driven = plic->contexts[i].is_driven;
        state->contexts[i].enabled = WORD_READ(plic->contexts[i].enabled);
        state->contexts[i].threshold = WORD_READ(plic->contexts[i].threshold);
    }
    leaf_unlock(&plic->lock);
    return 0;
}

static void restore_state(void *opaque, const void *from)
{
    struct plic *plic = opaque;
    const struct plic_state *state = from;

    leaf_lock(&plic->lock);
    plic->level = state->level;
    WORD_WRITE(plic->pending, state->pending);
    plic->claimed = state->claimed;
    for (unsigned i = 0; i <= PLIC_SOURCES; i++) {
        WORD_WRITE(plic->priority[i], state->priority[i]);
    }
    for (unsigned i = 0; i < PLIC_CONTEXTS; i++) {
        plic->contexts[i].is_driven = state->contexts[i].is_driven;
        WORD_WRITE(plic->contexts[i].enabled, state->contexts[i].enabled);
        WORD_WRITE(plic->contexts[i].threshold, state->contexts[i].threshold);
    }
    leaf_unlock(&plic->lock);
}

const struct xbar_snapshot_ops plic_snapshot_ops = {
    .size = state_size,
    .save = save_state,
    .restore = restore_state,
};
