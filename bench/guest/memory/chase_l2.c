/* SPDX-License-Identifier: MIT */
/* A ring of pointers in random order through 256 KiB, a cache line each. */
#include "guest.h"

#define NODES 4096
#define STEPS 16384

struct node {
    struct node *next;
    uint64_t index;
    uint64_t rest[6];
};

static struct node nodes[NODES] __attribute__((aligned(64)));
static uint32_t order[NODES];

void guest_prepare(void)
{
    uint64_t seed = 15;

    for (uint32_t i = 0; i < NODES; i++) {
        order[i] = i;
        nodes[i].index = i;
    }
    for (uint32_t i = NODES - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(next_random(&seed) % i);
        uint32_t swap = order[i];

        order[i] = order[j];
        order[j] = swap;
    }
    for (uint32_t i = 0; i < NODES; i++) {
        nodes[order[i]].next = &nodes[order[(i + 1) % NODES]];
    }
}

uint64_t guest_round(void)
{
    const struct node *at = &nodes[order[5]];

    for (int i = 0; i < STEPS; i += 4) {
        at = at->next->next->next->next;
    }
    at = at->next;
    return at->index;
}
