"""Scenarios by name or file: those that come with rtproxy, and the user's own."""

from importlib.resources import files
from pathlib import Path

from rtproxy.errors import ScenarioError
from rtproxy.simulate.scenario import Scenario

MAX_SIZE = 1 << 20
"""Bytes of a scenario's file."""
FOLDER = files("rtproxy.simulate") / "scenarios"


def built_in() -> dict[str, Scenario]:
    """The scenarios that come with rtproxy, by name, in alphabetical order."""
    found = sorted(entry.name for entry in FOLDER.iterdir() if entry.name.endswith(".toml"))
    return {
        name.removesuffix(".toml"): Scenario.parse((FOLDER / name).read_text("utf-8"), name)
        for name in found
    }


def load(name_or_file: str) -> Scenario:
    """A built-in scenario by its name, or the one in a TOML file.

    Raises ScenarioError when there is neither, or when the file is wrong.
    """
    path = Path(name_or_file)
    if path.suffix != ".toml" and path.name == name_or_file:
        entry = FOLDER / f"{name_or_file}.toml"
        if entry.is_file():
            return Scenario.parse(entry.read_text("utf-8"), entry.name)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SIZE + 1)
        if len(raw) > MAX_SIZE:
            raise ScenarioError(
                f"{name_or_file} is no scenario: it is larger than {MAX_SIZE >> 20} MiB."
            )
        text = raw.decode("utf-8")
    except FileNotFoundError:
        raise ScenarioError(
            f"there is no scenario {name_or_file!r}: name a TOML file, or one of "
            f"{', '.join(built_in())}."
        ) from None
    except UnicodeDecodeError:
        raise ScenarioError(f"{name_or_file} is not a text file in UTF-8.") from None
    except OSError as error:
        raise ScenarioError(f"{name_or_file} cannot be read: {error.strerror}.") from None
    return Scenario.parse(text, str(path))
