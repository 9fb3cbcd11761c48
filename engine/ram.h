/* SPDX-License-Identifier: MIT */
/*
 * The memory behind RAM regions, and how C code touches it.
 *
 * Other threads, and guests on them, may access the same bytes at any time.
 * So every access is relaxed atomic: of its whole size where aligned, which
 * then cannot tear; byte by byte where not. On the hosts we have these are
 * plain moves.
 */
#ifndef XBAR_ENGINE_RAM_H
#define XBAR_ENGINE_RAM_H

#include "engine/types.h"

struct xbar_engine;

struct xbar_ram_block {
    uint8_t *host; /* byte 0 */
    uint64_t size; /* bytes that may be shown */
    void *mapping; /* what to unmap; NULL for the caller's memory */
    size_t mapped; /* its length */
};

struct xbar_ram_block *ram__new(struct xbar_engine *engine, uint64_t size)
    XBAR_MUST_CHECK;
struct xbar_ram_block *ram__wrap(struct xbar_engine *engine, void *ptr,
                                 uint64_t size) XBAR_MUST_CHECK;
void ram__free(struct xbar_engine *engine, struct xbar_ram_block *block);

/* The value at @host in host order, in the low 1 << @size_log2 bytes. */
uint64_t ram__load(const void *host, unsigned size_log2);
void ram__store(void *host, unsigned size_log2, uint64_t value);

#endif
