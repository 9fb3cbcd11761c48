/* SPDX-License-Identifier: MIT */
#include "functions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Gathering --------------------------------------------------------- */

static bool append(struct functions *functions, const struct function *function)
{
    if (functions->count == functions->capacity) {
        size_t capacity = functions->capacity ? 2 * functions->capacity : 256;
        struct function_count *items =
            realloc(functions->items, capacity * sizeof(*items));

        if (!items) {
            return false;
        }
        functions->items = items;
        functions->capacity = capacity;
    }
    functions->items[functions->count++] =
        (struct function_count){ .function = *function };
    return true;
}

/* Neighbours are mostly of one function: those are not appended again. */
static bool append_at(struct functions *functions,
                      const struct symbols *symbols, const struct code *code,
                      uint64_t pc)
{
    struct function function;

    symbols_find(symbols, code, pc, &function);
    if (functions->count &&
        functions->items[functions->count - 1].function.start ==
            function.start) {
        return true;
    }
    return append(functions, &function);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = ((const struct function_count *)a)->function.start;
    uint64_t y = ((const struct function_count *)b)->function.start;

    return (x > y) - (x < y);
}

static void sort_and_merge(struct functions *functions)
{
    size_t count = 0;

    if (functions->count) {
        qsort(functions->items, functions->count, sizeof(*functions->items),
              compare);
    }
    for (size_t i = 0; i < functions->count; i++) {
        if (!count ||
            compare(&functions->items[count - 1], &functions->items[i]) != 0) {
            functions->items[count++] = functions->items[i];
        }
    }
    functions->count = count;
}

/* Where a call was made, for all but the innermost. */
static uint64_t call_site(const struct chain *chain, unsigned i)
{
    return i ? chain->pcs[i] - 1 : chain->pcs[i];
}

static bool gather(struct functions *functions, const struct symbols *symbols,
                   const struct code *code, const struct samples *samples)
{
    bool ok = true;

    for (size_t i = 0; ok && i < code->count; i++) {
        ok = append_at(functions, symbols, code, code->insns[i].pc);
    }
    for (size_t i = 0; ok && i < samples->num_chains; i++) {
        const struct chain *chain = &samples->chains[i];

        for (unsigned k = 0; ok && k < chain->depth; k++) {
            ok = append_at(functions, symbols, code, call_site(chain, k));
        }
    }
    sort_and_merge(functions);
    return ok;
}

/* ---- Counting ---------------------------------------------------------- */

uint32_t functions_place(const struct functions *functions,
                         const struct symbols *symbols, const struct code *code,
                         uint64_t pc)
{
    struct function_count key = { .instructions = 0 };
    const struct function_count *found;

    symbols_find(symbols, code, pc, &key.function);
    found = functions->count ? bsearch(&key, functions->items, functions->count,
                                       sizeof(*functions->items), compare)
                             : NULL;
    return found ? (uint32_t)(found - functions->items) : 0;
}

unsigned functions_of_chain(const struct functions *functions,
                            const struct symbols *symbols,
                            const struct code *code, const struct chain *chain,
                            uint32_t places[SAMPLES_DEPTH])
{
    for (unsigned i = 0; i < chain->depth; i++) {
        places[i] = functions_place(functions, symbols, code,
                                    call_site(chain, chain->depth - 1 - i));
    }
    return chain->depth;
}

static void count_code(struct functions *functions,
                       const struct symbols *symbols, const struct code *code)
{
    for (size_t i = 0; i < code->count; i++) {
        uint32_t place =
            functions_place(functions, symbols, code, code->insns[i].pc);

        functions->items[place].instructions += code->insns[i].count;
    }
}

static bool is_among(const uint32_t *places, unsigned count, uint32_t place)
{
    for (unsigned i = 0; i < count; i++) {
        if (places[i] == place) {
            return true;
        }
    }
    return false;
}

/* One that calls itself is in its chain once. */
static void count_chain(struct functions *functions,
                        const struct symbols *symbols, const struct code *code,
                        const struct chain *chain)
{
    uint32_t places[SAMPLES_DEPTH];
    unsigned depth =
        functions_of_chain(functions, symbols, code, chain, places);

    for (unsigned i = 0; i < depth; i++) {
        if (!is_among(places, i, places[i])) {
            functions->items[places[i]].total += chain->count;
        }
    }
    functions->items[places[depth - 1]].self += chain->count;
}

static int compare_heat(const void *a, const void *b, void *opaque)
{
    const struct functions *functions = opaque;
    const struct function_count *x = &functions->items[*(const uint32_t *)a];
    const struct function_count *y = &functions->items[*(const uint32_t *)b];

    if (x->instructions != y->instructions) {
        return x->instructions < y->instructions ? 1 : -1;
    }
    if (x->self != y->self) {
        return x->self < y->self ? 1 : -1;
    }
    return (x > y) - (x < y);
}

int functions_make(struct functions *functions, const struct symbols *symbols,
                   const struct code *code, const struct samples *samples,
                   Error **errp)
{
    if (gather(functions, symbols, code, samples)) {
        functions->by_heat =
            calloc(functions->count + 1, sizeof(*functions->by_heat));
    }
    if (!functions->by_heat) {
        error_setg(errp, "no memory for the guest's functions");
        return -ENOMEM;
    }
    count_code(functions, symbols, code);
    for (size_t i = 0; i < samples->num_chains; i++) {
        count_chain(functions, symbols, code, &samples->chains[i]);
    }
    for (size_t i = 0; i < functions->count; i++) {
        functions->by_heat[i] = (uint32_t)i;
    }
    qsort_r(functions->by_heat, functions->count, sizeof(*functions->by_heat),
            compare_heat, functions);
    return 0;
}

void functions_end(struct functions *functions)
{
    free(functions->items);
    free(functions->by_heat);
    memset(functions, 0, sizeof(*functions));
}
