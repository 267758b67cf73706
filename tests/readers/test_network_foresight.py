"""What a report says of measures taken before training, and of ends foretold from half a curve."""

from __future__ import annotations

import random

from modelwright.core.keys import Key
from modelwright.core.problem import ZERO_COST, Budget, Goal, Rungs
from modelwright.core.record import Record
from modelwright.core.trial import Evidence, Trial, Verdict
from modelwright.core.view import Brief
from modelwright.designers import Random, designer_json
from modelwright.designers.zero_cost import ZeroCost
from modelwright.readers.network_foresight import curve_table, foresight_sections, proxy_table
from modelwright.spaces import Space
from modelwright.testing.zoo import Mixed

SPACE = Space(Mixed)


def record_of(n: int, measured: int) -> Record:
    """`n` designs trained, some measured: `params` tell all, `naswot` the reverse, `macs` none."""
    brief = Brief(SPACE, (Goal("accuracy", "maximise"),), rungs=Rungs((2.0, 6.0)))
    made, rng = Record(brief, Budget(trials=n)), random.Random(0)
    for i in range(n):
        score = 0.5 + 0.4 * i / n
        curve = tuple((t / 4, score - 0.3 * 0.6**t) for t in range(1, 9))
        made.order(Trial(i, SPACE.candidate(SPACE.sample(Key.of(i))), 0, 2.0, 0.3, 1), 1.0)
        made.evidence(Evidence(i, {"accuracy": score}, curve=curve, seconds=10.0), 1.0)
    for i in range(measured):
        number = n + i
        trial = Trial(number, made.view.trial(i).candidate, ZERO_COST, 0.0, 0.0, 1, "zero_cost")
        made.order(trial, 2.0)
        scores = {"params": 10.0 + i, "naswot": -1.0 * i, "macs": rng.random()}
        made.evidence(Evidence(number, scores, seconds=0.1), 2.0)
    return made


def test_each_proxy_has_its_correlation_and_what_became_of_it() -> None:
    found = {row["proxy"]: row for row in proxy_table(record_of(16, 16))}
    assert set(found) == {"params", "macs", "naswot"}
    assert found["params"]["kept"]
    assert found["params"]["rho"] == 1
    assert found["naswot"]["rho"] == -1
    assert "misleads" in found["naswot"]["why"]
    assert found["macs"]["low"] < 0 < found["macs"]["high"]
    assert "not shown" in found["macs"]["why"]
    html = foresight_sections(record_of(16, 16))
    assert "16 networks were measured" in html
    assert "1.0%" in html  # of what training took
    assert "dropped: it misleads here" in html
    # What a clock measured is not used where a run is to repeat.
    repeats = record_of(16, 16)
    inner = designer_json(ZeroCost(Random(), ("naswot",)))
    repeats.settings = {"designer": {"name": "portfolio", "then": inner}}
    found = {row["proxy"]: row for row in proxy_table(repeats)}
    assert not found["params"]["kept"]
    assert "not used" in found["params"]["why"]
    assert "misleads" in found["naswot"]["why"]
    # The report and the designer go by the same judgement.
    view = record_of(16, 16).view
    designer = ZeroCost(Random(), ("params", "macs", "naswot"))
    (proposal,) = designer.propose(designer.start(view.brief), view, 1, Key.of(0))
    assert proposal.role == "zero_cost"


def test_measured_designs_are_no_looks_and_banned_ones_are_not_measured() -> None:
    record = record_of(16, 10)
    record.verdict(Verdict(0, "promote", "first"), 3.0)
    record.verdict(Verdict(20, "hold", "not trained"), 3.0)
    assert record.view.looks == 1
    view, designer = record.view, ZeroCost(Random(), ("params", "macs", "naswot"))
    left = [view.trial(i).candidate.id for i in range(10, 16)]
    view.banned.update(left)
    found = designer.propose(designer.start(view.brief), view, 6, Key.of(0))
    assert not {p.candidate.id for p in found} & set(left)


def test_too_few_are_not_judged_and_none_is_no_section() -> None:
    rows = proxy_table(record_of(9, 4))
    assert all(row["rho"] is None and not row["kept"] for row in rows)
    assert "fewer than 8" in rows[0]["why"]
    assert "before training" not in foresight_sections(record_of(9, 0))


def test_half_a_curve_is_held_against_its_end() -> None:
    (row,) = curve_table(record_of(9, 0))
    assert (row["length"], row["n"]) == ("2 epochs", 9)
    assert row["held"] > 0.5
    assert row["newest"] == 1
    assert row["foretold"] > 0.8
    assert "in the 90% interval" in foresight_sections(record_of(9, 0))
