"""What stations prove themselves by: keys and certificates, a row of the dashboard of commands and charging."""

from typing import Final

from grafana.builder.dashboards import Row
from grafana.builder.panels import Panel
from grafana.builder.queries import fleet, per_minute
from shared import metrics

PROOFS: Final = Row(
    "Keys and certificates",
    (
        Panel(
            "Certificates that end",
            "Certificates of stations that end within so long; expired: they have, and the station can't come back.",
            ((fleet(metrics.CERTIFICATES_EXPIRING, "window"), "{{window}}"),),
            colours=(("30d", "yellow"), ("7d", "orange"), ("expired", "red")),
            runbooks=("CertificatesExpiring",),
        ),
        Panel(
            "Signing requests by outcome",
            "A minute; refused: not what may be signed, failed: the authority said no, rejected: the station did.",
            ((per_minute(metrics.CERTIFICATES_MADE, "result"), "{{result}}"),),
            unit="opm",
            colours=(("accepted", "green"), ("signed", "blue"), ("refused", "orange"), ("failed", "red")),
            runbooks=("CertificatesExpiring",),
        ),
        Panel(
            "Keys rotated",
            "Changes of stations' keys that ended, a minute.",
            ((per_minute(metrics.KEY_ROTATIONS, "result"), "{{result}}"),),
            unit="opm",
            colours=(("done", "green"), ("refused", "orange")),
        ),
    ),
)
