/* SPDX-License-Identifier: MIT */
#include "target_xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <xbar/xbar.h>

#define CSR(number) (XBAR_RISCV_REG_CSR0 + (number))

static void put_reg(FILE *out, unsigned reg, const char *type)
{
    char name[XBAR_RISCV_REG_NAME_MAX];

    if (xbar_riscv_reg_name(reg, name)) {
        fprintf(out,
                "<reg name=\"%s\" bitsize=\"64\" regnum=\"%u\" type=\"%s\"/>\n",
                name, reg, type);
    }
}

static void put_cpu(FILE *out)
{
    fputs("<feature name=\"org.gnu.gdb.riscv.cpu\">\n", out);
    for (unsigned reg = XBAR_RISCV_REG_X0; reg < XBAR_RISCV_REG_PC; reg++) {
        const char *type = "int";

        if (reg == 1) {
            type = "code_ptr"; /* ra */
        } else if (reg == 2 || reg == 3 || reg == 4 || reg == 8) {
            type = "data_ptr"; /* sp, gp, tp, s0 */
        }
        put_reg(out, reg, type);
    }
    put_reg(out, XBAR_RISCV_REG_PC, "code_ptr");
    fputs("</feature>\n", out);
}

static void put_fpu(FILE *out)
{
    fputs("<feature name=\"org.gnu.gdb.riscv.fpu\">\n"
          "<union id=\"riscv_double\">\n"
          "<field name=\"float\" type=\"ieee_single\"/>\n"
          "<field name=\"double\" type=\"ieee_double\"/>\n"
          "</union>\n",
          out);
    for (unsigned i = 0; i < 32; i++) {
        put_reg(out, XBAR_RISCV_REG_F0 + i, "riscv_double");
    }
    for (unsigned csr = 1; csr <= 3; csr++) {
        put_reg(out, CSR(csr), "int"); /* fflags, frm, fcsr */
    }
    fputs("</feature>\n", out);
}

static void put_csrs(FILE *out)
{
    fputs("<feature name=\"org.gnu.gdb.riscv.csr\">\n", out);
    for (unsigned csr = 4; csr < 1 << 12; csr++) {
        put_reg(out, CSR(csr), "int");
    }
    fputs("</feature>\n"
          "<feature name=\"org.gnu.gdb.riscv.virtual\">\n",
          out);
    put_reg(out, XBAR_RISCV_REG_PRIV, "int");
    fputs("</feature>\n", out);
}

char *gdb_target_xml(size_t *length)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, length);

    if (!out) {
        return NULL;
    }
    fputs("<?xml version=\"1.0\"?>\n"
          "<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
          "<target version=\"1.0\">\n"
          "<architecture>riscv:rv64</architecture>\n",
          out);
    put_cpu(out);
    put_fpu(out);
    put_csrs(out);
    fputs("</target>\n", out);
    if (fclose(out)) {
        free(text);
        return NULL;
    }
    return text;
}
