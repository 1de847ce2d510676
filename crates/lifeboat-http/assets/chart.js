// Size and change over time, as SVG.
import { h, s } from "./dom.js";
import { bytes, clock, exact, plural, shortDay } from "./words.js";

const rounded = (n) => Math.round(n * 10) / 10;

/** A line of sizes over bars of what each snapshot added. */
export function chart(points, large = false) {
  // As wide as it will be shown, so that letters keep their size.
  const room = Math.max(260, Math.min(900, document.getElementById("main").clientWidth - 80));
  const [width, height] = large ? [room, 210] : [400, 84];
  const edge = large ? { left: 62, right: 12, top: 12, bottom: 24 } : { left: 2, right: 4, top: 6, bottom: 2 };
  const inner = { width: width - edge.left - edge.right, height: height - edge.top - edge.bottom };
  const times = points.map((point) => Date.parse(point.taken_at));
  const [first, last] = [times[0], times.at(-1)];
  const x = (at) => edge.left + (last === first ? inner.width / 2 : ((at - first) / (last - first)) * inner.width);
  const top = Math.max(...points.map((point) => point.size), 1) * 1.08;
  const most = Math.max(...points.map((point) => point.bytes_added), 1);
  const y = (size) => edge.top + inner.height - (size / top) * inner.height;
  const floor = edge.top + inner.height;
  const wide = Math.max(2, Math.min(large ? 12 : 7, inner.width / points.length / 1.6));
  const bars = points.map((point, at) => {
    // The root: one large snapshot must not make all the others vanish.
    const tall = point.bytes_added ? Math.max(1.5, Math.sqrt(point.bytes_added / most) * inner.height * 0.45) : 0;
    const left = Math.min(Math.max(x(times[at]) - wide / 2, edge.left), edge.left + inner.width - wide);
    return s("rect", { class: "bar", x: rounded(left), y: rounded(floor - tall), width: rounded(wide), height: rounded(tall), rx: 1 });
  });
  const line = points.map((point, at) => `${at ? "L" : "M"}${rounded(x(times[at]))} ${rounded(y(point.size))}`).join("");
  const area = `${line}L${rounded(x(last))} ${floor}L${rounded(x(first))} ${floor}Z`;
  const [from, now] = [points[0], points.at(-1)];
  const label = `Over ${plural(points.length, "snapshot")} the size went from ${bytes(from.size)} to ${bytes(now.size)}; the latest added ${bytes(now.bytes_added)}.`;
  const axes = !large ? [] : [
    [0, 0.5, 1].map((part) => [
      s("line", { class: "axis", x1: edge.left, x2: width - edge.right, y1: rounded(y((top / 1.08) * part)), y2: rounded(y((top / 1.08) * part)) }),
      s("text", { x: edge.left - 8, y: rounded(y((top / 1.08) * part)) + 4, "text-anchor": "end" }, bytes(Math.round((top / 1.08) * part))),
    ]),
    s("text", { x: edge.left, y: height - 6 }, mark(from.taken_at, last - first)),
    last === first ? null : s("text", { x: width - edge.right, y: height - 6, "text-anchor": "end" }, mark(now.taken_at, last - first)),
  ];
  const hits = !large ? [] : points.map((point, at) => {
    const [before, after] = [times[at - 1] ?? times[at], times[at + 1] ?? times[at]];
    const [left, right] = [(x(before) + x(times[at])) / 2, (x(after) + x(times[at])) / 2];
    return s("rect", { class: "hit", x: rounded(Math.min(left, x(times[at]) - 3)), y: edge.top, width: rounded(Math.max(6, right - left)), height: inner.height },
      s("title", null, `${exact(point.taken_at)}\n${bytes(point.size)}, ${bytes(point.bytes_added)} added`));
  });
  return s("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    axes, s("path", { class: "area", d: area }), bars, s("path", { class: "line", d: line }),
    s("circle", { class: "dot", cx: rounded(x(last)), cy: rounded(y(now.size)), r: 2.6 }), hits);
}

const mark = (text, range) => range < 2 * 86_400_000 ? `${shortDay(text)}, ${clock(text)}` : shortDay(text);

export const legend = () =>
  h("div", { class: "legend", "aria-hidden": "true" },
    h("span", null, h("i"), "size of the database"), h("span", null, h("i", { class: "b" }), "what each snapshot added"));
