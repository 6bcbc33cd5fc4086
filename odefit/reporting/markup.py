"""Elements of HTML, MathML and SVG: whatever is put into one is escaped, unless it is markup already."""

from __future__ import annotations

from markupsafe import Markup, escape


def element(tag: str, *content: str, **attributes: str | float | None) -> Markup:
    """One element with its content.

    Parameters
    ----------
    tag
        Its name, which is the program's own.
    content
        Text, which is escaped, or markup.
    attributes
        By their names; a final underscore is taken away, other ones become hyphens. None: the attribute is left out.

    Returns
    -------
    markupsafe.Markup

    Examples
    --------
    >>> print(element("text", "k < 1", class_="tick", text_anchor="end"))
    <text class="tick" text-anchor="end">k &lt; 1</text>
    """
    inner = joined(*content)
    if not attributes:
        return Markup(f"<{tag}>{inner}</{tag}>")
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{given}>{inner}</{tag}>")


def joined(*content: str) -> Markup:
    """Text, which is escaped, and markup, one after the other."""
    return Markup("").join(content)
