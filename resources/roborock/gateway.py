"""The Roborock connector's names, for those who must not wait for the maker's library to load."""

from typing import Final

CONNECTOR_ID: Final = "roborock"
VERSION: Final = "1 (python-roborock 7.13)"  # raise with every change of what is asked or understood
CACHE_FILE: Final = "roborock-cache.json"
