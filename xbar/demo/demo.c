/* SPDX-License-Identifier: MIT */
/*
 * The guest that `xbar profile` runs when none is named: it computes, walks
 * memory in four patterns, draws with floating point, and takes interrupts
 * meanwhile. Each part checks its own result; the exit status names the first
 * part that was wrong.
 */
#include "board.h"

#define POOL_WORDS (512 * 1024) /* 4 MiB */
#define CHASE_STEP 40503        /* odd: every slot is reached once */
#define PAGE_WORDS 512

static uint64_t pool[POOL_WORDS];
static uint8_t is_composite[1 << 20];

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* ---- Integers ---------------------------------------------------------- */

static uint64_t count_primes(void)
{
    const uint64_t limit = sizeof(is_composite);
    uint64_t found = 0;

    for (uint64_t n = 2; n < limit; n++) {
        if (is_composite[n]) {
            continue;
        }
        found++;
        for (uint64_t m = n * n; m < limit; m += n) {
            is_composite[m] = 1;
        }
    }
    return found;
}

/* The longest Collatz run of a start below 60,000. */
static uint64_t longest_collatz(void)
{
    uint64_t best = 0;

    for (uint64_t start = 1; start < 60000; start++) {
        uint64_t steps = 0;

        for (uint64_t n = start; n != 1; steps++) {
            n = n & 1 ? 3 * n + 1 : n / 2;
        }
        best = steps > best ? steps : best;
    }
    return best;
}

/* ---- Memory ------------------------------------------------------------ */

static uint64_t walk_sequential(void)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < POOL_WORDS; i++) {
        pool[i] = i;
    }
    for (unsigned pass = 0; pass < 3; pass++) {
        for (uint64_t i = 0; i < POOL_WORDS; i++) {
            sum += pool[i];
        }
    }
    return sum;
}

/* One word of each page, then the next word of each. */
static uint64_t walk_strided(void)
{
    uint64_t sum = 0;

    for (uint64_t first = 0; first < PAGE_WORDS; first++) {
        for (uint64_t i = first; i < POOL_WORDS; i += PAGE_WORDS) {
            sum += pool[i];
        }
    }
    return sum;
}

static uint64_t walk_random(void)
{
    uint64_t state = 88172645463325252;
    uint64_t sum = 0;

    for (unsigned i = 0; i < 1000000; i++) {
        uint64_t slot = next_random(&state) % POOL_WORDS;

        pool[slot] ^= 1;
        sum += pool[slot];
    }
    return sum;
}

/* Each word holds the next slot; the round takes in all of them. */
static uint64_t walk_chain(void)
{
    uint64_t slot = 0;
    uint64_t steps = 0;

    for (uint64_t i = 0; i < POOL_WORDS; i++) {
        pool[i] = (i + CHASE_STEP) % POOL_WORDS;
    }
    do {
        slot = pool[slot];
        steps++;
    } while (slot);
    return steps;
}

/* ---- Floating point ---------------------------------------------------- */

static unsigned escape_time(double x, double y, unsigned limit)
{
    double re = 0;
    double im = 0;
    unsigned n = 0;

    while (n < limit && re * re + im * im < 4) {
        double next = re * re - im * im + x;

        im = 2 * re * im + y;
        re = next;
        n++;
    }
    return n;
}

/* The Mandelbrot set, 64 columns by 20 lines; returns the sum of its times. */
static uint64_t draw_mandelbrot(void)
{
    static const char shades[] = " .:-=+*%@#";
    const unsigned limit = 1000;
    uint64_t sum = 0;

    for (int row = 0; row < 20; row++) {
        char line[66];

        for (int column = 0; column < 64; column++) {
            unsigned n =
                escape_time(-2.1 + column * 0.045, -1.14 + row * 0.12, limit);

            sum += n;
            line[column] = n == limit ? '#' : shades[n < 9 ? n : 8];
        }
        line[64] = '\n';
        line[65] = '\0';
        print_text("    ");
        print_text(line);
        uart_ask_interrupt();
    }
    return sum;
}

static float sum_roots(void)
{
    float sum = 0;

    for (unsigned i = 1; i <= 400000; i++) {
        sum += 1.0f / __builtin_sqrtf((float)i);
    }
    return sum;
}

static uint64_t scaled_roots(void)
{
    return (uint64_t)(sum_roots() * 1000.0f);
}

/* ---- Parts ------------------------------------------------------------- */

static const struct part {
    const char *name;
    const char *what;
    uint64_t (*run)(void);
    uint64_t expected;
} parts[] = {
    { "integer    ", "primes below 2^20        ", count_primes, 82025 },
    { "           ", "longest Collatz run      ", longest_collatz, 339 },
    { "sequential ", "sum of 4 MiB, 3 times    ", walk_sequential,
      UINT64_C(412316073984) },
    { "strided    ", "the same, page by page   ", walk_strided,
      UINT64_C(137438691328) },
    { "random     ", "a million words changed  ", walk_random,
      UINT64_C(262089608781) },
    { "chased     ", "links of a chain         ", walk_chain, POOL_WORDS },
    { "float      ", "1000 * sum of 1/sqrt(n)  ", scaled_roots, 1263278 },
    { "double     ", "Mandelbrot iterations    ", draw_mandelbrot, 280928 },
};

#define NUM_PARTS (sizeof(parts) / sizeof(parts[0]))

static int run_part(const struct part *part)
{
    uint64_t start = board_ticks();
    uint64_t result = part->run();
    uint64_t ms = (board_ticks() - start) * 1000 / TICKS_PER_SECOND;

    print_text("  ");
    print_text(part->name);
    print_text(part->what);
    print_number(result, 14);
    print_number(ms, 7);
    print_text(" ms");
    if (result != part->expected) {
        print_text("  WRONG, not ");
        print_number(part->expected, 0);
    }
    print_text("\n");
    return result != part->expected;
}

int main(void)
{
    unsigned failed = 0;

    print_text("xbar demo: a bare-metal RV64GC guest\n");
    board_start();
    for (unsigned i = 0; i < NUM_PARTS; i++) {
        if (run_part(&parts[i]) && !failed) {
            failed = i + 1;
        }
    }
    board_stop();
    print_text("  interrupts taken: timer ");
    print_number(timer_interrupts, 0);
    print_text(", UART through the PLIC ");
    print_number(uart_interrupts, 0);
    print_text(failed ? "\nxbar demo: FAILED\n" : "\nxbar demo: all right\n");
    board_finish(failed);
}
