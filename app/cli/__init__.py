"""The `herald` command: one file per noun, all joined in `main.py`.

A command reads its arguments, opens a transaction, calls the domain and prints. Modules import
what they run inside the command, so that `herald --help` answers at once.
"""
