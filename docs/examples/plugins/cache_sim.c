/* SPDX-License-Identifier: MIT */
/*
 * A plug-in: what the guest's accesses would do to caches.
 *
 *     --plugin cache_sim.so[,isize=32768][,iways=8][,dsize=32768][,dways=8]
 *                          [,line=64][,elf=FILE][,top=10][,out=FILE]
 *
 * Each hart has an instruction and a data cache, set-associative, with the least
 * recently used line replaced, by physical addresses. A line of code counts as
 * fetched once each time that a block enters it. Misses are listed by
 * instruction, and by function if there is an ELF file with names.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xbar/instrument.h>

struct cache {
    unsigned ways;
    unsigned sets;
    uint64_t *tags; /* sets * ways lines + 1, the newest first; 0: empty */
    uint64_t hits;
    uint64_t misses;
};

struct hart {
    struct cache code;
    struct cache data;
};

/* An instruction that misses were counted for. */
struct site {
    uint64_t pc;
    hwaddr phys;
    uint64_t code_misses;
    uint64_t data_misses;
    struct sim *sim;
    struct site *next; /* in the hash */
};

struct function {
    uint64_t first;
    uint64_t size;
    char *name;
    uint64_t misses[2];
};

#define HASH_SIZE 16384

struct sim {
    unsigned isize, iways, dsize, dways, line, top;
    const char *elf;
    const char *out;
    struct hart hart[XBAR_VCPUS_MAX];
    pthread_mutex_t lock; /* sites: harts show code at the same time */
    struct site *sites[HASH_SIZE];
    size_t site_count;
    struct function *functions;
    size_t function_count;
};

/* ---- Caches ------------------------------------------------------------ */

static bool make_cache(struct cache *cache, unsigned size, unsigned ways,
                       unsigned line)
{
    cache->ways = ways;
    cache->sets = size / ways / line;
    cache->tags = calloc((size_t)cache->sets * ways, sizeof(uint64_t));
    return cache->tags != NULL;
}

/* True: it was there. */
static bool touch(struct cache *cache, uint64_t line)
{
    uint64_t *set = &cache->tags[line % cache->sets * cache->ways];
    unsigned way = 0;
    bool hit;

    while (way < cache->ways - 1 && set[way] != line + 1) {
        way++;
    }
    hit = set[way] == line + 1;
    memmove(set + 1, set, way * sizeof(*set));
    set[0] = line + 1;
    cache->hits += hit;
    cache->misses += !hit;
    return hit;
}

/* ---- What is told ------------------------------------------------------ */

static struct hart *hart_of(struct sim *sim, const struct xbar_vcpu *vcpu)
{
    struct hart *hart = &sim->hart[xbar_vcpu_index(vcpu)];

    if (!hart->code.tags &&
        (!make_cache(&hart->code, sim->isize, sim->iways, sim->line) ||
         !make_cache(&hart->data, sim->dsize, sim->dways, sim->line))) {
        abort();
    }
    return hart;
}

static void fetch(struct xbar_vcpu *vcpu, void *userdata)
{
    struct site *site = userdata;
    struct hart *hart = hart_of(site->sim, vcpu);

    if (!touch(&hart->code, site->phys / site->sim->line)) {
        __atomic_fetch_add(&site->code_misses, 1, __ATOMIC_RELAXED);
    }
}

static void access_data(struct xbar_vcpu *vcpu,
                        const struct xbar_access_event *event, void *userdata)
{
    struct site *site = userdata;
    struct hart *hart = hart_of(site->sim, vcpu);
    unsigned first = event->crossing ? event->crossing : event->size;
    unsigned line = site->sim->line;
    hwaddr last = event->crossing ? event->phys2 : event->phys + first - 1;
    bool hit = touch(&hart->data, event->phys / line);

    if (last / line != event->phys / line) {
        hit &= touch(&hart->data, last / line);
    }
    if (!hit) {
        __atomic_fetch_add(&site->data_misses, 1, __ATOMIC_RELAXED);
    }
}

/* The same instruction, shown again, goes on counting. */
static struct site *site_of(struct sim *sim, const struct xbar_insn *insn)
{
    struct site **slot = &sim->sites[insn->pc / 2 % HASH_SIZE];
    struct site *site = *slot;

    while (site && (site->pc != insn->pc || site->phys != insn->phys)) {
        site = site->next;
    }
    if (!site) {
        site = calloc(1, sizeof(*site));
        if (!site) {
            abort();
        }
        *site = (struct site){
            .pc = insn->pc, .phys = insn->phys, .sim = sim, .next = *slot
        };
        *slot = site;
        sim->site_count++;
    }
    return site;
}

static void look_at(void *opaque, struct xbar_vcpu *vcpu,
                    struct xbar_code *code)
{
    const struct xbar_access_filter memory = { .targets = XBAR_TARGET_RAM };
    struct sim *sim = opaque;
    hwaddr line = UINT64_MAX;

    (void)vcpu;
    pthread_mutex_lock(&sim->lock);
    for (unsigned i = 0; i < xbar_code_insns(code); i++) {
        const struct xbar_insn *insn = xbar_code_insn(code, i);
        struct site *site = NULL;

        if (insn->phys / sim->line != line) {
            line = insn->phys / sim->line;
            site = site_of(sim, insn);
            (void)xbar_code_on_insn(code, i, fetch, site);
        }
        if (insn->accesses) {
            site = site ? site : site_of(sim, insn);
            (void)xbar_code_on_access(code, i, &memory, access_data, site);
        }
    }
    pthread_mutex_unlock(&sim->lock);
}

/* ---- Names ------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
    const struct function *f = a, *g = b;

    return f->first < g->first ? -1 : f->first > g->first;
}

static void add_function(struct sim *sim, const GElf_Sym *symbol,
                         const char *name)
{
    struct function *more =
        realloc(sim->functions, (sim->function_count + 1) * sizeof(*more));

    if (more) {
        sim->functions = more;
        more[sim->function_count++] = (struct function){
            .first = symbol->st_value,
            .size = symbol->st_size,
            .name = strdup(name),
        };
    }
}

static void read_table(struct sim *sim, Elf *elf, Elf_Scn *section)
{
    GElf_Shdr header;
    Elf_Data *data = elf_getdata(section, NULL);
    GElf_Sym symbol;

    if (!gelf_getshdr(section, &header) || header.sh_type != SHT_SYMTAB ||
        !data) {
        return;
    }
    for (int i = 0; gelf_getsym(data, i, &symbol); i++) {
        const char *name = elf_strptr(elf, header.sh_link, symbol.st_name);

        if (GELF_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_size &&
            name) {
            add_function(sim, &symbol, name);
        }
    }
}

static bool read_names(struct sim *sim, Error **errp)
{
    int fd = open(sim->elf, O_RDONLY);
    Elf *elf = NULL;

    elf_version(EV_CURRENT);
    if (fd >= 0) {
        elf = elf_begin(fd, ELF_C_READ, NULL);
    }
    if (!elf || elf_kind(elf) != ELF_K_ELF) {
        error_setg(errp, "%s: %s", sim->elf,
                   fd < 0 ? strerror(errno) : "not an ELF file");
    } else {
        for (Elf_Scn *s = elf_nextscn(elf, NULL); s; s = elf_nextscn(elf, s)) {
            read_table(sim, elf, s);
        }
        if (sim->function_count) {
            qsort(sim->functions, sim->function_count, sizeof(struct function),
                  by_address);
        }
    }
    elf_end(elf);
    if (fd >= 0) {
        close(fd);
    }
    return elf != NULL && sim->function_count != 0;
}

static struct function *function_of(const struct sim *sim, uint64_t pc)
{
    size_t low = 0, high = sim->function_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        struct function *f = &sim->functions[middle];

        if (pc - f->first < f->size) {
            return f;
        }
        if (pc < f->first) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

/* ---- The report -------------------------------------------------------- */

static uint64_t misses_of(const struct site *site)
{
    return site->code_misses + site->data_misses;
}

static int by_misses(const void *a, const void *b)
{
    const struct site *s = *(struct site *const *)a;
    const struct site *t = *(struct site *const *)b;

    if (misses_of(s) != misses_of(t)) {
        return misses_of(s) > misses_of(t) ? -1 : 1;
    }
    return s->pc < t->pc ? -1 : s->pc > t->pc;
}

static int by_function_misses(const void *a, const void *b)
{
    const struct function *f = a, *g = b;
    uint64_t x = f->misses[0] + f->misses[1], y = g->misses[0] + g->misses[1];

    return x > y ? -1 : x < y;
}

static void print_cache(FILE *out, const char *name, const struct cache *cache)
{
    uint64_t all = cache->hits + cache->misses;

    fprintf(out, "%s: %" PRIu64 " accesses, %" PRIu64 " misses (%.2f %%)\n",
            name, all, cache->misses,
            all ? 100.0 * (double)cache->misses / (double)all : 0.0);
}

static void print_sites(struct sim *sim, FILE *out)
{
    struct site **all = calloc(sim->site_count + 1, sizeof(struct site *));
    size_t count = 0;

    for (unsigned i = 0; all && i < HASH_SIZE; i++) {
        for (struct site *s = sim->sites[i]; s; s = s->next) {
            struct function *f = function_of(sim, s->pc);

            all[count++] = s;
            if (f) {
                f->misses[0] += s->code_misses;
                f->misses[1] += s->data_misses;
            }
        }
    }
    if (all) {
        qsort(all, count, sizeof(struct site *), by_misses);
    }
    fprintf(out, "\ninstruction misses  data misses  pc\n");
    for (size_t i = 0; i < count && i < sim->top && misses_of(all[i]); i++) {
        const struct function *f = function_of(sim, all[i]->pc);

        fprintf(out, "%18" PRIu64 "  %11" PRIu64 "  %" PRIx64 "  %s\n",
                all[i]->code_misses, all[i]->data_misses, all[i]->pc,
                f ? f->name : "");
    }
    free(all);
}

static void print_functions(struct sim *sim, FILE *out)
{
    if (!sim->function_count) {
        return;
    }
    qsort(sim->functions, sim->function_count, sizeof(struct function),
          by_function_misses);
    fprintf(out, "\ninstruction misses  data misses  function\n");
    for (size_t i = 0; i < sim->function_count && i < sim->top; i++) {
        const struct function *f = &sim->functions[i];

        if (f->misses[0] + f->misses[1]) {
            fprintf(out, "%18" PRIu64 "  %11" PRIu64 "  %s\n", f->misses[0],
                    f->misses[1], f->name);
        }
    }
}

static void free_sim(struct sim *sim)
{
    for (unsigned i = 0; i < XBAR_VCPUS_MAX; i++) {
        free(sim->hart[i].code.tags);
        free(sim->hart[i].data.tags);
    }
    for (unsigned i = 0; i < HASH_SIZE; i++) {
        while (sim->sites[i]) {
            struct site *next = sim->sites[i]->next;

            free(sim->sites[i]);
            sim->sites[i] = next;
        }
    }
    for (size_t i = 0; i < sim->function_count; i++) {
        free(sim->functions[i].name);
    }
    free(sim->functions);
    free((char *)sim->elf);
    free((char *)sim->out);
    free(sim);
}

static void end(void *opaque)
{
    struct sim *sim = opaque;
    FILE *out = sim->out ? fopen(sim->out, "w") : stderr;

    if (!out) {
        fprintf(stderr, "cache_sim: %s: %s\n", sim->out, strerror(errno));
        free_sim(sim);
        return;
    }
    for (unsigned i = 0; i < XBAR_VCPUS_MAX; i++) {
        if (sim->hart[i].code.tags) {
            fprintf(out, "hart %u\n", i);
            print_cache(out, "  instructions", &sim->hart[i].code);
            print_cache(out, "  data", &sim->hart[i].data);
        }
    }
    print_sites(sim, out);
    print_functions(sim, out);
    if (ferror(out) || (out != stderr && fclose(out))) {
        fputs("cache_sim: the report could not be written\n", stderr);
    }
    free_sim(sim);
}

/* ---- Options ----------------------------------------------------------- */

static bool is_power_of_2(unsigned value)
{
    return value && !(value & (value - 1));
}

static bool take_number(struct sim *sim, const struct xbar_plugin_arg *arg)
{
    const struct {
        const char *key;
        unsigned *value;
    } numbers[] = {
        { "isize", &sim->isize }, { "iways", &sim->iways },
        { "dsize", &sim->dsize }, { "dways", &sim->dways },
        { "line", &sim->line },   { "top", &sim->top },
    };

    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(arg->key, numbers[i].key) == 0) {
            *numbers[i].value = (unsigned)strtoul(arg->value, NULL, 0);
            return true;
        }
    }
    return false;
}

static bool take_arg(struct sim *sim, const struct xbar_plugin_arg *arg)
{
    const char **text = strcmp(arg->key, "elf") == 0   ? &sim->elf
                        : strcmp(arg->key, "out") == 0 ? &sim->out
                                                       : NULL;

    if (text) {
        free((char *)*text);
        *text = strdup(arg->value);
        return true;
    }
    return take_number(sim, arg);
}

static bool is_possible(unsigned size, unsigned ways, unsigned line)
{
    return is_power_of_2(size) && is_power_of_2(ways) && size <= 1u << 30 &&
           line <= size && ways <= size / line;
}

static bool set_up(struct sim *sim, const struct xbar_plugin_args *args,
                   Error **errp)
{
    for (unsigned i = 0; i < args->count; i++) {
        if (!take_arg(sim, &args->arg[i])) {
            error_setg(errp,
                       "%s: no such option (isize, iways, dsize, dways, line, "
                       "elf, top, out)",
                       args->arg[i].key);
            return false;
        }
    }
    if (!is_power_of_2(sim->line) || sim->line < 8 || sim->line > 4096 ||
        !is_possible(sim->isize, sim->iways, sim->line) ||
        !is_possible(sim->dsize, sim->dways, sim->line)) {
        error_setg(errp, "there is no such cache: sizes, ways and lines are "
                         "powers of 2, a line 8 to 4096 bytes");
        return false;
    }
    if (sim->elf && !read_names(sim, errp)) {
        if (!sim->function_count && errp && !*errp) {
            error_setg(errp, "%s: has no names of functions", sim->elf);
        }
        return false;
    }
    return true;
}

XBAR_PLUGIN(instruments, args, errp)
{
    static const struct xbar_instrument_ops ops = { .translated = look_at,
                                                    .ended = end };
    struct sim *sim = calloc(1, sizeof(*sim));

    if (!sim) {
        error_setg(errp, "no memory");
        return -1;
    }
    sim->isize = sim->dsize = 32768;
    sim->iways = sim->dways = 8;
    sim->line = 64;
    sim->top = 10;
    pthread_mutex_init(&sim->lock, NULL);
    if (!set_up(sim, args, errp)) {
        free_sim(sim);
        return -1;
    }
    if (!xbar_instrument_add(instruments, &ops, sim)) {
        error_setg(errp, "no memory");
        free_sim(sim);
        return -1;
    }
    return 0;
}
