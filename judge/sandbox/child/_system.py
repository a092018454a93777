"""The system calls that Python 3.11 does not have, by ctypes."""

import ctypes
import errno
import os
import struct

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 22, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_REC, MS_PRIVATE, MS_RELATIME = 1024, 2048, 4096, 16384, 1 << 18, 1 << 21
MNT_DETACH = 2

_CLONE = {"x86_64": 56, "aarch64": 220}
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
_LANDLOCK = 444  # create_ruleset, add_rule, restrict_self: the same three numbers everywhere
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63
_MOUNT_FLAGS = {2: MS_NOSUID, 4: MS_NODEV, 8: MS_NOEXEC, 1024: MS_NOATIME, 2048: MS_NODIRATIME, 4096: MS_RELATIME}
_SIGCHLD = 17


class System:
    """The C library, each call checked."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._machine = os.uname().machine

    def unshare(self, flags: int) -> None:
        """Leave the parent's namespaces."""
        self._check(self._libc.unshare(flags), "unshare")

    def fork_into(self, flags: int) -> int:
        """Fork with the child in new namespaces.

        Python's hooks after a fork do not run in the child: it must do little, and fork again for more.
        """
        return self._syscall("clone", _CLONE[self._machine], flags | _SIGCHLD, 0, 0, 0, 0)

    def mount(self, source: str, target: str, kind: str, flags: int, data: str = "") -> None:
        """Mount."""
        args = [text.encode() or None for text in (source, target, kind)]
        self._check(self._libc.mount(*args, ctypes.c_ulong(flags), data.encode() or None), f"mount {target}")

    def make_read_only(self, target: str) -> None:
        """Make the mount at ``target``, and all below it, read-only."""
        try:
            self._syscall(
                "mount_setattr",
                _MOUNT_SETATTR,
                _AT_FDCWD,
                target.encode(),
                _AT_RECURSIVE,
                struct.pack("4Q", 1, 0, 0, 0),
                32,
            )
        except OSError as error:
            if error.errno != errno.ENOSYS:  # before Linux 5.12; mounts below this one then stay as they are
                raise
            kept = os.statvfs(target).f_flag
            flags = sum(ours for theirs, ours in _MOUNT_FLAGS.items() if kept & theirs)
            self.mount("", target, "", MS_REMOUNT | MS_BIND | MS_RDONLY | flags)

    def change_root(self, folder: str) -> None:
        """Make ``folder`` the root of this mount namespace; the old root is gone."""
        os.chdir(folder)
        self._syscall("pivot_root", _PIVOT_ROOT[self._machine], b".", b".")
        self._check(self._libc.umount2(b".", MNT_DETACH), "umount the old root")
        os.chdir("/")

    def prctl(self, option: int, *args: int | ctypes.Array[ctypes.c_char]) -> None:
        """Call prctl, its missing arguments 0."""
        padded = [a if not isinstance(a, int) else ctypes.c_ulong(a) for a in (*args, 0, 0, 0, 0)[:4]]
        self._check(self._libc.prctl(option, *padded), f"prctl {option}")

    def bound_capabilities(self) -> None:
        """Let no exec bring a capability back."""
        for capability in range(_LAST_CAPABILITY + 1):
            try:
                self.prctl(PR_CAPBSET_DROP, capability)
            except OSError:  # past the last one that the kernel knows, or not ours to drop: no_new_privs holds then
                break

    def drop_capabilities(self) -> None:
        """Give up every capability."""
        header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
        self._syscall("capset", _CAPSET[self._machine], header, bytes(24))

    def landlock_version(self) -> int:
        """Return the kernel's Landlock ABI; 0 = none."""
        found: int = self._libc.syscall(_LANDLOCK, None, ctypes.c_size_t(0), 1)
        return max(found, 0)

    def landlock_create(self, attributes: bytes) -> int:
        """Return the descriptor of a new ruleset."""
        return self._syscall("landlock_create_ruleset", _LANDLOCK, attributes, ctypes.c_size_t(len(attributes)), 0)

    def landlock_allow(self, ruleset: int, access: int, parent: int) -> None:
        """Allow ``access`` at and below the file of the descriptor ``parent``."""
        self._syscall("landlock_add_rule", _LANDLOCK + 1, ruleset, 1, struct.pack("=Qi", access, parent), 0)

    def landlock_enter(self, ruleset: int) -> None:
        """Put the ruleset over this process and all that it starts."""
        self._syscall("landlock_restrict_self", _LANDLOCK + 2, ruleset, 0)

    def _syscall(self, name: str, number: int, *args: object) -> int:
        wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
        return self._check(self._libc.syscall(ctypes.c_long(number), *wide), name)

    def _check(self, result: int, what: str) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{what}: {os.strerror(number)}")
        return result
