/* SPDX-License-Identifier: MIT */
#include "size.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* The shift that a suffix means; -1 if it is none. No suffix means MiB. */
static int suffix_shift(const char *suffix)
{
    if (suffix[0] && suffix[1]) {
        return -1;
    }
    switch (toupper((unsigned char)suffix[0])) {
    case 'K':
        return 10;
    case 'M':
    case '\0':
        return 20;
    case 'G':
        return 30;
    default:
        return -1;
    }
}

int size_parse(const char *text, uint64_t *bytes)
{
    unsigned long long number;
    char *end;
    int shift;

    /* strtoull would accept blanks and a sign. */
    if (!isdigit((unsigned char)text[0])) {
        return -EINVAL;
    }
    errno = 0;
    number = strtoull(text, &end, 10);
    shift = suffix_shift(end);
    if (shift < 0) {
        return -EINVAL;
    }
    if (errno || number > UINT64_MAX >> shift) {
        return -ERANGE;
    }
    *bytes = (uint64_t)number << shift;
    return 0;
}

void size_print(char *buf, size_t size, uint64_t bytes)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB" };
    unsigned unit = 0;

    while (unit < 3 && bytes && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    snprintf(buf, size, "%" PRIu64 " %s", bytes, units[unit]);
}
