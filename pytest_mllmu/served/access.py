"""Clients for the servers of a session: which address, whose key, how many requests at once."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pytest_mllmu.served.client import Client
from pytest_mllmu.served.secret import Secret
from pytest_mllmu.settings import Settings

ENDPOINT_KEY = "MLLMU_ENDPOINT_KEY"
"""Never OPENAI_API_KEY: that one is not the vendor's to see."""
NO_KEY = "none"
"""For servers that want none: openai insists on one."""


def endpoint_client(settings: Settings, model: str, environment: Mapping[str, str] = os.environ) -> Client:
    """Of ``--mllmu-endpoint``."""
    return client(settings, settings.endpoint, Secret(environment.get(ENDPOINT_KEY) or NO_KEY), f"the endpoint's model {model[:60]}", environment)


def judge_client(settings: Settings, environment: Mapping[str, str] = os.environ) -> Client | None:
    """Of ``--mllmu-judge``; None without a key, unless OPENAI_BASE_URL names a server, which may want none."""
    url = environment.get("OPENAI_BASE_URL") or None
    key = environment.get("OPENAI_API_KEY") or (NO_KEY if url else "")
    return client(settings, url, Secret(key), f"the judge {settings.judge}", environment) if key else None


def client(settings: Settings, url: str | None, key: Secret, what: str, environment: Mapping[str, str]) -> Client:
    """xdist's workers share what the user allows."""
    workers = environment.get("PYTEST_XDIST_WORKER_COUNT", "")
    share = max(1, int(workers)) if workers.isdigit() else 1
    rate = settings.rate / share if settings.rate else None
    return Client(url, key, what, settings.request_timeout, max(1, settings.concurrency // share), rate)
