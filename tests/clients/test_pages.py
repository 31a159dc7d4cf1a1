"""The pages in a browser: Chromium opens one of each kind as people would, and axe looks for what would keep somebody out."""

import base64
import json
import wave

import pytest
import vega
from playwright.sync_api import sync_playwright
from service import ROOT, wait_until

AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text()
# For whoever wants to see what the tests saw.
SCREENSHOTS = ROOT / "target" / "screenshots"
# Without these Chromium asks its maker's servers for this and that.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
WAYS = {
    "desk-light": {"viewport": DESK, "color_scheme": "light"},
    "desk-dark": {"viewport": DESK, "color_scheme": "dark"},
    "phone-light": {"viewport": PHONE, "color_scheme": "light", "has_touch": True},
    "phone-dark": {"viewport": PHONE, "color_scheme": "dark", "java_script_enabled": False},
}
DOWNLOADS = ["picture", "sound", "pdf", "text", "code", "json", "file", "table", "document", "query", "counted", "collection"]
OTHERS = ["folder", "box"]
PROBLEMS = ["gone", "unknown"]
PLACES = ["home", "login", "problems", "problem"]


@pytest.fixture(scope="module")
def playwright():
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def chromium(playwright):
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
    yield browser
    browser.close()


def pdf():
    """One page, all of it red."""
    drawn = b"1 0 0 rg 0 0 200 200 re f"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn),
    ]
    written, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(b"%010d 00000 n \n" % len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"xref\n0 5\n0000000000 65535 f \n" + b"".join(places)
    return written + table + b"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(written)


@pytest.fixture(scope="module")
def links(service, tmp_path_factory):
    """One link of each kind."""
    client = service.client()

    def share(target, **terms):
        return client.json_of("/v1/shares", 201, "POST", json={"target": target, "expires_in": "7d", **terms})

    def link(target, terms=None, **upload):
        client.whole("PUT", target, 201, **upload)
        return share(target, **(terms or {}))["url"]

    sound = tmp_path_factory.mktemp("sound") / "a.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        file.writeframes(bytes(16000))
    hostile = {"name": "<script>alert(1)</script>", "values": [1, 2.50, None, True], "nested": {"deep": {"deeper": []}}}
    client.whole("PUT", "/v1/blobs/pages-box/first.txt", 201, data=b"x")
    found = {
        "picture": link("/v1/blobs/pages/ffox.png", data=vega.path("ffox.png").read_bytes()),
        "sound": link("/v1/blobs/pages/a.wav", data=sound.read_bytes()),
        "pdf": link("/v1/blobs/pages/red.pdf", data=pdf()),
        "text": link("/v1/blobs/pages/readme.md", data=(ROOT / "README.md").read_bytes()),
        "code": link("/v1/blobs/pages/main.rs", data=(ROOT / "src" / "main.rs").read_bytes()),
        "json": link("/v1/blobs/pages/budgets.json", data=vega.path("budgets.json").read_bytes()),
        "file": link("/v1/blobs/pages/model.bin", data=bytes(range(256)) * 100),
        "table": link("/v1/tables/pages-weather", data=vega.path("seattle-weather.csv").read_bytes(), headers={"Content-Type": "text/csv"}),
        "document": link("/v1/documents/pages/one", data=json.dumps(hostile)),
        "unknown": f"{service.url}/s/nothing",
        "home": service.url,
        "login": f"{service.url}/login",
        "problems": f"{service.url}/problems",
        "problem": f"{service.url}/problems/name-taken",
        "protected": link("/v1/blobs/pages/plans.png", data=vega.path("gimp.png").read_bytes(), terms={"password": "open sesame"}),
        "counted": link("/v1/blobs/pages/once.bin", data=b"x", terms={"max_downloads": 3, "label": "For the board"}),
        "query": share("/v1/tables/pages-weather/rows?select=date,weather&weather=eq.snow&limit=5")["url"],
        "collection": share("/v1/documents/pages")["url"],
        "folder": share("/v1/blobs/pages/")["url"],
        "box": share("/v1/blobs/pages-box/", allow=["upload"], label="Your invoices, please")["url"],
    }
    client.whole("PUT", "/v1/blobs/pages/gone.txt", 201, data=b"x")
    gone = share("/v1/blobs/pages/gone.txt")
    client.whole("DELETE", f"/v1/shares/{gone['id']}", 204)
    return found | {"gone": gone["url"]}


@pytest.fixture
def visit(chromium):
    """Opens a page; at the end it must have met no error, no refusal by the policy, and nothing from elsewhere."""
    contexts, faults = [], []

    def visit(url, allowed=(), **way):
        context = chromium.new_context(**way)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        origin = "/".join(url.split("/")[:3])
        # The last two are parts of the browser itself: its viewer of PDFs.
        ours = (origin, "blob:", "data:", "chrome:", "chrome-extension:")
        page.on("request", lambda request: None if request.url.startswith(ours) else faults.append(request.url))
        page.goto(url, wait_until="load")
        return page

    visit.faults = faults
    yield visit
    for context in contexts:
        context.close()
    assert faults == []


def check(page):
    """What must hold of every page; axe is a script of ours, so it is run where the policy does not hold."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
    page.evaluate(AXE)
    found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []


@pytest.mark.parametrize("kind", [*DOWNLOADS, *OTHERS, *PROBLEMS, *PLACES, "protected"])
@pytest.mark.parametrize("way", WAYS)
def test_a_page_shows_what_it_is_to_everyone_on_every_screen(service, links, visit, kind, way):
    page = visit(links[kind], **WAYS[way])
    # The browser itself tells the console of a status that is an error.
    if kind in PROBLEMS:
        assert all("status of 4" in fault for fault in visit.faults)
        visit.faults.clear()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{kind}-{way}.png", full_page=True)
    assert page.locator("h1").count() == 1
    if WAYS[way].get("java_script_enabled", True):
        check(page)
        assert page.locator("[data-copy]").first.is_visible() == (kind in [*DOWNLOADS, *OTHERS, "home"])
    else:
        assert page.locator("[data-copy]:visible").count() == 0
    assert page.locator("a.button.main").count() == (kind in DOWNLOADS)


def test_previews_show_what_is_inside(links, visit):
    page = visit(links["picture"])
    assert page.locator(".media img").evaluate("img => img.complete && img.naturalWidth") == 100
    page = visit(links["sound"])
    # Not `wait_for_function`: it asks again by `eval`, which the page's policy refuses.
    wait_until(lambda: page.locator("audio").evaluate("sound => sound.readyState >= 1"), "the sound to be read")
    page = visit(links["table"])
    assert page.locator("tbody tr").count() == 25
    assert page.locator("thead th").first.inner_text().startswith("date")

    def summed_up():
        page.reload()
        return page.locator("svg.plot").count() == 6

    # They are computed while the first page is shown.
    wait_until(summed_up, "the columns to be summed up")
    page = visit(links["document"])
    assert page.get_by_text("<script>alert(1)</script>").is_visible()
    assert page.get_by_text("2.50", exact=True).count() + page.get_by_text("2.5", exact=True).count() == 1
    closed = page.locator("details:not([open]) > summary").first
    closed.click()


def red_pixels(chromium, png):
    """How many pixels of a screenshot are pure red."""
    page = chromium.new_page()
    count = page.evaluate(
        """async png => {
            const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
            const context = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
            context.drawImage(picture, 0, 0);
            const { data } = context.getImageData(0, 0, picture.width, picture.height);
            let count = 0;
            for (let at = 0; at < data.length; at += 4) count += data[at] === 255 && !data[at + 1] && !data[at + 2];
            return count;
        }""",
        base64.b64encode(png).decode(),
    )
    page.close()
    return count


def test_a_pdf_is_shown_by_the_browsers_viewer(links, visit, chromium):
    page = visit(links["pdf"])
    wait_until(lambda: red_pixels(chromium, page.locator("object").screenshot()) > 10_000, "the viewer to draw the page")
    assert not page.get_by_text("Open it by itself").is_visible()


def test_without_a_viewer_a_pdf_is_a_file_to_be_opened(links, playwright, tmp_path):
    settings = tmp_path / "Default" / "Preferences"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"plugins": {"always_open_pdf_externally": True}}))
    context = playwright.chromium.launch_persistent_context(tmp_path, executable_path="/usr/bin/chromium", args=FLAGS)
    page = context.new_page()
    page.goto(links["pdf"], wait_until="load")
    check(page)
    with page.expect_download() as begun:
        page.get_by_role("link", name="Open it by itself").click()
    assert begun.value.path().read_bytes() == pdf()
    context.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_button_saves_the_bytes_with_and_without_scripts(links, visit, scripts):
    page = visit(links["file"], java_script_enabled=scripts)
    with page.expect_download() as begun:
        page.locator("a.button.main").click()
    saved = begun.value
    assert saved.suggested_filename == "model.bin"
    assert saved.path().read_bytes() == bytes(range(256)) * 100
    if scripts:
        page.locator("#progress output").get_by_text("Saved as model.bin.", exact=True).wait_for()


def test_a_table_is_saved_in_the_format_that_is_chosen(links, visit):
    page = visit(links["table"])
    page.get_by_text("Other formats").click()
    with page.expect_download() as begun:
        page.get_by_role("link", name="Parquet").click()
    assert begun.value.suggested_filename == "pages-weather.parquet"
    assert begun.value.path().read_bytes()[:4] == b"PAR1"
    with page.expect_download() as begun:
        page.get_by_text("Download CSV").click()
    assert begun.value.path().read_text().splitlines()[0] == "date,precipitation,temp_max,temp_min,wind,weather"


def test_a_download_that_fails_says_why(service, links, visit):
    page = visit(links["file"])
    page.route("**/model.bin*", lambda route: route.fulfill(status=410, content_type="application/problem+json", body='{"detail": "It is over."}'))
    page.locator("a.button.main").click()
    said = page.locator("#progress output.failed")
    said.wait_for()
    assert said.inner_text() == "It is over."
    assert all("status of 410" in fault for fault in visit.faults)
    visit.faults.clear()


def test_the_link_is_copied(links, visit, chromium):
    page = visit(links["table"], permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == links["table"]


def test_everything_is_reached_with_the_keyboard(links, visit):
    page = visit(links["table"])
    reached = set()
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim().slice(0, 20) || document.activeElement.getAttribute('aria-label')"))
    assert {"Skip to the content", "Download CSV", "Other formats", "Copy link", "Use it in a program"} <= {name.strip() for name in reached}


@pytest.mark.parametrize("scripts", [True, False])
def test_a_token_signs_a_browser_in_and_leads_back(service, links, visit, scripts):
    picture = "/v1/blobs/pages/ffox.png"
    page = visit(f"{links['login']}?next={picture}", java_script_enabled=scripts)
    page.get_by_label("Token").fill("larder_wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("That is no valid token.").wait_for()
    if scripts:
        check(page)
    assert all("status of 403" in fault for fault in visit.faults)
    visit.faults.clear()
    page.get_by_label("Token").fill(service.token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{service.url}{picture}")
    assert page.locator("img").evaluate("img => img.complete && img.naturalWidth") == 100


@pytest.mark.parametrize("scripts", [True, False])
def test_a_password_opens_the_page(links, visit, scripts):
    page = visit(links["protected"], java_script_enabled=scripts)
    assert "plans" not in page.content()
    page.get_by_label("Password").fill("open barley")
    page.get_by_role("button", name="Open").click()
    page.get_by_text("That is not the password").wait_for()
    assert all("status of 403" in fault for fault in visit.faults)
    visit.faults.clear()
    page.get_by_label("Password").fill("open sesame")
    page.get_by_role("button", name="Open").click()
    page.get_by_role("heading", name="plans.png").wait_for()
    assert page.url == links["protected"]
    page.wait_for_load_state()
    with page.expect_download() as begun:
        page.locator("a.button.main").click()
    assert begun.value.path().read_bytes() == vega.path("gimp.png").read_bytes()


@pytest.mark.parametrize("scripts", [True, False])
def test_files_are_put_into_a_drop_box(client, links, visit, scripts):
    page = visit(links["box"], java_script_enabled=scripts)
    name = f"sent-{scripts}.txt"
    page.locator("#files").set_input_files([{"name": name, "mimeType": "text/plain", "buffer": b"hello"}])
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Your files have arrived").wait_for()
    assert client.whole("GET", f"/v1/blobs/pages-box/{name}").content == b"hello"
    if scripts:
        assert page.get_by_text(f"have arrived: {name}.").is_visible()
        # Whoever is sent the address learns nothing of that.
        assert page.url == links["box"]
        check(page)


def test_a_browser_signs_in_and_out(service, links, visit):
    page = visit(links["home"])
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("Token").fill(service.token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Signed in as admin").wait_for()
    check(page)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Sign in").wait_for()
    assert page.get_by_text("Signed in").count() == 0


def test_a_folder_is_walked(client, links, visit):
    client.whole("PUT", "/v1/blobs/pages/sub/deep.txt", 201, data=b"deep")
    page = visit(links["folder"])
    page.get_by_role("link", name="sub/").click()
    page.get_by_role("link", name="deep.txt").wait_for()
    check(page)
    page.get_by_role("link", name="pages", exact=True).click()
    page.get_by_role("link", name="readme.md").wait_for()
