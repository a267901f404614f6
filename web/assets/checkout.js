// Prices the checkout again when something changes that the price depends on. Without a script, the
// button "Update" does the same.

const form = document.querySelector("form[data-checkout]");
let latest = 0;

// A button that is pressed right now is not replaced, or the click would be lost.
let released = Promise.resolve();
addEventListener("pointerdown", (event) => {
  if (!event.target.closest?.("button, a")) return;
  released = new Promise((resolve) => {
    const release = () => setTimeout(resolve);
    setTimeout(resolve, 1000);
    for (const type of ["pointerup", "pointercancel"]) addEventListener(type, release, { once: true });
  });
});

async function reprice() {
  const number = ++latest;
  const data = new URLSearchParams(new FormData(form));
  data.set("action", "update");
  data.delete("code");
  let page;
  try {
    // form.action is the buttons of this name.
    const response = await fetch(form.getAttribute("action"), { method: "POST", body: data });
    if (!response.ok || response.redirected) return;
    page = new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return; // The button still works, and an order names the total that was shown.
  }
  await released;
  // A later change has been sent meanwhile.
  if (number !== latest) return;
  for (const part of form.querySelectorAll("[data-part]")) {
    const next = page.querySelector(`[data-part="${part.dataset.part}"]`);
    const active = part.contains(document.activeElement) ? document.activeElement : null;
    // What is being typed stays.
    if (!next || (active && active.matches("input:not([type=radio]), select, textarea"))) continue;
    // A code that is not applied yet is not sent, and stays too.
    const code = next.querySelector("#code");
    if (code) code.value = form.elements.code.value;
    part.replaceWith(next);
    if (!active) continue;
    const value = active.value ? `[value="${CSS.escape(active.value)}"]` : "";
    const again = active.id ? document.getElementById(active.id) : next.querySelector(`[name="${active.name}"]${value}`);
    again?.focus();
  }
}

form?.addEventListener("change", (event) => {
  if (event.target.matches("[data-priced]")) reprice();
});
