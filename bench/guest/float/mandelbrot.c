/* SPDX-License-Identifier: MIT */
/* The Mandelbrot set at 32 x 24 points, 64 steps at most. */
#include "guest.h"

#define WIDTH  32
#define HEIGHT 24
#define STEPS  64

static unsigned escape(double x, double y)
{
    double re = 0, im = 0;
    unsigned i;

    for (i = 0; i < STEPS; i++) {
        double re2 = re * re, im2 = im * im;

        if (re2 + im2 > 4.0) {
            break;
        }
        im = 2.0 * re * im + y;
        re = re2 - im2 + x;
    }
    return i;
}

uint64_t guest_round(void)
{
    uint64_t sum = 0;

    for (int row = 0; row < HEIGHT; row++) {
        for (int column = 0; column < WIDTH; column++) {
            double x = -2.0 + column * (2.5 / WIDTH);
            double y = -1.25 + row * (2.5 / HEIGHT);

            sum = fold(sum, escape(x, y));
        }
    }
    return sum;
}
