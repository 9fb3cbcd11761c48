/* SPDX-License-Identifier: MIT */
/*
 *     0            used        filled        room
 *     | frame | ... |  this one  |    free     |
 *
 * Frames and blocks begin at multiples of eight bytes. When a circle is full, a
 * quarter of it goes at once: so that what moves is moved seldom.
 */
#include "frames.h"

#include <stdlib.h>
#include <string.h>

#define ALIGN 8u

static size_t align_up(size_t size)
{
    return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static struct gdb_frame *frame_at(const struct gdb_frames *frames,
                                  size_t offset)
{
    return (struct gdb_frame *)(void *)(frames->bytes + offset);
}

static size_t size_of(const struct gdb_frame *frame)
{
    return sizeof(*frame) + frame->size;
}

bool gdb_frames_alloc(struct gdb_frames *frames, size_t room)
{
    uint8_t *bytes = malloc(room);

    if (!bytes) {
        return false;
    }
    free(frames->bytes);
    frames->bytes = bytes;
    frames->room = room;
    gdb_frames_clear(frames);
    return true;
}

void gdb_frames_free(struct gdb_frames *frames)
{
    free(frames->bytes);
    frames->bytes = NULL;
    frames->room = 0;
    gdb_frames_clear(frames);
}

void gdb_frames_clear(struct gdb_frames *frames)
{
    frames->used = frames->filled = 0;
    frames->count = frames->created = 0;
    frames->at = 0;
    frames->at_offset = 0;
}

/* ---- Making one -------------------------------------------------------- */

/* The oldest go, until there are @size bytes. What is being made moves. */
static bool make_room(struct gdb_frames *frames, size_t size)
{
    size_t wanted = size > frames->room / 4 ? size : frames->room / 4;
    size_t gone = 0;

    while (frames->room - frames->filled + gone < wanted &&
           gone < frames->used) {
        gone += size_of(frame_at(frames, gone));
        frames->count--;
    }
    memmove(frames->bytes, frames->bytes + gone, frames->filled - gone);
    frames->used -= gone;
    frames->filled -= gone;
    frames->at = 0;
    frames->at_offset = 0;
    return frames->room - frames->filled >= size;
}

static void *take(struct gdb_frames *frames, size_t size)
{
    void *at;

    if (frames->room - frames->filled < size &&
        !(frames->is_circular && make_room(frames, size))) {
        return NULL;
    }
    at = frames->bytes + frames->filled;
    frames->filled += size;
    return at;
}

bool gdb_frames_begin(struct gdb_frames *frames, uint32_t tracepoint,
                      uint64_t pc)
{
    struct gdb_frame *frame;

    frames->filled = frames->used;
    frame = take(frames, sizeof(*frame));
    if (!frame) {
        return false;
    }
    *frame = (struct gdb_frame){ .pc = pc, .tracepoint = tracepoint };
    return true;
}

void *gdb_frames_add(struct gdb_frames *frames, enum gdb_block_kind kind,
                     uint64_t key, size_t size)
{
    struct gdb_block *block;

    if (size > frames->room) {
        return NULL;
    }
    block = take(frames, sizeof(*block) + align_up(size));
    if (!block) {
        return NULL;
    }
    *block =
        (struct gdb_block){ .key = key, .kind = kind, .size = (uint32_t)size };
    return block + 1;
}

void gdb_frames_shrink(struct gdb_frames *frames, size_t old_size, size_t size)
{
    uint8_t *bytes = frames->bytes + frames->filled - align_up(old_size);
    struct gdb_block *block = (struct gdb_block *)(void *)bytes - 1;

    block->size = (uint32_t)size;
    frames->filled -= align_up(old_size) - align_up(size);
}

size_t gdb_frames_end(struct gdb_frames *frames)
{
    size_t size = frames->filled - frames->used;
    struct gdb_frame *frame = frame_at(frames, frames->used);

    frame->size = (uint32_t)(size - sizeof(*frame));
    frames->used = frames->filled;
    frames->count++;
    frames->created++;
    return size;
}

void gdb_frames_drop(struct gdb_frames *frames)
{
    frames->filled = frames->used;
}

/* ---- Looking at one ---------------------------------------------------- */

const struct gdb_frame *gdb_frames_get(struct gdb_frames *frames,
                                       uint32_t number)
{
    if (number >= frames->count) {
        return NULL;
    }
    if (number < frames->at) {
        frames->at = 0;
        frames->at_offset = 0;
    }
    while (frames->at < number) {
        frames->at_offset += size_of(frame_at(frames, frames->at_offset));
        frames->at++;
    }
    return frame_at(frames, frames->at_offset);
}

const struct gdb_block *gdb_frame_next(const struct gdb_frame *frame,
                                       const struct gdb_block *block)
{
    const uint8_t *first = (const uint8_t *)(frame + 1);
    const uint8_t *next = first;

    if (block) {
        next = (const uint8_t *)(block + 1) + align_up(block->size);
    }
    return next < first + frame->size ? (const void *)next : NULL;
}

static bool find_reg(const struct gdb_block *block, unsigned reg,
                     uint64_t *value)
{
    const uint64_t *values = (const uint64_t *)(block + 1);
    const uint16_t *numbers = (const uint16_t *)(values + block->key);

    for (uint64_t i = 0; i < block->key; i++) {
        if (numbers[i] == reg) {
            *value = values[i];
            return true;
        }
    }
    return false;
}

bool gdb_frame_reg(const struct gdb_frame *frame, unsigned reg, uint64_t *value)
{
    const struct gdb_block *block = NULL;

    while ((block = gdb_frame_next(frame, block))) {
        if (block->kind == GDB_BLOCK_REGS && find_reg(block, reg, value)) {
            return true;
        }
    }
    return false;
}

bool gdb_frame_variable(const struct gdb_frame *frame, unsigned number,
                        uint64_t *value)
{
    const struct gdb_block *block = NULL;
    bool is_there = false;

    while ((block = gdb_frame_next(frame, block))) {
        if (block->kind == GDB_BLOCK_VARIABLE && block->key == number) {
            memcpy(value, block + 1, sizeof(*value)); /* the last one */
            is_there = true;
        }
    }
    return is_there;
}

/* Of one block, which may begin before @addr. */
static size_t read_block(const struct gdb_block *block, uint64_t addr,
                         uint8_t *buf, size_t size)
{
    uint64_t skipped = addr - block->key;
    size_t left;

    if (block->kind != GDB_BLOCK_MEMORY || skipped >= block->size) {
        return 0;
    }
    left = block->size - (size_t)skipped;
    left = left < size ? left : size;
    memcpy(buf, (const uint8_t *)(block + 1) + skipped, left);
    return left;
}

static size_t read_part(const struct gdb_frame *frame, uint64_t addr,
                        uint8_t *buf, size_t size)
{
    const struct gdb_block *block = NULL;
    size_t got = 0;

    while (got == 0 && (block = gdb_frame_next(frame, block))) {
        got = read_block(block, addr, buf, size);
    }
    return got;
}

size_t gdb_frame_read(const struct gdb_frame *frame, uint64_t addr, void *buf,
                      size_t size)
{
    size_t done = 0;
    size_t got;

    do {
        got = read_part(frame, addr + done, (uint8_t *)buf + done, size - done);
        done += got;
    } while (got && done < size);
    return done;
}
