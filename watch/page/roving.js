// One stop of the Tab key for many tiles; arrows go on between them as they lie on the screen.

const MOVES = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

/** Let arrows, Home and End move the focus between `selector` in `root`; gives what ends it. */
export function rove(root, selector) {
  const press = (event) => {
    const from = event.target.closest(selector);
    if (!from || event.altKey || event.ctrlKey || event.metaKey) return;
    const all = [...root.querySelectorAll(selector)].filter((one) => !one.closest("[hidden]"));
    const to = target(event.key, from, all);
    if (!to) return;
    event.preventDefault();
    from.setAttribute("tabindex", "-1");
    to.setAttribute("tabindex", "0");
    to.focus();
  };
  root.addEventListener("keydown", press);
  return () => root.removeEventListener("keydown", press);
}

function target(key, from, all) {
  if (key === "Home") return all[0];
  if (key === "End") return all.at(-1);
  const [along, down] = MOVES[key] ?? [0, 0];
  const index = all.indexOf(from);
  if (along) return all[index + along];
  if (!down) return null;
  return below(from, down > 0 ? all.slice(index + 1) : all.slice(0, index).reverse());
}

/** The nearest in the next row: tiles follow one another row by row. */
function below(from, candidates) {
  const here = from.getBoundingClientRect();
  let row = null;
  let best = null;
  for (const one of candidates) {
    const there = one.getBoundingClientRect();
    if (Math.abs(there.top - here.top) < 2) continue;
    row ??= there.top;
    if (Math.abs(there.top - row) >= 2) break;
    const away = Math.abs(there.left - here.left);
    if (!best || away < best.away) best = { one, away };
  }
  return best?.one;
}
