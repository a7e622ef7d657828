"""`wye demo`."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from wye.cli.output import tell
from wye.cli.outputs import RunPath, Weights

log = logging.getLogger("wye")


def add_to(app: typer.Typer) -> None:
    """Enter this file's command."""
    app.command("demo")(demo)


def demo(
    run: RunPath,
    data: Annotated[
        list[str] | None,
        typer.Argument(help="Images to try, as for predict; else test images of the run."),
    ] = None,
    host: Annotated[str, typer.Option(help="Name or address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 7860,
    browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    weights: Weights = None,
) -> None:
    """Show on a page what a run makes of an image.

    Its class, latent code and reconstruction; programs POST it to /predict. Only this machine can
    reach the page unless --host says otherwise; Ctrl-C ends it.
    """
    from wye.demo import DemoServer, Show, examples_of, is_loopback, neighbours_of
    from wye.progress import counted
    from wye.runs.given import given
    from wye.runs.model import Model
    from wye.runs.run import Run

    opened = Run(run)
    model = Model.of(opened, weights)
    examples = given(data, model.classes) if data else examples_of(opened, model)
    neighbours = neighbours_of(opened, model, counted)
    with DemoServer(Show(model, examples, neighbours), host, port) as server:
        if not is_loopback(host):
            log.warning(
                "whoever can reach %s can use the model and this machine's processor: there is no"
                " password, and what is sent can be read on the way",
                server.url,
            )
        tell(server.url, flush=True)
        log.info("Ctrl-C ends it")
        if browser:
            import webbrowser

            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            log.info("ended")
