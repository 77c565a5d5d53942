"""What lives in the worker's main process. It forks, so it has no threads, no event loop and no connections of asyncio.

A task stays in Redis until this worker can start its call now: `gate` opens only with an idle child, no drain, and
CPU load under the threshold, and `steps` puts the gate in front of every BRPOP. Each call runs in a fresh child
(`pool`), forked from a parent that `lifecycle` has warmed up. `heartbeat` tells operators what the worker is doing.

Beside the children there is one process for what each would otherwise keep in memory: `end_of_turn`. `inference` is
another, for models of plugins.
"""
