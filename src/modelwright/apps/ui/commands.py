"""The command line that does the same as a click: shown beside every form of the page."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from modelwright.policy.reading import EXAMPLES
from modelwright.recipes.question import Question

# Fields of a question whose flag has another name, or says the opposite.
FLAGS = {"limits": "limit", "sealed": "no-sealed", "student": "no-student"}
WORDS = ("approve", "reject", "ask", "answer", "pin", "ban", "prefer")


def command(*words: str) -> str:
    """Words as one line that a shell takes back.

    >>> command("reject", "my run", "--reason", "too few rows")
    "modelwright reject 'my run' --reason 'too few rows'"
    """
    return shlex.join(["modelwright", *words])


def word_command(word: str, run: str, about: str = "") -> str:
    """The command for a person's word on a run, a request or a candidate.

    >>> word_command("approve", "churn", "2d6f2fa6")
    "modelwright approve churn 2d6f2fa6 --reason 'your reason'"
    """
    if word == "read":
        return command("policy", "unread", run, "--read")
    if word in ("stop", "pause", "resume"):
        return command(word, run)
    return command(word, run, *([about] if about else []), "--reason", "your reason")


def build_command(
    question: Mapping[str, Any], budget: str = "", policy: str = "", data: str = ""
) -> str:
    """`modelwright build` for a question, as `Question.to_json` gives it; flags at their default
    are left out. `data` names the file, where the stored path says too much."""
    plain = Question("", "").to_json()
    words = ["build", data or str(question.get("data", ""))]
    if question.get("target"):
        words += ["--target", str(question["target"])]
    for name, default in plain.items():
        value = question.get(name, default)
        if name not in ("data", "target") and value != default:
            words += _flag(name, value)
    words += ["--budget", budget.replace(" ", "")] if budget else []
    if policy and policy != "laptop":
        words += ["--policy", policy if policy in EXAMPLES else f"{policy}.toml"]
    return command(*words)


def _flag(name: str, value: Any) -> list[str]:
    flag = "--" + FLAGS.get(name, name.replace("_", "-"))
    if isinstance(value, bool):
        return [flag]
    if isinstance(value, Mapping):  # costs have no flag; they are written in problem.toml
        return []
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [word for one in value for word in (flag, str(one))]
    return [flag, str(value)]
