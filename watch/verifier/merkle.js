// RFC 9162 Merkle trees with SHA-256: a path, of exactly the length that index and size demand.

import { isSame, joined, refuse, sha256 } from "./bytes.js";



export const HASH = 32;

export function leafHash(data) {
  return sha256(joined(Uint8Array.of(0), data));
}

function nodeHash(left, right) {
  return sha256(joined(Uint8Array.of(1), left, right));
}

/** Check a path from an entry's bytes to the root; gives its steps, for the drawing. */
export async function checkInclusion(entry, index, size, path, root) {
  if (index < 0n || index >= size) refuse(`index ${index} is outside a tree of size ${size}`);
  let [node, last, found] = [index, size - 1n, await leafHash(entry)];
  const steps = [{ hash: found }];
  for (const sibling of path) {
    if (last === 0n) refuse(`inclusion path of ${path.length} hashes is too long for size ${size}`);
    const onTheLeft = node % 2n === 1n || node === last;
    found = onTheLeft ? await nodeHash(sibling, found) : await nodeHash(found, sibling);
    if (onTheLeft) {
      while (node % 2n === 0n && node) [node, last] = [node >> 1n, last >> 1n];
    }
    [node, last] = [node >> 1n, last >> 1n];
    steps.push({ hash: found, sibling, onTheLeft });
  }
  if (last) refuse(`inclusion path of ${path.length} hashes is too short for size ${size}`);
  if (!isSame(found, root)) {
    refuse(`inclusion path of entry ${index} leads to another root than the tree's`);
  };
  return { index, size, steps };
}
