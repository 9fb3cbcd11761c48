/* SPDX-License-Identifier: MIT */
/*
 * What an embedded program does all day: a linked list is searched, reversed
 * and sorted, numbers are read by a state machine, a small matrix is worked
 * on, and a bitwise CRC runs over the results.
 */
#include "guest.h"

#define NODES    128
#define TEXT_MAX 1024
#define SIDE     12

struct node {
    struct node *next;
    int16_t key;
    int16_t value;
};

enum state {
    STATE_START,
    STATE_SIGN,
    STATE_INTEGER,
    STATE_FRACTION,
    STATE_EXPONENT,
    STATE_INVALID,
    STATES,
};

static struct node nodes[NODES];
static char text[TEXT_MAX];
static int16_t matrix[SIDE][SIDE];

static uint16_t crc16(uint16_t crc, uint16_t value)
{
    for (int i = 0; i < 16; i++) {
        unsigned bit = (crc ^ value) & 1;

        crc = (uint16_t)(crc >> 1 ^ (bit ? 0xa001 : 0));
        value >>= 1;
    }
    return crc;
}

/* ---- List ------------------------------------------------------------------ */

static struct node *make_list(void)
{
    uint64_t seed = 6;

    for (int i = 0; i < NODES; i++) {
        nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : NULL;
        nodes[i].key = (int16_t)(next_random(&seed) & 0x7fff);
        nodes[i].value = (int16_t)i;
    }
    return nodes;
}

static struct node *reverse(struct node *list)
{
    struct node *done = NULL;

    while (list) {
        struct node *next = list->next;

        list->next = done;
        done = list;
        list = next;
    }
    return done;
}

static int find(const struct node *list, int16_t value)
{
    int steps = 0;

    while (list && list->value != value) {
        list = list->next;
        steps++;
    }
    return steps;
}

static struct node *merge(struct node *a, struct node *b)
{
    struct node head = { NULL, 0, 0 };
    struct node *last = &head;

    while (a && b) {
        if (a->key <= b->key) {
            last->next = a;
            a = a->next;
        } else {
            last->next = b;
            b = b->next;
        }
        last = last->next;
    }
    last->next = a ? a : b;
    return head.next;
}

static struct node *sort(struct node *list)
{
    struct node *half[2] = { NULL, NULL };
    int which = 0;

    if (!list || !list->next) {
        return list;
    }
    while (list) {
        struct node *next = list->next;

        list->next = half[which];
        half[which] = list;
        which ^= 1;
        list = next;
    }
    return merge(sort(half[0]), sort(half[1]));
}

static uint16_t list_part(uint16_t crc)
{
    struct node *list = make_list();

    for (int16_t i = 0; i < NODES; i += 4) {
        list = reverse(list);
        crc = crc16(crc, (uint16_t)find(list, i));
    }
    list = sort(list);
    for (; list; list = list->next) {
        crc = crc16(crc, (uint16_t)list->value);
    }
    return crc;
}

/* ---- State machine ----------------------------------------------------------- */

static enum state step(enum state state, char c)
{
    const int is_digit = c >= '0' && c <= '9';

    switch (state) {
    case STATE_START:
        if (c == '+' || c == '-') {
            return STATE_SIGN;
        }
        return is_digit ? STATE_INTEGER : STATE_INVALID;
    case STATE_SIGN:
        return is_digit ? STATE_INTEGER : STATE_INVALID;
    case STATE_INTEGER:
        if (c == '.') {
            return STATE_FRACTION;
        }
        return is_digit ? STATE_INTEGER : STATE_INVALID;
    case STATE_FRACTION:
        if (c == 'e') {
            return STATE_EXPONENT;
        }
        return is_digit ? STATE_FRACTION : STATE_INVALID;
    case STATE_EXPONENT:
        return is_digit ? STATE_EXPONENT : STATE_INVALID;
    default:
        return STATE_INVALID;
    }
}

static uint16_t text_part(uint16_t crc)
{
    uint16_t ends[STATES] = { 0 };
    enum state state = STATE_START;

    for (int i = 0; i < TEXT_MAX; i++) {
        if (text[i] == ',') {
            ends[state]++;
            state = STATE_START;
        } else {
            state = step(state, text[i]);
        }
    }
    for (int i = 0; i < STATES; i++) {
        crc = crc16(crc, ends[i]);
    }
    return crc;
}

/* ---- Matrix ------------------------------------------------------------------ */

static uint16_t matrix_part(uint16_t crc)
{
    for (int i = 0; i < SIDE; i++) {
        int32_t sum = 0;

        for (int j = 0; j < SIDE; j++) {
            for (int k = 0; k < SIDE; k++) {
                sum += matrix[i][k] * matrix[k][j];
            }
            sum = sum >> 3 ^ (sum & 0xff);
        }
        crc = crc16(crc, (uint16_t)sum);
    }
    return crc;
}

void guest_prepare(void)
{
    static const char alphabet[] = "0123456789012345678901234567,.e+-,,x";
    uint64_t seed = 7;

    for (int i = 0; i < TEXT_MAX; i++) {
        text[i] = alphabet[next_random(&seed) % (sizeof(alphabet) - 1)];
    }
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            matrix[i][j] = (int16_t)(next_random(&seed) & 0x3ff);
        }
    }
}

uint64_t guest_round(void)
{
    uint16_t crc = list_part(0xffff);

    crc = text_part(crc);
    return matrix_part(crc);
}
