"""Parts of the measures of large networks, for programs that have looked up already whether a network is symmetric."""

from jaxprune.linalg.sparse._certificate import certificate_of
from jaxprune.linalg.sparse._modes import modes_of
from jaxprune.linalg.sparse._response import response_of

__all__ = ["certificate_of", "modes_of", "response_of"]
