/* SPDX-License-Identifier: MIT */
/**
 * Accesses as lines of text, for tests that are scripts: the commands of QEMU's
 * qtest protocol that concern memory. Row M-107.
 *
 *     command                                 answer
 *     readb readw readl readq ADDR            OK 0x, 16 digits
 *     writeb writew writel writeq ADDR VALUE  OK
 *     inb inw inl PORT                        OK 0x, 4 digits or more
 *     outb outw outl PORT VALUE               OK
 *     read ADDR SIZE                          OK 0x, two digits a byte
 *     write ADDR SIZE DATA                    OK
 *     b64read ADDR SIZE                       OK, base 64 if there are bytes
 *     b64write ADDR SIZE DATA                 OK
 *     memset ADDR SIZE VALUE                  OK
 *     endianness                              OK little, or OK big
 *
 * Words stand between blanks. A number is decimal, octal after 0, hexadecimal
 * after 0x. A value of fixed width is in the guest's byte order; DATA is in the
 * order of addresses, written as the reads answer it, and has exactly SIZE
 * bytes. SIZE may be 0, and at most XBAR_QTEST_MAX_BYTES.
 *
 * All else is answered by FAIL and why. Other than QEMU's, so is an access whose
 * result is not MEMTX_OK, by its bits: what could be done was done then.
 */
#ifndef XBAR_FLATVIEW_QTEST_H
#define XBAR_FLATVIEW_QTEST_H

#include "address_space.h"

#ifdef __cplusplus
extern "C" {
#endif

#define XBAR_QTEST_MAX_BYTES (UINT64_C(1) << 24)

/** Who is asked, and who hears. In the caller's storage. */
struct xbar_qtest {
    AddressSpace *memory;
    AddressSpace *ports; /* of in and out; NULL: there are none */
    MemTxAttrs attrs;
    /* The answer: @length bytes without a newline, and a zero behind them; good
     * until the return. */
    void (*answer)(void *opaque, const char *text, size_t length);
    void *opaque;
};

/**
 * xbar_qtest_line() - do what a line says, and answer it
 * @line: ends at a newline (or carriage return), or at its zero
 *
 * Calls answer once. Context: as address_space_rw(). Return: 0 for OK; -EINVAL
 * for a line that says nothing, which did nothing; -EIO for an access that went
 * wrong; -ENOMEM, which did nothing. FAIL was answered then.
 */
XBAR_API int xbar_qtest_line(const struct xbar_qtest *qtest, const char *line);

#ifdef __cplusplus
}
#endif

#endif
