// What canvases show of worlds and sequences: {height(width), draw(pen, width, height, colour)}.

export const ROLES = [["start", "c2"], ["pitfall", "bad"], ["goal", "c3"]];

/** Stacked shares of rows by tag; the sequence runs from left to right. */
export function actedPicture(told, used) {
  const rows = told.acted.at(-1)?.to || 1;
  return {
    height: () => 96,
    draw(pen, width, height, colour) {
      for (const part of told.acted) {
        const [left, right] = [(part.first / rows) * width, (part.to / rows) * width];
        const all = used.reduce((sum, [, tag]) => sum + part.tags[tag], 0) || 1; // breaks left out
        let top = 0;
        used.forEach(([, tag], index) => {
          const tall = (part.tags[tag] / all) * (height - 20);
          pen.fillStyle = colour(`c${(index % 8) + 1}`);
          pen.fillRect(left, top, right - left + 0.5, tall);
          top += tall;
        });
      }
      pen.fillStyle = colour("quiet");
      pen.font = "12px system-ui, sans-serif";
      for (const at of [0, 0.25, 0.5, 0.75, 1]) {
        pen.textAlign = at === 0 ? "left" : at === 1 ? "right" : "center";
        pen.fillText(at ? String(Math.round(at * rows)) : "row 0", at * width, height - 4);
      }
    },
  };
}

export function matrixPicture(world) {
  const n = world.states;
  return {
    height: (width) => Math.min(width, 340),
    draw(pen, width, height, colour) {
      const side = Math.min(width, height) / n;
      pen.fillStyle = colour("empty");
      for (const rank of world.terminal) pen.fillRect(0, rank * side, n * side, side);
      pen.fillStyle = colour("c1");
      world.transition.forEach((row, s) => row.forEach((chance, t) => {
        if (chance <= 0) return;
        pen.globalAlpha = Math.sqrt(chance);
        pen.fillRect(t * side, s * side, Math.max(side - 0.5, 0.5), Math.max(side - 0.5, 0.5));
      }));
      pen.globalAlpha = 1;
      for (const [role, name] of ROLES) {
        pen.fillStyle = colour(name);
        for (const s of world.roles[role] || []) mark(pen, role, (s + 0.5) * side, (s + 0.5) * side, Math.max(4, side * 0.35));
      }
      pen.strokeStyle = colour("line");
      pen.strokeRect(0.5, 0.5, n * side - 1, n * side - 1);
    },
  };
}

/** Pixels that the widest arc of the graph rises. */
function graphReach(world, width) {
  let widest = 1;
  for (const matrix of [world.transition, world.optimal_transition]) {
    matrix.forEach((row, s) => row.forEach((chance, t) => { if (chance >= 0.02) widest = Math.max(widest, Math.abs(s - t)); }));
  }
  return Math.min(200, Math.max(40, (widest * width) / world.states / 2));
}

export function graphPicture(world) {
  const n = world.states;
  return {
    height: (width) => 2 * graphReach(world, width) + 36,
    draw(pen, width, height, colour) {
      const place = (s) => ((s + 0.5) / n) * width;
      const middle = height / 2;
      const arcs = (matrix, name, wide) => matrix.forEach((row, s) => row.forEach((chance, t) => {
        if (s === t || chance < 0.02) return;
        pen.strokeStyle = colour(name);
        pen.globalAlpha = 0.2 + 0.8 * chance;
        pen.lineWidth = 0.4 + wide * chance;
        pen.beginPath();
        const reach = Math.abs(place(t) - place(s)) / 2;
        pen.ellipse((place(s) + place(t)) / 2, middle, reach, Math.min(reach, middle - 14), 0, Math.PI, 0, s > t);
        pen.stroke();
      }));
      arcs(world.transition, "c8", 1.2);
      arcs(world.optimal_transition, "c1", 2.6);
      pen.globalAlpha = 1;
      const radius = Math.max(2.5, Math.min(8, width / n / 3));
      for (let s = 0; s < n; s += 1) {
        pen.fillStyle = colour("c6");
        pen.beginPath();
        pen.arc(place(s), middle, radius, 0, 7);
        pen.fill();
      }
      for (const [role, name] of ROLES) {
        pen.fillStyle = colour(name);
        for (const s of world.roles[role] || []) mark(pen, role, place(s), middle, radius * 1.3);
      }
    },
  };
}

/** A start is a triangle, a pitfall a square, a goal a disc: colour is not all that tells them apart. */
export function mark(pen, role, x, y, size) {
  pen.beginPath();
  if (role === "start") {
    pen.moveTo(x, y - size);
    pen.lineTo(x + size, y + size);
    pen.lineTo(x - size, y + size);
  } else if (role === "pitfall") pen.rect(x - size * 0.8, y - size * 0.8, size * 1.6, size * 1.6);
  else pen.arc(x, y, size, 0, 7);
  pen.fill();
}
