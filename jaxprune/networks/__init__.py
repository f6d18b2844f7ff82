"""Networks: random families from a key, connectomes from files, and the leaks that make them stable."""

from jaxprune.networks._clustered import clustered as clustered
from jaxprune.networks._edges import Connectome as Connectome
from jaxprune.networks._edges import read_edges as read_edges
from jaxprune.networks._feedforward import feedforward as feedforward
from jaxprune.networks._files import read_matrix as read_matrix
from jaxprune.networks._files import write_matrix as write_matrix
from jaxprune.networks._leak import dominant_leak as dominant_leak
from jaxprune.networks._leak import stable_leak as stable_leak
from jaxprune.networks._random import dale as dale
from jaxprune.networks._random import gaussian as gaussian
from jaxprune.networks._random import low_rank as low_rank
