/* SPDX-License-Identifier: MIT */
#include "tests/guest/insn_diff.h"

#include <stdlib.h>
#include <string.h>

#include "tests/guest/insn_report.h"
#include "tests/guest/oracle.h"
#include "tests/guest/require.h"

/* ---- One side ---------------------------------------------------------- */

static int run_oracle(const struct insn_side *side,
                      const struct insn_batch *batch,
                      struct insn_result *results)
{
    const struct insn_header header = { batch->code_size, batch->count };
    size_t cases_size = batch->count * sizeof(*batch->cases);
    size_t in_size = sizeof(header) + batch->code_size + cases_size;
    struct insn_outcome *out = calloc(batch->count, sizeof(*out));
    uint8_t *in = malloc(in_size);
    int err;

    require(in != NULL && out != NULL);
    memcpy(in, &header, sizeof(header));
    memcpy(in + sizeof(header), batch->code, batch->code_size);
    memcpy(in + sizeof(header) + batch->code_size, batch->cases, cases_size);
    err = oracle_run(side->program, in, in_size, out,
                     batch->count * sizeof(*out));
    for (size_t i = 0; i < batch->count; i++) {
        results[i] = (struct insn_result){ .outcome = out[i] };
    }
    free(in);
    free(out);
    return err;
}

/* Most sequences run to their traps at once; the others pause all the time,
 * in the middle of blocks and loops. */
static struct insn_pace pace_of(const struct insn_side *side, uint64_t seed)
{
    static const uint8_t pauses[] = { 1, 2, 3, 5, 7, 11, 17, 31 };
    struct insn_pace pace = { .pause = 0 };

    if (seed % 8 == 3) {
        pace.pause = pauses[seed / 8 % sizeof(pauses)];
    }
    if (side->executed && seed % side->count_every == 0) {
        pace.executed = side->executed;
    }
    return pace;
}

static int run_side(const struct insn_side *side,
                    const struct insn_batch *batch, struct insn_result *results)
{
    if (side->machine == NULL) {
        return run_oracle(side, batch, results);
    }
    insn_machine_load(side->machine, batch->code, batch->code_size);
    for (size_t i = 0; i < batch->count; i++) {
        insn_machine_run(side->machine, &batch->cases[i],
                         pace_of(side, batch->sequences[i].seed), &results[i]);
    }
    return 0;
}

/* ---- All sides --------------------------------------------------------- */

static bool is_equal(struct insn_sides sides, size_t side,
                     const struct insn_result *a, const struct insn_result *b)
{
    bool traced = sides.sides[0].machine && sides.sides[side].machine;

    return memcmp(&a->outcome, &b->outcome, sizeof(a->outcome)) == 0 &&
           (!traced || memcmp(&a->trace, &b->trace, sizeof(a->trace)) == 0) &&
           (sides.may_not_end || (!a->trace.failed && !b->trace.failed));
}

/* What all sides came to: count results of each, one side after the other. */
struct verdict {
    struct insn_result *results;
    int differences;
    size_t first; /* sequence that differs, and on which side */
    size_t side;
};

static int run_sides(struct insn_sides sides, struct insn_batch *batch,
                     struct verdict *verdict)
{
    struct insn_result *results = verdict->results;

    verdict->differences = 0;
    insn_batch_lay_out(batch);
    for (size_t side = 0; side < sides.count; side++) {
        struct insn_result *these = &results[side * batch->count];

        if (run_side(&sides.sides[side], batch, these) != 0) {
            return -1;
        }
        for (size_t i = 0; side > 0 && i < batch->count; i++) {
            if (is_equal(sides, side, &results[i], &these[i])) {
                continue;
            }
            if (verdict->differences++ == 0) {
                verdict->first = i;
                verdict->side = side;
            }
        }
    }
    return 0;
}

static struct insn_result *new_results(struct insn_sides sides,
                                       const struct insn_batch *batch)
{
    struct insn_result *results =
        calloc(sides.count * batch->count, sizeof(*results));

    require(results != NULL);
    return results;
}

/* ---- Reporting and minimising ------------------------------------------ */

static void report(struct insn_sides sides, const struct insn_batch *batch,
                   const struct verdict *verdict)
{
    const struct insn_result *reference = &verdict->results[verdict->first];

    insn_report(&(struct insn_report){
        .sequence = &batch->sequences[verdict->first],
        .start = batch->cases[verdict->first].start,
        .names = { sides.sides[0].name, sides.sides[verdict->side].name },
        .results = { reference, reference + verdict->side * batch->count },
        .mismatch =
            sides.sides[verdict->side].machine
                ? insn_machine_mismatch(sides.sides[verdict->side].machine)
                : NULL,
    });
}

static size_t erase_unit(struct insn_sequence *s, size_t first)
{
    size_t slot = first;

    do {
        insn_erase(s, slot++);
    } while (slot < s->count - 1 && !s->slots[slot].is_unit);
    return slot;
}

/*
 * Make units of a sequence nops, one after the other, as long as the sides
 * still differ, and report what is left. The sequence stays where it was:
 * crossing a page may be what makes it fail. It runs a second time, after
 * itself, for its blocks are then chained. False: alone it does not fail.
 */
static bool report_minimised(struct insn_sides sides,
                             const struct insn_sequence *failing,
                             uint64_t start)
{
    struct insn_batch batch;
    struct verdict verdict;
    bool fails;

    insn_batch_open(&batch, 2);
    batch.first_offset = start - GUEST_CODE;
    batch.sequences[1] = *failing;
    verdict.results = new_results(sides, &batch);
    for (size_t slot = 0; slot < failing->count - 1;) {
        struct insn_sequence before = batch.sequences[1];

        slot = erase_unit(&batch.sequences[1], slot);
        batch.sequences[0] = batch.sequences[1];
        if (run_sides(sides, &batch, &verdict) != 0 ||
            verdict.differences == 0) {
            batch.sequences[1] = before;
        }
    }
    batch.sequences[0] = batch.sequences[1];
    fails = run_sides(sides, &batch, &verdict) == 0 && verdict.differences > 0;
    if (fails) {
        report(sides, &batch, &verdict);
    }
    free(verdict.results);
    insn_batch_close(&batch);
    return fails;
}

int insn_diff(struct insn_sides sides, struct insn_batch *batch)
{
    struct verdict verdict = { .results = new_results(sides, batch) };
    int err = run_sides(sides, batch, &verdict);

    if (err == 0 && verdict.differences > 0) {
        const struct insn_sequence *s = &batch->sequences[verdict.first];
        const struct insn_side these[] = { sides.sides[0],
                                           sides.sides[verdict.side] };

        insn_say("%d results differ in the batch of seed %llu\n",
                 verdict.differences,
                 (unsigned long long)batch->sequences[0].seed);
        if (!report_minimised(
                (struct insn_sides){ these, 2, sides.may_not_end }, s,
                batch->cases[verdict.first].start)) {
            insn_say("fails among others only:\n");
            report(sides, batch, &verdict);
        }
    }
    free(verdict.results);
    return err ? err : verdict.differences;
}
