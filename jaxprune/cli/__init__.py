"""The command line, `jaxprune COMMAND`: one module a subject, each offering its commands. Needs the extra `experiments`."""

import importlib
import sys
import warnings

COMMANDS = {
    "sweep": ("_sweep", "sweep rules and kept fractions over an ensemble of random networks"),
    "plot": ("_sweep", "draw the figure and print the table of a stored sweep again"),
    "prune": ("_matrix", "prune one network from a file, and certify the result"),
    "certify": ("_matrix", "certify a pruned matrix against its original"),
    "prune-boltzmann": ("_boltzmann", "train a Boltzmann machine on images, and prune it in sessions"),
    "train-sparse": ("_deep", "train a network on images while most of its synapses go, and report what it keeps"),
    "prune-rnn": ("_rnn", "prune a trained recurrent network, and report what it keeps"),
}
"""Each command's module, which lists it in its own COMMANDS, and what it does."""


def main() -> None:
    """Run the command line in double precision; bad input is one line on standard error and exit status 2.

    Only the module of the chosen command is imported.
    """
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        sys.exit(0 if arguments else 2)
    if arguments[0] == "--version":
        from jaxprune import __version__

        print(f"jaxprune {__version__}")
        return
    if arguments[0] not in COMMANDS:
        _refuse(f"there is no command {arguments[0]!r}: the commands are {', '.join(COMMANDS)}.")
    try:
        _run(arguments[0], arguments[1:])
    except KeyboardInterrupt:
        sys.exit(130)


def _run(name: str, arguments: list[str]) -> None:
    try:
        import tyro

        module = importlib.import_module(f"jaxprune.cli.{COMMANDS[name][0]}")
    except ModuleNotFoundError as error:
        _refuse_without(error)
    import jax

    from jaxprune._checks import InputError
    from jaxprune.pruning import FragmentationWarning

    jax.config.update("jax_enable_x64", True)
    if "" not in sys.path:
        sys.path.insert(0, "")  # rules of a module in this folder, as `python -m` finds them
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", FragmentationWarning)
            warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
            tyro.cli(module.COMMANDS[name], prog=f"jaxprune {name}", args=arguments)
    except ModuleNotFoundError as error:
        _refuse_without(error)  # some parts are imported when they are first used
    except (InputError, OSError, MemoryError) as error:
        _refuse(" ".join(str(error).split()) or type(error).__name__)


def _overview() -> str:
    lines = [f"  {name:17}{about}" for name, (_, about) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: jaxprune COMMAND [OPTIONS]",
            "",
            "Prune networks by rules that use only what each synapse can see, and certify what survives.",
            "",
            *lines,
            "",
            "jaxprune COMMAND --help lists a command's options; jaxprune --version prints the version.",
        ]
    )


def _refuse_without(error: ModuleNotFoundError) -> None:
    _refuse(f"the command line needs the package {error.name}: pip install 'jaxprune[experiments]'.")


def _refuse(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)
