"""The checks of a probe: what each tries, and what OCPP 1.6 has to say about it."""

from __future__ import annotations

from typing import Final

import msgspec


class Check(msgspec.Struct, frozen=True):
    """One check: its title, what the standard says in short, and where."""

    title: str
    standard: str
    sections: str


CHECKS: Final[dict[str, Check]] = {
    "clean": Check(
        "Clear everything",
        "ClearChargingProfile without criteria clears all profiles; `Unknown` where there are none.",
        "§5.5, §6.13, §7.21",
    ),
    "default": Check(
        "Default profile",
        "TxDefaultProfile on connector 0 applies to all connectors; it may be sent at any time.",
        "§3.13.1, §5.16.4",
    ),
    "composite": Check(
        "Composite schedule",
        "GetCompositeSchedule reports the result of all active schedules from the moment of the request.",
        "§5.7, §3.13.3",
    ),
    "clear_id": Check("Clear by id", "The profile of this id is cleared.", "§5.5, §6.13"),
    "clear_all": Check("Clear all", "A request without criteria clears every profile.", "§5.5, §6.13"),
    "clear_connector": Check("Clear by connector", "The connector's profiles are cleared, others stay.", "§5.5, §6.13"),
    "clear_place": Check(
        "Clear by purpose, connector and level", "What fits all criteria is cleared, the rest stays.", "§5.5, §6.13"
    ),
    "validity": Check("Validity", "A profile counts between validFrom and validTo.", "§3.13.2, §7.8"),
    "replacing": Check(
        "Replacement",
        "A profile with the stack level and purpose of another, or its id, SHALL replace it.",
        "§3.13.2, §5.16.4",
    ),
    "connector": Check(
        "Default profile of a connector",
        "One for a connector replaces the one of connector 0 for that connector alone.",
        "§3.13.1",
    ),
    "station_max": Check(
        "Maximum of the station",
        "ChargePointMaxProfile goes to connector 0; the composite is the least of the purposes.",
        "§3.13.1, §3.13.3",
    ),
    "transaction": Check(
        "Profile of a transaction",
        "TxProfile overrules the default for its transaction; without one it SHALL be discarded with an error.",
        "§3.13.1, §5.16.3, §5.16.4",
    ),
    "absolute": Check("Absolute schedule", "Periods count from startSchedule, the last until duration.", "§7.9, §7.13"),
    "relative": Check("Relative schedule", "Periods count from the start of the transaction.", "§7.9"),
    "daily": Check("Daily schedule", "It begins anew every 24 hours.", "§7.9, §7.37, errata 3.78"),
    "weekly": Check("Weekly schedule", "It begins anew every 7 days.", "§7.9, §7.37, errata 3.78"),
    "other_unit": Check("The other unit", "Units that the station names are taken.", "§7.12, §9.4.2"),
    "phases": Check("Number of phases", "numberPhases is optional; 3 are assumed without it.", "§7.14"),
    "decimal": Check("Decimals", "A limit has at most one digit after the point.", "§7.14"),
    "stack": Check("Stacking", "At any time the highest stack level among the valid profiles prevails.", "§3.13.2"),
    "levels": Check("Highest stack level", "Levels up to ChargeProfileMaxStackLevel are taken.", "§9.4.1"),
    "clear_level": Check("Clear by stack level", "Profiles of the level are cleared, others stay.", "§5.5, §6.13"),
    "clear_purpose": Check("Clear by purpose", "Profiles of the purpose are cleared, others stay.", "§5.5, §6.13"),
    "minimum": Check("Lowest limit", "Limits have no lower bound; IEC 61851 lets a car charge from 6 A on.", "§7.14"),
    "periods": Check("Periods", "As many as ChargingScheduleMaxPeriods says.", "§7.13, §9.4.3"),
    "installed": Check("Profiles at a time", "As many as MaxChargingProfilesInstalled says.", "§9.4.5"),
    "obeys": Check("Limit kept", "The current stays at or below the limit.", "§3.13, §7.12"),
    "pauses": Check("Pause and go on", "At 0 nothing is drawn; with a limit again charging goes on.", "§3.13, §7.14"),
    "zero": Check("Limit of 0", "A limit is a number from 0 on; 0 leaves nothing to draw.", "§7.14"),
}
"""By name, in the order in which they are tried."""
