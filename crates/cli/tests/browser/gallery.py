"""Every page with sample data, as the Rust code drew it, under the content policy of the service."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Gallery:
    """Files of `folder`: assets, and each page under /show/NAME."""

    def __init__(self, folder):
        self.folder = Path(folder)
        names = [page.stem for page in sorted(self.folder.glob("*.html"))]
        self.pages = ["/show/" + name for name in names if "hostile" not in name]
        self.hostile = ["/show/" + name for name in names if name.startswith("hostile-")]
        gallery = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                gallery.get(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()

    def sign_in(self, context, person):
        pass

    def get(self, handler):
        path = handler.path.split("?")[0]
        name, kind = path[1:], "text/css" if path.endswith("css") else "text/javascript"
        if path.startswith("/show/"):
            name, kind = path[6:] + ".html", "text/html"
        file = self.folder / name
        there = file.is_file()
        body = file.read_bytes() if there else b"{}"
        handler.send_response(200 if there else 404)
        handler.send_header("Content-Type", kind + "; charset=utf-8")
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Content-Security-Policy", POLICY)
        handler.send_header("Cache-Control", "no-store")
        handler.end_headers()
        try:
            handler.wfile.write(body)
        except BrokenPipeError:
            pass
