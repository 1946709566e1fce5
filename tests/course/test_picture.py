"""A figure shows itself."""

from __future__ import annotations

from matplotlib.figure import Figure

from cpdkit.course.picture import Picture


def test_the_same_figure_gives_the_same_image_and_says_what_it_shows() -> None:
    def drawn() -> dict[str, str]:
        figure = Figure(figsize=(2, 1))
        figure.subplots().plot([0, 1])
        return Picture(figure, "a rising line")._repr_mimebundle_()

    assert drawn() == drawn()
    assert drawn()["image/svg+xml"].startswith("<?xml")
    assert drawn()["text/plain"] == "a rising line"
