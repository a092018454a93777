"""Hostile programs, at every isolation that this machine has: contained, the parent unharmed, nothing left."""

import os
import socket
import tempfile
import threading
import time
from pathlib import Path

import pytest
from flywheel.errors import InputError, SandboxError
from flywheel.judge.sandbox import POOL, Limits, may_start_processes, run_command, run_python
from support_sandbox import QUICK, RUNGS, list_below, list_scratch, require


@pytest.fixture(params=RUNGS)
def rung(request):
    return require(request.param)


@pytest.fixture
def run(rung):
    """Run a program at the rung; then prove that it left no process and no file."""
    before = set(list_scratch())

    def start(source, **settings):
        settings = {"limits": QUICK, **settings}
        return run_python(source, isolation=rung, **settings)

    yield start
    launchers = [launcher for idle in POOL._idle.values() for launcher in idle]
    assert launchers
    assert [p for launcher in launchers for p in list_below(launcher.pid)] == []
    deadline = time.monotonic() + 30  # a launcher whose run left a lot clears up by itself
    while left := list_left(set(list_scratch()) - before):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def list_left(folders):
    scratch = [Path(tempfile.gettempdir()) / folder / "scratch" for folder in folders]
    return [f for f in scratch if next(f.glob("*"), None)]


def last_line(outcome):
    return outcome.stderr.strip().rpartition("\n")[2]


def test_an_ordinary_program(run):
    done = run(
        "import os, sys\nprint(input(), open('in/a.txt').read(), sorted(os.listdir()))\nprint('e', file=sys.stderr)",
        stdin="hello\n",
        files={"in/a.txt": "héllo"},
    )
    assert (done.reason, done.exit_code, done.stdout, done.stderr) == ("ok", 0, "hello héllo ['in']\n", "e\n")
    assert done.seconds < 3 and 1 < done.peak_memory_mb < 100


@pytest.mark.parametrize(
    ("source", "reason", "code", "told"),
    [
        ("import sys; sys.exit(3)", "error", 3, ""),
        ("raise SystemExit('bye')", "error", 1, "bye"),
        ("1 / 0", "error", 1, "ZeroDivisionError: division by zero"),
        ("def f(:", "error", 1, "SyntaxError: invalid syntax"),
        ("import os; os._exit(0)", "ok", 0, ""),
        ("raise SystemExit(125)", "error", 125, ""),
        (
            "import os; os.write(2, b'the sandbox could not start the program: OSError'); os._exit(125)",
            "error",
            125,
            "the sandbox could not start the program: OSError",
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "killed", None, ""),
        ("import atexit; atexit.register(print, 'last')", "ok", 0, ""),
    ],
)
def test_how_programs_end(run, source, reason, code, told):
    done = run(source)
    assert (done.reason, done.exit_code, last_line(done)) == (reason, code, told)


def test_a_traceback_is_the_programs_own(run):
    done = run("def f():\n    return 1 / 0\nf()")
    assert done.stderr.splitlines()[:3] == [
        "Traceback (most recent call last):",
        '  File "program.py", line 3, in <module>',
        "    f()",
    ]


def test_runs_do_not_see_each_other(run):
    run("import builtins, sys; builtins.len = None; sys.modules['math'] = None; open('left', 'w').write('x')")
    done = run("import os, math; print(len('ab'), os.listdir(), math.pi > 3)")
    assert done.stdout == "2 [] True\n"


# Time, memory, processes


def test_an_endless_loop(run):
    done = run("while True: pass", limits=Limits(wall_s=0.5))
    assert done.reason == "timeout" and 0.5 <= done.seconds < 2


def test_cpu_time_is_limited_too(run):
    assert run("while True: pass", limits=Limits(cpu_s=1, wall_s=5)).reason == "timeout"


def test_a_sleeper_that_ignores_signals(run):
    source = "import signal, time\nfor s in (1, 2, 3, 15, 20):\n    signal.signal(s, signal.SIG_IGN)\ntime.sleep(100)"
    assert run(source, limits=Limits(wall_s=0.4)).reason == "timeout"


@pytest.mark.parametrize(
    "source",
    ["x = bytearray(10**10)", "x = []\nwhile True: x.append(bytearray(10**6))", "x = 'a' * 10**9 * 4"],
    ids=["at once", "bit by bit", "text"],
)
def test_a_memory_bomb(run, source):
    done = run(source)
    assert done.reason == "memory" and done.peak_memory_mb < 400


SHARED = """
import mmap, os, time
for _ in range(8):
    try:
        if {file}:
            with open({file!r}, "rb") as stream:
                part = mmap.mmap(stream.fileno(), 90 << 20, prot=mmap.PROT_READ)
        else:
            part = mmap.mmap(-1, 90 << 20)
        if os.fork() == 0:
            time.sleep(9)
        for i in range(0, 90 << 20, 4096):
            part[i : i + 1] if {file} else part.write(b"x" * 4096)
        part.close()  # it lives on in the child, which never touched it
    except OSError:
        raise SystemExit(3)
"""


@pytest.mark.parametrize("file", ["", "/dev/zero"], ids=["anonymous", "device"])
def test_memory_that_is_shared(run, file):
    source = (
        SHARED.replace("if {file}:", f"if {bool(file)}:")
        .replace("{file!r}", repr(file))
        .replace("{file}", str(bool(file)))
    )
    assert run(source).exit_code == 3


@pytest.mark.parametrize("call", ["os.memfd_create('x')", "open('/dev/shm/x', 'w')"])
def test_other_files_in_memory(run, call):
    assert last_line(run(f"import os\n{call}")).split(":")[0] in ("PermissionError", "FileNotFoundError")


def test_standard_input_cannot_be_rewritten(run):
    assert run("open('/proc/self/fd/0', 'r+b').write(bytes(1 << 20))", stdin="x").reason == "error"


def test_children_of_a_thread_count(run, rung):
    source = """
import os, threading, time
def bomb():
    for _ in range(8):
        if os.fork() == 0: break
    x = b'x' * (90 << 20)
    time.sleep(5)
thread = threading.Thread(target=bomb)
thread.start()
thread.join()
"""
    done = run(source)
    assert done.reason == ("ok" if rung == "landlock" else "memory") and done.seconds < 2.5


@pytest.mark.parametrize("name", ["²", "RssAnon: x", "a\nThreads: b", "\udcff) Z 1 ("])
def test_what_a_program_calls_itself_is_no_number(run, name):
    called = name.encode("utf-8", "surrogateescape")
    source = f"import ctypes, time\nctypes.CDLL(None).prctl(15, {called!r}, 0, 0, 0)\ntime.sleep(0.15)\nprint(1)"
    assert run(source).stdout == "1\n"


def test_a_memory_bomb_of_many_processes(run):
    source = "import os, time\nfor _ in range(8):\n    if os.fork() == 0: break\nx = b'x' * (90 << 20)\ntime.sleep(5)"
    done = run(source)
    assert done.reason in ("memory", "error") and done.seconds < 2.5


@pytest.mark.parametrize(
    "source",
    [
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        "import os, time\nwhile True:\n    try:\n        if os.fork() == 0: os._exit(0)\n    except OSError: pass",
        "import threading, time\nwhile True:\n    try: threading.Thread(target=time.sleep, args=(9,)).start()\n"
        "    except RuntimeError: pass",
        "import subprocess, sys\nwhile True:\n    try: subprocess.Popen([sys.executable, '-S', '-c', 'input()'])\n"
        "    except OSError: pass",
    ],
    ids=["fork bomb", "zombie storm", "threads", "subprocesses"],
)
def test_a_process_bomb(run, source):
    done = run(source, limits=Limits(wall_s=0.4, memory_mb=256, processes=12))
    assert done.reason in ("timeout", "memory", "processes") and done.seconds < 3


def test_the_number_of_processes(run, rung):
    source = """
import os, time
n = 0
try:
    while n < 100:
        if os.fork() == 0:
            time.sleep(9)
        n += 1
except OSError:
    print(n)
"""
    assert run(source).stdout == ("0\n" if rung == "landlock" else "11\n")


def test_the_number_of_threads(run, rung):
    source = """
import threading, time
threading.stack_size(65536)
n = 1
try:
    while n < 500:
        threading.Thread(target=time.sleep, args=(9,), daemon=True).start()
        n += 1
except RuntimeError:
    print(n)
time.sleep(0.3)
"""
    done = run(source)
    assert done.stdout == "12\n" or (rung == "landlock" and done.reason == "processes")


def test_a_daemon_does_not_survive(run):
    source = """
import os, time
try:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
        os._exit(0)
    print("away")
except PermissionError:
    print("refused")
"""
    assert run(source).stdout in ("away\n", "refused\n")  # the fixture looks for what is left


def test_deep_recursion(run):
    assert last_line(run("def f(): f()\nf()")).startswith("RecursionError")
    done = run(
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(): return [f()]\nf()", limits=Limits(wall_s=1, memory_mb=128)
    )
    assert done.reason in ("memory", "killed", "timeout")


# Output and files


def test_a_flood_of_output_ends(run):
    done = run("print('first')\nwhile True: print('x' * 1000)", limits=Limits(output_bytes=10_000, wall_s=5))
    assert done.reason == "output" and done.seconds < 4
    assert done.stdout.startswith("first\n") and "bytes left out" in done.stdout and len(done.stdout) < 10_100


def test_long_output_keeps_its_first_and_last_part(run):
    done = run("print('a' + 'x' * 30000 + 'z', end='')", limits=Limits(output_bytes=10_000))
    assert done.ok and done.stdout == "a" + "x" * 4999 + "\n… 20002 bytes left out …\n" + "x" * 4999 + "z"


def test_closed_streams(run):
    assert run("import os\nfor fd in range(10):\n    try: os.close(fd)\n    except OSError: pass").reason in (
        "ok",
        "error",
    )
    assert run("import os\nos.close(1); os.close(2)\nwhile True: pass", limits=Limits(wall_s=0.3)).reason == "timeout"


def test_a_giant_file(run):
    done = run("f = open('big', 'wb')\nwhile True: f.write(bytes(1 << 20))", limits=Limits(file_mb=4))
    assert done.reason == "error" and "File too large" in last_line(done)


def test_many_large_files(run, rung):
    source = "import time\nfor i in range(100):\n    open(str(i), 'wb').write(bytes(4 << 20)); time.sleep(0.02)"
    done = run(source, limits=Limits(scratch_mb=16))
    assert done.reason == "files" if rung == "landlock" else "No space left" in last_line(done)


@pytest.mark.parametrize(
    "step",
    ["open(str(i), 'w').close()", "os.mkdir(str(i))", "os.mkdir('d'); os.chdir('d')", "os.mkdir('a'); os.mkdir('b'); os.chdir('a')"],
    ids=["files", "folders", "a chain", "a comb"],
)  # fmt: skip
def test_files_without_end(run, rung, step):
    source = f"import os\nfor i in range(10**9):\n    {step}"
    begun = time.monotonic()
    done = run(source, limits=Limits(wall_s=5, files=300))
    assert done.reason == "files" if rung == "landlock" else "No space left" in last_line(done)
    assert time.monotonic() - begun < 4


def test_files_without_a_name(run, rung):
    source = "import os, time\nkept = []\nfor i in range(40):\n    f = open('x', 'wb', 0); os.unlink('x'); f.write(bytes(2 << 20)); kept.append(f); time.sleep(0.02)"
    done = run(source, limits=Limits(scratch_mb=16), stdin="x" * (20 << 20))
    assert done.reason == "files" if rung == "landlock" else "No space left" in last_line(done)


def test_a_folder_that_hides_its_files(run, rung):
    source = "import os\nos.umask(0)\nos.mkdir('d', 0o300)\nfor i in range(10**9):\n    open(f'd/{i}', 'w').close()"
    assert run(source, limits=Limits(files=300)).reason == ("files" if rung == "landlock" else "error")


def test_nested_and_shut_folders_are_cleared(run):
    source = "import os\nfor _ in range(1200):\n    os.mkdir('d'); os.chdir('d')\nos.mkdir('shut', 0)\nprint('done')"
    assert run(source).stdout == "done\n"


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/shadow", "/proc/1/environ", "/proc/self/environ", __file__])
def test_nothing_outside_is_read(run, path):
    done = run(f"print(open({path!r}).read())")
    assert done.reason == "error" and done.stdout == ""


def test_the_home_and_the_project_are_not_listed(run, tmp_path):
    for folder in (Path.home(), Path(__file__).parent, tmp_path, "/proc", "/etc"):
        source = (
            f"import os\ntry: print([n for n in os.listdir({str(folder)!r}) if n not in ('.pyenv', 'ld.so.cache')])\n"
        )
        assert run(source + "except OSError: print([])").stdout == "[]\n"


def test_installed_packages_are_not_read(run):
    done = run("import pytest")
    assert last_line(done) == "ModuleNotFoundError: No module named 'pytest'"


def test_packages_can_be_allowed(rung, tmp_path):
    (tmp_path / "mine.py").write_text("value = 7")
    tmp_path.chmod(0o755)
    done = run_python("import mine; print(mine.value)", isolation=rung, packages=[tmp_path], limits=QUICK)
    assert done.stdout == "7\n"
    POOL.close()


def test_secrets_of_the_parent_are_not_there(run, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    POOL.close()  # a launcher that starts with the variable set
    source = """
import ctypes, gc, os
print([v for v in os.environ.values() if 'secret' in v])
libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
print(libc.getenv(b'OPENAI_API_KEY'))
word = 'very-' + 'secret'
print(sum(word in str(o) for o in gc.get_objects() if isinstance(o, dict) and word not in o and o is not globals()))
"""
    assert run(source).stdout.splitlines() == ["[]", "None", "0"]


def test_no_descriptor_leaks_in(run):
    source = "import os\nn = []\nfor fd in range(64):\n    try: os.fstat(fd); n.append(fd)\n    except OSError: pass\nprint(n)"
    assert run(source).stdout in ("[0, 1, 2]\n", "[0, 1, 2, 4]\n")  # 4: the channel of results, unused here


@pytest.mark.parametrize(
    "how", ["open(p, 'w')", "os.mkdir(p)", "os.symlink('x', p)", "os.mkfifo(p)", "os.link('own', p)"]
)
def test_nothing_outside_is_written(run, tmp_path, how):
    tmp_path.chmod(0o777)
    for folder in (tmp_path, Path.home(), "/tmp", "/dev/shm", "/", "/usr/lib"):
        path = Path(folder) / "flywheel-hostile"
        done = run(f"import os\nopen('own', 'w')\np = {str(path)!r}\n{how}")
        assert done.reason == "error" and not path.exists()


def test_what_is_outside_is_not_changed(run, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("kept")
    tmp_path.chmod(0o777)
    victim.chmod(0o666)
    before = victim.stat()
    source = f"""
import os
p = {str(victim)!r}
for attempt in (
    lambda: os.chmod(p, 0), lambda: os.utime(p, (1, 1)), lambda: os.truncate(p, 0), lambda: os.remove(p),
    lambda: os.rename(p, p + '2'), lambda: os.rename(p, 'mine'), lambda: os.setxattr(p, 'user.x', b'1'),
    lambda: os.chown(p, 1, 1), lambda: open(p, 'a').write('x'), lambda: os.link(p, 'mine'),
):
    try:
        attempt()
        print('through')
    except OSError:
        pass
"""
    assert run(source).stdout == ""
    after = victim.stat()
    assert victim.read_text() == "kept"
    assert [after.st_mode, after.st_mtime, after.st_uid] == [before.st_mode, before.st_mtime, before.st_uid]


def test_links_out_of_the_scratch_folder_lead_nowhere(run, tmp_path):
    (tmp_path / "secret").write_text("secret")
    source = f"""
import os
os.symlink({str(tmp_path)!r}, 'way')
os.symlink('/', 'root')
for p in ('way/secret', 'root' + {str(tmp_path)!r} + '/secret', '../../../..' + {str(tmp_path)!r} + '/secret'):
    for mode in 'ra':
        try:
            open(p, mode)
            print('through', p)
        except OSError:
            pass
"""
    assert run(source).stdout == ""
    assert (tmp_path / "secret").read_text() == "secret"


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", ".", "a\0b"])
def test_files_that_lead_out_are_refused(name):
    with pytest.raises(InputError, match="scratch folder"):
        run_python("pass", files={name: "x"}, isolation="none")


# Network


def test_no_network(run):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        source = f"""
import socket
for attempt in (
    lambda: socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), timeout=1),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9)),
    lambda: socket.getaddrinfo('example.com', 80),
    lambda: socket.create_server(('127.0.0.1', 0)),
    lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    lambda: socket.socket(socket.AF_INET6),
):
    try:
        attempt()
        print('through')
    except OSError as error:
        print(type(error).__name__)
"""
        done = run(source)
        with pytest.raises(TimeoutError):
            server.accept()
    assert "through" not in done.stdout and len(done.stdout.splitlines()) == 6


def test_no_unix_sockets(run, tmp_path):
    for address in (str(tmp_path / "s"), f"\0flywheel-test-abstract-{os.getpid()}"):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(address)
            server.listen()
            source = f"import socket\nsocket.socket(socket.AF_UNIX).connect({address!r})\nprint('through')"
            assert run(source).stdout == ""


def test_a_pair_reaches_nobody_else(run, tmp_path):
    for address in (str(tmp_path / "s"), f"\0flywheel-test-datagrams-{os.getpid()}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.bind(address)
            for folder in (tmp_path, *tmp_path.parents[:-2]):
                folder.chmod(0o755)
            if address[0] == "/":
                (tmp_path / "s").chmod(0o777)
            for kind in ("SOCK_DGRAM", "SOCK_RAW", "SOCK_STREAM"):
                run(f"import socket\nsocket.socketpair(socket.AF_UNIX, socket.{kind})[0].sendto(b'x', {address!r})")
            server.setblocking(False)
            with pytest.raises(BlockingIOError):
                server.recv(1)


def test_pairs_within_the_run_work(run):
    assert run("import asyncio\nasync def f(): return 5\nprint(asyncio.run(f()))").stdout == "5\n"


# Other processes


def test_no_signal_reaches_a_process_outside(run):
    hits = []
    previous = {}
    import signal

    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        previous[number] = signal.signal(number, lambda n, f: hits.append(n))
    source = f"""
import os, signal
for pid in ({os.getpid()}, os.getppid(), -1, 0, -{os.getpgrp()}, 1):
    for s in (signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
        signal.signal(s, signal.SIG_IGN) if s != signal.SIGKILL else None
        if s == signal.SIGKILL and pid in (0, -1):
            continue  # that would only end the program itself
        try: os.kill(pid, s)
        except OSError: pass
print('alive')
try: os.kill(-1, 9)
except OSError: pass
"""
    try:
        done = run(source)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    assert hits == [] and done.stdout == "alive\n"


def test_no_tracing_and_no_other_memory(run):
    source = f"""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print(libc.ptrace(16, {os.getpid()}, 0, 0), libc.ptrace(16, os.getppid(), 0, 0))
try: print(open('/proc/{os.getpid()}/mem', 'rb').read(1))
except OSError: print('none')
print(libc.process_vm_readv({os.getpid()}, 0, 0, 0, 0, 0))
print(libc.unshare(0x10000000), libc.syscall(321, 0, 0, 0), libc.personality(0))
"""
    assert run(source).stdout.split() == ["-1", "-1", "none", "-1", "-1", "-1", "-1"]


def test_limits_of_other_processes_are_not_changed(run):
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE), os.getpriority(os.PRIO_PROCESS, 0)
    source = f"""
import os, resource
for attempt in (
    lambda: resource.prlimit({os.getpid()}, resource.RLIMIT_NOFILE, (5, 5)),
    lambda: os.setpriority(os.PRIO_PROCESS, {os.getpid()}, 19),
    lambda: os.sched_setaffinity({os.getpid()}, [0]),
    lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1)),
    lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)),
):
    try:
        attempt()
        print('through')
    except (OSError, ValueError):
        pass
"""
    assert run(source).stdout == ""
    assert (resource.getrlimit(resource.RLIMIT_NOFILE), os.getpriority(os.PRIO_PROCESS, 0)) == before


def test_clearing_the_death_signal_is_refused(run):
    assert run("import ctypes\nprint(ctypes.CDLL(None).prctl(1, 0, 0, 0, 0))").stdout == "-1\n"


# Commands, and no isolation


def test_a_command(rung):
    done = run_command(
        ["cat", "a.txt", "-"], stdin="two", files={"a.txt": "one\n"}, isolation=rung, readable=["/usr/bin/cat"]
    )
    assert (done.reason, done.stdout) == ("ok", "one\ntwo")
    assert run_command(["cat", "/etc/passwd"], isolation=rung, readable=["/usr/bin/cat"]).reason == "error"
    assert run_command(["no-such-command"], isolation=rung).exit_code == 127
    POOL.close()


def test_whether_a_program_may_start_others_is_told(rung):
    done = run_command(["sh", "-c", "echo one | cat"], isolation=rung, readable=["/usr"])
    assert done.ok == may_start_processes(rung) == (done.stdout == "one\n")
    POOL.close()


def test_without_isolation_limits_hold_and_the_tree_ends():
    done = run_python("print(open('/etc/passwd').read()[:4])", isolation="none", limits=QUICK)
    assert done.stdout == Path("/etc/passwd").read_text()[:4] + "\n"
    assert run_python("x = bytearray(10**10)", isolation="none", limits=QUICK).reason == "memory"
    source = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(60)\nprint('away')"
    )
    assert run_python(source, isolation="none", limits=QUICK).stdout.startswith("away")
    pids = [p for idle in POOL._idle.values() for launcher in idle for p in list_below(launcher.pid)]
    assert pids == []
    assert run_python("while True: pass", isolation="none", limits=Limits(wall_s=0.3)).reason == "timeout"


def test_an_unknown_isolation_is_refused():
    with pytest.raises((SandboxError, ValueError)):
        run_python("pass", isolation="docker")


def test_runs_from_many_threads(rung):
    results = {}

    def work(i):
        results[i] = run_python(f"import time\ntime.sleep(0.05)\nprint({i})", isolation=rung).stdout

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {i: f"{i}\n" for i in range(8)} and time.monotonic() - started < 10
    POOL.close()
