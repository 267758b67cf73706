"""The model card that lies in a shipped model: Markdown with the metadata that public hubs read.

The form is that of Hugging Face's model cards (Mitchell et al. 2019, Model Cards for Model
Reporting): YAML between dashes, then sections. What was not measured is said to be so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelwright.core.record import Record
from modelwright.core.view import Outcome
from modelwright.readers.energy import energy_account, energy_words

UNKNOWN = "not measured"
# By kind of problem and task: what hubs call it.
PIPELINES = {
    "binary": "tabular-classification", "multiclass": "tabular-classification",
    "regression": "tabular-regression", "forecast": "time-series-forecasting",
    "images": "image-classification", "sounds": "audio-classification",
    "texts": "text-classification",
}  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """What the papers of a model are about.

    `card` is the one in model.json. `licences` maps what the model was made of (data, teacher,
    backbone) to its licence, or to `not stated`. `fairness` is what the run measured by group.
    """

    record: Record
    outcome: Outcome
    card: Mapping[str, Any]
    licences: Mapping[str, str] = field(default_factory=dict)
    fairness: Mapping[str, Any] = field(default_factory=dict)

    @property
    def about(self) -> Mapping[str, Any]:
        """What the first row keeps of question and data."""
        about: Mapping[str, Any] = self.record.settings["problem"]["about"]
        return about

    @property
    def target(self) -> str:
        """What is told, in words."""
        return plain(self.about.get("question", {}).get("target") or "the class of an example")

    @property
    def task(self) -> str:
        """The task in one word: binary, regression, images ..."""
        return str(self.about.get("task", "")).split(",")[0]

    @property
    def pipeline(self) -> str:
        """What hubs call the task."""
        return PIPELINES.get(self.task, "other")


def carried_licence(licences: Mapping[str, str]) -> tuple[str, str]:
    """A hub's word for the licence of a model, and it in full.

    >>> carried_licence({"data": "MIT"})
    ('mit', 'MIT')
    >>> carried_licence({"data": "not stated"})[0]
    'unknown'
    """
    stated = sorted({licence for licence in licences.values() if licence != "not stated"})
    if not stated or len(stated) < len({*licences.values()}):
        told = "; ".join(f"{what}: {licence}" for what, licence in sorted(licences.items()))
        return "unknown", told or "not stated"
    known = {"MIT", "Apache-2.0", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0", "CC-BY-SA-4.0"}
    if len(stated) == 1 and stated[0] in known:
        return stated[0].lower(), stated[0]
    return "other", " AND ".join(stated)


def model_card(of: Subject) -> str:
    """The whole card as text."""
    card = of.card
    energy = f"- Search: {energy_words(energy_account(of.record))}."
    scored = f"- Score is of: {card['score_is_of']}."
    parts = [
        _front_matter(of),
        f"# {plain(of.record.settings['name'])}: {of.target}",
        f"A model that tells `{of.target}` ({of.task}), made by {card['made_by']}: "
        f"{card['family'] or 'a network'}, fitted on {card['fitted_on']}.",
        _section("Intended use", _use(of)),
        _section("Data", _data(of)),
        _section("Evaluation", [_scores(of), *_limits(of), scored]),
        _section("Fairness", _fairness(of.fairness)),
        _section("Energy", [energy, _use_energy(of)]),
        _section("Training", _training(of)),
        _section("Who approved", _approved(of)),
        _section("Licences", _licences(of)),
        _section("Proof", [
            "- `modelwright verify FOLDER` checks every file and who signed them.",
            f"- Candidate `{card['candidate']}` of run `{card['run']}`; policy `{card['policy']}`.",
        ]),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def plain(value: Any) -> str:
    """A text as Markdown that is nothing but text: names of columns may hold anything.

    >>> plain("a|b <script>")
    'a\\\\|b &lt;script>'
    """
    text = " ".join(str(value).split()).replace("\\", "\\\\").replace("|", "\\|")
    return text.replace("<", "&lt;").replace("`", "'").replace("](", "] (")


def _front_matter(of: Subject) -> str:
    """YAML written as JSON values, which every YAML reader reads."""
    short, full = carried_licence(of.licences)
    data: dict[str, Any] = {
        "license": short,
        "library_name": "modelwright",
        "pipeline_tag": of.pipeline,
        "tags": ["modelwright", of.record.settings["problem"]["kind"]],
        "metrics": [of.card["metric"]],
        "model-index": [{"name": of.record.settings["name"], "results": [_result(of)]}],
    }
    if short == "other":
        data["license_name"] = full
    lines = [f"{key}: {json.dumps(value, ensure_ascii=True)}" for key, value in data.items()]
    return "\n".join(["---", *lines, "---"])


def _result(of: Subject) -> dict[str, Any]:
    name = str(of.about.get("source", {}).get("name") or "data")
    metric = {"type": of.card["metric"], "value": of.card["score"], "name": "validation"}
    metrics = [metric]
    look = _look(of)
    if look is not None:
        metrics.append({"type": look["metric"], "value": look["score"], "name": "sealed part"})
    return {
        "task": {"type": of.pipeline},
        "dataset": {"name": name, "type": of.record.settings["problem"]["kind"]},
        "metrics": metrics,
    }


def _look(of: Subject) -> Mapping[str, Any] | None:
    chosen = of.card["candidate"]
    return next((x for x in reversed(of.record.looks) if x["candidate"] == chosen), None)


def _section(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(line for line in lines if line)


def _use(of: Subject) -> list[str]:
    limits = [str(limit) for limit in of.record.view.limits]
    rows = "yes" if of.card.get("contains_training_rows") else "no"
    return [
        f"- Purpose: {plain(rights_of(of.record).get('purpose', 'not stated'))}.",
        f"- Made for rows like those of the data below; metric {of.card['metric']}"
        f"{'; limits ' + ', '.join(limits) if limits else ''}.",
        "- Rows unlike them are flagged by `modelwright predict`; use on another population, place "
        "or time was not measured.",
        f"- Holds rows of the training data: {rows}.",
    ]


def rights_of(record: Record) -> dict[str, str]:
    """Licence and purpose of the data, where the policy or the question states them."""
    policy = record.settings.get("policy", {})
    question = record.settings["problem"]["about"].get("question", {})
    nested = policy.get("data") if isinstance(policy.get("data"), Mapping) else {}
    found = {}
    words = {"purpose": ("purpose",), "licence": ("rights", "licence", "license")}
    for word, names in words.items():
        for place in (question, nested, policy):
            stated = next((place[n] for n in names if place.get(n)), None)
            if stated:
                found[word] = ", ".join(stated) if isinstance(stated, list) else str(stated)
                break
    return found


def _data(of: Subject) -> list[str]:
    about, source = of.about, of.about.get("source", {})
    digest = source.get("sha256") or about.get("data_hash", "unknown")
    return [
        f"- {plain(source.get('name', 'data'))}: {about['n_rows']} rows, {about['n_dev']} for "
        f"learning and choosing, {about['n_sealed']} sealed; SHA-256 `{digest}`.",
        "- More is in `datasheet.md`.",
    ]


def _scores(of: Subject) -> str:
    card, look = of.card, _look(of)
    rows = [
        ("validation", card["metric"], card["score"], card["interval"]),
        ("the trivial baseline, validation", card["metric"], card["trivial_baseline"], None),
    ]
    if look is not None:
        rows.append(("sealed part", look["metric"], look["score"], look.get("interval")))
    rows += [("this machine", name, value, None) for name, value in card["measured"].items()]
    lines = ["| measured on | metric | value | 95 % interval |", "|---|---|---|---|"]
    for where, name, value, bounds in rows:
        shown = UNKNOWN if value is None else f"{value:.5g}"
        told = UNKNOWN if bounds is None else f"{bounds[0]:.5g} to {bounds[1]:.5g}"
        lines.append(f"| {where} | {name} | {shown} | {told} |")
    if look is None:
        lines.append(f"| sealed part | {card['metric']} | {UNKNOWN} | {UNKNOWN} |")
    return "\n".join(lines) + "\n"


def _limits(of: Subject) -> list[str]:
    evidence, lines = of.outcome.evidence, []
    for limit in of.record.view.limits:
        score, noise = evidence.scores.get(limit.metric), evidence.noise.get(limit.metric, 0.0)
        if score is None:
            lines.append(f"- Limit {limit}: {UNKNOWN}, which counts as not met.")
            continue
        word = "met" if limit.violation(score, noise) == 0 else "NOT met"
        lines.append(f"- Limit {limit}: {word} ({score:.5g} ± {noise:.2g}).")
    return lines or ["- Limits: none were set."]


def _fairness(found: Mapping[str, Any]) -> list[str]:
    if not found:
        return [f"- {UNKNOWN[0].upper()}{UNKNOWN[1:]}: no protected column was declared."]
    lines = found.get("lines") or found.get("sentences")
    if isinstance(lines, list):
        return [f"- {plain(line)}" for line in lines]
    return ["```json", json.dumps(found, indent=1).replace("`", "'"), "```"]


def _use_energy(of: Subject) -> str:
    joules = of.outcome.evidence.scores.get("energy_joules")
    told = UNKNOWN if joules is None else f"{joules:.4g} J"
    return f"- 1,000 predictions: {told}."


def _training(of: Subject) -> list[str]:
    view, sessions = of.record.view, of.record.sessions
    version = sessions[-1] if sessions else {}
    finished, failed = view.done
    return [
        f"- {finished} trials finished, {failed} failed; chosen after {view.looks} comparisons; "
        f"{view.elapsed:.0f} s; budget {view.budget}.",
        f"- Why this design was tried: {plain(of.card['reason'])}.",
        f"- Seed {of.card['seed']}; modelwright {version.get('version', '?')}, Python "
        f"{version.get('python', '?')}; protocol `{str(version.get('protocol', ''))[:16]}`.",
    ]


def _approved(of: Subject) -> list[str]:
    name = of.record.policy.get("name", "unnamed")
    asked = [
        r for r in of.record.rulings
        if (r["action"], r.get("candidate")) == ("ship", of.card["candidate"])
    ]  # fmt: skip
    if asked and asked[-1]["word"] == "ask":
        return [
            f"- Policy {plain(name)!r} asks a person before this model ships. An approval is of "
            "these very bytes, so it stands in the signature (`modelwright verify`) and in the "
            "record (`modelwright lineage`)."
        ]
    return [f"- No person was asked: policy {plain(name)!r} allows shipping."]


def _licences(of: Subject) -> list[str]:
    carried = carried_licence(of.licences)[1]
    lines = [f"- {plain(what)}: {plain(licence)}" for what, licence in sorted(of.licences.items())]
    return [*lines, f"- The model's, carried from these: {plain(carried)}."]
