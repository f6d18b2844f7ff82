"""`python -m jaxprune.cli`."""

from jaxprune.cli import main

if __name__ == "__main__":  # processes that a command starts import this, too
    main()
