"""What the page refuses, over a real socket."""

import pytest
from flywheel.store import Project, run_query
from support import refused, run_cli
from support_ui import SCRIPT, Page

EVERY_PAGE = (
    "/",
    "/samples",
    "/samples/smp_a",
    "/pairs",
    "/judges",
    "/evals",
    "/documents",
    "/documents/doc_1",
    "/sql",
)
TOKEN = "a-token-of-enough-signs"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../_app.py", "/static/..%2f_app.py", "/static/%2e%2e/%2e%2e/pyproject.toml", "/static//etc/passwd", "/static/....//x",
        "/static/..%5c_app.py", "/../../../../etc/passwd", "/static/app.css%00.js", "/documents/..%2f..%2frecipe.yaml", "/samples/..%2f..%2fetc",
    ],
)  # fmt: skip
def test_no_path_leaves_the_static_files(page, path):
    answer = page.get(path)
    assert answer.status in (400, 404)
    assert "import" not in answer.text and "root:" not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE samples", "INSERT INTO samples SELECT * FROM samples", "COPY samples TO '/tmp/out.csv'", "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')", "ATTACH '/tmp/x.duckdb'", "INSTALL httpfs", "SET enable_external_access = true",
        "SELECT 1; DROP TABLE samples", "SELECT * FROM '/etc/passwd'", "EXPORT DATABASE '/tmp/x'", "PRAGMA database_list; SELECT 2",
    ],
)  # fmt: skip
def test_sql_that_writes_or_reads_files_is_refused(page, query):
    text = page.post("/sql", {"query": query}).text
    assert 'class="fault"' in text
    assert "root:" not in text


def test_sql_in_addresses_stays_a_value(page):
    for path in ("/samples/x'%20OR%201=1", "/documents/x'--"):
        assert page.get(path).status == 404
    assert page.get("/samples?sort=rowid;DROP+TABLE+samples").status == 400
    assert page.get("/samples?sort=length&after=1:'+OR+1=1+--").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
@pytest.mark.parametrize("path", ["/samples/smp_00_0/decide", "/samples/smp_00_0/edit", "/sql"])
def test_another_site_cannot_post(page, headers, path):
    fields = {"action": "reject", "completion": "x", "query": "SELECT 1"}
    assert page.post(path, fields, **headers).status == 403
    assert human_verdicts(page) == 0


@pytest.mark.parametrize("csrf", ["", "wrong", "ü"])
def test_a_form_without_the_pages_own_token_changes_nothing(page, csrf):
    for path in ("/samples/smp_00_0/decide", "/samples/smp_00_0/edit", "/sql"):
        assert page.post(path, {"csrf": csrf, "action": "reject", "completion": "x", "query": "SELECT 1"}).status == 403
    assert human_verdicts(page) == 0


def test_reading_an_address_changes_nothing(page):
    assert page.get("/samples/smp_00_0/decide?action=reject").status in (404, 405)
    assert human_verdicts(page) == 0


def human_verdicts(page):
    sql = "SELECT count(*) AS n FROM verdicts WHERE starts_with(judge, 'human:')"
    return run_query(Project(page.root), sql).rows[0][0]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "", "[", "10.0.0.1"]
)
def test_a_foreign_name_is_refused(page, host):
    assert page.send("GET", "/samples", Host=host).status in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST:9"])
def test_loopbacks_own_names_are_known(page, host):
    assert page.send("GET", "/live", Host=host).status == 200


@pytest.mark.parametrize("path", ["/samples", "/samples/smp_a", "/samples?q=owned", "/documents/doc_1"])
def test_script_in_generated_text_is_text(page, path):
    text = page.get(path).text
    assert "<script>document" not in text
    assert "<img src=x" not in text
    if path.startswith("/samples"):
        assert "&lt;script&gt;document.title=" in text


def test_script_in_attributes_and_charts_is_text(page):
    text = page.get(
        "/samples?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&f=step&op=is&v=%22+onfocus%3Dalert(1)+x%3D%22"
    ).text
    assert "<script>alert" not in text
    assert '" onfocus=' not in text
    quoted = SCRIPT.replace("'", "''")
    text = page.post("/sql", {"query": f"SELECT '{quoted}' AS \"<b>x</b>\", 3 AS n", "chart": "bar"}).text
    assert "<script>document" not in text and "<b>x</b>" not in text and "<img" not in text
    assert 'class="fill s0"' in text


@pytest.mark.parametrize("path", EVERY_PAGE)
def test_every_reply_forbids_foreign_and_inline_scripts(page, path):
    answer = page.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert " style=" not in answer.text and " onclick=" not in answer.text
    assert "http://" not in answer.text.replace("http://www.w3.org", "") and "https://" not in answer.text


def test_what_is_too_large_is_refused(page):
    assert page.get("/samples?q=" + "x" * 9000).status == 414
    assert page.get("/samples?" + "&".join("f=step&op=is&v=a" for _ in range(400))).status == 200
    assert page.post("/sql", {"query": "x" * (2 << 20)}).status == 413
    assert page.post("/samples/smp_00_0/edit", {"completion": "x" * (2 << 20)}).status == 413


@pytest.mark.parametrize(
    "path",
    [
        "/samples/smp_nobody",
        "/documents/doc_nobody",
        "/evals/compare?a=x&b=y",
        "/?run=run_nobody",
        "/static/none.css",
        "/nothing",
    ],
)
def test_what_is_unknown_is_404(page, path):
    assert page.get(path).status == 404


def test_a_decision_on_an_unknown_sample_is_404(page):
    assert page.post("/samples/smp_nobody/decide", {"action": "accept"}).status == 404


def test_a_decision_without_sense_is_refused(page):
    for fields in ({"action": "explode"}, {"action": "label", "words": " "}, {}):
        assert page.post("/samples/smp_00_0/decide", fields).status == 400
    assert human_verdicts(page) == 0


def test_elsewhere_than_loopback_a_token_is_demanded(made_project):
    refused(run_cli(made_project, "ui", "--host", "0.0.0.0", "--port", "0"), "FLYWHEEL_UI_TOKEN")
    refused(
        run_cli(made_project, "ui", "--host", "0.0.0.0", "--port", "0", env={"FLYWHEEL_UI_TOKEN": "short"}), "16 signs"
    )


def test_with_a_token_nothing_is_shown_before_it_is_given(made_project):
    page = Page(made_project, "--host", "0.0.0.0", "--allow-host", "wheel.example", env={"FLYWHEEL_UI_TOKEN": TOKEN})
    try:
        for path in EVERY_PAGE:
            answer = page.get(path)
            assert (answer.status, answer.headers["Location"]) == (303, "/login")
            assert "smp_" not in answer.text
        assert page.post("/samples/smp_00_0/decide", {"action": "reject"}).status == 403
        assert page.post("/login", {"token": TOKEN + "x"}).status == 403
        answer = page.post("/login", {"token": TOKEN})
        cookie = answer.headers["Set-Cookie"]
        assert answer.status == 303 and "HttpOnly" in cookie and "SameSite=Strict" in cookie and TOKEN not in cookie
        page.cookie = cookie.split(";")[0]
        assert page.get("/samples").status == 200
        assert page.get("/samples", Host="wheel.example").status == 200
        assert page.get("/samples", Host="evil.example").status == 403
    finally:
        page.stop()


@pytest.mark.parametrize(
    ("given", "cure"),
    [
        ("http://wheel.example/", "--allow-host wheel.example"),
        ("https://Wheel.example:8765/samples", "--allow-host wheel.example"),
        ("wheel.example:8765", "--allow-host wheel.example"),
        ("wheel.example/", "--allow-host wheel.example"),
        ("*.example", "--allow-host wheel.example"),
        ("", "--allow-host wheel.example"),
    ],
)
def test_a_name_that_no_visitor_would_ever_match_is_refused(made_project, given, cure):
    done = run_cli(made_project, "ui", "--port", "0", "--no-open", "--allow-host", given)
    refused(done, "a name alone", cure)


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("Wheel.Example.", "wheel.example"),
        ("mühle.example", "xn--mhle-0ra.example"),
        ("10.1.2.3", "10.1.2.3:80"),
        ("[fd00::1]", "[fd00::1]:80"),
    ],
)
def test_names_are_met_however_they_are_written(made_project, given, host):
    page = Page(made_project, "--allow-host", given)
    try:
        assert page.get("/samples", Host=host).status == 200
        assert page.get("/samples", Host="evil.example").status == 403
    finally:
        page.stop()


def test_a_port_that_is_taken_is_said(page, made_project):
    refused(run_cli(made_project, "ui", "--port", str(page.port), "--no-open"), "an address that is free")


def test_a_project_without_a_store_is_refused(tmp_path):
    refused(run_cli(tmp_path, "ui"), "a store")
