"""The rehearsal of autoscaling, `make autoscaling`: workers as pods, under a wave of calls, and no cluster.

Real are the calls, LiveKit, Redis, the receivers, the exporter, Prometheus, the workers, and all that decides: the
query, the divisor, the policies and the grace period are read from the rendered chart. What Kubernetes and KEDA would
do with them is written down in `autoscaler` and `pods`, as their sources have it.

    __main__     the command
    rendered     what the rendered chart says of pods and of scaling
    autoscaler   a HorizontalPodAutoscaler with KEDA before it
    pods         a Deployment of workers: pods that start, drain and end
    monitoring   the exporter, and Prometheus with the labels that its operator gives
    agents       an agent that is always to be heard
    callers      the wave of calls, and what each caller hears
    rehearsal    all of them together, for ten minutes
    result       what came of it, and whether that is good
    picture      the chart: demand, pods and waits
    report       the page in docs/benchmarks
"""
