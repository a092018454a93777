"""What the wheel holds, and that it works away from the checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support import HERE, make_mini_project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    source = tmp_path_factory.mktemp("source") / "checkout"
    files = subprocess.check_output(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=HERE.parent, text=True
    ).splitlines()
    for name in files:
        if (HERE.parent / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((HERE.parent / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)],
        check=True,
        capture_output=True,
    )
    return next(out.glob("llm_flywheel-*.whl"))


def test_prompts_recipes_sql_and_the_seed_model_travel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for needed in (
        "flywheel/prompts/templates/solve.yaml", "flywheel/recipes/demo/recipe.yaml", "flywheel/recipes/demo/problems.jsonl",
        "flywheel/recipes/gsm8k/recipe.yaml", "flywheel/store/views.sql", "flywheel/store/migrations/0001_first.sql",
        "flywheel/store/questions/templates-by-yield.sql",
        "flywheel/seed/model/model.safetensors", "flywheel/seed/model/tokenizer.json", "flywheel/seed/MODEL_CARD.md",
        "flywheel/eval/tasks/word-problems.yaml", "flywheel/judge/verifiers/_math.py", "flywheel/py.typed",
    ):  # fmt: skip
        assert needed in names
    assert not [n for n in names if n.startswith(("tests/", "flywheel/tests", "flywheel/bench"))]


def test_every_file_of_the_recipes_travels(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    files = subprocess.check_output(
        ["git", "ls-files", "-co", "--exclude-standard", "recipes"], cwd=HERE.parent, text=True
    ).splitlines()
    assert len(files) > 100
    assert [f for f in files if f"flywheel/{f}" not in names] == []
    assert not [n for n in names if "__pycache__" in n]


def test_every_package_of_the_checkout_is_in_it(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    root = HERE.parent
    skipped = {"tests", "bench", "docs", "build", "demo"}
    for file in root.rglob("*.py"):
        relative = file.relative_to(root)
        if relative.parts[0] in skipped or any(p.startswith(".") for p in relative.parts):
            continue
        assert f"flywheel/{relative}" in names, relative


def test_it_works_from_outside_the_checkout(wheel, tmp_path):
    """A clean environment with the wheel; the dependencies come by path, without the editable install's hook."""
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    site = subprocess.check_output([python, "-c", "import site; print(site.getsitepackages()[0])"], text=True).strip()
    dependencies = [p for p in sys.path if p.endswith("site-packages")]
    (Path(site) / "dependencies.pth").write_text("\n".join(dependencies))
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", str(wheel)], check=True, capture_output=True)
    where = subprocess.check_output(
        [python, "-c", "import flywheel; print(flywheel.__file__)"], text=True, cwd=tmp_path
    )
    assert where.startswith(site)

    def flywheel(*args):
        done = subprocess.run([python.with_name("flywheel"), *args], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    flywheel("-C", "demo", "init")
    assert (tmp_path / "demo" / "problems.jsonl").stat().st_size > 100_000
    make_mini_project(tmp_path / "mini", iterations=1)
    out = flywheel("-C", "mini", "run")
    assert "baseline" in out
    assert (tmp_path / "mini" / "report.md").exists()
    assert flywheel("-C", "mini", "sql", "select stage from checkpoints where stage = 'dpo'") == "stage\ndpo\n"
