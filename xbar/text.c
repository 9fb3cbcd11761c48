/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define IS_MORE(byte) (((byte)&0xc0) == 0x80) /* of a character of several */

/* No control, no surrogate, none that could be shorter. */
static bool is_allowed(uint32_t code, unsigned length)
{
    static const uint32_t first[] = { 0, 0x20, 0xa0, 0x800, 0x10000 };

    return code >= first[length] && code != 0x7f && code <= 0x10ffff &&
           (code < 0xd800 || code > 0xdfff);
}

/* The bytes of the printable character at @at; 0: there is none. */
static unsigned length_at(const unsigned char *at)
{
    unsigned length = at[0] < 0x80   ? 1
                      : at[0] < 0xc0 ? 0
                      : at[0] < 0xe0 ? 2
                      : at[0] < 0xf0 ? 3
                      : at[0] < 0xf8 ? 4
                                     : 0;
    uint32_t code = length > 1 ? at[0] & (0x7fU >> length) : at[0];

    for (unsigned i = 1; i < length; i++) {
        if (!IS_MORE(at[i])) {
            return 0;
        }
        code = code << 6 | (at[i] & 0x3f);
    }
    return length && is_allowed(code, length) ? length : 0;
}

void text_clean(char *out, size_t size, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t used = 0;

    while (*at) {
        unsigned length = length_at(at);

        if (used + (length ? length : 1) >= size) {
            break;
        }
        if (length) {
            memcpy(out + used, at, length);
        } else {
            out[used] = '?';
        }
        length = length ? length : 1;
        used += length;
        at += length;
    }
    out[used] = '\0';
}
