// One snapshot: facts, rows, and what can be done with it.
import { get, may, post, snapshot } from "./api.js";
import { facts, h, link, note, say, time, to, trouble } from "./dom.js";
import { begin, complain, forget, restore } from "./dialogs.js";
import { bar, follow } from "./jobs.js";
import { bytes, clock, count, day, exact, plural, sentence, TRIGGERS } from "./words.js";
import { button, kept } from "./views.js";

export async function oneSnapshot(name, id) {
  const info = await get(snapshot(name, id));
  const pin = async () => {
    try {
      await post(snapshot(name, info.snapshot_id, info.pinned ? "unpin" : "pin"));
      say(info.pinned ? "Unpinned." : "Pinned: no policy forgets it.");
      document.dispatchEvent(new Event("draw"));
    } catch (error) {
      complain(error);
    }
  };
  const neighbour = (which, text) => info[which] ? h("a", { href: to("db", name, "s", info[which]) }, text) : h("span", { class: "quiet" }, text);
  return [
    h("div", { class: "lead" },
      h("div", null,
        h("p", { class: "crumbs" }, link([], "Overview"), " › ", link(["db", name], name), " ›"),
        h("h1", null, `${day(info.taken_at)}, ${clock(info.taken_at)}`),
        h("p", { class: "quiet" }, info.description || TRIGGERS[info.trigger] || info.trigger, " · ", time(info.taken_at))),
      h("div", { class: "actions" },
        button("restore", "Restore…", () => restore(info), "main-button"),
        button("restore", "Download", () => begin(snapshot(name, info.snapshot_id, "download"))),
        button("operate", info.pinned ? "Unpin" : "Pin", pin),
        info.next
          ? button("restore", "Forget…", () => forget(info, () => { location.href = to("db", name, "trash"); }), "danger")
          : h("button", { type: "button", "aria-disabled": "true", title: "The latest snapshot is never forgotten.", onclick: () => say("The latest snapshot is never forgotten.") }, "Forget…"))),
    info.damage && note("bad", "Something is wrong with this snapshot.", h("p", null, sentence(info.damage), ".")),
    h("section", { class: "card", "aria-label": "Facts" },
      facts([
        ["Taken", exact(info.taken_at)],
        ["Size", `${bytes(info.size)}: ${plural(info.page_count, "page")} of ${bytes(info.page_size)}`],
        ["What it added", `${bytes(info.bytes_added)}; ${plural(info.pages_changed, "page")} changed`],
        ["Kept because", info.pinned ? "it is pinned" : kept(info).length ? kept(info).join("; ") : h("span", { class: "quiet" }, "no rule asks for it")],
        ["Every byte read", time(info.verified_at)],
        ["Restored and tested", time(info.drilled_at)],
        ["Lies on", info.destinations.join(", ")],
        ["Made", (TRIGGERS[info.trigger] ?? info.trigger).toLowerCase()],
        Object.keys(info.tags).length > 0 && ["Tags", Object.entries(info.tags).map(([key, value]) => h("span", { class: "chip" }, value ? `${key}: ${value}` : key))],
        info.origin && ["Taken of", h("code", null, info.origin)],
        ...Object.entries(info.facts).map(([key, value]) => [sentence(key), value]),
        ["Record", `number ${count(info.sequence)}, generation ${count(info.generation)}`],
        ["Id", h("code", null, info.snapshot_id)],
        ["Digest", h("code", null, info.image_digest)],
      ], true),
      h("p", { class: "small", id: "neighbours" }, neighbour("previous", "‹ the one before"), " · ", neighbour("next", "the one after ›"))),
    tables(name, info),
  ];
}

function tables(name, info) {
  const area = h("div", null, h("p", { class: "quiet" }, "To count them, this snapshot and the one before it are restored to scratch and read."));
  const go = button("read", "Count the rows", async () => {
    go.disabled = true;
    try {
      const job = await post(snapshot(name, info.snapshot_id, "tables"));
      const end = await follow(job.id, (now) => now.state === "running" && area.replaceChildren(...bar(now)));
      if (end.state !== "done") throw end.error ?? { message: "Cancelled" };
      go.remove();
      area.replaceChildren(rows(end.tables));
      say(`${plural(end.tables.tables.length, "table")} counted.`);
    } catch (error) {
      go.disabled = false;
      area.replaceChildren(trouble(error));
    }
  });
  return h("section", { class: "card", "aria-label": "Tables" }, h("header", null, h("h2", null, "Tables"), go), area);
}

function rows(result) {
  const change = (one) => {
    if (one.rows === null) return h("span", { class: "down" }, "gone");
    if (!result.compared_with) return "";
    if (one.rows_before === null) return h("span", { class: "up" }, "new");
    const by = one.rows - one.rows_before;
    return by === 0 ? h("span", { class: "quiet" }, "same") : h("span", { class: by > 0 ? "up" : "down" }, `${by > 0 ? "+" : "−"}${count(Math.abs(by))}`);
  };
  if (!result.tables.length) return h("p", { class: "quiet" }, "There is no table in it.");
  return h("div", { class: "table-box" }, h("table", null,
    h("thead", null, h("tr", null, h("th", { scope: "col" }, "Table"), h("th", { scope: "col", class: "n" }, "Rows"), h("th", { scope: "col", class: "n" }, result.compared_with ? "Since the one before" : ""))),
    h("tbody", null, result.tables.map((one) => h("tr", null, h("td", null, one.name), h("td", { class: "n" }, one.rows === null ? "—" : count(one.rows)), h("td", { class: "n" }, change(one)))))));
}
