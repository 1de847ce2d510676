// The beginning: who we are, which view, and what happens meanwhile.
import { may, session, whoAmI } from "./api.js";
import { h, to, trouble } from "./dom.js";
import { again } from "./jobs.js";
import { oneSnapshot } from "./snapshot.js";
import { activity, destinations, disabled, oneDatabase, overview, settings, signIn, signOut, trash } from "./views.js";

const main = document.getElementById("main");
const VIEWS = [["Overview", [], "read"], ["Destinations", ["destinations"], "read"], ["Activity", ["activity"], "read"], ["Settings", ["settings"], "restore"]];
let turn = 0;
let listening = null;

const parts = () => location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decodeURIComponent);

function view([first, name, third, id]) {
  if (first === undefined) return ["Overview", overview()];
  if (first === "db" && third === "s") return [`${name}: snapshot`, oneSnapshot(name, id)];
  if (first === "db" && third === "trash") return [`${name}: trash`, trash(name)];
  if (first === "db") return [name, oneDatabase(name)];
  if (first === "destinations") return ["Destinations", destinations()];
  if (first === "activity") return ["Activity", activity()];
  if (first === "settings") return ["Settings", settings()];
  return ["Not found", Promise.resolve(h("div", { class: "card empty" }, h("strong", null, "There is nothing here"), h("p", null, h("a", { href: to() }, "Back to the overview"))))];
}

function frame() {
  const at = parts()[0] ?? "";
  const quiet = session.role === null || session.disabled;
  document.getElementById("home").href = to();
  document.getElementById("nav").replaceChildren(...(quiet ? [] : VIEWS.filter(([, , role]) => may(role)).map(([text, where]) => {
    const here = (where[0] ?? "") === at || (at === "db" && !where.length);
    return h("a", { href: to(...where), "aria-current": here ? "page" : null }, text);
  })));
  document.getElementById("who").replaceChildren(
    session.role ? h("span", { title: session.by }, `may ${{ read: "look", operate: "look and back up", restore: "do everything" }[session.role]}`) : "",
    session.sign_out ? h("button", { type: "button", class: "plain-button", onclick: async () => { await signOut(); draw(true); } }, "Sign out") :
      session.sign_in && session.role && session.role !== "restore" ? h("a", { href: to("sign-in") }, "Sign in") : "");
}

/** Draws the view that the address names. What is there stays until the new one is ready. */
async function draw(moved, focus = moved) {
  const mine = (turn += 1);
  frame();
  const place = parts();
  if (session.role === null || place[0] === "sign-in") {
    document.title = "Sign in · Lifeboat";
    main.replaceChildren(signIn(async () => { if (parts()[0] === "sign-in") history.replaceState(null, "", to()); start(true); }));
    main.setAttribute("aria-busy", "false");
    return;
  }
  if (session.disabled) {
    document.title = "No backups · Lifeboat";
    main.replaceChildren(disabled(session.disabled));
    main.setAttribute("aria-busy", "false");
    return;
  }
  main.setAttribute("aria-busy", "true");
  const waiting = moved && setTimeout(() => mine === turn && main.replaceChildren(h("div", { class: "card", "aria-label": "Loading" }, h("p", { class: "ghost" }), h("p", { class: "ghost" }), h("p", { class: "ghost" }))), 300);
  const [title, drawn] = view(place);
  let children;
  try {
    children = [await drawn].flat(Infinity).filter(Boolean);
  } catch (error) {
    children = [trouble(error), h("p", null, h("button", { type: "button", onclick: () => draw(true) }, "Try again"), " ", h("a", { class: "button", href: to() }, "Overview"))];
  }
  clearTimeout(waiting);
  if (mine !== turn) return;
  if (!moved && busy()) {
    refresh();
    return;
  }
  document.title = `${title} · Lifeboat`;
  main.replaceChildren(...children);
  main.setAttribute("aria-busy", "false");
  if (focus) {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

/** Somebody is in the middle of something, which must not vanish under their fingers. */
function busy() {
  const active = document.activeElement;
  return document.querySelector("dialog[open], details.more[open], #main :active") !== null
    || (main.contains(active) && active !== main && active.matches("input, select"));
}

/** Drawn anew when something happened, later if somebody is busy. */
let soon = null;
function refresh() {
  clearTimeout(soon);
  soon = setTimeout(() => {
    const long = parts()[0] === "db" && parts().length === 2 && scrollY > 500;
    if (long || parts()[2] === "s") return;
    if (busy()) refresh();
    else draw(false);
  }, 400);
}

function listen() {
  listening?.close();
  listening = new EventSource("api/v1/events");
  listening.addEventListener("happening", refresh);
}

async function start(focus = false) {
  try {
    await whoAmI();
  } catch (error) {
    main.replaceChildren(trouble(error), h("button", { type: "button", onclick: () => start(true) }, "Try again"));
    return;
  }
  // Whoever just came begins at the top; the way past it is the first thing there.
  await draw(true, focus);
  if (session.role && !session.disabled) {
    listen();
    again().catch(() => {});
  }
}

document.getElementById("skip").addEventListener("click", () => main.focus());
addEventListener("hashchange", () => draw(true));
document.addEventListener("draw", () => draw(false));
document.addEventListener("job-ended", refresh);
document.addEventListener("signed-out", () => { session.role = null; session.sign_out = false; whoAmI().finally(() => draw(true)); });
document.addEventListener("click", (event) => {
  const open = document.querySelector("details.more[open]");
  if (open && !open.contains(event.target)) open.open = false;
});
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && document.querySelector("details.more[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});
start();
