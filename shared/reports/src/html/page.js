"use strict";
(function () {
  function each(list, act) { Array.prototype.forEach.call(list, act); }
  /** What a row is sorted by; without a column, where it was at first. */
  function key(row, column) {
    if (column < 0) { return row.cells[0].dataset.at; }
    var cell = row.cells[column];
    return cell.dataset.key || cell.textContent;
  }
  function compare(x, y) {
    var a = Number(x), b = Number(y);
    if (x !== "" && y !== "" && !isNaN(a) && !isNaN(b)) { return a - b; }
    return x < y ? -1 : x > y ? 1 : 0;
  }
  function sort(table, column, down) {
    var body = table.tBodies[0];
    var rows = Array.prototype.slice.call(body.rows);
    var keyed = rows.map(function (row) { return [key(row, column), row]; });
    keyed.sort(function (a, b) { return down ? compare(b[0], a[0]) : compare(a[0], b[0]); });
    var sorted = document.createDocumentFragment();
    keyed.forEach(function (pair) { sorted.appendChild(pair[1]); });
    body.appendChild(sorted);
    each(table.tHead.rows[0].cells, function (cell, at) {
      if (at === column) {
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      } else {
        cell.removeAttribute("aria-sort");
      }
    });
  }
  var findings = document.getElementById("findings");
  var order = document.getElementById("order");
  each(document.querySelectorAll("table"), function (table) {
    each(table.tHead.rows[0].cells, function (heading, column) {
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      heading.textContent = "";
      heading.appendChild(button);
      button.addEventListener("click", function () {
        var down = heading.getAttribute("aria-sort") === "ascending";
        sort(table, column, down);
        if (table === findings) { order.value = (down ? "-" : "") + (column + 1); }
      });
    });
  });
  if (!findings) { return; }
  var rows = Array.prototype.map.call(findings.tBodies[0].rows, function (row, at) {
    row.cells[0].dataset.at = at;
    return { row: row, text: row.textContent.toLowerCase() };
  });
  var text = document.getElementById("text");
  var gravity = document.getElementById("gravity");
  var standing = document.getElementById("standing");
  var count = document.getElementById("count");
  function filter() {
    var wanted = text.value.trim().toLowerCase();
    var shown = 0;
    rows.forEach(function (it) {
      var fits = (!gravity.value || it.row.dataset.gravity === gravity.value) &&
        (!standing.value || it.row.dataset.standing === standing.value) &&
        (!wanted || it.text.indexOf(wanted) >= 0);
      it.row.hidden = !fits;
      if (fits) { shown += 1; }
    });
    count.textContent = shown + " of " + rows.length + " shown";
  }
  each(findings.tHead.rows[0].cells, function (heading, column) {
    [["", " \u2191"], ["-", " \u2193"]].forEach(function (way) {
      var option = document.createElement("option");
      option.value = way[0] + (column + 1);
      option.textContent = heading.textContent + way[1];
      order.appendChild(option);
    });
  });
  order.addEventListener("input", function () {
    var by = Number(order.value);
    if (by) { sort(findings, Math.abs(by) - 1, by < 0); } else { sort(findings, -1, false); }
  });
  [text, gravity, standing].forEach(function (control) {
    control.addEventListener("input", filter);
  });
  document.getElementById("filters").hidden = false;
  filter();
}());
