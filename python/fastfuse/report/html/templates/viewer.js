"use strict";
// The viewer: three slices through one point of the volumes that this page holds.
(() => {
  const root = document.getElementById("viewer");
  if (!root || typeof DecompressionStream === "undefined") return; // the still pictures stay
  const scan = JSON.parse(document.getElementById("scan").textContent);
  const find = (selector) => root.querySelector(selector);
  const shape = scan.shape;
  const PAGE = 10; // slices of Page Up and Page Down
  const MOST_ZOOM = 8;
  const first = scan.places.length ? [...scan.places[scan.first].at] : shape.map((n) => n >> 1);
  const state = { at: first, place: scan.first, zoom: 1 };
  const volumes = {};
  const slices = slicesOf(scan, volumes, state);
  const { PLANES, LETTERS, isMap, greyAt, indexOf, intensity, layout, looksAt, millimetres, voteAt } = slices;

  async function inflated(name) {
    const node = document.getElementById(`volume-${name}`);
    if (!node) return null;
    const text = atob(node.textContent);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  }

  const codes = (buffer) => (scan.wide ? new Uint16Array(buffer) : new Uint8Array(buffer));

  const settings = () => ({
    consensus: find("#consensus-on").checked,
    edge: find("#edge-on") && find("#edge-on").checked,
    cross: find("#cross-on").checked,
    opacity: Number(find("#opacity").value) / 100,
    window: scan.image ? Number(find("#window").value) : 255,
    level: scan.image ? Number(find("#level").value) : 128,
    raters: [...root.querySelectorAll("[data-rater]")].map((box) => box.checked),
  });

  // Three digits, and all of those before the point: 0.0123, 12.3, 1,010.
  function plain(value) {
    const digits = Math.abs(value) < 1 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0 };
    return value.toLocaleString("en", digits).replace("-", "−");
  }

  // --- what is said -----------------------------------------------------------------------------------------------

  function position(axis) {
    const mm = millimetres(state.at)[axis];
    return scan.placed ? `${LETTERS[axis][mm >= 0 ? 0 : 1]} ${Math.abs(mm).toFixed(1)}` : mm.toFixed(1);
  }

  // The image's value: the file's at a place of the list, else what the grey levels can tell of it.
  function below() {
    const { beyond, exact, factor, high, low, unit } = scan.image;
    const listed = scan.places.find((one) => one.at.every((n, axis) => n === state.at[axis]));
    if (listed) return listed.image === null ? "no number" : plain(listed.image);
    const level = greyAt(...state.at);
    const mean = factor === 1 ? "" : ` (mean of ${factor} × ${factor} × ${factor} voxels)`;
    if (exact) return `${plain(Math.round(intensity(level)))}${mean}`;
    const half = (high - low) / 510;
    const digits = Math.min(20, Math.max(0, Math.ceil(-Math.log10(unit))));
    const said = (word, round, value) => {
      const rounded = round(value / unit) * unit || 0; // no −0
      return `${word} ${rounded.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−")}${mean}`;
    };
    if (level === 0 && beyond[0]) return said("at most", Math.ceil, low + half);
    if (level === 255 && beyond[1]) return said("at least", Math.floor, high - half);
    return said("about", Math.round, intensity(level));
  }

  function told() {
    const i = indexOf(state.at);
    const parts = [`${[0, 1, 2].map(position).join(", ")} mm`];
    if (scan.image) parts.push(`image ${below()}`);
    const held = volumes.consensus[i];
    parts.push(`${scan.called} ${isMap ? scan.labels[held].name : (held / 255).toFixed(2)}`);
    if (volumes.raters) {
      const looked = scan.numbers.map((_, rater) => rater).filter((rater) => looksAt(rater, i));
      if (scan.maps) {
        parts.push(looked.map((rater) => `${scan.numbers[rater]}: ${scan.labels[voteAt(rater, i)].name}`).join(", "));
      } else {
        const who = looked.filter((rater) => voteAt(rater, i)).map((rater) => scan.numbers[rater]);
        parts.push(`marked by ${who.length} of ${looked.length}${who.length ? `: ${who.join(", ")}` : ""}`);
      }
    }
    return parts.join(" · ");
  }

  function name(plane, fixed) {
    const [number, count] = [state.at[fixed] + scan.origin[fixed] + 1, scan.whole[fixed]];
    const text = `slice ${number} of ${count}, ${position(fixed)} mm`;
    find(`#${plane}-said`).textContent = text;
    const slider = find(`#${plane}-slider`);
    slider.value = state.at[fixed];
    slider.setAttribute("aria-valuetext", text);
    const canvas = find(`#${plane}`);
    canvas.setAttribute("aria-valuenow", number);
    canvas.setAttribute("aria-valuetext", `${text}; ${told()}`);
  }

  const shown = Object.keys(PLANES).filter((plane) => find(`#${plane}`));
  let asked = 0;
  function show() {
    if (asked) return;
    asked = requestAnimationFrame(() => {
      asked = 0;
      const options = settings();
      shown.forEach((plane) => slices.draw(find(`#${plane}`), PLANES[plane], options));
      shown.forEach((plane) => name(plane, PLANES[plane].fixed));
      find("#where").textContent = told();
      if (find("#none-outlined")) find("#none-outlined").hidden = options.raters.some(Boolean);
      find("#opacity-said").textContent = `${find("#opacity").value} %`;
      if (scan.image) {
        for (const one of ["window", "level"]) {
          const value = Number(find(`#${one}`).value);
          const real = one === "level" ? intensity(value) : intensity(value) - scan.image.low;
          find(`#${one}-said`).textContent = plain(real);
        }
      }
    });
  }

  // Makes the boxes of long lists as high as their last row that fits.
  function wholeRows() {
    root.querySelectorAll(".list").forEach((list) => {
      list.style.maxHeight = "";
      if (list.scrollHeight <= list.clientHeight) return;
      const top = list.getBoundingClientRect().top - list.scrollTop;
      const ends = [...list.children].map((row) => row.getBoundingClientRect().bottom - top);
      list.style.maxHeight = `${Math.max(ends[0], ...ends.filter((end) => end <= list.clientHeight))}px`;
    });
  }

  // --- what one can do --------------------------------------------------------------------------------------------

  function moveTo(axis, value) {
    const next = Math.min(shape[axis] - 1, Math.max(0, Math.round(value)));
    const moved = next !== state.at[axis];
    state.at[axis] = next;
    if (moved) show();
    return moved;
  }

  function visit(place) {
    if (!scan.places.length) return;
    state.place = (place + scan.places.length) % scan.places.length;
    state.at = [...scan.places[state.place].at];
    find("#place").value = state.place;
    show();
  }

  function zoomBy(times) {
    state.zoom = Math.min(MOST_ZOOM, Math.max(1, state.zoom * times));
    find("#zoom-said").textContent = `× ${state.zoom}`;
    show();
  }

  function pressed(event, axis) {
    const steps = {
      ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: PAGE, PageDown: -PAGE,
      Home: -shape[axis], End: shape[axis],
    };
    const others = {
      n: () => visit(state.place + 1), p: () => visit(state.place - 1), "+": () => zoomBy(2), "-": () => zoomBy(0.5),
    };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) moveTo(axis, state.at[axis] + steps[event.key]);
    else if (event.key in others) others[event.key]();
    else return;
    event.preventDefault();
  }

  function point(event, canvas, plane) {
    const box = canvas.getBoundingClientRect();
    const dense = canvas.width / box.width;
    const place = layout(plane, canvas.width);
    const { across, up } = plane;
    const column = Math.floor(((event.clientX - box.left) * dense - place.x.start) / place.x.step);
    const row = Math.floor(((event.clientY - box.top) * dense - place.y.start) / place.y.step);
    moveTo(across, shape[across] - 1 - column);
    moveTo(up, shape[up] - 1 - row);
  }

  function listen() {
    for (const plane of shown) {
      const canvas = find(`#${plane}`);
      const { fixed } = PLANES[plane];
      const slider = find(`#${plane}-slider`);
      slider.max = shape[fixed] - 1;
      slider.addEventListener("input", () => moveTo(fixed, Number(slider.value)));
      canvas.setAttribute("aria-valuemin", scan.origin[fixed] + 1);
      canvas.setAttribute("aria-valuemax", scan.origin[fixed] + shape[fixed]);
      canvas.addEventListener("keydown", (event) => pressed(event, fixed));
      // At the first and the last slice the page scrolls on.
      canvas.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && moveTo(fixed, state.at[fixed] - Math.sign(event.deltaY))) event.preventDefault();
      }, { passive: false });
      canvas.addEventListener("click", (event) => point(event, canvas, PLANES[plane]));
      canvas.addEventListener("pointermove", (event) => {
        if (event.buttons && event.pointerType === "mouse") point(event, canvas, PLANES[plane]);
      });
    }
    root.querySelectorAll("input").forEach((box) => box.addEventListener("input", show));
    root.querySelectorAll("[data-all]").forEach((button) => button.addEventListener("click", () => {
      root.querySelectorAll("[data-rater]").forEach((box) => { box.checked = button.dataset.all === "on"; });
      show();
    }));
    find("#closer").addEventListener("click", () => zoomBy(2));
    find("#farther").addEventListener("click", () => zoomBy(0.5));
    if (scan.places.length) {
      find("#place").value = state.place;
      find("#place").addEventListener("change", (event) => visit(Number(event.target.value)));
      find("#next").addEventListener("click", () => visit(state.place + 1));
      find("#previous").addEventListener("click", () => visit(state.place - 1));
    }
    document.querySelectorAll("[data-visit]").forEach((button) => {
      button.hidden = false;
      button.addEventListener("click", () => {
        visit(Number(button.dataset.visit));
        root.scrollIntoView();
        find(`#${shown[0]}`).focus({ preventScroll: true });
      });
    });
    new ResizeObserver(() => { wholeRows(); show(); }).observe(root);
  }

  async function open() {
    const names = ["image", "consensus", "raters", "looked"];
    const [image, consensus, raters, looked] = await Promise.all(names.map(inflated));
    if (image) volumes.image = new Uint8Array(image);
    volumes.consensus = isMap ? codes(consensus) : new Uint8Array(consensus);
    if (looked) volumes.looked = new Uint8Array(looked);
    if (raters) volumes.raters = scan.maps ? codes(raters) : new Uint8Array(raters);
    root.hidden = false;
    document.getElementById("still").hidden = true;
    listen();
    show();
    requestAnimationFrame(() => requestAnimationFrame(() => { root.dataset.ready = "yes"; }));
  }
  open();
})();
