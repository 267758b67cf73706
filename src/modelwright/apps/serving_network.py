"""What the server answers with when its model is a network: files as they are, or texts as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from modelwright.core.errors import InputError
from modelwright.core.version import VERSION

if TYPE_CHECKING:
    from modelwright.models.network import NetworkModel

MAX_BYTES = 10_000_000
MAX_TEXTS = 1000


@dataclass
class NetworkService:
    """A network that answers requests.

    The body of a request is one image or sound file as it is; of a network for texts it is JSON,
    `{"text": "..."}` or a list of these.
    """

    model: NetworkModel
    max_bytes: int = MAX_BYTES
    started: float = field(default_factory=time.monotonic)
    rows: int = 0

    kind: ClassVar[str] = "network"

    def predict(self, body: bytes, query: Mapping[str, str]) -> tuple[int, Any]:
        """Status and content for one request."""
        if query:
            return 422, {"errors": [f"a network takes no query; got {next(iter(query))!r}."]}
        try:
            examples, single = self._examples(body)
        except InputError as error:
            return 422, {"errors": [str(error)]}
        told = self.model.told(self.model.answers(examples))
        self.rows += len(told)
        return 200, told[0] if single else {"rows": told}

    def _examples(self, body: bytes) -> tuple[Any, bool]:
        if not self.model.reads_texts:
            return self.model.read_bytes(body, "the body")[None], True
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise InputError(f"the body is no JSON: {error}.") from None
        listed = asked if isinstance(asked, list) else [asked]
        if not 1 <= len(listed) <= MAX_TEXTS:
            raise InputError(f"a request has 1 to {MAX_TEXTS} texts; got {len(listed)}.")
        for one in listed:
            if not isinstance(one, dict) or set(one) != {"text"} or type(one["text"]) is not str:
                raise InputError('a text is sent as {"text": "..."}, several as a list of these.')
        texts = [one["text"] for one in listed]
        return self.model.read(texts), not isinstance(asked, list)

    def health(self) -> dict[str, Any]:
        """That it runs, and what it serves."""
        return {
            "status": "ok",
            "examples": self.model.facts["examples"],
            "classes": list(self.model.classes),
            "made_by": self.model.card.get("made_by", ""),
            "served_by": f"modelwright {VERSION}",
            "uptime_seconds": round(time.monotonic() - self.started, 1),
            "rows_answered": self.rows,
        }

    def schema(self) -> dict[str, Any]:
        """What a request's body is."""
        if not self.model.reads_texts:
            kind = str(self.model.facts["examples"]).removesuffix("s")
            return {"body": f"one {kind} file, as it is", "max_bytes": self.max_bytes}
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"text": {"type": "string"}},
            "required": ["text"],
            "additionalProperties": False,
        }

    def warm_up(self) -> None:
        """Answers once, so that the first request does not pay for loading libraries."""
        kind = np.int32 if self.model.reads_texts else np.uint8
        self.model.answers(np.zeros((1, *self.model.shape), kind))
