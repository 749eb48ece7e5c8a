"""Telemetry: what the system says of itself, to people and to Prometheus; it only reads."""
