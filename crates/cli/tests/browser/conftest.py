"""A browser, a fresh site for each test, and a page that fails its test on any error in the console.

`cargo test -p trimtab --test people_browser` runs these tests. They want TRIMTAB (the binary) and PAGES (a folder that the example
show_pages of trimtab-people has filled); CHROMIUM names another browser than /usr/bin/chromium, and PICTURES the folder for
screenshots, which are not taken without it.
"""

import os

import pytest
from playwright.sync_api import sync_playwright
from gallery import Gallery
from service_site import ServiceSite

ARGUMENTS = "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run"


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        found = playwright.chromium.launch(executable_path=path, args=ARGUMENTS.split())
        yield found
        found.close()


@pytest.fixture
def site(request):
    """The gallery of every page for the tests of how pages look, a running service for all others."""
    if request.module.__name__ == "test_pages":
        found = Gallery(os.environ["PAGES"])
    else:
        found = ServiceSite(["i1", "i2", "i3"])
    yield found
    found.close()


@pytest.fixture
def open_page(browser, site):
    """Opens a page for a person; several calls are several devices."""
    contexts, problems = [], []

    def opened(person="ada", path="/task", **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(30000)  # a busy machine is slow, not wrong
        context.set_default_navigation_timeout(120000)  # the first page waits for a browser that has only just started
        contexts.append(context)
        if person:
            site.sign_in(context, person)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        # A broken network is part of some tests, and the browser reports it; what breaks the content policy is not.
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" and "Failed to load" not in m.text else None)
        page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
        page.goto(site.url + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []
