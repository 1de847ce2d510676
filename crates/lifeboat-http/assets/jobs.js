// Work that runs on the server, and how far it is. It goes on without this page.
import { get, remove, session } from "./api.js";
import { h, link, say, to } from "./dom.js";
import { bytes, KINDS, plural, sentence } from "./words.js";

const shown = new Map();

/** Watches a job until its end; `each` sees every state of it. */
export function follow(id, each) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(`api/v1/jobs/${id}/events`);
    let timer = null;
    const take = (job) => {
      each?.(job);
      if (job.state === "running") return;
      source.close();
      clearTimeout(timer);
      resolve(job);
    };
    // Where events do not come through, it is asked.
    const ask = async () => {
      try {
        const job = await get(`jobs/${id}`);
        take(job);
        if (job.state === "running") timer = setTimeout(ask, 1500);
      } catch (error) {
        if (error.status === 0 || error.status === 429) timer = setTimeout(ask, 4000);
        else reject(error);
      }
    };
    source.addEventListener("job", (event) => take(JSON.parse(event.data)));
    source.onerror = () => {
      source.close();
      clearTimeout(timer);
      timer = setTimeout(ask, 400);
    };
  });
}

export function bar(job) {
  const progress = job.progress;
  const known = progress?.total > 0;
  return [
    h("progress", { max: known ? progress.total : 1, value: known ? progress.done : null, "aria-label": `${KINDS[job.kind]} of ${job.database}` }),
    h("p", { class: "small quiet" }, progress ? [sentence(progress.phase), known ? `: ${bytes(progress.done)} of ${bytes(progress.total)}` : "…"] : "Waiting to begin…"),
  ];
}

/** What became of it, in a sentence. */
export function ending(job) {
  if (job.state === "cancelled") return "Cancelled. Nothing was harmed.";
  if (job.state === "failed") return sentence(job.error?.message ?? "It failed");
  const { backup, restore, check, drill, repair, tables, download } = job;
  if (backup) {
    const where = backup.fallback_reason ? ` It went to ${backup.destination}: ${backup.fallback_reason}.` : "";
    return backup.unchanged ? `Nothing has changed since the last snapshot.${where}` : `Saved; ${bytes(backup.bytes_sent)} sent.${where}`;
  }
  if (restore) return restore.way ? "The database was restored. The old one was set aside." : "Restored to a new file.";
  if (check) return check.findings.length ? `${plural(check.findings.length, "finding")}: ${check.findings[0].message}` : `All is well: ${plural(check.snapshots, "snapshot")}, ${bytes(check.bytes_read)} read and proven.`;
  if (drill) return drill.passed ? "Passed: the latest snapshot was restored and tested." : "Failed: look at what the drill found.";
  if (repair) return repair.findings.length ? `${plural(repair.mended, "snapshot")} ${repair.applied ? "mended" : "can be mended"}; ${plural(repair.left, "finding")} left.` : "There is nothing to repair.";
  if (tables) return `${plural(tables.tables.length, "table")} counted.`;
  if (download) return `Ready: ${bytes(download.size)}.`;
  return "Done.";
}

/** Shows a job in the corner and follows it to its end. */
export function track(job) {
  if (shown.has(job.id)) return shown.get(job.id);
  const card = h("section", { class: "job", "aria-label": `${KINDS[job.kind]} of ${job.database}` });
  const close = () => card.remove();
  const draw = (now) => {
    const ended = now.state !== "running";
    const stop = now.cancellable && session.role !== "read" && !ended &&
      h("button", { type: "button", class: "plain-button", onclick: () => remove(`jobs/${now.id}`).catch((error) => say(error.message)) }, "Cancel");
    const gone = ended && h("button", { type: "button", class: "plain-button", onclick: close, "aria-label": "Close" }, "Close");
    const save = now.download && h("p", null, h("a", { class: "button main-button", href: now.download.url, download: now.download.file_name }, `Save ${now.download.file_name}`));
    // What has the focus is not exchanged under somebody's fingers.
    const focused = card.contains(document.activeElement);
    card.replaceChildren(
      h("header", null, h("strong", null, KINDS[now.kind], " · ", now.database), stop || gone),
      ...(ended ? [h("p", { class: now.state === "failed" ? "critical-text" : null }, ending(now)), now.error?.hint ? h("p", { class: "small quiet" }, sentence(now.error.hint)) : "", save || ""] : bar(now)),
    );
    if (focused) card.querySelector("button, a")?.focus();
  };
  draw(job);
  document.getElementById("tray").append(card);
  say(`${KINDS[job.kind]} of ${job.database} began.`);
  const end = follow(job.id, draw).then((done) => {
    say(`${KINDS[done.kind]} of ${done.database}: ${ending(done)}`);
    if (done.state === "done" && !done.download) setTimeout(close, 12_000);
    document.dispatchEvent(new CustomEvent("job-ended", { detail: done }));
    return done;
  }).catch((error) => {
    card.append(h("p", null, error.message));
    throw error;
  });
  shown.set(job.id, end);
  return end;
}

/** After a reload: what still runs. */
export async function again() {
  const { jobs } = await get("jobs");
  for (const job of jobs) if (job.state === "running") track(job).catch(() => {});
}

export const jobRow = (job, when) =>
  h("tr", null,
    h("td", null, when(job.started_at)),
    h("td", null, KINDS[job.kind]),
    h("td", null, link(["db", job.database], job.database)),
    h("td", null, job.by),
    h("td", null, job.state === "running" ? h("span", { class: "chip sea" }, "running") : ending(job)));

export { to };
