"""What docs/cluster/ has for Kubernetes and Slurm: that it is whole, fits flywheel, and holds no secret. Nothing is built or started."""

import re
import subprocess
import tomllib

import pytest
import yaml
from flywheel.config import Recipe
from support import HERE, MINI

FOLDER = HERE.parent / "docs" / "cluster"
FILES = sorted(p for p in FOLDER.iterdir() if p.is_file())
TEXTS = {p.name: p.read_text() for p in FILES}
DOC = (HERE.parent / "docs" / "cluster.md").read_text()


def documents(name):
    return [d for d in yaml.safe_load_all(TEXTS[name]) if d]


def pods(name):
    """Return the pod of each kind of node."""
    found = []
    for made in documents(name):
        spec = made["spec"]
        spec = spec.get("rayClusterSpec", spec)
        groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]] if "headGroupSpec" in spec else []
        found += [g["template"]["spec"] for g in groups]
        if made["kind"] == "Job":
            found.append(spec["template"]["spec"])
    return found


@pytest.mark.parametrize("name", ["kuberay.yaml", "raycluster.yaml", "train-job.yaml"])
def test_all_pods_have_the_image_the_shared_folder_and_the_key_by_a_secret(name):
    found = pods(name)
    assert len(found) == (1 if name == "train-job.yaml" else 2)
    for pod in found:
        (container,) = pod["containers"]
        assert container["image"] == pods("kuberay.yaml")[0]["containers"][0]["image"]
        assert {"name": "project", "mountPath": "/project"} in container["volumeMounts"]
        assert {"name": "project", "persistentVolumeClaim": {"claimName": "flywheel-project"}} in pod["volumes"]
        assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
        (key,) = [e for e in container["env"] if e["name"] == "OPENAI_API_KEY"]
        assert key == {
            "name": "OPENAI_API_KEY",
            "valueFrom": {"secretKeyRef": {"name": "flywheel-secrets", "key": "OPENAI_API_KEY"}},
        }
        assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] == 1000


def test_the_manifests_are_kuberays_and_the_volume_is_shared():
    kinds = [(d["apiVersion"], d["kind"]) for n in TEXTS if n.endswith(".yaml") for d in documents(n)]
    assert sorted(kinds) == [
        ("batch/v1", "Job"), ("ray.io/v1", "RayCluster"), ("ray.io/v1", "RayJob"), ("v1", "PersistentVolumeClaim"), ("v1", "Service"),
    ]  # fmt: skip
    claim, job = documents("kuberay.yaml")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"] and claim["metadata"]["name"] == "flywheel-project"
    assert job["spec"]["entrypoint"] == "flywheel -C /project run" and job["spec"]["shutdownAfterJobFinishes"] is True
    pinned = re.search(r"^ray==(.+)$", (HERE.parent / "constraints.txt").read_text(), re.MULTILINE)[1]
    assert (
        job["spec"]["rayClusterSpec"]["rayVersion"] == documents("raycluster.yaml")[0]["spec"]["rayVersion"] == pinned
    )
    service, training = documents("train-job.yaml")
    assert training["spec"]["template"]["spec"]["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"]["batch.kubernetes.io/job-name"] == training["metadata"]["name"]


@pytest.mark.parametrize("name", [n for n in TEXTS if n.endswith(".sbatch")])
def test_slurm_scripts_are_bash_that_runs_flywheel(name):
    subprocess.run(["bash", "-n", str(FOLDER / name)], check=True)
    assert TEXTS[name].startswith("#!/bin/bash\n") and "\n#SBATCH --nodes=" in TEXTS[name]
    assert "set -euo pipefail" in TEXTS[name] and 'flywheel -C "$PROJECT"' in TEXTS[name]


def test_the_script_of_a_training_starts_each_machine_with_its_number():
    code = re.search(r"bash -c '\n(.*?)'\n", TEXTS["train.sbatch"], re.DOTALL)[1]
    job = documents("train-job.yaml")[1]["spec"]["template"]["spec"]["containers"][0]["args"][0]
    for script, variable in ((code, "SLURM_PROCID"), (job, "JOB_COMPLETION_INDEX")):
        said = [
            subprocess.check_output(["bash", "-c", f"flywheel() {{ echo \"$@\"; }}\n{script.replace('exec ', '')}"], text=True,
                                    env={variable: number, "PROJECT": "/project", "PATH": "/usr/bin:/bin"}).splitlines()[0]
            for number in ("0", "3")
        ]  # fmt: skip
        assert said == ["-C /project train", "-C /project train --join 3"]


def test_the_container_file_is_one_and_runs_as_nobody_special():
    text = re.sub(r"^\s*#.*\n", "", TEXTS["Containerfile"], flags=re.MULTILINE)
    steps = [line.strip() for line in re.sub(r"\\\n", " ", text).splitlines() if line.strip()]
    known = ("FROM", "RUN", "COPY", "USER", "ENV", "WORKDIR", "CMD")
    assert all(step.split()[0] in known for step in steps), steps
    assert steps[0].startswith("FROM docker.io/library/python:3.") and steps[-1].startswith("CMD [")
    for step in (s.removeprefix("RUN ") for s in steps if s.startswith("RUN ")):
        subprocess.run(["bash", "-n", "-c", step], check=True)
    users = [s for s in steps if s.startswith("USER")]
    assert users == ["USER 1000"] and steps.index(users[0]) > max(i for i, s in enumerate(steps) if s.startswith("RUN"))
    minor = int(re.match(r"FROM \S+:3\.(\d+)", steps[0])[1])
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    assert (
        f"Programming Language :: Python :: 3.{minor}" in project["classifiers"]
        and "ray" in project["optional-dependencies"]
    )
    assert "--constraint /opt/flywheel/constraints.txt" in text


def test_the_recipe_lines_are_recipes():
    lines = [
        found
        for text in (*TEXTS.values(), DOC)
        for found in re.findall(r"((?:executor|train|engine): \{(?:[^{}]|\{[^{}]*\})*\})", text)
    ]
    assert len(lines) >= 5
    for line in lines:
        Recipe.model_validate({**MINI, "engine": {"kind": "openai"}, **yaml.safe_load(line)})


@pytest.mark.parametrize("name", list(TEXTS))
def test_no_key_is_in_them(name):
    assert not re.search(r"\bsk-|\bhf_[A-Za-z0-9]{8}|BEGIN [A-Z ]*PRIVATE KEY|stringData|kind: Secret", TEXTS[name])
    for line in TEXTS[name].splitlines():
        assert not re.search(r"OPENAI_API_KEY['\"]?\s*[:=]\s*['\"]?[A-Za-z0-9]", line), line
    assert name in DOC, "it is documented"
