// Elements, without a template and without innerHTML.
import { ago, exact } from "./words.js";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);

export const s = (name, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

// Links stay on this page, wherever it is mounted.
export const to = (...parts) => `${location.pathname}${location.search}#/${parts.map(encodeURIComponent).join("/")}`;

export const link = (parts, ...children) => h("a", { href: to(...parts) }, ...children);

/** A time, relative to now; the exact one on hover. */
export function time(text, never = "never") {
  if (!text) return h("span", { class: "quiet" }, never);
  return h("time", { datetime: text, title: exact(text), "data-ago": "" }, ago(text));
}

setInterval(() => {
  for (const element of document.querySelectorAll("time[data-ago]")) {
    const now = ago(element.dateTime);
    if (element.textContent !== now) element.textContent = now;
  }
}, 20_000);

/** Says something to those who listen to the page. */
export function say(text) {
  const place = document.getElementById("say");
  place.textContent = "";
  requestAnimationFrame(() => (place.textContent = text));
}

export const facts = (pairs, wide) =>
  h("dl", { class: wide ? "facts wide" : "facts" },
    pairs.filter(Boolean).map(([name, value]) => [h("dt", null, name), h("dd", null, value)]));

export const note = (kind, title, ...children) =>
  h("div", { class: `note ${kind}`, role: kind === "bad" ? "alert" : null }, h("strong", null, title), ...children);

/** What failed, why, what to do, and whether data is safe. */
export function trouble(error) {
  const safe = error.data_is_safe !== false ? "What was stored before is as it was." : "Look at what is stored: something may be damaged.";
  return note("bad", error.message ?? String(error),
    error.hint && h("p", null, `What to do: ${error.hint}.`.replace("..", ".")), h("p", { class: "small" }, safe));
}

/** A text to be taken along. */
export function copy(text) {
  const button = h("button", { type: "button", class: "plain-button", onclick: async () => {
    await navigator.clipboard?.writeText(text);
    button.textContent = "Copied";
  } }, "Copy");
  return h("div", { class: "copy" }, h("code", null, text), navigator.clipboard ? button : null);
}

const SIGNS = {
  healthy: "M3 8.5 6.5 12 13 4.5",
  warning: "M8 3v6M8 12.2v.3",
  critical: "M4 4l8 8M12 4l-8 8",
};

export const sign = (level) =>
  s("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" },
    s("path", { d: SIGNS[level], fill: "none", stroke: "currentColor", "stroke-width": "2.2", "stroke-linecap": "round", "stroke-linejoin": "round" }));
