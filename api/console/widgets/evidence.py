"""Pictures that the buyer shows."""

from api.console.visitor import Visitor
from api.console.widgets.basic import tag


def gallery(visitor: Visitor, urls: list[str]) -> None:
    """Small, each a link to the whole; loaded without telling its host who looks."""
    if not urls:
        return
    tag("h3", visitor.t("case.evidence"), classes="small-title")
    with tag("div", classes="gallery"):
        for number, url in enumerate(urls, 1):
            _picture(visitor, number, url)


def _picture(visitor: Visitor, number: int, url: str) -> None:
    label = visitor.t("case.picture", number=number)
    frame = tag("a", classes="picture").props('target="_blank" rel="noopener noreferrer"')
    frame.props["href"] = url
    frame.props["aria-label"] = label
    # A picture over plain http would break the page's lock: it is a link only.
    if not url.startswith("https:"):
        with frame:
            tag("span", label)
        return
    with frame:
        image = tag("img").props('loading="lazy" referrerpolicy="no-referrer"')
        image.props["src"], image.props["alt"] = url, label
