/* SPDX-License-Identifier: MIT */
/*
 * What tracepoints collected: frames, one after the other, in as much memory as
 * was set aside for them.
 *
 *     frame: tracepoint, pc | block: kind, key, size | bytes | block ...
 *
 * A frame is there once it is ended. One that finds no room is not: unless the
 * memory is used in a circle, when the oldest ones make room for it.
 */
#ifndef XBAR_GDB_FRAMES_H
#define XBAR_GDB_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GDB_NO_FRAME UINT32_MAX

enum gdb_block_kind {
    GDB_BLOCK_REGS,     /* key: how many; values, then their numbers in u16 */
    GDB_BLOCK_MEMORY,   /* key: address */
    GDB_BLOCK_VARIABLE, /* key: its number; eight bytes */
};

struct gdb_block {
    uint64_t key;
    uint32_t kind;
    uint32_t size; /* of the bytes behind it */
};

struct gdb_frame {
    uint64_t pc;
    uint32_t tracepoint;
    uint32_t size; /* of the blocks behind it */
};

/* All zero: without memory, nothing fits. */
struct gdb_frames {
    uint8_t *bytes;
    size_t room;
    bool is_circular;
    size_t used;   /* by frames that are there */
    size_t filled; /* by one that is being made, too */
    uint32_t count;
    uint32_t created; /* those that made room included */

    /* Where one was found last. */
    uint32_t at;
    size_t at_offset;
};

/* gdb_frames_alloc() - @room bytes, and no frame; false: there is no memory,
 * and nothing changed */
bool gdb_frames_alloc(struct gdb_frames *frames, size_t room);
void gdb_frames_free(struct gdb_frames *frames);
void gdb_frames_clear(struct gdb_frames *frames);

/* ---- Making one -------------------------------------------------------- */

bool gdb_frames_begin(struct gdb_frames *frames, uint32_t tracepoint,
                      uint64_t pc);

/*
 * gdb_frames_add() - a block
 *
 * Return: where its bytes go; NULL: there is no room, and the frame is void.
 */
void *gdb_frames_add(struct gdb_frames *frames, enum gdb_block_kind kind,
                     uint64_t key, size_t size);

/* gdb_frames_shrink() - the block that was added last needs @size bytes only */
void gdb_frames_shrink(struct gdb_frames *frames, size_t old_size, size_t size);

/* gdb_frames_end() - it is there. Return: how many bytes it takes. */
size_t gdb_frames_end(struct gdb_frames *frames);
void gdb_frames_drop(struct gdb_frames *frames);

/* ---- Looking at one ---------------------------------------------------- */

/* gdb_frames_get() - NULL: there are fewer; else it stays until the next one
 * is begun */
const struct gdb_frame *gdb_frames_get(struct gdb_frames *frames,
                                       uint32_t number);

/* gdb_frame_next() - the block behind @block, NULL: the first one. Return:
 * NULL behind the last one; its bytes follow it. */
const struct gdb_block *gdb_frame_next(const struct gdb_frame *frame,
                                       const struct gdb_block *block);

/* gdb_frame_reg() - false if it was not collected */
bool gdb_frame_reg(const struct gdb_frame *frame, unsigned reg,
                   uint64_t *value);

/* gdb_frame_variable() - the same, of a trace state variable */
bool gdb_frame_variable(const struct gdb_frame *frame, unsigned number,
                        uint64_t *value);

/* gdb_frame_read() - memory. Return: how many bytes there are, from @addr on */
size_t gdb_frame_read(const struct gdb_frame *frame, uint64_t addr, void *buf,
                      size_t size);

#endif
