"""The report's sections on a searched network: what they say, from real networks' operations."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import pytest

from modelwright.core.canonical import canonical
from modelwright.core.problem import Goal, Problem
from modelwright.core.record import Record
from modelwright.core.trial import Candidate, Evidence, Trial
from modelwright.designers import designer_json, make_designer
from modelwright.designers.map_elites import MapElites
from modelwright.evaluators.network_evidence import drawing
from modelwright.families.image_net import (
    Attention,
    Block,
    Cell,
    Conv,
    Depthwise,
    Double,
    ImageNet,
    Node,
    Stage,
    Style,
)
from modelwright.families.net_ops import Ops, side_by_side
from modelwright.families.network_design import NetworkDesign
from modelwright.gates import Paired
from modelwright.policy import LAPTOP
from modelwright.readers.archive import archive_section
from modelwright.readers.design_words import design_difference
from modelwright.readers.network import network_sections, rung_agreement
from modelwright.readers.network_boxes import boxes_of, members_of
from modelwright.readers.network_charts import Dot, curves_picture, pareto_front, size_picture
from modelwright.readers.network_layout import laid_out, units_of, width_of
from modelwright.readers.network_picture import network_picture
from modelwright.spaces import Space
from modelwright.stats.rank_agreement import kendall_tau

SPACE = Space(NetworkDesign)
CELL = Cell((Node("conv3", 0), Node("depthwise3", 0), Node("max", 1), Node("skip", 0)))
CHAIN = Cell((Node("conv3", 0), Node("depthwise3", 1), Node("conv1", 2), Node("mean", 3)))
TWICE = Cell((Node("skip", 0), Node("skip", 0)))
PLAIN = ImageNet(
    (Stage(16, (Double(),), "none"), Stage(32, (Double(),), "stride"), Stage(64, (Double(),))),
    stem=16,
    first="full",
    pooling="mean",
)
NETS = {
    "default": ImageNet(),
    "residual": PLAIN,
    "mobile": ImageNet(
        (Stage(16, (Depthwise(squeeze=True), Attention(4))), Stage(48, (CELL,))),
        stem=16,
        pooling="both",
        dropout=0.1,
        style=Style("group", "hard_swish"),
    ),
    "free": ImageNet((Stage(24, (CELL, CHAIN, TWICE), "stride", False), Stage(24, (TWICE,)))),
    "deep": ImageNet(
        (
            Stage(16, (Depthwise(),) * 4, "none"),
            Stage(32, (Double(),) * 4, "stride"),
            Stage(64, (Attention(), Attention(), CELL, Conv())),
            Stage(96, (CHAIN, Conv(5), Double(5), CELL)),
        ),
        stem=16,
    ),
}


def ops_of(name: str) -> Ops:
    return NETS[name].ops((3, 32, 32), 10)


def words_in(picture: str) -> list[str]:
    texts = ElementTree.fromstring(picture).iter("text")
    return [text.text or "" for text in texts]


# -- boxes and places ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_boxes_hold_every_operation_once_and_all_weights(name: str) -> None:
    ops = ops_of(name)
    boxes = boxes_of(drawing(ops), ops.input_shape)
    assert [n for box in boxes for n in box.names].count("stem.conv") == 1
    assert sorted(n for box in boxes for n in box.names) == sorted(op.name for op in ops.steps)
    assert sum(box.weights for box in boxes) == ops.weights
    assert sum(box.macs for box in boxes) == ops.macs
    assert all(-1 <= i < number for number, box in enumerate(boxes) for i in box.inputs)
    used = {i for box in boxes for i in box.inputs}
    assert used >= set(range(-1, len(boxes) - 1))  # nothing hangs loose


def test_a_residual_network_is_told_as_people_draw_it() -> None:
    ops = ops_of("residual")
    boxes = boxes_of(drawing(ops), ops.input_shape)
    assert (boxes[0].title, boxes[0].under) == ("3×3 conv 16", "batch norm, relu")
    titles = [b.title for b in boxes if b.panel == "stage1"]
    assert titles == ["3×3 conv 32 /2", "3×3 conv 32", "3×3 conv 32", "+"]
    titles = [b.title for b in boxes if b.panel == "stage2"]
    assert titles == ["2×2 max pool", "3×3 conv 64", "3×3 conv 64", "1×1 conv 64", "+"]
    assert [(b.title, b.panel) for b in boxes[-2:]] == [("mean", "head"), ("linear 10", "head")]
    merge = next(b for b in boxes if b.merge)
    assert (merge.title, merge.under, len(merge.inputs)) == ("+", "relu", 2)


def test_drawings_without_details_still_have_boxes() -> None:
    ops = ops_of("mobile")
    plain = [step[:6] for step in drawing(ops)]
    titles = [box.title for box in boxes_of(plain, ops.input_shape)]
    assert "conv 16" in titles
    assert ElementTree.fromstring(network_picture(plain, ops.input_shape)) is not None


def test_channel_weights_and_attention_are_one_box_each() -> None:
    boxes = boxes_of(drawing(ops_of("mobile")), (3, 32, 32))
    squeeze = next(b for b in boxes if b.title == "channel weights")
    assert squeeze.under == "mean → 8 → 32"
    attention = next(b for b in boxes if b.title == "attention")
    assert "4 heads" in attention.under
    assert "group norm" in attention.under


@pytest.mark.parametrize("name", NETS)
def test_boxes_do_not_overlap_and_lines_around_keep_clear(name: str) -> None:
    ops = ops_of(name)
    for unit in units_of(boxes_of(drawing(ops), ops.input_shape), 860):
        assert unit.width <= 860
        spots = [
            (x, y, width_of(b), 24.0 if b.merge else 52.0)
            for b, x, y in zip(unit.boxes, unit.x[1:], unit.y[1:], strict=True)
        ]
        for i, (x, y, w, h) in enumerate(spots):
            assert unit.top <= y - h / 2
            assert y + h / 2 <= unit.bottom
            for u, v, wide, high in spots[:i]:
                assert (
                    abs(x + w / 2 - u - wide / 2) >= (w + wide) / 2 or abs(y - v) >= (h + high) / 2
                )
        for link in unit.links:
            if link.level is None or link.times > 1:
                continue
            start, stop = unit.x[link.source], unit.x[link.target]
            for x, y, w, h in spots:
                if start < x and x + w < stop and unit.boxes[link.source - 1 : link.source]:
                    assert abs(link.level - y) > h / 2 or x <= start + 128


def test_what_is_too_wide_to_be_one_unit_is_not_counted_as_one() -> None:
    steps: list[list[Any]] = []
    for block in range(2):
        for i in range(12):  # each block is wider than a row
            name = f"stage0.{block}.{i}.conv"
            steps.append(["conv", name, [len(steps) - 1], [8, 8, 8], 9, 9, {"kernel": 3}])
    units = units_of(boxes_of(steps, (8, 8, 8)), 860)
    assert sum(len(unit.boxes) * unit.repeats for unit in units) == 24
    assert {unit.repeats for unit in units} == {1}


def test_a_line_drawn_twice_is_known() -> None:
    ops = Ops((4, 8, 8))
    x = ops.conv(-1, 4, 3, name="stem")
    ops.add(x, x, name="stage0.0.sum")
    unit = laid_out(boxes_of(drawing(ops), (4, 8, 8)), 0)
    assert [link.times for link in unit.links if link.target == 2] == [2]


def test_blocks_that_are_alike_are_drawn_once_with_their_number() -> None:
    picture = network_picture(drawing(ops_of("deep")), (3, 32, 32))
    texts = words_in(picture)
    assert texts.count("4 times, one after the other") == 2
    assert texts.count("3×3 depthwise") == 1


# -- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_a_picture_names_its_parts_and_is_well_formed(name: str) -> None:
    ops = ops_of(name)
    picture = network_picture(drawing(ops), ops.input_shape)
    root = ElementTree.fromstring(picture)
    title = root.findtext("title")
    assert root.get("role") == "img"
    assert title is not None
    assert f"{ops.weights:,} weights" in title
    texts = words_in(picture)
    stages = [f"stage {i + 1}" for i in range(len(NETS[name].stages))]
    assert [t for t in texts if t in ("stem", "head", *stages)] == ["stem", *stages, "head"]
    _, _, wide, _ = map(float, str(root.get("viewBox")).split())
    assert wide <= 906
    assert all(0 <= float(rect.get("x", 0)) <= wide for rect in root.iter("rect"))


def test_an_ensemble_shows_each_shape_once() -> None:
    ops = side_by_side([ops_of("default"), ops_of("free"), ops_of("default")])
    steps = drawing(ops)
    assert len(members_of(steps)) == 3
    texts = words_in(network_picture(steps, (3, 32, 32)))
    assert "networks 1, 3 of 3, of one shape" in texts
    assert "network 2 of 3" in texts
    assert "answer: the mean of the shares of 3 networks" in texts


def test_sounds_and_networks_without_named_parts_are_drawn() -> None:
    ops = Ops((1, 400))
    x = ops.act(ops.conv(-1, 8, 9, stride=4), "relu")
    for _ in range(30):  # a chain far wider than the page: it is wrapped
        x = ops.act(ops.conv(x, 8, 3), "silu")
    ops.linear(ops.mean(x), 4)
    root = ElementTree.fromstring(network_picture(drawing(ops), ops.input_shape))
    assert float(str(root.get("viewBox")).split()[2]) <= 906
    assert "9 conv 8 /4" in words_in(network_picture(drawing(ops), ops.input_shape))


def test_no_operations_no_picture() -> None:
    assert network_picture([], (1, 8, 8)) == ""


def test_names_cannot_leave_the_picture() -> None:
    steps = [["conv", "<script>.conv", [-1], [4, 8, 8], 36, 9, {"kernel": "<b>"}]]
    picture = network_picture(steps, (1, 8, 8))
    assert "<script>" not in picture
    assert "<b>" not in picture


def test_curves_are_cut_at_the_bottom_and_the_winner_is_last_drawn() -> None:
    good = ("best", [(1.0, 0.5), (2.0, 0.8), (3.0, 0.9), (4.0, 0.92)])
    poor = ("poor", [(1.0, 0.1), (2.0, 0.12), (3.0, 0.7)])
    fair = [(f"fair {i}", [(1.0, 0.6), (2.0, 0.85)]) for i in range(4)]
    root = ElementTree.fromstring(curves_picture([good, poor, *fair], "accuracy"))
    curves = [p for p in root.iter("path") if p.find("title") is not None]
    assert curves[-1].get("class") == "accent"
    assert "best: 0.92" in str(curves[-1].findtext("title"))
    for path in curves:
        points = str(path.get("d")).replace("M", "L").split("L")[1:]
        assert all(float(p.split()[1]) <= 226.01 for p in points)
    assert curves_picture([("one", [(1.0, 0.5)])], "accuracy") == ""


def test_the_front_has_what_nothing_beats_in_both() -> None:
    sizes, losses = [100, 200, 300, 300, 50], [0.3, 0.2, 0.2, 0.1, 0.9]
    assert pareto_front(sizes, losses) == [True, True, False, True, True]
    dots = [Dot(str(i), s, 1 - x, True) for i, (s, x) in enumerate(zip(sizes, losses, strict=True))]
    root = ElementTree.fromstring(size_picture(dots, "accuracy", True))
    assert len(list(root.iter("circle"))) == 5
    assert size_picture(dots[:1], "accuracy", True) == ""


def test_rank_agreement_is_kendalls() -> None:
    from scipy.stats import kendalltau

    a, b = [1.0, 2.0, 2.0, 4.0, 5.0], [2.0, 1.0, 3.0, 3.0, 9.0]
    found = kendall_tau(a, b)
    assert found is not None
    assert math.isclose(found, kendalltau(a, b).statistic)
    assert kendall_tau([1, 1], [1, 2]) is None


def test_differences_of_documents_say_what_the_space_says() -> None:
    a = NetworkDesign(PLAIN)
    b = NetworkDesign(ImageNet((Stage(24, (Double(), CELL), "max", False),), stem=16, dropout=0.25))
    plain = design_difference(SPACE.root.plain(a), SPACE.root.plain(b))
    assert "network.dropout 0 -> 0.25" in plain
    assert "network.stages[1].width 16 -> 24" in plain
    assert "network.stages[1].skip yes -> no" in plain
    assert any(x.startswith("network.stages[3] (") and "left out" in x for x in plain)
    assert design_difference(SPACE.root.plain(a), SPACE.root.plain(a)) == []


# -- sections ------------------------------------------------------------------------------------


def evidence_of(number: int, design: NetworkDesign, score: float, epochs: float) -> Evidence:
    ops = design.network.ops((1, 28, 28), 10)
    folds = {"accuracy": tuple(score + 0.003 * ((i * 7 + number) % 5 - 2) for i in range(10))}
    scores = {
        "accuracy": score, "params": float(ops.weights), "macs": float(ops.macs),
        "latency_ms": ops.macs / 4e6, "size_kb": ops.weights / 250, "fit_seconds": 3.0 * epochs,
    }  # fmt: skip
    curve = tuple(
        (epochs * i / 8, score - 0.5 * math.exp(-0.9 * i) + 0.004 * ((i * number) % 3 - 1))
        for i in range(1, 9)
    )
    facts: dict[str, Any] = {
        "family": "NetworkDesign", "words": f"{design.network.words()}, {ops.weights:,} weights",
        "drawing": drawing(ops), "input_shape": [1, 28, 28], "losses": [2.1, 1.2, 0.7, 0.4],
        "epochs": epochs, "steps": 400, "bad_batches": 0, "per_second": 1234.5, "coach": [],
        "overlap": 0.0,
    }  # fmt: skip
    return Evidence(number, scores, folds, {"latency_ms": 0.05}, curve, facts=facts)


def blocks_of(number: int) -> tuple[Block, ...]:
    kinds: Sequence[Block] = (Double(), Depthwise(squeeze=True), Conv(5), CELL, Attention())
    return tuple(kinds[(number + i) % len(kinds)] for i in range(1 + number % 2))


def network_record(n: int = 12, coach: Sequence[Any] = (), drawn: bool = True) -> Record:
    """A search over `n` networks at two rungs; the last at the full rung is the best."""
    problem = Problem("network", (Goal("accuracy", "maximise"),), (), {"question": {}})
    budget = {"seconds": None, "trials": 2 * n, "full_runs": None, "bytes": None}
    first: dict[str, Any] = {
        "name": "run", "problem": problem.to_json(), "designer": {"name": "random"}, "slots": 1,
        "rungs": {"fidelities": [2.0, 6.0], "costs": [0.3, 1.0], "eta": 3.0}, "budget": budget,
        "policy": LAPTOP.to_json(), "settings": {"arguments": {"unit": "epochs"}}, "at": 0.0,
    }  # fmt: skip
    made, gate = Record.open(first), Paired()
    made.absorb("study", first)
    designs = [
        NetworkDesign(ImageNet((Stage(8 + 4 * i, blocks_of(i), "stride"),
                                Stage(16 + 8 * i, blocks_of(i + 1))))) for i in range(n)
    ]  # fmt: skip
    designs[0] = NetworkDesign()
    orders = [(i, 0) for i in range(n)] + [(i, 1) for i in range(n // 2, n)]
    for number, (i, rung) in enumerate(orders):
        candidate = Candidate(SPACE.dump(designs[i]))
        made.order(Trial(number, candidate, rung, (2.0, 6.0)[rung], (0.3, 1.0)[rung], 1), 1.0)
        score = 0.70 + 0.2 * (i + 1) / n + 0.04 * rung
        evidence = evidence_of(number, designs[i], score, (2.0, 6.0)[rung])
        if number == len(orders) - 1:
            evidence.facts["coach"].extend(coach)
        if not drawn:
            del evidence.facts["drawing"]  # type: ignore[attr-defined]
        outcome = made.evidence(evidence, 2.0)
        champion = made.view.champion
        best = None if champion is None else made.view.outcome(champion)
        made.verdict(gate.judge(outcome, best, made.view), 2.0)
    return made


def test_an_archive_shows_the_best_of_each_cell_where_one_was_asked_for() -> None:
    record = network_record()
    assert archive_section(record) == ""
    wrapped = {"name": "zero_cost", "then": designer_json(make_designer("map_elites"))}
    record.settings["designer"] = wrapped  # type: ignore[index]
    text = archive_section(record)
    cells: dict[Any, float] = {}
    for outcome in record.view.finished:  # in a cell the full rung goes before the first
        place = MapElites().cell(outcome.evidence.scores)
        rank = outcome.trial.rung + outcome.evidence.scores["accuracy"]
        cells[place] = max(rank, cells.get(place, 0.0))
    assert f"{len(cells)} cells of params and macs" in text
    shown = [float(x) for x in re.findall(r"<td[^>]*>(0\.\d+)</td>", text)]
    assert shown == pytest.approx([cells[c] % 1 for c in sorted(cells)], abs=1e-3)


STEP = {
    "at": 2.5, "trigger": "the loss rose", "action": "rate halved", "evidence": "0.41 to 0.62",
    "before": 0.62, "after": 0.4, "verdict": "helped",
}  # fmt: skip


def test_all_sections_tell_what_the_rows_hold() -> None:
    record = network_record(coach=[STEP])
    text = network_sections(record)
    ElementTree.fromstring(f"<page>{text}</page>".replace("&nbsp;", " "))
    for title in (
        "The network",
        "Why this shape",
        "Learning curves",
        "What the coach did",
        "Size against score",
        "How well short trainings ranked the networks",
    ):
        assert f"<h2>{title}</h2>" in text
    best = record.view.outcome(record.view.champion or 0)
    assert best is not None
    assert f"{best.evidence.scores['params']:,.0f}" in text
    assert "rate halved" in text
    assert "Over all 18 trials: 1 intervention in 1 of them; 1 helped." in text
    assert "where the search began" in text
    assert "stage 1 width" in text


def test_the_gates_interval_is_the_one_shown() -> None:
    record = network_record()
    number = record.view.champion
    assert number is not None
    verdict = record.view.verdicts[number]
    text = network_sections(record)
    assert f"{verdict.numbers['low']:.3g} to {verdict.numbers['high']:.3g}" in text
    assert f"<td>{verdict.champion}</td>" in text


def test_short_trainings_that_order_alike_agree() -> None:
    (row,) = rung_agreement(network_record())
    assert (row["low"], row["high"], row["n"]) == ("2 epochs", "6 epochs", 6)
    assert row["tau"] == pytest.approx(1.0)
    (few,) = rung_agreement(network_record(4))
    assert (few["n"], few["tau"]) == (2, None)
    assert "not measured" in network_sections(network_record(4))


def test_a_final_training_is_the_longest_rung() -> None:
    record = network_record()
    best = record.view.best()[0]
    design = SPACE.root.plain(SPACE.load(best.trial.candidate.document))
    document = canonical({"type": "Final", "length": 18.0, "design": design})
    record.order(Trial(18, Candidate(document), 1, 6.0, 1.0, 1, "final", "closing"), 3.0)
    record.evidence(evidence_of(18, SPACE.load(best.trial.candidate.document), 0.97, 18.0), 4.0)
    found = {(row["low"], row["high"]): row["n"] for row in rung_agreement(record)}
    assert found[("6 epochs", "final training")] == 1


def test_nothing_done_is_said_and_missing_facts_are_left_out() -> None:
    assert "nothing had to be done" in network_sections(network_record())
    assert network_sections(network_record(drawn=False)) == ""
    bare = network_record(4)
    for outcome in bare.view.finished:
        for name in ("coach", "losses", "words", "per_second"):
            del outcome.evidence.facts[name]  # type: ignore[attr-defined]
    text = network_sections(bare)
    assert "What the coach did" not in text
    assert "<h2>The network</h2>" in text
    assert "None" not in text
