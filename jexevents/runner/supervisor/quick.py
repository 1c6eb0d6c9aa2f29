"""The C parts of the standard library that stand behind slow ones, and calls into the C library.

``signal``, ``socket`` and ``json`` bring ``enum`` and ``re`` with them: together 15 ms of
computing, as much as all else that a start takes. What they wrap is used directly, here and nowhere
else.
"""

from __future__ import annotations

import _signal
import _socket
import ctypes
import os
import struct

SIGNALS = _signal
AF_UNIX, SOCK_STREAM = _socket.AF_UNIX, _socket.SOCK_STREAM

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
_SIG_SETMASK = 2
_SIGSET_BYTES = 128
_LAST_SIGNAL = 64
# The number of clone3 on all processors; its flag; and its arguments: flags, the signal at the end
# and a descriptor of the group are the first, the fifth and the last of them.
_SYS_CLONE3, _CLONE_INTO_CGROUP = 435, 0x200000000
_CLONE_ARGUMENTS = struct.Struct("=11Q")
_HANDED = struct.Struct("@2i")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = (ctypes.c_int, *4 * (ctypes.c_ulong,))
_libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
_libc.signal.restype = ctypes.c_void_p

# It keeps Python's lock over the call, so that the child has it as well.
_locked_libc = ctypes.PyDLL(None, use_errno=True)
_locked_libc.syscall.argtypes = (ctypes.c_long, ctypes.c_char_p, ctypes.c_size_t)
_locked_libc.syscall.restype = ctypes.c_long


def fork_into(group: int) -> int:
    """Fork; the child, where this gives 0, begins in the control group whose folder the descriptor
    ``group`` is. Raises OSError where this kernel cannot.

    To move a process that runs costs the kernel a good part of 20 ms. This has to be a process of
    one thread, and the child soon another program: nobody is told of a fork.
    """
    arguments = [_CLONE_INTO_CGROUP, 0, 0, 0, int(_signal.SIGCHLD), 0, 0, 0, 0, 0, group]
    packed = _CLONE_ARGUMENTS.pack(*arguments)
    pid = _locked_libc.syscall(_SYS_CLONE3, packed, len(packed))
    if pid < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return pid


def become_subreaper() -> None:
    """Have orphans of this process's tree become its children; raises OSError."""
    _checked(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends; raises OSError."""
    _checked(_libc.prctl(PR_SET_PDEATHSIG, int(_signal.SIGKILL), 0, 0, 0))


def default_signals() -> None:
    """Have no signal ignored, caught or held back."""
    for number in range(1, _LAST_SIGNAL + 1):
        _libc.signal(number, None)
    _libc.sigprocmask(_SIG_SETMASK, ctypes.create_string_buffer(_SIGSET_BYTES), None)


def ignore(*names: str) -> None:
    """Ignore these signals."""
    for name in names:
        _signal.signal(getattr(_signal, name), _signal.SIG_IGN)


def catch(*names: str) -> int:
    """Have these signals come as bytes, their numbers, out of the descriptor that is returned."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    _signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for name in names:
        _signal.signal(getattr(_signal, name), _do_nothing)
    return reading


def send(pid: int, numbers: tuple[int, ...], still: object) -> None:
    """Send signals to the process ``pid``, if ``still()`` says that it is the one that is meant.

    The process is held by a descriptor over the question, so that no other can take its number.
    """
    try:
        held = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except OSError:  # an older kernel, or no descriptor left
        _send_unheld(pid, numbers, still)
        return
    try:
        if still():
            for number in numbers:
                _signal.pidfd_send_signal(held, number)
    except OSError:
        pass  # it has ended, or it is another's: a program with set-user-ID
    finally:
        os.close(held)


def listen(name: str, mode: int) -> _socket.socket:
    """Give a socket that listens at ``name`` in the current folder; raises OSError."""
    try:
        os.unlink(name)
    except FileNotFoundError:
        pass
    listener = _socket.socket(AF_UNIX, SOCK_STREAM)
    listener.bind(name)
    os.chmod(name, mode)
    listener.listen(64)
    listener.setblocking(False)
    return listener


def accept(listener: _socket.socket) -> _socket.socket | None:
    """Give the next connection, which does not block; None for none."""
    try:
        descriptor, _ = listener._accept()
    except OSError:
        return None
    connection = _socket.socket(fileno=descriptor)
    connection.setblocking(False)
    return connection


def handed(connection: _socket.socket) -> tuple[int, ...]:
    """Give the descriptors of the next message that hands some over; none at the end."""
    # Not for the job: it would keep whoever waits for a word waiting.
    room, flags = _socket.CMSG_SPACE(_HANDED.size), _socket.MSG_CMSG_CLOEXEC
    data, ancillary, _, _ = connection.recvmsg(1, room, flags)
    if not data:
        return ()
    return _HANDED.unpack(ancillary[0][2]) if ancillary else ()


def connection_on(descriptor: int) -> _socket.socket:
    """Give the connection that a descriptor is."""
    return _socket.socket(fileno=descriptor)


def _do_nothing(number: int, frame: object) -> None:
    """Let the wake-up descriptor tell of it."""


def _send_unheld(pid: int, numbers: tuple[int, ...], still: object) -> None:
    try:
        if still():
            for number in numbers:
                os.kill(pid, number)
    except OSError:
        pass


def _checked(answer: int) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
