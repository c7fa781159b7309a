"""python tests/scripts/screenshots.py REPORT.html FOLDER: the report's first screens, light and dark, by width."""

import sys
from pathlib import Path

from tests.support.browser import browser, picture, show

_HEIGHTS = {1280: 1500, 390: 1900}


def main(page: str, folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    with browser() as driver:
        for theme in ("light", "dark"):
            for width, height in _HEIGHTS.items():
                show(driver, Path(page), theme, width)
                (Path(folder) / f"report-{theme}-{width}.png").write_bytes(picture(driver, height))


if __name__ == "__main__":
    main(*sys.argv[1:])
