"""The prompt of ``flywheel sql``, on a real terminal: completion, questions, limits, and a history that is kept."""

import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest
from flywheel.cli._prompt import complete
from flywheel.store import Project, Store, tabulate_questions


class Terminal:
    """A prompt in a process of its own; what is typed, and what is shown."""

    def __init__(self, folder, *args):
        self._parent, child = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flywheel", "-C", str(folder), "sql", *args],
            stdin=child, stdout=child, stderr=child, close_fds=True, start_new_session=True, env={**os.environ, "TERM": "xterm"},
        )  # fmt: skip
        os.close(child)
        self._seen = b""

    def type(self, text):
        os.write(self._parent, text.encode())

    def wait_for(self, text):
        """Read until ``text`` is shown; what is shown up to there is not looked at again."""
        deadline = time.monotonic() + 60
        while text.encode() not in self._seen:
            assert time.monotonic() < deadline, self._seen.decode(errors="replace")
            if select.select([self._parent], [], [], 0.2)[0]:
                self._seen += os.read(self._parent, 65536)
        before, _, self._seen = self._seen.partition(text.encode())
        return before.decode(errors="replace")

    def complete(self, text, to):
        """Type ``text``, wait until it is offered to end as ``to``, and take the offer."""
        self.type(text)
        self.wait_for(to)
        self.type("\t")
        time.sleep(0.3)

    def end(self):
        self.type(".quit\r")
        assert self.process.wait(timeout=30) == 0
        os.close(self._parent)


@pytest.fixture
def terminal(stored):
    opened = []

    def start(*args):
        opened.append(Terminal(stored, *args))
        opened[-1].wait_for("flywheel>")
        return opened[-1]

    yield start
    for one in opened:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_tab_completes_questions_tables_and_keywords(terminal):
    shell = terminal()
    shell.complete(".ask promo", "promotions")
    shell.type("\r")
    shell.wait_for("0 rows, ")
    shell.complete("SELEC", "SELECT")
    shell.complete(" count(*) + 41 as n from document_chu", "document_chunks")
    shell.type(";\r")
    shell.wait_for("41")
    shell.wait_for("1 row, ")
    shell.end()


def test_history_is_kept_from_one_session_to_the_next(terminal, stored):
    first = terminal()
    first.type("select 'the one from ' || 'before' as x;\r")
    first.wait_for("1 row, ")
    first.end()
    assert "the one from" in (stored / ".flywheel" / "sql_history").read_text()
    second = terminal()
    time.sleep(0.5)  # the file is read behind the prompt
    second.type("\x1b[A")
    second.wait_for(".quit")
    second.type("\x1b[A")
    second.wait_for("the one from")
    second.type("\r")
    second.wait_for("the one from before")
    second.wait_for("1 row, ")
    second.end()


def test_limits_parameters_and_errors_hold_at_the_prompt(terminal):
    shell = terminal("--timeout", "1", "-p", "x=7")
    shell.type("select count(*) from range(100000) a, range(1000000000) b where hash(a.range, b.range) % 7 = 1;\r")
    shell.wait_for("interrupted")
    shell.type("select $x * 6 as y;\r")
    shell.wait_for("42")
    shell.type("select * from read_text('/etc/hostname');\r")
    shell.wait_for("cure:")
    shell.type(".ask templates-by-yeld\r")
    shell.wait_for("did you mean templates-by-yield?")
    shell.type(".ask\r")
    shell.wait_for(f"{tabulate_questions().table.num_rows} rows, ")
    shell.type(".schema sft\r")
    shell.wait_for("two judges")
    shell.type(".help\r")
    shell.wait_for("Ctrl-D")
    shell.end()


def test_ctrl_c_ends_a_query_and_not_the_prompt(terminal, stored):
    shell = terminal()
    shell.type("select count(*) from range(100000) a, range(1000000000) b where hash(a.range, b.range) % 7 = 1;\r")
    time.sleep(2)
    os.kill(shell.process.pid, signal.SIGINT)
    shell.wait_for("interrupted")
    shell.type("select no_such_column from samples;\r")
    shell.wait_for("cure:")
    Store(Project(stored), patience_s=5.0).insert_all("journal_segments", [{"segment": "x", "folded_bytes": 1}])
    shell.type("select 6 * 7 as y;\r")
    shell.wait_for("42")
    shell.wait_for("1 row, ")
    shell.end()


@pytest.mark.parametrize(
    ("text", "word", "has"),
    [
        ("sel", "sel", "select"),
        ("select compl", "compl", "completion"),
        ("select completion from samp", "samp", "samples"),
        (".ask temp", "temp", "templates-by-yield"),
        (".a", ".a", ".ask"),
        ("SELECT * FR", "FR", "FROM"),
    ],
)
def test_what_is_completed(text, word, has):
    written, found = complete(text, ["samples", "completion"])
    assert written == word
    assert has in found


def test_nothing_is_offered_before_anything_is_written():
    assert complete("select ", ["samples"]) == ("", [])
