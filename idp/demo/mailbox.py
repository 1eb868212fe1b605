"""The mailbox of the demonstration: receives by SMTP and SMPP, shows what came on a page and as JSON."""

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

from flask import Flask, Response, abort, jsonify, render_template
from werkzeug.serving import BaseWSGIServer, make_server

from idp.demo.inbox import Inbox, Received
from idp.demo.smsc import Smsc
from idp.demo.smtp_server import smtp_session

LOOPBACK = "127.0.0.1"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; frame-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# The mail's own styles, nothing else: no script, no picture from elsewhere, no origin (`sandbox`).
_MAIL_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"


def create_mailbox(inbox: Inbox) -> Flask:
    """Return the mailbox's pages."""
    app = Flask(__name__, static_folder="static", template_folder="templates")
    # A page elsewhere whose name is made to point at 127.0.0.1 must not read the codes (DNS rebinding).
    app.config["TRUSTED_HOSTS"] = ["localhost", LOOPBACK]
    app.json.ensure_ascii = False  # type: ignore[attr-defined]

    @app.get("/")
    def list_page() -> str:
        return render_template("demo/mailbox.html", messages=inbox.list_messages())

    @app.get("/messages.json")
    def list_json() -> Response:
        return jsonify([describe(message) for message in inbox.list_messages()])

    @app.get("/messages/<int:message_id>")
    def message_page(message_id: int) -> str:
        return render_template("demo/message.html", message=inbox.find_message(message_id) or abort(404))

    @app.get("/messages/<int:message_id>/html")
    def message_html(message_id: int) -> Response:
        message = inbox.find_message(message_id) or abort(404)
        return Response(message.html, mimetype="text/html", headers={"Content-Security-Policy": _MAIL_POLICY})

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return app


def describe(message: Received) -> dict[str, Any]:
    """Return a message as /messages.json lists it; the shape is frozen (design.md §3)."""
    return {
        "id": message.id,
        "channel": message.channel,
        "to": message.to,
        "subject": message.subject,
        "text": message.text,
        "received_at": message.received_at.isoformat(timespec="milliseconds"),
    }


class Mailbox:
    """The three listeners, in threads of this process; `smtp_port` and `smpp_port` are known once it is started."""

    addresses: frozenset[str] = frozenset()

    def __init__(self, *, web_port: int, system_id: str, password: str) -> None:
        self.inbox = Inbox()
        self.smtp_port = self.smpp_port = 0
        self._smsc = Smsc(self.inbox, system_id=system_id, password=password)
        self.web_port = web_port
        self._web: BaseWSGIServer | None = None
        self._loop = asyncio.new_event_loop()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Listen; OSError when the page's port is taken. SMTP and SMPP get ports that are free."""
        self._web = make_server("localhost", self.web_port, create_mailbox(self.inbox), threaded=True)
        web_host, self.web_port = self._web.socket.getsockname()
        self.addresses = frozenset({web_host})
        listening: Future[None] = Future()
        self._run(self._web.serve_forever)
        self._run(lambda: self._loop.run_until_complete(self._listen(listening)))
        listening.result(timeout=10)

    def stop(self) -> None:
        """Close everything; may be called when only half is started."""
        if self._web is not None:
            self._web.shutdown()
            self._web.server_close()
        if self._loop.is_running():
            self._loop.call_soon_threadsafe(self._stopping.set)
        for thread in self._threads:
            thread.join(timeout=5)
        self._loop.close()

    def _run(self, work: Any) -> None:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self._threads.append(thread)

    async def _listen(self, listening: "Future[None]") -> None:
        self._stopping = asyncio.Event()
        smtp = await self._loop.create_server(lambda: smtp_session(self.inbox), LOOPBACK, 0)
        smpp = await asyncio.start_server(self._smsc.serve, LOOPBACK, 0)
        (smtp_host, self.smtp_port), (smpp_host, self.smpp_port) = (s.sockets[0].getsockname() for s in (smtp, smpp))
        self.addresses |= {smtp_host, smpp_host}
        listening.set_result(None)
        await self._stopping.wait()
        for server in (smtp, smpp):
            server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.05)  # lets connections close, so that no socket is left behind
