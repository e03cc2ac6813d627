"""The JSON Schemas in docs/schemas, ready to be held against what is printed."""

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMAS = Path(__file__).parent.parent.parent / "docs" / "schemas"


def validator(name: str) -> Any:
    """The validator of docs/schemas/NAME.schema.json, which is itself a right schema."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"{name}.schema.json"
    return jsonschema.Draft202012Validator(schema)


DOCUMENT = validator("inspect-1")
LINE = validator("inspect-ndjson-1")
"""Of `inspect --json` and of a line of `inspect --ndjson`."""
