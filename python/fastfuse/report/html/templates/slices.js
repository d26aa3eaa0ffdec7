"use strict";
// Slices through the point `state.at` of volumes along the patient's axes: indices run to the right, the front and the top.
// Pictures show the patient from the feet, the front and the left, so that all three are mirrored.
const slicesOf = (scan, volumes, state) => {
  const shape = scan.shape;
  const strides = [shape[1] * shape[2], shape[2], 1];
  const voxels = shape[0] * strides[0];
  const PLANES = {
    axial: { fixed: 2, across: 0, up: 1 },
    coronal: { fixed: 1, across: 0, up: 2 },
    sagittal: { fixed: 0, across: 1, up: 2 },
  };
  const LETTERS = [["R", "L"], ["A", "P"], ["S", "I"]];
  const FAINT = 6; // of 255: probabilities below 2.5 % are not drawn

  // --- what lies at a voxel ---------------------------------------------------------------------------------------

  const isMap = scan.labels.length > 0;

  function voteAt(rater, i) {
    if (scan.maps) return volumes.raters[rater * voxels + i];
    return bitAt(volumes.raters, rater, i);
  }

  const bitAt = (bits, rater, i) => (bits[rater * Math.ceil(voxels / 8) + (i >> 3)] >> (i & 7)) & 1;
  const looksAt = (rater, i) => !volumes.looked || bitAt(volumes.looked, rater, i) === 1;

  function greyAt(x, y, z) {
    const { factor, shape: size } = scan.image;
    const [a, b, c] = factor === 1 ? [x, y, z] : [x, y, z].map((n) => Math.floor(n / factor));
    return volumes.image[(a * size[1] + b) * size[2] + c];
  }

  const intensity = (level) => scan.image.low + (level / 255) * (scan.image.high - scan.image.low);
  const indexOf = (at) => at[0] * strides[0] + at[1] * strides[1] + at[2];

  function millimetres(at) {
    const full = at.map((n, axis) => n + scan.origin[axis]);
    return [0, 1, 2].map((row) => full.reduce((sum, n, axis) => sum + scan.affine[row][axis] * n, scan.affine[row][3]));
  }

  // --- a slice ----------------------------------------------------------------------------------------------------

  function hexed(colour) {
    return [1, 3, 5].map((from) => parseInt(colour.slice(from, from + 2), 16));
  }

  const RAMP = (() => {
    const stops = scan.ramp.map(hexed);
    return Array.from({ length: 256 }, (_, level) => {
      const place = (level / 255) * (stops.length - 1);
      const k = Math.min(Math.floor(place), stops.length - 2);
      return stops[k].map((from, c) => Math.round(from + (place - k) * (stops[k + 1][c] - from)));
    });
  })();
  const LABEL_COLOURS = scan.labels.map((one) => hexed(one.color));

  // What the consensus's colours become where they lie over the image, and how much of it they cover: the image's share is the
  // square of what the opacity leaves, so that they stay darker than any line also where the image is white.
  function laid(colours, opacity) {
    const covers = 1 - (1 - opacity) ** 2;
    return [colours.map((colour) => colour.map((part) => (covers ? part * opacity / covers : 0))), 255 * covers];
  }

  function layout(plane, side) {
    const { across, up } = plane;
    const most = Math.max(...shape.map((n, axis) => n * scan.spacing[axis]));
    const scale = (side / most) * state.zoom;
    const place = (axis) => {
      const step = scan.spacing[axis] * scale;
      const length = shape[axis] * step;
      const middle = side / 2 - (shape[axis] - 0.5 - state.at[axis]) * step;
      const start = length <= side ? (side - length) / 2 : Math.min(0, Math.max(side - length, middle));
      return { step, start, length };
    };
    return { scale, x: place(across), y: place(up) };
  }

  function paint(plane, options) {
    const { fixed, across, up } = plane;
    const [columns, rows] = [shape[across], shape[up]];
    const below = new ImageData(columns, rows);
    const above = new ImageData(columns, rows);
    const at = [...state.at];
    const low = options.level - options.window / 2;
    const [colours, covers] = laid(isMap ? LABEL_COLOURS : RAMP, options.opacity);
    for (let row = 0, pixel = 0; row < rows; row++) {
      at[up] = rows - 1 - row;
      for (let column = 0; column < columns; column++, pixel += 4) {
        at[across] = columns - 1 - column;
        const level = scan.image ? greyAt(at[0], at[1], at[2]) : 0;
        const shade = scan.image ? ((level - low) / options.window) * 255 : 0;
        below.data[pixel] = below.data[pixel + 1] = below.data[pixel + 2] = shade;
        below.data[pixel + 3] = 255;
        if (!options.consensus) continue;
        const held = volumes.consensus[indexOf(at)];
        if (isMap ? !scan.labels[held].value : held < FAINT) continue;
        above.data.set(colours[held], pixel);
        above.data[pixel + 3] = covers;
      }
    }
    return [below, above, at[fixed]];
  }

  function onCanvas(image) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  // Traces the edges between pixels that `valueAt` gives different values: as long lines, so that dashes are seen.
  function outline(plane, place, valueAt) {
    const { fixed, across, up } = plane;
    const [columns, rows] = [shape[across], shape[up]];
    const wide = columns + 1;
    const values = new Uint16Array(wide * (rows + 1));
    let [top, bottom] = [rows, -1]; // the rows that hold something
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const i = (columns - 1 - column) * strides[across] + (rows - 1 - row) * strides[up] + state.at[fixed] * strides[fixed];
        const value = valueAt(i);
        if (!value) continue;
        values[row * wide + column] = value;
        [top, bottom] = [Math.min(top, row), row];
      }
    }
    if (bottom < 0) return null;
    const edges = new Uint8Array(wide * (rows + 1)); // of each corner: 1 to the right, 2 down, 4 to the left, 8 up
    for (let row = top; row <= bottom + 1; row++) {
      for (let column = 0; column <= columns; column++) {
        const k = row * wide + column;
        const left = column ? values[k - 1] : 0;
        const above = row ? values[k - wide] : 0;
        if (values[k] !== left) { edges[k] |= 2; edges[k + wide] |= 8; }
        if (values[k] !== above) { edges[k] |= 1; edges[k + 1] |= 4; }
      }
    }
    return traced(edges, wide, place);
  }

  // Follows edges from corner to corner, straight on where that goes, until none is left.
  function traced(edges, wide, { x, y }) {
    const path = new Path2D();
    const steps = [1, wide, -1, -wide];
    const corner = (k) => [x.start + (k % wide) * x.step, y.start + Math.floor(k / wide) * y.step];
    for (let first = 0; first < edges.length; first++) {
      while (edges[first]) {
        path.moveTo(...corner(first));
        let [k, way] = [first, 0];
        while (edges[k]) {
          if (!(edges[k] & (1 << way))) way = [0, 1, 2, 3].find((one) => edges[k] & (1 << one));
          edges[k] &= ~(1 << way);
          k += steps[way];
          edges[k] &= ~(1 << ((way + 2) % 4));
          path.lineTo(...corner(k));
        }
      }
    }
    return path;
  }

  // Draws lines upon dark edges, which set them off from what is coloured below; all edges first, so that none hides a line.
  function strokeAll(context, lines) {
    const stroke = (path, colour, width, dash) => {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.setLineDash(dash);
      context.stroke(path);
    };
    lines.forEach(({ path, width }) => stroke(path, "rgba(0,0,0,.6)", 1.8 * width, []));
    lines.forEach(({ path, width, colour, dash }) => stroke(path, colour, width, dash));
    context.setLineDash([]);
  }

  function words(context, text, x, y, size) {
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.lineWidth = size / 4;
    context.strokeStyle = "#000";
    context.strokeText(text, x, y);
    context.fillStyle = "#fff";
    context.fillText(text, x, y);
  }

  function decorate(context, plane, place, side, dense, cross) {
    const { across, up } = plane;
    const middle = (axis, { start, step }) => start + (shape[axis] - 0.5 - state.at[axis]) * step;
    const [cx, cy] = [middle(across, place.x), middle(up, place.y)];
    if (cross) {
      const gap = 12 * dense;
      const path = new Path2D();
      for (const [x0, y0, x1, y1] of [[0, cy, cx - gap, cy], [cx + gap, cy, side, cy], [cx, 0, cx, cy - gap], [cx, cy + gap, cx, side]]) {
        path.moveTo(x0, y0);
        path.lineTo(x1, y1);
      }
      strokeAll(context, [{ path, colour: scan.cross, width: dense, dash: [2 * dense, 2 * dense] }]);
    }
    const size = 15 * dense;
    context.textBaseline = "middle";
    context.textAlign = "center";
    if (scan.placed) {
      words(context, LETTERS[across][0], size, side / 2, size);
      words(context, LETTERS[across][1], side - size, side / 2, size);
      words(context, LETTERS[up][0], side / 2, size, size);
      words(context, LETTERS[up][1], side / 2, side - size, size);
    }
    const length = scan.bars.filter((mm) => mm * place.scale <= side / 3).pop() || scan.bars[0];
    const [x, y] = [12 * dense, side - 12 * dense];
    for (const [colour, width] of [["#000", 5 * dense], ["#fff", 3 * dense]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x + length * place.scale, y);
      context.stroke();
    }
    context.textAlign = "left";
    words(context, `${length} mm`, x, y - 12 * dense, 12 * dense);
  }

  function draw(canvas, plane, options) {
    const dense = Math.min(window.devicePixelRatio || 1, 3);
    const side = Math.max(1, Math.round(canvas.clientWidth * dense));
    if (canvas.width !== side) canvas.width = canvas.height = side;
    const context = canvas.getContext("2d");
    const place = layout(plane, side);
    const [below, above] = paint(plane, options);
    context.fillStyle = "#000";
    context.fillRect(0, 0, side, side);
    const area = [place.x.start, place.y.start, place.x.length, place.y.length];
    context.imageSmoothingEnabled = true;
    context.drawImage(onCanvas(below), ...area);
    context.imageSmoothingEnabled = false;
    context.drawImage(onCanvas(above), ...area);
    context.lineJoin = "round";
    const lines = [];
    const add = (valueAt, colour, width, dash) => {
      const path = outline(plane, place, valueAt);
      if (path) lines.push({ path, colour, width: width * dense, dash: dash.map((length) => length * dense) });
    };
    const least = Math.ceil(scan.cut * 255);
    if (options.edge) add((i) => (volumes.consensus[i] >= least ? 1 : 0), "#fff", 2, []);
    scan.lines.forEach(({ colour, dash }, rater) => {
      if (options.raters[rater]) add((i) => voteAt(rater, i), colour, 1.5, dash);
    });
    strokeAll(context, lines);
    decorate(context, plane, place, side, dense, options.cross);
  }

  return { PLANES, LETTERS, isMap, draw, greyAt, indexOf, intensity, layout, looksAt, millimetres, voteAt };
};
