"""Types as search spaces: sample, mutate, cross, encode, describe and read designs."""

from modelwright.spaces.layout import Column, Condition, Layout
from modelwright.spaces.metadata import Depth, Log, Ordered
from modelwright.spaces.space import Space

__all__ = ["Column", "Condition", "Depth", "Layout", "Log", "Ordered", "Space"]
