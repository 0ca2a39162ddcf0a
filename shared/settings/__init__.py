"""How Ampstream is configured: `AMPSTREAM_*` variables, read once, frozen, checked as a whole.

- `model`: the `Settings` struct; a field's name, type, bounds, unit and meaning are declared there and nowhere else
- `files`: the part of it that is about files and firmware
- `demand`: the part that is about demand response and OpenADR
- `authorization`: the part that is about who may charge
- `secret`: text that masks itself wherever it is shown
- `networks`: a list of addresses and networks
- `people`: what people may do whom an issuer vouches for
- `load`: environment -> `Settings`, or a `SettingsError` that names every wrong variable
- `show`: `Settings` -> rows, table, JSON or Markdown, secrets masked

A new setting is one field in `model`; reading, checking, `ampstream settings` and `docs/settings.md` follow from it.
"""

from shared.settings import show
from shared.settings.load import Loaded, SettingsError, load, load_with_sources
from shared.settings.model import Settings
from shared.settings.networks import Network, networks
from shared.settings.secret import Secret, SecretUrl

__all__ = [
    "Loaded",
    "Network",
    "Secret",
    "SecretUrl",
    "Settings",
    "SettingsError",
    "load",
    "load_with_sources",
    "networks",
    "show",
]
