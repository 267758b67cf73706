"""Where trials run: in this process (`Inline`) or in worker processes that can be killed.

Both keep the contract of `modelwright.core.roles.Executor`. Importing this room loads the standard
library only.
"""

from modelwright.executors.inline import Inline
from modelwright.executors.machine import cpu_slots, default_slots, hardware_class, memory_bytes
from modelwright.executors.processes import Processes
from modelwright.executors.store import FileStore
from modelwright.executors.toolbox import EvaluatorSpec, ToolBox

__all__ = [
    "EvaluatorSpec",
    "FileStore",
    "Inline",
    "Processes",
    "ToolBox",
    "cpu_slots",
    "default_slots",
    "hardware_class",
    "memory_bytes",
]
