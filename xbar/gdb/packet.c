/* SPDX-License-Identifier: MIT */
#include "packet.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define INTERRUPT 0x03
#define ESCAPE    '}'
#define FLIPPED   0x20

/* ---- Reading ----------------------------------------------------------- */

int gdb_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void begin(struct gdb_reader *reader)
{
    reader->state = GDB_INSIDE;
    reader->is_escaped = false;
    reader->is_too_long = false;
    reader->sum = 0;
    reader->length = 0;
}

static enum gdb_event read_outside(struct gdb_reader *reader, uint8_t byte)
{
    switch (byte) {
    case '$':
        begin(reader);
        return GDB_NOTHING;
    case '+':
        return GDB_ACK;
    case '-':
        return GDB_NAK;
    case INTERRUPT:
        return GDB_INTERRUPT;
    default:
        return GDB_GARBAGE;
    }
}

static enum gdb_event read_inside(struct gdb_reader *reader, uint8_t byte)
{
    if (byte == '$') { /* the one before was not sent to its end */
        begin(reader);
        return GDB_NOTHING;
    }
    if (byte == '#') {
        reader->state = GDB_SUM_HIGH;
        return GDB_NOTHING;
    }
    reader->sum += byte;
    if (!reader->is_escaped && byte == ESCAPE) {
        reader->is_escaped = true;
        return GDB_NOTHING;
    }
    if (reader->length == GDB_PACKET_MAX) {
        reader->is_too_long = true;
        return GDB_NOTHING;
    }
    reader->data[reader->length++] =
        (char)(reader->is_escaped ? byte ^ FLIPPED : byte);
    reader->is_escaped = false;
    return GDB_NOTHING;
}

static enum gdb_event end(struct gdb_reader *reader, int low)
{
    reader->state = GDB_OUTSIDE;
    reader->data[reader->length] = '\0';
    if (reader->digit < 0 || low < 0 ||
        reader->digit * 16 + low != reader->sum || reader->is_escaped) {
        return GDB_BROKEN;
    }
    return reader->is_too_long ? GDB_TOO_LONG : GDB_PACKET;
}

enum gdb_event gdb_read(struct gdb_reader *reader, uint8_t byte)
{
    switch (reader->state) {
    case GDB_INSIDE:
        return read_inside(reader, byte);
    case GDB_SUM_HIGH:
        reader->digit = gdb_digit((char)byte);
        reader->state = GDB_SUM_LOW;
        return GDB_NOTHING;
    case GDB_SUM_LOW:
        return end(reader, gdb_digit((char)byte));
    default:
        return read_outside(reader, byte);
    }
}

/* ---- Writing ----------------------------------------------------------- */

static const char digits[] = "0123456789abcdef";

void gdb_clear(struct gdb_text *text)
{
    text->length = 0;
    text->data[0] = '\0';
}

void gdb_put_bytes(struct gdb_text *text, const void *bytes, size_t size)
{
    size_t room = GDB_PACKET_MAX - text->length;

    if (size > room) {
        size = room;
    }
    memcpy(text->data + text->length, bytes, size);
    text->length += size;
    text->data[text->length] = '\0';
}

void gdb_put(struct gdb_text *text, const char *format, ...)
{
    char line[512];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (length > 0) {
        gdb_put_bytes(text, line,
                      (size_t)length < sizeof(line) ? (size_t)length
                                                    : sizeof(line) - 1);
    }
}

void gdb_put_hex(struct gdb_text *text, const void *bytes, size_t size)
{
    const uint8_t *byte = bytes;

    for (size_t i = 0; i < size; i++) {
        const char pair[2] = { digits[byte[i] >> 4], digits[byte[i] & 15] };

        gdb_put_bytes(text, pair, sizeof(pair));
    }
}

/* A * would be taken for a repetition. */
static bool is_special(char c)
{
    return c == '$' || c == '#' || c == ESCAPE || c == '*';
}

size_t gdb_encode(const struct gdb_text *text, char out[GDB_ENCODED_MAX])
{
    size_t length = 0;
    uint8_t sum = 0;

    out[length++] = '$';
    for (size_t i = 0; i < text->length; i++) {
        char c = text->data[i];

        if (is_special(c)) {
            out[length++] = ESCAPE;
            c ^= FLIPPED;
        }
        out[length++] = c;
    }
    for (size_t i = 1; i < length; i++) {
        sum += (uint8_t)out[i];
    }
    out[length++] = '#';
    out[length++] = digits[sum >> 4];
    out[length++] = digits[sum & 15];
    return length;
}

/* ---- Parts of a payload ------------------------------------------------ */

bool gdb_take_number(const char **text, uint64_t *number)
{
    const char *at = *text;

    *number = 0;
    while (gdb_digit(*at) >= 0) {
        if (*number >> 60 != 0) {
            return false;
        }
        *number = *number << 4 | (uint64_t)gdb_digit(*at++);
    }
    if (at == *text) {
        return false;
    }
    *text = at;
    return true;
}

bool gdb_take_hex(const char **text, void *bytes, size_t size)
{
    uint8_t *to = bytes;

    for (size_t i = 0; i < size; i++) {
        int high = gdb_digit((*text)[0]);
        int low = high < 0 ? -1 : gdb_digit((*text)[1]);

        if (low < 0) {
            return false;
        }
        to[i] = (uint8_t)(high << 4 | low);
        *text += 2;
    }
    return true;
}

bool gdb_take(const char **text, const char *prefix)
{
    size_t length = strlen(prefix);

    if (strncmp(*text, prefix, length) != 0) {
        return false;
    }
    *text += length;
    return true;
}

bool gdb_take_range(const char **text, uint64_t *first, uint64_t *size)
{
    return gdb_take_number(text, first) && gdb_take(text, ",") &&
           gdb_take_number(text, size);
}

void gdb_put_window(struct gdb_text *reply, const char *text, uint64_t length,
                    const char *args)
{
    uint64_t offset, size;

    if (!gdb_take_range(&args, &offset, &size) || offset > length) {
        gdb_put(reply, "E00");
        return;
    }
    if (size > GDB_PACKET_MAX - 1) {
        size = GDB_PACKET_MAX - 1;
    }
    if (size < length - offset) {
        gdb_put(reply, "m");
    } else {
        gdb_put(reply, "l");
        size = length - offset;
    }
    gdb_put_bytes(reply, text + offset, size);
}
