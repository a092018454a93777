"""Decontamination at scale: held-out GSM8K and FEVER items planted into generated rows, recall and false positives by kind.

    python bench/decontaminate.py [--data ../shared/data] [--rows 100000] [--items 200] [--extra 0]
    python bench/decontaminate.py --others [--data ../shared/data] [--items 200]

Rows are problems of the seed's world with solutions; ``--extra`` adds held-out items that are not planted, to make the
search harder. Prints a table: kind, suite, planted, found, found as another item, by kind of match; then the false
positives among the generated rows, and time and memory. ``--others``: the first items of each source against its other
rows, which are other tasks: what is found there is false, by kind of match.
"""

import argparse
import json
import resource
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from flywheel.config import DecontaminateConfig  # noqa: E402
from flywheel.judge import Decontaminator, EvalText  # noqa: E402
from planted import make_rows, plant, read_items  # noqa: E402


def main():
    """Plant, search, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared/data")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--extra", type=int, default=0)
    parser.add_argument("--misses", action="store_true", help="print what was not found")
    parser.add_argument("--others", action="store_true", help="search other rows of each source instead")
    args = parser.parse_args()
    if args.others:
        search_others(args.data, args.items, args.misses)
        return
    items = read_items(args.data, args.items)
    rows = make_rows(args.rows)
    planted = list(plant(items, rows))
    print(f"{len(items)} items, {len(rows)} generated rows, {len(planted)} planted rows")
    started = time.perf_counter()
    extra = read_items(args.data, args.extra, skip=args.items) if args.extra else []
    decontaminator = Decontaminator([*items, *extra], DecontaminateConfig())
    built = time.perf_counter()
    found = decontaminator.find_all([*rows, *(text for _, _, text in planted)])
    done = time.perf_counter()
    report(planted, found[len(rows) :], args.misses)
    false = [(f, r) for f, r in zip(found, rows, strict=False) if f]
    print(f"false positives: {len(false)} of {len(rows)} ({100 * len(false) / len(rows):.3f} %)")
    for match, row in false[:5]:
        print(f"  {match.evidence}: {row!r}\n    {match.item.text!r}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"index {built - started:.1f} s, search {done - built:.1f} s, peak {peak:.0f} MB with the rows themselves")


OTHERS = {
    "GSM8K": ("gsm8k/test.jsonl", "question"),
    "FEVER": ("fever/paper_dev.jsonl", "claim"),
    "MBPP": ("mbpp/mbpp.jsonl", "text"),
    "MATH-500": ("math/math500.jsonl", "problem"),
}


def search_others(data, n, shown):
    """Print, of each source, how many rows beside the first ``n`` different texts match one of these."""
    for name, (file, column) in OTHERS.items():
        with (data / file).open(encoding="utf-8") as stream:
            texts = list(dict.fromkeys(" ".join(json.loads(line)[column].split()) for line in stream))
        items = [EvalText(name, "gate", str(i), text) for i, text in enumerate(texts[:n])]
        found = Decontaminator(items, DecontaminateConfig()).find_all(texts[n:])
        kinds = Counter(m.kind for m in found if m)
        total, rows = kinds.total(), len(texts) - n
        print(f"{name}: {total} of {rows} other rows ({100 * total / rows:.2f} %) {dict(kinds)}")
        for match, text in zip(found, texts[n:], strict=True):
            if match and shown:
                print(f"  {match.evidence}: {text!r}\n    {match.item.text!r}")


def report(planted, found, misses):
    """Print recall by kind and suite."""
    counts = Counter()
    kinds = Counter()
    for (kind, item, text), match in zip(planted, found, strict=True):
        key = (kind, item.suite)
        same = match is not None and match.item.text == item.text
        counts[key, "planted"] += 1
        counts[key, "found"] += match is not None
        counts[key, "as another"] += match is not None and not same
        kinds[key, match.kind if match else "-"] += 1
        if misses and match is None:
            print(f"missed, {kind}: {text!r}\n    {item.text!r}")
    for key in dict.fromkeys(k for k, _ in counts):
        by = ", ".join(f"{n} {k}" for (other, k), n in sorted(kinds.items()) if other == key and k != "-")
        n, hit, other = (counts[key, w] for w in ("planted", "found", "as another"))
        print(f"{key[0]:10} {key[1]:6} {hit}/{n} = {100 * hit / n:5.1f} %  ({by}; {other} as another item)")


if __name__ == "__main__":
    main()
