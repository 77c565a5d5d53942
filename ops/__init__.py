"""Tools for operators: the `switchboard` command, the demo, the files of a deployment. Nothing imports this package.

    cli          the `switchboard` command and its options
    serving      a server of a process beside the receivers
    commands/    the commands for a running installation: ps, drain, dead, tenants, doctor, probe
    metrics/     `switchboard exporter`: the metrics of an installation for Prometheus
    console/     pages for operators, and what agents upload: `uvicorn --factory ops.console.app:create_app`
    recordings/  recordings of calls: stored, found, played, deleted
    demo/        `switchboard demo`: an installation on this machine, and calls to it
    caller/      a caller that speaks, listens and measures
    stack/       the processes of an installation, for the demo and for tests
    setup/       redis-server and livekit-server for a machine that has none
    docker/      the image of docker-compose.yml, its secrets, health check and Redis configuration
    haproxy/     HAProxy's configuration
    helm/        the Helm chart, and the command that renders it
    nginx/       nginx' configuration, and an Ingress
    livekit/     livekit-server's configuration
    systemd/     units of a receiver and a worker
    ecs/         task definitions of a receiver and a worker
    fly/         an app of receivers and workers
    prometheus/  alerts, and the configuration of Prometheus and Alertmanager
    grafana/     dashboards

`ops` may import webhooks, tasks and pipeline.
"""
