"""Turn into another program that ends when its parent ends: the last step of every child.

Law: this file is a program of its own, run as `python -I -S launch.py ...` by `children.py`. It
uses the standard library only, starts nothing, and either becomes the program asked for or writes
`<step> <reason>` to its report descriptor and exits. It exists because the steps below must happen
between fork and exec, where a process with threads (the parent) may not run Python safely.

Order matters. Each step has its reason:

1. Signals that a shell ignores for background jobs go back to their defaults, otherwise the death
   signal could be ignored until the program has its own handlers.
2. The identity changes. Changing it clears the death signal, so it comes before it.
3. The death signal is armed (prctl(2), PR_SET_PDEATHSIG: sent when the *thread* that forked ends).
4. The parent is compared: had it died before step 3, no signal would ever come.
5. The folder is entered under the new identity, so a folder out of reach is found out here.
6. exec closes the report descriptor: the parent reads its end as "it runs".

Arguments: PARENT_PID DEATH_SIGNAL IDENTITY FOLDER REPORT_DESCRIPTOR PROGRAM ARGUMENT...
IDENTITY is `same`, `namespace` (user 65534 of a user namespace of its own; outside of it the
process stays who it was, see user_namespaces(7)) or `setuid` (really become user 65534).
FOLDER `-` stays where the parent is. Needs Linux.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

UNPRIVILEGED_ID = 65534
NOT_STARTED_STATUS = 127
PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x1000_0000
# Ignored by non-interactive shells for background jobs (INT, QUIT) and by Python itself (the rest).
RESET_SIGNALS = (
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGCHLD,
)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _enter_namespace(libc: ctypes.CDLL) -> None:
    user, group = os.geteuid(), os.getegid()
    _check(libc.unshare(CLONE_NEWUSER), "unshare(CLONE_NEWUSER)")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{UNPRIVILEGED_ID} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{UNPRIVILEGED_ID} {group} 1")


def _take_identity(libc: ctypes.CDLL, identity: str) -> None:
    if identity == "namespace":
        _enter_namespace(libc)
    elif identity == "setuid":
        os.setgroups([])
        os.setresgid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
        os.setresuid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
    elif identity != "same":
        raise ValueError(f"unknown identity {identity!r}")


def _reset_signals() -> None:
    for number in RESET_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _tie_to(parent: int, libc: ctypes.CDLL, death_signal: int) -> None:
    _check(libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        raise RuntimeError("the parent ended before its child began")


def _become(program: list[str]) -> None:
    try:
        os.execvp(program[0], program)
    except OSError as error:
        raise OSError(error.errno, error.strerror, program[0]) from error


def main(arguments: list[str]) -> int:
    """Become the program named by `arguments`; returns only when that failed."""
    parent, death_signal, identity, folder, report, *program = arguments
    os.set_inheritable(int(report), False)
    step = "identity"
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        _reset_signals()
        _take_identity(libc, identity)
        step = "parent"
        _tie_to(int(parent), libc, int(death_signal))
        step = "folder"
        if folder != "-":
            os.chdir(folder)
        step = "program"
        _become(program)
    except Exception as error:  # whatever it is, the parent must read it
        os.write(int(report), f"{step} {type(error).__name__}: {error}".encode())
    return NOT_STARTED_STATUS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
