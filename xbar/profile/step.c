/* SPDX-License-Identifier: MIT */
#include "step.h"

static struct step step_of_write(uint32_t rd)
{
    return (struct step){ rd == REG_RA || rd == REG_SP ? STEP_ENDS : STEP_OTHER,
                          0 };
}

static struct step step_of_save(uint32_t reg, int imm)
{
    return (struct step){ reg == REG_RA   ? STEP_SAVES_RA
                          : reg == REG_S0 ? STEP_SAVES_S0
                                          : STEP_OTHER,
                          imm };
}

/* @count bits of @bits from @from on, at @to. */
static int field(uint32_t bits, unsigned from, unsigned count, unsigned to)
{
    return (int)((bits >> from & ((1U << count) - 1)) << to);
}

static struct step decode_short(uint32_t bits)
{
    uint32_t rd = bits >> 7 & 31;
    uint32_t rs2 = bits >> 2 & 31;
    int sign = bits >> 12 & 1 ? -1 : 0;

    switch (bits & 0xe003) {
    case 0x0000: /* c.addi4spn; 0 is illegal */
        if (bits == 0) {
            return (struct step){ STEP_ENDS, 0 };
        }
        return (struct step){ bits >> 2 & 7 ? STEP_OTHER : STEP_SETS_FRAME,
                              field(bits, 11, 2, 4) | field(bits, 7, 4, 6) |
                                  field(bits, 6, 1, 2) | field(bits, 5, 1, 3) };
    case 0x0001: /* c.addi */
        return rd == REG_SP ? (struct step){ STEP_MOVES_SP,
                                             sign * 32 | field(bits, 2, 5, 0) }
                            : step_of_write(rd);
    case 0x6001: /* c.addi16sp, c.lui */
        return rd == REG_SP ? (struct step){ STEP_MOVES_SP,
                                             sign * 512 | field(bits, 6, 1, 4) |
                                                 field(bits, 5, 1, 6) |
                                                 field(bits, 3, 2, 7) |
                                                 field(bits, 2, 1, 5) }
                            : step_of_write(rd);
    case 0xa001: /* c.j */
        return (struct step){ STEP_JUMPS, 0 };
    case 0x6002: /* c.ldsp */
        return rd == REG_RA
                   ? (struct step){ STEP_RESTORES_RA, field(bits, 12, 1, 5) |
                                                          field(bits, 5, 2, 3) |
                                                          field(bits, 2, 3, 6) }
               : rd == REG_S0 ? (struct step){ STEP_LOADS_S0, 0 }
                              : step_of_write(rd);
    case 0xe002: /* c.sdsp */
        return step_of_save(rs2, field(bits, 10, 3, 3) | field(bits, 7, 3, 6));
    case 0x8002: /* c.jr, c.mv; c.ebreak, c.jalr, c.add */
        return rs2              ? step_of_write(rd)
               : bits == 0x8082 ? (struct step){ STEP_RETURNS, 0 }
               : sign           ? (struct step){ STEP_ENDS, 0 }
                                : (struct step){ STEP_JUMPS, 0 };
    case 0x2001: /* c.addiw */
    case 0x4001: /* c.li */
    case 0x0002: /* c.slli */
    case 0x4002: /* c.lwsp */
        return step_of_write(rd);
    default:
        return (struct step){ STEP_OTHER, 0 };
    }
}

static struct step decode_long(uint32_t bits)
{
    uint32_t rd = bits >> 7 & 31;
    int imm = (int)(bits >> 20) - (bits >> 31 ? 4096 : 0);

    switch (bits & 0x000fffff) {
    case 0x00010113:
        return (struct step){ STEP_MOVES_SP, imm };
    case 0x00010413:
        return (struct step){ STEP_SETS_FRAME, imm };
    case 0x00013403:
        return (struct step){ STEP_LOADS_S0, imm };
    case 0x00013083:
        return (struct step){ STEP_RESTORES_RA, imm };
    default:
        break;
    }
    switch (bits & 0x7f) {
    case 0x03: /* loads */
        return rd == REG_RA && (bits >> 15 & 31) != REG_SP
                   ? (struct step){ STEP_LOADS_RA, 0 }
                   : step_of_write(rd);
    case 0x23: /* stores: sd, to sp */
        return (bits & 0x000ff000) == 0x00013000
                   ? step_of_save(bits >> 20 & 31, (imm & ~31) | (int)rd)
                   : (struct step){ STEP_OTHER, 0 };
    case 0x67: /* jalr, jal */
    case 0x6f:
        return (struct step){ bits == 0x00008067 ? STEP_RETURNS
                              : rd == 0          ? STEP_JUMPS
                                                 : STEP_ENDS,
                              0 };
    case 0x73: /* ebreak, sret, mret; csr */
        return bits == 0x00100073 || bits == 0x10200073 || bits == 0x30200073
                   ? (struct step){ STEP_ENDS, 0 }
                   : step_of_write(rd);
    case 0x07: /* numbers of floating point, fences, branches */
    case 0x0f:
    case 0x27:
    case 0x43:
    case 0x47:
    case 0x4b:
    case 0x4f:
    case 0x53:
    case 0x63:
        return (struct step){ STEP_OTHER, 0 };
    default:
        return step_of_write(rd);
    }
}

struct step step_decode(uint32_t bits)
{
    return (bits & 3) != 3 ? decode_short(bits) : decode_long(bits);
}
