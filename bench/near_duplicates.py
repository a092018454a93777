"""Near-duplicate search side by side: time (on the clock and of the CPU: on a busy machine only the second tells), peak memory, precision and recall on planted duplicates.

    python bench/near_duplicates.py [--rows 20000] [--engines flywheel,rensa,…] [--python rensa=VENV/bin/python …]

Rows are questions of the seed's world (29 words on average). A tenth of them get a planted duplicate each: an exact copy, one
re-cased, one with one to three words changed, one with its sentences reordered. Negatives are random pairs of the same world,
and, for precision, all pairs that an engine reports. The truth is the Jaccard similarity of word bigrams on folded text: a
reported pair is right when it is at least ``--threshold``. Recall is told over all planted pairs of a kind, and over those
that are at least that similar.

Each engine runs in a process of its own (``--python NAME=PATH`` names the interpreter that has it, else this one). Engines:

flywheel     judge/curate, in numpy, verified by the true Jaccard similarity
rensa        RMinHash and RMinHashLSH, the same bands; candidates verified by the true Jaccard similarity in Python
datasketch   MinHash and MinHashLSH, the same
semhash      cosine of embeddings; since it downloads a model, it is given hashed bigrams as embeddings instead
text_dedup   its own embed_func, and tables as its command fills them (the command reads and writes files); candidates are
             not verified, as there
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = 2
WORD = re.compile(r"[^\W_]+")
KINDS = ("copy", "re-cased", "1 word", "2 words", "3 words", "reordered")
ENGINES = ("flywheel", "rensa", "datasketch", "semhash", "text_dedup")


def make_rows(n, seed=0):
    """Return ``n`` rows and the planted pairs as (kind, place of the original, place of the duplicate)."""
    from flywheel.seed import generate

    rng = random.Random(seed)
    source = generate("loop", seed, {1: 0.2, 2: 0.4, 3: 0.4})
    distinct = {}
    while len(distinct) < n - n // 10:
        distinct[next(source).question] = None
    rows = list(distinct)
    vocabulary = [w for row in rows[:500] for w in row.split()]
    planted = []
    for i, original in enumerate(rng.sample(range(len(rows)), n // 10)):
        kind = KINDS[i % len(KINDS)]
        planted.append((kind, original, len(rows)))
        rows.append(disguise(rows[original], kind, rng, vocabulary))
    order = list(range(len(rows)))
    rng.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    return [rows[i] for i in order], [(kind, place[a], place[b]) for kind, a, b in planted]


def disguise(text, kind, rng, vocabulary):
    """Return a duplicate of ``text``."""
    if kind == "copy":
        return text
    if kind == "re-cased":
        return rng.choice([str.upper, str.lower, str.title])(text)
    if kind == "reordered":
        sentences = re.split(r"(?<=[.?!]) ", text)
        rng.shuffle(sentences)
        return " ".join(sentences)
    words = text.split()
    for i in rng.sample(range(len(words)), int(kind[0])):
        words[i] = rng.choice(vocabulary)
    return " ".join(words)


def shingles(text):
    """Return the set of word bigrams."""
    words = WORD.findall(text.casefold())
    return {" ".join(words[i : i + WORDS]) for i in range(max(1, len(words) - WORDS + 1))}


def jaccard(a, b):
    """Return the Jaccard similarity of two sets."""
    return len(a & b) / len(a | b)


def run_flywheel(rows, threshold):
    """Search with judge/curate."""
    from flywheel.judge.curate import MinHashIndex

    with MinHashIndex(threshold, words=WORDS) as index:
        index.add(rows)
        edges = index.find()
    return list(zip(edges.left.tolist(), edges.right.tolist(), strict=True))


def bands_of(threshold):
    """Return the bands that flywheel takes, so that all search with the same chance: (bands, rows a band)."""
    best = (256, 1)
    for rows in range(1, 257):
        if 1 - (1 - threshold**rows) ** (256 // rows) < 0.95:
            break
        best = (256 // rows, rows)
    return best


def verified(rows, threshold, candidates):
    """Return the candidate pairs that are similar enough; sets are made when they are needed."""
    return [(i, j) for i, j in candidates if jaccard(shingles(rows[i]), shingles(rows[j])) >= threshold]


def run_rensa(rows, threshold):
    """Search with rensa."""
    from rensa import RMinHash, RMinHashLSH

    bands, width = bands_of(threshold)
    lsh = RMinHashLSH(threshold=threshold, num_perm=bands * width, num_bands=bands)
    pairs = []
    for start in range(0, len(rows), 10_000):
        texts = rows[start : start + 10_000]
        for i, sketch in enumerate(
            RMinHash.from_token_sets([list(shingles(t)) for t in texts], bands * width, 42), start
        ):
            pairs += verified(rows, threshold, ((j, i) for j in lsh.query(sketch)))
            lsh.insert(i, sketch)
    return pairs


def run_datasketch(rows, threshold):
    """Search with datasketch."""
    from datasketch import MinHash, MinHashLSH

    bands, width = bands_of(threshold)
    lsh = MinHashLSH(num_perm=bands * width, params=(bands, width))
    pairs = []
    tokens = ([s.encode() for s in shingles(t)] for t in rows)
    for i, sketch in enumerate(MinHash.generator(tokens, num_perm=bands * width, scheme="affine32")):
        pairs += verified(rows, threshold, ((j, i) for j in lsh.query(sketch)))
        lsh.insert(i, sketch)
    return pairs


class HashedBigrams:
    """Embeddings without a model: counts of hashed bigrams, 512 columns."""

    def encode(self, inputs, **_):
        """Return float32 of shape (inputs, 512)."""
        import zlib

        import numpy as np

        out = np.zeros((len(inputs), 512), np.float32)
        for i, text in enumerate(inputs):
            for shingle in shingles(text):
                code = zlib.crc32(shingle.encode())
                out[i, code % 512] += 1 if code & 1 << 20 else -1
        return out


def run_semhash(rows, threshold):
    """Search with semhash; a cosine that belongs to the Jaccard similarity: 2j / (1 + j)."""
    from semhash import SemHash

    place = {}
    for i, row in enumerate(rows):
        place.setdefault(row, []).append(i)
    made = SemHash.from_records(rows, model=HashedBigrams())
    result = made.self_deduplicate(threshold=2 * threshold / (1 + threshold))
    pairs = []
    for found in result.filtered:
        if found.exact:
            a, *rest = place[found.record]
            pairs += [(a, b) for b in rest[:1]]
        else:
            others = [found.duplicate_of] if hasattr(found, "duplicate_of") else [d for d, _ in found.duplicates]
            pairs += [(place[other][0], place[found.record][0]) for other in others if other]
    return pairs


def run_text_dedup(rows, threshold):
    """Search with text-dedup's embed function and tables, as its command does; pairs with each bucket's first row."""
    from collections import defaultdict

    import numpy as np
    from text_dedup.minhash import RNG, SIGNATURE_COLUMN, embed_func, xxh3_32hash

    bands, width = bands_of(threshold)
    prime = np.uint64((1 << 61) - 1)
    n = bands * width
    permutations = (
        RNG.randint(1, prime, size=(n,), dtype=np.uint64),
        RNG.randint(0, prime, size=(n,), dtype=np.uint64),
    )
    ranges = [(i * width, (i + 1) * width) for i in range(bands)]
    tables = [defaultdict(list) for _ in range(bands)]
    for i, row in enumerate(rows):
        sketch = embed_func(
            row, i, num_perm=n, ngram_size=WORDS, min_length=1, hashranges=ranges, permutations=permutations,
            hash_func=xxh3_32hash, dtype=np.uint64, max_hash=np.uint32((1 << 32) - 1), modulo_prime=prime,
        )  # fmt: skip
        for table, key in zip(tables, sketch[SIGNATURE_COLUMN], strict=True):
            table[key].append(i)
    return [*{(b[0], x) for table in tables for b in table.values() for x in b[1:]}]


def peak_kb(*, reset=False):
    """Return the most memory resident since the last reset (Linux), in KiB; resetting makes it what is resident now."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def work(engine, folder, threshold):
    """Run one engine in this process and write its pairs and figures."""
    rows = json.loads((folder / "rows.json").read_text())
    globals()[f"run_{engine}"](rows[:50], threshold)  # imports and warm-up are not timed
    before = peak_kb(reset=True)
    started, cpu = time.perf_counter(), time.process_time()
    pairs = globals()[f"run_{engine}"](rows, threshold)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = peak_kb()
    result = {"seconds": seconds, "cpu_s": cpu, "peak_mb": peak / 1024, "rows_mb": before / 1024, "pairs": pairs}
    (folder / f"{engine}.json").write_text(json.dumps(result))


def judge(engine, result, rows, planted, threshold):
    """Print one engine's line."""
    pairs = {tuple(sorted(p)) for p in result["pairs"]}
    right = sum(jaccard(shingles(rows[i]), shingles(rows[j])) >= threshold for i, j in pairs)
    rng = random.Random(1)
    known = {tuple(sorted((a, b))) for _, a, b in planted}
    negatives = {tuple(sorted(rng.sample(range(len(rows)), 2))) for _ in range(len(planted))} - known
    false = sum(p in pairs and jaccard(shingles(rows[p[0]]), shingles(rows[p[1]])) < threshold for p in negatives)
    told = []
    for kind in KINDS:
        mine = [tuple(sorted((a, b))) for k, a, b in planted if k == kind]
        similar = [p for p in mine if jaccard(shingles(rows[p[0]]), shingles(rows[p[1]])) >= threshold]
        hit, hit_similar = sum(p in pairs for p in mine), sum(p in pairs for p in similar)
        told.append(f"{kind} {100 * hit / len(mine):.1f} ({100 * hit_similar / max(1, len(similar)):.1f})")
    print(
        f"{engine:11} {result['seconds']:8.1f} s, {result['cpu_s']:.1f} s of CPU  peak {result['peak_mb']:7.0f} MB (before {result['rows_mb']:.0f})  "
        f"pairs {len(pairs)}, precision {100 * right / max(1, len(pairs)):.2f} %, false random pairs {false}/{len(negatives)}  "
        f"recall %, all (of those >= threshold): {'; '.join(told)}",
        flush=True,
    )


def main():
    """Plant, run each engine in its own process, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--threshold", type=float, default=0.65)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--limit-s", type=float, default=3600)
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.work[0], Path(args.work[1]), args.threshold)
        return
    pythons = dict(p.split("=", 1) for p in args.python)
    with tempfile.TemporaryDirectory(prefix="near-duplicates-") as name:
        folder = Path(name)
        rows, planted = make_rows(args.rows)
        (folder / "rows.json").write_text(json.dumps(rows))
        print(
            f"{len(rows)} rows, {len(planted)} planted duplicates, threshold {args.threshold}, bands {bands_of(args.threshold)}"
        )
        for engine in args.engines.split(","):
            command = [
                pythons.get(engine, sys.executable), __file__, "--threshold", str(args.threshold), "--work", engine, name,
            ]  # fmt: skip
            try:
                done = subprocess.run(command, timeout=args.limit_s, capture_output=True, text=True)
            except subprocess.TimeoutExpired:
                print(f"{engine:11} did not end within {args.limit_s:.0f} s")
                continue
            if done.returncode:
                print(f"{engine:11} failed: {done.stderr.strip().splitlines()[-1:]}")
                continue
            judge(engine, json.loads((folder / f"{engine}.json").read_text()), rows, planted, args.threshold)


if __name__ == "__main__":
    main()
