"""The admin's Falcon app: a responder for each row of the table of addresses.

front.py enters, once in each worker. Admission comes before anything is read; every error becomes JSON.
"""

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import falcon
import msgspec

from ringmain.admin import bodies, deadset, openapi, page_files, views
from ringmain.admin.acts import Asker
from ringmain.admin.deadset import DeadDesk
from ringmain.admin.endpoints import ALSO_AT, ENDPOINTS, MOST_LISTED, Endpoint
from ringmain.admin.gate import Gate
from ringmain.admin.picture import Pictures
from ringmain.admin.refusals import JSON, Busy, Refusal, printable
from ringmain.admin.scrape import CONTENT_TYPE, Counters, Scrape
from ringmain.admin.works import Works
from ringmain.config.render import render
from ringmain.control import Unwell, socket_path
from ringmain.errors import DeadSetBusy, JobRefused, NoAnswer, QueuesAway, RingmainError
from ringmain.seat import Seat

BEAT_S = 10.0
"""A supervisor that is silent for so long does not live."""
SUPERVISOR_ROW = 0
OWN = frozenset({"page", *(endpoint.path.split("/")[1] for endpoint in ENDPOINTS)})
"""First parts of the admin's own paths; app.py reserves them."""
Places = dict[str, str]
_log = logging.getLogger(__name__)


class Site:
    """What answers need; its methods are what endpoints call by name."""

    def __init__(self, seat: Seat) -> None:
        config = seat.config
        path = socket_path(config.runtime_dir, config.name, config.node)
        self._seat, self._config = seat, config
        self.gate = Gate(config.admin)
        self.pictures = Pictures(path)
        self.asker = Asker(path, self.pictures)
        self.works = Works(config)
        self._desk = DeadDesk(config)
        self._counters = Counters(config, seat.segments)
        self._shown = msgspec.json.encode(render(config))
        self._document = msgspec.json.encode(openapi.document(config.modes, not self.gate.is_open))

    def ping(self, _req: falcon.Request, resp: falcon.Response, _places: Places) -> None:
        """This server answers."""
        resp.data = b'{"ping":"pong"}'

    def live(self, _req: falcon.Request, resp: falcon.Response, _places: Places) -> None:
        """The supervisor beats, nothing else."""
        beat_s = self._seat.board.age_s(SUPERVISOR_ROW)
        if beat_s >= BEAT_S:
            resp.status = falcon.HTTP_503
        resp.data = msgspec.json.encode(views.Alive(beat_s < BEAT_S, round(beat_s, 3)))

    def ready(self, _req: falcon.Request, resp: falcon.Response, _places: Places) -> None:
        """The node does its work, or why not."""
        try:
            picture = self.pictures.latest()
        except NoAnswer as silence:
            resp.status = falcon.HTTP_503
            resp.data = msgspec.json.encode(
                views.Ready(False, "silent", [Unwell(f"the supervisor is silent: {silence}")])
            )
            return
        if not picture.node.ready:
            resp.status = falcon.HTTP_503
        resp.data = picture.encoded(views.ready)

    def metrics(self, _req: falcon.Request, resp: falcon.Response, _places: Places) -> None:
        """Also without the supervisor's picture."""
        try:
            node = self.pictures.latest().node
        except NoAnswer:
            node = None
        resp.content_type = CONTENT_TYPE
        resp.data = Scrape(self._counters, node, self._seat.board.age_s(SUPERVISOR_ROW)).text()

    def openapi(self, _req: falcon.Request, resp: falcon.Response, _places: Places) -> None:
        """The document."""
        resp.data = self._document

    def config(self, _req: falcon.Request, resp: falcon.Response, _places: Places) -> None:
        """What the node was started with, secrets masked."""
        resp.data = self._shown

    def dead(self, req: falcon.Request, resp: falcon.Response, _places: Places) -> None:
        """A page."""
        limit = req.get_param_as_int("limit", min_value=1, max_value=MOST_LISTED, default=100)
        brief = req.get_param_as_bool("brief", default=False)
        cursor = req.get_param("cursor")
        if cursor is not None and len(cursor) > deadset.LONGEST_CURSOR:
            raise falcon.HTTPBadRequest(description="this cursor is of no page")
        page = self._desk.page(deadset.filter_of_query(req), limit, cursor, brief)
        resp.data = msgspec.json.encode(page)

    def summary(self, req: falcon.Request, resp: falcon.Response, _places: Places) -> None:
        """Counts."""
        found = self._desk.summary(deadset.filter_of_query(req), deadset.axes_of(req))
        resp.data = msgspec.json.encode(found)

    def entry(self, _req: falcon.Request, resp: falcon.Response, places: Places) -> None:
        """One dead message."""
        resp.data = msgspec.json.encode(self._desk.entry(places["id"]))

    def replay(self, req: falcon.Request, resp: falcon.Response, _places: Places) -> None:
        """A job."""
        body = bodies.read(req, bodies.ReplayBody)
        _say_begun(resp, self.works.begin("replay", body, _who(req, body)))

    def delete(self, req: falcon.Request, resp: falcon.Response, _places: Places) -> None:
        """A job."""
        body = bodies.read(req, bodies.BulkBody)
        _say_begun(resp, self.works.begin("delete", body, _who(req, body)))

    def jobs(self, _req: falcon.Request, resp: falcon.Response, _places: Places) -> None:
        """All."""
        resp.data = msgspec.json.encode(self.works.jobs())

    def job(self, _req: falcon.Request, resp: falcon.Response, places: Places) -> None:
        """One."""
        resp.data = msgspec.json.encode(self._found(places["id"]))

    def cancel(self, req: falcon.Request, resp: falcon.Response, places: Places) -> None:
        """Its end."""
        body = bodies.read(req, bodies.Fields)
        self._found(places["id"])
        try:
            record = self.works.cancel(places["id"])
        except JobRefused as refused:
            raise falcon.HTTPConflict(description=str(refused)) from None
        _log.info("job cancelled", extra={"job": record.id, "who": _who(req, body)})
        resp.data = msgspec.json.encode(record)

    def _found(self, job_id: str) -> Any:
        if (record := self.works.job(job_id)) is None:
            raise falcon.HTTPNotFound(description=f"there is no job {job_id[:100]!r} on this node")
        return record


def make(site: Site, modes: tuple[str, ...]) -> "falcon.App[falcon.Request, falcon.Response]":
    """Falcon's app of this site."""
    app: falcon.App[falcon.Request, falcon.Response] = falcon.App(media_type=JSON)
    app.req_options.strip_url_path_trailing_slash = False
    app.req_options.auto_parse_qs_csv = False
    app.set_error_serializer(_serialize_own)
    app.add_error_handler(RingmainError, _say_error)
    app.add_error_handler(Exception, _say_crash)
    if "api-server" in modes:
        for address, file in page_files.addresses().items():
            app.add_route(address, page_files.PageFile(file))
    responders: dict[str, SimpleNamespace] = {}
    for endpoint in ENDPOINTS:
        resource = responders.setdefault(endpoint.path, SimpleNamespace())
        respond = _responder(site, endpoint, modes)
        setattr(resource, f"on_{endpoint.method.lower()}", respond)
        if endpoint.method == "GET":
            resource.on_head = respond
    for path, resource in responders.items():
        app.add_route(path, resource)
        if path in ALSO_AT:
            app.add_route(ALSO_AT[path], resource)
    return app


def is_own(path: str) -> bool:
    """Whether the path begins as one of the admin's own does."""
    return path == "/" or path.split("/")[1:2][0] in OWN


def _responder(site: Site, endpoint: Endpoint, modes: tuple[str, ...]) -> Callable[..., None]:
    answer = _answer_of(site, endpoint)

    def respond(req: falcon.Request, resp: falcon.Response, **places: str) -> None:
        if endpoint.token:
            site.gate.admit(req)
        if endpoint.mode is not None and endpoint.mode not in modes:
            raise falcon.HTTPNotFound(description=f"this node has no {endpoint.mode}: it is not in its modes")
        _refuse_strangers(req, endpoint)
        answer(req, resp, places)

    return respond


def _refuse_strangers(req: falcon.Request, endpoint: Endpoint) -> None:
    """A filter that is spelt wrong would list what it was to leave out."""
    known = [query.name for query in endpoint.query]
    strangers = [name for name in req.params if name not in known] if known else []
    if strangers:
        said = f"there is no parameter {strangers[0][:50]!r} here, but {', '.join(known)}"
        raise falcon.HTTPBadRequest(description=said)


def _answer_of(site: Site, endpoint: Endpoint) -> Callable[[falcon.Request, falcon.Response, Places], None]:
    if endpoint.does is not None:
        answer: Callable[[falcon.Request, falcon.Response, Places], None] = getattr(site, endpoint.does)
        return answer
    view, act, body = endpoint.view, endpoint.act, endpoint.body

    def look(_req: falcon.Request, resp: falcon.Response, _places: Places) -> None:
        assert view is not None
        resp.data = site.pictures.latest().encoded(view)

    def ask(req: falcon.Request, resp: falcon.Response, places: Places) -> None:
        assert act is not None
        assert body is not None
        request = act(bodies.read(req, body), places)
        resp.data = msgspec.json.encode(site.asker.ask(request, req.remote_addr))

    return look if view is not None else ask


def _who(req: falcon.Request, body: bodies.Fields) -> str:
    return f"{body.operator or 'admin'} from {req.remote_addr}"


def _say_begun(resp: falcon.Response, bulk: Any) -> None:
    if bulk.job is not None:
        resp.status = falcon.HTTP_202
        resp.location = f"/api/jobs/{bulk.job.id}"
    resp.data = msgspec.json.encode(bulk)


# -- errors ----------------------------------------------------------------------------------------------
def serialize(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
    """Errors as JSON, whatever is accepted."""
    reason = error.description or error.title or error.status
    if isinstance(error, falcon.HTTPMethodNotAllowed):
        reason = f"{req.path[:100]} takes {resp.get_header('Allow')}, not {req.method}"
    _refuse(resp, Refusal(printable(str(reason)), error.status_code))


def _serialize_own(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
    """The same where the document is: the app's routes alone have none to point to."""
    if isinstance(error, falcon.HTTPRouteNotFound):
        error.description = f"there is nothing at {req.path[:100]}; /openapi.json says what there is"
    serialize(req, resp, error)


def _say_error(
    _req: falcon.Request, resp: falcon.Response, error: RingmainError, _params: dict[str, Any]
) -> None:
    if isinstance(error, DeadSetBusy):
        resp.status = falcon.HTTP_409
        _refuse(resp, Refusal(printable(str(error)), 409, Busy(error.who, error.host, error.since)))
        return
    status = (
        503 if isinstance(error, QueuesAway | NoAnswer) else 400 if isinstance(error, JobRefused) else 409
    )
    resp.status = falcon.code_to_http_status(status)
    _refuse(resp, Refusal(printable(str(error)), status))


def _say_crash(req: falcon.Request, resp: falcon.Response, error: Exception, _params: dict[str, Any]) -> None:
    if isinstance(error, falcon.HTTPError | falcon.HTTPStatus):
        raise error
    _log.error("a request failed", extra={"method": req.method, "path": req.path}, exc_info=error)
    resp.status = falcon.HTTP_500
    _refuse(resp, Refusal("something went wrong here; the log says what", 500))


def _refuse(resp: falcon.Response, refusal: Refusal) -> None:
    resp.content_type = JSON
    resp.data = msgspec.json.encode(refusal)
