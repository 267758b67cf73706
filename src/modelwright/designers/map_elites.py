"""Quality-diversity: the best design of each size and cost, kept side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.trial import Proposal
from modelwright.core.view import Brief, Outcome, View
from modelwright.designers.batch import Batch, breed
from modelwright.designers.standing import standing
from modelwright.stats.cells import Cell, cell_of, range_words

TRIES = 12


@dataclass(frozen=True)
class MapElites:
    """Keeps the best design in each cell of an archive, and breeds from all cells alike.

    A cell is a place on the logarithms of the measured `behaviours`, `per_decade` steps to a factor
    of 10. After `initial` evenly spread trials, or once a third of them failed, a cell is drawn,
    each with the same chance, and its best design has a child: a small mutation, a large one with
    probability `large`, or with probability `crossover` a mixture with the best of another drawn
    cell. A child that falls into an empty cell, or beats who is there, stays. Failed trials are
    never kept; a design measured again at a higher rung takes its new score and place.

    What was not measured (another evaluator, a typing error) has one place for all: with no
    behaviour measured this is a search around the best design.

    Mouret and Clune, "Illuminating search spaces by mapping elites" (2015, arXiv:1504.04909). What
    differs: cells on a logarithm without ends, so that no range must be known; crossover; the even
    start; rungs and limits, by which a better standing decides.

    >>> from modelwright.designers import make_designer
    >>> make_designer({"name": "map_elites", "behaviours": ["params", "latency_ms"]}).per_decade
    3
    """

    behaviours: tuple[str, ...] = ("params", "macs")
    per_decade: int = 3
    initial: int = 24
    crossover: float = 0.3
    large: float = 0.5  # twice what a search for one best design needs: steps to other sizes

    name: ClassVar[str] = "map_elites"
    block: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not self.behaviours or not all(isinstance(name, str) for name in self.behaviours):
            raise InputError(f"behaviours are names of measured values; got {self.behaviours!r}.")
        if min(self.per_decade, self.initial) < 1:
            raise InputError(f"per_decade and initial are at least 1; got {self}.")

    def start(self, brief: Brief) -> dict[Cell, Outcome]:
        """The empty archive."""
        return {}

    def update(
        self, state: dict[Cell, Outcome], outcomes: Sequence[Outcome], key: Key
    ) -> dict[Cell, Outcome]:
        """The archive with the outcomes that are the best of their cells."""
        archive = dict(state)
        for outcome in filter(lambda o: o.ok, outcomes):
            own = outcome.trial.candidate.id
            before = next((c for c, o in archive.items() if o.trial.candidate.id == own), None)
            if before is not None:
                if archive[before].trial.rung > outcome.trial.rung:
                    continue
                del archive[before]
            cell = self.cell(outcome.evidence.scores)
            if cell not in archive or standing(outcome) < standing(archive[cell]):
                archive[cell] = outcome
        return archive

    def propose(
        self, state: dict[Cell, Outcome], view: View, n: int, key: Key
    ) -> Sequence[Proposal]:
        """Children of the archive; evenly spread points at the start."""
        batch = Batch(view, n, self.name)
        while not batch.full:
            own = key.child(len(batch.proposals))
            started = view.trials_spent + len(batch.proposals) >= self.initial or _lost(view)
            if not (state and started and self._child(state, batch, own)) and not batch.scatter(
                own
            ):
                break
        return batch.proposals

    def cell(self, scores: Mapping[str, float]) -> Cell:
        """Where an outcome belongs."""
        return cell_of(scores, self.behaviours, self.per_decade)

    def _child(self, archive: Mapping[Cell, Outcome], batch: Batch, key: Key) -> bool:
        """Takes one child; False when every try gave a design that was there already."""
        rng = key.random()
        cells = list(archive)
        for i in range(TRIES):
            cell = rng.choice(cells)
            other = rng.choice(cells) if rng.random() < self.crossover else cell
            large = rng.random() < self.large or i >= TRIES // 2
            how = f"the best of one of {len(cells)} cells"
            if cell == other:
                how = f"the best of {self._told(cell)}, one of {len(cells)} cells"
            if breed(batch, archive[cell], archive[other], large, how, key.child(i)):
                return True
        return False

    def _told(self, cell: Cell) -> str:
        """The range of a cell in words."""
        places = zip(self.behaviours, cell, strict=True)
        return " and ".join(f"{name} {range_words(at, self.per_decade)}" for name, at in places)


def _lost(view: View) -> bool:
    """True when over a third of the first trials failed: limits leave little of an even spread."""
    return 3 * sum(outcome.failed for outcome in view.searched) > len(view.searched)
