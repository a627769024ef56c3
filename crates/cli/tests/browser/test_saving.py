"""Nothing is lost, nothing is stored twice, and the words near the button say how it stands."""

import json
from urllib.parse import quote

import pytest
from test_ranking import SUBMIT, card, seen, stored, wait, wait_saved


def rank_two(page):
    card(page, "A").focus()
    page.keyboard.press("1")
    page.keyboard.press("2")


def state(page, words):
    page.wait_for_function("words => [...document.querySelectorAll('[data-state]')].some(e => e.textContent.includes(words))", arg=words)


def revise_url(judgement):
    """The address under which a judgement is changed."""
    return "/task?revise=" + quote(judgement, safe="")


def outbox(page):
    return page.evaluate("Object.keys(localStorage).filter(k => k.startsWith('trimtab.out.')).length")


def test_a_cut_in_the_middle_of_a_save_stores_once(open_page, site):
    page = open_page()
    page.wait_for_timeout(300)  # the next task is fetched
    cut = []

    def lose(route):
        # The server gets it and stores it; the answer is lost on the way.
        cut.append(route.fetch().status)
        route.abort("connectionreset")

    page.route("**/api/judgements", lose)
    rank_two(page)
    order = seen(page)
    page.locator(SUBMIT).click()
    page.wait_for_selector('#task[data-item="i2"]')
    state(page, "No network: will send 1")
    assert cut[0] == 200 and len(site.judgements()) == 1 and outbox(page) == 1
    page.unroute("**/api/judgements")
    state(page, "Saved")
    assert outbox(page) == 0
    [judgement] = site.judgements()
    assert stored(judgement) == order


def test_work_goes_on_without_network_and_is_sent_later(open_page, site):
    page = open_page()
    page.wait_for_timeout(300)
    page.context.set_offline(True)
    rank_two(page)
    page.keyboard.press("Enter")
    page.wait_for_selector('#task[data-item="i2"]')
    state(page, "No network: will send 1")
    rank_two(page)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Waiting for the next task")
    state(page, "No network: will send 2")
    page.context.set_offline(False)
    page.wait_for_selector('#task[data-item="i3"]')
    assert [j["item"] for j in wait_saved(site, 2)] == ["i1", "i2"]


def test_a_closed_tab_sends_when_it_is_opened_again(open_page, site):
    page = open_page()
    page.wait_for_timeout(300)
    page.route("**/api/judgements", lambda route: route.abort())
    rank_two(page)
    page.keyboard.press("Enter")
    state(page, "No network")
    page.unroute("**/api/judgements")
    page.goto("about:blank")
    page.goto(site.url + "/task")
    wait_saved(site, 1)
    page.wait_for_selector('#task[data-item="i2"]')


def test_a_full_server_is_said_and_retried(open_page, site):
    page = open_page()
    page.wait_for_timeout(300)
    body = json.dumps({"error": {"code": "store", "message": "the disk is full"}})
    page.route("**/api/judgements", lambda r: r.fulfill(status=503, body=body, headers={"Retry-After": "1"}, content_type="application/json"))
    rank_two(page)
    page.keyboard.press("Enter")
    state(page, "The server cannot store now; kept on this device, will send 1")
    page.unroute("**/api/judgements")
    state(page, "Saved")
    wait_saved(site, 1)


@pytest.mark.parametrize("kind,body", [("text/html", "<html>Welcome to our hotel"), ("application/json", "{}")])
def test_a_sign_in_page_in_between_is_no_answer(open_page, site, kind, body):
    page = open_page()
    page.wait_for_timeout(300)
    page.route("**/api/judgements", lambda r: r.fulfill(status=200, body=body, content_type=kind))
    rank_two(page)
    page.keyboard.press("Enter")
    state(page, "will send 1")
    page.unroute("**/api/judgements")
    wait_saved(site, 1)


def test_a_refused_judgement_stays_in_sight(open_page, site):
    page = open_page()
    page.wait_for_timeout(300)
    body = json.dumps({"error": {"code": "key_reused", "message": "the key <b>was</b> used"}})
    page.route("**/api/judgements", lambda r: r.fulfill(status=409, body=body, content_type="application/json"))
    rank_two(page)
    page.keyboard.press("Enter")
    page.wait_for_selector("#refused:not([hidden])")
    assert "Refused: the key <b>was</b> used" in page.locator("#refused").inner_text()
    state(page, "Refused: 1")
    box = page.locator("#refused").bounding_box()
    assert 0 <= box["y"] < 200, "in sight"
    page.unroute("**/api/judgements")
    page.reload()
    page.wait_for_selector("#refused:not([hidden])")
    assert page.locator("#refused").is_visible() and site.judgements() == []
    page.get_by_role("button", name="Discard").click()
    assert outbox(page) == 0 and not page.locator("#refused").is_visible()


def test_signed_out_keeps_and_another_person_does_not_send(open_page, site):
    page = open_page("ada")
    page.wait_for_timeout(300)
    rank_two(page)
    page.context.clear_cookies()
    page.keyboard.press("Enter")
    state(page, "Signed out: 1 kept on this device")
    site.sign_in(page.context, "grace")
    page.goto(site.url + "/task")
    page.wait_for_timeout(500)
    assert site.judgements() == [] and outbox(page) == 1
    site.sign_in(page.context, "ada")
    page.goto(site.url + "/task")
    [judgement] = wait_saved(site, 1)
    assert judgement["person"] == "ada"


def test_reload_keeps_the_draft(open_page, site):
    page = open_page()
    rank_two(page)
    page.keyboard.press("f")
    page.locator("#comment").fill("half done")
    state(page, "Draft kept on this device")
    order = seen(page)
    page.reload()
    state(page, "Your draft is back")
    assert seen(page) == order
    assert page.locator("#comment").input_value() == "half done"
    assert card(page, "C").locator('[data-flag="false_claim"]').is_checked()
    page.locator(SUBMIT).click()
    [judgement] = wait_saved(site, 1)
    assert stored(judgement) == order and judgement["moves"] == 2


def test_an_expired_lease_is_said_and_the_work_accepted(open_page, site):
    site.end_leases_soon()
    page = open_page()
    page.wait_for_selector("#expired:not([hidden])")
    rank_two(page)
    page.keyboard.press("Enter")
    state(page, "after the time set aside")
    [judgement] = wait_saved(site, 1)
    assert judgement["late"] is True


def test_the_clock_of_the_device_does_not_expire_a_lease(open_page, site):
    page = open_page(None, site.outside)
    page.add_init_script("const real = Date.now; Date.now = () => real() + 7200000;")
    site.sign_in(page.context, "ada")
    page.goto(site.url + "/task")
    page.wait_for_timeout(2500)
    assert not page.locator("#expired").is_visible()


def test_back_opens_the_last_one_as_a_revision(open_page, site):
    page = open_page()
    page.wait_for_timeout(300)
    rank_two(page)
    page.keyboard.press("Enter")
    state(page, "Saved")
    first = site.judgements()[0]["judgement"]
    page.go_back()
    page.wait_for_selector("#task[data-revises] .row .chip")
    assert page.url == site.url + revise_url(first) and seen(page) == {"1": ["A"], "2": ["B"]}
    card(page, "B").locator('[data-rank="1"]').click()
    page.locator(SUBMIT).click()
    page.wait_for_selector('#task[data-item="i2"]')
    wait(lambda: site.judgements()[0]["revises"] == first)
    [judgement] = site.judgements()
    assert stored(judgement) == {"1": ["A", "B"]}
    page.keyboard.press("b")
    page.wait_for_selector(f'#task[data-revises="{judgement["judgement"]}"]')


def test_back_waits_for_a_save_under_way(open_page, site):
    page = open_page()
    page.wait_for_timeout(300)
    on_their_way = []
    page.route("**/api/judgements", lambda route: on_their_way.append(route))
    rank_two(page)
    page.keyboard.press("Enter")
    page.wait_for_selector('#task[data-item="i2"]')
    page.keyboard.press("b")
    page.wait_for_timeout(100)
    on_their_way.pop().continue_()
    page.wait_for_selector("#task[data-revises]")
    [judgement] = site.judgements()
    assert page.locator("#task").get_attribute("data-revises") == judgement["judgement"]


def test_back_while_unsent_sends_nothing_twice(open_page, site):
    page = open_page()
    page.wait_for_timeout(300)
    page.route("**/api/judgements", lambda route: route.abort())
    rank_two(page)
    page.keyboard.press("Enter")
    page.wait_for_selector('#task[data-item="i2"]')
    rank_two(page)
    page.evaluate("history.back()")
    page.wait_for_timeout(500)
    assert page.locator("#task").get_attribute("data-item") == "i2" and seen(page) == {"1": ["A"], "2": ["B"]}
    state(page, "not sent yet")
    page.unroute("**/api/judgements")
    page.keyboard.press("Enter")
    assert [j["item"] for j in wait_saved(site, 2)] == ["i1", "i2"]


def test_only_active_time_counts_and_the_lease_is_kept_while_it_runs(open_page, site):
    page = open_page(None, site.outside)
    page.clock.install()
    site.sign_in(page.context, "ada")
    beats = []
    page.on("request", lambda request: beats.append(request.post_data) if "heartbeat" in request.url else None)
    page.goto(site.url + "/task")
    page.clock.run_for(10_000)
    rank_two(page)
    page.clock.run_for(55_000)  # half a minute of it counts
    lease = page.locator("#task").get_attribute("data-lease")
    assert beats == [json.dumps({"lease": lease}, separators=(",", ":"))]
    page.clock.run_for(300_000)  # nobody is there
    assert len(beats) == 1
    page.keyboard.press("Enter")
    [judgement] = wait_saved(site, 1)
    assert 36_000 <= judgement["active_ms"] <= 44_000, judgement["active_ms"]
    assert 9_000 <= judgement["first_input_ms"] <= 13_000


def test_two_people_on_the_same_items(open_page, site):
    pages = [open_page("ada"), open_page("grace")]
    for page in pages:
        rank_two(page)
    for page in pages:
        page.keyboard.press("Enter")
    found = wait_saved(site, 2)
    assert {j["person"] for j in found} == {"ada", "grace"} and {j["item"] for j in found} == {"i1"}


def test_two_tabs_of_one_person_store_once(open_page, site):
    first = open_page()
    second = first.context.new_page()
    second.goto(site.url + "/task")
    for page in (first, second):
        rank_two(page)
    first.bring_to_front()
    first.keyboard.press("Enter")
    wait_saved(site, 1)
    second.bring_to_front()
    second.keyboard.press("Enter")
    second.wait_for_selector("#refused:not([hidden])")
    assert len(site.judgements()) == 1


def test_the_last_task_leads_to_a_page_that_says_so(open_page, site):
    site.items = ["i1"]
    page = open_page()
    rank_two(page)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=All done")
    wait_saved(site, 1)


def test_a_browser_that_keeps_nothing_says_so(open_page, site):
    page = open_page(None, site.outside)
    page.add_init_script("Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }")
    site.sign_in(page.context, "ada")
    page.goto(site.url + "/task")
    rank_two(page)
    state(page, "this tab only")
    page.keyboard.press("Enter")
    wait_saved(site, 1)
