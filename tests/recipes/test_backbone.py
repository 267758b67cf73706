"""Pretrained backbones from local folders; the weights of these are drawn, not trained."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import modelwright as mw  # noqa: E402
from modelwright.core.errors import InputError  # noqa: E402
from modelwright.core.problem import Budget  # noqa: E402
from modelwright.data.array_part import ArrayPart, load_arrays, prepare_arrays  # noqa: E402
from modelwright.data.backbone import read_backbone  # noqa: E402
from modelwright.data.texts import read_texts  # noqa: E402
from modelwright.families.backbone import Backbone, BackboneDesign  # noqa: E402
from modelwright.families.net_costs import peak_bytes, training_bytes  # noqa: E402
from modelwright.families.net_onnx_ops import onnx_of  # noqa: E402
from modelwright.families.net_source import plain_weights, source_of  # noqa: E402
from modelwright.families.net_thin import thinned  # noqa: E402
from modelwright.families.network_design import default_design, ops_for  # noqa: E402
from modelwright.families.onnx_graph import run_graph  # noqa: E402
from modelwright.recipes.automl import resume_build  # noqa: E402
from modelwright.recipes.backbone import put_beside, read_for  # noqa: E402
from modelwright.recipes.question import Question  # noqa: E402
from modelwright.training.torch_net import TorchNet  # noqa: E402

GOOD, BAD = ["lovely", "great", "fine"], ["awful", "poor", "bland"]
FILL = ["film", "was", "and", "with", "story", "actor", "scene"]


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("texts") / "reviews.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["review", "sentiment"])
        for i in range(120):
            words = [*rng.choice(FILL, 5), str(rng.choice(GOOD if i % 2 else BAD))]
            out.writerow([" ".join(rng.permutation(words)), "good" if i % 2 else "bad"])
    return path


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    transformers: Any = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("models") / "bert"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *GOOD, *BAD, *FILL]
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=32, initializer_range=0.2,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    numbers = {word: i for i, word in enumerate(words)}
    made: Any = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    ends: Any = [("[CLS]", 2), ("[SEP]", 3)]
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=ends
    )
    made.save(str(folder / "tokenizer.json"))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nDrawn weights.\n")
    return folder


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "no config.json"),
        ({"config.json": {"model_type": "bert"}, "pytorch_model.bin": {}}, "pytorch_model.bin"),
        ({"config.json": {"model_type": "mine", "auto_map": {}}, "a.safetensors": {}}, "code"),
        ({"config.json": {"model_type": "bert"}, "a.safetensors": {}}, "tokenizer.json"),
    ],
)
def test_what_cannot_be_read_is_refused(files: dict[str, Any], told: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(InputError, match=told):
        read_backbone(str(tmp_path))
    with pytest.raises(InputError, match="nothing is ever fetched"):
        read_backbone("bert-base-uncased")


def part_of(kind: str, shape: tuple[int, ...], front: dict[str, Any]) -> ArrayPart:
    rows, channels = np.arange(4), shape[0]
    inputs = np.random.default_rng(1).integers(0, 60, (4, *shape))
    kinds = np.int32 if kind == "texts" else np.uint8
    return ArrayPart(
        kind, inputs.astype(kinds), rows % 2, ("a", "b"), rows, rows,
        np.zeros(channels, np.float32), np.ones(channels, np.float32), front, "",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["texts", "images"])
def test_own_networks_see_what_they_would_without_a_backbone(kind: str) -> None:
    """Texts have a fifth row for a backbone, and images may be larger."""
    words = {"kind": "texts", "words": ("a", "b"), "length": 6}
    if kind == "texts":
        part = part_of(
            kind, (5, 6), {"kind": "pieces", "words": words, "tokenizer": "", "pieces": 6}
        )
        fewer = replace(part, inputs=part.inputs[:, :4])
    else:
        part = part_of(
            kind, (1, 96, 96), {"kind": "images", "height": 96, "width": 96, "grey": True}
        )
        fewer = replace(part, inputs=part.inputs.reshape(4, 1, 48, 2, 48, 2).mean(axis=(3, 5)))
    design = default_design(kind)
    ops, plain = ops_for(design, part), ops_for(design, fewer)
    assert ops.weights == plain.weights
    assert len(ops.steps) == len(plain.steps) + 1
    net, other = TorchNet(ops).eval(), TorchNet(plain).eval()
    moved = {f"layers.{int(k.split('.')[1]) + 1}.{k.split('.', 2)[2]}": v
             for k, v in other.state_dict().items()}  # fmt: skip
    net.load_state_dict(moved)
    with torch.no_grad():
        found = net(torch.from_numpy(part.inputs).float())
        assert torch.allclose(found, other(torch.from_numpy(fewer.inputs).float()), atol=1e-5)
    state = {k: v.numpy() for k, v in moved.items()}
    (shares,) = run_graph(onnx_of(ops, state, [0.0], [1.0]), {"examples": part.inputs})
    assert np.allclose(shares, found[:, 0].softmax(dim=1).numpy(), atol=1e-5)
    scope: dict[str, Any] = {}
    exec(source_of(ops, part.classes, [0.0], [1.0]), scope)  # our own source
    network = scope["Network"]().eval()
    plainly = plain_weights(ops, state)
    network.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in plainly.items()})
    assert np.allclose(network.shares(torch.from_numpy(part.inputs)), shares, atol=1e-5)
    assert thinned(ops, 0.5).shape == ops.shape


@pytest.fixture(scope="module")
def built(reviews: Path, bert: Path, tmp_path_factory: pytest.TempPathFactory) -> mw.BuildResult:
    return mw.build(
        reviews, "sentiment", backbone=str(bert), budget="3trials", slots=0, student=False,
        workspace=tmp_path_factory.mktemp("runs"),
    )  # fmt: skip


def test_a_build_searches_a_backbone_and_ships_it(built: mw.BuildResult, reviews: Path) -> None:
    finished = [o for o in built.record.view.finished if o.trial.role == "search" and o.ok]
    modes = {json.loads(o.trial.candidate.document)["network"]["mode"] for o in finished}
    assert {"frozen", "low_rank", "tuned"} >= modes >= {"frozen"}
    assert built.best is not None
    assert built.best.evidence.facts["parity"] < 1e-4
    losses = built.best.evidence.facts["losses"]
    assert losses[-1] < losses[0]
    folder = built.run.model_path
    assert built.model.card["licences"] == {"bert": "apache-2.0"}
    assert not (folder / "network.py").exists()
    rows = list(csv.DictReader(reviews.read_text().splitlines()))[:5]
    answers = built.model.predict([row["review"] for row in rows])
    texts = built.run.path / "new.txt"
    texts.write_text("\n".join(row["review"] for row in rows))
    told = subprocess.run(
        [sys.executable, "predict.py", str(texts)],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert [row["prediction"] for row in csv.DictReader(told.stdout.splitlines())] == list(answers)


@pytest.mark.parametrize("mode", ["frozen", "low_rank", "tuned"])
def test_what_is_learnt_is_what_is_kept(built: mw.BuildResult, mode: Any) -> None:
    """The file of a network has what its training changed, and its ONNX file all of it."""
    part = load_arrays(built.run.path / "data" / "dev")
    ops = ops_for(BackboneDesign(Backbone(mode, rank=2)), part)
    net = TorchNet(ops)
    assert part.backbone is not None
    held = 4 * part.backbone["held"]
    assert peak_bytes(ops) > held
    assert (training_bytes(ops) > held) == (mode != "frozen")
    names = {name.split(".")[2] for name in net.state_dict() if name.startswith("layers.0.")}
    assert names == {"frozen": set(), "low_rank": {"down", "up"}, "tuned": {"model"}}[mode]
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
        asked = net.eval()(torch.from_numpy(np.array(part.inputs[:8])).float())[:, 0].softmax(dim=1)
    state = {k: v.numpy() for k, v in net.state_dict().items()}
    packed = onnx_of(ops, state, part.shift.tolist(), part.scale.tolist())
    (shares,) = run_graph(packed, {"examples": part.inputs[:8]})
    assert np.abs(shares - asked.numpy()).max() < 1e-5


def test_slow_and_changed_backbones(
    built: mw.BuildResult, reviews: Path, bert: Path, tmp_path: Path
) -> None:
    facts = read_backbone(str(bert))
    question = Question(str(reviews), "sentiment")
    found = read_for(facts, read_texts(reviews, "sentiment"), question)
    prepared = prepare_arrays(found, tmp_path / "data")
    slow = put_beside(facts, prepared, Budget(seconds=1e-6))
    assert "is left out" in slow.notes[-1]
    assert slow.hash == prepared.hash
    assert load_arrays(slow.dev).backbone is None
    assert put_beside(facts, prepared, Budget(trials=1)).hash != prepared.hash
    with pytest.raises(InputError, match="reads texts"):
        read_for(facts, replace(found, kind="images"), question)
    (bert / "README.md").write_text("---\nlicense: mit\n---\n")
    with pytest.raises(InputError, match="have changed"):
        resume_build(built.run, Budget(trials=1))


@pytest.mark.parametrize("kind", ["ViT", "ResNet"])
def test_backbones_of_images_see_grey_ones_of_another_size(kind: str, tmp_path: Path) -> None:
    transformers: Any = pytest.importorskip("transformers")
    from modelwright.training.backbone import Pretrained, exported, measured

    sizes: dict[str, Any] = {
        "ViT": {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
                "intermediate_size": 8, "image_size": 16, "patch_size": 8},
        "ResNet": {"embedding_size": 4, "hidden_sizes": [8], "depths": [1]},
    }  # fmt: skip
    config = getattr(transformers, f"{kind}Config")(**sizes[kind])
    getattr(transformers, f"{kind}Model")(config).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text('{"size": {"height": 16, "width": 16}}')
    facts = {**read_backbone(str(tmp_path)), "scaled": ([100.0], [0.02]), "rank": 2, "slow": 1.0}
    known = measured(facts, (1, 12, 12))
    assert known["width"] == 8
    assert (known["projections"] > 0) == (kind == "ViT")
    about = {**facts, **known, "mode": "frozen"}
    some = np.random.default_rng(0).normal(size=(3, 1, 12, 12)).astype(np.float32)
    (found,) = run_graph(exported(about, (1, 12, 12), {}), {"x": some})
    with torch.no_grad():
        assert np.abs(found - Pretrained(about)(torch.from_numpy(some)).numpy()).max() < 1e-4
        elsewhere = Pretrained(about).to("meta")(torch.from_numpy(some).to("meta"))
    assert elsewhere.device.type == "meta"  # as it goes to a GPU, without one
