"""Students of networks: every way of teaching, thinning, and the person's own models."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save

torch = pytest.importorskip("torch")

from modelwright.core.canonical import canonical  # noqa: E402
from modelwright.core.errors import InputError  # noqa: E402
from modelwright.core.trial import Candidate, Evidence, Trial  # noqa: E402
from modelwright.data.array_part import load_arrays, prepare_arrays  # noqa: E402
from modelwright.data.collection import read_collection  # noqa: E402
from modelwright.evaluators.keep import keep_array  # noqa: E402
from modelwright.evaluators.network_evidence import scored  # noqa: E402
from modelwright.evaluators.network_rival import (  # noqa: E402
    as_shares,
    given_shares,
    predict_of,
)
from modelwright.evaluators.network_student import WAYS  # noqa: E402
from modelwright.evaluators.train_network import load, ops_of  # noqa: E402
from modelwright.executors import FileStore, ToolBox  # noqa: E402
from modelwright.families.image_net import (  # noqa: E402
    Depthwise,
    Double,
    ImageNet,
    Stage,
    Style,
)
from modelwright.families.net_onnx_ops import onnx_of  # noqa: E402
from modelwright.families.net_ops import side_by_side  # noqa: E402
from modelwright.families.net_thin import thinned, thinned_weights  # noqa: E402
from modelwright.families.network_design import NetworkDesign, network_space  # noqa: E402
from modelwright.models.metrics import METRICS  # noqa: E402
from modelwright.training.guide import Guide  # noqa: E402
from modelwright.training.lessons import Lessons  # noqa: E402
from modelwright.training.recipe import AdamW, Augment, Recipe  # noqa: E402
from modelwright.training.torch_net import TorchNet  # noqa: E402
from modelwright.training.trainer import Trainer  # noqa: E402

SMALL = ImageNet((Stage(8, (Double(),), "stride"),), 8, "full", pooling="mean")
RICH = ImageNet(
    (Stage(8, (Depthwise(squeeze=True),), "none"), Stage(12, (Double(), Depthwise(3, 1)), "max")),
    8, "full", Style("batch", "hard_swish"),
)  # fmt: skip


def moved_bars(x: np.ndarray) -> list[str]:
    """A person's model: answers with labels."""
    pixels = np.asarray(x, float)[:, 0]
    lying = pixels.mean(axis=2).max(axis=1) > pixels.mean(axis=1).max(axis=1)
    return ["lying" if one else "standing" for one in lying]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> ToolBox:
    folder = tmp_path_factory.mktemp("bars")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 120, (160, 8, 8))
    for i in range(len(x)):
        at = int(rng.integers(0, 8))
        x[(i, at) if i % 2 == 0 else (i, slice(None), at)] += 120
    names = np.array(["lying", "standing"])
    np.savez(folder / "bars.npz", x=x.astype(np.uint8), y=np.arange(160) % 2, class_names=names)
    dev = prepare_arrays(read_collection(folder / "bars.npz"), folder / "data").dev
    return ToolBox(dev, FileStore(folder / "store"))


def run(document: dict[str, Any], tools: ToolBox, by: str = "") -> Evidence:
    trial = Trial(3, Candidate(json.dumps(document)), 0, 1.0, 1.0, 1, by=by)
    *_, evidence = load().evaluate(trial, tools)
    assert isinstance(evidence, Evidence)
    assert evidence.failure is None
    return evidence


def design() -> dict[str, Any]:
    recipe = Recipe(AdamW(0.01), batch=32, augment=Augment(shift=0.125, mix=0.2))
    found: dict[str, Any] = json.loads(network_space("images").dump(NetworkDesign(SMALL, recipe)))
    return found


@pytest.fixture(scope="module")
def teacher(tools: ToolBox) -> dict[str, Any]:
    document = {"type": "Final", "design": design(), "length": 12.0}
    evidence = run(document, tools)
    members = [
        {"trial": i, "document": json.dumps(document), "fit_seconds": 1.0, **evidence.artefacts}
        for i in range(2)
    ]
    blend = {"type": "Blend", "members": members}
    found = run(blend, tools)
    return {"trial": 3, "candidate": "", "document": json.dumps(blend),
            "folds": list(found.folds["accuracy"]), **found.artefacts}  # fmt: skip


def test_in_every_way_a_student_follows_its_teacher(
    tools: ToolBox, teacher: dict[str, Any]
) -> None:
    """A teacher that says the contrary of the labels is followed, and not by the control."""
    state = load_file(tools.store.path(teacher["model"]))
    heads = [name for name in state if state[name].shape[:2] == (1, 2)]
    assert len(heads) == 4  # weights and biases of the two networks that vote
    model = save({**state, **{name: -state[name] for name in heads}})
    swapped = np.load(tools.store.path(teacher["shares"]))[:, ::-1]
    contrary = {**teacher, "model": tools.store.put(model, ".safetensors"),
                "shares": keep_array(swapped, tools.store)}  # fmt: skip

    def equal(teach: bool, **more: Any) -> float:
        document = {"type": "Student", "design": design(), "length": 5.0, "teach": teach,
                    "teacher": contrary, **more}  # fmt: skip
        found = run(document, tools).facts["student"]
        assert found["way"] == more.get("way", "")
        return float(found["fidelity"]["equal answers"])

    assert equal(False) < 0.3
    assert {way for way in WAYS if equal(True, way=way) > 0.7} == set(WAYS)


def test_a_student_that_goes_on_asks_its_teacher_no_second_time(
    tools: ToolBox, teacher: dict[str, Any]
) -> None:
    state = load_file(tools.store.path(teacher["model"]))
    model = tools.store.put(save(state, {"copy": "1"}), ".safetensors")
    document = {"type": "Student", "design": design(), "length": 2.0, "teach": True,
                "teacher": {**teacher, "model": model}}  # fmt: skip
    trial = Trial(5, Candidate(json.dumps(document)), 0, 1.0, 1.0, 1)
    stream = load(keep_seconds=0.0).evaluate(trial, tools)
    while not (tools.scratch / "5.safetensors").exists():
        next(stream)
    del stream
    tools.store.remove(model)  # there is nobody to ask
    *_, found = load().evaluate(trial, tools)
    assert isinstance(found, Evidence)
    assert found.facts["checkpoints"]["resumed"]
    assert found.facts["checkpoints"]["written"] >= 1  # before it was interrupted
    expected = run({**document, "teacher": teacher}, tools)
    assert found.scores["log_loss"] == expected.scores["log_loss"]


def test_a_thinned_teacher_begins_better_than_nothing_and_is_smaller(
    tools: ToolBox, teacher: dict[str, Any]
) -> None:
    one = json.loads(teacher["document"])["members"][0]
    thin = {"document": one["document"], "model": one["model"], "keep": 0.5}
    document = {"type": "Student", "design": design(), "length": 1.0, "teach": True,
                "teacher": teacher, "way": "same pictures", "thin": thin}  # fmt: skip
    begun, fresh = run(document, tools), run({**document, "thin": thin, "length": 0.01}, tools)
    part = load_arrays(tools.data)
    whole = ops_of(one["document"], part)
    assert begun.scores["params"] == thinned(whole, 0.5).weights < 0.4 * whole.weights
    assert begun.scores["macs"] < 0.4 * whole.macs
    assert begun.scores["log_loss"] < fresh.scores["log_loss"]


def test_channels_that_do_nothing_go_and_the_answers_stay() -> None:
    ops = RICH.ops((1, 8, 8), 3)
    torch.manual_seed(0)
    net = TorchNet(ops).eval()
    widths = {n: op.shape[0] for n, op in enumerate(ops.steps)}
    with torch.no_grad():
        for name, value in net.state_dict().items():
            number = int(name.split(".")[1])
            op, half = ops.steps[number], widths[number] // 2
            if op.kind in ("conv", "norm") and not name.endswith(("mean", "var")):
                value[half:] = 0
            elif op.kind == "linear" and number < len(ops.steps) - 1:
                value[:, half:] = 0
    small = thinned(ops, 0.5)
    weights = thinned_weights(ops, {k: v.numpy() for k, v in net.state_dict().items()}, 0.5)
    other = TorchNet(small).eval()
    other.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in weights.items()})
    x = torch.randn(5, 1, 8, 8)
    assert torch.allclose(net(x), other(x), atol=1e-5)
    assert small.weights < 0.5 * ops.weights
    assert small.macs < 0.5 * ops.macs


def test_a_guided_training_goes_on_exactly_and_its_maps_come_nearer() -> None:
    rng = np.random.default_rng(0)
    one = np.ones(1, np.float32)
    x = rng.integers(0, 255, (128, 1, 8, 8)).astype(np.uint8)
    lessons = Lessons(x, np.arange(128) % 3, 3, np.float32(127) * one, one / np.float32(74))

    def trainer() -> Trainer:
        torch.manual_seed(1)
        ops = side_by_side([RICH.ops((1, 8, 8), 3)] * 2)
        guide = Guide(TorchNet(ops), SMALL.ops((1, 8, 8), 3), ("hints", "attention"))
        return Trainer(TorchNet(SMALL.ops((1, 8, 8), 3)), [Recipe(AdamW(0.01))], lessons, 18,
                       seed=5, guide=guide)  # fmt: skip

    def apart(one: Trainer) -> float:
        assert one.guide is not None
        batch = lessons.batch(np.arange(128), one.device)
        one.net.eval()
        with torch.no_grad():
            _, maps = one.net.watch(batch, one.guide.watched)
            return float(one.guide.apart(maps, one.guide.shares(batch)[1]).mean())

    whole, first, second = trainer(), trainer(), trainer()
    before = apart(whole)
    whole.run(18)
    first.run(7)
    second.load(first.state())
    second.run(11)
    assert apart(whole) < 0.9 * before
    for name, value in whole.net.state_dict().items():
        assert torch.equal(value, second.net.state_dict()[name]), name


def test_models_of_the_person_teach(tools: ToolBox, tmp_path: Path) -> None:
    part = load_arrays(tools.data)
    answers = np.eye(2, dtype=np.float32)[[int(a == "standing") for a in moved_bars(part.inputs)]]
    np.save(tools.data / "teacher.npy", answers)
    ops = SMALL.ops(part.shape, 2)
    state = {k: v.numpy() for k, v in TorchNet(ops).state_dict().items()}
    (tmp_path / "mine.onnx").write_bytes(onnx_of(ops, state, [0.0], [1.0]))
    function = {"type": "Rival", "source": f"{__name__}:moved_bars"}
    told = {
        "mine.onnx": run({"type": "Rival", "source": str(tmp_path / "mine.onnx")}, tools),
        "function": run(function, tools, "teacher"),
        "file": run({"type": "Rival", "source": "a.csv", "shares": "teacher.npy"}, tools),
    }
    assert "told" not in told["file"].artefacts  # a rival teaches nobody
    late = run(function, replace(tools, deadline=time.monotonic()), "teacher")
    assert np.isnan(np.load(tools.store.path(late.artefacts["told"]))).all()
    assert late.scores["accuracy"] == told["function"].scores["accuracy"]
    assert told["function"].scores["accuracy"] == told["file"].scores["accuracy"] > 0.9
    assert {"latency_ms", "size_kb"} <= set(told["mine.onnx"].scores)
    teacher = {"trial": 1, "folds": [1.0] * 10, **told["function"].artefacts}
    document = {"type": "Student", "design": design(), "length": 3.0, "teach": True,
                "teacher": teacher}  # fmt: skip
    assert run(document, tools).facts["student"]["fidelity"]["equal answers"] > 0.6


def test_one_column_is_the_share_of_the_second_class_and_no_logit() -> None:
    shares = as_shares(np.array([[0.25], [1.0]], np.float32), ("a", "b"), 2)
    assert shares.tolist() == [[0.75, 0.25], [0.0, 1.0]]
    with pytest.raises(InputError, match=r"shares between 0 and 1; got '2.5'"):
        as_shares(np.array([[2.5], [-3.0]], np.float32), ("a", "b"), 2)


def test_tenths_of_one_class_have_means_alone() -> None:
    y = np.arange(60) % 2
    shares = np.random.default_rng(0).dirichlet((1, 1), 60)
    for rare, names in (
        (y, {"roc_auc", "accuracy", "log_loss"}),
        (y * (np.arange(60) < 9), {"accuracy", "log_loss"}),
    ):
        scores, folds = scored(METRICS["roc_auc"], rare, shares)
        assert set(scores) == {"roc_auc", "accuracy", "log_loss"}
        assert set(folds) == names


def test_a_network_that_answers_no_numbers_is_a_failed_trial_and_a_row(
    tools: ToolBox, teacher: dict[str, Any]
) -> None:
    blend = json.loads(teacher["document"])
    for member in blend["members"]:
        state = load_file(tools.store.path(member["model"]))
        member["model"] = tools.store.put(save({k: v * np.nan for k, v in state.items()}))
        member["shares"] = keep_array(np.load(tools.store.path(member["shares"])) * np.nan,
                                      tools.store)  # fmt: skip
    with np.errstate(invalid="ignore"):
        found = run(blend, tools).checked(("accuracy",))
    assert found.failure is not None
    assert found.failure.cause == "bad_score"
    assert '"parity":"nan"' in canonical(found.to_json())  # plain JSON, as a row has to be


def test_files_of_predictions_are_matched_by_name_or_by_order(tmp_path: Path) -> None:
    path = tmp_path / "told.csv"
    path.write_text("file,a,b\ny.png,0.2,0.8\nx.png,1,0\n")
    found = given_shares(path, ("a", "b"), ("x.png", "y.png"), 2)
    assert np.allclose(found, np.array([[1, 0], [0.2, 0.8]]))
    path.write_text("answer\nb\na\n")
    assert given_shares(path, ("a", "b"), (), 2).tolist() == [[0, 1], [1, 0]]
    with pytest.raises(InputError, match="2 rows and there are 3"):
        given_shares(path, ("a", "b"), (), 3)
    with pytest.raises(InputError, match=r"neither an \.onnx file"):
        predict_of(str(path))
