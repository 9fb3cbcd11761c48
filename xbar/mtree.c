/* SPDX-License-Identifier: MIT */
#include "mtree.h"

#include <errno.h>

#include "board.h"

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

static int print_board(struct board *board, const struct options *options)
{
    if (options->json) {
        return mtree_print_json(&board->memory, stdout);
    }
    if (options->dot) {
        return mtree_print_dot(&board->memory, stdout);
    }
    return print_text(&board->memory, stdout);
}

/* The hart never runs, so the devices' far ends are never reached. */
int mtree_command(const struct options *options, Error **errp)
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
    ret = print_board(board, options);
    board_free(board);
    if (ret == -ENOMEM) {
        error_setg(errp, "no memory for the listing");
        return ret;
    }
    return 0; /* main() looks at stdout */
}
