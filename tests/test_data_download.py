"""Downloads against clients and servers of our own: no network is touched."""

from __future__ import annotations

import http.server
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wye.data import download
from wye.data.download import UnavailableError, apt, https, npm, pip


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of programs, the only one on the path beside the system's shell."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def _program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_npm_yields_the_tarball(programs: Path, work: Path) -> None:
    _program(programs, "npm", 'echo "$@" >> calls; [ $1 = pack ] && echo x > a-1.0.tgz; true')
    assert npm("a@1.0")(work) == work / "a-1.0.tgz"
    asked, packed = (work / "calls").read_text().splitlines()
    assert asked.startswith("view a@1.0")
    assert packed.startswith("pack a@1.0")
    assert "--ignore-scripts" in packed


def test_pip_yields_the_wheel_and_builds_nothing(
    programs: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(programs, "pip", 'echo "$@" > calls; echo x > a-1.0-py3-none-any.whl')
    monkeypatch.setattr(download, "_pip_command", lambda: ["pip"])
    assert pip("a==1.0")(work) == work / "a-1.0-py3-none-any.whl"
    call = (work / "calls").read_text()
    assert call.startswith("download --no-deps --only-binary=:all:")
    assert call.strip().endswith("a==1.0")


UNPACK = 'mkdir -p "$3/usr/share/sets"; echo x > "$3/usr/share/sets/images.gz"'


def test_apt_yields_the_folder_in_the_package(programs: Path, work: Path) -> None:
    _program(programs, "apt-get", 'echo "$@" >> calls; echo x > a_1_all.deb')
    _program(programs, "dpkg-deb", UNPACK)
    assert apt("a", "images*")(work) == work / "unpacked" / "usr" / "share" / "sets"
    assert len((work / "calls").read_text().splitlines()) == 1


def test_apt_fetches_lists_of_its_own_where_there_are_none(programs: Path, work: Path) -> None:
    script = """
    echo "$@" >> calls
    case "$*" in
      *Dir::State=*update) touch updated ;;
      *Dir::State=*download*) [ -e updated ] && echo x > a_1_all.deb ;;
      *) echo "E: Unable to locate package a"; exit 100 ;;
    esac"""
    _program(programs, "apt-get", script)
    _program(programs, "dpkg-deb", UNPACK)
    assert apt("a", "images*")(work).name == "sets"
    assert len((work / "calls").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("client", "way"), [("npm", npm("a@1")), ("apt-get", apt("a", "x")), ("pip", pip("a==1"))]
)
def test_a_missing_client_is_told(
    client: str, way: object, programs: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match=f"^{client} is not installed$"):
        way(work)  # type: ignore[operator]


def test_the_client_s_own_complaint_is_passed_on(programs: Path, work: Path) -> None:
    _program(programs, "npm", 'echo "npm warn x"; echo "npm error 404 Not Found"; exit 1')
    with pytest.raises(UnavailableError, match=r"^npm error 404 Not Found$"):
        npm("a@1")(work)


def test_a_client_that_hangs_is_ended_with_its_helpers(
    programs: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PROBE_SECONDS", 0.5)
    _program(programs, "npm", "sleep 30 & echo $! > helper; wait")
    start = time.monotonic()
    with pytest.raises(UnavailableError, match="npm did not finish"):
        npm("a@1")(work)
    assert time.monotonic() - start < 5
    helper = Path("/proc", (work / "helper").read_text().strip())
    deadline = time.monotonic() + 5
    while _running(helper) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _running(helper)


def _running(process: Path) -> bool:
    try:
        return (process / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_client_has_nothing_to_read(programs: Path, work: Path) -> None:
    _program(programs, "npm", "read answer && exit 1; echo x > a-1.tgz")
    assert npm("a@1")(work).name == "a-1.tgz"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.endswith("absent"):
            self.send_error(404, "Not Found")
            return
        self.send_response(200)
        self.send_header("Content-Length", "20" if self.path.endswith("short") else "10")
        self.end_headers()
        self.wfile.write(b"0123456789")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_one_address_yields_a_file_and_several_a_folder(server: str, work: Path) -> None:
    assert https(f"{server}/a/one")(work) == work / "one"
    assert (work / "one").read_bytes() == b"0123456789"
    assert https(f"{server}/two", f"{server}/three")(work) == work
    assert {path.name for path in work.iterdir()} == {"one", "two", "three"}


def test_an_error_of_the_server_is_told(server: str, work: Path) -> None:
    with pytest.raises(UnavailableError, match="answered 404 Not Found"):
        https(f"{server}/absent")(work)


def test_a_download_that_breaks_off_is_noticed(server: str, work: Path) -> None:
    with pytest.raises(UnavailableError, match="broke off"):
        https(f"{server}/short")(work)


def test_a_host_that_does_not_answer_is_given_up(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.monotonic()
        with pytest.raises(UnavailableError, match="no answer within"):
            https(f"http://127.0.0.1:{silent.getsockname()[1]}/x")(work)
        assert time.monotonic() - start < 3


def test_a_refused_connection_is_told(work: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(UnavailableError, match="refused"):
        https(f"http://127.0.0.1:{port}/x")(work)
