"""`ringmain top CONFIG`: what a node does, live in a terminal; one snapshot where stdout is none.

Each second a picture is asked for and drawn. A node that does not answer leaves the last picture standing,
with the reason above it.
"""

import sys
from collections.abc import Iterator

import click
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from ringmain import clock
from ringmain.cli import figures
from ringmain.cli.arguments import asking_options, examples, json_option, print_json
from ringmain.cli.client import Client, open_client
from ringmain.cli.deadtext import escaped
from ringmain.cli.keys import Keys
from ringmain.cli.panels import ALL, FEW, screen
from ringmain.cli.status import print_screen
from ringmain.control import Node
from ringmain.errors import NoAnswer

EVERY_S = 1.0
PATIENCE_S = 2.0
HISTORY = 300
FOOTER = "q quit   p pause   a all / few   arrows, space scroll"


@click.command(epilog=examples("ringmain top billing", "ringmain top http://web-1:8100"))
@asking_options
@json_option
def top(config: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """What this node does, live.

    Keys: q quit, p pause the picture, a everything or only what needs a look, arrows and space scroll.
    """
    client = open_client(config, overrides)
    node = client.look()
    if as_json:
        print_json(node)
    elif not sys.stdout.isatty():
        print_screen(node, FEW)
    else:
        watch(client, View(node))


class View:
    """What is shown: the newest picture, the rates before it, and how far it is scrolled."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.rates: list[float] = []
        self.silence = ""
        self.everything = False
        self.frozen = False
        self.top = 0
        self._body_lines = 0
        self._height = 1
        self.take(node)

    def take(self, node: Node) -> None:
        """Another picture."""
        self.node, self.silence = node, ""
        self.rates = [*self.rates[1 - HISTORY :], done_per_s(node)]

    def press(self, key: str) -> None:
        """One key; "quit" is the loop's."""
        page = max(self._height - 1, 1)
        steps = {"up": -1, "down": 1, "page up": -page, "page down": page, "home": -ALL, "end": ALL}
        self.frozen ^= key == "pause"
        self.everything ^= key == "all"
        self.top += steps.get(key, 0)  # how far that goes is known when it is drawn

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height or console.height
        head = list(self._head(options.max_width))
        body = console.render_lines(self._body(), options.update(height=None), pad=False)
        self._body_lines, self._height = len(body), max(height - len(head) - 1, 1)
        self.top = max(0, min(self.top, self._body_lines - self._height))
        for line in head:
            yield from console.render(line, options.update(height=1, no_wrap=True, overflow="ellipsis"))
        shown = body[self.top : self.top + self._height]
        for row in [*shown, *[[]] * (self._height - len(shown))]:
            yield from row
            yield Segment.line()
        yield Text(self._foot(), "dim", no_wrap=True, overflow="ellipsis", end="")

    def _head(self, width: int) -> Iterator[Text]:
        if self.silence:
            yield Text(escaped(f"no answer: {self.silence}"), "bold white on red")
        said = f"done/s {figures.rate(self.rates[-1])} "
        yield Text(said + figures.spark(self.rates, max(width - len(said), 1)), "cyan")

    def _body(self) -> RenderableType:
        return screen(self.node, ALL if self.everything else FEW)

    def _foot(self) -> str:
        below = self._body_lines - self._height - self.top
        more = f"   {below} lines below" if below > 0 else ""
        return f"{'PAUSED   ' if self.frozen else ''}{FOOTER}{more}"


def watch(client: Client, view: View) -> None:
    """Until somebody quits."""
    console = Console(highlight=False, markup=False, emoji=False)
    live = Live(view, console=console, screen=True, auto_refresh=False, vertical_overflow="crop")
    try:
        with Keys() as keys, live:
            live.refresh()
            due_s = clock.monotonic_s() + EVERY_S
            while "quit" not in (pressed := keys.wait(due_s - clock.monotonic_s())):
                for key in pressed:
                    view.press(key)
                if clock.monotonic_s() >= due_s:
                    due_s = clock.monotonic_s() + EVERY_S
                    look(client, view)
                live.refresh()
    except KeyboardInterrupt:
        return


def look(client: Client, view: View) -> None:
    """A newer picture, unless the one that is shown is to stay."""
    if view.frozen:
        return
    try:
        view.take(client.look(PATIENCE_S))
    except NoAnswer as silence:
        view.silence = str(silence)


def done_per_s(node: Node) -> float:
    """Over all of its pools."""
    return sum(pool.rates_per_s.get("done", 0.0) for pool in node.pools)
