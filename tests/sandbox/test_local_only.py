"""The control endpoint needs no token, so it is kept from pages of a browser."""

import socket
from urllib.parse import urlsplit

import pytest

from ..world import Sandbox


def answer(sandbox: Sandbox, *lines: str, method: str = "POST", path: str = "/faults", body: str = "{}") -> int:
    """The status of a request with just these header lines; `{port}` is the endpoint's."""
    port = urlsplit(sandbox["control_url"]).port
    head = [f"{method} {path} HTTP/1.1", *(line.format(port=port) for line in lines), "Connection: close"]
    head += [f"Content-Length: {len(body)}"] * bool(body)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall("\r\n".join([*head, "", body]).encode())
        return int(connection.recv(100).split()[1])


JSON = "Content-Type: application/json"


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "[::1]:{port}", "LOCALHOST:{port}"])
def test_a_program_on_this_machine_is_served(sandbox: Sandbox, host: str) -> None:
    """By each of the machine's own names, with the port; without a body no type is needed."""
    assert answer(sandbox, f"Host: {host}", JSON) == 201
    assert answer(sandbox, f"Host: {host}", "Content-Type: application/json; charset=utf-8") == 201
    assert answer(sandbox, f"Host: {host}", method="DELETE", body="") == 204
    assert answer(sandbox, f"Host: {host}", method="GET", path="/requests", body="") == 200


@pytest.mark.parametrize(
    "host", ["evil.example:{port}", "evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}", ""]
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/faults"), ("GET", "/requests"), ("POST", "/clients")])
def test_a_rebound_name_is_refused(sandbox: Sandbox, host: str, method: str, path: str) -> None:
    """DNS rebinding lets a page reach this port by its own name: it neither changes nor reads anything."""
    assert answer(sandbox, f"Host: {host}", JSON, method=method, path=path) in (400, 403)
    assert sandbox.api()("GET", "/api/v2/webhooks").status_code == 200


def test_two_hosts_and_none_are_refused(sandbox: Sandbox) -> None:
    """Whichever of them would be believed."""
    assert answer(sandbox, "Host: localhost:{port}", "Host: evil.example", JSON) in (400, 403)
    assert answer(sandbox, JSON) in (400, 403)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:{port}", "http://localhost:8888"])
def test_a_page_is_refused(sandbox: Sandbox, origin: str) -> None:
    """Every one, also one of this machine: the endpoint has no pages."""
    assert answer(sandbox, "Host: 127.0.0.1:{port}", f"Origin: {origin}", JSON) == 403
    assert answer(sandbox, "Host: 127.0.0.1:{port}", f"Origin: {origin}", method="DELETE", body="") == 403


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "text/plain;application/json", "", None])
def test_a_body_that_is_not_declared_as_json_is_refused(sandbox: Sandbox, kind: str | None) -> None:
    """A page may send these without asking first."""
    lines = [] if kind is None else [f"Content-Type: {kind}"]
    assert answer(sandbox, "Host: 127.0.0.1:{port}", *lines) == 415
    assert answer(sandbox, "Host: 127.0.0.1:{port}", *lines, path="/settings", method="PUT") == 415


def test_a_page_is_known_by_what_its_browser_adds(sandbox: Sandbox) -> None:
    """Where there is no Origin; a form of a page is never JSON."""
    form = "Content-Type: application/x-www-form-urlencoded"
    host = "Host: 127.0.0.1:{port}"
    assert answer(sandbox, host, form) == 201  # as Python's urllib sends it
    assert answer(sandbox, host, form, body="%7B%7D=") == 400
    for site in ("cross-site", "same-origin", "none"):
        assert answer(sandbox, host, form, f"Sec-Fetch-Site: {site}") == 403
        assert answer(sandbox, host, f"Sec-Fetch-Site: {site}", method="DELETE", body="") == 403


def test_opslib_itself_is_served(sandbox: Sandbox) -> None:
    """The lessons set their faults through it."""
    assert sandbox.launched.control("POST", "/faults", {"status": 500, "times": 1}) == {"status": 500, "times": 1}
    assert sandbox.launched.control("DELETE", "/faults") == {}
