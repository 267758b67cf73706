"""A network that ships: a folder with weights, plain PyTorch source, ONNX, and a card.

model.json           format, kind, classes, how a file becomes an example, operations, card
weights.safetensors  the learned numbers, by the names in network.py
network.py           the network as a plain PyTorch module; needs nothing of modelwright
model.onnx           from raw examples (bytes) to shares; what `load_model` answers with
predict.py           answers files with model.onnx; needs onnxruntime, numpy and Pillow or SciPy
manifest.json        SHA-256 of every file, checked when the model is loaded
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError
from modelwright.data.collection import front_of, read_file
from modelwright.families.net_onnx_ops import onnx_of
from modelwright.families.net_ops import Ops
from modelwright.families.net_source import plain_weights, source_of

FORMAT, KIND = 2, "network"
BATCH = 256
Shares = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Answering:
    """Answers arrays of raw examples with an ONNX file."""

    session: Any

    @classmethod
    def of(cls, folder: Path, threads: int = 1) -> Answering:
        """From a bundle's folder; 0 `threads` are as many as the machine has."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        path, providers = str(folder / "model.onnx"), ["CPUExecutionProvider"]
        return cls(onnxruntime.InferenceSession(path, options, providers=providers))

    def answers(self, inputs: npt.NDArray[Any]) -> Shares:
        """Shares of the classes `[n, k]`, or values `[n]`, of examples `[n, *shape]`."""
        found = [
            self.session.run(None, {"examples": np.ascontiguousarray(inputs[at : at + BATCH])})[0]
            for at in range(0, len(inputs), BATCH)
        ]
        return np.concatenate(found)


@dataclass(frozen=True)
class NetworkModel:
    """A shipped network. Examples are paths of files (texts: themselves), or arrays of its `shape`.

    `classes` are in the order of the shares; there are none where it answers values.
    """

    folder: Path
    facts: Mapping[str, Any]

    kind: ClassVar[str] = KIND

    @property
    def card(self) -> Mapping[str, Any]:
        """Plain data about the network."""
        card: Mapping[str, Any] = self.facts["card"]
        return card

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels."""
        return tuple(self.facts["classes"])

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example: channels, height, width."""
        return tuple(self.facts["shape"])

    @cached_property
    def _answering(self) -> Answering:
        return Answering.of(self.folder)

    def shares(self, examples: Any) -> Shares:
        """Shares of the classes `[n, k]`. Raises InputError for what is no such example."""
        if not self.classes:
            raise InputError("this network answers values: it has no shares of classes.")
        return self.answers(examples)

    def answers(self, examples: Any) -> Shares:
        """Shares of the classes `[n, k]`, or values `[n]`."""
        return self._answering.answers(self.read(examples))

    def predict(self, examples: Any) -> npt.NDArray[Any]:
        """The likeliest class of each example, or its value, `[n]`."""
        found = self.answers(examples)
        if not self.classes:
            return found
        return np.array([self.classes[i] for i in found.argmax(axis=1)])

    def told(self, answers: Shares) -> list[dict[str, Any]]:
        """Answers as plain data: each a `prediction`, of classes with the `shares` of all."""
        if not self.classes:
            return [{"prediction": float(str(value))} for value in answers]  # as short as it is
        rows = []
        for row in answers:
            named = zip(self.classes, row, strict=True)
            shares = {label: round(float(share), 6) for label, share in named}
            rows.append({"prediction": self.classes[int(row.argmax())], "shares": shares})
        return rows

    def read(self, examples: Any) -> npt.NDArray[Any]:
        """Examples as the network takes them: `[n, *shape]` of bytes, or numbers of words."""
        if isinstance(examples, (str, Path)):
            examples = [examples]
        if isinstance(examples, np.ndarray) and examples.dtype.kind in "biuf":
            return self._array(examples)
        found = [self._one(example) for example in examples]
        if not found:
            raise InputError("there is no example to answer.")
        return np.stack(found)

    @cached_property
    def _front(self) -> Any:
        return front_of(self.facts["front"])

    def _one(self, example: Any) -> npt.NDArray[Any]:
        content = str(example).encode() if self.reads_texts else read_file(Path(example))
        return self.read_bytes(content, str(example))

    def read_bytes(self, content: bytes, name: str) -> npt.NDArray[Any]:
        """One example of a file's bytes. Raises InputError by `name` for what is none."""
        one: npt.NDArray[Any] = self._front.read(content, name)
        return one

    @property
    def reads_texts(self) -> bool:
        """True where examples are texts themselves, and not paths of files."""
        return bool(self.facts["examples"] == "texts")

    def _array(self, examples: npt.NDArray[Any]) -> npt.NDArray[Any]:
        array = examples[None] if examples.shape == self.shape else examples
        wanted = np.int32 if self.reads_texts else np.uint8
        if array.shape[1:] != self.shape or array.dtype != wanted:
            shape, what = ", ".join(map(str, self.shape)), np.dtype(wanted).name
            raise InputError(
                f"examples are {'texts' if self.reads_texts else 'files'}, or {what} of shape "
                f"[n, {shape}]; got {examples.dtype} of {examples.shape}."
            )
        return array


def write_network(
    folder: Path, ops: Ops, state: Mapping[str, Any], about: Mapping[str, Any]
) -> None:
    """Writes the files of a network into a new folder; `add_card` and a seal make it a bundle.

    `state` has the weights by the names of a `TorchNet` of one copy; `about` has `classes`,
    `front`, `shift`, `scale` and `examples` (`images` or `sounds`).
    """
    from safetensors.numpy import save_file

    folder.mkdir(parents=True)
    shift, scale = about["shift"], about["scale"]
    (folder / "model.onnx").write_bytes(onnx_of(ops, state, shift, scale))
    plain = {k: np.ascontiguousarray(v) for k, v in plain_weights(ops, state).items()}
    save_file(plain, folder / "weights.safetensors")
    if all(op.kind != "backbone" for op in ops.steps):  # its module is that of its own library
        (folder / "network.py").write_text(source_of(ops, about["classes"], shift, scale), "utf-8")
    script = Path(__file__).with_name("standalone_network.py").read_text("utf-8")
    (folder / "predict.py").write_text(script, "utf-8")
    facts = {
        "format": FORMAT, "kind": KIND, **about, "shape": list(ops.input_shape),
        "weights": ops.weights, "macs": ops.macs, "card": {},
    }  # fmt: skip
    _write_facts(folder, facts)


def add_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Puts the card into the folder's model.json."""
    facts = json.loads((folder / "model.json").read_text("utf-8"))
    _write_facts(folder, {**facts, "card": dict(card)})


def load_network(folder: Path, facts: Mapping[str, Any]) -> NetworkModel:
    """The model of a bundle whose files were checked."""
    return NetworkModel(folder, facts)


def _write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    text = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "model.json").write_text(text, "utf-8")


def top(classes: Sequence[str], shares: Shares, k: int = 3) -> list[dict[str, float]]:
    """The `k` likeliest classes of each example with their shares."""
    order = np.argsort(-shares, axis=1)[:, :k]
    return [
        {classes[j]: round(float(row[j]), 6) for j in places}
        for row, places in zip(shares, order, strict=True)
    ]
