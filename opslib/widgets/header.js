function go(el, step) {
  const panel = el.closest(".jp-NotebookPanel") ?? document;
  const card = panel.querySelector(`.ops-step-${step}`);
  if (!card) return;
  card.scrollIntoView({ block: "start", behavior: "instant" });
  const inside = [...card.querySelectorAll("button.mod-primary"), ...card.querySelectorAll("input, select, button")];
  inside.find(usable)?.focus({ preventScroll: true });
}

function usable(one) {
  return one?.isConnected && !one.disabled && one.checkVisibility();
}

const GONE = ["restarting", "autorestarting", "terminating", "dead", "unknown"];

// What JupyterLab and ipywidgets leave open; once for the page and for each kernel, as headers are drawn several times.
function watch(model) {
  const manager = model.widget_manager;
  if (!document.opsKernels) {
    document.opsKernels = new WeakMap();
    keepFocus();
    keysOfLists();
    finishPress();
  }
  const kernels = document.opsKernels;
  if (!manager.kernel) return;
  if (!kernels.has(manager.kernel)) {
    const clicks = clickAfterTyping();
    kernels.set(manager.kernel, clicks);
    manager.kernel.statusChanged.connect((_, status) => {
      if (!GONE.includes(status)) return;
      clicks.forget();
      // JupyterLab lets go of the widgets at a restart that is asked for, not when a kernel dies by itself.
      manager.disconnect();
    });
  }
  kernels.get(manager.kernel).askThrough(model); // a restarted kernel is the same one here, and has other widgets
}

// ipywidgets holds back what is typed while the letter before is under way, but no click: so the click waits until the
// kernel has answered what was sent before. Widgets may have a queue of their own there, so it is asked through one.
function clickAfterTyping() {
  let typed = false, asked;
  const waiting = [];
  document.addEventListener("input", () => { typed = true; }, true);
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".ops .jupyter-button");
    if (!button || !(typed || waiting.length)) return;
    event.stopImmediatePropagation();
    typed = false;
    if (waiting.push(button) === 1) asked.send({});
  }, true);
  const answered = () => waiting.splice(0).forEach((button) => button.click());
  return {
    askThrough: (model) => { asked = model; model.on("msg:custom", answered); },
    forget: () => { waiting.length = 0; },
  };
}

// A line above that becomes longer or shorter moves a button under the pressed mouse: then the browser sees no click.
function finishPress() {
  let pressed, top;
  document.addEventListener("pointerdown", ({ target }) => {
    pressed = target.closest?.(".ops .jupyter-button");
    top = pressed?.getBoundingClientRect().top;
  }, true);
  document.addEventListener("pointerup", ({ target }) => {
    const moved = pressed?.isConnected && !pressed.contains(target) && pressed.getBoundingClientRect().top !== top;
    if (moved) pressed.click();
    pressed = undefined;
  }, true);
}

// A button that is closed, or folded away, while it has the focus hands it on within its card.
function keepFocus() {
  let held;
  const pass = () => {
    if (!held || usable(held)) return;
    const box = held.closest(".ops-actions"), head = held.closest(".ops-card")?.querySelector(".ops-head button");
    held = undefined;
    if (document.activeElement !== document.body && usable(document.activeElement)) return;
    if (box) box.tabIndex = -1; // not a button: a second Enter is not meant for Cancel
    [box, head].find(usable)?.focus({ preventScroll: true });
  };
  document.addEventListener("focusin", (event) => { held = event.target.closest(".ops-card") ? event.target : undefined; });
  document.addEventListener("focusout", () => { if (usable(held)) held = undefined; });
  new MutationObserver(pass).observe(document.body, { subtree: true, attributeFilter: ["disabled", "style", "class"] });
}

// In a list the arrows and letters choose: JupyterLab would take them for its own, and go to another cell or cut this one.
function keysOfLists() {
  document.addEventListener("focusin", ({ target }) => {
    if (target.matches(".ops select")) target.setAttribute("data-lm-suppress-shortcuts", "true");
  });
}

// “Run All Cells” goes to the last cell before that has an output; so it ends on the output.
function endHere(el) {
  const cell = el.closest(".jp-Cell.jp-mod-active");
  if (cell && cell === [...cell.parentElement.children].at(-1)) el.scrollIntoView({ block: "nearest", behavior: "instant" });
}

function node(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function banner(model, el) {
  const facts = (model.get("slim") ? [] : model.get("facts")).map(([label, value]) => node("span", {}, `${label} ${value}`));
  const parts = [
    node("span", { class: "ops-mode" }, model.get("live") ? "LIVE" : "SANDBOX"),
    node("div", { class: "ops-say" }, node("strong", {}, model.get("says")), ...facts),
  ];
  const [step, label] = model.get("next");
  if (step && !el.closest(`.ops-step-${step}`)) { // on that card there is the button itself
    const button = node("button", { type: "button" }, `Next: ${label}`);
    button.addEventListener("click", () => go(el, step));
    parts.push(button);
  }
  return node("div", { class: "ops-banner" }, ...parts);
}

function stepper(model, el) {
  const items = model.get("steps").map(({ name, title, state, icon, current }, place) => {
    const link = node("a", { href: `#${name}`, "aria-label": `${place + 1} ${title}: ${state}` },
      `${place + 1}`, node("span", {}, ` ${title}`), node("small", {}, `${icon} ${state}`));
    link.addEventListener("click", (event) => { event.preventDefault(); go(el, name); });
    return node("li", { class: `is-${state}`, ...(current ? { "aria-current": "step" } : {}) }, link);
  });
  return node("ol", { "aria-label": "Steps" }, ...items);
}

function render({ model, el }) {
  const draw = () => {
    const focused = el.contains(document.activeElement) && (document.activeElement.getAttribute("href") ?? "");
    const parts = [banner(model, el), ...(model.get("slim") || !model.get("steps").length ? [] : [stepper(model, el)])];
    const mode = model.get("live") ? "ops-live" : "ops-sandbox";
    el.replaceChildren(node("div", { class: `ops-header ${mode}${model.get("slim") ? " ops-slim" : ""}` }, ...parts));
    if (focused !== false) el.querySelector(focused ? `a[href="${focused}"]` : "button")?.focus({ preventScroll: true });
  };
  el.classList.add("ops");
  for (const trait of ["live", "says", "facts", "steps", "next"]) model.on(`change:${trait}`, draw);
  draw();
  watch(model);
  // Only now it is on its card.
  new ResizeObserver((_, drawn) => { drawn.disconnect(); draw(); endHere(el); }).observe(el);
}

export default { render };
