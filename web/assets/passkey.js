// Makes a passkey, or signs in with one, and sends the answer of the device with the form of the
// page. Shows what needs passkeys to browsers that have them (Web Authentication Level 3).

const hasPasskeys = typeof window.PublicKeyCredential?.parseRequestOptionsFromJSON === "function";
for (const element of document.querySelectorAll("[data-passkeys]")) element.hidden = !hasPasskeys;
for (const element of document.querySelectorAll("[data-no-passkeys]")) element.hidden = hasPasskeys;

const form = document.querySelector("form[data-passkey]");

function show(id) {
  for (const message of document.querySelectorAll("[data-passkey-message]")) message.hidden = message.id !== id;
  document.getElementById(id)?.focus();
}

async function answer(options) {
  if (form.dataset.passkey === "create") {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return navigator.credentials.create({ publicKey });
  }
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return navigator.credentials.get({ publicKey });
}

async function run() {
  try {
    const credential = await answer(JSON.parse(form.dataset.options));
    form.elements.credential.value = JSON.stringify(credential);
  } catch (error) {
    show(error.name === "InvalidStateError" ? "passkey-known" : "passkey-failed");
    return;
  }
  form.submit();
}

form?.addEventListener("submit", (event) => {
  // With an answer already, only the name was wrong.
  if (form.elements.credential.value) return;
  event.preventDefault();
  run();
});
if (form?.dataset.passkey === "get") run();
