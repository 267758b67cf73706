"""Tables: modelwright beside AutoGluon, FLAML, mljar and default boosting at equal wall time.

    python benchmarks/tabular.py --seconds 60 --seeds 0-1        # nine sets; nothing else may run
    python benchmarks/tabular.py --seconds 300 --problems adult_income,ames_housing --seeds 0
    python benchmarks/tabular.py --seconds 60 --report

One job at a time on two cores; a fresh process per cell.  Scores are AUC (two classes), log loss
(more) and RMSE (numbers) on a quarter of the rows.  AutoGluon is told 0.8 of the seconds, because
it takes about a quarter more than it is told; what each used stands in the table.  A win is a
paired difference whose 95 % interval, bootstrapped over the test rows, leaves out zero.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from cells import Bench, Method, Row, arguments, main
from tabular_data import PANEL
from tabular_report import tables


def _peer(name: str, environment: str, script: str, preset: str = "", share: float = 1.0) -> Method:
    options = {"script": script, "preset": preset, "share": share}
    return Method(name, environment, "tabular_peer.py", options)


METHODS = (
    _peer("modelwright", "modelwright", "run_modelwright.py"),
    _peer("autogluon_best", "autogluon", "run_autogluon.py", "best_quality", 0.8),
    _peer("autogluon_medium", "autogluon", "run_autogluon.py", "medium_quality", 0.8),
    _peer("flaml", "flaml", "run_flaml.py"),
    _peer("mljar", "mljar", "run_mljar.py", "", 0.85),
    _peer("catboost", "modelwright", "run_defaults.py", "catboost"),
    _peer("lightgbm", "modelwright", "run_defaults.py", "lightgbm"),
)


def bench(seconds: int) -> Bench:
    """The bench of a budget: its results lie in a file of their own."""
    return Bench(
        f"tabular{seconds}", METHODS, PANEL, (0, 1), {"seconds": seconds}, 6.0 * seconds + 300
    )


def report(rows: Sequence[Row], chosen: Namespace) -> str:
    """Scores, wins and costs."""
    return tables(rows, chosen.rival)


if __name__ == "__main__":
    parser = arguments("Tables beside other systems.")
    parser.add_argument("--seconds", type=int, default=60, help="budget of each cell")
    parser.add_argument("--rival", default="autogluon", help="whom the duels are against")
    main(bench(parser.parse_known_args()[0].seconds), report, parser)
