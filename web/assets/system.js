// Keeps the tables of the monitor up to date. Without this script, a reload does.

const tables = document.querySelector("[data-events]");
const note = document.getElementById("live");
const source = new EventSource(tables.dataset.events);

source.addEventListener("message", (event) => {
  note.hidden = false;
  // A button that has the focus keeps it, and a table keeps its place.
  const isBusy = tables.contains(document.activeElement) && document.activeElement.closest("form");
  if (isBusy) {
    return;
  }
  const places = [...tables.querySelectorAll(".table-scroll")].map((table) => table.scrollLeft);
  const focused = [...tables.querySelectorAll(".table-scroll")].indexOf(document.activeElement);
  tables.innerHTML = event.data;
  for (const [at, table] of tables.querySelectorAll(".table-scroll").entries()) {
    table.scrollLeft = places[at] ?? 0;
    if (at === focused) {
      table.focus({ preventScroll: true });
    }
  }
});
source.addEventListener("error", () => {
  note.hidden = true;
});
