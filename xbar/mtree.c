/* SPDX-License-Identifier: MIT */
#include "mtree.h"

#include <errno.h>

#include "board.h"
#include "mtree_dtb.h"

static void drop_byte(void *opaque, uint8_t byte)
{
    (void)opaque;
    (void)byte;
}

static void ignore_room(void *opaque)
{
    (void)opaque;
}

static int print_text(AddressSpace *as, FILE *out)
{
    int ret = xbar_mtree_print(as, out);

    if (ret == 0) {
        fputc('\n', out);
        ret = xbar_flatview_print(as, out);
    }
    return ret;
}

static int print_memory(AddressSpace *as, const struct options *options)
{
    if (options->json) {
        return mtree_print_json(as, stdout);
    }
    if (options->dot) {
        return mtree_print_dot(as, stdout);
    }
    if (options->mtree) {
        return xbar_mtree_info(xbar_address_space_engine(as), stdout,
                               options->mtree);
    }
    return print_text(as, stdout);
}

/* The hart never runs, so the devices' far ends are never reached. */
static int print_board(const struct options *options, Error **errp)
{
    const struct board_config config = {
        .ram_size = options->memory,
        .uart = { drop_byte, ignore_room, NULL },
    };
    struct board *board = board_new(&config, errp);
    int ret;

    if (!board) {
        return -EINVAL;
    }
    ret = print_memory(&board->memory, options);
    board_free(board);
    if (ret == -ENOMEM) {
        error_setg(errp, "no memory for the listing");
    }
    return ret;
}

static int print_dtb(const struct options *options, Error **errp)
{
    struct mtree_dtb *tree;
    int ret = mtree_dtb_load(options->dtb, &tree, errp);

    if (ret) {
        return ret;
    }
    ret = print_memory(mtree_dtb_memory(tree), options);
    mtree_dtb_free(tree);
    if (ret == -ENOMEM) {
        error_setg(errp, "no memory for the listing");
    }
    return ret;
}

int mtree_command(const struct options *options, Error **errp)
{
    int ret =
        options->dtb ? print_dtb(options, errp) : print_board(options, errp);

    return ret == -EIO ? 0 : ret; /* main() looks at stdout */
}
