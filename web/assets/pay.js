// The payment at Stripe: its Payment Element, and the way back to the order. Stripe's library knows the
// card; this shop does not.

const form = document.getElementById("pay");
const problem = document.getElementById("pay-problem");

function fail(message) {
  if (message) problem.textContent = message;
  problem.hidden = false;
  problem.scrollIntoView({ block: "center" });
}

if (typeof Stripe === "undefined") {
  fail();
} else {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const stripe = Stripe(form.dataset.key, { locale: form.dataset.locale });
  const elements = stripe.elements({
    clientSecret: form.dataset.secret,
    appearance: { theme: isDark ? "night" : "stripe" },
  });
  elements.create("payment").mount("#payment-element");
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    problem.hidden = true;
    const returnUrl = new URL(form.dataset.return, location.origin).href;
    const { error } = await stripe.confirmPayment({ elements, confirmParams: { return_url: returnUrl } });
    // Without an error, the browser is on its way to the order or to the bank.
    button.disabled = false;
    fail(error.message);
  });
}
