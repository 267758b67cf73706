"""The command line: what is asked goes in, an exit code and plain words (or JSON) come out.

Exit codes: 0 a valid model was written; 1 internal error; 2 usage or unusable input; 3 ended
without a model that meets the limits; 4 refused by policy; 5 waiting for approval; 130 stopped.
"""

from __future__ import annotations

import os
import sys
import time as clock
from pathlib import Path
from typing import Annotated

import typer

from modelwright.apps import (
    auditing,
    deciding,
    fairness,
    looking,
    policies,
    steering,
    tracing,
    ui,
)
from modelwright.apps.complaints import UsageError, complain, internal_sentence, usage_sentence
from modelwright.apps.options import DEFAULT, AsJson, Run, Workspace
from modelwright.core.errors import ModelwrightError

app = typer.Typer(
    name="modelwright",
    help="Designs, trains, selects and documents models within limits and a budget.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def build(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="CSV, gz, Parquet, Excel, or a problem.toml.")
    ],
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    task: Annotated[str | None, typer.Option(help="binary, multiclass or regression.")] = None,
    metric: Annotated[str | None, typer.Option(help="A metric, or module:function.")] = None,
    positive: Annotated[str | None, typer.Option(help="The label that counts as positive.")] = None,
    budget: Annotated[str | None, typer.Option(help="60s, 5m, 200trials (default 5m).")] = None,
    limit: Annotated[
        list[str] | None, typer.Option(help='A hard limit, such as "latency_ms<=1".')
    ] = None,
    behave: Annotated[
        list[str] | None, typer.Option(help='How it must behave, such as "flip_rate<=0.02".')
    ] = None,
    invariant: Annotated[list[str] | None, typer.Option(help="May not change the answer.")] = None,
    monotone: Annotated[list[str] | None, typer.Option(help="age:+ (only rises with it).")] = None,
    protect: Annotated[
        list[str] | None, typer.Option(help="Compare its groups of people: sex, or age:25,60.")
    ] = None,
    protect_as_input: Annotated[
        bool | None, typer.Option("--protect-as-input", help="Models may look at these columns.")
    ] = None,
    group_thresholds: Annotated[
        bool | None, typer.Option("--group-thresholds", help="Thresholds per group may be tried.")
    ] = None,
    test: Annotated[str | None, typer.Option(help="A test file, instead of sealed rows.")] = None,
    sealed: Annotated[
        bool | None,
        typer.Option("--sealed/--no-sealed", help="Keep rows aside for one last look (default)."),
    ] = None,
    group: Annotated[str | None, typer.Option(help="Rows of one group stay together.")] = None,
    time: Annotated[str | None, typer.Option(help="Split by this column's order.")] = None,
    weight: Annotated[str | None, typer.Option(help="A column of row weights.")] = None,
    horizon: Annotated[
        int | None, typer.Option(help="Forecast so many steps along --time.")
    ] = None,
    series: Annotated[
        str | None, typer.Option(help="Names the series; without --horizon each has one answer.")
    ] = None,
    known: Annotated[
        list[str] | None, typer.Option(help="A column whose future a forecast may know.")
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(help="A column to leave out.")] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="Your present model: .onnx, predictions .csv, module:function."),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="A model of yours that small ones learn from, named as a baseline."),
    ] = None,
    student: Annotated[
        bool | None,
        typer.Option("--student/--no-student", help="Teach small models at the end (default)."),
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="A ceiling for all processes together: 4GB.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="table, network or series; else told by the data.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="What a network is for: raspberry_pi_4, or a profile.json.")
    ] = None,
    diverse: Annotated[
        bool | None, typer.Option("--diverse", help="Search for the best network of each size.")
    ] = None,
    power_watts: Annotated[
        float | None, typer.Option(help="Of one busy core, where energy is not counted (10).")
    ] = None,
    inherit: Annotated[
        bool | None,
        typer.Option("--inherit/--no-inherit", help="Networks begin with their parent's weights."),
    ] = None,
    coach: Annotated[
        str | None, typer.Option(help="Of last trainings: rules, guard, learned, population.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="A local folder with a pretrained backbone (safetensors).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The seed of everything random (0).")] = None,
    policy: Annotated[
        str | None, typer.Option(help="A policy.toml, or laptop (default), team, regulated.")
    ] = None,
    purpose: Annotated[str | None, typer.Option(help="What the data may be used for.")] = None,
    rights: Annotated[str | None, typer.Option(help="The data's licence or agreement.")] = None,
    price_per_hour: Annotated[
        str | None, typer.Option(help='What this machine costs: 0.40 or "0.40 USD".')
    ] = None,
    name: Annotated[str | None, typer.Option(help="The run's name.")] = None,
    workspace: Annotated[
        str | None, typer.Option(help=f"The folder that holds the runs ({DEFAULT}).")
    ] = None,
    as_json: AsJson = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; spend nothing.")] = (
        False
    ),
) -> None:
    """Builds a model for a table and ships the best."""
    began = clock.monotonic()  # what is imported below is charged to the budget
    from modelwright.apps import building

    asked = {
        "target": target, "task": task, "metric": metric, "positive": positive, "test": test,
        "limits": [*(limit or []), *(behave or [])] or None, "invariant": invariant,
        "monotone": monotone, "sealed": sealed, "group": group, "time": time, "weight": weight,
        "drop": drop, "baseline": baseline, "teacher": teacher, "student": student,
        "memory": memory, "kind": kind, "seed": seed, "horizon": horizon, "series": series,
        "known": known,
        "device": device, "power_watts": power_watts, "diverse": diverse, "inherit": inherit,
        "coach": coach, "backbone": backbone, "protect": protect,
        "protect_as_input": protect_as_input, "group_thresholds": group_thresholds,
        "purpose": purpose, "rights": rights,
    }  # fmt: skip
    wanted = {"budget": budget, "policy": policy, "name": name, "workspace": workspace,
              "price_per_hour": price_per_hour}  # fmt: skip
    question, settings = building.question_from(file, asked, wanted)
    raise typer.Exit(building.build(question, settings, began, as_json, dry_run))


@app.command()
def demo(
    budget: Annotated[str, typer.Option(help="60s, 5m, 200trials.")] = "60s",
    data: Annotated[str, typer.Option(help="breast_cancer, diabetes, wine or iris.")] = (
        "breast_cancer"
    ),
    workspace: Workspace = DEFAULT,
) -> None:
    """Builds a model on real data that comes with scikit-learn."""
    from modelwright.apps import building

    raise typer.Exit(building.demo(data, budget, workspace))


@app.command()
def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model folder, or a run's name.")],
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="The rows; a forecast needs none to go on."),
    ] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", help="Where to write (CSV).")] = None,
    abstain: Annotated[
        bool, typer.Option("--abstain", help="Leave doubtful rows to a person.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with code 2 when any row is flagged.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Add what each column adds to the answer.")
    ] = False,
    coverage: Annotated[
        float | None, typer.Option(help="Add intervals or sets that hold so many rows: 0.9.")
    ] = None,
    confidence: Annotated[
        str | None, typer.Option(help="How sure an answer has to be, 0 to 1, or auto; abstains.")
    ] = None,
    workspace: Workspace = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Predicts the rows of a file; unusual rows are flagged."""
    from modelwright.apps import using

    code = using.predict(
        model, file, out, abstain, strict, workspace, as_json, explain, coverage, confidence
    )
    raise typer.Exit(code)


@app.command()
def question(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="CSV, gz, Parquet, Excel, or a problem.toml.")
    ],
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    metric: Annotated[str | None, typer.Option(help="A metric, or module:function.")] = None,
    positive: Annotated[str | None, typer.Option(help="The label that counts as positive.")] = None,
    group: Annotated[str | None, typer.Option(help="Rows of one group stay together.")] = None,
    time: Annotated[str | None, typer.Option(help="Split by this column's order.")] = None,
    drop: Annotated[list[str] | None, typer.Option(help="A column to leave out.")] = None,
    protect: Annotated[
        list[str] | None, typer.Option(help="A column that answers shall not depend on.")
    ] = None,
    budget: Annotated[str, typer.Option(help="60s, 5m, 200trials.")] = "5m",
    out: Annotated[str | None, typer.Option("--out", "-o", help="Write a page (HTML).")] = None,
    as_json: AsJson = False,
) -> None:
    """Questions the question before money is spent: metric, leaks, splits, proxies, budget."""
    from modelwright.apps import questioning

    asked = {"target": target, "metric": metric, "positive": positive, "group": group,
             "time": time, "drop": drop}  # fmt: skip
    raise typer.Exit(questioning.question(file, asked, budget, protect or [], out, as_json))


for _verb in (*looking.VERBS, steering.stop, steering.pause, steering.coach, *deciding.VERBS):
    app.command()(_verb)
app.add_typer(deciding.keys, name="keys")


@app.command()
def resume(
    run: Run = None,
    add_budget: Annotated[str | None, typer.Option(help="More budget: 5m, 100trials.")] = None,
    workspace: Workspace = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Goes on with a run that ended, or was killed."""
    from modelwright.apps import building

    raise typer.Exit(building.resume(run, add_budget, workspace, as_json))


@app.command()
def ship(
    run: Run = None,
    candidate: Annotated[
        str | None, typer.Option(help="A candidate of the leaderboard; the champion if left out.")
    ] = None,
    out: Annotated[str | None, typer.Option(help="Where to write the model's folder.")] = None,
    workspace: Workspace = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Writes the model of a chosen candidate."""
    from modelwright.apps import using

    raise typer.Exit(using.ship(run, candidate, out, workspace, as_json))


@app.command()
def serve(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model folder, or a run's name.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.")] = 8000,
    abstain: Annotated[
        str | None, typer.Option(help="Leave doubtful rows to a person: a confidence, or auto.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse requests with a flagged row.")
    ] = False,
    workspace: Workspace = DEFAULT,
) -> None:
    """Answers rows over HTTP: POST /predict, GET /health, GET /schema."""
    from modelwright.apps import serving

    raise typer.Exit(serving.serve(model, host, port, abstain, strict, workspace))


@app.command()
def verify(
    what: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run, or a model's folder.")
    ] = None,
    head: Annotated[str | None, typer.Option(help="A signed head kept elsewhere.")] = None,
    export_head: Annotated[str | None, typer.Option(help="Write the signed head here.")] = None,
    signer: Annotated[
        str | None, typer.Option(help="The public key that must have signed.")
    ] = None,
    workspace: Workspace = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Checks a run's rows, or a model's files and who signed them."""
    from modelwright.apps import verifying

    raise typer.Exit(verifying.verify(what, head, export_head, workspace, as_json, signer))


_more = (tracing.lineage, tracing.recall, auditing.export, auditing.audit, fairness.fairness, ui.ui)
for _trace in _more:
    app.command()(_trace)


app.add_typer(policies.app, name="policy", help="Policies: check, show, set; read promotions.")


def _version(value: bool) -> None:
    if value:
        from modelwright import __version__

        typer.echo(f"modelwright {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Runs the command line; the only place where an error becomes a sentence and a code."""
    sys.path.insert(0, str(Path.cwd()))  # so that metric module:function finds the user's file
    try:
        code = app(prog_name="modelwright", standalone_mode=False) or 0
        sys.stdout.flush()
    except ModelwrightError as error:
        code = complain(str(error), error.exit_code)
    except UsageError as error:
        print(usage_sentence(error), file=sys.stderr)
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        code = complain("stopped by the user.", 130)
    except BrokenPipeError:  # `modelwright leaderboard | head`: nobody reads on, and that is fine
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:  # a mistake of ours: one line for the user, the trace for the report
        code = complain(internal_sentence(error), 1)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
