/* SPDX-License-Identifier: MIT */
/* What runs on the board: firmware, kernel, initrd, and the device tree. */
#ifndef XBAR_GUEST_H
#define XBAR_GUEST_H

#include <xbar/xbar.h>

#include "board.h"
#include "image.h"
#include "options.h"

struct guest {
    const char *title; /* for reports */
    uint64_t ram_size;
    struct image bios;
    struct image kernel;
    struct image initrd;
    void *dtb; /* owned */
    size_t dtb_size;
    hwaddr dtb_addr;
};

/*
 * guest_open() - read the files that @options name, and find each its place
 *
 * Without --bios: the embedded demo. Nothing overlaps and all lies in RAM
 * afterwards. Return: 0; -errno with @errp naming file and reason.
 */
int guest_open(struct guest *guest, const struct options *options, Error **errp)
    XBAR_MUST_CHECK;
void guest_close(struct guest *guest);

/*
 * guest_write() - put it into RAM and point the boot ROM at it
 *
 * Return: 0; -errno with @errp set if a file cannot be read any more.
 */
int guest_write(const struct guest *guest, struct board *board, Error **errp)
    XBAR_MUST_CHECK;

#endif
