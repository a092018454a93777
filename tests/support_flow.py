"""A project whose recipe has steps of generate: a generator of its own over chunks, and one over its samples."""

import yaml
from flywheel.schema import PROJECT_RUN, ChunkRow, DocumentChunkRow, DocumentRow, PlanRow
from flywheel.store import Project, Store
from support import sql

OWN = '''
from flywheel.gen import AskError, Fault, generator


@generator("note", consumes=("text",), templates=("note",), options={"fail_on": ""})
async def note(item, ask):
    """Take notes of a text: one a draw."""
    if ask.options["fail_on"] and ask.options["fail_on"] in item.text("text"):
        raise ValueError("this generator has a bug")
    for completion in await ask("note", text=item.text("text")):
        if completion.text.endswith("7"):
            yield completion.fail("ends in 7")
        else:
            yield completion.made(prompt=item.text("text"), note=completion.text)


@generator("twice", consumes=("text",), templates=("note",))
async def twice(item, ask):
    """Take two notes of a text, each by a question of its own."""
    for draw in range(2):
        try:
            (completion,) = await ask("note", text=item.text("text"), draw=draw)
        except AskError as error:
            yield Fault(error.reason, error.raw, error.request_id)
            continue
        yield completion.made(prompt=item.text("text"), note=completion.text)


@generator("polish", consumes=("note", "text"), templates=("polish",))
async def polish(item, ask):
    """Improve a note: the note and the better one are a pair."""
    (completion,) = await ask("polish", note=item.text("note"), text=item.text("text"))
    worse = completion.made(item.text("note"), prompt=item.text("text"))
    yield completion.made(prompt=item.text("text"), polished=completion.text).against(worse, "polished/note")
'''
STEPS = [
    {"step": "notes", "generator": "own.py:note", "draws": 2},
    {"step": "better", "generator": "own.py:polish", "source": "notes"},
]


ONE = STEPS[:1]
FINAL = {
    "requests": "select request_id, step, completions, error from requests order by all",
    "samples": "select sample_id, request_id, step, input_id, item, completion, prompt, fields from samples order by all",
    "drops": "select drop_id, step, reason, input_id from drops order by all",
    "pairs": "select pair_id, chosen_sample_id, rejected_sample_id from pairs order by all",
    "plans": "select step, input_id, n from plans order by all",
    "funnel": "select * from funnel order by all",
}
"""What two runs of the same steps have to agree in."""


def funnel(folder):
    return {r["step"]: r for r in sql(folder, "select step, entered, kept, dropped, reason from funnel")}


def final_state(folder):
    """Return the rows that two runs of the same steps have to agree in, by table."""
    return {name: sql(folder, query) for name, query in FINAL.items()}


def add_up(folder):
    rows = funnel(folder)
    assert all(r["entered"] == r["kept"] + r["dropped"] for r in rows.values()), rows
    return rows


def make_flow_project(folder, n=40, steps=STEPS, engine=None, **more):
    """Write the project, with ``n`` chunks in its store."""
    (folder / "prompts").mkdir(parents=True)
    (folder / "own.py").write_text(OWN)
    (folder / "prompts" / "note.yaml").write_text("name: note\nvariables: [text]\nuser: 'Note: {{text}}'\n")
    (folder / "prompts" / "polish.yaml").write_text(
        "name: polish\nvariables: [note, text]\nuser: 'Polish {{note}} of {{text}}'\n"
    )
    write_recipe(folder, steps, engine, **more)
    add_chunks(folder, range(n))
    return folder


def write_recipe(folder, steps=STEPS, engine=None, **more):
    engine = {"kind": "openai", "concurrency": 8, "patience_s": 0, **(engine or {})}
    recipe = {"name": "notes", "engine": engine, "generate": steps, **more}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))


def add_chunks(folder, numbers, version=1):
    store = Store(Project(folder)).open()
    document = f"doc_{version}"
    rows = [
        DocumentRow(document, "a.txt", version, "txt", None, None, str(version), 0, len(numbers), "{}"),
        PlanRow(PROJECT_RUN, 0, "ingest", version, f"a.txt@{version}", 1),
    ]
    for i in numbers:
        rows.append(ChunkRow(f"chk_{i:024d}", "a.txt", f"Passage {i} with {{{{braces}}}} in it.", "", 8))
        rows.append(DocumentChunkRow(document, i, f"chk_{i:024d}", 0, 1, None, None, None, None))
    store.append(rows)
    store.close()
