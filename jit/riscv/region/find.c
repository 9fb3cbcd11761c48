/* SPDX-License-Identifier: MIT */
/*
 * Finding a loop.
 *
 * From the pc at which the hart was seen so often, jumps are followed through
 * the page; the parts from which one comes back are the loop. Calls, system
 * instructions and floating point are left to plain blocks: an edge that leads
 * there leaves.
 *
 *       +-> a ---> b ---> d ---+           a b c d: there are ways to and from
 *       |    \---> c ---/      |           each. x is not part of it.
 *       +----------------------+--> x
 */
#include "jit/riscv/region/region.h"

#define NODES   64 /* a bit each in a set */
#define PARCELS (TLB_PAGE_SIZE / 2)
#define NO_NODE 0xff

struct node {
    uint16_t offset; /* in the page */
    uint16_t insns;
    uint16_t end;  /* behind the last instruction */
    bool branches; /* to taken */
    int32_t taken; /* may be in another page */
    int32_t next;
    uint64_t successors; /* set of nodes */
};

struct search {
    const struct riscv_region *region;
    uint64_t page; /* pc of its first byte */
    riscv_region_fn *wanted;
    void *opaque;
    bool seen[PARCELS];       /* an instruction begins here */
    uint8_t node_at[PARCELS]; /* NO_NODE, or 0 while there are no numbers */
    uint16_t work[NODES];
    unsigned work_count;
    unsigned leaders;
    struct node nodes[NODES];
    unsigned node_count;
};

/* ---- Instructions ------------------------------------------------------ */

static bool read_at(const struct riscv_region *region, unsigned offset,
                    struct riscv_insn *insn)
{
    uint16_t low, high;
    uint32_t bits;

    if (offset + 2 > TLB_PAGE_SIZE) {
        return false;
    }
    memcpy(&low, region->page + offset, sizeof(low));
    bits = low;
    if (!riscv__is_compressed(bits)) {
        if (offset + 4 > TLB_PAGE_SIZE) {
            return false;
        }
        memcpy(&high, region->page + offset + 2, sizeof(high));
        bits |= (uint32_t)high << 16;
    }
    riscv__decode(insn, bits);
    return true;
}

static bool is_fp(const struct riscv_insn *insn)
{
    return riscv__formats[riscv__ops[insn->op].format].fp != 0;
}

static bool is_branch(const struct riscv_insn *insn)
{
    return riscv__ops[insn->op].class == RISCV_CLASS_BRANCH;
}

static bool is_plain_jump(const struct riscv_insn *insn)
{
    return insn->op == RISCV_OP_JAL && insn->rd == 0;
}

static bool is_taken_in(const struct riscv_insn *insn)
{
    switch ((enum riscv_class)riscv__ops[insn->op].class) {
    case RISCV_CLASS_LOAD:
    case RISCV_CLASS_STORE:
        return !is_fp(insn);
    case RISCV_CLASS_JUMP:
        return is_plain_jump(insn);
    case RISCV_CLASS_BRANCH:
        return true;
    default:
        return riscv__only_computes(insn);
    }
}

/* ---- Nodes ------------------------------------------------------------- */

static void add_leader(struct search *s, unsigned from, int64_t distance)
{
    uint64_t offset = (uint64_t)(from + distance);

    if (offset < TLB_PAGE_SIZE && s->node_at[offset / 2] == NO_NODE &&
        s->leaders < NODES && s->wanted(s->opaque, s->page + offset)) {
        s->node_at[offset / 2] = 0;
        s->work[s->work_count++] = (uint16_t)offset;
        s->leaders++;
    }
}

/* Mark what is executed from @offset on, to a jump. */
static void follow(struct search *s, unsigned offset)
{
    struct riscv_insn insn;

    while (offset < TLB_PAGE_SIZE && !s->seen[offset / 2] &&
           read_at(s->region, offset, &insn) && is_taken_in(&insn)) {
        s->seen[offset / 2] = true;
        if (is_branch(&insn)) {
            add_leader(s, offset, insn.imm);
            add_leader(s, offset, insn.length);
            return;
        }
        if (is_plain_jump(&insn)) {
            add_leader(s, offset, insn.imm);
            return;
        }
        offset += insn.length;
    }
}

/* From a leader to a jump, or to what is not taken in, or to another leader. */
static void make_node(struct search *s, unsigned offset)
{
    struct node *node = &s->nodes[s->node_count];
    struct riscv_insn insn;

    *node = (struct node){ .offset = (uint16_t)offset };
    s->node_at[offset / 2] = (uint8_t)s->node_count++;
    while (read_at(s->region, offset, &insn) && is_taken_in(&insn)) {
        unsigned from = offset;

        offset += insn.length;
        node->insns++;
        if (is_plain_jump(&insn)) {
            node->end = (uint16_t)offset;
            node->next = (int32_t)from + insn.imm;
            return;
        }
        if (is_branch(&insn)) {
            node->branches = true;
            node->taken = (int32_t)from + insn.imm;
            break;
        }
        if (offset >= TLB_PAGE_SIZE || s->node_at[offset / 2] != NO_NODE) {
            break;
        }
    }
    node->end = (uint16_t)offset;
    node->next = (int32_t)offset;
}

static uint64_t node_set(const struct search *s, int32_t offset)
{
    if (offset < 0 || offset >= (int32_t)TLB_PAGE_SIZE ||
        s->node_at[offset / 2] == NO_NODE) {
        return 0;
    }
    return UINT64_C(1) << s->node_at[offset / 2];
}

static void make_nodes(struct search *s, unsigned from)
{
    memset(s->node_at, NO_NODE, sizeof(s->node_at));
    s->node_at[from / 2] = 0;
    s->work[s->work_count++] = (uint16_t)from;
    s->leaders = 1;
    while (s->work_count > 0) {
        follow(s, s->work[--s->work_count]);
    }
    for (unsigned i = 0; i < PARCELS; i++) {
        if (s->node_at[i] != NO_NODE) {
            make_node(s, 2 * i);
        }
    }
    for (unsigned i = 0; i < s->node_count; i++) {
        struct node *node = &s->nodes[i];

        /* One without instructions leads nowhere. */
        if (node->insns != 0) {
            node->successors = node_set(s, node->next);
        }
        if (node->branches) {
            node->successors |= node_set(s, node->taken);
        }
    }
}

/* ---- The loop ---------------------------------------------------------- */

/* The nodes of @among that are behind @from, itself if there is a way back. */
static uint64_t behind(const struct search *s, unsigned from, uint64_t among)
{
    uint64_t found = s->nodes[from].successors & among;
    uint64_t before;

    do {
        before = found;
        for (uint64_t left = found; left != 0; left &= left - 1) {
            found |= s->nodes[__builtin_ctzll(left)].successors & among;
        }
    } while (found != before);
    return found;
}

/* The nodes of @among on circles through @from; 0: there is none. */
static uint64_t circles(const struct search *s, unsigned from, uint64_t among)
{
    uint64_t there = behind(s, from, among);
    uint64_t set = 0;

    for (uint64_t left = there; left != 0; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);

        if (i == from || (behind(s, i, among) >> from & 1)) {
            set |= UINT64_C(1) << i;
        }
    }
    return set >> from & 1 ? set : 0;
}

static unsigned count_insns(const struct search *s, uint64_t set)
{
    unsigned count = 0;

    for (; set != 0; set &= set - 1) {
        count += s->nodes[__builtin_ctzll(set)].insns;
    }
    return count;
}

static bool fits(const struct search *s, uint64_t set)
{
    return set != 0 && __builtin_popcountll(set) <= JIT_PARTS &&
           count_insns(s, set) <= REGION_INSNS;
}

/* The nodes from @first to @last. */
static uint64_t interval(unsigned first, unsigned last)
{
    return (UINT64_MAX >> (63 - last)) & (UINT64_MAX << first);
}

/* The smallest loop around @from that a jump backwards closes. */
static uint64_t smallest_loop(const struct search *s, unsigned from)
{
    uint64_t best = 0;

    for (unsigned i = from; i < s->node_count; i++) {
        uint64_t back = s->nodes[i].successors & interval(0, from);

        for (; back != 0; back &= back - 1) {
            uint64_t set =
                circles(s, from, interval((unsigned)__builtin_ctzll(back), i));

            if (fits(s, set) &&
                (best == 0 || count_insns(s, set) < count_insns(s, best))) {
                best = set;
            }
        }
    }
    return best;
}

/* ---- Parts ------------------------------------------------------------- */

static struct region_edge edge_to(const struct search *s, uint64_t set,
                                  int32_t offset, unsigned head)
{
    uint64_t node = node_set(s, offset) & set;

    if (node == 0) {
        return (struct region_edge){ .leaves = true,
                                     .offset = offset - (int32_t)head };
    }
    return (struct region_edge){
        .part = (uint8_t)__builtin_popcountll(set & (node - 1)),
    };
}

static void add_insns(struct riscv_region *region, const struct node *node,
                      unsigned head)
{
    unsigned offset = node->offset;

    for (unsigned i = 0; i < node->insns; i++) {
        struct riscv_insn *insn = &region->insns[region->insn_count];

        (void)read_at(region, offset, insn);
        region->offsets[region->insn_count++] = (uint16_t)(offset - head);
        offset += insn->length;
    }
}

static void add_part(struct riscv_region *region, const struct search *s,
                     uint64_t set, const struct node *node)
{
    unsigned head = s->nodes[__builtin_ctzll(set)].offset;
    struct region_part *part = &region->parts[region->part_count++];

    *part = (struct region_part){
        .first = (uint16_t)region->insn_count,
        .count = node->insns,
        .offset = (uint16_t)(node->offset - head),
        .branches = node->branches,
        .next = edge_to(s, set, node->next, head),
    };
    if (node->branches) {
        part->taken = edge_to(s, set, node->taken, head);
    }
    region->leaving +=
        part->next.leaves + (node->branches && part->taken.leaves);
    add_insns(region, node, head);
    if (node->end - head > region->size) {
        region->size = node->end - head;
    }
}

/* The parts from @head to @last are a loop. */
static void note_loop(struct riscv_region *region, unsigned head, unsigned last)
{
    region->parts[head].checks = true;
    for (unsigned i = head; i <= last; i++) {
        struct region_part *part = &region->parts[i];

        part->depth++;
        if (part->head == i || part->head < head) {
            part->head = (uint8_t)head;
        }
    }
}

/* An edge from part @from. Returns 1 if it leads to part @to. */
static unsigned count_edge(struct riscv_region *region, unsigned from,
                           const struct region_edge *edge, unsigned to)
{
    if (edge->leaves || edge->part != to) {
        return 0;
    }
    if (from >= to) {
        note_loop(region, to, from);
    }
    return 1;
}

void riscv__find_joins(struct riscv_region *region)
{
    for (unsigned i = 0; i < region->part_count; i++) {
        region->parts[i].depth = 0;
        region->parts[i].head = (uint8_t)i;
        region->parts[i].checks = false;
    }
    for (unsigned to = 0; to < region->part_count; to++) {
        unsigned ways = to == 0; /* the entry */

        for (unsigned from = 0; from < region->part_count; from++) {
            const struct region_part *part = &region->parts[from];

            ways += count_edge(region, from, &part->next, to);
            if (part->branches) {
                ways += count_edge(region, from, &part->taken, to);
            }
        }
        region->parts[to].joins = ways > 1 || region->parts[to].checks;
    }
}

bool riscv__find_region(struct riscv_region *region, uint64_t pc,
                        bool innermost, riscv_region_fn *wanted, void *opaque)
{
    struct search s = { .region = region,
                        .page = pc & TLB_PAGE_MASK,
                        .wanted = wanted,
                        .opaque = opaque };
    unsigned from = (unsigned)(pc & ~TLB_PAGE_MASK);
    uint64_t set;

    make_nodes(&s, from);
    from = s.node_at[from / 2];
    set = circles(&s, from, UINT64_MAX);
    if (set != 0 && (innermost || !fits(&s, set))) {
        set = smallest_loop(&s, from);
    }
    if (set == 0) {
        return false;
    }
    region->part_count = 0;
    region->insn_count = 0;
    region->leaving = 0;
    region->size = 0;
    region->pc = s.page + s.nodes[__builtin_ctzll(set)].offset;
    for (uint64_t left = set; left != 0; left &= left - 1) {
        add_part(region, &s, set, &s.nodes[__builtin_ctzll(left)]);
    }
    riscv__find_joins(region);
    /* A jump to itself waits for something: it is fast enough. */
    return region->leaving < XBAR_JIT_LINKS && region->insn_count > 1;
}
