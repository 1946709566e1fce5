"""What a reader sees of a page in Chromium: at three widths, in light and dark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = (1280, 768, 390)
SMALLEST = 9  # pixels, of letters

# What is cut off: wider than the window, or than a box that hides the rest and does not scroll.
# Letters of figures: our SVG files are drawn with letters of 10 points, 13.3 pixels.
LOOK = """() => {
  const found = [], root = document.documentElement, name = e =>
    `${e.tagName.toLowerCase()}${e.id ? '#' + e.id : ''} ${(e.alt || e.textContent || '').trim()
      .slice(0, 40)}`;
  if (root.scrollWidth > innerWidth + 1) {
    const wide = [...document.querySelectorAll('article *')].find(e => {
      const box = e.getBoundingClientRect();
      return box.width && box.right > innerWidth + 1 && !e.closest('.scrolls, .cell_output, pre')
    });
    found.push(`the page scrolls sideways by ${root.scrollWidth - innerWidth} px: `
      + (wide ? name(wide) : ''));
  }
  for (const e of document.querySelectorAll('article table, article img, article svg.marks')) {
    const box = e.getBoundingClientRect();
    if (!box.width) continue;
    let right = innerWidth;
    for (let up = e.parentElement; up && up !== document.body; up = up.parentElement) {
      const how = getComputedStyle(up).overflowX;
      if (how === 'auto' || how === 'scroll') {
        right = innerWidth < 768 ? Infinity : up.getBoundingClientRect().left + up.clientWidth;
        break;
      }
      if (how !== 'visible') right = Math.min(right, up.getBoundingClientRect().right);
    }
    if (box.right > right + 1) found.push(`cut off by ${Math.round(box.right - right)} px: `
      + name(e));
  }
  for (const e of document.querySelectorAll('article img')) {
    if (e.complete && !e.naturalWidth) found.push('missing picture: ' + e.src);
    if (!e.alt || /\\.(svg|png)$/.test(e.alt)) found.push('no alternative text: ' + e.src);
    const letters = 13.3 * e.getBoundingClientRect().width / e.naturalWidth;
    if (e.src.endsWith('.svg') && letters && letters < SMALLEST)
      found.push(`letters of ${letters.toFixed(1)} px: ${name(e)}`);
  }
  for (const e of document.querySelectorAll('article :is(p, td, th, li, figcaption)')) {
    const size = parseFloat(getComputedStyle(e).fontSize);
    if (e.offsetWidth && size < SMALLEST) found.push(`letters of ${size} px: ${name(e)}`);
  }
  const font = [...document.fonts].some(f => /Formulas/.test(f.family) && f.status === 'loaded');
  const undrawn = [...document.querySelectorAll('.math')].filter(e => e.offsetWidth
    && !(font && e.querySelector('math')?.getBoundingClientRect().height));
  if (undrawn.length) found.push('mathematics not drawn: ' + name(undrawn[0]));
  return found
}""".replace("SMALLEST", str(SMALLEST))


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def stumbles(browser: Browser, path: Path, *, widths: tuple[int, ...] = WIDTHS) -> list[str]:
    """What is wrong with a page, one sentence each.

    Messages of the console, requests that leave the file system, sideways scrolling, what is cut
    off or too small, pictures that are missing or have no text, mathematics that is not drawn, and
    serious violations of accessibility, in light and dark.
    """
    found: list[str] = []
    page = browser.new_page(viewport={"width": widths[0], "height": 900})
    page.on("console", lambda m: found.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda error: found.append(f"script: {error}"))
    page.on("request", lambda r: found.append(f"asks {r.url}") if leaves(r.url) else None)
    page.set_default_timeout(180_000)
    page.goto(path.as_uri())
    page.evaluate("document.fonts.ready.then(() => true)")
    for theme in ("light", "dark"):
        page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        for width in widths if theme == "light" else widths[:1]:
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(400)  # the theme waits 300 ms before it follows a new size
            found += [f"{width} px, {theme}: {said}" for said in page.evaluate(LOOK)]
        found += [f"{theme}: {said}" for said in _violations(page)]
    page.close()
    return found


def leaves(url: str) -> bool:
    return not url.startswith(("file:", "data:", "blob:", "about:"))


def _violations(page: Page) -> list[str]:
    """Serious violations of the rules of axe, each with its first place."""
    # Only violations are described in full: what passed takes as long again to write down.
    options = {"preload": False, "resultTypes": ["violations"]}
    violations: list[dict[str, Any]] = Axe().run(page, options=options).response["violations"]
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:160]} ({len(v['nodes'])} places)"
        for v in violations
        if v["impact"] in ("serious", "critical")
    ]
