"""The CSMS's messages of 1.6: what their answers mean."""

from __future__ import annotations

from shared.ocpp.actions import actions_of
from shared.ocpp.versions import OCPP16
from workers.handlers.outgoing import learn

learn(actions_of(OCPP16))
