"""The JSON Schema of a space's documents (draft 2020-12)."""

from __future__ import annotations

import inspect
from typing import Any

from modelwright.spaces.category import Category
from modelwright.spaces.choice import Choice
from modelwright.spaces.nodes import Node
from modelwright.spaces.number import Number
from modelwright.spaces.product import Product, zip_
from modelwright.spaces.repeat import Repeat

# Floats on a grid up to this many points are listed: validators divide floats and then deny 0.3
# to be a multiple of 0.1.
LISTED = 1000


def json_schema(root: Node, described: bool = True) -> dict[str, Any]:
    """A schema that accepts the documents `load` accepts, constraints between fields aside.

    Recursion is unrolled: one definition for each class and depth left. `x-scale: log`,
    `x-ordered` and `x-multiple-of` tell what JSON Schema has no word for. With `described` the
    first lines of docstrings are there too.
    """
    writer = _Writer(described)
    body = writer.schema(root, None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **body,
        **({"$defs": writer.defs} if writer.defs else {}),
    }


class _Writer:
    def __init__(self, described: bool) -> None:
        self.described = described
        self.defs: dict[str, Any] = {}
        self._names: dict[tuple[int, bool], str] = {}

    def schema(self, node: Node, tag: str | None) -> dict[str, Any]:
        if isinstance(node, Number):
            return _number(node)
        if isinstance(node, Category):
            words = list(node.words)
            body: dict[str, Any] = {"const": words[0]} if len(words) == 1 else {"enum": words}
            return {**body, "x-ordered": True} if node.ordered else body
        if isinstance(node, Repeat):
            items = {"items": self.schema(node.item, None)} if node.high else {}
            return {"type": "array", **items, "minItems": node.low, "maxItems": node.high}
        if isinstance(node, Choice):
            return {"anyOf": [self._alternative(node, i) for i in range(len(node.alternatives))]}
        assert isinstance(node, Product)
        if node.cls is None:
            parts = [self.schema(p, None) for p in node.parts]
            prefix = {"prefixItems": parts} if parts else {}
            return {"type": "array", **prefix, "minItems": len(parts), "maxItems": len(parts)}
        return {"$ref": f"#/$defs/{self._define(node, tag)}"}

    def _alternative(self, node: Choice, i: int) -> dict[str, Any]:
        part = node.alternatives[i]
        tagged = node.tagged and isinstance(part, Product) and part.cls is not None
        return self.schema(part, node.labels[i] if tagged else None)

    def _define(self, node: Product, tag: str | None) -> str:
        key = (id(node), tag is not None)
        if key not in self._names:
            name = node.name
            n = 2
            while name in self.defs:
                name, n = f"{node.name}.{n}", n + 1
            self._names[key] = name
            self.defs[name] = {}  # keeps the place, so that outer definitions come first
            self.defs[name] = self._object(node, tag)
        return self._names[key]

    def _object(self, node: Product, tag: str | None) -> dict[str, Any]:
        properties: dict[str, Any] = {"type": {"const": tag}} if tag else {}
        for name, part in zip_(node.names, node.parts):
            properties[name] = self.schema(part, None)
            if name in node.declared:
                properties[name]["default"] = part.plain(node.declared[name])
        required = [name for name in properties if name not in node.declared]
        body = {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }
        about = _about(node) if self.described else ""
        return {"description": about, **body} if about else body


def _number(node: Number) -> dict[str, Any]:
    scale = {"x-scale": "log"} if node.log else {}
    # typing keeps one of two equal annotations, so that a bound of 1 may come back as 1.0.
    plain: Any = int if node.whole else float
    if node.grid and node.n <= LISTED:
        return {"enum": [plain(x) for x in node.grid], **scale}
    body: dict[str, Any] = {
        "type": "integer" if node.whole else "number",
        "minimum": plain(node.low),
        "maximum": plain(node.high),
    }
    if node.multiple and node.multiple != 1:
        body["multipleOf" if node.whole else "x-multiple-of"] = node.multiple
    return {**body, **scale}


def _about(node: Product) -> str:
    """First line of the class's docstring, and of its constraint's."""
    cls = node.cls
    assert cls is not None
    lines = []
    text = cls.__dict__.get("__doc__") or ""
    if text and not text.startswith(f"{cls.__name__}("):  # what dataclass writes by itself
        lines.append(inspect.cleandoc(text).splitlines()[0])
    valid = getattr(cls, "valid", None)
    if callable(valid) and valid.__doc__:
        lines.append("Constraint: " + inspect.cleandoc(valid.__doc__).splitlines()[0])
    return " ".join(lines)
