# SPDX-License-Identifier: MIT
"""Device trees by which U-Boot is told what to do: a node /config, a seed."""

import os
import struct

from guestio import check, check_equal, run

BEGIN_NODE, END_NODE, PROPERTY, END = 1, 2, 3, 9

# In seconds: a key stops the countdown in time, however late it comes. Once
# that is over, U-Boot looks for something to boot.
PATIENT = {"bootdelay": struct.pack(">I", 1000000)}


def add_config(tree, properties):
    """The device tree @tree with a node /config of these @properties."""
    header = list(struct.unpack_from(">10I", tree))
    structure, strings = header[2], header[3]
    names = tree[strings:strings + header[8]]
    words = tree[structure:structure + header[9]].rstrip(b"\0")
    at = words.rindex(struct.pack(">2I", END_NODE, END))
    node = struct.pack(">I8s", BEGIN_NODE, b"config")
    for name, value in properties.items():
        node += struct.pack(">3I", PROPERTY, len(value), len(names))
        node += value + -len(value) % 4 * b"\0"
        names += name.encode() + b"\0"
    node += struct.pack(">I", END_NODE)
    words = words[:at] + node + struct.pack(">2I", END_NODE, END)
    reserved = tree[header[4]:min(structure, strings)]
    header[2] = 40 + len(reserved)
    header[3] = header[2] + len(words)
    header[1] = header[3] + len(names)
    header[4], header[8], header[9] = 40, len(names), len(words)
    return struct.pack(">10I", *header) + reserved + words + names


def add_rng_seed(tree):
    """Return the device tree @tree with /chosen/rng-seed, 32 bytes."""
    fields = list(struct.unpack(">10I", tree[:40]))
    _, _, at_struct, at_strings = fields[:4]
    node = tree.index(struct.pack(">I", BEGIN_NODE) + b"chosen\0\0", at_struct)
    here = node + 4 + 8
    prop = struct.pack(">3I", PROPERTY, 32, fields[8]) + bytes(range(32))
    check(at_strings > here, "the strings follow the structure")
    tree = tree[:here] + prop + tree[here:] + b"rng-seed\0"
    fields[1] = len(tree)
    fields[3] += len(prop)  # the strings moved
    fields[8] += 9  # and grew
    fields[9] += len(prop)
    return struct.pack(">10I", *fields) + tree[40:]


def dump(folder, properties, *options):
    """The board's own tree with /config, in a file of @folder. Return: its
    path."""
    path = os.path.join(folder, "board.dtb")
    check_equal(run(["run", "--dump-dtb", path, *options]).returncode, 0,
                "the status of --dump-dtb")
    with open(path, "rb") as file:
        tree = file.read()
    with open(path, "wb") as file:
        file.write(add_config(tree, properties))
    return path
