"""Sample efficiency of architecture search on NAS-Bench-201 (three sets) and NAS-Bench-Macro.

    python benchmarks/nas.py
    python benchmarks/nas.py --report --reference local_search

200 repetitions in ten blocks of 20 ("seed" is the block).  Regret is the best mean test accuracy of
the table minus that of the architecture the searcher answers after 25, 50 and 75 full trainings.
Defaults of a searcher may be tuned on nas201/cifar10 alone; the others are for reporting.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cells import Bench, Method, Row, arguments, main
from nas_tables import AT, PROBLEMS, score
from regret import interval

REPETITIONS = 20
METHODS = (
    Method("random", "joblib", "nas_reference.py"),
    Method("evolution", "joblib", "nas_reference.py"),
    Method("local_search", "joblib", "nas_reference.py"),
    Method("local_search_patient", "joblib", "nas_reference.py"),
    Method("flops25", "joblib", "nas_reference.py", {"allow": ["costs"]}),
    Method("modelwright", "modelwright", "nas_modelwright.py"),
    Method("modelwright_costs", "modelwright", "nas_modelwright.py", {"allow": ["costs"]}),
    Method("modelwright_rungs", "modelwright", "nas_modelwright.py", {"allow": ["rungs"]}),
    Method("modelwright_both", "modelwright", "nas_modelwright.py", {"allow": ["costs", "rungs"]}),
    Method("controller", "modelwright", "nas_designers.py", {"designer": "controller"}),
    Method("generator", "modelwright", "nas_designers.py", {"designer": "generator"}),
    Method(
        "generator_costs",
        "modelwright",
        "nas_designers.py",
        {
            "designer": {"name": "generator", "costs": ["params", "macs", "flops"]},
            "allow": ["costs"],
        },
    ),
    Method(
        "generator_prior",
        "modelwright",
        "nas_designers.py",
        {"designer": "generator", "prior": True},
        only="nas201",
    ),
    Method("team", "modelwright", "nas_designers.py", {"designer": "team"}),
    Method(
        "team_generator",
        "modelwright",
        "nas_designers.py",
        {
            "designer": {
                "name": "team",
                "members": [
                    {"name": name}
                    for name in ("bayesian", "evolution", "local_search", "generator")
                ],
            }
        },
    ),
)
BENCH = Bench("nas", METHODS, PROBLEMS, tuple(range(10)), {"repetitions": REPETITIONS})


def scores(rows: Sequence[Row], problem: str) -> dict[str, dict[int, NDArray[np.float64]]]:
    """Per method and repetition: [accuracy or regret, len(AT)]."""
    out: dict[str, dict[int, NDArray[np.float64]]] = {}
    for row in (r for r in rows if r["problem"] == problem):
        for offset, answers in enumerate(row["result"]["answers"]):
            repetition = row["seed"] * len(row["result"]["answers"]) + offset
            out.setdefault(row["method"], {})[repetition] = np.array(
                score(problem, repetition, answers)
            )
    return out


def report(rows: Sequence[Row], chosen: Namespace) -> str:
    """A table per problem: test accuracy, regret, paired difference at the middle budget."""
    parts = []
    for problem in PROBLEMS:
        methods = scores(rows, problem)
        base = methods.get(chosen.reference, {})
        at = " / ".join(map(str, AT))
        lines = [
            f"{problem}\n",
            f"| method | repetitions | test accuracy at {at} | regret at {at} | median regret "
            f"| regret minus {chosen.reference} at {AT[1]} (paired, 95 %) | searcher's cpu s |",
            "|---|---|---|---|---|---|---|",
        ]
        for name, each in methods.items():
            accuracy, regret = np.mean(list(each.values()), axis=0)
            middle = np.median(list(each.values()), axis=0)[1]
            pairs = [(problem, float(each[r][1, 1] - base[r][1, 1])) for r in each if r in base]
            gap = "-"
            if pairs and name != chosen.reference:
                gap = "{:+.2f} [{:+.2f}, {:+.2f}]".format(*interval(pairs))
            cpu = np.mean(
                [
                    r["result"]["search_cpu_s"]
                    for r in rows
                    if (r["method"], r["problem"]) == (name, problem)
                ]
            )
            lines.append(
                f"| {name} | {len(each)} | {' / '.join(f'{x:.2f}' for x in accuracy)} | "
                f"{' / '.join(f'{x:.2f}' for x in regret)} | "
                f"{' / '.join(f'{x:.2f}' for x in middle)} | {gap} | {cpu:.3f} |"
            )
        if methods:
            parts.append("\n".join(lines))
    return "\n\n".join(parts) or "no finished cells yet"


if __name__ == "__main__":
    parser = arguments("Sample efficiency of architecture search in tables.")
    parser.add_argument(
        "--reference", default="local_search", help="method the others are compared with"
    )
    main(BENCH, report, parser)
