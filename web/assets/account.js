// Copies the code of a mail from the fragment of the address into the form, and removes it from the
// address. Without a script, the visitor types the code.

const field = document.querySelector("[data-fragment]");
const token = field && new URLSearchParams(location.hash.slice(1)).get(field.dataset.fragment);
if (token) {
  field.value = token;
  history.replaceState(null, "", location.pathname + location.search);
  if (field.form.matches("[data-automatic]")) field.form.requestSubmit();
  else field.form.querySelector("input[type=password]")?.focus();
}
