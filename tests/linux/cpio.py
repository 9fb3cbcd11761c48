# SPDX-License-Identifier: MIT
"""Archives as Linux unpacks them into its first root: cpio, format newc.

The kernel takes several, one after the other, each compressed or not; a later
file replaces an earlier one. So a test can add to an initramfs what it wants
the guest to have, without making it anew.
"""

ALIGN = 4


def _padding(size):
    return bytes(-size % ALIGN)


class Archive:
    """Entries in the order they are added: folders before what is in them."""

    def __init__(self):
        self._parts = []
        self._count = 0

    def _add(self, name, mode, data=b"", device=(0, 0)):
        self._count += 1
        path = name.encode() + b"\0"
        fields = (self._count, mode, 0, 0, 1, 0, len(data), 0, 0,
                  device[0], device[1], len(path), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        self._parts += [header, path, _padding(len(header) + len(path)),
                        data, _padding(len(data))]

    def folder(self, name):
        self._add(name, 0o040755)

    def file(self, name, data, executable=False):
        self._add(name, 0o100755 if executable else 0o100644, data)

    def character_device(self, name, major, minor):
        self._add(name, 0o020600, device=(major, minor))

    def bytes(self):
        """The archive with its end mark; more may be added and asked for."""
        mark = Archive()
        mark._add("TRAILER!!!", 0)
        return b"".join(self._parts + mark._parts)
