"""Every secret that the tests send or are given, and the logs of the services, which must hold none of them."""

import base64
import contextlib
import json
import re

# Tokens of callers and links, cookies of sessions, signatures of presigned URLs.
NAMED = {"token", "secret", "password"}
IN_URLS = re.compile(r"/s/([^/?#\s\"]{16,})|[?&]X-Amz-(?:Signature|Security-Token)=([^&\s\"]+)")
LONG = 16

used = set()


def note(response):
    """Takes the secrets of a request and of its answer."""
    request = response.request
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        credential = base64.b64decode(credential).decode().partition(":")[2]
    used.update([credential, *(cookie.partition("=")[2] for cookie in request.headers.get("Cookie", "").split("; "))])
    used.update(response.cookies.values())
    texts = [request.url, response.headers.get("Location", "")]
    for headers, body in ((request.headers, request.body), (response.headers, response.text if is_short(response) else None)):
        if "json" in headers.get("Content-Type", "") and isinstance(body, str | bytes) and len(body) < 1 << 16:
            with contextlib.suppress(ValueError):
                note_json(json.loads(body))
            texts.append(body if isinstance(body, str) else body.decode(errors="replace"))
    for text in texts:
        used.update(found for pair in IN_URLS.findall(text) for found in pair)
    used.discard("")


def is_short(response):
    return int(response.headers.get("Content-Length") or 1 << 20) < 1 << 16


def note_json(value):
    if isinstance(value, dict):
        used.update(text for name, text in value.items() if name in NAMED and isinstance(text, str))
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        note_json(child)


def found_in(log):
    """Those that a log holds. What is printed for whoever starts the service is no line of the log."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("{")]
    words = {word for line in lines for word in re.findall(rf"[\w.~%+/=-]{{{LONG},}}", line)}
    text = "\n".join(lines)
    # Long ones are words by themselves or parts of one, such as a path; short ones may stand anywhere.
    pieces = words | {piece for word in words for piece in re.split(r"[/=&?]", word)}
    return {secret for secret in used if (secret in pieces if len(secret) >= LONG else len(secret) >= 8 and secret in text)}
