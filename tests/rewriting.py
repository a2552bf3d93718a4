"""An API that keeps something else than was sent: a proxy before the sandbox that rewrites what is written to it."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .local_server import QuietHandler, serving
from .world import Json

# Given the path and the body of a POST or PUT; changes the body in place.
Rewrite = Callable[[str, Json], object]


@contextmanager
def rewriting(api_url: str, rewrite: Rewrite) -> Iterator[str]:
    """The address of an API that is the one given, except that `rewrite` changes what is written."""

    class Handler(QuietHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if body and self.command in ("POST", "PUT"):
                whole = json.loads(body)
                rewrite(self.path, whole)
                body = json.dumps(whole).encode()
            left_out = ("host", "content-length", "connection")
            headers = {name: value for name, value in self.headers.items() if name.lower() not in left_out}
            request = urllib.request.Request(
                api_url + self.path, method=self.command, data=body or None, headers=headers
            )
            try:
                with urllib.request.urlopen(request) as response:
                    status, said, about = response.status, response.read(), response.headers
            except urllib.error.HTTPError as error:
                status, said, about = error.code, error.read(), error.headers
            self.send_response(status)
            for name in ("Content-Type", "ININ-Correlation-Id", "Retry-After"):
                if about.get(name):
                    self.send_header(name, about[name])
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    with serving(Handler) as url:
        yield url


def first_queue_only(path: str, body: Json) -> None:
    """A policy keeps the first of its queues (issue 540 of Genesys's Terraform provider)."""
    for part in (body.get("mediaPolicies") or {}).values():
        if (part.get("conditions") or {}).get("forQueues"):
            part["conditions"]["forQueues"] = part["conditions"]["forQueues"][:1]
