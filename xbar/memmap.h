/* SPDX-License-Identifier: MIT */
/*
 * Where everything lies: a subset of QEMU's RISC-V "virt" machine, with its
 * addresses and interrupt numbers, so that firmware built for it runs.
 *
 *   0x0000_1000  boot ROM       60 KiB   the hart starts here
 *   0x0010_0000  test finisher   4 KiB
 *   0x0010_1000  Goldfish RTC    4 KiB   source 11
 *   0x0200_0000  ACLINT         64 KiB
 *   0x0c00_0000  PLIC            6 MiB
 *   0x1000_0000  16550 UART    8 bytes   source 10
 *   0x1000_1000  virtio-mmio  8 slots   sources 1 to 8; 4 KiB apart
 *   0x8000_0000  RAM, up to where --memory ends
 *
 * In RAM, as QEMU lays it out:
 *
 *   0x8000_0000  --bios                  (OpenSBI moves the DTB to 0x8220_0000)
 *   0x8020_0000  --kernel
 *   0x8820_0000  --initrd, or half of RAM above the kernel's address
 *   ...          the DTB, 2 MiB-aligned, below the end of RAM and below 3 GiB
 */
#ifndef XBAR_MEMMAP_H
#define XBAR_MEMMAP_H

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

#define BOOT_ROM_BASE UINT64_C(0x00001000)
#define BOOT_ROM_SIZE UINT64_C(0xf000)
#define FINISHER_BASE UINT64_C(0x00100000)
#define FINISHER_SIZE UINT64_C(0x1000)
#define RTC_BASE      UINT64_C(0x00101000)
#define RTC_SIZE      UINT64_C(0x1000)
#define ACLINT_BASE   UINT64_C(0x02000000)
#define ACLINT_SIZE   UINT64_C(0x10000)
#define PLIC_BASE     UINT64_C(0x0c000000)
#define PLIC_SIZE     UINT64_C(0x600000)
#define UART_BASE     UINT64_C(0x10000000)
#define UART_SIZE     UINT64_C(8)     /* what decodes */
#define UART_DT_SIZE  UINT64_C(0x100) /* what the device tree reserves */
#define VIRTIO_BASE   UINT64_C(0x10001000)
#define VIRTIO_STRIDE UINT64_C(0x1000) /* what the device tree says, too */
#define RAM_BASE      UINT64_C(0x80000000)

/* A guest-physical address has 56 bits in Sv39. */
#define RAM_MAX ((UINT64_C(1) << 56) - RAM_BASE)

#define KERNEL_BASE   (RAM_BASE + 2 * MIB)
#define INITRD_OFFSET (128 * MIB) /* from the kernel, at most */
#define DTB_ALIGN     (2 * MIB)
#define DTB_BELOW     (3 * GIB)

#define VIRTIO_IRQ 1 /* of the first slot */
#define UART_IRQ   10
#define RTC_IRQ    11

#define TIMEBASE_HZ UINT64_C(10000000)

/* Bytes of a cache block, for cbo instructions: the hart's. */
#define CACHE_BLOCK_SIZE 64

#endif
