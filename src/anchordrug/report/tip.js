"use strict";
// Labels of points and definitions of terms: on hover, on touch, and with the keyboard where they have the focus.
{
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true"); // the point or term itself says the same
  document.body.append(tip);
  const show = (event) => {
    const point = event.target.closest?.("[data-tip]");
    tip.hidden = !point;
    if (!point) return;
    tip.textContent = point.dataset.tip;
    tip.style.left = "0"; // its width must not depend on its place
    const box = point.getBoundingClientRect();
    const half = tip.offsetWidth / 2;
    const middle = Math.min(Math.max(box.left + box.width / 2, half + 4), innerWidth - half - 4);
    tip.style.left = `${middle - half}px`;
    const above = box.top - tip.offsetHeight - 6;
    tip.style.top = `${above > 0 ? above : box.bottom + 6}px`;
  };
  for (const kind of ["pointerover", "focusin", "pointerdown"]) document.addEventListener(kind, show);
  document.addEventListener("focusout", () => { tip.hidden = true; });
  document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });
}
