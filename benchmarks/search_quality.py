"""Search quality on ten YAHPO surrogate problems: regret after 25, 50 and 100 evaluations.

    python benchmarks/search_quality.py --seeds 0-9 --budget-minutes 60
    python benchmarks/search_quality.py --report --reference optuna_tpe

The values are answers of surrogate models, never real trainings.
"""

from __future__ import annotations

from cells import Bench, Method, arguments, main
from regret import ASKED, report
from tasks import YAHPO_SUITE

METHODS = (
    Method("random", "joblib", "search_random.py"),
    Method("optuna_tpe", "optuna", "search_optuna.py"),
    Method("optuna_gp", "optuna", "search_optuna.py"),
    Method("optuna_gp_flat", "optuna", "search_optuna.py", only="rbv2_xgboost"),
    Method("smac3", "smac", "search_smac.py"),
    Method("hebo", "hebo", "search_hebo.py", {"n": ASKED["hebo"]}),
    Method("modelwright", "modelwright", "search_modelwright.py"),
)
BENCH = Bench("search", METHODS, YAHPO_SUITE, tuple(range(10)), {"n": 100}, cell_seconds=7200)

if __name__ == "__main__":
    parser = arguments("Search quality on YAHPO surrogates.")
    parser.add_argument(
        "--reference", default="optuna_tpe", help="method the others are compared with"
    )
    main(BENCH, report, parser)
