// Choose whose images are shown.

for (const box of all(".choice input")) {
  box.addEventListener("change", () => {
    for (const view of all(`.view[data-model="${box.value}"]`)) view.hidden = !box.checked;
  });
}
if (all(".choice input").length > 4) document.body.classList.add("many");
document.documentElement.classList.add("live");
