"""The designs that the portfolio is chosen from: each family's default, and drawn ones."""

from __future__ import annotations

from typing import Any

ROWS = 6000
MANY = 25_000  # rows of a set whose name ends in "+"
# How many drawn designs stand beside each default.
DRAWN = {
    "LightGbm": 8,
    "CatBoost": 5,
    "RealMlp": 4,
    "TabM": 4,
    "Forest": 3,
    "Linear": 3,
    "KNearest": 1,
    "GlassBox": 1,
}
# Designs that earlier measurements (docs/notebook.md) found good for one kind of task.
NAMED: dict[str, dict[str, Any]] = {
    "LightGbm-fine": {"leaves": 63, "min_leaf": 5, "learning_rate": 0.08},
    "LightGbm-coarse": {"leaves": 15, "min_leaf": 5, "learning_rate": 0.05},
    "LightGbm-slow": {"leaves": 31, "min_leaf": 10, "learning_rate": 0.02, "columns": 0.5},
    "Forest-fine": {"min_leaf": 1, "trees": 200},
    "Forest-coarse": {"min_leaf": 5, "trees": 200},
    "Forest-random": {"kind": "random", "min_leaf": 2, "trees": 200},
    "CatBoost-slow": {"learning_rate": 0.04, "depth": 6},
    "RealMlp-plain": {"numbers": "plain"},
    "TabM-wide": {"width": 256, "members": 8},
}
# Defaults first, then the first drawn design of each family, and so on: a measurement that is cut
# short is one of all families.
_NUMBERED = tuple(
    f"{name}-{i}" for i in range(max(DRAWN.values()) + 1) for name, n in DRAWN.items() if i <= n
)
LABELS = (*_NUMBERED[: len(DRAWN)], *NAMED, *_NUMBERED[len(DRAWN) :])
SETS = (
    "adult_income", "german_credit", "compas_two_year", "bank_marketing", "credit_default",
    "telco_churn", "titanic", "mammography", "pima_diabetes", "spambase", "horse_colic", "soybean",
    "letter_recognition", "california_housing", "ames_housing", "abalone", "wine_quality_white",
    "bike_sharing_hour", "diamonds", "hotel_rates", "concrete", "insurance_charges",
)  # fmt: skip


LARGE = tuple(
    f"{name}+"
    for name in ("adult_income", "california_housing", "credit_default", "diamonds",
                 "bank_marketing", "bike_sharing_hour")
)  # fmt: skip


def design_of(label: str) -> tuple[str, Any]:
    """The document and the design of a label: `LightGbm-0` is the default, others are drawn."""
    import json

    from modelwright.core.keys import Key
    from modelwright.families import family
    from modelwright.spaces import Space

    name, _, number = label.partition("-")
    space = Space(family(name))
    if label in NAMED:
        design = space.check(family(name)(**NAMED[label]))
    elif number == "0":
        design = family(name)()
    else:  # odd ones are drawn from the whole space, even ones are the default with parts redrawn
        key = Key.of(2026).child("portfolio", name, int(number))
        odd = int(number) % 2 == 1
        design = space.sample(key) if odd else space.mutate(family(name)(), key, "large")
    document = json.dumps({"type": name, **json.loads(space.dump(design))})
    return document, design
