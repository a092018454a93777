"""The seccomp filter: which system calls an untrusted program may not make.

A list of what is refused, on top of the other walls (namespaces or Landlock), with everything newer than
:data:`NEWEST` refused unseen. A program of another instruction set than the interpreter's is killed.
"""

import ctypes
import errno
import platform
import struct

from ._system import PR_SET_SECCOMP, System

# name: (x86-64, arm64); None = the architecture lacks it. From the kernel's unistd tables.
_Numbers = dict[str, tuple[int | None, int | None]]

ALWAYS: _Numbers = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "move_mount": (429, 429),
    "open_tree": (428, 428), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "mount_setattr": (442, 442), "chroot": (161, 51), "unshare": (272, 97), "setns": (308, 268),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "acct": (163, 89), "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "personality": (135, 92), "shmget": (29, 194), "shmat": (30, 196),
    "shmctl": (31, 195), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187),
    "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192), "mq_open": (240, 180),
    "mq_unlink": (241, 181), "memfd_create": (319, 279), "memfd_secret": (447, 447), "vmsplice": (278, 75),
    "fanotify_init": (300, 262), "lookup_dcookie": (212, 18), "syslog": (103, 116), "vhangup": (153, 58),
    "sethostname": (170, 161), "setdomainname": (171, 162), "uselib": (134, None), "ustat": (136, None),
    "sysfs": (139, None),
    "socket": (41, 198), "bind": (49, 200), "listen": (50, 201), "connect": (42, 203),
}  # fmt: skip
"""Refused at every rung that filters."""

SHARED_VIEW: _Numbers = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "chown": (92, None), "lchown": (94, None),
    "fchown": (93, 55), "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None), "utimensat": (280, 88),
    "futimesat": (261, None), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "truncate": (76, 45),
    "sched_setscheduler": (144, 119), "sched_setparam": (142, 118), "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122), "setpriority": (141, 140), "ioprio_set": (251, 30), "migrate_pages": (256, 238),
    "move_pages": (279, 239), "inotify_init": (253, None), "inotify_init1": (294, 26), "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
}  # fmt: skip
"""Refused where the program sees the machine's own files and processes: what Landlock does not govern."""

FORKS: _Numbers = {"fork": (57, None), "vfork": (58, None)}
CLONE: _Numbers = {"clone": (56, 220)}
CLONE3: _Numbers = {"clone3": (435, 435)}
SIGNALS: _Numbers = {"kill": (62, 129), "tgkill": (234, 131)}
PRLIMIT: _Numbers = {"prlimit64": (302, 261)}
PRCTL: _Numbers = {"prctl": (157, 167)}
IOCTL: _Numbers = {"ioctl": (16, 29)}
MMAP: _Numbers = {"mmap": (9, 222)}
SOCKETPAIR: _Numbers = {"socketpair": (53, 199)}

NEWEST = 450
"""The last system call known when this was written (set_mempolicy_home_node)."""

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column in the tables above, and the kernel's AUDIT_ARCH."""

_LOAD, _JUMP_EQ, _JUMP_GT, _JUMP_GE, _JUMP_SET, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_AND = 0x54
_NR, _ARCH, _ARG0, _ARG1, _ARG3 = 0, 4, 16, 24, 40
_X32 = 0x40000000
_NEW_NAMESPACES = 0x7E020080
_THREAD = 0x00010000
_SET_PDEATHSIG, _SET_DUMPABLE = 1, 4
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_MAP_SHARED, _MAP_ANONYMOUS = 0x01, 0x20
_AF_UNIX, _SOCK_STREAM, _KIND_OF_SOCKET = 1, 1, 0x0F


def is_supported() -> bool:
    """Say whether the tables know this machine's instruction set."""
    return platform.machine() in MACHINES


def build_filter(*, may_fork: bool, shared_view: bool, pid: int) -> bytes:
    """Return the filter as the kernel's ``sock_filter`` array.

    Args:
        may_fork: new processes are allowed, new namespaces never.
        shared_view: the machine's files and processes are in sight; see :data:`SHARED_VIEW`.
        pid: the only process whose limits may be changed, and, where ``shared_view`` holds, that may be signalled.
    """
    column, arch = MACHINES[platform.machine()]
    code = [_op(_LOAD, _ARCH), _op(_JUMP_EQ, arch, 1, 0), _op(_RETURN, _KILL), _op(_LOAD, _NR)]
    code += _refuse_if(_JUMP_GE, _X32, errno.ENOSYS) + _refuse_if(_JUMP_GT, NEWEST, errno.ENOSYS)
    refused = ALWAYS | (SHARED_VIEW if shared_view else {}) | ({} if may_fork else FORKS)
    for numbers in refused.values():
        if (number := numbers[column]) is not None:
            code += _refuse_if(_JUMP_EQ, number)
    code += _refuse_if(_JUMP_EQ, _number(CLONE3, column), errno.ENOSYS)
    code += _when(CLONE, column, [_op(_LOAD, _ARG0), *_refuse_if(_JUMP_SET, _NEW_NAMESPACES), *_threads(may_fork)])
    hidden = _refuse_if(_JUMP_EQ, _SET_DUMPABLE)  # else its open files could not be looked at
    code += _when(PRCTL, column, [_op(_LOAD, _ARG0), *_refuse_if(_JUMP_EQ, _SET_PDEATHSIG), *hidden])
    terminal = [*_refuse_if(_JUMP_EQ, _TIOCSTI), *_refuse_if(_JUMP_EQ, _TIOCLINUX)]
    code += _when(IOCTL, column, [_op(_LOAD, _ARG1), *terminal])
    code += _when(MMAP, column, _no_shared_memory()) + _when(SOCKETPAIR, column, _stream_pairs())
    own = [_op(_LOAD, _ARG0), _op(_JUMP_EQ, pid, 1, 0), _op(_RETURN, _ERRNO | errno.EPERM)]
    code += _when(PRLIMIT, column, [own[0], _op(_JUMP_EQ, 0, 2, 0), *own[1:]])
    if shared_view:
        code += [line for name, numbers in SIGNALS.items() for line in _when({name: numbers}, column, own)]
    return b"".join([*code, _op(_RETURN, _ALLOW)])


def install_filter(system: System, code: bytes) -> None:
    """Put the filter over this process and all that it starts; ``no_new_privs`` must be set.

    Raises:
        OSError: the kernel refuses.
    """
    array = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(array))
    system.prctl(PR_SET_SECCOMP, 2, ctypes.create_string_buffer(program, len(program)))


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _refuse_if(jump: int, value: int, error: int = errno.EPERM) -> list[bytes]:
    return [_op(jump, value, 0, 1), _op(_RETURN, _ERRNO | error)]


def _refuse_unless(value: int) -> list[bytes]:
    return [_op(_JUMP_EQ, value, 1, 0), _op(_RETURN, _ERRNO | errno.EPERM)]


def _no_shared_memory() -> list[bytes]:
    """Refuse shared memory without a file: pages of it that are mapped and not touched count for no process."""
    return [_op(_LOAD, _ARG3), _op(_JUMP_SET, _MAP_SHARED, 0, 2), *_refuse_if(_JUMP_SET, _MAP_ANONYMOUS)]


def _stream_pairs() -> list[bytes]:
    """Allow pairs of unix streams, which event loops need: a datagram socket sends to any address that it names."""
    kind = [_op(_LOAD, _ARG1), _op(_AND, _KIND_OF_SOCKET), *_refuse_unless(_SOCK_STREAM)]
    return [_op(_LOAD, _ARG0), *_refuse_unless(_AF_UNIX), *kind]


def _threads(may_fork: bool) -> list[bytes]:
    return [] if may_fork else [_op(_JUMP_SET, _THREAD, 1, 0), _op(_RETURN, _ERRNO | errno.EPERM)]


def _when(table: _Numbers, column: int, body: list[bytes]) -> list[bytes]:
    """Guard ``body``, which ends the filter for that call: its last line allows."""
    guarded = [*body, _op(_RETURN, _ALLOW)]
    return [_op(_JUMP_EQ, _number(table, column), 0, len(guarded)), *guarded]


def _number(table: _Numbers, column: int) -> int:
    number = next(iter(table.values()))[column]
    if number is None:
        raise ValueError(f"{next(iter(table))} has no number on this machine")
    return number
