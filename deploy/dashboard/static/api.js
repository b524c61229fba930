// The server's side: typed JSON under api/v1, and one stream of what changed.

const BASE = "api/v1";

export async function get(path) {
  const response = await fetch(`${BASE}/${path}`, { headers: { Accept: "application/json" } });
  if (response.ok) return response.json();
  let detail = `${response.status} ${response.statusText}`;
  try {
    detail = (await response.json()).detail || detail;
  } catch {
    // not JSON: the status line says enough
  }
  const error = new Error(String(detail));
  error.status = response.status;
  throw error;
}

export function link(path) {
  return `${BASE}/${path}`;
}

/** Listen for changes; `heard(change)` for each, `state(connected)` when the connection comes or goes. */
export function listen(heard, state) {
  const source = new EventSource(`${BASE}/events`);
  source.addEventListener("open", () => state(true));
  source.addEventListener("error", () => state(false));
  source.addEventListener("change", (event) => heard(JSON.parse(event.data)));
  return source;
}
