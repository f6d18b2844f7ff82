"""Studies: one file each, run as `python -m experiments.<name>`; `--help` lists the settings, `--redraw` draws what is stored.

A study says what its points are, how one is evaluated, and how the results are shown and drawn; `_study.main` does the rest.
Studies share what is in `_study` and `_modcog`, and do not import each other. Results are in `results/`: the table, the figure,
and the command, settings, versions and machine behind them.
"""
