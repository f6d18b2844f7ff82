"""Names from outside, shown as they are."""


def plain(name: object) -> str:
    """A name so that matplotlib shows it as it is: what stands between two dollar signs is not taken for mathematics.

    Args:
      name: of a neuron, a rule or anything else that a file holds.

    Example:
      >>> print(plain("cost in " + chr(36)))
      cost in \\$
    """
    return str(name).replace("$", r"\$")
