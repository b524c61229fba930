// Who is at work where: Ray's own view where it answers, and what the writers of every dataset say of themselves.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { count, duration, short } from "./format.js";
import { badge, empty, figures, panel, table, when } from "./parts.js";

export function clusterPage(root, _, named) {
  named("Cluster");
  const ray = panel("Ray", { wide: true, data: "cluster" });
  const actors = panel("Ray's actors", { wide: true });
  const work = h("div", { class: "wide" });
  fill(root, h("h1", {}, "Cluster"), h("div", { class: "grid" }, ray.element, actors.element, work));

  async function update() {
    const [cluster, overview] = await Promise.all([get("cluster"), get("overview")]);
    actors.element.hidden = !cluster.reachable;
    if (cluster.reachable) {
      fill(ray.body, table("Nodes", ["node", "address", "state", "resources"], cluster.nodes.map((node) => [
        `${node.id.slice(0, 10)}${node.head ? " (head)" : ""}`, node.address, badge(node.state.toLowerCase()),
        Object.entries(node.resources).filter(([name]) => !name.startsWith("node:"))
          .map(([name, amount]) => `${name} ${short(amount)}`).join(", ")])));
      fill(actors.body, table("Actors", ["actor", "class", "state", "node", "process", "cause of death"],
        cluster.actors.map((actor) => [actor.id.slice(0, 10), actor.kind, badge(actor.state.toLowerCase()),
          actor.node.slice(0, 10) || "–", count(actor.pid), actor.cause || ""])));
    } else fill(ray.body, empty("Ray's own view is not to be had", cluster.detail, ". What the writers report is below."));
    const running = overview.datasets.filter((one) => one.state === "running" || one.state === "stalled");
    const details = await Promise.all(running.slice(0, 5).map((one) => get(`datasets/${one.id}`)));
    fill(work, details.length ? details.map(dataset) : empty("Nobody is writing a dataset", "Nodes and actors appear here while one is generated."));
  }

  const timer = setInterval(() => update().catch(() => {}), 5000);
  return { update, leave() { clearInterval(timer); } };
}

function dataset(one) {
  const part = panel(one.name, { note: "as its writers report", data: `datasets/${one.id}` });
  const nodes = new Map();
  for (const writer of one.writers) {
    const key = writer.node || writer.host || "unknown";
    const sum = nodes.get(key) || { host: writer.host, alive: 0, silent: 0, shards: 0, last: 0 };
    sum.alive += writer.state === "running";
    sum.silent += writer.state === "stalled";
    sum.shards += writer.shards;
    sum.last = Math.max(sum.last, writer.last || 0);
    nodes.set(key, sum);
  }
  fill(part.body, queueFigures(one), table("Nodes", ["node", "host", "at work", "silent", "shards", "last heard of"],
    [...nodes].map(([key, sum]) => [key.slice(0, 12), sum.host || "–", count(sum.alive), count(sum.silent), count(sum.shards),
      when(sum.last || null)])));
  return part.element;
}

export function queueFigures(one) {
  const { queue, holder } = one;
  if (!queue && !holder) return null;
  return figures([
    queue ? ["waiting", count(queue.waiting)] : null, queue ? ["in flight", count(queue.in_flight)] : null,
    queue ? ["set aside", count(queue.set_aside)] : null, queue ? ["workers", count(queue.workers)] : null,
    queue?.oldest.length ? ["longest at work", `shard ${queue.oldest[0].shard}, ${duration(queue.oldest[0].seconds)}`] : null,
    holder ? ["held by", `${holder.command || "?"} on ${holder.host || "?"}, process ${holder.pid ?? "?"}`] : null,
  ]);
}
