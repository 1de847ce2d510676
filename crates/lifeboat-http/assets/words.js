// Numbers and times as people say them.
const number = new Intl.NumberFormat("en");

export const count = (n) => number.format(n);

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

export function bytes(n) {
  if (n === null || n === undefined) return "unknown";
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let size = n;
  while (size >= 1024 && at < units.length - 1) {
    size /= 1024;
    at += 1;
  }
  if (at === 0) return n === 1 ? "1 byte" : `${n} bytes`;
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${units[at]}`;
}

const SPANS = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]];

export function span(seconds) {
  const all = Math.abs(seconds);
  for (const [name, length] of SPANS) {
    if (all >= length) {
      const n = Math.floor(all / length);
      return plural(n, name);
    }
  }
  return plural(Math.round(all), "second");
}

export function ago(text) {
  const seconds = (Date.now() - Date.parse(text)) / 1000;
  if (Math.abs(seconds) < 45) return seconds < -5 ? "in a moment" : "just now";
  return seconds > 0 ? `${span(seconds)} ago` : `in ${span(seconds)}`;
}

const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });
const whole = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short" });
const hours = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const days = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" });

export const exact = (text) => `${full.format(new Date(text))} (${text})`;
export const date = (text) => whole.format(new Date(text));
export const clock = (text) => hours.format(new Date(text));
export const shortDay = (text) => new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" }).format(new Date(text));

export function day(text) {
  const that = new Date(text).toDateString();
  const now = new Date();
  if (that === now.toDateString()) return "Today";
  now.setDate(now.getDate() - 1);
  return that === now.toDateString() ? "Yesterday" : days.format(new Date(text));
}

export const took = (seconds) =>
  seconds < 1 ? "less than a second" : seconds < 90 ? plural(Math.round(seconds), "second") : span(seconds);

export const LEVELS = { healthy: "Healthy", warning: "Needs a look", critical: "At risk" };

export const TRIGGERS = {
  manual: "Asked for",
  scheduled: "By the schedule",
  "before-operation": "Before an operation",
  safety: "Before a restore",
  startup: "At the start",
  other: "Other",
};

export const KINDS = {
  backup: "Backup", restore: "Restore", download: "Download", tables: "Counting rows",
  check: "Check", drill: "Restore drill", repair: "Repair",
};

/** With a capital, unless it begins with the name of a setting. */
export const sentence = (text) => /^[a-z]+([ ,.:]|$)/.test(text ?? "") ? text[0].toUpperCase() + text.slice(1) : text;
