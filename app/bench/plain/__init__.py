"""What Herald is compared with: the same work as one would first write it.

One Dramatiq job per recipient with one call of the provider's SDK, and one ORM insert and one
`actor.send()` per request. The parts are the ones Herald itself uses, at their usual settings.
"""
