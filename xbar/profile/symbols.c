/* SPDX-License-Identifier: MIT */
#include "symbols.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "text.h"

#define FILE_MAX ((size_t)1 << 30)

/* A symbol without a size reaches to the next one, or to where a call leads, and
 * no further than this. */
#define UNSIZED_MAX 4096

/* ---- Reading ----------------------------------------------------------- */

static bool add_symbol(struct symbols *symbols, struct symbol symbol)
{
    if (symbols->count == symbols->capacity) {
        size_t capacity = symbols->capacity ? 2 * symbols->capacity : 1024;
        struct symbol *items =
            realloc(symbols->items, capacity * sizeof(*items));

        if (!items) {
            return false;
        }
        symbols->items = items;
        symbols->capacity = capacity;
    }
    symbols->items[symbols->count++] = symbol;
    return true;
}

/* Assembler's labels have no type, and local ones are no functions. */
static bool is_function(const GElf_Sym *sym, const char *name)
{
    unsigned type = GELF_ST_TYPE(sym->st_info);

    if (sym->st_shndx == SHN_UNDEF || !name || !name[0] || name[0] == '$' ||
        name[0] == '.') {
        return false;
    }
    return type == STT_FUNC ||
           (type == STT_NOTYPE && GELF_ST_BIND(sym->st_info) == STB_GLOBAL &&
            sym->st_shndx < SHN_LORESERVE);
}

static void read_table(struct symbols *symbols, unsigned file, Elf *elf,
                       Elf_Scn *section, const GElf_Shdr *header)
{
    Elf_Data *data = elf_getdata(section, NULL);
    uint64_t bias = symbols->files[file].bias;
    size_t count =
        header->sh_entsize ? header->sh_size / header->sh_entsize : 0;

    for (size_t i = 0; data && i < count; i++) {
        GElf_Sym sym;
        const char *name;
        uint64_t start;

        if (!gelf_getsym(data, (int)i, &sym)) {
            break;
        }
        name = elf_strptr(elf, header->sh_link, sym.st_name);
        if (!is_function(&sym, name)) {
            continue;
        }
        start = sym.st_value + bias;
        if (add_symbol(symbols,
                       (struct symbol){ start, start + sym.st_size, name, file,
                                        sym.st_size == 0 })) {
            symbols->files[file].count++;
        }
    }
}

/* The full table if there is one, else the one for dynamic linking. */
static void read_symbols(struct symbols *symbols, unsigned file, Elf *elf)
{
    static const unsigned kinds[] = { SHT_SYMTAB, SHT_DYNSYM };

    for (unsigned i = 0; i < 2 && !symbols->files[file].count; i++) {
        Elf_Scn *section = NULL;

        while ((section = elf_nextscn(elf, section)) != NULL) {
            GElf_Shdr header;

            if (gelf_getshdr(section, &header) && header.sh_type == kinds[i]) {
                read_table(symbols, file, elf, section, &header);
            }
        }
    }
}

/* What it loads: from .first to .last. False: nothing. */
static bool read_range(struct symbols_file *file, Elf *elf)
{
    size_t count = 0;

    file->first = UINT64_MAX;
    if (elf_getphdrnum(elf, &count)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr phdr;

        if (!gelf_getphdr(elf, (int)i, &phdr) || phdr.p_type != PT_LOAD ||
            !phdr.p_memsz) {
            continue;
        }
        file->first = phdr.p_vaddr < file->first ? phdr.p_vaddr : file->first;
        if (phdr.p_vaddr + phdr.p_memsz - 1 > file->last) {
            file->last = phdr.p_vaddr + phdr.p_memsz - 1;
        }
    }
    return file->first <= file->last;
}

static bool is_rv64(Elf *elf)
{
    GElf_Ehdr header;

    return elf && elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &header) &&
           header.e_machine == EM_RISCV &&
           header.e_ident[EI_CLASS] == ELFCLASS64;
}

/* libelf's strings lie in the bytes, which are kept. */
static bool read_elf(struct symbols *symbols, unsigned index,
                     const uint8_t *bytes, size_t size, const uint64_t *base)
{
    struct symbols_file *file = &symbols->files[index];
    Elf *elf;
    bool ok;

    if (elf_version(EV_CURRENT) == EV_NONE) {
        return false;
    }
    elf = elf_memory((char *)(uintptr_t)bytes, size);
    ok = is_rv64(elf) && read_range(file, elf);
    if (ok) {
        file->bias = base ? *base - file->first : 0;
        file->first += file->bias;
        file->last += file->bias;
        read_symbols(symbols, index, elf);
    }
    elf_end(elf);
    return ok;
}

/* ---- Files ------------------------------------------------------------- */

/* FILE@ADDR: the last @ counts, if an address follows. */
static char *split_spec(const char *spec, uint64_t *base, bool *has_base)
{
    const char *at = strrchr(spec, '@');
    char *end = NULL;

    *has_base = false;
    if (at && at[1]) {
        errno = 0;
        *base = strtoull(at + 1, &end, 16);
        *has_base = !*end && !errno;
    }
    return *has_base ? strndup(spec, (size_t)(at - spec)) : strdup(spec);
}

/* A file that there is not may be one with an address that is none. */
static int read_file(const char *spec, const char *path,
                     struct symbols_file *file, Error **errp)
{
    Error *why = NULL;
    int ret = file_read(path, FILE_MAX, &file->bytes, &file->size, &why);

    if (ret && strcmp(path, spec) == 0 && strchr(spec, '@')) {
        error_setg(errp, "%s; and what follows @ is no address",
                   error_get_pretty(why));
        error_free(why);
    } else if (ret) {
        error_propagate(errp, why);
    }
    return ret;
}

static void name_file(struct symbols_file *file, const char *path)
{
    file->path = path;
    text_clean(file->name, sizeof(file->name), path);
}

int symbols_add_file(struct symbols *symbols, const char *spec, Error **errp)
{
    struct symbols_file *file = &symbols->files[symbols->num_files];
    uint64_t base = 0;
    bool has_base;
    char *path;
    int ret;

    if (symbols->num_files == SYMBOLS_FILES) {
        error_setg(errp, "--symbols %s: more than %d files", spec,
                   SYMBOLS_FILES);
        return -EINVAL;
    }
    path = split_spec(spec, &base, &has_base);
    if (!path) {
        error_setg(errp, "no memory for symbols");
        return -ENOMEM;
    }
    memset(file, 0, sizeof(*file));
    ret = read_file(spec, path, file, errp);
    free(path);
    if (ret) {
        return ret;
    }
    name_file(file, spec);
    if (!read_elf(symbols, symbols->num_files, file->bytes, file->size,
                  has_base ? &base : NULL)) {
        error_setg(errp, "--symbols %s: not an ELF file for 64-bit RISC-V",
                   spec);
        free(file->bytes);
        file->bytes = NULL;
        return -EINVAL;
    }
    symbols->num_files++;
    return 0;
}

void symbols_add_memory(struct symbols *symbols, const char *name,
                        const uint8_t *bytes, size_t size)
{
    struct symbols_file *file = &symbols->files[symbols->num_files];

    if (symbols->num_files == SYMBOLS_FILES) {
        return;
    }
    memset(file, 0, sizeof(*file));
    name_file(file, name);
    if (read_elf(symbols, symbols->num_files, bytes, size, NULL)) {
        symbols->num_files++;
    }
}

/* ---- Order ------------------------------------------------------------- */

/* Of two that begin together the one with a size, then the longer one. */
static int compare(const void *a, const void *b)
{
    const struct symbol *x = a;
    const struct symbol *y = b;

    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    return (x->end < y->end) - (x->end > y->end);
}

void symbols_sort(struct symbols *symbols)
{
    size_t count = 0;

    if (symbols->count) {
        qsort(symbols->items, symbols->count, sizeof(*symbols->items), compare);
    }
    for (size_t i = 0; i < symbols->count; i++) {
        const struct symbol *symbol = &symbols->items[i];

        if (!count || symbols->items[count - 1].start != symbol->start) {
            symbols->items[count++] = *symbol;
        }
    }
    symbols->count = count;
    for (size_t i = 0; i < count; i++) {
        struct symbol *symbol = &symbols->items[i];
        uint64_t next = i + 1 < count ? symbol[1].start : UINT64_MAX;

        if (symbol->is_unsized) {
            symbol->end = symbol->start + UNSIZED_MAX;
        }
        symbol->end = symbol->end > next ? next : symbol->end;
    }
}

void symbols_end(struct symbols *symbols)
{
    for (unsigned i = 0; i < symbols->num_files; i++) {
        free(symbols->files[i].bytes);
    }
    free(symbols->items);
    memset(symbols, 0, sizeof(*symbols));
}

/* ---- Looking up -------------------------------------------------------- */

/* The last symbol that begins at or before @pc, or NULL. */
static const struct symbol *symbol_before(const struct symbols *symbols,
                                          uint64_t pc)
{
    size_t low = 0;
    size_t high = symbols->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (symbols->items[middle].start <= pc) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low ? &symbols->items[low - 1] : NULL;
}

/* UINT64_MAX: too far away. */
static uint64_t call_target_before(const struct code *code, uint64_t pc)
{
    uint64_t target = code_call_target(code, pc);

    return pc - target < CODE_REACH_MAX ? target : UINT64_MAX;
}

/* Where @symbol ends, if @target is the last place at or before some pc that a
 * call leads to. */
static uint64_t end_before(const struct symbol *symbol, uint64_t target)
{
    if (symbol->is_unsized && target != UINT64_MAX && target > symbol->start &&
        target < symbol->end) {
        return target;
    }
    return symbol->end;
}

void symbols_find(const struct symbols *symbols, const struct code *code,
                  uint64_t pc, struct function *function)
{
    const struct symbol *symbol = symbol_before(symbols, pc);
    uint64_t target = call_target_before(code, pc);
    uint64_t end = symbol ? end_before(symbol, target) : 0;

    if (symbol && pc < end) {
        function->start = symbol->start;
        function->file = symbols->files[symbol->file].name;
        text_clean(function->name, sizeof(function->name), symbol->name);
        return;
    }
    function->file = NULL;
    if (target != UINT64_MAX && target >= end) {
        function->start = target;
        snprintf(function->name, sizeof(function->name), "fn_%" PRIx64, target);
        return;
    }
    function->start = pc & ~UINT64_C(4095);
    if (end > function->start) {
        function->start = end;
    }
    snprintf(function->name, sizeof(function->name), "code_%" PRIx64,
             function->start);
}

/* ---- Is it the file that ran? ------------------------------------------ */

static Elf64_Phdr phdr_at(const struct symbols_file *file,
                          const Elf64_Ehdr *ehdr, unsigned i)
{
    uint64_t at = ehdr->e_phoff + (uint64_t)i * sizeof(Elf64_Phdr);
    Elf64_Phdr phdr = { .p_type = PT_NULL };

    if (at <= file->size && sizeof(phdr) <= file->size - at) {
        memcpy(&phdr, file->bytes + at, sizeof(phdr));
    }
    return phdr;
}

/* What the file has at @pc, @length bytes; NULL: nothing. */
static const uint8_t *bytes_at(const struct symbols_file *file, uint64_t pc,
                               unsigned length)
{
    Elf64_Ehdr ehdr;

    memcpy(&ehdr, file->bytes, sizeof(ehdr)); /* libelf has seen it */
    for (unsigned i = 0; i < ehdr.e_phnum; i++) {
        Elf64_Phdr phdr = phdr_at(file, &ehdr, i);
        uint64_t inside = pc - file->bias - phdr.p_vaddr;

        if (phdr.p_type == PT_LOAD && inside < phdr.p_filesz &&
            length <= phdr.p_filesz - inside && phdr.p_offset <= file->size &&
            phdr.p_filesz <= file->size - phdr.p_offset) {
            return file->bytes + phdr.p_offset + inside;
        }
    }
    return NULL;
}

uint64_t symbols_mismatch(const struct symbols_file *file,
                          const struct code *code, uint64_t *total)
{
    uint64_t wrong = 0;

    *total = 0;
    for (size_t i = code_find(code, file->first);
         file->bytes && i < code->count && code->insns[i].pc <= file->last;
         i++) {
        const struct code_insn *insn = &code->insns[i];
        const uint8_t *bytes = bytes_at(file, insn->pc, insn->length);

        if (bytes && insn->count) {
            ++*total;
            wrong += memcmp(bytes, &insn->bits, insn->length) != 0;
        }
    }
    return wrong;
}
