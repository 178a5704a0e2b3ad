"use strict";
// Sorting by a column: of the heat maps and nothing else. The page is complete without it.
for (const button of document.querySelectorAll("table.sortable th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
    const place = [...head.parentNode.children].indexOf(head);
    const down = head.getAttribute("aria-sort") !== "descending";
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => row.cells[place].dataset.order;
    const rows = [...body.rows];
    rows.sort((one, other) => {
      const a = value(one), b = value(other), numbers = Number(a) - Number(b);
      return (down ? -1 : 1) * (Number.isNaN(numbers) ? String(a).localeCompare(String(b)) : numbers);
    });
    body.append(...rows);
  });
}
addEventListener("beforeprint", () => { for (const part of document.querySelectorAll("details.paper")) part.open = true; });
