"""What a query worker may not do, enforced by the kernel.

Oxigraph follows SERVICE clauses by itself, so that a worker gives up sockets altogether before it
reads its first query. Memory is limited by the address space: a query that wants more ends the
worker, and nobody else.
"""

import ctypes
import errno
import os
import platform
import resource
import struct
from typing import Final

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_LOAD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_RETURN: Final = 0x06
_CALL_OFFSET: Final = 0
_MACHINE_OFFSET: Final = 4

#: AUDIT_ARCH value and number of socket(2), by machine (linux/audit.h, asm/unistd.h).
_SOCKET_CALL: Final = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def limit_memory(megabytes: int) -> None:
    """Limits the address space of this process, what it has already included."""
    size = megabytes << 20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def forbid_sockets() -> None:
    """Makes every later socket(2) of this process fail with EACCES, for good (seccomp).

    Raises:
        OSError: The kernel does not offer seccomp filters, or not on this kind of machine.
    """
    machine = platform.machine()
    if machine not in _SOCKET_CALL:
        raise OSError(errno.ENOSYS, f"no socket filter is known for {machine}")
    code = _filter(*_SOCKET_CALL[machine])
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        number = ctypes.get_errno()
        raise OSError(number, f"cannot forbid sockets: {os.strerror(number)}")


def _filter(machine: int, socket_call: int) -> bytes:
    """A classic BPF program; a call by another machine's numbering is refused altogether."""
    refuse = _ERRNO | errno.EACCES
    instructions = (
        (_LOAD, 0, 0, _MACHINE_OFFSET),
        (_JUMP_EQUAL, 0, 2, machine),
        (_LOAD, 0, 0, _CALL_OFFSET),
        (_JUMP_EQUAL, 0, 1, socket_call),
        (_RETURN, 0, 0, refuse),
        (_RETURN, 0, 0, _ALLOW),
    )
    return b"".join(struct.pack("HBBI", *each) for each in instructions)
