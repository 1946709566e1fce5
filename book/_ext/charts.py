"""Interactive charts: each a function that returns a Vega-Lite specification with its data.

Text has the colour of the page around it. Colours of marks stand out from white and from black.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from cpdkit.encoders import encoder_info
from cpdkit.experiments.labels import label
from cpdkit.experiments.verdict import kind_of, saw_target
from cpdkit.runs.record import recorded_tables

RECORDS = {
    "xtb9": ("01_disentanglement_gradient", "our molecules (xtb9)"),
    "qm9": ("01_disentanglement_gradient", "QM9"),
    "prototypes": ("08_crystals", "crystals: ionic, of ours"),
    "materials-project": ("08_crystals", "crystals: 2,000 of the Materials Project"),
    "materials-project-all": ("08_crystals", "crystals: all 19,618 of at most 20 atoms"),
}
SCORES = {
    "r2_partial": "R²partial: share of what composition leaves",
    "r2_geom": "R²geom: residual against the raw target",
    "r2_full": "R²full: all features, nothing removed",
    "r2_comp": "R²comp: composition alone",
    "ceiling": "ceiling: the most that R²geom can reach",
    "crossing": "crossing: R²geom minus its ceiling",
}
KINDS = {  # short, so that a legend of them fits on a phone
    "trained on the target": ("#0173B2", "circle"),
    "trained otherwise": ("#C77F04", "square"),
    "untrained": ("#029E73", "diamond"),
    "descriptor": ("#D55E00", "triangle-up"),
    "null": ("#949494", "cross"),
}
PROBES = {
    "chosen": "floor, penalty chosen inside (cpd)",
    "floor": "floor, penalty of the slider",
    "plain": "no floor, penalty of the slider",
}
SLIDERS = {  # what each is called, and where it stands at first
    "share": ("share of geometry in the target", 0.4),
    "curvature": ("curvature of composition", 0),
    "rare": ("rare channels", 0),
    "rows": ("rows (structures)", 400),
    "penalty": ("penalty α, power of ten", -2),
}
_R2 = "held-out R² (no unit), 95 % interval"
_LOWEST = -0.3  # what lies further left, or further down, is drawn on the edge


def gradient() -> dict[str, Any]:
    """What each representation scores: choose data, target, score and kinds."""
    boxes = {f"kind_{i}": kind for i, kind in enumerate(KINDS)}
    ticked = ",".join(f"{json.dumps(kind)}:{name}" for name, kind in boxes.items())
    asked = alt.Chart().transform_filter(f"datum.score == score && {{{ticked}}}[datum.kind]")
    ceiling = alt.Chart().transform_filter("datum.score == 'ceiling' && score == 'r2_geom'")
    ceiling = ceiling.mark_rule(strokeDash=[5, 4], stroke="currentColor", aria=False)
    sort = alt.EncodingSortField("mean", order="descending")
    scale = _scale(alt.ExprRef(f"score == 'crossing' ? -1 : {_LOWEST}"))
    layers = [
        ceiling.encode(alt.X("mean(mean):Q", scale=scale)),
        *_points(asked, scale, alt.Y("representation:N", title=None, sort=sort)),
    ]
    ticks = [
        alt.param(name=name, value=True, bind=alt.binding_checkbox(name=kind))
        for name, kind in boxes.items()
    ]
    choices = [_select("score", SCORES, "score"), *ticks]
    return _of_records(layers, gradient_table(), choices, f"{json.dumps(SCORES)}[score]", 22)


def ladder() -> dict[str, Any]:
    """What is left as more is removed: choose data, target and whom to highlight."""
    table = ladder_table()
    scale = _scale(_LOWEST)
    x = alt.X("mean:Q", title=_R2, scale=scale)
    y = alt.Y("removed:N", title="removed", sort=alt.EncodingSortField("rung"))
    path = {"x": x, "y": y, "detail": "representation:N", "order": "rung:Q"}
    one = alt.Chart().transform_filter("datum.representation == representation")
    others = alt.Chart().mark_line(stroke="currentColor", opacity=0.25, strokeWidth=1, aria=False)
    line = one.mark_line(strokeWidth=2, aria=False)
    layers = [
        others.encode(**path),
        line.encode(**path, color=_of_kind("color")),
        *_points(one, scale, y),
    ]
    names = {name: name for name in table["representation"]}
    choices = [_select("representation", names, "highlight")]
    return _of_records(layers, table, choices, "'R²partial, ' + representation", 50)


def playground() -> dict[str, Any]:
    """Scores of planted data against the planted share; sliders say how they are planted."""
    table = playground_table()
    scale = alt.Scale(domain=[-0.5, 1], clamp=True)
    title = "planted share of geometry in the target (no unit)"
    ticks = alt.Axis(values=sorted(set(table["share"])))
    x = alt.X("share:Q", title=title, axis=ticks, scale=alt.Scale(padding=8, nice=False))
    here = "abs(datum.share - share) < 0.01"
    cursor = alt.Chart().transform_filter(here).mark_rule(stroke="currentColor", opacity=0.5)
    layers = [cursor.encode(x, tooltip=alt.value(None))]
    planted = {"r2_partial": "datum.planted", "r2_geom": "datum.share"}
    for i, (score, truth) in enumerate(planted.items()):
        colour, shape = [*KINDS.values()][i]
        ends = [f"{score}_{end}" for end in ("mean", "low", "high")]
        value = _with_interval(*(f"datum.{end}" for end in ends))
        text = f"'{score} ' + {value} + ', planted ' + format({truth}, '.2f')"
        base = alt.Chart().transform_calculate(truth=truth, text=text)
        mean, low, high = (alt.Y(f"{end}:Q", title=_R2, scale=scale) for end in ends)
        told = base.transform_filter(here).encode(y=alt.value(18 * i - 34))
        layers += [
            base.mark_area(opacity=0.2, color=colour, aria=False).encode(x, low, alt.Y2(ends[2])),
            base.mark_line(strokeDash=[5, 4], color=colour, aria=False).encode(
                x, alt.Y("truth:Q", scale=scale)
            ),
            base.mark_line(color=colour, aria=False).encode(x, mean),
            base.mark_point(filled=True, size=80, opacity=1, color=colour, shape=shape).encode(
                x, mean, tooltip=alt.Tooltip("text:N", title="here")
            ),
            told.mark_point(
                filled=True, size=80, opacity=1, color=colour, shape=shape, aria=False
            ).encode(x=alt.value(6)),
            told.mark_text(align="left", fontSize=12, color="currentColor").encode(
                x=alt.value(16), text="text:N"
            ),
        ]
    used = "datum.probe == probe && (probe == 'chosen' || datum.penalty == penalty)"
    same = " && ".join(f"datum.{name} == {name}" for name in ("curvature", "rare", "rows"))
    chart = alt.layer(*layers, data=_csv(table)).transform_filter(f"{used} && {same}")
    sliders = [_slider(name, table[name]) for name in SLIDERS]
    return _finished(chart.properties(height=300), [*sliders, _select("probe", PROBES, "probe")])


CHARTS = {"gradient": gradient, "ladder": ladder, "playground": playground}


def gradient_table() -> pd.DataFrame:
    """Last layers under the sound protocol, as recorded, and what a reader asks of them."""
    return _recorded("gradient", SCORES)


def ladder_table() -> pd.DataFrame:
    """``r2_partial`` after each rung of what is removed, as recorded."""
    table = _recorded("ladder", ["r2_partial"])
    rung = table.groupby("dataset")["removed"].transform(lambda names: pd.factorize(names)[0])
    return table.assign(rung=rung, removed=table["removed"].map(label))


def playground_table() -> pd.DataFrame:
    """What ``tools/playground.py`` wrote."""
    return pd.read_csv(Path(__file__).parents[1] / "playground.csv")


def _recorded(name: str, scores: Collection[str]) -> pd.DataFrame:
    tables = []
    for dataset, (notebook, _) in RECORDS.items():
        record = recorded_tables(notebook, dataset=dataset)
        if record is None:
            raise FileNotFoundError(f"{notebook} has no record on {dataset}: make one.")
        table, asked = record[name].dropna(subset=["mean"]), record.manifest["parameters"]
        table = table[table["score"].isin(list(scores))]
        if "protocol" in table:
            table = table[(table["protocol"] == "sound") & (table["depth"] == 1)]
            table = table.assign(representation=table["encoder"])
        names = table["representation"]
        hand = asked["handcrafted"]
        kinds = [_kind(n, t, hand) for n, t in zip(names, table["target"], strict=True)]
        table = table.assign(
            dataset=dataset,
            structures=asked["n_structures"],
            representation=names.map(label),
            kind=kinds,
            trained=names.map({n: _trained_on(n) for n in names.unique()}),
        )
        kept = ["dataset", "target", "representation", "score", "mean", "low", "high"]
        kept += ["structures", "kind", "trained", *table.columns.intersection(["removed"])]
        tables.append(table[kept])
    return pd.concat(tables, ignore_index=True)


def _kind(encoder: str, target: str, handcrafted: Collection[str]) -> str:
    saw, other, untrained, descriptor, null = KINDS
    named = {"untrained": untrained, "descriptor": descriptor, "null": null}
    return named.get(kind_of(encoder, handcrafted), saw if saw_target(encoder, target) else other)


def _trained_on(encoder: str) -> str:
    about = encoder_info(encoder)
    if about is None:
        raise ValueError(f"encoder_info knows nothing of {encoder!r}, which a record names.")
    return re.sub(r"\w+(?= in )", lambda target: label(target[0]), about.trained_on)


def _points(base: alt.Chart, scale: alt.Scale, y: alt.Y) -> list[alt.Chart]:
    """Intervals and points, and above them what is wide enough for a finger."""
    tip = [
        alt.Tooltip("representation:N"),
        alt.Tooltip("value:N", title="value (95 % interval)"),
        alt.Tooltip("structures:Q", format=",", title="structures"),
        alt.Tooltip("kind:N"),
        alt.Tooltip("trained:N", title="trained on"),
    ]
    base = base.transform_calculate(value=_with_interval("datum.mean", "datum.low", "datum.high"))
    bar = base.encode(alt.X("low:Q", title=_R2, scale=scale), alt.X2("high:Q"), y)
    point = base.mark_point(filled=True, size=70, opacity=1)
    return [
        bar.mark_rule(strokeWidth=2, aria=False).encode(color=_of_kind("color")),
        point.encode(
            alt.X("mean:Q", title=_R2, scale=scale), y,
            color=_of_kind("color"), shape=_of_kind("shape"),
        ),
        bar.mark_rule(strokeWidth=18, opacity=0, aria=False).encode(tooltip=tip),
    ]  # fmt: skip


def _of_kind(channel: str) -> alt.Color | alt.Shape:
    looks = [look[channel == "shape"] for look in KINDS.values()]
    made = {"color": alt.Color, "shape": alt.Shape}[channel]
    legend = alt.Legend(title=None, orient="bottom", direction="vertical", labelLimit=0)
    return made("kind:N", scale=alt.Scale(domain=list(KINDS), range=looks), legend=legend)


def _scale(lowest: float | alt.ExprRef) -> alt.Scale:
    return alt.Scale(domain=[lowest, 1], clamp=True, nice=False)


def _select(name: str, words: Mapping[str, str], title: str) -> alt.Parameter:
    bind = alt.binding_select(options=list(words), labels=list(words.values()), name=title)
    return alt.param(name=name, value=next(iter(words)), bind=bind)


def _slider(name: str, values: pd.Series) -> alt.Parameter:
    title, start = SLIDERS[name]
    steps = sorted(values.dropna().unique().tolist())
    bind = alt.binding_range(min=steps[0], max=steps[-1], step=steps[1] - steps[0], name=title)
    return alt.param(name=name, value=start, bind=bind)


def _with_interval(*numbers: str) -> str:
    mean, low, high = (f"format({n}, abs({n}) < 10 ? '.2f' : '.2s')" for n in numbers)
    return f"{mean} + ' (' + {low} + ' to ' + {high} + ')'"


def _of_records(
    layers: Sequence[alt.Chart], table: pd.DataFrame, choices: Sequence[Any], line: str, step: int
) -> dict[str, Any]:
    """Layers over the rows of one data set and target, which are chosen first."""
    data = {name: words for name, (_, words) in RECORDS.items()}
    targets = {name: label(name) for name in table["target"]}
    chart = alt.layer(*layers, data=_csv(table)).transform_filter(
        "datum.dataset == dataset && datum.target == target"
    )
    title = f"[{json.dumps(targets)}[target] + ', ' + {json.dumps(data)}[dataset], {line}]"
    chart = chart.properties(height=alt.Step(step), title=alt.Title(alt.ExprRef(title)))
    params = [_select("dataset", data, "data"), _select("target", targets, "target"), *choices]
    spec = _finished(chart, params)
    chosen = {"target", "representation"} & {param.name for param in choices} | {"target"}
    spec["usermeta"] = {
        name: {key: rows.unique().tolist() for key, rows in table.groupby("dataset")[name]}
        for name in sorted(chosen)
    }
    return spec


def _csv(table: pd.DataFrame) -> alt.InlineData:
    text = table.to_csv(index=False, float_format="%.4g", lineterminator="\n")
    return alt.InlineData(text, format=alt.CsvDataFormat(type="csv"))


def _finished(chart: alt.LayerChart, params: Sequence[alt.Parameter]) -> dict[str, Any]:
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    text = {"labelColor": "currentColor", "titleColor": "currentColor"}
    chart = chart.properties(width="container", autosize=fit).add_params(*params).configure(
        background="transparent", font="sans-serif",
        axisX={"titleAnchor": "end", "labelFlush": False},
        axis={**text, "labelFontSize": 12, "titleFontSize": 12, "labelLimit": 0,
              "gridOpacity": 0.25, "gridColor": "currentColor", "domain": False, "ticks": False,},
        legend={**text, "labelFontSize": 12},
        title={"color": "currentColor", "anchor": "start",
               "frame": "bounds", "fontSize": 13},
        view={"stroke": None},
    )  # fmt: skip
    spec = chart.to_dict()
    del spec["$schema"]  # the page says that it is Vega-Lite
    return spec
