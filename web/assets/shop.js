// Improves pages that work without it.

// A field that sorts, or sets a quantity, sends its form when it changes; the button is then not needed.
for (const field of document.querySelectorAll("[data-submit]")) {
  const button = field.form.querySelector("[data-without-script]");
  field.addEventListener("change", () => field.form.requestSubmit(button));
  button?.setAttribute("hidden", "");
}

// What a page with several forms asks before one of them is sent, while another one has changes that would be lost.
const unsaved = document.querySelector("[data-unsaved]")?.dataset.unsaved;

function isChanged(field) {
  if (field instanceof HTMLSelectElement) {
    return field.selectedIndex !== Math.max(0, [...field.options].findIndex((option) => option.defaultSelected));
  }
  if (field.type === "checkbox" || field.type === "radio") {
    return field.checked !== field.defaultChecked;
  }
  return field.type !== "hidden" && "defaultValue" in field && field.value !== field.defaultValue;
}

function hasUnsavedChanges(sent) {
  const others = unsaved ? [...document.forms].filter((form) => form !== sent && form.method === "post") : [];
  return others.some((form) => [...form.elements].some(isChanged));
}

// A second click sends nothing again while the first one is under way.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent || (hasUnsavedChanges(form) && !confirm(unsaved))) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "true";
  });
}

// A page that comes back from the cache of the browser can be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
  }
});
