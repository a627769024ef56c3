"""Hostile text, accessibility, and how the pages look."""

import os
from pathlib import Path

import axe_playwright_python
import pytest

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
# Looked at by people; not taken where nobody asked for them.
SHOTS = os.environ.get("PICTURES")


def violations(page):
    # Evaluated by the debugger, which the content policy does not bind.
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        (v["id"], node["target"], node.get("failureSummary", ""))
        for v in found
        if v["impact"] in ("serious", "critical")
        for node in v["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(open_page, site, scheme):
    page = open_page(path=site.pages[0], color_scheme=scheme)
    problems = {}
    for path in site.pages:
        page.goto(site.url + path)
        if page.locator(".rank .card").count():
            # Ranked and tied states have colours of their own.
            page.locator(".card").first.focus()
            page.keyboard.press("1")
            page.keyboard.press("=")
            page.keyboard.press("f")
        problems[path] = violations(page)
    page.goto(site.url + "/show/rank")
    page.keyboard.press("s")
    problems["skip"] = violations(page)
    page.locator("[name=why]").first.press("?")
    problems["keys"] = violations(page)
    assert {path: found for path, found in problems.items() if found} == {}


@pytest.mark.parametrize("width,scheme", [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")])
def test_every_page_fits_its_width(open_page, site, width, scheme):
    page = open_page(path=site.pages[0], viewport={"width": width, "height": 800}, color_scheme=scheme)
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
    wide = {}
    for path in site.pages + site.hostile:
        page.goto(site.url + path)
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if over > 0:
            wide[path] = over
        if SHOTS and "hostile" not in path:
            page.screenshot(path=Path(SHOTS) / f"{path.rsplit('/', 1)[1]}-{width}-{scheme}.png", full_page=True)
    assert wide == {}


def test_targets_are_large_enough(open_page, site):
    page = open_page(viewport={"width": 360, "height": 740}, has_touch=True)
    small = page.evaluate(
        "[...document.querySelectorAll('button, select, label.tick, summary, nav a, .button')].filter(e => e.offsetParent)"
        ".map(e => [e.textContent.slice(0, 20), e.getBoundingClientRect()])"
        ".filter(([, r]) => r.height < 43.5 || r.width < 43.5).map(([t, r]) => [t, r.width, r.height])"
    )
    assert small == []


def test_hostile_text_does_nothing(open_page, site):
    page = open_page(path=site.pages[0])
    elsewhere = []
    page.on("request", lambda request: elsewhere.append(request.url) if not request.url.startswith(site.url) else None)
    page.add_init_script("document.addEventListener('securitypolicyviolation', e => { (window.blocked ??= []).push(e.blockedURI); })")
    for path in site.hostile:
        page.goto(site.url + path)
        # What a person might do: open, hover, focus, click the text.
        for more in page.locator(".more").all():
            more.click()
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        for said in page.locator(".said").all()[:12]:
            said.hover()
        page.evaluate("document.querySelectorAll('.said *').forEach(e => { if (e.tagName !== 'A') e.click(); e.focus?.(); })")
        page.wait_for_timeout(300)
        assert page.evaluate("window.__pwned") is None, path
        assert page.evaluate("window.blocked") is None, "the policy had something to block"
        assert page.locator(".said script, .said img, .said iframe, .said svg, .said form, .said style, .said [style]").count() == 0
        links = page.evaluate("[...document.querySelectorAll('.said a')].map(a => a.protocol)")
        assert set(links) <= {"http:", "https:", "mailto:"}
    assert elsewhere == []


def test_a_hostile_answer_from_the_api_does_nothing_either(open_page, site):
    page = open_page(path="/show/hostile-rank")
    html = page.evaluate("fetch('/show/hostile-rank').then(r => r.text())").split('tabindex="-1">\n', 1)[1].split("</main>")[0]
    page.evaluate("html => { document.getElementById('main').innerHTML = html; }", html)
    page.wait_for_timeout(300)
    assert page.evaluate("window.__pwned") is None


def test_without_motion_and_on_paper(open_page, site):
    page = open_page(path="/show/rank", reduced_motion="reduce")
    assert page.evaluate("document.getAnimations().length") == 0
    page.emulate_media(media="print")
    assert not page.locator(".bar").is_visible() and page.locator(".card").first.is_visible()
    # Folded answers are printed whole.
    assert page.evaluate("getComputedStyle(document.querySelector('.folded .said')).maxHeight") == "none"
