/* SPDX-License-Identifier: MIT */
/*
 * gdb's remote protocol, the outer layer: bytes to packets and back.
 *
 *     $ payload # two digits of the sum      + received   - send it again
 *     0x03: interrupt
 *
 * In a payload } means that the next byte is to be XORed with 0x20.
 */
#ifndef XBAR_GDB_PACKET_H
#define XBAR_GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of payload at most, in both directions. */
#define GDB_PACKET_MAX 0x4000

enum gdb_event {
    GDB_NOTHING, /* go on */
    GDB_PACKET,  /* reader->data, terminated; until the next byte is read */
    GDB_ACK,
    GDB_NAK,
    GDB_INTERRUPT,
    GDB_BROKEN,   /* a packet whose sum is wrong: ask for it again */
    GDB_TOO_LONG, /* a packet that has no room */
    GDB_GARBAGE,  /* a byte that belongs to nothing */
};

struct gdb_reader {
    enum gdb_reader_state {
        GDB_OUTSIDE,
        GDB_INSIDE,
        GDB_SUM_HIGH,
        GDB_SUM_LOW,
    } state;
    bool is_escaped;
    bool is_too_long;
    uint8_t sum;
    int digit; /* the first; -1: none */
    size_t length;
    char data[GDB_PACKET_MAX + 1];
};

/* gdb_read() - the next byte that came; a reader of zeroes is a new one */
enum gdb_event gdb_read(struct gdb_reader *reader, uint8_t byte);

/* A payload that is being made. What does not fit is dropped. */
struct gdb_text {
    size_t length;
    char data[GDB_PACKET_MAX + 1]; /* terminated */
};

void gdb_clear(struct gdb_text *text);
void gdb_put_bytes(struct gdb_text *text, const void *bytes, size_t size);
void gdb_put(struct gdb_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Two digits a byte. */
void gdb_put_hex(struct gdb_text *text, const void *bytes, size_t size);

/* The most that gdb_encode() makes. */
#define GDB_ENCODED_MAX (2 * GDB_PACKET_MAX + 4)

/* gdb_encode() - @text as it is sent; returns how many bytes */
size_t gdb_encode(const struct gdb_text *text, char out[GDB_ENCODED_MAX]);

/* gdb_digit() - what a hexadecimal digit is worth, or -1 */
int gdb_digit(char c);

/*
 * gdb_take_number() - a hexadecimal number at *@text, which moves behind it
 *
 * Return: false if there is none, or it has more than 64 bits.
 */
bool gdb_take_number(const char **text, uint64_t *number);

/* gdb_take_hex() - @size bytes, two digits each; false if there are fewer */
bool gdb_take_hex(const char **text, void *bytes, size_t size);

/* gdb_take() - @prefix, if *@text begins with it */
bool gdb_take(const char **text, const char *prefix);

/* gdb_take_range() - where something begins, and how long it is */
bool gdb_take_range(const char **text, uint64_t *first, uint64_t *size);

/*
 * gdb_put_window() - a part of @text, of @length bytes, which may be long
 * @args: what is asked for: offset, size
 *
 * An m and the part if there is more behind it, an l and the part if not.
 */
void gdb_put_window(struct gdb_text *reply, const char *text, uint64_t length,
                    const char *args);

#endif
