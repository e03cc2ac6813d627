"""Writes tapes as a Parquet dataset: DIR/date=YYYY-MM-DD/TAPE.parquet, a row an event."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from rtproxy.convert.output import output, refuse
from rtproxy.convert.table import COLUMNS, Row, rows
from rtproxy.errors import ConvertError
from rtproxy.realtime.session import Session
from rtproxy.tape.reader import Tape

GROUP = 20_000
"""Rows that are in memory at once, and in a row group."""
UNDATED = "unknown"
MISSING = "Parquet needs pyarrow: pip install 'rtproxy[parquet]'."


def write(tape: Tape, folder: Path, *, force: bool = False) -> int:
    """Write one tape into the dataset in `folder`; returns how many rows.

    Raises TapeError when the tape cannot be read, and ConvertError when pyarrow is missing, or the
    file is there already (unless `force`) or cannot be written.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ConvertError(MISSING) from None

    schema = pa.schema([_field(pa, name) for name in COLUMNS])
    path = folder / f"date={_date(tape.header.fields.get('started_ns'))}" / _name(tape.path)
    refuse(path, force=force)
    session = Session.from_tape(tape)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConvertError(f"{path.parent} cannot be made: {error.strerror}.") from None
    count = 0
    with (
        output(path, force=force) as file,
        pq.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        for group in _groups(rows(session, tape, tape.path.name)):
            columns = {name: [row.get(name) for row in group] for name in COLUMNS}
            writer.write_table(pa.table(columns, schema=schema))
            count += len(group)
    return count


def _field(pa: Any, name: str) -> Any:
    types = {
        "string": pa.string(),
        "name": pa.dictionary(pa.int32(), pa.string()),
        "int64": pa.int64(),
        "double": pa.float64(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    return pa.field(name, types[COLUMNS[name][0]])


def _groups(made: Iterator[Row]) -> Iterator[list[Row]]:
    while group := list(islice(made, GROUP)):
        yield group


def _date(started_ns: object) -> str:
    """The day on which it was recorded, UTC."""
    if not isinstance(started_ns, int) or not 0 < started_ns < 1 << 62:
        return UNDATED
    return datetime.fromtimestamp(started_ns / 1e9, UTC).strftime("%Y-%m-%d")


def _name(tape: Path) -> str:
    """The file's name: that of the tape, without what some file systems do not take."""
    stem = re.sub(r"\.rtape(\.zst)?$", "", tape.name)
    return re.sub(r"[^\w.-]", "_", stem)[:200] + ".parquet"
