"""What is asked of the supervisor: a request of control.py for each POST, and its answer as HTTP.

endpoints.py names them. Nothing is done here; who asked for what is logged.
"""

import logging
from typing import Any

import falcon
import msgspec

from ringmain import control
from ringmain.admin import bodies
from ringmain.admin.picture import Pictures
from ringmain.asking import ask
from ringmain.control import Done, Refused, Request

ACT_S = 60.0
"""A seek waits for what executes."""
RELOAD_S = 200.0
"""A reload imports the app in a process of its own first."""
_log = logging.getLogger(__name__)


class Asker:
    """Puts requests to the supervisor."""

    def __init__(self, path: str, pictures: Pictures) -> None:
        self._path, self._pictures = path, pictures

    def ask(self, request: Request, caller: str) -> Done:
        """Done, or the refusal as falcon's error."""
        said = msgspec.to_builtins(request)
        act = said.pop("type")
        asked = {f"asked_{name}": value for name, value in said.items() if value not in ("", None)}
        _log.info("act asked for", extra={"act": act, "from": caller, **asked})
        limit_s = RELOAD_S if isinstance(request, control.Reload) else ACT_S
        reply = ask(self._path, request, limit_s)
        self._pictures.forget()
        if isinstance(reply, Done):
            return reply
        reason = reply.reason if isinstance(reply, Refused) else "the supervisor answered something else"
        _log.info("act refused", extra={"act": act, "reason": reason})
        if isinstance(reply, Refused) and reply.unknown:
            raise falcon.HTTPNotFound(description=reason)
        raise falcon.HTTPConflict(description=reason)


def pause(body: bodies.PauseBody, places: dict[str, str]) -> Request:
    """`/api/routes/{route}/pause`."""
    return control.Pause(places["route"], **_fields(body))


def resume(body: bodies.ResumeBody, places: dict[str, str]) -> Request:
    """`/api/routes/{route}/resume`."""
    return control.Resume(places["route"], **_fields(body))


def seek(body: bodies.SeekBody, places: dict[str, str]) -> Request:
    """`/api/routes/{route}/seek`."""
    return control.Seek(places["route"], **_fields(body))


def scale(body: bodies.ScaleBody, places: dict[str, str]) -> Request:
    """`/api/routes/{route}/scale`; a channel's pool is `route.channel`."""
    return control.Scale(places["route"], **_fields(body))


def recycle(body: bodies.RecycleBody, _places: dict[str, str]) -> Request:
    """`/api/recycle`."""
    return control.Recycle(**_fields(body))


def recycle_one(body: bodies.Fields, places: dict[str, str]) -> Request:
    """`/api/processes/{seat}/recycle`: a seat is a title, whose slash came as one or as %2F."""
    index = places.get("index")
    title = places["seat"] if index is None else f"{places['seat']}/{index}"
    return control.Recycle(title=title, **_fields(body))


def reload(body: bodies.ReloadBody, _places: dict[str, str]) -> Request:
    """`/api/reload`."""
    return control.Reload(**_fields(body))


def quiet(body: bodies.Fields, _places: dict[str, str]) -> Request:
    """`/api/quiet`."""
    return control.Quiet(**_fields(body))


def stop(body: bodies.StopBody, _places: dict[str, str]) -> Request:
    """`/api/stop`."""
    return control.Stop(**_fields(body))


def _fields(body: bodies.Fields) -> dict[str, Any]:
    return msgspec.structs.asdict(body)
