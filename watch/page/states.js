// PackML states as a person at the line needs them: shape, colour's kind and words. Colour is
// kept for what needs somebody; a machine that works is grey.

// After ISA-TR88.00.02-2022 by PackTags number: icon, then how much it needs somebody.
const STATES = new Map([
  [1, ["changing", "calm"]], [2, ["stopped", "calm"]], [3, ["changing", "calm"]], [4, ["idle", "calm"]],
  [5, ["suspended", "warn"]], [6, ["run", "run"]], [7, ["changing", "calm"]], [8, ["aborted", "bad"]],
  [9, ["aborted", "bad"]], [10, ["held", "warn"]], [11, ["held", "warn"]], [12, ["changing", "calm"]],
  [13, ["suspended", "warn"]], [14, ["changing", "calm"]], [15, ["changing", "calm"]],
  [16, ["changing", "calm"]], [17, ["done", "calm"]],
]);
const QUIET_S = 15;

/** Groups by which the floor is counted and filtered, in order. */
export const GROUPS = [
  ["run", "running", "run"], ["calm", "not running", "idle"], ["warn", "held or suspended", "held"],
  ["bad", "aborted", "aborted"], ["gone", "silent", "offline"],
];

/** { icon, level, words } of a machine, which was heard `age` seconds ago. */
export function stateOf({ state, state_number: number }, age) {
  if (state === "Offline") return { icon: "offline", level: "gone", words: "Offline" };
  const [icon, level] = STATES.get(number) ?? ["idle", "calm"];
  const words = state ?? "No state yet";
  // What was said long ago may not hold any more.
  return age === null || age > QUIET_S ? { icon: "offline", level: "gone", words } : { icon, level, words };
}

/** Whether somebody should look. */
export function needsSomebody(machine, level) {
  return level === "bad" || level === "warn" || machine.alarms.length > 0;
}
