/* SPDX-License-Identifier: MIT */
#include "guest.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "demo/demo_image.h"
#include "device_tree.h"
#include "memmap.h"

#define PAGE_SIZE UINT64_C(4096)

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* As QEMU does: out of the kernel's way, but inside a small RAM. */
static hwaddr initrd_base(uint64_t ram_size)
{
    return KERNEL_BASE + min_u64(ram_size / 2 & -PAGE_SIZE, INITRD_OFFSET);
}

static int open_bios(struct guest *guest, const struct options *options,
                     Error **errp)
{
    if (options->bios) {
        return image_open(&guest->bios, options->bios, RAM_BASE,
                          guest->ram_size, errp);
    }
    guest->title = "the built-in demo";
    return image_from_memory(&guest->bios, guest->title, demo_image,
                             demo_image_size, RAM_BASE, guest->ram_size, errp);
}

static int open_images(struct guest *guest, const struct options *options,
                       Error **errp)
{
    uint64_t ram_size = guest->ram_size;
    int ret = open_bios(guest, options, errp);

    if (ret == 0 && options->kernel) {
        ret = image_open(&guest->kernel, options->kernel, KERNEL_BASE, ram_size,
                         errp);
    }
    if (ret == 0 && options->initrd) {
        ret = image_open_raw(&guest->initrd, options->initrd,
                             initrd_base(ram_size), ram_size, errp);
    }
    if (ret == 0) {
        ret = image_check_disjoint(&guest->bios, &guest->kernel, errp);
    }
    if (ret == 0) {
        ret = image_check_disjoint(&guest->bios, &guest->initrd, errp);
    }
    if (ret == 0) {
        ret = image_check_disjoint(&guest->kernel, &guest->initrd, errp);
    }
    return ret;
}

static int make_tree(struct guest *guest, const struct options *options,
                     Error **errp)
{
    struct device_tree_values values = {
        .ram_size = guest->ram_size,
        .bootargs = options->append,
    };

    if (guest->initrd.num_segments) {
        const struct image_segment *initrd = &guest->initrd.segments[0];

        values.initrd_first = initrd->addr;
        values.initrd_end = initrd->addr + initrd->size;
    }
    if (options->dtb) {
        return device_tree_adopt(options->dtb, &values, &guest->dtb,
                                 &guest->dtb_size, errp);
    }
    return device_tree_make(&values, &guest->dtb, &guest->dtb_size, errp);
}

static bool is_free(const struct guest *guest, hwaddr addr)
{
    uint64_t size = guest->dtb_size;

    return addr >= RAM_BASE && !image_overlaps(&guest->bios, addr, size) &&
           !image_overlaps(&guest->kernel, addr, size) &&
           !image_overlaps(&guest->initrd, addr, size);
}

/*
 * As QEMU does: 2 MiB-aligned below the end of RAM, and below 3 GiB for
 * firmware that keeps 32-bit addresses. That wastes up to 2 MiB, so in a RAM
 * so small that something is in the way, a page is enough.
 */
static int place_tree(struct guest *guest, Error **errp)
{
    hwaddr top = min_u64(RAM_BASE + guest->ram_size, DTB_BELOW);

    if (guest->dtb_size <= guest->ram_size) {
        guest->dtb_addr = (top - guest->dtb_size) & -DTB_ALIGN;
        if (is_free(guest, guest->dtb_addr)) {
            return 0;
        }
        guest->dtb_addr = (top - guest->dtb_size) & -PAGE_SIZE;
        if (is_free(guest, guest->dtb_addr)) {
            return 0;
        }
    }
    error_setg(errp, "%s: leaves no room for the device tree in RAM",
               guest->bios.name);
    return -EINVAL;
}

int guest_open(struct guest *guest, const struct options *options, Error **errp)
{
    int ret;

    memset(guest, 0, sizeof(*guest));
    guest->title = options->bios;
    guest->ram_size = options->memory;
    ret = open_images(guest, options, errp);
    if (ret == 0) {
        ret = make_tree(guest, options, errp);
    }
    if (ret == 0) {
        ret = place_tree(guest, errp);
    }
    if (ret) {
        guest_close(guest);
    }
    return ret;
}

void guest_close(struct guest *guest)
{
    image_close(&guest->bios);
    image_close(&guest->kernel);
    image_close(&guest->initrd);
    free(guest->dtb);
    guest->dtb = NULL;
}

int guest_write(const struct guest *guest, struct board *board, Error **errp)
{
    const struct image *const images[] = { &guest->bios, &guest->kernel,
                                           &guest->initrd };
    MemTxResult result;
    int ret = 0;

    for (unsigned i = 0; ret == 0 && i < 3; i++) {
        ret = image_write(images[i], &board->memory, errp);
    }
    if (ret) {
        return ret;
    }
    result = address_space_write(&board->memory, guest->dtb_addr,
                                 MEMTXATTRS_UNSPECIFIED, guest->dtb,
                                 guest->dtb_size);
    assert(result == MEMTX_OK); /* it lies in RAM, or open failed */
    (void)result;
    board_set_boot(board, guest->bios.entry, guest->dtb_addr);
    return 0;
}
