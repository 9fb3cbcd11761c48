/* SPDX-License-Identifier: MIT */
/*
 * Accesses that somebody wants to be told of: where they go, and then what came
 * of them.
 *
 * Where is asked before the access, since a device's callback may change what
 * is where; told is afterwards, as only then it is known what was read, and
 * that there was no fault.
 */
#include "jit/riscv/observe.h"

/* The first byte, and the last if another section or page has it. */
struct reach {
    struct xbar_tlb_place first;
    struct xbar_tlb_place last;
    uint64_t second_page; /* its virtual address; 0: there is none */
};

static bool crosses(uint64_t va, unsigned size)
{
    return (va & ~TLB_PAGE_MASK) + size > TLB_PAGE_SIZE;
}

static int find_reach(struct xbar_riscv_hart *hart, uint64_t va, unsigned size,
                      enum xbar_tlb_access access, struct reach *reach)
{
    uint64_t more = size - 1;
    int err =
        tlb_locate(&hart->tlb, hart->data_context, va, access, &reach->first);

    reach->last = reach->first;
    reach->second_page = 0;
    if (err == 0 && crosses(va, size)) {
        reach->second_page = (va + more) & TLB_PAGE_MASK;
        err = tlb_locate(&hart->tlb, hart->data_context, reach->second_page,
                         access, &reach->last);
    } else if (err == 0 &&
               reach->first.section->last - reach->first.phys < more) {
        err = tlb_locate(&hart->tlb, hart->data_context, va + more, access,
                         &reach->last);
    }
    return err;
}

static bool is_memory(const struct xbar_tlb_place *place, unsigned kinds)
{
    uint32_t needed = kinds & XBAR_ACCESS_WRITE
                          ? FLAT_RANGE_RAM | FLAT_RANGE_WRITABLE
                          : FLAT_RANGE_RAM;

    return (place->section->flags & needed) == needed;
}

static void tell(struct xbar_riscv_hart *hart,
                 const struct instrument_insn *insn, const struct reach *reach,
                 struct xbar_access_event *event)
{
    const struct xbar_tlb_place *first = &reach->first;

    event->pc = hart->pc;
    event->phys = first->phys;
    event->mr = first->section->mr;
    event->offset = first->phys + first->section->mr_delta;
    event->target =
        is_memory(first, event->kind) && is_memory(&reach->last, event->kind)
            ? XBAR_TARGET_RAM
            : XBAR_TARGET_IO;
    if (reach->second_page != 0 || crosses(event->va, event->size)) {
        event->crossing =
            (uint8_t)(TLB_PAGE_SIZE - (event->va & ~TLB_PAGE_MASK));
        event->phys2 = reach->last.phys;
    }
    instrument__tell_access(&hart->shown->vcpu, &insn->place, event);
}

/* The instruction in progress, if somebody wants its accesses. */
static const struct instrument_insn *
wanted_insn(const struct xbar_riscv_hart *hart)
{
    const struct instrument_insn *insn = hart->shown->insn;

    return insn != NULL && insn->place.access_count != 0 ? insn : NULL;
}

static uint64_t low_bytes(uint64_t value, unsigned size)
{
    return size < 8 ? value & (UINT64_MAX >> (64 - 8 * size)) : value;
}

int riscv__observed_load(struct xbar_riscv_hart *hart, uint64_t va,
                         unsigned size_log2, uint64_t *value)
{
    const struct instrument_insn *insn = wanted_insn(hart);
    unsigned size = 1u << size_log2;
    struct reach reach;
    int err = 0;

    if (insn != NULL) {
        err = find_reach(hart, va, size, TLB_READ, &reach);
    }
    if (err == 0) {
        err =
            tlb_load_slow(&hart->tlb, hart->data_context, va, size_log2, value);
    }
    if (err == 0 && insn != NULL) {
        struct xbar_access_event event = {
            .va = va,
            .loaded = low_bytes(*value, size),
            .size = (uint8_t)size,
            .kind = XBAR_ACCESS_READ,
        };

        tell(hart, insn, &reach, &event);
    }
    return err;
}

int riscv__observed_store(struct xbar_riscv_hart *hart, uint64_t va,
                          unsigned size_log2, uint64_t value)
{
    const struct instrument_insn *insn = wanted_insn(hart);
    unsigned size = 1u << size_log2;
    struct reach reach;
    int err = 0;

    if (insn != NULL) {
        err = find_reach(hart, va, size, TLB_WRITE, &reach);
    }
    if (err == 0) {
        err = tlb_store_slow(&hart->tlb, hart->data_context, va, size_log2,
                             value);
    }
    if (err == 0 && insn != NULL) {
        struct xbar_access_event event = {
            .va = va,
            .stored = low_bytes(value, size),
            .size = (uint8_t)size,
            .kind = XBAR_ACCESS_WRITE,
        };

        tell(hart, insn, &reach, &event);
    }
    return err;
}

void riscv__observe_memory(struct xbar_riscv_hart *hart, uint64_t va,
                           unsigned size, unsigned kinds, uint64_t loaded,
                           uint64_t stored)
{
    const struct instrument_insn *insn = wanted_insn(hart);
    const TLBInfo *info = &hart->tlb.info[hart->data_context][tlb_index(va)];
    struct xbar_access_event event = {
        .va = va,
        .loaded = low_bytes(loaded, size),
        .stored = low_bytes(stored, size),
        .size = (uint8_t)size,
        .kind = (uint8_t)kinds,
    };
    struct reach reach = { .first.section = info->section };

    if (insn == NULL || info->section == NULL) {
        return;
    }
    reach.first.phys = info->phys | (va & ~TLB_PAGE_MASK);
    reach.last = reach.first;
    tell(hart, insn, &reach, &event);
}
