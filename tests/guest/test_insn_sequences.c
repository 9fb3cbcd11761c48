/* SPDX-License-Identifier: MIT */
/*
 * Random user-mode instruction sequences on our interpreter and under
 * qemu-riscv64: registers, fcsr, memory and faults must be equal afterwards.
 *
 * 100 000 sequences, or two million with XBAR_LONG=1, from fixed seeds.
 * XBAR_SEED=N runs just the batch of one; a failure prints a seed, and the
 * shortest form of the sequence that still fails. Every fourth sequence is run one
 * instruction at a time, which also counts what was executed: each row of the
 * decode table at least 1000 times.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jit/riscv/hart.h"
#include "tests/guest/insn_gen.h"
#include "tests/guest/insn_machine.h"
#include "tests/guest/insn_rows.h"
#include "tests/guest/oracle.h"

#define SEQUENCES      100000
#define SEQUENCES_LONG 2000000
#define BATCH          2000
#define STEP_EVERY     4
#define MIN_EXECUTED   1000
#define FIRST_SEED     1

/* Several sequences, as one run of the oracle takes them. */
struct batch {
    size_t count;
    size_t first_offset; /* of the first sequence from GUEST_CODE */
    size_t code_size;
    struct insn_sequence *sequences;
    struct insn_case *cases;
    struct insn_outcome *ours;
    struct insn_outcome *qemu;
    uint8_t *input; /* header, code, cases */
};

static struct insn_machine *machine;
static uint64_t *executed; /* by row */

/* ---- Batches ----------------------------------------------------------- */

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    assert_non_null(memory);
    return memory;
}

static void open_batch(struct batch *batch, size_t count)
{
    batch->count = count;
    batch->first_offset = 0;
    batch->sequences = allocate(count, sizeof(*batch->sequences));
    batch->cases = allocate(count, sizeof(*batch->cases));
    batch->ours = allocate(count, sizeof(*batch->ours));
    batch->qemu = allocate(count, sizeof(*batch->qemu));
    batch->input = allocate(1, sizeof(struct insn_header) + GUEST_CODE_SIZE +
                                   count * sizeof(*batch->cases));
}

static void close_batch(struct batch *batch)
{
    free(batch->sequences);
    free(batch->cases);
    free(batch->ours);
    free(batch->qemu);
    free(batch->input);
}

/* Code goes one after the other, at odd multiples of two as well, so that
 * instructions cross pages. */
static void lay_out(struct batch *batch)
{
    uint8_t *code = batch->input + sizeof(struct insn_header);
    size_t at = batch->first_offset;

    for (size_t i = 0; i < batch->count; i++) {
        const struct insn_sequence *s = &batch->sequences[i];

        assert_true(at + insn_size(s) <= GUEST_CODE_SIZE);
        insn_write(s, code + at);
        batch->cases[i] = (struct insn_case){
            .state = s->state,
            .start = GUEST_CODE + at,
            .end = GUEST_CODE + at + s->slots[s->count - 1].offset,
            .data_seed = s->data_seed,
        };
        at += insn_size(s);
    }
    batch->code_size = at;
}

static int ask_oracle(struct batch *batch)
{
    const struct insn_header header = { batch->code_size, batch->count };
    size_t cases_size = batch->count * sizeof(*batch->cases);

    memcpy(batch->input, &header, sizeof(header));
    memcpy(batch->input + sizeof(header) + batch->code_size, batch->cases,
           cases_size);
    return oracle_run(XBAR_RV_PROGRAM, batch->input,
                      sizeof(header) + batch->code_size + cases_size,
                      batch->qemu, batch->count * sizeof(*batch->qemu));
}

static void run_ours(struct batch *batch)
{
    insn_machine_load(machine, batch->input + sizeof(struct insn_header),
                      batch->code_size);
    for (size_t i = 0; i < batch->count; i++) {
        bool step = batch->sequences[i].seed % STEP_EVERY == 0;

        if (insn_machine_run(machine, &batch->cases[i], &batch->ours[i],
                             step ? executed : NULL) != 0) {
            print_message("seed %llu does not end here\n",
                          (unsigned long long)batch->sequences[i].seed);
        }
    }
}

/* The number of sequences that differ; -1: the oracle failed. */
static int run_batch(struct batch *batch)
{
    int differences = 0;

    lay_out(batch);
    if (ask_oracle(batch) != 0) {
        return -1;
    }
    run_ours(batch);
    for (size_t i = 0; i < batch->count; i++) {
        differences += memcmp(&batch->ours[i], &batch->qemu[i],
                              sizeof(batch->ours[i])) != 0;
    }
    return differences;
}

/* ---- Reporting --------------------------------------------------------- */

static void report_value(const char *name, unsigned index, uint64_t before,
                         uint64_t ours, uint64_t qemu)
{
    if (ours != qemu) {
        print_message("  %s%u: %016llx, qemu %016llx, was %016llx\n", name,
                      index, (unsigned long long)ours, (unsigned long long)qemu,
                      (unsigned long long)before);
    }
}

static void report_faults(const char *who, const struct insn_outcome *out)
{
    print_message("  %s: %llu faults\n", who,
                  (unsigned long long)out->fault_count);
    for (size_t i = 0; i < out->fault_count && i < INSN_MAX_FAULTS; i++) {
        print_message("    signal %llu pc %llx address %llx\n",
                      (unsigned long long)out->faults[i].signal,
                      (unsigned long long)out->faults[i].pc,
                      (unsigned long long)out->faults[i].address);
    }
}

static void report_outcomes(const struct insn_state *before,
                            const struct insn_outcome *ours,
                            const struct insn_outcome *qemu)
{
    for (unsigned i = 0; i < 32; i++) {
        report_value("x", i, before->x[i], ours->state.x[i], qemu->state.x[i]);
        report_value("f", i, before->f[i], ours->state.f[i], qemu->state.f[i]);
    }
    report_value("fcsr", 0, before->fcsr, ours->state.fcsr, qemu->state.fcsr);
    report_value("memory", 0, 0, ours->memory, qemu->memory);
    if (ours->fault_digest != qemu->fault_digest) {
        report_faults("xbar", ours);
        report_faults("qemu", qemu);
    }
}

static void report_registers(const struct insn_state *state)
{
    for (unsigned i = 0; i < 32; i++) {
        print_message("  x%-2u %016llx  f%-2u %016llx\n", i,
                      (unsigned long long)state->x[i], i,
                      (unsigned long long)state->f[i]);
    }
    print_message("  fcsr %llx\n", (unsigned long long)state->fcsr);
}

static void report_code(const struct insn_sequence *s, uint64_t start)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct insn_slot *slot = &s->slots[i];
        char text[64];

        if (slot->is_erased) {
            continue;
        }
        xbar_riscv_print(text, sizeof(text), start + slot->offset, slot->bits);
        print_message("  %llx: %0*x  %s\n",
                      (unsigned long long)start + slot->offset,
                      2 * slot->length, slot->bits, text);
    }
}

static void report(const struct batch *batch, size_t index)
{
    const struct insn_sequence *s = &batch->sequences[index];

    print_message("seed %llu, data seed %llx\n", (unsigned long long)s->seed,
                  (unsigned long long)s->data_seed);
    report_registers(&s->state);
    report_code(s, batch->cases[index].start);
    report_outcomes(&s->state, &batch->ours[index], &batch->qemu[index]);
}

/* ---- Minimising -------------------------------------------------------- */

static size_t erase_unit(struct insn_sequence *s, size_t first)
{
    size_t slot = first;

    do {
        insn_erase(s, slot++);
    } while (slot < s->count - 1 && !s->slots[slot].is_unit);
    return slot;
}

/*
 * Make units of a sequence nops, one after the other, as long as the two still
 * differ, and report what is left. The sequence stays where it was: crossing a
 * page may be what makes it fail. False: alone it does not fail.
 */
static bool report_minimised(const struct insn_sequence *failing,
                             uint64_t start)
{
    struct batch batch;
    bool fails;

    open_batch(&batch, 1);
    batch.first_offset = start - GUEST_CODE;
    batch.sequences[0] = *failing;
    for (size_t slot = 0; slot < failing->count - 1;) {
        struct insn_sequence before = batch.sequences[0];

        slot = erase_unit(&batch.sequences[0], slot);
        if (run_batch(&batch) <= 0) {
            batch.sequences[0] = before;
        }
    }
    fails = run_batch(&batch) > 0;
    if (fails) {
        report(&batch, 0);
    }
    close_batch(&batch);
    return fails;
}

static void report_first(const struct batch *batch)
{
    size_t i = 0;

    while (memcmp(&batch->ours[i], &batch->qemu[i], sizeof(batch->ours[i])) ==
           0) {
        i++;
    }
    if (!report_minimised(&batch->sequences[i], batch->cases[i].start)) {
        print_message("fails among others only:\n");
        report(batch, i);
    }
}

/* ---- Tests ------------------------------------------------------------- */

static void skip_without_oracle(void)
{
    const char *missing = oracle_missing(XBAR_RV_PROGRAM);

    if (missing) {
        print_message("%s\n", missing);
        skip();
    }
}

static void run_seeds(uint64_t first, size_t count)
{
    struct batch batch;
    int differences;

    open_batch(&batch, count);
    for (size_t i = 0; i < count; i++) {
        insn_generate(&batch.sequences[i], first + i);
    }
    differences = run_batch(&batch);
    if (differences > 0) {
        print_message("%d of the sequences from seed %llu differ\n",
                      differences, (unsigned long long)first);
        report_first(&batch);
    }
    close_batch(&batch);
    assert_int_equal(differences, 0);
}

/* Where a sequence lies depends on those before it, so they run with it. */
static uint64_t batch_of(uint64_t seed)
{
    return seed - (seed - FIRST_SEED) % BATCH;
}

static void test_sequences(void **state)
{
    const char *only = getenv("XBAR_SEED");
    size_t total = getenv("XBAR_LONG") ? SEQUENCES_LONG : SEQUENCES;

    (void)state;
    skip_without_oracle();
    if (only) {
        run_seeds(batch_of(strtoull(only, NULL, 0)), BATCH);
        return;
    }
    print_message("%zu sequences, seeds %u and up\n", total, FIRST_SEED);
    for (size_t done = 0; done < total; done += BATCH) {
        run_seeds(FIRST_SEED + done, BATCH);
    }
}

/* After test_sequences: has every row been run often enough? */
static void test_coverage(void **state)
{
    size_t rarest = 0;

    (void)state;
    skip_without_oracle();
    if (getenv("XBAR_SEED")) {
        skip();
    }
    for (size_t row = 0; row < insn_row_count; row++) {
        if (executed[row] < executed[rarest]) {
            rarest = row;
        }
    }
    print_message("%zu rows, the rarest is %s: %llu times\n", insn_row_count,
                  insn_row(rarest).name, (unsigned long long)executed[rarest]);
    assert_true(executed[rarest] >= MIN_EXECUTED);
}

static int set_up(void **state)
{
    (void)state;
    machine = insn_machine_new();
    executed = allocate(insn_row_count, sizeof(*executed));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    insn_machine_free(machine);
    free(executed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_coverage),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
