"""What a policy adds to a question, and refuses of it, before and after the data is read."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import date
from typing import Any

from modelwright.core.errors import InputError, RefusedError, WaitingError
from modelwright.core.problem import Limit
from modelwright.core.record import Record
from modelwright.core.trial import Action
from modelwright.ledger import Message, open_ledger
from modelwright.ledger.own_key import own_key
from modelwright.policy import RulePolicy, in_force
from modelwright.readers.runs import RunFolder, process_of, record_of, study_of
from modelwright.recipes.memory import LEAST, own_bytes, parse_memory
from modelwright.recipes.placing import append_with
from modelwright.recipes.plan import BuildPlan
from modelwright.recipes.question import Question
from modelwright.study.oversight import change_policy, rule_change
from modelwright.study.permits import Note
from modelwright.study.spending import rule_budget


def priced(policy: RulePolicy, price: str | float | None) -> RulePolicy:
    """The policy with a price of an hour, `0.40` or `0.40 USD`; where it has one that one stands.

    Raises InputError for what is no price, and for another than the policy's.
    """
    if price is None:
        return policy
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]{3})?\s*", str(price))
    if found is None or not float(found.group(1)) > 0:
        raise InputError(f"a price per hour is a number such as 0.40 or '0.40 USD'; got {price!r}.")
    own, told = policy.cost, float(found.group(1))
    currency = (found.group(2) or own.currency).upper()
    if own.per_hour is None:
        return replace(policy, cost=replace(own, per_hour=told, currency=currency))
    if (own.per_hour, own.currency) != (told, currency):
        raise InputError(
            f"policy {policy.name!r} says that an hour costs {own.per_hour:g} {own.currency}; "
            f"leave --price-per-hour out, or change the policy."
        )
    return policy


def asked_under(question: Question, policy: RulePolicy, kind: str) -> Question:
    """The question with the policy's limits, memory and terms.

    Raises RefusedError where something has to be stated of the data and is not.
    """
    missing = policy.data.unstated({"purpose": question.purpose, "rights": question.rights})
    if missing:
        raise RefusedError(
            f"policy {policy.name!r} wants the {' and the '.join(missing)} of the data stated: "
            + " ".join(f'--{name} "..."' for name in missing)
            + "."
        )
    own = {str(Limit.parse(text)) for text in question.limits}
    more = tuple(text for text in policy.limits if text not in own)
    asked = replace(
        question, limits=(*question.limits, *more),
        purpose=question.purpose or policy.data.purpose or None,
        rights=question.rights or policy.data.rights or None,
    )  # fmt: skip
    cap = policy.max_memory_bytes
    if cap is None or kind != "table":
        return asked
    if question.memory is None:
        return replace(asked, memory=f"{cap / 1e6:.0f}MB")
    if parse_memory(question.memory) > cap:
        raise RefusedError(
            f"policy {policy.name!r} caps memory at {cap / 1e9:g} GB; asked for {question.memory}."
        )
    return asked


def checked(plan: BuildPlan, policy: RulePolicy) -> BuildPlan:
    """The plan, its workers within the policy's memory.

    Raises RefusedError where it uses a column that no model may see.
    """
    about = plan.study.problem.about
    names = [column["name"] for column in about.get("columns", ()) if "name" in column]
    dropped = set(about["question"].get("drop", ()))
    found = [name for name in policy.data.forbidden(names) if name not in dropped]
    if found:
        drop = " ".join(f"--drop {name}" for name in found)
        raise RefusedError(
            f"policy {policy.name!r} forbids the use of {', '.join(map(repr, found))}: {drop}."
        )
    cap = policy.max_memory_bytes
    if cap is None:
        return plan
    most = (cap - int(1.1 * own_bytes())) // plan.study.slots
    if most < LEAST // 4:
        raise RefusedError(
            f"policy {policy.name!r} caps memory at {cap / 1e9:g} GB: too little for "
            f"{plan.study.slots} trials at once."
        )
    settings = {**plan.study.settings, "memory_bytes": cap}
    study = replace(plan.study, settings=settings)
    description = {**plan.description, "settings": settings}
    worker = min(most, plan.worker_bytes or most)
    return replace(plan, study=study, description=description, worker_bytes=worker)


def set_policy(run: RunFolder, policy: RulePolicy, by: str) -> str:
    """Puts a run under another policy; what came of it, as a sentence without its end.

    A run that is alive takes it within a tenth of a second. Raises RefusedError or WaitingError
    where the old policy says so.
    """
    body = {"kind": "policy", "policy": policy.to_json(), "by": by}
    with open_ledger(run.ledger_path, create=False) as ledger:
        study = study_of(ledger)
        ledger.post(study, body, own_key())
        if process_of(run, study) is not None:
            return f"told {run.name}; 'modelwright policy show {run.name}' tells what is in force"
        with ledger.writer(study) as writer:
            record = record_of(ledger, study)
            for message in writer.inbox():
                if message.body.get("kind") == "policy":
                    _take(message, record, lambda k, b: append_with(writer, record, [(k, b)]))
    if record.policy == policy.to_json():
        return f"{run.name} is under policy {policy.name!r} from now on"
    if "ignored" in record.messages[-1]:
        raise RefusedError(f"not set: {record.messages[-1]['ignored']}.")
    request = list(record.approvals)[-1].request
    raise WaitingError(f"not set yet: {request.reason}; request {request.id} waits for a person.")


def _take(message: Message, record: Record, note: Note) -> None:
    """A message with a policy, taken while nobody works on the run."""
    old = in_force(record)
    try:
        ruling = rule_change(old, message.body)
        trouble = ruling.reason if ruling.word == "refuse" else ""
    except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
        trouble = f"it cannot be read: {error}"
    note(*message.entry(**({"ignored": trouble} if trouble else {})))
    if not trouble:
        change_policy(old, record, note, message.body)


def gates(plan: BuildPlan, policy: RulePolicy) -> list[dict[str, str]]:
    """What will be asked about or refused in this run, in the order it comes up."""
    study, today = plan.study, {"today": date.today().isoformat()}
    ship = "replace" if study.problem.about["question"].get("baseline") else "ship"
    rulings = {"run": rule_budget(study, policy, study.budget)}
    # Without a document no family is told: families are chosen before the first trial.
    free = replace(policy, families=())
    steps = ("evaluate", "promote", "blend", "student", "refit", "final", "look", "look_again")
    for kind in (*steps, ship):
        rulings[kind] = free.rule(Action(kind, today))
    return [
        {"action": kind, "word": ruling.word, "reason": ruling.reason}
        for kind, ruling in rulings.items() if ruling.word != "allow"
    ]  # fmt: skip


def cost_range(plan: BuildPlan, policy: RulePolicy) -> dict[str, Any]:
    """What the run may take, `[least, most]` each, `None` for what nobody can tell before it ran.

    Seconds: up to the budget; the least is that of a search that stops by itself. Trials of a table
    come from what fits took on the average over families (`data/split.py`), half and twice that.
    Joules are those of every slot busy at the power of a core, at most, and of a fifth of it.
    """
    budget, study = plan.study.budget, plan.study
    seconds, watts = budget.seconds, study.brief.watts * study.slots
    joules = [None, budget.energy_joules]
    if seconds is not None:
        most = min(watts * seconds, budget.energy_joules or math.inf)
        joules = [round(most / 5, 1), round(most, 1)]
    money = None if seconds is None else policy.cost.money(seconds)
    return {
        "seconds": [None, seconds],
        "trials": _trials(plan),
        "joules": joules,
        "money": [None, money],
        "currency": None if policy.cost.per_hour is None else policy.cost.currency,
        "method": f"estimated: {study.slots} slots, {study.brief.watts:g} W for a busy core",
    }


def _trials(plan: BuildPlan) -> list[int | None]:
    """How many trials there is time for; a table's from its size, others' by the budget alone."""
    budget, about = plan.study.budget, plan.study.problem.about
    most = budget.trials
    if budget.seconds is None or plan.study.problem.kind != "table":
        return [most, most] if budget.seconds is None else [None, most]
    from modelwright.data import load_part
    from modelwright.data.split import fits_for

    folds = len(load_part(plan.dev).parts)
    n_classes = len(about["classes"])
    fits = fits_for(about["n_dev"], len(about["columns"]), n_classes, budget.seconds)
    likely = fits / folds
    low, high = max(1, int(likely / 2)), max(1, int(likely * 2))
    return [low if most is None else min(low, most), high if most is None else min(high, most)]
