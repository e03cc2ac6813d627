"""Every place and shape of a credential, and what only looks like one."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from rtproxy.tape.redaction import Redactor

KEY = b"0123456789abcdef"
SECRET = "sk-proj-4fQ9_hT2xLw8-abcDEF123"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
CAPTURES = Path(__file__).parents[3] / "shared" / "captures"


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(KEY)


def mark(secret: str) -> str:
    return Redactor(KEY).placeholder(secret)


# --- places: requests and responses --------------------------------------------------------------

PROTOCOL = "Sec-WebSocket-Protocol"
HEADERS = [
    ("Authorization", f"Bearer {SECRET}", "Bearer {}", SECRET),
    ("authorization", f"bearer  {SECRET}", "bearer  {}", SECRET),
    ("AUTHORIZATION", SECRET, "{}", SECRET),
    ("Proxy-Authorization", "Basic YTpiY2Q=", "Basic {}", "YTpiY2Q="),
    ("api-key", "0f" * 16, "{}", "0f" * 16),
    ("X-Api-Key", "0f" * 16, "{}", "0f" * 16),
    ("x-goog-api-key", "AIza0123", "{}", "AIza0123"),
    ("Ocp-Apim-Subscription-Key", "x1", "{}", "x1"),
    ("X-Amz-Security-Token", "tok/en+1", "{}", "tok/en+1"),
    ("x-client-secret", "s3", "{}", "s3"),
    ("X-AuthToken", "s3", "{}", "s3"),
    ("X-CSRFToken", "s3", "{}", "s3"),
    ("Cookie", "session=abcdefghijklmnop12", "session={}", "abcdefghijklmnop12"),
    ("Set-Cookie", "__cf_bm=a1%2Bb; Path=/; HttpOnly", "__cf_bm={}; Path=/; HttpOnly", "a1+b"),
    (PROTOCOL, f"openai-insecure-api-key.{SECRET}", "openai-insecure-api-key.{}", SECRET),
    (PROTOCOL, "realtime,openai-organization.o-1", "realtime,openai-organization.{}", "o-1"),
    (PROTOCOL, "realtime, openai-project.p_9 ", "realtime, openai-project.{} ", "p_9"),
    (PROTOCOL, "token, 3f9ab7", "token, {}", "3f9ab7"),
    ("Referer", "https://h/p?x=1&token=t0k#f", "https://h/p?x=1&token={}#f", "t0k"),
    ("Location", "/v1?ticket=7&x=2", "/v1?ticket={}&x=2", "7"),
    ("X-Forwarded-Jwt", JWT, "{}", JWT),
]


@pytest.mark.parametrize(("name", "value", "expected", "secret"), HEADERS)
@pytest.mark.parametrize("of", ["request", "response"])
def test_headers(
    redactor: Redactor, of: str, name: str, value: str, expected: str, secret: str
) -> None:
    if of == "request":
        _, redacted = redactor.request("/v1/realtime", [(name, value)])
    else:
        redacted = redactor.headers([(name, value)])
    assert redacted == [[name, expected.format(mark(secret))]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("Sec-WebSocket-Protocol", "realtime, openai-beta.realtime-v1"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ("OpenAI-Beta", "realtime=v1"),
        ("openai-organization", "org-abc"),
        ("openai-project", "proj_abc"),
        ("x-ratelimit-remaining-tokens", "39999"),
        ("x-request-id", "req_0123456789abcdef0123456789abcdef"),
        ("WWW-Authenticate", 'Bearer realm="api"'),
        ("User-Agent", "AsyncOpenAI/Python 3.52.0"),
        ("Cookie", ""),
    ],
)
def test_headers_that_are_no_secrets(redactor: Redactor, name: str, value: str) -> None:
    assert redactor.headers([(name, value)]) == [[name, value]]


@pytest.mark.parametrize(
    "name",
    ["api-key", "api_key", "apiKey", "key", "Authorization", "ticket", "token", "access_token",
     "sig", "signature", "API-KEY", "api%2Dkey", "accessToken", "access-token", "authToken",
     "xi-api-key", "x-goog-api-key", "Ocp-Apim-Subscription-Key", "clientSecret"],
)  # fmt: skip
def test_query_names(redactor: Redactor, name: str) -> None:
    target, _ = redactor.request(f"/v1/realtime?model=gpt%2D4&{name}=a%2bb%3D&z=%7e#x", [])
    assert target == f"/v1/realtime?model=gpt%2D4&{name}={mark('a+b=')}&z=%7e#x"


def test_a_scheme_in_a_query_is_kept(redactor: Redactor) -> None:
    target, _ = redactor.request(f"/r?Authorization=Bearer%20{SECRET}", [])
    assert target == f"/r?Authorization=Bearer%20{mark(SECRET)}"


def test_userinfo(redactor: Redactor) -> None:
    target, _ = redactor.request("http://ann:p%40ss@h:80/v1?x=a@b", [])
    assert target == f"http://{mark('ann')}:{mark('p@ss')}@h:80/v1?x=a@b"


def test_parts_of_basic_credentials_are_learned(redactor: Redactor) -> None:
    token = base64.b64encode(b"caller-17:open:sesame").decode()
    redactor.request("/", [("Authorization", f"Basic {token}")])
    for secret in (token, "caller-17", "open:sesame"):
        assert redactor.text(f'{{"x":"-{secret}-"}}') == (f'{{"x":"-{mark(secret)}-"}}', True)


def test_a_secret_of_a_later_header_is_removed_from_an_earlier_one_and_from_the_target(
    redactor: Redactor,
) -> None:
    target, headers = redactor.request(
        "/v1/abcdefgh-77/x", [("X-Trace", "abcdefgh-77"), ("api-key", "abcdefgh-77")]
    )
    assert target == f"/v1/{mark('abcdefgh-77')}/x"
    assert headers[0] == ["X-Trace", mark("abcdefgh-77")]


# --- places: JSON --------------------------------------------------------------------------------

MCP: dict[str, Any] = {
    "type": "mcp",
    "server_label": "crm",
    "server_url": "https://{}:{}@crm.example/mcp?x=1&api_key={}",
    "authorization": "Bearer {}",
    "headers": {"X-Tenant": "{}", "Authorization": "Bearer {}", "X-All": ["{}", "{}"]},
    "require_approval": "never",
}
PLACES: list[Any] = [
    {"type": "session.created", "session": {"client_secret": {"value": "{}", "expires_at": 1}}},
    {"id": "sess_1", "client_secret": {"expires_at": 1, "value": "{}"}},
    {"client_secret": "{}"},
    {"session": {"client_secret": "{}", "model": "gpt-realtime"}},
    {"value": "{}", "expires_at": 1756310470, "session": {"type": "realtime", "id": "sess_1"}},
    {"session": {"type": "realtime"}, "expires_at": 1756310470, "value": "{}"},
    {"type": "session.update", "session": {"tools": [{"type": "function", "name": "f"}, MCP]}},
    {"type": "session.updated", "session": {"tools": [MCP, MCP]}},
    {"type": "response.create", "response": {"tools": [MCP]}},
    {"type": "response.done", "response": {"tools": [MCP]}},
    {"session": {"authorization": "{}"}},
    {"session": {"auth": {"api_key": "{}", "apiKey": "{}", "x-api-key": "{}"}}},
    {"response": {"access_token": "{}", "refresh_token": "{}", "accessToken": "{}"}},
    {"mcp": {"password": "{}", "authorization": ["{}", "{}"]}},
    {"session": {"avatar": {"ice_servers": [{"username": "u", "credential": "{}"}]}}},
    {
        "error": {
            "message": "Incorrect API key provided: {}. You can find your API key at https://x."
        }
    },
]


def planted(document: Any, secrets: list[str]) -> Any:
    """The document with each `{}` replaced by the next secret."""
    if isinstance(document, str):
        return re.sub(r"\{\}", lambda _: secrets.pop(0), document)
    if isinstance(document, list):
        return [planted(item, secrets) for item in document]
    if isinstance(document, dict):
        return {key: planted(value, secrets) for key, value in document.items()}
    return document


@pytest.mark.parametrize("short", [True, False])
@pytest.mark.parametrize("document", PLACES)
def test_json_places(redactor: Redactor, document: Any, short: bool) -> None:
    secrets = [f"s{n:02}" if short else f"secret-number-{n:02}" for n in range(20)]
    text = json.dumps(planted(document, list(secrets)))
    redacted, changed = redactor.text(text)
    assert changed
    assert redacted == json.dumps(planted(document, [mark(secret) for secret in secrets]))
    if not short:
        learned = "provided" not in text  # fragments in prose are not learned
        assert redactor.text('{"x":"secret-number-00"}')[1] is learned


@pytest.mark.parametrize("document", PLACES[:-1])
def test_json_places_in_other_wrappings(redactor: Redactor, document: Any) -> None:
    secrets = [f"s{n:02}" for n in range(20)]
    text = json.dumps(planted(document, list(secrets)), indent=2)
    expected = json.dumps(planted(document, [mark(secret) for secret in secrets]), indent=2)
    for wrap in (
        "event: x\r\ndata: {}\r\n\r\n",
        '--b\r\nContent-Disposition: form-data; name="session"\r\n\r\n{}\r\n--b--\r\n',
        'He said {{"hi}} and then {}',
    ):
        if "He said" in wrap:
            wrap = wrap.replace("{{", "(").replace("}}", ")")
        body = wrap.replace("{}", text).encode()
        assert redactor.body("text/plain", body) == (wrap.replace("{}", expected).encode(), True)
    if "value" not in document:
        nested = json.dumps({"arguments": text, "output": [json.dumps({"x": text})]})
        assert redactor.text(nested) == (
            json.dumps({"arguments": expected, "output": [json.dumps({"x": expected})]}),
            True,
        )


@pytest.mark.parametrize(
    "key",
    ["OPENAI_API_KEY", "xi-api-key", "ephemeral_key", "secret", "api_secret", "dbPassword",
     "X-Auth-Token", "aws_secret_access_key", "webhook_secret", "subscription-key"],
)  # fmt: skip
def test_keys_that_end_as_credentials_do(redactor: Redactor, key: str) -> None:
    assert redactor.text(json.dumps({"a": [{key: "s3"}]}))[0] == json.dumps(
        {"a": [{key: mark("s3")}]}
    )


@pytest.mark.parametrize("key", ["token", "next_page_token", "primary_key", "monkey", "secretary"])
def test_keys_that_only_look_like_it(redactor: Redactor, key: str) -> None:
    assert redactor.text(json.dumps({key: "s3", "secret_is": 1}))[1] is False


def test_keys_may_be_escaped(redactor: Redactor) -> None:
    assert redactor.text(r'{"api\u005fkey": "\u0073ecret\/1"}') == (
        f'{{"api\\u005fkey": "{mark("secret/1")}"}}',
        True,
    )


def test_a_schema_that_names_secrets_is_no_secret(redactor: Redactor) -> None:
    text = json.dumps(
        {
            "type": "session.update",
            "session": {
                "tools": [
                    {
                        "type": "function",
                        "name": "login",
                        "parameters": {
                            "properties": {
                                "api_key": {"type": "string", "description": "The API key: a text"},
                                "headers": {"type": "object", "description": "HTTP headers"},
                                "value": {"type": "string"},
                            },
                            "required": ["api_key", "authorization", "client_secret"],
                        },
                    }
                ]
            },
            "headers": {"x": "y"},
            "logprobs": [{"token": "password", "logprob": -0.1}],
            "item": {"value": "42", "expires_at": 3},
        }
    )
    redacted, changed = redactor.text(text)
    assert redacted is text
    assert not changed


# --- shapes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"use {SECRET}, please", SECRET),
        ("key=sk-aaaaaaaaaaaaaaaaaaaaaaaa", "sk-aaaaaaaaaaaaaaaaaaaaaaaa"),
        ("(ek_68af296e8e408191a1120ab6383263c2)", "ek_68af296e8e408191a1120ab6383263c2"),
        ("Authorization: Bearer abcDEF0123456789.", "abcDEF0123456789"),
        (f"a token ({JWT})", JWT),
        ("Incorrect API key provided: sk-proj-********abcd. You can", "sk-proj-********abcd"),
        ("Incorrect API key provided: my-bad-*****-key. You can", "my-bad-*****-key"),
        ("Incorrect API key provided: mykey", "mykey"),
        ("the key you gave (ab****yz) is", "ab****yz"),
        ("invalid api key ending in ****wxyz", "****wxyz"),
    ],
)
@pytest.mark.parametrize("form", ["raw", "json", "bytes", "close"])
def test_shapes(redactor: Redactor, form: str, text: str, secret: str) -> None:
    expected = text.replace(secret, mark(secret))
    if form == "raw":
        assert redactor.text(text) == (expected, True)
    elif form == "json":
        document = json.dumps({"message": f"see:\n{text}\n"})
        assert redactor.text(document) == (document.replace(secret, mark(secret)), True)
    elif form == "bytes":
        noise = b"\xff\x00\xfe "
        assert redactor.binary(noise + text.encode()) == (noise + expected.encode(), True)
    else:
        close = {"code": 3000, "reason": text, "who": "server"}
        assert redactor.data(close) == ({**close, "reason": expected}, True)


@pytest.mark.parametrize(
    "text",
    [
        "a risk-free task-1234567890abcdef, ask-me-anything-0123456789",
        "weekdays and week_0123456789abcdef",
        "the sk-learn-estimators-and-pipelines-of-python",
        "Never tell anyone your API key or your access token: keep it secret.",
        "Say 'Bearer authentication' and ***never*** read the key ***aloud***.",
        "an API key: sk-... is like a password: long; see https://x.example:8080/@me",
        '{"type":"session.update","session":{"instructions":"Ask for the client_secret."}}',
        '{"event_id":"event_Cpkek4sk0","item_id":"item_sk4ek4eyJ0","call_id":"call_eyJhbGciOiJ"}',
        '{"usage":{"input_tokens":3,"token_details":{"cached_tokens":1}},"expires_at":17}',
    ],
)
def test_no_false_positives(redactor: Redactor, text: str) -> None:
    redactor.request("/", [("Authorization", f"Bearer {SECRET}")])
    for payload in (text, json.dumps({"text": text}), json.dumps({"a": json.dumps([text])})):
        redacted, changed = redactor.text(payload)
        assert redacted is payload
        assert not changed


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("*.jsonl")), ids=lambda path: path.stem)
def test_real_sessions_pass_untouched(redactor: Redactor, path: Path) -> None:
    redactor.request("/v1/realtime?model=gpt-realtime", [("Authorization", f"Bearer {SECRET}")])
    for line in path.read_text("utf-8").splitlines():
        payload = json.dumps(json.loads(line)["data"])
        assert redactor.text(payload) == (payload, False)
