"""The items of the server's conversation and their order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rtproxy.simulate import checks
from rtproxy.simulate.chance import Chance
from rtproxy.simulate.invalid_request import InvalidRequest, missing, wrong_type, wrong_value

CONTENT_OF = {
    "user": ("input_text", "input_audio", "input_image"),
    "system": ("input_text",),
    "assistant": ("output_text", "output_audio"),
}
ITEM_TYPES = (
    "message",
    "function_call",
    "function_call_output",
    "mcp_approval_response",
    "mcp_approval_request",
    "mcp_call",
    "mcp_list_tools",
)
NEEDED = {
    "function_call": ("name", "arguments"),
    "function_call_output": ("call_id", "output"),
}
LONGEST_ID = 32


@dataclass(slots=True)
class Item:
    """One item. `body` holds its fields in the GA dialect, without `id`.

    `audio` is what the user said, encoded; `audio_ms` how long user or assistant spoke; `prompt`
    what the simulated model takes from it.
    """

    id: str
    body: dict[str, Any]
    audio: bytes = b""
    audio_ms: float = 0.0
    prompt: str = ""

    @property
    def role(self) -> str | None:
        role = self.body.get("role")
        return role if isinstance(role, str) else None

    def words(self) -> str:
        """All text in it, for counting tokens; a user's audio has none."""
        parts = [str(self.body.get(key) or "") for key in ("arguments", "output")]
        for content in self.body.get("content", ()):
            if content["type"] != "input_audio":
                parts += [str(content.get(key) or "") for key in ("text", "transcript")]
        return "".join(parts)


class Items:
    """The items of conversation `id`, in order. A position is the id of the item before."""

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.all: list[Item] = []
        self._by_id: dict[str, Item] = {}

    def find(self, item_id: str) -> Item | None:
        return self._by_id.get(item_id)

    def previous_id(self, item: Item) -> str | None:
        place = self.all.index(item)
        return self.all[place - 1].id if place else None

    def append(self, item: Item) -> str | None:
        """Add at the end; returns the id of the item before."""
        before = self.all[-1].id if self.all else None
        self.all.append(item)
        self._by_id[item.id] = item
        return before

    def insert(self, item: Item, previous_id: str | None) -> str | None:
        """Add after `previous_id` (None: at the end, "root": first); returns the id before.

        Raises InvalidRequest for an id that is there already, or a previous one that is not.
        """
        if item.id in self._by_id:
            raise InvalidRequest(
                "item_create_duplicate_item_id",
                f"Error creating item: an item with id '{item.id}' already exists.",
            )
        if previous_id is None:
            return self.append(item)
        place = 0
        if previous_id != "root":
            before = self.find(previous_id)
            if before is None:
                raise InvalidRequest(
                    "item_create_invalid_previous_item_id",
                    "Error creating item: the previous item with id "
                    f"'{previous_id}' does not exist.",
                )
            place = self.all.index(before) + 1
        self.all.insert(place, item)
        self._by_id[item.id] = item
        return self.all[place - 1].id if place else None

    def get(self, item_id: Any, doing: str) -> Item:
        """The item that a client names; `doing` is delete, truncate or retrieve."""
        if item_id is None:
            raise missing("item_id")
        if not isinstance(item_id, str):
            raise wrong_type("item_id", "a string", item_id)
        item = self.find(item_id)
        if item is None:
            raise InvalidRequest(
                f"item_{doing}_invalid_item_id",
                f"Error {doing.removesuffix('e')}ing item: the item with id '{item_id}' "
                "does not exist.",
            )
        return item

    def check_call(self, item: Item) -> None:
        """Raise InvalidRequest for the output of a function that nobody has called here."""
        call_id = item.body.get("call_id")
        if item.body["type"] != "function_call_output" or any(
            other.body["type"] == "function_call" and other.body.get("call_id") == call_id
            for other in self.all
        ):
            return
        raise InvalidRequest(
            "invalid_tool_call_id", f"Tool call ID '{call_id}' not found in conversation."
        )

    def remove(self, item: Item) -> None:
        self.all.remove(item)
        del self._by_id[item.id]


def truncate(item: Item, content_index: Any, audio_end_ms: Any) -> None:
    """Cut an assistant's audio at `audio_end_ms`; its transcript goes too.

    Raises InvalidRequest for an item without model audio, and for more audio than there is.
    """
    for param, value in (("content_index", content_index), ("audio_end_ms", audio_end_ms)):
        if value is None:
            raise missing(param)
        checks.integer(0)(value, param, None)
    content = item.body.get("content") or []
    spoken = item.role == "assistant" and item.audio_ms > 0 and content_index < len(content)
    if not spoken or content[content_index]["type"] != "output_audio":
        raise InvalidRequest(
            "unsupported_content_type", "Only model output audio messages can be truncated"
        )
    if audio_end_ms > item.audio_ms:
        raise InvalidRequest(
            "invalid_value",
            f"Audio content of {int(item.audio_ms)}ms is already shorter than {audio_end_ms}ms",
        )
    item.audio_ms = audio_end_ms
    content[content_index].pop("transcript", None)


def read_item(body: Any, chance: Chance, content_names: Mapping[str, str]) -> Item:
    """An item from a client, checked. `content_names` maps the dialect's content types to GA's."""
    checks.table(body, "item", None)
    if "type" not in body:
        raise missing("item.type")
    kind = checks.choice(*ITEM_TYPES)(body["type"], "item.type", None)
    item = Item(read_id(body.get("id")), {"type": kind})
    if kind == "message":
        read_message(item, body, content_names)
    else:
        for key in NEEDED.get(kind, ()):
            if key not in body:
                raise missing(f"item.{key}")
            checks.text(body[key], f"item.{key}", None)
        if kind == "function_call":
            item.body["status"] = "completed"
        item.body |= {k: v for k, v in body.items() if k not in ("id", "object", "type", "status")}
        item.prompt = str(body.get("output", ""))
    item.id = item.id or chance.id("item")
    return item


def read_id(given: Any) -> str:
    """The id that a client chose; empty if it chose none."""
    if given is None:
        return ""
    checks.text(given, "item.id", None)
    if not given:
        raise InvalidRequest(
            "empty_string",
            "Invalid 'item.id': empty string. Expected a string with minimum length 1, "
            "but got an empty string instead.",
            "item.id",
        )
    if len(given) > LONGEST_ID:
        raise InvalidRequest(
            "string_above_max_length",
            f"Invalid 'item.id': string too long. Expected a string with maximum length "
            f"{LONGEST_ID}, but got a string with length {len(given)} instead.",
            "item.id",
        )
    return str(given)


def read_message(item: Item, body: Mapping[str, Any], content_names: Mapping[str, str]) -> None:
    """Fill in a message from what the client sent."""
    if "role" not in body:
        raise missing("item.role")
    role = checks.choice(*CONTENT_OF)(body["role"], "item.role", None)
    content = body.get("content")
    if content is None:
        raise missing("item.content")
    if not isinstance(content, list):
        raise wrong_type("item.content", "an array of objects", content)
    own_names = {ga: own for own, ga in content_names.items()}
    parts = []
    for n, part in enumerate(content):
        place = f"item.content[{n}]"
        checks.table(part, place, None)
        if "type" not in part:
            raise missing(f"{place}.type")
        named = checks.text(part["type"], f"{place}.type", None)
        kind = content_names.get(named, named)
        if kind not in CONTENT_OF[role]:
            allowed = [own_names.get(name, name) for name in CONTENT_OF[role]]
            raise wrong_value(f"{place}.type", named, allowed)
        parts.append(read_part(kind, part, place))
        item.prompt += str(part.get("text") or part.get("transcript") or "")
    item.body |= {"status": "completed", "role": role, "content": parts}


def read_part(kind: str, part: Mapping[str, Any], place: str) -> dict[str, Any]:
    """A content part as the server keeps it: audio is not sent back.

    An assistant's audio cannot be told, only its words: also `output_audio` needs a text.
    """
    if kind in ("input_text", "output_text", "output_audio"):
        if "text" not in part:
            raise missing(f"{place}.text")
        words = checks.text(part["text"], f"{place}.text", None)
        return {"type": kind.replace("_audio", "_text"), "text": words}
    needed = "image_url" if kind == "input_image" else "audio"
    if part.get(needed) is None:
        raise missing(f"{place}.{needed}")
    checks.text(part[needed], f"{place}.{needed}", None)
    if kind == "input_image":
        return {"type": kind, **{k: part[k] for k in ("image_url", "detail") if k in part}}
    return {"type": kind, "transcript": part.get("transcript")}
