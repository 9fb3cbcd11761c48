/* SPDX-License-Identifier: MIT */
#include "flatview/qtest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/alloc.h"
#include "flatview/flatview_internal.h"

#define MAX_WORDS 4
#define HEAD      3 /* "OK " */
#define SHORT     80

struct word {
    const char *text;
    size_t length;
};

/* A line, taken to pieces. */
struct command {
    const struct xbar_qtest *qtest;
    struct word words[MAX_WORDS];
    unsigned count;
    uint64_t addr;
    uint64_t number; /* the second one: a size, or a value */
    unsigned width;  /* bytes, of a fixed width */
};

/* ---- Answers ----------------------------------------------------------- */

static void say(const struct command *c, const char *text)
{
    c->qtest->answer(c->qtest->opaque, text, strlen(text));
}

static int fail(const struct command *c, const char *why)
{
    char text[SHORT];

    snprintf(text, sizeof(text), "FAIL %s", why);
    say(c, text);
    return -EINVAL;
}

static int end_access(const struct command *c, MemTxResult result,
                      const char *text)
{
    char failure[SHORT];

    if (result == MEMTX_OK) {
        say(c, text);
        return 0;
    }
    snprintf(failure, sizeof(failure), "FAIL result 0x%" PRIx32, result);
    say(c, failure);
    return -EIO;
}

/* ---- Words ------------------------------------------------------------- */

static bool is_end(char ch)
{
    return ch == '\0' || ch == '\n' || ch == '\r';
}

/* False: there are more than any command has. */
static bool split(struct command *c, const char *line)
{
    while (true) {
        const char *begin;

        line += strspn(line, " \t");
        if (is_end(*line)) {
            return true;
        }
        if (c->count == MAX_WORDS) {
            return false;
        }
        begin = line;
        line += strcspn(line, " \t\r\n");
        c->words[c->count++] = (struct word){ begin, (size_t)(line - begin) };
    }
}

static bool is_word(struct word word, const char *text)
{
    return word.length == strlen(text) &&
           memcmp(word.text, text, word.length) == 0;
}

static int digit_of(char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }
    if ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f') {
        return (ch | 0x20) - 'a' + 10;
    }
    return 16;
}

static bool has_prefix(struct word word)
{
    return word.length > 2 && word.text[0] == '0' &&
           (word.text[1] | 0x20) == 'x';
}

static bool read_number(struct word word, uint64_t *number)
{
    unsigned base = word.text[0] == '0' ? 8 : 10;
    size_t i = 0;

    if (has_prefix(word)) {
        base = 16;
        i = 2;
    }
    for (*number = 0; i < word.length; i++) {
        unsigned digit = (unsigned)digit_of(word.text[i]);

        if (digit >= base || *number > (UINT64_MAX - digit) / base) {
            return false;
        }
        *number = *number * base + digit;
    }
    return true;
}

/* ---- Bytes as text ----------------------------------------------------- */

static const char digits[] = "0123456789abcdef";
static const char letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static size_t hex_length(uint64_t size)
{
    return 2 + 2 * size;
}

static void to_hex(char *to, const uint8_t *bytes, uint64_t size)
{
    *to++ = '0';
    *to++ = 'x';
    for (uint64_t i = 0; i < size; i++) {
        *to++ = digits[bytes[i] >> 4];
        *to++ = digits[bytes[i] & 15];
    }
    *to = '\0';
}

static bool from_hex(uint8_t *bytes, struct word word, uint64_t size)
{
    if (word.length != hex_length(size) || memcmp(word.text, "0x", 2) != 0) {
        return false;
    }
    for (uint64_t i = 0; i < size; i++) {
        int high = digit_of(word.text[2 + 2 * i]);
        int low = digit_of(word.text[3 + 2 * i]);

        if (high > 15 || low > 15) {
            return false;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static size_t base64_length(uint64_t size)
{
    return (size + 2) / 3 * 4;
}

static void to_base64(char *to, const uint8_t *bytes, uint64_t size)
{
    for (uint64_t i = 0; i < size; i += 3) {
        uint64_t left = size - i;
        uint32_t bits = (uint32_t)bytes[i] << 16;

        bits |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        bits |= left > 2 ? bytes[i + 2] : 0;
        *to++ = letters[bits >> 18];
        *to++ = letters[bits >> 12 & 63];
        *to++ = left > 1 ? letters[bits >> 6 & 63] : '=';
        *to++ = left > 2 ? letters[bits & 63] : '=';
    }
    *to = '\0';
}

/* Four letters, of which @count bytes are wanted: bits that are none's are 0. */
static bool from_letters(uint8_t *bytes, const char *text, unsigned count)
{
    uint32_t bits = 0;

    for (unsigned i = 0; i < 4; i++) {
        const char *letter = text[i] ? strchr(letters, text[i]) : NULL;

        if (i > count) {
            letter = text[i] == '=' ? letters : NULL;
        }
        if (!letter) {
            return false;
        }
        bits = bits << 6 | (uint32_t)(letter - letters);
    }
    for (unsigned i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(bits >> (16 - 8 * i));
    }
    return count == 3 || (bits & ((1u << (24 - 8 * count)) - 1)) == 0;
}

static bool from_base64(uint8_t *bytes, struct word word, uint64_t size)
{
    if (word.length != base64_length(size)) {
        return false;
    }
    for (uint64_t i = 0; i < size; i += 3) {
        unsigned count = size - i < 3 ? (unsigned)(size - i) : 3;

        if (!from_letters(bytes + i, word.text + i / 3 * 4, count)) {
            return false;
        }
    }
    return true;
}

/* ---- Fixed widths ------------------------------------------------------ */

static uint64_t load(AddressSpace *as, const struct command *c,
                     MemTxResult *result)
{
    MemTxAttrs attrs = c->qtest->attrs;

    switch (c->width) {
    case 1:
        return address_space_ldub(as, c->addr, attrs, result);
    case 2:
        return address_space_lduw(as, c->addr, attrs, result);
    case 4:
        return address_space_ldl(as, c->addr, attrs, result);
    default:
        return address_space_ldq(as, c->addr, attrs, result);
    }
}

static void store(AddressSpace *as, const struct command *c,
                  MemTxResult *result)
{
    MemTxAttrs attrs = c->qtest->attrs;

    switch (c->width) {
    case 1:
        address_space_stb(as, c->addr, (uint8_t)c->number, attrs, result);
        return;
    case 2:
        address_space_stw(as, c->addr, (uint16_t)c->number, attrs, result);
        return;
    case 4:
        address_space_stl(as, c->addr, (uint32_t)c->number, attrs, result);
        return;
    default:
        address_space_stq(as, c->addr, c->number, attrs, result);
    }
}

static int load_from(AddressSpace *as, const struct command *c, int length)
{
    char text[SHORT];
    MemTxResult result;
    uint64_t value = load(as, c, &result);

    snprintf(text, sizeof(text), "OK 0x%0*" PRIx64, length, value);
    return end_access(c, result, text);
}

static int store_to(AddressSpace *as, const struct command *c)
{
    MemTxResult result;

    if (c->width < 8 && c->number >> (8 * c->width) != 0) {
        return fail(c, "the value is too wide");
    }
    store(as, c, &result);
    return end_access(c, result, "OK");
}

static int do_read_fixed(const struct command *c)
{
    return load_from(c->qtest->memory, c, 16);
}

static int do_write_fixed(const struct command *c)
{
    return store_to(c->qtest->memory, c);
}

static int do_in(const struct command *c)
{
    return c->qtest->ports ? load_from(c->qtest->ports, c, 4)
                           : fail(c, "there are no ports");
}

static int do_out(const struct command *c)
{
    return c->qtest->ports ? store_to(c->qtest->ports, c)
                           : fail(c, "there are no ports");
}

/* ---- Bulk -------------------------------------------------------------- */

/* How bytes are written, and read. */
struct form {
    size_t (*length)(uint64_t size);
    void (*encode)(char *to, const uint8_t *bytes, uint64_t size);
    bool (*decode)(uint8_t *bytes, struct word word, uint64_t size);
};

static const struct form hex = { hex_length, to_hex, from_hex };
static const struct form base64 = { base64_length, to_base64, from_base64 };

static int no_memory(const struct command *c)
{
    (void)fail(c, "no memory");
    return -ENOMEM;
}

static int read_bulk(const struct command *c, const struct form *form)
{
    struct xbar_engine *engine = xbar_address_space_engine(c->qtest->memory);
    uint64_t size = c->number;
    size_t total = HEAD + form->length(size) + 1 + size;
    char *text;
    uint8_t *bytes;
    MemTxResult result;
    int err;

    text = xbar_alloc(engine, total);
    if (!text) {
        return no_memory(c);
    }
    bytes = (uint8_t *)text + total - size;
    result = address_space_read(c->qtest->memory, c->addr, c->qtest->attrs,
                                bytes, size);
    memcpy(text, "OK ", HEAD);
    form->encode(text + HEAD, bytes, size);
    if (form->length(size) == 0) {
        text[HEAD - 1] = '\0';
    }
    err = end_access(c, result, text);
    xbar_free(engine, text, total);
    return err;
}

static int write_bulk(const struct command *c, struct word data,
                      const struct form *form)
{
    struct xbar_engine *engine = xbar_address_space_engine(c->qtest->memory);
    size_t total = c->number + 1; /* never nothing */
    uint8_t *bytes = xbar_alloc(engine, total);
    int err;

    if (!bytes) {
        return no_memory(c);
    }
    if (form->decode(bytes, data, c->number)) {
        err = end_access(c,
                         address_space_write(c->qtest->memory, c->addr,
                                             c->qtest->attrs, bytes, c->number),
                         "OK");
    } else {
        err = fail(c, "the data is not so many bytes");
    }
    xbar_free(engine, bytes, total);
    return err;
}

/* No data is no bytes: b64write 0 0. */
static struct word data_of(const struct command *c)
{
    return c->count > 3 ? c->words[3] : (struct word){ "", 0 };
}

static int do_read(const struct command *c)
{
    return read_bulk(c, &hex);
}

static int do_write(const struct command *c)
{
    return write_bulk(c, data_of(c), &hex);
}

static int do_b64read(const struct command *c)
{
    return read_bulk(c, &base64);
}

static int do_b64write(const struct command *c)
{
    return write_bulk(c, data_of(c), &base64);
}

static int do_memset(const struct command *c)
{
    uint64_t value;

    if (!read_number(c->words[3], &value) || value > UINT8_MAX) {
        return fail(c, "the value is no byte");
    }
    return end_access(c,
                      address_space_set(c->qtest->memory, c->addr,
                                        (uint8_t)value, c->number,
                                        c->qtest->attrs),
                      "OK");
}

static int do_endianness(const struct command *c)
{
    bool is_big =
        xbar_engine_is_big_endian(xbar_address_space_engine(c->qtest->memory));

    say(c, is_big ? "OK big" : "OK little");
    return 0;
}

/* ---- Commands ---------------------------------------------------------- */

/* @suffixes: of widths, the name's last letter; NULL: it has none. */
static const struct verb {
    const char *name;
    const char *suffixes;
    unsigned min_words;
    unsigned max_words;
    bool has_size;
    int (*run)(const struct command *c);
} verbs[] = {
    { "endianness", NULL, 1, 1, false, do_endianness },
    { "read", NULL, 3, 3, true, do_read },
    { "write", NULL, 4, 4, true, do_write },
    { "b64read", NULL, 3, 3, true, do_b64read },
    { "b64write", NULL, 3, 4, true, do_b64write },
    { "memset", NULL, 4, 4, true, do_memset },
    { "read", "bwlq", 2, 2, false, do_read_fixed },
    { "write", "bwlq", 3, 3, false, do_write_fixed },
    { "in", "bwl", 2, 2, false, do_in },
    { "out", "bwl", 3, 3, false, do_out },
};

/* The width that the last letter says; 0 if it is none. */
static unsigned width_of(struct word word, const struct verb *verb)
{
    const char *found;

    if (word.length != strlen(verb->name) + 1 ||
        memcmp(word.text, verb->name, word.length - 1) != 0) {
        return 0;
    }
    found = strchr(verb->suffixes, word.text[word.length - 1]);
    return found ? 1u << (found - verb->suffixes) : 0;
}

static const struct verb *find_verb(struct command *c)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        const struct verb *verb = &verbs[i];

        c->width = verb->suffixes ? width_of(c->words[0], verb) : 0;
        if (c->width || (!verb->suffixes && is_word(c->words[0], verb->name))) {
            return verb;
        }
    }
    return NULL;
}

int xbar_qtest_line(const struct xbar_qtest *qtest, const char *line)
{
    struct command c = { .qtest = qtest };
    const struct verb *verb;

    if (!split(&c, line) || c.count == 0) {
        return fail(&c, "no command");
    }
    verb = find_verb(&c);
    if (!verb) {
        return fail(&c, "an unknown command");
    }
    if (c.count < verb->min_words || c.count > verb->max_words) {
        return fail(&c, "too few or too many words");
    }
    if ((c.count > 1 && !read_number(c.words[1], &c.addr)) ||
        (c.count > 2 && !read_number(c.words[2], &c.number))) {
        return fail(&c, "a number is none");
    }
    if (verb->has_size && c.number > XBAR_QTEST_MAX_BYTES) {
        return fail(&c, "the size is too great");
    }
    return verb->run(&c);
}
