// One metric's points in the order of their times, in bounded memory.

const MOST = 5000;
const TYPICAL = 5;
const SHORTEST_GAP_US = 5e6;

/** Points { time, value, session, seq }, times in microseconds. */
export class Series {
  constructor() {
    this.points = [];
  }

  get last() {
    return this.points.at(-1) ?? null;
  }

  /** Take a point; one that comes late is put where it belongs. */
  add(point) {
    const { points } = this;
    if (!points.length || point.time >= this.last.time) {
      if (this.isKnown(point, points.length - 1)) return;
      points.push(point);
    } else {
      const index = this.indexAfter(point.time);
      if (this.isKnown(point, index - 1)) return;
      points.splice(index, 0, point);
    }
    if (points.length > MOST) points.splice(0, points.length - MOST);
  }

  /** Let go of what is older. */
  dropBefore(time) {
    const index = this.indexAfter(time - 1);
    if (index > 0) this.points.splice(0, index);
  }

  /** The points from a time on, and the one before, from which the line comes. */
  since(time) {
    return this.points.slice(Math.max(0, this.indexAfter(time) - 1));
  }

  /** The index of the point nearest to a time, or -1. */
  nearest(time) {
    const after = this.indexAfter(time);
    const { points } = this;
    if (!points.length) return -1;
    if (after === 0) return 0;
    if (after === points.length) return after - 1;
    return time - points[after - 1].time < points[after].time - time ? after - 1 : after;
  }

  /** How long nothing may come before the line is broken, in microseconds. */
  get longestStep() {
    const { points } = this;
    if (points.length < 3) return Infinity;
    const typical = (this.last.time - points[0].time) / (points.length - 1);
    return Math.max(SHORTEST_GAP_US, typical * TYPICAL);
  }

  // A stream that is opened again says some points once more.
  isKnown(point, index) {
    for (let at = index; at >= 0 && this.points[at].time === point.time; at -= 1) {
      if (this.points[at].seq === point.seq && this.points[at].session === point.session) return true;
    }
    return false;
  }

  indexAfter(time) {
    let [low, high] = [0, this.points.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.points[middle].time <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
