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
    return (volumes.raters[rater * Math.ceil(voxels / 8) + (i >> 3)] >> (i & 7)) & 1;
  }

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
        const colour = isMap ? (scan.labels[held].value ? LABEL_COLOURS[held] : null) : held >= FAINT ? RAMP[held] : null;
        if (!colour) continue;
        above.data.set(colour, pixel);
        above.data[pixel + 3] = 255 * options.opacity;
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

  // Strokes the edges between pixels that `valueAt` gives different values.
  function outline(context, plane, place, valueAt) {
    const { fixed, across, up } = plane;
    const [columns, rows] = [shape[across], shape[up]];
    const values = new Uint16Array((columns + 1) * (rows + 1));
    let marked = false;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const i = (columns - 1 - column) * strides[across] + (rows - 1 - row) * strides[up] + state.at[fixed] * strides[fixed];
        const value = valueAt(i);
        values[row * (columns + 1) + column] = value;
        marked = marked || value > 0;
      }
    }
    if (!marked) return;
    const { x, y } = place;
    context.beginPath();
    for (let row = 0; row <= rows; row++) {
      for (let column = 0; column <= columns; column++) {
        const here = values[row * (columns + 1) + column];
        const left = column ? values[row * (columns + 1) + column - 1] : 0;
        const top = row ? values[(row - 1) * (columns + 1) + column] : 0;
        const [px, py] = [x.start + column * x.step, y.start + row * y.step];
        if (here !== left && row < rows) { context.moveTo(px, py); context.lineTo(px, py + y.step); }
        if (here !== top && column < columns) { context.moveTo(px, py); context.lineTo(px + x.step, py); }
      }
    }
    context.stroke();
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
      context.strokeStyle = "rgba(255,255,255,.55)";
      context.lineWidth = dense;
      context.beginPath();
      for (const [x0, y0, x1, y1] of [[0, cy, cx - gap, cy], [cx + gap, cy, side, cy], [cx, 0, cx, cy - gap], [cx, cy + gap, cx, side]]) {
        context.moveTo(x0, y0);
        context.lineTo(x1, y1);
      }
      context.stroke();
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
    context.lineCap = "square";
    if (options.edge) {
      const least = Math.ceil(scan.cut * 255);
      for (const [colour, width] of [["#000", 3.5], ["#fff", 1.5]]) {
        context.strokeStyle = colour;
        context.lineWidth = width * dense;
        outline(context, plane, place, (i) => (volumes.consensus[i] >= least ? 1 : 0));
      }
    }
    options.raters.forEach((on, rater) => {
      if (!on) return;
      context.strokeStyle = scan.colours[rater % scan.colours.length];
      context.lineWidth = 1.5 * dense;
      const round = Math.floor(rater / scan.colours.length); // beyond seven raters, lines are dashed
      context.setLineDash(round ? [4 * dense * round, 3 * dense] : []);
      outline(context, plane, place, (i) => voteAt(rater, i));
    });
    context.setLineDash([]);
    decorate(context, plane, place, side, dense, options.cross);
  }

  return { PLANES, LETTERS, isMap, draw, greyAt, indexOf, intensity, layout, millimetres, voteAt };
};
