/* SPDX-License-Identifier: MIT */
/**
 * An AddressSpace as the memory of a KVM virtual machine.
 *
 * In a library of its own, libxbar-kvm (pkg-config: xbar-kvm). The caller makes
 * the machine and its vCPUs and runs them; the adapter keeps the machine's
 * memory slots, eventfds and coalesced zones as the address space says, and
 * makes the accesses that the guest exits for:
 *
 *     plug = xbar_kvm_new(&(struct xbar_kvm_config){ .as = &as, .vm = vm },
 *                         &err);
 *     while (ioctl(vcpu, KVM_RUN, 0) == 0) {
 *         if (!xbar_kvm_exit(plug, run)) {
 *             ... an exit that is not about memory ...
 *         }
 *     }
 *     xbar_kvm_free(plug);
 *     close(vm);
 *
 *     memory           a slot: whole pages of the host's, whole in both
 *     ROM, ROM device  a read-only slot; stores exit
 *     anything else    exits: KVM_EXIT_MMIO, to the address space
 *
 * An eventfd that matches data compares it as the guest has it, so those of
 * devices in the other byte order must not match.
 *
 * What no slot can have (parts of pages, memory at other offsets in its pages
 * than it is shown at) exits, too: it cannot be executed, and is slow.
 *
 * A commit changes the slots whose section changed, on the thread that commits;
 * when it returns no vCPU uses the old ones. What a change cuts is deleted and
 * made anew, and meanwhile vCPUs exit for it, which comes out right but for
 * fetches: stop vCPUs that may execute there.
 */
#ifndef XBAR_JIT_PLUG_KVM_H
#define XBAR_JIT_PLUG_KVM_H

#include "../../engine/error.h"
#include "../../flatview/address_space.h"

#ifdef __cplusplus
extern "C" {
#endif

struct kvm_coalesced_mmio_ring;
struct kvm_run;
struct xbar_kvm;

struct xbar_kvm_config {
    AddressSpace *as; /* must outlive the adapter */
    int vm; /* KVM_CREATE_VM's; stays the caller's, who closes it after free */

    /* Slots are numbered from first_slot on; what is below is the caller's.
     * max_slots: 0: as many as KVM has. */
    unsigned first_slot;
    unsigned max_slots;

    /* KVM refuses something that a commit wants: a slot (the guest exits for
     * that memory), an eventfd or a zone (it exits for those writes). @error:
     * -errno. Under the writer lock. NULL: only counted. */
    void (*refused)(void *opaque, hwaddr addr, uint64_t size, int error);
    void *opaque;

    /* Where KVM queues coalesced writes: KVM_CAP_COALESCED_MMIO pages into the
     * map of any vCPU; it is the machine's. NULL: none are. */
    struct kvm_coalesced_mmio_ring *ring;

    /* In the place of ioctl(), for tests: 0 or more, or -1 with errno. */
    int (*ioctl)(void *opaque, int fd, unsigned long request, void *argument);
};

/**
 * xbar_kvm_new() - give @config->vm the memory of @config->as
 *
 * Context: as memory_listener_register().
 * Return: NULL with @errp set if the configuration is wrong, memory short, or
 * KVM refuses a slot, whose address is named; no slot is left then.
 */
XBAR_API struct xbar_kvm *xbar_kvm_new(const struct xbar_kvm_config *config,
                                       Error **errp) XBAR_MUST_CHECK;

/**
 * xbar_kvm_free() - take slots, eventfds and zones back, and end
 *
 * Before the address space is destroyed (which is -EBUSY else) and the machine
 * closed. NULL is fine.
 * Return: 0; -EBADF if the machine was closed before: nothing could be taken
 * back, the adapter has ended all the same; or what KVM said.
 */
XBAR_API int xbar_kvm_free(struct xbar_kvm *plug);

/**
 * xbar_kvm_flush_coalesced() - make the writes that wait in the ring
 *
 * xbar_kvm_exit() does so first. Context: any thread, but not in a device's
 * callback, nor with a lock that one takes.
 */
XBAR_API void xbar_kvm_flush_coalesced(struct xbar_kvm *plug);

/**
 * xbar_kvm_exit() - make the access that a vCPU exited for
 * @run: the vCPU's, after KVM_RUN
 *
 * KVM_EXIT_MMIO: a read's answer is put where KVM looks for it; what the address
 * space does not take reads 0. The exit itself costs some 1 to 10 us.
 *
 * Context: the vCPU's thread, outside any read section. Devices are called.
 * Return: true when it was one; false: the exit is the caller's.
 */
XBAR_API bool xbar_kvm_exit(struct xbar_kvm *plug, struct kvm_run *run);

/** Since the adapter was made; while no commit is under way. */
struct xbar_kvm_stats {
    uint64_t slot_calls; /* KVM_SET_USER_MEMORY_REGION */
    uint64_t refused;
    uint64_t exits;     /* made here */
    uint64_t coalesced; /* writes from the ring */
    uint64_t failed;    /* accesses that were not MEMTX_OK */
    unsigned slots;     /* now */
};

XBAR_API void xbar_kvm_get_stats(struct xbar_kvm *plug,
                                 struct xbar_kvm_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
