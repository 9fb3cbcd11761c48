/* SPDX-License-Identifier: MIT */
/*
 * banked_board.h for Unicorn: the guest has the device move RAM while it runs.
 *
 * cc unicorn_board.c $(pkg-config --cflags --libs xbar-unicorn) && ./a.out
 */
#include <stdio.h>
#include <unicorn/unicorn.h>
#include <xbar/jit/plug/unicorn.h>
#include <xbar/xbar.h>

#include "banked_board.h"

#define RAM    0x80000000u
#define WINDOW 0x90000000u /* where one of two banks is */
#define DEVICE 0x10000000u

/* RV64: a0 = WINDOW, a1 = DEVICE, a2 = 1. */
static const uint32_t code[] = {
    0x00052283, /* lw   t0, 0(a0) */
    0x0055a223, /* sw   t0, 4(a1)       says what bank 0 has */
    0x00c5a023, /* sw   a2, 0(a1)       the other bank */
    0x00052283, /* lw   t0, 0(a0) */
    0x0055a223, /* sw   t0, 4(a1)       says what bank 1 has */
    0x00c52223, /* sw   a2, 4(a0) */
};

static int run(struct board *b, uc_engine *uc)
{
    const struct xbar_unicorn_config config = { .as = &b->as, .uc = uc };
    uint64_t a0 = WINDOW, a1 = DEVICE, a2 = 1;
    struct xbar_unicorn *plug;
    Error *err = NULL;

    plug = xbar_unicorn_new(&config, &err);
    if (plug != NULL) {
        uc_reg_write(uc, UC_RISCV_REG_A0, &a0);
        uc_reg_write(uc, UC_RISCV_REG_A1, &a1);
        uc_reg_write(uc, UC_RISCV_REG_A2, &a2);
        xbar_unicorn_run(plug, RAM, RAM + sizeof(code), &err);
    }
    if (err != NULL) {
        printf("%s\n", error_get_pretty(err));
        error_free(err);
        return 1;
    }
    return xbar_unicorn_free(plug);
}

int main(void)
{
    static struct board b;
    uint32_t *bank[2];
    uc_engine *uc;

    if (build_board(&b, RAM, WINDOW, DEVICE) ||
        uc_open(UC_ARCH_RISCV, UC_MODE_RISCV64, &uc)) {
        return 1;
    }
    address_space_write(&b.as, RAM, MEMTXATTRS_UNSPECIFIED, code, sizeof(code));
    for (unsigned i = 0; i < 2; i++) {
        bank[i] = memory_region_get_ram_ptr(&b.bank[i]);
        bank[i][0] = 100 + i;
    }
    if (run(&b, uc)) {
        return 1;
    }
    printf("the banks have %u and %u\n", (unsigned)bank[0][1],
           (unsigned)bank[1][1]);
    return uc_close(uc) != UC_ERR_OK;
}
