// Work for the next picture: however often it is asked for, it is done once.

const due = new Set();
let asked = false;

function draw() {
  asked = false;
  const works = [...due];
  due.clear();
  for (const work of works) work();
}

/** Do this before the next picture is drawn. The same function asked for twice is done once. */
export function nextFrame(work) {
  due.add(work);
  if (asked) return;
  asked = true;
  requestAnimationFrame(draw);
}
