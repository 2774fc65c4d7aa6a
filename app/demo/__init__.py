"""Demo data: an invented grocer with some 5,000 people, templates, segments and past campaigns.

Made once per database, through the same functions as real data. Only on the sandbox: the numbers
and addresses look real, so nothing of this may meet a real provider.
"""
