"""How drivers and networks behave: the whole course of a session, decided from a seed before it begins.

    steady    cars come one after the other, charge to what they want and leave
    commuter  a morning at work: one car per outlet, arriving around 45 minutes after the start, staying all day
    storm     as steady, and every two minutes (of real time) all stations lose the network at once
    replay    as steady, and every session goes through an outage: what happens meanwhile is reported afterwards

Times of a plan are simulated seconds; `--speed` shortens them. The network is real: its times are not shortened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import msgspec

from ampstream.simulate.physics import Charge, Outlet, arriving_car
from shared.ocpp.v16.enums import Reason


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One session to come."""

    id_tag: str
    charge: Charge
    prepare_s: float
    """From the plug to the card."""
    stay_s: float
    """From the start of the transaction to its end."""
    reason: Reason
    finish_s: float
    """From the end of the transaction until the outlet is free."""
    gap_s: float
    """Until the next car."""
    outage_at_s: float = -1.0
    """Since the start of the transaction; negative: none."""
    outage_s: float = 0.0


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A way to behave."""

    name: str
    summary: str
    arrival: Callable[[Random], float]
    """Seconds from the start of the fleet to an outlet's first car."""
    plan: Callable[[Random, Outlet, Sequence[str]], Plan]
    storm_every_s: float = 0.0
    """Real seconds between losses of the whole network; 0: none."""


def _steady(random: Random, outlet: Outlet, tags: Sequence[str]) -> Plan:
    charge = arriving_car(random, outlet)
    wanted = charge.time_to_s(random.uniform(78, 100))
    impatient = random.uniform(1200, 2700) if outlet.current == "DC" else random.uniform(2400, 14400)
    return Plan(
        id_tag=random.choice(tags),
        charge=charge,
        prepare_s=random.uniform(4, 40),
        stay_s=max(min(wanted, impatient), 240.0),
        reason=Reason.LOCAL if random.random() < 0.7 else Reason.EV_DISCONNECTED,
        finish_s=random.uniform(5, 90),
        gap_s=random.uniform(60, 900),
    )


def _commuter(random: Random, outlet: Outlet, tags: Sequence[str]) -> Plan:
    stay_s = min(max(random.gauss(8.2, 0.9), 4.0), 11.0) * 3600
    return msgspec.structs.replace(
        _steady(random, outlet, tags),
        stay_s=stay_s,
        reason=Reason.EV_DISCONNECTED if random.random() < 0.6 else Reason.LOCAL,
        # The next morning's car comes a day after this one.
        gap_s=24 * 3600 - stay_s + random.gauss(0, 600),
    )


def _replay(random: Random, outlet: Outlet, tags: Sequence[str]) -> Plan:
    plan = _steady(random, outlet, tags)
    return msgspec.structs.replace(
        plan,
        outage_at_s=plan.stay_s * random.uniform(0.1, 0.9),
        # Often beyond the end of the session, sometimes beyond the start of the next.
        outage_s=random.uniform(0.05, 1.2) * plan.stay_s,
    )


def _soon(random: Random) -> float:
    return random.uniform(2, 60)


def _in_the_morning(random: Random) -> float:
    return min(max(random.gauss(2700, 1100), 30.0), 9000.0)


PROFILES: Final = {
    profile.name: profile
    for profile in (
        Profile(name="steady", summary="cars, one after the other", arrival=_soon, plan=_steady),
        Profile(name="commuter", summary="a morning at work", arrival=_in_the_morning, plan=_commuter),
        Profile(
            name="storm", summary="all stations reconnect at once", arrival=_soon, plan=_steady, storm_every_s=120.0
        ),
        Profile(name="replay", summary="outages, reported afterwards", arrival=_soon, plan=_replay),
    )
}


def random_for(seed: str, *names: object) -> Random:
    """Return the randomness of one thing: the same for the same seed and names, whatever else was asked before."""
    return Random("/".join([seed, *map(str, names)]))
