"""Metrics as Prometheus and Grafana see them: rules, alerts, the dashboard."""
