"""What a certificate can guarantee, in words."""

from jaxprune._codes import Code


class Guarantee(Code):
    """What a certificate guarantees of a pruned network; each level above `NONE` includes stability."""

    NONE = 0, "none: the assumptions of no guarantee hold; only the measured numbers stand."
    STABLE = (
        1,
        "stable: rows are diagonally dominant with positive slack, so every eigenvalue has a real part of at most minus the "
        "slack (Gershgorin).",
    )
    QUADRATIC_FORM = (
        2,
        "quadratic form: x'Bx lies within a factor 1 +- epsilon of x'Ax for every x, so the pruned network is stable and the "
        "energy of every activity pattern decays as before within that factor.",
    )
    SPECTRUM = (
        3,
        "spectrum: (1 - epsilon) A and (1 + epsilon) A bound the pruned matrix in the Loewner order, so every ordered "
        "eigenvalue, every quadratic form and every principal submatrix (each active set of a rectified-linear network) is "
        "kept within a factor 1 +- epsilon.",
    )
