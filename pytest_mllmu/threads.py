"""How torch's threads wait for work: they spin for some microseconds, then sleep."""

from __future__ import annotations

import os

# Spinning without end, the default, made torch some twenty times slower on two cores beside any other busy process, such as
# a second xdist worker; sleeping at once made it half as fast on an idle machine, because a step of a small model has
# thousands of short pauses. A bounded spin costs nothing in either case.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "2000"}


def settle() -> None:
    """Takes effect only before torch is first imported; what the user has set stays."""
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
