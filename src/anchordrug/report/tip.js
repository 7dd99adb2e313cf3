"use strict";
// Labels of points and definitions of terms: on hover, on touch, and with the keyboard where they have the focus.
{
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true"); // the point or term itself says the same
  document.body.append(tip);
  let told = null;
  const place = () => {
    tip.style.left = "0"; // its width must not depend on its place
    const box = told.getBoundingClientRect();
    const half = tip.offsetWidth / 2;
    const middle = Math.min(Math.max(box.left + box.width / 2, half + 4), innerWidth - half - 4);
    tip.style.left = `${middle - half}px`;
    const above = box.top - tip.offsetHeight - 6;
    tip.style.top = `${above > 0 ? above : box.bottom + 6}px`;
  };
  const hide = () => { tip.hidden = true; told = null; };
  const show = (event) => {
    const point = event.target.closest?.("[data-tip]");
    // The pointer may come to be elsewhere as the page scrolls to what has the focus.
    if (!point && event.type === "pointerover" && told === document.activeElement) return;
    if (!point) return hide();
    told = point;
    tip.textContent = point.dataset.tip;
    tip.hidden = false;
    place();
  };
  for (const kind of ["pointerover", "focusin", "pointerdown"]) document.addEventListener(kind, show);
  document.addEventListener("focusout", hide);
  // What takes the focus scrolls into view, and keeps its label.
  document.addEventListener("scroll", () => { if (told) told === document.activeElement ? place() : hide(); }, { passive: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
}
