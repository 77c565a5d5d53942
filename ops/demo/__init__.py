"""`switchboard demo`: a whole installation on this machine, and real calls to it."""
