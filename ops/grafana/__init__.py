"""Grafana's dashboards, as code: `make dashboards` writes them to `dashboards/`, whose JSON is what is deployed.

    fleet          dashboard: workers, slots, load, and the calls of all tiers
    tier           dashboard: waits, calls and times of one tier or several
    tenant         dashboard: usage and test calls of one tenant or several
    providers      dashboard: errors, fallbacks and usage of providers
    reliability    dashboard: lost calls, dead letters, and the parts that everything needs
    layout         the frame that all dashboards share: data source, time, links, rows
    panels         the kinds of panels
    usage          panels of usage, by tenant or by provider
    queries        PromQL that several panels need
    variables      the variables at the head of a dashboard
    dashboards/    the dashboards, as Grafana reads them
    provisioning/  Grafana's data sources, and the folder of its dashboards

The builder is a dependency of developers alone, so the modules are not in the wheel, and nothing imports them.
"""
