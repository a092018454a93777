"""A small project with something for every page, and the real server on it."""

import http.client
import re
import urllib.parse
from types import SimpleNamespace

from flywheel.schema import (
    ChunkRow,
    DocumentChunkRow,
    DocumentRow,
    DropRow,
    PairRow,
    PlanRow,
    ProblemRow,
    RequestRow,
    SampleRow,
    VerdictRow,
    canonical_json,
    utc_now,
)
from flywheel.store import Project, Store
from support import start_cli

SCRIPT = "<script>document.title='owned'</script>\"><img src=x onerror=alert(1)>"
"""Generated text that would do something if it were not text."""
TEXT = "The mill was built in 1782. It burnt down in 1901. Nobody rebuilt it."
QUOTE = "It burnt down in 1901."
RUN = "run_1"


def make_project(root):
    """Make a project with 120 samples in two iterations, a chain from a document, pairs, scores, a decision, a calibration."""
    store = Store(Project(root)).open()
    store.append(*_document(), *_problems(), *_chain())
    store.append([PairRow(**p) for p in _pairs()])
    store.append([DropRow("drp_1", RUN, 1, "solve", "no answer", "prb_0", None, "…", 3)])
    store.fold()
    _insert_run(store)
    _insert_scores(store)
    store.close()
    (root / ".flywheel" / "documents").mkdir(parents=True, exist_ok=True)
    (root / ".flywheel" / "documents" / "doc_1.txt").write_text(f"Preface. {TEXT} The end.")
    return root


def _request(request_id, step, question, completion, iteration=1):
    now = utc_now()
    return RequestRow(
        request_id, RUN, iteration, step, None, "tpl_1", "local", "seed", "ckpt_0",
        canonical_json([{"role": "user", "content": question}]), "{}", 1, canonical_json([completion]), 1, 20, 10, 0.1, now, now,
    )  # fmt: skip


def _document():
    now = utc_now()
    document = DocumentRow("doc_1", "notes/mill.txt", 1, "txt", "The mill", None, "h", 85, 1, "{}", now)
    chunk = ChunkRow("chk_1", "notes/mill.txt", TEXT, "History", 18, None, now)
    return [[document, chunk, DocumentChunkRow("doc_1", 0, "chk_1", 9, 9 + len(TEXT), 1, 1, None, None)]]


def _problems():
    for i in range(30):
        yield [ProblemRow(f"prb_{i}", "problems.jsonl", i, f"What is {i} + {i}?", str(2 * i), None)]
        for draw in range(4):
            iteration, right = 1 + draw // 2, draw % 2 == 0
            text = f"The answer to number {i} is {2 * i if right else 2 * i + 1}."
            rid, sid = f"req_{i}_{draw}", f"smp_{i:02}_{draw}"
            sample = SampleRow(
                sid,
                rid,
                draw,
                RUN,
                iteration,
                "solve",
                f"prb_{i}",
                text,
                "stop",
                -1.5 * i,
                "local",
                input_id=f"prb_{i}",
            )
            verdict = VerdictRow(
                f"vrd_{i}_{draw}", sid, "math@4", right, None, "correct" if right else "wrong answer", None
            )
            other = VerdictRow(f"vro_{i}_{draw}", sid, "quality@1a2b3c4d", i % 3 != 0, 0.5, "fluent", None)
            yield [_request(rid, "solve", f"What is {i} + {i}?", text, iteration), sample, verdict, other]


def _chain():
    fields = canonical_json(
        {"question": "When did it burn down?", "answer": "1901", "quote": QUOTE, "quote_start": 28, "quote_end": 50}
    )
    asked = SampleRow(
        "smp_q",
        "req_q",
        0,
        RUN,
        1,
        "questions",
        None,
        "In 1901.",
        "stop",
        None,
        "local",
        input_id="chk_1",
        fields=fields,
        parser="backtranslate@1",
    )
    answered = SampleRow(
        "smp_a",
        "req_a",
        0,
        RUN,
        1,
        "attempted",
        None,
        SCRIPT,
        "stop",
        None,
        "local",
        input_id="smp_q",
        fields="{}",
        parser="solve@1",
    )
    return [
        [_request("req_q", "questions", "Ask about the text.", "In 1901."), asked],
        [_request("req_a", "attempted", f"When did it burn down? {SCRIPT}", SCRIPT), answered],
    ]  # fmt: skip


def _pairs():
    for i in range(12):
        yield {
            "pair_id": f"pair_{i}", "run_id": RUN, "iteration": 1, "problem_id": f"prb_{i}", "chosen_sample_id": f"smp_{i:02}_0",
            "rejected_sample_id": f"smp_{i:02}_1", "kind": "correct/incorrect", "created_at": utc_now(),
        }  # fmt: skip


def _insert_run(store):
    now = utc_now()
    recipe = canonical_json({"name": "small", "suites": [], "generate": []})
    store.insert_all("runs", [{
        "run_id": RUN, "name": "small", "seed": 3, "model": "seed", "base_checkpoint_id": "ckpt_0", "recipe": recipe, "versions": "{}", "started_at": now,
    }])  # fmt: skip
    store.insert_all("templates", [{"template_id": "tpl_1", "name": "plain", "source": None, "text": "{question}"}])
    store.insert_all("iterations", [
        {"run_id": RUN, "iteration": i, "champion_before": "ckpt_0", "champion_after": "ckpt_1", "started_at": now, "finished_at": now} for i in (1, 2)
    ])  # fmt: skip
    store.append([PlanRow(RUN, 1, "solve", i, f"prb_{i}", 4) for i in range(30)])
    store.fold()
    store.insert_all("checkpoints", [
        {"checkpoint_id": f"ckpt_{i}", "run_id": RUN, "iteration": i, "stage": "sft" if i else "seed", "parent_id": "ckpt_0" if i else None,
         "snapshot_id": None, "path": "x", "config": "{}", "metrics": "{}", "created_at": now} for i in (0, 1)
    ])  # fmt: skip


def _insert_scores(store):
    now = utc_now()
    scores = [
        {"score_id": f"score_{i}", "checkpoint_id": f"ckpt_{i}", "suite": "heldout", "split": "gate", "task": "t", "task_version": "1", "suite_hash": "h",
         "metric": "exact_match", "score": value, "stderr": 0.03, "n": 20, "settings": canonical_json({"cut": 3 * i}), "created_at": now} for i, value in ((0, 0.4), (1, 0.6))
    ]  # fmt: skip
    store.insert_all("scores", scores)
    items = [
        {"score_id": f"score_{s}", "item_id": f"item_{o}", "ordinal": o, "request_id": f"req_{o}_{s}", "target": str(2 * o), "filtered": str(o),
         "value": float(o < 8 + 4 * s)} for s in (0, 1) for o in range(20)
    ]  # fmt: skip
    store.insert_all("score_items", items)
    store.insert_all("decisions", [{
        "decision_id": "dec_1", "run_id": RUN, "iteration": 1, "stage": "sft", "checkpoint_id": "ckpt_1", "score_id": "score_1", "champion_id": "ckpt_0",
        "champion_score_id": "score_0", "role": "gate", "n": 20, "won": 4, "lost": 0, "delta": 0.2, "p_value": 0.03, "test": "mcnemar",
        "promoted": True, "reason": "better", "created_at": now, "low": 0.02, "high": 0.38, "finding": "a gain is shown",
    }])  # fmt: skip
    store.insert_all("calibrations", [{
        "calibration_id": "cal_1", "run_id": RUN, "judge": "quality@1a2b3c4d", "labels": "labels.csv", "labels_hash": "h", "kind": "binary", "n": 40,
        "figures": canonical_json([{"name": "accuracy", "value": 0.85, "low": 0.74, "high": 0.95}]), "minimum": "{}", "met": True, "reason": None,
        "created_at": now,
    }])  # fmt: skip


class Page:
    """The server in a process of its own, and a visitor that speaks HTTP to it."""

    def __init__(self, root, *args, env=None):
        self.process = start_cli(root, "ui", "--port", "0", "--no-open", "--as", "ada", *args, env=env)
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+:(\d+)/", line)
        assert found, line + self.process.stderr.read()
        self.port = int(found[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.headers = {"Host": f"127.0.0.1:{self.port}"}
        self.cookie = ""

    def send(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {
            **self.headers,
            **({"Cookie": self.cookie} if self.cookie else {}),
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        if isinstance(body, dict):
            body = urllib.parse.urlencode(body)
            given.setdefault("Content-Type", "application/x-www-form-urlencoded")
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                connection.putheader(name, value)
            if body is not None:
                body = body.encode() if isinstance(body, str) else body
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return SimpleNamespace(status=answer.status, headers=answer.headers, text=answer.read().decode())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.send("GET", path, **headers)

    def csrf(self):
        return re.search(r'name="csrf" (?:content|value)="([^"]+)"', self.get("/login").text)[1]

    def post(self, path, fields, **headers):
        headers.setdefault("Origin", self.url)
        return self.send("POST", path, {"csrf": self.csrf(), **fields}, **headers)

    def stop(self):
        self.process.terminate()
        code = self.process.wait(20)
        self.process.stdout.close()
        self.process.stderr.close()
        return code
