"""The REST interface of the administration, under `/admin/api`: a table of routes over the acts of `actions.py`."""
