/* SPDX-License-Identifier: MIT */
#include "listing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct lister {
    const struct hot_blocks *hot;
    const struct hot_block *item;
    struct disassembler *disassembler;
    listing_fn *fn;
    void *opaque;
};

/* ---- Host code --------------------------------------------------------- */

static void add_target(const struct lister *lister, struct host_insn *insn)
{
    const struct block_place *to = hot_blocks_find(lister->hot, insn->target);
    uint64_t offset = insn->target - (uintptr_t)lister->item->place;
    size_t length = strlen(insn->text);
    char *at = insn->text + length;
    size_t left = sizeof(insn->text) - length;

    if (to && insn->target == (uintptr_t)to->code) {
        snprintf(at, left, " block 0x%" PRIx64, to->pc);
    } else if (offset < lister->item->block.code_size) {
        snprintf(at, left, " +0x%" PRIx64, offset);
    } else if (to) { /* a part of the same region, or what is out of line */
        snprintf(at, left, " block 0x%" PRIx64 "+0x%" PRIx64, to->pc,
                 insn->target - (uintptr_t)to->code);
    } else {
        snprintf(at, left, " stub");
    }
}

/* Alignment is not worth a line each. Return: the bytes of all of them. */
static unsigned fold_nops(const uint8_t *code, unsigned size, char *text)
{
    unsigned count = 1;

    while (count < size && code[count] == code[0]) {
        count++;
    }
    if (count > 1) {
        snprintf(text, HOST_TEXT, "nop (%u of them)", count);
    }
    return count;
}

/* The instruction at @start, or several nops. Return: its bytes. */
static unsigned describe(const struct lister *lister, unsigned start,
                         unsigned end, char *text)
{
    const struct hot_block *item = lister->item;
    const uint8_t *code = item->block.code + start;
    struct host_insn insn;

    disassembler_next(lister->disassembler, code, end - start,
                      (uintptr_t)item->place + start, &insn);
    if (insn.jumps) {
        add_target(lister, &insn);
    }
    memcpy(text, insn.text, HOST_TEXT);
    if (insn.size == 1 && strcmp(text, "nop") == 0) {
        return fold_nops(code, end - start, text);
    }
    return insn.size;
}

/* The lines of code [start, end); @line is what the first of them says. */
static void list_code(const struct lister *lister, struct listing_line *line,
                      unsigned start, unsigned end)
{
    line->is_first = true;
    line->host[0] = '\0';
    if (start == end && line->is_guest) {
        lister->fn(lister->opaque, line);
    }
    while (start < end) {
        start += describe(lister, start, end, line->host);
        lister->fn(lister->opaque, line);
        *line = (struct listing_line){ .address = line->address };
    }
}

/* ---- Guest code -------------------------------------------------------- */

/* At @offset. Bytes are little-endian in guest and report alike. */
static uint32_t guest_bits(const struct xbar_riscv_block *block,
                           unsigned offset)
{
    uint32_t bits = 0;

    for (unsigned i = 0; i < 4 && offset + i < block->guest_size; i++) {
        bits |= (uint32_t)block->guest[offset + i] << 8 * i;
    }
    return bits;
}

static unsigned list_insn(const struct lister *lister, unsigned i,
                          unsigned offset)
{
    const struct xbar_riscv_block *block = &lister->item->block;
    struct listing_line line = {
        .is_guest = true,
        .address = block->pc + offset,
        .executed = xbar_riscv_block_executed(block, i),
    };
    unsigned length = xbar_riscv_print(line.guest, sizeof(line.guest),
                                       line.address, guest_bits(block, offset));

    list_code(lister, &line, block->starts[i], block->starts[i + 1]);
    return length;
}

int listing_walk(const struct hot_blocks *hot, const struct hot_block *item,
                 listing_fn *fn, void *opaque)
{
    const struct xbar_riscv_block *block = &item->block;
    struct lister lister = { hot, item, disassembler_new(), fn, opaque };
    struct listing_line entry = { 0 };
    struct listing_line end = { 0 };
    unsigned offset = 0;

    if (!lister.disassembler) {
        return -ENOMEM;
    }
    list_code(&lister, &entry, 0, block->starts[0]);
    for (unsigned i = 0; i < block->insns; i++) {
        offset += list_insn(&lister, i, offset);
    }
    list_code(&lister, &end, block->starts[block->insns], block->hot_size);
    disassembler_free(lister.disassembler);
    return 0;
}
