"""The failure drill: a whole Herald of its own is hurt on purpose while it sends.

What was accepted is then compared with the sandbox's journal, the independent witness. Nothing here
touches the installation beside it, and no message leaves the machine.
"""
