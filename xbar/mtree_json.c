/* SPDX-License-Identifier: MIT */
/*
 * { "tree": REGION, "flatview": [ RANGE, ... ] }
 *
 * REGION  name, kind (container ram rom io alias), address (in the parent),
 *         size, priority, enabled, readonly; an alias: alias, alias_offset;
 *         children, in decode order, where there are any
 * RANGE   first, last, region, offset, ram, writable
 *
 * Addresses and sizes are strings like "0x80000000": JSON numbers end at 2^53.
 * jansson's setters take over what they are given, and fail on NULL, so that
 * a shortage anywhere makes the whole NULL.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "mtree.h"
#include "mtree_walk.h"

static json_t *make_number(Int128 value)
{
    char text[40];

    mtree_format(text, sizeof(text), value);
    return json_string(text);
}

static json_t *make_region(const MemoryRegion *mr);

static json_t *make_children(const MemoryRegion *mr)
{
    struct xbar_region_list list = { 0 };
    json_t *array = json_array();
    int ret = xbar_region_children(mr, 0, UINT64_MAX, &list);

    for (size_t i = 0; ret == 0 && i < list.count; i++) {
        ret = json_array_append_new(array, make_region(list.items[i]));
    }
    xbar_region_list_free(mr, &list);
    if (ret) {
        json_decref(array);
        return NULL;
    }
    return array;
}

static json_t *make_region(const MemoryRegion *mr)
{
    struct xbar_region_info info;
    json_t *object;
    json_t *children = make_children(mr);

    if (!children) {
        return NULL;
    }
    xbar_region_inspect(mr, &info);
    object = json_pack("{ss ss so so si sb sb}", "name", memory_region_name(mr),
                       "kind", mtree_kind(&info), "address",
                       make_number(info.addr), "size", make_number(info.size),
                       "priority", (int)info.priority, "enabled",
                       !!(info.flags & XBAR_REGION_ENABLED), "readonly",
                       !!(info.flags & XBAR_REGION_READONLY));
    if (info.alias && object) {
        json_object_set_new(object, "alias",
                            json_string(memory_region_name(info.alias)));
        json_object_set_new(object, "alias_offset",
                            make_number(info.alias_offset));
    }
    if (json_array_size(children) && object) {
        json_object_set(object, "children", children);
    }
    json_decref(children);
    return object;
}

static json_t *make_range(const FlatRange *range)
{
    return json_pack("{so so ss so sb sb}", "first", make_number(range->first),
                     "last", make_number(range->last), "region",
                     memory_region_name(range->mr), "offset",
                     make_number(range->first + range->mr_delta), "ram",
                     !!(range->flags & FLAT_RANGE_RAM), "writable",
                     !!(range->flags & FLAT_RANGE_WRITABLE));
}

static int append_range(void *opaque, const FlatRange *range)
{
    return json_array_append_new(opaque, make_range(range)) ? -ENOMEM : 0;
}

static json_t *make_flatview(AddressSpace *as)
{
    json_t *array = json_array();

    if (array && mtree_for_each_range(as, append_range, array)) {
        json_decref(array);
        return NULL;
    }
    return array;
}

int mtree_print_json(AddressSpace *as, FILE *out)
{
    json_t *tree;
    json_t *whole;
    int ret;

    mtree_hold(as);
    tree = make_region(xbar_address_space_root(as));
    mtree_release(as);
    whole = json_pack("{so so}", "tree", tree, "flatview", make_flatview(as));
    if (!whole) {
        return -ENOMEM;
    }
    ret = json_dumpf(whole, out, JSON_INDENT(2)) ? -EIO : 0;
    json_decref(whole);
    fputc('\n', out);
    return ret;
}
