"""The pages of a running service: for administrators and newcomers, with hostile text, under its own content policy."""

import json
from pathlib import Path

import pytest
from test_pages import violations
from test_ranking import SUBMIT, card, wait_saved

HOSTILE = Path(__file__).resolve().parents[3] / "people" / "tests" / "hostile.json"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_of_the_service_is_accessible_and_fits(open_page, site, width, scheme):
    page = open_page("ada", color_scheme=scheme, viewport={"width": width, "height": 800})
    card(page, "A").focus()
    for key in "1234":
        page.keyboard.press(key)
    page.locator(SUBMIT).click()
    wait_saved(site, 1)
    page.context.clear_cookies()
    page.goto(site.link)
    paths = ["/task", "/history", "/guidelines", "/admin", "/admin/items/i1", "/join?invite=none", "/nothing"]
    for path in paths:
        page.goto(site.url + path)
        assert violations(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_an_invitation_lets_one_person_in_once(open_page, site):
    page = open_page(None, "/")
    page.goto(site.link)
    page.goto(site.url + "/admin")
    page.locator('form[action="/admin/invite"] input[name="name"]').fill("Grace <script>alert(1)</script>")
    page.locator('form[action="/admin/invite"] button').click()
    link = page.locator("#link").input_value()
    guest = open_page(None, link[len(site.url):])
    guest.locator('form[action="/join"] button').click()
    guest.wait_for_url("**/task")
    again = open_page(None, link[len(site.url):])
    assert again.locator('form[action="/join"]').count() == 0
    assert guest.evaluate("document.cookie") == "", "scripts cannot read the session"


def test_hostile_text_does_nothing_in_a_running_service(open_page, site):
    payloads = json.loads(HOSTILE.read_text())
    payloads = [p if isinstance(p, str) else json.dumps(p) for p in (payloads if isinstance(payloads, list) else payloads.values())]
    assert len(payloads) >= 100
    parts = [payloads[i::8] for i in range(8)]
    site.items = [f"h{i}" for i in range(4)]
    site.texts = {item: ["\n\n".join(parts[2 * i]), "\n\n".join(parts[2 * i + 1])] for i, item in enumerate(site.items)}
    page = open_page("ada")
    elsewhere = []
    page.on("request", lambda r: elsewhere.append(r.url) if not r.url.startswith(site.url) else None)
    page.evaluate("addEventListener('securitypolicyviolation', e => { document.title = 'violated ' + e.violatedDirective })")
    for n in range(4):
        card(page, "A").focus()
        page.keyboard.press("1")
        page.keyboard.press("2")
        page.locator("#comment").fill(payloads[n])
        page.locator(SUBMIT).click()
        wait_saved(site, n + 1)
        assert "violated" not in page.title()
    page.wait_for_selector("text=All done")
    page.context.clear_cookies()
    page.goto(site.link)
    for path in ["/admin"] + [f"/admin/items/h{i}" for i in range(4)]:
        page.goto(site.url + path)
        assert page.evaluate("document.scripts.length") == 1, path
    assert elsewhere == []
