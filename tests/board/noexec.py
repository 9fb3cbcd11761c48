# SPDX-License-Identifier: MIT
"""A host that refuses executable memory, as hardened ones do."""

import ctypes
import errno
import platform
import struct

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2

SYSCALL_MMAP = 9  # x86-64
PROT_EXEC = 4
MAP_SHARED = 1

# Opcodes of the classic BPF, and offsets into struct seccomp_data.
LOAD, IF_EQUAL, IF_SET, RETURN = 0x20, 0x15, 0x45, 0x06
AT_NUMBER, AT_PROT, AT_FLAGS = 0, 32, 40
ALLOW, REFUSE = 0x7fff0000, 0x00050000 | errno.EACCES

# Programs and libraries are mapped privately, so they still start: only
# shared memory, as code that is translated lives in, cannot be executable.
FILTER = [
    (LOAD, 0, 0, AT_NUMBER), (IF_EQUAL, 0, 5, SYSCALL_MMAP),
    (LOAD, 0, 0, AT_PROT), (IF_SET, 0, 3, PROT_EXEC),
    (LOAD, 0, 0, AT_FLAGS), (IF_SET, 0, 1, MAP_SHARED),
    (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW),
]


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("rows", ctypes.c_char_p)]


LIBC = ctypes.CDLL(None, use_errno=True)
PROGRAM = Program(len(FILTER),
                  b"".join(struct.pack("<HBBI", *row) for row in FILTER))


def is_known():
    """Do the numbers above hold for this machine?"""
    return platform.machine() == "x86_64"


def refuse():
    """From here on, and in what this process becomes (a preexec_fn)."""
    if (LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            or LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER,
                          ctypes.byref(PROGRAM), 0, 0)):
        raise OSError(ctypes.get_errno(), "no seccomp filter")
