"""How runs begin and end: the machine is tried, batches, and a parent that is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flywheel.errors import SandboxError
from flywheel.judge import sandbox
from flywheel.judge.sandbox import POOL, Limits, Program, choose, probe, run_many, run_python
from flywheel.judge.sandbox._run import _bounds
from support_sandbox import RUNGS, list_below, list_processes, list_scratch, require


def test_every_rung_is_reported_with_what_it_keeps():
    report = probe()
    assert [r.isolation for r in report.rungs] == list(RUNGS)
    assert all(r.works == (not r.fault) for r in report.rungs)
    assert report.best is None or choose("auto") == report.best.isolation


def run_script(source, **settings):
    return subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, **settings)


BLOCK = """
import errno, os, sys
from flywheel.judge.sandbox.child import _filter, _system
import flywheel.judge.sandbox as sandbox
names = {blocked!r}
_filter.ALWAYS = {{n: v for n, v in _filter.ALWAYS.items() if n in names}}
if "landlock" in names:
    _filter.ALWAYS["landlock"] = (444, 444)
system = _system.System()
system.prctl(_system.PR_SET_NO_NEW_PRIVS, 1)
_filter._SET_PDEATHSIG = -1 & 0xFFFFFFFF  # containers allow it
_filter.install_filter(system, _filter.build_filter(may_fork=True, shared_view=False, pid=0))
"""
"""Makes a process like one in a container whose seccomp profile blocks these calls."""

CONTAINER = ("mount", "umount2", "pivot_root", "unshare", "setns", "clone", "ptrace", "bpf", "keyctl")


def test_in_a_container_without_namespaces_landlock_is_chosen():
    require("landlock")
    done = run_script(
        BLOCK.format(blocked=CONTAINER) + "print(sandbox.choose('auto'))\n"
        "print(sandbox.run_python('print(open(\"/etc/passwd\").read())').reason)\nprint(sandbox.run_python('print(5)').stdout)"
    )
    assert done.stdout.split() == ["landlock", "error", "5"], done.stderr


def test_a_machine_that_cannot_isolate_is_refused_with_a_cure():
    source = BLOCK.format(blocked=(*CONTAINER, "landlock")) + (
        "try:\n    sandbox.run_python('pass')\nexcept sandbox._probe.SandboxError as error:\n    print(error)\n"
        "print(sandbox.run_python('print(5)', isolation='none').stdout)"
    )
    told = run_script(source).stdout
    assert "expected: a machine that can isolate programs" in told and "docs/sandbox.md" in told
    assert all(rung in told for rung in RUNGS) and told.endswith("5\n\n")


def test_an_isolation_that_is_asked_for_and_missing_is_refused(monkeypatch):
    monkeypatch.setattr(sandbox._probe.sys, "platform", "darwin")
    sandbox._probe.probe_rung.cache_clear()
    try:
        with pytest.raises(SandboxError, match="darwin is not Linux"):
            run_python("pass", isolation="landlock")
    finally:
        sandbox._probe.probe_rung.cache_clear()


@pytest.mark.parametrize("rung", [*RUNGS, "none"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_parent_takes_everything_with_it(rung, number):
    if rung != "none":
        require(rung)
    marker = f"flywheel-test-{os.getpid()}-{rung}-{number}"
    source = f"""
from flywheel.judge.sandbox import choose, run_python, Limits
choose({rung!r})
print('chosen', flush=True)
run_python('import time; open("x", "w").write("x"); time.sleep(60)', isolation={rung!r}, limits=Limits(wall_s=60))
"""
    before = set(list_scratch())
    parent = subprocess.Popen([sys.executable, "-c", source, marker], stdout=subprocess.PIPE)
    parent.stdout.readline()
    deadline = time.monotonic() + 20
    while len(list_below(parent.pid)) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.1)
    below = list_below(parent.pid)
    assert len(below) >= 3  # launcher, supervisor, program
    parent.send_signal(number)
    parent.communicate()
    while any(is_alive(pid) for pid in below) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [pid for pid in below if is_alive(pid)] == []
    assert set(list_scratch()) - before == set()
    assert list_processes(marker) == []


@pytest.mark.parametrize("rung", RUNGS)
def test_a_killed_launcher_ends_its_run_and_is_replaced(rung):
    require(rung)
    POOL.close()
    run_python("pass", isolation=rung)
    launcher = POOL._idle[(rung, ())][0]
    os.kill(launcher.pid, signal.SIGKILL)
    assert run_python("print(1)", isolation=rung).stdout == "1\n"
    assert POOL._idle[(rung, ())][0].pid != launcher.pid


def test_a_launcher_that_cannot_clear_up_in_time_is_replaced_and_ends():
    require("landlock")
    POOL.close()
    bounds = {**_bounds(Limits()), "clear_s": 0}
    program = {"entry": "script", "source": "for i in range(50): open(str(i), 'w').close()\nprint(1)", "stdin": ""}
    with POOL.borrow("landlock", ()) as launcher:
        told, streams = launcher.run([program], {}, bounds)
    assert (told["why"], streams[0]) == ("", b"1\n") and POOL._idle.get(("landlock", ()), []) == []
    wait_until(lambda: not is_alive(launcher.pid) and launcher._base.name not in list_scratch())
    assert run_python("print(2)", isolation="landlock").stdout == "2\n"


def wait_until(is_so, within_s=5):
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_idle_launchers_end_with_the_pool():
    isolation = "none" if probe().best is None else "auto"
    run_python("pass", isolation=isolation)
    pids = [launcher.pid for idle in POOL._idle.values() for launcher in idle]
    assert pids
    POOL.close()
    assert not [pid for pid in pids if is_alive(pid)]
    assert run_python("print(2)", isolation=isolation).stdout == "2\n"


def test_a_forked_child_starts_its_own_launchers():
    isolation = choose("auto") if probe().best else "none"
    run_python("pass", isolation=isolation)
    source = f"""
import os
from flywheel.judge.sandbox import run_python, POOL
run_python("pass", isolation={isolation!r})
pid = os.fork()
done = run_python("print(1)", isolation={isolation!r})
print(done.stdout.strip(), flush=True)
POOL.close()
if pid: os.waitpid(pid, 0)
"""
    assert run_script(source).stdout.split() == ["1", "1"]


def test_a_batch_keeps_its_order_and_takes_programs_as_they_come():
    isolation = choose("auto") if probe().best else "none"
    taken = []

    def programs():
        for i in range(60):
            taken.append(i)
            yield Program(f"import time\ntime.sleep({0.05 if i % 7 == 0 else 0})\nprint({i}, input())", stdin=str(i))

    outcomes = run_many(programs(), workers=2, isolation=isolation, limits=Limits(wall_s=5))
    first = next(outcomes)
    assert first.stdout == "0 0\n" and len(taken) < 20
    assert [o.stdout for o in outcomes] == [f"{i} {i}\n" for i in range(1, 60)]


def test_a_hostile_program_in_a_batch_harms_no_other():
    isolation = choose("auto") if probe().best else "none"
    hostile = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    sources = ["print(1)", hostile, "print(2)", "x = bytearray(10**10)", "print(3)", "import os; os.kill(-1, 9)"]
    if isolation == "none":
        pytest.skip("nothing isolates here")
    limits = Limits(wall_s=0.5, memory_mb=256)
    reasons = [o.reason for o in run_many(map(Program, sources), workers=2, limits=limits, isolation=isolation)]
    assert [reasons[i] for i in (0, 2, 4)] == ["ok", "ok", "ok"]
    assert reasons[1] in ("timeout", "memory") and reasons[3] == "memory"


def test_the_inside_imports_nothing_of_flywheel():
    source = "import sys; sys.path.insert(0, sys.argv[1]); import child._main; print([m for m in sys.modules if 'flywheel' in m])"
    folder = str(Path(sandbox.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-P", "-S", "-s", "-c", source, folder], capture_output=True, text=True, env={}
    )
    assert json.loads(done.stdout) == []


def test_limits_are_checked():
    with pytest.raises(ValueError, match="wall_s=0"):
        Limits(wall_s=0)
