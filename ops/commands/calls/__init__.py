"""`switchboard calls`: the calls of an installation, and requests about one.

    erase    erase what was said in a call, and who has called

The commands are imported when they are run.
"""
