"""What the measures are called: in reports, in tables and in figures."""

from typing import NamedTuple

from jaxprune.linalg._measures import SLOW


class MeasureName(NamedTuple):
    """The names of one of the fields of `Measures`.

    Attributes:
      recorded: in a report.
      title: in a table or a menu.
      quantity: over a panel whose axis says how it is measured.
      below: in a table that has the measure before it in the row above; empty where it is the title there, too.
    """

    recorded: str
    title: str
    quantity: str
    below: str = ""


def measure_names(slow: int = SLOW) -> dict[str, MeasureName]:
    """The names of the measures that are shown, by their fields in `Measures`, the leading ones first.

    Args:
      slow: number of slowest modes that were looked at by themselves.

    Example:
      >>> measure_names(slow=4)["worst_mode"].title
      'worst error along the 4 slowest modes'
    """
    modes = f"the {slow} slowest modes"
    return {
        "h2": MeasureName("h2_error", "H2 error (response to noise)", "response to noise"),
        "slow_modes": MeasureName("slow_modes_mean_error", f"error along {modes}", f"mean along {modes}"),
        "worst_mode": MeasureName(
            "slow_modes_worst_error", f"worst error along {modes}", f"worst of {modes}", below="the worst of them"
        ),
        "stationary": MeasureName(
            "information_lost_nats_per_neuron", "information lost, nats per neuron", "information lost"
        ),
        "path": MeasureName(
            "information_lost_of_trajectories",
            "information lost of trajectories, nats per neuron and time",
            "information lost of trajectories",
            below="the same, of trajectories, per time",
        ),
        "sorted_median": MeasureName(
            "sorted_eigenvalues_median_error", "median error of sorted eigenvalues", "median of sorted eigenvalues"
        ),
    }
