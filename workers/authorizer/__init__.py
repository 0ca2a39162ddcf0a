"""The external authorizer: tags that are kept elsewhere are asked of it over HTTP.

    breaker.py   Breaker: when it is not asked for a while (pure)
    client.py    Client: one question, one word, in bounded time

Who waits for it and how is `workers.consumer.waiting`; what its word means is `services.authorization_elsewhere`.
"""

from __future__ import annotations

from .breaker import Breaker
from .client import Client

__all__ = ["Breaker", "Client"]
