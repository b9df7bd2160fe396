// Ctrl+Enter asks, as in other consoles.
const form = document.getElementById("ask");
if (form) {
  document.getElementById("shortcut").hidden = false;
  document.getElementById("query").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
}
