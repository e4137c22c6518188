// Asks the services: no answer is waited for without end, and a refusal is an error in the service's words.

const PATIENCE_MS = 65_000; // the gateway answers within 60 s, if only that the service took too long

export class Refused extends Error {
  // A problem (RFC 9457) that was answered; `field` is the first complaint about a field.
  constructor(status, problem) {
    const field = Object.entries(problem?.errors ?? {})[0];
    super(field ? `${field[0]}: ${field[1][0]}` : (problem?.detail ?? `The answer was ${status}.`));
    this.status = status;
    this.problem = problem ?? {};
  }
}

export class Silent extends Error {
  constructor(cause) {
    super("No answer came; try again in a moment.", { cause });
  }
}

// As `fetch`; a `signal` of null waits as long as it takes. Throws Silent.
export async function reach(path, options = {}) {
  try {
    return await fetch(path, { signal: AbortSignal.timeout(PATIENCE_MS), ...options });
  } catch (cause) {
    throw new Silent(cause);
  }
}

// What an answer says. Throws Refused, and Silent for one that broke off.
export async function read(answer) {
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, body);
  if (body === null) throw new Silent();
  return body;
}

export function post(path, body, headers = {}) {
  return reach(path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });
}
