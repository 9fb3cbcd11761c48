/* SPDX-License-Identifier: MIT */
#include "tests/guest/insn_batch.h"

#include <stdlib.h>

#include "tests/guest/require.h"

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    require(memory != NULL);
    return memory;
}

void insn_batch_open(struct insn_batch *batch, size_t count)
{
    *batch = (struct insn_batch){
        .count = count,
        .sequences = allocate(count, sizeof(*batch->sequences)),
        .cases = allocate(count, sizeof(*batch->cases)),
        .code = allocate(1, GUEST_CODE_SIZE),
    };
}

void insn_batch_close(struct insn_batch *batch)
{
    free(batch->sequences);
    free(batch->cases);
    free(batch->code);
}

/* They follow at odd multiples of two as well, so that instructions cross
 * pages. */
void insn_batch_lay_out(struct insn_batch *batch)
{
    size_t end = batch->first_offset;

    for (size_t i = 0; i < batch->count; i++) {
        const struct insn_sequence *s = &batch->sequences[i];
        bool again = i > 0 && s->seed == s[-1].seed;
        size_t at = again ? end - insn_size(s) : end;

        end = at + insn_size(s);
        require(end <= GUEST_CODE_SIZE);
        insn_write(s, batch->code + at);
        batch->cases[i] = (struct insn_case){
            .state = s->state,
            .start = GUEST_CODE + at,
            .end = GUEST_CODE + at + s->slots[s->count - 1].offset,
            .data_seed = s->data_seed,
        };
    }
    batch->code_size = end;
}
