"""What every designer must keep: `check_designer` plays it over a zoo of spaces and rows.

>>> from modelwright.designers import Random
>>> from modelwright.testing.zoo import zoo
>>> check_designer(Random, {"tiny": zoo()["tiny"]})
"""

from __future__ import annotations

import dataclasses
import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from modelwright.core.canonical import digest_text
from modelwright.core.keys import Key
from modelwright.core.problem import ONE_RUNG, Goal, Limit, Rungs
from modelwright.core.roles import Designer
from modelwright.core.trial import Evidence, Proposal, Trial
from modelwright.core.view import Brief
from modelwright.testing.simulation import Objective, Simulation, simulate

__all__ = ["CHECKS", "Make", "Simulation", "check_designer", "simulate"]

Make = Callable[[], Designer]
Bowl = Callable[[Any, float], float]

N_TRIALS = 20  # A run of the suite: past every designer's even start, yet quick.
TRIES = 4  # measurements of processor time at most, where a busy machine may be in the way
LOSS = (Goal("value"),)


def check_designer(make: Make, spaces: Mapping[str, Any] | None = None) -> None:
    """Runs every check in `CHECKS` on the designers that `make()` gives.

    `spaces` maps names to spaces (default: the zoo, from an empty type to a grammar). Raises
    AssertionError with the check, the space and what was seen. Takes seconds to a minute.
    """
    if spaces is None:
        from modelwright.testing.zoo import zoo

        spaces = zoo()
    for check in CHECKS:
        check(make, spaces)


def _bowl(space: Any) -> Bowl:
    """A smooth objective on any space: distance of the encoding to a fixed point."""

    def objective(design: Any, fidelity: float) -> float:
        code = [x for x in space.encode(design) if math.isfinite(x)]
        return math.fsum((x - 0.3) ** 2 for x in code) + 0.1 / fidelity

    return objective


def _rarely(share: float, text: str) -> bool:
    """True for a fixed share of all texts."""
    return int(digest_text(text)[:8], 16) < share * 16**8


def _failing(space: Any, share: float) -> Bowl:
    bowl = _bowl(space)

    def objective(design: Any, fidelity: float) -> float:
        failed = _rarely(share, space.dump(design))
        return math.nan if failed else bowl(design, fidelity)

    return objective


def _orders(simulation: Simulation) -> list[Trial]:
    return list(simulation.view.trials.values())


def _same(a: Sequence[Trial], b: Sequence[Trial], what: str) -> None:
    assert len(a) == len(b), f"{what}: {len(a)} trials against {len(b)}"
    for x, y in zip(a, b, strict=True):
        assert x == y, f"{what}: trial {x.number} differs: {x} against {y}"


def _check_proposals(simulation: Simulation, proposals: Sequence[Proposal], what: str) -> None:
    """Proposals are new, distinct, in the space, and say why."""
    space, view = simulation.brief.space, simulation.view
    ids = [(p.candidate.id, p.rung) for p in proposals]
    assert len(set(ids)) == len(ids), f"{what}: proposals repeat one another"
    for p in proposals:
        design = space.design(p.candidate)
        assert space.contains(design), f"{what}: {design} is not in the space"
        assert space.dump(design) == p.candidate.document, f"{what}: document and design differ"
        assert p.reason.strip(), f"{what}: a proposal has no reason"
        assert p.by, f"{what}: a proposal does not say by whom"
        assert 0 <= p.rung <= simulation.brief.rungs.top, f"{what}: there is no rung {p.rung}"
        assert view.tried(p.candidate.id, p.rung) is None, f"{what}: {design} was tried already"
        shut = view.refused | view.banned
        assert p.candidate.id not in shut, f"{what}: {design} was refused or banned"


class _Watched(Simulation):
    """A simulation that checks every proposal on the way."""

    what = ""

    def propose(self, n: int = 1) -> Sequence[Proposal]:
        proposals = super().propose(n)
        assert len(proposals) <= n, f"{self.what}: {len(proposals)} proposals, asked for {n}"
        _check_proposals(self, proposals, self.what)
        return proposals


def _play(
    make: Make,
    brief: Brief,
    objective: Objective,
    what: str,
    n: int = N_TRIALS,
    **options: Any,
) -> Simulation:
    simulation = _Watched(make(), brief, objective, **options)
    simulation.what = what
    simulation.run(n)
    return simulation


def check_values(make: Make, spaces: Mapping[str, Any]) -> None:
    """A designer is a frozen, hashable value, and its JSON reads back to an equal one."""
    from modelwright.designers import DESIGNERS, designer_json, make_designer

    designer = make()
    assert isinstance(designer, Designer), f"{designer} does not keep the role's contract"
    assert dataclasses.is_dataclass(type(designer)), "a designer is a dataclass"
    assert designer == make(), "equal calls give equal designers"
    assert hash(designer) == hash(make()), "equal designers have equal hashes"
    assert designer.block >= 1, f"block is {designer.block}, must be at least 1"
    assert designer.name, "a designer has a name"
    if designer.name in DESIGNERS:
        assert make_designer(designer_json(designer)) == designer, "JSON does not read back"


def check_determinism(make: Make, spaces: Mapping[str, Any]) -> None:
    """Equal seeds give equal studies, with every number of slots and any order of arrival."""
    for name, space in spaces.items():
        for slots in (1, 4):
            what = f"determinism, {name}, {slots} slots"
            brief = Brief(space, LOSS, slots=slots, seed=7)
            first = _play(make, brief, _bowl(space), what)
            again = _play(make, brief, _bowl(space), what, arrival=slots)
            _same(_orders(first), _orders(again), what)


def check_seeds(make: Make, spaces: Mapping[str, Any]) -> None:
    """Another seed gives another study, where the space has room for one."""
    for name, space in spaces.items():
        runs = [
            _orders(_play(make, Brief(space, LOSS, seed=s), _bowl(space), f"seeds, {name}", 12))
            for s in (1, 2)
        ]
        documents = [[t.candidate.document for t in run] for run in runs]
        if len(documents[0]) >= 12:
            assert documents[0] != documents[1], f"seeds, {name}: two seeds gave one study"


def check_replay(make: Make, spaces: Mapping[str, Any]) -> None:
    """Fresh objects that read the rows up to any point propose what was proposed there."""
    for name, space in spaces.items():
        what = f"replay, {name}"
        brief = Brief(space, LOSS, slots=2, seed=3)
        whole = _play(make, brief, _failing(space, 0.2), what)
        for i, row in enumerate(whole.rows):
            if isinstance(row, Trial):
                fresh = Simulation(make(), brief, whole.objective).extend(whole.rows[:i])
                _same([row], [_plain_order(fresh)], f"{what}, row {i}")


def _plain_order(simulation: Simulation) -> Trial:
    found = simulation.next()
    assert found is not None, "nothing is proposed where something was proposed before"
    return simulation.order(*found)


def check_read_rows(make: Make, spaces: Mapping[str, Any]) -> None:
    """Rows read back from JSON, whose candidates hold no design yet, lead to the same study."""
    for name, space in spaces.items():
        what = f"rows read back, {name}"
        brief = Brief(space, LOSS, seed=4)
        whole = _play(make, brief, _bowl(space), what)
        half = len(whole.rows) // 2
        rows = [type(row).from_json(row.to_json()) for row in whole.rows[:half]]
        fresh = Simulation(make(), brief, whole.objective).extend(rows)
        fresh.run(whole.view.n_trials)
        documents = [
            [(t.candidate.document, t.reason, t.by) for t in _orders(s)] for s in (whole, fresh)
        ]
        assert documents[0] == documents[1], f"{what}: the study went on otherwise"


def check_finished(make: Make, spaces: Mapping[str, Any]) -> None:
    """A finished study that is run again adds nothing; an exhausted space stays exhausted."""
    for name, space in spaces.items():
        whole = _play(make, Brief(space, LOSS, seed=5), _bowl(space), f"finished, {name}")
        n = whole.view.n_trials
        again = Simulation(make(), whole.brief, whole.objective).extend(whole.rows)
        again.run(n)
        assert again.rows == whole.rows, f"finished, {name}: running again added rows"
        if n < N_TRIALS:
            assert not again.propose(3), f"finished, {name}: an exhausted space gave more"


def check_bad_rows(make: Make, spaces: Mapping[str, Any]) -> None:
    """Failed, refused, banned, duplicate and foreign rows are survived."""
    for name, space in spaces.items():
        for share in (0.3, 1.0):
            brief = Brief(space, LOSS, seed=6)
            _play(make, brief, _failing(space, share), f"failed rows ({share}), {name}")

        def refuse(identity: str) -> bool:
            return _rarely(0.4, identity)

        what = f"refused rows, {name}"
        _play(make, Brief(space, LOSS, seed=6), _bowl(space), what, 16, refuse=refuse)
        _check_foreign_rows(make, space, f"duplicate rows, {name}")


def _check_foreign_rows(make: Make, space: Any, what: str) -> None:
    """Trials that the designer did not ask for, twice the same, then a ban."""
    simulation = _Watched(make(), Brief(space, LOSS, seed=8), _bowl(space))
    simulation.what = what
    for i in range(8):
        candidate = space.candidate(space.sample(Key.of(i // 2)))
        role = "rival" if i == 0 else "search"
        trial = simulation.order(Proposal(candidate, "given", role=role, by="user"))  # type: ignore[arg-type]
        if i == 5:  # Two reports of one trial: the second is not heard.
            simulation.add(Evidence(trial.number, {"value": 3.0}))
            simulation.builder.evidence(Evidence(trial.number, {"value": -3.0}))
        elif i % 3 == 2:
            simulation.add(Evidence(trial.number).failed("crash", "the process died"))
        else:
            simulation.add(Evidence(trial.number, {"value": float(i)}))
    simulation.view.banned.add(space.candidate(space.default()).id)
    simulation.run(16)


def check_small_spaces(make: Make, spaces: Mapping[str, Any]) -> None:
    """Small finite spaces are searched whole, each design once, however many are asked for."""
    for name, space in spaces.items():
        size = _size(space)
        if size is None or size > 12:
            continue
        what = f"small spaces, {name}"
        run = _play(make, Brief(space, LOSS, seed=9), _bowl(space), what)
        assert run.view.n_trials == size, f"{what}: {run.view.n_trials} of {size} designs tried"
        fresh = _Watched(make(), Brief(space, LOSS, seed=9), _bowl(space))
        fresh.what = what
        asked = fresh.propose(100)
        assert asked, f"{what}: nothing proposed to an empty record"


def _size(space: Any) -> int | None:
    size = space.size()
    return int(size) if math.isfinite(size) else None


def check_batches(make: Make, spaces: Mapping[str, Any]) -> None:
    """Several proposals at once are distinct and new, with trials running and without."""
    for name, space in spaces.items():
        run = _Watched(make(), Brief(space, LOSS, slots=4, seed=10), _bowl(space))
        run.what = f"batches, {name}"
        for _ in range(4):
            batch = run.propose(5)
            for proposal in batch:
                run.order(proposal)
            run.finish_until(run.view.n_trials - 3)


def check_rungs(make: Make, spaces: Mapping[str, Any]) -> None:
    """Outcomes at several rungs are learned from, and the study repeats."""
    rungs = Rungs((1.0, 3.0, 9.0))
    for name, space in spaces.items():
        what = f"rungs, {name}"
        brief = Brief(space, LOSS, rungs=rungs, slots=2, seed=11)
        runs = [_play(make, brief, _failing(space, 0.1), what, 40) for _ in range(2)]
        _same(_orders(runs[0]), _orders(runs[1]), what)


def check_limits_and_goals(make: Make, spaces: Mapping[str, Any]) -> None:
    """Limits and several goals are survived, and the study repeats."""
    goals, limits = (Goal("value"), Goal("size", "maximise")), (Limit("size", ">=", 0.4),)
    for name, space in spaces.items():
        what = f"limits and goals, {name}"
        bowl = _bowl(space)

        def objective(design: Any, fidelity: float, bowl: Bowl = bowl) -> Mapping[str, float]:
            value = bowl(design, fidelity)
            return {"value": value, "size": math.sin(5 * value)}

        brief = Brief(space, goals, limits, ONE_RUNG, 2, 12)
        runs = [_play(make, brief, objective, what) for _ in range(2)]
        _same(_orders(runs[0]), _orders(runs[1]), what)


def check_purity(make: Make, spaces: Mapping[str, Any]) -> None:
    """Proposing changes nothing, and an old state, folded again, gives the same answers."""
    for name, space in spaces.items():
        run = _play(make, Brief(space, LOSS, seed=13), _bowl(space), f"purity, {name}")
        designer, seen, key = run.designer, run.view.searched, Key.of(13)
        states = [designer.start(run.brief)]
        ends = range(designer.block, len(seen) + 1, designer.block)
        blocks = [seen[end - designer.block : end] for end in ends]
        for i, block in enumerate(blocks):
            states.append(designer.update(states[-1], block, key.child(i)))
        for i in range(0, len(blocks), 4):
            old, new = (designer.propose(s, run.view, 2, key) for s in states[i : i + 2])
            folded = designer.update(states[i], blocks[i], key.child(i))
            again = designer.propose(folded, run.view, 2, key)
            assert again == new, f"purity, {name}: block {i} folded again differs"
            again = designer.propose(states[i], run.view, 2, key)
            assert again == old, f"purity, {name}: proposing twice gives two answers"


def check_bounded_time(make: Make, spaces: Mapping[str, Any]) -> None:
    """Processor time per proposal and per outcome does not grow with the outcomes.

    At 2,000 outcomes it is at most four times that at 200: what grows in proportion takes ten.
    """
    name, space = max(spaces.items(), key=lambda item: len(item[1].encode(item[1].default())))
    run = Simulation(make(), Brief(space, LOSS, seed=14), _bowl(space))
    gc.disable()  # a collection of everything the process holds is not the designer's time
    try:
        before = _seconds_at(run, 200)
        tries = [_seconds_at(run, 2000)]
        # On a busy machine the same work takes several times as long, at worst; only the least of
        # a few tries tells what the designer does.
        while not _bounded(before, tries) and len(tries) < TRIES:
            tries.append(_seconds_at(run, 2000 + 40 * len(tries)))
    finally:
        gc.enable()
    assert _bounded(before, tries), (
        f"bounded time, {name}: at 200 outcomes {_told(before)}; "
        f"at 2,000 {' or '.join(map(_told, tries))}"
    )


def _bounded(before: tuple[float, float], tries: Sequence[tuple[float, float]]) -> bool:
    # 5 ms is what a busy machine may add to a quick designer.
    least = [min(each) for each in zip(*tries, strict=True)]
    return all(after <= 4 * early + 0.005 for early, after in zip(before, least, strict=True))


def _told(seconds: tuple[float, float]) -> str:
    return f"{1e3 * seconds[0]:.1f} ms per outcome, {1e3 * seconds[1]:.1f} ms per proposal"


def _seconds_at(run: Simulation, n: int) -> tuple[float, float]:
    """Processor seconds per outcome and per proposal when the record holds about `n` outcomes."""
    _fill(run, n - 40)
    run.fold()
    start = time.process_time()
    _fill(run, n)
    run.fold()
    middle = time.process_time()
    for i in range(5):
        run.designer.propose(run.state, run.view, 1, Key.of(i))
    return (middle - start) / 40, (time.process_time() - middle) / 5


def _fill(run: Simulation, n: int) -> None:
    """Adds finished trials of drawn designs until there are `n`."""
    for i in range(run.view.n_trials, n):
        candidate = run.brief.space.candidate(run.brief.space.sample(Key.of(14).child(i)))
        trial = run.order(Proposal(candidate, "drawn", by="given"))
        run.add(run.evaluate(trial))


CHECKS: tuple[Callable[[Make, Mapping[str, Any]], None], ...] = (
    check_values,
    check_determinism,
    check_seeds,
    check_replay,
    check_read_rows,
    check_finished,
    check_bad_rows,
    check_small_spaces,
    check_batches,
    check_rungs,
    check_limits_and_goals,
    check_purity,
    check_bounded_time,
)
