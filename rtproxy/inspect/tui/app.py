"""The application: its keys, what they do, and the reading that goes on meanwhile.

    Tui(tape, overview, Request()).run()

Reading is done in short steps between keys and drawing, on the same thread: nothing waits for it,
and nothing that is drawn changes under the drawing hand.
"""

import asyncio
import os
from pathlib import Path
from time import monotonic
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

from rtproxy.errors import FilterError, TapeError
from rtproxy.inspect.tui import excerpt
from rtproxy.inspect.tui.glance import keep_for
from rtproxy.inspect.tui.heading import call_line
from rtproxy.inspect.tui.help import Help
from rtproxy.inspect.tui.keys import KEYS
from rtproxy.inspect.tui.speaker import MISSING, Speaker, find_player
from rtproxy.inspect.tui.tour import Tour
from rtproxy.realtime.mixdown import rate_of
from rtproxy.tape.record import Event

SLICE_S = 0.012
"""How long is read before keys are looked at again."""
SHOWN_EVERY_S = 0.25
"""How often what has been read is shown."""
LOOKED_EVERY_S = 0.2
"""How often it is looked whether a live tape has grown."""
PLAYED_EVERY_S = 0.1
"""How often the moment moves while it is played."""
THEMES = ("ansi-dark", "textual-ansi", "textual-dark", "textual-light")
"""The terminal's own colours, by their new and their old name, and two sets of others."""
MAX_COPIED = 100_000
"""Characters that terminals take into the clipboard without trouble."""
PRIORITY = {"tab", "shift+tab", "ctrl+c"}
"""Keys that mean something else wherever the focus is."""


class Tui(Tour):
    """A tape on the screen; `rtproxy inspect --tui`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(name, key.action, key.does, show=False, priority=name in PRIORITY)
        for key in KEYS
        for name in key.keys
    ]

    def on_mount(self) -> None:
        named = os.environ.get("TEXTUAL_THEME", "")
        self.theme = named if named in self.available_themes else self._themes[0]
        self.prompt.display = False
        self._wake = asyncio.Event()
        self._shown = 0.0
        self._begun = False
        self._judgements = 0
        self._speaker: Speaker | None = None
        self._playing = self.place.viewport.span
        self.place.grow(self.expected_ms)
        if not self.request.fold:
            self.place.relist(folded=False)
        self.run_worker(self._read(), exclusive=True)

    # Reading.

    async def _read(self) -> None:
        """Read, list, judge and listen, a little at a time, as long as there is anything to do."""
        try:
            while True:
                if not self.work.idle:
                    self._work()
                    await asyncio.sleep(0)
                elif self.loading.state == "live":
                    if not self.loading.look():
                        await asyncio.sleep(LOOKED_EVERY_S)
                else:
                    self._wake.clear()
                    await self._wake.wait()
        except TapeError as error:
            self.say(str(error), "error")

    def _work(self) -> None:
        phase, end = self.work.phase, monotonic() + SLICE_S
        while not self.work.idle and monotonic() < end:
            self.work.step()
        if self.work.phase != phase or end - self._shown > SHOWN_EVERY_S:
            self._shown = end
            self.work.show_progress()
            if self.work.judged and self.work.steps["judging"] != self._judgements:
                self._judgements = self.work.steps["judging"]
                self._judge()
            self.show()

    def _judge(self) -> None:
        """All has been read: show what could not be shown before."""
        self.finding_source.known = True
        self.call = call_line(self.place.session)
        found = self.place.session.findings
        self.turn_source.slow = frozenset(
            f.turn for f in found if f.code == "slow-turn" and f.turn is not None
        )
        if not self._begun:
            self._begun = True
            self._begin()
        elif self.request.follow and self.loading.state == "live":
            self.action_edge(1)

    def _begin(self) -> None:
        """Go to what was asked for."""
        if self.request.filter:
            self.set_filter(self.request.filter)
        if self.request.follow:
            self.action_edge(1)
        if self.request.turn is not None:
            turn = self.place.go_to_turn(self.request.turn)
            if turn is None:
                n = len(self.place.session.turns)
                self.say(f"There is no turn {self.request.turn}: the tape has {n}.", "warning")
            else:
                self.subject = "turn"
                self.place.zoom_selection()
        elif not len(self.place.session.turns):
            self.pane = "events"
        self.arrange()

    # What is listed.

    @on(Input.Submitted)
    def _submitted(self, message: Input.Submitted) -> None:
        self.set_filter(message.value)

    def action_fold(self) -> None:
        self.place.relist(folded=not self.place.folded)
        self._wake.set()
        self.hush()

    def action_filter(self) -> None:
        self.prompt.value = self.place.filter
        self.prompt.display, self.query_one("#foot").display = True, False
        self.screen.set_focus(self.prompt)

    def _close_prompt(self) -> None:
        self.prompt.display, self.query_one("#foot").display = False, True
        self.screen.set_focus(self.list_of(self.pane))

    def set_filter(self, expression: str) -> None:
        """List only what the filter keeps; an empty one keeps everything."""
        expression = expression.strip()
        keep = None
        if expression:
            try:
                keep = keep_for(
                    expression, self.place.catalogue, self.loading.shelf, self.place.session
                )
            except FilterError as error:
                self.say(str(error), "error")
                return
        self.place.relist(keep=(expression, keep))
        self._wake.set()
        if self.prompt.display:
            self._close_prompt()
        self.pane = self.below = "events"
        self.arrange()
        self.hush()

    def action_escape(self) -> None:
        """Close the prompt, or else unmark, or else drop the filter, or else leave the detail."""
        if self.prompt.display:
            self._close_prompt()
        elif self.place.marked is not None:
            self.place.marked = None
        elif self.pane == "detail":
            self.action_pane("events")
        elif self.place.filter:
            self.set_filter("")
        self.hush()

    # Audio, files, colours.

    def action_mark(self) -> None:
        self.place.mark()
        self.hush()

    def action_play(self) -> None:
        """Play what is marked, or the turn; or stop."""
        if self._speaker is not None:
            self._stop_playing()
            self.hush()
            return
        player = find_player()
        session = self.place.session
        if player is None:
            self.say(MISSING, "warning")
        elif not self.work.judged or not session.times_known:
            self.say(
                "It can be played once the tape has been read."
                if not self.work.judged
                else "This tape has no times: it cannot be played."
            )
        else:
            span = excerpt.heard(self.place.selection)
            rate = rate_of(session)
            blocks = excerpt.sound(self.place.catalogue, session, self.loading.shelf, span)
            self._speaker = Speaker(player, blocks, rate, round(span.ms * rate / 1000))
            self._playing, self.playing = span, True
            self._speaker.start()
            self._clock = self.set_interval(PLAYED_EVERY_S, self._play_on)
            self.hush()

    def _play_on(self) -> None:
        """Move with what is to be heard."""
        speaker = self._speaker
        if speaker is None or not self.query("#turns"):  # it is being closed
            return
        at_ms = self._playing.start_ms + speaker.elapsed_s * 1000
        if speaker.done:
            self._stop_playing()
            at_ms = self._playing.end_ms
        if speaker.failed:
            self.say(speaker.failed, "error")
            return
        self.subject = "event"
        self.place.go_to_time(min(at_ms, self._playing.end_ms))
        self.show()

    def _stop_playing(self) -> None:
        if self._speaker is not None:
            self._clock.stop()
            self._speaker.stop()
            self._speaker, self.playing = None, False

    def on_unmount(self) -> None:
        self._stop_playing()

    def action_copy(self) -> None:
        payload = self._payload()
        if isinstance(payload, str) and len(payload) > MAX_COPIED:
            self.say(f"{len(payload):,} characters are too many to copy; w writes them to a file.")
        elif isinstance(payload, str):
            self.copy_to_clipboard(payload)
            self.say(f"Copied {len(payload):,} characters, if the terminal allows it.", "good")
        else:
            self.say("This is no text that could be copied.")

    def action_write(self) -> None:
        payload, seq = self._payload(), self.place.seq
        if payload is None or seq is None:
            self.say("There is no event here that could be written.")
            return
        data = payload if isinstance(payload, bytes) else f"{payload}\n".encode("utf-8", "replace")
        stem = self.tape.path.name.removesuffix(".zst").removesuffix(".rtape")
        path = Path(f"{stem}-{seq}.{'bin' if isinstance(payload, bytes) else 'json'}")
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError:
            self.say(f"{path} is there already.", "warning")
        except OSError as error:
            self.say(f"{path} cannot be written: {error.strerror}.", "error")
        else:
            self.say(f"Written to {path}.", "good")

    def _payload(self) -> str | bytes | None:
        at = self.place.at
        entry = self.loading.shelf.entry(at) if at < len(self.place.catalogue) else None
        return entry.record.payload if entry and isinstance(entry.record, Event) else None

    def action_theme(self) -> None:
        themes = self._themes
        at = themes.index(self.theme) if self.theme in themes else -1
        self.theme = themes[(at + 1) % len(themes)]
        self.hush()

    @property
    def _themes(self) -> list[str]:
        return [name for name in THEMES if name in self.available_themes]

    def action_help(self) -> None:
        self.push_screen(Help(), lambda _: self.arrange())
