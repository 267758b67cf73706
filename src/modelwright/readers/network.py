"""The report's sections for a run that searched for a network, from the run's rows alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

from modelwright.core.canonical import canonical
from modelwright.core.record import Record
from modelwright.core.view import Outcome, View
from modelwright.readers.archive import archive_section
from modelwright.readers.design_words import design_difference
from modelwright.readers.network_begun import begun_table
from modelwright.readers.network_boxes import short
from modelwright.readers.network_charts import Dot, curves_picture, pareto_front, size_picture
from modelwright.readers.network_foresight import foresight_sections
from modelwright.readers.network_picture import network_picture
from modelwright.readers.page import bullets, cards, figure, folded, paragraph, section, table
from modelwright.stats import paired_interval
from modelwright.stats.rank_agreement import kendall_tau

MAX_CURVES, MAX_ALTERNATIVES, MAX_CHANGES = 40, 8, 14
MIN_PAIRS = 3  # of candidates in two rungs, below which their order says nothing


def network_sections(record: Record, curves: bool = True) -> str:
    """The sections as HTML; each part whose facts the run does not have is left out.

    Without `curves` those of learning are not drawn: a page has them elsewhere.
    """
    best = shown_network(record.view)
    if best is None:
        return ""
    return "".join(
        (
            _network(record, best),
            _why(record.view, best),
            _curves(record, best) if curves else "",
            _coach(record.view, best),
            _sizes(record.view, best),
            archive_section(record),
            _ranking(record),
            foresight_sections(record),
        )
    )


def shown_network(view: View) -> Outcome | None:
    """The champion, or where it has no drawing the best trial at the full rung that has one."""
    best = None if view.champion is None else view.outcome(view.champion)
    ranked = view.best(view.n_ranked())
    found = [o for o in ([best] if best else []) + ranked if o.evidence.facts.get("drawing")]
    return found[0] if found else None


def _network(record: Record, best: Outcome) -> str:
    facts, scores = best.evidence.facts, best.evidence.scores
    noise, how = best.evidence.noise.get("latency_ms"), facts.get("how", {})
    within = "" if noise is None else f", ± {noise:.2g}"
    within = ", estimated" if how.get("latency_ms", "").startswith("estimated") else within
    energy = how.get("energy_joules", "").partition(" ")[0].strip(":")  # measured, estimated
    told: list[tuple[str, str, Callable[[float], str]]] = [
        ("parameters", "params", lambda v: f"{v:,.0f}"),
        ("multiplications for one", "macs", short),
        (f"ms for one{within}", "latency_ms", lambda v: f"{v:.3g}"),
        ("kB, the file", "size_kb", lambda v: f"{v:,.0f}"),
        ("kB of memory to answer", "peak_memory_kb", lambda v: f"{v:,.0f}"),
        (f"J for 1,000 answers, {energy}", "energy_joules", lambda v: f"{v:.3g}"),
    ]
    known = [(name, write(scores[key])) for name, key, write in told if key in scores]
    lines = [f"Trial {best.trial.number}: {facts['words']}."] if "words" in facts else []
    lines += _training(best)
    caption = (
        "From left to right, row by row. Boxes are operations with the shape of their result and "
        "their number of learned weights; the bar is that number against the largest box. "
        "+ adds, × multiplies channels by weights, & puts channels side by side; /2 halves the "
        "picture. Point at a box for all its figures."
    )
    picture = network_picture(facts["drawing"], facts.get("input_shape", ()))
    body = paragraph(" ".join(lines)) if lines else ""
    body += cards(known) if known else ""
    picture = f'<div class="wide">{figure(picture, caption)}</div>'
    return section("The network", body + picture + begun_table(record, best))


def _training(best: Outcome) -> list[str]:
    """How long it was trained, as a sentence."""
    facts, seconds = best.evidence.facts, best.evidence.scores.get("fit_seconds")
    parts = [f"{facts['epochs']:.4g} epochs"] if "epochs" in facts else []
    parts += [f"{seconds:,.1f} s"] if seconds is not None else []
    parts += [f"{facts['per_second']:,.0f} examples a second"] if "per_second" in facts else []
    told = [f"Its training: {', '.join(parts)}."] if parts else []
    return told + ([_hardware(facts)] if "time" in facts else [])


def _hardware(facts: Mapping[str, Any]) -> str:
    """What the training ran on, where its time went, and whether it was interrupted."""
    threads, device = facts["threads"], str(facts["device"])
    place = f"{threads} thread{'s' * (threads != 1)}" if device == "cpu" else device
    place += " in bfloat16" if facts["narrow"] else ""
    share = {name: f"{part:.1%}" for name, part in facts["time"].items()}
    text = (
        f"It had {place}; of the time {share['loading']} went into reading and changing examples, "
        f"{share['looks']} into looks at validation examples, {share['checkpoints']} into "
        "checkpoints."
    )
    resumed = facts["checkpoints"]["resumed"]
    if resumed:
        text += f" It was interrupted, and went on at step {', '.join(map(str, resumed))}."
    return text


# -- why this one --------------------------------------------------------------------------------


def _why(view: View, best: Outcome) -> str:
    rows = [_against(view, best, other) for other in _alternatives(view, best)]
    if not rows:
        return ""
    metric = view.goals[0].metric
    columns = {
        "other": "trial",
        "words": "shape",
        "score": metric,
        "gain": "worse by",
        "interval": "95 % interval",
        "doubt": "may be chance",
        "params": "weights",
        "latency": "ms for one",
    }
    shown = {k: v for k, v in columns.items() if any(r.get(k) is not None for r in rows)}
    own = _row(view, best) | {"other": f"{best.trial.number}, this one"}
    told = paragraph(
        "Differences are paired on the same parts of the validation examples; intervals are "
        "corrected for the number of comparisons made.", "soft",
    )  # fmt: skip
    return section("Why this shape", table([own, *rows], shown, first=True) + told
                   + _differences(view, best))  # fmt: skip


def _alternatives(view: View, best: Outcome) -> list[Outcome]:
    """What it replaced and what was weighed against it, then the best others of other designs."""
    number = best.trial.number
    own = view.verdicts.get(number)
    direct = [n for n, v in view.verdicts.items() if v.champion == number and n != number]
    if own is not None and own.champion is not None:
        direct.append(own.champion)
    ranked = view.best(view.n_ranked())
    first = [o for o in ranked if o.trial.number in direct]
    seen, out = {_design_text(best)}, []
    for outcome in [*first, *ranked]:
        if outcome is best or _design_text(outcome) in seen:
            continue
        seen.add(_design_text(outcome))
        out.append(outcome)
    return sorted(out[:MAX_ALTERNATIVES], key=lambda o: o.rank)


def _row(view: View, outcome: Outcome) -> dict[str, Any]:
    scores, facts = outcome.evidence.scores, outcome.evidence.facts
    params, latency = scores.get("params"), scores.get("latency_ms")
    return {
        "words": _shape(facts.get("words") or facts.get("family") or ""),
        "score": _rounded(scores[view.goals[0].metric], 4),
        "params": None if params is None else short(params),
        "latency": None if latency is None else _rounded(latency, 3),
    }


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def _shape(words: str) -> str:
    """The words of a design without its weights, which have a column."""
    return re.sub(r", [\d,]+k? weights$", "", words)


def _against(view: View, best: Outcome, other: Outcome) -> dict[str, Any]:
    """One alternative, and how much worse it is than the network shown."""
    bounds = _bounds(view, best, other)
    role = {"final": ", trained longer", "blend": ", an ensemble"}.get(other.trial.role, "")
    role = ", looks at nothing" if other.trial.by == "trivial" else role
    return _row(view, other) | {
        "other": f"{other.trial.number}{role}",
        "gain": _rounded(other.loss - best.loss, 3),
        "interval": f"{bounds[0]:.3g} to {bounds[1]:.3g}" if bounds else "not measured",
        "doubt": ("yes" if bounds[0] <= 0 <= bounds[1] else "no") if bounds else "not measured",
    }


def _bounds(view: View, best: Outcome, other: Outcome) -> tuple[float, float] | None:
    """The interval of the other's loss minus the best's: the gate's, where it compared the two.

    Else as the gate would, on their common parts; None where they have none.
    """
    pair = {best.trial.number, other.trial.number}
    for one, sign in ((best, 1.0), (other, -1.0)):
        verdict = view.verdicts.get(one.trial.number)
        if verdict and {verdict.trial, verdict.champion} == pair and "low" in verdict.numbers:
            low, high = sorted(sign * verdict.numbers[name] for name in ("low", "high"))
            return low, high
    goal = view.goals[0]
    mine, theirs = (
        [goal.loss(x) for x in o.evidence.folds.get(goal.metric, ())] for o in (best, other)
    )
    if len(mine) != len(theirs) or len(mine) < 2:
        return None
    if best.evidence.protocol != other.evidence.protocol:
        return None
    looks = max(1, view.looks)
    found = paired_interval(theirs, mine, looks=looks, overlap=best.overlap)
    return found.low, found.high


def _design(outcome: Outcome) -> Any:
    """The design as plain data; what a final training trains, not how long."""
    document = json.loads(outcome.trial.candidate.document)
    return document["design"] if document.get("type") == "Final" else document


def _design_text(outcome: Outcome) -> str:
    return canonical(_design(outcome))


def _differences(view: View, best: Outcome) -> str:
    """What it has that the runner-up and the first design of the search have not."""
    if best.trial.role == "blend":
        return ""
    design = _design(best)
    tried = [o for o in view.best(view.n_ranked()) if o.trial.role in ("search", "final")]
    others = [o for o in tried if _design_text(o) != canonical(design)][:1]
    named = [("the best of another design", o) for o in others]
    if view.searched and view.searched[0] not in others:
        named.append(("where the search began", view.searched[0]))
    body = ""
    for name, other in named:
        changes = [_readable(text) for text in design_difference(_design(other), design)]
        if len(changes) > MAX_CHANGES:
            changes[MAX_CHANGES:] = [f"and {len(changes) - MAX_CHANGES} more"]
        if changes:
            body += paragraph(f"What changed from trial {other.trial.number}, {name}:")
            body += bullets(changes)
    return body


def _readable(change: str) -> str:
    """`network.stages[1].width 16 -> 24` as `stage 1 width 16 → 24`."""
    text = re.sub(r"(\w+)s\[(\d+)\]\.?", r"\1 \2 ", change.removeprefix("network."))
    return text.replace(" -> ", " → ").replace("  ", " ")


# -- training ------------------------------------------------------------------------------------


def _curves(record: Record, best: Outcome) -> str:
    view = record.view
    ranked = [o for rung in range(view.rungs.top, -1, -1) for o in view.best(MAX_CURVES, rung)]
    others = [o for o in ranked if o is not best and len(o.evidence.curve) > 1]
    own = [best] if len(best.evidence.curve) > 1 else []
    chosen = [*own, *others][:MAX_CURVES]
    if not chosen:
        return ""
    curves = [(f"trial {o.trial.number}", o.evidence.curve) for o in chosen]
    lead = "The network above" if own else f"Trial {chosen[0].trial.number}"
    # An older run asked for classes, whatever its row says.
    what = "accuracy" if record.settings["problem"]["about"].get("classes", True) else "R²"
    caption = (
        f"{what.capitalize()} on validation examples while training. {lead} is the strong line, "
        f"{len(curves) - 1} others are grey; short lines are shorter trainings."
    )
    losses = best.evidence.facts.get("losses") or ()
    told = ""
    if losses:
        words = " → ".join(f"{float(x):.3g}" for x in losses)
        told = paragraph(f"Its mean training loss, stretch by stretch: {words}.", "soft")
    return section("Learning curves", figure(curves_picture(curves, what), caption) + told)


def _coach(view: View, best: Outcome) -> str:
    """What was changed while the network trained, and over all trials how that went."""
    steps = best.evidence.facts.get("coach")
    every = [o.evidence.facts["coach"] for o in view.finished if "coach" in o.evidence.facts]
    if steps is None and not every:
        return ""
    body = ""
    if steps:
        body = table(
            [{k: _plain(v) for k, v in step.items()} for step in steps],
            {"at": "at epoch", "trigger": "what was seen", "evidence": "evidence",
             "action": "what was done", "before": "before", "after": "after",
             "verdict": "verdict"},
        )  # fmt: skip
    elif steps is not None:
        body = paragraph("While this network trained, nothing had to be done.")
    bad = best.evidence.facts.get("bad_batches")
    if bad:
        body += paragraph(f"{bad} batches had no finite loss and were left out.")
    return section("What the coach did", body + _coach_summary(every, view.done[0]))


def _plain(value: Any) -> Any:
    """A mapping as words; a table takes numbers and texts."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items())
    return f"{value:.4g}" if isinstance(value, float) else value


def _coach_summary(every: Sequence[Sequence[Mapping[str, Any]]], n_trials: int) -> str:
    words = ("helped", "neutral", "hurt", "not judged")
    found = [str(step.get("verdict", "not judged")) for steps in every for step in steps]
    if not found:
        return ""
    told = ", ".join(f"{found.count(word)} {word}" for word in words if word in found)
    trials = sum(bool(steps) for steps in every)
    many = "intervention" if len(found) == 1 else "interventions"
    return paragraph(
        f"Over all {n_trials} trials: {len(found)} {many} in {trials} of them; {told}."
    )


# -- the search ----------------------------------------------------------------------------------


def _sizes(view: View, best: Outcome) -> str:
    goal = view.goals[0]
    found = [
        o
        for o in view.best(view.n_ranked())
        if o.trial.by != "trivial" and o.evidence.scores.get("params", 0) >= 1
    ]
    front = pareto_front([o.evidence.scores["params"] for o in found], [o.loss for o in found])
    dots = [
        Dot(f"trial {o.trial.number}", o.evidence.scores["params"],
            o.evidence.scores[goal.metric], ahead, o is best)
        for o, ahead in zip(found, front, strict=True)
    ]  # fmt: skip
    picture = size_picture(dots, goal.metric, goal.direction == "maximise")
    longer = any(o.trial.role in ("final", "blend") for o in found)
    caption = (
        f"Each network at the full length of training by its weights, on a logarithmic axis, and "
        f"its {goal.metric}. The ringed one is shown above; the dashed line joins the "
        f"{sum(front)} that no other beats in both."
        f"{' Final trainings, which are longer, and ensembles are among them.' if longer else ''}"
    )
    rows = [
        {"trial": o.trial.number, "words": _shape(o.evidence.facts.get("words", "")),
         "params": f"{o.evidence.scores['params']:,.0f}", "score": o.evidence.scores[goal.metric],
         "latency": o.evidence.scores.get("latency_ms")}
        for o, ahead in sorted(zip(found, front, strict=True),
                               key=lambda p: p[0].evidence.scores["params"])
        if ahead
    ]  # fmt: skip
    columns = {"trial": "trial", "words": "shape", "params": "weights", "score": goal.metric,
               "latency": "ms for one"}  # fmt: skip
    more = folded("The networks on the front", table(rows, columns)) if picture else ""
    return section("Size against score", figure(picture, caption) + more)


def rung_agreement(record: Record) -> list[dict[str, Any]]:
    """For each two lengths of training: how alike they order the candidates that had both.

    `tau` is Kendall's, None with fewer than three candidates; `n` is how many there were. A final
    training counts as the longest length.
    """
    view = record.view
    unit = record.settings.get("settings", {}).get("arguments", {}).get("unit", "epochs")
    losses: dict[int, dict[str, float]] = {}
    for outcome in view.finished:
        if outcome.ok and outcome.trial.role in ("search", "final"):
            final = outcome.trial.role == "final"
            level = view.rungs.top + 1 if final else outcome.trial.rung
            losses.setdefault(level, {}).setdefault(_design_text(outcome), outcome.loss)
    names = [f"{x:.3g} {unit}" for x in view.rungs.fidelities] + ["final training"]
    out = []
    for low, high in combinations(sorted(losses), 2):
        both = [text for text in losses[low] if text in losses[high]]
        tau = None
        if len(both) >= MIN_PAIRS:
            tau = kendall_tau([losses[low][t] for t in both], [losses[high][t] for t in both])
        out.append({"low": names[low], "high": names[high], "n": len(both), "tau": tau})
    return out


def _ranking(record: Record) -> str:
    found = rung_agreement(record)
    if not found:
        return ""
    taus = ("not measured" if row["tau"] is None else f"{row['tau']:.2f}" for row in found)
    rows = [row | {"tau": tau} for row, tau in zip(found, taus, strict=True)]
    columns = {"low": "after", "high": "against", "n": "with both", "tau": "Kendall's tau"}
    told = paragraph(
        "How far a short training puts networks in the order that a longer one does: 1 the same "
        "order, 0 none. Only those that went on have both, the better ones, which are harder to "
        "tell apart; fewer than three are not measured.", "soft",
    )  # fmt: skip
    return section("How well short trainings ranked the networks", table(rows, columns) + told)
