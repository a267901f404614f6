// Improves pages that work without it.

// A list that filters or sorts sends its form when the choice changes; its button is then not needed.
for (const select of document.querySelectorAll("select[data-submit]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
  select.form.querySelector("[data-without-script]")?.setAttribute("hidden", "");
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
