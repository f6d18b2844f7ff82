"""Studies: one file each, run as `python -m experiments.<name>`."""
