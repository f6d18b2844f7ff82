"""`python -m jaxprune.cli`."""

from jaxprune.cli import main

main()
