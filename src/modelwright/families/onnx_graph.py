"""A small builder of ONNX graphs, and what it means that a fitted model can be written as one.

A fitted model that ONNX operators can express has a method

    add_to(graph: Graph, numeric: str, codes: str) -> str

`numeric` names a float64 tensor `[n, p]`, NaN where a value is missing and never infinite; `codes`
names an int64 tensor `[n, q]`, -1 where missing, as in `Inputs`. The method adds nodes and returns
the name of a float64 tensor: probabilities `[n, n_classes]`, or values `[n, 1]`. It raises
`NotExpressibleError` when this very model cannot be written, with the reason in one sentence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from modelwright.core.errors import InputError

if TYPE_CHECKING:
    from modelwright.families.base import FloatArray, Inputs, IntArray

Kind = Literal["double", "float", "int64", "int32", "uint8", "bool", "string"]
OPSET, ML_OPSET, IR = 21, 5, 10  # onnxruntime 1.20 and later read these
ML = "ai.onnx.ml"
MAX_BYTES = 1 << 30  # a file of protocol buffers ends at 2 GB


class NotExpressibleError(InputError):
    """A model, or a part of one, that ONNX operators cannot express."""


@runtime_checkable
class Expressible(Protocol):
    """A fitted model (or a step before one) that can write itself into a graph."""

    def add_to(self, graph: Graph, numeric: str, codes: str) -> str:
        """The name of its answers; see the head of this file."""
        ...


class Graph:
    """Inputs, constants and nodes of one model under construction; every name is unique.

    Numbers are float64 (`double`) unless a family casts them, so that trees compare exactly what
    they compared in training. `texts` names string tensors `[n]` of text columns, by column, for
    steps that read them; a missing text is "".

    >>> graph = Graph()
    >>> x = graph.input("x", "double", 2)
    >>> y = graph.node("Mul", x, graph.constant(np.array([2.0, 3.0])))
    >>> graph.output(y, "y")
    'y'
    >>> run_graph(graph.model(), {"x": np.array([[1.0, 1.0]])})[0].tolist()
    [[2.0, 3.0]]
    """

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._constants: list[Any] = []
        self._kept: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._taken: set[str] = set()
        self._spliced: dict[tuple[str, str], str] = {}
        self.bytes = 0

    def name(self, hint: str) -> str:
        """A name that nothing in the graph has yet."""
        number = len(self._taken)
        found = hint
        while found in self._taken:
            found, number = f"{hint}_{number}", number + 1
        self._taken.add(found)
        return found

    def input(self, name: str, kind: Kind, *width: int) -> str:
        """A tensor that comes from outside: `[n]`, or `[n, *width]`."""
        if name in self._taken:
            raise InputError(f"the graph has a tensor {name!r} already; name the input otherwise.")
        self._taken.add(name)
        self._inputs.append(_info(name, kind, ["n", *width]))
        return name

    def constant(self, values: Any) -> str:
        """A stored tensor; floats, whole numbers, truth values and texts keep their kind.

        Equal ones are stored once.
        """
        from onnx import numpy_helper

        array = np.asarray(values)
        if array.dtype.kind in "UO":
            found = self.name("text")
            self._constants.append(numpy_helper.from_array(array.astype(object), found))
            return found
        if array.dtype.kind in "iu" and array.dtype not in (np.uint8, np.int64):
            array = array.astype(np.int64)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._kept:
            self._kept[key] = self.name("c")
            stored = numpy_helper.from_array(np.ascontiguousarray(array), self._kept[key])
            self._constants.append(stored)
            self._count(array.nbytes)
        return self._kept[key]

    def node(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """The output of a new node with a single output."""
        return self.nodes(op, inputs, 1, domain, **attributes)[0]

    def nodes(
        self, op: str, inputs: Sequence[str], n_outputs: int, domain: str = "", **attributes: Any
    ) -> list[str]:
        """The outputs of a new node, for operators with several."""
        from onnx import helper

        names = [self.name(op.lower()) for _ in range(n_outputs)]
        made = helper.make_node(op, list(inputs), names, self.name(f"{op}_node"), domain=domain)
        for key, value in attributes.items():
            made.attribute.append(helper.make_attribute(key, value))
        self._nodes.append(made)
        self._count(made.ByteSize())
        return names

    def splice(self, model: bytes, x: str) -> str:
        """The only output of another ONNX file with one input, asked about `x`.

        The same file asked about the same tensor is there once.
        """
        import onnx

        key = (hashlib.sha256(model).hexdigest(), x)
        if key not in self._spliced:
            prefix = f"part{len(self._spliced)}."
            part = onnx.compose.add_prefix(onnx.load_from_string(model), prefix).graph
            self._nodes.append(onnx.helper.make_node("Identity", [x], [part.input[0].name]))
            self._nodes.extend(part.node)
            self._constants.extend(part.initializer)
            self._taken.update(name for node in part.node for name in node.output)
            self._count(len(model))
            self._spliced[key] = part.output[0].name
        return self._spliced[key]

    def cast(self, x: str, kind: Kind) -> str:
        """The tensor in another kind of number."""
        return self.node("Cast", x, to=_kinds()[kind])

    def columns(self, x: str, positions: Any) -> str:
        """Some columns of `[n, p]`, in the order given."""
        return self.node("Gather", x, self.constant(np.asarray(positions, np.int64)), axis=1)

    def concat(self, parts: Sequence[str]) -> str:
        """Tensors `[n, *]` side by side."""
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=1)

    def where(self, mask: str, yes: str, no: str) -> str:
        """`yes` where the mask holds, else `no`; shapes are broadcast."""
        return self.node("Where", mask, yes, no)

    def clip(self, x: str, low: float, high: float) -> str:
        """A float64 tensor held between two numbers; NaN may pass."""
        return self.node("Clip", x, self.constant(np.float64(low)), self.constant(np.float64(high)))

    def summed(self, x: str, axis: int = 1, keep: bool = False) -> str:
        """Sums along an axis."""
        return self.node("ReduceSum", x, self.constant(np.array([axis])), keepdims=int(keep))

    def both_classes(self, positive: str) -> str:
        """`[n, 1]` probabilities of the second class as `[n, 2]`."""
        return self.concat([self.node("Sub", self.constant(np.float64(1)), positive), positive])

    def spread(self, shares: str, classes: IntArray, n_classes: int) -> str:
        """Probabilities of the classes seen as `[n, n_classes]`, zero for the others."""
        if len(classes) == n_classes:
            return shares
        places = np.full(n_classes, len(classes))
        places[classes] = np.arange(len(classes))
        return self.columns(self.concat([shares, self.repeated([0.0], shares)]), places)

    def weighted(self, x: str, weights: Any, constants: Any) -> str:
        """`x @ weights + constants`, `[n, k]`, in the kind of number of the weights.

        Not as MatMul: onnxruntime fuses that with a scalar product before it, in single precision.
        """
        return self.node("Gemm", x, self.constant(weights), self.constant(constants))

    def repeated(self, row: Any, like: str) -> str:
        """One row `[k]` for each row of `like`, `[n, k]`."""
        n = self.node("Slice", self.node("Shape", like), *map(self.constant, ([0], [1])))
        shape = self.node("Concat", n, self.constant(np.array([1])), axis=0)
        return self.node("Expand", self.constant(np.atleast_2d(row)), shape)

    def output(self, x: str, name: str, kind: Kind = "double", width: int | None = -1) -> str:
        """Gives a tensor to the outside, `[n, width]` (-1 is not told), or `[n]` without a width.

        What comes back is its name: another one where the wanted is taken.
        """
        self.node("Identity", x)
        name = self.name(name)
        self._nodes[-1].output[0] = name
        shape = ["n"] if width is None else ["n", None if width == -1 else width]
        self._outputs.append(_info(name, kind, shape))
        return name

    def model(self, metadata: Mapping[str, str] | None = None) -> bytes:
        """The whole graph as the bytes of an `.onnx` file, checked by ONNX itself."""
        import onnx
        from onnx import helper

        graph = helper.make_graph(
            self._nodes, "modelwright", self._inputs, self._outputs, self._constants
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
        made = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR, producer_name="modelwright"
        )
        helper.set_model_props(made, dict(metadata or {}))
        onnx.checker.check_model(made)
        return bytes(made.SerializeToString(deterministic=True))

    def _count(self, size: int) -> None:
        self.bytes += size
        if self.bytes > MAX_BYTES:
            raise NotExpressibleError("an ONNX file of it would be larger than 1 GB.")


def run_graph(model: bytes, inputs: Mapping[str, Any], threads: int = 1) -> list[Any]:
    """What onnxruntime answers, one array per output."""
    return [np.asarray(out) for out in open_session(model, threads).run(None, dict(inputs))]


def open_session(model: bytes | str, threads: int = 1) -> Any:
    """A session of onnxruntime for the bytes or the path of a model, with that many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def predict_by_onnx(fitted: Any, X: Inputs) -> FloatArray:
    """What a fitted model answers once it is written as ONNX: as `fitted.predict(X)`.

    Raises NotExpressibleError when its family has no `add_to`, or this model cannot be written.

    >>> from modelwright.families.base import Inputs
    >>> from modelwright.families.dummy import FittedDummy
    >>> predict_by_onnx(FittedDummy((0.2, 0.8), False), Inputs.of([[1.0], [2.0]])).tolist()
    [[0.2, 0.8], [0.2, 0.8]]
    """
    if not isinstance(fitted, Expressible):
        raise NotExpressibleError(f"{type(fitted).__name__} has no form in ONNX.")
    graph = Graph()
    numeric = graph.input("numeric", "double", X.numeric.shape[1])
    codes = graph.input("codes", "int64", len(X.levels))
    graph.output(fitted.add_to(graph, numeric, codes), "answer")
    finite = np.isfinite(X.numeric)
    out: npt.NDArray[Any] = run_graph(
        graph.model(),
        {
            "numeric": np.where(finite, X.numeric, np.nan).astype(np.float64),
            "codes": X.codes.astype(np.int64),
        },
    )[0]
    return out[:, 0] if out.shape[1] == 1 else out


def _kinds() -> dict[str, int]:
    from onnx import TensorProto as T

    return {
        "double": T.DOUBLE, "float": T.FLOAT, "int64": T.INT64, "int32": T.INT32,
        "uint8": T.UINT8, "bool": T.BOOL, "string": T.STRING,
    }  # fmt: skip


def _info(name: str, kind: Kind, shape: Sequence[Any]) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, _kinds()[kind], shape)
