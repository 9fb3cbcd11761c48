/* SPDX-License-Identifier: MIT */
#include "demo_image.h"

const uint8_t demo_image[] = {
#include "demo/demo_image.inc"
};
const size_t demo_image_size = sizeof(demo_image);
