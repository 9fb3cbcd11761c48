/* SPDX-License-Identifier: MIT */
/*
 * Each option's keys are rows of a table: the name, and what takes the value.
 * A key without a value is "on", and one without a name in front, as the
 * first, is the row that says so: as QEMU has it.
 */
#include "virtio/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* One key of an option. @take returns what is wrong with the value, or NULL. */
struct key_row {
    const char *name;
    const char *(*take)(void *into, const char *value);
};

struct option_syntax {
    const char *name;     /* of the option, for messages */
    const char *implicit; /* the first one's key if it gives none, or NULL */
    const struct key_row *rows;
    unsigned count;
};

/* ---- Taking apart ------------------------------------------------------ */

/* Cut the text at its first single comma, and make ",," one. Return: what is
 * behind it, or NULL. */
static char *cut_item(char *text)
{
    char *to = text;

    for (; *text; text++) {
        if (*text == ',') {
            if (text[1] != ',') {
                *to = '\0';
                return text + 1;
            }
            text++;
        }
        *to++ = *text;
    }
    *to = '\0';
    return NULL;
}

static int refuse_key(const struct option_syntax *syntax, const char *key,
                      Error **errp)
{
    char names[128] = "";
    size_t length = 0;

    for (unsigned i = 0; i < syntax->count && length < sizeof(names); i++) {
        length +=
            (size_t)snprintf(names + length, sizeof(names) - length,
                             "%s%s=", i ? ", " : "", syntax->rows[i].name);
    }
    error_setg(errp, "%s: %s: no such setting (try %s)", syntax->name, key,
               names);
    return -EINVAL;
}

static int take_item(const struct option_syntax *syntax, char *item,
                     bool is_first, void *into, Error **errp)
{
    char *equals = strchr(item, '=');
    const char *value = "on";
    const char *key = item;
    const char *problem;

    if (equals) {
        *equals = '\0';
        value = equals + 1;
    } else if (is_first && syntax->implicit) {
        key = syntax->implicit;
        value = item;
    }
    for (unsigned i = 0; i < syntax->count; i++) {
        if (strcmp(syntax->rows[i].name, key) == 0) {
            problem = syntax->rows[i].take(into, value);
            if (problem) {
                error_setg(errp, "%s: %s=%s: %s", syntax->name, key, value,
                           problem);
            }
            return problem ? -EINVAL : 0;
        }
    }
    return refuse_key(syntax, key, errp);
}

static int take_items(const struct option_syntax *syntax, char *text,
                      void *into, Error **errp)
{
    bool is_first = true;
    int ret = 0;

    while (ret == 0 && text) {
        char *next = cut_item(text);

        ret = take_item(syntax, text, is_first, into, errp);
        is_first = false;
        text = next;
    }
    return ret;
}

static const char *take_bool(bool *into, const char *value)
{
    *into = strcmp(value, "on") == 0;
    return *into || strcmp(value, "off") == 0 ? NULL : "on or off";
}

static const char *take_text(const char **into, const char *value)
{
    *into = value;
    return value[0] ? NULL : "needs a value";
}

static const char *accept_only(const char *value, const char *accepted,
                               const char *problem)
{
    return strcmp(value, accepted) == 0 ? NULL : problem;
}

/* ---- --drive ----------------------------------------------------------- */

static const char *drive_file(void *into, const char *value)
{
    return take_text(&((struct drive_config *)into)->file, value);
}

static const char *drive_id(void *into, const char *value)
{
    return take_text(&((struct drive_config *)into)->id, value);
}

static const char *drive_format(void *into, const char *value)
{
    (void)into;
    return accept_only(value, "raw", "only raw images");
}

static const char *drive_interface(void *into, const char *value)
{
    (void)into;
    return accept_only(value, "virtio", "only virtio");
}

static const char *drive_media(void *into, const char *value)
{
    (void)into;
    return accept_only(value, "disk", "only disk");
}

static const char *drive_aio(void *into, const char *value)
{
    (void)into;
    return accept_only(value, "io_uring", "only io_uring");
}

static const char *drive_readonly(void *into, const char *value)
{
    return take_bool(&((struct drive_config *)into)->is_readonly, value);
}

static const char *drive_discard(void *into, const char *value)
{
    struct drive_config *drive = into;
    bool ignores = strcmp(value, "ignore") == 0 || strcmp(value, "off") == 0;

    drive->ignores_discard = ignores;
    return ignores || strcmp(value, "unmap") == 0 || strcmp(value, "on") == 0
               ? NULL
               : "unmap or ignore";
}

static const char *drive_cache(void *into, const char *value)
{
    static const char *const names[] = {
        [DRIVE_CACHE_WRITEBACK] = "writeback",
        [DRIVE_CACHE_WRITETHROUGH] = "writethrough",
        [DRIVE_CACHE_NONE] = "none",
        [DRIVE_CACHE_UNSAFE] = "unsafe",
    };

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], value) == 0) {
            ((struct drive_config *)into)->cache = (enum drive_cache)i;
            return NULL;
        }
    }
    return "writeback, writethrough, none or unsafe";
}

static const struct key_row drive_rows[] = {
    { "file", drive_file },
    { "format", drive_format },
    { "readonly", drive_readonly },
    { "if", drive_interface },
    { "id", drive_id },
    { "cache", drive_cache },
    { "discard", drive_discard },
    { "media", drive_media },
    { "aio", drive_aio },
};

int virtio_config_drive(struct virtio_config *config, char *text, Error **errp)
{
    static const struct option_syntax syntax = {
        "--drive", NULL, drive_rows, sizeof(drive_rows) / sizeof(drive_rows[0])
    };
    struct drive_config drive = { 0 };
    int ret;

    if (config->num_drives == VIRTIO_SLOTS) {
        error_setg(errp, "--drive: more than %d", VIRTIO_SLOTS);
        return -EINVAL;
    }
    ret = take_items(&syntax, text, &drive, errp);
    if (ret == 0 && !drive.file) {
        error_setg(errp, "--drive: file=FILE is missing");
        ret = -EINVAL;
    }
    if (ret == 0) {
        config->drives[config->num_drives++] = drive;
    }
    return ret;
}

/* ---- --netdev ---------------------------------------------------------- */

static const char *netdev_type(void *into, const char *value)
{
    ((struct netdev_config *)into)->is_user = true;
    return accept_only(value, "user", "only user networks");
}

static const char *netdev_id(void *into, const char *value)
{
    return take_text(&((struct netdev_config *)into)->id, value);
}

static const char *netdev_net(void *into, const char *value)
{
    return take_text(&((struct netdev_config *)into)->net, value);
}

static const char *netdev_host(void *into, const char *value)
{
    return take_text(&((struct netdev_config *)into)->host, value);
}

static const char *netdev_dns(void *into, const char *value)
{
    return take_text(&((struct netdev_config *)into)->dns, value);
}

static const char *netdev_dhcpstart(void *into, const char *value)
{
    return take_text(&((struct netdev_config *)into)->dhcpstart, value);
}

static const char *netdev_tftp(void *into, const char *value)
{
    struct stat st;

    if (value[0] && (stat(value, &st) || !S_ISDIR(st.st_mode))) {
        return "no such folder";
    }
    return take_text(&((struct netdev_config *)into)->tftp, value);
}

static const char *netdev_bootfile(void *into, const char *value)
{
    return take_text(&((struct netdev_config *)into)->bootfile, value);
}

static const char *netdev_restrict(void *into, const char *value)
{
    return take_bool(&((struct netdev_config *)into)->is_restricted, value);
}

static const char *netdev_hostfwd(void *into, const char *value)
{
    struct netdev_config *netdev = into;

    if (netdev->num_hostfwd == HOST_FORWARD_MAX) {
        return "too many of them";
    }
    return take_text(&netdev->hostfwd[netdev->num_hostfwd++], value);
}

static const struct key_row netdev_rows[] = {
    { "type", netdev_type },
    { "id", netdev_id },
    { "hostfwd", netdev_hostfwd },
    { "restrict", netdev_restrict },
    { "net", netdev_net },
    { "host", netdev_host },
    { "dhcpstart", netdev_dhcpstart },
    { "dns", netdev_dns },
    { "tftp", netdev_tftp },
    { "bootfile", netdev_bootfile },
};

int virtio_config_netdev(struct virtio_config *config, char *text, Error **errp)
{
    static const struct option_syntax syntax = { "--netdev", "type",
                                                 netdev_rows,
                                                 sizeof(netdev_rows) /
                                                     sizeof(netdev_rows[0]) };
    struct netdev_config netdev = { 0 };
    int ret;

    if (config->num_netdevs == VIRTIO_SLOTS) {
        error_setg(errp, "--netdev: more than %d", VIRTIO_SLOTS);
        return -EINVAL;
    }
    ret = take_items(&syntax, text, &netdev, errp);
    if (ret == 0 && !netdev.is_user) {
        error_setg(errp, "--netdev: the type is missing (try user,...)");
        ret = -EINVAL;
    }
    if (ret == 0) {
        config->netdevs[config->num_netdevs++] = netdev;
    }
    return ret;
}

/* ---- --device ---------------------------------------------------------- */

/* The names are those of what QEMU plugs into virtio-mmio. */
int virtio_config_device(struct virtio_config *config, char *text, Error **errp)
{
    bool *has = strcmp(text, "virtio-rng-device") == 0 ? &config->has_rng
                : strcmp(text, "virtconsole") == 0     ? &config->has_console
                                                       : NULL;

    if (!has) {
        error_setg(errp,
                   "--device %s: no such device (try virtio-rng-device, "
                   "virtconsole)",
                   text);
        return -EINVAL;
    }
    if (*has) {
        error_setg(errp, "--device %s: given twice, and there is but one",
                   text);
        return -EINVAL;
    }
    *has = true;
    return 0;
}
