"""Input that cannot be used: one sentence, exit code 2, nothing on standard output, no run left."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import call, shop

BUY = ("--target", "bought")


def _write(text: str | bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


def _pickle(path: Path) -> None:
    shop(50).to_pickle(path, compression=None)


def _folder(path: Path) -> None:
    path.mkdir()


def _constant(path: Path) -> None:
    shop(50).assign(bought="yes").to_csv(path, index=False)


def _empty_target(path: Path) -> None:
    shop(50).assign(bought=None).to_csv(path, index=False)


FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (lambda path: None, "no file"),
    "empty": (_write(""), "empty"),
    "one class": (_constant, "bought"),
    "all-missing target": (_empty_target, "bought"),
    "duplicate names": (_write("a,a,bought\n" + "1,2,yes\n3,4,no\n" * 30), "'a'"),
    "two rows": (_write("a,bought\n1,yes\n2,no\n"), "2"),
    "a pickle": (_pickle, "pickle"),
    "random bytes": (_write(random.Random(0).randbytes(5000)), ""),
    "a directory": (_folder, "directory"),
}

WORDS = {
    "known columns without a horizon": (
        (*BUY, "--known", "age"),
        "known columns go with a forecast: give --horizon too",
    ),
    "no target": ((), "--target. shop.csv seems to have: price, visits, colour, bought."),
    "wrong target": (("--target", "bougth"), "Did you mean 'bought'?"),
    "bad budget": ((*BUY, "--budget", "soon"), "'soon'"),
    "no budget": ((*BUY, "--budget", "0s"), "positive"),
    "bad limit": ((*BUY, "--limit", "latency<1"), "'latency<1'"),
    "unknown limit": ((*BUY, "--limit", "latency<=1"), "Did you mean 'latency_ms'?"),
    "unknown metric": ((*BUY, "--metric", "acuracy"), "Did you mean 'accuracy'?"),
    "wrong metric": ((*BUY, "--metric", "rmse"), "rmse"),
    "unknown task": ((*BUY, "--task", "regresion"), "Did you mean 'regression'?"),
    "unknown group": ((*BUY, "--group", "shopp"), "'shopp'"),
    "bad seed": ((*BUY, "--seed", "one"), "--seed"),
    "negative seed": ((*BUY, "--seed", "-1"), "-1"),
    "group and time": ((*BUY, "--group", "colour", "--time", "price"), "exclude each other"),
    "test, not sealed": ((*BUY, "--test", "shop.csv", "--no-sealed"), "exclude each other"),
    "no policy": ((*BUY, "--policy", "none.toml"), "'none.toml'"),
    "no baseline": ((*BUY, "--baseline", "none.onnx"), "none.onnx"),
    "no function": ((*BUY, "--baseline", "math:sqrrt"), "Did you mean 'sqrt'?"),
    "wrong baseline": ((*BUY, "--baseline", "short.csv"), "3 rows and the table has 60"),
    "unknown option": ((*BUY, "--bugdet", "3"), "--budget"),
    "bad label": ((*BUY, "--positive", "maybe"), "'maybe'"),
}


def sentence_only(folder: Path, *words: object) -> str:
    answer = call(folder, *words)
    assert answer.code == 2, (words, answer)
    assert answer.out == ""
    (line,) = [line for line in answer.err.splitlines() if not line.startswith("  - ")]
    assert line.startswith("modelwright: ")
    assert "internal error" not in line
    assert not list((folder / "modelwright-runs").glob("*/ledger.sqlite"))
    return line


@pytest.mark.parametrize("case", FILES)
def test_files_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    write, told = FILES[case]
    write(tmp_path / "data.csv")
    line = sentence_only(tmp_path, "build", "data.csv", *BUY, "--budget", "1trials")
    assert told in line


@pytest.mark.parametrize("case", WORDS)
def test_words_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    shop(60).to_csv(tmp_path / "shop.csv", index=False)
    shop(3).bought.to_csv(tmp_path / "short.csv", index=False)
    words, told = WORDS[case]
    extra = () if "--budget" in words else ("--budget", "1trials")
    assert told in sentence_only(tmp_path, "build", "shop.csv", *words, *extra)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data = 'shop.csv'\ntarget = 'bought'\nmetrik = 'auc'", "Did you mean 'metric'?"),
        ("data = 'shop.csv'", "target"),
        ("data = 'shop.csv'\ntarget = 'bought'\n[run]\nbugdet = '5m'", "Did you mean 'budget'?"),
        ("data = ", "not valid TOML"),
        ("data = 'shop.csv'\ntarget = 'bought'\n[costs]\n'yes>maybe' = 1.0", "'yes>maybe'"),
        ("data = 'shop.csv'\ntarget = 'bought'\nconstraint = 'sensitivity>=high'", "sensitivity"),
    ],
)
def test_problem_files_that_cannot_be_used(text: str, told: str, tmp_path: Path) -> None:
    shop(60).to_csv(tmp_path / "shop.csv", index=False)
    (tmp_path / "problem.toml").write_text(text)
    assert told in sentence_only(tmp_path, "build", "problem.toml")


def test_a_policy_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    shop(60).to_csv(tmp_path / "shop.csv", index=False)
    (tmp_path / "policy.toml").write_text("alow = ['run']")
    words = ("build", "shop.csv", *BUY, "--policy", "policy.toml")
    assert "Did you mean 'allow'?" in sentence_only(tmp_path, *words)


def test_commands_about_runs_that_are_not_there(tmp_path: Path) -> None:
    for words in (("status",), ("leaderboard", "x"), ("explain",), ("stop",), ("resume",),
                  ("report", "x"), ("ship",), ("verify",), ("predict", "x", "y.csv")):  # fmt: skip
        assert "no run" in sentence_only(tmp_path, *words)
    assert call(tmp_path, "runs").out.startswith("no runs in modelwright-runs")
    assert "'build'" in sentence_only(tmp_path, "buld")


def test_without_a_command_the_help_is_shown(tmp_path: Path) -> None:
    answer = call(tmp_path)
    assert answer.code == 2
    assert "Commands:" in answer.err
    assert call(tmp_path, "--help").code == 0
    assert call(tmp_path, "--version").out.startswith("modelwright ")


def test_what_the_policy_refuses_is_code_4(tmp_path: Path) -> None:
    shop(60).to_csv(tmp_path / "shop.csv", index=False)
    (tmp_path / "tight.toml").write_text("allow = ['run']\n[budget]\ntrials = 5\n")
    words = ("build", "shop.csv", *BUY, "--policy", "tight.toml", "--workspace", "w4", "--dry-run")
    answer = call(tmp_path, *words, "--budget", "6trials", "--json")
    assert answer.code == 4
    assert "caps trials at 5" in answer.json["ruling"]["reason"]
    (tmp_path / "asks.toml").write_text("allow = []\nask = ['run']\n")
    answer = call(tmp_path, *words[:5], "asks.toml", *words[6:])
    assert answer.code == 5


def test_an_internal_error_is_one_line_and_a_trace_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise RuntimeError("a wire came loose")

    monkeypatch.setattr("modelwright.apps.inspecting.runs", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    answer = call(tmp_path, "runs")
    assert answer.code == 1
    assert answer.err.startswith("modelwright: internal error, RuntimeError: a wire came loose; ")
    assert answer.err.count("\n") == 1
    (trace,) = tmp_path.glob("modelwright-*.trace.txt")
    assert str(trace) in answer.err
    assert "broken" in trace.read_text()
