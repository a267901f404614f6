// Looks whether the payment of an order is decided, and shows the page again when it is. Without a
// script, the link "Check again" does the same.

const INTERVAL = 3000;
const ATTEMPTS = 60;

const order = document.querySelector("[data-waiting]");
const status = (root) => root.querySelector("[data-part=status]")?.textContent;

async function check(attempt) {
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (response.ok && status(page) !== status(document)) {
      location.reload();
      return;
    }
  } catch {
    // The next attempt may succeed.
  }
  if (attempt < ATTEMPTS) setTimeout(check, INTERVAL, attempt + 1);
}

if (order) setTimeout(check, INTERVAL, 1);
