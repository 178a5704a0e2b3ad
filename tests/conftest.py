"""What all tests share: a slow machine must not make one red."""

from __future__ import annotations

from contextlib import suppress

with suppress(ImportError):  # pytest reads this file in a checkout without the test extra, too, where the question sets alone are run
    from hypothesis import settings

    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")
