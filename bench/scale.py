"""A plan of capacity: requests, GPU-hours, storage and money for 10^6, 10^9 and 10^11 tokens of training data, and a simulation of the driver that it rests on.

    python bench/scale.py            prints the tables of docs/scale.md
    python bench/scale.py --check    the simulation beside what was measured; ends with 1 where it is off by more than a tenth (a quarter where the CPU is the limit)

Each constant says where it is from: measured here (docs/lab-log.md, docs/sql.md, docs/curate.md), published, or assumed. What the plan makes of them is
arithmetic; what the simulation adds is whether the driver keeps the endpoints busy, which arithmetic does not say.
"""

import argparse
import heapq
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from statistics import NormalDist

HOUR_S = 3600.0
WEEK_S = 7 * 24 * HOUR_S
SIZES = (1e6, 1e9, 1e11)
"""Tokens of training data."""


@dataclass(frozen=True)
class Constant:
    """A number, its unit and its source."""

    name: str
    value: float
    unit: str
    source: str


ROW_TOKENS = Constant("tokens of a training row", 400, "tokens", "assumed; FinePhrase has 359 a sample")
REQUESTS = Constant(
    "requests for a kept row", 5, "requests", "assumed: question, reasoning, verdict, and 40 % of the rows dropped"
)
PROMPT_TOKENS = Constant("tokens of a prompt", 800, "tokens", "assumed: a chunk of 512 tokens and the template")
ANSWER_TOKENS = Constant("tokens of a completion", 300, "tokens", "assumed")
DRIVER_CPU = Constant(
    "CPU of the driver for a request, one machine",
    0.34e-3,
    "s",
    "measured: lab-log, 2026-11-28, no latency; 0.40e-3 at 1,000,000 rows",
)
HEAD_CPU = Constant(
    "CPU of a head for a request of its workers",
    0.24e-3,
    "s",
    "measured: lab-log, 2026-11-29, `bench/cluster.py --latency 0`",
)
WORKER_CPU = Constant(
    "CPU of a worker for a request", 0.42e-3, "s", "measured: lab-log, 2026-11-29, `bench/cluster.py --latency 0`"
)
STORE_BYTES = Constant(
    "store, of a sample with its requests and verdicts",
    310,
    "bytes + half of its text",
    "measured: docs/sql.md; the half is assumed",
)
TOKEN_BYTES = Constant("text of a token", 4, "bytes", "assumed: English prose")
JOURNAL_BYTES = Constant(
    "journal of a request", 2500, "bytes", "assumed: prompt and answer as JSON, before it is folded and removed"
)
DEDUP_S = Constant(
    "duplicates and evaluation items",
    95e-6,
    "CPU s a row",
    "measured: lab-log, `bench/curate_cluster.py`, 1,000,000 rows",
)
DEDUP_BYTES = Constant(
    "… memory", 505, "bytes a row", "measured: the same, from 200,000 to 1,000,000 rows; 426 of the command on Ray"
)
STUDENT = Constant("parameters of the student", 8e9, "parameters", "assumed")
EPOCHS = Constant("epochs", 2, "", "assumed")
PEAK = Constant("an H100's BF16 peak, dense", 989e12, "FLOP/s", "published: NVIDIA's data sheet")
USED = Constant(
    "… of which training uses",
    0.38,
    "",
    "published: 38 to 43 % for Llama 3 (arXiv 2407.21783); 0.17 measured here for 0.8B on one H200",
)
GPU_USD = Constant("an H100 for an hour", 2.5, "US$", "published: 2.0 to 5.0 on demand in 2026")
API_IN_USD = Constant(
    "API, a million prompt tokens", 0.15, "US$", "published: list price of GPT-4o mini; put in your own"
)
API_OUT_USD = Constant(
    "API, a million completion tokens", 0.60, "US$", "published: list price of GPT-4o mini; put in your own"
)
CONSTANTS = (
    ROW_TOKENS, REQUESTS, PROMPT_TOKENS, ANSWER_TOKENS, DRIVER_CPU, HEAD_CPU, WORKER_CPU, STORE_BYTES, TOKEN_BYTES, JOURNAL_BYTES, DEDUP_S,
    DEDUP_BYTES, STUDENT, EPOCHS, PEAK, USED, GPU_USD, API_IN_USD, API_OUT_USD,
)  # fmt: skip


@dataclass(frozen=True)
class Teacher:
    """A model behind vLLM: completion tokens a second of one H100 that is kept busy."""

    name: str
    tokens_per_s: float
    source: str


TEACHERS = (
    Teacher("1.7B (SmolLM2)", 9_200, "published: FinePhrase, Hugging Face 2026, prompts of web pages"),
    Teacher("8B (Llama 3.1)", 12_500, "published by third parties in 2025, short prompts: the upper end"),
    Teacher("70B (Llama 3.1, FP8)", 460, "published by third parties in 2025, 64 at a time: the lower end"),
)


@dataclass(frozen=True)
class Plan:
    """What so many tokens of training data take."""

    tokens: float

    @property
    def rows(self) -> float:
        """Rows of training data."""
        return self.tokens / ROW_TOKENS.value

    @property
    def requests(self) -> float:
        """Requests to the teacher and the judges."""
        return self.rows * REQUESTS.value

    @property
    def completion_tokens(self) -> float:
        """Tokens that are decoded."""
        return self.requests * ANSWER_TOKENS.value

    @property
    def prompt_tokens(self) -> float:
        """Tokens that are read."""
        return self.requests * PROMPT_TOKENS.value

    def teacher_hours(self, teacher: Teacher) -> float:
        """GPU-hours of the teacher."""
        return self.completion_tokens / teacher.tokens_per_s / HOUR_S

    @property
    def training_hours(self) -> float:
        """GPU-hours of training the student: six operations a parameter and token."""
        return 6 * STUDENT.value * self.tokens * EPOCHS.value / (PEAK.value * USED.value) / HOUR_S

    @property
    def api_usd(self) -> float:
        """Money, of an API instead of GPUs."""
        return (self.prompt_tokens * API_IN_USD.value + self.completion_tokens * API_OUT_USD.value) / 1e6

    @property
    def store_bytes(self) -> float:
        """The store: of each row its texts are kept once."""
        texts = self.requests * ANSWER_TOKENS.value * TOKEN_BYTES.value / 2
        return self.rows * REQUESTS.value * STORE_BYTES.value + texts

    @property
    def journal_bytes(self) -> float:
        """What goes over the shared place in all."""
        return self.requests * JOURNAL_BYTES.value

    @property
    def dedup_hours(self) -> float:
        """CPU-hours of looking for duplicates and evaluation items."""
        return self.rows * DEDUP_S.value / HOUR_S

    @property
    def dedup_bytes(self) -> float:
        """Memory of that."""
        return self.rows * DEDUP_BYTES.value

    def loads(self, within_s: float = WEEK_S) -> dict[str, float]:
        """Return how much of each thing that there is one of is used, where all has to be done in ``within_s``: above 1 it does not do."""
        return {
            "one GPU for an 8B teacher": self.teacher_hours(TEACHERS[1]) * HOUR_S / within_s,
            "one GPU for an 8B student": self.training_hours * HOUR_S / within_s,
            "the driver on one core": self.requests * DRIVER_CPU.value / within_s,
            "the head of a cluster": self.requests * HEAD_CPU.value / within_s,
            "a disk of 2 TB": (self.store_bytes + self.journal_bytes) / 2e12,
            "64 GB for curation": self.dedup_bytes / 64e9,
        }


def simulate(
    n: int, latency: Callable[[Random], float], slots: int, *, workers: int = 1, worker_cpu_s: float = DRIVER_CPU.value,
    head_cpu_s: float = 0.0, seed: int = 0,
) -> float:  # fmt: skip
    """Return the seconds from the first request to the last answer.

    A head that grants one request after the other; workers that each do one thing at a time, half of it to send and half to take in, with so many
    slots each; endpoints that take ``latency`` for each request, however many there are.
    """
    random = Random(seed)
    head_free, worker_free = 0.0, [0.0] * workers
    idle = [(0.0, w) for w in range(workers) for _ in range(slots)]  # slots, by when they are free
    heapq.heapify(idle)
    under_way: list[tuple[float, int]] = []
    left, last = n, 0.0
    while left or under_way:
        if left and idle and (not under_way or idle[0][0] <= under_way[0][0]):
            free, w = heapq.heappop(idle)
            head_free = max(head_free, free) + head_cpu_s
            worker_free[w] = max(worker_free[w], head_free) + worker_cpu_s / 2
            heapq.heappush(under_way, (worker_free[w] + latency(random), w))
            left -= 1
        else:
            answered, w = heapq.heappop(under_way)
            worker_free[w] = max(worker_free[w], answered) + worker_cpu_s / 2
            heapq.heappush(idle, (worker_free[w], w))
            last = max(last, worker_free[w])
    return last


def lognormal(median: float, p99: float) -> Callable[[Random], float]:
    """Return latencies in seconds with a long tail."""
    mu, sigma = math.log(median), math.log(p99 / median) / NormalDist().inv_cdf(0.99)
    return lambda random: random.lognormvariate(mu, sigma)


def same(seconds: float) -> Callable[[Random], float]:
    """Return latencies that are all alike."""
    return lambda random: seconds


NO_LATENCY = "no latency, 64 slots, n = 5,000"
ON_RAY = {"worker_cpu_s": WORKER_CPU.value, "head_cpu_s": HEAD_CPU.value}
MEASURED: Sequence[tuple[str, float, Callable[[], float]]] = (
    (NO_LATENCY, 5000 / 3526, partial(simulate, 5000, same(0.0), 64)),
    ("50 ms, 256 slots, n = 5,000", 1.87, partial(simulate, 5000, same(0.05), 256)),
    ("true limiter: 200 ms, 32 slots, n = 2,000", 12.82, partial(simulate, 2000, same(0.2), 32)),
    ("1 s, 32 slots, n = 1,200, one machine", 38.3, partial(simulate, 1200, same(1.0), 32)),
    ("1 s, 32 slots, n = 1,200, one worker on Ray", 38.5, partial(simulate, 1200, same(1.0), 32, **ON_RAY)),
    ("1 s, 2 × 32 slots, n = 2,400, two workers", 39.0, partial(simulate, 2400, same(1.0), 32, workers=2, **ON_RAY)),
    ("1 s, 4 × 32 slots, n = 4,800, four workers", 39.6, partial(simulate, 4800, same(1.0), 32, workers=4, **ON_RAY)),
)  # fmt: skip
"""What ran, the seconds that were measured from first request to last answer (docs/lab-log.md), and its simulation."""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def show(value: float) -> str:
    """Return a number with three digits that count, and its thousands apart."""
    digits = max(0, 2 - math.floor(math.log10(value)))
    return f"{value:,.{min(digits, 7)}f}" if value < 1000 else f"{round(value, 2 - math.floor(math.log10(value))):,.0f}"


def show_bytes(value: float) -> str:
    """Return bytes in the unit that suits them."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000:
            return f"{show(value)} {unit}"
        value /= 1000
    return f"{show(value)} PB"


def write_plan() -> str:
    """Return the table of what each size takes."""
    plans = [Plan(tokens) for tokens in SIZES]
    rows: list[tuple[str, Callable[[Plan], str]]] = [
        ("rows of training data", lambda p: show(p.rows)),
        ("requests", lambda p: show(p.requests)),
        ("… a second, in a week", lambda p: show(p.requests / WEEK_S)),
        ("tokens read / decoded", lambda p: f"{p.prompt_tokens:.1e} / {p.completion_tokens:.1e}"),
        *[(f"GPU-hours, teacher {t.name}", lambda p, t=t: show(p.teacher_hours(t))) for t in TEACHERS],
        ("GPU-hours, training the student", lambda p: show(p.training_hours)),
        ("US$: 8B teacher and training, on GPUs", lambda p: show((p.teacher_hours(TEACHERS[1]) + p.training_hours) * GPU_USD.value)),
        ("US$: the same requests at an API", lambda p: show(p.api_usd)),
        ("store / through the journal", lambda p: f"{show_bytes(p.store_bytes)} / {show_bytes(p.journal_bytes)}"),
        ("curation: CPU-hours / memory of the command", lambda p: f"{show(p.dedup_hours)} / {show_bytes(p.dedup_bytes)}"),
    ]  # fmt: skip
    columns = ["", *(f"10^{round(math.log10(t))} tokens" for t in SIZES)]
    return table(columns, [[name, *(value(p) for p in plans)] for name, value in rows])


def write_loads() -> str:
    """Return the table of what is used of each thing within a week, the fullest marked."""
    loads = [Plan(tokens).loads() for tokens in SIZES]
    rows = []
    for name in loads[0]:
        cells = [f"**{show(use[name])}**" if use[name] == max(use.values()) else show(use[name]) for use in loads]
        rows.append([name, *cells])
    return table(["share used in a week", *(f"10^{round(math.log10(t))} tokens" for t in SIZES)], rows)


def write_check() -> tuple[str, bool]:
    """Return the table of the simulation beside what was measured, and whether it is near enough."""
    rows, is_near = [], True
    for name, measured, run in MEASURED:
        simulated = run()
        is_near = is_near and abs(simulated / measured - 1) <= (0.25 if name == NO_LATENCY else 0.1)
        rows.append([name, f"{measured:.2f}", f"{simulated:.2f}", f"{simulated / measured:.3f}"])
    return table(["run", "measured s", "simulated s", "ratio"], rows), is_near


def write_workers() -> str:
    """Return what a head gives by how many workers, where an answer takes 2 s and each worker has 256 slots."""
    rows = []
    for workers in (1, 4, 8, 16, 32, 64):
        n = 256 * workers * 40
        window = simulate(n, lognormal(2.0, 8.0), 256, workers=workers, **ON_RAY)
        rows.append([str(workers), f"{n / window:,.0f}"])
    one = float(rows[0][1].replace(",", ""))
    rows = [[*row, f"{float(row[1].replace(',', '')) / one / int(row[0]):.2f}"] for row in rows]
    return table(["workers of 256 slots", "answers/s", "of linear"], rows)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check, is_near = write_check()
    if parser.parse_args().check:
        print(check)
        return int(not is_near)
    constants = table(
        ["constant", "value", "source"], [[c.name, f"{c.value:g} {c.unit}".strip(), c.source] for c in CONSTANTS]
    )
    teachers = table(
        ["teacher", "completion tokens/s of an H100", "source"],
        [[t.name, show(t.tokens_per_s), t.source] for t in TEACHERS],
    )
    print("\n\n".join((constants, teachers, write_plan(), write_loads(), check, write_workers())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
