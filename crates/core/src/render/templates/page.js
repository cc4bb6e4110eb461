"use strict";
// Finding steps: by text and by action. What is asked for stands in the address, so that it can be passed on:
// #find=TEXT&only=create,delete. Everything else on the page works without this script.
(() => {
  const filter = document.getElementById("filter");
  const text = document.getElementById("filter-text");
  const shown = document.getElementById("shown");
  const boxes = [...filter.querySelectorAll("input[name=kind]")];
  const steps = [...document.querySelectorAll("[data-kind]")];
  const words = new Map(steps.map((step) => [step, step.textContent.toLowerCase()]));

  const apply = () => {
    const wanted = text.value.trim().toLowerCase();
    const kinds = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let count = 0;
    for (const step of steps) {
      const fits = kinds.has(step.dataset.kind) && words.get(step).includes(wanted);
      step.toggleAttribute("data-hidden", !fits);
      if (fits) count += 1;
    }
    for (const fold of document.querySelectorAll("[data-fold]")) {
      const some = fold.querySelector("[data-kind]:not([data-hidden])");
      fold.toggleAttribute("data-hidden", !some);
      if (some && wanted) fold.open = true;
    }
    const all = steps.length;
    shown.textContent = count === all ? `${all} stacks` : `${count} of ${all} stacks`;
  };

  const write = () => {
    const parts = [];
    if (text.value.trim()) parts.push(`find=${encodeURIComponent(text.value.trim())}`);
    const checked = boxes.filter((box) => box.checked);
    if (checked.length < boxes.length) parts.push(`only=${checked.map((box) => box.value).join(",")}`);
    history.replaceState(null, "", parts.length ? `#${parts.join("&")}` : location.pathname + location.search);
  };

  const read = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    if (asked.has("find") || asked.has("only")) {
      text.value = asked.get("find") ?? "";
      const only = asked.has("only") ? asked.get("only").split(",") : null;
      for (const box of boxes) box.checked = !only || only.includes(box.value);
      apply();
      return;
    }
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (!target) return;
    if (target.hasAttribute("data-hidden")) {
      text.value = "";
      for (const box of boxes) box.checked = true;
      apply();
    }
    const fold = target.closest("details");
    if (fold) fold.open = true;
    for (const details of target.querySelectorAll("details")) details.open = true;
    target.scrollIntoView();
    target.focus({ preventScroll: true });
  };

  const details = (open) => {
    for (const each of document.querySelectorAll("article.step:not([data-hidden]) details")) each.open = open;
  };
  document.getElementById("open-all").addEventListener("click", () => details(true));
  document.getElementById("close-all").addEventListener("click", () => details(false));
  for (const control of [text, ...boxes]) {
    control.addEventListener("input", () => { apply(); write(); });
  }
  addEventListener("hashchange", read);

  // Arrows at the stack that is pointed at stand out.
  for (const graph of document.querySelectorAll("svg.picture")) {
    const arrows = [...graph.querySelectorAll("path.arrow[data-from]")];
    const near = (event) => {
      const step = event.target.closest?.("[data-step]")?.dataset.step;
      for (const arrow of arrows) {
        arrow.classList.toggle("near", step !== undefined && [arrow.dataset.from, arrow.dataset.to].includes(step));
      }
    };
    for (const kind of ["mouseover", "focusin"]) graph.addEventListener(kind, near);
    graph.addEventListener("mouseleave", near);
  }

  // On paper nothing can be opened.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const each of closed) each.open = true;
  });
  addEventListener("afterprint", () => { for (const each of closed) each.open = false; });

  filter.hidden = false;
  apply();
  read();
})();
