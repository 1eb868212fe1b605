"""The console `/admin`: pages over the acts of `actions.py`, in the look of the sign-in pages."""
