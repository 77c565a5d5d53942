"""What an operator runs: the `switchboard` command, the demo and its processes. Nothing imports this package."""
