"""What the author of a plug-in runs on it: one contract for each interface, as pytest classes to inherit from.

Our own implementations pass the same ones (`tests/plugins`). `docs/howto/plugins.md` says how, `examples/plugin` shows
it.
"""
