"""Units for a user's own scheduler: systemd, cron, Kubernetes. Text is returned; nothing is installed or changed here."""

import json
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path, PurePosixPath
from zoneinfo import available_timezones

from ...errors import RecipeError
from ._times import WEEKDAYS, Cron, CronTimes, Field, IntervalTimes, Times, parse_cron

UNITS = ("systemd", "cron", "k8s")
LONGEST_NAME = 40
"""Kubernetes allows a CronJob 52 characters, ``flywheel-`` included."""
STOP_S = 600
IN_THE_POD = PurePosixPath("/project")
DEADLINE_S = 86_400
SHORT_DEADLINE_S = 60
MOST_STARTS = 90
"""Kubernetes gives up on a CronJob that has missed more than 100 starts within its deadline."""
A_YEAR = timedelta(days=366)


@dataclass(frozen=True)
class RunCommand:
    """``flywheel run``, as it is started again and again.

    Attributes:
        root: the project folder.
        options: of the run.
        recipe: recipe file, where it is not the project's own.
        python: interpreter that has flywheel.
    """

    root: Path
    options: Sequence[str]
    recipe: Path | None = None
    python: str = sys.executable

    @property
    def words(self) -> list[str]:
        """The command on this machine."""
        recipe = ["--recipe", str(self.recipe)] if self.recipe else []
        return [self.python, "-P", "-m", "flywheel", "-C", str(self.root), "run", *self.options, *recipe]


@dataclass(frozen=True)
class Unit:
    """What is asked of the user's scheduler.

    Attributes:
        run: what it starts.
        cron: when.
        zone: time zone that the user named; None = that of the machine which runs it.
        own_zone: this machine's.
        catch_up: whether a missed fire counts later.
    """

    run: RunCommand
    cron: Cron
    zone: str | None
    own_zone: str
    catch_up: bool = True

    @property
    def name(self) -> str:
        """Name of the units: letters, digits and dashes."""
        plain = re.sub(r"[^a-z0-9]+", "-", self.run.root.name.lower()).strip("-")
        return f"flywheel-{plain[:LONGEST_NAME].strip('-') or 'project'}"


def to_cron(times: Times) -> Cron:
    """Return the cron expression of a schedule: of an interval that divides the hour or the day evenly, or is a week.

    Raises:
        RecipeError: it is another one.
    """
    if isinstance(times, CronTimes):
        return times.cron
    assert isinstance(times, IntervalTimes)
    return _cron_of(times)


def _cron_of(times: IntervalTimes) -> Cron:
    minutes, rest = divmod(times.seconds, 60)
    hours, odd = divmod(minutes, 60)
    if not rest and minutes < 60 and 60 % minutes == 0:
        return parse_cron(f"*/{minutes} * * * *" if minutes > 1 else "* * * * *")
    if not rest and not odd and 24 % hours == 0:
        text = "0 0 * * *" if hours == 24 else f"0 */{hours} * * *" if hours > 1 else "0 * * * *"
        return parse_cron(text)
    if times.seconds == 604_800:
        return parse_cron("0 0 * * 0")
    raise RecipeError(
        f"flywheel schedule --emit, {times.text}", expected="an interval that divides an hour or a day evenly, or a week",
        received=times.text, cure="such a one (15m, 6h, 1d, 1w), a cron expression, or flywheel schedule without --emit",
    )  # fmt: skip


def write_unit(kind: str, unit: Unit) -> str:
    """Return the text of a unit.

    Raises:
        RecipeError: this kind of scheduler cannot do what is asked, or the project's path cannot be written in it.
    """
    if "\n" in str(unit.run.root) or "\r" in str(unit.run.root):
        raise RecipeError(
            f"flywheel schedule --emit {kind}", expected="a project folder on one line", received=repr(str(unit.run.root)),
            cure="rename the folder",
        )  # fmt: skip
    return {"systemd": _write_systemd, "cron": _write_cron, "k8s": _write_k8s}[kind](unit)


# --- systemd ---------------------------------------------------------------------------------------------------


def _write_systemd(unit: Unit) -> str:
    calendar = "\n".join(f"OnCalendar={c}{f' {unit.zone}' if unit.zone else ''}" for c in to_calendar(unit.cron))
    folder = str(unit.run.root).replace("%", "%%")
    return f"""\
# Save both as ~/.config/systemd/user/NAME (or /etc/systemd/system/NAME, with a line User=), then:
#   systemctl --user daemon-reload && systemctl --user enable --now {unit.name}.timer && loginctl enable-linger
# Keys (OPENAI_API_KEY=…) go into the file that EnvironmentFile= names, readable by you alone.

# ---- {unit.name}.service
[Unit]
Description=A turn of the wheel in {folder}

[Service]
Type=oneshot
WorkingDirectory={folder}
EnvironmentFile=-%E/{unit.name}.env
ExecStart={" ".join(map(_quote_systemd, unit.run.words))}
KillMode=mixed
TimeoutStopSec={STOP_S}
SuccessExitStatus=130 143

# ---- {unit.name}.timer
[Unit]
Description=When the wheel turns in {folder}: {unit.cron.text}

[Timer]
{calendar}
Persistent={"true" if unit.catch_up else "false"}
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


def to_calendar(cron: Cron) -> list[str]:
    """Return systemd's calendar events for a cron expression: two where a day of the month or a weekday is enough."""
    time = f"{_list_two(cron.hours)}:{_list_two(cron.minutes)}:00"
    date = f"*-{_list_two(cron.months)}-"
    days, weekdays = date + _list_two(cron.days), ",".join(WEEKDAYS[v].title() for v in cron.weekdays.values)
    if cron.is_either:
        return [f"{days} {time}", f"{weekdays} {date}* {time}"]
    return [f"{days} {time}" if cron.weekdays.text == "*" else f"{weekdays} {days} {time}"]


def _list_two(field: Field) -> str:
    return "*" if field.text == "*" else ",".join(f"{v:02d}" for v in field.values)


def _quote_systemd(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if re.fullmatch(r"[\w@./:=+,-]+", word) else f'"{escaped}"'


# --- cron ------------------------------------------------------------------------------------------------------


def _write_cron(unit: Unit) -> str:
    if unit.zone is not None and unit.zone != unit.own_zone:
        raise RecipeError(
            "flywheel schedule --emit cron: --timezone", expected=f"this machine's time zone, {unit.own_zone}",
            received=unit.zone, cure="give the expression in this machine's time: cron knows no other, or --emit systemd",
        )  # fmt: skip
    command = f"{shlex.join(unit.run.words)} >> {shlex.quote(str(unit.run.root / 'schedule.log'))} 2>&1"
    return f"{to_portable(unit.cron)} {command.replace('%', chr(92) + '%')}\n"


def to_portable(cron: Cron) -> str:
    """Return the expression in what every cron reads: numbers, ranges and lists, Sunday as 0."""
    fields = (cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays)
    return " ".join(f.text if re.fullmatch(r"\*(/\d+)?", f.text) else _join_ranges(f.values) for f in fields)


def _join_ranges(values: Sequence[int]) -> str:
    runs: list[list[int]] = []
    for v in values:
        if runs and v == runs[-1][-1] + 1:
            runs[-1].append(v)
        else:
            runs.append([v])
    return ",".join(f"{r[0]}-{r[-1]}" if len(r) > 2 else ",".join(map(str, r)) for r in runs)


# --- Kubernetes ------------------------------------------------------------------------------------------------


def _write_k8s(unit: Unit) -> str:
    recipe = ["--recipe", str(_path_in_pod(unit))] if unit.run.recipe else []
    command = ["python", "-P", "-m", "flywheel", "-C", str(IN_THE_POD), "run", *unit.run.options, *recipe]
    zone = unit.zone or unit.own_zone
    if zone not in available_timezones():
        raise RecipeError(
            "flywheel schedule --emit k8s", expected="a time zone of the IANA database", received=repr(zone),
            cure="name one: --timezone Europe/Berlin",
        )  # fmt: skip
    return f"""\
# Fill in image: and storage:. The volume is the project folder: put recipe.yaml and its data there first.
# Keys: kubectl create secret generic {unit.name} --from-literal=OPENAI_API_KEY=…
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {unit.name}
spec:
  accessModes: [ReadWriteOnce]  # one run at a time, and a file system that locks files
  resources:
    requests:
      storage: 20Gi
---
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {unit.name}
spec:
  schedule: {json.dumps(to_portable(unit.cron))}
  timeZone: {json.dumps(zone)}  # needs Kubernetes 1.27
  concurrencyPolicy: Forbid  # a fire during a run is skipped
  startingDeadlineSeconds: {find_deadline(unit.cron, unit.catch_up)}  # how late a missed fire may start
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 0  # the next fire goes on where a failed run was
      template:
        spec:
          restartPolicy: Never
          terminationGracePeriodSeconds: {STOP_S}
          containers:
            - name: flywheel
              image: REGISTRY/FLYWHEEL:TAG  # yours: Python 3.11+ with llm-flywheel installed
              command: {json.dumps(command)}
              envFrom:
                - secretRef:
                    name: {unit.name}
                    optional: true
              volumeMounts:
                - name: project
                  mountPath: {IN_THE_POD}
              # resources: {{limits: {{nvidia.com/gpu: 1}}}}
          volumes:
            - name: project
              persistentVolumeClaim:
                claimName: {unit.name}
"""


def _path_in_pod(unit: Unit) -> PurePosixPath:
    recipe = (unit.run.recipe or Path()).absolute()
    if not recipe.is_relative_to(unit.run.root):
        raise RecipeError(
            "flywheel schedule --emit k8s: --recipe", expected=f"a file in the project folder {unit.run.root}",
            received=str(recipe), cure="move it there: the pod sees nothing else",
        )  # fmt: skip
    return IN_THE_POD / PurePosixPath(*recipe.relative_to(unit.run.root).parts)


def find_deadline(cron: Cron, catch_up: bool) -> int:
    """Return how many seconds late a fire may start: a day, or less where more than a hundred fires lie in one."""
    if not catch_up:
        return SHORT_DEADLINE_S
    times = CronTimes(cron, UTC, "UTC")
    fires = [datetime(2024, 1, 1, tzinfo=UTC)]
    while len(fires) <= MOST_STARTS and fires[-1] - fires[0] < A_YEAR:
        fires.append(times.next_after(fires[-1]))
    gaps_s = [int((b - a).total_seconds()) for a, b in pairwise(fires[1:])]
    return min([DEADLINE_S, *(gap_s * MOST_STARTS for gap_s in gaps_s)])
