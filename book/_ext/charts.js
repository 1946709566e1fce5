// Draw every chart of the page in place of its still; offer what there is of the chosen data.
for (const chart of document.querySelectorAll(".chart")) {
  const [choices, picture, data] = chart.children;
  const spec = JSON.parse(data.textContent);
  const options = { mode: "vega-lite", renderer: "svg", actions: false, bind: choices, logLevel: 1 };
  options.tooltip = { disableDefaultStyle: true };
  vegaEmbed(picture, spec, options).then(({ view }) => {
    new ResizeObserver(() => window.dispatchEvent(new Event("resize"))).observe(chart);
    const offer = (_, dataset) => {
      for (const [name, known] of Object.entries(spec.usermeta ?? {})) {
        const select = choices.querySelector(`select[name="${name}"]`);
        for (const option of select.options)
          option.hidden = option.disabled = !known[dataset].includes(option.value);
        if (select.selectedOptions[0].disabled) view.signal(name, known[dataset][0]);
      }
      view.runAsync();
    };
    if (spec.usermeta) {
      view.addSignalListener("dataset", offer);
      offer("dataset", view.signal("dataset"));
    }
  });
}
