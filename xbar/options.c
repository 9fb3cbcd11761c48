/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "memmap.h"
#include "options_internal.h"
#include "size.h"

/* The library's own limit. */
#define CODE_LIMIT_MAX (UINT64_C(1) << 30)

static const struct option_row *row_of(int id)
{
    return &options__rows[id - OPTION_FIRST - 1];
}

/* ---- Values ------------------------------------------------------------ */

static int parse_memory(struct options *options, const char *text, Error **errp)
{
    uint64_t bytes;
    int ret = size_parse(text, &bytes);

    if (ret == -EINVAL) {
        error_setg(errp, "--memory %s: not a size (try 512M)", text);
    } else if (ret || bytes > RAM_MAX) {
        ret = -EINVAL;
        error_setg(errp, "--memory %s: more than a guest can address", text);
    } else if (bytes == 0) {
        ret = -EINVAL;
        error_setg(errp, "--memory %s: a guest needs memory", text);
    } else if (bytes % (4 * KIB)) {
        ret = -EINVAL;
        error_setg(errp, "--memory %s: not a multiple of 4K", text);
    } else {
        options->memory = bytes;
    }
    return ret;
}

static int parse_smp(const char *text, Error **errp)
{
    if (strcmp(text, "1") == 0) {
        return 0;
    }
    if (text[0] && strspn(text, "0123456789") == strlen(text) &&
        strspn(text, "0") != strlen(text)) {
        error_setg(errp, "--smp %s: more than 1 hart is not supported yet",
                   text);
    } else {
        error_setg(errp, "--smp %s: not a number of harts", text);
    }
    return -EINVAL;
}

static const char *const engine_names[] = {
    [XBAR_RISCV_INTERP] = "interp",
    [XBAR_RISCV_JIT] = "jit",
    [XBAR_RISCV_LOCKSTEP] = "lockstep",
};

#define ENGINE_COUNT (sizeof(engine_names) / sizeof(engine_names[0]))

const char *options_engine_name(enum xbar_riscv_engine engine)
{
    return engine_names[engine];
}

static int parse_engine(struct options *options, const char *text, Error **errp)
{
    for (unsigned i = 0; i < ENGINE_COUNT; i++) {
        if (strcmp(text, engine_names[i]) == 0) {
            options->execution.engine = (enum xbar_riscv_engine)i;
            return 0;
        }
    }
    error_setg(errp, "--engine %s: no such engine (try jit, interp, lockstep)",
               text);
    return -EINVAL;
}

static int parse_host_cpu(struct options *options, const char *text,
                          Error **errp)
{
    options->execution.host_baseline = strcmp(text, "baseline") == 0;
    if (!options->execution.host_baseline && strcmp(text, "max") != 0) {
        error_setg(errp, "--host-cpu %s: no such CPU (try max, baseline)",
                   text);
        return -EINVAL;
    }
    return 0;
}

static int parse_code_limit(struct options *options, const char *text,
                            Error **errp)
{
    uint64_t bytes;
    int ret = size_parse(text, &bytes);

    if (ret || bytes == 0 || bytes > CODE_LIMIT_MAX) {
        error_setg(errp, "--code-limit %s: not a size from 1K to 1G", text);
        return -EINVAL;
    }
    options->execution.code_limit = bytes;
    return 0;
}

/* What a list may name. */
struct named_bits {
    const char *name;
    unsigned bits;
};

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static unsigned find_bits(const struct named_bits *rows, size_t count,
                          const char *name, size_t length)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(rows[i].name) == length &&
            strncmp(rows[i].name, name, length) == 0) {
            return rows[i].bits;
        }
    }
    return 0;
}

/* A list's bits, or 0 if something in it has no name. */
static unsigned parse_list(const struct named_bits *rows, size_t count,
                           const char *text)
{
    unsigned all = 0;

    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        unsigned bits = find_bits(rows, count, at, length);

        all |= bits;
        at += length;
        if (bits == 0 || *at == '\0') {
            return bits ? all : 0;
        }
    }
}

/* With what they need. */
static const struct named_bits measures[] = {
    { "counts", MEASURE_COUNTS },
    { "latency", MEASURE_COUNTS | MEASURE_LATENCY },
    { "pages", MEASURE_COUNTS | MEASURE_PAGES },
    { "samples", MEASURE_SAMPLES },
    { "all", MEASURE_ALL },
};

static int parse_measure(struct options *options, const char *text,
                         Error **errp)
{
    options->measure = parse_list(measures, COUNT(measures), text);
    if (options->measure == 0) {
        error_setg(errp,
                   "--measure %s: not a list of counts, latency, "
                   "pages, samples",
                   text);
        return -EINVAL;
    }
    return 0;
}

static const struct named_bits logs[] = {
    { "guest_errors", XBAR_LOG_GUEST_ERROR },
    { "unimp", XBAR_LOG_UNIMP },
};

static int parse_log(struct options *options, const char *text, Error **errp)
{
    options->execution.log_mask = parse_list(logs, COUNT(logs), text);
    if (options->execution.log_mask == 0) {
        error_setg(errp, "--log %s: not a list of guest_errors, unimp", text);
        return -EINVAL;
    }
    return 0;
}

static int add_plugin(struct plugin_specs *plugins, const char *spec,
                      Error **errp)
{
    if (plugins->count == PLUGINS_MAX) {
        error_setg(errp, "--plugin %s: more than %d", spec, PLUGINS_MAX);
        return -EINVAL;
    }
    plugins->spec[plugins->count++] = spec;
    return 0;
}

static int add_symbols(struct options *options, const char *file, Error **errp)
{
    if (options->num_symbols == OPTIONS_SYMBOLS) {
        error_setg(errp, "--symbols %s: more than %d files", file,
                   OPTIONS_SYMBOLS);
        return -EINVAL;
    }
    options->symbols[options->num_symbols++] = file;
    return 0;
}

static int take_option(struct options *options, int id, Error **errp)
{
    switch (id) {
    case OPT_BIOS:
        options->bios = optarg;
        return 0;
    case OPT_KERNEL:
        options->kernel = optarg;
        return 0;
    case OPT_INITRD:
        options->initrd = optarg;
        return 0;
    case OPT_APPEND:
        options->append = optarg;
        return 0;
    case OPT_DTB:
        options->dtb = optarg;
        return 0;
    case OPT_DUMP_DTB:
        options->dump_dtb = optarg;
        return 0;
    case OPT_MEMORY:
        return parse_memory(options, optarg, errp);
    case OPT_SMP:
        return parse_smp(optarg, errp);
    case OPT_DETERM:
        options->execution.deterministic = true;
        return 0;
    case OPT_ENGINE:
        return parse_engine(options, optarg, errp);
    case OPT_HOST_CPU:
        return parse_host_cpu(options, optarg, errp);
    case OPT_CODE:
        return parse_code_limit(options, optarg, errp);
    case OPT_DRIVE:
        return virtio_config_drive(&options->virtio, optarg, errp);
    case OPT_NETDEV:
        return virtio_config_netdev(&options->virtio, optarg, errp);
    case OPT_DEVICE:
        return virtio_config_device(&options->virtio, optarg, errp);
    case OPT_LOG:
        return parse_log(options, optarg, errp);
    case OPT_PLUGIN:
        return add_plugin(&options->execution.plugins, optarg, errp);
    case OPT_OUTPUT:
        options->output = optarg;
        return 0;
    case OPT_MEASURE:
        return parse_measure(options, optarg, errp);
    case OPT_SYMBOLS:
        return add_symbols(options, optarg, errp);
    case OPT_PERF:
        options->perf = true;
        return 0;
    case OPT_FLAT:
        options->mtree |= XBAR_MTREE_FLAT;
        return 0;
    case OPT_DISPATCH:
        options->mtree |= XBAR_MTREE_FLAT | XBAR_MTREE_DISPATCH;
        return 0;
    case OPT_OWNER:
        options->mtree |= XBAR_MTREE_OWNER;
        return 0;
    case OPT_DISABLED:
        options->mtree |= XBAR_MTREE_DISABLED;
        return 0;
    case OPT_JSON:
        options->json = true;
        return 0;
    case OPT_DOT:
        options->dot = true;
        return 0;
    case OPT_GDB:
        options->gdb = optarg;
        return 0;
    case OPT_GDB_WAIT:
        options->gdb_waits = true;
        return 0;
    case OPT_HELP:
        options->command = COMMAND_HELP;
        return 0;
    case OPT_VERSION:
        options->command = COMMAND_VERSION;
        return 0;
    default:
        error_setg(errp, "--%s: not supported yet", row_of(id)->name);
        return -EINVAL;
    }
}

/* ---- The line ---------------------------------------------------------- */

/* The tables that getopt wants, made from the rows. */
struct getopt_tables {
    struct option longs[OPTION_COUNT + 1];
    char shorts[2 + 2 * OPTION_COUNT + 1];
};

static void fill_tables(struct getopt_tables *tables)
{
    char *letter = tables->shorts;

    memset(tables, 0, sizeof(*tables));
    *letter++ = '+'; /* stop at what is no option: argv keeps its order */
    *letter++ = ':'; /* tell a missing argument apart */
    for (int i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &options__rows[i];

        tables->longs[i].name = row->name;
        tables->longs[i].has_arg =
            row->argument ? required_argument : no_argument;
        tables->longs[i].val = OPTION_FIRST + 1 + i;
        if (row->letter) {
            *letter++ = row->letter;
            if (row->argument) {
                *letter++ = ':';
            }
        }
    }
}

/* A short option's letter as its row's id; anything else as it is. */
static int canonical_id(int found)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (options__rows[i].letter && options__rows[i].letter == found) {
            return OPTION_FIRST + 1 + i;
        }
    }
    return found;
}

/* optopt is the letter, or the id of a long option, or 0 if unknown. */
static void report_bad_option(int kind, const char *word, const char *command,
                              Error **errp)
{
    if (kind == ':') {
        error_setg(errp, "%s: needs a value", word);
    } else if (word[0] == '-' && word[1] != '-' && word[1] && word[2]) {
        error_setg(errp, "%s: unknown option (long ones take two dashes)",
                   word);
    } else if (optopt > OPTION_FIRST) {
        error_setg(errp, "%s: takes no value", word);
    } else {
        error_setg(errp, "%s: unknown option (see xbar %s --help)", word,
                   command);
    }
}

/* A word that is no option, and nothing behind it was looked at. */
static int take_word(struct options *options, unsigned command,
                     const char *word, Error **errp)
{
    if (command == COMMAND_REPLAY && !options->trace) {
        options->trace = word;
        return 0;
    }
    if (FOR_GUEST & 1u << command) {
        error_setg(errp,
                   "%s: not expected here (a guest is named by --bios FILE)",
                   word);
    } else {
        error_setg(errp, "%s: not expected here (see xbar %s --help)", word,
                   options__commands[command].name);
    }
    return -EINVAL;
}

static int check_option(const struct option_row *row, unsigned command,
                        Error **errp)
{
    const char *name = options__commands[command].name;

    if (!(row->scope & 1u << command)) {
        error_setg(errp, "--%s: not an option of %s", row->name, name);
        return -EINVAL;
    }
    if (optarg && !optarg[0] && row != row_of(OPT_APPEND)) {
        error_setg(errp, "--%s: needs a value", row->name);
        return -EINVAL;
    }
    return 0;
}

static int parse_options(struct options *options, int argc, char **argv,
                         Error **errp)
{
    unsigned command = options->command;
    struct getopt_tables tables;
    int ret = 0;

    fill_tables(&tables);
    opterr = 0;
    while (ret == 0) {
        const char *word = argv[optind];
        int found = getopt_long(argc, argv, tables.shorts, tables.longs, NULL);

        if (found == '?' || found == ':') {
            report_bad_option(found, word, options__commands[command].name,
                              errp);
            return -EINVAL;
        }
        if (found != -1) {
            found = canonical_id(found);
            ret = check_option(row_of(found), command, errp);
            ret = ret ? ret : take_option(options, found, errp);
        } else if (optind < argc && strcmp(argv[optind - 1], "--") != 0) {
            ret = take_word(options, command, argv[optind++], errp);
        } else {
            break; /* behind "--" there are no options */
        }
    }
    while (ret == 0 && optind < argc) {
        ret = take_word(options, command, argv[optind++], errp);
    }
    return ret;
}

static int find_command(enum command *command, const char *word, Error **errp)
{
    for (unsigned i = 0; i < OPTIONS_COMMANDS; i++) {
        if (strcmp(word, options__commands[i].name) == 0) {
            *command = (enum command)i;
            return 0;
        }
    }
    error_setg(errp, "%s: no such command (see xbar --help)", word);
    return -EINVAL;
}

/* @next: behind @word, or NULL */
static int parse_command(struct options *options, const char *word,
                         const char *next, Error **errp)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
        strcmp(word, "help") == 0) {
        options->command = COMMAND_HELP;
        options->topic = COMMAND_HELP;
        return next ? find_command(&options->topic, next, errp) : 0;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "version") == 0) {
        options->command = COMMAND_VERSION;
        return 0;
    }
    return find_command(&options->command, word, errp);
}

/* What one option says about another. */
static int check_together(const struct options *options, Error **errp)
{
    bool guest_given =
        options->kernel || options->initrd || options->dtb || options->append;

    if (options->execution.plugins.count &&
        options->execution.engine == XBAR_RISCV_LOCKSTEP) {
        error_setg(errp, "--plugin: not with --engine lockstep");
        return -EINVAL;
    }
    if (options->command == COMMAND_REPLAY && !options->trace) {
        error_setg(errp, "replay: the trace is missing");
        return -EINVAL;
    }
    if (options->output && strcmp(options->output, "-") == 0) {
        error_setg(errp, "--output -: standard output is the guest's console");
        return -EINVAL;
    }
    if (options->gdb_waits && !options->gdb) {
        error_setg(errp, "--gdb-wait: nobody can connect without --gdb");
        return -EINVAL;
    }
    if (options->json && options->dot) {
        error_setg(errp, "--json and --dot: choose one");
        return -EINVAL;
    }
    if (options->mtree && (options->json || options->dot)) {
        error_setg(errp, "--json and --dot show all there is: they go without "
                         "--flat, --dispatch, --owner, --disabled");
        return -EINVAL;
    }
    if (options->bios || options->dump_dtb ||
        options->command > COMMAND_TRACE) {
        return 0;
    }
    if (options->command == COMMAND_RUN || guest_given) {
        error_setg(errp, "%s: --bios FILE is missing",
                   options__commands[options->command].name);
        return -EINVAL;
    }
    return 0;
}

int options_parse(struct options *options, int argc, char **argv, Error **errp)
{
    int ret;

    memset(options, 0, sizeof(*options));
    options->memory = 512 * MIB;
    options->measure = MEASURE_ALL;
    options->execution.engine =
        xbar_riscv_has_jit() ? XBAR_RISCV_JIT : XBAR_RISCV_INTERP;
    if (argc < 2) {
        error_setg(errp, "no command given (see xbar --help)");
        return -EINVAL;
    }
    ret = parse_command(options, argv[1], argv[2], errp);
    if (ret || options->command > COMMAND_REPLAY) {
        return ret;
    }
    options->topic = options->command;
    ret = parse_options(options, argc - 1, argv + 1, errp);
    if (ret || options->command > COMMAND_REPLAY) {
        return ret;
    }
    return check_together(options, errp);
}
