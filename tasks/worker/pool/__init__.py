"""The children, one for each call, and all that belongs to a call's process.

    one_shot_pool   a prefork pool whose children answer one call each
    spares          how many there are: one for each call, and warm ones ahead of demand
    call_request    a message in the main process, which notices that its child has died
    call_processes  the processes of a call, its orphans included
    call_folder     the temporary folder of a call
    call_killer     kills a call's processes, and keeps the reason

A call never runs in a process that another call has used: its memory, files and threads go with it.
"""
