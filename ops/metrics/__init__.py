"""The exporter, `switchboard exporter`: the metrics of an installation for Prometheus, from what Redis has.

    command      the command, from its settings to its end
    server       GET /metrics and GET /healthz
    exporter     `Exporter`: all metrics of one scrape, also while Redis is away
    catalogue    the metrics: names, kinds, labels, meanings, buckets
    fleet        `Fleet`: workers, queues, rooms, the reconciler, as they are now
    records      the stream of records, and whether its writers keep up
    ledger       `Ledger`: counters and histograms of calls, with the position in the streams up to which they count
    lua/         the script that saves the ledger
    entries      the counters and histograms that one entry of a stream adds to
    usage        the usage of models and the failures of providers in one attempt
    series       `Series`: values of metrics by their labels

Gauges are read at each scrape and kept nowhere, so that nothing is shown of a worker that is gone. Counters are never
counted by the processes that answer calls: each call has a process of its own, which would leave two files of
prometheus_client's behind. They follow from the records that the scripts of `tasks.rooms` write (decision 27).
"""
