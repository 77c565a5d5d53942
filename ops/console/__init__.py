"""The console: a web app for operators, and what takes in the recordings of calls.

recordings/    recordings of calls: stored, found, played, deleted
"""
