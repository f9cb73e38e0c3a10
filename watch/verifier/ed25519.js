// Ed25519 (RFC 8032) with the verdicts of libsodium, which the command uses. WebCrypto does the
// signature's equation; what browsers are lax about is checked here before: keys and R of small
// order, encodings that are not canonical, S not below the group's order.

import { hex, sha256, unhex } from "./bytes.js";



const PRIME = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * power(121666n, PRIME - 2n));

function mod(number) {
  const rest = number % PRIME;
  return rest < 0n ? rest + PRIME : rest;
}

function power(base, exponent) {
  let found = 1n;
  for (let square = mod(base); exponent; exponent >>= 1n) {
    if (exponent & 1n) found = mod(found * square);
    square = mod(square * square);
  }
  return found;
}

function littleEndian(data) {
  return BigInt(`0x${hex(data.toReversed())}`);
}

/** Why these 32 bytes are no point that may be a key; null where they may. */
export function weakness(data) {
  const number = littleEndian(data);
  const y = number & (2n ** 255n - 1n);
  if (y >= PRIME) return "the public key's encoding is not canonical: y is not below the prime";
  const above = mod(y * y - 1n);
  const below = mod(D * y * y + 1n);
  if (above === 0n) {
    return `the public key is ${number >> 255n ? "not canonical: x is 0 and marked negative" : "of small order"}`;
  }
  if (power(above * below, (PRIME - 1n) / 2n) !== 1n) return "the public key is no point of the curve";
  // Order 4 has y = 0; order 8 doubles to a point whose y is 0: y^2 = -x^2.
  if (y === 0n || mod(y * y + above * power(below, PRIME - 2n)) === 0n) {
    return "the public key is of small order: anyone can sign for it";
  }
  return null;
}

/** Whether this browser knows Ed25519 and SHA-256 at all. */
export async function isAble() {
  try {
    // RFC 8032 section 7.1, TEST 1: an empty message.
    const key = unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    const signature = unhex(
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155" +
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    );
    const empty = await sha256(new Uint8Array());
    return hex(empty).startsWith("e3b0c442") && (await isSignatureOf(key, new Uint8Array(), signature));
  } catch {
    return false;
  }
}

/** Whether the signature holds; false also for weak keys and for wrong lengths. */
export async function isSignatureOf(key, message, signature) {
  if (key.length !== 32 || signature.length !== 64) return false;
  if (weakness(key) !== null || weakness(signature.subarray(0, 32)) !== null) return false;
  if (littleEndian(signature.subarray(32)) >= ORDER) return false;
  const known = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", known, signature, message);
}
