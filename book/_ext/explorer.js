// Offer a map of each representation; chemiscope is loaded when the first one is asked for.
const script = new URL("chemiscope.min.js", document.currentScript.src).href;
let loading;
const chemiscope = () =>
  (loading ??= new Promise((found, failed) => {
    const tag = Object.assign(document.createElement("script"), { src: script, onload: found });
    tag.onerror = () => failed(new Error(`${script} could not be loaded.`));
    document.head.append(tag);
  }));

const PARTS = ["meta", "map", "structure", "info"];

for (const box of document.querySelectorAll(".explorer")) {
  const { maps, ...data } = JSON.parse(box.querySelector("script").textContent);
  const choices = box.querySelector(".explorer-choices");
  const buttons = Object.entries(maps).map(([name, { axes, colour }]) => {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.textContent = name;
    button.setAttribute("aria-pressed", "false");
    button.onclick = async () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      const [x, y] = axes.map((property) => ({ property }));
      const map = { x, y, color: { property: colour }, palette: "viridis" };
      await show(box, { ...data, settings: { map } });
    };
    return button;
  });
  choices.append("Open a map: ", ...buttons);
}

async function show(box, dataset) {
  await chemiscope();
  (await box.shown)?.remove();
  box.querySelector(".explorer-place")?.remove();
  const place = Object.assign(document.createElement("div"), { className: "explorer-place" });
  const config = {};
  for (const part of PARTS) {
    const div = Object.assign(document.createElement("div"), { id: `explorer-${part}` });
    div.className = config[part] = div.id;
    place.append(div);
  }
  box.append(place);
  const warnings = new Chemiscope.Warnings();
  warnings.addHandler((message) => console.warn(message));
  box.shown = Chemiscope.DefaultVisualizer.load(config, structuredClone(dataset), warnings);
  await box.shown;
}
