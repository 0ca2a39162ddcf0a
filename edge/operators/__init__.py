"""The REST API, the live event feed, health and metrics."""
