"""The service that the browser tests talk to.

`Mock` keeps the contract of design/0006 in memory, with pages that the Rust code has drawn (`show_pages`). The tests use
only `url`, `sign_in`, `judgements`, `pages` and `hostile`, so that a real server can stand in its place.
"""

import json
import re
import threading
import time
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
KINDS = {"write": "demonstrate", "edit": "edit"}


class Mock:
    """Each person gets `items` in order; judgements are kept in `log`."""

    def __init__(self, folder, items):
        self.folder, self.items = Path(folder), items
        self.log, self.keys, self.lock = [], {}, threading.Lock()
        self.lease_ms = 3_600_000
        self.pages = ["/show/" + page.stem for page in sorted(self.folder.glob("*.html")) if "hostile" not in page.stem]
        self.hostile = ["/show/" + page.stem for page in sorted(self.folder.glob("hostile-*.html"))]
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                site.get(self)

            def do_POST(self):
                site.post(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()

    def sign_in(self, context, person):
        context.add_cookies([{"name": "person", "value": person, "url": self.url}])

    def judgements(self):
        """What counts: every stored judgement that no later one revises, in the order stored."""
        with self.lock:
            revised = {j["revises"] for j in self.log}
            return [j for j in self.log if j["judgement"] not in revised]

    # What the server would do.

    def person(self, handler):
        found = re.search(r"person=([\w-]+)", handler.headers.get("Cookie", ""))
        return found and found[1]

    def main(self, item, person, saved=None):
        kind = KINDS.get(item.split("-")[0], "rank")
        name = {"demonstrate": "write", "edit": "edit", "rank": "sky"}[kind]
        page = (self.folder / f"{kind}.html").read_text()
        main = page.split('<main id="main" tabindex="-1">\n')[1].split("</main>")[0]
        main = main.replace(f'"lease-{name}"', f'"lease-{item}"').replace(f'"{name}-a', f'"{item}-a').replace(f'data-item="{name}"', f'data-item="{item}"')
        main = re.sub(r'data-expires="\d+"', f'data-expires="{int(time.time() * 1000) + self.lease_ms}"', main)
        if saved:
            kept = escape(json.dumps({k: saved[k] for k in ("ranks", "flags", "verdict", "reason", "comment", "text", "margin")}))
            main = main.replace(' data-lease=', f' data-revises="{saved["judgement"]}" data-saved="{kept}" data-lease=', 1)
        return kind, main

    def next(self, person, besides):
        done = {j["item"] for j in self.log if j["person"] == person}
        return next((item for item in self.items if item not in done and item != besides), None)

    def document(self, name, main, person):
        page = (self.folder / f"{name}.html").read_text()
        if main is not None:
            before, rest = page.split('<main id="main" tabindex="-1">\n')
            page = before + '<main id="main" tabindex="-1">\n' + main + "</main>" + rest.split("</main>", 1)[1]
        return page.replace('data-person="p-7f3a"', f'data-person="{person}"')

    def get(self, handler):
        url = urlsplit(handler.path)
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        person = self.person(handler)
        if url.path.startswith("/assets/"):
            kind = "text/css" if url.path.endswith("css") else "text/javascript"
            return self.answer(handler, 200, (self.folder / url.path[1:]).read_text(), kind)
        if url.path.startswith("/show/"):
            return self.answer(handler, 200, self.document(url.path[6:], None, person))
        if url.path == "/api/next":
            if not person:
                return self.error(handler, 401, "signed_out")
            with self.lock:
                item = self.next(person, query.get("besides"))
            if item is None:
                return self.answer(handler, 200, {"none": "finished"})
            kind, main = self.main(item, person)
            expires = int(time.time() * 1000) + self.lease_ms
            return self.answer(handler, 200, {"task": {"lease": f"lease-{item}", "item": item, "kind": kind, "expires": expires, "html": main}})
        if url.path == "/task" and person:
            with self.lock:
                saved = next((j for j in self.log if j["judgement"] == query.get("revise") and j["person"] == person), None)
                item = saved["item"] if saved else self.next(person, None)
            if item is None:
                return self.answer(handler, 200, self.document("none-finished", None, person))
            return self.answer(handler, 200, self.document("rank", self.main(item, person, saved)[1], person))
        return self.answer(handler, 401 if not person else 404, self.document("signed-out", None, ""))

    def post(self, handler):
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        person = self.person(handler)
        if not person:
            return self.error(handler, 401, "signed_out")
        if handler.path == "/api/heartbeat":
            return self.answer(handler, 200, {"expires": int(time.time() * 1000) + self.lease_ms})
        with self.lock:
            if body["key"] in self.keys:
                before, answer = self.keys[body["key"]]
                return self.answer(handler, 200, answer) if before == body else self.error(handler, 409, "key_reused")
            if not body["revises"] and any(j["person"] == person and j["item"] == body["item"] for j in self.log):
                return self.error(handler, 409, "judged_before")
            answer = {"judgement": f"j{len(self.log) + 1}", "saved_at": int(time.time() * 1000), "late": self.lease_ms < 0}
            self.keys[body["key"]] = (body, answer)
            self.log.append({**body, **answer, "person": person})
        return self.answer(handler, 200, answer)

    def error(self, handler, code, name):
        self.answer(handler, code, {"error": {"code": name, "message": name.replace("_", " ")}})

    def answer(self, handler, code, body, kind="text/html"):
        if isinstance(body, dict):
            body, kind = json.dumps(body), "application/json"
        body = body.encode()
        handler.send_response(code)
        handler.send_header("Content-Type", kind + "; charset=utf-8")
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Content-Security-Policy", POLICY)
        handler.send_header("Cache-Control", "no-store")
        handler.end_headers()
        try:
            handler.wfile.write(body)
        except BrokenPipeError:
            pass


def revise_url(judgement):
    """The address under which a judgement is changed."""
    return "/task?revise=" + quote(judgement, safe="")
