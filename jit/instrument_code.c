/* SPDX-License-Identifier: MIT */
/*
 * Showing a block, and keeping what is wanted of it.
 *
 *     shown to A, B, ...:   wishes, as they come     (block, insn 3, insn 0, ...)
 *     kept:                 by place, then by kind, each in the order it came
 *
 *     | block | insn 0 | insn 1 | ... | callbacks | accesses | counters |
 *         |       |_________________________^  ^       ^          ^
 *         |____________________________________|_______|__________|
 */
#include <errno.h>
#include <string.h>

#include "jit/instrument_internal.h"

#define PLACES (XBAR_CODE_INSNS + 1) /* the block, then its instructions */

enum wish_kind {
    WISH_CALLBACK,
    WISH_ACCESS,
    WISH_COUNTER,
    WISH_KINDS,
};

struct wish {
    uint8_t kind;
    uint8_t place;
    union {
        struct instrument_callback callback;
        struct instrument_access access;
        struct instrument_counter counter;
    };
};

#define WISHES_AT_HAND 64

struct xbar_code {
    struct xbar_vcpu *vcpu;
    struct xbar_instrument *in; /* that is being asked */
    const struct xbar_insn *insns;
    unsigned count;
    bool failed;
    struct wish *wishes;
    size_t wish_count;
    size_t room;
    struct wish at_hand[WISHES_AT_HAND];
};

/* ---- Wishing ----------------------------------------------------------- */

static bool make_room(struct xbar_code *code)
{
    struct xbar_engine *engine = code->vcpu->hub->engine;
    size_t size = code->room * sizeof(struct wish);
    struct wish *more;

    if (code->wish_count < code->room) {
        return true;
    }
    more = xbar_alloc(engine, 2 * size);
    if (more == NULL) {
        code->failed = true;
        return false;
    }
    memcpy(more, code->wishes, size);
    if (code->wishes != code->at_hand) {
        xbar_free(engine, code->wishes, size);
    }
    code->wishes = more;
    code->room *= 2;
    return true;
}

static struct wish *add_wish(struct xbar_code *code, enum wish_kind kind,
                             unsigned place)
{
    struct wish *wish;

    if (!make_room(code)) {
        return NULL;
    }
    wish = &code->wishes[code->wish_count++];
    memset(wish, 0, sizeof(*wish));
    wish->kind = (uint8_t)kind;
    wish->place = (uint8_t)place;
    return wish;
}

static int add_callback(struct xbar_code *code, unsigned place,
                        xbar_execute_fn *cb, void *userdata)
{
    struct wish *wish;

    if (cb == NULL || place > code->count) {
        return -EINVAL;
    }
    wish = add_wish(code, WISH_CALLBACK, place);
    if (wish == NULL) {
        return -ENOMEM;
    }
    wish->callback = (struct instrument_callback){ code->in, cb, userdata };
    return 0;
}

int xbar_code_on_block(struct xbar_code *code, xbar_execute_fn *cb,
                       void *userdata)
{
    return add_callback(code, 0, cb, userdata);
}

int xbar_code_on_insn(struct xbar_code *code, unsigned which,
                      xbar_execute_fn *cb, void *userdata)
{
    return which < code->count ? add_callback(code, which + 1, cb, userdata)
                               : -EINVAL;
}

static int add_access(struct xbar_code *code, unsigned which,
                      const struct instrument_access *access)
{
    unsigned kinds = access->filter.kinds;
    struct wish *wish;

    if ((code->insns[which].accesses & (kinds ? kinds : ~0u)) == 0) {
        return 0;
    }
    wish = add_wish(code, WISH_ACCESS, which + 1);
    if (wish == NULL) {
        return -ENOMEM;
    }
    wish->access = *access;
    return 0;
}

int xbar_code_on_access(struct xbar_code *code, unsigned which,
                        const struct xbar_access_filter *filter,
                        xbar_access_fn *cb, void *userdata)
{
    struct instrument_access access = { .in = code->in,
                                        .cb = cb,
                                        .userdata = userdata };

    if (cb == NULL || which >= code->count) {
        return -EINVAL;
    }
    if (filter != NULL) {
        access.filter = *filter;
    }
    return add_access(code, which, &access);
}

static int add_counter(struct xbar_code *code, unsigned place,
                       struct xbar_scoreboard *board, size_t offset,
                       uint32_t amount)
{
    struct wish *wish;
    uint8_t *piece;

    if (place > code->count || board->hub != code->vcpu->hub ||
        !scoreboard__has(board, offset) || amount > INT32_MAX) {
        return -EINVAL;
    }
    piece = atomic_load(&board->piece[code->vcpu->index]);
    wish = add_wish(code, WISH_COUNTER, place);
    if (wish == NULL) {
        return -ENOMEM;
    }
    wish->counter = (struct instrument_counter){
        .at = (uint64_t *)(void *)(piece + offset),
        .amount = amount,
    };
    return 0;
}

int xbar_code_count_blocks(struct xbar_code *code,
                           struct xbar_scoreboard *board, size_t offset,
                           uint32_t amount)
{
    return add_counter(code, 0, board, offset, amount);
}

int xbar_code_count_insn(struct xbar_code *code, unsigned which,
                         struct xbar_scoreboard *board, size_t offset,
                         uint32_t amount)
{
    return which < code->count
               ? add_counter(code, which + 1, board, offset, amount)
               : -EINVAL;
}

/* ---- Looking ----------------------------------------------------------- */

unsigned xbar_code_insns(const struct xbar_code *code)
{
    return code->count;
}

const struct xbar_insn *xbar_code_insn(const struct xbar_code *code,
                                       unsigned which)
{
    return which < code->count ? &code->insns[which] : NULL;
}

int xbar_code_print(const struct xbar_code *code, unsigned which, char *buf,
                    size_t size)
{
    if (which >= code->count) {
        return -EINVAL;
    }
    if (code->vcpu->ops->print == NULL) {
        return -ENOTSUP;
    }
    code->vcpu->ops->print(buf, size, &code->insns[which]);
    return 0;
}

/* ---- Keeping ----------------------------------------------------------- */

/* How many of each kind there are at each place. */
struct census {
    uint16_t of[PLACES][WISH_KINDS];
    size_t all[WISH_KINDS];
};

static void count_wishes(const struct xbar_code *code, struct census *census)
{
    memset(census, 0, sizeof(*census));
    for (size_t i = 0; i < code->wish_count; i++) {
        const struct wish *wish = &code->wishes[i];

        census->of[wish->place][wish->kind]++;
        census->all[wish->kind]++;
    }
}

/* Where each kind's wishes lie, and the next free one of each place. */
struct layout {
    struct instrument_callback *callbacks[PLACES];
    struct instrument_access *accesses[PLACES];
    struct instrument_counter *counters[PLACES];
};

static struct instrument_place *place_of(struct instrument_block *block,
                                         unsigned place)
{
    return place == 0 ? &block->place : &block->insns[place - 1].place;
}

static void lay_out(struct instrument_block *block, const struct census *census,
                    struct layout *layout)
{
    struct instrument_callback *callbacks = (void *)&block->insns[block->count];
    struct instrument_access *accesses =
        (void *)(callbacks + census->all[WISH_CALLBACK]);
    struct instrument_counter *counters =
        (void *)(accesses + census->all[WISH_ACCESS]);

    for (unsigned i = 0; i <= block->count; i++) {
        const uint16_t *of = census->of[i];

        *place_of(block, i) = (struct instrument_place){
            .callbacks = layout->callbacks[i] = callbacks,
            .accesses = layout->accesses[i] = accesses,
            .counters = layout->counters[i] = counters,
            .callback_count = of[WISH_CALLBACK],
            .access_count = of[WISH_ACCESS],
            .counter_count = of[WISH_COUNTER],
        };
        callbacks += of[WISH_CALLBACK];
        accesses += of[WISH_ACCESS];
        counters += of[WISH_COUNTER];
    }
}

static void note_ram(struct instrument_place *place,
                     const struct xbar_access_filter *filter)
{
    const unsigned all = XBAR_ACCESS_READ | XBAR_ACCESS_WRITE;

    if (filter->targets == 0 || (filter->targets & XBAR_TARGET_RAM)) {
        place->ram_kinds |= (uint8_t)(filter->kinds ? filter->kinds : all);
    }
}

static void fill(struct instrument_block *block, const struct xbar_code *code,
                 struct layout *layout)
{
    for (size_t i = 0; i < code->wish_count; i++) {
        const struct wish *wish = &code->wishes[i];

        switch ((enum wish_kind)wish->kind) {
        case WISH_CALLBACK:
            *layout->callbacks[wish->place]++ = wish->callback;
            break;
        case WISH_ACCESS:
            *layout->accesses[wish->place]++ = wish->access;
            note_ram(place_of(block, wish->place), &wish->access.filter);
            break;
        default:
            *layout->counters[wish->place]++ = wish->counter;
            break;
        }
    }
}

static struct instrument_block *keep(const struct xbar_code *code)
{
    struct instrument_block *block;
    struct census census;
    struct layout layout;
    size_t size = sizeof(*block) + code->count * sizeof(block->insns[0]);

    count_wishes(code, &census);
    size += census.all[WISH_CALLBACK] * sizeof(struct instrument_callback) +
            census.all[WISH_ACCESS] * sizeof(struct instrument_access) +
            census.all[WISH_COUNTER] * sizeof(struct instrument_counter);
    block = xbar_alloc(code->vcpu->hub->engine, size);
    if (block == NULL) {
        return NULL;
    }
    block->size = size;
    block->pc = code->insns[0].pc;
    block->phys = code->insns[0].phys;
    block->count = (uint8_t)code->count;
    for (unsigned i = 0; i < code->count; i++) {
        block->insns[i].shown = code->insns[i];
        block->insns[i].block = block;
        block->insns[i].index = (uint8_t)i;
    }
    lay_out(block, &census, &layout);
    fill(block, code, &layout);
    return block;
}

/* What it wants of all code, and then what it wants of this. */
static void ask(struct xbar_code *code, struct xbar_instrument *in)
{
    code->in = in;
    for (struct instrument_wish *wish = atomic_load(&in->wishes); wish != NULL;
         wish = atomic_load(&wish->next)) {
        for (unsigned i = 0; i < code->count; i++) {
            (void)add_access(code, i, &wish->access);
        }
    }
    if (in->ops.translated != NULL && !atomic_load(&in->is_ending)) {
        in->ops.translated(in->opaque, code->vcpu, code);
    }
}

struct instrument_block *instrument__show(struct xbar_vcpu *vcpu,
                                          const struct xbar_insn *insns,
                                          unsigned count)
{
    struct instrument_block *block = NULL;
    struct xbar_code code;

    xbar_assert(count > 0 && count <= XBAR_CODE_INSNS);
    code.vcpu = vcpu;
    code.insns = insns;
    code.count = count;
    code.failed = false;
    code.wishes = code.at_hand;
    code.wish_count = 0;
    code.room = WISHES_AT_HAND;
    for (unsigned i = 0; i < vcpu->subscribers; i++) {
        ask(&code, vcpu->subscriber[i]);
    }
    if (!code.failed) {
        block = keep(&code);
    }
    if (code.wishes != code.at_hand) {
        xbar_free(vcpu->hub->engine, code.wishes,
                  code.room * sizeof(struct wish));
    }
    return block;
}

void instrument__free_block(struct xbar_vcpu *vcpu,
                            struct instrument_block *block)
{
    xbar_free(vcpu->hub->engine, block, block->size);
}
