# SPDX-License-Identifier: MIT
"""Which figure stands beside which: a floor, and what others take.

A rule is a pattern of xbar's names, a floor and peers; \\1 is a group of the
pattern. The first rule that fits is used.

A floor is what the hardware charges for the one thing that the operation
cannot do without. A peer's figure is of the same operation in the unit of
ours: one access, one changed mapping, one guest instruction.
"""

import re
import statistics

import guests

LOADS = "floors/load"  # many at once
LOAD = "floors/dependent_load"
MISS = "floors/cache_miss"
CALL = "floors/indirect_call"
MUTEX = "floors/mutex"
CYCLE = "floors/add"
SECTION = "floors/urcu_section"
EXIT = "kvm/mmio_load"

RULES = [(re.compile(pattern + "$"), floor, peers) for pattern, floor, peers in [
    (r"floors/.*", None, []),
    (r"dispatch/(lock/(region|machine)|impl/.*1_of_4)", MUTEX, []),
    (r"dispatch/.*", CALL, []),

    (r"access/ld(ub|uw|l|q|l_be)_ram", LOAD, ["unicorn/read/repeat/1"]),
    (r"access/ldl_ram_misaligned", LOAD, []),
    (r"access/(rw4_ram|read4_ram/.*)", LOAD, ["unicorn/read/repeat/1"]),
    (r"access/(stl_ram|write4_ram/.*)", LOAD, ["unicorn/write/repeat/1"]),
    (r"access/(ldl_mmio|rw4_mmio|read4_mmio/.*)", CALL,
     ["unicorn/mmio_read/repeat/1"]),
    (r"access/stl_mmio", CALL, ["unicorn/mmio_write/repeat/1"]),
    (r"access/ldl_mmio_machine_lock", MUTEX, ["unicorn/mmio_read/repeat/1"]),
    (r"access/.*mmio.*", CALL, []),
    (r"access/.*", LOAD, []),

    (r"regions/ram/(repeat|random)/(\d+)", LOAD, [r"unicorn/read/\1/\2"]),
    (r"regions/ram/.*", LOAD, []),
    (r"regions/mmio/random/(\d{5,})", MISS, []),
    (r"regions/mmio/(repeat|random)/(\d{1,4})", CALL,
     [r"unicorn/mmio_read/\1/\2"]),
    (r"regions/mmio/.*", CALL, []),

    (r"flatview/commit/(\d{1,4})", MUTEX,
     [r"unicorn/map_mmio/\1", r"kvm/slot/\1"]),
    (r"flatview/build/each/(1000)", MUTEX,
     [r"unicorn/build_mmio/\1", r"unicorn/build_ram/\1"]),
    (r"flatview/(commit|build|keep|diff)/.*", MUTEX, []),
    (r"flatview/beside/emit", LOADS, []),
    (r"flatview/beside/.*", CALL, []),
    (r"flatview/held/.*", None, []),
    (r"flatview/lookup/hot/.*", LOAD, []),
    (r"flatview/lookup/random/.*", "flatview/floor/64MiB", []),

    (r"plug/kvm_exit_.*", CALL, []),
    (r"dynarmic/mmio_.*", CALL, []),
    (r"dynarmic/(load|store)_.*", LOADS, []),
    (r"dynarmic/.*", None, []),

    (r"latency/.*mmio.*", CALL, []),
    (r"latency/(nothing|commit.*)", None, []),
    (r"latency/.*", LOAD, []),

    (r"tlb/load_hit", "tlb/load_by_hand", []),
    (r"tlb/load_by_hand", LOADS, []),
    (r"tlb/(store_hit|switch_context|pages/.*)", LOADS, []),
    (r"tlb/load_observed", LOAD, ["unicorn/load_hooked"]),
    (r"tlb/(load|store)_mmio", CALL, [r"unicorn/mmio_\1", EXIT]),
    (r"tlb/load_mmio_machine_lock", MUTEX, ["unicorn/mmio_load", EXIT]),
    (r"tlb/(safepoint|posted_flush)", SECTION, []),
    (r"tlb/.*", LOAD, []),

    (r"emit/call", CALL, []),
    (r"emit/(load|store)", LOADS, [r"unicorn/\1"]),
    (r"emit/(load|store)_mmio", CALL, [r"unicorn/mmio_\1", r"kvm/mmio_\1"]),
    (r"emit/load_mmio_machine_lock", MUTEX, ["unicorn/mmio_load", EXIT]),
    (r"emit/load_dependent", LOAD, []),
    (r"emit/.*", LOADS, []),

    (r"hart/alu", CYCLE, ["unicorn/alu"]),
    (r"hart/(load|store)", LOADS, [r"unicorn/\1"]),
    (r"hart/mmio_(load|store)", CALL, [r"unicorn/mmio_\1", r"kvm/mmio_\1"]),
    (r"hart/mmio_load_machine_lock", MUTEX, ["unicorn/mmio_load", EXIT]),
    (r"interp/alu", CYCLE, []),
    (r"interp/mmio_load", CALL, []),
    (r"interp/.*", LOAD, []),

    (r"code/translate_.*", None, ["unicorn/translate"]),
    (r"code/(jump|call).*", CYCLE, []),
    (r"code/indirect.*", CALL, []),
    (r"code/.*", None, []),

    (r"threads/device_none/.*", CALL, []),
    (r"threads/device_.*", MUTEX, []),
    (r"threads/read/.*", CALL, []),
    (r"threads/.*", MUTEX, []),

    (r"snapshot/.*", None, []),
    (r"guest/(.+)/(?:xbar|plain)", r"guest/\1/native", [r"guest/\1/qemu"]),
    (r"board/(.+)/xbar", None, [r"board/\1/qemu"]),
]]

# Peers' figures by the area of ours that they run beside, in each round.
BESIDE = [(re.compile(pattern), area) for pattern, area in [
    (r"unicorn/(map|build)_", "flatview"),
    (r"kvm/slot/", "flatview"),
    (r"unicorn/.*/\d+$", "regions"),
    (r"unicorn/translate$", "code"),
    (r"(unicorn|kvm)/", "hart"),
]]

# What the project promises of a figure, in ns, where the row does not say it
# itself by a counter "bar".
BARS = {
    "access/ldl_ram": 6,
    "access/ldl_mmio": 9,
    "access/read4_ram/10000": 6,
    "access/read4_mmio/10000": 9,
    "access/read4_mmio_random/1024": 14,
    "access/map_to_read/10000": 40,
    "access/map_to_write/10000": 40,
    "access/cache_ldl": 1.1,
    "emit/load_mmio": 12,
    "code/translate_alu": 200,
    "code/translate_mixed": 200,
    "plug/kvm_exit_load": 30,
    "plug/kvm_exit_store": 30,
}

# The same for guests, as the ratio of a class to QEMU; and of "plain" to QEMU,
# which is xbar on a host with neither BMI2 nor FMA.
GUEST_BARS = guests.BARS
PLAIN_BARS = guests.BARS_PLAIN_HOST

# Areas of xbar's own figures: heading, and what one operation is.
AREAS = {
    "floors": "What the host charges",
    "dispatch": "One region, known: dispatch by the device's shape",
    "access": "Through the address space",
    "regions": "Among many regions",
    "flatview": "FlatView: changes, building, lookups, readers beside writers",
    "latency": "Single operations",
    "tlb": "Soft-TLB",
    "emit": "Accesses from emitted code",
    "hart": "Guest loops, translated",
    "interp": "Guest loops, interpreted",
    "code": "Translation cache",
    "snapshot": "Snapshots of a machine",
    "threads": "Threads",
    "plug": "Adapters for foreign engines",
    "dynarmic": "A64 code of dynarmic's over xbar",
    "guest": "Guest programs",
    "board": "The program",
}


def beside(name):
    """The area that a peer's figure is measured with."""
    for pattern, area in BESIDE:
        if pattern.match(name):
            return area
    return name.split("/")[0]


def rule_for(name):
    """(floor or None, peers), as names."""
    for pattern, floor, peers in RULES:
        match = pattern.match(name)
        if match:
            return (match.expand(floor) if floor else None,
                    [match.expand(peer) for peer in peers])
    return None, []


def companions(name):
    """The names that a figure is compared with."""
    floor, peers = rule_for(name)
    return [*([floor] if floor else []), *peers]


def is_ours(name):
    """Is it a figure of xbar, not of a peer, the host or native code?"""
    if name.split("/")[0] in ("guest", "board"):
        return name.endswith("/xbar")
    return (name.split("/")[0] in AREAS and not name.startswith("floors/")
            and "/floor/" not in name)


def bar_of(figure):
    """At most so many ns are promised; or None."""
    return figure.counters.get("bar", BARS.get(figure.name))


def engine_ratios(found, name, engine):
    """Of each round: how many times ours another engine took."""
    other = name.rsplit("/", 1)[0] + "/" + engine
    if other not in found:
        return []
    return [theirs / ours for ours, theirs
            in zip(found[name].samples, found[other].samples)]


def class_ratios(found, engine, ours="xbar"):
    """Class of guests: the geometric mean of its programs' medians."""
    groups = {}
    for name in found:
        if name.startswith("guest/") and name.endswith(f"/{ours}"):
            each = engine_ratios(found, name, engine)
            if each:
                groups.setdefault(name.split("/")[1], []).append(
                    statistics.median(each))
    return {group: statistics.geometric_mean(values)
            for group, values in groups.items()}


def judged_classes(found):
    """(class, is it on a plain host, its ratio to QEMU, what is promised)"""
    for ours, bars in (("xbar", GUEST_BARS), ("plain", PLAIN_BARS)):
        for group, value in class_ratios(found, "qemu", ours).items():
            yield group, ours == "plain", value, bars.get(group, 0)


def against_floor(found, name):
    """How many floors the figure is, or None."""
    floor, _ = rule_for(name)
    if floor not in found or not found[floor].median:
        return None
    return found[name].median / found[floor].median


def best_peer(found, name):
    """(how many times ours the best peer takes, its name), or None."""
    _, peers = rule_for(name)
    times = [(found[peer].median, peer) for peer in peers if peer in found]
    if not times or not found[name].median:
        return None
    best, peer = min(times)
    return best / found[name].median, peer
