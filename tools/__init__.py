"""Generators of files that are committed; each has `--check`, which proves them fresh (`make fresh`).

generate_ocpp_types   `shared/ocpp/v16` and `v2x`, from the schemas that `ocpp` installs; ocpp_schemas reads them
writing               what each of them, and those of `grafana` and `deploy`, does with its files
generate_docs         the generated pages of `docs/` and sections of README.md
                      (api_page: the operators' API and its events, metrics_page: the catalogue of metrics,
                      messages_page: what is served, quirks_page: flags and rules, bench_section: figures)
"""
