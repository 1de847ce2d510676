// The views: overview, a database, its trash, destinations, activity, settings.
import { database, get, may, post, remove, session, snapshot, whoAmI } from "./api.js";
import { chart, legend } from "./chart.js";
import { facts, h, link, note, say, sign, time, to, trouble } from "./dom.js";
import { backUp, begin, complain, repair } from "./dialogs.js";
import { jobRow } from "./jobs.js";
import { ago, bytes, clock, count, day, LEVELS, plural, sentence, TRIGGERS } from "./words.js";

export const health = (level) => h("span", { class: `health ${level}` }, sign(level), LEVELS[level]);

export const reasons = (info) =>
  info.reasons.length ? h("ul", { class: `reasons ${info.status}` }, info.reasons.map((reason) => h("li", null, sentence(reason)))) : null;

/** A button, or the reason why there is none. */
export function button(role, text, act, kind = "") {
  const allowed = may(role);
  return h("button", {
    type: "button", class: kind, "aria-disabled": allowed ? null : "true",
    title: allowed ? null : `This needs the role ${role}; yours is ${session.role}.`,
    onclick: () => allowed ? act() : say(`This needs the role ${role}; yours is ${session.role}.`),
  }, text);
}

function proof(info) {
  if (!info.verified_at && !info.drilled_at) return h("span", { class: "quiet" }, "not yet");
  const drilled = info.drilled_at && (!info.verified_at || info.drilled_at >= info.verified_at);
  return drilled ? h("span", null, "restored and tested ", time(info.drilled_at)) : h("span", null, "every byte read ", time(info.verified_at));
}

const next = (info) => info.running ? h("span", { class: "chip sea" }, `${info.running} running`) : info.health.next_scheduled ? time(info.health.next_scheduled) : h("span", { class: "quiet" }, "no schedule here");

const common = (info) => [
  ["Last backup", time(info.health.last_backup)],
  ["Next", next(info)],
  ["Last proof", proof(info)],
  ["Lies on", info.destinations.length ? info.destinations.join(", ") : h("span", { class: "quiet" }, "nowhere yet")],
];

/** Backups are disabled: why, what protects the data instead, and nothing else. */
export function disabled(why) {
  return h("section", { class: "calm" },
    h("div", { class: "card" },
      h("h1", null, "No backups are made here"),
      h("p", null, sentence(why.reason), "."),
      h("h2", null, "What protects the data instead"),
      h("p", null, "Only what others do: whoever keeps the database or the disk that it lies on, or backups that run elsewhere. Nothing is touched from here, and what the application does goes on as ever."),
      h("h2", null, "To have backups here"),
      h("p", null, sentence(why.hint), ".")));
}

export async function overview() {
  const { databases } = await get("databases");
  if (!databases.length) {
    return [h("div", { class: "lead" }, h("h1", null, "Overview")),
      h("div", { class: "card empty" }, h("strong", null, "No database yet"), h("p", null, "Name one in the settings, under ", h("code", null, "[[database]]"), "; it appears here with its first backup."))];
  }
  const bad = databases.filter((one) => one.health.status !== "healthy");
  const oldest = databases.map((one) => one.health.last_backup).sort((a, b) => (a ?? "").localeCompare(b ?? ""))[0];
  const line = bad.length === 0
    ? `${databases.length === 1 ? "It" : `All ${databases.length} databases`} can be restored${oldest ? `; the oldest backup is from ${ago(oldest)}` : ""}.`
    : bad.length === databases.length
      ? databases.length === 1 ? "It needs a look." : `All ${databases.length} databases need a look.`
      : `${count(bad.length)} of ${plural(databases.length, "database")} ${bad.length === 1 ? "needs" : "need"} a look; the ${databases.length - bad.length === 1 ? "other" : "others"} can be restored.`;
  const order = ["critical", "warning", "healthy"];
  databases.sort((a, b) => order.indexOf(a.health.status) - order.indexOf(b.health.status) || a.database.localeCompare(b.database));
  return [
    h("div", { class: "lead" }, h("div", null, h("h1", null, "Overview"), h("p", { class: "quiet" }, line))),
    h("div", { class: "grid" }, databases.map(card)),
  ];
}

function card(info) {
  return h("section", { class: "card", "aria-label": info.database },
    h("header", null, h("h2", null, link(["db", info.database], info.database)), health(info.health.status)),
    reasons(info.health),
    facts([...common(info), ["Size", info.size === null ? "unknown" : `${bytes(info.size)}; ${plural(info.snapshots, "snapshot")} in ${bytes(info.stored_bytes)}`]]),
    info.history.length ? [chart(info.history), legend()] : null,
    h("div", { class: "end" }, button("operate", "Back up now", () => begin(database(info.database, "backups")), "main-button"),
      h("a", { class: "button", href: to("db", info.database) }, "Snapshots")));
}

function lead(info) {
  const menu = (text, role, act) => button(role, text, () => { document.querySelector("details.more").open = false; act(); });
  return h("div", { class: "lead" },
    h("div", null, h("p", { class: "crumbs" }, link([], "Overview"), " ›"), h("h1", null, info.database), h("p", null, health(info.health.status))),
    h("div", { class: "actions" },
      button("operate", "Back up now", () => begin(database(info.database, "backups")), "main-button"),
      h("details", { class: "more" }, h("summary", { class: "button", "aria-label": "More actions" }, "More"),
        h("div", null,
          menu("Back up with a note…", "operate", () => backUp(info.database)),
          menu("Check: is everything there?", "operate", () => begin(database(info.database, "check"), { read_data: false })),
          menu("Check: read every byte", "operate", () => begin(database(info.database, "check"), { read_data: true })),
          menu("Drill: restore the latest and test it", "operate", () => begin(database(info.database, "drill"))),
          menu("Repair…", "restore", () => repair(info.database))))));
}

const tabs = (name, at) =>
  h("nav", { class: "tabs", "aria-label": "Parts of this database" },
    [["Snapshots", ["db", name]], ["Trash", ["db", name, "trash"]]].map(([text, parts]) =>
      h("a", { href: to(...parts), "aria-current": at === text ? "page" : null }, text)));

export async function oneDatabase(name) {
  const info = await get(database(name));
  const filter = { trigger: "", pinned: null };
  const list = h("div", { class: "days", "aria-busy": "true" });
  const load = async (before = null) => {
    list.setAttribute("aria-busy", "true");
    try {
      const page = await get(database(name, "snapshots"), { limit: 60, before, ...filter });
      if (!before) list.replaceChildren();
      list.querySelector(".load-more")?.remove();
      timeline(list, page.snapshots);
      if (page.next) list.append(h("p", { class: "load-more" }, h("button", { type: "button", onclick: () => load(page.next) }, "Show older ones")));
      if (!page.total) list.replaceChildren(h("div", { class: "empty" }, h("strong", null, filter.trigger || filter.pinned ? "None of this kind" : "No snapshot yet"), h("p", null, filter.trigger || filter.pinned ? "Other snapshots may be there." : "The first backup makes one.")));
    } catch (error) {
      list.replaceChildren(trouble(error));
    }
    list.setAttribute("aria-busy", "false");
  };
  const kinds = h("select", { id: "kind", onchange: (event) => { filter.trigger = event.target.value; load(); } },
    h("option", { value: "" }, "all"), Object.entries(TRIGGERS).map(([value, text]) => h("option", { value }, text.toLowerCase())));
  const pinned = h("input", { type: "checkbox", id: "pinned", onchange: (event) => { filter.pinned = event.target.checked || null; load(); } });
  const view = [
    lead(info),
    h("section", { class: "card", "aria-label": "How it is" },
      reasons(info.health),
      facts([...common(info),
        info.schedule && ["Schedule", info.schedule],
        ["Size", info.size === null ? "unknown" : bytes(info.size)],
        ["Snapshots", `${count(info.snapshots)} in ${bytes(info.stored_bytes)}`]], true),
      info.history.length ? [chart(info.history, true), legend()] : null),
    h("section", { class: "card", "aria-label": "Snapshots" }, tabs(name, "Snapshots"),
      h("div", { class: "filters" }, h("label", { for: "kind" }, "Made "), kinds, h("label", { for: "pinned" }, "Pinned only "), pinned), list),
  ];
  await load();
  return view;
}

function timeline(list, snapshots) {
  let last = [...list.querySelectorAll(".day")].at(-1)?.textContent;
  for (const one of snapshots) {
    const date = day(one.taken_at);
    if (date !== last) {
      list.append(h("h3", { class: "day" }, date), h("ol", { class: "timeline" }));
      last = date;
    }
    list.lastElementChild.append(item(one));
  }
}

export const kept = (one) => one.pinned ? [] : one.kept_because;

function item(one) {
  return h("li", { class: one.damage ? "hurt" : one.verified_at || one.drilled_at ? "whole" : null, "data-snapshot": one.snapshot_id },
    h("div", { class: "row" },
      h("a", { class: "when", href: to("db", one.database, "s", one.snapshot_id), title: one.snapshot_id, "aria-label": `Snapshot of ${clock(one.taken_at)}` }, clock(one.taken_at)),
      h("div", { class: "what" }, one.description || TRIGGERS[one.trigger] || one.trigger,
        h("div", { class: "chips" },
          one.damage && h("span", { class: "chip bad" }, `Damaged: ${one.damage}`),
          one.pinned && h("span", { class: "chip sea" }, "pinned"),
          one.drilled_at && h("span", { class: "chip ok", title: `drilled ${ago(one.drilled_at)}` }, "restored and tested"),
          one.verified_at && h("span", { class: "chip ok", title: `verified ${ago(one.verified_at)}` }, "every byte read"),
          one.fork && h("span", { class: "chip warn" }, "made apart from another"),
          Object.entries(one.tags).map(([name, value]) => h("span", { class: "chip" }, value ? `${name}: ${value}` : name)),
          kept(one).map((why) => h("span", { class: "chip" }, why)))),
      h("div", { class: "added", title: `The database had ${bytes(one.size)}` }, `+${bytes(one.bytes_added)}`)));
}

export async function trash(name) {
  const info = await get(database(name));
  const { snapshots } = await get(database(name, "trash"));
  const back = async (one, event) => {
    event.target.disabled = true;
    try {
      await post(snapshot(name, one.snapshot_id, "undelete"));
      say("The snapshot is back.");
      event.target.closest("tr").remove();
      // The view may have been drawn again meanwhile, from before.
      document.dispatchEvent(new Event("draw"));
    } catch (error) {
      event.target.disabled = false;
      complain(error);
    }
  };
  return [lead(info), h("section", { class: "card", "aria-label": "Trash" }, tabs(name, "Trash"),
    snapshots.length
      ? h("div", { class: "table-box" }, h("table", null,
        h("thead", null, h("tr", null, ["Taken", "Forgotten", "Stays until", "Size", ""].map((text) => h("th", { scope: "col" }, text)))),
        h("tbody", null, snapshots.map((one) => h("tr", { "data-snapshot": one.snapshot_id }, h("td", null, time(one.taken_at)), h("td", null, time(one.forgotten_at)),
          h("td", null, one.until ? time(one.until) : "the next clean-up"), h("td", null, bytes(one.size)),
          h("td", { class: "n" }, may("operate") ? h("button", { type: "button", onclick: (event) => back(one, event) }, "Bring back") : null))))))
      : h("div", { class: "empty" }, h("strong", null, "The trash is empty"), h("p", null, "What is forgotten stays here for a while, and can be brought back.")))];
}

export async function destinations() {
  const { destinations: all } = await get("destinations");
  const parts = { primary: "The first choice", fallback: "For when the primary does not work", mirror: "Gets every snapshot as well" };
  return [h("div", { class: "lead" }, h("div", null, h("h1", null, "Destinations"), h("p", { class: "quiet" }, "Where the snapshots lie, in the order in which they are tried."))),
    h("div", { class: "grid" }, all.map((one) => h("section", { class: "card", "aria-label": one.name },
      h("header", null, h("h2", null, one.name), h("span", { class: `health ${one.works ? "healthy" : "critical"}` }, sign(one.works ? "healthy" : "critical"), one.works ? "Works" : "Does not work")),
      one.trouble && h("ul", { class: "reasons critical" }, h("li", null, sentence(one.trouble))),
      facts([
        ["Part", h("span", null, sentence(one.role), h("span", { class: "quiet" }, ` · ${parts[one.role] ?? ""}`))],
        ["Place", h("code", null, one.place)],
        ["Encrypted", one.encrypted === null ? "unknown" : one.encrypted ? "yes" : "no"],
        ["Databases", one.databases.length ? one.databases.map((name, at) => [at ? ", " : "", link(["db", name], name)]) : h("span", { class: "quiet" }, "none yet")],
      ]))))];
}

export async function activity() {
  const { jobs } = await get("jobs");
  const entries = may("restore") ? (await get("audit", { limit: 200 })).entries : null;
  const table = (titles, rows) => h("div", { class: "table-box" }, h("table", null, h("thead", null, h("tr", null, titles.map((text) => h("th", { scope: "col" }, text)))), h("tbody", null, rows)));
  return [h("div", { class: "lead" }, h("div", null, h("h1", null, "Activity"), h("p", { class: "quiet" }, "What was asked for here. The schedule's own backups stand with each database."))),
    h("section", { class: "card", "aria-label": "Work" }, h("h2", null, "Work"),
      jobs.length ? table(["Begun", "What", "Database", "By", "Outcome"], jobs.map((job) => jobRow(job, time))) : h("p", { class: "quiet" }, "Nothing was asked for since the start.")),
    entries && h("section", { class: "card", "aria-label": "Audit log" }, h("h2", null, "Who did what"),
      entries.length ? table(["When", "Who", "What", "Database", "Outcome"], entries.map((one) => h("tr", null,
        h("td", null, time(one.at)), h("td", null, one.by, one.from && h("span", { class: "quiet" }, ` from ${one.from}`)), h("td", null, one.action),
        h("td", null, one.database ? link(["db", one.database], one.database) : ""), h("td", null, one.outcome, one.detail && h("span", { class: "quiet" }, `: ${one.detail}`)))))
        : h("p", { class: "quiet" }, "Nothing yet."))];
}

export async function settings() {
  if (!may("restore")) return note("", "The settings are for the role restore.", h("p", null, `Yours is ${session.role}.`));
  const { settings: all } = await get("configuration");
  return [h("div", { class: "lead" }, h("div", null, h("h1", null, "Settings"), h("p", { class: "quiet" }, "What is in use, and who said so. Secrets are masked; nothing can be changed here."))),
    h("section", { class: "card", "aria-label": "Settings" }, h("div", { class: "table-box" }, h("table", null,
      h("thead", null, h("tr", null, ["Setting", "Value", "From"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", null, all.map((one) => h("tr", null, h("td", null, h("code", null, one.setting)), h("td", null, h("code", null, one.value)), h("td", { class: "quiet" }, one.origin)))))))];
}

export function signIn(then) {
  const field = h("input", { type: "password", id: "token", autocomplete: "current-password", required: true });
  const wrong = h("div", { "aria-live": "assertive" });
  const form = h("form", { class: "card" }, h("h1", null, "Sign in"),
    session.sign_in
      ? [h("p", { class: "quiet" }, "With a token from the settings of this machine."),
        h("label", { class: "field", for: "token" }, "Token", field), wrong, h("div", { class: "actions" }, h("button", { class: "main-button", type: "submit" }, "Sign in"))]
      : h("p", null, "There is no token, and you are not on this machine. Whoever runs Lifeboat can set ", h("code", null, "http.token_file"), "."));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    wrong.replaceChildren();
    try {
      await post("session", { token: field.value });
      await whoAmI();
      then();
    } catch (error) {
      wrong.replaceChildren(note("bad", error.status === 401 ? "This token is not known." : error.message));
      field.select();
    }
  });
  queueMicrotask(() => field.isConnected && field.focus());
  return h("section", { class: "calm" }, form);
}

export async function signOut() {
  await remove("session");
  await whoAmI();
}
