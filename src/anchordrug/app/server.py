"""The server of the page: one address of this machine, one token, one campaign, project or model."""

import os
import secrets
import socket
import warnings
import webbrowser
from importlib.resources import files
from pathlib import Path

import typer
import uvicorn
from fastapi import FastAPI
from nicegui import app, ui

from anchordrug.app.beside import MOST_BYTES
from anchordrug.app.gate import TOKEN, gated
from anchordrug.errors import SettingsError

HOST = "127.0.0.1"
_HERE = Path(__file__).parent


def serve(root: Path, campaign: Path | None, model: Path | None, port: int, *, browser: bool) -> None:
    """Serve the page until it is ended by the keyboard.

    Parameters
    ----------
    root
        The folder of the project.
    campaign
        The folder of one campaign; None for all of the project.
    model
        An exported model to predict with, in place of campaigns.
    port
        0 for any that is free.
    browser
        Whether to open a browser.

    Raises
    ------
    SettingsError
        The port is taken.
    """
    listening = _listening(port)
    number = listening.getsockname()[1]
    token, reading = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    if model is not None:
        from anchordrug.app.model_page import add_model_pages

        add_model_pages(model, root)
    else:
        from anchordrug.app.campaign_pages import add_campaign_pages

        add_campaign_pages(root, campaign, reading)
    served = _prepared()
    address = f"http://{HOST}:{number}/?{TOKEN}={token}"
    typer.echo(f"AnchorDrug: {address}")
    typer.echo(
        "It is for this machine alone, and works offline. Ctrl+C ends it; a run in progress continues."
    )
    if browser:
        app.on_startup(lambda: webbrowser.open(address))
    # NiceGUI looks through all objects of the process for its server, those of torch too.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"nicegui\.")
    server = uvicorn.Server(
        uvicorn.Config(
            gated(served, token=token, reading=reading, port=number, most_bytes=MOST_BYTES),
            log_level="warning",
            ws="wsproto",
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
    )
    server.run(sockets=[listening])


def _listening(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"--port {port}: cannot be used ({os.strerror(error.errno or 0)}); leave it out, or name another"
        ) from error
    # Who opens the address at once waits for the rest.
    listening.listen()
    return listening


def _prepared() -> FastAPI:
    """Return the application with the style and scripts of all pages, in the colours of the system."""
    report = files("anchordrug.report")
    for style in (_HERE / "style.css", report / "tip.css"):
        ui.add_css(style.read_text(encoding="utf-8"), shared=True)
    for script in (_HERE / "drop.js", report / "tip.js"):
        ui.add_body_html(f"<script>{script.read_text(encoding='utf-8')}</script>", shared=True)
    served = FastAPI(openapi_url=None)
    ui.run_with(
        served, title="AnchorDrug", dark=None, language="en-US", show_welcome_message=False, favicon="💊"
    )
    return served
