/* SPDX-License-Identifier: MIT */
/*
 * Names of guest functions, from any number of ELF files.
 *
 * Code that no file names is told apart by where calls lead to: such a function
 * is called fn_80201234. What is not even that is a page: code_80201000.
 */
#ifndef XBAR_PROFILE_SYMBOLS_H
#define XBAR_PROFILE_SYMBOLS_H

#include <xbar/xbar.h>

#include "code.h"

#define SYMBOLS_FILES 16
#define SYMBOLS_NAME  128
#define SYMBOLS_PATH  256

struct symbol {
    uint64_t start;
    uint64_t end; /* the first address that is not its any more */
    const char *name;
    unsigned file;
    bool is_unsized; /* .end is a limit */
};

struct symbols_file {
    const char *path;        /* the caller's */
    char name[SYMBOLS_PATH]; /* that, as text */
    size_t count;            /* symbols that it gave */
    uint64_t first;          /* of the addresses that it loads to */
    uint64_t last;
    uint8_t *bytes; /* all of it */
    size_t size;
    uint64_t bias; /* to be added to its addresses */
};

struct symbols {
    struct symbol *items; /* ascending, disjoint */
    size_t count;
    size_t capacity;
    struct symbols_file files[SYMBOLS_FILES];
    unsigned num_files;
};

/* The function that some pc is in. */
struct function {
    uint64_t start;
    const char *file; /* which one names it; NULL: none */
    char name[SYMBOLS_NAME];
};

/*
 * symbols_add_file() - those of @spec: FILE, or FILE@ADDR for one whose lowest
 * segment was loaded to ADDR
 * @spec: kept
 *
 * Return: 0, also if it has no symbols (symbols->files says so); -errno with
 * @errp set if it is no ELF file for RV64, or unreadable.
 */
int symbols_add_file(struct symbols *symbols, const char *spec, Error **errp)
    XBAR_MUST_CHECK;

/* symbols_add_memory() - the same of @size bytes that stay the caller's; what
 * is no ELF file has none */
void symbols_add_memory(struct symbols *symbols, const char *name,
                        const uint8_t *bytes, size_t size);

/* symbols_sort() - no more files; what overlaps is settled */
void symbols_sort(struct symbols *symbols);
void symbols_end(struct symbols *symbols);

/* symbols_find() - whose @pc is; @code has been sorted */
void symbols_find(const struct symbols *symbols, const struct code *code,
                  uint64_t pc, struct function *function);

/* symbols_mismatch() - of the executed instructions that lie in @file, how many
 * are not what it says, and of how many */
uint64_t symbols_mismatch(const struct symbols_file *file,
                          const struct code *code, uint64_t *total);

#endif
