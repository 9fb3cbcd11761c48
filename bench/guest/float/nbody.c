/* SPDX-License-Identifier: MIT */
/* Five bodies under gravity for 100 steps, in double precision. */
#include "guest.h"

#define BODIES 5
#define STEPS  100

struct body {
    double at[3];
    double speed[3];
    double mass;
};

static struct body bodies[BODIES];

static const struct body first[BODIES] = {
    { { 0, 0, 0 }, { 0, 0, 0 }, 40.0 },
    { { 4.5, -1.25, -0.125 }, { 0.625, 2.75, -0.03 }, 0.0375 },
    { { 8.25, 4.125, -0.375 }, { -1.0, 1.8, 0.0078125 }, 0.01125 },
    { { 12.875, -15.0, -0.25 }, { 1.08, 0.86, -0.01 }, 0.0017 },
    { { 15.25, -26.0, 0.1875 }, { 0.97, 0.59, -0.035 }, 0.002 },
};

static void attract(struct body *a, struct body *b, double time)
{
    double d[3];
    double square = 0;
    double force;

    for (int i = 0; i < 3; i++) {
        d[i] = a->at[i] - b->at[i];
        square += d[i] * d[i];
    }
    force = time / (square * __builtin_sqrt(square));
    for (int i = 0; i < 3; i++) {
        a->speed[i] -= d[i] * b->mass * force;
        b->speed[i] += d[i] * a->mass * force;
    }
}

static void step(double time)
{
    for (int i = 0; i < BODIES; i++) {
        for (int j = i + 1; j < BODIES; j++) {
            attract(&bodies[i], &bodies[j], time);
        }
    }
    for (int i = 0; i < BODIES; i++) {
        for (int j = 0; j < 3; j++) {
            bodies[i].at[j] += time * bodies[i].speed[j];
        }
    }
}

uint64_t guest_round(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < BODIES; i++) {
        bodies[i] = first[i];
    }
    for (int i = 0; i < STEPS; i++) {
        step(0.0078125);
    }
    for (int i = 0; i < BODIES; i++) {
        union {
            double value;
            uint64_t bits;
        } x = { bodies[i].at[0] };

        sum = fold(sum, x.bits);
    }
    return sum;
}
