addEventListener("beforeprint", () => {
  for (const closed of document.querySelectorAll("details:not([open])")) {
    closed.open = true;
    closed.dataset.opened = "";
  }
});
addEventListener("afterprint", () => {
  for (const opened of document.querySelectorAll("details[data-opened]")) {
    opened.open = false;
    delete opened.dataset.opened;
  }
});
for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const range = document.createRange();
    range.selectNode(button.parentElement.querySelector(button.dataset.copies));
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    const said = button.textContent;
    button.textContent = document.execCommand("copy") ? "Copied" : "Selected: copy it with the keyboard";
    setTimeout(() => { button.textContent = said; }, 2000);
  });
}
