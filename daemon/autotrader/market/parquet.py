"""Columns of Parquet files as they lie in memory, and the complaints about rows that break a rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from autotrader.core.errors import HistoryError
from autotrader.market.bars import Floats, Ints

if TYPE_CHECKING:
    import pyarrow as pa

MAX_ROWS = 20_000_000
"""Bound of one series in memory (38 years of minutes, 1 GB)."""

NS_FROM = 10**15
"""Times of recorded events from here on are nanoseconds (as milliseconds they would lie 30,000 years ahead)."""

MS_NS = 1_000_000
"""Nanoseconds of a millisecond."""

_TYPES = {"is_snapshot": "bool", "side": "string"}
"""The columns that are neither floats nor whole numbers, by their types."""


def read(path: Path, floats: tuple[str, ...], others: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> pa.Table:
    """Read `ts` and the named columns of a file, the optional ones where it has them.

    Raises HistoryError where they are missing or of another type.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
        there = tuple(name for name in optional if name in schema.names)
        wanted = {
            "ts": "int64",
            **dict.fromkeys(floats, "double"),
            **{name: _TYPES.get(name, "int64") for name in (*others, *there)},
        }
        for name, kind in wanted.items():
            if name not in schema.names:
                raise HistoryError(f"{path}: column '{name}' is missing; it has {', '.join(schema.names)}")
            if str(schema.field(name).type).removeprefix("large_") != kind:
                raise HistoryError(f"{path}: column '{name}' is {schema.field(name).type} and must be {kind}")
        if file.metadata.num_rows > MAX_ROWS:
            raise HistoryError(f"{path}: {file.metadata.num_rows} rows are more than {MAX_ROWS}; split the file")
        table = file.read(columns=list(wanted))
    except (pa.ArrowException, OSError) as error:
        raise HistoryError(f"{path}: not a readable Parquet file ({error}); replace or remove it") from error
    for name in wanted:
        if table.column(name).null_count:
            raise HistoryError(f"{path}: column '{name}' has empty values; repair or remove those rows")
    return table


def ints(table: pa.Table, name: str = "ts") -> Ints:
    """Return a column of whole numbers."""
    return _array(table, name, np.dtype(np.int64))


def event_ms(table: pa.Table) -> Ints:
    """Return the times of recorded events in milliseconds."""
    ts = ints(table)
    return ts // MS_NS if len(ts) and ts[0] >= NS_FROM else ts


def event_ns(table: pa.Table) -> Ints:
    """Return the times of recorded events in nanoseconds, as fine as they were kept."""
    ts = ints(table)
    return ts if len(ts) and ts[0] >= NS_FROM else ts * MS_NS


def given(table: pa.Table, name: str) -> Ints:
    """Return a column of whole numbers; -1 throughout where the file has none."""
    return ints(table, name) if name in table.column_names else np.full(table.num_rows, -1, dtype=np.int64)


def where(table: pa.Table, name: str, value: str | bool) -> npt.NDArray[np.bool_]:
    """Return where a column has a value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.cast(pc.equal(table.column(name), pa.scalar(value)), pa.int8())
    return _array(pa.table({name: found}), name, np.dtype(np.int8)).astype(np.bool_)


def floats(table: pa.Table, name: str) -> Floats:
    """Return a column of floats."""
    return _array(table, name, np.dtype(np.float64))


def _array(table: pa.Table, name: str, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return a column without empty values as it lies in memory; pyarrow's own way would import pandas first."""
    parts = []
    for chunk in table.column(name).chunks:
        values = chunk.buffers()[1] if len(chunk) else None
        if values is not None:
            parts.append(np.frombuffer(memoryview(values), kind)[chunk.offset : chunk.offset + len(chunk)])
    if not parts:
        return np.empty(0, kind)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def demand(path: Path, *faults: tuple[str, npt.NDArray[np.bool_]]) -> None:
    """Raise HistoryError with the first row of an event file that breaks a rule."""
    for rule, wrong in faults:
        if wrong.any():
            raise HistoryError(f"{path}: {rule}; row {int(np.argmax(wrong))} is not so, repair or remove it")
