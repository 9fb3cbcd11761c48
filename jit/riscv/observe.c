/* SPDX-License-Identifier: MIT */
#include "jit/riscv/observe.h"

#include <errno.h>
#include <string.h>

#include "engine/alloc.h"

/* ---- Blocks ------------------------------------------------------------ */

static struct instrument_block **slot_of(struct riscv_observer *o, uint64_t pc,
                                         hwaddr phys)
{
    uint64_t mixed = (pc >> 1 ^ phys << 7) * UINT64_C(0x9e3779b97f4a7c15);

    return &o->table[mixed >> (64 - OBSERVER_TABLE_BITS)];
}

static unsigned access_kinds(const struct riscv_insn *insn)
{
    switch ((enum riscv_class)riscv__ops[insn->op].class) {
    case RISCV_CLASS_LOAD:
        return XBAR_ACCESS_READ;
    case RISCV_CLASS_STORE:
        return XBAR_ACCESS_WRITE;
    case RISCV_CLASS_CBO:
        return insn->op == RISCV_OP_CBO_ZERO ? XBAR_ACCESS_WRITE : 0;
    case RISCV_CLASS_AMO:
        if (insn->op == RISCV_OP_LR_W || insn->op == RISCV_OP_LR_D) {
            return XBAR_ACCESS_READ;
        }
        if (insn->op == RISCV_OP_SC_W || insn->op == RISCV_OP_SC_D) {
            return XBAR_ACCESS_WRITE;
        }
        return XBAR_ACCESS_READ | XBAR_ACCESS_WRITE;
    default:
        return 0;
    }
}

static bool ends_block(const struct riscv_insn *insn)
{
    switch ((enum riscv_class)riscv__ops[insn->op].class) {
    case RISCV_CLASS_BRANCH:
    case RISCV_CLASS_JUMP:
    case RISCV_CLASS_CSR:
    case RISCV_CLASS_SYSTEM:
    case RISCV_CLASS_ILLEGAL:
        return true;
    default:
        return false;
    }
}

static hwaddr fetch_phys(const struct xbar_riscv_hart *hart, uint64_t pc)
{
    return hart->tlb.info[hart->fetch_context][tlb_index(pc)].phys |
           (pc & ~TLB_PAGE_MASK);
}

static struct xbar_insn show_insn(uint64_t pc, hwaddr phys,
                                  const struct riscv_insn *insn)
{
    struct xbar_insn shown = {
        .pc = pc,
        .phys = phys,
        .length = insn->length,
        .accesses = (uint8_t)access_kinds(insn),
    };

    for (unsigned i = 0; i < insn->length; i++) {
        shown.bytes[i] = (uint8_t)(insn->bits >> 8 * i);
    }
    return shown;
}

/* The block that begins @source, whoever is to execute it. */
static unsigned cut(const struct riscv_source *source,
                    struct xbar_insn insns[XBAR_CODE_INSNS])
{
    hwaddr phys = source->key.page | (source->pc & ~TLB_PAGE_MASK);
    unsigned offset = 0;
    unsigned count = 0;
    struct riscv_insn insn;

    while (count < XBAR_CODE_INSNS && riscv__read_insn(source, offset, &insn)) {
        if (insn.op == RISCV_OP_WFI && count > 0) {
            break;
        }
        insns[count++] = show_insn(source->pc + offset, phys + offset, &insn);
        offset += insn.length;
        if (ends_block(&insn) || source->host2 != NULL ||
            insn.op == RISCV_OP_WFI) {
            break;
        }
    }
    return count;
}

static bool is_source(const struct instrument_block *block,
                      const struct riscv_source *source)
{
    unsigned offset = 0;

    for (unsigned i = 0; i < block->count; i++) {
        const struct xbar_insn *insn = &block->insns[i].shown;

        if (offset + insn->length > source->size ||
            memcmp(source->bytes + offset, insn->bytes, insn->length) != 0) {
            return false;
        }
        offset += insn->length;
    }
    return true;
}

static struct instrument_block *find(const struct riscv_observer *o,
                                     uint64_t pc, hwaddr phys)
{
    struct instrument_block *block =
        *slot_of((struct riscv_observer *)o, pc, phys);

    while (block != NULL && (block->pc != pc || block->phys != phys)) {
        block = block->next;
    }
    return block;
}

struct instrument_block *riscv__observe_find(const struct xbar_riscv_hart *hart,
                                             const struct riscv_source *source)
{
    hwaddr phys = source->key.page | (source->pc & ~TLB_PAGE_MASK);
    struct instrument_block *block = find(hart->shown, source->pc, phys);

    return block != NULL && is_source(block, source) ? block : NULL;
}

/* It stays in the list of all: code that was made of it may still be there. */
static void unlink_block(struct riscv_observer *o, uint64_t pc, hwaddr phys)
{
    struct instrument_block **link = slot_of(o, pc, phys);

    while (*link != NULL) {
        if ((*link)->pc == pc && (*link)->phys == phys) {
            *link = (*link)->next;
            return;
        }
        link = &(*link)->next;
    }
}

static void free_blocks(struct riscv_observer *o)
{
    while (o->all != NULL) {
        struct instrument_block *block = o->all;

        o->all = block->all;
        instrument__free_block(&o->vcpu, block);
    }
    memset(o->table, 0, sizeof(o->table));
    o->count = 0;
    o->block = NULL;
    o->insn = NULL;
}

/* Show what is at hart->pc. NULL: memory is short. */
static struct instrument_block *show(struct xbar_riscv_hart *hart,
                                     const struct xbar_insn *insns,
                                     unsigned count)
{
    struct riscv_observer *o = hart->shown;
    struct instrument_block *block = instrument__show(&o->vcpu, insns, count);
    struct instrument_block **slot;

    if (block == NULL) {
        return NULL;
    }
    unlink_block(o, block->pc, block->phys);
    slot = slot_of(o, block->pc, block->phys);
    block->next = *slot;
    *slot = block;
    block->all = o->all;
    o->all = block;
    if (++o->count == OBSERVER_BLOCKS_MAX) {
        riscv__attend(hart, ATTN_TLB);
    }
    return block;
}

/* The code at hart->pc as it lies there. False: it is not whole pages of
 * memory. */
static bool take_source(struct xbar_riscv_hart *hart,
                        struct riscv_source *source)
{
    if (!riscv__find_source(hart, source)) {
        return false;
    }
    riscv__copy_source(source, 4 * XBAR_CODE_INSNS);
    return true;
}

/* The block at hart->pc, which begins with the @insn that was fetched. */
static const struct instrument_block *block_at(struct xbar_riscv_hart *hart,
                                               const struct riscv_insn *insn)
{
    struct xbar_insn insns[XBAR_CODE_INSNS];
    struct instrument_block *block;
    struct riscv_source source;
    unsigned count;

    insns[0] = show_insn(hart->pc, fetch_phys(hart, hart->pc), insn);
    if (!take_source(hart, &source)) {
        block = find(hart->shown, hart->pc, insns[0].phys);
        if (block != NULL && block->count == 1 &&
            memcmp(block->insns[0].shown.bytes, insns[0].bytes,
                   sizeof(insns[0].bytes)) == 0) {
            return block;
        }
        return show(hart, insns, 1);
    }
    block = riscv__observe_find(hart, &source);
    if (block != NULL) {
        return block;
    }
    count = cut(&source, insns);
    return show(hart, insns, count > 0 ? count : 1);
}

/* ---- The interpreter --------------------------------------------------- */

static bool has_bits(const struct instrument_insn *insn, uint32_t bits)
{
    uint32_t shown = 0;

    for (unsigned i = 0; i < insn->shown.length; i++) {
        shown |= (uint32_t)insn->shown.bytes[i] << 8 * i;
    }
    return shown == bits;
}

static const struct instrument_insn *next_insn(const struct riscv_observer *o)
{
    return &o->block->insns[o->next];
}

static bool goes_on(const struct xbar_riscv_hart *hart, uint32_t bits)
{
    return riscv__observe_is_inside(hart) &&
           has_bits(next_insn(hart->shown), bits);
}

void riscv__observe_begin(struct xbar_riscv_hart *hart, uint32_t bits,
                          unsigned length)
{
    struct riscv_observer *o = hart->shown;
    struct riscv_insn insn = *riscv__decode_cached(&hart->insn_cache, bits);
    bool begins = !goes_on(hart, bits);

    insn.length = (uint8_t)length;
    o->insn = NULL;
    if (begins) {
        o->block = block_at(hart, &insn);
        o->next = 0;
        o->pc = hart->pc;
    }
    if (o->block == NULL || !has_bits(next_insn(o), bits)) {
        o->block = NULL; /* or another hart is writing there right now */
        instrument__lose(&o->vcpu, 1);
        return;
    }
    o->insn = next_insn(o);
    if (begins) {
        instrument__count(&o->block->place);
        instrument__tell(&o->vcpu, &o->block->place);
    }
    instrument__tell(&o->vcpu, &o->insn->place);
}

void riscv__observe_end(struct xbar_riscv_hart *hart, enum riscv_exec result)
{
    struct riscv_observer *o = hart->shown;
    const struct instrument_insn *insn = o->insn;

    o->insn = NULL;
    if (insn == NULL || result == EXEC_TRAP) {
        return;
    }
    instrument__count(&insn->place);
    o->next = insn->index + 1u;
    o->pc = hart->pc;
    if (result != EXEC_NEXT || o->next == o->block->count) {
        o->block = NULL;
    }
}

/* ---- Translated code --------------------------------------------------- */

void riscv__observe_left(struct xbar_riscv_hart *hart,
                         const struct instrument_block *shown,
                         unsigned executed, bool counts)
{
    struct riscv_observer *o = hart->shown;

    if (counts && executed > 0) {
        instrument__count(&shown->insns[executed - 1].place);
    }
    o->block = NULL;
    if (executed > 0 && executed < shown->count) {
        o->block = shown;
        o->next = executed;
        o->pc = hart->pc;
    }
}

bool riscv__observe_look(struct xbar_riscv_hart *hart,
                         const struct instrument_insn *insn)
{
    struct riscv_observer *o = hart->shown;
    uint32_t bits = 0;
    bool trapped;

    hart->pc = insn->shown.pc;
    if (insn->index == 0) {
        instrument__tell(&o->vcpu, &insn->block->place);
    }
    instrument__tell(&o->vcpu, &insn->place);
    if (!insn->is_executed) {
        return false;
    }
    memcpy(&bits, insn->shown.bytes, insn->shown.length);
    o->insn = insn;
    trapped = riscv__execute(hart, bits) == EXEC_TRAP;
    o->insn = NULL;
    return trapped;
}

/* ---- Traps ------------------------------------------------------------- */

void riscv__observe_trap(struct xbar_riscv_hart *hart,
                         const struct xbar_trap_event *event)
{
    struct riscv_observer *o = hart->observer;

    o->block = NULL;
    o->insn = NULL;
    if (o->vcpu.wants_traps) {
        instrument__tell_trap(&o->vcpu, event);
    }
}

/* ---- What subscribers may ask ------------------------------------------ */

static uint64_t get_pc(const void *opaque)
{
    const struct xbar_riscv_hart *hart = opaque;

    return hart->pc;
}

static uint64_t get_retired(const void *opaque)
{
    const struct xbar_riscv_hart *hart = opaque;

    return hart->stats.instructions;
}

static uint64_t get_register(const void *opaque, unsigned reg)
{
    const struct xbar_riscv_hart *hart = opaque;

    return reg < 32 ? hart->x[reg] : 0;
}

/* A walk that sets accessed bits would be seen by the guest. */
static uint64_t read_memory(void *opaque, uint64_t va, void *buf, uint64_t size)
{
    struct xbar_riscv_hart *hart = opaque;

    return tlb_debug_rw(&hart->tlb, riscv__walk_quietly, hart->data_context, va,
                        buf, size, false);
}

static void print_insn(char *buf, size_t size, const struct xbar_insn *insn)
{
    uint32_t bits = 0;

    for (unsigned i = 0; i < insn->length; i++) {
        bits |= (uint32_t)insn->bytes[i] << 8 * i;
    }
    (void)xbar_riscv_print(buf, size, insn->pc, bits);
}

static void kick(void *opaque)
{
    riscv__post(opaque, ATTN_TLB);
}

static const struct vcpu_ops vcpu_ops = {
    .pc = get_pc,
    .retired = get_retired,
    .reg = get_register,
    .read = read_memory,
    .print = print_insn,
    .kick = kick,
};

/* ---- Life -------------------------------------------------------------- */

static struct xbar_engine *engine_of(const struct xbar_riscv_hart *hart)
{
    return xbar_address_space_engine(hart->config.as);
}

int riscv__observe_new(struct xbar_riscv_hart *hart)
{
    struct riscv_observer *o;
    int err;

    if (hart->config.instruments == NULL) {
        return 0;
    }
    o = xbar_alloc(engine_of(hart), sizeof(*o));
    if (o == NULL) {
        return -ENOMEM;
    }
    o->vcpu.ops = &vcpu_ops;
    o->vcpu.opaque = hart;
    err = instrument__attach(hart->config.instruments, &o->vcpu);
    if (err) {
        xbar_free(engine_of(hart), o, sizeof(*o));
        return err;
    }
    hart->observer = o;
    return 0;
}

void riscv__observe_free(struct xbar_riscv_hart *hart)
{
    struct riscv_observer *o = hart->observer;

    if (o != NULL) {
        free_blocks(o);
        instrument__detach(&o->vcpu);
        xbar_free(engine_of(hart), o, sizeof(*o));
        hart->observer = NULL;
        hart->shown = NULL;
    }
}

void riscv__observe_online(struct xbar_riscv_hart *hart)
{
    if (hart->observer != NULL) {
        instrument__online(&hart->observer->vcpu);
    }
}

void riscv__observe_offline(struct xbar_riscv_hart *hart)
{
    if (hart->observer != NULL) {
        instrument__offline(&hart->observer->vcpu);
    }
}

void riscv__observe_sync(struct xbar_riscv_hart *hart)
{
    struct riscv_observer *o = hart->observer;

    if (!instrument__has_news(&o->vcpu) && o->count < OBSERVER_BLOCKS_MAX) {
        return;
    }
    riscv__jit_flush(hart);
    free_blocks(o);
    instrument__sync(&o->vcpu);
    hart->shown = o->vcpu.wants_code ? o : NULL;
    if (hart->jit != NULL) {
        riscv__jit_choose_helpers(hart);
    }
}
