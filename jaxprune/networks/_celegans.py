"""The nervous system of the worm *C. elegans*, which comes with the package."""

from jaxprune._examples import WORM, WORM_NEURONS
from jaxprune.networks._edges import NamedNetwork, read_edges


def celegans() -> NamedNetwork:
    """The connectome of the worm *C. elegans*: 279 neurons, 2,194 chemical connections and 1,028 gap junctions.

    `W[post, pre]` is the number of synapses, with a sign:

    - chemical synapses of the 26 neurons that release GABA are negative;
    - all other chemical synapses are positive. That is an approximation: of 161 neurons the table names no transmitter, and
      whether a synapse of glutamate or acetylcholine excites depends on the receptor;
    - gap junctions are positive, and entered in both directions. Three that join a neuron to itself are left out.

    A connectome says nothing of leaks, or of how strong one synapse is: `scaled_inputs`, `dominant_leak` and `stable_leak` make a
    dynamics matrix of it. The two tables, with the classes and places of the neurons, are in the folder `examples` of the
    package, beside a note of their source and licence.

    Returns:
      The matrix and the names of the neurons, as from `read_edges`.

    Example:
      >>> worm = celegans()
      >>> worm.matrix.shape, worm.names[:2]
      ((279, 279), ('ADAL', 'ADAR'))

    Reference: Varshney2011.
    """
    return read_edges(WORM, neurons=WORM_NEURONS)
