"""Administrators: what they may do, alone and together, on every surface."""
