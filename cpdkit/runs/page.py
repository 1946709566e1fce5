"""What the page of a notebook keeps, shows and offers for download."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import matplotlib
import matplotlib_inline.backend_inline
import pandas as pd
from IPython import get_ipython
from IPython.display import Markdown, display
from matplotlib.figure import Figure
from myst_nb import glue as glue_text

from cpdkit.experiments.badges import badge_of, labelled_badges
from cpdkit.experiments.headlines import HEADLINES, NAMES, headline
from cpdkit.experiments.labels import in_words, label, labelled
from cpdkit.experiments.verdict import STYLES, Verdict, with_interval
from cpdkit.figures import described
from cpdkit.runs.record import Recorded, bundle, recorded_outcomes, recorded_tables
from cpdkit.runs.shipped import checkout
from cpdkit.runs.shown import as_html
from cpdkit.runs.tables import FOLDS

__all__ = ["Page", "RecordOnPage", "as_svg"]

_drawn: WeakKeyDictionary[Figure, str] = WeakKeyDictionary()


@dataclass(frozen=True)
class RecordOnPage:
    """A long run as a page shows it; ``record["rulers"]`` is its table ``06_rulers.csv``.

    Attributes
    ----------
    name : str
        The data set.
    recorded : Recorded
        Its tables, manifest and note.
    figures : dict of str to str
        What was drawn from it as SVG, by name in the archive.
    """

    name: str
    recorded: Recorded
    figures: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, table: str) -> pd.DataFrame:
        return self.recorded[table]

    def __contains__(self, table: str) -> bool:
        return table in self.recorded

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Parameters of the run, under the names they had then."""
        return self.recorded.manifest["parameters"]

    def figure(self, name: str, figure: Figure) -> None:
        """Show a figure and put it into the archive as ``figures/DATASET_NAME.svg``."""
        self.figures[f"{self.name}_{name}"] = as_svg(figure)
        display(figure)


class Page:
    """What a notebook keeps: numbered files, figures as SVG, one archive of its records.

    Parameters
    ----------
    notebook : str
        Its name without extension. What stands before the first underscore begins the name of
        every file, which is written into the working directory; where a notebook of the repository
        is run in its place, into ``_build/in_place`` of the repository.
    datasets : sequence of str
        Data sets whose records the page shows.

    Examples
    --------
    In the last cell of chapter 6::

        page = Page("06_geometry_alone")
        page.table("within", table)  # 06_within.csv
        page.figure("within", within_figure(table))  # 06_within.svg
        page.show(table, rows="representation", columns="target")
    """

    def __init__(self, notebook: str, *, datasets: Sequence[str] = ("xtb9", "qm9")) -> None:
        self.notebook = notebook
        self.datasets = datasets
        self.number = notebook.partition("_")[0]
        self.folder = _folder(notebook)
        self._of_ours = False  # whether records stand on the page
        shell = get_ipython()
        if shell is not None:
            matplotlib_inline.backend_inline.set_matplotlib_formats("svg")
            formatters = shell.display_formatter.formatters
            formatters["image/svg+xml"].for_type(Figure, as_svg)
            for kind in (pd.DataFrame, pd.Series):
                formatters["text/html"].for_type(kind, as_html)

    def path(self, name: str, ending: str) -> Path:
        """``NUMBER_NAME.ENDING``."""
        return self.folder / f"{self.number}_{name}.{ending}"

    def table(
        self,
        name: str,
        table: pd.DataFrame,
        *,
        columns: Sequence[str] | None = None,
        drop: Sequence[str] = (),
        index: bool = False,
        float_format: str | None = None,
    ) -> pd.DataFrame:
        """Write a table as CSV, and scores of every fold, if it has them, beside it.

        Parameters
        ----------
        name : str
            Such as ``"within"`` for ``06_within.csv``.
        table : DataFrame
            Names stay as they are; labels are for what is shown.
        columns : sequence of str, optional
            Which to write, in this order; by default all but ``fold_values``.
        drop : sequence of str
            Further columns to leave out.
        index : bool, default False
            Whether to write the index.
        float_format : str, optional
            Such as ``"%.4g"``.

        Returns
        -------
        DataFrame
            `table`, unchanged.
        """
        kept = table[list(columns)] if columns is not None else table
        if columns is None and "fold_values" in kept:
            self._keep_folds(name, kept.drop(columns=list(drop)))
            kept = kept.drop(columns="fold_values")
        kept.drop(columns=list(drop)).to_csv(
            self.path(name, "csv"), index=index, float_format=float_format
        )
        return table

    def _keep_folds(self, name: str, table: pd.DataFrame) -> None:
        """Write rows with all fold values as JSON, for `cpdkit compare`."""
        content = {"settings": table.attrs, "rows": table.to_dict("records")}
        self.path(name, FOLDS.removeprefix(".")).write_text(
            json.dumps(content, default=lambda v: v.item())
        )

    def figure(self, name: str, figure: Figure) -> Figure:
        """Write a figure as SVG and give it back, to be the last value of its cell."""
        self.path(name, "svg").write_text(as_svg(figure), encoding="utf-8")
        return figure

    def show(
        self,
        table: pd.DataFrame,
        *,
        rows: str | Sequence[str] = (),
        columns: str | Sequence[str] = (),
        value: str = "mean",
        interval: bool = True,
        style: str = "number",
        units: Mapping[str, str] | None = None,
        digits: int = 2,
    ) -> pd.DataFrame:
        """A table to look at, with labels in words and in the order of `table`.

        Parameters
        ----------
        table : DataFrame
            What to show; ``fold_values`` are left out.
        rows : str or sequence of str
            Columns of `table` that name the rows.
        columns : str or sequence of str, optional
            Columns of `table` whose values become columns, with one value in each cell. Without
            them `table` is shown as it is, rounded.
        value : str, default "mean"
            Column of the values in the cells.
        interval : bool, default True
            Whether to write ``low`` and ``high`` behind: ``"0.41 (0.35 to 0.47)"``.
        style : str, default "number"
            Of `cpdkit.experiments.verdict.STYLES`: ``"number"``, ``"signed"``, ``"percent"``,
            ``"signed percent"`` or ``"points"``.
        units : mapping of str to str, optional
            Units of targets, written behind them.
        digits : int, default 2
            To round to where `table` is shown as it is.

        Raises
        ------
        ValueError
            If several rows fall into one cell.
        """
        down, across = ([v] if isinstance(v, str) else list(v) for v in (rows, columns))
        table = labelled(table.drop(columns="fold_values", errors="ignore"), units=units)
        if not across:
            return (table.set_index(down) if down else table).round(digits)
        if table.duplicated([*down, *across]).any():
            raise ValueError(f"several rows have the same {', '.join([*down, *across])}.")
        if interval:
            cells = [with_interval(row, value, style=style) for _, row in table.iterrows()]
        else:
            cells = ["" if pd.isna(v) else STYLES[style](v) for v in table[value]]
        wide = table.assign(cell=cells).pivot(index=down, columns=across, values="cell")
        wide = wide.reindex(index=_in_order(table, down), columns=_in_order(table, across))
        return wide.rename_axis(columns=[None] * len(across)).fillna("")

    def records(
        self, datasets: Sequence[str] | None = None, *, sentences: bool = True
    ) -> Iterator[tuple[str, RecordOnPage]]:
        """Show what was recorded of each data set, and gather it in ``NUMBER_recorded.zip``.

        Parameters
        ----------
        datasets : sequence of str, optional
            Which; of those that are not recorded the page says so. By default those of the page.
        sentences : bool, default True
            Whether to show the sentences of the recorded verdicts.

        Yields
        ------
        name : str
            The data set, after its note and its sentences were shown.
        record : RecordOnPage
            Its tables; what :meth:`RecordOnPage.figure` draws goes into the archive, which is
            written after the last one.
        """
        figures: dict[str, str] = {}
        self._of_ours = True
        for name in self.datasets if datasets is None else datasets:
            recorded = recorded_tables(self.notebook, dataset=name)
            if recorded is None:
                display(Markdown(f"Nothing recorded yet of {label(name)}."))
                continue
            shown = f"**{label(name)}.** {recorded.note}"
            if sentences:
                said = map(in_words, recorded["verdict"]["sentence"])
                shown += "\n\n> " + "\n>\n> ".join(said)
            display(Markdown(shown))
            yield name, RecordOnPage(name, recorded, figures)
        bundle(self.notebook, self.path("recorded", "zip"), figures=figures)

    def sentence(self, text: str, *, glue: str | None = None, file: str | None = None) -> Markdown:
        """Show a sentence in bold, with labels in place of names.

        Parameters
        ----------
        text : str
            The sentence.
        glue : str, optional
            Key under which the book may quote it.
        file : str, optional
            Such as ``"remedy"`` for ``03_remedy.txt``, which other pages may include.
        """
        text = in_words(text)
        if glue is not None:
            glue_text(glue, text, display=False)
        if file is not None:
            self.path(file, "txt").write_text(text)
        return Markdown(f"**{text}**")

    def verdict(
        self,
        verdict: Verdict,
        *,
        glue: str,
        also: Mapping[str, tuple[Verdict, str]] | None = None,
        recorded: str | None = None,
    ) -> Markdown:
        """Keep a verdict for the table, the landing page and the book, and show its sentence.

        Beside records the sentence is shown after their outcomes.

        Writes ``NUMBER_verdict.csv`` with names as they are, and with labels
        ``NUMBER_sentence.txt`` and ``NUMBER_outcome.txt``; on a page with records also
        ``NUMBER_recorded.txt``, ``NUMBER_badge.txt``, the word for all that is recorded,
        ``NUMBER_badges.txt``, all badges of the page with their labels, and for the claims of the
        paper ``NUMBER_headline.txt``, the numbers behind it, and ``NUMBER_number.txt``, one of
        them for each data set.

        Parameters
        ----------
        verdict : Verdict
            The first verdict.
        glue : str
            Key under which the book may quote its sentence.
        also : mapping of str to pair, optional
            Further verdicts with their keys, by what stands before ``sentence`` in the names of
            their files: ``{"claimed": (verdict, key)}`` for ``07_claimed_sentence.txt``.
        recorded : str, optional
            What ``NUMBER_recorded.txt`` says; by default the outcomes of the recorded verdicts.
        """
        every = {"": (verdict, glue), **{f"{k}_": v for k, v in (also or {}).items()}}
        rows = pd.DataFrame([asdict(one) for one, _ in every.values()])
        self.table("verdict", rows)
        shown = []
        outcomes: dict[str, dict[str, str]] = {}
        for i, (before, (one, key)) in enumerate(every.items()):
            shown.append(self.sentence(one.sentence, glue=key, file=f"{before}sentence").data)
            self.path(f"{before}outcome", "txt").write_text(one.outcome)
            if not self._of_ours and recorded is None:
                continue
            found = recorded_outcomes(self.notebook, datasets=self.datasets, row=i)
            told = "; ".join(f"{NAMES.get(k, label(k))}: {v}" for k, v in found.items())
            text = (told or "not recorded") if recorded is None else recorded
            self.path(f"{before}recorded", "txt").write_text(text)
            if found:
                shown[-1] = f"*Long runs, recorded: {text.rstrip('.')}. This run:*\n\n{shown[-1]}"
            outcomes[before] = found
            said = badge_of(self.notebook, found, verdict=before)
            self.path(f"{before}badge", "txt").write_text(said)
        if outcomes:
            said = labelled_badges(self.notebook, outcomes)
            self.path("badges", "txt").write_text(said)
        known = {name: recorded_tables(self.notebook, dataset=name) for name in self.datasets}
        claims = [key for key in HEADLINES if key.partition("/")[0] == self.notebook]
        for claim in claims if self._of_ours else []:
            records = {k: v for k, v in known.items() if v is not None}
            for file in ("headline", "number"):
                said = headline(claim, records, short=file == "number")
                self.path("_".join([*claim.split("/")[1:], file]), "txt").write_text(in_words(said))
        return Markdown("\n\n".join(shown))


def as_svg(figure: Figure) -> str:
    """A figure as SVG with its description, for readers who do not see it.

    The same bytes for the same figure; drawn once, so when it is finished.
    """
    if figure not in _drawn:
        written = io.StringIO()
        about = {"Date": None, "Description": described(figure)}
        with matplotlib.rc_context({"svg.hashsalt": "cpdkit"}):
            figure.savefig(written, format="svg", metadata=about)
        _drawn[figure] = written.getvalue()
    return _drawn[figure]


def _folder(notebook: str) -> Path:
    """Where files go: the working directory, unless that is where the notebooks are kept."""
    root = checkout()
    if root is None or Path.cwd() != root / "notebooks":
        return Path()
    folder = root / "_build" / "in_place" / notebook
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _in_order(table: pd.DataFrame, keys: list[str]) -> pd.Index:
    """Combinations of keys that occur, each key in the order of its first appearance."""
    ranks = {key: {v: i for i, v in enumerate(dict.fromkeys(table[key]))} for key in keys}
    found = table[keys].drop_duplicates()
    order = found.sort_values(keys, key=lambda column: column.map(ranks[column.name]))
    return pd.MultiIndex.from_frame(order) if len(keys) > 1 else pd.Index(order[keys[0]])
