"""The command line: what is asked goes in, an exit code and plain words (or JSON) come out.

Exit codes: 0 a valid model was written; 1 internal error; 2 usage or unusable input; 3 ended
without a model that meets the limits; 4 refused by policy; 5 waiting for approval; 130 stopped.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from modelwright.core.errors import ModelwrightError

app = typer.Typer(
    name="modelwright",
    help="Designs, trains, selects and documents models within limits and a budget.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RUN_HELP = "A run's name or folder; the newest when left out."
Run = Annotated[str | None, typer.Argument(help=RUN_HELP)]
Workspace = Annotated[str, typer.Option(help="The folder that holds the runs.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
DEFAULT = "modelwright-runs"


@app.command()
def build(
    file: Annotated[str, typer.Argument(help="CSV, gz, Parquet, Excel, or a problem.toml.")],
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    task: Annotated[str | None, typer.Option(help="binary, multiclass or regression.")] = None,
    metric: Annotated[str | None, typer.Option(help="A metric, or module:function.")] = None,
    positive: Annotated[str | None, typer.Option(help="The label that counts as positive.")] = None,
    budget: Annotated[str | None, typer.Option(help="60s, 5m, 200trials (default 5m).")] = None,
    limit: Annotated[
        list[str] | None, typer.Option(help='A hard limit, such as "latency_ms<=1".')
    ] = None,
    test: Annotated[str | None, typer.Option(help="A test file, instead of sealed rows.")] = None,
    sealed: Annotated[
        bool, typer.Option("--sealed/--no-sealed", help="Keep rows aside for one last look.")
    ] = True,
    group: Annotated[str | None, typer.Option(help="Rows of one group stay together.")] = None,
    time: Annotated[str | None, typer.Option(help="Split by this column's order.")] = None,
    weight: Annotated[str | None, typer.Option(help="A column of row weights.")] = None,
    drop: Annotated[list[str] | None, typer.Option(help="A column to leave out.")] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="Your present model: .onnx, predictions .csv, module:function."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed of everything random.")] = 0,
    policy: Annotated[str | None, typer.Option(help="A policy.toml.")] = None,
    name: Annotated[str | None, typer.Option(help="The run's name.")] = None,
    workspace: Workspace = DEFAULT,
    as_json: AsJson = False,
    dry_run: Annotated[bool, typer.Option(help="Show the plan; spend nothing.")] = False,
) -> None:
    """Builds a model for a table: searches, checks, ships the best within the budget."""
    from modelwright.apps import building
    from modelwright.recipes.question import Question, read_question

    settings: dict[str, Any] = {}
    if file.endswith(".toml"):
        question, settings = read_question(file)
    else:
        question = Question(
            data=file, target=building.target_given(file, target), task=task, metric=metric,
            positive=positive, limits=tuple(limit or ()), test=test, sealed=sealed, group=group,
            time=time, weight=weight, drop=tuple(drop or ()), baseline=baseline, seed=seed,
        )  # fmt: skip
    code = building.build(
        question,
        budget=budget or settings.get("budget") or "5m",
        policy=policy or settings.get("policy"),
        name=name or settings.get("name"),
        workspace=settings.get("workspace", workspace) if workspace == DEFAULT else workspace,
        as_json=as_json,
        dry_run=dry_run,
    )
    raise typer.Exit(code)


@app.command()
def demo(
    budget: Annotated[str, typer.Option(help="60s, 5m, 200trials.")] = "60s",
    data: Annotated[str, typer.Option(help="breast_cancer, diabetes, wine or iris.")] = (
        "breast_cancer"
    ),
    workspace: Workspace = DEFAULT,
) -> None:
    """Runs the main job on real data bundled with scikit-learn."""
    from modelwright.apps import building

    raise typer.Exit(building.demo(data, budget, workspace))


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="A model folder, or a run's name.")],
    file: Annotated[str, typer.Argument(help="The rows: CSV, gz, Parquet or Excel.")],
    out: Annotated[str | None, typer.Option("--out", "-o", help="Where to write (CSV).")] = None,
    abstain: Annotated[
        bool, typer.Option("--abstain", help="Leave doubtful rows to a person.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with code 2 when any row is flagged.")
    ] = False,
    workspace: Workspace = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Predicts the rows of a file; unusual rows are flagged, never silently guessed."""
    from modelwright.apps import using

    raise typer.Exit(using.predict(model, file, out, abstain, strict, workspace, as_json))


@app.command()
def status(run: Run = None, workspace: Workspace = DEFAULT, as_json: AsJson = False) -> None:
    """Where a run is: trials, best so far, budget left, why it ended."""
    from modelwright.apps import inspecting

    raise typer.Exit(inspecting.status(run, workspace, as_json))


@app.command()
def runs(workspace: Workspace = DEFAULT, as_json: AsJson = False) -> None:
    """Lists the runs of a workspace, newest first."""
    from modelwright.apps import inspecting

    raise typer.Exit(inspecting.runs(workspace, as_json))


@app.command()
def leaderboard(
    run: Run = None,
    top: Annotated[int, typer.Option(help="How many rows to print; 0 for all.")] = 20,
    workspace: Workspace = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """The candidates of a run, best first."""
    from modelwright.apps import inspecting

    raise typer.Exit(inspecting.show_leaderboard(run, top, workspace, as_json))


@app.command()
def explain(
    run: Run = None,
    candidate: Annotated[str | None, typer.Argument(help="A candidate's id or trial.")] = None,
    workspace: Workspace = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Why: the run in words, or one candidate's origin, score and verdict."""
    from modelwright.apps import inspecting

    raise typer.Exit(inspecting.explain(run, candidate, workspace, as_json))


@app.command()
def report(run: Run = None, workspace: Workspace = DEFAULT, as_json: AsJson = False) -> None:
    """Writes the run's report again and says where it is."""
    from modelwright.apps import inspecting

    raise typer.Exit(inspecting.report(run, workspace, as_json))


@app.command()
def stop(run: Run = None, workspace: Workspace = DEFAULT) -> None:
    """Stops a running run within two seconds; it keeps the best model so far."""
    from modelwright.apps import steering

    raise typer.Exit(steering.post_word("stop", run, workspace))


@app.command()
def pause(run: Run = None, workspace: Workspace = DEFAULT) -> None:
    """Pauses a running run; 'modelwright resume' goes on exactly where it was."""
    from modelwright.apps import steering

    raise typer.Exit(steering.post_word("pause", run, workspace))


@app.command()
def resume(
    run: Run = None,
    add_budget: Annotated[str | None, typer.Option(help="More budget: 5m, 100trials.")] = None,
    workspace: Workspace = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Goes on with a run that was paused, stopped, killed, or is to get more budget."""
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
def verify(
    what: Annotated[str | None, typer.Argument(help="A run, or a model's folder.")] = None,
    head: Annotated[str | None, typer.Option(help="A signed head kept elsewhere.")] = None,
    export_head: Annotated[str | None, typer.Option(help="Write the signed head here.")] = None,
    workspace: Workspace = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Checks a run's chain of rows, or a model's files, for changes."""
    from modelwright.apps import verifying

    raise typer.Exit(verifying.verify(what, head, export_head, workspace, as_json))


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
        app()
    except ModelwrightError as error:
        print(f"modelwright: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        print("modelwright: stopped by the user.", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise SystemExit(0) from None


if __name__ == "__main__":
    main()
