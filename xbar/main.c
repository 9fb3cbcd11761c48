/* SPDX-License-Identifier: MIT */
/*
 * xbar: a reference RV64GC machine on nothing but libxbar's public headers.
 *
 *   options --> guest --> machine --> exit status
 *   (argv)      (files)   (board, console, hart)
 *
 * run plays the guest; profile does, too, and counts, trace records; mtree and
 * replay need the board alone. Everything that can be wrong with the input is
 * found before the guest starts and before anything is written.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "guest.h"
#include "machine.h"
#include "mtree.h"
#include "options.h"
#include "profile/profile.h"
#include "trace/replay.h"
#include "trace/trace.h"

/* One line, whatever bytes a file's name has. */
static int report_error(Error *err)
{
    fputs("xbar: ", stderr);
    for (const char *c = error_get_pretty(err); *c; c++) {
        fputc(iscntrl((unsigned char)*c) ? '?' : *c, stderr);
    }
    fputc('\n', stderr);
    error_free(err);
    return STATUS_BAD_INPUT;
}

static int run_guest(const struct guest *guest, const struct options *options,
                     Error **errp)
{
    const struct machine_config config = {
        .execution = options->execution,
        .virtio = &options->virtio,
        .gdb = options->gdb,
        .gdb_waits = options->gdb_waits,
    };
    struct machine *machine = machine_new(guest, &config, errp);
    struct machine_result result;
    int ret;

    if (!machine) {
        return -EINVAL;
    }
    ret = machine_run(machine, &result, errp);
    machine_free(machine);
    return ret ? ret : result.status;
}

static int dump_tree(const struct guest *guest, const char *path, Error **errp)
{
    if (strcmp(path, "-") != 0) {
        return file_write(path, guest->dtb, guest->dtb_size, errp);
    }
    (void)fwrite(guest->dtb, guest->dtb_size, 1, stdout); /* close_stdout() */
    return 0;
}

/* Return: an exit status; negative with @errp set. */
static int run_command(const struct options *options, Error **errp)
{
    struct guest guest;
    int ret = guest_open(&guest, options, errp);

    if (ret) {
        return ret;
    }
    if (options->dump_dtb) {
        ret = dump_tree(&guest, options->dump_dtb, errp);
    } else if (options->command == COMMAND_PROFILE) {
        ret = profile_command(&guest, options, errp);
    } else if (options->command == COMMAND_TRACE) {
        ret = trace_command(&guest, options, errp);
    } else {
        ret = run_guest(&guest, options, errp);
    }
    guest_close(&guest);
    return ret;
}

/*
 * Descriptors 0 to 2 may be closed. A file that is opened later must not get
 * their numbers and then be taken for the console.
 */
static void fill_standard_fds(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            (void)!open("/dev/null", fd ? O_RDONLY : O_WRONLY);
        }
    }
}

/* Did the reader of our output go away? A pipe without one polls as broken. */
static bool is_reader_gone(void)
{
    struct pollfd fd = { STDOUT_FILENO, POLLOUT, 0 };

    return poll(&fd, 1, 0) == 1 && (fd.revents & POLLERR);
}

/* What was printed counts only if it arrived. */
static int close_stdout(int status)
{
    bool failed = fflush(stdout) != 0;
    int error = failed ? errno : EIO; /* earlier, and unknown by now */

    if (!failed && !ferror(stdout)) {
        return status;
    }
    if (is_reader_gone()) {
        return status ? status : 128 + SIGPIPE;
    }
    fprintf(stderr, "xbar: standard output: %s\n", strerror(error));
    return status ? status : 1;
}

int main(int argc, char **argv)
{
    struct options options;
    Error *err = NULL;
    int status = 0;

    fill_standard_fds();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit is an error, not the end */
    if (options_parse(&options, argc, argv, &err)) {
        return report_error(err);
    }
    switch (options.command) {
    case COMMAND_HELP:
        options_print_help(stdout, options.topic);
        break;
    case COMMAND_VERSION:
        puts("xbar " XBAR_PROGRAM_VERSION);
        break;
    case COMMAND_MTREE:
        status = mtree_command(&options, &err);
        break;
    case COMMAND_REPLAY:
        status = replay_command(&options, &err);
        break;
    default:
        status = run_command(&options, &err);
        break;
    }
    return close_stdout(status < 0 ? report_error(err) : status);
}
