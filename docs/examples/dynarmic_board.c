/* SPDX-License-Identifier: MIT */
/*
 * banked_board.h for dynarmic: A64 code has the device move RAM while it runs.
 * The supervisor call ends the program.
 *
 * cc dynarmic_board.c $(pkg-config --cflags --libs xbar-dynarmic) && ./a.out
 */
#include <stdio.h>
#include <xbar/jit/plug/dynarmic.h>
#include <xbar/xbar.h>

#include "banked_board.h"

#define RAM    0x80000000u
#define WINDOW 0x90000000u /* where one of two banks is */
#define DEVICE 0x10000000u

/* x0 = WINDOW, x1 = DEVICE, x2 = 1, x4 = 0. Sums the bank's 8 bytes, and says
 * what came out; then the same with the other bank. */
static const uint32_t code[] = {
    0xd2800103, /*        mov  x3, #8           */
    0xd2800006, /*        mov  x6, #0           */
    0xd1000463, /* again: sub  x3, x3, #1       */
    0x38636805, /*        ldrb w5, [x0, x3]     */
    0x8b0500c6, /*        add  x6, x6, x5       */
    0xb5ffffa3, /*        cbnz x3, again        */
    0xb9000426, /*        str  w6, [x1, #4]     says it */
    0xf9000406, /*        str  x6, [x0, #8]     keeps it in the bank */
    0xb5000084, /*        cbnz x4, done         */
    0xb9000022, /*        str  w2, [x1]         the other bank */
    0xaa0203e4, /*        mov  x4, x2           */
    0x17fffff5, /*        b    the first        */
    0xd4000001, /* done:  svc  #0               */
};

static int run(struct board *b)
{
    const struct xbar_dynarmic_config config = { .as = &b->as };
    struct xbar_dynarmic *plug;
    Error *err = NULL;
    bool ended;

    plug = xbar_dynarmic_new(&config, &err);
    if (plug == NULL) {
        printf("%s\n", error_get_pretty(err));
        error_free(err);
        return 1;
    }
    xbar_dynarmic_set(plug, 0, WINDOW);
    xbar_dynarmic_set(plug, 1, DEVICE);
    xbar_dynarmic_set(plug, 2, 1);
    xbar_dynarmic_set(plug, XBAR_DYNARMIC_PC, RAM);
    ended = xbar_dynarmic_run(plug, 1000, NULL) == XBAR_DYNARMIC_SVC;
    return xbar_dynarmic_free(plug) || !ended;
}

int main(void)
{
    static struct board b;
    uint8_t *bank[2];

    if (build_board(&b, RAM, WINDOW, DEVICE)) {
        return 1;
    }
    address_space_write(&b.as, RAM, MEMTXATTRS_UNSPECIFIED, code, sizeof(code));
    for (unsigned i = 0; i < 2; i++) {
        bank[i] = memory_region_get_ram_ptr(&b.bank[i]);
        for (unsigned n = 0; n < 8; n++) {
            bank[i][n] = (uint8_t)(10 * i + n);
        }
    }
    if (run(&b)) {
        return 1;
    }
    printf("the banks have %u and %u\n", bank[0][8], bank[1][8]);
    return 0;
}
