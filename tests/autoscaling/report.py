"""The results of a rehearsal as a page for docs/benchmarks."""

from __future__ import annotations

from tests.autoscaling.result import Result, percentile

HEAD = """# Autoscaling

A wave of calls, from 2 at a time to 12 and back, and pods that come and go by the formula of the Helm chart. `make
autoscaling` makes this file; [Kubernetes](../howto/kubernetes.md#autoscaling) explains the formula.

![Demand, pods and waits](autoscaling.png)
"""
HOW = """
## How it was measured

There is no cluster. Real are the calls, the LiveKit server, Redis, two receivers, the exporter, a Prometheus that
scrapes it, and the workers, each of which stands for a pod. The query, the calls that a pod carries, the limits, the
policies and the grace period are read from `ops/helm/rendered/rehearsal.yaml`, which `make chart` renders. What
Kubernetes and KEDA do with them (the tolerance of 10 %, stabilization, policies, fallback, the choice of the pod to
stop) is in `tests/autoscaling`, as their sources have it.

- The pods of the rehearsal are small, carry two calls each, and drain for 20 s, so that many of them come and go in ten
  minutes.
- Their agent hums without a pause, so that its caller hears each gap. It is cheap, because all pods share one machine;
  for the same reason workers read a fixed load.
- In the middle of the wave the exporter is killed, so that there is no metric: the pods that are there have to stay.
- A pod is ready as soon as its worker is. In a cluster a node may have to start first, and the image may have to be
  pulled; the buffer has to be larger by the calls that come meanwhile.
- Other work ran on the machine, which makes starts of pods slower than they would be alone.
- Where a call waited longer than promised, all slots were taken and a pod was starting. A larger buffer is the remedy,
  at the price of idle pods.
"""


def markdown(result: Result) -> str:
    """Return the page."""
    waits = [wait.seconds for wait in result.first_waits]
    again = [wait.seconds for wait in result.waits if wait.attempt > 1]
    with_a_pod = [result.wait_with_a_pod(wait) for wait in result.first_waits]
    gaps = [gap for call in result.handed_over for gap in call.gaps]
    starts = [pod.ready - pod.created for pod in result.pods if pod.ready and pod.created]
    drains = [pod.ended - pod.stopped for pod in result.pods if pod.ended is not None and pod.stopped is not None]
    most = max(sample.ready for sample in result.samples)
    few = min(sample.ready for sample in result.samples)
    rows = [
        ("calls", f"{len(result.calls)}"),
        ("calls lost", f"{len(result.lost)}"),
        ("callers whose own connection to LiveKit was away", f"{sum(call.cut_off for call in result.calls)}"),
        ("dead letters", f"{len(result.dead_letters)}"),
        ("calls at a time, at most", f"{max(sample.callers for sample in result.samples)}"),
        ("pods that were up, least and most", f"{few} and {most}"),
        ("pods started, and stopped by SIGTERM", f"{len(result.pods)}, {len(drains)}"),
        ("pods killed after their grace period", f"{sum(pod.killed for pod in result.pods)}"),
        ("start of a pod until it took calls, p50 and longest", _pair(starts)),
        ("drain of a pod, p50 and longest", _pair(drains)),
        ("wait from the queue to the worker, p50", _seconds(percentile(waits, 0.5))),
        ("the same, p95 and longest", f"{_seconds(percentile(waits, 0.95))}, {_seconds(max(waits))}"),
        ("calls that waited longer than promised", f"{sum(wait > result.promise_seconds for wait in waits)}"),
        ("the longest wait while a pod that was up had a free slot", _seconds(max(with_a_pod))),
        ("wait that the tier promises", _seconds(result.promise_seconds)),
        ("calls handed over", f"{len(result.handed_over)}"),
        ("wait of a call that was handed over, p50 and longest", _pair(again)),
        ("what its caller heard of it: silence, p50 and longest", _pair(gaps)),
    ]
    table = "".join(f"| {name} | {value} |\n" for name, value in rows)
    return f"{HEAD}\n| | |\n|---|--:|\n{table}{HOW}"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _pair(samples: list[float]) -> str:
    return f"{_seconds(percentile(samples, 0.5))}, {_seconds(max(samples))}" if samples else "none"
