"""Drives the page in Chromium, as a person would.

    drive.py URL TOKEN [DISABLED_URL]

The database is called app. What is found wrong ends it with a message. With
SCREENSHOTS=DIRECTORY it leaves pictures there.
"""

import os
import re
import sys

from playwright.sync_api import expect, sync_playwright

URL, TOKEN = sys.argv[1], sys.argv[2]
DISABLED = sys.argv[3] if len(sys.argv) > 3 else None
SHOTS = os.environ.get("SCREENSHOTS")
PATIENCE = 60_000

expect.set_options(timeout=PATIENCE)


def shot(page, name):
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png")


def named(page):
    """Everything that can be used has a name, and the page has its landmarks."""
    for element in page.query_selector_all("button, a, input, select"):
        name = element.evaluate(
            "e => (e.getAttribute('aria-label') || e.textContent || e.title || "
            "(e.id && document.querySelector(`label[for=${e.id}]`)?.textContent) || "
            "e.closest('label')?.textContent || '').trim()")
        assert name, element.evaluate("e => e.outerHTML")
    for landmark in ("header", "main", "nav[aria-label]"):
        assert page.query_selector(landmark), landmark
    assert len(page.query_selector_all("h1")) == 1, "one heading says what it is"


def sign_in(page):
    page.goto(URL)
    field = page.get_by_label("Token")
    expect(field).to_be_focused()
    field.fill("this is not the one")
    field.press("Enter")
    expect(page.get_by_text("This token is not known.")).to_be_visible()
    shot(page, "sign-in")
    field.fill(TOKEN)
    field.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert TOKEN not in page.content() and TOKEN not in page.evaluate("document.cookie")


def back_up(page):
    before = page.locator("ol.timeline > li").count()
    page.get_by_role("button", name="Back up now").first.click()
    job = page.get_by_label(re.compile("^Backup of app")).first
    expect(job).to_be_visible()
    expect(page.get_by_text(re.compile("Saved; .* sent|Nothing has changed")).first).to_be_visible()
    return before


def with_a_note(page):
    page.locator("details.more summary").click()
    page.get_by_role("button", name="Back up with a note").click()
    expect(page.get_by_label("What for")).to_be_focused()
    page.keyboard.type("before the release")
    page.keyboard.press("Enter")
    expect(page.locator("ol.timeline").get_by_text("before the release").first).to_be_visible()


def one_snapshot(page):
    # The one of the button: the one with the note has the same rows.
    page.locator("ol.timeline a.when").nth(1).click()
    expect(page.get_by_role("heading", level=1, name=re.compile("Today|Yesterday"))).to_be_visible()
    named(page)
    page.get_by_role("button", name="Count the rows").click()
    row = page.get_by_role("row", name=re.compile(r"^t\b"))
    expect(row).to_be_visible()
    shot(page, "snapshot")
    return row.inner_text()


def restore_to_a_file(page):
    page.get_by_role("button", name="Restore…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("State of")).to_be_visible()
    dialog.get_by_label("Name of the new file").fill("looked-at.db")
    dialog.get_by_role("button", name="Restore", exact=True).click()
    expect(dialog.get_by_text("The new file is ready.")).to_be_visible()
    path = dialog.locator("dd code").first.inner_text()
    dialog.get_by_role("button", name="Close").click()
    # A second one of that name overwrites nothing.
    page.get_by_role("button", name="Restore…").click()
    dialog.get_by_label("Name of the new file").fill("looked-at.db")
    expect(dialog.get_by_text("There is a file of this name already")).to_be_visible()
    expect(dialog.get_by_role("button", name="Restore", exact=True)).to_be_disabled()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    return path


def restore_in_place(page):
    page.get_by_role("button", name="Restore…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Over the database in use").check()
    go = dialog.get_by_role("button", name="Replace the database")
    field = dialog.get_by_label(re.compile("to confirm"))
    expect(field).to_be_visible()
    expect(go).to_be_disabled()
    field.fill("ap")
    expect(go).to_be_disabled()
    field.fill("app")
    expect(go).to_be_enabled()
    shot(page, "restore")
    go.click()
    expect(dialog.get_by_text("The database was restored.")).to_be_visible()
    expect(dialog.get_by_text("lifeboat restore --undo")).to_be_visible()
    shot(page, "restored")
    dialog.get_by_role("button", name="Close").click()


def pin_and_forget(page):
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_role("button", name="Unpin")).to_be_visible()
    page.get_by_role("button", name="Unpin").click()
    expect(page.get_by_role("button", name="Pin", exact=True)).to_be_visible()
    page.get_by_role("button", name="Forget…").click()
    dialog = page.get_by_role("dialog")
    go = dialog.get_by_role("button", name="Forget this snapshot")
    expect(go).to_be_disabled()
    dialog.get_by_label(re.compile("to confirm")).fill("app")
    go.click()
    back = page.get_by_role("button", name="Bring back")
    expect(back).to_have_count(1)
    shot(page, "trash")
    back.click()
    expect(back).to_have_count(0)


def download(page):
    with page.expect_download(timeout=PATIENCE) as arriving:
        page.get_by_role("button", name="Download").click()
        page.get_by_role("link", name=re.compile("^Save app_")).click()
    path = arriving.value.path()
    with open(path, "rb") as file:
        assert file.read(16) == b"SQLite format 3\0"


def prove(page):
    for name, ending in [("Drill: restore the latest", "Passed: the latest"),
                         ("Check: read every byte", "All is well")]:
        page.locator("details.more summary").click()
        page.get_by_role("button", name=name).click()
        expect(page.get_by_text(ending).first).to_be_visible()
    page.locator("details.more summary").click()
    page.get_by_role("button", name="Repair…").click()
    page.get_by_role("dialog").get_by_role("button", name="Look").click()
    expect(page.get_by_text("There is nothing to repair.")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Close").click()


def by_keyboard(page):
    page.goto("about:blank")
    page.goto(URL)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Tab")
        inside = page.evaluate("document.querySelector('main').contains(document.activeElement)")
        assert inside, "the focus goes on from there"


def narrow(context):
    page = context.new_page()
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    for view in ("", "#/db/app", "#/destinations", "#/activity", "#/settings"):
        page.goto("about:blank")
        page.goto(URL + view)
        expect(page.locator("main[aria-busy=false] h1")).to_be_visible()
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 360, f"{view}: {wide} wide"
        named(page)
        if view == "#/db/app":
            shot(page, "narrow")
    page.close()


def disabled(context):
    page = context.new_page()
    page.goto(DISABLED)
    expect(page.get_by_role("heading", name="No backups are made here")).to_be_visible()
    expect(page.get_by_role("heading", name="What protects the data instead")).to_be_visible()
    assert page.locator("main button, nav#nav a").count() == 0, "and nothing else"
    shot(page, "disabled")
    page.close()


def main():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync",
                  "--disable-background-networking", "--disable-component-update"])
        context = browser.new_context(viewport={"width": 1180, "height": 860}, locale="en-GB")
        context.set_default_timeout(PATIENCE)
        troubles = []
        context.on("weberror", lambda error: troubles.append(str(error.error)))
        context.on("request", lambda request: troubles.append(request.url)
                   if not request.url.startswith(("http://127.0.0.1", "blob:", "data:")) else None)
        context.on("console", lambda line: troubles.append(line.text)
                   if line.type == "error" and "401" not in line.text
                   and "409" not in line.text else None)
        page = context.new_page()
        sign_in(page)
        named(page)
        back_up(page)
        page.goto(URL + "#/db/app")
        expect(page.locator("ol.timeline > li").first).to_be_visible()
        named(page)
        with_a_note(page)
        shot(page, "database")
        row = one_snapshot(page)
        print("rows:", " ".join(row.split()))
        print("restored:", restore_to_a_file(page))
        restore_in_place(page)
        download(page)
        pin_and_forget(page)
        page.goto(URL + "#/db/app")
        expect(page.locator("ol.timeline > li").first).to_be_visible()
        prove(page)
        page.goto(URL + "#/destinations")
        expect(page.get_by_text("Works", exact=True).first).to_be_visible()
        shot(page, "destinations")
        page.goto(URL + "#/settings")
        expect(page.get_by_text("http.listen").first).to_be_visible()
        assert TOKEN not in page.content(), "a secret is shown"
        page.goto(URL + "#/activity")
        expect(page.get_by_role("heading", name="Who did what")).to_be_visible()
        shot(page, "activity")
        by_keyboard(page)
        shot(page, "overview")
        narrow(context)
        if DISABLED:
            disabled(context)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert not troubles, troubles
        browser.close()
    print("all is well")


main()
