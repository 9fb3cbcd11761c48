/* SPDX-License-Identifier: MIT */
#include "jit/riscv/debug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jit/riscv/hart_internal.h"

#define REGISTERS 32
#define CSRS      (1u << 12)

static_assert(CSR_NAME_MAX <= XBAR_RISCV_REG_NAME_MAX, "names of CSRs fit");
static_assert(XBAR_RISCV_REG_CSR0 + CSRS == XBAR_RISCV_REG_PRIV,
              "each CSR has a number");

/* Is @reg one of the @count from @first on? Which? */
static bool is_of(unsigned reg, unsigned first, unsigned count, unsigned *which)
{
    *which = reg - first;
    return *which < count;
}

/* ---- Names ------------------------------------------------------------- */

static bool copy_name(char *name, const char *text)
{
    if (name != NULL) {
        snprintf(name, XBAR_RISCV_REG_NAME_MAX, "%s", text);
    }
    return true;
}

bool xbar_riscv_reg_name(unsigned reg, char name[XBAR_RISCV_REG_NAME_MAX])
{
    unsigned which;

    if (is_of(reg, XBAR_RISCV_REG_X0, REGISTERS, &which)) {
        return copy_name(name, riscv__x_name(which));
    }
    if (is_of(reg, XBAR_RISCV_REG_F0, REGISTERS, &which)) {
        return copy_name(name, riscv__f_name(which));
    }
    if (is_of(reg, XBAR_RISCV_REG_CSR0, CSRS, &which)) {
        return riscv__csr_name(which, name);
    }
    switch (reg) {
    case XBAR_RISCV_REG_PC:
        return copy_name(name, "pc");
    case XBAR_RISCV_REG_PRIV:
        return copy_name(name, "priv");
    default:
        return false;
    }
}

/* x10, f10: as the ISA counts them. */
static int numbered(const char *name)
{
    unsigned long which;
    char *end;

    if ((name[0] != 'x' && name[0] != 'f') || name[1] < '0' || name[1] > '9' ||
        (name[1] == '0' && name[2] != '\0')) {
        return -ENOENT;
    }
    which = strtoul(name + 1, &end, 10);
    if (*end != '\0' || which >= REGISTERS) {
        return -ENOENT;
    }
    return (int)which +
           (name[0] == 'x' ? XBAR_RISCV_REG_X0 : XBAR_RISCV_REG_F0);
}

int xbar_riscv_reg_number(const char *name)
{
    char known[XBAR_RISCV_REG_NAME_MAX];
    int number = numbered(name);

    for (unsigned reg = 0; number < 0 && reg < XBAR_RISCV_REGS; reg++) {
        if (xbar_riscv_reg_name(reg, known) && strcmp(known, name) == 0) {
            number = (int)reg;
        }
    }
    if (number < 0 && strcmp(name, "fp") == 0) {
        number = 8; /* s0 */
    }
    return number;
}

/* ---- Values ------------------------------------------------------------ */

int xbar_riscv_get_reg(struct xbar_riscv_hart *hart, unsigned reg,
                       uint64_t *value)
{
    unsigned which;

    if (is_of(reg, XBAR_RISCV_REG_X0, REGISTERS, &which)) {
        *value = hart->x[which];
    } else if (is_of(reg, XBAR_RISCV_REG_F0, REGISTERS, &which)) {
        *value = hart->f[which];
    } else if (is_of(reg, XBAR_RISCV_REG_CSR0, CSRS, &which)) {
        return xbar_riscv_get_csr(hart, which, value);
    } else if (reg == XBAR_RISCV_REG_PC) {
        *value = hart->pc;
    } else if (reg == XBAR_RISCV_REG_PRIV) {
        *value = hart->priv;
    } else {
        return -EINVAL;
    }
    return 0;
}

static int set_priv(struct xbar_riscv_hart *hart, uint64_t priv)
{
    if (priv != PRIV_U && priv != PRIV_S && priv != PRIV_M) {
        return -EINVAL;
    }
    hart->priv = (uint8_t)priv;
    riscv__update_contexts(hart);
    return 0;
}

int xbar_riscv_set_reg(struct xbar_riscv_hart *hart, unsigned reg,
                       uint64_t value)
{
    unsigned which;

    if (is_of(reg, XBAR_RISCV_REG_X0, REGISTERS, &which)) {
        xbar_riscv_set_x(hart, which, value);
    } else if (is_of(reg, XBAR_RISCV_REG_F0, REGISTERS, &which)) {
        xbar_riscv_set_f(hart, which, value);
    } else if (is_of(reg, XBAR_RISCV_REG_CSR0, CSRS, &which)) {
        return xbar_riscv_set_csr(hart, which, value);
    } else if (reg == XBAR_RISCV_REG_PC) {
        xbar_riscv_set_pc(hart, value);
    } else if (reg == XBAR_RISCV_REG_PRIV) {
        return set_priv(hart, value);
    } else {
        return -EINVAL;
    }
    return 0;
}
