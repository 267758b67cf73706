"""How a text file writes its table: separator, quotes, decimal mark, header, told from a sample."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from modelwright.data.columns import ALWAYS_MISSING, MISSING_AMONG_NUMBERS

# Runs of two blanks or more are cut as if they were this character, which stands in no text.
GAP = "\x1f"
SEPARATORS = (",", ";", "\t", "|", GAP, " ")
# Tried only where none of the others gives two columns.
_RARE = ("~", "^", ":")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_NAMES |= {" ": "one or more blanks", GAP: "two or more blanks"}
_MISSING = {m.lower() for m in (*ALWAYS_MISSING, *MISSING_AMONG_NUMBERS)}
_NUMBER = re.compile(
    r"[-+]?[$€£¥]? ?(\d+([.,]\d*)?|[.,]\d+|\d{1,3}([.,' ]\d{3})+([.,]\d+)?)([eE][-+]?\d+)?"
    r" ?[%€$]?|[-+]?inf"
)
_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
    r"([T ]+\d{1,2}:\d\d(:\d\d([.,]\d+)?)?( ?(Z|[AP]M|[-+]\d\d:?\d\d))?)?"
    r"|\d{1,2}:\d\d(:\d\d)?"
)
_PLAIN = re.compile(r"[^\W_][\w .&'’()/+#@:<>=%-]*", re.UNICODE)
_COMMA_DECIMAL = re.compile(r"[-+]?(\d+,(\d{1,2}|\d{4,})|\d{1,3}(\.\d{3})+,\d+)")
_POINT_DECIMAL = re.compile(r"[-+]?(\d+\.(\d{1,2}|\d{4,})|\d{1,3}(,\d{3})+\.\d+)([eE][-+]?\d+)?")
_RUN, _GAPS = re.compile(r"[ \t]+"), re.compile(r" {2,}|\t+")
# Rows looked at; the rest of the file is judged by them.
_ROWS = 400


@dataclass(frozen=True)
class Cutting:
    """How a line is cut into cells. `quote` is empty when quotes are plain characters."""

    separator: str = ","
    quote: str = '"'
    escape: bool = False

    def records(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """The cells of each record that is not blank; a quoted cell may run over lines.

        Ends early at what cannot be cut (a field over the limit of the csv module).
        """
        reader = self._reader(lines)
        with contextlib.suppress(csv.Error):
            yield from (row for row in reader if row)

    def lines_taken(self, lines: Sequence[str], n_records: int) -> int:
        """How many lines the first records take, blank lines before them included."""
        if not n_records:
            return 0
        reader, seen = self._reader(lines), 0
        with contextlib.suppress(csv.Error):
            for row in reader:
                seen += bool(row)
                if seen == n_records:
                    return int(reader.line_num)
        return n_records

    def squeeze(self, line: str) -> str:
        """The line with its runs of blanks made one separator, where blanks separate."""
        if self.separator == " ":
            return _RUN.sub(" ", line.strip(" \t\r\n"))
        return _GAPS.sub(GAP, line.strip(" \t\r\n")) if self.separator == GAP else line

    def _reader(self, lines: Iterable[str]) -> csv._reader:  # type: ignore[name-defined]
        return csv.reader(
            (self.squeeze(line) for line in lines),
            delimiter=self.separator,
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            escapechar="\\" if self.escape else None,
        )


@dataclass(frozen=True)
class Dialect:
    """Where the table stands in a text file and how it is written.

    `skip` lines before the table are no part of it, `header_lines` more are the header (0 when
    there is none). `names` are as they stand in the header, trimmed. `spill` says what the extra
    field is when every row has one more than the header: `""` none, `"last"` an empty one at the
    end, `"first"` a row name. `comma` is True when 1,5 is one and a half, False when 1.5 is, None
    when no cell tells.
    """

    cutting: Cutting
    names: tuple[str, ...]
    skip: int = 0
    header_lines: int = 1
    spill: str = ""
    comma: bool | None = None
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Fields in a line of data."""
        return len(self.names) + bool(self.spill)


def lines_of(text: str) -> list[str]:
    """The lines with their ends, cut at \\n, \\r\\n and \\r alone."""
    return list(io.StringIO(text, newline=""))


def sniff(
    sample: str,
    *,
    whole: bool,
    separator: str | None = None,
    header: bool | None = None,
    expected: Collection[str] = (),
) -> Dialect:
    """The dialect of a file that begins with `sample`; `whole` says there is no more of it.

    `expected` are names that should stand in the header. After van den Burg, Nazábal and Sutton,
    "Wrangling messy CSV files by detecting row and type patterns" (2019): the reading wins whose
    rows are alike and whose cells are of a known type. Here a row's pattern is its number of
    fields, and only six separators are tried.

    >>> d = sniff("a;b\\n1,5;2\\n2,5;4\\n", whole=True)
    >>> d.cutting.separator, d.comma, d.names
    (';', True, ('a', 'b'))
    """
    lines = lines_of(sample)
    if not whole and len(lines) > 1:
        lines = lines[:-1]
    skip, told = _comments(lines)
    told = told if told and any(told in line for line in lines[skip : skip + 2]) else None
    cutting = _best_cutting(lines[skip:], separator or told)
    rows = list(cutting.records(lines[skip:]))
    width = _common([len(row) for row in rows[1 : _ROWS + 1] or rows])
    title = _title_rows(rows, width, expected)
    skip += cutting.lines_taken(lines[skip:], title)
    rows = rows[title:]
    first = [cell.strip().strip("\ufeff").strip() for cell in rows[0]] if rows else []
    with_header = _has_header(first, rows[1:], expected) if header is None else header
    names, spill = _names_and_spill(first, rows[1:], width, with_header)
    comma = _decimal_comma(rows[1 : _ROWS + 1])
    dialect = Dialect(
        cutting,
        tuple(names),
        skip,
        cutting.lines_taken(lines[skip:], 1) if with_header and rows else 0,
        spill,
        comma,
    )
    return Dialect(**{**dialect.__dict__, "notes": _notes(dialect)})


def _common(widths: Sequence[int]) -> int:
    counts = Counter(widths)
    return max(counts, key=lambda w: (counts[w], w)) if counts else 0


def _comments(lines: Sequence[str]) -> tuple[int, str | None]:
    """Lines to skip at the top (comments, blank), and the separator if one of them names it."""
    told, skip = None, 0
    for line in lines:
        text = line.strip(" \r\n\ufeff")
        if named := re.fullmatch(r"\"?sep=(.)\"?", text, re.IGNORECASE):
            told = named.group(1)
        elif text.strip() and not text.startswith(("#", "%", "//")):
            break
        skip += 1
    # A header behind a hash: its fields are as many as those of the line below.
    if 0 < skip < len(lines) and lines[skip - 1].startswith(("#", "%")):
        for sep in (told,) if told else SEPARATORS[:4]:
            pair = [len(r) for r in Cutting(sep).records(lines[skip - 1 : skip + 1])]
            if len(pair) == 2 and pair[0] == pair[1] > 1:
                return skip - 1, told
    return skip, told


def _best_cutting(lines: Sequence[str], separator: str | None) -> Cutting:
    lines = lines[:_ROWS]
    text = "".join(lines)
    best, best_score = Cutting(separator or ","), -1.0
    common = (separator,) if separator else SEPARATORS
    for sep in (*common, *_RARE) if not separator else common:
        if sep in _RARE and sep != separator and best_score > _ONE_COLUMN:
            break
        quotes = ['"']
        if re.search(rf"(^|{re.escape(sep)})'[^']*'\s*({re.escape(sep)}|$)", text, re.MULTILINE):
            quotes.append("'")
        for quote in quotes:
            cutting = Cutting(sep, quote)
            score = _score(list(cutting.records(lines)))
            if score > best_score * 1.0001 + 1e-9:
                best, best_score = cutting, score
    return Cutting(best.separator, best.quote, _escapes(lines, best))


def _escapes(lines: Sequence[str], cutting: Cutting) -> bool:
    """Whether a backslash before a quote escapes it; then rows are at least as alike."""
    text, quote = "".join(lines), cutting.quote
    if "\\" + quote not in text:
        return False
    with_it = Cutting(cutting.separator, quote, escape=True)
    alike = [
        max(Counter(map(len, c.records(lines))).values(), default=0) for c in (cutting, with_it)
    ]
    # Doubled quotes are the other way to write one, and a field may end in a backslash.
    edge = rf"\\{quote}({re.escape(cutting.separator)}|\r|\n|$)"
    other = quote * 2 in text or re.search(edge, text) is not None
    return alike[1] > alike[0] or (alike[1] == alike[0] and not other)


# What rows of a single field score at most.
_ONE_COLUMN = 1e-3


def _score(rows: Sequence[Sequence[str]]) -> float:
    """Pattern score times type score, as in the paper."""
    if not rows:
        return 0.0
    patterns = Counter(len(row) for row in rows)
    alike = (
        sum(n * max(_ONE_COLUMN, k - 1) / k for k, n in patterns.items())
        / len(patterns)
        / len(rows)
    )
    cells = [cell for row in rows[:200] for cell in row[:200]][:20_000]
    known = sum(_is_known(cell.strip()) for cell in cells) / len(cells)
    return alike * max(known, 1e-3)


def _is_known(cell: str) -> bool:
    return (
        cell.lower() in _MISSING
        or _NUMBER.fullmatch(cell) is not None
        or _DATE.fullmatch(cell) is not None
        or _PLAIN.fullmatch(cell) is not None
    )


def _title_rows(rows: Sequence[Sequence[str]], width: int, expected: Collection[str]) -> int:
    """Leading rows that are titles: narrower than the table below them."""
    if width < 2:
        return 0
    for i, row in enumerate(rows[:50]):
        cells = [cell.strip() for cell in row]
        filled = sum(bool(cell) for cell in cells)
        if (len(row) >= width - 1 and (filled > 1 or width == 2)) or any(
            e in cells for e in expected
        ):
            return i
    return 0


def _has_header(
    first: Sequence[str], rest: Sequence[Sequence[str]], expected: Collection[str]
) -> bool:
    """True unless the first row looks like one more row of data."""
    if any(name in first for name in expected):
        return True
    if any(re.fullmatch(r"column_\d+", name) for name in expected):
        return False
    below = [row for row in rest[:_ROWS] if len(row) == len(first)]
    again = numeric = 0
    for i, cell in enumerate(first):
        there = [c for c in (row[i].strip() for row in below) if c.lower() not in _MISSING]
        numbers = sum(_NUMBER.fullmatch(c) is not None for c in there)
        if there and numbers > 0.9 * len(there) and _NUMBER.fullmatch(cell):
            numeric += 1
        elif cell and cell in there:
            again += 1
    return numeric == 0 and again < max(1, 0.5 * len(first))


def _names_and_spill(
    first: Sequence[str], rest: Sequence[Sequence[str]], width: int, with_header: bool
) -> tuple[list[str], str]:
    if not with_header:
        return [f"column_{i + 1}" for i in range(width or len(first))], ""
    names = [name.lstrip("#% ") if i == 0 else name for i, name in enumerate(first)]
    ends = [row[-1].strip() for row in rest[:_ROWS] if len(row) == width and row]
    spill = ""
    if width == len(names) + 1 and ends:
        spill = "first" if any(ends) else "last"
    elif len(names) > 1 and not names[-1] and width == len(names) and not any(ends):
        names, spill = names[:-1], "last"
    return [name or f"column_{i + 1}" for i, name in enumerate(names)], spill


def _decimal_comma(rows: Sequence[Sequence[str]]) -> bool | None:
    commas = sum(_COMMA_DECIMAL.fullmatch(c.strip()) is not None for row in rows for c in row)
    points = sum(_POINT_DECIMAL.fullmatch(c.strip()) is not None for row in rows for c in row)
    return None if commas == points else commas > points


def _notes(dialect: Dialect) -> tuple[str, ...]:
    sep = dialect.cutting.separator
    said = [f"the separator is {_NAMES.get(sep, repr(sep))}"]
    if dialect.comma:
        said.append("the decimal mark is a comma")
    if dialect.cutting.quote == "'":
        said.append("cells are quoted with '")
    if dialect.skip:
        lines = "line is" if dialect.skip == 1 else f"{dialect.skip} lines are"
        said.append(f"the first {lines} no part of the table and skipped")
    if not dialect.header_lines:
        said.append(
            f"there is no header: the columns are called column_1 to column_{len(dialect.names)}"
        )
    if dialect.spill == "first":
        said.append("rows have one field more than the header: the first is taken as a row name")
    if dialect.spill == "last":
        said.append("each line ends with a separator, which is cut off")
    return tuple(said)
