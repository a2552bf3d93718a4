function go(el, step) {
  const panel = el.closest(".jp-NotebookPanel") ?? document;
  const card = panel.querySelector(`.ops-step-${step}`);
  card?.scrollIntoView({ block: "start", behavior: "instant" });
  card?.querySelector("button.mod-primary:enabled, input, select, button:enabled")?.focus({ preventScroll: true });
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
    const parts = [banner(model, el), ...(model.get("slim") || !model.get("steps").length ? [] : [stepper(model, el)])];
    const mode = model.get("live") ? "ops-live" : "ops-sandbox";
    el.replaceChildren(node("div", { class: `ops-header ${mode}${model.get("slim") ? " ops-slim" : ""}` }, ...parts));
  };
  el.classList.add("ops");
  for (const trait of ["live", "says", "facts", "steps", "next"]) model.on(`change:${trait}`, draw);
  draw();
}

export default { render };
