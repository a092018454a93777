"""The walls around a program: one class a rung, each put up for real or failing with OSError.

======================  ==============================================================================================
user-namespace          a root of its own (only what an interpreter reads), no network device, no other process in
                        sight, its own user; needs user namespaces
root-namespace          the same for root with CAP_SYS_ADMIN where user namespaces are switched off
landlock                the machine's own tree, of which Landlock lets it read only the interpreter; no new processes;
                        needs no privilege at all
none                    limits alone: the program can do what its user can
======================  ==============================================================================================

The first three add a seccomp filter, drop every capability and set ``no_new_privs``.
"""

# pathlib is left out: every launcher would pay for its import, and descriptors need os in any case.
# ruff: noqa: PTH102, PTH103, PTH110, PTH112, PTH114, PTH115, PTH118, PTH120, PTH123, PTH208, PTH211

import errno
import os
import struct
import sys
from collections.abc import Iterable, Mapping

from . import _filter
from . import _system as s

SCRATCH = "/scratch"
RULES = 6
DEVICES = ("/dev/null", "/dev/full", "/dev/random", "/dev/urandom")
"""``/dev/zero`` is left out: mapped as shared it is memory that no process is charged for."""
LIBRARY = os.path.dirname(os.path.realpath(os.__file__))
PACKAGES = ("site-packages", "dist-packages")
"""Folders of the library that hold what people installed: shut, unless a caller names one."""

_SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib/")
_INSIDE_UID = 1000

_READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read file, read folder
_DEVICE = 1 << 1 | 1 << 2  # write file, read file
_FOLDER_ONLY = 1 << 3 | sum(1 << i for i in range(4, 14))


def list_readable() -> list[str]:
    """Return the real paths that an interpreter reads: its library, shared libraries, time zones."""
    library = LIBRARY
    found = [library, sys.executable, "/etc/ld.so.cache", "/usr/share/zoneinfo", "/lib64"]
    with open("/proc/self/maps", encoding="utf-8") as maps:
        mapped = {line.split(None, 5)[5].strip() for line in maps if ".so" in line and "/" in line}
    for path in mapped:
        folder = os.path.dirname(path)
        is_system = folder.startswith(_SYSTEM_LIBRARIES) and not library.startswith(folder + "/")
        found.append(folder if is_system else path)
    dynload = os.path.dirname(getattr(sys.modules.get("_ctypes"), "__file__", "") or "")
    return _outermost([*found, dynload])


def _outermost(paths: Iterable[str]) -> list[str]:
    real = sorted({os.path.realpath(p) for p in paths if p and os.path.exists(p)})
    kept: list[str] = []
    for path in real:
        if not kept or not path.startswith(kept[-1].rstrip("/") + "/"):
            kept.append(path)
    return kept


class Walls:
    """No wall: limits alone. The base of the rungs.

    Attributes:
        scratch: the folder of the programs, as they see it.
        has_pid_namespace: ending the first process ends all.
        may_fork: programs may start processes; else threads only.
        uncounted: processes of ours that the kernel counts as the program's own.
        user: whom a program becomes; None = it stays who we are.
        rules: descriptor of the Landlock rules; a program has it as :data:`RULES` until the walls close.
    """

    has_pid_namespace = False
    may_fork = True
    uncounted = 0
    clone_flags = 0
    user: int | None = None
    rules = -1

    def __init__(self, system: s.System, extra: list[str], scratch: str) -> None:
        self.system = system
        self.extra = [os.path.realpath(path) for path in extra]
        self.scratch = scratch

    def put_up(self) -> None:
        """Do once what all runs share."""

    def open_scratch(self, size: int, files: int) -> None:
        """Make the scratch folder of one run, in its first process: so many bytes, so many files and folders."""

    def switch_user(self) -> None:
        """Become the program's user."""
        if self.user is not None:
            os.setgroups([])
            os.setresgid(self.user, self.user, self.user)
            os.setresuid(self.user, self.user, self.user)

    def confine(self) -> None:
        """Close the walls around this process, for good."""
        if sys.platform == "linux":
            self.system.prctl(s.PR_SET_NO_NEW_PRIVS, 1)

    def _filter(self) -> None:
        code = _filter.build_filter(may_fork=self.may_fork, shared_view=not self.has_pid_namespace, pid=os.getpid())
        _filter.install_filter(self.system, code)


class NamespaceWalls(Walls):
    """A root, process table and network of its own."""

    has_pid_namespace = True
    clone_flags = s.CLONE_NEWPID | s.CLONE_NEWNS | s.CLONE_NEWIPC
    _shared = s.CLONE_NEWNS | s.CLONE_NEWNET | s.CLONE_NEWIPC | s.CLONE_NEWUTS

    def put_up(self) -> None:
        """Enter the namespaces; build the root."""
        if not _filter.is_supported():
            raise OSError(errno.ENOSYS, f"no seccomp table for {os.uname().machine}")
        self.enter()
        self._build_root()
        self.system.bound_capabilities()
        self.scratch = SCRATCH

    def enter(self) -> None:
        """Leave the machine's namespaces as root."""
        if os.getuid() != 0:
            raise OSError(errno.EPERM, "not root")
        self.user = next((u for u in free_users() if _can_read(u, [])), None)
        if self.user is None:
            raise OSError(errno.EPERM, "no user to become: CAP_SETUID is missing")
        self.system.unshare(self._shared)

    def open_scratch(self, size: int, files: int) -> None:
        """Mount the scratch folder in memory; it goes with the last process."""
        owner = "" if self.user is None else f",uid={self.user},gid={self.user}"
        data = f"size={size},nr_inodes={files + 1},mode=0700{owner}"
        self.system.mount("tmpfs", SCRATCH, "tmpfs", s.MS_NOSUID | s.MS_NODEV, data)

    def confine(self) -> None:
        """Drop every capability, then filter."""
        self.system.drop_capabilities()
        super().confine()
        self._filter()

    def _build_root(self) -> None:
        system = self.system
        system.mount("", "/", "", s.MS_REC | s.MS_PRIVATE)
        wanted = (*list_readable(), *filter(os.path.exists, DEVICES), *self.extra)
        sources = {path: os.open(path, os.O_PATH) for path in wanted}
        links = {p: os.readlink(p) for p in ("/lib", "/lib64", "/bin") if os.path.islink(p)}
        held = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
        base = "/tmp" if os.path.isdir("/tmp") else "/mnt"
        system.mount("tmpfs", base, "tmpfs", s.MS_NOSUID, "size=1m,nr_inodes=2000,mode=0755")
        for path, source in sources.items():
            target = base + path
            _make_mount_point(target, os.path.isdir(f"/proc/self/fd/{source}"))
            system.mount(f"/proc/self/fd/{source}", target, "", s.MS_BIND | s.MS_REC)
            system.make_read_only(target)
            os.close(source)
            for name in PACKAGES if path == LIBRARY else ():
                if os.path.isdir(f"{target}/{name}"):
                    system.mount("tmpfs", f"{target}/{name}", "tmpfs", s.MS_NOSUID | s.MS_NODEV, "size=64k,mode=0755")
        os.close(held)
        for path, target in links.items():
            if not os.path.lexists(base + path):
                os.symlink(target, base + path)
        os.mkdir(base + SCRATCH)
        system.change_root(base)
        system.mount("", "/", "", s.MS_REMOUNT | s.MS_BIND | s.MS_RDONLY | s.MS_NOSUID)


class UserNamespaceWalls(NamespaceWalls):
    """The same without being root: a user namespace gives the right."""

    def enter(self) -> None:
        """Leave the machine's namespaces; map a user of its own where we are root, else only ourselves."""
        flags = s.CLONE_NEWUSER | self._shared
        uid, gid = os.getuid(), os.getgid()
        if uid == 0 and self._enter_with_second_user(flags):
            self.user = _INSIDE_UID
            return
        if uid != 0:
            self.system.unshare(flags)
        self.may_fork = uid != 0  # the kernel counts no processes of root: they would be without limit
        self.uncounted = 2
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{_INSIDE_UID} {uid} 1")
        _write("/proc/self/gid_map", f"{_INSIDE_UID} {gid} 1")

    def _enter_with_second_user(self, flags: int) -> bool:
        """Enter as root with a second, unused user mapped beside; False = entered, but nothing is mapped yet."""
        ready, go = os.pipe()
        parent = os.getpid()
        helper = os.fork()
        if helper == 0:
            os.close(go)
            os.read(ready, 1)
            os._exit(0 if any(_map_two(parent, user) for user in free_users(parent)) else 1)
        os.close(ready)
        try:
            self.system.unshare(flags)
        finally:
            os.close(go)
            status = os.waitpid(helper, 0)[1]
        return status == 0


class LandlockWalls(Walls):
    """The machine's tree with almost nothing readable, and no new processes."""

    may_fork = False

    def put_up(self) -> None:
        """Write the rules; choose a user that owns nothing, where we are root and it can read the interpreter."""
        version = self.system.landlock_version()
        if version < 1 or not _filter.is_supported():
            raise OSError(errno.ENOSYS, "the kernel has no Landlock" if version < 1 else "no seccomp table")
        if os.getuid() == 0:
            self.user = next((u for u in free_users() if _can_read(u, [*list_readable(), *self.extra])), None)
        if self.user is not None:
            os.chown(self.scratch, self.user, self.user)
        files = (1 << (16 if version >= 5 else 15 if version >= 3 else 14 if version >= 2 else 13)) - 1
        attributes = struct.pack("3Q", files, 3, 3)[: 24 if version >= 6 else 16 if version >= 4 else 8]
        self.rules = self.system.landlock_create(attributes)
        library = [os.path.join(LIBRARY, name) for name in os.listdir(LIBRARY) if name not in PACKAGES]
        self._allow([*library, *(p for p in list_readable() if p != LIBRARY), *self.extra], _READ)
        self._allow(filter(os.path.exists, DEVICES), _DEVICE)
        makes_devices = 1 << 6 | 1 << 11
        self._allow([self.scratch], files & ~makes_devices)
        self.system.bound_capabilities()

    def _allow(self, paths: Iterable[str], access: int) -> None:
        for path in paths:
            parent = os.open(path, os.O_PATH)
            allowed = access if os.path.isdir(path) else access & ~_FOLDER_ONLY
            self.system.landlock_allow(self.rules, allowed, parent)
            os.close(parent)

    def confine(self) -> None:
        """Drop every capability, enter the rules, then filter."""
        self.system.drop_capabilities()
        super().confine()
        self.system.landlock_enter(RULES)
        os.close(RULES)
        self._filter()


RUNGS: Mapping[str, type[Walls]] = {
    "user-namespace": UserNamespaceWalls, "root-namespace": NamespaceWalls, "landlock": LandlockWalls, "none": Walls,
}  # fmt: skip


def free_users(pid: int = 0) -> list[int]:
    """Return user ids that nobody has: far up, or where a container maps only 65536, below that."""
    pid = pid or os.getpid()
    return [0x70000000 + pid, 40000 + pid % 20000]


def _map_two(pid: int, user: int) -> bool:
    try:
        for name in ("uid_map", "gid_map"):
            _write(f"/proc/{pid}/{name}", f"0 0 1\n{_INSIDE_UID} {user} 1")
    except OSError:
        return False
    return True


def _can_read(user: int, paths: list[str]) -> bool:
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            os._exit(0 if all(os.access(p, os.R_OK) for p in paths) else 1)
        except OSError:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _make_mount_point(target: str, is_folder: bool) -> None:
    if is_folder:
        os.makedirs(target, exist_ok=True)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as stream:
        stream.write(text)
