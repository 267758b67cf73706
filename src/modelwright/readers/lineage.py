"""Where a model comes from and what came of it: one graph over the rows of all runs.

A pure function of rows. Things with a hash (data, files of models, shipped models) are one thing in
all runs, so that a model that was the teacher of another run leads to that run's students.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelwright.core.canonical import digest
from modelwright.core.trial import Candidate
from modelwright.ledger.chain import Row
from modelwright.readers.decisions import decisions

# What passes a flaw on. A model that others were merely compared with passes none on.
COMPARED = "was compared with in"
SHIPPED = "is shipped as"
HAD, DECIDES = WORDS = ("had", "decides on")  # of decisions, which are no part of a model


@dataclass(frozen=True)
class Node:
    """A thing: `kind` is data, file, code, policy, designer, run, trial, decision or model.

    `id` begins with its kind. `facts` is plain data about it; `hash` there is what it goes by.
    """

    id: str
    kind: str
    label: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Edge:
    """`source` came first; `word` says what it is to `target`: `data of`, `teaches`, ..."""

    source: str
    word: str
    target: str


@dataclass
class Lineage:
    """Things by id, and what each is to others."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def ancestors(self, start: str) -> Lineage:
        """What a thing comes from, itself included."""
        return self._closure({start}, lambda e: (e.target, e.source), lambda e: True)

    def made_of(self, start: str) -> Lineage:
        """What could pass a flaw on to a thing, itself included: not what it was compared with."""
        return self._closure({start}, lambda e: (e.target, e.source), _passes_on)

    def descendants(self, start: str) -> Lineage:
        """What came of a thing, itself included; runs only compared with it are not.

        What came of a shipped model is what came of the trial that it is.
        """
        starts = {start, *(e.source for e in self.edges if (e.word, e.target) == (SHIPPED, start))}
        return self._closure(starts, lambda e: (e.source, e.target), _passes_on)

    def compared(self, start: str) -> list[Node]:
        """The runs in which a thing was the yardstick."""
        own = self.descendants(start).nodes
        return [self.nodes[e.target] for e in self.edges if e.word == COMPARED and e.source in own]

    def find(self, text: str) -> list[Node]:
        """Models, files and data whose hash, or identity, begins with `text`."""
        return [
            node for node in self.nodes.values()
            if node.kind in ("model", "data", "file")
            and any(str(h).startswith(text) for h in node.facts.get("hashes", ()))
        ]  # fmt: skip

    def of_kind(self, kind: str) -> list[Node]:
        """All things of a kind."""
        return [node for node in self.nodes.values() if node.kind == kind]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "nodes": [{"id": n.id, "kind": n.kind, "label": n.label, **n.facts}
                      for n in self.nodes.values()],
            "edges": [[e.source, e.word, e.target] for e in self.edges],
        }  # fmt: skip

    def _closure(self, seen: set[str], ends: Any, passes: Any) -> Lineage:
        ways: dict[str, list[str]] = {}
        for edge in filter(passes, self.edges):
            here, there = ends(edge)
            ways.setdefault(here, []).append(there)
        waiting = list(seen)
        while waiting:
            for there in ways.get(waiting.pop(), ()):
                if there not in seen:
                    seen.add(there)
                    waiting.append(there)
        kept = [e for e in self.edges if e.source in seen and e.target in seen]
        return Lineage({k: n for k, n in self.nodes.items() if k in seen}, kept)


def _passes_on(edge: Edge) -> bool:
    return edge.word not in (COMPARED, *WORDS)


def lineage(runs: Mapping[str, Iterable[Row]]) -> Lineage:
    """The graph of runs, each given by its name and rows.

    A shipped model is known again by the hash of its `model.onnx` when it is brought to another run
    as a teacher or as a baseline.
    """
    graph = Lineage()
    for name, rows in runs.items():
        _Reader(graph, name).read(rows)
    return graph


@dataclass
class _Reader:
    """Adds one run to a graph, row by row."""

    graph: Lineage
    name: str
    run: str = ""
    looked: dict[str, list[str]] = field(default_factory=dict)
    orders: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    brought: dict[int, str] = field(default_factory=dict)
    by_candidate: dict[str, str] = field(default_factory=dict)

    def read(self, rows: Iterable[Row]) -> None:
        listed = list(rows)
        for row in listed:
            if row.kind == "study":
                self._study(row)
            elif row.kind == "policy":
                self._policy(row.body["policy"])
            elif row.kind == "session":
                code = f"modelwright {row.body['version']}, Python {row.body['python']}"
                protocol = str(row.body.get("protocol", ""))[:16]
                self._link(f"code:{code}:{protocol}", "code", code, "code of",
                           {"protocol": protocol})  # fmt: skip
            elif row.kind == "order":
                self._order(row.body)
            elif row.kind == "evidence":
                self._evidence(row.body)
        for decision in decisions(listed):
            row = listed[decision.n]
            if row.kind in ("study", "ship", "end"):
                continue  # policy, models and runs tell these themselves
            node = f"decision:{self.run}:{decision.n}"
            self._add(node, "decision", decision.sentence, decision.to_json())
            self.graph.edges.append(Edge(self.run, HAD, node))
            if row.kind == "verdict":
                self._edge(node, DECIDES, self._trial(row.body["trial"]))
                continue
            body = row.body
            about = body.get("candidate") or body.get("subject", {}).get("candidate") or "*"
            if row.kind == "message" and about == "*":
                about = self._asked_of(listed, body.get("request"))
            self.looked.setdefault(str(about), []).append(node)
        for row in listed:
            if row.kind == "ship":
                self._ship(row.body)

    def _asked_of(self, rows: list[Row], request: Any) -> str:
        """The candidate of the request that a person's word is about."""
        for row in rows if request else ():
            if row.kind != "request":
                continue
            plain = {k: v for k, v in row.body.items() if k != "at"}
            if digest(plain) == request:
                return str(row.body.get("subject", {}).get("candidate", "*"))
        return "*"

    def _study(self, row: Row) -> None:
        about = row.body["problem"]["about"]
        source = about.get("source", {})
        self.run = f"run:{row.hash[:16]}"
        self._add(self.run, "run", f"run {self.name}", {"name": self.name, "genesis": row.hash})
        hashes = [h for h in (source.get("sha256"), about.get("data_hash")) if h]
        if hashes:
            label = f"data {source.get('name', '')} ({about.get('n_rows', '?')} rows)"
            self._link(f"data:{hashes[0]}", "data", label, "data of", {"hashes": hashes})
        self._policy(row.body.get("policy", {}))
        designer = row.body.get("designer", {})
        facts = {"hash": digest(designer), "generation": designer.get("generation", "not stated")}
        told = f"designer {designer.get('name', 'unnamed')}"
        self._link(f"designer:{facts['hash'][:16]}", "designer", told, "designer of", facts)

    def _policy(self, policy: Mapping[str, Any]) -> None:
        rules = digest(policy)
        self._link(f"policy:{rules[:16]}", "policy", f"policy {policy.get('name', 'unnamed')!r}",
                   "policy of", {"hash": rules})  # fmt: skip

    def _order(self, body: Mapping[str, Any]) -> None:
        number, candidate = int(body["number"]), Candidate(body["document"]).id
        node = self._trial(number)
        above = (self.by_candidate.get(parent) for parent in body["parents"])
        older = (self.graph.nodes[one].facts["generation"] for one in above if one)
        facts = {
            "run": self.name, "number": number, "candidate": candidate, "role": body["role"],
            "by": body["by"], "reason": body["reason"], "generation": 1 + max(older, default=-1),
        }  # fmt: skip
        self._add(node, "trial", f"trial {number} of {self.name} ({body['role']})", facts)
        self._edge(self.run, "ordered", node)
        if body.get("promoted_from") is not None:
            self._edge(self._trial(body["promoted_from"]), "was given more as", node)
        document = json.loads(body["document"])
        document = document if isinstance(document, Mapping) else {}
        learnt = {self._trial(trial): word for trial, word in _learnt_from(document)}
        for parent in body["parents"] if document.get("teach", True) else ():  # a control has none
            if parent in self.by_candidate:
                learnt.setdefault(self.by_candidate[parent], "is a parent of")
        for source, word in learnt.items():
            self._edge(source, word, node)
        self.orders[number] = body
        self.by_candidate[candidate] = node

    def _evidence(self, body: Mapping[str, Any]) -> None:
        order = self.orders.get(body["trial"], {})
        facts = body.get("facts", {})
        if order.get("by") not in ("yours", "teacher") or "source" not in facts:
            return
        node, sha = self._trial(body["trial"]), facts.get("sha256")
        if sha:
            name = str(facts["source"]).rsplit("/", 1)[-1]
            self._add(f"file:{sha}", "file", f"file {name}", {"hashes": [sha]})
            self._edge(f"file:{sha}", "is tried as", node)
        self._edge(node, COMPARED, self.run)

    def _ship(self, body: Mapping[str, Any]) -> None:
        node = f"model:{body['bundle']}"
        label = f"model {body['bundle'][:16]} ({self.name}/{body.get('folder', 'model')})"
        facts: dict[str, Any] = {
            "run": self.name, "candidate": body["candidate"], "folder": body.get("folder"),
            "hashes": [body["bundle"]],
        }  # fmt: skip
        if sha := body.get("onnx"):
            facts["hashes"].append(sha)
            self._add(f"file:{sha}", "file", f"file model.onnx of {label}", {"hashes": [sha]})
            self._edge(node, "holds", f"file:{sha}")
        self._add(node, "model", label, facts)
        self._edge(self._trial(body["trial"]), SHIPPED, node)
        for about in (body["candidate"], "*"):
            for decision in self.looked.get(about, ()):
                self._edge(decision, DECIDES, node)

    def _trial(self, number: Any) -> str:
        return f"trial:{self.run.partition(':')[2]}:{number}"

    def _link(self, id: str, kind: str, label: str, word: str, facts: dict[str, Any]) -> None:
        self._add(id, kind, label, facts)
        self._edge(id, word, self.run)

    def _add(self, id: str, kind: str, label: str, facts: dict[str, Any]) -> None:
        self.graph.nodes.setdefault(id, Node(id, kind, label, facts))

    def _edge(self, source: str, word: str, target: str) -> None:
        self.graph.edges.append(Edge(source, word, target))


def _learnt_from(document: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """The earlier trials that a closing step is made of, by its document."""
    if document.get("teach") and "teacher" in document:
        yield int(document["teacher"]["trial"]), "teaches"
    for member in document.get("members", ()):
        if isinstance(member, Mapping) and "trial" in member:
            yield int(member["trial"]), "is a member of"
