/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void table_head(struct table *table, const char *title, unsigned count,
                const char *const *heads)
{
    table->title = title;
    table->num_columns = count;
    for (unsigned i = 0; heads && i < count; i++) {
        table->heads[i] = heads[i];
    }
}

void table_set_count(struct table *table, unsigned column, uint64_t value)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, value);
    char *to = table->cells[table->num_rows][column];

    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) {
            *to++ = ',';
        }
        *to++ = digits[i];
    }
    *to = '\0';
}

void table_set(struct table *table, unsigned column, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(table->cells[table->num_rows][column], TABLE_CELL, format, args);
    va_end(args);
}

void table_set_ns(struct table *table, unsigned column, double ns)
{
    if (ns < 1e4) {
        table_set(table, column, "%.0f ns", ns);
    } else if (ns < 1e7) {
        table_set(table, column, "%.1f us", ns / 1e3);
    } else {
        table_set(table, column, "%.1f ms", ns / 1e6);
    }
}

void table_set_share(struct table *table, unsigned column, double share,
                     unsigned digits)
{
    double least = 1;

    for (unsigned i = 0; i < digits; i++) {
        least /= 10;
    }
    if (share > 0 && 100 * share < least / 2) {
        table_set(table, column, "<%.*f %%", (int)digits, least);
    } else {
        table_set(table, column, "%.*f %%", (int)digits, 100 * share);
    }
}

void table_end_row(struct table *table)
{
    if (table->num_rows < TABLE_ROWS - 1) {
        table->num_rows++;
    }
}
