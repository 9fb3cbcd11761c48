/* SPDX-License-Identifier: MIT */
/*
 * Two queues of frames, each behind a header of 12 bytes (virtio 1.2, section
 * 5.1.6):
 *
 *   guest --queue 1--> checksum, if it was left to us --> network
 *   guest <--queue 0-- backlog <----------------------- network
 *
 *   header:  flags  gso type  header length, gso size  checksum from, to  buffers
 *            0      1         2                        6                  10
 *
 * Frames that come while the driver has no buffers wait in the backlog, up to
 * a limit; TCP sends the rest again.
 *
 * The checksum of what is sent is left to us, who are faster, and the driver
 * is told that what it receives was checked: it never left the host's memory.
 */
#include "virtio/net.h"

#include <stdlib.h>
#include <string.h>
#include <xbar/compat.h>

#include "virtio/net_user.h"

#define RX 0
#define TX 1

#define QUEUE_SIZE  256
#define HEADER_SIZE 12
#define FRAME_MIN   14
#define FRAME_MAX   (64 * 1024 + FRAME_MIN)
#define BACKLOG_MAX 256 /* frames */
#define BUFFERS_MAX 64  /* that one frame may be spread over */

enum net_feature {
    NET_F_CSUM = 1 << 0,
    NET_F_GUEST_CSUM = 1 << 1,
    NET_F_MAC = 1 << 5,
    NET_F_MRG_RXBUF = 1 << 15,
    NET_F_STATUS = 1 << 16,
};

enum net_header {
    HEADER_FLAGS = 0,
    HEADER_CSUM_START = 6,
    HEADER_CSUM_OFFSET = 8,
    HEADER_NUM_BUFFERS = 10,
};

enum net_header_flag {
    FLAG_NEEDS_CSUM = 1,
    FLAG_DATA_VALID = 2,
};

/* Offsets in config space. */
enum net_config {
    CONFIG_MAC = 0,
    CONFIG_STATUS = 6,
    CONFIG_SIZE = 8,
};

#define STATUS_LINK_UP 1

struct frame {
    struct frame *next;
    size_t len;
    uint8_t bytes[];
};

struct virtio_net {
    struct virtio_device base;
    struct net_user *user;
    struct frame *first; /* of the backlog */
    struct frame **last;
    unsigned waiting;
    bool was_delivered; /* something, since the driver was last told */
    struct virtio_chain tx_chain;
    struct virtio_chain rx_first;
    struct virtio_chain rx_chain;
    uint8_t frame[FRAME_MAX]; /* that is being sent */
};

static struct virtio_net *net_of(struct virtio_device *device)
{
    return (struct virtio_net *)device;
}

/* ---- Backlog ----------------------------------------------------------- */

static void queue_frame(struct virtio_net *net, const uint8_t *bytes,
                        size_t len)
{
    struct frame *frame =
        net->waiting < BACKLOG_MAX ? malloc(sizeof(*frame) + len) : NULL;

    if (!frame) {
        return;
    }
    frame->next = NULL;
    frame->len = len;
    memcpy(frame->bytes, bytes, len);
    *net->last = frame;
    net->last = &frame->next;
    net->waiting++;
}

static void drop_frame(struct virtio_net *net)
{
    struct frame *frame = net->first;

    net->first = frame->next;
    if (!net->first) {
        net->last = &net->first;
    }
    net->waiting--;
    free(frame);
}

static void empty_backlog(struct virtio_net *net)
{
    while (net->first) {
        drop_frame(net);
    }
}

/* ---- To the guest ------------------------------------------------------ */

static int write_header(struct virtio_net *net, unsigned num_buffers)
{
    const struct virtio_chain *chain = &net->rx_first;
    uint8_t header[HEADER_SIZE] = { 0 };

    if (virtio_device_has(&net->base, NET_F_GUEST_CSUM)) {
        header[HEADER_FLAGS] = FLAG_DATA_VALID;
    }
    stw_le_p(header + HEADER_NUM_BUFFERS, (uint16_t)num_buffers);
    return virtio_write_pieces(net->base.as, virtio_chain_in(chain),
                               chain->num_in, 0, header, sizeof(header));
}

/*
 * Spread a frame over as many buffers as it takes. The driver sees none of
 * them before all are filled.
 *
 * Return: 1; 0 if there are too few; -1 if the driver broke a rule.
 */
static int deliver(struct virtio_net *net, const uint8_t *bytes, size_t len)
{
    struct virtio_queue *queue = &net->base.queues[RX];
    bool may_spread = virtio_device_has(&net->base, NET_F_MRG_RXBUF);
    unsigned count = 0;

    while (len || count == 0) {
        struct virtio_chain *chain = count ? &net->rx_chain : &net->rx_first;
        size_t skip = count ? 0 : HEADER_SIZE;
        int ret = virtio_queue_pop(queue, chain);
        size_t part;

        if (ret <= 0) {
            virtio_queue_unpop(queue, count);
            return ret;
        }
        if (chain->in_bytes <= skip || count == BUFFERS_MAX) {
            return -1;
        }
        part = chain->in_bytes - skip < len ? chain->in_bytes - skip : len;
        if (part < len && !may_spread) {
            virtio_queue_unpop(queue, 1); /* too small: as if it was lost */
            return 1;
        }
        if (virtio_write_pieces(net->base.as, virtio_chain_in(chain),
                                chain->num_in, skip, bytes, part) ||
            virtio_queue_put(queue, count, chain->head,
                             (uint32_t)(skip + part))) {
            return -1;
        }
        bytes += part;
        len -= part;
        count++;
    }
    if (write_header(net, count)) {
        return -1;
    }
    virtio_queue_publish(queue, count);
    net->was_delivered = true;
    return 1;
}

/* The driver tells of new buffers only while somebody waits for them. */
static void deliver_backlog(struct virtio_net *net)
{
    struct virtio_queue *queue = &net->base.queues[RX];
    int ret = 1;

    do {
        while (net->first && ret > 0) {
            ret = deliver(net, net->first->bytes, net->first->len);
            if (ret > 0) {
                drop_frame(net);
            }
        }
        if (ret < 0) {
            virtio_device_fail(&net->base);
            return;
        }
        ret = 1;
    } while (virtio_queue_set_notify(queue, net->first) && net->first);
}

/* From libslirp, under the device's lock. */
static void receive_frame(void *opaque, const uint8_t *bytes, size_t len)
{
    struct virtio_net *net = opaque;
    int ret = 0;

    if (!virtio_device_runs(&net->base) || len > FRAME_MAX) {
        return;
    }
    if (!net->first) {
        ret = deliver(net, bytes, len);
    }
    if (ret == 0) {
        queue_frame(net, bytes, len);
    } else if (ret < 0) {
        virtio_device_fail(&net->base);
    }
}

static void tell_delivered(struct virtio_net *net)
{
    if (net->was_delivered) {
        net->was_delivered = false;
        virtio_device_told(&net->base, &net->base.queues[RX]);
    }
}

/* ---- From the guest ---------------------------------------------------- */

/* The Internet checksum of what lies there, which includes its start value. */
static uint16_t checksum(const uint8_t *bytes, size_t len)
{
    uint64_t sum = 0;
    size_t i = 0;

    for (; i + 4 <= len; i += 4) {
        sum += ldl_be_p(bytes + i);
    }
    for (; i < len; i++) {
        sum += (uint64_t)bytes[i] << (i % 2 ? 0 : 8);
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

/* Return: does what the header says fit the frame? */
static bool complete_frame(const uint8_t *header, uint8_t *frame, size_t len)
{
    size_t start = lduw_le_p(header + HEADER_CSUM_START);
    size_t at = start + lduw_le_p(header + HEADER_CSUM_OFFSET);
    uint16_t sum;

    if (!(header[HEADER_FLAGS] & FLAG_NEEDS_CSUM)) {
        return true;
    }
    if (start >= len || at + 2 > len) {
        return false;
    }
    sum = checksum(frame + start, len - start);
    stw_be_p(frame + at, sum ? sum : 0xffff); /* 0 is "none", for UDP */
    return true;
}

/* What is too short, too long or nonsense is lost, as on any cable. */
static int64_t send_chain(struct virtio_device *device,
                          const struct virtio_chain *chain)
{
    struct virtio_net *net = net_of(device);
    uint8_t header[HEADER_SIZE];
    size_t len;

    if (chain->out_bytes < HEADER_SIZE + FRAME_MIN ||
        chain->out_bytes > HEADER_SIZE + FRAME_MAX) {
        return 0;
    }
    len = chain->out_bytes - HEADER_SIZE;
    if (virtio_read_pieces(device->as, chain->pieces, chain->num_out, 0, header,
                           sizeof(header)) ||
        virtio_read_pieces(device->as, chain->pieces, chain->num_out,
                           HEADER_SIZE, net->frame, len)) {
        return -1;
    }
    if (complete_frame(header, net->frame, len)) {
        net_user_send(net->user, net->frame, len);
    }
    return 0;
}

/* ---- The device -------------------------------------------------------- */

static void kick_net(struct virtio_device *device)
{
    struct virtio_net *net = net_of(device);

    deliver_backlog(net);
    if (virtio_device_runs(device)) {
        virtio_device_each(device, &device->queues[TX], send_chain);
    }
    tell_delivered(net);
}

static void prepare_net(void *opaque, struct io_polls *polls)
{
    struct virtio_net *net = opaque;

    virtio_device_lock(&net->base);
    net_user_prepare(net->user, polls);
    virtio_device_unlock(&net->base);
}

static void look_net(void *opaque, const struct io_polls *polls)
{
    struct virtio_net *net = opaque;

    virtio_device_lock(&net->base);
    net_user_look(net->user, polls);
    if (virtio_device_runs(&net->base)) {
        deliver_backlog(net);
    }
    tell_delivered(net);
    virtio_device_unlock(&net->base);
}

static void reset_net(struct virtio_device *device)
{
    struct virtio_net *net = net_of(device);

    empty_backlog(net);
    net->was_delivered = false;
}

static void free_net(struct virtio_device *device)
{
    struct virtio_net *net = net_of(device);

    net_user_free(net->user);
    empty_backlog(net);
    virtio_device_destroy(device);
    free(net);
}

static const char *refuse_net(const struct virtio_device *device)
{
    (void)device;
    return "what a network card has under way does not go back";
}

static const struct virtio_class net_class = {
    .name = "virtio-net",
    .id = 1,
    .num_queues = 2,
    .queue_size = QUEUE_SIZE,
    .config_size = CONFIG_SIZE,
    .kick = kick_net,
    .reset = reset_net,
    .free = free_net,
    .refuse = refuse_net,
};

static int connect_net(struct virtio_net *net, const struct virtio_place *place,
                       const struct netdev_config *config, Error **errp)
{
    const struct net_user_host host = { receive_frame, net };
    const struct io_poller poller = { prepare_net, look_net, net };

    net->user = net_user_new(config, &host, errp);
    return net->user ? io_loop_add_poller(place->loop, &poller) : -1;
}

struct virtio_device *virtio_net_new(const struct virtio_place *place,
                                     const struct netdev_config *config,
                                     unsigned n, Error **errp)
{
    const uint8_t mac[] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 + n };
    struct virtio_net *net = calloc(1, sizeof(*net));

    if (!net) {
        return NULL;
    }
    net->last = &net->first;
    if (virtio_device_init(&net->base, &net_class, place,
                           NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_MAC |
                               NET_F_MRG_RXBUF | NET_F_STATUS) ||
        connect_net(net, place, config, errp)) {
        free_net(&net->base);
        return NULL;
    }
    memcpy(net->base.config + CONFIG_MAC, mac, sizeof(mac));
    stw_le_p(net->base.config + CONFIG_STATUS, STATUS_LINK_UP);
    return &net->base;
}
