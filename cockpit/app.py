"""The desk's web application: the state page, ``/healthz``, ``/readyz``, and Dagster's interface beside it.

Pure ASGI around a handful of routes. Pages are made on the server and work without script.
"""

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cockpit.facts import Desk
from cockpit.guard import App, Guard, Receive, Scope, Send
from cockpit.health import judge
from cockpit.today import build

HERE: Final = Path(__file__).parent
DAGSTER: Final = "/dagster"


def create_app(desk: Desk, *, dagster: App, hosts: tuple[str, ...] = ()) -> App:
    """Return the whole application.

    Args:
        desk: Gathers what the pages show.
        dagster: Dagster's interface, made for the path prefix ``/dagster``.
        hosts: Names besides this machine's own under which the pages may be asked for.
    """
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    today = templates.get_template("today.html")

    async def show_today(_: Request) -> Response:
        page = build(await run_in_threadpool(desk.gather))
        return HTMLResponse(today.render(page=page))

    async def healthz(_: Request) -> Response:
        return JSONResponse({"alive": True})

    async def readyz(_: Request) -> Response:
        readiness = judge(await run_in_threadpool(desk.gather))
        return JSONResponse(readiness.describe(), status_code=200 if readiness.is_ready else 503)

    own = Starlette(
        routes=[
            Route("/", show_today),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ]
    )

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_dagster = path == DAGSTER or path.startswith(f"{DAGSTER}/")
        await (dagster if is_dagster and scope["type"] != "lifespan" else own)(scope, receive, send)

    return Guard(dispatch, hosts=hosts, dagster=DAGSTER)
