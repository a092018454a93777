"""``flywheel doctor``: what it calls working does work, and what cannot run has exit code 1."""

import json

from support import run_cli


def test_doctor_says_what_works(tmp_path):
    done = run_cli(tmp_path, "doctor", check=0)
    for word in ("torch", "trl", "lm-eval", "GPU", "OPENAI_BASE_URL", "The demo can run."):
        assert word in done.stdout


def test_doctor_reaches_an_endpoint(tmp_path, endpoint):
    (tmp_path / "known.jsonl").write_text("")
    done = run_cli(tmp_path, "doctor", env=endpoint(tmp_path / "known.jsonl").env, check=0)
    assert "fake-teacher" in done.stdout
    assert "secret-key" not in done.stdout


def test_an_endpoint_that_is_set_and_dead_is_a_failure(tmp_path):
    done = run_cli(tmp_path, "doctor", env={"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, check=1)
    assert "The demo can run." in done.stdout
    assert "does not answer" in done.stdout


def test_a_folder_that_is_missing_can_be_made_but_one_that_cannot_be_written_fails(tmp_path):
    done = run_cli(tmp_path / "new", "doctor", check=0)
    assert "missing; flywheel" in done.stdout
    assert not (tmp_path / "new").exists()
    done = run_cli("/proc", "doctor", check=1)
    assert "project folder" in done.stdout.splitlines()[-1]


def test_a_package_that_is_installed_but_broken_is_no_ok(tmp_path):
    (tmp_path / "lm_eval").mkdir()
    (tmp_path / "lm_eval" / "__init__.py").write_text("raise RuntimeError('built for another machine')")
    import os

    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = run_cli(tmp_path, "doctor", env={"PYTHONPATH": path}, check=1)
    assert "built for another machine" in done.stdout
    assert "The demo cannot run: lm-eval." in done.stdout


def test_the_packages_that_are_checked_are_those_that_flywheel_needs():
    from flywheel.cli._doctor import MODULES
    from support import HERE

    text = (HERE.parent / "pyproject.toml").read_text()
    assert all(json.dumps(name)[:-1] in text for name in MODULES if name != "openai")
