"""Profiles that a site's allocator wants on a station, or off it; nobody waits for an answer.

The allocator sees what became of a request in the station's own records: it numbers what it wants, and takes what it
does not find for not done. So a request that comes twice, late, or for a transaction that is over, changes nothing. It
leaves no line in the station's history either, which a site would fill with nothing else.
"""

from __future__ import annotations

from shared.records.profiles import slot_of
from shared.records.requests import AssignProfile, ClearProfile, Request
from shared.smartcharging.site_profiles import is_of
from workers.services.refusals import Refused
from workers.store.draft import Draft

from . import assigning


def serve(draft: Draft, request: Request) -> bool:
    """Do what an allocator asks; False where the request is none of its."""
    if isinstance(request, AssignProfile) and request.site:
        _assign(draft, request)
        return True
    if isinstance(request, ClearProfile) and request.site:
        _clear(draft, request.site)
        return True
    return False


def _assign(draft: Draft, request: AssignProfile) -> None:
    held = draft.limits.by_slot.get(slot_of(request.profile))
    if held is not None and held.name == request.name and held.version >= request.version:
        return
    try:
        assigning.assign(draft, request)
    except Refused:
        return  # The allocator does not find it, and looks why.


def _clear(draft: Draft, site: str) -> None:
    """Take off all that the site's allocator has set, or whoever else has profiles of this very name."""
    named = [one for one in draft.limits.by_slot.values() if is_of(site, one) or (":" in site and one.name == site)]
    ours = [one for one in named if not one.clearing]
    for one in ours:
        assigning.clear(draft, ClearProfile(request_id="", profile_id=one.profile.profile_id))
