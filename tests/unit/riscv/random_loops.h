/* SPDX-License-Identifier: MIT */
/* Random loops, nested, with ifs and ways out in them, over memory, devices and
 * nothing at all: for the tests of jit/riscv/region/region.h. */
#ifndef XBAR_TESTS_UNIT_RISCV_RANDOM_LOOPS_H
#define XBAR_TESTS_UNIT_RISCV_RANDOM_LOOPS_H

#include "encode.h"
#include "rig.h"

#define CODE     0x1000u
#define DATA     0x10000u
#define HANDLER  0x2000u
#define RAM_ADDR ((uint64_t)RIG_RAM)
#define PROGRAM  600u /* instructions at most */
#define WINDOW   0x400u

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Registers with a role; the others hold anything. */
enum { STRAY = 27, DEVICE = 28, BASE = 29, INNER = 30, OUTER = 31 };

struct program {
    uint32_t code[PROGRAM];
    unsigned count;
    uint64_t seed;
};

static inline void put(struct program *p, uint32_t bits)
{
    assert_true(p->count < PROGRAM);
    p->code[p->count++] = bits;
}

static inline uint64_t draw(struct program *p, uint64_t below)
{
    return rig_random(&p->seed) % below;
}

/* Some registers are drawn more often, so that values meet. */
static inline unsigned any_reg(struct program *p)
{
    return (unsigned)(draw(p, 3) ? 8 + draw(p, 8) : draw(p, STRAY));
}

static inline void put_computation(struct program *p)
{
    const struct riscv_op_info *info;
    unsigned op, fields;
    int imm = (int)draw(p, 4096) - 2048;

    do {
        op = (unsigned)draw(p, RISCV_OP_COUNT);
        info = &riscv__ops[op];
    } while (info->class != RISCV_CLASS_ALU && info->class != RISCV_CLASS_MUL &&
             (info->class != RISCV_CLASS_DIV || draw(p, 4) != 0));
    fields = riscv__formats[info->format].fields;
    if (riscv__formats[info->format].imm == RISCV_IMM_SHIFT) {
        imm &= op == RISCV_OP_SLLIW || op == RISCV_OP_SRLIW ||
                       op == RISCV_OP_SRAIW || op == RISCV_OP_RORIW
                   ? 31
                   : 63;
    }
    put(p, encode((enum riscv_op)op, any_reg(p),
                  fields & RISCV_RS1 ? any_reg(p) : 0,
                  fields & RISCV_RS2 ? any_reg(p) : 0, imm));
}

/* The forms that a compiler makes of 32-bit arithmetic. */
static inline void put_word(struct program *p)
{
    static const uint8_t ops[] = { RISCV_OP_ADDW, RISCV_OP_SUBW, RISCV_OP_XOR,
                                   RISCV_OP_OR,   RISCV_OP_AND,  RISCV_OP_ADD,
                                   RISCV_OP_MULW, RISCV_OP_SLLW };
    unsigned rd = any_reg(p), rs = any_reg(p), by = 1 + (unsigned)draw(p, 31);

    switch (draw(p, 6)) {
    case 0:
        put(p, encode(RISCV_OP_ADDIW, rd, rs, 0, (int)draw(p, 2)));
        break;
    case 1:
        put(p, encode(RISCV_OP_ADD, rd, 0, rs, 0));
        break;
    case 2: /* a rotation */
        put(p, encode(RISCV_OP_SLLIW, 8, rs, 0, (int)by));
        put(p, encode(RISCV_OP_SRLIW, 9, rs, 0, 32 - (int)by));
        put(p, encode(RISCV_OP_OR, rd, 8, 9, 0));
        put(p, encode(RISCV_OP_ADDIW, 8, rd, 0, 1));
        put(p, encode(RISCV_OP_ADDIW, 9, rd, 0, 2));
        break;
    default:
        put(p, encode((enum riscv_op)ops[draw(p, COUNT(ops))], rd, rs,
                      any_reg(p), 0));
        break;
    }
}

static inline void put_access(struct program *p)
{
    static const uint8_t loads[] = { RISCV_OP_LB,  RISCV_OP_LH,  RISCV_OP_LW,
                                     RISCV_OP_LD,  RISCV_OP_LBU, RISCV_OP_LHU,
                                     RISCV_OP_LWU, RISCV_OP_LD };
    static const uint8_t stores[] = { RISCV_OP_SB, RISCV_OP_SH, RISCV_OP_SW,
                                      RISCV_OP_SD };
    static const uint8_t bases[] = { BASE, BASE, BASE, STRAY, DEVICE };
    unsigned base = bases[draw(p, COUNT(bases))];
    int offset = (int)draw(p, WINDOW);
    unsigned size = (unsigned)draw(p, 4);

    if (base == DEVICE) {
        offset &= 0xff8; /* whole words: a device is asked once */
        size = 3;
    }
    if (draw(p, 2)) {
        put(p,
            encode((enum riscv_op)stores[size], 0, base, any_reg(p), offset));
    } else {
        put(p, encode((enum riscv_op)loads[size + 4 * draw(p, 2)], any_reg(p),
                      base, 0, offset));
    }
}

/* A rotation whose shifts go on to be seen, with anything in between; what was
 * rotated may be copied and then changed. */
static inline void put_rotation(struct program *p)
{
    unsigned rs = any_reg(p), left = any_reg(p), right = any_reg(p);
    int by = 1 + (int)draw(p, 31);

    put(p, encode(RISCV_OP_SLLIW, left, rs, 0, by));
    if (draw(p, 3) == 0) {
        put_access(p);
    }
    put(p, encode(RISCV_OP_SRLIW, right, rs, 0, 32 - by));
    if (draw(p, 4) == 0) {
        put_word(p);
    }
    put(p, encode(RISCV_OP_OR, draw(p, 2) ? left : any_reg(p), left, right, 0));
    if (draw(p, 2)) {
        put(p, encode(RISCV_OP_ADDIW, any_reg(p), rs, 0, 0));
    }
    if (draw(p, 3)) {
        put(p, encode(RISCV_OP_ADD, rs, any_reg(p), any_reg(p), 0));
    }
}

/* An element of a table, or of nothing, or a register of the device, unless
 * what is in between spoils it. */
static inline void put_indexed(struct program *p)
{
    static const uint8_t loads[] = { RISCV_OP_LW,  RISCV_OP_LW,  RISCV_OP_LH,
                                     RISCV_OP_LBU, RISCV_OP_LWU, RISCV_OP_LD };
    static const uint8_t bases[] = { BASE, BASE, BASE, STRAY, DEVICE };
    unsigned base = bases[draw(p, COUNT(bases))], rd = any_reg(p);
    unsigned index = draw(p, 2) ? rd : any_reg(p), scale = (unsigned)draw(p, 4);
    unsigned op = loads[draw(p, base == DEVICE ? 2 : COUNT(loads))];
    bool swapped = draw(p, 2);

    put(p,
        encode(RISCV_OP_ANDI, index, any_reg(p), 0, base == DEVICE ? 8 : 56));
    if (scale != 0) {
        put(p, encode(RISCV_OP_SLLI, rd, index, 0, (int)scale));
        index = rd;
    }
    if (draw(p, 4) == 0) {
        put_word(p);
    }
    put(p, encode(RISCV_OP_ADD, rd, swapped ? base : index,
                  swapped ? index : base, 0));
    if (draw(p, 8) == 0) {
        put_word(p);
    }
    put(p, encode((enum riscv_op)op, draw(p, 4) ? rd : any_reg(p), rd, 0,
                  base == DEVICE ? 0 : (int)draw(p, 16)));
    if (draw(p, 2)) {
        put(p, encode(RISCV_OP_XOR, rd, rd, any_reg(p), 0));
    }
}

static inline enum riscv_op any_branch(struct program *p)
{
    static const uint8_t ops[] = { RISCV_OP_BEQ, RISCV_OP_BNE,  RISCV_OP_BLT,
                                   RISCV_OP_BGE, RISCV_OP_BLTU, RISCV_OP_BGEU };

    return (enum riscv_op)ops[draw(p, COUNT(ops))];
}

static inline void put_some(struct program *p, unsigned count)
{
    while (count-- > 0) {
        switch (draw(p, 8)) {
        case 0:
            put_access(p);
            break;
        case 7:
            put_indexed(p);
            break;
        case 1:
            put_rotation(p);
            break;
        case 2:
        case 3:
            put_word(p);
            break;
        default:
            put_computation(p);
            break;
        }
    }
}

/* Over what it jumps, rarely out of the loop to the end. */
static inline void put_if(struct program *p, unsigned body)
{
    unsigned at = p->count++;
    unsigned else_at = 0;

    put_some(p, body);
    if (draw(p, 2)) {
        else_at = p->count++;
    }
    p->code[at] = encode(any_branch(p), 0, any_reg(p), any_reg(p),
                         4 * (int)(p->count - at));
    if (else_at != 0) {
        put_some(p, body);
        p->code[else_at] =
            encode(RISCV_OP_JAL, 0, 0, 0, 4 * (int)(p->count - else_at));
    }
}

/* A second way back to the loop's first instruction. */
static inline void put_continue(struct program *p, unsigned top)
{
    put(p, encode(any_branch(p), 0, any_reg(p), any_reg(p),
                  4 * ((int)top - (int)p->count)));
    put_some(p, 1 + (unsigned)draw(p, 4));
}

/* A call, which a region does not follow: the loop around it is plain. */
static inline void put_call(struct program *p)
{
    put(p, encode(RISCV_OP_JAL, 26, 0, 0, 4));
}

/* A way out, taken or not taken: a call that only one of two ways comes by. */
static inline void put_way_out(struct program *p)
{
    bool taken = draw(p, 2);

    put(p, encode(any_branch(p), 0, any_reg(p), any_reg(p), 8));
    if (taken) {
        put(p, encode(RISCV_OP_JAL, 0, 0, 0, 8));
    }
    put_call(p);
}

static inline void put_body(struct program *p)
{
    unsigned pieces = 1 + (unsigned)draw(p, 4);

    while (pieces-- > 0) {
        put_some(p, 1 + (unsigned)draw(p, 12));
        if (draw(p, 2)) {
            put_if(p, (unsigned)draw(p, 5));
        }
        if (draw(p, 6) == 0) {
            put_way_out(p);
        }
    }
}

static inline void put_loop(struct program *p, unsigned counter, unsigned top)
{
    put(p, encode(RISCV_OP_ADDI, counter, counter, 0, -1));
    put(p, encode(RISCV_OP_BNE, 0, counter, 0, 4 * ((int)top - (int)p->count)));
}

static inline void make_program(struct program *p, uint64_t seed)
{
    unsigned outer, inner;

    p->seed = seed * 0x9e3779b97f4a7c15u + 1;
    p->count = 0;
    outer = p->count;
    put_body(p);
    if (draw(p, 4) == 0) {
        put_call(p);
    }
    put(p, encode(RISCV_OP_ADDI, INNER, 0, 0, 1 + (int)draw(p, 9)));
    inner = p->count;
    put_body(p);
    if (draw(p, 4) == 0) {
        put_continue(p, inner);
    }
    put_loop(p, INNER, inner);
    if (draw(p, 2)) {
        put_some(p, 1 + (unsigned)draw(p, 4));
    }
    /* The stray pointer wanders off, over the end of RAM. */
    put(p, encode(RISCV_OP_ADDI, STRAY, STRAY, 0, 8 * (int)draw(p, 16)));
    put_loop(p, OUTER, outer);
    put(p, INSN_SELF);
}

/* ---- A board for it ------------------------------------------------------ */

static inline void open_rig(struct rig *rig,
                            const struct xbar_riscv_config *config,
                            enum xbar_riscv_engine engine)
{
    static const uint32_t handler = INSN_SELF;

    rig_open_with(rig, config);
    rig_open_pmp(rig);
    rig_code(rig, HANDLER, &handler, 1);
    assert_int_equal(xbar_riscv_set_engine(rig->hart, engine), 0);
}

static inline void start(struct rig *rig, const struct program *p)
{
    uint64_t seed = p->seed;

    rig_code(rig, CODE, p->code, p->count);
    for (unsigned i = 0; i < WINDOW + 8; i++) {
        rig->mem[DATA + i] = (uint8_t)rig_random(&seed);
        rig->mem[RIG_RAM_SIZE - 1 - i] = (uint8_t)rig_random(&seed);
    }
    riscv__jit_flush(rig->hart);
    for (unsigned reg = 1; reg < 32; reg++) {
        static const uint64_t corners[] = { 0, UINT64_MAX, 1, INT64_MIN,
                                            (uint64_t)INT32_MIN };
        uint64_t value = rig_random(&seed);

        rig->hart->x[reg] = seed & 64 ? value : (uint64_t)(int32_t)value;
        if (seed % 7 == 0) {
            rig->hart->x[reg] = corners[value % COUNT(corners)];
        }
    }
    rig->hart->x[OUTER] = 200;
    rig->hart->x[INNER] = 3;
    rig->hart->x[BASE] = RAM_ADDR + DATA;
    rig->hart->x[DEVICE] = RIG_IO;
    rig->hart->x[STRAY] = RAM_ADDR + RIG_RAM_SIZE - 2 * WINDOW;
    rig->hart->mtvec = RAM_ADDR + HANDLER;
    rig->hart->mcause = 0;
    rig->hart->mepc = 0;
    rig->hart->mtval = 0;
    rig->hart->pc = RAM_ADDR + CODE;
    rig->io_value = seed;
    rig->io_attention = seed & 128 ? ATTN_SLICE : 0;
}

#endif
