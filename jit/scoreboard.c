/* SPDX-License-Identifier: MIT */
/*
 * Memory that each vCPU has one piece of, where only its thread writes: emitted
 * code adds to it by its address, without a lock and without another hart's
 * cache line.
 */
#include <errno.h>

#include "jit/instrument_internal.h"

#define LINE 64

static size_t piece_size(const struct xbar_scoreboard *board)
{
    return (board->size + LINE - 1) / LINE * LINE;
}

static int add_piece(struct xbar_scoreboard *board, unsigned index)
{
    void *piece;

    if (atomic_load(&board->piece[index]) != NULL) {
        return 0; /* of a hart that was there before */
    }
    piece = xbar_alloc_aligned(board->hub->engine, piece_size(board), LINE);
    atomic_store(&board->piece[index], piece);
    return piece != NULL ? 0 : -ENOMEM;
}

int scoreboard__add_vcpu(struct xbar_instruments *hub, unsigned index)
{
    int err = 0;

    for (struct xbar_scoreboard *board = hub->boards; board != NULL && !err;
         board = board->next) {
        err = add_piece(board, index);
    }
    return err;
}

static void free_board(struct xbar_scoreboard *board)
{
    struct xbar_engine *engine = board->hub->engine;

    for (unsigned i = 0; i < XBAR_VCPUS_MAX; i++) {
        xbar_free(engine, atomic_load(&board->piece[i]), piece_size(board));
    }
    xbar_free(engine, board, sizeof(*board));
}

struct xbar_scoreboard *
xbar_scoreboard_new(struct xbar_instruments *instruments, size_t size)
{
    struct xbar_scoreboard *board = NULL;
    int err = 0;

    if (size != 0 && size <= SIZE_MAX / 2) {
        board = xbar_alloc(instruments->engine, sizeof(*board));
    }
    if (board == NULL) {
        return NULL;
    }
    board->hub = instruments;
    board->size = size;
    pthread_mutex_lock(&instruments->lock);
    for (unsigned i = 0; i < XBAR_VCPUS_MAX && err == 0; i++) {
        if (instruments->vcpu[i] != NULL) {
            err = add_piece(board, i);
        }
    }
    if (err == 0) {
        board->next = instruments->boards;
        instruments->boards = board;
    }
    pthread_mutex_unlock(&instruments->lock);
    if (err) {
        free_board(board);
        return NULL;
    }
    return board;
}

void xbar_scoreboard_free(struct xbar_scoreboard *board)
{
    struct xbar_scoreboard **link;

    if (board == NULL) {
        return;
    }
    pthread_mutex_lock(&board->hub->lock);
    link = &board->hub->boards;
    while (*link != board) {
        link = &(*link)->next;
    }
    *link = board->next;
    pthread_mutex_unlock(&board->hub->lock);
    free_board(board);
}

void *xbar_scoreboard_at(const struct xbar_scoreboard *board, unsigned vcpu)
{
    return vcpu < XBAR_VCPUS_MAX ? atomic_load(&board->piece[vcpu]) : NULL;
}

uint64_t xbar_scoreboard_sum(const struct xbar_scoreboard *board, size_t offset)
{
    uint64_t sum = 0;

    if (!scoreboard__has(board, offset)) {
        return 0;
    }
    for (unsigned i = 0; i < XBAR_VCPUS_MAX; i++) {
        const uint8_t *piece = atomic_load(&board->piece[i]);

        if (piece != NULL) {
            sum += __atomic_load_n(
                (const uint64_t *)(const void *)(piece + offset),
                __ATOMIC_RELAXED);
        }
    }
    return sum;
}
