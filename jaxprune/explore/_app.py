"""The pages laid out: a marimo app that `serve` offers. What they show is made by the files beside it."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="jaxprune")


@app.cell
def setting():
    import jax
    import marimo as mo

    from jaxprune import plot
    from jaxprune._checks import InputError
    from jaxprune.explore import _html as html
    from jaxprune.explore import _network as network
    from jaxprune.explore import _pictures as pictures
    from jaxprune.explore import _store as stores
    from jaxprune.explore import _systems as systems
    from jaxprune.explore import _upload as uploads
    from jaxprune.explore._process import prepare

    # Here, because a configuration of marimo may give the page a process of its own.
    prepare()

    def said(words):
        """Words on a line."""
        return mo.Html(html.text(words))

    def refused(error):
        """What is wrong, in one line."""
        return mo.callout(said(error), kind="danger")

    def pictured(png, words):
        """A picture, and what it shows."""
        return mo.Html(html.picture(png, words))

    def tabled(rows):
        """A table that is only read."""
        return mo.Html(html.table(rows))

    def listed(choices, label, value=None):
        """A list to choose from; the first is chosen at the beginning."""
        return mo.ui.dropdown(choices, value=next(iter(choices)) if value is None else value, label=label)

    def numbered(label):
        """The number of a random draw."""
        return mo.ui.number(0, 9999, value=0, label=label)

    def fraction():
        """The slider of the fraction kept."""
        return mo.ui.slider(
            steps=network.FRACTIONS, value=0.2, show_value=True, label="fraction of synapses kept", full_width=True
        )

    def row(*parts):
        """Things beside each other."""
        return mo.hstack(parts, justify="start", gap=1.5, wrap=True)

    def result(original, outcome, remedy=""):
        """What became of a network, in words and numbers; and what to do about it, if anything."""
        return mo.vstack(
            [
                mo.callout(
                    said(network.verdict(original, outcome)), kind="success" if outcome.stability.stable else "danger"
                ),
                *([mo.callout(said(remedy), kind="warn")] if remedy else []),
                mo.hstack(
                    [
                        mo.Html(html.bullets(network.certificate(original, outcome))),
                        tabled(network.table(original, outcome)),
                    ],
                    widths=[1, 1],
                    gap=2,
                ),
            ]
        )

    WEIGHTS = "weights of the original and of the pruned network, and their spectra"
    ACTIVITY = "error along each mode, and activity of both networks under the same noise"
    return (
        ACTIVITY,
        InputError,
        WEIGHTS,
        fraction,
        jax,
        listed,
        mo,
        network,
        numbered,
        pictured,
        pictures,
        plot,
        refused,
        result,
        row,
        said,
        stores,
        systems,
        tabled,
        uploads,
    )


@app.cell
def _(mo):
    NETWORK, SWEEP, UPLOAD, SYSTEMS = "One network", "A sweep", "Your own network", "The other two systems"
    given = mo.query_params().get("store") or ""
    page = mo.ui.tabs(dict.fromkeys((NETWORK, SWEEP, UPLOAD, SYSTEMS), ""), value=SWEEP if given else NETWORK)
    mo.vstack([mo.md("# Prune a network, and see what is left of it"), page], gap=1)
    return NETWORK, SWEEP, SYSTEMS, UPLOAD, given, page


@app.cell
def _(given, mo):
    place = mo.ui.text(value=given, placeholder="sweep.zarr", label="store of a sweep: path or URL", full_width=True)
    return (place,)


@app.cell
def _(InputError, mo, place, refused, stores):
    # Whatever page is shown: what was chosen of a store stays when one comes back to its page.
    opened, trouble = None, mo.md("Give the path of a store, finished or not. `jaxprune sweep` makes one.")
    if place.value.strip():
        try:
            opened = stores.open_store(place.value)
        except (InputError, OSError) as error:
            trouble = refused(error)
    return opened, trouble


@app.cell
def _(listed, mo, opened, stores):
    mo.stop(opened is None)
    sizes = opened.results.sizes
    measure = listed(stores.MEASURES, "measure")
    mode = mo.ui.number(1, sizes["mode"], value=1, label="mode")
    fractions = {f"{value:g}": value for value in sorted(opened.results.keep.values.tolist())}
    one = mo.ui.number(0, sizes["network"] - 1, value=0, label="network")
    at = listed(fractions, "fraction kept")
    names = opened.results.rule.values.tolist()
    shown = mo.ui.multiselect(names, value=names[:3], label="rules")
    return at, measure, mode, one, shown


@app.cell
def _(SWEEP, mo, opened, page, place, said, stores, trouble):
    mo.stop(page.value != SWEEP)
    _lines = [said(stores.about(opened))] if opened else [trouble]
    _lines += [mo.callout(said(line), kind="warn") for line in (opened.notes if opened else ())]
    mo.vstack([place, *_lines])
    return


@app.cell
def _(SWEEP, measure, mo, mode, opened, page, pictured, pictures, row):
    mo.stop(page.value != SWEEP)
    mo.vstack(
        [
            row(measure, mode),
            pictured(
                pictures.store_curves(opened, measure.value, measure.selected_key, int(mode.value or 1)),
                "a measure and the error along one mode against the fraction kept",
            ),
        ]
    )
    return


@app.cell
def _(SWEEP, at, mo, one, opened, page, pictured, pictures, row, shown, stores, tabled):
    mo.stop(page.value != SWEEP)
    mo.vstack(
        [
            row(one, at, shown),
            pictured(
                pictures.store_network(opened, int(one.value or 0), at.value, shown.value),
                "spectrum of one network, and the error along each of its modes",
            ),
            tabled(stores.network_rows(opened, int(one.value or 0), at.value)),
        ]
    )
    return


@app.cell
def _(listed, mo, systems):
    criterion = listed(systems.CRITERIA, "what goes")
    method = listed(systems.METHODS, "what goes")
    learn = mo.ui.run_button(label="Train and prune")
    train = mo.ui.run_button(label="Train")
    return criterion, learn, method, train


@app.cell
def _(SYSTEMS, criterion, learn, mo, page, row, systems):
    mo.stop(page.value != SYSTEMS)
    mo.vstack(
        [
            mo.md(
                "## A Boltzmann machine, session by session\n\nIt has learnt digits of 8 × 8 pixels. In each session it dreams, "
                "loses synapses that say little, and learns again."
            ),
            row(criterion, *(() if systems.is_told("machine", criterion.value) else (learn,))),
        ]
    )
    return


@app.cell
def _(SYSTEMS, criterion, learn, mo, page, systems):
    mo.stop(page.value != SYSTEMS)
    mo.stop(
        not (learn.value or systems.is_told("machine", criterion.value)),
        mo.md(
            f"{systems.SESSIONS} sessions take a few seconds; the first run compiles its programs, which takes longer."
        ),
    )
    with mo.status.progress_bar(total=systems.SESSIONS + 1, title="sessions", remove_on_exit=True) as _bar:
        sessions = systems.machine_sessions(criterion.value, lambda done, total: _bar.update() if done else None)
    session = mo.ui.slider(0, systems.SESSIONS, value=0, show_value=True, label="session")
    mo.vstack([session])
    return session, sessions


@app.cell
def machine_seen(mo, pictured, pictures, row, session, sessions):
    _now, _start = sessions[session.value], sessions[0]
    mo.vstack(
        [
            row(
                mo.stat(f"{_now.weights:,}", "synapses", f"{_now.weights / _start.weights:.0%} of those at first"),
                mo.stat(f"{_now.units}", "hidden units with synapses", f"{_start.units} at first"),
                mo.stat(
                    f"{_now.error:.3f}",
                    "mean error of a pixel, reconstructed",
                    f"{_start.error:.3f} at first; lower is better",
                ),
            ),
            pictured(pictures.machine(_now), "receptive fields, information of pixels, and samples"),
        ]
    )
    return


@app.cell
def _(SYSTEMS, method, mo, page, row, systems, train):
    mo.stop(page.value != SYSTEMS)
    mo.vstack(
        [
            mo.md(
                "## A network that loses synapses while it learns\n\nIt sees the same digits through 64 pixels. Pixels that say "
                "nothing lose all their synapses and go dark."
            ),
            row(method, *(() if systems.is_told("training", method.value) else (train,))),
        ]
    )
    return


@app.cell
def _(SYSTEMS, method, mo, page, systems, train):
    mo.stop(page.value != SYSTEMS)
    mo.stop(
        not (train.value or systems.is_told("training", method.value)),
        mo.md(f"{systems.EPOCHS} epochs take a few seconds; the first run compiles its programs, which takes longer."),
    )
    with mo.status.progress_bar(total=systems.EPOCHS, title="epochs", remove_on_exit=True) as _bar:
        epochs = systems.training_epochs(method.value, lambda done, total: _bar.update() if done else None)
    epoch = mo.ui.slider(1, systems.EPOCHS, value=1, show_value=True, label="epoch")
    mo.vstack([epoch])
    return epoch, epochs


@app.cell
def _(epoch, epochs, mo, pictured, pictures, row):
    _now = epochs[epoch.value - 1]
    mo.vstack(
        [
            row(
                mo.stat(f"{_now.accuracy:.1%}", "of test digits are right", f"{epochs[-1].accuracy:.1%} in the end"),
                mo.stat(f"{int(_now.inputs.sum()):,}", "synapses of pixels", f"of {_now.inputs.size:,}"),
                mo.stat(f"{int((_now.inputs.sum(axis=0) == 0).sum())}", "dark pixels", "of 64"),
            ),
            pictured(pictures.training(epochs, epoch.value), "accuracy, synapses left, and synapses of each pixel"),
        ]
    )
    return


@app.cell
def _(fraction, listed, network, numbered):
    family = listed(network.FAMILIES, "family")
    neurons = listed({str(size): size for size in network.SIZES}, "neurons", "100")
    drawn = numbered("draw of the network")
    rule = listed(network.RULES, "importance")
    adjustment = listed(network.ADJUSTMENTS, "who stays")
    keep = fraction()
    chance = numbered("of survivors")
    noise = numbered("of noise")
    return adjustment, chance, drawn, family, keep, neurons, noise, rule


@app.cell
def _(NETWORK, adjustment, chance, drawn, family, keep, mo, neurons, noise, page, row, rule):
    mo.stop(page.value != NETWORK)
    mo.vstack([row(family, neurons), row(rule, adjustment), keep, row(drawn, chance, noise)], gap=0.5)
    return


@app.cell
def _(InputError, NETWORK, adjustment, chance, drawn, family, keep, mo, network, neurons, page, refused, result, rule):
    mo.stop(page.value != NETWORK)
    try:
        # Of a size or rule that is new, programs are compiled first.
        original = network.draw(family.value, neurons.value, int(drawn.value or 0))
        outcome = network.prune(original, rule.value + adjustment.value, keep.value, int(chance.value or 0))
    except InputError as error:
        mo.stop(True, refused(error))
    result(original, outcome)
    return original, outcome


@app.cell
def _(WEIGHTS, jax, noise, original, outcome, pictured, pictures, plot):
    view = plot.network_view(jax.random.key(int(noise.value or 0)), original.matrix, outcome.pruned.matrix)
    pictured(pictures.network_weights(view), WEIGHTS)
    return (view,)


@app.cell
def _(ACTIVITY, pictured, pictures, view):
    pictured(pictures.network_activity(view), ACTIVITY)
    return


@app.cell
def _(fraction, listed, mo, network, numbered, uploads):
    file = mo.ui.file(
        filetypes=uploads.SUFFIXES,
        kind="area",
        label=f"A matrix (.npy, .npz, .mtx) or an edge list (.csv): at most {uploads.LIMIT} neurons, and "
        f"{uploads.BYTES // 1_000_000} MB",
    )
    worm = mo.ui.checkbox(label="take the connectome of C. elegans, which comes with the package, instead")
    leak = listed(uploads.LEAKS, "leak")
    its_rule = listed({uploads.AUTO: uploads.AUTO} | network.RULES, "importance")
    its_adjustment = listed(network.ADJUSTMENTS, "who stays")
    its_keep = fraction()
    its_chance = numbered("draw of survivors")
    return file, its_adjustment, its_chance, its_keep, its_rule, leak, worm


@app.cell
def _(UPLOAD, file, its_adjustment, its_chance, its_keep, its_rule, leak, mo, page, row, uploads, worm):
    mo.stop(page.value != UPLOAD)
    by_itself = its_rule.value == uploads.AUTO
    mo.vstack(
        [file, worm, row(leak), row(its_rule, *(() if by_itself else (its_adjustment,)), its_chance), its_keep], gap=0.5
    )
    return


@app.cell
def _(InputError, UPLOAD, file, leak, mo, page, refused, said, uploads, worm):
    mo.stop(page.value != UPLOAD)
    mo.stop(
        not (file.value or worm.value),
        mo.md(
            "Entries of a matrix are [post, pre]. An edge list is a table with the header `pre,post,count` or "
            "`pre,post,weight`, one synapse to a line. The file stays on this machine."
        ),
    )
    try:
        if worm.value:
            upload = uploads.packaged(leak.value)
        else:
            upload = uploads.read_upload(file.name(), file.contents(), leak.value)
    except InputError as error:
        mo.stop(True, refused(error))
    said("; ".join(upload.notes))
    return (upload,)


@app.cell
def _(InputError, its_adjustment, its_chance, its_keep, its_rule, mo, refused, result, said, upload, uploads):
    its_name = its_rule.value if its_rule.value == uploads.AUTO else its_rule.value + its_adjustment.value
    try:
        with mo.status.spinner("Pruning. The first network of each size takes longer.", remove_on_exit=True):
            became = uploads.prune_upload(upload, its_name, its_keep.value, int(its_chance.value or 0))
    except InputError as error:
        mo.stop(True, refused(error))
    _end = ", the best of those that were tried" if its_name == uploads.AUTO else ""
    mo.vstack([said(f"rule: {became.rule}{_end}"), result(upload.original, became.outcome, uploads.remedy(became))])
    return (became,)


@app.cell
def _(became, mo):
    all_the_same = mo.ui.checkbox(label="offer it for download all the same, though it is not stable")
    mo.vstack([] if became.outcome.stability.stable else [all_the_same])
    return (all_the_same,)


@app.cell
def _(all_the_same, became, mo, upload, uploads):
    mo.stop(not (became.outcome.stability.stable or all_the_same.value))
    mo.download(uploads.download(upload, became), "pruned.npz", label="Download the pruned network (.npz)")
    return


@app.cell
def upload_seen(ACTIVITY, WEIGHTS, became, jax, mo, pictured, pictures, plot, upload):
    its_view = plot.network_view(
        jax.random.key(0), upload.original.matrix, became.outcome.pruned.matrix, names=upload.names
    )
    mo.vstack(
        [pictured(pictures.network_weights(its_view), WEIGHTS), pictured(pictures.network_activity(its_view), ACTIVITY)]
    )
    return


if __name__ == "__main__":
    app.run()
