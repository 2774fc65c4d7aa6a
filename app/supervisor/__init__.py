"""`herald up`: all of Herald's processes on one machine, started, watched and stopped together.

`run.py` is the story from first line to last, `programs.py` says what runs, `child.py` looks after
one process, `logs.py` keeps what it prints, `runfile.py` tells the outside where everything is.
Nothing here knows the domain; the processes are started as commands.
"""
