"""A designer around another: what it learns is what the other one learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelwright.core.keys import Key
from modelwright.core.roles import Designer
from modelwright.core.view import Brief, Outcome


@dataclass(frozen=True)
class Around:
    """Block and state are those of `then`; what is made of its proposals a subclass says."""

    then: Designer

    @property
    def block(self) -> int:
        """That of `then`."""
        return self.then.block

    def start(self, brief: Brief) -> Any:
        """The state of `then`."""
        return self.then.start(brief)

    def update(self, state: Any, outcomes: Sequence[Outcome], key: Key) -> Any:
        """The state of `then` goes on."""
        return self.then.update(state, outcomes, key)
