"""What belongs to a mode of authorization is set like templates: by keys that are read back, and shown."""

from __future__ import annotations

from shared.bus import keys
from shared.records.authorization import KEYS, AuthorizationPolicy, Policies
from shared.records.packing import pack
from shared.records.templates import Match, Template
from tests.workers.tuning.site import Site

HELD = dict.fromkeys(KEYS["local"], "true")


def policies(site: Site, *some: AuthorizationPolicy) -> None:
    """Let these be the policies."""
    site.memory.data[keys.AUTHORIZATION] = pack(Policies({one.name: one for one in some}))


def test_the_keys_of_a_mode_are_set() -> None:
    """Central: nothing is decided by the station; the policy's own keys go before the mode's."""
    site = Site(HELD | {"MaxEnergyOnInvalidId": "0"})
    own = {"MaxEnergyOnInvalidId": "700", "AllowOfflineTxForUnknownId": "true"}
    policies(site, AuthorizationPolicy(name="strict", mode="central", keys=own, updated_at=1))
    site.boot()
    assert {name: site.held[name] for name in KEYS["central"]} == {
        **KEYS["central"],
        "AllowOfflineTxForUnknownId": "true",
    }
    assert site.held["MaxEnergyOnInvalidId"] == "700"
    assert any(str(one).startswith("authorization:strict/") for one in site.memory.data[keys.TUNING])


def test_the_strongest_policy_that_matches_holds_alone() -> None:
    """A policy for other stations, and a weaker one, set nothing."""
    site = Site(HELD)
    policies(
        site,
        AuthorizationPolicy(name="others", mode="central", priority=900, match=Match(group="elsewhere")),
        AuthorizationPolicy(name="weak", mode="central", priority=10),
        AuthorizationPolicy(name="strong", mode="local", priority=20),
    )
    site.boot()
    assert {name: site.held[name] for name in KEYS["local"]} == dict(KEYS["local"])


def test_a_template_of_more_weight_wins_a_key() -> None:
    """Templates and policies are weighed key by key, by priority."""
    site = Site(HELD)
    site.want(Template(name="mine", priority=500, keys={"LocalPreAuthorize": "true"}))
    policies(site, AuthorizationPolicy(name="strict", mode="central", priority=100))
    site.boot()
    assert (site.held["LocalPreAuthorize"], site.held["LocalAuthorizeOffline"]) == ("true", "false")
