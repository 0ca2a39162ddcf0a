"""How a service says no to what an operator asked."""

from __future__ import annotations


class Refused(Exception):
    """A request that the present state does not allow; `status` is the reply's. Raised before anything is changed."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
