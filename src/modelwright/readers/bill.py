"""A machine learning bill of materials (CycloneDX 1.6, ECMA-424): what a model is made of."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelwright.core.canonical import digest
from modelwright.readers.model_card import Subject, carried_licence

SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"


@dataclass(frozen=True)
class Materials:
    """Files of the model and libraries it needs, by name, with SHA-256 or version.

    `teachers` has the models it learnt from: a name, and a hash where it is known.
    """

    files: Mapping[str, str]
    libraries: Mapping[str, str]
    teachers: Sequence[Mapping[str, str]] = field(default=())


def bill_of_materials(of: Subject, made_of: Materials) -> dict[str, Any]:
    """The document as plain data; equal inputs give an equal one, so it has no time of writing."""
    model = _model(of, made_of)
    data, teachers = _data(of), [_teacher(told) for told in made_of.teachers]
    libraries = [
        {"type": "library", "bom-ref": f"pkg:pypi/{name}@{version}", "name": name,
         "version": version, "purl": f"pkg:pypi/{name}@{version}"}
        for name, version in sorted(made_of.libraries.items())
    ]  # fmt: skip
    parts = [data, *teachers, *libraries]
    refs = [part["bom-ref"] for part in parts]
    return {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(digest([model, parts])[:32], version=4)}",
        "version": 1,
        "metadata": {"tools": {"components": [_tool(of)]}, "component": model},
        "components": parts,
        "dependencies": [{"ref": model["bom-ref"], "dependsOn": refs}],
    }


def _tool(of: Subject) -> dict[str, str]:
    name, _, version = str(of.card["made_by"]).partition(" ")
    return {"type": "application", "name": name, "version": version}


def _model(of: Subject, made_of: Materials) -> dict[str, Any]:
    card = of.card
    quality: dict[str, Any] = {"type": card["metric"], "value": f"{card['score']:.6g}"}
    if card["interval"] is not None:
        low, high = card["interval"]
        quality["confidenceInterval"] = {"lowerBound": f"{low:.6g}", "upperBound": f"{high:.6g}"}
    return {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": of.record.settings["name"],
        "version": card["candidate"],
        "licenses": [{"license": {"name": carried_licence(of.licences)[1]}}],
        "modelCard": {
            "modelParameters": {
                "task": of.pipeline,
                "architectureFamily": str(card["family"] or "network"),
                "datasets": [{"ref": "data"}],
                "outputs": [{"format": of.target}],
            },
            "quantitativeAnalysis": {"performanceMetrics": [quality]},
        },
        "components": [
            {"type": "file", "name": name, "hashes": [{"alg": "SHA-256", "content": sha}]}
            for name, sha in sorted(made_of.files.items())
        ],
    }


def _data(of: Subject) -> dict[str, Any]:
    source = of.about.get("source", {})
    found = source.get("sha256") or of.about.get("data_hash")
    return {
        "type": "data",
        "bom-ref": "data",
        "name": str(source.get("name") or "data"),
        "hashes": [{"alg": "SHA-256", "content": found}] if found else [],
        "licenses": [{"license": {"name": of.licences.get("data", "not stated")}}],
        "data": [{"type": "dataset", "name": str(source.get("name") or "data")}],
    }


def _teacher(told: Mapping[str, str]) -> dict[str, Any]:
    hashes = [{"alg": "SHA-256", "content": told["sha256"]}] if "sha256" in told else []
    return {"type": "machine-learning-model", "bom-ref": f"teacher:{told['name']}",
            "name": told["name"], "hashes": hashes}  # fmt: skip
