"""Tables: read from files with every assumption said, split, and written as arrays for models."""

from modelwright.data.columns import ColumnInfo
from modelwright.data.limited import read_limited, read_rows_limited
from modelwright.data.prepare import (
    Part,
    Prepared,
    Question,
    encode_target,
    load_part,
    load_prepared,
    prepare,
)
from modelwright.data.read import Raw, read_raw, read_table
from modelwright.data.schema import Encoded, Features, Flag, Schema, encode_rows
from modelwright.data.split import Split, split_rows
from modelwright.data.table import Table, TableInfo
from modelwright.data.target import Target, read_target, task_of
from modelwright.data.text_file import Reading

__all__ = [
    "ColumnInfo", "Encoded", "Features", "Flag", "Part", "Prepared", "Question", "Raw", "Reading",
    "Schema", "Split", "Table", "TableInfo", "Target", "encode_rows", "encode_target", "load_part",
    "load_prepared", "prepare", "read_limited", "read_raw", "read_rows_limited", "read_table",
    "read_target", "split_rows", "task_of",
]  # fmt: skip
