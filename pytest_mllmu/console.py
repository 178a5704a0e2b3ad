"""Where progress goes: the terminal, past pytest's capture; from xdist workers through a file that the controller follows."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from pytest_mllmu.progress import FileSink, Progress, Tail

POLL = 1.0  # seconds between two looks at what the workers say


class Console:
    """One session's way to say something while tests run."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self._file: Path | None = None
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def progress(self) -> Progress:
        workerinput = getattr(self.config, "workerinput", None)
        sink: Callable[[str], None] = self.show
        if workerinput is not None:
            path = workerinput.get("mllmu_progress")
            if path is None:
                return Progress.silent()
            sink = FileSink(Path(path))
        return Progress(sink)

    def show(self, line: str) -> None:
        """A line of its own between pytest's dots; nothing with ``-q``."""
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or self.config.get_verbosity() < 0:
            return
        capture = self.config.pluginmanager.get_plugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            reporter.ensure_newline()
            if self.config.get_terminal_writer().width_of_current_line:  # after the dots of xdist, of which the reporter knows no file
                reporter.write_line("")
            reporter.write_line(line)

    def follow(self) -> str:
        """The file that workers write to; from now on its lines are shown."""
        if self._file is None:
            handle, name = tempfile.mkstemp(prefix="mllmu-", suffix=".progress")
            open(handle, "wb").close()
            self._file = Path(name)
            self._thread = threading.Thread(target=self._watch, args=(Tail(self._file),), daemon=True)
            self._thread.start()
        return str(self._file)

    def close(self) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def _watch(self, tail: Tail) -> None:
        while True:
            last = self._done.wait(POLL)
            for line in tail.new_lines():
                self.show(line)
            if last:
                return
