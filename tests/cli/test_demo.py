"""`rtproxy demo` as a newcomer runs it."""

import asyncio
import sys
from pathlib import Path

from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Control, Event


async def test_the_demo_records_a_call_and_shows_it(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rtproxy", "demo"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    shown = out.decode()
    assert process.returncode == 0, err.decode()
    assert err == b""
    (path,) = (tmp_path / "recordings").glob("*.rtape")
    assert f"recordings/{path.name}" in shown
    assert "calls lookup_order" in shown
    assert "interrupts, having heard" in shown
    assert "conversation.item.truncate" in shown
    assert "audio in" in shown
    assert "rtproxy tape verify" in shown
    with open_tape(path) as tape:
        assert tape.state == "sealed"
        assert tape.header.origin == "simulated"
        types = tape.summary().types
        assert types["server"]["response.done"] == 3
        assert types["client"]["conversation.item.truncate"] == 1
        assert types["client"]["input_audio_buffer.append"] > 100
        assert not [record for record in tape if isinstance(record, Control) and
                    record.name in ("protocol_error", "reset", "gap", "marker")]  # fmt: skip
        assert all(isinstance(record.payload, str) for record in tape if isinstance(record, Event))
