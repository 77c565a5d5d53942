"""A run whose numbers are known: calls and faults, and what metrics, alerts and panels make of them.

    __main__      the command
    calls         the twenty calls, and the faults among them
    after_calls   the console, the writer of records and the background worker, of which two come late
    expected      the value that each metric must have afterwards
    monitoring    the exporter, Prometheus with the rules as they are shipped, and Alertmanager
    report        the page

The alerts have their own durations here, so a run takes about ten minutes.
"""
