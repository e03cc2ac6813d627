"""Sound through a player that the machine has: one process, fed by a thread."""

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic

from rtproxy.errors import RtproxyError
from rtproxy.realtime.mixdown import Stereo

CHANNELS, SAMPLE_BYTES = 2, 2
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
MAX_DATA = 0xFFFFFFFF - HEADER.size


@dataclass(frozen=True, slots=True)
class Player:
    """A command that plays. It gets WAV on its input, or the samples alone, or the name of a file.

    {rate} and {file} are replaced in its arguments.
    """

    command: str
    arguments: tuple[str, ...]
    raw: bool = False
    file: bool = False


PLAYERS: tuple[Player, ...] = (
    Player("ffplay", ("-nodisp", "-autoexit", "-loglevel", "error", "-i", "-")),
    Player("aplay", ("-q", "-t", "wav", "-")),
    Player("afplay", ("{file}",), file=True),
    Player("paplay", ("--raw", "--format=s16le", "--rate={rate}", "--channels=2"), raw=True),
    Player("play", ("-q", "-t", "wav", "-")),
)
"""In the order in which they are looked for."""
MISSING = "There is no player here: install one of " + ", ".join(p.command for p in PLAYERS) + "."


def find_player(which: Callable[[str], str | None] = shutil.which) -> Player | None:
    """The first player that the machine has."""
    return next((player for player in PLAYERS if which(player.command) is not None), None)


def wav_header(rate: int, samples: int) -> bytes:
    """The head of a stereo WAV file of 16 bits (RIFF, format 1)."""
    size = min(samples * CHANNELS * SAMPLE_BYTES, MAX_DATA)
    frame = CHANNELS * SAMPLE_BYTES
    return HEADER.pack(
        b"RIFF", size + HEADER.size - 8, b"WAVE", b"fmt ", 16, 1, CHANNELS, rate,
        rate * frame, frame, 8 * SAMPLE_BYTES, b"data", size,
    )  # fmt: skip


class Speaker:
    """Plays blocks of sound once. `stop` ends it at any time."""

    def __init__(self, player: Player, blocks: Iterator[Stereo], rate: int, samples: int) -> None:
        self.failed: str | None = None
        """What went wrong, in a word or a line of the player's."""
        self._player = player
        self._blocks = blocks
        self._rate = rate
        self._samples = samples
        self._stopped = Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._started: float | None = None
        self._thread = Thread(target=self._play, name="speaker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has played to its end, was stopped, or could not."""
        return not self._thread.is_alive()

    @property
    def elapsed_s(self) -> float:
        """How long it has been playing."""
        return 0.0 if self._started is None else monotonic() - self._started

    def stop(self) -> None:
        """End it, and the player with it."""
        self._stopped.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def _play(self) -> None:
        try:
            if self._player.file:
                self._play_file()
            else:
                self._play_pipe()
        except OSError as error:
            self._fail(error.strerror or str(error))
        except RtproxyError as error:
            self._fail(str(error))

    def _play_pipe(self) -> None:
        process = self._run(())
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # the player has ended; why, it says itself
            with process.stdin as stdin:
                if not self._player.raw:
                    stdin.write(wav_header(self._rate, self._samples))
                for block in self._blocks:
                    if self._stopped.is_set():
                        break
                    stdin.write(block.tobytes())
                    self._started = self._started or monotonic()
        self._wait(process)

    def _play_file(self) -> None:
        with tempfile.NamedTemporaryFile(prefix="rtproxy-", suffix=".wav") as file:
            file.write(wav_header(self._rate, self._samples))
            for block in self._blocks:
                if self._stopped.is_set():
                    return
                file.write(block.tobytes())
            file.flush()
            process = self._run((file.name,))
            self._started = monotonic()
            self._wait(process)

    def _run(self, files: tuple[str, ...]) -> subprocess.Popen[bytes]:
        named = {"rate": str(self._rate), "file": files[0] if files else ""}
        arguments = [argument.format(**named) for argument in self._player.arguments]
        self._process = subprocess.Popen(
            [self._player.command, *arguments],
            stdin=subprocess.DEVNULL if self._player.file else subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        return self._process

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        with process.stderr as stderr:
            said = stderr.read(1 << 16).decode("utf-8", "replace").strip().splitlines()
        if process.wait() and not self._stopped.is_set():
            self._fail(said[-1] if said else f"it ended with {process.returncode}")

    def _fail(self, why: str) -> None:
        self.failed = f"{self._player.command} cannot play this: {why}"
