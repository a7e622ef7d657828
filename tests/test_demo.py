"""`wye demo` answers as `wye predict` does, to its own page and to programs, and to nobody else."""

from __future__ import annotations

import base64
import http.client
import io
import json
import re
import shlex
import shutil
import socket
import struct
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import draw, flat, picture
from PIL import Image
from typer.testing import CliRunner

import wye
from wye.cli.app import app
from wye.demo import DemoServer, Show, examples_of, is_loopback, neighbours_of, server
from wye.errors import UsageError
from wye.runs.given import given
from wye.runs.model import Model
from wye.runs.run import Run

PNG = {"Content-Type": "image/png"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of few steps on `pets`, whose classes have names that a page must escape."""
    root = tmp_path_factory.mktemp("demo")
    draw(root / "pets", ("cat", "<b>dog"), count=20, size=(14, 10))
    wye.train(
        str(root / "pets"),
        out=root / "run",
        data={"image_size": 8, "augment": "", "validation": 0.2},
        network={"encoder": "C(4)", "decoder": "mirror", "classifier": "L'(classes)"},
        train={"epochs": 1, "batch_size": 16, "precision": "fp32"},
        progress=False,
    )
    return root / "run"


@contextmanager
def serving(shown: Show, host: str = "127.0.0.1") -> Iterator[DemoServer]:
    with DemoServer(shown, host) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def model(run: Path) -> Model:
    return wye.load(run)


@pytest.fixture(scope="module")
def demo(run: Path, model: Model) -> Iterator[DemoServer]:
    opened = Run(run)
    with serving(Show(model, examples_of(opened, model), neighbours_of(opened, model))) as made:
        yield made


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.content = response.status, response.headers, response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.content)


def ask(
    demo: DemoServer,
    method: str = "GET",
    path: str = "/",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", demo.server_port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def sent(image: Image.Image, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def raw(demo: DemoServer, content: bytes) -> bytes:
    """What comes back for bytes that no client would send."""
    with socket.create_connection(("127.0.0.1", demo.server_port), timeout=20) as connection:
        connection.sendall(content)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_it_answers_as_predict_does(run: Path, model: Model, demo: DemoServer) -> None:
    folder = run.parent / "asked"
    draw(folder, ("cat",), count=3, start=900, size=(30, 20))
    files = [*sorted((folder / "cat").glob("*.png")), folder / "photo.jpg"]
    picture("fox", 7, 200, 300).save(files[-1])
    words = ["predict", str(run), *map(str, files), "--json"]
    wanted = json.loads(CliRunner().invoke(app, words).stdout)
    for file, record in zip(files, wanted, strict=True):
        found = ask(demo, "POST", "/predict", file.read_bytes(), PNG).json
        assert found["class"] == record["class"] and found["anomaly"] == record["anomaly"]
        assert found["probabilities"] == pytest.approx(record["probabilities"], abs=1e-6)
        assert list(found["probabilities"]) == list(model.classes)
        assert found["probability"] == max(found["probabilities"].values())
        assert found["error"] == pytest.approx(model.anomaly([file])[0])
        assert np.allclose(found["code"], model.embed([file])[0], rtol=1e-5)
        assert "pictures" not in found


def test_the_pictures_are_what_the_model_sees_and_makes(model: Model, demo: DemoServer) -> None:
    given = picture("cat", 1)
    found = ask(demo, "POST", "/predict?pictures", sent(given), PNG).json["pictures"]
    seen, made, error = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(found[name].partition(",")[2]))))
        for name in ("input", "reconstruction", "error")
    )
    assert (seen == np.asarray(given)).all()
    wanted = model.reconstruct([given])[0].transpose(1, 2, 0) * 255
    assert np.abs(made - wanted).max() <= 0.5 + 1e-3
    assert (error == np.minimum(4 * np.abs(seen.astype(int) - made), 255)).all()


def test_the_nearest_images_of_the_training_part_are_shown(
    run: Path, model: Model, demo: DemoServer
) -> None:
    inspection = Run(run).inspection
    assert inspection is not None
    files = inspection.of("train")
    image = Path(inspection.root) / files[5].path
    found = ask(demo, "POST", "/predict?pictures", image.read_bytes(), PNG).json["nearest"]
    codes = model.embed([Path(inspection.root) / file.path for file in files])
    order = np.square(codes - codes[5]).sum(1).argsort(kind="stable")[:8]
    assert order[0] == 5
    assert [each["class"] for each in found] == [files[at].label for at in order]
    first = Image.open(io.BytesIO(base64.b64decode(found[0]["picture"].partition(",")[2])))
    assert (np.asarray(first) == model.read(Image.open(image))[0].permute(1, 2, 0).numpy()).all()


def test_a_code_is_decoded(model: Model, demo: DemoServer) -> None:
    image = picture("cat", 1)
    code = ask(demo, "POST", "/predict", sent(image), PNG).json["code"]
    kind = {"Content-Type": "application/json"}
    found = ask(demo, "POST", "/decode", json.dumps(code).encode(), kind).json["picture"]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(found.partition(",")[2]))))
    wanted = model.reconstruct([image])[0].transpose(1, 2, 0) * 255
    assert np.abs(shown - wanted).max() < 0.6
    for wrong in (
        *(b"", b"{", b"[" * 100_000, b"{}", b"[]", b"null"),
        *(json.dumps(code[1:]).encode(), json.dumps([True, *code[1:]]).encode()),
        *(json.dumps([value, *code[1:]]).encode() for value in (float("nan"), 1e40, 10**400)),
        *(json.dumps([value, *code[1:]]).encode() for value in ("1", None, [1])),
    ):
        refused = ask(demo, "POST", "/decode", wrong, kind)
        assert refused.status == 422, wrong[:20]
        assert refused.json["error"] in ("it is no JSON", "a code is a list of 64 numbers")


def test_the_page_has_all_it_needs_and_names_no_folder(run: Path, demo: DemoServer) -> None:
    page = ask(demo)
    text = page.content.decode()
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
    assert "&lt;b&gt;dog" in text and "<b>dog" not in text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in page.headers
    assert "http://" not in text and "https://" not in text
    for name in ("page.css", "page.js"):
        found = ask(demo, path=f"/{name}")
        assert found.status == 200 and name in text and b"//cdn" not in found.content
    assert text.count("example-") == len(demo.show.examples) == 10
    tried = ask(demo, path="/example-0.png")
    assert Image.open(io.BytesIO(tried.content)).size == (14, 10)
    for content in (page.content, tried.content):
        assert str(run.parent).encode() not in content


def test_the_images_to_try_are_the_test_images(run: Path, model: Model) -> None:
    opened = Run(run)
    assert opened.inspection is not None
    tests = opened.inspection.of("test")
    chosen = [tests[at] for at in np.linspace(0, len(tests) - 1, 10).astype(int)]
    shown = Show(model, examples_of(opened, model))
    assert [label for label, _ in shown.examples] == [file.label for file in chosen]
    answer = shown.answer(shown.examples[3][1])
    file = Path(opened.inspection.root) / chosen[3].path
    assert answer["probability"] == model.predict_proba([file]).max()


def test_the_images_that_a_run_keeps_stand_in_for_those_that_have_gone(
    run: Path, model: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened = Run(run)
    monkeypatch.setattr(Path, "is_file", lambda path: False)
    kept = opened.examples()
    assert kept is not None
    found = examples_of(opened, model)
    assert len(found) == len(kept.originals)
    assert (np.asarray(found[1].open()) == kept.originals[1].permute(1, 2, 0).numpy()).all()
    monkeypatch.setattr(Run, "examples", lambda run: None)
    with caplog.at_level("WARNING", "wye"):
        assert examples_of(opened, model) == []
    assert "name images to try" in caplog.text


def bomb(width: int, height: int) -> bytes:
    """A small PNG file of many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    lines = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def test_what_is_no_image_is_answered_in_words(demo: DemoServer) -> None:
    damaged = sent(picture("cat", 1, 64, 64))[:200]
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    for content, complaint in (
        (b"", "it is no image that Pillow knows"),
        (b"hello", "it is no image that Pillow knows"),
        (svg, "it is no image that Pillow knows"),
        (eps, "it is no image that Pillow knows"),
        (damaged, "it cannot be read as an image: "),
        (bomb(60_000, 60_000), "more than 50 million pixels"),
        (bomb(8_000, 8_000), "more than 50 million pixels"),
    ):
        found = ask(demo, "POST", "/predict", content, PNG)
        assert found.status == 422 and complaint in found.json["error"], content[:20]
        assert b"/" not in found.content.replace(b"/etc", b"")


def test_requests_that_are_not_for_it_are_refused(demo: DemoServer) -> None:
    image = sent(picture("cat", 1))
    port = demo.server_port
    for method, path, body, headers, status in (
        ("GET", "/predict", None, {}, 405),
        ("POST", "/", image, PNG, 405),
        ("GET", "/decode", None, {}, 405),
        ("POST", "/decode", b"[]", {}, 415),
        ("POST", "/decode", b"[]", {"Content-Type": "text/plain"}, 415),
        ("POST", "/passwd", image, PNG, 404),
        *((method, "/predict", image, PNG, 405) for method in ("PUT", "DELETE", "OPTIONS", "HEAD")),
        ("GET", "/../../../../etc/passwd", None, {}, 404),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", None, {}, 404),
        ("GET", "//etc/passwd", None, {}, 404),
        ("GET", "/page.html", None, {}, 404),
        ("GET", "/example-99.png", None, {}, 404),
        ("POST", "/predict", image, {}, 415),
        ("POST", "/predict", image, {"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ("POST", "/predict", image, {"Content-Type": "text/plain"}, 415),
        ("GET", "/", None, {"Host": "evil.example"}, 403),
        ("GET", "/", None, {"Host": f"localhost.evil.example:{port}"}, 403),
        ("GET", "/", None, {"Host": "127.0.0.1@evil.example"}, 403),
        ("GET", "/", None, {"Host": ""}, 403),
        ("GET", "/", None, {"Host": "[::1"}, 400),
        ("POST", "/predict", image, {**PNG, "Origin": "http://evil.example"}, 403),
        ("POST", "/predict", image, {**PNG, "Origin": "null"}, 403),
        ("POST", "/predict", image, {**PNG, "Origin": "http://[evil"}, 400),
        ("GET", "/", None, {"Host": f"localhost:{port}"}, 200),
        ("GET", "/", None, {"Host": "[::1]:9000"}, 200),
        ("POST", "/predict", image, {**PNG, "Origin": f"http://127.0.0.1:{port}"}, 200),
        ("POST", "/predict", image, {"Content-Type": "application/octet-stream"}, 200),
    ):
        found = ask(demo, method, path, body, headers)
        assert found.status == status, (method, path, headers, found.content)
        if status >= 400 and method != "HEAD":
            assert list(found.json) == ["error"] and b"Traceback" not in found.content
        assert found.headers["Server"] == "wye"
        assert ("Allow" in found.headers) == (status == 405)


def test_the_size_of_an_upload_is_bounded(demo: DemoServer) -> None:
    large = bytes(server.LARGEST + 1)
    found = ask(demo, "POST", "/predict", large, PNG)
    assert found.status == 413 and "larger than 16 MB" in found.json["error"]
    head = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
    for lengths in (
        b"",
        b"Content-Length: -1\r\n",
        b"Content-Length: 1e3\r\n",
        b"Content-Length: 3\r\nContent-Length: 4\r\n",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
    ):
        assert raw(demo, head + lengths + b"\r\n").startswith(b"HTTP/1.1 411"), lengths
    length = b"Content-Length: " + b"9" * 5000 + b"\r\n"
    assert raw(demo, head + length + b"\r\n").startswith(b"HTTP/1.1 413")


def test_what_is_not_http_is_answered_without_repeating_it(demo: DemoServer) -> None:
    for content, status in (
        (b"<script>alert(1)</script>\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"431"),
        (b"<script> / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"405"),
    ):
        found = raw(demo, content)
        assert found.startswith(b"HTTP/1.1 " + status) and b"script>" not in found, content[:30]


def test_a_failure_of_ours_is_told_to_who_runs_it_alone(
    demo: DemoServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("of /home/somebody/run")

    monkeypatch.setattr(demo.show, "answer", fails)
    found = ask(demo, "POST", "/predict", b"x", PNG)
    assert found.status == 500 and "something went wrong" in found.json["error"]
    assert b"somebody" not in found.content and "somebody" in caplog.text


def test_many_ask_at_once_and_more_than_there_are_places_wait(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "AT_ONCE", 3)
    images = [picture("cat" if at % 2 else "dog", at) for at in range(24)]
    wanted = model.predict_proba(images)
    with serving(Show(model)) as demo, ThreadPoolExecutor(12) as pool:
        found = pool.map(lambda image: ask(demo, "POST", "/predict", sent(image), PNG).json, images)
        for answer, row in zip(found, wanted, strict=True):
            assert np.allclose(list(answer["probabilities"].values()), row, atol=1e-6)
        deadline = time.monotonic() + 20
        while demo._begun and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not demo._begun


def test_connections_that_do_nothing_or_last_too_long_are_ended(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "AT_ONCE", 1)
    monkeypatch.setattr(server.Handler, "timeout", 0.05)
    with serving(Show(model)) as demo:
        assert raw(demo, b"GET / HT") == b""  # silent
        monkeypatch.setattr(server.Handler, "timeout", 20)
        monkeypatch.setattr(server, "LONGEST", 0.1)
        assert raw(demo, b"POST /predict HTTP/1.1\r\n") == b""  # for ever
        monkeypatch.setattr(server, "LONGEST", 60.0)
        assert ask(demo).status == 200  # its place is free again


def test_a_network_without_a_classifier_says_what_it_can(run: Path, tmp_path: Path) -> None:
    pets = str(run.parent / "pets")
    made = wye.train(
        pets,
        data={"image_size": 8, "augment": "", "channels": 1},
        network={"encoder": "L(4)", "decoder": "mirror", "classifier": "none"},
        loss={"alpha": 0},
        train={"epochs": 1, "batch_size": 16, "precision": "fp32"},
        out=tmp_path / "run",
        progress=False,
    )
    shown = Show(wye.load(made), given(pets))
    answer = shown.answer(shown.examples[0][1], pictures=True)
    assert answer["class"] is answer["probability"] is answer["probabilities"] is None
    assert answer["error"] > 0 and len(answer["code"]) == 4
    assert set(answer["pictures"]) == {"input", "reconstruction", "error"}
    with serving(shown) as demo:
        page = ask(demo).content.decode()
    assert 'id="verdict"' not in page and 'id="reconstruction"' in page


def test_the_command_says_where_and_warns_beyond_this_machine(
    run: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupted(self: DemoServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(DemoServer, "serve_forever", interrupted)
    with caplog.at_level("INFO", "wye"):
        done = CliRunner().invoke(app, ["demo", str(run), "--port", "0"])
    assert done.exit_code == 0 and done.stdout.startswith("http://127.0.0.1:")
    assert "password" not in caplog.text and "Ctrl-C" in caplog.text
    with caplog.at_level("INFO", "wye"):
        done = CliRunner().invoke(app, ["demo", str(run), "--port", "0", "--host", "0.0.0.0"])
    assert done.exit_code == 0 and "there is no password" in caplog.text


def test_the_documentation_can_be_followed(
    run: Path, demo: DemoServer, in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: DemoServer) -> None:
        raise KeyboardInterrupt

    page = (Path(__file__).parent.parent / "docs" / "demo.md").read_text()
    monkeypatch.setattr(DemoServer, "serve_forever", interrupted)
    monkeypatch.setattr("webbrowser.open", lambda url: True)
    Path("run").symlink_to(run)
    flat(Path("photos"), 2)
    picture("dog", 1).save("more1.png")
    picture("cat", 1).save("cat.png")
    commands = re.findall("^    wye (.*)$", page, re.MULTILINE)
    assert len(commands) == 4
    for line in commands:
        done = CliRunner().invoke(app, [*shlex.split(line), "--port", "0"])
        assert done.exit_code == 0 and done.stdout.startswith("http://"), (line, done.output)
    [program] = re.findall("```python\n(.*?)```", page, re.DOTALL)
    exec(compile(program.replace("http://127.0.0.1:7860", demo.url), "demo.md", "exec"), {})
    [command] = re.findall("^    (curl .*)$", page, re.MULTILINE)
    if shutil.which("curl"):
        words = shlex.split(command.replace("http://127.0.0.1:7860", demo.url))
        answer = json.loads(subprocess.run([*words, "-s"], capture_output=True, check=True).stdout)
        names = re.findall("^[|] (`.*`) [|]", page, re.MULTILINE)
        assert {*answer, "pictures", "nearest"} == set(re.findall("`(.*?)`", " ".join(names)))


def test_a_port_that_is_taken_and_a_host_of_others_are_refused(
    demo: DemoServer, model: Model
) -> None:
    with pytest.raises(UsageError, match="--port 0 takes a free port"):
        DemoServer(demo.show, port=demo.server_port)
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1"):
        DemoServer(demo.show, "192.0.2.1")
    assert [is_loopback(host) for host in ("localhost", "127.0.0.9", "::1", "0.0.0.0", "a.b")] == [
        *(True, True, True),
        *(False, False),
    ]


def seen(browser: Any, condition: str, *given: object) -> Any:
    """What a condition on the page gives once it holds."""
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(browser, 20).until(
        lambda driver: driver.execute_script(f"return {condition}", *given)
    )


VERDICT = "document.getElementById('verdict')?.firstChild?.textContent"
IDLE = "!document.body.classList.contains('busy') && document.querySelectorAll('#bars li').length"


@pytest.mark.browser
def test_a_browser_shows_the_answer(
    browser: Any, run: Path, model: Model, demo: DemoServer, tmp_path: Path
) -> None:
    browser.get(demo.url)
    assert seen(browser, IDLE) == 2  # the first image to try is tried at once
    for at, kind in enumerate(("cat", "dog")):
        file = tmp_path / f"{at}.png"
        picture(kind, 700 + at, 90, 60).save(file)
        [row] = model.predict_proba([file])
        browser.find_element("id", "file").send_keys(str(file))
        best = f"{100 * row.max():.1f} %"
        shown = "[...document.querySelectorAll('#bars li')].map(line => line.lastChild.textContent)"
        assert seen(browser, f"{shown}[0] === arguments[0] && {IDLE}", best)
        assert seen(browser, VERDICT) == model.classes[row.argmax()]
        for name in ("input", "reconstruction", "error"):
            assert seen(browser, f"document.getElementById('{name}').naturalWidth") == 8
        assert model.reference is not None and browser.find_element("id", "mse").text
        assert (
            f"{model.reference['images']} validation" in browser.find_element("id", "compared").text
        )
        inked = "document.getElementById('code').getContext('2d').getImageData(0, 0, 8, 8).data"
        assert max(browser.execute_script(f"return [...{inked}]")) > 0
    made = browser.find_element("id", "reconstruction").get_attribute("src")
    walk = """
        const slider = document.getElementById('walk');
        slider.value = arguments[0];
        slider.dispatchEvent(new Event('input'));
    """
    caption = "document.getElementById('made').textContent"
    browser.execute_script(walk, 60)
    assert seen(browser, f"{caption} === '60 % of the way'")
    assert browser.find_element("id", "reconstruction").get_attribute("src") != made
    browser.find_element("id", "to").click()
    browser.execute_script(walk, 0)
    assert seen(browser, f"{caption} === 'reconstruction'")
    kinds = "[...document.querySelectorAll('#nearest img')].map(image => image.naturalWidth)"
    assert seen(browser, kinds) == [8] * 8
    dropped = """
        const files = new DataTransfer();
        files.items.add(new File(['hello'], '<i>note.txt', {type: 'text/plain'}));
        document.dispatchEvent(new DragEvent('drop', {dataTransfer: files, cancelable: true}));
    """
    browser.execute_script(dropped)
    fault = seen(browser, "document.getElementById('fault').textContent")
    assert fault == "<i>note.txt: it cannot be read as an image: it is no image that Pillow knows."
    browser.find_elements("css selector", ".examples button")[4].click()
    assert seen(browser, f"document.getElementById('fault').hidden && {IDLE}")
    severe = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    assert all("422" in line["message"] for line in severe)


@pytest.mark.browser
def test_the_page_fits_every_screen(browser: Any, demo: DemoServer) -> None:
    browser.get(demo.url)
    assert seen(browser, IDLE)
    for width in (320, 390, 800, 1280):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
