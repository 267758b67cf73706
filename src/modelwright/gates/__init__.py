"""Gates: who judges a finished trial against the champion."""

from modelwright.gates.best import Best
from modelwright.gates.paired import Paired

__all__ = ["Best", "Paired"]
