// Improves pages that work without it.

// A field that sorts, or sets a quantity, sends its form when it changes; the button is then not needed.
for (const field of document.querySelectorAll("[data-submit]")) {
  const button = field.form.querySelector("[data-without-script]");
  field.addEventListener("change", () => field.form.requestSubmit(button));
  button?.setAttribute("hidden", "");
}

// A second click sends nothing again while the first one is under way.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
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
