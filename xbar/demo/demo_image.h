/* SPDX-License-Identifier: MIT */
/* The embedded demo guest: an ELF file, built from this folder's sources. */
#ifndef XBAR_DEMO_IMAGE_H
#define XBAR_DEMO_IMAGE_H

#include <stddef.h>
#include <stdint.h>

extern const uint8_t demo_image[];
extern const size_t demo_image_size;

#endif
