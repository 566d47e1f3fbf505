// Run before the rest of the page: a file that was cut short has no last script, `main.js`.
addEventListener("load", () => {
  if (typeof openDetector === "function") return;
  document.getElementById("lead").textContent =
    "This page is cut short or damaged, and cannot detect anything. Download or copy the whole file again.";
});
