"""Tapes of very many records, each tape with its name."""

from collections.abc import Iterator

from rtproxy.tape.codec import encode_control, encode_event
from tests.attacks.hostile import (
    HEADER,
    Say,
    said,
    sealed,
)


def many() -> Iterator[tuple[str, bytes]]:
    tiny = [encode_event(n, n * 1000, n % 2, "{}") for n in range(100_000)]
    yield "tiny", sealed(tiny)
    yield "unsealed", HEADER + b"".join(tiny)
    yield (
        "controls",
        sealed(
            [encode_control(n, n * 1000, n % 2, "ping", {"payload": b""}) for n in range(100_000)]
        ),
    )
    for name in REPEATED:
        yield f"many {name}", many_of(name, 20_000)
        yield f"same {name}", same_of(name, 20_000)


def many_of(name: str, size: int) -> bytes:
    """These events over and over, each time of a thing of its own."""
    each, events = REPEATED[name], list[Say]()
    for n in range(size // len(each)):
        events += [
            (n * 10 + at, who, template.replace("@", str(n)).replace("§", chr(0x4E00 + n)))
            for at, (who, template) in enumerate(each)
        ]
    return sealed(said(*events))


def same_of(name: str, size: int) -> bytes:
    """Each of these events over and over, always of the same thing."""
    each = REPEATED[name]
    return sealed(
        said(*[
            (ms, who, template)
            for at, (who, template) in enumerate(each)
            for ms in range(at, size, len(each))
        ])
    )  # fmt: skip


REPEATED: dict[str, list[tuple[int, str]]] = {
    "responses": [
        (1, '{"type":"response.created","response":{"id":"resp_@"}}'),
        (1, '{"type":"response.output_audio.delta","response_id":"resp_@","item_id":"item_@",'
            '"content_index":0,"output_index":0,"delta":"AAAA"}'),
        (1, '{"type":"response.done","response":{"id":"resp_@","status":"completed"}}'),
    ],
    "responses that never end": [(1, '{"type":"response.created","response":{"id":"resp_@"}}')],
    "turns": [
        (0, '{"type":"input_audio_buffer.append","audio":"AAAA"}'),
        (1, '{"type":"input_audio_buffer.speech_started","audio_start_ms":@,"item_id":"u@"}'),
        (1, '{"type":"input_audio_buffer.speech_stopped","audio_end_ms":@,"item_id":"u@"}'),
        (1, '{"type":"input_audio_buffer.committed","item_id":"u@"}'),
        (1, '{"type":"response.created","response":{"id":"r@"}}'),
        (1, '{"type":"response.output_audio.delta","response_id":"r@","item_id":"a@",'
            '"delta":"AAAA"}'),
        (1, '{"type":"response.done","response":{"id":"r@","status":"completed"}}'),
    ],
    "speech": [
        (1, '{"type":"input_audio_buffer.speech_started","audio_start_ms":@,"item_id":"u@"}')],
    "items": [
        (1, '{"type":"conversation.item.added","item":{"id":"i@","type":"message","role":"user",'
            '"content":[{"type":"input_text","text":"t@"}]}}')],
    "items sent": [
        (0, '{"type":"conversation.item.create","item":{"id":"i@","type":"message","role":"user",'
            '"content":[{"type":"input_text","text":"t@"}]}}'),
        (0, '{"type":"response.create"}')],
    "errors": [(1, '{"type":"error","event_id":"e@","error":{"type":"x","code":"c@",'
                   '"message":"m","event_id":"ev@"}}')],
    "tools": [
        (1, '{"type":"response.function_call_arguments.done","response_id":"r@","item_id":"f@",'
            '"call_id":"c@","name":"n","arguments":"{}"}'),
        (0, '{"type":"conversation.item.create","item":{"type":"function_call_output",'
            '"call_id":"c@","output":"1"}}')],
    "transcripts": [
        (1, '{"type":"conversation.item.input_audio_transcription.delta","item_id":"i",'
            '"content_index":0,"delta":"w@ "}'),
        (1, '{"type":"response.output_audio_transcript.delta","response_id":"r","item_id":"a",'
            '"output_index":0,"content_index":0,"delta":"w@ "}')],
    "sessions": [
        (1, '{"type":"session.updated","session":{"id":"s@","instructions":"i@"}}'),
        (0, '{"type":"session.update","session":{"instructions":"i@"}}')],
    "types": [(1, '{"type":"t.@"}'), (0, '{"type":"u.@"}')],
    "truncations": [
        (0, '{"type":"conversation.item.truncate","item_id":"a","audio_end_ms":@}'),
        (1, '{"type":"conversation.item.truncated","item_id":"a","audio_end_ms":@}'),
        (0, '{"type":"response.cancel"}')],
    "rate limits": [
        (1, '{"type":"rate_limits.updated","rate_limits":[{"name":"n@","limit":@,"remaining":0,'
            '"reset_seconds":1}]}')],
    "alike": [
        (1, '{"type":"response.created","response":{"id":"r§"}}'),
        (1, '{"type":"response.output_audio.delta","response_id":"r§","item_id":"§",'
            '"delta":"AAAA"}'),
        (1, '{"type":"response.done","response":{"id":"r§","status":"completed"}}')],
    "previous": [
        (1, '{"type":"conversation.item.added","previous_item_id":"i0","item":{"id":"i@",'
            '"type":"message","role":"user","content":[]}}')],
    "parts": [
        (1, '{"type":"response.content_part.added","response_id":"r","item_id":"a",'
            '"output_index":@,"content_index":@,"part":{"type":"audio"}}'),
        (1, '{"type":"response.output_text.delta","response_id":"r","item_id":"a",'
            '"output_index":@,"content_index":@,"delta":"x"}')],
}  # fmt: skip
