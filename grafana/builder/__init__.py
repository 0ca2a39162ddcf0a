"""Builds Grafana's classic dashboard JSON (schemaVersion 39).

queries      PromQL from the families of `shared.metrics`: a wrong label or value is an error here, not an empty panel
panels       one panel: its queries, unit, thresholds, links to runbooks
dashboards   rows of panels on Grafana's grid of 24 columns, variables, annotations, links
"""

Json = dict[str, object]
"""An object as Grafana reads it."""
