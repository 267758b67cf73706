"""What a policy says beside its rules: the terms of the data, and of what a run costs."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

STATED = ("purpose", "rights")  # what a person may have to say of the data


@dataclass(frozen=True)
class DataTerms:
    """What must be said of the data, and what may not be used of it.

    `purpose` is what the data may be used for, `rights` by which licence or agreement. `must_state`
    names those that every run has to state where the policy itself does not. `forbid_columns` are
    names, or patterns such as `*_id`, of columns no model may see; capitals do not matter.

    >>> DataTerms(forbid_columns=("ssn", "*_id")).forbidden(["SSN", "user_id", "age"])
    ['SSN', 'user_id']
    """

    purpose: str = ""
    rights: str = ""
    must_state: tuple[str, ...] = ()
    forbid_columns: tuple[str, ...] = ()

    def unstated(self, stated: Mapping[str, str | None]) -> list[str]:
        """What has to be stated and is neither here nor in `stated`."""
        own = {"purpose": self.purpose, "rights": self.rights}
        return [name for name in self.must_state if not (own[name] or stated.get(name))]

    def forbidden(self, columns: Iterable[str]) -> list[str]:
        """Those of the columns that may not be used."""
        patterns = [pattern.casefold() for pattern in self.forbid_columns]
        return [
            name for name in columns
            if any(fnmatch.fnmatchcase(name.casefold(), pattern) for pattern in patterns)
        ]  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What an hour of the machine costs, and what it has to bring.

    `per_hour` is in `currency`; None: nobody said, and money is not counted. The search stops once
    an hour is expected to bring less than `least_gain_per_hour` of the metric
    (`study/worth.py`); None: never.
    """

    per_hour: float | None = None
    currency: str = "EUR"
    least_gain_per_hour: float | None = None

    def money(self, seconds: float) -> float | None:
        """The price of so much time.

        >>> Cost(per_hour=0.40).money(900)
        0.1
        """
        return None if self.per_hour is None else round(self.per_hour * seconds / 3600, 6)
