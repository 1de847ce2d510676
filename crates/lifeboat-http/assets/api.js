// The API of this server, and who we are there.
export const session = { by: null, role: null, sign_in: false, sign_out: false, disabled: null, version: null };

const ROLES = ["read", "operate", "restore"];
export const may = (role) => ROLES.indexOf(session.role) >= ROLES.indexOf(role);

/** Why something was not done, as the server said it. */
export class Refused extends Error {
  constructor(status, body) {
    super(body?.message ? body.message[0].toUpperCase() + body.message.slice(1) : `The server answered ${status}`);
    this.status = status;
    this.hint = body?.hint;
    this.data_is_safe = body?.data_is_safe;
  }
}

async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      headers: method === "GET" ? {} : { "content-type": "application/json", "x-lifeboat-page": "1" },
      body: method === "GET" || body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Refused(0, { message: "Lifeboat cannot be reached", hint: "see whether it runs, and try again" });
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  if (response.status === 401 && !path.endsWith("/session")) document.dispatchEvent(new Event("signed-out"));
  throw new Refused(response.status, answer);
}

const e = encodeURIComponent;
export const get = (path, query) => {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return call("GET", `api/v1/${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`);
};
export const post = (path, body = {}) => call("POST", `api/v1/${path}`, body);
export const remove = (path) => call("DELETE", `api/v1/${path}`);
export const database = (name, ...rest) => ["databases", name, ...rest].map(e).join("/");
export const snapshot = (name, id, ...rest) => database(name, "snapshots", id, ...rest);

export async function whoAmI() {
  Object.assign(session, await get("session"));
}
