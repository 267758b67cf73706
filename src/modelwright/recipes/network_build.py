"""Builds on images and sounds: networks searched, trained, and handed over."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.canonical import canonical
from modelwright.core.errors import InputError
from modelwright.core.problem import Budget, Limit, Problem, Rungs
from modelwright.core.record import Record
from modelwright.core.roles import Designer
from modelwright.core.trial import WATTS_PER_CORE, Candidate
from modelwright.executors import default_slots
from modelwright.policy import RulePolicy
from modelwright.readers.runs import RunFolder
from modelwright.recipes.backbone import check_same, put_beside, read_for
from modelwright.recipes.network_closing import TrainLonger
from modelwright.recipes.network_portfolio import narrow_documents, portfolio
from modelwright.recipes.network_ship import INT8_FOR, ship_network
from modelwright.recipes.plan import BuildPlan, absolute, check_torch, of_tables
from modelwright.recipes.question import Question
from modelwright.recipes.tidy import tidied
from modelwright.stats.proxies import CLOCKED, PROXIES
from modelwright.study import Study

if TYPE_CHECKING:
    from modelwright.data.array_part import ArrayPart, PreparedArrays
    from modelwright.data.collection import Collection
    from modelwright.families.device import Device

EVALUATOR = "modelwright.evaluators.train_network:load"
FINAL_SHARE = 0.5  # of a budget in seconds, for training the best for longer
TOP_SHARE = 0.12  # of it, for one full run of the search
# Both where the whole budget shows every example fewer than so many times: there is nothing to
# choose by, and much to learn. The first known design then gets nearly all of it.
SCARCE, SCARCE_SHARES = 8.0, (0.88, 0.03)
PLENTY = (60.0, 500.0)  # so many times, and there is a second and a third round of final trainings
LEAST_FINAL = 20.0  # seconds of each, if there are several
MACS_A_SECOND = 1.5e10  # of training on one core: 3 times those of an answer (docs/notebook.md)
LESSON_SHARE, LESSON_FROM = 0.1, 300.0  # of it, for a student; below so many seconds for none
LEAST_SECONDS = 3.0  # of the first rung
ETA = 3
EPOCHS, FINAL_EPOCHS = (2.0, 6.0), 18.0  # rungs and final training with a budget in trials
SHIP_SECONDS, SHIP_SHARE = 2.5, 0.15  # kept for writing the model and the report
INT8_SECONDS = 3.0  # and for trying 8 bits


def check(question: Question) -> None:
    """Refuses what goes with tables only, before anything is read."""
    for name in of_tables(question):
        raise InputError(f"--{name} goes with tables; networks learn from examples and labels.")
    _device(question, None)


def plan(
    run: RunFolder,
    question: Question,
    frame: Any,
    budget: Budget,
    policy: RulePolicy,
    slots: int | None,
    began: float,
) -> BuildPlan:
    """Reads and prepares the collection, and makes the study."""
    from modelwright.data.array_part import prepare_arrays

    check_torch()
    backbone = _backbone(question)
    if question.teacher is not None and (budget.seconds or LESSON_FROM) < LESSON_FROM:
        raise InputError(
            f"--teacher needs a budget of {LESSON_FROM:.0f} s or more: students of networks learn "
            f"at its end; got {budget}."
        )
    found, test = _read(question, backbone)
    folder = run.path / "data"
    question = replace(
        question, baseline=absolute(question.baseline), teacher=absolute(question.teacher),
        backbone=absolute(question.backbone),
    )  # fmt: skip
    task: Any = question.task
    prepared = prepare_arrays(found, folder, question.seed, question.sealed, test, task)
    if backbone is not None:
        prepared = put_beside(backbone, prepared, budget)
    _check_yours(question, found, prepared)
    source = {"name": Path(question.data).name, "kind": found.kind}
    return _study_plan(run, question, source, prepared, budget, policy, slots, began)


def plan_again(run: RunFolder, record: Record, began: float) -> BuildPlan:
    """The plan of a run that exists, from its first row and its prepared data."""
    from modelwright.data.array_part import PreparedArrays, load_arrays
    from modelwright.designers import make_designer

    about = record.settings["problem"]["about"]
    dev, sealed = run.path / "data" / "dev", run.path / "data" / "sealed"
    if not dev.exists():
        raise InputError(f"the run {run.name} has lost its data folder; build it again.")
    check_torch()
    prepared = PreparedArrays(
        dev, sealed if sealed.exists() else None, about["n_dev"], about["n_sealed"],
        tuple(about["notes"]), about["data_hash"],
    )  # fmt: skip
    check_same(load_arrays(dev))
    budget = Budget(**record.settings["budget"])
    made = _study_plan(
        run, Question.from_json(about["question"]), about["source"], prepared, budget,
        RulePolicy.from_json(record.settings["policy"]), record.settings["slots"], began,
        record.settings,
    )  # fmt: skip
    designer = make_designer(record.settings["designer"])
    study = replace(made.study, name=record.settings["name"], designer=designer)
    return replace(made, study=study, description=record.settings)


def _study_plan(
    run: RunFolder,
    question: Question,
    source: Mapping[str, Any],
    prepared: PreparedArrays,
    budget: Budget,
    policy: RulePolicy,
    slots: int | None,
    began: float,
    before: Mapping[str, Any] | None = None,
) -> BuildPlan:
    """The study; of a run that goes on, `before` is the first row."""
    from modelwright.data.array_part import load_arrays
    from modelwright.designers import designer_json
    from modelwright.designers.portfolio import Portfolio
    from modelwright.evaluators.network_evidence import metric_of
    from modelwright.families.device import bounds_of
    from modelwright.families.network_design import network_space
    from modelwright.gates import Paired

    part = load_arrays(prepared.dev)
    metric = metric_of(question.metric, part)
    device = _device(question, before)
    limits = _limits(question, device)
    space = network_space(part.kind, part.backbone)
    at_once = slots or default_slots()
    timed = budget.seconds is not None
    bounds = bounds_of(limits, device)
    arguments = {
        "metric": question.metric, "unit": "seconds" if timed else "epochs", "bounds": bounds,
        "watts": question.power_watts or WATTS_PER_CORE, "inherit": question.inherit,
        "coach": question.coach, **({} if device is None else {"device": device.to_json()}),
    }  # fmt: skip
    passes, setup = _passes(part, budget, at_once), time.monotonic() - began
    rungs, kept, final, lesson = _lengths(budget, setup, question, limits, passes, before)
    alone, rounds = _finals(passes, final, before) if timed else (False, 1)
    known, yours = portfolio(space, part, bounds, device), _yours(question, prepared.dev)
    trivial = "Majority" if part.classes else "Mean" if metric.learnt is None else "Quantile"
    study = Study(
        name=run.name,
        problem=Problem("network", (metric.goal,), limits, _about(question, source, prepared, part),
                        question.seed),
        space=space,
        designer=Portfolio(known, _designer(question, timed, part)),
        gate=Paired(), policy=policy, budget=budget, rungs=rungs, slots=at_once, kept_seconds=kept,
        rivals=(Candidate(canonical({"type": trivial})), *(c for _, c in yours)),
        rival_names=("trivial", *(by for by, _ in yours)),
        closing=TrainLonger(final, timed, at_once, kept, prepared.n_sealed, lesson,
                             narrow_documents(space, part, bounds, device) if lesson else (),
                             alone, rounds),
        protocol={"data": prepared.hash, "metric": metric.identity(), "evaluator": EVALUATOR},
        settings={"budget": asdict(budget), "arguments": arguments, "kept_seconds": kept,
                  "final": final, "lesson": lesson, "alone": alone, "rounds": rounds},
    )  # fmt: skip
    description = study.to_json(designer_json(study.designer), policy.to_json())
    return BuildPlan(
        run, study, description, EVALUATOR, arguments, prepared.dev, prepared.notes, began,
        ship_network, tidied,
    )  # fmt: skip


def _finals(passes: float, final: float, before: Mapping[str, Any] | None) -> tuple[bool, int]:
    """Whether one network is trained at the end, alone; else how many rounds of them there are."""
    if before is not None:
        went = before["settings"]
        return bool(went.get("alone", False)), int(went.get("rounds", 1))
    rounds = 1 + sum(passes >= many for many in PLENTY)
    return passes < SCARCE, min(rounds, max(1, int(final / LEAST_FINAL)))


def _designer(question: Question, timed: bool, part: ArrayPart) -> Designer:
    """What proposes once the known good designs have been tried.

    Weights that were learnt before are nothing for measures of drawn ones: with a backbone there
    are none of these.
    """
    from modelwright.designers import make_designer
    from modelwright.designers.inherit import Inherit
    from modelwright.designers.zero_cost import ZeroCost

    measures = tuple(name for name in PROXIES if timed or name not in CLOCKED)
    found = make_designer("map_elites" if question.diverse else "evolution")
    if part.backbone is not None:
        return found
    found = ZeroCost(found, measures)
    return Inherit(found) if question.inherit else found


def _device(question: Question, before: Mapping[str, Any] | None) -> Device | None:
    """The device asked for; of a run that goes on the one of its first row."""
    from modelwright.families.device import Device, read_device

    if before is None:
        return None if question.device is None else read_device(question.device)
    told = before["settings"]["arguments"].get("device")
    return None if told is None else Device.from_json(told)


def _limits(question: Question, device: Device | None) -> tuple[Limit, ...]:
    """What was asked for, and what the device has."""
    from modelwright.models.limits import NETWORK_LIMITED

    limits = tuple(Limit.parse(text, NETWORK_LIMITED) for text in question.limits)
    foreign = any(limit.metric == "foreign_operations" for limit in limits)
    if foreign and (device is None or device.operations is None):
        raise InputError(
            "a limit on foreign_operations needs a --device whose profile has a list of operations."
        )
    return limits if device is None else limits + device.limits


def _passes(part: ArrayPart, budget: Budget, slots: int) -> float:
    """How often the default network would see every example in the whole budget, about."""
    from modelwright.recipes.network_portfolio import default_macs

    each = default_macs(part) / MACS_A_SECOND * len(part.train)
    return (budget.seconds or 0.0) * slots / each


def _lengths(
    budget: Budget,
    setup: float,
    question: Question,
    limits: Sequence[Limit],
    passes: float,
    before: Mapping[str, Any] | None,
) -> tuple[Rungs, float, float, float]:
    """Rungs; seconds kept for shipping; lengths of the final training and of a lesson, if any.

    With a budget in seconds a rung is a time of training: quick networks see more examples in it,
    as they will in the final training. Of a run that goes on they are those of its first row.
    """
    if before is not None:
        settings = before["settings"]
        kept, final, lesson = (float(settings[n]) for n in ("kept_seconds", "final", "lesson"))
        return Rungs.of(before["rungs"]), kept, final, lesson
    if budget.seconds is None:
        return Rungs(EPOCHS, eta=ETA), 0.0, FINAL_EPOCHS, FINAL_EPOCHS * question.student
    seconds = budget.seconds
    int8 = any(limit.metric in INT8_FOR for limit in limits)
    kept = SHIP_SECONDS + 0.3 * setup + (INT8_SECONDS if int8 else 0.0)
    kept = min(kept, SHIP_SHARE * seconds)
    final_share, top_share = SCARCE_SHARES if passes < SCARCE else (FINAL_SHARE, TOP_SHARE)
    taught = question.student and seconds >= LESSON_FROM
    lesson = round(LESSON_SHARE * seconds, 3) if taught else 0.0
    rungs = Rungs.timed(top_share * (seconds - setup), LEAST_SECONDS, ETA)
    return rungs, kept, final_share * (seconds - setup) - lesson, lesson


def _given(question: Question) -> list[tuple[str, str]]:
    """The person's own models, as a rival and as a teacher."""
    both = (("yours", question.baseline), ("teacher", question.teacher))
    return [(by, source) for by, source in both if source is not None]


def _check_yours(question: Question, found: Collection, prepared: PreparedArrays) -> None:
    """Refuses what cannot be read or run; what a file of predictions says is kept with the data."""
    import numpy as np

    from modelwright.data.array_part import load_arrays
    from modelwright.evaluators.network_rival import given_shares, predict_of

    classes = load_arrays(prepared.dev).classes
    for by, source in _given(question):
        if not source.lower().endswith(".csv"):
            predict_of(source)
            continue
        given = given_shares(Path(source), classes, found.names, len(found))
        np.save(prepared.dev / f"{by}.npy", given[prepared.known])


def _yours(question: Question, dev: Path) -> list[tuple[str, Candidate]]:
    out = []
    for by, source in _given(question):
        kept = {"shares": f"{by}.npy"} if (dev / f"{by}.npy").exists() else {}
        out.append((by, Candidate(canonical({"type": "Rival", "source": source, **kept}))))
    return out


def _about(
    question: Question, source: Mapping[str, Any], prepared: PreparedArrays, part: ArrayPart
) -> dict[str, Any]:
    """What the first row keeps of the question and the data, for readers."""
    shape, told = " x ".join(map(str, part.shape)), part.backbone
    return {
        "question": question.to_json(),
        "task": f"{part.kind}, {part.told}",
        "classes": list(part.classes),
        "n_rows": prepared.n_dev + prepared.n_sealed,
        "n_dev": prepared.n_dev,
        "n_sealed": prepared.n_sealed,
        "notes": list(prepared.notes),
        "shape": list(part.shape),
        "headline": f"{prepared.n_dev + prepared.n_sealed} {part.kind} of {shape}, {part.told}",
        "source": dict(source),
        "data_hash": prepared.hash,
        **({} if told is None else {"backbone": {k: told[k] for k in ("name", "hash", "licence")}}),
    }


def _backbone(question: Question) -> dict[str, Any] | None:
    """What the folder of the backbone says, if one is named."""
    from modelwright.data.backbone import read_backbone

    if question.backbone is None:
        return None
    if question.inherit:
        raise InputError("--inherit and --backbone exclude each other: leave one out.")
    return read_backbone(question.backbone)


def _read(
    question: Question, backbone: Mapping[str, Any] | None
) -> tuple[Collection, Collection | None]:
    """The examples, and the test examples where there is a file of their own."""
    from modelwright.data.collection import is_collection, read_collection
    from modelwright.data.texts import read_texts

    path, target = Path(question.data), question.target or None
    given = None if question.test is None else Path(question.test)
    if not is_collection(path) and target is not None:
        if question.group is not None:  # beside such a column the file would be a table
            raise InputError(
                f"--group names a column beside texts and {target!r}; {path.name} has none called "
                f"{question.group!r}."
            )
        found = read_texts(path, target)
        found = found if backbone is None else read_for(backbone, found, question)
        front: Any = found.front
        return found, None if given is None else read_texts(given, target, front)
    found = read_collection(path, target, question.group)
    found = found if backbone is None else read_for(backbone, found, question)
    if given is None:
        return found, None
    test = read_collection(given, target)
    return found, test if test.front == found.front else _as(found.front, test, given, target)


def _as(front: Any, test: Any, path: Path, target: str | None) -> Any:
    """The test examples read as the others were, where their files have another size."""
    from modelwright.data.collection import read_collection

    if not test.names:
        raise InputError(f"the test examples of {path.name} have another shape than the others.")
    return read_collection(path, target, front=front)
