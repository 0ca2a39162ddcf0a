"""What people on call look at: Grafana's dashboards, and what Prometheus and Alertmanager are told.

builder/        writes queries from declared metrics, and panels and dashboards as Grafana's classic JSON
boards/         what each dashboard shows
dashboards/     the JSON, committed; `python -m grafana` makes it, `--check` proves it fresh (`__main__`)
alerts/         rules.yaml for Prometheus, alertmanager.yaml
prometheus/     prometheus.yml, and targets/ with whom it scrapes
provisioning/   the data source and the folder of dashboards, for Grafana's own start
"""
