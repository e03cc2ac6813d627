"""Credentials never reach the tape, and everything else reaches it as it was."""

import base64
import json
import random
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtproxy.tape.redaction import MAX_LEARNED, MIN_LENGTH, STAND_INS, Redactor

KEY = b"0123456789abcdef"
SECRET = "sk-proj-4fQ9_hT2xLw8-abcDEF123"


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(KEY)


def mark(secret: str) -> str:
    return Redactor(KEY).placeholder(secret)


def audio(count: int, seed: int = 1) -> str:
    return base64.b64encode(random.Random(seed).randbytes(count)).decode()


# --- the replacement -----------------------------------------------------------------------------


def test_equal_secrets_stay_equal_within_a_tape_and_differ_between_tapes() -> None:
    one, other = Redactor(b"a" * 16), Redactor(b"b" * 16)
    assert re.fullmatch(r"REDACTED:[0-9a-f]{8}", one.placeholder(SECRET))
    assert one.placeholder(SECRET) == one.placeholder(SECRET)
    assert one.placeholder(SECRET) != one.placeholder(SECRET + "x")
    assert one.placeholder(SECRET) != other.placeholder(SECRET)


def test_a_secret_has_one_replacement_wherever_and_however_it_is_written(
    redactor: Redactor,
) -> None:
    secret = 'a/b+c"d\\é 1'
    in_query = quote(secret, safe="")
    target, headers = redactor.request(
        f"/v1/realtime?model=m&api-key={in_query}&x=1", [("Authorization", f"Bearer {secret}")]
    )
    assert target == f"/v1/realtime?model=m&api-key={mark(secret)}&x=1"
    assert headers == [["Authorization", f"Bearer {mark(secret)}"]]
    texts = [
        json.dumps({"x": f"<{secret}>"}),
        json.dumps({"x": f"<{secret}>"}, ensure_ascii=False),
        json.dumps({"x": json.dumps({"y": f"<{secret}>"})}),
        json.dumps({"x": f"<{secret}>"}).replace("/", r"\/"),
        '{"x":"<' + "".join(rf"\u{ord(char):04x}" for char in secret) + '>"}',
        f'{{"x":"https://h/?q=<{in_query}>"}}',
        f"q=<{in_query.replace('%20', '+')}>",
        f"q=<{quote(in_query)}>",
    ]
    for text in texts:
        redacted, changed = redactor.text(text)
        assert changed
        before, _, after = redacted.partition(mark(secret))
        assert text.startswith(before)
        assert before.endswith("<")
        assert text.endswith(after)
        assert after.startswith(">")


def test_what_is_already_redacted_stays(redactor: Redactor) -> None:
    other = Redactor(b"another tape's k")
    target = "wss://user:password@host/v1/realtime?key=abcdefgh12345678"
    headers = [
        ("Authorization", f"Bearer {SECRET}"),
        ("Cookie", "a=0123456789abcdef0123"),
        ("Sec-WebSocket-Protocol", f"realtime, openai-insecure-api-key.{SECRET}"),
    ]
    text = json.dumps({"client_secret": {"value": "ek_1"}, "error": f"Incorrect API key: {SECRET}"})
    once_target, once_headers = other.request(target, headers)
    once_text, _ = other.text(text)
    assert redactor.request(once_target, [(n, v) for n, v in once_headers]) == (
        once_target,
        once_headers,
    )
    assert redactor.text(once_text) == (once_text, False)


# --- learned values ------------------------------------------------------------------------------


def test_short_values_and_stand_ins_are_not_removed_everywhere(redactor: Redactor) -> None:
    short = "x" * (MIN_LENGTH - 1)
    for secret in (short, "", "undefined", "realtime", "REDACTED"):
        redactor.learn(secret)
    text = f'{{"type":"realtime","a":"undefined","b":"{short}","c":"REDACTED:01234567"}}'
    assert redactor.text(text) == (text, False)


def test_the_longest_of_overlapping_secrets_wins(redactor: Redactor) -> None:
    redactor.learn("abcdefgh")
    redactor.learn("abcdefgh-ijkl")
    assert redactor.text("<abcdefgh-ijkl> <abcdefgh>") == (
        f"<{mark('abcdefgh-ijkl')}> <{mark('abcdefgh')}>",
        True,
    )


def test_a_secret_in_a_key_and_within_words(redactor: Redactor) -> None:
    redactor.learn("hunter2hunter2")
    assert redactor.text('{"xhunter2hunter2y":{"hunter2hunter2":1}}') == (
        f'{{"x{mark("hunter2hunter2")}y":{{"{mark("hunter2hunter2")}":1}}}}',
        True,
    )


def test_an_escape_is_never_cut(redactor: Redactor) -> None:
    redactor.learn("nabcdefgh")
    redactor.learn("41-abcdefgh")
    redactor.learn("ABCDEFGH\\")
    gone = [mark("nabcdefgh"), mark("41-abcdefgh"), mark("ABCDEFGH\\")]
    text = r'{"a":"x\nabcdefgh","b":"\u0041-abcdefgh","c":"ABCDEFGH\n","d":"\\nabcdefgh","e":"\nk"}'
    redacted, changed = redactor.text(text)
    assert changed
    assert json.loads(redacted) == {
        "a": "x" + gone[0],
        "b": gone[1],
        "c": gone[2],
        "d": "\\" + gone[0],
        "e": "\nk",
    }
    windows = r"C:\nabcdefgh and C:\41-abcdefgh"
    assert redactor.text(windows)[0] == f"C:{gone[0]} and C:\\{gone[1]}"
    assert redactor.text(r'"key:\nab****yz"') == (rf'"key:\n{mark("ab****yz")}"', True)


def test_a_secret_of_digits_leaves_numbers_valid(redactor: Redactor) -> None:
    redactor.learn("12345678")
    text = '{"a": 99123456780, "b": [1, -12345678.5e3], "c": ": 12345678,"}'
    gone = mark("12345678")
    assert redactor.text(text) == (
        f'{{"a": "{gone}", "b": [1, "{gone}"], "c": ": {gone},"}}',
        True,
    )


def test_what_one_message_shows_is_removed_from_the_next_in_either_direction(
    redactor: Redactor,
) -> None:
    update = {"session": {"tools": [{"type": "mcp", "headers": {"X-Tenant": "tenant 4711/ü"}}]}}
    redactor.text(json.dumps(update))
    for payload in ('{"delta":"tenant 4711/ü"}', r'{"delta":"tenant 4711\/\u00fc"}'):
        assert redactor.text(payload) == (f'{{"delta":"{mark("tenant 4711/ü")}"}}', True)
    assert redactor.binary(b"\xff tenant 4711/\xc3\xbc")[0].endswith(mark("tenant 4711/ü").encode())


def test_a_peer_cannot_make_every_message_slow(redactor: Redactor) -> None:
    redactor.learn(SECRET)
    for n in range(3 * MAX_LEARNED):
        redactor.text(f'{{"api_key":"made-up-{n:05}"}}')
    assert redactor.text("made-up-00000")[1]
    assert redactor.text(SECRET)[1]
    assert not redactor.text("made-up-00700")[1]
    assert redactor.text('{"api_key":"made-up-00700"}')[1]


characters = st.one_of(
    st.sampled_from("\"\\/\n\t é%+&=<>'u0041{}[],:-_."),
    st.characters(codec="utf-8"),
)
secrets = st.text(characters, min_size=MIN_LENGTH, max_size=24).filter(
    lambda text: (
        len(set(text)) > 3
        and "REDACTED" not in text
        and text.lower() not in STAND_INS
        and not set(text) <= set('0123456789eE+-.,:"{}[] \n\t')
    )
)
# Every place and shape of a secret needs one of these letters, so these texts have none by chance.
innocent = st.characters(codec="utf-8", exclude_characters="aeAE@*?")
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(innocent, max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(innocent, max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
dumps_options = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "separators": st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")]),
        "indent": st.sampled_from([None, 2]),
    }
)


@settings(max_examples=150, deadline=None)
@given(secrets, documents, st.text(max_size=5), st.text(max_size=5), dumps_options, st.data())
def test_a_learned_secret_is_found_anywhere(
    secret: str,
    document: Any,
    before: str,
    after: str,
    options: dict[str, Any],
    data: st.DataObject,
) -> None:
    redactor = Redactor(KEY)
    redactor.learn(secret)

    def plant(value: str) -> Any:
        where = data.draw(st.sampled_from(["value", "key", "nested", "beside audio"]))
        if where == "nested":
            return {"rest": document, "args": json.dumps({"x": value}, **options)}
        if where == "beside audio":
            return {"type": "input_audio_buffer.append", "audio": audio(900), "x": value}
        return [document, {"x": value} if where == "value" else {value: 0}]

    text = json.dumps(plant(before + secret + after), **options)
    redacted, changed = redactor.text(text)
    assert changed
    assert secret not in redacted
    assert json.dumps(secret)[1:-1] not in redacted
    parsed = json.loads(redacted)
    for reading in strings_of(parsed):
        assert secret not in reading
    assert redactor.text(redacted) == (redacted, False)
    assert replaced(json.loads(text), secret) == replaced(parsed, secret)


def strings_of(value: Any) -> list[str]:
    """Every key and string of a document, and of the documents in its strings."""
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in strings_of(part)]
    if isinstance(value, list):
        return [text for item in value for text in strings_of(item)]
    if not isinstance(value, str):
        return []
    try:
        return [value, *strings_of(json.loads(value))] if value[:1] in ("{", "[") else [value]
    except ValueError:
        return [value]


def replaced(value: Any, secret: str) -> Any:
    """The document with the secret replaced the plain way: parsed, string by string."""
    if isinstance(value, dict):
        return {replaced(key, secret): replaced(inner, secret) for key, inner in value.items()}
    if isinstance(value, list):
        return [replaced(item, secret) for item in value]
    if not isinstance(value, str):
        return value
    if value[:1] in ("{", "["):
        try:
            return replaced(json.loads(value), secret)
        except ValueError:
            pass
    return value.replace(secret, mark(secret))


@settings(max_examples=150, deadline=None)
@given(st.text(innocent, max_size=30) | documents.map(json.dumps))
def test_what_has_no_secret_is_the_identical_object(text: str) -> None:
    redactor = Redactor(KEY)
    redactor.learn("a-secret-that-is-nowhere-else")
    redacted, changed = redactor.text(text)
    assert redacted is text
    assert not changed
    payload = text.encode()
    assert redactor.binary(payload) == (payload, False)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=20), secrets)
def test_binary_keeps_every_other_byte(before: bytes, after: bytes, secret: str) -> None:
    redactor = Redactor(KEY)
    redactor.learn(secret)
    redacted, changed = redactor.binary(b"\xff" + before + b"|" + secret.encode() + b"|" + after)
    assert changed
    assert redacted == b"\xff" + before + b"|" + mark(secret).encode() + b"|" + after


# --- audio ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [300, 1000, 9600, 19000])
@pytest.mark.parametrize("escaped", [False, True])
def test_audio_is_left_alone_and_hides_nothing(
    redactor: Redactor, count: int, escaped: bool
) -> None:
    redactor.learn(SECRET)
    redactor.learn("0123456789abcdef0123456789abcdef")
    redactor.learn("AB/CD+EF/GH+IJ")

    def append(content: str, *more: str) -> str:
        content = content.replace("/", r"\/").replace("+", r"\u002B") if escaped else content
        return (
            ",".join(('{"type":"input_audio_buffer.append"', f'"audio":"{content}"', *more)) + "}"
        )

    clean = append(audio(count))
    redacted, changed = redactor.text(clean)
    assert redacted is clean
    assert not changed
    half = audio(count // 2 // 3 * 3)
    for secret in (SECRET, "0123456789abcdef0123456789abcdef", "AB/CD+EF/GH+IJ"):
        assert redactor.text(append(half + secret + half)) == (
            append(half + mark(secret) + half),
            True,
        )
        assert redactor.text(append(half, f'"x":"{secret}"')) == (
            append(half, f'"x":"{mark(secret)}"'),
            True,
        )
    assert redactor.text(append(half, '"client_secret":"s"'))[1]
    assert redactor.text(append(half, r'"x":"\u0073k-proj-4fQ9_hT2xLw8-abcDEF123"'))[1]


def test_a_long_secret_is_no_audio(redactor: Redactor) -> None:
    long = audio(900)
    assert redactor.text(f'{{"client_secret":"{long}"}}') == (
        f'{{"client_secret":"{mark(long)}"}}',
        True,
    )


@pytest.mark.parametrize("size", [0, 300, 5000])
@pytest.mark.parametrize(
    "before", ["", "data:application/json;base64,", "AAAA,", "a:", "x;", "n=1&v=", "v="]
)
@pytest.mark.parametrize(
    ("opening", "closing", "indent"), [("{", "}", None), ("{", "}", 2), ("[{", "}]", None)]
)
def test_json_in_base64_is_no_audio_however_long(
    redactor: Redactor, size: int, before: str, opening: str, closing: str, indent: int | None
) -> None:
    padding = "x" * size
    value = json.loads(
        f'{opening}"padding":"{padding}","api_key":"a1b2c3d4e5f6a7b8c9d0e1f2"{closing}'
    )
    encoded = base64.b64encode(json.dumps(value, indent=indent).encode()).decode()
    redacted, changed = redactor.text(f'{{"type":"x","data":"{before}{encoded}"}}')
    assert changed
    assert redacted == f'{{"type":"x","data":"{before}{mark(encoded)}"}}'


# --- bytes that are no UTF-8 ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "escape",
    [
        lambda text: "".join(rf"\u{ord(char):04x}" for char in text),
        lambda text: "".join(f"%{ord(char):02x}" for char in text),
        lambda text: json.dumps(json.dumps(text))[1:-1],
    ],
)
def test_a_known_secret_is_found_in_its_escapes(
    redactor: Redactor, escape: Callable[[str], str]
) -> None:
    redactor.learn('t"4\\7-' + SECRET)
    around = b'\xff\x00{"a\xe9":"', b'\\n"}\xfe%41'
    payload = escape('t"4\\7-' + SECRET).encode().join(around)
    redacted, changed = redactor.binary(payload)
    assert changed
    assert redacted.startswith(around[0])
    assert redacted.endswith(around[1])
    assert SECRET[-8:] not in redacted.decode("latin-1").encode().decode("unicode_escape")
    assert mark('t"4\\7-' + SECRET).encode() in redacted


def test_stretches_of_ascii_have_nothing_to_do_with_one_another() -> None:
    redactor = Redactor(KEY, [re.compile(r"end\d\s+begin\d"), re.compile(r"\s%41")])
    payload = rb"a long stretch\u0041 end1" + b"\xff" + rb"begin2 a long stretch%41"
    payload += b"\xff" + rb"%41 a long stretch%41"
    redacted, _ = redactor.binary(payload)
    assert redacted.endswith(payload.partition(b"\xff")[1] + payload.partition(b"\xff")[2])


def test_places_are_known_in_json_of_another_encoding(redactor: Redactor) -> None:
    body = '{"name":"Zoé","api_key":"%s","x":1}'
    assert redactor.body("application/json", (body % "a1b2c3d4e5").encode("latin-1")) == (
        (body % mark("a1b2c3d4e5")).encode("latin-1"),
        True,
    )
    assert redactor.text("a1b2c3d4e5")[1]
    redacted = (body % mark("a1b2c3d4e5")).encode("latin-1")
    assert redactor.body("application/json", redacted) == (redacted, False)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-32-be"])
def test_bodies_in_which_ascii_is_not_ascii(redactor: Redactor, encoding: str) -> None:
    redactor.learn(SECRET)
    charset = encoding.removesuffix("-be").removesuffix("-le").upper()
    body = '{"api_key":"k\\u0031","said":"%s é"}'
    payload, redacted = body % SECRET, body % mark(SECRET)
    redacted = redacted.replace(r"k\u0031", mark("k1"))
    for kind in (f"application/json; charset={charset}", f'text/plain;charset="{charset}"'):
        clean, changed = redactor.body(kind, payload.encode(encoding))
        assert (clean.decode(encoding), changed) == (redacted, True)
        assert redactor.body(kind, clean) == (clean, False)
        assert redactor.body(kind, payload.encode()) == (redacted.encode(), True)


# --- patterns ------------------------------------------------------------------------------------


def test_patterns_add_to_what_is_removed() -> None:
    redactor = Redactor(
        KEY, [re.compile(r"\+\d{9,}"), re.compile(r"PIN (\d{4})"), re.compile("x*")]
    )
    assert redactor.text('{"t":"call +491234567890, PIN 1234, 1234"}') == (
        f'{{"t":"call {mark("+491234567890")}, PIN {mark("1234")}, 1234"}}',
        True,
    )
    assert redactor.text(r'{"t":"call \u002b491234567890"}') == (
        f'{{"t":"call {mark("+491234567890")}"}}',
        True,
    )


def test_patterns_do_not_damage_audio() -> None:
    redactor = Redactor(KEY, [re.compile("[a-z]{3}")])
    content = audio(3000)
    redacted, changed = redactor.text(f'{{"N":"abc","audio":"{content}"}}')
    assert changed
    assert json.loads(redacted)[mark("aud") + "io"] == content
    assert redactor.text(f'{{"N":"abc, {content}"}}')[0].count("REDACTED") > 5


# --- bodies and maps -----------------------------------------------------------------------------


def test_what_a_tool_says_of_a_password_is_learned_by_nobody(redactor: Redactor) -> None:
    said = '{"type":"function_call_output","output":"{\\"reset_password\\":\\"%s\\"}"}'
    assert redactor.text(said % "required") == (said % mark("required"), True)
    update = '{"type":"session.update","session":{"tool_choice":"required"}}'
    assert redactor.text(update) == (update, False)


def test_form_bodies(redactor: Redactor) -> None:
    body = b"grant=x&client_secret=a%2Fb+c%2Fdd&key=k&note=1%2F2"
    assert redactor.body("application/x-www-form-urlencoded; charset=utf-8", body) == (
        f"grant=x&client_secret={mark('a/b c/dd')}&key={mark('k')}&note=1%2F2".encode(),
        True,
    )
    assert redactor.text('{"x":"a/b c/dd"}')[1]


def test_forms_with_parts(redactor: Redactor) -> None:
    parts = [
        ('name="client_secret"', "s3"),
        ("name=api-key\r\nContent-Type: text/plain", "k 1"),
        ('name="note"; filename="key.txt"', "api_key"),
        ('filename="a.pem"; name="private_key"', pem := "k1\r\nk2\nk3"),
        ('name="session"', '{"tools":[{"type":"mcp","authorization":"%s"}]}'),
    ]
    body = "".join(
        f"--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n" for head, value in parts
    )
    redacted = body.replace("\ns3\r", f"\n{mark('s3')}\r").replace("\nk 1\r", f"\n{mark('k 1')}\r")
    redacted = redacted.replace(f"\n{pem}\r", f"\n{mark(pem)}\r")
    for sound in (b"", b"--b\r\nContent-Disposition: form-data; name=file\r\n\r\n\xff\x00\r\n"):
        assert redactor.body(
            "multipart/form-data; boundary=b", sound + (body % "t0k").encode()
        ) == (
            sound + (redacted % mark("t0k")).encode(),
            True,
        )


def test_forms_with_parts_that_do_not_end_take_no_time(redactor: Redactor) -> None:
    head = 'Content-Disposition: form-data; name="a'
    for body in (
        *(head * 20_000, f"{head}\r\n" * 20_000, (head + '"' + "\r\nx: y" * 9) * 5000),
        f"Content-Disposition: form-data; {'name=' * 39}{'a' * 600}\r\n" * 1000,
    ):
        assert redactor.body("multipart/form-data", body.encode())[1] is False


def test_sdp_passes_and_loses_known_secrets(redactor: Redactor) -> None:
    redactor.learn(SECRET)
    sdp = b"v=0\r\no=- 46117 2 IN IP4 127.0.0.1\r\na=ice-ufrag:F7gI\r\na=group:BUNDLE 0\r\n"
    assert redactor.body("application/sdp", sdp) == (sdp, False)
    assert redactor.body("application/sdp", sdp + b"s=" + SECRET.encode()) == (
        sdp + b"s=" + mark(SECRET).encode(),
        True,
    )


def test_control_maps(redactor: Redactor) -> None:
    redactor.learn(SECRET)
    data = {
        "status": 401,
        "target": "/v1/realtime?key=abc",
        "headers": [["Set-Cookie", "a=b; Path=/"], ["X-Id", "7"]],
        "body": json.dumps({"access_token": "t"}).encode(),
        "list": [{"api_key": "k", f"in {SECRET}": None}, 1.5, b"\x00"],
    }
    assert redactor.data(data) == (
        {
            "status": 401,
            "target": f"/v1/realtime?key={mark('abc')}",
            "headers": [["Set-Cookie", f"a={mark('b')}; Path=/"], ["X-Id", "7"]],
            "body": json.dumps({"access_token": mark("t")}).encode(),
            "list": [{"api_key": mark("k"), f"in {mark(SECRET)}": None}, 1.5, b"\x00"],
        },
        True,
    )
    plain = {"code": 1000, "reason": "bye", "payload": b"\x01", "headers": (("A", "b"),)}
    assert redactor.data(plain)[1] is False


# --- hostile text --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unit",
    ["sk-", "sk-a1", "eyJ", "eyJaaaaaaaa.", "bearer ", "bearer a", "://", "://a:", "***", "a***a",
     "key a****", "key provided: ", "{", '{"', r"\"", '{"\\"', '"a":', '[{"authorization":"x"},',
     "&key=", "?a", r"\u0041", r"\\u0041", "%41", "%25", "%5cu0041", "a-", "...", "0.1e",
     "12345678", "12345678,", ":12345678,"],
)  # fmt: skip
def test_hostile_text_ends(redactor: Redactor, unit: str) -> None:
    redactor.learn(SECRET)
    redactor.learn("12345678")
    text = '{"client_secret ***' + unit * (300_000 // len(unit))
    redactor.text(text)
    redactor.request(
        "/?" + text[:60_000], [("x-a-token", text[:60_000]), ("Cookie", text[:60_000])]
    )


def test_five_megabytes_of_hostile_text_end(redactor: Redactor) -> None:
    redactor.learn(SECRET)
    text = '{"client_secret":"' + r"eyJaaaaaaaa.\u0073k-://a:***key provided: \"{[" * 110_000
    assert len(text) > 5_000_000
    redactor.text(text)
