"""Starts the first process of a job: as which user, where, with what; it inherits nothing."""

from __future__ import annotations

import errno
import os

from jexevents.runner.supervisor.layout import DOOR
from jexevents.runner.supervisor.quick import default_signals, die_with_parent, fork_into

SHELL = "/bin/sh"
PIPE_BYTES = 256 * 1024
_F_SETPIPE_SZ = 1031
_NO_EXEC = 127
_BORN_INSIDE, _NOT_AT_ALL = -1, -2
IN_GROUP = b"+"


class Refusal(Exception):
    """The job cannot be started; the message says why."""


class Started:
    """The first process. ``report`` is read to its end: empty but for IN_GROUP if the program runs,
    else why it does not; ``pipes`` are its stdout and stderr."""

    def __init__(self, pid: int, report: int, pipes: tuple[int, int]) -> None:
        self.pid, self.report, self.pipes = pid, report, pipes


def start(spec: dict, folder: str, group: object, group_procs: int | None) -> Started:
    """Fork and run what ``spec`` says, in the control group ``group`` if there is one, whose
    ``opening`` is ``group_procs``; raises OSError where there is no process to be had."""
    pipes = [_pipe(), _pipe()]
    report, reporting = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    pid, joining = _fork(group, group_procs)
    if pid == 0:
        _become(spec, folder, [writing for _, writing in pipes], reporting, joining, parent)
    os.close(reporting)
    for reading, writing in pipes:
        os.close(writing)
        os.set_blocking(reading, False)
    os.set_blocking(report, False)
    return Started(pid, report, (pipes[0][0], pipes[1][0]))


def _fork(group: object, group_procs: int | None) -> tuple[int, int]:
    """Give the process, 0 in itself, and by what it joins the group: _BORN_INSIDE, _NOT_AT_ALL, or
    a descriptor that 0 is written to."""
    if group is None:
        return os.fork(), _NOT_AT_ALL
    if group.v2:
        try:
            folder = os.open(group.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                return fork_into(folder), _BORN_INSIDE
            finally:
                os.close(folder)
        except OSError:
            pass  # not on this kernel, or not in this container
    return os.fork(), group_procs


def _pipe() -> tuple[int, int]:
    import fcntl

    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        fcntl.fcntl(reading, _F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:
        pass  # the user has as much in pipes as he may: the usual size does too
    return reading, writing


def _become(
    spec: dict,
    folder: str,
    outputs: list[int],
    reporting: int,
    joining: int,
    parent: int,
) -> None:
    """Turn into the program; does not return."""
    try:
        os.setsid()
        _join(joining, reporting)
        _connect(outputs)
        if spec["user"] is not None:
            _change_user(spec["user"])
        _change_folder(spec["cwd"])
        os.umask(spec["umask"])
        default_signals()
        die_with_parent()
        if os.getppid() != parent:
            os._exit(_NO_EXEC)  # it was killed before it could be seen
        _execute(_words(spec), _environment(spec, folder))
    except Refusal as refusal:
        reason = str(refusal)
    except OSError as error:
        reason = f"the process cannot be prepared: {error.strerror}"
    except BaseException as error:  # noqa: BLE001 (this is another process already: it must end)
        reason = f"the process cannot be prepared: {error!r}"
    os.write(reporting, reason.encode("utf-8", "surrogateescape")[:4000])
    os._exit(_NO_EXEC)


def _join(joining: int, reporting: int) -> None:
    if joining >= 0:
        try:
            os.write(joining, b"0")
        except OSError:
            return
    if joining != _NOT_AT_ALL:
        os.write(reporting, IN_GROUP)


def _connect(outputs: list[int]) -> None:
    nothing = os.open("/dev/null", os.O_RDONLY)
    for descriptor, number in ((nothing, 0), (outputs[0], 1), (outputs[1], 2)):
        os.dup2(descriptor, number)


def _change_user(user: str) -> None:
    import pwd

    try:
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except (KeyError, ValueError, OverflowError) as exc:
        raise Refusal(f"there is no user {user}") from exc
    if entry.pw_uid == os.geteuid():
        return
    try:
        # The socket that takes events has to be within reach, and nothing else of the folder.
        os.chown(DOOR, entry.pw_uid, -1)
        os.chmod(".", 0o711)
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    except OSError as error:
        raise Refusal(
            f"a daemon that runs as user id {os.geteuid()} cannot start a job as {user}: "
            f"{error.strerror}"
        ) from error


def _change_folder(cwd: str) -> None:
    try:
        os.chdir(_raw(cwd))
    except OSError as error:
        raise Refusal(f"cannot change to the folder {cwd}: {error.strerror}") from error


def _words(spec: dict) -> list[str]:
    if spec["command"] is not None:
        return [SHELL, "-c", spec["command"]]
    return spec["argv"]


def _environment(spec: dict, folder: str) -> dict[bytes, bytes]:
    given = {**spec["env"], "JEXEVENTS_EXECUTION": spec["id"]}
    given["JEXEVENTS_CONTROL"] = os.path.join(folder, DOOR)
    return {_raw(name): _raw(value) for name, value in given.items()}


def _execute(words: list[str], env: dict[bytes, bytes]) -> None:
    argv = [_raw(word) for word in words]
    failure = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for path in _candidates(argv[0], env):
        try:
            _execute_file(path, argv, env)
        except OSError as error:
            # As execvp: a program that may not be run is the better news, if no other is found.
            if failure.errno == errno.ENOENT or error.errno not in (errno.ENOENT, errno.ENOTDIR):
                failure = error
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                break
    raise Refusal(_why(words[0], argv[0], failure))


def _candidates(program: bytes, env: dict[bytes, bytes]) -> list[bytes]:
    if b"/" in program:
        return [program]
    path = env.get(b"PATH", os.defpath.encode())
    return [os.path.join(folder or b".", program) for folder in path.split(b":")]


def _execute_file(path: bytes, argv: list[bytes], env: dict[bytes, bytes]) -> None:
    try:
        os.execve(path, argv, env)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        # A script that does not name its interpreter: the shell's, as everywhere.
        os.execve(SHELL, [SHELL.encode(), path, *argv[1:]], env)


def _why(program: str, raw: bytes, error: OSError) -> str:
    if error.errno == errno.ENOENT and b"/" in raw and os.path.exists(raw):
        return f"cannot run {program}: the interpreter that its first line names is not there"
    if error.errno == errno.ENOENT and b"/" not in raw:
        return f"cannot run {program}: it is not on the PATH"
    return f"cannot run {program}: {error.strerror}"


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
