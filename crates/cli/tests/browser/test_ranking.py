"""Ranking by keys, clicks and drag: what is stored is what was seen."""

import time

import pytest

SUBMIT = '[data-act="submit"]'


def seen(page):
    """The order as a person sees it: rank to letters, from the panel."""
    return page.evaluate(
        "() => Object.fromEntries([...document.querySelectorAll('.row')].map(r =>"
        " [r.dataset.rank, [...r.querySelectorAll('.chip b')].map(b => b.textContent)]).filter(([, l]) => l.length))"
    )


def stored(judgement):
    """The same from what was stored: answers by the place they were shown in."""
    out = {}
    for place, answer in enumerate(judgement["shown"]):
        if answer in judgement["ranks"]:
            out.setdefault(str(judgement["ranks"][answer]), []).append("ABCDEFGHI"[place])
    return out


def wait(met):
    """Waits for what the server has to say."""
    for _ in range(600):
        if met():
            return
        time.sleep(0.05)
    raise AssertionError("waited half a minute in vain")


def wait_saved(site, n):
    wait(lambda: len(site.judgements()) >= n)
    assert len(site.judgements()) == n
    return site.judgements()


def card(page, letter):
    return page.locator(f'.card[data-letter="{letter}"]')


def chip(page, letter):
    return page.locator(f".chip:has(b:text-is('{letter}'))")


def drag(page, letter, to, edge=None):
    """Drags a chip onto an element, or onto its upper or lower edge, with a mouse that trembles a little."""
    box, goal = chip(page, letter).bounding_box(), to.bounding_box()
    x, y = goal["x"] + goal["width"] / 2, goal["y"] + goal["height"] / 2
    y = {"before": goal["y"] - 1, "after": goal["y"] + goal["height"] + 1}.get(edge, y)
    page.mouse.move(box["x"] + 12, box["y"] + 12)
    page.mouse.down()
    page.mouse.move(box["x"] + 15, box["y"] + 13)
    page.mouse.move(x, y, steps=6)
    page.mouse.up()


def test_keyboard_alone_ranks_with_a_tie_and_submits(open_page, site):
    page = open_page()
    assert page.evaluate("document.activeElement.dataset.letter") == "A"
    for key in ["2", "1"]:
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.dataset.letter") == "C"
    page.keyboard.press("=")
    page.keyboard.press("f")  # the focus has gone on to D
    page.keyboard.press("ArrowUp")
    page.keyboard.press("h")
    order = seen(page)
    assert order == {"1": ["B", "C"], "2": ["A"]}
    assert "rank 1, tied with B" in card(page, "C").get_attribute("aria-label")
    assert "3 of 4 ranked" in page.locator("#missing").inner_text()
    page.keyboard.press("m")
    page.keyboard.type("1 is not a rank here")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    [judgement] = wait_saved(site, 1)
    assert stored(judgement) == order
    a, b, c, d = judgement["shown"]
    assert judgement["flags"] == {d: ["false_claim"], c: ["harmful"]}
    assert judgement["comment"] == "1 is not a rank here"
    assert judgement["moves"] == 3 and judgement["first_input_ms"] >= 0 and judgement["ui"] and len(judgement["guideline"]) == 12
    assert judgement["verdict"] is None and judgement["revises"] is None and judgement["text"] is None
    page.wait_for_selector('#task[data-item="i2"]')
    assert seen(page) == {}
    assert "Saved" in page.locator(".bar [data-state]").inner_text()


def test_every_tab_stop_is_reached_in_reading_order(open_page):
    page = open_page()
    stops = []
    for _ in range(40):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("(() => { const e = document.activeElement; return e.dataset.act || e.dataset.flag || e.className || e.tagName })()"))
    for expected in ["rank", "false_claim", "harmful", "card", "goto", "verdict", "keys"]:
        assert expected in stops, (expected, stops)
    tops = page.evaluate("[...document.querySelectorAll('.card')].map(c => c.getBoundingClientRect().top)")
    assert tops == sorted(tops)


def test_the_skip_link_keeps_the_page(open_page):
    page = open_page()
    page.keyboard.press("1")
    page.evaluate("window.same = true")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert page.url.endswith("#main") and page.evaluate("window.same") and seen(page) == {"1": ["A"]}
    page.go_back()
    assert page.evaluate("window.same") and seen(page) == {"1": ["A"]}


def test_keys_that_could_surprise_do_nothing(open_page, site):
    page = open_page()
    page.locator("h1").focus()
    page.keyboard.press("1")  # no answer is in focus: nothing is ranked
    assert seen(page) == {}
    page.keyboard.press("9")  # four answers: no rank 9
    assert seen(page) == {} and "1 to 4" in page.locator(".bar [data-state]").inner_text()
    page.keyboard.press("Enter")
    page.keyboard.press("?")
    page.keyboard.press("1")
    assert page.locator("dialog[open]").count() == 1 and seen(page) == {}
    page.locator("#keys-on").uncheck()
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    card(page, "A").focus()
    page.keyboard.press("1")
    assert seen(page) == {}, "single keys are off"
    assert site.judgements() == []


def test_clicks_rank_and_a_second_click_takes_it_back(open_page, site):
    page = open_page()
    card(page, "C").locator('[data-rank="1"]').click()
    card(page, "A").locator('[data-rank="2"]').click()
    card(page, "D").locator('[data-rank="2"]').click()
    card(page, "B").locator('[data-rank="3"]').click()
    card(page, "B").locator('[data-rank="3"]').click()
    page.get_by_label("clearly").check()
    order = seen(page)
    assert order == {"1": ["C"], "2": ["A", "D"]}
    page.locator(SUBMIT).click()
    [judgement] = wait_saved(site, 1)
    assert stored(judgement) == order and judgement["margin"] == 3


@pytest.mark.parametrize("touch", [False, True])
def test_drag_stores_the_order_that_was_seen(open_page, site, touch):
    page = open_page(has_touch=touch)
    row = lambda n: page.locator(f'.row[data-rank="{n}"]')  # noqa: E731
    if touch:
        finger_drag(page, "C", row(1))
    else:
        drag(page, "C", row(1))
    drag(page, "A", row(2))
    assert seen(page) == {"1": ["C"], "2": ["A"]}
    drag(page, "B", chip(page, "C"))  # onto another: a tie
    assert seen(page) == {"1": ["B", "C"], "2": ["A"]}
    drag(page, "D", row(1), "after")  # between: it makes room
    assert seen(page) == {"1": ["B", "C"], "2": ["D"], "3": ["A"]}
    drag(page, "B", page.locator(".tray"))
    drag(page, "A", row(1), "before")
    order = seen(page)
    assert order == {"1": ["A"], "2": ["C"], "3": ["D"]}
    page.locator(SUBMIT).click()
    [judgement] = wait_saved(site, 1)
    assert stored(judgement) == order


def finger_drag(page, letter, to):
    """The same by touch, through the browser's own input, so that scrolling could interfere if it were let."""
    box, goal = chip(page, letter).bounding_box(), to.bounding_box()
    client = page.context.new_cdp_session(page)
    points = [(box["x"] + 12, box["y"] + 12), (box["x"] + 2, box["y"]), (goal["x"] + 60, goal["y"] + goal["height"] / 2)]
    for kind, at in [("touchStart", 0), ("touchMove", 1), ("touchMove", 2)]:
        x, y = points[at]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_escape_gives_a_drag_up_and_a_click_on_a_chip_moves_nothing(open_page):
    page = open_page()
    box = chip(page, "A").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 10, box["y"] - 100, steps=4)
    page.keyboard.press("Escape")
    page.mouse.up()
    assert seen(page) == {}
    chip(page, "D").click()
    assert seen(page) == {} and page.evaluate("document.activeElement.dataset.letter") == "D"


def test_undo_goes_back_step_by_step(open_page):
    page = open_page()
    drag(page, "A", page.locator('.row[data-rank="1"]'))
    drag(page, "B", page.locator('.row[data-rank="1"]'), "before")
    assert seen(page) == {"1": ["B"], "2": ["A"]}
    page.keyboard.press("x")
    assert seen(page) == {}, "a verdict puts ranks away"
    page.keyboard.press("u")
    assert seen(page) == {"1": ["B"], "2": ["A"]}
    page.keyboard.press("Control+z")
    assert seen(page) == {"1": ["A"]}
    page.locator('[data-act="undo"]').click()
    assert seen(page) == {}
    assert page.locator('[data-act="undo"]').is_disabled()


def test_an_untouched_page_submits_nothing(open_page, site):
    page = open_page()
    assert page.locator(SUBMIT).is_disabled()
    assert "Rank at least two" in page.locator("#missing").inner_text()
    assert page.locator('[aria-pressed="true"], [data-flag]:checked').count() == 0
    page.keyboard.press("Enter")
    page.keyboard.press("Control+Enter")
    page.locator(SUBMIT).click(force=True)
    page.keyboard.press("2")
    assert page.locator(SUBMIT).is_disabled(), "one rank is no order"
    page.wait_for_timeout(300)
    assert site.judgements() == []


def test_skip_asks_why(open_page, site):
    page = open_page()
    page.keyboard.press("s")
    assert page.locator(SUBMIT).is_disabled() and "why" in page.locator("#missing").inner_text()
    page.keyboard.press("ArrowDown")
    page.locator("#why-text").fill("astronomy")
    page.locator(SUBMIT).click()
    [judgement] = wait_saved(site, 1)
    assert (judgement["verdict"], judgement["reason"], judgement["ranks"]) == ("skip", "topic: astronomy", {})


def test_texts_are_stored_as_written(open_page, site):
    site.items = ["write-1", "edit-1"]
    page = open_page()
    assert page.locator(SUBMIT).is_disabled()
    page.locator("#text").fill("Light, 1 2 3.\n\nx")
    page.locator("#text").press("Control+Enter")
    page.wait_for_selector('#task[data-kind="edit"]')
    assert page.locator(SUBMIT).is_disabled(), "nothing was changed"
    before = page.locator("#text").input_value()
    page.get_by_label("It is ideal as it is").check()
    page.locator(SUBMIT).click()
    first, second = wait_saved(site, 2)
    assert first["text"] == "Light, 1 2 3.\n\nx" and first["shown"] == [] and first["ranks"] == {}
    assert second["text"] == before and second["shown"] == ["edit-1-a0"]
