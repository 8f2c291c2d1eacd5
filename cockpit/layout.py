"""Where the parts of a running house meet: sockets, Dagster's configuration, the workspace file."""

import os
import shutil
from pathlib import Path
from typing import Final

import yaml

from cockpit.home import CHECKOUT, Home
from resources.postgres.embedded import EmbeddedPostgres
from resources.postgres.sockets import make_private_dir, reachable_socket_dir

LOCATION: Final = "studio"
DEFINITIONS: Final = "studio_assets.definitions"


def embedded_server(home: Home) -> EmbeddedPostgres:
    """Return the database server of a home; nothing is started."""
    return EmbeddedPostgres(home.postgres, home.run / "postgres")


def code_socket(home_path: Path) -> Path:
    """Return the socket of Dagster's code server; the same for every process of a home."""
    return reachable_socket_dir(home_path / "run" / "code") / "code.sock"


def workspace_file(home_path: Path) -> Path:
    """Return the workspace file that names the code server's socket."""
    return home_path / "run" / "workspace.yaml"


def prepare_dagster(home: Home) -> None:
    """Give Dagster its configuration, the socket's directory and the workspace file; safe to repeat."""
    shutil.copyfile(CHECKOUT / "dagster.yaml", home.dagster / "dagster.yaml")
    socket = code_socket(home.path)
    make_private_dir(socket.parent, os.geteuid(), os.getegid())
    server = {"grpc_server": {"socket": str(socket), "location_name": LOCATION}}
    workspace_file(home.path).write_text(yaml.safe_dump({"load_from": [server]}), encoding="utf-8")
