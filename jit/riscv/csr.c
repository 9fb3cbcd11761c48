/* SPDX-License-Identifier: MIT */
/*
 * Control and status registers: one table (csr.inc), read four ways.
 *
 *      csr number --> row_of[] --> rows[] --+--> riscv__csr_read
 *       12 bits       one byte     csr.inc  +--> riscv__csr_write, _modify
 *                                           +--> riscv__csr_peek, _poke
 *                                           +--> riscv__csr_name
 *
 * The number itself says who may do what:
 *
 *       11 10   9 8    7           0
 *      +------+------+--------------+
 *      |  rw  | priv |              |   rw = 3: read-only
 *      +------+------+--------------+   priv: the least privilege
 */
#include "jit/riscv/hart_internal.h"

#include <stdio.h>
#include <string.h>

#include "jit/riscv/csr_regs.h"

/* Masks of the table. */
#define MASK_0       0
#define MASK_ALL     UINT64_MAX
#define MASK_LOW32   UINT32_MAX
#define MASK_EVEN    (UINT64_MAX - 1)
#define COUNTEREN_TM 2 /* of mcounteren: the time */
/* What can come from below M: all but the environment call from M. */
#define MASK_DELEG 0xb3ff

/* Conditions of a row. */
enum csr_when {
    CSR_ANY,
    CSR_FS,  /* mstatus.FS is not off */
    CSR_CTR, /* mcounteren, scounteren */
    CSR_TVM, /* not from S-mode under mstatus.TVM */
    CSR_STC, /* menvcfg.STCE and mcounteren.TM, unless in M-mode */
};

struct csr_row {
    uint16_t first;
    uint16_t last;
    int8_t base;
    uint8_t when;   /* enum csr_when */
    uint16_t field; /* offset in struct xbar_riscv_hart */
    const char *name;
    uint64_t mask;
    riscv_csr_read_fn *read;
    riscv_csr_write_fn *write;
};

/* A row says none where another says the tail of a function's name. */
#define riscv__csr_none     NULL
#define riscv__csr_set_none NULL

enum {
    CSR_ROW_NONE,
#define ROW(first, last, name, base, when, field, mask, read, write) \
    CSR_ROW_##name,
#include "jit/riscv/csr.inc"
#undef ROW
    CSR_ROWS,
};

/* clang-format off */
static const struct csr_row rows[CSR_ROWS] = {
#define ROW(first, last, name, base, when, field, mask, read, write)   \
    [CSR_ROW_##name] = {                                               \
        first, last, base, CSR_##when,                                 \
        offsetof(struct xbar_riscv_hart, field), #name, MASK_##mask,   \
        riscv__csr_##read, riscv__csr_set_##write,                     \
    },
#include "jit/riscv/csr.inc"
#undef ROW
};

static const uint8_t row_of[1 << 12] = {
#define ROW(first, last, name, base, when, field, mask, read, write) \
    [first ... last] = CSR_ROW_##name,
#include "jit/riscv/csr.inc"
#undef ROW
};
/* clang-format on */

static_assert(CSR_ROWS <= UINT8_MAX, "row_of holds bytes");
static_assert(offsetof(struct xbar_riscv_hart, x) == 0, "x means x[0]");
static_assert(offsetof(struct xbar_riscv_hart, config) < UINT16_MAX,
              "a row's field is 16 bits wide");

static const struct csr_row *find_row(unsigned csr)
{
    unsigned row = csr < sizeof(row_of) ? row_of[csr] : CSR_ROW_NONE;

    return row == CSR_ROW_NONE ? NULL : &rows[row];
}

static bool is_read_only(unsigned csr)
{
    return csr >> 10 == 3;
}

static bool counter_enabled(const struct xbar_riscv_hart *hart, unsigned csr)
{
    unsigned bit = csr & 31;

    return hart->priv == PRIV_M ||
           ((hart->mcounteren >> bit & 1) &&
            (hart->priv == PRIV_S || (hart->scounteren >> bit & 1)));
}

static bool meets_condition(const struct xbar_riscv_hart *hart,
                            const struct csr_row *row, unsigned csr)
{
    switch (row->when) {
    case CSR_FS:
        return riscv__fp_enabled(hart);
    case CSR_CTR:
        return counter_enabled(hart, csr);
    case CSR_TVM:
        return hart->priv == PRIV_M || !(hart->mstatus & MSTATUS_TVM);
    case CSR_STC:
        return hart->priv == PRIV_M || ((hart->menvcfg & ENVCFG_STCE) &&
                                        (hart->mcounteren & COUNTEREN_TM));
    default:
        return true;
    }
}

/* The row of @csr if an instruction may access it now, else NULL. */
static const struct csr_row *access_row(const struct xbar_riscv_hart *hart,
                                        unsigned csr, bool writes)
{
    const struct csr_row *row = find_row(csr);

    if (!row || hart->priv < (csr >> 8 & 3) || (writes && is_read_only(csr)) ||
        !meets_condition(hart, row, csr)) {
        return NULL;
    }
    return row;
}

static uint64_t *field_of(struct xbar_riscv_hart *hart,
                          const struct csr_row *row)
{
    return (uint64_t *)((char *)hart + row->field);
}

static uint64_t read_row(struct xbar_riscv_hart *hart,
                         const struct csr_row *row, unsigned csr)
{
    return row->read ? row->read(hart, csr) : *field_of(hart, row);
}

static void write_row(struct xbar_riscv_hart *hart, const struct csr_row *row,
                      unsigned csr, uint64_t value)
{
    uint64_t *field = field_of(hart, row);

    if (row->write) {
        row->write(hart, csr, value);
    } else if (row->mask) {
        *field = (*field & ~row->mask) | (value & row->mask);
    }
}

/* A write by an instruction, which retires after it. */
static void write_retiring(struct xbar_riscv_hart *hart,
                           const struct csr_row *row, unsigned csr,
                           uint64_t value)
{
    hart->retiring = 1;
    write_row(hart, row, csr, value);
    hart->retiring = 0;
}

bool riscv__csr_read(struct xbar_riscv_hart *hart, unsigned csr, uint64_t *old)
{
    const struct csr_row *row = access_row(hart, csr, false);

    if (!row) {
        return false;
    }
    *old = read_row(hart, row, csr);
    return true;
}

bool riscv__csr_write(struct xbar_riscv_hart *hart, unsigned csr,
                      uint64_t value)
{
    const struct csr_row *row = access_row(hart, csr, true);

    if (!row) {
        return false;
    }
    write_retiring(hart, row, csr, value);
    return true;
}

bool riscv__csr_modify(struct xbar_riscv_hart *hart, unsigned csr,
                       uint64_t clear, uint64_t set, uint64_t *old)
{
    const struct csr_row *row = access_row(hart, csr, true);
    uint64_t value;

    if (!row) {
        return false;
    }
    *old = read_row(hart, row, csr);
    /* A line that happens to be up must not end up in the software bits. */
    value = csr == CSR_MIP || csr == CSR_SIP ? hart->mip_soft : *old;
    write_retiring(hart, row, csr, (value & ~clear) | set);
    return true;
}

bool riscv__csr_peek(struct xbar_riscv_hart *hart, unsigned csr,
                     uint64_t *value)
{
    const struct csr_row *row = find_row(csr);

    if (!row) {
        return false;
    }
    *value = read_row(hart, row, csr);
    return true;
}

bool riscv__csr_poke(struct xbar_riscv_hart *hart, unsigned csr, uint64_t value)
{
    const struct csr_row *row = find_row(csr);

    if (!row || is_read_only(csr)) {
        return false;
    }
    write_row(hart, row, csr, value);
    return true;
}

bool riscv__csr_is_plain(unsigned csr, unsigned priv, bool writes,
                         struct jit_field *field)
{
    const struct csr_row *row = find_row(csr);

    if (!row || row->when != CSR_ANY || row->read || priv < (csr >> 8 & 3)) {
        return false;
    }
    if (writes && (row->write || is_read_only(csr) ||
                   (int64_t)row->mask != (int32_t)row->mask)) {
        return false;
    }
    field->offset = row->field;
    field->mask = (int32_t)row->mask;
    return true;
}

bool riscv__csr_name(unsigned csr, char name[CSR_NAME_MAX])
{
    const struct csr_row *row = find_row(csr);

    if (row && name && row->base < 0) {
        snprintf(name, CSR_NAME_MAX, "%s", row->name);
    } else if (row && name) {
        snprintf(name, CSR_NAME_MAX, "%s%u", row->name,
                 (csr - row->first + (unsigned)row->base) & 31);
    }
    return row != NULL;
}
