"""Tools for operators: the `switchboard` command, the demo, the files of a deployment. Nothing imports this package.

    cli          the `switchboard` command and its options
    commands/    the commands that read or change Redis: ps, drain, dead, tenants
    demo/        `switchboard demo`: an installation on this machine, and calls to it
    caller/      a caller that speaks, listens and measures
    stack/       the processes of an installation, for the demo and for tests
    setup/       redis-server and livekit-server for a machine that has none
    docker/      the image of docker-compose.yml, its secrets, health check and Redis configuration
    haproxy/     HAProxy's configuration
    livekit/     livekit-server's configuration
    metrics/     the exporter: metrics for Prometheus, read from Redis
    prometheus/  alerts, and the configuration of Prometheus and Alertmanager
    grafana/     dashboards

`ops` may import webhooks, tasks and pipeline.
"""
