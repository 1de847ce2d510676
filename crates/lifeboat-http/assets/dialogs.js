// Questions before something is done.
import { database, post, snapshot } from "./api.js";
import { copy, facts, h, note, say, time, trouble } from "./dom.js";
import { bar, follow, track } from "./jobs.js";
import { bytes, date, plural, span, took } from "./words.js";

/** Opens a dialog; the focus goes back where it was when it closes. */
function open(title, ...children) {
  const before = document.activeElement;
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" },
    h("form", { method: "dialog", novalidate: true }, h("h2", { id: "dialog-title" }, title), ...children));
  dialog.addEventListener("close", () => {
    dialog.remove();
    before?.isConnected && before.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

const cancel = (text = "Cancel") => h("button", { type: "button", onclick: (event) => event.target.closest("dialog").close() }, text);

/** Begins a job, shows it in the corner; what fails is shown in place. */
export async function begin(path, body) {
  try {
    const job = await post(path, body);
    return await track(job);
  } catch (error) {
    complain(error);
    return null;
  }
}

export function complain(error) {
  open("That did not work", trouble(error), h("div", { class: "actions" }, cancel("Close")));
}

export function backUp(name) {
  const text = h("input", { type: "text", id: "why", maxlength: 200, autocomplete: "off" });
  const dialog = open(`Back up ${name}`,
    h("label", { class: "field", for: "why" }, "What for", h("span", { class: "quiet" }, "Optional. It stands beside the snapshot."), text),
    h("div", { class: "actions" }, cancel(), h("button", { class: "main-button", type: "submit" }, "Back up now")));
  text.focus();
  dialog.querySelector("form").addEventListener("submit", () => {
    begin(database(name, "backups"), text.value.trim() ? { description: text.value.trim() } : {});
  });
}

/** A question that is answered by typing the name. */
function typed(name, change) {
  const field = h("input", { type: "text", id: "typed", autocomplete: "off", autocapitalize: "none", spellcheck: "false" });
  field.addEventListener("input", () => change(field.value === name));
  return [h("label", { class: "field", for: "typed" }, h("span", null, "Type ", h("code", null, name), " to confirm"), field), field];
}

export function forget(info, done) {
  const go = h("button", { class: "danger main-button", type: "submit", disabled: true }, "Forget this snapshot");
  const [question, field] = typed(info.database, (fits) => (go.disabled = !fits));
  const dialog = open("Forget this snapshot?",
    h("p", null, "The snapshot of ", time(info.taken_at), " goes to the trash. It can be brought back from there until the trash is emptied; the others lose nothing."),
    info.pinned && note("warn", "It is pinned.", h("p", null, "Somebody wanted to keep it. Unpin it first.")),
    question, h("div", { class: "actions" }, cancel(), go));
  field.focus();
  dialog.querySelector("form").addEventListener("submit", async () => {
    try {
      await post(snapshot(info.database, info.snapshot_id, "forget"), { confirm: field.value });
      say("The snapshot is in the trash.");
      done();
    } catch (error) {
      complain(error);
    }
  });
}

export function repair(name) {
  const area = h("div", null, h("p", null, "First it is looked at, and nothing is changed."));
  const actions = h("div", { class: "actions" });
  const look = h("button", { type: "button", class: "main-button" }, "Look");
  actions.append(cancel("Close"), look);
  const dialog = open(`Repair ${name}`, area, actions);
  const run = async (body) => {
    try {
      const job = await post(database(name, "repair"), body);
      const end = await follow(job.id, (now) => area.replaceChildren(...bar(now)));
      if (end.state !== "done") throw { message: end.error?.message ?? "Cancelled", hint: end.error?.hint, data_is_safe: end.error?.data_is_safe };
      return end.repair;
    } catch (error) {
      area.replaceChildren(trouble(error));
      return null;
    }
  };
  look.addEventListener("click", async () => {
    look.disabled = true;
    const plan = await run({ apply: false });
    look.remove();
    if (!plan) return;
    if (!plan.findings.length && !plan.deleted) {
      area.replaceChildren(note("ok", "There is nothing to repair.", h("p", null, "Everything that the snapshots need is there.")));
      return;
    }
    const go = h("button", { type: "submit", class: "main-button", disabled: true }, "Repair");
    const [question, field] = typed(name, (fits) => (go.disabled = !fits));
    area.replaceChildren(
      facts([
        ["Wrong", plural(plan.findings.length, "finding")],
        ["Mended", `${plural(plan.mended, "snapshot")} of ${plan.broken}`],
        ["Left", plural(plan.left, "finding")],
        ["Cleared away", `${plural(plan.deleted, "object")}, ${bytes(plan.bytes_freed)}`],
      ]),
      h("ul", null, plan.findings.slice(0, 20).map((finding) => h("li", null, finding.message, " ", h("code", null, finding.object)))), question);
    actions.append(go);
    dialog.querySelector("form").addEventListener("submit", async (event) => {
      event.preventDefault();
      go.disabled = true;
      const applied = await run({ apply: true, confirm: field.value });
      go.remove();
      if (applied) area.replaceChildren(note(applied.left ? "warn" : "ok", `${plural(applied.mended, "snapshot")} mended.`, h("p", null, `${plural(applied.left, "finding")} left.`)));
    });
  });
  look.focus();
}

export function restore(info) {
  const choice = (value, title, text, checked) =>
    h("label", { class: "choice" }, h("input", { type: "radio", name: "to", value, checked }), h("span", null, h("strong", null, title), text));
  const file = h("input", { type: "text", id: "file", value: `${info.database.replaceAll("%", "_")}-restored.db`, maxlength: 120, spellcheck: "false", autocomplete: "off" });
  const fileField = h("label", { class: "field", for: "file" }, "Name of the new file", file);
  const plan = h("div", { "aria-live": "polite" });
  const more = h("div");
  const go = h("button", { type: "submit", class: "main-button", disabled: true }, "Restore");
  const actions = h("div", { class: "actions" }, cancel(), go);
  const questions = h("div", null,
    h("fieldset", null, h("legend", null, "Where to"),
      choice("new_file", "A new file", "Nothing that exists is touched. Look at it before you use it.", true),
      choice("in_place", "Over the database in use", "A snapshot of what is there is taken first, and the old database is set aside.", false)),
    fileField, plan, more);
  const dialog = open("Restore this snapshot", questions, actions);
  const form = dialog.querySelector("form");
  let turn = 0;
  const wanted = () => form.to.value === "in_place" ? { to: "in_place" } : { to: "new_file", file_name: file.value.trim() || null };
  const show = async (anew = true) => {
    // It has begun, or was closed.
    if (!questions.isConnected) return;
    const mine = (turn += 1);
    const inPlace = form.to.value === "in_place";
    if (anew) {
      fileField.hidden = inPlace;
      go.disabled = true;
      go.classList.toggle("danger", inPlace);
      go.textContent = inPlace ? "Replace the database" : "Restore";
      more.replaceChildren();
      plan.replaceChildren(h("p", { class: "quiet" }, "Working out what it would take…"));
    }
    try {
      const found = await post(snapshot(info.database, info.snapshot_id, "restore", "plan"), wanted());
      if (mine !== turn) return;
      const grown = found.size_now === null || found.size_now === undefined ? null : found.size - found.size_now;
      plan.replaceChildren(facts([
        ["State of", h("span", null, time(found.taken_at), h("span", { class: "quiet" }, `, ${date(found.taken_at)}`))],
        ["Size", grown === null ? bytes(found.size) : `${bytes(found.size)}; ${grown === 0 ? "as large as now" : `${bytes(Math.abs(grown))} ${grown > 0 ? "more" : "less"} than now`}`],
        ["Fetched", found.bytes_kept ? `${bytes(found.bytes_to_fetch)}; ${bytes(found.bytes_kept)} are there already` : bytes(found.bytes_to_fetch)],
        found.estimated_seconds !== null && found.estimated_seconds !== undefined && ["Takes about", took(found.estimated_seconds)],
        ["From", found.destination],
        ["To", h("code", null, found.target)],
      ]));
      if (inPlace) {
        const [question] = typed(info.database, (now) => (go.disabled = !now));
        more.replaceChildren(note("warn", "What was written since then will be gone from the database.",
          h("p", null, `That is ${span(found.age_seconds)} of changes. They stay in the snapshot that is taken first.`)), question);
      } else {
        go.disabled = false;
      }
    } catch (error) {
      if (mine === turn) plan.replaceChildren(trouble(error));
      if (mine === turn) go.disabled = true;
    }
  };
  form.addEventListener("change", (event) => event.target.name === "to" && show());
  let typing = null;
  file.addEventListener("input", () => {
    clearTimeout(typing);
    // The button stays: whoever is sure need not wait, and nothing is overwritten.
    typing = setTimeout(() => show(false), 350);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (go.disabled) return;
    go.disabled = true;
    const body = wanted();
    if (body.to === "in_place") body.confirm = form.querySelector("#typed").value;
    try {
      const job = await post(snapshot(info.database, info.snapshot_id, "restore"), body);
      const area = h("div");
      questions.replaceWith(area);
      actions.replaceChildren(h("p", { class: "quiet small" }, "It goes on if you close this."), cancel("Close"));
      const end = await follow(job.id, (now) => now.state === "running" && area.replaceChildren(...bar(now)));
      say(end.state === "done" ? "Restored." : "The restore failed.");
      actions.replaceChildren(cancel("Close"));
      if (end.state === "done") area.replaceChildren(done(end.restore));
      else area.replaceChildren(trouble(end.error ?? { message: "Cancelled. What was there is as it was." }));
      actions.querySelector("button").focus();
      document.dispatchEvent(new CustomEvent("job-ended", { detail: end }));
    } catch (error) {
      plan.replaceChildren(trouble(error));
      go.disabled = false;
    }
  });
  show();
}

function done(result) {
  return h("div", null,
    note("ok", result.way ? "The database was restored." : "The new file is ready.",
      h("p", null, `Every page was proven${result.checked ? ", and SQLite found it sound" : ""}. ${bytes(result.size)} in ${took(result.duration_seconds)}.`)),
    facts([
      ["File", h("code", null, result.target)],
      result.set_aside && ["The old one", h("code", null, result.set_aside)],
      result.safety_snapshot_id && ["Snapshot of it", h("code", null, result.safety_snapshot_id)],
    ]),
    result.undo && [h("p", null, "To take it back:"), copy(result.undo)]);
}
