import os
import shutil
import tempfile
from pathlib import Path

import pytest
from flywheel.store import Project, Store
from support import SHARED, FakeEndpoint, make_mini_project, run_cli

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["COLUMNS"] = "300"  # no cell of a table wraps, however long the path of a test's folder
if worker := os.environ.get("PYTEST_XDIST_WORKER"):  # tests look for what is left behind: only for their own
    tempfile.tempdir = os.environ["TMPDIR"] = str(Path(tempfile.gettempdir()) / f"flywheel-tests-{worker}")
    Path(tempfile.tempdir).mkdir(exist_ok=True)
for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
    os.environ.pop(name, None)


DEAR = ("finished_run", "wheel", "done")
"""Fixtures that take long to make."""


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(items):
    """Let tests that share a dear fixture run in one worker, which makes it once (make test: --dist loadgroup)."""
    for item in items:
        for name in set(DEAR) & set(item.fixturenames):
            item.add_marker(pytest.mark.xdist_group(name))


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real public data; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip("real data are not on this machine (shared/data beside the checkout)")
    return SHARED


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


@pytest.fixture(scope="session")
def empty_store_file(tmp_path_factory):
    """A store without rows, made once: a copy opens in a tenth of the time."""
    project = Project(tmp_path_factory.mktemp("empty"))
    Store(project).open().close()
    return project.store_path


@pytest.fixture
def store(project, empty_store_file):
    project.root.mkdir()
    shutil.copy(empty_store_file, project.store_path)
    opened = Store(project, patience_s=5.0).open()
    yield opened
    opened.close()


@pytest.fixture
def mini(tmp_path):
    return make_mini_project(tmp_path / "mini")


@pytest.fixture
def stored(mini):
    """A mini project with an empty store."""
    Store(Project(mini)).open().close()
    return mini


@pytest.fixture
def endpoint(tmp_path):
    """Start fake endpoints: ``endpoint(problems_file, latency=0.01, faults=…)``."""
    started = []

    def start(problems, **settings):
        folder = tmp_path / f"endpoint{len(started)}"
        folder.mkdir()
        started.append(FakeEndpoint(folder, problems, **settings))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A mini project with two whole iterations of the embedded model, shared by the tests that only read."""
    folder = make_mini_project(tmp_path_factory.mktemp("finished") / "project")
    done = run_cli(folder, "run", check=0, timeout=600)
    (folder / "stdout.txt").write_text(done.stdout)
    (folder / "stderr.txt").write_text(done.stderr)
    return folder


@pytest.fixture
def none(tmp_path):
    """A file of problems without any: the fake endpoint answers by the prompt alone."""
    (tmp_path / "no-problems.jsonl").write_text("")
    return tmp_path / "no-problems.jsonl"
