"""Limits on gaps between groups of people, on real sets: what is blocked, found, paid, handed down.

    python benchmarks/fairness.py [--budget 60s] [--sets german_credit ...] [--seeds 0 1 2]

For each set, limit, seed and way (`designs`: reweighing and constrained training; `thresholds`:
thresholds per group as well) one build with `--protect` and the limit, in a process of its own. A
finished cell is one line of `results/fairness-BUDGET.jsonl`; cells that are there are skipped. The
sets lie in the folder that MODELWRIGHT_SHARED names, or `../shared`; nothing here is tuned to them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("MODELWRIGHT_SHARED", HERE.parent.parent / "shared"))
# Set: protected columns, the label that is wished for (where it is not the one told by itself).
SETS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "adult_income": (("sex", "race"), None),
    "compas_two_year": (("sex", "race"), None),
    "german_credit": (("sex", "age:26"), "1"),
}
LIMITS = ("selection_rate_gap<=0.1", "equalized_odds_gap<=0.1")
WAYS = {"designs": (), "thresholds": ("--group-thresholds",)}
KEPT = ("limits", "models", "price", "inherited", "lines")


def cells(names: list[str], seeds: list[int]) -> Iterator[dict[str, Any]]:
    """Seed by seed, so that a stopped bench has all sets."""
    for seed in seeds:
        for name in names:
            for limit in LIMITS:
                for way in WAYS:
                    yield {"set": name, "limit": limit, "way": way, "seed": seed}


def build(cell: dict[str, Any], budget: str) -> dict[str, Any]:
    """One build, and what it measured by group; exit code 3 is that nothing was fair enough."""
    about = found(cell["set"])
    protect, positive = SETS[cell["set"]]
    with tempfile.TemporaryDirectory() as workspace:
        command = [
            sys.executable, "-m", "modelwright.apps.cli", "build", str(about["file"]), "--target",
            about["target"], "--limit", cell["limit"], "--budget", budget, "--json",
            "--seed", str(cell["seed"]), "--workspace", workspace, "--name", "cell",
            *WAYS[cell["way"]],
        ]  # fmt: skip
        command += [word for name in protect for word in ("--protect", name)]
        command += [] if positive is None else ["--positive", positive]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        # Measured by the build, or now where its budget had no time for it.
        asked = [*command[:3], "fairness", "cell", "--workspace", workspace, "--json"]
        told = subprocess.run(asked, capture_output=True, text=True, check=False)
        facts = json.loads(told.stdout) if told.returncode == 0 else {}
        said = json.loads(done.stdout) if done.stdout.strip() else {}
    out = {name: said.get(name) for name in ("sentence", "score", "trials", "reason")}
    out |= {"exit_code": done.returncode, **{name: facts.get(name) for name in KEPT}}
    return out if facts else out | {"error": done.stderr[-1000:]}


def found(name: str) -> dict[str, Any]:
    """File and target of a set, by the catalogue."""
    catalogue = SHARED / "data" / "catalog.json"
    if not catalogue.exists():
        raise SystemExit(f"there is no {catalogue}; name its folder by MODELWRIGHT_SHARED.")
    for entry in walk(json.loads(catalogue.read_text("utf-8"))):
        if entry.get("name") == name and "path" in entry:
            return {"file": SHARED / "data" / entry["path"], "target": entry["target"]}
    raise SystemExit(f"the catalogue has no set {name!r}.")


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """All tables in some JSON."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value:
        if isinstance(part, (dict, list)):
            yield from walk(part)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    asked = parser.parse_args()
    path = HERE / "results" / f"fairness-{asked.budget}.jsonl"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    there = [json.loads(line)["cell"] for line in lines]
    for cell in cells(asked.sets, asked.seeds):
        if cell in there:
            continue
        row = {"cell": cell, **build(cell, asked.budget)}
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        for line in row.get("lines") or [row.get("error") or "no model"]:
            print(f"{cell['set']} {cell['limit']} {cell['way']} {cell['seed']}: {line}", flush=True)


if __name__ == "__main__":
    main()
