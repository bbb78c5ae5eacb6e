"""Recorded daily metrics, on-chain and sentiment: Parquet in, bars that close when their value had become known out.

The day of a row is not when anybody knew it: what a chain did on a day is counted when that UTC day is over, and an
index that is published at midnight may be dated with the day before or the day after. So every row counts as known one
day after its date, whatever the source: at worst a value is used a day late, never early. Sources take hours to publish
and revise older days; a file that is filled later than midnight is taken as it comes.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autotrader.config.files import Signature, signature
from autotrader.core.clock import DAY_MS
from autotrader.core.errors import HistoryError
from autotrader.market.bars import Columns, Floats, Ints, empty

if TYPE_CHECKING:
    import pyarrow as pa

KNOWN_AFTER_MS = DAY_MS
"""From the beginning of a row's UTC day to the moment at which its value counts as known."""

HELD_MS = 7 * DAY_MS
"""How long a value is good for where no newer one follows; after it there is none."""

MAX_ROWS = 100_000
"""Bound of one file: 270 years of days."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Metrics:
    """The metrics under one data folder, as their files were last read; safe to be asked from several threads."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._seen: dict[tuple[str, str], Signature | None] = {}
        self._rows: dict[tuple[str, str], Columns] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Metrics], tuple[Path]]:
        return Metrics, (self._data,)  # another process reads the same files itself

    def changed(self, name: str, column: str) -> bool:
        """Tell whether a metric was not read yet, or its file changed since."""
        key = (name, column)
        return key not in self._seen or signature(path_of(self._data, name)) != self._seen[key]

    def load(self, name: str, column: str) -> None:
        """Read a metric. Raises HistoryError where it cannot be had; the rows that were read before stay."""
        path = path_of(self._data, name)
        with self._lock:
            self._seen[name, column] = signature(path)
            self._rows[name, column] = read(path, column)

    def rows(self, name: str, column: str) -> Columns:
        """Return a metric as it was last read, see `bars_of`; without any rows where it never was."""
        return self._rows.get((name, column)) or empty()


def path_of(data: Path, name: str) -> Path:
    """Return the file of a metric named as `onchain/btc-network`."""
    return data / f"{name}.parquet"


def problem(data: Path, name: str, column: str) -> str:
    """Return what a metric's file lacks, or nothing; only its schema is read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = path_of(data, name)
    if not path.is_file():
        there = sorted(one.stem for one in path.parent.glob("*.parquet")) if path.parent.is_dir() else []
        known = f"there are {', '.join(there[:10])}" if there else "there is no metric of that kind"
        return f"there is no {name}.parquet in the history; {known}"
    try:
        names = pq.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        return f"{name}.parquet is not a readable Parquet file ({error}); replace it"
    if column not in names:
        return f"{name}.parquet has no column '{column}'; it has {', '.join(names[:20])}"
    return ""


def read(path: Path, column: str) -> Columns:
    """Return one column of a metric's file as bars. Raises HistoryError where it is not what the schema promises."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
        for name in ("date", column):
            if name not in schema.names:
                raise HistoryError(f"{path}: column '{name}' is missing; it has {', '.join(schema.names)}")
        if file.metadata.num_rows > MAX_ROWS:
            raise HistoryError(f"{path}: {file.metadata.num_rows} rows are more than {MAX_ROWS}; keep one a day")
        table = file.read(columns=["date", column])
    except (pa.ArrowException, OSError) as error:
        raise HistoryError(
            f"{path}: not a readable metric ({error}); replace it, or take it out of the rules"
        ) from error
    return bars_of(_days(path, table), _values(path, table, column))


def bars_of(dates: Ints, values: Floats) -> Columns:
    """Return rows, dated by the beginning of their UTC day in ms, as bars that close when they are known.

    All prices of a bar are the value. Where nothing newer is known for HELD_MS, a bar without a value ends the last.
    """
    known = dates + KNOWN_AFTER_MS
    following = np.append(known[1:], np.iinfo(np.int64).max)
    ended = np.flatnonzero(following - known > HELD_MS)
    ts = np.insert(known, ended + 1, known[ended] + HELD_MS) - DAY_MS
    value = np.insert(values, ended + 1, np.nan)
    return Columns(ts, value, value, value, value, np.zeros(len(ts)))


def _days(path: Path, table: pa.Table) -> Ints:
    texts = table.column("date").to_pylist()
    for row, text in enumerate(texts):
        if not isinstance(text, str) or not _DAY.fullmatch(text):
            raise HistoryError(f"{path}: row {row} is dated {text!r}; write days as text, YYYY-MM-DD")
    try:
        days = np.array(texts, dtype="datetime64[D]").astype(np.int64)
    except ValueError as error:
        raise HistoryError(f"{path}: {error}; write days that there are, YYYY-MM-DD") from error
    behind = np.flatnonzero(np.diff(days) <= 0)
    if len(behind):
        raise HistoryError(f"{path}: days must increase; {texts[behind[0] + 1]} does not, sort or remove it")
    return days * DAY_MS


def _values(path: Path, table: pa.Table, column: str) -> Floats:
    import pyarrow as pa

    cells = table.column(column)
    if not (pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type)):
        raise HistoryError(f"{path}: column '{column}' is {cells.type} and must be numbers")
    if cells.null_count:
        raise HistoryError(f"{path}: column '{column}' has empty values; repair or remove those rows")
    values: Floats = cells.to_numpy().astype(np.float64)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise HistoryError(f"{path}: column '{column}' has no number in row {row}; repair or remove it")
    return values
