"""What a command shows: results on standard output, progress and words on standard error.

Law: standard output carries the result and nothing else, as text for people or, with `--json`, as
one JSON value. Progress moves on a terminal only; elsewhere nothing is said that is not a result,
a warning or a fault. No secret is printed unless a command exists to print it once.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence

import msgspec
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

STEP_COLUMNS = 34


class Screen:
    """The two streams of one command. `json` asks for results that programs read."""

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self.out = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self.err = Console(file=sys.stderr, highlight=False, stderr=True)
        self.lively = self.err.is_terminal and not json

    def say(self, text: str) -> None:
        """A word to whoever watches; silent when nobody does."""
        if self.lively:
            self.err.print(text)

    def warn(self, text: str) -> None:
        """Something that an operator must know."""
        self.err.print(f"[yellow]Warning:[/yellow] {escape(text)}", soft_wrap=True)

    def fail(self, text: str) -> None:
        """Why the command failed, with the way out."""
        self.err.print(f"[red]Error:[/red] {escape(text)}", soft_wrap=True)

    @contextlib.contextmanager
    def step(self, doing: str, done: str | None = None) -> Iterator["Step"]:
        """Show that something takes a while; a mark at its end, whatever the end is."""
        if not self.lively:
            yield Step(done or doing, move=_unseen)
            return
        with self.err.status(f"{escape(doing)} …") as status:

            def move(text: str) -> None:
                status.update(f"{escape(doing)}: {escape(text)} …")

            step = Step(done or doing, move=move)
            yield step
        self.err.print(f"[green]✓[/green] {escape(step.done)}")

    def show(self, renderable: RenderableType) -> None:
        """A result for people; nothing with `--json`."""
        if not self.json:
            self.out.print(renderable)

    def table(self, *columns: str, rows: Sequence[Sequence[str]], title: str | None = None) -> None:
        """A result for people as a table; nothing with `--json`."""
        if self.json:
            return
        table = Table(*columns, title=title, box=None, pad_edge=False, title_justify="left")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self.out.print(table)

    def marked(self, rows: Sequence[tuple[str, str, str]], *, title: str) -> None:
        """Findings for people: a mark of ours, a subject and words; nothing with `--json`."""
        if self.json:
            return
        table = Table("", "", "", title=title, box=None, pad_edge=False, title_justify="left")
        for mark, subject, text in rows:
            table.add_row(mark, escape(subject), escape(text))
        self.out.print(table)

    def give(self, value: object) -> None:
        """The result for programs: one line of JSON, with `--json` only."""
        if self.json:
            sys.stdout.write(msgspec.json.encode(value).decode("utf-8") + "\n")
            sys.stdout.flush()


class Step:
    """Something under way. `done` is the last word about it."""

    def __init__(self, done: str, *, move: Callable[[str], None]) -> None:
        self.done = done
        self._move = move

    def move(self, text: str) -> None:
        """Tell where it stands."""
        self._move(text)


def _unseen(text: str) -> None:
    """Where nobody watches."""
