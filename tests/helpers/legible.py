"""What makes a page legible, measured in a browser: contrast of its texts, and what is too wide."""

from playwright.sync_api import Page

LEAST_CONTRAST = 4.5  # WCAG 2.2, success criterion 1.4.3, level AA

# The color behind an element, seen through what is not opaque, and the contrast of its text.
_CONTRASTS = """(where) => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = color => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = (front, back) => {
    const alpha = front[3] / 255;
    return [0, 1, 2].map(i => front[i] * alpha + back[i] * (1 - alpha));
  };
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const root = getComputedStyle(document.documentElement);
  const canvasColor = dark && root.colorScheme.includes('dark')
    ? [18, 18, 18] : [255, 255, 255];
  const behind = element => {
    if (!element) return canvasColor;
    const color = rgba(getComputedStyle(element).backgroundColor);
    return color[3] === 255 ? color.slice(0, 3) : over(color, behind(element.parentElement));
  };
  const luminance = rgb => {
    const [r, g, b] = rgb.map(c => c / 255).map(
      c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  for (const root of document.querySelectorAll(where)) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      const text = walker.currentNode.textContent.trim();
      if (!text || element.closest('script, style, math')) continue;
      // What appears under the mouse only, such as a copy button, is transparent or hidden.
      if (!element.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})) continue;
      const style = getComputedStyle(element);
      const drawn = element.closest('svg');
      const back = drawn ? behind(drawn) : behind(element);
      const color = rgba(drawn ? style.fill : style.color);
      for (let one = element; one; one = one.parentElement)
        color[3] *= getComputedStyle(one).opacity;
      const front = over(color, back);
      const tones = [luminance(front), luminance(back)];
      const contrast = (Math.max(...tones) + 0.05) / (Math.min(...tones) + 0.05);
      const pair = `${front.map(Math.round)} on ${back.map(Math.round)}`;
      found.push([contrast, text.slice(0, 40), pair,
        element.className.toString() || element.tagName]);
    }
  }
  return found;
}"""

# The page, and what it holds, where it can be seen only by scrolling sideways.
_WIDE = """() => [...document.querySelectorAll('html, body :is(table, pre, div)')]
  .filter(one => one.clientWidth && one.scrollWidth > one.clientWidth + 1)
  .filter(one => one.matches('html') || getComputedStyle(one).overflowX !== 'visible')
  .map(one => `${one.tagName} ${one.className} ${one.textContent.trim().slice(0, 40)}`)"""


def faint_texts(page: Page, where: str) -> list[list]:
    """The visible texts that do not stand out: contrast, text, colors and class of each.

    Args:
        page: The page.
        where: A selector of what is looked at; it must hold texts.
    """
    found = page.evaluate(_CONTRASTS, where)
    assert len(found) > 5, f"no texts in {where}"
    return [one for one in found if one[0] < LEAST_CONTRAST]


def wide_things(page: Page) -> list[str]:
    """What is wider than its place, the page itself or a part of it."""
    return page.evaluate(_WIDE)
