/* SPDX-License-Identifier: MIT */
/*
 * Registers, 4 bytes each (virtio 1.2, section 4.2.2), and config space:
 *
 *   000 magic   004 version  008 device    00c vendor
 *   010 device features      014 which word of them
 *   020 driver features      024 which word of them
 *   030 queue   034 its largest size       038 its size     044 is it ready?
 *   050 notify  060 interrupt status       064 acknowledge  070 status
 *   080 descriptors          090 available ring             0a0 used ring
 *   0b0 length, 0b8 base of shared memory: none, all ones
 *   0fc generation           100 config, by bytes
 *
 * Addresses are two registers, the low half first. What is not listed reads
 * as 0 and ignores writes, as do registers at other sizes.
 *
 *                    +-- 0 ------------------- any state
 *                    v
 *   reset -> ACKNOWLEDGE, DRIVER -> FEATURES_OK -> DRIVER_OK --> it runs
 *                                   (if all were offered)  |
 *                                                          +--> NEEDS_RESET
 *                                      a ring or chain that makes no sense
 */
#include "virtio/device.h"

#include <errno.h>
#include <string.h>

#define MAGIC  0x74726976
#define VENDOR 0x52414258 /* "XBAR" */

/* As QEMU's: the slots are further apart than they are long. */
#define REGION_SIZE 0x200
#define CONFIG      0x100

enum virtio_register {
    REG_MAGIC = 0x000,
    REG_VERSION = 0x004,
    REG_DEVICE_ID = 0x008,
    REG_VENDOR_ID = 0x00c,
    REG_DEVICE_FEATURES = 0x010,
    REG_DEVICE_FEATURES_SEL = 0x014,
    REG_DRIVER_FEATURES = 0x020,
    REG_DRIVER_FEATURES_SEL = 0x024,
    REG_QUEUE_SEL = 0x030,
    REG_QUEUE_SIZE_MAX = 0x034,
    REG_QUEUE_SIZE = 0x038,
    REG_QUEUE_READY = 0x044,
    REG_QUEUE_NOTIFY = 0x050,
    REG_INTERRUPT_STATUS = 0x060,
    REG_INTERRUPT_ACK = 0x064,
    REG_STATUS = 0x070,
    REG_QUEUE_DESC_LOW = 0x080,
    REG_QUEUE_DESC_HIGH = 0x084,
    REG_QUEUE_DRIVER_LOW = 0x090,
    REG_QUEUE_DRIVER_HIGH = 0x094,
    REG_QUEUE_DEVICE_LOW = 0x0a0,
    REG_QUEUE_DEVICE_HIGH = 0x0a4,
    REG_SHM_LEN_LOW = 0x0b0,
    REG_SHM_BASE_HIGH = 0x0bc,
    REG_CONFIG_GENERATION = 0x0fc,
};

#define STATUS_OF_DRIVER                                   \
    (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |    \
     VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_FEATURES_OK | \
     VIRTIO_STATUS_FAILED)

/* ---- Lock -------------------------------------------------------------- */

void virtio_device_lock(struct virtio_device *device)
{
    pthread_mutex_lock(&device->lock);
}

void virtio_device_unlock(struct virtio_device *device)
{
    pthread_mutex_unlock(&device->lock);
}

/* A thread that comes by its own access has it already: it gets nothing. */
static bool lock_from_guest(struct virtio_device *device)
{
    return pthread_mutex_lock(&device->lock) == 0;
}

static int make_lock(struct virtio_device *device)
{
    pthread_mutexattr_t attr;
    int ret;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    ret = pthread_mutex_init(&device->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    return -ret;
}

/* ---- Interrupts -------------------------------------------------------- */

/* The PLIC has a lock of its own, further down the wire than ours. */
static void set_interrupts(struct virtio_device *device, uint32_t interrupts)
{
    if (interrupts == device->regs.interrupts) {
        return;
    }
    device->regs.interrupts = interrupts;
    irq_line_set(&device->irq, interrupts != 0);
}

static void raise_interrupts(struct virtio_device *device, uint32_t reasons)
{
    reasons &= ~device->regs.interrupts;
    if (reasons) {
        tap_note(device->tap, TRACE_INTERRUPT, device->slot, reasons, NULL, 0);
        set_interrupts(device, device->regs.interrupts | reasons);
    }
}

/* For who looks on, it comes at a known place between the hart's accesses. */
void virtio_device_interrupt(struct virtio_device *device,
                             enum virtio_interrupt reason)
{
    if (device->tap && !device->tap->is_ordered(device->tap->opaque)) {
        device->regs.waiting |= reason;
        device->posted(device->posted_opaque);
    } else {
        raise_interrupts(device, reason);
    }
}

void virtio_device_deliver(struct virtio_device *device)
{
    virtio_device_lock(device);
    raise_interrupts(device, device->regs.waiting);
    device->regs.waiting = 0;
    virtio_device_unlock(device);
}

static void note_config(const struct virtio_device *device)
{
    tap_note(device->tap, TRACE_CONFIG, device->slot, device->config_generation,
             device->config, device->class->config_size);
}

void virtio_device_set_config(struct virtio_device *device, const void *bytes,
                              size_t count)
{
    if (memcmp(device->config, bytes, count) == 0) {
        return;
    }
    memcpy(device->config, bytes, count);
    device->config_generation++;
    note_config(device);
    if (virtio_device_runs(device)) {
        virtio_device_interrupt(device, VIRTIO_INTERRUPT_CONFIG);
    }
}

void virtio_device_told(struct virtio_device *device,
                        struct virtio_queue *queue)
{
    if (virtio_queue_wants_interrupt(queue)) {
        virtio_device_interrupt(device, VIRTIO_INTERRUPT_USED);
    }
}

/* A driver that does not run yet is not interrupted: it reads Status. */
void virtio_device_fail(struct virtio_device *device)
{
    if (device->regs.status & VIRTIO_STATUS_NEEDS_RESET) {
        return;
    }
    tap_note(device->tap, TRACE_FAIL, device->slot, 0, NULL, 0);
    device->regs.status |= VIRTIO_STATUS_NEEDS_RESET;
    if (device->regs.status & VIRTIO_STATUS_DRIVER_OK) {
        virtio_device_interrupt(device, VIRTIO_INTERRUPT_CONFIG);
    }
}

/* ---- Kicks ------------------------------------------------------------- */

void virtio_device_wake(struct virtio_device *device)
{
    (void)event_notifier_set(&device->notifier);
}

static void kick(struct virtio_device *device)
{
    if (virtio_device_runs(device) && !device->is_held) {
        device->class->kick(device);
    }
}

static void take_kick(void *opaque)
{
    struct virtio_device *device = opaque;

    (void)event_notifier_test_and_clear(&device->notifier);
    virtio_device_lock(device);
    kick(device);
    virtio_device_unlock(device);
}

/* Whatever the queue was told to be: the device looks at all it has. */
static void note_kick(struct virtio_device *device)
{
    if (device->is_sync) {
        kick(device);
    } else {
        virtio_device_wake(device);
    }
}

void virtio_device_each(struct virtio_device *device,
                        struct virtio_queue *queue,
                        int64_t (*use)(struct virtio_device *device,
                                       const struct virtio_chain *chain))
{
    struct virtio_chain chain;
    bool is_told = false;
    int ret;

    do {
        (void)virtio_queue_set_notify(queue, false);
        while ((ret = virtio_queue_pop(queue, &chain)) > 0) {
            int64_t written = use(device, &chain);

            if (written < 0 ||
                virtio_queue_push(queue, chain.head, (uint32_t)written)) {
                ret = -EPROTO;
                break;
            }
            is_told = true;
        }
    } while (ret == 0 && virtio_queue_set_notify(queue, true));
    if (is_told) {
        virtio_device_told(device, queue);
    }
    if (ret < 0) {
        virtio_device_fail(device);
    }
}

/* ---- Reset ------------------------------------------------------------- */

void virtio_device_is_idle(struct virtio_device *device)
{
    pthread_cond_broadcast(&device->idle);
}

/* The lock is released meanwhile: the I/O thread ends what it began. */
static void wait_idle(struct virtio_device *device)
{
    device->waiters++;
    while (device->class->is_idle && !device->class->is_idle(device)) {
        pthread_cond_wait(&device->idle, &device->lock);
    }
    device->waiters--;
}

/*
 * Another hart that resets meanwhile waits for the same. What completes is
 * given back as long as the rings are there, which the driver still owns.
 */
static void reset(struct virtio_device *device)
{
    wait_idle(device);
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        virtio_queue_stop(&device->queues[i]);
        device->queues[i] = (struct virtio_queue){ 0 };
    }
    if (device->class->reset) {
        device->class->reset(device);
        note_config(device);
    }
    set_interrupts(device, 0);
    device->regs = (struct virtio_regs){ 0 };
}

void virtio_device_reset(struct virtio_device *device)
{
    virtio_device_lock(device);
    reset(device);
    virtio_device_unlock(device);
}

void virtio_device_drain(struct virtio_device *device)
{
    virtio_device_lock(device);
    device->is_held = true;
    wait_idle(device);
    virtio_device_unlock(device);
}

/* Kicks that came meanwhile were taken, and missed. */
void virtio_device_go_on(struct virtio_device *device)
{
    virtio_device_lock(device);
    device->is_held = false;
    virtio_device_unlock(device);
    if (!device->is_sync) {
        virtio_device_wake(device);
    }
}

/* ---- Registers: what a write does -------------------------------------- */

static void write_driver_features(struct virtio_device *device, uint32_t value)
{
    unsigned shift = 32 * device->regs.driver_features_word;

    /* settled; or bits that nobody has given a meaning */
    if ((device->regs.status & VIRTIO_STATUS_FEATURES_OK) || shift > 32) {
        return;
    }
    device->regs.driver_features &= ~((uint64_t)UINT32_MAX << shift);
    device->regs.driver_features |= (uint64_t)value << shift;
}

static bool are_features_good(const struct virtio_device *device)
{
    return !(device->regs.driver_features & ~device->features) &&
           (device->regs.driver_features & VIRTIO_F_VERSION_1);
}

/* Bits stay set until the reset. FEATURES_OK that does not stick is a no. */
static void write_status(struct virtio_device *device, uint32_t value)
{
    uint8_t raised = (uint8_t)(value & STATUS_OF_DRIVER & ~device->regs.status);

    if (value == 0) {
        reset(device);
        return;
    }
    if ((raised & VIRTIO_STATUS_FEATURES_OK) && !are_features_good(device)) {
        raised &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
    }
    device->regs.status |= raised;
    if (raised & VIRTIO_STATUS_DRIVER_OK) {
        if (!(device->regs.status & VIRTIO_STATUS_FEATURES_OK)) {
            virtio_device_fail(device);
        }
        note_kick(device); /* what was offered before is looked at now */
    }
}

static void write_queue_ready(struct virtio_device *device,
                              struct virtio_queue *queue, uint32_t value)
{
    if (!(value & 1)) {
        wait_idle(device);
        virtio_queue_stop(queue);
        virtio_device_wake(device); /* other queues, whose kicks were missed */
    } else if (!queue->is_ready &&
               virtio_queue_start(
                   queue, device->as,
                   virtio_device_has(device, VIRTIO_F_EVENT_IDX))) {
        virtio_device_fail(device);
    }
}

static void set_low(hwaddr *addr, uint32_t value)
{
    *addr = (*addr & ~(hwaddr)UINT32_MAX) | value;
}

static void set_high(hwaddr *addr, uint32_t value)
{
    *addr = (*addr & UINT32_MAX) | (hwaddr)value << 32;
}

/* The queue that QueueSel names, or NULL. */
static struct virtio_queue *selected_queue(struct virtio_device *device)
{
    return device->regs.queue_index < device->class->num_queues
               ? &device->queues[device->regs.queue_index]
               : NULL;
}

/* Where a queue lies cannot change while it is in use. */
static void write_queue(struct virtio_device *device, hwaddr addr,
                        uint32_t value)
{
    struct virtio_queue *queue = selected_queue(device);

    if (!queue) {
        return;
    }
    if (addr == REG_QUEUE_READY) {
        write_queue_ready(device, queue, value);
        return;
    }
    if (queue->is_ready) {
        return;
    }
    switch (addr) {
    case REG_QUEUE_SIZE: /* 0 is no size that a queue can start with */
        queue->size = value <= device->class->queue_size ? (uint16_t)value : 0;
        break;
    case REG_QUEUE_DESC_LOW:
        set_low(&queue->desc, value);
        break;
    case REG_QUEUE_DESC_HIGH:
        set_high(&queue->desc, value);
        break;
    case REG_QUEUE_DRIVER_LOW:
        set_low(&queue->avail, value);
        break;
    case REG_QUEUE_DRIVER_HIGH:
        set_high(&queue->avail, value);
        break;
    case REG_QUEUE_DEVICE_LOW:
        set_low(&queue->used, value);
        break;
    case REG_QUEUE_DEVICE_HIGH:
        set_high(&queue->used, value);
        break;
    default:
        break;
    }
}

static void write_register(struct virtio_device *device, hwaddr addr,
                           uint32_t value)
{
    switch (addr) {
    case REG_DEVICE_FEATURES_SEL:
        device->regs.device_features_word = value;
        break;
    case REG_DRIVER_FEATURES:
        write_driver_features(device, value);
        break;
    case REG_DRIVER_FEATURES_SEL:
        device->regs.driver_features_word = value;
        break;
    case REG_QUEUE_SEL:
        device->regs.queue_index = value;
        break;
    case REG_QUEUE_NOTIFY: /* with an I/O thread only if there is a tap */
        note_kick(device);
        break;
    case REG_INTERRUPT_ACK:
        set_interrupts(device, device->regs.interrupts & ~value);
        break;
    case REG_STATUS:
        write_status(device, value);
        break;
    default:
        write_queue(device, addr, value);
        break;
    }
}

/* ---- Registers: what a read gives -------------------------------------- */

static uint32_t read_features(const struct virtio_device *device)
{
    return device->regs.device_features_word > 1
               ? 0
               : (uint32_t)(device->features >>
                            32 * device->regs.device_features_word);
}

static uint32_t read_register(struct virtio_device *device, hwaddr addr)
{
    const struct virtio_queue *queue = selected_queue(device);

    switch (addr) {
    case REG_DEVICE_FEATURES:
        return read_features(device);
    case REG_QUEUE_SIZE_MAX:
        return queue ? device->class->queue_size : 0;
    case REG_QUEUE_READY:
        return queue ? queue->is_ready : 0;
    case REG_INTERRUPT_STATUS:
        return device->regs.interrupts;
    case REG_STATUS:
        return device->regs.status;
    case REG_CONFIG_GENERATION:
        return device->config_generation;
    default:
        return addr >= REG_SHM_LEN_LOW && addr <= REG_SHM_BASE_HIGH ? UINT32_MAX
                                                                    : 0;
    }
}

static uint64_t read_config(const struct virtio_device *device, hwaddr offset,
                            unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size && offset + i < device->class->config_size;
         i++) {
        value |= (uint64_t)device->config[offset + i] << 8 * i;
    }
    return value;
}

/* ---- The region -------------------------------------------------------- */

static uint64_t device_read(void *opaque, hwaddr addr, unsigned size)
{
    struct virtio_device *device = opaque;
    uint64_t value = 0;

    if (addr < CONFIG && size != 4) {
        return 0;
    }
    switch (addr) {
    case REG_MAGIC:
        return MAGIC;
    case REG_VERSION:
        return 2;
    case REG_DEVICE_ID:
        return device->class->id;
    case REG_VENDOR_ID:
        return VENDOR;
    default:
        break;
    }
    if (device->class->id && lock_from_guest(device)) {
        value = addr < CONFIG ? read_register(device, addr)
                              : read_config(device, addr - CONFIG, size);
        virtio_device_unlock(device);
    }
    return value;
}

static void write_config(struct virtio_device *device, hwaddr offset,
                         uint64_t data, unsigned size)
{
    if (!device->class->write_config) {
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        device->class->write_config(device, offset + i,
                                    (uint8_t)(data >> 8 * i));
    }
    note_config(device);
}

static void device_write(void *opaque, hwaddr addr, uint64_t data,
                         unsigned size)
{
    struct virtio_device *device = opaque;

    if ((addr < CONFIG && size != 4) || !device->class->id ||
        !lock_from_guest(device)) {
        return;
    }
    if (addr < CONFIG) {
        write_register(device, addr, (uint32_t)data);
    } else {
        write_config(device, addr - CONFIG, data, size);
    }
    virtio_device_unlock(device);
}

static const MemoryRegionOps device_ops = {
    .read = device_read,
    .write = device_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 1, .max_access_size = 4 },
};

/* ---- Life -------------------------------------------------------------- */

/* Kicks go past the device's callback, to the I/O thread; but not past who
 * wants to see them. */
static int connect_loop(struct virtio_device *device, struct io_loop *loop)
{
    int ret = 0;

    if (!device->tap) {
        ret = memory_region_add_eventfd(&device->region, REG_QUEUE_NOTIFY, 4,
                                        false, 0, &device->notifier);
    }
    if (ret == 0) {
        ret = io_loop_add(loop, event_notifier_get_fd(&device->notifier),
                          take_kick, device);
    }
    return ret;
}

int virtio_device_init(struct virtio_device *device,
                       const struct virtio_class *class,
                       const struct virtio_place *place, uint64_t features)
{
    int ret;

    device->class = class;
    device->as = place->as;
    device->irq = place->irq;
    device->is_sync = !place->loop;
    device->tap = place->tap;
    device->slot = place->slot;
    device->posted = place->posted;
    device->posted_opaque = place->posted_opaque;
    device->features = features | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX |
                       VIRTIO_F_VERSION_1;
    ret = make_lock(device);
    if (ret) {
        return ret;
    }
    pthread_cond_init(&device->idle, NULL);
    ret = event_notifier_init(&device->notifier, 0);
    if (ret == 0) {
        ret = memory_region_init_io(&device->region, NULL, &device_ops, device,
                                    class->name, REGION_SIZE);
    }
    if (ret == 0) {
        ret = xbar_region_set_lock_policy(&device->region, XBAR_LOCK_NONE);
    }
    if (ret == 0 && place->loop && class->id) {
        ret = connect_loop(device, place->loop);
    }
    return ret;
}

void virtio_device_destroy(struct virtio_device *device)
{
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        virtio_queue_stop(&device->queues[i]);
    }
    (void)xbar_region_destroy(&device->region, NULL, NULL);
    event_notifier_cleanup(&device->notifier);
    pthread_cond_destroy(&device->idle);
    pthread_mutex_destroy(&device->lock);
}
