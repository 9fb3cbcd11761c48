/* SPDX-License-Identifier: MIT */
#include "flatview/access/ram_access.h"

#define WORD_LOG2 3
#define WORD      ((size_t)1 << WORD_LOG2)

/* The largest aligned unit at @host that is not longer than @length. */
static unsigned unit_log2(const void *host, size_t length)
{
    unsigned align = (unsigned)__builtin_ctzll((uintptr_t)host | WORD);
    unsigned fits = 63u - (unsigned)__builtin_clzll(length);

    return align < fits ? align : fits;
}

void flatview__ram_read(void *to, const void *host, size_t length)
{
    const char *from = host;
    char *out = to;

    while (length != 0) {
        unsigned log2 = unit_log2(from, length);
        size_t size = (size_t)1 << log2;

        flatview__ram_unpack(out, flatview__ram_load(from, log2), log2);
        from += size;
        out += size;
        length -= size;
        for (; log2 == WORD_LOG2 && length >= WORD; length -= WORD) {
            flatview__ram_unpack(out, flatview__ram_load(from, WORD_LOG2),
                                 WORD_LOG2);
            from += WORD;
            out += WORD;
        }
    }
}

void flatview__ram_write(void *host, const void *from, size_t length)
{
    const char *in = from;
    char *to = host;

    while (length != 0) {
        unsigned log2 = unit_log2(to, length);
        size_t size = (size_t)1 << log2;

        flatview__ram_store(to, flatview__ram_pack(in, log2), log2);
        to += size;
        in += size;
        length -= size;
        for (; log2 == WORD_LOG2 && length >= WORD; length -= WORD) {
            flatview__ram_store(to, flatview__ram_pack(in, WORD_LOG2),
                                WORD_LOG2);
            to += WORD;
            in += WORD;
        }
    }
}

void flatview__ram_fill(void *host, uint8_t byte, size_t length)
{
    const uint64_t word = UINT64_MAX / UINT8_MAX * byte;
    char *to = host;

    while (length != 0) {
        unsigned log2 = unit_log2(to, length);
        size_t size = (size_t)1 << log2;

        flatview__ram_store(to, word, log2);
        to += size;
        length -= size;
    }
}
