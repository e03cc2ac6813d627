"""Going about in a call: by turns, findings, time, cause and effect, and by the lists."""

from textual import events, on

from rtproxy.inspect.tui.arrangement import PANES, Pane
from rtproxy.inspect.tui.bars import Tabs
from rtproxy.inspect.tui.board import Board
from rtproxy.inspect.tui.lanes import Lanes
from rtproxy.inspect.tui.line import Ink
from rtproxy.inspect.tui.lines import LineList


class Tour(Board):
    """The board, and what it takes to get from one place to another."""

    # Words.

    def say(self, text: str, ink: Ink = "pause") -> None:
        """Say something in the line below the lanes, until the next key."""
        self.notice = (text, ink)
        self.show()

    def hush(self) -> None:
        """Show what has changed, and no longer what was said."""
        self.say("", "")

    # Going about.

    def action_turn(self, step: int) -> None:
        n = self.place.turn_after(step)
        if n is None:
            self.say(
                "There is no turn after this." if step > 0 else "There is no turn before this."
            )
            return
        self.subject, self.table = "turn", "turns"
        self.place.go_to_turn(n)
        self._prefer("turns")

    def action_finding(self, step: int) -> None:
        index = self.place.finding_after(step)
        if index is None:
            where = "after" if step > 0 else "before"
            none = "Nothing was found to be wrong."
            self.say(f"There is no finding {where} this." if self.place.findings else none)
            return
        self.subject, self.table = "finding", "findings"
        finding = self.place.go_to_finding(index)
        self._prefer("findings")
        if finding is not None:
            mark = self.place.findings[index][0]
            self.say(f"{mark} {finding.code}: {finding.message}", finding.severity)

    def _prefer(self, pane: Pane) -> None:
        """Show a table instead of the other one, where one of them is shown."""
        other: Pane = "findings" if pane == "turns" else "turns"
        if self.list_of(other).display and not self.list_of(pane).display:
            self.pane = pane if self.pane == other else self.pane
            self.arrange()
        self.hush()

    def action_step(self, cells: int) -> None:
        self.subject = "event"
        self.place.step(cells, self.query_one(Lanes).cells)
        self.hush()

    def action_scroll(self, part: float) -> None:
        self.place.scroll(part)
        self.hush()

    def action_zoom(self, steps: int) -> None:
        self.place.zoom(steps)
        self.hush()

    def action_zoom_whole(self) -> None:
        self.place.zoom_whole()
        self.hush()

    def action_zoom_selection(self) -> None:
        self.place.zoom_selection()
        self.hush()

    def action_edge(self, end: int) -> None:
        self.subject = "event"
        self.place.go_to(len(self.place.catalogue) - 1 if end else 0)
        self.hush()

    def action_cause(self) -> None:
        self._follow(back=True)

    def action_effect(self) -> None:
        self._follow(back=False)

    def _follow(self, *, back: bool) -> None:
        """Go to the first cause or effect, and say how many there are."""
        linked = self.place.linked(back=back)
        if not linked:
            why = "Nothing is known to have led to this." if back else "This led to nothing known."
            self.say(why)
            return
        seq = self.place.seq
        links = self.place.links
        self.subject = "event"
        self.place.go_to(linked[-1] if back else linked[0])
        if len(linked) > 1 and seq is not None:
            what = "causes" if back else "effects"
            count = len(links.causes(seq) if back else links.effects(seq))
            self.say(f"One of {count} {what} of #{seq}; b goes back, 4 shows them all.", "quiet")
        else:
            self.hush()

    def action_return(self) -> None:
        self.subject = "event"
        if self.place.go_back():
            self.hush()
        else:
            self.say("You have not been anywhere else.")

    # Panes and lists.

    def action_pane(self, pane: Pane) -> None:
        self.pane = pane
        if pane in ("turns", "findings"):
            self.table = pane
        else:
            self.below = pane
        self.arrange()

    def action_next_pane(self, step: int) -> None:
        at = PANES.index(self.pane) + step
        self.action_pane(PANES[at % len(PANES)])

    # What happens on the screen.

    def on_resize(self, _event: events.Resize) -> None:
        self.call_later(self.arrange)  # when the new size is known

    def on_descendant_focus(self) -> None:
        if self.is_bare:
            self.show_tabs()

    @on(LineList.Moved)
    def _moved(self, message: LineList.Moved) -> None:
        """Another line was chosen in a list: go where it leads."""
        match message.list.id:
            case "turns":
                self.place.go_to_turn(message.index + 1)
                self.subject = "turn"
            case "findings":
                self.place.go_to_finding(message.index)
                self.subject = "finding"
            case "events":
                self.place.go_to_row(message.index)
                self.subject = "event"
            case _:
                return
        self.hush()

    @on(LineList.Meant)
    def _meant(self, message: LineList.Meant) -> None:
        """A line was entered: show all about it, or go where it leads."""
        if message.list.id != "detail":
            if message.list.id == "turns":
                self.place.go_to_turn(message.index + 1)
                self.subject = "turn"
            elif message.list.id == "findings":
                self.place.go_to_finding(message.index)
                self.subject = "finding"
            else:
                self.place.go_to_row(message.index)
                self.subject = "event"
            self.action_pane("detail")
            return
        seq = self.detail_source.seq(message.index)
        if seq is not None:
            self.subject = "event"
            self.place.go_to_seq(seq)
            self.hush()

    @on(Tabs.Picked)
    def _picked(self, message: Tabs.Picked) -> None:
        self.action_pane(message.pane)

    @on(Lanes.Zoomed)
    def _zoomed(self, message: Lanes.Zoomed) -> None:
        self.place.zoom(message.steps, message.at_ms)
        self.hush()

    @on(Lanes.Scrolled)
    def _scrolled(self, message: Lanes.Scrolled) -> None:
        self.action_scroll(message.part)

    @on(Lanes.Pointed)
    def _pointed(self, message: Lanes.Pointed) -> None:
        self.subject = "event"
        self.place.go_to_time(message.at_ms)
        if message.start_ms is not None:
            self.place.marked = (message.start_ms, message.at_ms)
        self.hush()
