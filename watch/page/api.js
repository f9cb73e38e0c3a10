// Asks the server. An error is a sentence for people: what, and what to try.

/** The server's word on why it does not answer. */
class Refusal extends Error {
  constructor(status, what, attempt) {
    super(what);
    this.status = status;
    this.attempt = attempt;
  }
}

let onLocked = () => {};

/** Whom to tell that a log in is needed. */
export function whenLocked(tell) {
  onLocked = tell;
}

/** The JSON at an address, with a query of what is not empty. */
export async function ask(path, query = {}) {
  return (await answer(path, query)).json();
}

/** The whole answer, of any type. */
export async function answer(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const search = new URLSearchParams(given).toString();
  return checked(await fetched(search ? `${path}?${search}` : path));
}

/** Log in or out; a Refusal where the server does not want it. */
export async function post(path, body = {}) {
  return checked(
    await fetched(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
  );
}

async function fetched(address, options = {}) {
  try {
    return await fetch(address, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw new Refusal(0, "the server does not answer", "see whether `factoryledger web` runs");
  }
}

async function checked(response) {
  if (response.ok) return response;
  const { error } = await response.json().catch(() => ({}));
  const refusal = new Refusal(response.status, error?.what ?? `the server answered ${response.status}`, error?.try);
  if (response.status === 401) onLocked(refusal);
  throw refusal;
}
