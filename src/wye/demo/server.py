"""The page over HTTP, by the standard library alone, bounded in all that it takes.

It is for the people nearby, and no server for the internet: it knows neither passwords nor
encryption.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import socket
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

from wye.demo.pages import JSON, pages
from wye.demo.show import Show
from wye.errors import UsageError, message_of
from wye.wording import plain

log = logging.getLogger("wye")

LARGEST = 16 << 20
"""Bytes of an uploaded file."""
AT_ONCE = 32
"""Requests that are answered at once; others wait until one of them is done."""
PATIENCE = 10.0
"""Seconds without a byte after which a connection is closed."""
LONGEST = 60.0
"""Seconds that a connection may last."""
LINGER = 2.0
"""Seconds in which the rest of a refused upload is taken in, so that the answer arrives."""
ANYWHERE = ("0.0.0.0", "::", "")
"""Hosts that stand for every address of this machine."""
NO_SUCH_METHOD = HTTPStatus.NOT_IMPLEMENTED
"""What the standard library says of every method but those below."""
PREDICT, DECODE = "/predict", "/decode"
KINDS = ("image/", "application/octet-stream")
"""What an upload may be called. No form of another site can send these, or JSON, unasked."""
HEADERS = {
    "Cache-Control": "no-store",
    "Connection": "close",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine itself can reach a host."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


class DemoServer(ThreadingHTTPServer):
    """Listens from the moment it is made; `serve_forever` answers.

    Args:
        show: what answers about images.
        host: a name or address of this machine.
        port: 0 takes a free one.

    Raises:
        UsageError: the host is not of this machine, or the port is taken or not allowed.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, show: Show, host: str = "127.0.0.1", port: int = 0) -> None:
        self.show, self.host = show, host
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._places = threading.Semaphore(AT_ONCE)
        self._begun: dict[socket.socket, float] = {}
        self.names = {host.lower(), "localhost", socket.gethostname().lower()}
        self.pages = pages(show, LARGEST)
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise UsageError(
                f"cannot listen on {host}, port {port}: {reason}; --port 0 takes a free port"
            ) from None

    def server_bind(self) -> None:
        """Bind, without asking a name server for this machine's name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.host, self.server_address[1]

    @property
    def url(self) -> str:
        """Where a browser finds the page."""
        host = socket.gethostname() if self.host in ANYWHERE else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, once there is a place."""
        while not self._places.acquire(timeout=0.5):
            self.service_actions()
        self._begun[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, and give its place to another."""
        super().shutdown_request(request)
        if self._begun.pop(request, None) is not None:
            self._places.release()

    def service_actions(self) -> None:
        """End connections that have lasted too long; called twice a second."""
        latest = time.monotonic() - LONGEST
        for request, begun in list(self._begun.items()):
            if begun < latest:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are the other side's affair."""


class _RefusedError(Exception):
    """A request that is answered with a status and a reason."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """One request. No path of this machine is in any answer."""

    protocol_version = "HTTP/1.1"
    timeout = PATIENCE
    server: DemoServer

    def do_GET(self) -> None:
        """The page and what belongs to it."""
        self._reply(self._get)

    def do_POST(self) -> None:
        """An image to be answered about, or a code to be decoded."""
        self._reply(self._post)

    def _reply(self, found_by: Any) -> None:
        status, kind, content = HTTPStatus.OK, JSON, b""
        try:
            kind, content = found_by(self._route())
        except _RefusedError as refused:
            status, content = refused.status, _failure(str(refused))
        except OSError:
            return  # the connection is gone
        except Exception as error:
            log.error("an image could not be answered about: %s", plain(message_of(error)))
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            content = _failure("something went wrong here; who runs the demo can see what")
        self._send(status, kind, content)

    def _route(self) -> str:
        """The path that is asked for.

        Raises:
            _RefusedError: the request comes by another name, as those of DNS rebinding do, or from
                the page of another site.
        """
        host = (self.headers.get_all("Host") or [""])[-1]
        try:
            name = urlsplit(f"//{host}").hostname or ""
            path = urlsplit(self.path)
            origin = self.headers.get("Origin")
            foreign = origin is not None and urlsplit(origin).netloc != host
        except ValueError:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "no such address") from None
        if "@" in host or not (name in self.server.names or _is_address(name)):
            raise _RefusedError(HTTPStatus.FORBIDDEN, "this server answers to its own name only")
        if foreign:
            raise _RefusedError(HTTPStatus.FORBIDDEN, "pages of other sites get no answer")
        self.query = path.query
        return path.path

    def _get(self, path: str) -> tuple[str, bytes]:
        if path in self._posts:
            raise _RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "POST to this address")
        if path not in self.server.pages:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")
        return self.server.pages[path]

    def _post(self, path: str) -> tuple[str, bytes]:
        if path in self.server.pages:
            raise _RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "GET this address")
        if path not in self._posts:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")
        kinds, answer = self._posts[path]
        if not (self.headers.get("Content-Type") or "").lower().startswith(kinds):
            raise _RefusedError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"its Content-Type should be {' or '.join(kinds)}",
            )
        try:
            found = answer(self, self._content())
        except UsageError as error:
            raise _RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        return JSON, json.dumps(found, allow_nan=False).encode()

    def _predict(self, content: bytes) -> Any:
        return self.server.show.answer(content, pictures=self.query == "pictures")

    def _decode(self, content: bytes) -> Any:
        try:
            code = json.loads(content)
        except (ValueError, RecursionError):
            raise UsageError("it is no JSON") from None
        return {"picture": self.server.show.picture_of(code)}

    _posts: ClassVar[dict[str, Any]] = {PREDICT: (KINDS, _predict), DECODE: ((JSON,), _decode)}

    def _content(self) -> bytes:
        lengths = self.headers.get_all("Content-Length") or []
        if len(lengths) != 1 or not lengths[0].isdecimal() or "Transfer-Encoding" in self.headers:
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED, "say its Content-Length")
        if len(lengths[0]) > 18 or (length := int(lengths[0])) > LARGEST:
            raise _RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"it is larger than {LARGEST >> 20} MB, the most allowed",
            )
        content = self.rfile.read(length)
        if len(content) < length:
            raise ConnectionError
        return content

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.send_response(status)
            for name, value in {**HEADERS, "Content-Type": kind}.items():
                self.send_header(name, value)
            if status == HTTPStatus.METHOD_NOT_ALLOWED:
                posted = self.path.partition("?")[0] in self._posts
                self.send_header("Allow", "POST" if posted else "GET")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else content)
            if status >= HTTPStatus.BAD_REQUEST:
                self._linger()

    def _linger(self) -> None:
        """Take in what is still being sent: closing before would take the answer with it."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(LINGER)
        end = time.monotonic() + LINGER
        while time.monotonic() < end and self.connection.recv(1 << 16):
            pass

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library refuses, without repeating what was sent."""
        self.request_version = self.protocol_version  # else an answer to nonsense has no status
        known = HTTPStatus.METHOD_NOT_ALLOWED if code == NO_SUCH_METHOD else HTTPStatus(code)
        self._send(known, JSON, _failure(known.phrase.lower()))

    def version_string(self) -> str:
        """No versions: they help attackers only."""
        return "wye"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request."""


def _failure(reason: str) -> bytes:
    return json.dumps({"error": plain(reason)}).encode()
