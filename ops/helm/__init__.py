"""The Helm chart, and `make chart`, which lints and renders it.

    switchboard    the chart
    values         sets of values that it is rendered with, and sets that it has to refuse
    rendered       what came out, committed: tests read it, so that CI needs no helm
    chart          the chart's files and their digest
    make_chart     the command behind `make chart`

See docs/howto/kubernetes.md.
"""
