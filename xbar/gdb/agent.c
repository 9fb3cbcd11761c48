/* SPDX-License-Identifier: MIT */
/*
 *     fetch an opcode --> its row: operand bytes, words that it takes and
 *                            |     leaves: are they there, is there room?
 *                            v
 *                         execute --> next, or where a goto leads
 *
 * So what executes an opcode need not look at bounds.
 */
#include "agent.h"

#include <xbar/compat.h>

enum agent_op {
    OP_ADD = 0x02,
    OP_SUB,
    OP_MUL,
    OP_DIV_SIGNED,
    OP_DIV_UNSIGNED,
    OP_REM_SIGNED,
    OP_REM_UNSIGNED,
    OP_LSH,
    OP_RSH_SIGNED,
    OP_RSH_UNSIGNED,
    OP_TRACE,
    OP_TRACE_QUICK,
    OP_LOG_NOT,
    OP_BIT_AND,
    OP_BIT_OR,
    OP_BIT_XOR,
    OP_BIT_NOT,
    OP_EQUAL,
    OP_LESS_SIGNED,
    OP_LESS_UNSIGNED,
    OP_EXT,
    OP_REF8,
    OP_REF16,
    OP_REF32,
    OP_REF64,
    OP_IF_GOTO = 0x20,
    OP_GOTO,
    OP_CONST8,
    OP_CONST16,
    OP_CONST32,
    OP_CONST64,
    OP_REG,
    OP_END,
    OP_DUP,
    OP_POP,
    OP_ZERO_EXT,
    OP_SWAP,
    OP_GETV,
    OP_SETV,
    OP_TRACEV,
    OP_TRACENZ,
    OP_TRACE16,
    OP_PICK = 0x32,
    OP_ROT,
};

struct machine {
    const struct agent_host *host;
    const uint8_t *code;
    size_t size;
    size_t at;
    unsigned depth;
    uint64_t stack[AGENT_STACK_MAX];
};

/* From the top of the stack, which is 0. */
static uint64_t *word(struct machine *m, unsigned index)
{
    return &m->stack[m->depth - 1 - index];
}

static void push(struct machine *m, uint64_t value)
{
    m->stack[m->depth++] = value;
}

static uint64_t pop(struct machine *m)
{
    return m->stack[--m->depth];
}

/* ---- Arithmetic -------------------------------------------------------- */

static int64_t divide(int64_t a, int64_t b, bool wants_rest)
{
    if (b == -1) { /* INT64_MIN has no counterpart */
        return wants_rest ? 0 : (int64_t)(0 - (uint64_t)a);
    }
    return wants_rest ? a % b : a / b;
}

static bool divide_words(struct machine *m, enum agent_op op, uint64_t unused)
{
    uint64_t b = pop(m);
    uint64_t *a = word(m, 0);

    (void)unused;
    if (b == 0) {
        return false;
    }
    if (op == OP_DIV_UNSIGNED) {
        *a /= b;
    } else if (op == OP_REM_UNSIGNED) {
        *a %= b;
    } else {
        *a = (uint64_t)divide((int64_t)*a, (int64_t)b, op == OP_REM_SIGNED);
    }
    return true;
}

/* By as many bits as there are, or more: all of them. */
static uint64_t shift(enum agent_op op, uint64_t a, uint64_t b)
{
    bool is_negative = op == OP_RSH_SIGNED && a >> 63;

    if (b > 63) {
        return is_negative ? UINT64_MAX : 0;
    }
    if (op == OP_LSH) {
        return a << b;
    }
    return is_negative ? ~(~a >> b) : a >> b;
}

static bool combine(struct machine *m, enum agent_op op, uint64_t unused)
{
    uint64_t b = pop(m);
    uint64_t *a = word(m, 0);

    (void)unused;
    switch (op) {
    case OP_ADD:
        *a += b;
        return true;
    case OP_SUB:
        *a -= b;
        return true;
    case OP_MUL:
        *a *= b;
        return true;
    case OP_BIT_AND:
        *a &= b;
        return true;
    case OP_BIT_OR:
        *a |= b;
        return true;
    case OP_BIT_XOR:
        *a ^= b;
        return true;
    case OP_EQUAL:
        *a = *a == b;
        return true;
    case OP_LESS_SIGNED:
        *a = (int64_t)*a < (int64_t)b;
        return true;
    case OP_LESS_UNSIGNED:
        *a = *a < b;
        return true;
    default:
        *a = shift(op, *a, b);
        return true;
    }
}

static bool negate(struct machine *m, enum agent_op op, uint64_t unused)
{
    uint64_t *a = word(m, 0);

    (void)unused;
    *a = op == OP_LOG_NOT ? !*a : ~*a;
    return true;
}

/* From @bits bits; more than there are: as it is. */
static bool extend(struct machine *m, enum agent_op op, uint64_t bits)
{
    uint64_t *a = word(m, 0);

    if (bits == 0) {
        return false;
    }
    if (bits < 64) {
        uint64_t mask = (UINT64_C(1) << bits) - 1;
        bool is_negative = op == OP_EXT && (*a >> (bits - 1) & 1);

        *a = is_negative ? *a | ~mask : *a & mask;
    }
    return true;
}

/* ---- The stack --------------------------------------------------------- */

static bool push_const(struct machine *m, enum agent_op op, uint64_t value)
{
    (void)op;
    push(m, value);
    return true;
}

static bool move_words(struct machine *m, enum agent_op op, uint64_t unused)
{
    uint64_t top = *word(m, 0);

    (void)unused;
    switch (op) {
    case OP_DUP:
        push(m, top);
        return true;
    case OP_SWAP:
        *word(m, 0) = *word(m, 1);
        *word(m, 1) = top;
        return true;
    case OP_ROT: /* a b c -> c a b */
        *word(m, 0) = *word(m, 1);
        *word(m, 1) = *word(m, 2);
        *word(m, 2) = top;
        return true;
    default:
        m->depth--;
        return true;
    }
}

static bool pick(struct machine *m, enum agent_op op, uint64_t index)
{
    (void)op;
    if (index >= m->depth) {
        return false;
    }
    push(m, *word(m, (unsigned)index));
    return true;
}

/* Targets are counted from the start. */
static bool jump(struct machine *m, enum agent_op op, uint64_t target)
{
    if (op == OP_IF_GOTO && pop(m) == 0) {
        return true;
    }
    m->at = (size_t)target;
    return true;
}

/* ---- What is outside --------------------------------------------------- */

static bool load(struct machine *m, enum agent_op op, uint64_t unused)
{
    size_t size = (size_t)1 << (op - OP_REF8);
    uint64_t *a = word(m, 0);
    uint8_t bytes[8] = { 0 };

    (void)unused;
    if (!m->host->read(m->host->opaque, *a, bytes, size)) {
        return false;
    }
    *a = ldq_le_p(bytes);
    return true;
}

static bool push_reg(struct machine *m, enum agent_op op, uint64_t number)
{
    uint64_t value = 0;
    bool is_there =
        op == OP_REG
            ? m->host->get_reg(m->host->opaque, (unsigned)number, &value)
            : m->host->get_variable(m->host->opaque, (unsigned)number, &value);

    push(m, value);
    return is_there;
}

/* The value stays on the stack. */
static bool set_variable(struct machine *m, enum agent_op op, uint64_t number)
{
    (void)op;
    return m->host->set_variable(m->host->opaque, (unsigned)number,
                                 *word(m, 0));
}

static bool collect_variable(struct machine *m, enum agent_op op,
                             uint64_t number)
{
    (void)op;
    return m->host->collect_variable(m->host->opaque, (unsigned)number);
}

/* The quick ones have the size in the code, and leave the address. */
static bool collect(struct machine *m, enum agent_op op, uint64_t size)
{
    if (op == OP_TRACE_QUICK || op == OP_TRACE16) {
        return m->host->collect(m->host->opaque, *word(m, 0), size);
    }
    size = pop(m);
    return op == OP_TRACENZ
               ? m->host->collect_text(m->host->opaque, pop(m), size)
               : m->host->collect(m->host->opaque, pop(m), size);
}

/* ---- All of it --------------------------------------------------------- */

static const struct row {
    bool (*execute)(struct machine *m, enum agent_op op, uint64_t operand);
    uint8_t operand; /* bytes of it, behind the opcode, the highest first */
    uint8_t takes;
    uint8_t leaves;
} rows[] = {
    [OP_ADD] = { combine, 0, 2, 1 },
    [OP_SUB] = { combine, 0, 2, 1 },
    [OP_MUL] = { combine, 0, 2, 1 },
    [OP_DIV_SIGNED] = { divide_words, 0, 2, 1 },
    [OP_DIV_UNSIGNED] = { divide_words, 0, 2, 1 },
    [OP_REM_SIGNED] = { divide_words, 0, 2, 1 },
    [OP_REM_UNSIGNED] = { divide_words, 0, 2, 1 },
    [OP_LSH] = { combine, 0, 2, 1 },
    [OP_RSH_SIGNED] = { combine, 0, 2, 1 },
    [OP_RSH_UNSIGNED] = { combine, 0, 2, 1 },
    [OP_TRACE] = { collect, 0, 2, 0 },
    [OP_TRACE_QUICK] = { collect, 1, 1, 1 },
    [OP_LOG_NOT] = { negate, 0, 1, 1 },
    [OP_BIT_AND] = { combine, 0, 2, 1 },
    [OP_BIT_OR] = { combine, 0, 2, 1 },
    [OP_BIT_XOR] = { combine, 0, 2, 1 },
    [OP_BIT_NOT] = { negate, 0, 1, 1 },
    [OP_EQUAL] = { combine, 0, 2, 1 },
    [OP_LESS_SIGNED] = { combine, 0, 2, 1 },
    [OP_LESS_UNSIGNED] = { combine, 0, 2, 1 },
    [OP_EXT] = { extend, 1, 1, 1 },
    [OP_REF8] = { load, 0, 1, 1 },
    [OP_REF16] = { load, 0, 1, 1 },
    [OP_REF32] = { load, 0, 1, 1 },
    [OP_REF64] = { load, 0, 1, 1 },
    [OP_IF_GOTO] = { jump, 2, 1, 0 },
    [OP_GOTO] = { jump, 2, 0, 0 },
    [OP_CONST8] = { push_const, 1, 0, 1 },
    [OP_CONST16] = { push_const, 2, 0, 1 },
    [OP_CONST32] = { push_const, 4, 0, 1 },
    [OP_CONST64] = { push_const, 8, 0, 1 },
    [OP_REG] = { push_reg, 2, 0, 1 },
    [OP_DUP] = { move_words, 0, 1, 2 },
    [OP_POP] = { move_words, 0, 1, 0 },
    [OP_ZERO_EXT] = { extend, 1, 1, 1 },
    [OP_SWAP] = { move_words, 0, 2, 2 },
    [OP_GETV] = { push_reg, 2, 0, 1 },
    [OP_SETV] = { set_variable, 2, 1, 1 },
    [OP_TRACEV] = { collect_variable, 2, 0, 0 },
    [OP_TRACENZ] = { collect, 0, 2, 0 },
    [OP_TRACE16] = { collect, 2, 1, 1 },
    [OP_PICK] = { pick, 1, 0, 1 },
    [OP_ROT] = { move_words, 0, 3, 3 },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* What an opcode's host, or its arguments, did not have. */
static const char *why_not(enum agent_op op)
{
    switch (op) {
    case OP_DIV_SIGNED:
    case OP_DIV_UNSIGNED:
    case OP_REM_SIGNED:
    case OP_REM_UNSIGNED:
        return "division by zero";
    case OP_REF8:
    case OP_REF16:
    case OP_REF32:
    case OP_REF64:
        return "memory that cannot be read";
    case OP_TRACE:
    case OP_TRACE_QUICK:
    case OP_TRACE16:
    case OP_TRACENZ:
    case OP_TRACEV:
        return "more than may be collected at once";
    case OP_REG:
        return "no such register";
    case OP_GETV:
    case OP_SETV:
        return "no such trace state variable";
    default:
        return "malformed expression";
    }
}

static const char *step(struct machine *m)
{
    enum agent_op op = m->code[m->at++];
    const struct row *row = op < ROWS ? &rows[op] : NULL;
    uint64_t operand = 0;

    if (!row || !row->execute) {
        return "unsupported operation in an expression";
    }
    if (m->size - m->at < row->operand || m->depth < row->takes ||
        m->depth - row->takes + row->leaves > AGENT_STACK_MAX) {
        return "malformed expression";
    }
    for (unsigned i = 0; i < row->operand; i++) {
        operand = operand << 8 | m->code[m->at++];
    }
    return row->execute(m, op, operand) ? NULL : why_not(op);
}

const char *agent_run(const struct agent_host *host, const uint8_t *code,
                      size_t size, uint64_t *steps, uint64_t *top)
{
    struct machine m = { .host = host, .code = code, .size = size };

    for (unsigned i = 0; i < AGENT_STEPS_MAX; i++) {
        const char *why;

        ++*steps;

        if (m.at >= size) {
            return "malformed expression";
        }
        if (code[m.at] == OP_END) {
            *top = m.depth ? *word(&m, 0) : 0;
            return NULL;
        }
        why = step(&m);
        if (why) {
            return why;
        }
    }
    return "an expression that does not end";
}
