"""A tape for the attacks on what reads tapes."""

from pathlib import Path

import pytest

from rtproxy.tape.record import FROM_SERVER
from rtproxy.tape.writer import TapeWriter

UP = [
    '{"type":"session.update","session":{"type":"realtime","instructions":"Be kind."}}',
    '{"type":"response.create"}',
]
DOWN = [
    '{"type":"session.created","session":{"id":"sess_1","model":"gpt-realtime"}}',
    '{"type":"response.created","response":{"id":"resp_1"}}',
    '{"type":"response.done","response":{"id":"resp_1","status":"completed","output":[]}}',
]
CALL = [DOWN[0], *UP, *DOWN[1:]]


@pytest.fixture
def call(tmp_path: Path) -> Path:
    """A sealed tape of a small session."""
    path = tmp_path / "call.rtape"
    fields = {
        "id": "0123456789abcdef",
        "connection": "websocket",
        "request": {"method": "GET", "target": "/v1/realtime?model=gpt-realtime", "headers": []},
        "response": {"status": 101, "headers": [["Upgrade", "websocket"]]},
    }
    writer = TapeWriter.create(path, fields)
    for n, text in enumerate(CALL):
        writer.event(n * 1_000_000, 0 if text in UP else FROM_SERVER, text)
    writer.seal(10_000_000)
    return path
