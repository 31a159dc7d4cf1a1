"""moto's DynamoDB as a server: `dynamodb_server.py ADDRESS PORT`.

moto keeps items in dictionaries without a lock, and its own server answers each request on a thread: two conditional writes could both succeed. Here one
request is answered after another, so that each is atomic, as the real service's are.
"""

import sys
import threading

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple


class OneAtATime:
    def __init__(self, app):
        self.app, self.lock = app, threading.Lock()

    def __call__(self, environ, start_response):
        with self.lock:
            return list(self.app(environ, start_response))


if __name__ == "__main__":
    moto = DomainDispatcherApplication(create_backend_app)
    run_simple(sys.argv[1], int(sys.argv[2]), OneAtATime(moto), threaded=True)
