"""How fast a server is asked: at most so many requests a minute, whatever the number of threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """``wait()`` lets one request through at a time, evenly spaced. None: no limit."""

    def __init__(self, a_minute: float | None, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self._gap = 60 / a_minute if a_minute else 0.0
        self._clock, self._sleep, self._next, self._lock = clock, sleep, 0.0, threading.Lock()

    def wait(self) -> None:
        if not self._gap:
            return
        with self._lock:
            now = self._clock()
            mine = max(now, self._next)
            self._next = mine + self._gap
        if mine > now:
            self._sleep(mine - now)
