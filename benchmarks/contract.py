"""The contract under violence: kill -9 at random, trials that never stop or allocate without end.

    python benchmarks/contract.py [--kills 100] [--out FILE]

Each line of the output file is one fact that was checked. Exits with 1 when one does not hold.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
TRIALS = 400


def child(workspace: str, objective: str, budget: str, slots: int) -> None:
    """Runs, or goes on with, the study: what gets killed."""
    import contract_objective as objectives
    import modelwright as mw

    result = mw.search(
        objectives.Point, getattr(objectives, objective), budget=budget, designer="evolution",
        executor="processes", slots=slots, workspace=workspace, name="study",
    )  # fmt: skip
    print(json.dumps({"trials": len(result.trials), "reason": result.reason}))


def start(workspace: Path, objective: str, budget: str, slots: int = 2) -> subprocess.Popen[str]:
    args = [sys.executable, __file__, "--child", str(workspace), objective, budget, str(slots)]
    env = {**os.environ, "PYTHONPATH": str(HERE)}
    return subprocess.Popen(args, env=env, text=True, stdout=subprocess.PIPE)


def kill_at_random(kills: int, seed: int, victim: str) -> dict[str, Any]:
    """Kills the supervisor or one of its workers until `kills` are done; then lets it finish."""
    rng = random.Random(seed)
    folder = Path(tempfile.mkdtemp())
    done = 0
    process = start(folder, "short", f"{TRIALS}trials")
    while done < kills:
        time.sleep(rng.uniform(0.3, 2.2))
        if process.poll() is not None:  # it finished first: begin again in a new folder
            check_rows(folder)
            folder = Path(tempfile.mkdtemp())
            process = start(folder, "short", f"{TRIALS}trials")
            continue
        workers = psutil.Process(process.pid).children(recursive=True)
        if victim == "supervisor":
            process.send_signal(signal.SIGKILL)
            process.wait()
            _, left = psutil.wait_procs(workers, timeout=2)
            left = [w for w in left if _alive(w)]  # the dead may wait for the system to reap them
            assert not left, f"workers outlived their supervisor: {left}"
            process = start(folder, "short", f"{TRIALS}trials")
        elif workers:
            try:
                worker = rng.choice(workers)
                if time.time() - worker.create_time() < 2:  # still importing: it runs no trial
                    continue
                worker.kill()
            except psutil.NoSuchProcess:
                continue
        else:
            continue
        done += 1
    process.wait(timeout=300)
    return {"check": f"kill -9 of the {victim}", "kills": done, **check_rows(folder)}


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def check_rows(folder: Path) -> dict[str, Any]:
    """No finished trial lost or doubled, the chain whole, the decisions following from the rows."""
    import contract_objective as objectives
    from modelwright.ledger import open_ledger
    from modelwright.policy import LAPTOP
    from modelwright.recipes.search import plan_search
    from modelwright.testing.replay import check_replay

    ledger = open_ledger(folder / "study" / "ledger.sqlite", create=False)
    rows = list(ledger.rows("study"))
    orders = [row.body["number"] for row in rows if row.kind == "order"]
    evidence = Counter(row.body["trial"] for row in rows if row.kind == "evidence")
    assert orders == list(range(TRIALS)), "orders lost or doubled"
    assert set(evidence) == set(orders), "evidence lost"
    assert max(evidence.values()) == 1, "evidence doubled"
    assert ledger.verify("study").ok, "the chain is broken"
    plan = plan_search(
        objectives.Point, objectives.short, budget=TRIALS, goal="minimise", limits=(), rungs=None,
        slots=2, designer="evolution", seed=0, name="study", workspace=folder, policy=LAPTOP,
    )  # fmt: skip
    check_replay(plan.study, plan.description, rows)
    sessions = sum(row.kind == "session" for row in rows)
    failed = sum(1 for row in rows if row.kind == "evidence" and "failure" in row.body)
    ledger.close()
    return {"trials": len(orders), "sessions": sessions, "failed": failed, "holds": True}


def overrun(objective: str, seconds: float) -> dict[str, Any]:
    """How far past a budget in seconds the search returns when its trials will not end."""
    folder = Path(tempfile.mkdtemp())
    script = (
        "import time, contract_objective as o, modelwright as mw\n"
        "t = time.monotonic()\n"
        f"mw.search(o.Point, o.{objective}, budget='{seconds:g}s', executor='processes', slots=2,\n"
        f"    designer='random', workspace={str(folder)!r})\n"
        "print(time.monotonic() - t)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(HERE)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, text=True, capture_output=True, check=True
    )
    over = float(done.stdout.split()[-1]) - seconds
    return {
        "check": f"budget with {objective} trials",
        "overrun_s": round(over, 3),
        "holds": over <= 2,
    }


def interrupt() -> dict[str, Any]:
    """Ctrl-C returns the best so far."""
    folder = Path(tempfile.mkdtemp())
    process = start(folder, "short", "100000trials")
    time.sleep(6)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    facts = json.loads(out)
    seconds = time.monotonic() - asked
    holds = facts["trials"] > 0 and "stopped" in facts["reason"] and seconds <= 2
    return {"check": "Ctrl-C", "seconds": round(seconds, 3), **facts, "holds": holds}


def main() -> int:
    if len(sys.argv) > 1 and sys.argv[1] == "--child":
        child(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
        return 0
    sys.path.insert(0, str(HERE))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="half supervisors, half workers")
    today = datetime.date.today().isoformat()
    parser.add_argument("--out", default=str(HERE / "results" / f"{today}-contract.jsonl"))
    args = parser.parse_args()
    facts = [
        lambda: overrun("deaf", 3),
        lambda: overrun("greedy", 8),
        interrupt,
        lambda: kill_at_random(args.kills // 2, 1, "supervisor"),
        lambda: kill_at_random(args.kills - args.kills // 2, 2, "worker"),
    ]
    good = True
    for check in facts:
        fact = check()
        good = good and fact["holds"]
        print(json.dumps(fact), flush=True)
        with Path(args.out).open("a", encoding="utf-8") as out:
            out.write(json.dumps({"date": today, **fact}) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
