"""``model serve``: the embedded model over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from evalkit.cli.help import SectionedGroup

__all__ = ["app"]

app = typer.Typer(
    cls=SectionedGroup, help="Serve the embedded model. Not an LLM: for demonstration and tests.", no_args_is_help=True
)


@app.callback()
def _group() -> None:
    """Serve the embedded model. Not an LLM: for demonstration and tests."""


@app.command()
def serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 0,
    latency_ms: Annotated[float, typer.Option("--latency-ms", min=0, help="Median time to the first token.")] = 0.0,
    token_ms: Annotated[float, typer.Option("--token-ms", min=0, help="Time added for each token.")] = 0.0,
    seed: Annotated[int, typer.Option("--seed", help="Of latency and faults.")] = 0,
    fault: Annotated[
        list[str] | None, typer.Option("--fault", metavar="NAME=RATE", help="Such as 429=0.05; repeat.")
    ] = None,
) -> None:
    """Serve local/extract-1 in the OpenAI protocol until interrupted; the base URL is printed first."""
    from evalkit.base.errors import UsageError
    from evalkit.cli.interrupt import Interrupted, run_until_interrupted
    from evalkit.llm.providers.local.latency import Latency
    from evalkit.llm.providers.local.server import serve as serve_model

    rates = {}
    for text in fault or ():
        name, equals, rate = text.partition("=")
        try:
            rates[name] = float(rate)
        except ValueError as error:
            raise UsageError(f"--fault {text!r} is not NAME=RATE", hint="write --fault 429=0.05") from error
        if not equals:
            raise UsageError(f"--fault {text!r} has no rate", hint=f"write --fault {name}=0.05")
    interrupted = Interrupted()
    run_until_interrupted(
        lambda stop: serve_model(
            host,
            port,
            latency=Latency(base_ms=latency_ms, per_token_ms=token_ms),
            faults=rates,
            seed=seed,
            ready=typer.echo,
            stop=stop,
        ),
        interrupted,
    )
    raise typer.Exit(interrupted.exit_code or 0)
