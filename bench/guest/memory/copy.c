/* SPDX-License-Identifier: MIT */
/* 32 KiB copied word by word, and back by bytes for a quarter of it. */
#include "guest.h"

#define WORDS 4096

static uint64_t from[WORDS], to[WORDS];

void guest_prepare(void)
{
    uint64_t seed = 13;

    for (int i = 0; i < WORDS; i++) {
        from[i] = next_random(&seed);
    }
}

static NOINLINE void copy_words(uint64_t *out, const uint64_t *in, int count)
{
    for (int i = 0; i < count; i += 4) {
        uint64_t a = in[i], b = in[i + 1], c = in[i + 2], d = in[i + 3];

        out[i] = a;
        out[i + 1] = b;
        out[i + 2] = c;
        out[i + 3] = d;
    }
}

static NOINLINE void copy_bytes(uint8_t *out, const uint8_t *in, int count)
{
    for (int i = 0; i < count; i++) {
        out[i] = in[i];
    }
}

uint64_t guest_round(void)
{
    uint64_t sum = 0;

    copy_words(to, from, WORDS);
    copy_bytes((uint8_t *)from, (const uint8_t *)to, WORDS * 2);
    for (int i = 0; i < WORDS; i += 128) {
        sum = fold(sum, to[i] + from[i]);
    }
    return sum;
}
